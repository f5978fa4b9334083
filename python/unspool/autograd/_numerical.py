"""Derivatives by differences, with an estimate of their own error. Knows nothing of tensors or tapes.

A central difference has two errors: one of truncation that falls with the step, and one of rounding that
grows as the step falls. No single step suits all functions, so a ladder of steps is tried until the
difference agrees with the derivative it is compared with, or the ladder ends. Each rung takes two steps, h
and h/2, extrapolates (Richardson 1911) and reports how far the two were apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

Probe: TypeAlias = "Callable[[float], tuple[float, Array]]"
"""Takes a step from the point of interest; gives the step taken, after rounding, and the values there."""

RATIO = 32.0  # of neighbouring steps
SAFETY = 4.0  # true errors may be this many times the estimated one
NOISE = 16.0  # what is smaller than this many times the noise may be noise


@dataclass(frozen=True)
class Tolerance:
    """How far an analytic derivative may be from a numerical one."""

    epsilon: float  # of the arithmetic in which the function is evaluated
    atol: float | None = None
    rtol: float | None = None

    def _of_value(self, numeric: Array, floor: float) -> Array:
        if self.atol is None or self.rtol is None:
            return np.asarray(8 * self.epsilon**0.5 * np.abs(numeric) + floor)
        return np.asarray(self.atol + self.rtol * np.abs(numeric))

    def trusts(self, analytic: Array, rung: Rung, floor: float) -> Mask:
        """Tell where a rung is exact enough to decide alone: its error is small, or all else is rounding."""
        noise = NOISE * rung.rounding
        is_zero = np.maximum(rung.error, np.maximum(np.abs(rung.numeric), np.abs(analytic))) <= noise
        return np.asarray((rung.error <= self._of_value(rung.numeric, floor)) | is_zero)

    def accepts(self, analytic: Array, numeric: Array, error: Array, floor: float) -> Mask:
        """Tell where the two agree; large errors excuse differences of up to a thousandth of the value."""
        loose = 1e-3 if self.epsilon < 1e-12 else 3e-2
        size = np.maximum(np.abs(numeric), np.abs(analytic))
        excuse = np.minimum(SAFETY * error, loose * size + 64 * floor)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(analytic - numeric) <= self._of_value(numeric, floor) + excuse)


@dataclass(frozen=True)
class Rung:
    """What steps of one size found, by output."""

    step: float
    numeric: Array
    error: Array  # estimated; infinite where a value is not finite
    rounding: Array  # the part of the error that the rounding of the values alone explains


@dataclass(frozen=True)
class Comparison:
    """A numerical derivative of each output, the error it may have, and whether the analytic one agrees."""

    numeric: Array
    error: Array
    agrees: Mask


def step_sizes(first: float, smallest: float, largest: float) -> Iterator[float]:
    """Give steps to try: `first`, then smaller and larger ones in turn."""
    yield first
    down = up = first
    while down > smallest or up < largest:
        if down > smallest:
            down /= RATIO
            yield down
        if up < largest:
            up = min(up * RATIO, largest)
            yield up


def central_difference(probe: Probe, center: Array, step: float, epsilon: float) -> Rung:
    """Extrapolate the central differences of two steps, and estimate the error."""
    (far_up, f_far_up), (far_down, f_far_down) = probe(step), probe(-step)
    (up, f_up), (down, f_down) = probe(step / 2), probe(-step / 2)
    rounding = 2 * epsilon * np.abs(center) / step
    if min(far_up, up, -far_down, -down) <= 0:  # lost in the rounding of the input
        nothing = np.zeros_like(center)
        return Rung(step, nothing, nothing + np.inf, rounding)
    with np.errstate(all="ignore"):
        wide = (f_far_up - f_far_down) / (far_up - far_down)
        narrow = (f_up - f_down) / (up - down)
        numeric = narrow + (narrow - wide) / 3
        # One-sided differences meet linearly as the step shrinks, unless there is a kink within it.
        wide_gap = (f_far_up - center) / far_up - (f_far_down - center) / far_down
        gap = (f_up - center) / up - (f_down - center) / down
        error = np.abs(narrow - wide) / 3 + np.abs(wide_gap - 2 * gap) + rounding
    finite = np.isfinite(error) & np.isfinite(numeric)
    return Rung(step, np.where(finite, numeric, 0.0), np.where(finite, error, np.inf), rounding)


def _most_exact(rungs: list[Rung]) -> tuple[Array, Array, Array]:
    """Give, by output, the numerical derivative with the smallest error, that error, and its part of noise.

    Small steps may agree with each other by accident, where the function is a staircase of rounded values.
    So a rung must also agree with all of larger steps within their errors. And where smaller steps disagree,
    the values are noisy, possibly more than by their own rounding: terms may be larger than their sum.
    """
    rungs = sorted(rungs, key=lambda rung: -rung.step)
    numeric, error = rungs[0].numeric, rungs[0].error
    step = np.full_like(error, rungs[0].step)
    for place, rung in enumerate(rungs):
        own = rung.error
        for larger in rungs[:place]:
            own = np.maximum(own, np.abs(rung.numeric - larger.numeric) - SAFETY * larger.error)
        better = own < error
        numeric, error = np.where(better, rung.numeric, numeric), np.where(better, own, error)
        step = np.where(better, rung.step, step)
    noise = np.zeros_like(error)
    for rung in rungs:
        is_smaller = (rung.step < step) & np.isfinite(rung.error)
        noise = np.maximum(noise, np.where(is_smaller, np.abs(rung.numeric - numeric) * rung.step, 0.0))
    return numeric, error + noise / step, (noise + rungs[0].rounding * rungs[0].step) / step


def compare(
    probe: Probe, center: Array, analytic: Array, steps: Iterator[float], tolerance: Tolerance, floor: float
) -> Comparison:
    """Compare an analytic derivative along one direction with differences, of more steps while they disagree.

    Args:
        probe: the function along the direction.
        center: its values at the point of interest, (outputs,).
        analytic: the derivative to check, (outputs,).
        steps: the ladder.
        tolerance: how far apart the two may be.
        floor: below this, derivatives are rounding noise.
    """
    agrees = np.zeros(center.shape, np.bool_)
    numeric, error = np.zeros_like(center), np.full_like(center, np.inf)
    rungs: list[Rung] = []
    for step in steps:
        rung = central_difference(probe, center, step, tolerance.epsilon)
        rungs.append(rung)
        accepted = tolerance.accepts(analytic, rung.numeric, rung.error, floor)
        accepted &= tolerance.trusts(analytic, rung, floor) & ~agrees
        numeric, error = np.where(accepted, rung.numeric, numeric), np.where(accepted, rung.error, error)
        agrees |= accepted
        if agrees.all():
            return Comparison(numeric, error, agrees)
    best, best_error, noise = _most_exact(rungs)
    numeric, error = np.where(agrees, numeric, best), np.where(agrees, error, best_error)
    agrees |= np.isfinite(error) & tolerance.accepts(analytic, numeric, error, floor)
    # Nothing but noise on both sides: a derivative of zero. Terms of order one may have cancelled in both.
    agrees |= np.maximum(np.abs(analytic), np.abs(best)) <= NOISE * noise
    agrees |= (np.abs(analytic) <= tolerance.epsilon) & (np.abs(best) <= 64 * tolerance.epsilon)
    return Comparison(numeric, error, agrees)
