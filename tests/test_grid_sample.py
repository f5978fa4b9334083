"""Sampling at the points of a grid: whole blocks and what is left, taps outside, NaN and infinity."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import unspool
import unspool.nn.functional as F
from reference.vision import grid_sample

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
# Planes and points: one block of 64 and less, several blocks and a rest, a plane of one element.
EXTENTS = (((5, 7), (3, 5)), ((9, 8), (13, 11)), ((1, 1), (1, 17)), ((3, 4, 5), (5, 3, 9)))


def cases() -> list[Any]:
    every = itertools.product(EXTENTS, MODES, PADDINGS, (False, True))
    return [case for case in every if case[1] != "bicubic" or len(case[0][0]) == 2]


def draw(seed: int, plane: tuple[int, ...], points: tuple[int, ...], dtype: str) -> tuple[Any, Any]:
    """Planes, and points that also fall outside of them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 3, *plane))
    grid = rng.uniform(-1.7, 1.7, (2, *points, len(plane)))
    return x.astype(dtype), grid.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("extent", "mode", "padding", "corners"), cases())
def test_values_are_those_of_the_reference(
    extent: tuple[Any, Any], mode: str, padding: str, corners: bool, dtype: str
) -> None:
    x, grid = draw(1, *extent, dtype)
    out = F.grid_sample(unspool.tensor(x), unspool.tensor(grid), mode, padding, corners).numpy()
    expected = grid_sample(x.astype(np.float64), grid.astype(np.float64), mode, padding, corners)
    tolerance = 3e-6 if dtype == "float32" else 1e-13
    # A float32 coordinate may round to another nearest element than its float64 does: none does here.
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize(("extent", "mode", "padding", "corners"), cases())
def test_gradients_are_those_of_differences(
    extent: tuple[Any, Any], mode: str, padding: str, corners: bool
) -> None:
    x, grid = draw(2, *extent, "float64")
    weight = np.random.default_rng(3).standard_normal((2, 3, *extent[1]))
    inputs = [unspool.tensor(a, requires_grad=True) for a in (x, grid)]
    F.grid_sample(inputs[0], inputs[1], mode, padding, corners).backward(unspool.tensor(weight))
    rng = np.random.default_rng(4)
    for i, (tensor, step) in enumerate(zip(inputs, (1e-3, 1e-6), strict=True)):
        along = rng.standard_normal(tensor.shape)

        def value(t: float, i: int = i, along: Any = along) -> float:
            at = [x, grid]
            at[i] = at[i] + t * along
            return float((grid_sample(at[0], at[1], mode, padding, corners) * weight).sum())

        assert tensor.grad is not None
        found = float((tensor.grad.numpy() * along).sum())
        assert found == pytest.approx((value(step) - value(-step)) / (2 * step), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_what_lies_outside_adds_nothing_even_next_to_infinity(mode: str) -> None:
    x = unspool.full((1, 1, 4, 4), float("inf"), requires_grad=True)
    grid = unspool.full((1, 3, 30, 2), 40.0)
    out = F.grid_sample(x, grid, mode, "zeros", False)
    assert out.tolist() == np.zeros((1, 1, 3, 30)).tolist()
    out.sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


@pytest.mark.parametrize(("mode", "padding"), list(itertools.product(MODES, PADDINGS)))
def test_points_that_are_not_numbers_stay_away_from_memory(mode: str, padding: str) -> None:
    x = unspool.ones(1, 2, 5, 6, requires_grad=True)
    numbers = np.resize(np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 0.25], np.float32), (1, 12, 12, 2))
    grid = unspool.tensor(numbers, requires_grad=True)
    out = F.grid_sample(x, grid, mode, padding, True)
    out.sum().backward()
    assert bool(unspool.isfinite(out).all())
    assert x.grad is not None
    assert bool(unspool.isfinite(x.grad).all())


def test_the_nearest_element_has_no_slope_even_where_it_is_infinite() -> None:
    x = unspool.full((1, 1, 4, 4), float("inf"))
    grid = unspool.zeros(1, 2, 40, 2, requires_grad=True)
    F.grid_sample(x, grid, "nearest", "border", False).sum().backward()
    assert grid.grad is not None
    assert grid.grad.tolist() == np.zeros((1, 2, 40, 2)).tolist()
