"""Masks given by a function of places, and which blocks of the scores they leave something of."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard

import unspool
from unspool import _core
from unspool._core import CaptureError, Tensor
from unspool.autograd.grad_mode import no_grad
from unspool.func import vmap

_DEFAULT_SPARSE_BLOCK_SIZE = 128

Mod: TypeAlias = Callable[..., Tensor]


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """Give True: every query sees every key."""
    del head, token_q, token_kv
    return unspool.ones_like(batch, dtype=_core.bool)


def and_masks(*mask_mods: Mod) -> Mod:
    """Give the function that is True where all of these are."""
    _require_functions("and_masks", mask_mods)

    def and_mask(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        result = noop_mask(b, h, q_idx, kv_idx)
        for mod in mask_mods:
            result = result & mod(b, h, q_idx, kv_idx)
        return result

    return and_mask


def or_masks(*mask_mods: Mod) -> Mod:
    """Give the function that is True where one of these is."""
    _require_functions("or_masks", mask_mods)

    def or_mask(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        result = ~noop_mask(b, h, q_idx, kv_idx)
        for mod in mask_mods:
            result = result | mod(b, h, q_idx, kv_idx)
        return result

    return or_mask


def _require_functions(who: str, mods: tuple[Any, ...]) -> None:
    if not all(map(callable, mods)):
        raise RuntimeError(
            f"{who}: all arguments must be functions (b, h, q_idx, kv_idx) -> bool, got {mods}"
        )


def over_all_places(mod: Mod, sizes: tuple[int, int, int, int], scores: Tensor | None = None) -> Tensor:
    """Give what a function says of each place.

    It is called once, with tensors of four dimensions that broadcast. Where it cannot work on those, or says
    something else of single places, it is called for each place in turn.

    Args:
        mod: called with a batch, a head, a query and a key, int32, after the score there, if any.
        sizes: numbers of batches, heads, queries and keys.
        scores: of that shape, for functions that change scores.

    Returns:
        A tensor of that shape.
    """
    first = () if scores is None else (scores,)
    lists = [_core.arange(size, dtype=_core.int32) for size in sizes]
    places = [each.reshape([-1 if d == axis else 1 for d in range(4)]) for axis, each in enumerate(lists)]
    try:
        together = mod(*first, *places)
    except (CaptureError, NotImplementedError):
        raise
    except Exception:  # it is written for single places; if it is wrong for those too, that raises below
        together = None
    if _is_spread(together, sizes) and _agrees(together, mod, sizes, first, lists):
        return together.expand(sizes)
    dims: tuple[int | None, ...] = () if scores is None else (0,)
    for place in (3, 2, 1, 0):
        mod = vmap(mod, (*dims, *(0 if place == each else None for each in range(4))))
    result: Tensor = mod(*first, *lists)
    return result


def _is_spread(result: Any, sizes: tuple[int, ...]) -> TypeGuard[Tensor]:
    if not isinstance(result, Tensor) or result.ndim != 4:
        return False
    return all(have in (1, size) for have, size in zip(result.shape, sizes, strict=True))


def _agrees(
    together: Tensor, mod: Mod, sizes: tuple[int, ...], first: tuple[Tensor, ...], lists: list[Tensor]
) -> bool:
    """Whether single places have the same results; a step that is recorded cannot look at them."""
    if _core.is_capturing() or 0 in sizes:
        return True
    spread = together.detach().expand(sizes)
    for part in (0.0, 0.4, 0.7, 1.0):
        place = tuple(int(part * (size - 1)) for size in sizes)
        with no_grad():
            alone = mod(*(each[place] for each in first), *(x[i] for x, i in zip(lists, place, strict=True)))
        if not unspool.allclose(spread[place].double(), alone.double(), rtol=1e-4, equal_nan=True):
            return False
    return True


def create_mask(
    mod_fn: Mod, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None
) -> Tensor:
    """Give the mask of a function of places.

    Args:
        mod_fn: of (b, h, q_idx, kv_idx), giving whether the query sees the key; or of (score, b, h, q_idx,
            kv_idx), giving minus infinity where it does not.
        B: number of batches; None for 1.
        H: number of heads; None for 1.
        Q_LEN: number of queries.
        KV_LEN: number of keys.
        device: the processor.

    Returns:
        bool, of shape (B, H, Q_LEN, KV_LEN).
    """
    del device
    sizes = (B or 1, H or 1, Q_LEN, KV_LEN)
    needed = [each for each in inspect.signature(mod_fn).parameters.values() if each.default is each.empty]
    if len(needed) == 5:
        return over_all_places(mod_fn, sizes, unspool.zeros(sizes)) != -float("inf")
    return over_all_places(mod_fn, sizes).to(_core.bool)


def _ordered(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Give how many blocks each row has, and their columns, those that it has first; both int32."""
    numbers = blocks.sum(-1)
    columns = blocks.to(_core.int32).argsort(dim=-1, descending=True, stable=True)
    return numbers.to(_core.int32), columns.to(_core.int32)


def _dense(numbers: Tensor, columns: Tensor) -> Tensor:
    """Undo ``_ordered``: int32, 1 for the blocks that are there."""
    places = _core.arange(columns.shape[-1], dtype=_core.int32) < numbers.unsqueeze(-1)
    blocks = unspool.zeros(tuple(columns.shape), dtype=_core.int32)
    return blocks.scatter(-1, columns.to(_core.int64), places.to(_core.int32))


class BlockMask:
    """A mask, and which blocks of it hold something; ``create_block_mask`` makes one.

    Attributes:
        mask_mod: the function of places.
        seq_lengths: numbers of queries and keys.
        BLOCK_SIZE: of a block, in queries and in keys.
        kv_num_blocks: int32 (B, H, rows): how many blocks of a row are masked in part.
        kv_indices: int32 (B, H, rows, columns): their columns come first.
        full_kv_num_blocks: the same for blocks without any mask, or None.
        full_kv_indices: the same, or None.
    """

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None,
        full_kv_indices: Tensor | None,
        BLOCK_SIZE: tuple[int, int] = (_DEFAULT_SPARSE_BLOCK_SIZE, _DEFAULT_SPARSE_BLOCK_SIZE),
        mask_mod: Mod = noop_mask,
    ) -> None:
        if kv_indices.ndim < 2:
            raise RuntimeError("BlockMask: kv_indices must have at least 2 dimensions")
        self.seq_lengths = seq_lengths
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.BLOCK_SIZE = BLOCK_SIZE
        self.mask_mod = mask_mod

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None,
        BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE,
        mask_mod: Mod | None = None,
        seq_lengths: tuple[int, int] | None = None,
    ) -> BlockMask:
        """Make one of the blocks' numbers and columns; by default the lengths are whole blocks.

        Raises:
            ValueError: only one of the arguments about full blocks is given.
        """
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise ValueError("from_kv_blocks: give both full_kv_num_blocks and full_kv_indices, or neither")
        block = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        if seq_lengths is None:
            seq_lengths = (kv_indices.shape[-2] * block[0], kv_indices.shape[-1] * block[1])
        full = (full_kv_num_blocks, full_kv_indices)
        return cls(seq_lengths, kv_num_blocks, kv_indices, *full, block, mask_mod or noop_mask)

    @property
    def shape(self) -> tuple[int, ...]:
        """Batches, heads, queries, keys."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """Give the number of places."""
        return unspool.Size(self.shape).numel()

    def to_dense(self) -> Tensor:
        """Give which blocks hold something: int32, 0 or 1, of shape (B, H, rows, columns)."""
        dense = _dense(self.kv_num_blocks, self.kv_indices)
        if self.full_kv_num_blocks is not None and self.full_kv_indices is not None:
            dense = dense | _dense(self.full_kv_num_blocks, self.full_kv_indices)
        return dense

    def sparsity(self) -> float:
        """Give the part of the places, in percent, that no block with something covers.

        Below zero where the last blocks reach far beyond the lengths.
        """
        covered = int(self.to_dense().sum()) * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1]
        return 100.0 * (1.0 - covered / self.numel())

    def to(self, device: Any) -> BlockMask:
        """Give the mask itself: there is one device."""
        _core.device(device)
        return self

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(
    mask_mod: Mod,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE,
    _compile: bool = False,
    separate_full_blocks: bool = True,
) -> BlockMask:
    """Make a mask of a function of places.

    Args:
        mask_mod: of (b, h, q_idx, kv_idx), giving whether the query sees the key.
        B: number of batches; None for one mask for all.
        H: number of heads; None for one mask for all.
        Q_LEN: number of queries.
        KV_LEN: number of keys.
        device: the processor.
        BLOCK_SIZE: of a block, one number or those of queries and keys.
        separate_full_blocks: whether blocks without any mask are listed apart.
    """
    del _compile
    rows, columns = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    lacking = (-Q_LEN % rows, -KV_LEN % columns)
    padded = unspool.nn.functional.pad(mask.to(_core.int32), (0, lacking[1], 0, lacking[0]))
    batches, heads, height, width = padded.shape
    counts = padded.reshape(batches, heads, height // rows, rows, width // columns, columns).sum((3, 5))
    full = counts == rows * columns
    partial = (counts > 0) & ~full if separate_full_blocks else counts > 0
    full_numbers, full_columns = _ordered(full) if separate_full_blocks else (None, None)
    return BlockMask(
        (Q_LEN, KV_LEN), *_ordered(partial), full_numbers, full_columns, (rows, columns), mask_mod
    )
