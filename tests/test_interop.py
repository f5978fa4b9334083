"""Scripts that import torch and get unspool, and arrays that other libraries share."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import interop

SCRIPT = """
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torch.backends.cudnn as cudnn
from torch import nn as again, optim as optim_again
from torch.autograd import Variable
from torch.nn.modules.linear import Linear
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.sampler import BatchSampler

assert __name__ == "__main__"
assert again is nn and optim_again is optim and torch.nn is nn and Linear is nn.Linear
torch.manual_seed(int(sys.argv[1]))
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
optimizer = optim.Adam(model.parameters(), lr=0.01)
data = TensorDataset(torch.randn(32, 4), torch.randn(32, 1))
for x, y in DataLoader(data, batch_size=8, shuffle=True):
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
assert torch.__name__ == "torch"  # some packages ask
print(sys.modules["torch"].nn.__name__, f"{loss.item():.4f}")
"""


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unspool.run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120)


def test_a_script_for_torch_runs_unchanged(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    done = run("train.py", "3", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    name, loss = done.stdout.split()
    assert name == "unspool.nn"
    assert np.isfinite(float(loss))
    assert run("-m", "train", "3", folder=tmp_path).stdout == done.stdout


def test_a_script_finds_its_neighbours_and_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("import torch\nvalue = torch.ones(1).item()\n")
    (tmp_path / "main.py").write_text(
        "import sys, neighbour\nprint(sys.argv, neighbour.value)\nsys.exit(5)\n"
    )
    done = run("main.py", "--lr", "1", folder=tmp_path)
    assert done.returncode == 5
    assert done.stdout == "['main.py', '--lr', '1'] 1.0\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import torch.quantization", "ImportError: torch.quantization is not implemented in unspool"),
        (
            "import torch; torch.quantize_per_tensor",
            "torch.quantize_per_tensor is not implemented in unspool",
        ),
        ("import torch; torch.sofmax", "has no attribute 'sofmax'"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "main.py").write_text(line + "\n")
    done = run("main.py", folder=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr


def test_functorch_is_the_transformations_of_functions(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import torch, functorch\n"
        "from functorch import grad, vmap\n"
        "assert functorch is torch.func\n"
        "print(vmap(grad(torch.sin))(torch.zeros(2)).tolist())\n"
        "import functorch.experimental\n"
    )
    done = run("main.py", folder=tmp_path)
    assert done.stdout == "[1.0, 1.0]\n"
    assert "ImportError: functorch.experimental is not implemented in unspool" in done.stderr


def test_a_stand_in_for_torchvision_is_used(tmp_path: Path) -> None:
    (tmp_path / "torchvision.py").write_text("name = 'mine'\n")
    (tmp_path / "main.py").write_text("import torchvision\nprint(torchvision.name)\n")
    assert run("main.py", folder=tmp_path).stdout == "mine\n"


def test_wrong_command_lines_are_explained(tmp_path: Path) -> None:
    assert "usage: python -m unspool.run" in run(folder=tmp_path).stderr
    assert "there is no file none.py" in run("none.py", folder=tmp_path).stderr
    assert "it is given unspool" in run("--help", folder=tmp_path).stdout


def test_the_names_can_be_lent_for_a_while() -> None:
    script = """
from unspool import interop
import unspool, sys
with interop.as_torch() as torch:
    import torch as aliased, torch.nn.functional as F
    import torch.utils.data.dataloader
    assert aliased is torch is unspool and F is unspool.nn.functional
    assert __import__("torch").__name__ == "torch"
assert unspool.__name__ == "unspool"
assert not [name for name in sys.modules if name.startswith("torch")]
assert unspool.nn.__spec__.name == "unspool.nn"
sys.modules["torch"] = sys
try:
    with interop.as_torch(): pass
except RuntimeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "as_torch: the real torch is imported already; do this before\n", done.stderr


DTYPES = [us.float32, us.float64, us.int64, us.int16, us.uint8, us.bool]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("library", ["numpy", "torch", "cupy"])
def test_arrays_are_shared_by_dlpack(library: str, dtype: us.dtype) -> None:
    other: Any = pytest.importorskip(library, exc_type=ImportError)
    if library == "numpy" and dtype is us.bool and np.lib.NumpyVersion(np.__version__) < "2.2.0":
        pytest.skip("numpy exports no bool by DLPack before 2.2")
    assert share(other, dtype)


def test_arrays_are_passed_to_jax_by_dlpack() -> None:
    """In another process, because jax does not bear a fork. It has no 64-bit numbers unasked."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    code = "import jax.numpy, test_interop as t; [t.share(jax.numpy, d) for d in t.DTYPES if d.itemsize < 8]"
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True, timeout=120
    )


def share(other: Any, dtype: us.dtype) -> bool:
    """Pass a tensor to another library and back; whether it is the same memory."""
    ours = us.arange(6).to(dtype).reshape(2, 3)
    theirs = other.from_dlpack(ours)
    assert theirs.tolist() == ours.tolist()
    back = us.from_dlpack(theirs)
    assert back.dtype is dtype
    assert us.equal(back, ours)
    assert us.equal(us.from_dlpack(interop.to_dlpack(ours)), ours)
    return bool(back.data_ptr() == ours.data_ptr())
