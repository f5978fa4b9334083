"""Functions and attributes that older or rarer scripts use, against NumPy and their definitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from unspool.autograd import gradcheck, gradgradcheck
from unspool.nn.modules import utils
from unspool.profiler import record_function
from unspool.signal import windows

RNG = np.random.default_rng(11)
GRID = RNG.normal(size=(4, 5, 6))
PLACES = [np.cumsum(RNG.uniform(0.1, 1, n)) for n in GRID.shape]


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize(
    ("options", "spacing", "axis"),
    [
        ({}, (), None),
        ({"spacing": 0.5}, (0.5,), None),
        ({"spacing": [1.0, 2.0, 0.5]}, (1.0, 2.0, 0.5), None),
        ({"dim": -1, "spacing": 3}, (3,), (-1,)),
        ({"dim": (0, 2), "spacing": (2, 3)}, (2, 3), (0, 2)),
        ({"spacing": [us.tensor(p, dtype=us.float64) for p in PLACES]}, PLACES, None),
    ],
)
def test_gradient_is_numpys(options: dict[str, Any], spacing: Any, axis: Any, edge_order: int) -> None:
    found = us.gradient(us.tensor(GRID, dtype=us.float64), edge_order=edge_order, **options)
    expected = np.gradient(GRID, *spacing, axis=axis, edge_order=edge_order)
    for a, e in zip(found, [expected] if len(found) == 1 else expected, strict=True):
        np.testing.assert_allclose(a.numpy(), e, rtol=1e-12, atol=1e-12)


def test_gradient_has_derivatives_and_takes_integers() -> None:
    x = us.tensor(GRID[:, :, 0], dtype=us.float64, requires_grad=True)
    for edge_order in (1, 2):
        function = lambda x, order=edge_order: us.gradient(x * x, spacing=0.5, edge_order=order)  # noqa: E731
        assert gradcheck(function, (x,))
        assert gradgradcheck(function, (x,))
    assert us.tensor([1, 4, 9, 16]).gradient(spacing=2)[0].tolist() == [1.5, 2, 3, 3.5]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: us.gradient(us.ones(1)), RuntimeError),
        (lambda: us.gradient(us.ones(2), edge_order=2), RuntimeError),
        (lambda: us.gradient(us.ones(4), edge_order=3), RuntimeError),
        (lambda: us.gradient(us.ones(4, 4), dim=(0, 0)), RuntimeError),
        (lambda: us.gradient(us.ones(4, 4), spacing=[1.0, 2.0, 3.0]), RuntimeError),
        (lambda: us.gradient(us.ones(4), spacing=[us.ones(3)]), RuntimeError),
        (lambda: us.gradient(us.ones(4), dim=2), IndexError),
        (lambda: us.gradient(3.0), TypeError),  # type: ignore[arg-type]
        (lambda: us.unravel_index(us.tensor([6]), (2, 3)), ValueError),
        (lambda: us.unravel_index(us.tensor([0.5]), (2, 3)), ValueError),
        (lambda: us.nonzero_static(us.ones(2), size=-1), RuntimeError),
        (lambda: us.frombuffer(b"", dtype=us.uint8), ValueError),
        (lambda: us.frombuffer(b"abc", dtype=us.int16), ValueError),
        (lambda: us.frombuffer(b"abcd", dtype=us.int16, count=3), ValueError),
        (lambda: us.empty_strided((2, 2), (1,)), RuntimeError),
        (lambda: us.empty_permuted((2, 3), (0, 0)), RuntimeError),
        (lambda: us.imag(us.ones(2)), RuntimeError),
        (lambda: us.conj(2.0), TypeError),  # type: ignore[arg-type]
        (lambda: windows.hann(-1), ValueError),
        (lambda: windows.hann(4, dtype=us.int64), ValueError),
        (lambda: windows.gaussian(4, std=0), ValueError),
        (lambda: windows.exponential(4, center=1.0), ValueError),
        (lambda: windows.general_cosine(4, a=[]), ValueError),
    ],
)
def test_bad_calls_raise(call: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("length", [0, 1, 2, 7, 8])
def test_windows_are_numpys(length: int) -> None:
    pairs: list[tuple[Callable[..., Any], Callable[..., Any], Any]] = [
        (windows.hann, us.hann_window, np.hanning),
        (windows.hamming, us.hamming_window, np.hamming),
        (windows.blackman, us.blackman_window, np.blackman),
        (windows.bartlett, us.bartlett_window, np.bartlett),
        (windows.kaiser, us.kaiser_window, lambda n: np.kaiser(n, 12.0)),
    ]
    for ours, older, numpys in pairs:
        expected = numpys(length)
        np.testing.assert_allclose(ours(length, dtype=us.float64).numpy(), expected, atol=1e-14)
        periodic = numpys(length + 1)[:length] if length > 1 else expected
        np.testing.assert_allclose(older(length, dtype=us.float64).numpy(), periodic, atol=1e-14)
        np.testing.assert_allclose(older(length, False).numpy(), expected, atol=1e-6)


def test_windows_by_their_formulas() -> None:
    n = np.arange(6)
    for window, expected in [
        (windows.cosine(6), np.sin(math.pi * (n + 0.5) / 6)),
        (windows.gaussian(6, std=2), np.exp(-(((n - 2.5) / 2) ** 2) / 2)),
        (windows.exponential(6, tau=2), np.exp(-abs(n - 2.5) / 2)),
        (windows.exponential(6, center=1, tau=2, sym=False), np.exp(-abs(n - 1) / 2)),
        (windows.general_hamming(6, alpha=0.7), 0.7 - 0.3 * np.cos(2 * math.pi * n / 5)),
    ]:
        np.testing.assert_allclose(window.numpy(), expected, rtol=1e-6)
    assert float(windows.nuttall(5)[2]) == pytest.approx(1.0)
    assert windows.hann(4, requires_grad=True).requires_grad


def test_real_tensors_are_their_own_conjugates() -> None:
    x = us.tensor([1.0, -2, 0, math.nan], requires_grad=True)
    assert us.real(x) is x
    assert x.real is x
    assert us.conj(x) is x
    assert x.resolve_conj().resolve_neg() is x
    assert not us.is_conj(x)
    assert not x.is_neg()
    assert us.conj_physical(x) is x
    angle = us.angle(x)
    np.testing.assert_allclose(angle.detach().numpy(), np.angle([1.0, -2, 0, math.nan]), rtol=1e-7)
    angle.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 0, 0]
    assert us.angle(us.tensor(-1.0, dtype=us.float64)).item() == math.pi
    assert us.angle(us.tensor([1, -2])).dtype == us.float32


def test_places_in_memory() -> None:
    flat = RNG.integers(0, 24, (3, 4))
    for a, e in zip(
        us.unravel_index(us.tensor(flat), (2, 3, 4)), np.unravel_index(flat, (2, 3, 4)), strict=True
    ):
        np.testing.assert_array_equal(a.numpy(), e)
    assert us.nonzero_static(us.tensor([0, 1, 1]), size=1).tolist() == [[1]]
    assert us.nonzero_static(us.tensor([0, 1, 1]), size=3, fill_value=-5).tolist() == [[1], [2], [-5]]
    assert us.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert us.empty_permuted((2, 3, 4), (0, 2, 1)).stride() == (12, 1, 3)
    assert us.ones(2).new_empty_strided((2, 2), (1, 2)).stride() == (1, 2)
    x = us.arange(6.0).reshape(2, 3)
    storage = x[1].storage()
    assert storage.size() == len(storage) == 6
    assert storage[4] == 4
    assert storage.data_ptr() == x.data_ptr()
    storage[0] = 9
    assert x[0, 0] == 9
    assert us.is_storage(storage)
    assert storage.tolist() == x.flatten().tolist()
    assert storage == x.storage()
    assert storage.untyped() == x.untyped_storage()


def test_buffers_and_files(tmp_path: Path) -> None:
    data = bytearray(np.arange(5, dtype=np.int16).tobytes())
    x = us.frombuffer(data, dtype=us.int16, count=3, offset=2)
    assert x.tolist() == [1, 2, 3]
    x[0] = 77
    assert np.frombuffer(data, np.int16)[1] == 77
    assert us.frombuffer(bytes(data), dtype=us.int16).tolist() == [0, 77, 2, 3, 4]
    path = tmp_path / "numbers"
    np.arange(4, dtype=np.float32).tofile(path)
    private = us.from_file(str(path), size=4)
    private += 1
    assert np.fromfile(path, np.float32).tolist() == [0, 1, 2, 3]
    us.from_file(str(path), shared=True, size=6).fill_(2)
    assert np.fromfile(path, np.float32).tolist() == [2] * 6


def test_names_at_the_top_are_those_below() -> None:
    a, b = us.randn(4, 3), us.randn(4, 3)
    assert us.equal(us.pairwise_distance(a, b), F.pairwise_distance(a, b))
    assert us.equal(us.pdist(a), F.pdist(a))
    assert us.equal(us.bilinear(a, b, us.ones(2, 3, 3)), F.bilinear(a, b, us.ones(2, 3, 3)))
    target = us.rand(4, 3)
    for number, reduction in enumerate(["none", "mean", "sum"]):
        expected = F.binary_cross_entropy_with_logits(a, target, reduction=reduction)
        assert us.equal(us.binary_cross_entropy_with_logits(a, target, reduction=number), expected)
    assert us.equal(us.selu_(a.clone()), F.selu(a))
    assert us.equal(us.celu_(a.clone(), 0.5), F.celu(a, 0.5))
    assert us.zero_(a.clone()).sum() == 0
    assert us.fill_(a.clone(), 2).sum() == 24
    assert us.equal(us.negative_(a.clone()), -a)
    assert us.equal(us.detach(a), a)
    assert us.frobenius_norm(b).item() == pytest.approx(np.linalg.norm(b.numpy()), rel=1e-6)
    assert us.nuclear_norm(b).item() == pytest.approx(np.linalg.norm(b.numpy(), "nuc"), rel=1e-5)
    assert us.equal(us.narrow_copy(b, 0, 1, 2), b[1:3])
    assert len(us.unsafe_chunk(b, 2)) == 2
    assert [len(each) for each in us.unsafe_split(b, 3)] == [3, 1]


def test_questions_are_answered() -> None:
    x = us.ones(2)
    assert x.get_device() == us.get_device(x) == -1
    assert x.is_signed()
    assert not us.is_signed(us.ones(1).byte())
    assert x.is_cpu
    assert not x.is_meta
    assert not x.is_quantized
    assert x.allclose(x + 1e-9)
    assert us.ones(1).is_nonzero()
    assert x[:, us.newaxis].shape == (2, 1)
    assert not us.mps.is_available()
    assert us.xpu.device_count() == 0
    us.mps.manual_seed(3)
    us.xpu.empty_cache()
    with record_function("region") as region:
        assert region.name == "region"


def test_what_is_missing_says_what_to_use() -> None:
    for call, name, instead in [
        (lambda: us.fft.fft(us.ones(2)), "torch.fft.fft", "numpy.fft"),
        (lambda: us.complex(us.ones(1), us.ones(1)), "torch.complex", "two tensors"),
        (lambda: us.stft(us.ones(8), 4), "torch.stft", "scipy"),
        (lambda: us.profiler.profile(), "torch.profiler.profile", "cProfile"),
    ]:
        with pytest.raises(NotImplementedError, match=name) as caught:
            call()  # type: ignore[no-untyped-call]
        assert instead in str(caught.value)


def test_helpers_of_module_authors() -> None:
    assert utils._pair(3) == (3, 3)
    assert utils._triple((1, 2, 3)) == (1, 2, 3)
    assert utils._single("x") == ("x",)
    assert utils._reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)
    assert utils._list_with_default([None, 5], [7, 8, 9]) == [8, 5]
    state = us.nn.Linear(1, 1).state_dict(prefix="module.")
    utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == ["weight", "bias"]


def test_copies_have_memory_of_their_own() -> None:
    x = us.arange(12.0).reshape(3, 4).requires_grad_()
    for name, args in (
        ("alias", ()),
        ("as_strided", ((2, 2), (1, 2), 1)),
        ("detach", ()),
        ("diagonal", (1,)),
        ("expand", ((2, 3, 4),)),
        ("permute", ((1, 0),)),
        ("select", (1, 2)),
        ("squeeze", ()),
        ("t", ()),
        ("transpose", (0, 1)),
        ("unfold", (1, 2, 1)),
        ("unsqueeze", (0,)),
        ("view", ((4, 3),)),
    ):
        copy = getattr(us, f"{name}_copy")(x, *args)
        view = x if name == "alias" else getattr(x, name)(*args)
        assert copy.tolist() == view.tolist(), name
        assert copy.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
        assert copy.requires_grad == (name != "detach")
    for name, args in (("split", (2, 1)), ("split_with_sizes", ([1, 3], 1)), ("unbind", (1,))):
        copies = getattr(us, f"{name}_copy")(x, *args)
        assert [c.tolist() for c in copies] == [v.tolist() for v in getattr(x, name)(*args)]
        assert copies[0].untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    assert us.slice_copy(x, -1, 1, None, 2).tolist() == x[:, 1::2].tolist()
    with pytest.raises(IndexError):
        us.slice_copy(x, 2)
    with pytest.raises(RuntimeError, match="step"):
        us.slice_copy(x, 0, step=0)


def test_points_are_counted_in_cells() -> None:
    points, weight = RNG.normal(size=(50, 2)), RNG.uniform(size=50)
    inputs = us.tensor(points)
    for bins, range_, density in ((4, None, False), ([3, 5], [-1.0, 1, -2, 2], True)):
        found = us.histogramdd(inputs, bins, range=range_, weight=us.tensor(weight), density=density)
        ranges = None if range_ is None else [range_[:2], range_[2:]]
        hist, edges = np.histogramdd(points, bins, ranges, density, weight)
        np.testing.assert_allclose(found.hist.numpy(), hist, atol=1e-14)
        for ours, numpys in zip(found.bin_edges, edges, strict=True):
            np.testing.assert_allclose(ours.numpy(), numpys)
    edges = [us.tensor([-1.0, 0, 2], dtype=us.float64), us.tensor([-3.0, 3], dtype=us.float64)]
    expected = np.histogramdd(points, [e.numpy() for e in edges])[0]
    np.testing.assert_array_equal(us.histogramdd(inputs.reshape(5, 10, 2), edges).hist.numpy(), expected)
    with pytest.raises(RuntimeError, match="bins must have 2"):
        us.histogramdd(inputs, [3])


def test_aminmax_writes_into_a_pair() -> None:
    out = (us.empty(2), us.empty(2))
    found = us.aminmax(us.tensor([[1.0, 2], [4, 3]]), dim=1, out=out)
    assert [x.tolist() for x in found] == [[1, 3], [2, 4]]
    assert found.min is out[0]
    with pytest.raises(RuntimeError, match="dtype"):
        us.aminmax(us.ones(2, 2), dim=0, out=(us.empty(2), us.empty(2, dtype=us.float64)))


def test_parts_of_bfloat16_numbers() -> None:
    mantissa, exponent = us.frexp(us.tensor([3.0, -0.375], dtype=us.bfloat16))
    assert mantissa.dtype == us.bfloat16
    assert (mantissa.tolist(), exponent.tolist()) == ([0.75, -0.75], [2, -1])


def test_binomial_draws_have_their_moments() -> None:
    us.manual_seed(2)
    drawn = us.binomial(us.full((4000, 1), 20.0), us.tensor([0.0, 0.3, 1.0]))
    assert drawn[:, 0].tolist() == [0] * 4000
    assert drawn[:, 2].tolist() == [20] * 4000
    assert abs(float(drawn[:, 1].mean()) - 6) < 0.2
    assert abs(float(drawn[:, 1].var()) - 4.2) < 0.5
    us.manual_seed(2)
    assert us.binomial(us.full((4000, 1), 20.0), us.tensor([0.0, 0.3, 1.0])).tolist() == drawn.tolist()
    for call, error in (
        (lambda: us.binomial(us.tensor([2]), us.tensor([0.5])), ValueError),
        (lambda: us.binomial(us.tensor([2.0]), us.tensor([1.5])), RuntimeError),
        (lambda: us.binomial(us.tensor([math.nan]), us.tensor([0.5])), RuntimeError),
        (lambda: us.binomial(us.tensor([2.0]), us.tensor([0.5], dtype=us.float64)), RuntimeError),
    ):
        with pytest.raises(error, match="binomial"):
            call()


def test_norms_give_what_they_divided_by() -> None:
    x, weight, bias = us.randn(4, 6, 5), us.randn(6, 5), us.randn(6)
    out, mean, scale = us.native_layer_norm(x, [6, 5], weight, None, 1e-5)
    assert out.tolist() == F.layer_norm(x, [6, 5], weight).tolist()
    us.testing.assert_close(out, (x - mean) * scale * weight)
    out, mean, scale = us.native_group_norm(x, None, bias, 4, 6, 5, 3, 1e-5)
    assert (mean.shape, scale.shape) == ((4, 3), (4, 3))
    normal = (x.reshape(4, 3, 10) - mean[..., None]) * scale[..., None]
    us.testing.assert_close(out, normal.reshape(4, 6, 5) + bias[:, None])
    assert us.native_group_norm(x[:0], None, None, 0, 6, 5, 3, 1e-5)[1].shape == (0, 3)
    running = us.zeros(6), us.ones(6)
    out, mean, scale = us.native_batch_norm(x, bias, None, *running, True, 0.5, 1e-5)
    us.testing.assert_close(out, (x - mean[:, None]) * scale[:, None] * bias[:, None])
    us.testing.assert_close(running[0], mean / 2)
    out, mean, scale = us.native_batch_norm(x, None, None, us.zeros(6), us.ones(6), False, 0.5, 0.0)
    assert (out.tolist(), mean.numel(), scale.numel()) == (x.tolist(), 0, 0)
    with pytest.raises(RuntimeError, match="native_group_norm"):
        us.native_group_norm(x, None, None, 4, 6, 6, 3, 1e-5)


def test_grid_sampler_has_modes_by_number() -> None:
    x, grid = us.randn(1, 2, 4, 4), us.rand(1, 3, 3, 2) * 2 - 1
    expected = F.grid_sample(x, grid, "nearest", "border", True)
    assert us.grid_sampler_2d(x, grid, 1, 1, True).tolist() == expected.tolist()
    with pytest.raises(RuntimeError, match="padding_mode"):
        us.grid_sampler(x, grid, 1, 3, True)


@pytest.mark.parametrize(
    "name",
    ["arccos_", "arcsin_", "arctan_", "arcsinh_", "arctanh_", "fix_", "i0_", "ldexp_", "addmv_", "arccosh_"],
)
def test_methods_that_change_a_tensor_are_functions_too(name: str) -> None:
    arguments = {"ldexp_": (us.tensor([1, 2]),), "addmv_": (us.ones(2, 2), us.tensor([1.0, 2.0]))}.get(
        name, ()
    )
    start = us.tensor([1.0, 1.5]) if name == "arccosh_" else us.tensor([0.25, -0.5])
    x = start.clone()
    assert getattr(us, name)(x, *arguments) is x
    assert x.tolist() == getattr(start, name.removesuffix("_"))(*arguments).tolist() != start.tolist()
