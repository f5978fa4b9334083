"""Views share storage, tell their strides, count versions; basic indexing works as in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us


def numbered(*shape: int) -> Any:
    """0, 1, 2, ... in the given shape."""
    return us.arange(int(np.prod(shape)), dtype=us.float32).reshape(shape)


VIEWS: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda x: x.reshape(6, 4),
    "view": lambda x: x.view(-1),
    "transpose": lambda x: x.transpose(0, 2),
    "permute": lambda x: x.permute(2, 0, 1),
    "T of a matrix": lambda x: x[0].T,
    "mT": lambda x: x.mT,
    "unsqueeze": lambda x: x.unsqueeze(1),
    "squeeze": lambda x: x.unsqueeze(0).squeeze(0),
    "select": lambda x: x.select(1, 2),
    "narrow": lambda x: x.narrow(2, 1, 2),
    "index": lambda x: x[1],
    "slice": lambda x: x[:, 1:],
    "step": lambda x: x[..., ::2],
    "None": lambda x: x[None, 0],
    "ellipsis": lambda x: x[..., 0],
    "split": lambda x: x.split(2, 2)[1],
    "chunk": lambda x: x.chunk(3, 1)[1],
    "unbind": lambda x: x.unbind(0)[1],
    "diagonal": lambda x: x[0].diagonal(),
    "detach": lambda x: x.detach(),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(2, (2, 2)),
    "movedim": lambda x: x.movedim(0, 2),
    "view_as": lambda x: x.view_as(us.ones(4, 6)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_shares_storage_both_ways(name: str) -> None:
    base = numbered(2, 3, 4)
    view = VIEWS[name](base)
    assert view._version == base._version
    view.add_(100)
    changed = base.numpy() >= 100
    assert changed.sum() == view.numel()
    assert view._version == base._version > 0
    base.fill_(-1)
    assert (view.numpy() == -1).all()
    kept = VIEWS[name](numbered(2, 3, 4))  # its base is gone, its storage must not be
    assert np.isfinite(kept.numpy()).all()


def test_copies_do_not_share_storage() -> None:
    base = numbered(2, 3)
    for copy in (
        base.clone(),
        base.t().contiguous(),
        base.t().reshape(6),
        base + 0,
        base.flip(0),
        base.to(us.float64),
    ):
        copy.fill_(9)
    assert base.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert base.contiguous().data_ptr() == base.data_ptr()
    assert base.to(us.float32) is base


def test_strides_count_elements() -> None:
    base = numbered(2, 3, 4)
    assert base.stride() == (12, 4, 1)
    assert base.stride(1) == 4
    assert base.transpose(0, 2).stride() == (1, 4, 12)
    assert base[:, ::2, 1:].stride() == (12, 8, 1)
    assert base[:, ::2, 1:].storage_offset() == 1
    assert base[1].storage_offset() == 12
    assert us.ones(3, 1).expand(3, 4).stride() == (1, 0)
    assert base.element_size() == 4
    assert base.is_contiguous()
    assert not base.transpose(0, 1).is_contiguous()
    assert base[1].data_ptr() == base.data_ptr() + 48


def test_shape_queries() -> None:
    base = numbered(2, 3, 4)
    assert base.shape == (2, 3, 4)
    assert base.size() == base.shape
    assert base.size(-1) == 4
    assert base.dim() == base.ndim == 3
    assert base.numel() == 24
    assert us.ones(()).dim() == 0
    assert us.is_tensor(base)
    assert not us.is_tensor(base.numpy())
    assert base.T.shape == (4, 3, 2) if base.ndim == 2 else True


READS: tuple[Any, ...] = (
    0,
    -1,
    (0, 1),
    (0, 1, 2),
    (-1, -1, -1),
    slice(None),
    slice(1, None),
    slice(None, -1),
    slice(0, 10),
    slice(5, 2),
    slice(-100, 100),
    slice(None, None, 2),
    (slice(None), slice(1, 3), slice(0, 4, 3)),
    (slice(None), 1),
    (Ellipsis, 1),
    (1, Ellipsis),
    (0, Ellipsis, 2),
    (Ellipsis,),
    Ellipsis,
    None,
    (None, 0, None),
    (slice(None), None, 1, None, slice(1, 2)),
    (Ellipsis, None),
    (),
    (slice(2, 2),),
    (0, slice(3, 3)),
    np.int64(1),
)


@pytest.mark.parametrize("index", READS, ids=str)
def test_reading_by_index_equals_numpy(index: Any) -> None:
    base = numbered(2, 3, 4)
    expected = base.numpy()[index]
    result = base[index]
    assert tuple(result.shape) == np.shape(expected)
    np.testing.assert_array_equal(result.numpy(), expected)


@pytest.mark.parametrize("index", READS, ids=str)
@pytest.mark.parametrize("kind", ["number", "tensor", "0-d", "broadcast", "other dtype"])
def test_writing_by_index_equals_numpy(index: Any, kind: str) -> None:
    base = numbered(2, 3, 4)
    expected = base.numpy().copy()
    shape = np.shape(expected[index])
    value: Any = {
        "number": 7.5,
        "tensor": -us.arange(int(np.prod(shape)), dtype=us.float32).reshape(shape),
        "0-d": us.tensor(3.5),
        "broadcast": us.full(shape[-1:], -2.0),
        "other dtype": us.full(shape, 5, dtype=us.int64),
    }[kind]
    version = base._version
    base[index] = value
    expected[index] = value.numpy() if isinstance(value, us.Tensor) else value
    np.testing.assert_array_equal(base.numpy(), expected)
    assert base._version > version


def test_index_by_a_0d_integer_tensor() -> None:
    base = numbered(4, 2)
    assert base[us.tensor(2)].tolist() == [4.0, 5.0]


def test_expanded_tensors_read_one_value_many_times() -> None:
    row = us.tensor([1.0, 2.0, 3.0])
    wide = row.expand(1000, 3)
    assert wide.data_ptr() == row.data_ptr()
    assert wide.sum().item() == 6000.0
    row[0] = 5.0
    assert wide[999, 0].item() == 5.0
    assert wide.contiguous().stride() == (3, 1)


def test_zero_sized_views() -> None:
    base = us.ones(0, 3)
    assert base.t().shape == (3, 0)
    assert base.reshape(3, 0).shape == (3, 0)
    assert base.sum().item() == 0
    assert base[:, 1].shape == (0,)
    assert base.view(0).shape == (0,)
    assert us.ones(2, 0, 3).permute(2, 1, 0).contiguous().shape == (3, 0, 2)


def test_sizes_may_be_given_one_by_one() -> None:
    base = numbered(2, 3, 4)
    for a, b in (
        (base.reshape(4, 6), base.reshape((4, 6))),
        (base.view(4, -1), base.view([4, 6])),
        (base.permute(2, 0, 1), base.permute((2, 0, 1))),
        (base[:1].expand(5, 3, 4), base[:1].expand((5, 3, 4))),
        (base.flip(0, 1), base.flip((0, 1))),
    ):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_expand_as_reshape_as_view_as() -> None:
    base = numbered(1, 3)
    assert base.expand_as(us.ones(4, 3)).shape == (4, 3)
    assert base.reshape_as(us.ones(3, 1)).shape == (3, 1)
    assert base.view_as(us.ones(3)).shape == (3,)


@pytest.mark.parametrize("fill", ["fill_", "zero_", "uniform_", "bernoulli_", "tril_"])
def test_filling_a_strided_view_leaves_the_rest_alone(fill: str) -> None:
    base = us.full((4, 5), 7.0)
    view = base[:, 1:3]
    getattr(view, fill)(*((2.0,) if fill == "fill_" else ()))
    rest = np.delete(base.numpy(), [1, 2], axis=1)
    assert (rest == 7.0).all()
    if fill != "tril_":
        assert (base.numpy()[:, 1:3] != 7.0).all()


def test_split_takes_sizes_by_the_names_of_the_function_and_of_the_method() -> None:
    x = us.arange(12.0).reshape(4, 3)
    assert [p.shape for p in us.split(x, split_size_or_sections=(1, 2), dim=1)] == [(4, 1), (4, 2)]
    assert [p.shape for p in us.split(x, split_size_or_sections=3)] == [(3, 3), (1, 3)]
    assert [p.shape for p in x.split(split_size=[1, 3])] == [(1, 3), (3, 3)]
    with pytest.raises(TypeError, match="sections"):
        us.split(x, sections=3)
