"""The example on augmentation: digits anywhere are read better, and one warp does not blur."""

from __future__ import annotations

from pathlib import Path

import pytest

from unspool.demo import load


def test_augmented_training_reads_digits_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    example = load("augmentation")
    figures = example.main(["--quick", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    plain, moved = figures["as they are: anywhere"], figures["all moves: anywhere"]
    assert moved > plain + 0.1
    assert figures["as they are: in place"] > 0.6
    assert f"{moved:.1%}" in printed
    assert figures["change in one warp"] < 1e-4 < 0.05 < figures["change one by one"]
    assert (tmp_path / "augmentation.png").exists()
    assert example.main(["--quick", "--seed", "3"])["all moves: anywhere"] != moved
