"""The example on initial weights: measured variances are those predicted, over fifty layers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from unspool.demo import load


def test_variances_over_depth_are_the_predicted_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    example = load("initialization_depth")
    figures = example.main(["--quick", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    for case in ("ReLU, naive", "ReLU, Xavier", "ReLU, He", "tanh, naive", "tanh, Xavier"):
        for what in ("z", "gradient"):
            measured, predicted = figures[f"{case}: {what}"], figures[f"{case}: {what} predicted"]
            # Three networks of width 128: single ones differ by a factor of about exp((5 * 50 / 128)^(1/2)).
            assert abs(math.log10(measured / predicted)) < 0.6, (case, what)
            assert f"{measured:.2g}" in printed
    # (1/3 / 2)^49, (1 / 2)^49 and 1: the closed forms for ReLU.
    assert figures["ReLU, naive: z predicted"] == pytest.approx(6.0**-49, rel=1e-3)
    assert figures["ReLU, Xavier: z predicted"] == pytest.approx(2.0**-49, rel=1e-3)
    assert figures["ReLU, He: z predicted"] == pytest.approx(1.0, rel=1e-3)
    assert figures["ReLU, He: loss"] < 2.25 < figures["ReLU, naive: loss"]  # ln 10 = 2.3: nothing learnt
    assert (tmp_path / "initialization_depth.png").exists()


def test_a_shallower_network_loses_less(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    figures = load("initialization_depth").main(["--quick", "--depth", "5"])
    assert figures["ReLU, naive: z predicted"] == pytest.approx(6.0**-4, rel=1e-3)
    assert 0.3 < figures["ReLU, naive: z"] * 6.0**4 < 3
    assert "layer 5" in capsys.readouterr().out
