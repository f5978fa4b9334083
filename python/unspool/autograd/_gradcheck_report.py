"""What gradcheck says about wrong derivatives: which, by how much, on which path, and what it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unspool._core import Node, Tensor

if TYPE_CHECKING:
    from unspool.autograd._numerical import Array, Mask

MOST_ENTRIES = 20  # entries listed per Jacobian; all are counted
LARGEST_PRINTED = (12, 8)  # Jacobians up to this shape are printed whole
LONGEST_PATH = 16


@dataclass(frozen=True)
class Jacobian:
    """The derivatives of one output with respect to one input, both ways."""

    input: int  # position among the arguments
    output: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    analytic: Array  # (input elements, output elements), as all arrays here
    numeric: Array
    error: Array  # estimated, of the numerical derivative
    agrees: Mask
    undefined: bool  # backward gave no gradient at all
    path: tuple[str, ...]  # names of the operations from output to input
    note: str = ""

    @property
    def wrong(self) -> int:
        """How many entries disagree."""
        return int(self.agrees.size - np.count_nonzero(self.agrees))


def operations_between(output: Tensor, input: Tensor) -> tuple[str, ...]:
    """Give the names of the operations on a shortest path of the tape from an output back to an input."""
    start = output.grad_fn
    before: dict[Node, Node | None] = {} if start is None else {start: None}
    queue = list(before)
    for node in queue:  # grows while it is read
        if node.variable is input or (input.grad_fn is not None and node == input.grad_fn):
            names = []
            step: Node | None = before[node]
            while step is not None:
                names.append(step.name())
                step = before[step]
            return tuple(reversed(names))
        for successor, _ in node.next_functions:
            if successor is not None and successor not in before:
                before[successor] = node
                queue.append(successor)
    return ()


def _show_path(path: Sequence[str]) -> str:
    if len(path) > LONGEST_PATH:
        half = LONGEST_PATH // 2
        path = [*path[:half], f"... {len(path) - 2 * half} more ...", *path[-half:]]
    return " <- ".join(path)


def _relative(analytic: Array, numeric: Array) -> Array:
    size = np.maximum(np.abs(analytic), np.abs(numeric))
    with np.errstate(all="ignore"):
        return np.where(size > 0, np.abs(analytic - numeric) / size, 0.0)


def _resembles(a: Array, b: Array) -> bool:
    size = float(np.abs(b).max(initial=0.0))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-4, atol=1e-4 * size))


def _resembles_transposed(j: Jacobian) -> bool:
    """Whether the gradient would be right if the input, a square matrix, were transposed."""
    shape = j.input_shape
    if len(shape) < 2 or shape[-1] != shape[-2] or shape[-1] < 2:
        return False
    swapped = np.swapaxes(j.analytic.reshape(*shape, -1), len(shape) - 2, len(shape) - 1)
    return _resembles(swapped.reshape(j.analytic.shape), j.numeric)


def _diagnosis(j: Jacobian) -> str:
    """Guess, from the look of both Jacobians, what went wrong; empty if there is nothing to guess from."""
    if not np.isfinite(j.analytic).all():
        return "the analytic gradient is not finite"
    if not np.isfinite(j.error).all():
        return "the function is not finite in any neighbourhood of the input that was tried"
    loose = j.error > 1e-4 * np.maximum(np.abs(j.numeric), np.abs(j.analytic))
    if loose[~j.agrees].all():
        return (
            "differences do not converge here: there is a kink or a jump close by, or the function is noisy"
        )
    if j.undefined:
        return "backward gave no gradient (None, taken as zero), yet the output depends on this input"
    if not j.analytic.any():
        return "the analytic gradient is zero everywhere, yet the output depends on this input"
    if not j.numeric.any():
        return "the output does not depend on this input"
    if _resembles(-j.analytic, j.numeric):
        return "the analytic gradient has the wrong sign"
    if _resembles_transposed(j):
        return "the analytic gradient is the transpose of the right one"
    ratio = float(np.vdot(j.numeric, j.analytic) / np.vdot(j.numeric, j.numeric))
    close = 1e-2 * abs(ratio - 1)  # ratios near one need a closer look
    scaled, size = ratio * j.numeric, np.abs(j.numeric).max()
    if ratio != 0 and np.allclose(j.analytic, scaled, rtol=close, atol=close * size):
        return f"the analytic gradient is {ratio:.9g} times the right one"
    return ""


def _place(flat: int, shape: tuple[int, ...]) -> str:
    return str(tuple(int(i) for i in np.unravel_index(flat, shape))) if shape else "()"


def _table(j: Jacobian) -> list[str]:
    relative = np.where(j.agrees, -1.0, np.nan_to_num(_relative(j.analytic, j.numeric), nan=np.inf))
    worst = np.argsort(-relative, axis=None, kind="stable")[: min(j.wrong, MOST_ENTRIES)]
    rows = [("input", "output", "analytic", "numerical", "relative error", "numerical uncertainty")]
    for flat in worst:
        row, column = (int(i) for i in np.unravel_index(flat, j.agrees.shape))
        rows.append(
            (
                _place(row, j.input_shape),
                _place(column, j.output_shape),
                f"{j.analytic[row, column]:.12g}",
                f"{j.numeric[row, column]:.12g}",
                f"{_relative(j.analytic, j.numeric)[row, column]:.3g}",
                f"{j.error[row, column]:.2g}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    aligned = [[text.rjust(width) for text, width in zip(row, widths, strict=True)] for row in rows]
    lines = ["    " + "  ".join(row) for row in aligned]
    if j.wrong > MOST_ENTRIES:
        lines.append(f"    ... and {j.wrong - MOST_ENTRIES} more")
    return lines


def _summary(name: str, values: Array) -> list[str]:
    if values.size and values.shape[0] <= LARGEST_PRINTED[0] and values.shape[1] <= LARGEST_PRINTED[1]:
        text = np.array2string(values, precision=6, max_line_width=140, prefix=" " * 8)
        return [f"    {name} Jacobian (input elements down, output elements across):", " " * 8 + text]
    finite = values[np.isfinite(values)]
    if not finite.size:
        return [f"    {name} Jacobian: {values.shape}, nothing finite"]
    spread = f"from {finite.min():.6g} to {finite.max():.6g}"
    return [f"    {name} Jacobian: {values.shape}, norm {np.linalg.norm(finite):.6g}, {spread}"]


def _section(j: Jacobian) -> list[str]:
    pair = f"output {j.output} {j.output_shape} with respect to input {j.input} {j.input_shape}{j.note}"
    lines = [f"  {pair}: {j.wrong} of {j.agrees.size} entries are wrong"]
    if j.path:
        lines.append(f"    path: {_show_path(j.path)} <- input {j.input}")
    diagnosis = _diagnosis(j)
    if diagnosis:
        lines.append(f"    it seems that {diagnosis}")
    return [*lines, *_table(j), *_summary("analytic", j.analytic), *_summary("numerical", j.numeric)]


def describe(name: str, failures: Sequence[Jacobian], checked: int) -> str:
    """Report every Jacobian that is wrong."""
    count = sum(j.wrong for j in failures)
    verb = "derivative of {} is" if count == 1 else "derivatives of {} are"
    lines = [f"gradcheck: {count} {verb.format(name)} wrong, in {len(failures)} of {checked} Jacobians"]
    for failure in failures:
        lines += _section(failure)
    return "\n".join(lines)
