"""A line search for the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6).

Safeguards are those of minFunc (M. Schmidt 2005): a trial stays away from the ends of its bracket.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from unspool._core import Tensor

_DECREASE, _CURVATURE = 1e-4, 0.9  # c1 and c2 of the conditions
_LEAST_MOVE = 1e-9
_MAX_TRIALS = 25


class Point(NamedTuple):
    """The loss along the search direction: length of the step, loss, gradient there and its slope."""

    length: float
    loss: float
    gradient: Tensor
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, length: float, largest: float, budget: int
) -> tuple[Point, int]:
    """A point that fulfils the conditions, or the best one found, and the number of evaluations.

    Args:
        evaluate: the loss at a length.
        start: the point of length 0.
        length: the first trial.
        largest: the largest magnitude in the search direction; brackets end when it moves less than 1e-9.
        budget: evaluations to spend after the first; at most 25 are.
    """
    trial = evaluate(length)
    previous = start
    bracket: list[Point] = []
    trials, most = 0, min(_MAX_TRIALS, budget)
    while trials < most:
        if not _decreases(trial, start) or (trials > 1 and trial.loss >= previous.loss):
            bracket = [previous, trial]
            break
        if _is_flat(trial, start):
            return trial, trials + 1
        if trial.slope >= 0:
            bracket = [previous, trial]
            break
        near, far = trial.length + 0.01 * (trial.length - previous.length), trial.length * 10
        following = evaluate(_cubic_minimum(previous, trial, near, far))
        previous, trial = trial, following
        trials += 1
    if not bracket:
        return min(start, trial, key=lambda point: point.loss), trials + 1
    return _zoom(evaluate, start, bracket, largest, trials, most)


def _zoom(
    evaluate: Callable[[float], Point],
    start: Point,
    bracket: list[Point],
    largest: float,
    trials: int,
    most: int,
) -> tuple[Point, int]:
    """Shrinks a bracket that is known to hold a suitable point."""
    low, high = _by_loss(bracket)
    made_little_progress = False
    while trials < most and abs(high.length - low.length) * largest >= _LEAST_MOVE:
        left, right = sorted((low.length, high.length))
        length = _cubic_minimum(low, high, left, right)
        margin = 0.1 * (right - left)
        if min(right - length, length - left) < margin:
            if made_little_progress or length >= right or length <= left:
                is_nearer_right = abs(length - right) < abs(length - left)
                length = right - margin if is_nearer_right else left + margin
                made_little_progress = False
            else:
                made_little_progress = True
        else:
            made_little_progress = False
        trial = evaluate(length)
        trials += 1
        if not _decreases(trial, start) or trial.loss >= low.loss:
            low, high = _by_loss([low, trial])
            continue
        if _is_flat(trial, start):
            return trial, trials + 1
        if trial.slope * (high.length - low.length) >= 0:
            high = low
        low = trial
    return low, trials + 1


def _decreases(trial: Point, start: Point) -> bool:
    # Not written with <=, because a loss that is NaN must not look like an increase here.
    return not trial.loss > start.loss + _DECREASE * trial.length * start.slope


def _is_flat(trial: Point, start: Point) -> bool:
    return abs(trial.slope) <= -_CURVATURE * start.slope


def _by_loss(bracket: list[Point]) -> tuple[Point, Point]:
    first, second = bracket
    return (first, second) if first.loss <= second.loss else (second, first)


def _cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """The minimum, in [low, high], of the cubic with the losses and slopes of two points (equation 3.59)."""
    if a.length > b.length:
        a, b = b, a
    width = b.length - a.length
    d = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
    discriminant = d * d - a.slope * b.slope
    if not discriminant >= 0:
        return (low + high) / 2
    root = math.sqrt(discriminant)
    minimum = b.length - width * ((b.slope + root - d) / (b.slope - a.slope + 2 * root))
    return min(max(minimum, low), high)
