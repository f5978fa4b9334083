"""Steps that are met rarely: of empty batches, with modules first imported in them, in other orders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import unspool as us
import unspool.nn.functional as F
from unspool import nn, optim


def test_an_empty_batch_goes_through_a_captured_step() -> None:
    model = nn.Linear(3, 2)
    step = us.compile(lambda x, y: F.cross_entropy(model(x), y, reduction="sum"))
    for _ in range(3):
        assert step(us.zeros(0, 3), us.zeros(0, dtype=us.int64)).item() == 0
    assert step.cache_info().misses == 1
    x, y = us.randn(4, 3), us.tensor([0, 1, 1, 0])
    assert us.equal(step(x, y), F.cross_entropy(model(x), y, reduction="sum"))


DRAWS = {
    "named in the step": "lambda x: x * np.random.rand()",
    "hidden in a call": "lambda x: x * elsewhere.draw()",
}


@pytest.mark.parametrize("step", DRAWS.values(), ids=list(DRAWS))
def test_numpys_random_numbers_are_noticed_though_the_step_is_the_first_to_import_them(
    step: str, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.py").write_text(
        "import numpy\ndef draw():\n    return float(getattr(numpy, 'ran' + 'dom').rand())\n"
    )
    script = f"""
import sys
import numpy as np
import elsewhere
import unspool as us
assert "numpy.random" not in sys.modules
step = us.compile({step})
for _ in range(2):
    try:
        step(us.ones(3))
    except us.CaptureError as error:
        print("numpy.random" in str(error))
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("True\nTrue\n", "")


def test_a_chain_is_planned_when_gradients_have_gone_into_updates() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = optim.SGD(model.parameters(), 0.1)
    for size in (5, 5, 7):  # 7: measured anew
        y = us.checkpoint_sequential(model, us.randn(size, 3), memory_budget="1 MB")
        y.sum().backward(step=optimizer)
    with pytest.raises(RuntimeError, match="used by backward"):
        assert model[0].weight.grad
