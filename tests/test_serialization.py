"""Files of named tensors: round trips, clear errors, and old files that stay whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unspool as us
from unspool import nn

DTYPES = (
    us.bool,
    us.uint8,
    us.int8,
    us.int16,
    us.int32,
    us.int64,
    us.float16,
    us.bfloat16,
    us.float32,
    us.float64,
)


def test_every_dtype_and_shape_comes_back_with_the_same_bits(tmp_path: Path) -> None:
    tensors = {
        f"{dtype.__name__}.{shape}": (us.rand(shape) * 100).to(dtype)
        for dtype in DTYPES
        for shape in ((), (3,), (2, 0), (2, 3, 4))
    }
    us.save(tensors, tmp_path / "all.safetensors")
    loaded = us.load(tmp_path / "all.safetensors")
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype is tensor.dtype
        assert loaded[name].tolist() == tensor.tolist()
        assert loaded[name].shape == tensor.shape


def test_a_model_comes_back(tmp_path: Path) -> None:
    model, other = (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)) for _ in range(2))
    us.save(model.state_dict(), tmp_path / "model.safetensors")
    other.load_state_dict(us.load(tmp_path / "model.safetensors"))
    x = us.randn(5, 3)
    assert us.equal(model(x), other(x))


def test_strided_views_are_written_in_their_own_order(tmp_path: Path) -> None:
    view = us.arange(12.0).reshape(3, 4).t()[1:]
    us.save({"view": view}, tmp_path / "view.safetensors")
    assert us.load(tmp_path / "view.safetensors")["view"].tolist() == view.tolist()


def test_bytes_of_a_tensor_outlive_it() -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    memory = us._core._storage_memory(us.tensor(values))
    others = [us.zeros(1000, dtype=us.float64) for _ in range(4)]
    assert bytes(memory) == values.tobytes()
    assert sum(other.sum().item() for other in others) == 0


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    us.save({"a": us.ones(2)}, path)
    with pytest.raises(TypeError, match="'b' is a int; safetensors files hold tensors only"):
        us.save({"a": us.zeros(2), "b": 3}, path)  # type: ignore[dict-item]
    assert us.load(path)["a"].tolist() == [1.0, 1.0]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        us.load(tmp_path / "nowhere.safetensors")


def test_other_readers_of_safetensors_agree(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "a.safetensors"
    us.save({"a": us.arange(6.0).reshape(2, 3), "ü": us.tensor([True, False])}, path)
    theirs = safetensors.load_file(path)
    assert theirs["a"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert theirs["ü"].tolist() == [True, False]
    safetensors.save_file({"b": np.arange(4, dtype=np.int16)}, path, metadata={"format": "np"})
    assert us.load(path)["b"].tolist() == [0, 1, 2, 3]


def test_a_mapped_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    us.save({"a": us.arange(100.0)}, path)
    mapped = us.load(path, mmap=True)["a"]
    mapped[0] = 7.0
    assert mapped[:2].tolist() == [7.0, 1.0]
    assert us.load(path)["a"][0].item() == 0.0


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{",
        b'{"a":3}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}',
        b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}',
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(RuntimeError, match="damaged"):
        us.load(path)
