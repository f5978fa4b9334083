"""The example on regularization: what each way does to the loss on digits never seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from unspool.demo import load


@pytest.mark.slow
def test_early_stopping_and_dropout_lower_the_loss_on_other_digits(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    figures = load("regularization").main(["--out", str(tmp_path)])
    for way in ("dropout", "weight decay", "early stopping"):
        assert figures[f"{way}: loss"] < figures["nothing: loss"]
    assert figures["early stopping: epochs"] < 0.5 * figures["nothing: epochs"]
    assert (tmp_path / "regularization.png").exists()


def test_noise_on_the_pixels_moves_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    example = load("regularization")
    clean, noisy = example.main(["--quick", "--noise", "0"]), example.main(["--quick", "--noise", "0.4"])
    printed = capsys.readouterr().out
    for way in ("nothing", "dropout", "weight decay", "bottleneck", "early stopping"):
        assert 0.8 < clean[f"{way}: accuracy"] <= 1
        assert noisy[f"{way}: accuracy"] < clean[f"{way}: accuracy"]
        assert f"{noisy[f'{way}: loss']:.4f}" in printed
