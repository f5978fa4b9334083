"""Indexing by tensors, masks, arrays and lists: reads, writes, gradients, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.autograd import gradcheck, gradgradcheck

SHAPE = (3, 4, 5)
MASK_1 = np.array([True, False, True])
MASK_2 = np.arange(12).reshape(3, 4) % 5 < 2
MASK_3 = np.arange(60).reshape(SHAPE) % 7 == 1
AT, DOWN = np.array([2, 0, -1]), np.array([[1], [3], [0]])

# Read and written like NumPy does, with tensors in place of the arrays.
INDICES: dict[str, Any] = {
    "vector": AT,
    "matrix": np.array([[0, 2], [1, 1]]),
    "list": [2, 0],
    "empty": np.zeros(0, np.int64),
    "empty list": [],
    "negative": np.array([-1, -3]),
    "int32": np.array([1, 0], np.int32),
    "vector in a tuple": (AT,),
    "second dim": (slice(None), AT),
    "last dim": (Ellipsis, AT),
    "a pair": (AT, AT),
    "a triple": (AT, AT, AT),
    "broadcasting": (AT, DOWN),
    "broadcasting behind a slice": (slice(None), DOWN, AT),
    "separated": (AT, slice(None), AT),
    "separated and broadcast": (DOWN % 3, slice(None), AT),
    "with a slice": (slice(1, None), AT),
    "with steps": (slice(None, None, 2), AT, slice(None, None, 3)),
    "with None": (None, AT),
    "None between": (AT, None, AT),
    "an array and an int": (AT, 1),
    "an int behind": (slice(None), AT, -1),
    "array of one": (np.array([1]),),
    "mask": MASK_1,
    "mask and slice": (MASK_1, slice(1, 3)),
    "mask of rows": (MASK_2,),
    "mask of rows, the rest": (MASK_2, slice(None)),
    "mask of the last": (Ellipsis, np.arange(20).reshape(4, 5) % 3 == 0),
    "mask of everything": MASK_3,
    "mask of bools in a list": [True, False, True],
    "no element": np.zeros(3, bool),
    "mask and vector": (MASK_1, np.array([1, 3])),
    "vector and mask": (np.array([1]), MASK_1[[0, 1, 2, 1]]),
    "mask behind an int": (1, MASK_1[[0, 0, 1, 2]]),
    "two masks": (MASK_1, MASK_1[[1, 0, 2, 1]]),
    "True": True,
    "False": False,
    "True and slice": (True, slice(1, 2)),
    "NumPy int": (np.int64(1), AT),
    "0-d array": np.array(1),
}


def tensors_for(index: Any) -> Any:
    """The same index with tensors in place of arrays."""
    if isinstance(index, tuple):
        return tuple(tensors_for(each) for each in index)
    return us.from_numpy(index.copy()) if isinstance(index, np.ndarray) else index


def layouts(values: Any) -> list[Any]:
    """The values in several layouts."""
    wide = np.zeros((*values.shape[:-1], 2 * values.shape[-1]), values.dtype)
    wide[..., ::2] = values
    return [
        us.from_numpy(values.copy()),
        us.from_numpy(np.asfortranarray(values)),
        us.from_numpy(wide)[..., ::2],
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("name", INDICES)
def test_reads_equal_numpy(name: str, dtype: str) -> None:
    values = (np.arange(60).reshape(SHAPE) * 7 % 61).astype(dtype)
    index = INDICES[name]
    expected = values[index]
    for x in layouts(values):
        for each in (index, tensors_for(index)):
            result = x[each]
            assert tuple(result.shape) == np.shape(expected)
            np.testing.assert_array_equal(result.numpy(), expected)


@pytest.mark.parametrize("name", INDICES)
def test_writes_equal_numpy(name: str) -> None:
    values = np.arange(60, dtype=np.float32).reshape(SHAPE)
    index = INDICES[name]
    shape = values[index].shape
    rng = np.random.default_rng(0)
    one_row = (1,) * min(1, len(shape)) + shape[1:]
    for source in (rng.random(shape), rng.random(one_row), 3, 2.5):
        source = source.astype(np.float32) if isinstance(source, np.ndarray) else source
        expected = values.copy()
        expected[index] = source
        for x in layouts(values):
            x[tensors_for(index)] = us.from_numpy(source.copy()) if isinstance(source, np.ndarray) else source
            if _has_repeats(index):  # which of several values for one place stays is not defined
                assert set(np.unique(x.numpy())) <= set(np.unique(values)) | set(np.unique(source))
            else:
                np.testing.assert_array_equal(x.numpy(), expected)


def _has_repeats(index: Any) -> bool:
    places = np.arange(60).reshape(SHAPE)[index]
    return places.size != np.unique(places).size


def test_an_int_selects_before_tensors_pick() -> None:
    x = us.arange(60).reshape(SHAPE)
    assert tuple(x[0, :, us.tensor([1, 2, 0])].shape) == (4, 3)
    assert tuple(x[us.tensor(0), :, [1, 2]].shape) == (4, 2)


def test_a_list_of_lists_is_read_as_a_tuple() -> None:
    x = us.arange(60).reshape(SHAPE)
    assert x[[[0, 2], [1, 1]]].tolist() == x[[0, 2], [1, 1]].tolist()


def test_uint8_masks() -> None:
    x = us.arange(3)
    assert x[us.tensor([1, 0, 1], dtype=us.uint8)].tolist() == [0, 2]


@pytest.mark.parametrize("name", [name for name in INDICES if name not in ("False", "no element")])
def test_gradients(name: str) -> None:
    index = tensors_for(INDICES[name])
    x = us.tensor(np.random.default_rng(0).random(SHAPE), requires_grad=True)
    shape = x[index].shape
    v = us.tensor(np.random.default_rng(1).random(shape), requires_grad=True)
    assert gradcheck(lambda x: x[index] * x[index], (x,))
    if _has_repeats(INDICES[name]):
        return

    def write(x: Any, v: Any) -> Any:
        y = x * x
        y[index] = v * v
        return y * y

    assert gradcheck(write, (x, v))
    assert gradgradcheck(write, (x, v))


def test_augmented_assignment_reads_once_and_writes_once() -> None:
    x = us.zeros(4)
    x[us.tensor([1, 1, 2])] += 1
    assert x.tolist() == [0.0, 1.0, 1.0, 0.0]
    x[x > 0] *= 5
    assert x.tolist() == [0.0, 5.0, 5.0, 0.0]
    x.index_put_((us.tensor([1, 1, 2]),), us.ones(3), accumulate=True)
    assert x.tolist() == [0.0, 7.0, 6.0, 0.0]


def test_values_are_converted_to_the_tensor() -> None:
    x = us.arange(4)
    x[:2] = us.tensor([1.7, 2.9])
    x[x == 3] = 8.5
    assert x.tolist() == [1, 2, 2, 8]
    with pytest.raises(RuntimeError, match="int64 is assigned a tensor of float32"):
        x[us.tensor([0, 1])] = us.tensor([1.7, 2.9])


def test_views_of_the_same_memory_may_overlap() -> None:
    x = us.arange(5)
    x[us.tensor([0, 1])] = x[3:]
    assert x.tolist() == [3, 4, 2, 3, 4]
    x[us.tensor([True, True, True, True, False])] = x[1:]
    assert x.tolist() == [4, 2, 3, 4, 4]


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "out of range": (np.array([3]), IndexError, "3 is out of range for dim 0 of size 3"),
    "negative": ((slice(None), np.array([-5])), IndexError, "-5 is out of range for dim 1 of size 4"),
    "too many": ((0, 0, 0, 0), IndexError, "too many indices"),
    "too many dims of a mask": (np.ones((3, 4, 5, 1), bool), IndexError, "too many indices"),
    "shapes": ((np.array([0, 1]), np.array([0, 1, 2])), IndexError, "do not broadcast"),
    "mask": (np.ones(4, bool), IndexError, r"mask of shape \(4,\)"),
    "floats": (np.array([0.5]), IndexError, "float64"),
    "a float": (1.0, IndexError, "float"),
    "text": ("a", TypeError, "str"),
    "two ellipses": ((Ellipsis, Ellipsis), IndexError, "only one"),
    "backwards": (slice(None, None, -1), ValueError, "positive"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_indices_are_named(name: str) -> None:
    index, error, words = REFUSED[name]
    x = us.zeros(SHAPE)
    for each in (index, tensors_for(index)):
        with pytest.raises(error, match=words):
            x[each]
        with pytest.raises(error, match=words):
            x[each] = 1.0
    assert x.sum().item() == 0


def test_values_that_do_not_fit() -> None:
    x = us.zeros(3, 4)
    with pytest.raises(RuntimeError, match=r"\(5,\).*\(2, 4\)"):
        x[[0, 1]] = us.ones(5)
    with pytest.raises(RuntimeError, match="does not broadcast"):
        x[us.ones(3, 4) > 0] = us.ones(3)
    with pytest.raises(TypeError, match="list"):
        x[0] = [1, 2, 3, 4]


def test_nonzero() -> None:
    x = us.tensor([[0.0, 1.0], [2.0, 0.0]])
    assert x.nonzero().tolist() == [[0, 1], [1, 0]]
    assert us.nonzero(x).dtype == us.int64
    rows, columns = us.nonzero(x, as_tuple=True)
    assert x[rows, columns].tolist() == [1.0, 2.0]
    assert [each.tolist() for each in us.where(x > 0)] == [[0, 1], [1, 0]]
    assert tuple(us.nonzero(us.tensor(1.0)).shape) == (1, 0)
    assert [each.tolist() for each in us.tensor(1.0).nonzero(as_tuple=True)] == [[0]]


@pytest.mark.parametrize("rows", [7, 3000])
def test_sums_do_not_depend_on_the_number_of_threads(rows: int) -> None:
    rng = np.random.default_rng(0)
    index = us.tensor(rng.integers(0, 50, rows))
    source = us.tensor(rng.random((rows, 300)), dtype=us.float32)
    before = us.get_num_threads()
    results = []
    for threads in (1, 2, 3):
        us.set_num_threads(threads)
        results.append(us.zeros(50, 300).index_add_(0, index, source).numpy().tobytes())
    us.set_num_threads(before)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("columns", [20, 70])
@pytest.mark.parametrize("name", ["scatter", "scatter_add", "scatter_reduce"])
def test_wide_rows_are_scattered_along_columns(name: str, columns: int) -> None:
    random = np.random.default_rng(0)
    x, v = random.integers(-9, 9, (2, 40, columns)).astype(np.float32)
    at = np.argsort(random.random((40, columns)), 0)
    more = ("amax",) if name == "scatter_reduce" else ()
    found = getattr(us, name)(us.from_numpy(x), 0, us.from_numpy(at), us.from_numpy(v), *more)
    placed = np.empty_like(v)
    np.put_along_axis(placed, at, v, 0)
    expected = {"scatter": placed, "scatter_add": x + placed, "scatter_reduce": np.maximum(x, placed)}
    np.testing.assert_array_equal(found.numpy(), expected[name])
    at[39, columns - 1] = 40
    with pytest.raises(RuntimeError, match="index 40 is out of range"):
        getattr(us, name)(us.from_numpy(x), 0, us.from_numpy(at), us.from_numpy(v), *more)
