"""One call that is verified: what was called, and copies of everything it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from unspool import _core
from unspool._core import Tensor

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]

SHAKE = 1e-3  # how far elements are moved off kinks and ties, relative to their size


@dataclass
class Case:
    """A call, in a form that can be repeated anywhere near."""

    operation: str
    module: str
    names: list[str]  # of the arguments
    values: list[Any]  # of the arguments: copies from before the call
    places: list[int]  # of the arguments that the gradient is taken of
    function: Callable[[list[Any], bool], list[Tensor]]  # (arguments, whether in double) -> results
    fixed: dict[int, Any] = field(default_factory=dict)  # elements whose gradient is 0 by definition
    noise: float = 0.0  # change of the results, relative to their norm, that is rounding inside of the call

    def arguments(self, *, is_double: bool, shake: np.random.Generator | None = None) -> list[Any]:
        """Copy the arguments; those that are differentiated are new leaves."""
        result = list(self.values)
        for i, value in enumerate(result):
            if not isinstance(value, Tensor):
                continue
            copy = value.detach().clone()
            if is_double and copy.is_floating_point():
                copy = _core._cast(copy, _core.float64)
            if shake is not None and i in self.places:
                copy = _core.from_numpy(shaken(copy.numpy(), shake))
            result[i] = copy.requires_grad_(i in self.places)
        return result

    def describe(self, place: int) -> str:
        """Name an argument, with its shape."""
        return f"argument '{self.names[place]}' {shape_text(self.values[place].shape)}"


def shape_text(shape: Any) -> str:
    """Write a shape as in mathematics: (4×5)."""
    return "(" + "×".join(str(size) for size in shape) + ")" if len(shape) else "(a number)"


def shaken(array: Any, rng: np.random.Generator) -> Any:
    """Move every element a little, away from kinks at 0 and from ties.

    Magnitudes only shrink and zeros only grow, so that bounds like [0, 1] still hold.
    """
    finite = np.abs(array[np.isfinite(array)])
    typical = float(np.sqrt(np.mean(finite**2))) if finite.size else 1.0
    share = rng.uniform(0.1, 1.0, array.shape)
    moved = np.where(array == 0, SHAKE * (typical or 1.0) * share, array * (1 - SHAKE * share))
    return np.array(moved, array.dtype, order="C")


def is_finite(tensors: list[Any]) -> bool:
    """Tell whether all elements of all floating tensors are numbers."""
    return all(
        bool(np.isfinite(as_double(tensor)).all())
        for tensor in tensors
        if isinstance(tensor, Tensor) and tensor.is_floating_point()
    )


def as_double(tensor: Tensor) -> Array:
    """Give the elements in double precision."""
    return np.asarray(_core._cast(tensor.detach(), _core.float64).numpy(), np.float64)


def reduced(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum over the dimensions that broadcasting made, as the engine does after each rule."""
    extra = gradient.ndim - len(shape)
    if extra > 0:
        gradient = gradient.sum(axis=tuple(range(extra)))
    wide = tuple(d for d, size in enumerate(shape) if size == 1 and gradient.shape[d] != 1)
    return np.asarray(gradient.sum(axis=wide, keepdims=True) if wide else gradient)


class RandomState:
    """Where all generators of random numbers stand: unspool's default one, NumPy's and Python's."""

    def __init__(self) -> None:
        import random

        self._own = _core.get_rng_state()
        self._numpy = np.random.get_state()  # noqa: NPY002 (a script may use it)
        self._python = random.getstate()

    def restore(self) -> None:
        """Put them back there."""
        import random

        _core.set_rng_state(self._own)
        np.random.set_state(self._numpy)  # noqa: NPY002
        random.setstate(self._python)


@contextmanager
def unchanged(owner: Any) -> Iterator[None]:
    """Undo what happens to random states, and to the attributes of a class."""
    states = RandomState()
    attributes = {} if owner is None else dict(vars(owner))
    try:
        yield
    finally:
        states.restore()
        if owner is not None:
            _restore(owner, attributes)


def _restore(owner: Any, attributes: dict[str, Any]) -> None:
    for name, value in list(vars(owner).items()):
        if name not in attributes:
            delattr(owner, name)
        elif attributes[name] is not value:
            setattr(owner, name, attributes[name])
