"""Tables of learned vectors: Embedding and EmbeddingBag."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

from typing import Any, Self

import unspool
from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn import init
from unspool.nn._functional.embedding import _refuse_sparse
from unspool.nn.modules.module import Module
from unspool.nn.parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """What both share: the table, its padding row and how it starts."""

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    weight: Tensor

    def _set_up(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        sparse: bool,
        weight: Tensor | None,
        freeze: bool,
        device: Any,
        dtype: Any,
    ) -> None:
        if sparse:
            _refuse_sparse(type(self).__name__)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError(
                    f"padding_idx must be within num_embeddings ({num_embeddings}), got {padding_idx}"
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        if weight is None:
            table = unspool.empty((num_embeddings, embedding_dim), device=device, dtype=dtype)
            self.weight = Parameter(table, requires_grad=not freeze)
            self.reset_parameters()
            return
        if tuple(weight.shape) != (num_embeddings, embedding_dim):
            raise AssertionError(
                f"shape of weight {tuple(weight.shape)} does not match num_embeddings and embedding_dim "
                f"({num_embeddings}, {embedding_dim})"
            )
        self.weight = Parameter(weight, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draws new initial values from N(0, 1); the padding row starts from zeros."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with unspool.no_grad():
                self.weight[self.padding_idx].fill_(0)


class Embedding(_Table):
    """Rows of a learned table by index.

    Args:
        num_embeddings: number of rows, V.
        embedding_dim: their length, D.
        padding_idx: a row that receives no gradient and starts from zeros.
        max_norm: rows that are read are shortened, in place, to this norm.
        norm_type: exponent of that norm.
        scale_grad_by_freq: divide the gradient of a row by the number of times it was read.
        sparse: sparse gradients; refused.
        device: where the table lives.
        dtype: of the table; the default dtype where None.

    Shapes: input (*) of integers, output (*, D), ``weight`` (V, D), which starts from N(0, 1).

    Raises:
        AssertionError: ``padding_idx`` is not a row.
        NotImplementedError: ``sparse``.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self._set_up(num_embeddings, embedding_dim, padding_idx, sparse, _weight, _freeze, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        return text

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """A module over an existing table.

        Args:
            embeddings: shape (V, D); used as it is, not copied.
            freeze: the table is not trained.
            padding_idx: as in the constructor, like the arguments that follow.
            max_norm: see the constructor.
            norm_type: see the constructor.
            scale_grad_by_freq: see the constructor.
            sparse: see the constructor.

        Raises:
            AssertionError: ``embeddings`` is not 2-d.
        """
        if embeddings.dim() != 2:
            raise AssertionError(f"embeddings must be 2-dimensional, got {tuple(embeddings.shape)}")
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            _weight=embeddings,
            _freeze=freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )


class EmbeddingBag(_Table):
    """Sums, means or maxima over bags of rows of a learned table.

    Args:
        num_embeddings: number of rows, V.
        embedding_dim: their length, D.
        max_norm: rows that are read are shortened, in place, to this norm.
        norm_type: exponent of that norm.
        scale_grad_by_freq: divide the gradient of a row by the number of times it was read; not with "max".
        mode: "sum", "mean" or "max".
        sparse: sparse gradients; refused.
        include_last_offset: offsets end with the end of the last bag.
        padding_idx: an index that counts in no bag and whose row receives no gradient.
        device: where the table lives.
        dtype: of the table; the default dtype where None.

    Shapes: input (B, N), or (N,) with offsets (B,); output (B, D), ``weight`` (V, D), which starts from
    N(0, 1).

    Raises:
        AssertionError: ``padding_idx`` is not a row.
        NotImplementedError: ``sparse``.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        self._set_up(num_embeddings, embedding_dim, padding_idx, sparse, _weight, False, device, dtype)

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        text += f", mode={self.mode!r}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        return text

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """A module over an existing table.

        Args:
            embeddings: shape (V, D); used as it is, not copied.
            freeze: the table is not trained.
            max_norm: as in the constructor, like the arguments that follow.
            norm_type: see the constructor.
            scale_grad_by_freq: see the constructor.
            mode: see the constructor.
            sparse: see the constructor.
            include_last_offset: see the constructor.
            padding_idx: see the constructor.

        Raises:
            AssertionError: ``embeddings`` is not 2-d.
        """
        if embeddings.dim() != 2:
            raise AssertionError(f"embeddings must be 2-dimensional, got {tuple(embeddings.shape)}")
        rows, columns = embeddings.shape
        module = cls(
            rows,
            columns,
            _weight=embeddings,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        module.weight.requires_grad = not freeze
        return module
