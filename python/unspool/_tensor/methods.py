"""Methods of Tensor that are easier said in Python: conversions, gradients, hooks, printing, pickling."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from unspool import _core
from unspool._arguments import require_tensor
from unspool._core import Tensor, device, dtype, ops
from unspool._dtypes import as_array
from unspool._functions import (
    aliases,
    bessel,
    complex_numbers,
    linear_algebra,
    mathematics,
    older,
    rearranging,
    statistics,
)
from unspool._functions.basic import allclose, equal, nonzero
from unspool._functions.creating import is_nonzero
from unspool._functions.differences import gradient
from unspool._functions.overwriting import overwrite
from unspool._handle import RemovableHandle
from unspool._layouts import strided
from unspool._tensor import missing_members, protocol, shaping, subclasses
from unspool._tensor.printing import format_tensor

if TYPE_CHECKING:
    from unspool.amp import GradScaler
    from unspool.optim import Optimizer
    from unspool.sparse import SparseTensor
    from unspool.storage import TypedStorage, UntypedStorage


def _convert(self: Tensor, to: dtype | None, copy_always: bool) -> Tensor:
    if to is None or to == self.dtype:
        return self.clone() if copy_always else self
    return _core._cast(self, to)


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Convert: ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(other)``; may be self."""
    target: dtype | None = kwargs.pop("dtype", None)
    place: Any = kwargs.pop("device", None)
    other = kwargs.pop("other", None)
    copy_always = bool(kwargs.pop("copy", False))
    kwargs.pop("non_blocking", None)
    kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"to(): has no argument {next(iter(kwargs))!r}")
    for position, value in enumerate(args):
        if isinstance(value, Tensor):
            other = value
        elif isinstance(value, (dtype, type)):
            target = value  # type: ignore[assignment]
        elif isinstance(value, bool):
            copy_always = copy_always or (value and position == len(args) - 1 and len(args) > 2)
        elif isinstance(value, (str, device)):
            place = value
        elif value is not None:
            raise TypeError(f"to(): expected a dtype, a device or a Tensor, not {type(value).__name__}")
    if other is not None:
        target, place = other.dtype, other.device
    _core._check_device(place)
    return _convert(self, target, copy_always)


def _cast_method(target: dtype) -> Callable[..., Tensor]:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        del memory_format
        return _convert(self, target, False)

    method.__doc__ = f"Convert to {target}."
    return method


def cpu(self: Tensor) -> Tensor:
    """Return self: tensors live on the CPU."""
    return self


def cuda(self: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
    """Raise: this build has no CUDA support."""
    _core._check_device("cuda")
    return self


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Give the name of the tensor's type, or convert to a dtype."""
    del non_blocking
    if dtype is None:
        return _TYPE_NAMES[self.dtype]
    if isinstance(dtype, str):
        by_name = {name: each for each, name in _TYPE_NAMES.items()}
        dtype = dtype.replace("torch.", "unspool.")
        if dtype not in by_name:
            raise ValueError(f"type(): unknown type name {dtype!r}; expected one of {sorted(by_name)}")
        dtype = by_name[dtype]
    return _convert(self, getattr(dtype, "dtype", dtype), False)


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Convert to the other tensor's dtype."""
    return _convert(self, require_tensor("other", other, "type_as").dtype, False)


def polygamma(self: Tensor, n: int) -> Tensor:
    """Give the derivative of order n of digamma."""
    return mathematics.polygamma(n, self)


def tolist(self: Tensor) -> Any:
    """Give the elements as nested Python lists, a number for a 0-d tensor."""
    return as_array(self).tolist()


def backward(
    self: Tensor,
    gradient: Tensor | None = None,
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
    """Unwind the tape from this tensor and add to the ``.grad`` of the leaves it was computed from.

    With ``step``, each parameter is updated, and its gradient freed, at the moment when the gradient is
    complete and nothing that is still to be unwound reads the parameter. The weights are those of
    ``backward()`` followed by ``optimizer.step()``, bit for bit. Gradients that earlier calls accumulated
    count; reading ``.grad`` of an updated parameter raises until it is set or zeroed.
    docs/update-while-unwinding.md says more.

    Args:
        self: the tensor to start from.
        gradient: cotangent of this tensor, of its shape and dtype; may be omitted for a single number.
        retain_graph: keep what the tape saved, so that it can be unwound again.
        create_graph: record the unwinding, for higher derivatives.
        inputs: only these tensors' gradients are accumulated.
        engine: how the tape is walked, in one loop or by recursion; the gradients have the same bits.
        step: an optimizer, or several, that update while the tape is unwound.
        clip: with ``step``, how gradients are clipped by their common norm: ``"exact"`` as by
            ``nn.utils.clip_grad_norm_`` over the parameters of ``step``, by unwinding twice;
            ``"previous"`` by the norm of the step before, unwinding once (twice in the first step, which is
            exact).
        max_norm: with ``clip``, the norm wanted at most.
        norm_type: with ``clip``, the exponent of the norm; may be infinite.
        scaler: with ``step``, the scaler that scaled this loss: gradients are divided by its factor, and an
            optimizer is left out when one of its gradients is not finite. Unwinds twice.

    Returns:
        With ``clip``, the norm before clipping, a 0-d tensor; None otherwise.

    Raises:
        RuntimeError: nothing requires grad, the graph was freed, a saved value was overwritten, or
            shapes differ; with ``step``: no parameter of an optimizer was used, or it has step pre-hooks.
        ValueError: ``step`` with ``retain_graph`` or ``create_graph``; ``clip`` or ``max_norm`` without the
            other.
        NotImplementedError: an optimizer that cannot update one parameter by itself.
    """
    if step is None and clip is None and max_norm is None and scaler is None:
        _core._backward(self, gradient, retain_graph, create_graph, inputs, engine)
        return None
    return _unwinding_steps()(
        self, gradient, inputs, engine, retain_graph, create_graph, step, clip, max_norm, norm_type, scaler
    )


@functools.cache
def _unwinding_steps() -> Callable[..., Tensor | None]:
    """What backward(step=) needs of ``unspool.optim``, which is imported when it is used."""
    from unspool.optim._unwinding import unwind

    return unwind


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call ``hook(grad)`` when this tensor's gradient is known; a returned tensor replaces it."""
    return RemovableHandle(*self._add_hook(hook))


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> RemovableHandle:
    """Call ``hook(tensor)`` after this leaf's gradient was accumulated."""
    return RemovableHandle(*self._add_post_hook(hook))


def represent(self: Tensor) -> str:
    """Show elements, dtype and history; the class, where results keep it."""
    if not subclasses.is_asked(type(self)):
        return format_tensor(self)
    with subclasses.DisableTorchFunctionSubclass():
        shown = format_tensor(self, f"{type(self).__name__}(")
    return f"Parameter({shown})" if getattr(self, "_is_param", False) else shown


def format_(self: Tensor, spec: str) -> str:
    """Format a tensor without dimensions like a Python number; a Parameter only where a form is asked for."""
    if self.ndim == 0 and (spec or type(self) is Tensor):
        return format(self.item(), spec)
    return object.__format__(self, spec)


def new_options(self: Tensor, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Fill in this tensor's dtype where none is named."""
    if kwargs.get("dtype") is None:
        kwargs["dtype"] = self.dtype
    return kwargs


def new_tensor(self: Tensor, data: Any, **kwargs: Any) -> Tensor:
    """Make a tensor from data, in this tensor's dtype."""
    return _core.tensor(data, **new_options(self, kwargs))


def new_empty(self: Tensor, *size: Any, **kwargs: Any) -> Tensor:
    """Make an uninitialised tensor in this tensor's dtype."""
    return _core.empty(*size, **new_options(self, kwargs))


def new_zeros(self: Tensor, *size: Any, **kwargs: Any) -> Tensor:
    """Make a tensor of zeros in this tensor's dtype."""
    return _core.zeros(*size, **new_options(self, kwargs))


def new_ones(self: Tensor, *size: Any, **kwargs: Any) -> Tensor:
    """Make a tensor of ones in this tensor's dtype."""
    return _core.ones(*size, **new_options(self, kwargs))


def new_empty_strided(self: Tensor, size: Sequence[int], stride: Sequence[int], **kwargs: Any) -> Tensor:
    """Make an uninitialised tensor with the given steps between neighbours, in this tensor's dtype."""
    return older.empty_strided(size, stride, **new_options(self, kwargs))


def new_full(self: Tensor, size: Any, fill_value: Any, **kwargs: Any) -> Tensor:
    """Make a constant tensor in this tensor's dtype."""
    return _core.full(size, fill_value, **new_options(self, kwargs))


def apply_(self: Tensor, callable: Callable[[float], float]) -> Tensor:
    """Replace each element by ``callable(element)``, one Python call each; not recorded for gradients."""
    values = np.vectorize(callable, otypes=[self.dtype.__name__])(self.detach().numpy())
    self.data.copy_(_core.from_numpy(np.asarray(values)))
    return self


def deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """Copy a leaf with its gradient; tensors with history cannot be copied."""
    if id(self) in memo:
        known: Tensor = memo[id(self)]
        return known
    if not self.is_leaf:
        raise RuntimeError("deepcopy: only leaves can be copied; use detach() or clone()")
    result = type(self)._make_subclass(type(self), self.detach().clone(), self.requires_grad)
    memo[id(self)] = result
    result.__dict__.update(copy.deepcopy(self.__dict__, memo))
    if self._grad is not None:
        result.grad = copy.deepcopy(self._grad, memo)
    return result


def rebuild(cls: type[Tensor], array: Any, requires_grad: bool, attributes: dict[str, Any]) -> Tensor:
    """Make the tensor that was pickled."""
    result = cls._make_subclass(cls, _core.from_numpy(array), requires_grad)
    result.__dict__.update(attributes)
    return result


def rebuild_bfloat16(
    cls: type[Tensor], array: Any, requires_grad: bool, attributes: dict[str, Any]
) -> Tensor:
    """Make the tensor whose bits were pickled as int16."""
    result = cls._make_subclass(cls, _core.from_numpy(array).view(_core.bfloat16), requires_grad)
    result.__dict__.update(attributes)
    return result


def reduce_ex(self: Tensor, _protocol: int) -> tuple[Any, ...]:
    """Pickle as a NumPy array, bfloat16 as one of its bits."""
    if not self.is_leaf:
        raise RuntimeError("pickle: only leaves can be pickled; use detach()")
    if self.dtype == _core.bfloat16:
        bits = self.detach().contiguous().view(_core.int16).numpy()
        return rebuild_bfloat16, (type(self), bits, self.requires_grad, self.__dict__)
    return rebuild, (
        type(self),
        np.ascontiguousarray(self.detach().numpy()).reshape(self.shape),
        self.requires_grad,
        self.__dict__,
    )


def reversed_(self: Tensor) -> Tensor:
    """Reverse the first dimension."""
    return ops.flip(self, [0]) if self.ndim else self


_TYPE_NAMES = {
    _core.float32: "unspool.FloatTensor",
    _core.float64: "unspool.DoubleTensor",
    _core.int64: "unspool.LongTensor",
    _core.int32: "unspool.IntTensor",
    _core.uint8: "unspool.ByteTensor",
    _core.int8: "unspool.CharTensor",
    _core.int16: "unspool.ShortTensor",
    _core.float16: "unspool.HalfTensor",
    _core.bfloat16: "unspool.BFloat16Tensor",
    _core.bool: "unspool.BoolTensor",
}


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """Return self: there is no device that the memory could be pinned for."""
    del device
    return self


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Give False."""
    del self, device
    return False


def is_shared(self: Tensor) -> bool:
    """Give False: the memory belongs to this process."""
    del self
    return False


def share_memory_(self: Tensor) -> Tensor:
    """Raise NotImplementedError: memory is not shared between processes."""
    del self
    raise NotImplementedError(
        "torch.Tensor.share_memory_ is not implemented in unspool; use threads, which share tensors, or send "
        "copies between processes"
    )


def untyped_storage(self: Tensor) -> UntypedStorage:
    """Give the memory that the tensor and its views share."""
    from unspool.storage import UntypedStorage

    return UntypedStorage(self)


def storage(self: Tensor) -> TypedStorage:
    """Give the memory that the tensor and its views share, as numbers of its dtype."""
    from unspool.storage import TypedStorage

    return TypedStorage(self)


def to_sparse(self: Tensor, sparse_dim: int | None = None) -> SparseTensor:
    """Give the elements that are not zero as a sparse tensor; gradients flow through it."""
    from unspool.sparse import to_sparse as convert

    return convert(self, sparse_dim)


def _only_sparse(name: str) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        raise RuntimeError(f"{name}: expected a sparse tensor, got a dense one of shape {tuple(self.shape)}")

    method.__name__ = name
    method.__doc__ = "Raise RuntimeError: only sparse tensors have it."
    return method


def to_dense(self: Tensor) -> Tensor:
    """Return self."""
    return self


def _changing(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Give the in-place form of a function."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.requires_grad and self.is_leaf and _core.is_grad_enabled():
            raise RuntimeError(
                f"{function.__name__}_: a leaf that requires grad cannot be changed in place; use no_grad(), "
                "or work on a clone()"
            )
        # Derivatives may need the values that are about to be overwritten.
        source = self.clone() if self.requires_grad and _core.is_grad_enabled() else self
        return overwrite(f"{function.__name__}_", self, function(source, *args, **kwargs))

    method.__doc__ = f"{function.__name__}, with the result written into this tensor."
    return method


def attach_methods() -> None:
    """Put the functions of this file on the compiled Tensor type."""
    methods: dict[str, Any] = {
        "to": to,
        "float": _cast_method(_core.float32),
        "double": _cast_method(_core.float64),
        "long": _cast_method(_core.int64),
        "int": _cast_method(_core.int32),
        "byte": _cast_method(_core.uint8),
        "char": _cast_method(_core.int8),
        "short": _cast_method(_core.int16),
        "half": _cast_method(_core.float16),
        "bfloat16": _cast_method(_core.bfloat16),
        "bool": _cast_method(_core.bool),
        "layout": property(lambda _: strided, doc="``strided``: elements at regular places."),
        "cpu": cpu,
        "cuda": cuda,
        "type": type_,
        "type_as": type_as,
        "tolist": tolist,
        "backward": backward,
        "register_hook": register_hook,
        "register_post_accumulate_grad_hook": register_post_accumulate_grad_hook,
        "new_tensor": new_tensor,
        "new_empty": new_empty,
        "new_zeros": new_zeros,
        "new_ones": new_ones,
        "new_full": new_full,
        "apply_": apply_,
        "pin_memory": pin_memory,
        "is_pinned": is_pinned,
        "is_shared": is_shared,
        "share_memory_": share_memory_,
        "untyped_storage": untyped_storage,
        "to_dense": to_dense,
        "coalesce": _only_sparse("coalesce"),
        "indices": _only_sparse("indices"),
        "values": _only_sparse("values"),
        "to_sparse": to_sparse,
        "allclose": allclose,
        "gradient": gradient,
        "_cdata": property(id, doc="A number that only this tensor has while it lives."),
        "is_cpu": property(lambda _: True, doc="True: elements are in the computer's memory."),
        "is_meta": property(lambda _: False, doc="False: tensors have elements."),
        "is_quantized": property(lambda _: False, doc="False: elements are numbers."),
        "equal": equal,
        "is_nonzero": is_nonzero,
        "storage": storage,
        "new_empty_strided": new_empty_strided,
        "nonzero": nonzero,
        "__repr__": represent,
        "__format__": format_,
        "__deepcopy__": deepcopy,
        "__reduce_ex__": reduce_ex,
        "__reversed__": reversed_,
        # NumPy leaves mixed operators to the tensor.
        "__array_priority__": 1000,
    }
    for name, method in methods.items():
        setattr(Tensor, name, method)
    for attributes in (protocol.METHODS, shaping.METHODS, complex_numbers.METHODS):
        for name, method in attributes.items():
            setattr(Tensor, name, method)
    for module in (bessel, mathematics, older, rearranging, statistics):
        for name in module.METHODS:
            setattr(Tensor, name, getattr(module, name))
    for module in (bessel, mathematics):
        for name in module.IN_PLACE:
            setattr(Tensor, f"{name}_", _changing(getattr(module, name)))
    Tensor.polygamma = polygamma  # type: ignore[method-assign]
    for name in ("addmm", "addmv", "baddbmm", "cumsum", "cumprod", "logcumsumexp"):
        setattr(Tensor, f"{name}_", _changing(getattr(ops, name)))
    for alias, name in aliases.METHODS.items():
        for ending in ("", "_"):
            if hasattr(Tensor, name + ending):
                setattr(Tensor, alias + ending, getattr(Tensor, name + ending))
    for name in linear_algebra.METHODS:
        setattr(Tensor, name, linear_algebra.as_method(name))
    missing_members.attach()
    subclasses.attach()
