"""``unspool.recursive_step``: a whole step by C++ recursion, with the bits of the loop."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import unspool as us
import unspool.nn.functional as F
from builds import unsanitized
from unspool import nn, optim

Case = tuple[Callable[[], nn.Module], Callable[..., us.Tensor], Callable[[], tuple[us.Tensor, ...]]]


def deep() -> nn.Module:
    return nn.Sequential(
        *(layer for _ in range(20) for layer in (nn.Linear(8, 8), nn.Tanh())), nn.Linear(8, 3)
    )


def convolutional() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.LayerNorm(36), nn.GELU()),
        *(nn.Dropout(0.25), nn.Linear(36, 3)),
    )


def regression() -> tuple[us.Tensor, ...]:
    return us.randn(16, 8), us.randn(16, 3)


def classes() -> tuple[us.Tensor, ...]:
    return us.randn(16, 8), us.randint(0, 3, (16,))


def images() -> tuple[us.Tensor, ...]:
    return us.randn(6, 1, 8, 8), us.randint(0, 3, (6,))


CASES: dict[str, Case] = {
    "deep, squares": (deep, F.mse_loss, regression),
    "deep, classes": (deep, F.cross_entropy, classes),
    "weighted": (deep, nn.CrossEntropyLoss(weight=us.tensor([1.0, 2.0, 0.5])), classes),
    "convolutional": (convolutional, F.cross_entropy, images),
    "inputs first": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), F.cross_entropy, images),
    "squared value": (lambda: nn.Linear(8, 3), lambda y, t: (y * y - t).square().mean(), regression),
    "softplus": (lambda: nn.Sequential(nn.Linear(8, 3), nn.Softplus()), F.l1_loss, regression),
}
OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.05),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=1e-2),
    "adamw": lambda p: optim.AdamW(p, lr=1e-2, amsgrad=True),
    "rmsprop": lambda p: optim.RMSprop(p, lr=1e-3, centered=True, momentum=0.5),
    "adagrad": lambda p: optim.Adagrad(p, lr=1e-2, lr_decay=0.1),
    "adadelta": lambda p: optim.Adadelta(p),
    "adamax": lambda p: optim.Adamax(p),
    "nadam": lambda p: optim.NAdam(p),
    "radam": lambda p: optim.RAdam(p),
    "asgd": lambda p: optim.ASGD(p),
    "rprop": lambda p: optim.Rprop(p),
}


def assert_same_course(
    case: str, make: Callable[[Any], optim.Optimizer], update: Any, steps: int = 6
) -> None:
    build, loss_fn, data = CASES[case]
    us.manual_seed(1)
    looped = build()
    recursed = copy.deepcopy(looped)
    optimizer, own = make(looped.parameters()), make(recursed.parameters())
    step = us.recursive_step(recursed, loss_fn, own, update=update)
    for i in range(steps):
        batch = data()
        us.manual_seed(i)
        optimizer.zero_grad()
        loss = loss_fn(looped(batch[0]), *batch[1:])
        loss.backward()
        optimizer.step()
        us.manual_seed(i)
        found = step(*batch)
        assert found.item() == loss.item()
        for (name, a), b in zip(looped.named_parameters(), recursed.parameters(), strict=True):
            assert us.equal(a, b), f"{name} after step {i}"
            assert b.grad is None


@pytest.mark.parametrize("update", ["unwinding", "after"])
@pytest.mark.parametrize("case", CASES)
def test_losses_and_weights_have_the_bits_of_the_loop(case: str, update: str) -> None:
    assert_same_course(case, OPTIMIZERS["momentum"], update)


@pytest.mark.parametrize("update", ["unwinding", "after"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_of_the_core(name: str, update: str) -> None:
    assert_same_course("deep, classes", OPTIMIZERS[name], update)


def test_groups_schedules_and_frozen_layers() -> None:
    def make(model: nn.Sequential) -> tuple[optim.Optimizer, Any]:
        model[0].weight.requires_grad_(False)
        groups = [
            {"params": [model[0].bias, *model[2].parameters()], "lr": 0.1},
            {"params": [p for layer in list(model)[3:] for p in layer.parameters()], "momentum": 0.5},
        ]
        optimizer = optim.SGD(groups, lr=0.01)
        return optimizer, optim.lr_scheduler.StepLR(optimizer, 2, 0.3)

    us.manual_seed(0)
    a = deep()
    b = copy.deepcopy(a)
    (opt_a, plan_a), (opt_b, plan_b) = make(a), make(b)
    step = us.recursive_step(b, F.mse_loss, opt_b)
    for _ in range(7):
        x, t = regression()
        opt_a.zero_grad()
        F.mse_loss(a(x), t).backward()
        opt_a.step()
        step(x, t)
        plan_a.step()
        plan_b.step()
    assert all(us.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert len(step) == 6  # calls: of 44 operations, eight in each, because all layers are small


def test_a_change_of_mode_shape_or_weights_is_noticed() -> None:
    us.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    step = us.recursive_step(model, F.mse_loss, optim.SGD(model.parameters(), lr=0.0))
    x, t = us.randn(8, 4), us.randn(8, 1)
    first, second = step(x, t).item(), step(x, t).item()
    assert first != second  # another mask
    model.eval()
    assert step(x, t).item() == step(x, t).item() == F.mse_loss(model(x), t).item()
    assert step(x[:3], t[:3]).item() == F.mse_loss(model(x[:3]), t[:3]).item()
    model[0] = nn.Linear(4, 4)
    with pytest.raises(RuntimeError, match="in no group of the optimizer"):
        step(x, t)


@unsanitized
def test_frames_move_to_the_heap() -> None:
    model = nn.Sequential(*[nn.Tanh()] * 80_000, nn.Linear(4, 1))
    step = us.recursive_step(nn.Sequential(nn.Linear(4, 4), model), F.mse_loss, optim.SGD(model.parameters()))
    with pytest.raises(RuntimeError, match="in no group"):
        step(us.randn(2, 4), us.randn(2, 1))
    whole = nn.Sequential(nn.Linear(4, 4), model)
    reference = copy.deepcopy(whole)
    step = us.recursive_step(whole, F.mse_loss, optim.SGD(whole.parameters(), lr=0.1))
    x, t = us.randn(2, 4), us.randn(2, 1)
    loss = F.mse_loss(reference(x), t)
    loss.backward()
    assert step(x, t).item() == loss.item()
    use = step.stack_use()
    assert use.frames > 10_000
    assert use.heap_frames > 5_000
    assert 50 < use.frame_bytes < 1000
    for p, q in zip(reference.parameters(), whole.parameters(), strict=True):
        assert us.equal(p - 0.1 * p.grad, q)


class Skip(nn.Module):
    def forward(self, x: us.Tensor) -> us.Tensor:
        return x + x.tanh()


class Detaching(nn.Module):
    def forward(self, x: us.Tensor) -> us.Tensor:
        return x * x.detach().abs()


class Deciding(nn.Module):
    def forward(self, x: us.Tensor) -> us.Tensor:
        return x * 2 if x.sum() > 0 else x


class Constant(nn.Module):
    def forward(self, x: us.Tensor) -> us.Tensor:
        return x * us.tensor([1.0, 2.0, 3.0, 4.0])


class TwoStrands(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(us.ones(4))

    def forward(self, x: us.Tensor) -> us.Tensor:
        return x * self.scale.exp()


REFUSED = {
    "skip": (Skip, "'1' reads a value from further back"),
    "detach": (Detaching, "'1' reads a value of the step past the tape"),
    "decision": (Deciding, "looks at values"),
    "constant": (Constant, "neither an argument nor a parameter"),
    "strands": (TwoStrands, "second strand"),
    "prelu": (nn.PReLU, "'1' begins a second strand"),
    "batch norm": (lambda: nn.BatchNorm1d(4), "'1' changes a tensor in place"),
    "in place": (lambda: nn.ReLU(inplace=True), "'1' changes a tensor in place"),
}


@pytest.mark.parametrize("which", REFUSED)
def test_what_is_no_chain_is_refused_by_name(which: str) -> None:
    make, message = REFUSED[which]
    model = nn.Sequential(nn.Linear(4, 4), make(), nn.Linear(4, 1))
    before = [p.clone() for p in model.parameters()]
    step = us.recursive_step(model, F.mse_loss, optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(RuntimeError, match=message):
        step(us.ones(2, 4), us.ones(2, 1))
    assert all(us.equal(p, q) for p, q in zip(before, model.parameters(), strict=True))


def test_other_refusals() -> None:
    model = nn.Linear(3, 3)
    sgd = optim.SGD(model.parameters(), lr=0.1)
    x = us.ones(2, 3)
    tied = nn.Sequential(model, nn.Tanh(), model)
    with pytest.raises(RuntimeError, match="'2' uses a parameter a second time"):
        us.recursive_step(tied, F.mse_loss, sgd)(x, x)
    smoothed = nn.CrossEntropyLoss(label_smoothing=0.1)  # sums two terms that both read the logarithms
    with pytest.raises(RuntimeError, match="must be a chain"):
        us.recursive_step(model, smoothed, sgd)(x, us.tensor([0, 1]))
    with pytest.raises(RuntimeError, match="must be a single number"):
        us.recursive_step(model, lambda y: y * 2, sgd)(x)
    with pytest.raises(RuntimeError, match="argument 0 requires a gradient"):
        us.recursive_step(model, F.mse_loss, sgd)(us.ones(2, 3, requires_grad=True), x)
    with pytest.raises(NotImplementedError, match="LBFGS"):
        us.recursive_step(model, F.mse_loss, optim.LBFGS(model.parameters()))
    with pytest.raises(TypeError, match="model must be a Module"):
        us.recursive_step(lambda x: x, F.mse_loss, sgd)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'unwinding' or 'after'"):
        us.recursive_step(model, F.mse_loss, sgd, update="now")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="no step has been run"):
        us.recursive_step(model, F.mse_loss, sgd).stack_use()
    step = us.recursive_step(model, F.mse_loss, sgd)
    with pytest.raises(us.CaptureError, match=r"outside of unspool\.compile"):
        us.compile(lambda a, b: step(a, b))(x, x)
    model.weight.register_hook(lambda g: g)
    with pytest.raises(RuntimeError, match="gradient hooks"):
        us.recursive_step(model, F.mse_loss, sgd)(x, x)


def test_a_wrong_class_changes_nothing() -> None:
    model = nn.Linear(3, 3)
    step = us.recursive_step(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.1))
    step(us.ones(2, 3), us.tensor([0, 2]))
    before = model.weight.clone()
    with pytest.raises(IndexError, match="target 7"):
        step(us.ones(2, 3), us.tensor([0, 7]))
    assert us.equal(before, model.weight)
