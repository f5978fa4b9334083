"""Sobol points: PyTorch 2.13's numbers, evenness, and the order in which they come."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import unspool as us
from unspool.quasirandom import SobolEngine


def test_the_points_are_pytorchs() -> None:
    plain = SobolEngine(3).draw(4)
    assert plain.tolist() == [[0, 0, 0], [0.5, 0.5, 0.5], [0.75, 0.25, 0.25], [0.25, 0.75, 0.75]]
    scrambled = SobolEngine(3, scramble=True, seed=5).draw(4)
    expected = [
        [0.4803, 0.1173, 0.1240],
        [0.9115, 0.8687, 0.5391],
        [0.5351, 0.2715, 0.3079],
        [0.1069, 0.5230, 0.8571],
    ]
    np.testing.assert_allclose(scrambled.numpy(), expected, atol=5e-5)


@pytest.mark.parametrize("scramble", [False, True])
def test_every_box_of_a_partition_holds_one_point(scramble: bool) -> None:
    us.manual_seed(4)
    points = SobolEngine(2, scramble).draw_base2(6, dtype=us.float64).numpy()
    assert ((points >= 0) & (points < 1)).all()
    for across in (1, 2, 4, 8, 16, 32, 64):
        boxes = (points * [across, 64 // across]).astype(int)
        assert len({tuple(box) for box in boxes}) == 64


@pytest.mark.parametrize("scramble", [False, True])
def test_pieces_make_the_whole(scramble: bool) -> None:
    engine = SobolEngine(5, scramble, seed=1)
    whole = engine.draw(20)
    assert engine.num_generated == 20
    engine.reset()
    pieces = us.cat([engine.draw(), engine.draw(0), engine.draw(7)])
    assert pieces.tolist() == whole[:8].tolist()
    assert engine.fast_forward(4).draw(8, out=us.empty(8, 5)).tolist() == whole[12:].tolist()
    assert SobolEngine(5, scramble, seed=1).draw(20).tolist() == whole.tolist()


def test_the_default_generator_decides_without_a_seed() -> None:
    us.manual_seed(8)
    first = SobolEngine(2, True).draw(3).tolist()
    assert SobolEngine(2, True).draw(3).tolist() != first
    us.manual_seed(8)
    assert SobolEngine(2, True).draw(3).tolist() == first


def test_bad_calls_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SobolEngine(2, seed=3, scramble=True)
    assert repr(engine) == "SobolEngine(dimension=2, scramble=True, seed=3)"
    engine.draw(3)
    for call, error, words in [
        (lambda: SobolEngine(0), ValueError, "1 to 21201"),
        (lambda: engine.draw(-1), RuntimeError, "negative"),
        (lambda: engine.fast_forward(-1), RuntimeError, "negative"),
        (lambda: engine.draw_base2(2), ValueError, "power of 2"),
    ]:
        with pytest.raises(error, match=words):
            call()
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(ImportError, match=r"pip install unspool\[quasirandom\]"):
        SobolEngine(2)
