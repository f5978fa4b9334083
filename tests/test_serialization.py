"""Files of named tensors: round trips, clear errors, and old files that stay whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unspool as us
from unspool import nn

DTYPES = (us.bool, us.uint8, us.int32, us.int64, us.float32, us.float64)


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
        np.testing.assert_array_equal(loaded[name].numpy(), tensor.numpy())


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


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    us.save({"a": us.ones(2)}, path)
    with pytest.raises(TypeError, match="'b' is a int; safetensors files hold tensors only"):
        us.save({"a": us.zeros(2), "b": 3}, path)  # type: ignore[dict-item]
    assert us.load(path)["a"].tolist() == [1.0, 1.0]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("call", [lambda p: us.save({}, p), us.load], ids=["save", "load"])
def test_other_formats_are_refused_by_name(tmp_path: Path, call: object) -> None:
    with pytest.raises(NotImplementedError, match=r"model\.pt.*\.safetensors"):
        call(tmp_path / "model.pt")  # type: ignore[operator]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        us.load(tmp_path / "nowhere.safetensors")
