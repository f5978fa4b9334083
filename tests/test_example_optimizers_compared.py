"""The example that compares optimizers: all learn, the seed and the epochs move the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from unspool.demo import load


def test_every_rule_learns_and_the_figures_follow_the_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    example = load("optimizers_compared")
    first = example.main(["--quick", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    rules = ("SGD", "momentum", "Nesterov", "Adagrad", "RMSProp", "Adadelta", "Adam")
    for rule in rules:
        assert first[f"{rule} accuracy"] > 0.5, rule
        assert f"{first[f'{rule} loss']:.5f}" in printed
    assert first["Adam loss"] < first["SGD loss"]  # as everyone finds on such networks
    assert (tmp_path / "optimizers_compared.png").read_bytes().startswith(b"\x89PNG")
    other = example.main(["--quick", "--seed", "1"])
    assert all(first[f"{rule} loss"] != other[f"{rule} loss"] for rule in rules)
