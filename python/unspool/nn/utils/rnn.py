"""Sequences of different lengths: padded to one tensor, or packed step by step for the recurrent layers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

import unspool
from unspool._arguments import require_tensor, require_tensors
from unspool._core import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _PackedFields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_PackedFields):
    """Sequences sorted by falling length, stored step by step.

    Made by ``pack_padded_sequence`` and ``pack_sequence``; taken and given by the recurrent layers.

    Args:
        data: (sum of lengths, ...): first the first steps of all sequences, then the second ones, ...
        batch_sizes: int64 (longest length,), how many sequences reach each step.
        sorted_indices: where each sorted sequence stood before, or None where they were sorted already.
        unsorted_indices: the inverse of that; worked out where None.
    """

    def __new__(  # noqa: D102 (the class says it)
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __getnewargs__(self) -> Any:
        return tuple(self)

    def _with(self, data: Tensor) -> Self:
        return self if data is self.data else type(self)(data, *self[1:])

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """``Tensor.to`` on the data."""
        return self._with(self.data.to(*args, **kwargs))

    def cpu(self, *args: Any, **kwargs: Any) -> Self:
        """Returns itself: everything lives on the CPU."""
        del args, kwargs
        return self

    def cuda(self, *args: Any, **kwargs: Any) -> Self:
        """``Tensor.cuda`` on the data."""
        return self._with(self.data.cuda(*args, **kwargs))

    def double(self) -> Self:
        """The data as float64."""
        return self.to(dtype=unspool.float64)

    def float(self) -> Self:
        """The data as float32."""
        return self.to(dtype=unspool.float32)

    def long(self) -> Self:
        """The data as int64."""
        return self.to(dtype=unspool.int64)

    def int(self) -> Self:
        """The data as int32."""
        return self.to(dtype=unspool.int32)

    def pin_memory(self) -> Self:
        """Returns itself: nothing is pinned on the CPU."""
        return self

    def is_pinned(self) -> bool:
        """False."""
        return False

    @property
    def is_cuda(self) -> bool:
        """Whether the data lives on a GPU."""
        return bool(self.data.is_cuda)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another; None for None."""
    if permutation is None:
        return None
    return unspool.from_numpy(np.argsort(permutation.numpy(), kind="stable"))


def _rows(data: Tensor, place: Callable[[np.ndarray[Any, Any], int], Any], sizes: Sequence[int]) -> Tensor:
    """The rows of ``data`` numbered place(sequences, step), for as many sequences as each step has."""
    parts = [place(np.arange(size), step) for step, size in enumerate(sizes)]
    return data.index_select(0, unspool.from_numpy(np.concatenate(parts).astype(np.int64)))


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs sequences that were padded to one length.

    Args:
        input: (L, N, ...), or (N, L, ...) with ``batch_first``; L at least the largest length.
        lengths: of the N sequences, each at least 1.
        batch_first: which of the first two dimensions is the batch.
        enforce_sorted: whether the sequences must come sorted by falling length; False sorts them.

    Raises:
        RuntimeError: lengths that are not sorted where they must be, too many, too few, 0 or above L.
    """
    listed = [int(n) for n in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]
    if require_tensor("input", input, "pack_padded_sequence").ndim < 2:
        raise RuntimeError(
            f"pack_padded_sequence: expected at least 2 dimensions, got shape {tuple(input.shape)}"
        )
    steps, batch = (input.shape[1], input.shape[0]) if batch_first else (input.shape[0], input.shape[1])
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(listed) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(listed)} (batch_size={batch})"
        )
    if min(listed) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if max(listed) > steps:
        raise RuntimeError(f"pack_padded_sequence: a length of {max(listed)} in an input of {steps} steps")
    order = None
    if not enforce_sorted:
        order = np.argsort([-n for n in listed], kind="stable").astype(np.int64)
        listed = [listed[i] for i in order]
    elif any(a < b for a, b in itertools.pairwise(listed)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement"
        )
    sizes = [sum(n > step for n in listed) for step in range(listed[0])]
    first = np.arange(batch) if order is None else order
    flat = input.reshape(steps * batch, *input.shape[2:])
    data = _rows(flat, lambda k, t: first[k] * steps + t if batch_first else t * batch + first[k], sizes)
    sorted_indices = None if order is None else unspool.from_numpy(order)
    return PackedSequence(data, unspool.tensor(sizes, dtype=unspool.int64), sorted_indices)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The inverse of ``pack_padded_sequence``.

    Args:
        sequence: packed sequences.
        batch_first: whether the result is (N, L, ...) instead of (L, N, ...).
        padding_value: what stands behind the end of a sequence.
        total_length: L; the largest length where None.

    Returns:
        The padded tensor and the lengths, int64 (N,), in the order from before packing.

    Raises:
        ValueError: ``total_length`` is below the largest length.
    """
    data, batch_sizes, _, back = sequence
    sizes = batch_sizes.numpy()
    longest, batch = len(sizes), int(sizes[0])
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}"
        )
    steps = longest if total_length is None else total_length
    column = np.arange(batch) if back is None else back.numpy()
    starts = np.concatenate([[0], np.cumsum(sizes)])
    reached = np.zeros(steps, np.int64)
    reached[:longest] = sizes
    first = np.zeros(steps, np.int64)
    first[:longest] = starts[:-1]
    # Row len(data) is the padding.
    places = np.where(column < reached[:, None], first[:, None] + column, starts[-1])
    lengths = (reached[:, None] > column).sum(axis=0)
    if batch_first:
        places = places.T
    rest = list(data.shape[1:])
    padding = unspool.full([1, *rest], padding_value, dtype=data.dtype)
    index = unspool.from_numpy(np.ascontiguousarray(places).reshape(-1))
    padded = unspool.cat([data, padding]).index_select(0, index).reshape([*places.shape, *rest])
    return padded, unspool.from_numpy(lengths.astype(np.int64))


def pad_sequence(
    sequences: Tensor | Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L_i, ...) as one tensor (L, N, ...), or (N, L, ...) with ``batch_first``.

    Args:
        sequences: tensors that differ in their first size only; a tensor is taken apart along its first.
        batch_first: which of the first two dimensions is the batch.
        padding_value: what fills the shorter ones up.
        padding_side: "right" or "left".

    Raises:
        RuntimeError: no sequences, or other sizes that differ.
        ValueError: another side.
    """
    listed = list(sequences.unbind(0)) if isinstance(sequences, Tensor) else list(sequences)
    if not listed:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise ValueError(f"padding_side must be 'left' or 'right', got {padding_side!r}")
    if any(require_tensor("sequences", each, "pad_sequence").ndim == 0 for each in listed):
        raise RuntimeError("pad_sequence: a sequence has at least one dimension, but one of them is 0-d")
    longest = max(each.shape[0] for each in listed)
    padded = []
    for each in listed:
        missing = longest - each.shape[0]
        if missing:
            fill = unspool.full([missing, *each.shape[1:]], padding_value, dtype=each.dtype)
            each = unspool.cat([each, fill] if padding_side == "right" else [fill, each])
        padded.append(each)
    return unspool.stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded (L, N, ...), or (N, L, ...) with ``batch_first``, cut to their lengths."""
    require_tensors("unpad_sequence", padded_sequences=padded_sequences, lengths=lengths)
    rows = padded_sequences.unbind(0 if batch_first else 1)
    if lengths.shape != (len(rows),):
        raise ValueError(
            f"unpad_sequence: expected one length for each of {len(rows)} sequences, got lengths of shape "
            f"{tuple(lengths.shape)}"
        )
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences (L_i, ...) of a pack, in the order in which they were given."""
    if not isinstance(packed_sequences, PackedSequence):
        raise TypeError(f"unpack_sequence: expected a PackedSequence, got {type(packed_sequences).__name__}")
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences (L_i, ...); see ``pack_padded_sequence``."""
    padded = pad_sequence(sequences)
    return pack_padded_sequence(padded, [each.shape[0] for each in sequences], enforce_sorted=enforce_sorted)
