"""Creating tensors: values, dtypes, sizes given in every accepted way, generator state."""

from __future__ import annotations

import array
import collections
import math
from typing import Any

import numpy as np
import pytest

import unspool as us
from reference import promotion

DTYPES = promotion.DTYPES


def dtype_of(name: str) -> Any:
    """The library's dtype of a name."""
    return getattr(us, name)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("maker", ["zeros", "ones", "empty"])
def test_filled_tensors(maker: str, name: str) -> None:
    make = getattr(us, maker)
    for size in ((), (3,), (2, 3), (2, 0), (1, 2, 3, 4)):
        tensor = make(size, dtype=dtype_of(name))
        assert tuple(tensor.shape) == size
        assert tensor.dtype == dtype_of(name)
        assert tensor.is_contiguous()
        if maker != "empty":
            np.testing.assert_array_equal(tensor.numpy(), getattr(np, maker)(size, dtype=name))


def test_sizes_may_be_numbers_a_tuple_a_list_or_a_shape() -> None:
    base = us.ones((2, 3))
    for tensor in (
        us.zeros(2, 3),
        us.zeros((2, 3)),
        us.zeros([2, 3]),
        us.zeros(base.shape),
        us.zeros(*base.shape),
    ):
        assert tuple(tensor.shape) == (2, 3)
    assert tuple(us.zeros(()).shape) == ()
    assert tuple(us.zeros(np.int64(2), np.int32(3)).shape) == (2, 3)


def test_the_default_dtype_is_float32() -> None:
    for tensor in (
        us.zeros(2),
        us.ones(2),
        us.empty(2),
        us.rand(2),
        us.randn(2),
        us.eye(2),
        us.linspace(0, 1, 3),
    ):
        assert tensor.dtype == us.float32
    assert us.get_default_dtype() == us.float32


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (1, "int64"),
        (1.5, "float32"),
        (True, "bool"),
        ([1, 2], "int64"),
        ([1, 2.5], "float32"),
        ([True, False], "bool"),
        ([True, 2], "int64"),
        ([True, 2.5], "float32"),
        ([[1], [2]], "int64"),
        ([], "float32"),
        ((1, 2), "int64"),
        ([[], []], "float32"),
        (np.float64(2.0), "float64"),
        (np.int32(2), "int32"),
        (np.arange(3, dtype=np.uint8), "uint8"),
        (np.ones((2, 2), dtype=np.float64), "float64"),
        (math.inf, "float32"),
    ],
)
def test_tensor_infers_its_dtype(data: Any, name: str) -> None:
    tensor = us.tensor(data)
    assert tensor.dtype == dtype_of(name)
    np.testing.assert_array_equal(tensor.numpy(), np.asarray(data, dtype=name))
    assert tuple(tensor.shape) == np.asarray(data).shape


def test_tensor_copies_its_data() -> None:
    array = np.arange(3.0)
    tensor = us.tensor(array)
    array[0] = 9
    assert tensor.tolist() == [0.0, 1.0, 2.0]
    parts = us.tensor([us.tensor(1.0), us.tensor(2.0)])
    assert parts.tolist() == [1.0, 2.0]


def test_tensor_takes_dtype_and_requires_grad() -> None:
    tensor = us.tensor([1, 2], dtype=us.float64, requires_grad=True)
    assert tensor.dtype == us.float64
    assert tensor.requires_grad
    assert tensor.is_leaf
    assert us.tensor([0, 1, 2], dtype=us.bool).tolist() == [False, True, True]
    assert us.tensor([1.9, -1.9], dtype=us.int64).tolist() == [1, -1]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((5,), [0, 1, 2, 3, 4]),
        ((1, 4), [1, 2, 3]),
        ((1, 8, 3), [1, 4, 7]),
        ((5, 0, -2), [5, 3, 1]),
        ((0,), []),
        ((3, 3), []),
        ((0.0, 1.0, 0.25), [0.0, 0.25, 0.5, 0.75]),
        ((2.5,), [0.0, 1.0, 2.0]),
    ],
)
def test_arange(args: tuple[Any, ...], expected: list[Any]) -> None:
    tensor = us.arange(*args)
    assert tensor.tolist() == expected
    floating = any(isinstance(a, float) for a in args)
    assert tensor.dtype == (us.float32 if floating else us.int64)
    assert us.arange(*args, dtype=us.float64).dtype == us.float64


def test_linspace_eye_full() -> None:
    np.testing.assert_allclose(us.linspace(-1, 1, 5).numpy(), [-1, -0.5, 0, 0.5, 1], rtol=1e-7)
    assert us.linspace(3, 7, 1).tolist() == [3.0]
    assert us.linspace(0, 1, 0).numel() == 0
    assert us.linspace(0, 1, 1001, dtype=us.float64)[-1].item() == 1.0
    np.testing.assert_array_equal(us.eye(3).numpy(), np.eye(3))
    np.testing.assert_array_equal(us.eye(2, 4).numpy(), np.eye(2, 4))
    assert us.full((2, 2), 7).dtype == us.int64
    assert us.full((2, 2), 7.0).dtype == us.float32
    assert us.full((2,), True).dtype == us.bool
    assert us.full((2,), 3, dtype=us.float64).tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("start", "end", "steps"), [(-1.0, 1.0, 5), (0.0, 1.0, 11), (0.1, -7.3, 257), (3.5, 9, 2)]
)
def test_linspace_takes_each_step_in_one_rounding_from_the_nearer_end(
    start: float, end: float, steps: int
) -> None:
    """The product of two floats is exact in double, so the sum of this reference is rounded to float last."""
    first, last = np.float32(start), np.float32(end)
    step = np.float64((last - first) / np.float32(steps - 1))
    i = np.arange(steps)
    reference = np.where(i < steps // 2, first + step * i, last - step * (steps - 1 - i)).astype(np.float32)
    np.testing.assert_array_equal(us.linspace(start, end, steps).numpy(), reference)


def test_linspace_over_more_than_the_largest_number() -> None:
    np.testing.assert_array_equal(us.linspace(-3e38, 3e38, 3).numpy(), np.array([-3e38, 0, 3e38], np.float32))


def test_like_functions_take_shape_and_dtype() -> None:
    base = us.zeros((2, 3), dtype=us.float64)
    for maker in (us.zeros_like, us.ones_like, us.empty_like, us.rand_like, us.randn_like):
        tensor = maker(base)
        assert tuple(tensor.shape) == (2, 3)
        assert tensor.dtype == us.float64
        assert not tensor.requires_grad
    assert us.full_like(base, 3).tolist() == [[3.0] * 3] * 2
    assert us.zeros_like(base, dtype=us.int32).dtype == us.int32


def test_manual_seed_repeats_the_stream() -> None:
    us.manual_seed(7)
    first = [
        us.rand(5).tolist(),
        us.randn(20).tolist(),
        us.randint(0, 10, (5,)).tolist(),
        us.randperm(6).tolist(),
    ]
    us.manual_seed(7)
    assert first == [
        us.rand(5).tolist(),
        us.randn(20).tolist(),
        us.randint(0, 10, (5,)).tolist(),
        us.randperm(6).tolist(),
    ]
    us.manual_seed(8)
    assert us.rand(5).tolist() != first[0]


def test_the_state_of_the_default_generator_can_be_kept() -> None:
    us.manual_seed(3)
    us.rand(7)
    us.randn(3)
    state = us.get_rng_state()
    assert state.dtype == us.uint8
    first = us.randn(33).tolist()
    us.set_rng_state(state)
    assert us.randn(33).tolist() == first


def test_generators_are_independent() -> None:
    one, two = us.Generator(), us.Generator()
    one.manual_seed(5)
    two.manual_seed(5)
    us.manual_seed(5)
    a = us.rand(4, generator=one)
    us.rand(100)
    b = us.rand(4, generator=two)
    assert a.tolist() == b.tolist()
    state = one.get_state()
    c = us.randn(20, generator=one).tolist()
    one.set_state(state)
    assert us.randn(20, generator=one).tolist() == c
    assert one.initial_seed() == 5


def test_random_numbers_lie_where_they_should() -> None:
    us.manual_seed(1)
    uniform = us.rand(10000)
    assert 0.0 <= uniform.min().item() < 0.001
    assert 0.999 < uniform.max().item() < 1.0
    normal = us.randn(10000, dtype=us.float64)
    assert abs(normal.mean().item()) < 0.05
    assert abs(normal.std().item() - 1) < 0.05
    whole = us.randint(-3, 4, (1000,))
    assert sorted(set(whole.tolist())) == [-3, -2, -1, 0, 1, 2, 3]
    assert sorted(us.randperm(100).tolist()) == list(range(100))
    assert us.randperm(0).numel() == 0
    coin = us.bernoulli(us.full((10000,), 0.25))
    assert abs(coin.mean().item() - 0.25) < 0.02
    assert set(coin.tolist()) == {0.0, 1.0}


def test_in_place_fills() -> None:
    us.manual_seed(2)
    tensor = us.empty(3, 4)
    assert tensor.fill_(2.5) is tensor
    assert tensor.tolist() == [[2.5] * 4] * 3
    assert tensor.zero_().abs().sum().item() == 0
    uniform = us.empty(1000).uniform_(-2, 3)
    assert -2 <= uniform.min().item() <= uniform.max().item() <= 3
    assert abs(us.empty(10000).normal_(5, 2).mean().item() - 5) < 0.1
    assert set(us.empty(100).bernoulli_(0.5).tolist()) == {0.0, 1.0}
    target = us.zeros(2, 3)
    target.t()[1] = 4.0
    assert target.tolist() == [[0.0, 4.0, 0.0]] * 2
    assert us.zeros(2, dtype=us.int64).copy_(us.tensor([1.9, -1.9])).tolist() == [1, -1]


@pytest.mark.parametrize("indexing", ["ij", "xy"])
@pytest.mark.parametrize("sizes", [(2,), (2, 3), (4, 3, 2)])
def test_meshgrid(sizes: tuple[int, ...], indexing: Any) -> None:
    axes = [np.arange(float(n)) * 10**i for i, n in enumerate(sizes)]
    grids = us.meshgrid(*map(us.tensor, axes), indexing=indexing)
    for grid, expected in zip(grids, np.meshgrid(*axes, indexing=indexing), strict=True):
        np.testing.assert_array_equal(grid.numpy(), expected)
    with_single = us.meshgrid(us.tensor([1.0, 2.0]), us.tensor(3.0), indexing="xy")
    assert [g.tolist() for g in with_single] == [[[1.0, 2.0]], [[3.0, 3.0]]]


def test_ranges_of_integer_dtype_take_whole_steps() -> None:
    assert us.arange(0.1, -7.9, -4.0, dtype=us.int64).tolist() == [0, -4]
    assert us.arange(2.1, -2.9, -1.0, dtype=us.int32).tolist() == [2, 1, 0, -1, -2]
    assert us.linspace(4.3, -3, 8, dtype=us.int64).tolist() == [4, 3, 2, 1, 0, -1, -2, -3]


def test_tensordot_spreads_dimensions_of_size_one() -> None:
    a, b = np.arange(6.0).reshape(2, 3, 1), np.arange(20.0).reshape(5, 4)
    result = us.tensordot(us.tensor(a), us.tensor(b), dims=([2], [0]))
    np.testing.assert_array_equal(result.numpy(), np.tensordot(a, b.sum(0, keepdims=True), axes=([2], [0])))


class _Row:
    """Indexes, as a sequence does, and is nothing else."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: int) -> Any:
        return self.values[place]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([range(3), range(1, 4)], [[0, 1, 2], [1, 2, 3]]),
        ((range(2), [5, 6]), [[0, 1], [5, 6]]),
        ([[5, 6], range(2)], [[5, 6], [0, 1]]),
        ([_Row(1, 2), _Row(3, 4)], [[1, 2], [3, 4]]),
        (_Row(_Row(1.5, 2), _Row(3, 4)), [[1.5, 2.0], [3.0, 4.0]]),
        ([collections.deque([True, False])], [[True, False]]),
        ([[array.array("i", [1, 2])], [range(2)]], [[[1, 2]], [[0, 1]]]),
        ([range(2), np.array([3, 4])], [[0, 1], [3, 4]]),
        ([range(0), range(0)], [[], []]),
    ],
)
def test_sequences_of_any_kind_can_be_nested(data: Any, expected: list[Any]) -> None:
    for make in (us.tensor, us.as_tensor, us.LongTensor, us.Tensor):
        tensor = make(data)
        assert tensor.tolist() == us.tensor(expected, dtype=tensor.dtype).tolist()
    assert us.tensor(data).dtype == us.tensor(expected).dtype


@pytest.mark.parametrize("data", [[range(2), [1]], [[1], range(2)], [range(2), 1], [1, range(2)]])
def test_nested_sequences_of_other_kinds_must_fit_too(data: Any) -> None:
    with pytest.raises(ValueError, match=r"ragged|expected a sequence"):
        us.tensor(data)


@pytest.mark.parametrize("leaf", ["12", b"12", {1: 2}, {1, 2}, None])
def test_what_is_no_sequence_of_numbers_is_refused_inside_others(leaf: Any) -> None:
    with pytest.raises(TypeError, match="elements must be numbers or sequences of them"):
        us.tensor([[leaf], range(1)])


def test_a_sequence_that_holds_itself_is_refused() -> None:
    endless: collections.deque[Any] = collections.deque()
    endless.append(endless)
    with pytest.raises(ValueError, match="nested deeper than 64 levels"):
        us.tensor([endless])


def test_the_class_tensor_makes_the_default_dtype() -> None:
    assert us.Tensor([1, 2]).dtype is us.Tensor(2, 3).dtype is us.Tensor().dtype is us.float32
    us.set_default_dtype(us.float64)
    try:
        for made in (
            us.Tensor([0.1, 2]),
            us.Tensor(2),
            us.Tensor(),
            us.Tensor(range(2)),
            us.Tensor(np.ones(2)),
        ):
            assert made.dtype is us.float64
        assert us.Tensor([0.1])[0].item() == 0.1
        assert us.FloatTensor([1]).dtype is us.float32
    finally:
        us.set_default_dtype(us.float32)


def test_the_class_tensor_takes_a_device_and_no_other_keyword() -> None:
    assert us.Tensor(2, 3, device="cpu").shape == (2, 3)
    assert us.Tensor([1, 2], device=us.device("cpu")).tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="no CUDA support"):
        us.Tensor(2, device="cuda")
    for keywords in ({"dtype": us.float64}, {"device": "cpu", "dtype": us.float64}):
        with pytest.raises(TypeError, match="takes no keywords but 'device'"):
            us.Tensor(2, **keywords)
