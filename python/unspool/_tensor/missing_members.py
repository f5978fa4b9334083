"""Members of PyTorch's tensors and tape nodes that unspool's do not have: using one says so by name."""

from __future__ import annotations

from typing import Any, NoReturn

from unspool._core import Node, Tensor
from unspool._lazy import MissingName, unsupported

__all__: list[str] = []

_COMPLEX = "cdouble cfloat chalf istft stft"
_SPARSE = (
    "ccol_indices col_indices crow_indices is_coalesced resize_as_sparse_ row_indices smm sparse_mask "
    "sparse_resize_ sparse_resize_and_clear_ sspaddmm to_padded_tensor to_sparse_bsc to_sparse_bsr "
    "to_sparse_coo to_sparse_csc to_sparse_csr"
)
_QUANTIZED = (
    "dequantize int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale "
    "q_zero_point qscheme"
)
_DEVICES = "ipu mtia record_stream to_mkldnn xpu"
_OTHERS = "dim_order is_inference hash_tensor is_set_to map2_ module_load slice_inverse storage_type"


class _Missing:
    """Stands for one member of PyTorch's Tensor."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> NoReturn:
        raise MissingName(unsupported(f"torch.Tensor.{self._name}"), name=self._name, obj=instance)


def _node_attribute(self: Node, name: str) -> NoReturn:
    if name.startswith(("_saved_", "_raw_saved_")):
        raise MissingName(
            f"grad_fn.{name} is not implemented in unspool: the tape keeps what a derivative reads, under no "
            "name; keep the tensor yourself; saved_bytes tells how much it keeps",
            name=name,
            obj=self,
        )
    raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}", name=name, obj=self)


def attach() -> None:
    """Puts them into the classes."""
    for name in " ".join((_COMPLEX, _SPARSE, _QUANTIZED, _DEVICES, _OTHERS)).split():
        setattr(Tensor, name, _Missing(name))
    Node.__getattr__ = _node_attribute  # type: ignore[attr-defined]
