"""Packages with a compiled part for PyTorch, such as torchvision: the Python part works without it."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unspool as us

PACKAGE = """
import torch
import torch._custom_ops
from torch import fx
from torch._dynamo.utils import is_compile_supported
from torch.ao.quantization import DeQuantStub, QuantStub
from torch.jit.annotations import BroadcastingList2
from torch.onnx import symbolic_opset11 as opset11
from torch.onnx.symbolic_helper import parse_args
from torch.utils.model_zoo import tqdm

KEYS = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU) | torch._C.DispatchKeySet(
    torch._C.DispatchKey.AutocastCUDA
)
assert KEYS.has(torch._C.DispatchKey.AutocastCUDA) and not KEYS.has(torch._C.DispatchKey.CPU)
try:
    torch.ops.load_library("/somewhere/_C.so")
    HAS_OPS = True
except (ImportError, OSError) as error:
    HAS_OPS = False
    WHY = str(error)

@torch.library.register_fake("torchvision::nms")
def meta_nms(dets, scores, iou_threshold):
    torch._custom_ops.get_ctx()

@fx.wrap
def area(box: BroadcastingList2[int]):
    return box[0] * box[1]

@torch.jit._script_if_tracing
def twice(x):
    return 2 * x

@parse_args("v", "f")
def symbolic(g, boxes, threshold):
    return opset11.unsqueeze(g, boxes, 0)

torch.onnx.register_custom_op_symbolic("torchvision::nms", symbolic, 11)
with tqdm(total=1, disable=True) as bar:
    bar.update(1)

class Quantized(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
"""

SCRIPT = """
import torchvision
print(torchvision.HAS_OPS, torchvision.WHY)
print(torchvision.twice(torchvision.area((2, 3))), torchvision.is_compile_supported("cpu"))
try:
    torchvision.Quantized()
except NotImplementedError as error:
    print(error)
import torch.fx
try:
    import torch.fx.graph_module
except ImportError as error:
    print(error)
"""

QUANTIZED = (
    "torch.ao.quantization.QuantStub is not implemented in unspool, which computes with floating numbers; "
    "use the model as it is"
)


def test_a_package_goes_on_without_its_compiled_part(tmp_path: Path) -> None:
    """Also where it is installed, which is where an import of torchaudio is refused."""
    place = tmp_path / "site-packages" / "torchvision"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(PACKAGE)
    (tmp_path / "main.py").write_text(SCRIPT)
    paths = [str(place.parent), *sys.path]
    done = subprocess.run(
        [sys.executable, "-m", "unspool.run", str(tmp_path / "main.py")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "False /somewhere/_C.so is built against PyTorch's binaries and cannot be loaded with unspool",
        "12 True",
        QUANTIZED,
        "torch.fx.graph_module is not implemented in unspool",
    ]


def test_weights_that_are_there_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    address = "https://example.org/models/net-1234.pth?download=1"
    with pytest.raises(NotImplementedError, match=r"checkpoints/net-1234\.pth"):
        us.hub.load_state_dict_from_url(address)
    kept = tmp_path / "hub" / "checkpoints"
    kept.mkdir(parents=True)
    us.save({"weight": us.arange(3)}, kept / "net-1234.pth")
    assert us.hub.load_state_dict_from_url(address, progress=False)["weight"].tolist() == [0, 1, 2]
    us.save({"weight": us.ones(1)}, tmp_path / "other.pth")
    read = us.utils.model_zoo.load_url(address, model_dir=tmp_path, file_name="other.pth")
    assert read["weight"].tolist() == [1.0]


def test_the_processor_is_named_as_in_pytorch() -> None:
    assert us.backends.cpu.get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")


def test_what_packages_ask_of_distributions() -> None:
    """Pyro derives constraints from those of given ones, and has a base of distributions of its own."""
    from unspool.distributions import biject_to, constraints, exp_family, register_kl, transforms

    positive = type(constraints.positive)
    assert positive is constraints.greater_than
    assert not isinstance(constraints.nonnegative, positive)

    class Softplus(positive):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__(lower_bound=0.0)

    with pytest.raises(NotImplementedError, match="Softplus"):
        biject_to(Softplus())
    biject_to.register(Softplus, lambda _: transforms.SoftplusTransform())
    assert isinstance(biject_to(Softplus()), transforms.SoftplusTransform)
    assert isinstance(biject_to(constraints.positive), transforms.ExpTransform)
    names = [str(constraints.integer_interval(0, 3)), str(constraints.less_than(2))]
    assert names == ["IntegerInterval(lower_bound=0, upper_bound=3)", "LessThan(upper_bound=2)"]

    class Delta:
        pass

    register_kl(Delta, us.distributions.Distribution)(lambda p, q: us.zeros(()))
    with pytest.raises(TypeError, match="but got 3"):
        register_kl(3, Delta)  # type: ignore[arg-type]
    assert exp_family.ExponentialFamily is us.distributions.ExponentialFamily
    assert issubclass(us.distributions.Gamma, us.distributions.ExponentialFamily)


def test_optimizers_are_found_in_the_dictionary_of_their_module(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import torch\n"
        "for name, kind in torch.optim.__dict__.items():\n"
        "    isinstance(kind, type) and issubclass(kind, torch.optim.LBFGS) and print(name)\n"
        "print(torch.optim.__dict__['RMSprop'].__name__, 'DataParallel' in torch.nn.__dict__)\n"
    )
    command = [sys.executable, "-m", "unspool.run", str(tmp_path / "main.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == "LBFGS\nRMSprop True\n", done.stderr


def test_futures_hand_on_values_and_exceptions() -> None:
    from unspool.futures import Future, collect_all, wait_all

    first: Future[int] = Future()
    second: Future[int] = Future()
    doubled = first.then(lambda done: 2 * done.value())
    both = collect_all([first, doubled, second])
    with pytest.raises(RuntimeError, match="not there yet"):
        first.value()
    first.set_result(3)
    assert doubled.wait() == 6
    assert not both.done()
    second.set_exception(ValueError("lost"))
    assert [each.done() for each in both.wait()] == [True, True, True]
    assert wait_all([first, doubled]) == [3, 6]
    with pytest.raises(ValueError, match="lost"):
        second.wait()
    with pytest.raises(ValueError, match="lost"):
        second.then(lambda done: done.value()).wait()
    assert collect_all([]).wait() == []


def test_names_that_packages_take_from_inside() -> None:
    """As PyTorch Geometric, kornia, opacus and captum import them."""
    from unspool import _ops, _tensor_str, _vmap_internals
    from unspool._subclasses.fake_tensor import FakeTensor, is_fake
    from unspool.distributed import rpc
    from unspool.distributed._composable.fsdp import FSDPModule
    from unspool.distributed._tensor.experimental import implicit_replication
    from unspool.distributed.tensor import DTensor
    from unspool.fx.experimental.proxy_tensor import get_proxy_mode
    from unspool.jit.annotations import List
    from unspool.utils.data._utils.collate import default_collate, np_str_obj_array_pattern
    from unspool.utils.data.dataloader import _collate_fn_t, _worker_init_fn_t

    x = us.arange(6.0).reshape(2, 3)
    assert _tensor_str._tensor_str(x, indent=0) == "[[0., 1., 2.],\n [3., 4., 5.]]"
    assert _tensor_str.PRINT_OPTS.threshold == 1000
    assert _vmap_internals._vmap(us.sum)(x).tolist() == [3.0, 12.0]
    assert default_collate([1, 2]).tolist() == [1, 2]
    assert us.hub.HASH_REGEX.search("net-12ab.pth")
    assert not is_fake(x)
    assert not isinstance(x, (FakeTensor, DTensor))
    assert get_proxy_mode() is None
    assert not rpc.is_available()
    assert callable(_collate_fn_t)
    assert callable(_worker_init_fn_t)
    for refused in (rpc.init_rpc, implicit_replication, DTensor, FakeTensor):
        with pytest.raises(NotImplementedError, match="is not implemented in unspool"):
            refused()
    assert {us.ops.aten.clone.default: 1}[us.ops.aten.clone.default] == 1
    with pytest.raises(NotImplementedError, match=r"torch\.ops\.aten\.clone\.default"):
        us.ops.aten.clone.default(x)
    assert not isinstance(3, (us.SymInt, us.SymFloat, us.SymBool))
    assert list(inspect.signature(us.nn.Linear(2, 3)).parameters) == ["args", "kwargs"]
    assert list(inspect.signature(us.nn.Linear).parameters)[:2] == ["in_features", "out_features"]
    assert np_str_obj_array_pattern.search(np.array(["a"]).dtype.str)
    assert issubclass(FSDPModule, us.distributed.fsdp.FSDPModule)
    assert List[int] == list[int]
    assert x._cdata == x._cdata != us.ones(1)._cdata
    assert _ops.ops is us.ops
    assert x.layout not in (us.sparse_csr, us.sparse_csc, us.sparse_bsr, us.sparse_bsc)


def test_a_size_is_a_shape_and_not_data() -> None:
    """Unlike other sequences of numbers: older scripts write ``torch.Tensor(x.size())``."""
    x = us.ones(2, 3)
    assert us.Tensor(x.size()).shape == us.FloatTensor(x.size()).shape == x.new(x.size()).shape == (2, 3)
    assert us.Tensor(us.Size([])).shape == ()
    assert us.Tensor((2, 3)).tolist() == us.Tensor([2, 3]).tolist() == [2.0, 3.0]


def test_norms_take_numpys_names() -> None:
    x = us.tensor([[3.0, 4.0], [0.0, 2.0]])
    assert us.linalg.norm(x, axis=1, keepdims=True).tolist() == [[5.0], [2.0]]  # type: ignore[call-arg]
    assert us.linalg.matrix_norm(x, keepdims=True).shape == (1, 1)  # type: ignore[call-arg]


def test_a_normalization_becomes_part_of_the_layer_before_it() -> None:
    from unspool.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

    us.manual_seed(0)
    x = us.randn(8, 3, 6, 6)
    for layer, transpose in (
        (us.nn.Conv2d(3, 4, 3, bias=False), False),
        (us.nn.ConvTranspose2d(3, 4, 3), True),
    ):
        both = us.nn.Sequential(layer, us.nn.BatchNorm2d(4))
        both(x)
        both.eval()
        us.testing.assert_close(fuse_conv_bn_eval(both[0], both[1], transpose)(x), both(x))
    both = us.nn.Sequential(us.nn.Linear(6, 5), us.nn.BatchNorm1d(5, affine=False))
    with pytest.raises(AssertionError, match="eval"):
        fuse_linear_bn_eval(both[0], both[1])
    both(x[0, 0])
    both.eval()
    us.testing.assert_close(fuse_linear_bn_eval(both[0], both[1])(x[0, 0]), both(x[0, 0]))
    assert not us._C._are_functorch_transforms_active()
    assert us.jit.interface(us.nn.Linear) is us.nn.Linear


def test_a_class_with_its_own_getattr_is_asked_for_each_member() -> None:
    """Pyro notes there which parameters a model reads."""
    asked = []

    class Noting(us.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = us.nn.Parameter(us.ones(2))
            self.inner = us.nn.Linear(2, 2)

        def __getattr__(self, name: str) -> Any:
            asked.append(name)
            return super().__getattr__(name)

        def forward(self, x: us.Tensor) -> us.Tensor:
            return self.inner(x) * self.weight

    net = Noting()
    for _ in range(2):
        asked.clear()
        net(us.ones(1, 2))
        assert [name for name in asked if name in ("inner", "weight")] == ["inner", "weight"]
