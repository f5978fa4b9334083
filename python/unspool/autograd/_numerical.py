"""Derivatives by differences, with an estimate of their own error. Knows numbers only, nothing of tensors or tapes.

A central difference has two errors: one of truncation that falls with the step, and one of rounding that grows as the
step falls. No single step suits all functions, so a ladder of steps is tried until the difference agrees with the
derivative it is compared with, or the ladder ends. Each rung takes two steps, h and h/2, extrapolates (Richardson 1911)
and reports how far the two were apart.
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
"""Takes a step from the point of interest; gives the step really taken, after rounding, and the values there."""

RUNG = 32.0  # ratio of neighbouring steps
SAFETY = 4.0  # true errors may be this many times the estimated one


@dataclass(frozen=True)
class Tolerance:
    """How far an analytic derivative may be from a numerical one."""

    epsilon: float  # of the arithmetic in which the function is evaluated
    atol: float | None = None
    rtol: float | None = None

    def _of_value(self, numeric: Array, floor: float) -> Array:
        if self.atol is None or self.rtol is None:
            return 8 * self.epsilon**0.5 * np.abs(numeric) + floor
        return self.atol + self.rtol * np.abs(numeric)

    def trusts(self, numeric: Array, error: Array, floor: float) -> Mask:
        """Tell where a numerical derivative is exact enough to decide by itself."""
        return np.asarray(error <= self._of_value(numeric, floor))

    def accepts(self, analytic: Array, numeric: Array, error: Array, floor: float) -> Mask:
        """Tell where the two agree; a large error excuses a difference of a thousandth of the value at most."""
        loose = 1e-3 if self.epsilon < 1e-12 else 3e-2
        size = np.maximum(np.abs(numeric), np.abs(analytic))
        excuse = np.minimum(SAFETY * error, loose * size + floor)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(analytic - numeric) <= self._of_value(numeric, floor) + excuse)


@dataclass(frozen=True)
class Comparison:
    """A numerical derivative of each output, the error it may have, and whether the analytic one agrees with it."""

    numeric: Array
    error: Array
    agrees: Mask


def step_sizes(scale: float, first: float) -> Iterator[float]:
    """Give steps to try: `first`, then smaller and larger ones in turn, for an input of magnitude `scale`."""
    smallest, largest = 2.0**-36 * scale, 2.0**-3 * max(scale, 1.0)
    yield first
    down = up = first
    while down > smallest or up < largest:
        if down > smallest:
            down /= RUNG
            yield down
        if up < largest:
            up = min(up * RUNG, largest)
            yield up


def central_difference(probe: Probe, center: Array, step: float, epsilon: float) -> tuple[Array, Array]:
    """Give the extrapolated central difference and an estimate of its error, infinite where a value is not finite."""
    (far_up, f_far_up), (far_down, f_far_down) = probe(step), probe(-step)
    (up, f_up), (down, f_down) = probe(step / 2), probe(-step / 2)
    if min(far_up, up, -far_down, -down) <= 0:  # lost in the rounding of the input
        return np.zeros_like(center), np.full_like(center, np.inf)
    with np.errstate(all="ignore"):
        wide = (f_far_up - f_far_down) / (far_up - far_down)
        narrow = (f_up - f_down) / (up - down)
        numeric = narrow + (narrow - wide) / 3
        # One-sided differences meet linearly as the step shrinks, unless there is a kink within it.
        wide_gap = (f_far_up - center) / far_up - (f_far_down - center) / far_down
        gap = (f_up - center) / up - (f_down - center) / down
        error = np.abs(narrow - wide) / 3 + np.abs(wide_gap - 2 * gap) + 2 * epsilon * np.abs(center) / step
    return numeric, np.where(np.isfinite(error) & np.isfinite(numeric), error, np.inf)


def compare(
    probe: Probe, center: Array, analytic: Array, steps: Iterator[float], tolerance: Tolerance, floor: float
) -> Comparison:
    """Compare an analytic derivative along one direction with differences, of more and more steps while they disagree.

    Args:
        probe: the function along the direction.
        center: its values at the point of interest, (outputs,).
        analytic: the derivative to check, (outputs,).
        steps: the ladder.
        tolerance: how far apart the two may be.
        floor: below this, derivatives are rounding noise.
    """
    best = Comparison(np.zeros_like(center), np.full_like(center, np.inf), np.zeros(center.shape, np.bool_))
    numeric, error, agrees = best.numeric, best.error, best.agrees
    for step in steps:
        found, found_error = central_difference(probe, center, step, tolerance.epsilon)
        accepted = tolerance.accepts(analytic, found, found_error, floor)
        accepted &= tolerance.trusts(found, found_error, floor)
        better = (accepted & ~agrees) | ((found_error < error) & ~agrees)
        numeric, error = np.where(better, found, numeric), np.where(better, found_error, error)
        agrees = agrees | accepted
        if agrees.all():
            break
    agrees = agrees | (np.isfinite(error) & tolerance.accepts(analytic, numeric, error, floor))
    return Comparison(numeric, error, agrees)
