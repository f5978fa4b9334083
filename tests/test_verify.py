"""verify(): planted faults are found and named, right programs pass and compute the same bits."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from verify_faults import FAULTS, leaf

import unspool as us
from unspool import _verify, nn
from unspool.autograd import Function


def test_there_are_thirty_faults() -> None:
    assert len(FAULTS) >= 30


@pytest.mark.parametrize("dtype", [us.float32, us.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_found(name: str, dtype: Any) -> None:
    us.manual_seed(11)
    before = us.get_default_dtype()
    us.set_default_dtype(dtype)
    try:
        with us.verify(), pytest.raises(us.GradientError) as caught:
            FAULTS[name]().backward()
    finally:
        us.set_default_dtype(before)
    error = caught.value
    assert np.isfinite([error.analytic, error.numerical]).all()
    assert abs(error.analytic - error.numerical) > 1e-6 * abs(error.numerical)
    assert f"{error.analytic:.10g}" in str(error)
    assert f"{error.numerical:.10g}" in str(error)
    assert error.operation in str(error)
    assert error.argument in str(error)


def test_error_names_module_operation_argument_and_both_numbers() -> None:
    class Cube(Function):
        @staticmethod
        def forward(ctx: Any, base: Any) -> Any:
            ctx.save_for_backward(base)
            return base**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (base,) = ctx.saved_tensors
            return g * 2 * base**2

    class Cubed(nn.Module):
        def forward(self, x: Any) -> Any:
            return Cube.apply(x)

    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(Cubed()))
    with (
        us.verify(),
        pytest.raises(us.GradientError, match=r"Cube in module '1\.0': .*'base' \(5×4\)") as caught,
    ):
        model(us.randn(5, 3)).sum().backward()
    error = caught.value
    assert (error.module, error.operation) == ("1.0", "Cube")
    assert error.analytic / error.numerical == pytest.approx(2 / 3, rel=1e-6)


def model_with_everything() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.4),
        nn.Linear(27, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 4),
    )  # fmt: skip


def trained(verifies: bool) -> tuple[Any, ...]:
    us.manual_seed(5)
    model = model_with_everything()
    optimizer = us.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(4):
        x, y = us.randn(6, 1, 8, 8), us.randint(0, 4, (6,))
        with us.verify() if verifies else contextlib.nullcontext():
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    state = {name: value.tolist() for name, value in model.state_dict().items()}
    return losses, state, us.get_rng_state().tolist()


def test_training_computes_the_same_bits_random_numbers_and_statistics() -> None:
    assert trained(True) == trained(False)


def test_numpys_and_pythons_random_numbers_are_left_alone() -> None:
    import random

    class Noisy(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.factor = float(np.random.rand()) + random.random() + float(us.rand(()))
            return x * ctx.factor

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.factor

    def drawn(verifies: bool) -> list[float]:
        np.random.seed(0)
        random.seed(0)
        us.manual_seed(0)
        with us.verify() if verifies else contextlib.nullcontext():
            x = us.ones(3, requires_grad=True)
            (Noisy.apply(x) * Noisy.apply(x)).sum().backward()
        return [*x.grad.tolist(), np.random.rand(), random.random(), us.rand(()).item()]

    assert drawn(True) == drawn(False)


def test_kinks_and_ties_are_no_faults() -> None:
    zeros = us.zeros(4, 3, requires_grad=True)
    ones = us.ones(4, 3, requires_grad=True)
    with us.verify() as verifier:
        (us.relu(zeros) + zeros.abs() + us.maximum(ones, ones)).sum().backward()
        ones.amax(1).sum().backward()
        nn.functional.max_pool1d(ones[None], 3).sum().backward()
        nn.functional.l1_loss(zeros, us.zeros(4, 3)).backward()
        us.clamp(ones, 0.0, 1.0).sum().backward()
        zeros.floor().sum().backward()
    assert verifier.checked >= 10


def test_integers_masks_and_changes_in_place_are_no_faults() -> None:
    with us.verify() as verifier:
        table, x = leaf(7, 3), leaf(5, 3)
        rows = nn.functional.embedding(us.tensor([1, 2, 2, 0, 6]), table, padding_idx=2)
        hidden = rows * x
        hidden[1:3].mul_(x[1:3])
        hidden[0] = 0.0
        hidden.masked_fill_(us.tensor([True, False, True]), 0.5).add_(x).exp_()
        target = us.tensor([0, 2, -100, 1, 1])
        nn.functional.cross_entropy(hidden, target, ignore_index=-100).backward()
    assert verifier.checked >= 8


def test_other_ways_to_train_are_no_faults() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = us.optim.SGD(model.parameters(), 0.1)
    step = us.compile(lambda x: model(x).sum())
    concentration = us.ones(4, requires_grad=True)
    with us.verify() as verifier:
        model(us.randn(5, 3)).square().mean().backward(step=optimizer)
        by_one = verifier.checked
        model(us.randn(5, 3)).square().mean().backward(engine="recursive")
        assert verifier.checked == 2 * by_one
        us.distributions.Gamma(concentration, 1.0).rsample().sum().backward()
        for _ in range(3):
            step(us.randn(5, 3)).backward()


def test_another_thread_is_not_looked_at() -> None:
    with us.verify() as verifier:
        loss = FAULTS["wrong_sign"]()
        thread = threading.Thread(target=loss.backward)
        thread.start()
        thread.join()
        assert verifier.checked == 0
        (leaf(3) * 2).sum().backward()
    assert verifier.checked >= 2


def test_second_derivatives_are_checked_too() -> None:
    x = leaf(4)
    with us.verify() as verifier:
        (slope,) = us.autograd.grad(us.sin(x).sum(), x, create_graph=True)
        first = verifier.checked
        (slope * slope).sum().backward()
    assert verifier.checked > first


def compared_modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names of the arguments of modules that are compared as a whole, by what messages call the module."""
    found: dict[str, list[str]] = {}
    check = _verify.check_rule

    def noted(case: Any, rng: Any) -> bool:
        if "module" in case.operation or "all" in case.operation:
            found[case.operation] = [case.names[i] for i in case.places]
        return check(case, rng)

    monkeypatch.setattr(_verify, "check_rule", noted)
    return found


def test_modules_are_compared_as_a_whole_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared_modules(monkeypatch)
    model = nn.Sequential(
        nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 4), nn.Elementwise(us.sin, us.cos)), nn.Linear(4, 2)
    )
    with us.verify():
        model(us.randn(5, 3)).sum().backward()
    assert found == {
        "module '1'": ["input of linear in 0", "0.weight", "0.bias"],
        "all that was unwound": ["0.weight", "0.bias", "1.0.weight", "1.0.bias", "2.weight", "2.bias"],
    }


def test_modules_that_run_twice_or_share_inputs_are_no_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared_modules(monkeypatch)

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

        def forward(self, x: Any) -> Any:
            y = self.inner(x)
            return self.inner(y * x) + y + x

    with us.verify():
        (Twice()(leaf(5, 4)) ** 2).mean().backward()
    assert set(found) == {"module 'inner.0'", "module 'inner.1'", "module 'inner'", "all that was unwound"}


def test_a_wrong_sum_in_a_module_names_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    add = _verify.Unwound.add

    def doubled(self: Any, node: Any, case: Any, scope: str, cotangents: Any, grads: Any) -> None:
        """Pretend that the engine passed on twice what the first layer's rules gave."""
        is_first = scope == "1.0"
        grads = [None if g is None else g * 2 if is_first else g for g in grads]
        add(self, node, case, scope, cotangents, grads)

    monkeypatch.setattr(_verify.Unwound, "add", doubled)
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 4), nn.Tanh()))
    with us.verify(), pytest.raises(us.GradientError, match=r"module '1': .* of argument '.*'") as caught:
        model(us.randn(5, 3)).sum().backward()
    assert caught.value.analytic == pytest.approx(2 * caught.value.numerical, rel=1e-3)


def test_hooks_may_be_let_through() -> None:
    for name in ("tensor_hook_that_scales", "module_backward_hook_that_shifts"):
        with us.verify(hooks=False):
            FAULTS[name]().backward()


def test_hooks_that_only_look_are_no_faults() -> None:
    seen: list[Any] = []
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    model[1].register_full_backward_hook(lambda module, given, arrived: seen.append(given[0].sum().item()))
    model[0].weight.register_hook(lambda g: seen.append(g))
    with us.verify():
        model(us.randn(5, 3)).sum().backward()
    assert len(seen) == 2


def test_functions_and_operations_can_be_exempt() -> None:
    class Rounded(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return us.round(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = leaf(4)
    with pytest.raises(us.GradientError, match="Rounded"), us.verify():
        Rounded.apply(x).sum().backward()
    with us.verify(exempt=[Rounded, "sum"]) as verifier:
        Rounded.apply(x).sum().backward()
    assert verifier.checked == 0
    with pytest.raises(TypeError, match="exempt takes Function classes and names of operations"):
        us.verify(exempt=[nn.Linear])  # type: ignore[list-item]


def test_what_cannot_be_repeated_is_said() -> None:
    class Counting(Function):
        calls = [0]  # noqa: RUF012

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            Counting.calls[0] += 1
            return x * Counting.calls[0]

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    with us.verify(), pytest.warns(UserWarning, match="Counting gives different results for equal arguments"):
        Counting.apply(leaf(3)).sum().backward()


def test_blocks_are_not_nested_and_end_after_an_error() -> None:
    with us.verify(), pytest.raises(RuntimeError, match="need not be nested"), us.verify():
        pass
    with pytest.raises(us.GradientError), us.verify():
        FAULTS["wrong_sign"]().backward()
    FAULTS["wrong_sign"]().backward()


def test_what_was_recorded_before_the_block_is_not_checked() -> None:
    loss = FAULTS["wrong_sign"]()
    with us.verify() as verifier:
        loss.backward()
    assert verifier.checked == 0


SCRIPT = """
import sys
import unspool as us
class Square(us.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * float(sys.argv[1]) * x
x = us.tensor([1.0, 2.0], requires_grad=True)
Square.apply(x).sum().backward()
print("unwound", __name__)
"""


def test_command_runs_a_script_and_names_the_line(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(SCRIPT, encoding="utf-8")

    def run(*args: str) -> Any:
        command = [sys.executable, "-m", "unspool.verify", *args]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    right = run(str(script), "2")
    assert right.returncode == 0, right.stderr
    assert right.stdout == "unwound __main__\n"
    assert right.stderr == "verify: 3 gradients compared, none is wrong\n"
    wrong = run(str(script), "3")
    assert wrong.returncode == 1
    assert "GradientError: Square: wrong gradient of argument 'x' (2)" in wrong.stderr
    assert f"unwound at {script}:14" in wrong.stderr
    assert run(str(tmp_path / "none.py")).returncode == 2


def test_imported_as_a_module_it_is_still_callable() -> None:
    code = "import unspool, unspool.verify\nwith unspool.verify() as v: print(type(v).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "verify\n"
