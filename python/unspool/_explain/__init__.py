"""``unspool.explain(loss)``: the unwinding of a tape as mathematics with shapes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from unspool._core import Tensor
from unspool._explain.expressions import Html, Latex, Text, write, write_shapes
from unspool._explain.graph import Names, read_tape
from unspool._explain.unwinding import Block, Line, Unwinding

if TYPE_CHECKING:
    from unspool.nn import Module

__all__ = ["Explanation", "explain"]


def explain(
    loss: Tensor, model: Module | None = None, *, names: Mapping[str, Tensor] | None = None
) -> Explanation:
    """Write the unwinding from a tensor to the parameters as mathematics, operation by operation.

    Each operation has a line that says what it computed, and one per operand with the cotangent that its
    unwinding computes, with shapes: ``dL/dW2 = dL/dz2 · a1ᵀ   (4×4) = (4×5) · (5×4)``. The lines come from
    the operations' formulas and rules, which are run once for it (as much work as one backward pass); nothing
    is changed and no gradient is accumulated.

    Args:
        loss: any recorded tensor; it is called L.
        model: whose parameters give leaves their names, as in ``state_dict()``. By default the modules among
            the caller's variables.
        names: further names of tensors. Others are called as the caller's variables, or, where there are
            none, z1, z2, ... (affine maps), a1, a2, ... (functions of one value) and h1, h2, ...

    Returns:
        An object that prints as text, and that a notebook shows formatted; ``markdown()``, ``latex()`` and
        ``html()`` give the other forms.

    Raises:
        TypeError: loss is not a Tensor.
        RuntimeError: it was not recorded, or its tape was freed by an earlier ``backward()``.
    """
    operations, root = read_tape(loss, "explain")
    if any(operation.released for operation in operations):
        raise RuntimeError(
            "explain: the tape was freed by backward(); call explain first, or backward(retain_graph=True)"
        )
    frame = inspect.currentframe()
    found = Names(model, names, frame.f_back if frame else None)
    return Explanation(Unwinding(operations, root, found).blocks)


class Explanation:
    """Lines of mathematics, last operation first.

    Attributes:
        blocks: one per operation, with its module, forward line and backward lines.
    """

    def __init__(self, blocks: list[Block]) -> None:
        self.blocks = blocks

    def lines(self) -> list[str]:
        """Give all equations as text, without shapes."""
        return [equation(line, Text()) for block in self.blocks for line in (block.forward, *block.backward)]

    def __str__(self) -> str:
        rows: list[tuple[str, str]] = []
        scope = None
        for block in self.blocks:
            if block.scope != scope:
                scope = block.scope
                rows.append((f"-- {scope or 'outside of modules'} --", ""))
            rows.append((equation(block.forward, Text()), shapes(block.forward, Text())))
            rows += [("    " + equation(line, Text()), shapes(line, Text())) for line in block.backward]
        if all(not block.scope for block in self.blocks):
            rows = rows[1:]
        width = min(max(len(left) for left, _ in rows), 76)
        return "\n".join(f"{left:{width}}   {right}".rstrip() for left, right in rows)

    __repr__ = __str__

    def latex(self) -> str:
        """Give an ``aligned`` environment, for between dollar signs."""
        rows = []
        for block in self.blocks:
            for line in (block.forward, *block.backward):
                left, right = write(line.left, Latex()), write(line.right, Latex())
                sign = r"\mathrel{+}=" if line.adds else "="
                indent = "" if line is block.forward else r"\quad "
                rows.append(rf"{indent}{left} &{sign} {right} && {shapes(line, Latex())}")
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def markdown(self) -> str:
        """Give a list of operations, each with its equations in LaTeX between dollar signs."""
        parts = []
        for block in self.blocks:
            where = f"  in `{block.scope}`" if block.scope else ""
            parts.append(f"- ${_full(block.forward)}${where}")
            parts += [f"  - ${_full(line)}$" for line in block.backward]
        return "\n".join(parts)

    def html(self) -> str:
        """Give a table."""
        rows = []
        scope: str | None = ""
        for block in self.blocks:
            if block.scope != scope:
                scope = block.scope
                title = escape(scope or "outside of modules")
                rows.append(f'<tr><th colspan="2" style="text-align:left">{title}</th></tr>')
            for line in (block.forward, *block.backward):
                indent = "" if line is block.forward else ' style="padding-left:2em"'
                left, right = equation(line, Html()), shapes(line, Html())
                rows.append(f"<tr><td{indent}>{left}</td><td>{right}</td></tr>")
        style = "font-family:serif;text-align:left;white-space:nowrap"
        return f'<table style="{style}">\n' + "\n".join(rows) + "\n</table>"

    def _repr_html_(self) -> str:
        return self.html()

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


def equation(line: Line, style: Text) -> str:
    """Write a line."""
    return f"{write(line.left, style)} {'+=' if line.adds else '='} {write(line.right, style)}"


def shapes(line: Line, style: Text) -> str:
    """Write its shapes."""
    return f"{style.shape(line.left.shape)} = {write_shapes(line.right, style)}"


def _full(line: Line) -> str:
    sign = r"\mathrel{+}=" if line.adds else "="
    return rf"{write(line.left, Latex())} {sign} {write(line.right, Latex())} \quad {shapes(line, Latex())}"
