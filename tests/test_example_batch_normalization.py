"""The example on batch normalization: it learns over decades of rates, and the trap is real."""

from __future__ import annotations

from pathlib import Path

import pytest

from unspool.demo import load


def test_normalized_networks_learn_where_plain_ones_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    example = load("batch_normalization")
    deep = example.main(["--quick", "--depth", "5", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    rates = ("0.1", "1", "10")
    assert max(deep[f"plain at {rate}"] for rate in rates) < 0.3
    assert max(deep[f"normalized at {rate}"] for rate in rates) > 0.7
    assert deep["sevens alone, train()"] < deep["sevens alone, eval()"]
    assert f"{deep['sevens alone, train()']:.1%}" in printed
    assert (tmp_path / "batch_normalization.png").exists()
    shallow = example.main(["--quick", "--depth", "1"])
    assert max(shallow[f"plain at {rate}"] for rate in rates) > 0.7  # one layer learns without
