"""Pruning: parameters are replaced by their product with a mask of zeros and ones.

A pruned parameter ``weight`` becomes the parameter ``weight_orig``, the buffer ``weight_mask`` and an
attribute ``weight``, their product, made anew before each forward pass by a hook. ``remove`` makes the
product permanent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from unspool import _core
from unspool._core import Tensor, ops
from unspool.nn.modules import Module
from unspool.nn.parameter import Parameter

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]

M = TypeVar("M", bound=Module)


class BasePruningMethod(ABC):
    """What finds a mask, and the hook that applies it; subclasses give ``compute_mask`` and PRUNING_TYPE.

    PRUNING_TYPE is "unstructured" (single elements), "structured" (slices along ``self.dim``) or "global".
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        """Make the attribute anew, before a forward pass."""
        del inputs
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Give the mask for importance scores t, where default_mask is what was pruned before."""

    def apply_mask(self, module: Module) -> Tensor:
        """Give the product of the original parameter and the mask."""
        mask = getattr(module, f"{self._tensor_name}_mask")
        original = getattr(module, f"{self._tensor_name}_orig")
        product: Tensor = mask.to(original.dtype) * original
        return product

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune a parameter of a module, on top of what was pruned before.

        Args:
            module: that has the parameter.
            name: of the parameter.
            *args: of the class.
            importance_scores: what to judge by, of the parameter's shape; by default the parameter itself.
            **kwargs: of the class.
        """
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        earlier = _hooks_of(module, name)
        if earlier:
            key, before = next(iter(earlier.items()))
            del module._forward_pre_hooks[key]
            container = before if isinstance(before, PruningContainer) else PruningContainer(before)
            container.add_pruning_method(method)
            method = container
        parameter = getattr(module, name)
        scores = parameter if importance_scores is None else importance_scores
        if scores.shape != parameter.shape:
            raise ValueError(
                f"prune: importance_scores have shape {tuple(scores.shape)} but {name} has "
                f"{tuple(parameter.shape)}"
            )
        if not earlier:
            del module._parameters[name]
            module.register_parameter(f"{name}_orig", parameter)
            default = _core.ones_like(parameter, requires_grad=False)
        else:
            default = getattr(module, f"{name}_mask").detach().clone()
        try:
            mask = method.compute_mask(scores.detach(), default)
        except Exception:
            if not earlier:
                del module._parameters[f"{name}_orig"]
                module.register_parameter(name, parameter)
            raise
        module.register_buffer(f"{name}_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """Give t with the pruned elements set to zero."""
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise ValueError(
                f"prune: importance_scores {tuple(scores.shape)} and t {tuple(t.shape)} differ in shape"
            )
        default = _core.ones_like(t, requires_grad=False) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default)

    def remove(self, module: Module) -> None:
        """Make the pruning of this method's parameter permanent."""
        name = self._tensor_name
        pruned = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters.pop(f"{name}_orig")
        del module._buffers[f"{name}_mask"]
        if not isinstance(original, Parameter):
            raise TypeError(f"prune: {name}_orig is no parameter")
        original.data = pruned.data
        module.register_parameter(name, original)


def _hooks_of(module: Module, name: str | None = None) -> dict[Any, BasePruningMethod]:
    return {
        key: hook
        for key, hook in module._forward_pre_hooks.items()
        if isinstance(hook, BasePruningMethod) and name in (None, hook._tensor_name)
    }


class PruningContainer(BasePruningMethod):
    """Several methods for one parameter, each of which prunes what the earlier ones left."""

    def __init__(self, *args: Any) -> None:
        given: Iterable[BasePruningMethod] = args
        if len(args) == 1 and not isinstance(args[0], BasePruningMethod):
            given = args[0]
        methods = list(given)
        self._pruning_methods: list[BasePruningMethod] = []
        if methods:
            self._tensor_name = methods[0]._tensor_name
        for method in methods:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Add a method for the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"prune: {type(method).__name__} is not a BasePruningMethod")
        if method._tensor_name != self._tensor_name:
            raise ValueError(
                f"prune: this container is for {self._tensor_name!r}, the method for {method._tensor_name!r}"
            )
        self._pruning_methods.append(method)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Any:
        return iter(self._pruning_methods)

    def __getitem__(self, index: int) -> BasePruningMethod:
        return self._pruning_methods[index]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Apply the newest method to what is left."""
        method = self._pruning_methods[-1]
        mask = default_mask.to(t.dtype)
        if method.PRUNING_TYPE == "unstructured":
            left: Any = ops.eq(mask, 1)
        elif method.PRUNING_TYPE == "structured":
            dim = int(method.dim) % t.ndim  # type: ignore[attr-defined]
            others = [d for d in range(t.ndim) if d != dim]
            is_left = ops.ne(mask.sum(others) if others else mask, 0)
            left = tuple(is_left if d == dim else slice(None) for d in range(t.ndim))
        elif method.PRUNING_TYPE == "global":
            left = tuple(slice(None) for _ in range(t.ndim))
        else:
            raise ValueError(f"prune: unknown PRUNING_TYPE {method.PRUNING_TYPE!r}")
        result = mask.clone()
        result[left] = method.compute_mask(t[left], mask[left]).to(mask.dtype)
        return result


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, (int, float, np.number)):
        raise TypeError(f"prune: amount must be a number, not {type(amount).__name__}")
    is_count = isinstance(amount, (int, np.integer))
    if amount < 0 or (not is_count and amount > 1):
        raise ValueError(
            f"prune: amount must be a fraction from 0.0 to 1.0 or a number of elements, got {amount}"
        )


def _number_to_prune(amount: Any, size: int) -> int:
    if isinstance(amount, (int, np.integer)):
        if amount > size:
            raise ValueError(f"prune: amount is {amount} but there are {size} to prune from")
        return int(amount)
    return round(float(amount) * size)


def _without(default_mask: Tensor, places: Tensor) -> Tensor:
    """The mask with zeros at places in row-major order."""
    mask = default_mask.clone().reshape(-1)
    mask[places] = 0
    return mask.reshape(default_mask.shape)


class Identity(BasePruningMethod):
    """Prunes nothing, but sets up the names."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Give the default mask."""
        del t
        return default_mask


class _ByAmount(BasePruningMethod):
    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount


class RandomUnstructured(_ByAmount):
    """Prunes elements at random: a fraction of them (float) or a number (int)."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Draw a number for each element, and prune those with the largest."""
        count = _number_to_prune(self.amount, t.numel())
        if not count:
            return default_mask.clone()
        return _without(default_mask, ops.topk(_core.rand_like(t).reshape(-1), count)[1])


class L1Unstructured(_ByAmount):
    """Prunes the elements with the smallest magnitude: a fraction of them (float) or a number (int)."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Prune the smallest."""
        count = _number_to_prune(self.amount, t.numel())
        if not count:
            return default_mask.clone()
        return _without(default_mask, ops.topk(ops.abs(t).reshape(-1), count, largest=False)[1])


class _Structured(_ByAmount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _keep(self, t: Tensor, default_mask: Tensor, scores: Tensor) -> Tensor:
        """Keep the slices with the greatest scores."""
        count = _number_to_prune(self.amount, t.shape[self.dim])
        if not count:
            return default_mask
        kept = _core.zeros(t.shape[self.dim], dtype=t.dtype)
        kept[ops.topk(scores, t.shape[self.dim] - count)[1]] = 1
        return default_mask * kept.reshape([-1 if d == self.dim % t.ndim else 1 for d in range(t.ndim)])

    def _check(self, t: Tensor) -> None:
        if t.ndim < 2:
            raise ValueError(
                f"prune: structured pruning needs at least 2 dimensions, got shape {tuple(t.shape)}"
            )
        if not -t.ndim <= self.dim < t.ndim:
            raise IndexError(f"prune: dim {self.dim} is out of range for shape {tuple(t.shape)}")


class RandomStructured(_Structured):
    """Prunes slices along a dimension at random."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Draw a number for each slice, and prune those with the smallest."""
        self._check(t)
        if not _number_to_prune(self.amount, t.shape[self.dim]):
            return default_mask
        return self._keep(t, default_mask, _core.rand(t.shape[self.dim]))


class LnStructured(_Structured):
    """Prunes the slices along a dimension whose norm of order n is smallest."""

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Prune the smallest."""
        self._check(t)
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        return self._keep(t, default_mask, t.norm(p=self.n, dim=others))


class CustomFromMask(BasePruningMethod):
    """Prunes where a given mask is zero."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Give the product of both masks."""
        del t
        if default_mask.shape != self.mask.shape:
            raise ValueError(
                f"prune: the mask has shape {tuple(self.mask.shape)} but the parameter "
                f"{tuple(default_mask.shape)}"
            )
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module: M, name: str) -> M:
    """Set up the names of a pruned parameter without pruning; give the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: M, name: str, amount: float) -> M:
    """Prune elements of a parameter at random; give the module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: M, name: str, amount: float, importance_scores: Tensor | None = None) -> M:
    """Prune the elements of a parameter with the smallest magnitude; give the module."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: M, name: str, amount: float, dim: int) -> M:
    """Prune slices of a parameter along dim at random; give the module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: M, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None
) -> M:
    """Prune the slices of a parameter along dim with the smallest norm of order n; give the module."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: M, name: str, mask: Tensor) -> M:
    """Prune a parameter where a mask is zero; give the module."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: Mapping[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters as if they were one.

    Args:
        parameters: modules and names of their parameters.
        pruning_method: a class whose PRUNING_TYPE is "unstructured".
        importance_scores: what to judge by, where that is not the parameter itself.
        **kwargs: of the class.

    Raises:
        TypeError: the method is not "unstructured".
    """
    pairs = list(parameters)
    scores_of = importance_scores or {}
    scores = [scores_of.get(pair, getattr(*pair)).detach() for pair in pairs]
    defaults = [
        getattr(m, f"{n}_mask", _core.ones_like(s, requires_grad=False))
        for (m, n), s in zip(pairs, scores, strict=True)
    ]
    method: BasePruningMethod = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(f"prune: global_unstructured needs an unstructured method, got {method.PRUNING_TYPE}")
    method._tensor_name = "temporary"
    mask = PruningContainer(method).compute_mask(
        ops.cat([each.reshape(-1) for each in scores]), ops.cat([each.reshape(-1) for each in defaults])
    )
    start = 0
    for (module, name), each in zip(pairs, scores, strict=True):
        custom_from_mask(module, name, mask[start : start + each.numel()].reshape(each.shape))
        start += each.numel()


def remove(module: M, name: str) -> M:
    """Make the pruning of a parameter permanent, and give the module.

    Raises:
        ValueError: the parameter was not pruned.
    """
    found = _hooks_of(module, name)
    if not found:
        raise ValueError(f"prune: parameter {name!r} of {type(module).__name__} is not pruned")
    for key, hook in found.items():
        hook.remove(module)
        del module._forward_pre_hooks[key]
    return module


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module or of a module inside is pruned."""
    return any(_hooks_of(each) for each in module.modules())
