"""``unspool.summary(model, *inputs)``: what a model consists of, and what one pass through it costs."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from unspool import _core
from unspool._compile.report import size_text
from unspool._compile.work import flops
from unspool._core import Node, RecordedCall, Tensor
from unspool._explain.expressions import Text
from unspool._records import records
from unspool._verify.case import RandomState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unspool.nn import Module

__all__ = ["Layer", "Summary", "summary"]


@dataclass
class Layer:
    """One module.

    Attributes:
        path: dotted, "" for the model itself.
        kind: name of its class.
        outputs: shapes of the tensors it gave when it was last called.
        calls: how often it was called.
        trainable: number of elements of its own parameters that require grad; a shared one counts once.
        frozen: of those that do not.
        flops: multiplications and additions of the operations it ran itself, not through its children.
        kept_bytes: memory that the tape holds for the unwinding of these operations, without parameters,
            buffers and inputs; what several operations share counts for the first.
    """

    path: str
    kind: str
    outputs: list[tuple[int, ...]]
    calls: int = 0
    trainable: int = 0
    frozen: int = 0
    flops: int = 0
    kept_bytes: int = 0

    @property
    def depth(self) -> int:
        """How far below the model it stands."""
        return self.path.count(".") + 1 if self.path else 0


class Summary:
    """A table with one row per module, which prints as text, and as HTML in a notebook.

    Attributes:
        layers: the rows.
        trainable: number of trainable parameters of the model.
        frozen: number of frozen ones.
        flops: multiplications and additions of one forward pass: 2·m·n·k for a product, one per element
            written for all else.
        kept_bytes: sum over the layers.
        allocated_bytes: by how much the pass increased the memory in use, while its results are held: what is
            kept for backward, and the results themselves.
    """

    def __init__(self, layers: list[Layer], allocated_bytes: int) -> None:
        self.layers = layers
        self.allocated_bytes = allocated_bytes
        self.trainable = sum(layer.trainable for layer in layers)
        self.frozen = sum(layer.frozen for layer in layers)
        self.flops = sum(layer.flops for layer in layers)
        self.kept_bytes = sum(layer.kept_bytes for layer in layers)

    HEAD = ("layer", "kind", "output", "parameters", "flops", "kept")

    def rows(self) -> list[tuple[str, ...]]:
        """Give the cells as text."""
        result: list[tuple[str, ...]] = []
        for layer in self.layers:
            name = layer.path.rpartition(".")[2] or "(model)"
            times = f" ×{layer.calls}" if layer.calls > 1 else ""
            parameters = _number(layer.trainable + layer.frozen)
            if layer.frozen:
                parameters += " (frozen)" if not layer.trainable else f" ({_number(layer.frozen)} frozen)"
            shapes = ", ".join(Text().shape(shape) for shape in layer.outputs)
            kept = size_text(layer.kept_bytes) if layer.kept_bytes else ""
            cells = (
                "  " * layer.depth + name,
                layer.kind + times,
                shapes,
                parameters,
                _number(layer.flops),
                kept,
            )
            result.append(cells)
        return result

    def totals(self) -> list[str]:
        """Give the lines under the table."""
        kept, allocated = size_text(self.kept_bytes), size_text(self.allocated_bytes)
        return [
            f"{self.trainable:,} trainable parameters, {self.frozen:,} frozen",
            f"{self.flops:,} floating point operations forward",
            f"{kept} kept for backward; {allocated} allocated with the results",
        ]

    def __str__(self) -> str:
        table = [self.HEAD, *self.rows()]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.HEAD))]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([lines[0], rule, *lines[1:], rule, *self.totals()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells: Iterable[str], tag: str) -> str:
            written = [
                f'<{tag} style="text-align:{"left" if i < 3 else "right"}">'
                + escape(cell).replace("  ", "&emsp;")
                + f"</{tag}>"
                for i, cell in enumerate(cells)
            ]
            return "<tr>" + "".join(written) + "</tr>"

        body = "\n".join(row(cells, "td") for cells in self.rows())
        totals = "<br>".join(escape(line) for line in self.totals())
        return f"<table>\n{row(self.HEAD, 'th')}\n{body}\n</table>\n<p>{totals}</p>"


def _number(count: int) -> str:
    return f"{count:,}" if count else ""


def summary(model: Module, *inputs: Any, **kwargs: Any) -> Summary:
    """Run a model once and list its layers with shapes, parameters, work and memory.

    Args:
        model: any Module. It runs in the mode that it is in, and is left as it was: mode, buffers, gradients
            and the state of random numbers. Hooks of the user run as in every call.
        *inputs: what to call it with.
        **kwargs: likewise.

    Raises:
        TypeError: model is not a Module.
        ValueError: a lazy layer does not know its shape yet; call the model once before.
    """
    from unspool.nn import Module
    from unspool.nn.parameter import is_lazy

    if not isinstance(model, Module):
        raise TypeError(f"summary: expected a Module, not {type(model).__name__}")
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if is_lazy(tensor):
            raise ValueError(f"summary: {name} has no shape yet; call the model once, then summarise it")
    layers = _layers_of(model)
    recorder = _core.CallRecorder(False)
    gc.collect()
    with _unchanged(model), _core.RecordingMode(True, False):
        before = _core.memory_stats()["allocated_bytes"]
        with _watched(model, layers), recorder:
            results = model(*inputs, **kwargs)
        _count_work(recorder.take(), model, layers)
        gc.collect()
        allocated = _core.memory_stats()["allocated_bytes"] - before
        known = [*model.parameters(), *model.buffers(), *_tensors_in((inputs, kwargs))]
        _count_kept(_tensors_in(results), {_storage(tensor)[0] for tensor in known}, model, layers)
    return Summary(list(layers.values()), allocated)


def _layers_of(model: Module) -> dict[str, Layer]:
    """Make the rows, in the order of the tree."""
    seen: set[int] = set()
    result: dict[str, Layer] = {}
    for path, module in model.named_modules():
        layer = result[path] = Layer(path, type(module).__name__, [])
        for parameter in module.parameters(recurse=False):
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            if parameter.requires_grad:
                layer.trainable += parameter.numel()
            else:
                layer.frozen += parameter.numel()
    return result


@contextmanager
def _watched(model: Module, layers: dict[str, Layer]) -> Iterator[None]:
    """Enter into the rows what the modules give while they run."""
    from unspool.nn.modules.module import register_module_forward_hook

    path_of = {id(module): path for path, module in model.named_modules()}

    def note(module: Any, _: Any, output: Any) -> None:
        path = path_of.get(id(module))
        if path is not None:
            layers[path].calls += 1
            layers[path].outputs = [tuple(tensor.shape) for tensor in _tensors_in(output)]

    handle = register_module_forward_hook(note)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _unchanged(model: Module) -> Iterator[None]:
    """Put buffers and random states back to what they were."""
    buffers = [
        (module, name, buffer, buffer.detach().clone(), buffer._version)
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    random_state = RandomState()
    try:
        yield
    finally:
        random_state.restore()
        for module, name, buffer, value, version in buffers:
            module._buffers[name] = buffer
            if buffer._version != version:
                buffer.data.copy_(value)


def _tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in _tensors_in(item)]
    return []


def _path(scope: str, model: Module) -> str:
    """Give the path below the model of a path that was current while it ran."""
    own = model._scope or ""
    return scope.removeprefix(own).removeprefix(".") if own else scope


def _count_work(calls: list[RecordedCall], model: Module, layers: dict[str, Layer]) -> None:
    for call in calls:
        layer = layers.get(_path(call.scope, model), layers[""])
        if records()[call.name]["kind"] != "view":
            layer.flops += flops(
                {
                    "op": call.name,
                    "in": [_place(each) if isinstance(each, Tensor) else each for each in call.operands],
                    "out": [_place(each) for each in call.outputs],
                }
            )


def _place(tensor: Tensor) -> tuple[int, tuple[int, ...], str]:
    return (0, tuple(tensor.shape), tensor.dtype.__name__)


def _storage(tensor: Tensor) -> tuple[int, int]:
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.nbytes()


def _count_kept(results: list[Tensor], known: set[int], model: Module, layers: dict[str, Layer]) -> None:
    nodes = _nodes(results)
    nodes.sort(key=lambda node: node.sequence)
    for node in nodes:
        call = _core._inspect_node(node)
        for saved in call["saved"].values() if call else ():
            if not isinstance(saved, Tensor):
                continue
            address, size = _storage(saved)
            if address not in known:
                known.add(address)
                layers.get(_path(node.scope, model), layers[""]).kept_bytes += size


def _nodes(results: list[Tensor]) -> list[Node]:
    found = [tensor.grad_fn for tensor in results if tensor.grad_fn is not None]
    waiting = list(dict.fromkeys(found))
    seen = set(waiting)
    for node in waiting:
        for following, _ in node.next_functions if node.sequence else ():
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return waiting
