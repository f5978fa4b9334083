"""Names that PyTorch keeps for itself or has renamed, and that public scripts use: what they give here."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool._utils import _flatten_dense_tensors, _unflatten_dense_tensors
from unspool.cuda.amp import autocast_mode, grad_scaler
from unspool.nn import _reduction, common_types
from unspool.nn.parallel import scatter_gather
from unspool.utils import _pytree, cpp_extension

CASTS = {
    "Byte": us.uint8,
    "Char": us.int8,
    "Short": us.int16,
    "Int": us.int32,
    "Long": us.int64,
    "Half": us.float16,
    "Float": us.float32,
    "Double": us.float64,
}


def test_types_of_arguments_have_their_names() -> None:
    assert set(get_args(common_types._size_2_t)) == {int, tuple[int, int]}
    assert set(get_args(common_types._size_any_opt_t)) == {int, type(None), tuple[int | None, ...]}
    assert set(get_args(common_types._maybe_indices_t)) == {us.Tensor, tuple[us.Tensor, us.Tensor]}
    assert nn.common_types is common_types


class Point(NamedTuple):
    x: int
    y: int


def test_named_tuples_are_taken_apart_and_put_together() -> None:
    values, kind = _pytree._namedtuple_flatten(Point(1, 2))
    assert (values, kind) == ([1, 2], Point)
    assert _pytree._namedtuple_unflatten(iter(values), kind) == Point(1, 2)


@pytest.mark.parametrize("name", CASTS)
def test_casts_give_their_dtype(name: str) -> None:
    x = us.tensor([1.5, 2.0], requires_grad=True)
    y = getattr(us, f"_cast_{name}")(x)
    assert y.dtype is CASTS[name]
    assert y.tolist() == [1.5 if y.dtype.is_floating_point else 1, 2]
    assert y.requires_grad == y.dtype.is_floating_point
    assert getattr(us, f"_cast_{name}")(y) is y


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_cotangents_of_softmax_are_those_of_the_tape(name: str, dim: int) -> None:
    rng = np.random.default_rng(3)
    x = us.tensor(rng.normal(size=(3, 4)), requires_grad=True)
    cotangent = us.tensor(rng.normal(size=(3, 4)))
    y = getattr(us, name)(x, dim)
    y.backward(cotangent)
    found = getattr(us, f"_{name}_backward_data")(cotangent, y.detach(), dim, us.float64)
    np.testing.assert_allclose(found.numpy(), x.grad.numpy(), rtol=1e-12, atol=1e-15)
    narrow = getattr(us, f"_{name}_backward_data")(cotangent, y.detach(), dim, us.float32)
    assert narrow.dtype is us.float32


def test_tensors_become_one_vector_and_views_of_it() -> None:
    tensors = [us.arange(4.0).reshape(2, 2).t(), us.tensor(7.0), us.ones(0, 3), us.tensor([8.0])]
    flat = _flatten_dense_tensors(tensors)
    assert flat.tolist() == [0, 2, 1, 3, 7, 8]
    parts = _unflatten_dense_tensors(flat, tensors)
    assert [part.tolist() for part in parts] == [each.tolist() for each in tensors]
    parts[0].mul_(2)
    assert flat.tolist() == [0, 4, 2, 6, 7, 8]
    with pytest.raises(RuntimeError, match=r"a vector of 6 elements is needed, got shape \(5,\)"):
        _unflatten_dense_tensors(flat[:5], tensors)


@pytest.mark.parametrize(
    ("size_average", "reduce", "expected"),
    [
        (None, None, "mean"),
        (True, None, "mean"),
        (False, None, "sum"),
        (False, True, "sum"),
        (True, False, "none"),
        (None, False, "none"),
    ],
)
def test_older_arguments_of_losses_mean_a_reduction(size_average: Any, reduce: Any, expected: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _reduction.legacy_get_string(size_average, reduce, emit_warning=False) == expected
        number = _reduction.legacy_get_enum(size_average, reduce, emit_warning=False)
    assert number == _reduction.get_enum(expected) == ["none", "mean", "sum"].index(expected)
    if (size_average, reduce) != (None, None):
        with pytest.warns(UserWarning, match=f"reduction='{expected}'"):
            _reduction.legacy_get_string(size_average, reduce)


def test_reductions_that_are_none_are_named() -> None:
    with pytest.raises(ValueError, match="'average' is not a valid value for reduction"):
        _reduction.get_enum("average")


def test_errors_of_devices_can_be_caught_and_are_not_raised() -> None:
    assert us.cuda.OutOfMemoryError is us.OutOfMemoryError
    assert issubclass(us.OutOfMemoryError, RuntimeError)
    assert issubclass(us.cuda.AcceleratorError, RuntimeError)
    with pytest.raises(us.cuda.OutOfMemoryError, match="full"):
        raise us.OutOfMemoryError("full")


def test_older_places_of_names_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert us.torch is us
    assert us.legacy_contiguous_format is us.contiguous_format
    assert grad_scaler.GradScaler is us.cuda.amp.GradScaler
    assert autocast_mode.autocast is us.cuda.amp.autocast
    assert us._C._get_tracing_state() is None
    assert us._C._jit_set_profiling_executor(False) is us._C._jit_set_profiling_mode(False) is False
    with us.cuda.device_of(us.ones(1)):
        pass
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert us.hub.get_dir() == str(tmp_path / "hub")
    us.hub.set_dir(tmp_path / "other")
    assert us.hub.get_dir() == str(tmp_path / "other")
    monkeypatch.setattr(us.hub, "_dir", None)


def test_a_state_dict_is_an_ordered_dictionary(tmp_path: Path) -> None:
    state = nn.Linear(1, 1).state_dict()
    assert type(state) is OrderedDict
    assert repr(state).startswith("OrderedDict(")
    assert state._metadata[""] == {"version": 1}  # type: ignore[attr-defined]
    us.save(state, tmp_path / "state.pt")
    again = us.load(tmp_path / "state.pt")
    assert type(again) is OrderedDict
    assert again._metadata == state._metadata  # type: ignore[attr-defined]


def test_storages_are_restored_to_the_computers_memory(tmp_path: Path) -> None:
    restore = us.serialization.default_restore_location
    us.save({"a": us.ones(2)}, tmp_path / "a.pt")
    loaded = us.load(tmp_path / "a.pt", map_location=lambda storage, _: restore(storage, "cpu"))
    assert loaded["a"].tolist() == [1, 1]
    storage = us.ones(2).untyped_storage()
    assert restore(storage, "cpu") is storage
    with pytest.raises(RuntimeError, match="no CUDA support"):
        restore(storage, "cuda:0")


def test_resize_is_an_older_reshape() -> None:
    x = us.arange(6.0, requires_grad=True)
    with pytest.warns(UserWarning, match="use reshape"):
        y = x.resize(2, 3)
    y.backward(us.ones(2, 3))
    assert y.shape == (2, 3)
    assert x.grad.tolist() == [1] * 6
    with pytest.warns(UserWarning, match="use reshape_as"):
        assert x.resize_as(us.ones(3, 2)).shape == (3, 2)
    with pytest.warns(UserWarning, match="use reshape"), pytest.raises(RuntimeError, match="reshape"):
        x.resize(4)


@pytest.mark.parametrize(
    "call",
    [
        cpp_extension.load,
        cpp_extension.load_inline,
        cpp_extension.include_paths,
        cpp_extension.CppExtension,
        cpp_extension.CUDAExtension,
        cpp_extension.BuildExtension,
        scatter_gather.scatter_kwargs,
        nn.parallel.gather,
        nn.parallel.parallel_apply,
        nn.parallel.replicate,
        nn.parallel.scatter,
        us.profiler.schedule,
    ],
)
def test_what_needs_pytorchs_binaries_or_devices_is_refused_by_name(call: Any) -> None:
    with pytest.raises(NotImplementedError, match=rf"torch\.[\w.]+\.{call.__name__} is not implemented"):
        call(1)


def test_extensions_are_built_nowhere() -> None:
    assert cpp_extension.CUDA_HOME is None
    assert not cpp_extension.is_ninja_available()
    with pytest.raises(RuntimeError, match=r"torch\.cuda\.utilization"):
        us.cuda.utilization()


def test_modules_are_attributes_of_the_package_without_being_imported() -> None:
    names = [
        "autograd.profiler.record_function",
        "nn.modules.pixelshuffle.PixelShuffle",
        "nn.modules.upsampling.Upsample",
        "nn.modules.utils._pair",
    ]
    program = (
        f"import functools, unspool; [functools.reduce(getattr, n.split('.'), unspool) for n in {names}]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="no_such_module"):
        _ = nn.modules.no_such_module  # type: ignore[attr-defined]


def test_what_dir_shows_is_meant_to_be_used() -> None:
    script = (
        "import sys, unspool as us;"
        "shown = {name for name in dir(us) if not name.startswith('_')};"
        "print(sorted(n for n in shown - set(us.__all__) if f'unspool.{n}' not in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert not hasattr(us, "lazy")
    assert not hasattr(us, "attach_methods")


@pytest.mark.parametrize(
    "package", ["nn", "nn.utils", "optim", "utils", "utils.data", "autograd", "distributions", "cuda", "fft"]
)
def test_packages_do_not_show_how_they_are_made(package: str) -> None:
    assert not {"lazy", "attach_methods"} & set(dir(importlib.import_module(f"unspool.{package}")))
