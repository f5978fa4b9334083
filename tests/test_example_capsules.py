"""The example on capsules: digits are drawn where the network is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import unspool as us
from unspool.demo import load


def test_few_steps_already_draw_better_than_a_blank_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    example = load("capsules")
    figures = example.main(["--quick", "--out", str(tmp_path)])
    assert f"{figures['places: error']:.3f}" in capsys.readouterr().out
    assert figures["places: error"] < 0.6
    assert figures["places: found"] > 0.5  # 1 in 25 by chance
    assert (tmp_path / "capsules.png").exists()
    assert example.main(["--quick", "--capsules", "3"])["places: error"] > figures["places: error"]


@pytest.mark.slow
def test_digits_are_drawn_where_the_capsules_are_told() -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    figures = load("capsules").main([])
    assert figures["places: found"] > 0.97
    assert figures["matrices: found"] > 0.97
    assert figures["places: error"] < 0.3


def test_motions_of_matrices_put_digits_where_shifts_do() -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    example: Any = load("capsules")
    canvas = us.rand(4, 1, 12, 12)
    places = us.tensor([[2.0, 1.0], [0.0, 0.0], [-1.0, 2.0], [-2.0, -2.0]])
    maps = us.eye(3).repeat(4, 1, 1)
    maps[:, :2, 2] = places
    difference = example.mapped(canvas, maps) - example.placed(canvas, places)
    assert difference.abs().max().item() < 1e-5
