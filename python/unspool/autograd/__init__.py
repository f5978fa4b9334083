"""Derivatives: unwinding the tape, recording modes, user-defined functions, numerical checks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from unspool import _core
from unspool._core import Tensor
from unspool._lazy import lazy as _on_demand
from unspool.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from unspool.autograd.function import Function
from unspool.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from unspool.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from unspool.autograd.variable import Variable

if TYPE_CHECKING:
    from unspool.amp import GradScaler
    from unspool.optim import Optimizer

__getattr__ = _on_demand(__name__, ["functional", "graph", "profiler"])

__all__ = [
    "Function",
    "GradcheckError",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
    *,
    engine: Literal["loop", "recursive"] = "loop",
    step: Optimizer | Sequence[Optimizer] | None = None,
    clip: str | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scaler: GradScaler | None = None,
) -> Tensor | None:
    """Unwind the tape from several tensors at once, as ``Tensor.backward`` does from one."""
    if step is None and clip is None and max_norm is None and scaler is None:
        _core._backward(tensors, grad_tensors, retain_graph, create_graph, inputs, engine)
        return None
    from unspool.optim._unwinding import unwind

    return unwind(
        tensors,
        *(grad_tensors, inputs, engine, retain_graph, create_graph, step, clip, max_norm, norm_type, scaler),
    )


class _Retaining(threading.local):
    depth = 0


_retaining = _Retaining()


@contextmanager
def retained_graphs(is_needed: bool) -> Iterator[None]:
    """While it lasts ``grad`` keeps what the tape saved, as for a function that is called for each sample.

    Args:
        is_needed: False leaves the choice to the caller of ``grad``, or to such a context around this one.
    """
    _retaining.depth += is_needed
    try:
        yield
    finally:
        _retaining.depth -= is_needed


def _batched_grad(
    outputs: Any, inputs: Any, grad_outputs: Any, retain_graph: bool | None, settings: tuple[Any, ...]
) -> tuple[Any, ...]:
    """One unwinding for each cotangent; the results are stacked."""
    vectors = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs or ())
    sizes = {vector.shape[0] if vector.ndim else 0 for vector in vectors if vector is not None}
    if len(sizes) != 1 or not (count := sizes.pop()):
        raise ValueError(
            "grad: with is_grads_batched=True all grad_outputs have a first dimension, of one size and not 0"
        )
    rows = []
    for i in range(count):
        picked = [None if vector is None else vector[i] for vector in vectors]
        keep = True if i + 1 < count or _retaining.depth else retain_graph
        rows.append(_core._grad(outputs, inputs, picked, keep, *settings))
    return tuple(None if column[0] is None else _core.ops.stack(column) for column in zip(*rows, strict=True))


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
    *,
    engine: Literal["loop", "recursive"] = "loop",
) -> tuple[Tensor, ...]:
    """Compute the gradients of outputs with respect to inputs, without touching any ``.grad``.

    Args:
        outputs: tensors to differentiate, summed with the weights grad_outputs.
        inputs: tensors to differentiate with respect to.
        grad_outputs: cotangents of the outputs; may be omitted for single numbers.
        retain_graph: keep what the tape saved; by default as create_graph.
        create_graph: record the unwinding, so that the results can be differentiated again.
        only_inputs: only True is meaningful.
        allow_unused: give None instead of raising for inputs that the outputs do not depend on.
        is_grads_batched: the first dimension of grad_outputs counts cotangents; so does that of the results.
        materialize_grads: give zeros instead of None for those.
        engine: how the tape is walked, in one loop or by recursion; the gradients have the same bits.

    Returns:
        One tensor per input, of its shape and dtype.
    """
    if not only_inputs:
        raise ValueError("grad: only_inputs=False is not supported; use backward() to reach all leaves")
    if allow_unused is None:
        allow_unused = materialize_grads
    if is_grads_batched:
        settings = (create_graph, allow_unused, materialize_grads, engine)
        return _batched_grad(outputs, inputs, grad_outputs, retain_graph, settings)
    if _retaining.depth:
        retain_graph = True
    result: tuple[Tensor, ...] = _core._grad(
        outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads, engine
    )
    return result
