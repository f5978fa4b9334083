"""The example on transfer learning: features of other digits help, and everything loads by its new name."""

from __future__ import annotations

from pathlib import Path

import pytest

from unspool.demo import load


def test_learnt_features_help_with_other_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    example = load("transfer_learning")
    figures = example.main(["--quick", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert figures["fine-tuned: accuracy"] > figures["from scratch: accuracy"] + 0.05
    assert figures["from scratch: wins"] == 0
    assert "8 loaded (8 of them renamed), 0 missing, 0 of another shape, 2 unused" in printed
    assert f"{figures['fine-tuned: accuracy']:.1%}" in printed
    assert (tmp_path / "transfer_learning.png").exists()
    assert example.main(["--quick", "--seed", "5"]) != figures


@pytest.mark.slow
def test_fine_tuning_wins_for_every_one_of_ten_seeds() -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    figures = load("transfer_learning").main([])
    assert figures["fine-tuned: wins"] == 10
    assert figures["frozen features: accuracy"] > figures["from scratch: accuracy"]
