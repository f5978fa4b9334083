"""``_foreach_*``: one call for an operation on each tensor of a list, as optimizers written for PyTorch use.

Each is the operation of that name, applied in turn. A further argument is a list with one entry per tensor,
or one number or tensor for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

from unspool import _core
from unspool._core import Tensor

Tensors = Sequence[Tensor]

_UNARY = [
    "abs",
    "acos",
    "asin",
    "atan",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "floor",
    "frac",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "neg",
    "reciprocal",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    "zero",
]
_BINARY = ["add", "sub", "mul", "div", "clamp_max", "clamp_min", "maximum", "minimum", "pow", "copy", "lerp"]
_SCALED = ("addcmul", "addcdiv", "addcmul_", "addcdiv_")
_ONLY_IN_PLACE = ("zero", "copy")
# With a number, the greater and the smaller of two are bounds.
_BOUNDS = {
    "maximum": "clamp_min",
    "maximum_": "clamp_min_",
    "minimum": "clamp_max",
    "minimum_": "clamp_max_",
}


def _column(argument: Any, count: int, name: str) -> Iterator[Any]:
    if isinstance(argument, Tensor) or not isinstance(argument, Sequence):
        return repeat(argument, count)
    if len(argument) != count:
        raise RuntimeError(f"{name}: expected lists of one length, got {count} and {len(argument)}")
    return iter(argument)


def _apply(operation: str, tensor: Tensor, others: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    if operation in _SCALED and len(others) == 3:
        keywords = {**keywords, "value": _number(others[2])}
        others = others[:2]
    if operation in _BOUNDS and not isinstance(others[0], Tensor):
        operation = _BOUNDS[operation]
    return getattr(_core.Tensor, operation)(tensor, *others, **keywords)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def _function(operation: str, in_place: bool) -> Callable[..., Any]:
    name = f"_foreach_{operation}{'_' if in_place else ''}"
    changes_itself = in_place and hasattr(Tensor, operation + "_")

    def function(self: Any, *others: Any, **keywords: Any) -> Any:
        if isinstance(self, Tensor) or not isinstance(self, Sequence):
            raise TypeError(f"{name}: expected a list of tensors, not {type(self).__name__}")
        if not self:
            raise RuntimeError(f"{name}: the list must have at least one tensor")
        keywords = {key: value for key, value in keywords.items() if key != "non_blocking"}
        columns = [_column(each, len(self), name) for each in others]
        named = {key: _column(value, len(self), name) for key, value in keywords.items()}
        results = []
        for tensor in self:
            rest = tuple(next(column) for column in columns)
            scales = {key: next(column) for key, column in named.items()}
            if changes_itself:
                results.append(_apply(operation + "_", tensor, rest, scales))
            else:
                result = _apply(operation, tensor, rest, scales)
                results.append(tensor.copy_(result) if in_place else result)
        return None if in_place else tuple(results)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``{operation}`` of each tensor" + (", written into it." if in_place else ".")
    return function


def _foreach_norm(self: Tensors, ord: float = 2, dtype: Any = None) -> tuple[Tensor, ...]:
    """Give the vector norm of each tensor.

    Args:
        self: the tensors.
        ord: which norm.
        dtype: to compute in.
    """
    from unspool import linalg

    return tuple(linalg.vector_norm(each, ord, dtype=dtype) for each in self)


for _operation in (*_UNARY, *_BINARY, "addcmul", "addcdiv"):
    for _in_place in (False, True):
        if _in_place or _operation not in _ONLY_IN_PLACE:
            _made = _function(_operation, _in_place)
            globals()[_made.__name__] = _made
NAMES = [name for name in globals() if name.startswith("_foreach_")]
