"""Modules over several devices. There is one, the CPU: a module is run as it is, or that is refused."""

from __future__ import annotations

from typing import Any

from unspool._core import Tensor
from unspool.nn.modules import Module
from unspool.nn.parallel.distributed import DistributedDataParallel
from unspool.nn.parallel.scatter_gather import gather, parallel_apply, replicate, scatter

__all__ = [
    "DataParallel",
    "DistributedDataParallel",
    "data_parallel",
    "gather",
    "parallel_apply",
    "replicate",
    "scatter",
]


class DataParallel(Module):
    """Runs ``module``, which it keeps under that name: what PyTorch does where there is no GPU.

    Args:
        module: any module.
        device_ids: accepted and not used.
        output_device: accepted and not used.
        dim: accepted and not used.
    """

    module: Module

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        del device_ids
        self.module = module
        self.device_ids: list[int] = []
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """Run the module."""
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Run a module once, on the CPU."""
    del device_ids, output_device, dim
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    return module(*arguments, **(module_kwargs or {}))
