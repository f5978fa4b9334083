"""The surface of PyTorch that public scripts use: every name and call form, as expressions in a data file.

What does not work is listed, with a reason, in docs/compatibility.md. An expression that fails and is not
listed is a gap, one that is listed and works a stale entry; both fail here. The list is written anew by
`tools/list_gaps.py`.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unspool as us

ROOT = Path(__file__).resolve().parent.parent
SURFACE = json.loads((ROOT / "tests" / "data" / "api_surface.json").read_text(encoding="utf-8"))["surface"]
DOCUMENT = ROOT / "docs" / "compatibility.md"

IMPORTS = [
    "torch",
    "torch.nn",
    "torch.nn.functional",
    "torch.nn.init",
    "torch.nn.parallel",
    "torch.nn.utils",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.autograd",
    "torch.autograd.functional",
    "torch.backends.cudnn",
    "torch.distributed",
    "torch.distributions",
    "torch.distributions.categorical",
    "torch.onnx",
    "torch.utils.data",
    "torch.utils.data.dataloader",
    "torch.utils.data.sampler",
    "torch.utils.tensorboard",
]

pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="runs in a checkout of the sources only")


def listed() -> set[str]:
    """The expressions and modules that the document says do not work: first cells of its last table."""
    gaps = DOCUMENT.read_text(encoding="utf-8").partition("\n## Gaps in the surface\n")[2]
    return set(re.findall(r"^\| `([^`]+)` \|", gaps, re.MULTILINE))


def variables(torch: Any) -> dict[str, Any]:
    """What the expressions may use: float32, int64, bool and float64 tensors, a layer, an optimizer."""
    nn = torch.nn
    torch.manual_seed(0)
    linear = nn.Linear(4, 2)
    x = torch.tensor([[0.5, -1.0, 2.0, 0.25], [1.5, 0.75, -0.5, -2.0], [-0.25, 1.0, 0.125, 3.0]])

    def lossed(layer: Any) -> Any:
        layer.zero_grad()
        loss = (layer(x) ** 2).sum()
        loss.backward()
        return loss

    def stepped(optimizer: Any) -> Any:
        optimizer.zero_grad()
        lossed(linear)
        optimizer.step()
        return linear.weight

    def saved() -> Any:
        file = io.BytesIO()
        torch.save({"a": x}, file)
        file.seek(0)
        return file

    lossed(linear)
    return {
        "torch": torch,
        "nn": nn,
        "F": nn.functional,
        "np": np,
        "io": io,
        "x": x,
        "w": torch.ones(3, requires_grad=True),
        "i": torch.tensor([[0, 1], [2, 0]]),
        "j": torch.tensor([[0, 3], [1, 1], [2, 0]]),
        "y": torch.tensor([0, 2, 1]),
        "z": torch.tensor(2),
        "d": x.double(),
        "m": x > 0,
        "lin": linear,
        "sgd": torch.optim.SGD(linear.parameters(), lr=0.1),
        "lossed": lossed,
        "stepped": stepped,
        "saved": saved,
    }


CASES = sorted({form for names in SURFACE.values() for forms in names.values() for form in forms})


@pytest.mark.parametrize("form", CASES)
def test_the_call_form_works_or_is_listed(form: str) -> None:
    names = variables(us)
    failure = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            eval(form, names)
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    us.set_grad_enabled(True)
    assert (failure is not None) == (form in listed()), failure or "works now: take it off the list"


@pytest.mark.parametrize("name", IMPORTS)
def test_the_module_can_be_imported_or_is_listed(name: str) -> None:
    failure = None
    try:
        importlib.import_module(name.replace("torch", "unspool", 1))
    except ImportError as error:
        failure = str(error)
    assert (failure is not None) == (name in listed()), failure or "works now: take it off the list"


def test_the_list_holds_nothing_else() -> None:
    assert listed() - set(CASES) - set(IMPORTS) == set()
