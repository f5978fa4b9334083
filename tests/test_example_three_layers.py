"""The three-layer exercise: its mathematics, gradients by hand, and numbers that move with their inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unspool.demo import load


@pytest.mark.parametrize("lie", [[], ["--columns"]], ids=["rows", "columns"])
def test_gradients_are_explained_verified_and_equal_to_those_by_hand(
    lie: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = load("three_layers").main(["--quick", *lie])
    text = capsys.readouterr().out
    product = "dL/dW2 = dL/dz2 · a1ᵀ" if lie else "dL/dW2 = dL/dz2ᵀ · a1"
    assert product in text
    assert "(4×4) = (4×5) · (5×4)" in text
    assert found["largest_difference_by_hand"] < 1e-14
    assert found["gradients_verified"] >= 12
    assert found["slip_found"] == 1
    assert "SigmoidByHand: wrong gradient of argument 'z'" in text


def test_any_number_of_layers(capsys: pytest.CaptureFixture[str]) -> None:
    found = load("three_layers").main(["--quick", "--sizes", "3", "8", "7", "6", "2"])
    assert found["largest_difference_by_hand"] < 1e-14
    assert "dL/dW4 = dL/dz4ᵀ · a3" in capsys.readouterr().out


def test_training_lowers_the_cost_and_every_input_moves_it(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    example = load("three_layers")
    base = example.main(["--out", str(tmp_path)])
    assert base["last_cost"] < 1e-3 * base["first_cost"]
    assert (tmp_path / "three_layers.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")
    assert "$" in (tmp_path / "three_layers.md").read_text(encoding="utf-8")
    assert example.main(["--seed", "1"])["first_cost"] != base["first_cost"]
    assert example.main(["--batch", "6"])["first_cost"] != base["first_cost"]
    assert example.main(["--rate", "0.4"])["last_cost"] != base["last_cost"]
    assert np.isclose(example.main(["--rate", "0.4"])["first_cost"], base["first_cost"], rtol=0)
