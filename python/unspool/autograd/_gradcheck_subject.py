"""A function with the arguments at which gradcheck examines it: its values, gradients and small steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from unspool import _core
from unspool._core import Tensor
from unspool.autograd._gradcheck_basics import GradcheckError, wants_gradient

if TYPE_CHECKING:
    from unspool.autograd._numerical import Array, Probe

Function: TypeAlias = Callable[..., Any]


def _overlaps_itself(tensor: Tensor) -> bool:
    return any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True))


def _own_memory(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Replace inputs whose elements cannot be changed one by one: expanded, overlapping or read-only ones."""
    result = []
    for position, value in enumerate(inputs):
        if wants_gradient(value):
            array = value.detach().numpy()
            others = [o for i, o in enumerate(inputs) if i != position and isinstance(o, Tensor)]
            shared = any(
                np.may_share_memory(array, other.detach().numpy()) for other in others if other is not value
            )
            if shared or not array.flags.writeable or _overlaps_itself(value):
                value = value.detach().clone().requires_grad_()
        result.append(value)
    return tuple(result)


def typical(magnitudes: Array) -> float:
    """Give the root mean square of the elements of a tensor; 1 if all are 0."""
    return float(np.sqrt(np.mean(magnitudes**2))) or 1.0 if magnitudes.size else 1.0


class Subject:
    """A function with the arguments at which it is checked.

    Elements are changed where they are, so that functions that reach their inputs by another way than their
    arguments (a module's parameters) can be checked too; they are always restored.
    """

    def __init__(self, function: Function, inputs: tuple[Any, ...]) -> None:
        self.function = function
        self.inputs = _own_memory(inputs)
        self.places = [i for i, value in enumerate(self.inputs) if wants_gradient(value)]
        self.variables: list[Tensor] = [self.inputs[i] for i in self.places]
        self.arrays: list[Any] = [variable.detach().numpy() for variable in self.variables]
        everything = self._call()
        recorded = [i for i, output in enumerate(everything) if output.requires_grad]
        # If nothing is recorded, all floating outputs are claimed to be constant.
        self.output_places = recorded or [
            i for i, out in enumerate(everything) if out.dtype.is_floating_point
        ]
        self.outputs = [everything[i] for i in self.output_places]
        shadowed = [*self.outputs, *self.variables]
        self.epsilon = max((float(np.finfo(each.dtype.__name__).eps) for each in shadowed), default=2.0**-52)
        ends = itertools.accumulate((output.numel() for output in self.outputs), initial=0)
        self.slices = [slice(first, end) for first, end in itertools.pairwise(ends)]

    def _call(self) -> list[Tensor]:
        result = self.function(*self.inputs)
        outputs = list(result) if isinstance(result, tuple | list) else [result]
        for output in outputs:
            if not isinstance(output, Tensor):
                kind = type(output).__name__
                raise ValueError(
                    f"gradcheck: the function must return a Tensor or a tuple of them, not {kind}"
                )
        return outputs

    def values(self) -> Array:
        """Evaluate: all outputs in one vector."""
        everything = self._call()
        parts = [everything[i].detach().numpy().astype(np.float64).reshape(-1) for i in self.output_places]
        return np.concatenate(parts) if parts else np.zeros(0)

    def gradients(self, output: Tensor, cotangent: Any) -> list[Array | None]:
        """Unwind from one output: the gradient of each variable as a vector, None where there is none."""
        if not output.requires_grad:
            return [None] * len(self.variables)
        seed = _core.from_numpy(np.asarray(cotangent, output.dtype.__name__).reshape(output.shape))
        try:
            found = _core._grad(output, self.variables, seed, True, False, True, False)
        except RuntimeError as error:
            raise GradcheckError(f"gradcheck: the gradient could not be computed: {error}") from error
        return [None if g is None else g.detach().numpy().astype(np.float64).reshape(-1) for g in found]

    def dependence(self, output: Tensor) -> list[bool]:
        """Tell for which variables unwinding from the output gives a gradient at all."""
        return [gradient is not None for gradient in self.gradients(output, np.ones(output.numel()))]

    def magnitudes(self, variable: int) -> Array:
        """Give the absolute value of each element, 0 where it is not finite."""
        sizes = np.abs(self.arrays[variable].astype(np.float64)).reshape(-1)
        return np.where(np.isfinite(sizes), sizes, 0.0)

    def probe_element(self, variable: int, element: int) -> Probe:
        """Make steps of a single element."""
        array = self.arrays[variable]
        index = np.unravel_index(element, array.shape) if array.ndim else ()
        start = array[index]

        def probe(step: float) -> tuple[float, Array]:
            try:
                array[index] = float(start) + step
                taken = float(array[index]) - float(start)
                return taken, self.values()
            finally:
                array[index] = start

        return probe

    def probe_direction(self, variable: int, direction: Array) -> Probe:
        """Make steps of all elements at once."""
        array = self.arrays[variable]
        start, slope = array.copy(), direction.reshape(array.shape)

        def probe(step: float) -> tuple[float, Array]:
            try:
                array[...] = start + step * slope
                return step, self.values()
            finally:
                array[...] = start

        return probe


@dataclass(frozen=True)
class Analytic:
    """By variable: the derivatives of all outputs, (input elements, output elements); which are undefined."""

    jacobians: list[Array]
    undefined: list[list[bool]]  # by variable, by output


def analytic_jacobians(subject: Subject) -> Analytic:
    """Unwind once per output element."""
    total = sum(output.numel() for output in subject.outputs)
    jacobians = [np.zeros((variable.numel(), total)) for variable in subject.variables]
    undefined = [[True] * len(subject.outputs) for _ in subject.variables]
    for place, output in enumerate(subject.outputs):
        first = subject.slices[place].start
        for element in range(output.numel() if output.requires_grad else 0):
            cotangent = np.zeros(output.numel())
            cotangent[element] = 1.0
            for variable, gradient in enumerate(subject.gradients(output, cotangent)):
                if gradient is not None:
                    jacobians[variable][:, first + element] = gradient
                    undefined[variable][place] = False
    return Analytic(jacobians, undefined)
