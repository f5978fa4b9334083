"""Spectral normalization as a hook (Miyato et al. 2018), the form before parametrizations."""

from __future__ import annotations

from typing import Any, TypeVar

import unspool
from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn.modules.module import Module
from unspool.nn.parameter import Parameter

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]

M = TypeVar("M", bound=Module)


class SpectralNorm:
    """The hook: sets ``<name>`` to ``<name>_orig`` over its largest singular value before each call.

    Args:
        name: the weight's name.
        n_power_iterations: iterations before each call in training.
        dim: the dimension that becomes the rows of the matrix.
        eps: keeps lengths from being 0.

    Raises:
        ValueError: no iterations.
    """

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """(size of ``dim``, everything else)."""
        if self.dim != 0:
            weight = weight.permute(self.dim, *[d for d in range(weight.ndim) if d != self.dim])
        return weight.reshape(weight.shape[0], -1)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight over its largest singular value, after power iterations where asked for."""
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with unspool.no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.t() @ u, dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix @ v, dim=0, eps=self.eps))
        # Copies: the next iteration overwrites both before this one's backward pass.
        result: Tensor = weight / (u.clone() @ (matrix @ v.clone()))
        return result

    def remove(self, module: Module) -> None:
        """Makes the weight a parameter again, with its present value."""
        with unspool.no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for name in (self.name, f"{self.name}_u", f"{self.name}_v", f"{self.name}_orig"):
            delattr(module, name)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:  # noqa: D102 (the class says it)
        del inputs
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divides a weight by its largest singular value before each call.

    Args:
        module: whose weight it is; it becomes ``<name>_orig``, with buffers ``<name>_u`` and ``<name>_v``.
        name: the weight's name.
        n_power_iterations: iterations before each call in training.
        eps: keeps lengths from being 0.
        dim: the dimension that becomes the rows of the matrix; 1 for transposed convolutions, else 0.

    Returns:
        The module.

    Raises:
        RuntimeError: the weight is normalized already.
        ValueError: no iterations.
    """
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    matrix = hook.reshape_weight_to_matrix(weight.detach())
    rows, columns = matrix.shape
    u = F.normalize(unspool.empty(rows, dtype=weight.dtype).normal_(0, 1), dim=0, eps=eps)
    v = F.normalize(unspool.empty(columns, dtype=weight.dtype).normal_(0, 1), dim=0, eps=eps)
    del module._parameters[name]
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Undoes ``spectral_norm``.

    Raises:
        ValueError: the weight is not normalized.
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"spectral_norm of '{name}' not found in {module}")
