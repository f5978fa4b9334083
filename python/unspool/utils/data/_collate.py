"""How samples become a batch: stacked tensor by tensor through nested containers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from unspool import _core
from unspool._core import Tensor, ops


def _rebuild(container: Any, values: Any, fallback: Callable[[Any], Any]) -> Any:
    """Put values into a container of the same type, or a plain one where that type cannot be filled."""
    try:
        if isinstance(container, MutableMapping):
            clone: Any = copy.copy(container)
            clone.update(values)
            return clone
        if isinstance(container, MutableSequence):
            clone = copy.copy(container)
            for place, value in enumerate(values):
                clone[place] = value
            return clone
        return type(container)(values)
    except TypeError:
        return fallback(values)


def _is_text_array(data: Any) -> bool:
    return data.dtype.kind in "SUO"


def default_convert(data: Any) -> Any:
    """Turn NumPy arrays and numbers into tensors, through nested containers; all else stays as it is."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        return data if _is_text_array(data) else _core.as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuild(data, {key: default_convert(value) for key, value in data.items()}, dict)
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(each) for each in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _rebuild(data, [default_convert(each) for each in data], list)
    return data


def default_collate(batch: Any) -> Any:
    """Make one batch of a list of samples.

    Tensors, NumPy arrays and numbers are stacked along a new first dimension (floats to float64, ints to
    int64); mappings and sequences are collated member by member, tuples become lists; strings and bytes
    stay as they are, gathered in a tuple or list.

    Raises:
        RuntimeError: shapes or lengths differ between samples.
        TypeError: a sample is, or holds, something else.
    """
    first = batch[0]
    kind = type(first)
    if isinstance(first, Tensor):
        return ops.stack(list(batch))
    if isinstance(first, np.ndarray) and not _is_text_array(first):
        return ops.stack([_core.as_tensor(each) for each in batch])
    if isinstance(first, np.generic) and not _is_text_array(first):
        return _core.as_tensor(np.asarray(batch))
    if isinstance(first, float):
        return _core.tensor(list(batch), dtype=_core.float64)
    if isinstance(first, int):
        return _core.tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        columns = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return _rebuild(first, columns, dict)
    if isinstance(first, Sequence) and not isinstance(first, np.generic):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("default_collate: the sequences in the list of samples differ in length")
        # A column is a tuple: that is how strings come back.
        members = [default_collate(column) for column in zip(*batch, strict=True)]
        if isinstance(first, tuple):
            return kind(*members) if hasattr(first, "_fields") else members
        return _rebuild(first, members, list)
    raise TypeError(
        "default_collate: samples must be or hold tensors, numpy arrays, numbers, dicts or lists; found "
        f"{kind.__name__}"
    )
