"""examples/from_recursion_to_loop.py: the derivative to the last bit, and where the plain loop is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from unspool.demo import load

RIGHT = ("generations", "complete recursion")
WRONG = ("recursion", "loop")


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return load("from_recursion_to_loop").main([])


def test_the_derivative_of_the_chain_is_exact(found: dict[str, float]) -> None:
    chain = [value for name, value in found.items() if name.startswith("chain")]
    assert chain == [3.297442541400256] * 6


def test_a_shared_value_needs_the_order_of_generations(found: dict[str, float]) -> None:
    for way in RIGHT:
        assert found[f"shared, {way}"] == 1.0
    for way in WRONG:
        assert found[f"shared, {way}"] == 1.5


def test_another_place_has_other_derivatives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = load("from_recursion_to_loop").main(["--at", "0.7", "--out", str(tmp_path)])
    for way in RIGHT:
        assert found[f"shared, {way}"] == pytest.approx(8 * 0.7**3, rel=1e-14)
    assert len({value for name, value in found.items() if name.startswith("chain")}) == 1
    assert repr(found["chain, unspool loop"]) in capsys.readouterr().out
    for name in ("chain", "shared"):
        assert "<svg" in (tmp_path / f"from_recursion_to_loop_{name}.svg").read_text("utf-8")
