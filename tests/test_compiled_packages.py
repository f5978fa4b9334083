"""Packages with a compiled part for PyTorch, such as torchvision: the Python part works without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
