"""Rows: tables of vectors by index, in bags, and one-hot vectors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from .rows import EXACT, Array, Draw, Row, Sample, bad, call, ones, table

INDEX = {"dtype": "int64"}


def _embedding_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw(5, 3), draw.classes(4, count=5))
    yield call(draw(5, 3), draw.classes(2, 3, count=5))
    yield call(draw(5, 3), draw.classes(count=5))
    yield call(draw(5, 70), draw.classes(9, count=5).astype(np.int32))
    yield call(draw(5, 3), draw.classes(0, count=5))
    yield call(draw(5, 0), draw.classes(2, count=5))


def embedding_bag(
    index: Array,
    weight: Array,
    offsets: Array | None = None,
    mode: str = "mean",
    per_sample_weights: Array | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Array:
    """Sums, means or maxima of the rows of each bag; zeros for an empty one."""
    scale = np.ones(index.size) if per_sample_weights is None else per_sample_weights.reshape(-1)
    if index.ndim == 2:
        starts = np.arange(index.shape[0] + 1) * index.shape[1]
    else:
        assert offsets is not None
        starts = offsets if include_last_offset else np.append(offsets, index.size)
    result = np.zeros((len(starts) - 1, weight.shape[1]))
    skipped = None if padding_idx is None else padding_idx % len(weight)
    for bag, (start, stop) in enumerate(itertools.pairwise(starts)):
        places = [i for i in range(start, stop) if index.reshape(-1)[i] != skipped]
        if not places:
            continue
        rows = weight[index.reshape(-1)[places]]
        if mode == "max":
            result[bag] = rows.max(axis=0)
        else:
            result[bag] = (scale[places][:, None] * rows).sum(axis=0)
            if mode == "mean":
                result[bag] /= len(places)
    return result


def _bag_samples(draw: Draw) -> Iterator[Sample]:
    offsets = np.array([0, 2, 2, 5])
    for mode in ("sum", "mean", "max"):
        yield call(draw.classes(4, 3, count=6), draw.distinct(6, 5), mode=mode)
        yield call(draw.classes(7, count=6), draw.distinct(6, 5), offsets, mode=mode)
        yield call(draw.classes(7, count=6), draw.distinct(6, 5), offsets, mode=mode, padding_idx=-2)
        yield call(
            draw.classes(7, count=6),
            draw.distinct(6, 70),
            np.append(offsets, 7).astype(np.int32),
            mode=mode,
            include_last_offset=True,
        )
        yield call(draw.classes(0, count=6), draw.distinct(6, 5), np.array([0, 0]), mode=mode)
    yield call(
        draw.classes(7, count=6), draw(6, 5), offsets, mode="sum", per_sample_weights=draw(7), padding_idx=1
    )
    yield call(draw.classes(2, 3, count=6), draw(6, 5), mode="sum", per_sample_weights=draw(2, 3))


def one_hot(index: Array, num_classes: int = -1) -> Array:
    """1 where the class equals the index."""
    count = int(index.max()) + 1 if num_classes == -1 else num_classes
    return np.asarray(index[..., None] == np.arange(count))


def _one_hot_samples(draw: Draw) -> Iterator[Sample]:
    yield call(draw.classes(5, count=4))
    yield call(draw.classes(2, 3, count=4), 6)
    yield call(draw.classes(count=4), num_classes=4)
    yield call(draw.classes(0, 2, count=4), num_classes=3)


ROWS = table(
    Row(
        name="embedding",
        reference=lambda weight, index: weight[index],
        samples=_embedding_samples,
        forms=("torch",),
        rtol=EXACT,
        fixed=(1,),
        bad=(
            bad(IndexError, ones(5, 3), ones(2, **INDEX) * 5, words=("5",)),
            bad(IndexError, ones(5, 3), -ones(2, **INDEX), words=("-1",)),
            bad(RuntimeError, ones(5, 3), ones(2), words=("float32",)),
            bad(RuntimeError, ones(5), ones(2, **INDEX), words=("2-d", "(5)")),
            bad(NotImplementedError, ones(5, 3), ones(2, **INDEX), sparse=True, words=("sparse",)),
        ),
    ),
    Row(
        name="embedding_bag",
        reference=embedding_bag,
        samples=_bag_samples,
        forms=("nn.functional",),
        scale="largest",
        result=lambda sample: str(sample.args[1].dtype),
        ties=False,
        bad=(
            bad(ValueError, ones(5, **INDEX), ones(6, 2), words=("offsets",)),
            bad(ValueError, ones(5, 2, **INDEX), ones(6, 2), ones(1, **INDEX), words=("offsets",)),
            bad(ValueError, ones(5, 2, **INDEX), ones(6), words=("(6,)",)),
            bad(RuntimeError, ones(5, 2, **INDEX), ones(6, 2, **INDEX), mode="max", words=("int64",)),
            bad(RuntimeError, ones(5, 2, **INDEX), ones(6, 2, dtype="bool"), words=("bool",)),
            bad(ValueError, ones(5, 2, **INDEX), ones(6, 2), mode="median", words=("median",)),
            bad(IndexError, ones(5, 2, **INDEX) * 6, ones(6, 2), words=("6",)),
            bad((ValueError, IndexError, RuntimeError), ones(5, **INDEX), ones(6, 2), ones(1, **INDEX)),
            bad(
                ValueError,
                ones(5, 2, **INDEX),
                ones(6, 2),
                mode="sum",
                per_sample_weights=ones(5),
                words=("(5,)",),
            ),
            bad(NotImplementedError, ones(2, 2, **INDEX), ones(6, 2), per_sample_weights=ones(2, 2)),
        ),
    ),
    Row(
        name="one_hot",
        reference=one_hot,
        samples=_one_hot_samples,
        forms=("nn.functional",),
        dtypes=("int64",),
        result="int64",
        gradient=False,
        ties=False,
        bad=(
            bad(RuntimeError, ones(3), words=("float32",)),
            bad(RuntimeError, -ones(3, **INDEX), words=("-1",)),
            bad(RuntimeError, ones(3, **INDEX) * 4, 4, words=("4",)),
            bad(RuntimeError, ones(0, **INDEX), words=("empty",)),
        ),
    ),
)
