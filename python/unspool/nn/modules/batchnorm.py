"""Batch normalization (Ioffe and Szegedy 2015) and what it shares with instance normalization."""

from __future__ import annotations

from typing import Any

import unspool
from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn import init
from unspool.nn.modules.module import Module
from unspool.nn.parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"]


class _NormBase(Module):
    """Weight and bias per channel, and running statistics, each where asked for.

    State: ``weight``, ``bias``, ``running_mean``, ``running_var`` (num_features,) and the int64 count
    ``num_batches_tracked``. Weights start at 1, biases at 0.
    """

    _version = 2
    num_features: int
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            made = Parameter(unspool.empty(num_features, **factory)) if wanted else None
            self.register_parameter(name, made)
        tracked = track_running_stats
        self.register_buffer("running_mean", unspool.zeros(num_features, **factory) if tracked else None)
        self.register_buffer("running_var", unspool.ones(num_features, **factory) if tracked else None)
        count = unspool.tensor(0, dtype=unspool.int64, device=device) if tracked else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Sets the running mean to 0, the variance to 1 and the count to 0."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.running_mean.zero_()
        self.running_var.fill_(1)
        self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Sets weights to 1, biases to 0, and the running statistics back."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # Version 1 kept no count.
        key = prefix + "num_batches_tracked"
        version = local_metadata.get("version")
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            state_dict[key] = unspool.tensor(0, dtype=unspool.int64) if count is None else count
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(_NormBase):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, mean and variance of each channel of a batch.

    In training the statistics are the batch's (the variance without Bessel's correction), and the running
    ones move towards them: running = (1 - momentum) * running + momentum * batch (the variance with the
    correction); ``momentum=None`` averages over all batches instead. In evaluation the running statistics
    are used, or the batch's where none are tracked.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: how fast running statistics follow; None for their average over all batches.
        affine: whether there are weight and bias.
        track_running_stats: whether there are running statistics.
        device: where parameters and buffers live.
        dtype: of parameters and buffers; the default dtype where None.
        bias: False leaves the bias out.

    Raises:
        ValueError: an input of another number of dimensions; in training one value per channel.
        RuntimeError: an input with another number of channels, or of another dtype.
    """

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None and self.running_mean is not None and self.running_var is not None:
                return self._average(input, self.running_mean, self.running_var, self.num_batches_tracked)
        from_batch = self.training or (self.running_mean is None and self.running_var is None)
        tracks = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if tracks else None,
            self.running_var if tracks else None,
            self.weight,
            self.bias,
            from_batch,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )

    def _average(self, input: Tensor, mean: Tensor, variance: Tensor, count: Tensor) -> Tensor:
        """Normalizes, and moves the running statistics by 1 / count, which is never looked at in Python."""
        batch = unspool.zeros_like(mean), unspool.zeros_like(variance)
        out: Tensor = F.batch_norm(input, *batch, self.weight, self.bias, True, 1.0, self.eps)
        with unspool.no_grad():
            for running, fresh in zip((mean, variance), batch, strict=True):
                running.lerp_(fresh, count.to(running.dtype).reciprocal())
        return out


class BatchNorm1d(_BatchNorm):
    """Batch normalization of (N, C) or (N, C, L); see ``_BatchNorm`` for the arguments."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.ndim}D input)")


class BatchNorm2d(_BatchNorm):
    """Batch normalization of (N, C, H, W)."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim != 4:
            raise ValueError(f"expected 4D input (got {input.ndim}D input)")


class BatchNorm3d(_BatchNorm):
    """Batch normalization of (N, C, D, H, W)."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim != 5:
            raise ValueError(f"expected 5D input (got {input.ndim}D input)")


class SyncBatchNorm(_BatchNorm):
    """Batch normalization over all processes, of which there is one: the same as ``BatchNorm*d``.

    Takes (N, C, ...) of at least 2 dimensions.

    Raises:
        NotImplementedError: a ``process_group`` is given; statistics are not reduced over processes.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any | None = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        if process_group is not None:
            raise NotImplementedError(
                "torch.nn.SyncBatchNorm with a process_group: statistics are not reduced over processes; "
                "use BatchNorm1d, BatchNorm2d or BatchNorm3d in each of them"
            )
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device=device, dtype=dtype, bias=bias
        )

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any | None = None) -> Module:
        """Replaces every ``BatchNorm*d`` in a module by one of this class with the same parameters."""
        converted = module
        if isinstance(module, _BatchNorm) and not isinstance(module, cls):
            converted = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            converted._parameters.update(module._parameters)
            converted._buffers.update(module._buffers)
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted
