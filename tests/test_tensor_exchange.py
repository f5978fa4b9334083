"""Memory shared with NumPy and DLPack, copies by pickle and deepcopy, dtype conversions."""

from __future__ import annotations

import copy
import gc
import io
import pickle
from pathlib import Path
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
def test_from_numpy_shares_memory(name: str) -> None:
    array = np.ones((2, 3), dtype=name)
    tensor = us.from_numpy(array)
    assert tensor.dtype == dtype_of(name)
    array[0, 0] = 0
    assert tensor[0, 0].item() == 0
    tensor[1, 2] = 0
    assert array[1, 2] == 0
    assert tensor.data_ptr() == array.ctypes.data


@pytest.mark.parametrize("name", DTYPES)
def test_numpy_shares_memory(name: str) -> None:
    tensor = us.ones((2, 3), dtype=dtype_of(name))
    array = tensor.numpy()
    assert array.dtype == np.dtype(name)
    array[0, 0] = 0
    assert tensor[0, 0].item() == 0
    assert array.ctypes.data == tensor.data_ptr()


def test_strided_arrays_are_shared_too() -> None:
    base = np.arange(24.0).reshape(2, 3, 4)
    for view in (base.T, base[:, ::2], base[1:, :, 1:3], base.transpose(1, 0, 2), base[..., ::3]):
        tensor = us.from_numpy(view)
        assert tensor.stride() == tuple(s // 8 for s in view.strides)
        np.testing.assert_array_equal(tensor.numpy(), view)
        assert np.shares_memory(tensor.numpy(), base)


def test_memory_outlives_either_owner() -> None:
    tensor = us.from_numpy(np.arange(1000.0))
    gc.collect()
    assert tensor.sum().item() == 499500.0
    array = (us.arange(1000, dtype=us.float64) * 1).numpy()
    gc.collect()
    np.ones(1000)
    assert array.sum() == 499500.0
    part = us.arange(10)[3:].numpy()
    gc.collect()
    assert part.tolist() == list(range(3, 10))


def test_asarray_and_array_protocol() -> None:
    tensor = us.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert np.shares_memory(np.asarray(tensor), tensor.numpy())
    assert np.asarray(tensor, dtype=np.float64).dtype == np.float64
    copied = np.array(tensor)
    assert not np.shares_memory(copied, tensor.numpy())
    np.testing.assert_array_equal(np.sin(tensor.numpy()), np.sin(copied))
    np.testing.assert_array_equal(tensor.__array__(), copied)
    assert np.asarray(us.tensor(3.5)).shape == ()
    assert np.asarray(us.ones(0, 2)).shape == (0, 2)


def test_as_tensor_shares_where_it_can() -> None:
    array = np.ones(3, dtype=np.float32)
    assert us.as_tensor(array).data_ptr() == array.ctypes.data
    assert us.as_tensor(array, dtype=us.float64).dtype == us.float64
    tensor = us.ones(2)
    assert us.as_tensor(tensor) is tensor
    assert us.as_tensor([1, 2]).dtype == us.int64


def test_numpy_force_detaches() -> None:
    tensor = us.ones(2, requires_grad=True)
    assert (tensor * 2).detach().numpy().tolist() == [2.0, 2.0]
    assert tensor.numpy(force=True).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", DTYPES)
def test_dlpack_both_ways(name: str) -> None:
    tensor = us.ones((3, 4), dtype=dtype_of(name)).t()
    array = np.from_dlpack(tensor)
    assert array.dtype == np.dtype(name)
    assert array.shape == (4, 3)
    assert array.ctypes.data == tensor.data_ptr()
    source = np.ones((2, 5), dtype=name)[:, ::2]
    back = us.from_dlpack(source)
    assert back.dtype == dtype_of(name)
    assert tuple(back.shape) == (2, 3)
    assert back.data_ptr() == source.ctypes.data
    again = us.from_dlpack(tensor)
    assert again.data_ptr() == tensor.data_ptr()
    assert tensor.__dlpack_device__() == (1, 0)


def test_dlpack_keeps_memory_alive() -> None:
    array = np.from_dlpack(us.arange(100) + 0)
    gc.collect()
    us.zeros(100, dtype=us.int64)
    assert array.sum() == 4950
    capsule = us.ones(1000).__dlpack__()
    del capsule
    gc.collect()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_everything(protocol: int) -> None:
    for tensor in (
        us.randn(3, 4),
        us.arange(5),
        us.tensor([True, False]),
        us.tensor(2.5, dtype=us.float64),
        us.ones(0, 3),
        us.randn(3, 4).t(),
        us.randn(4, requires_grad=True),
        us.arange(10)[2:7:2],
        us.randn(3, 4).bfloat16(),
        us.randn(3, 4).bfloat16().t(),
        us.tensor(2.5, dtype=us.bfloat16, requires_grad=True),
        us.zeros(0, 3, dtype=us.bfloat16),
        us.randn(6).half()[::2],
        us.arange(5, dtype=us.int8),
    ):
        back = pickle.loads(pickle.dumps(tensor, protocol))
        assert back.dtype == tensor.dtype
        assert back.requires_grad == tensor.requires_grad
        assert tuple(back.shape) == tuple(tensor.shape)
        assert back.tolist() == tensor.tolist()
        assert back.numel() == 0 or back.data_ptr() != tensor.data_ptr()


def test_an_empty_array_may_lie_anywhere() -> None:
    array = np.ndarray((0, 3), np.float32, buffer=bytearray(16), offset=1)
    assert tuple(us.from_numpy(array).shape) == (0, 3)


def test_pickle_of_a_small_view_is_small() -> None:
    view = us.zeros(1000, 1000)[0, :3].clone()
    stream = io.BytesIO()
    pickle.dump(view, stream)
    assert stream.tell() < 2000


def test_dtypes_and_sizes_can_be_pickled_and_copied() -> None:
    for name in DTYPES:
        assert pickle.loads(pickle.dumps(dtype_of(name))) is dtype_of(name)
        assert copy.deepcopy(dtype_of(name)) is dtype_of(name)
    shape = us.ones(2, 3).shape
    assert pickle.loads(pickle.dumps(shape)) == (2, 3)


def test_deepcopy_copies_leaves() -> None:
    tensor = us.randn(3, requires_grad=True)
    (tensor * 2).sum().backward()
    twin = copy.deepcopy(tensor)
    assert twin.requires_grad
    assert twin.is_leaf
    assert twin.tolist() == tensor.tolist()
    assert twin.grad.tolist() == tensor.grad.tolist()
    with us.no_grad():
        twin.fill_(0)
    assert tensor.abs().sum().item() > 0
    pair = copy.deepcopy({"a": tensor, "b": tensor})
    assert pair["a"] is pair["b"]
    shallow = copy.copy(us.ones(2))
    assert shallow.tolist() == [1.0, 1.0]


VALUES: dict[str, list[Any]] = {
    "bool": [True, False, True],
    "uint8": [0, 1, 255],
    "int32": [-(2**31), -1, 2**31 - 1],
    "int64": [-(2**40), 0, 7],
    "float32": [-1.75, 0.0, 2.5],
    "float64": [-1e100, -0.5, 3.0],
}


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_conversions_equal_numpy(source: str, target: str) -> None:
    values = VALUES[source]
    if target in ("uint8", "int32", "int64") and source.startswith("float"):
        values = [0.0, 1.75, 100.5] if target == "uint8" else [-1.75, 0.0, 2.5]
    array = np.array(values, dtype=source)
    tensor = us.from_numpy(array.copy())
    with np.errstate(over="ignore"):
        expected = array.astype(target)
    for result in (
        tensor.to(dtype_of(target)),
        tensor.type(dtype_of(target)),
        tensor.to(dtype=dtype_of(target)),
    ):
        assert result.dtype == dtype_of(target)
        np.testing.assert_array_equal(result.numpy(), expected)
    short = {
        "bool": "bool",
        "uint8": "byte",
        "int32": "int",
        "int64": "long",
        "float32": "float",
        "float64": "double",
    }
    np.testing.assert_array_equal(getattr(tensor, short[target])().numpy(), expected)


def test_conversion_carries_gradients() -> None:
    x = us.tensor([1.5, 2.5], requires_grad=True)
    (x.double() ** 2).sum().backward()
    assert x.grad.dtype == us.float32
    assert x.grad.tolist() == [3.0, 5.0]
    assert not x.long().requires_grad


def test_dtype_facts() -> None:
    assert us.float32.is_floating_point
    assert not us.int64.is_floating_point
    assert us.float32.itemsize == 4
    assert us.bool.itemsize == 1
    assert us.float is us.float32
    assert us.double is us.float64
    assert us.long is us.int64
    assert us.int is us.int32
    assert us.is_floating_point(us.ones(1))
    assert us.finfo(us.float32).eps == np.finfo(np.float32).eps
    assert us.iinfo(us.int32).max == 2**31 - 1
    assert us.ones(1).device == us.device("cpu")
    assert us.ones(1).to("cpu").device.type == "cpu"


def test_operators_between_tensors_and_arrays_give_tensors() -> None:
    tensor, array = us.tensor([1.0, 2.0]), np.array([1.0, 3.0])
    total = tensor + array
    assert isinstance(total, us.Tensor)
    assert total.dtype is us.float64
    assert total.tolist() == [2.0, 5.0]
    for equal in (tensor == array, array == tensor, tensor == array[::-1][::-1]):
        assert isinstance(equal, us.Tensor)
        assert equal.tolist() == [True, False]
    assert (tensor != array).tolist() == [False, True]
    assert (tensor == np.array([[1.0], [2.0]])).tolist() == [[True, False], [False, True]]
    assert (tensor == "text") is False
    with pytest.raises(TypeError):
        _ = tensor > array
    with pytest.raises(RuntimeError, match="requires grad"):
        _ = us.ones(2, requires_grad=True) + array


def test_what_numpy_computes_from_a_tensor_is_a_tensor() -> None:
    tensor = us.tensor([1.0, 4.0])
    root = np.sqrt(tensor)
    assert isinstance(root, us.Tensor)
    assert root.tolist() == [1.0, 2.0]
    assert isinstance(np.add.reduce(tensor), us.Tensor)
    assert np.isnan(tensor).dtype is us.bool
    changed = us.ones(2)
    changed += np.array([1.0, 2.0])
    assert changed.tolist() == [2.0, 3.0]


def test_bool_elements_are_0_or_1() -> None:
    odd = np.array([[0, 2, 1], [255, 0, 7]], np.uint8)
    for array in (odd.view(np.bool_), odd.T.view(np.bool_), odd.view(np.bool_)[:, ::2]):
        for share in (us.from_numpy, us.as_tensor, us.from_dlpack):
            with pytest.raises(RuntimeError, match="bytes other than 0 and 1"):
                share(array)
    with pytest.raises(RuntimeError, match=r"view: bytes other than 0 and 1.*x != 0"):
        us.from_numpy(odd).view(us.bool)
    with pytest.raises(RuntimeError, match="bytes other than 0 and 1"):
        us.frombuffer(bytearray(b"\x00\x02"), dtype=us.bool)
    even = us.tensor([[0, 1, 1], [1, 0, 0]], dtype=us.uint8)
    assert even.view(us.bool).tolist() == [[False, True, True], [True, False, False]]
    assert even.t().view(us.bool)[::2].tolist() == [[False, True], [True, False]]
    assert even[:, 1:].view(us.bool).sum().item() == 2
    assert us.zeros(0, dtype=us.uint8).view(us.bool).numel() == 0


def test_bool_elements_of_files_are_true_where_they_are_not_0(tmp_path: Path) -> None:
    # As another library may have written them.
    written = us.tensor([True, False, True, True])
    written.numpy().view(np.uint8)[:] = [2, 0, 255, 1]
    us.save(written, tmp_path / "mask.pt")
    mask = us.load(tmp_path / "mask.pt")
    assert mask.tolist() == [True, False, True, True]
    assert (mask.sum().item(), mask.view(us.uint8).tolist()) == (3, [1, 0, 1, 1])
    with pytest.raises(RuntimeError, match="bytes other than 0 and 1"):
        us.load(tmp_path / "mask.pt", mmap=True)
