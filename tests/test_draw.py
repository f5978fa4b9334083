"""draw(): operations, leaves and shapes of a tape in the DOT language."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import unspool as us
from unspool import nn


def drawing() -> Any:
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Linear(4, 2))
    x = us.randn(5, 3)
    loss = model(x).sum()
    return us.draw(loss)


def labels(source: str) -> dict[str, str]:
    """Labels of nodes by their identifiers."""
    return dict(re.findall(r'^\s*(n\d+) \[label="((?:[^"\\]|\\.)*)"', source, re.MULTILINE))


def edges(source: str) -> set[tuple[str, str, str]]:
    known = labels(source)
    found = re.findall(r'(n\d+) -> (n\d+) \[label="([^"]*)"\]', source)
    return {(known[a], known[b], shape) for a, b, shape in found}


def test_edges_carry_shapes_and_leaves_their_names() -> None:
    assert edges(drawing().source) == {
        ("x", "linear", "(5×3)"),
        ("0.0.weight", "linear", "(4×3)"),
        ("0.0.bias", "linear", "(4)"),
        ("linear", "tanh", "(5×4)"),
        ("tanh", "linear", "(5×4)"),
        ("1.weight", "linear", "(2×4)"),
        ("1.bias", "linear", "(2)"),
        ("linear", "sum\\nloss\\nnumber", "(5×2)"),
    }


def test_modules_are_frames_in_frames() -> None:
    source = drawing().source
    assert source.count("{") == source.count("}")
    assert re.search(r'"cluster_0" \{\s+label="0".*?"cluster_0\.0" \{.*?0\.0\.weight.*?\}', source, re.DOTALL)


def test_a_value_used_twice_has_two_edges_and_names_are_quoted() -> None:
    odd = {'a"b\\c': us.ones(2, requires_grad=True)}
    (leaf,) = odd.values()
    source = us.draw((leaf * leaf).sum(), names=odd).source
    assert source.count("n1 -> n0") == 2
    assert r'label="a\"b\\c"' in source


def test_drawing_works_after_backward() -> None:
    x = us.ones(3, requires_grad=True)
    loss = (x.exp() * 2).sum()
    loss.backward()
    assert "exp" in us.draw(loss).source


def test_pictures_need_graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    picture = drawing()
    with pytest.raises(RuntimeError, match=r"draw: Graphviz' program dot is not installed .*PyPI calls"):
        picture.svg()
    assert picture._repr_svg_() is None
    picture.save(tmp_path / "tape.dot")
    assert (tmp_path / "tape.dot").read_text(encoding="utf-8") == picture.source
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\n/bin/cat > seen.dot; echo "<svg>$1</svg>"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    picture.save("tape.svg")
    assert Path("tape.svg").read_text(encoding="utf-8") == "<svg>-Tsvg</svg>\n"
    assert Path("seen.dot").read_text(encoding="utf-8") == picture.source
    program.write_text("#!/bin/sh\necho 'syntax error in line 1' >&2; exit 1\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="dot failed: syntax error in line 1"):
        picture.svg()
    assert os.environ["PATH"] == str(tmp_path)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_understands_the_source() -> None:
    assert "</svg>" in drawing().svg()


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(TypeError, match="draw: expected a Tensor"):
        us.draw("loss")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="draw: the tensor was not computed from any"):
        us.draw(us.ones(3))
