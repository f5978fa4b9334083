"""Learning-rate schedules against their closed formulas, state, and checks."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import unspool as us
from unspool.optim import lr_scheduler as schedules

BASE = 0.5


def optimizer(name: str = "SGD", groups: int = 1, **options: Any) -> Any:
    params = [{"params": [us.nn.Parameter(us.ones(1))]} for _ in range(groups)]
    return getattr(us.optim, name)(params, lr=BASE, **options)


def rates(scheduler: Any, steps: int) -> list[float]:
    """The rates of steps 0 to ``steps``."""
    found = [scheduler.optimizer.param_groups[0]["lr"]]
    for _ in range(steps):
        scheduler.optimizer.step()
        scheduler.step()
        assert scheduler.get_last_lr()[0] == scheduler.optimizer.param_groups[0]["lr"]
        found.append(scheduler.get_last_lr()[0])
    return found


def triangle(step: int, up: int, down: int) -> float:
    """How high step is between the bounds of a cycle of up steps up and down steps down."""
    at = step % (up + down)
    return at / up if at <= up else 1 - (at - up) / down


def warm_restarts(step: int) -> float:
    """Cosine falls of 3, 6, 12, ... epochs."""
    length = 3
    while step >= length:
        step -= length
        length *= 2
    return 0.1 + (BASE - 0.1) * (1 + math.cos(math.pi * step / length)) / 2


def one_cycle(step: int) -> float:
    """Twenty steps, 30 % of them on the way up, all of it by half cosines."""
    low, high, last = 1.0 / 25, 1.0, 1.0 / 25 / 1e4
    top = 0.3 * 20 - 1
    start, end, share = (low, high, step / top) if step <= top else (high, last, (step - top) / (19 - top))
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


FORMULAS: list[tuple[str, dict[str, Any], Callable[[int], float]]] = [
    ("LambdaLR", {"lr_lambda": lambda e: 1 / (1 + e)}, lambda e: BASE / (1 + e)),
    ("MultiplicativeLR", {"lr_lambda": lambda e: 0.9}, lambda e: BASE * 0.9**e),
    ("StepLR", {"step_size": 4, "gamma": 0.5}, lambda e: BASE * 0.5 ** (e // 4)),
    (
        "MultiStepLR",
        {"milestones": [3, 3, 8], "gamma": 0.5},
        lambda e: BASE * 0.5 ** (2 * (e >= 3) + (e >= 8)),
    ),
    ("ConstantLR", {"factor": 0.25, "total_iters": 4}, lambda e: BASE * (0.25 if e < 4 else 1.0)),
    (
        "LinearLR",
        {"start_factor": 0.2, "end_factor": 0.8, "total_iters": 6},
        lambda e: BASE * (0.2 + 0.6 * min(e, 6) / 6),
    ),
    ("ExponentialLR", {"gamma": 0.8}, lambda e: BASE * 0.8**e),
    ("PolynomialLR", {"total_iters": 8, "power": 2.0}, lambda e: BASE * (1 - min(e, 8) / 8) ** 2),
    (
        "CosineAnnealingLR",
        {"T_max": 7, "eta_min": 0.1},
        lambda e: 0.1 + (BASE - 0.1) * (1 + math.cos(math.pi * e / 7)) / 2,
    ),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.1}, warm_restarts),
    (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.9, "step_size_up": 3, "step_size_down": 5, "cycle_momentum": False},
        lambda e: 0.1 + 0.8 * triangle(e, 3, 5),
    ),
    (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.9, "step_size_up": 4, "mode": "triangular2", "cycle_momentum": False},
        lambda e: 0.1 + 0.8 * triangle(e, 4, 4) / 2 ** (e // 8),
    ),
    (
        "CyclicLR",
        {
            "base_lr": 0.1,
            "max_lr": 0.9,
            "step_size_up": 4,
            "mode": "exp_range",
            "gamma": 0.9,
            "cycle_momentum": False,
        },
        lambda e: 0.1 + 0.8 * triangle(e, 4, 4) * 0.9**e,
    ),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20, "cycle_momentum": False}, one_cycle),
]


def describe(value: Any) -> str:
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(("name", "options", "formula"), FORMULAS, ids=describe)
def test_rates_follow_the_formula(
    name: str, options: dict[str, Any], formula: Callable[[int], float]
) -> None:
    scheduler = getattr(schedules, name)(optimizer(), **options)
    steps = 19
    assert rates(scheduler, steps) == pytest.approx(
        [formula(e) for e in range(steps + 1)], rel=1e-12, abs=1e-15
    )


@pytest.mark.parametrize(("name", "options", "formula"), FORMULAS, ids=describe)
def test_a_restored_schedule_continues_alike(
    name: str, options: dict[str, Any], formula: Callable[[int], float]
) -> None:
    first = getattr(schedules, name)(optimizer(), **options)
    rates(first, 5)
    second = getattr(schedules, name)(optimizer(), **options)
    second.optimizer.load_state_dict(pickle.loads(pickle.dumps(first.optimizer.state_dict())))
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    assert rates(first, 6) == rates(second, 6)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_one_cycle_moves_the_momentum_against_the_rate(name: str) -> None:
    opt = optimizer(name, **({"momentum": 0.9} if name == "SGD" else {}))
    scheduler = schedules.OneCycleLR(opt, 1.0, epochs=4, steps_per_epoch=5)

    def momentum() -> float:
        group = opt.param_groups[0]
        return float(group["momentum"] if name == "SGD" else group["betas"][0])

    found = [momentum()]
    for _ in range(19):
        opt.step()
        scheduler.step()
        found.append(momentum())
    assert (found[0], min(found), found[-1]) == pytest.approx((0.95, 0.85, 0.95))
    assert found.index(min(found)) == 5
    scheduler.step()
    with pytest.raises(ValueError, match="total steps is 20"):
        scheduler.step()


def test_plateau_waits_for_patience_and_cooldown() -> None:
    opt = optimizer(groups=2)
    scheduler = schedules.ReduceLROnPlateau(opt, factor=0.5, patience=1, cooldown=1, min_lr=[0.2, 0.0])
    found = []
    for loss in (1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9):
        opt.step()
        scheduler.step(us.tensor(loss))
        found.append(tuple(scheduler.get_last_lr()))
    assert [rate for _, rate in found] == [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.0625]
    assert found[-1][0] == 0.2


@pytest.mark.parametrize(
    ("mode", "threshold_mode", "value", "better"),
    [
        ("min", "rel", 0.95, False),
        ("min", "rel", 0.85, True),
        ("max", "rel", 1.05, False),
        ("max", "rel", 1.15, True),
        ("min", "abs", 0.95, False),
        ("min", "abs", 0.85, True),
        ("max", "abs", 1.05, False),
        ("max", "abs", 1.15, True),
    ],
)
def test_what_counts_as_an_improvement(mode: str, threshold_mode: str, value: float, better: bool) -> None:
    scheduler = schedules.ReduceLROnPlateau(optimizer(), mode, threshold=0.1, threshold_mode=threshold_mode)
    assert scheduler.is_better(value, 1.0) is better


def test_schedules_one_after_the_other_and_all_at_once() -> None:
    opt = optimizer()
    both = schedules.SequentialLR(
        opt, [schedules.ConstantLR(opt, 0.1, 2), schedules.ExponentialLR(opt, 0.9)], milestones=[3]
    )
    expected = [0.1, 0.1, 1.0, 1.0, 0.9, 0.81, 0.729]
    assert rates(both, 6) == pytest.approx([BASE * factor for factor in expected])
    opt = optimizer()
    chained = schedules.ChainedScheduler(
        [schedules.ConstantLR(opt, 0.1, 2), schedules.ExponentialLR(opt, 0.9)]
    )
    expected = [0.1, 0.09, 0.81, 0.729]
    assert rates(chained, 3) == pytest.approx([BASE * factor for factor in expected])
    other = schedules.ChainedScheduler([schedules.ConstantLR(opt, 0.1, 2), schedules.ExponentialLR(opt, 0.9)])
    other.load_state_dict(pickle.loads(pickle.dumps(chained.state_dict())))
    assert other.state_dict() == chained.state_dict()


def test_a_users_own_schedule_defines_get_lr() -> None:
    class Warmup(schedules._LRScheduler):
        def __init__(self, optimizer: Any, steps: int) -> None:
            self.steps = steps
            super().__init__(optimizer)

        def get_lr(self) -> list[float]:
            share = min(1.0, (self.last_epoch + 1) / self.steps)
            return [base * share for base in self.base_lrs]

    assert rates(Warmup(optimizer(), 4), 4) == pytest.approx([BASE * s for s in (0.25, 0.5, 0.75, 1.0, 1.0)])


def test_a_users_get_lr_can_tell_who_calls_it() -> None:
    class Halving(schedules.LRScheduler):
        def get_lr(self) -> list[float]:
            if not self._get_lr_called_within_step:
                raise RuntimeError("use get_last_lr()")
            return [base * 0.5**self.last_epoch for base in self.base_lrs]

    scheduler = Halving(optimizer())
    assert rates(scheduler, 2) == [BASE, BASE / 2, BASE / 4]
    assert scheduler.state_dict()["_get_lr_called_within_step"] is False
    with pytest.raises(RuntimeError, match="get_last_lr"):
        scheduler.get_lr()
    restarts = schedules.CosineAnnealingWarmRestarts(optimizer(), 3)
    assert restarts.state_dict()["_get_lr_called_within_step"] is False


def test_resuming_continues_after_the_given_step() -> None:
    opt = optimizer()
    opt.param_groups[0]["initial_lr"] = BASE
    scheduler = schedules.LambdaLR(opt, lambda e: 0.5**e, last_epoch=2)
    assert (scheduler.last_epoch, opt.param_groups[0]["lr"]) == (3, BASE * 0.125)


def test_a_rate_that_is_a_tensor_is_overwritten() -> None:
    rate = us.tensor(0.5)
    opt = us.optim.SGD([us.nn.Parameter(us.ones(1))], lr=rate)
    scheduler = schedules.ExponentialLR(opt, 0.5)
    opt.step()
    scheduler.step()
    assert opt.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25


def test_stepping_before_the_optimizer_gives_a_warning_once() -> None:
    scheduler = schedules.StepLR(optimizer(), 2)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
    with pytest.warns(UserWarning, match="epoch"):
        scheduler.step(7)
    assert scheduler.get_last_lr() == pytest.approx([BASE * 0.1**3])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: schedules.StepLR(us.nn.Linear(1, 1), 2), TypeError, "Linear is not an Optimizer"),
        (lambda: schedules.StepLR(optimizer(), 2, last_epoch=3), KeyError, "initial_lr"),
        (lambda: schedules.LRScheduler(optimizer()), NotImplementedError, "get_lr"),
        (lambda: schedules.LambdaLR(optimizer(), [abs, abs]), ValueError, "2 and 1"),
        (lambda: schedules.ConstantLR(optimizer(), factor=2.0), ValueError, "2.0"),
        (lambda: schedules.LinearLR(optimizer(), start_factor=0.0), ValueError, "0.0"),
        (lambda: schedules.LinearLR(optimizer(), end_factor=2.0), ValueError, "2.0"),
        (lambda: schedules.CosineAnnealingWarmRestarts(optimizer(), 0), ValueError, "T_0"),
        (lambda: schedules.CosineAnnealingWarmRestarts(optimizer(), 2, T_mult=0), ValueError, "T_mult"),
        (lambda: schedules.CosineAnnealingWarmRestarts(optimizer(), 2).step(-1), ValueError, "-1"),
        (lambda: schedules.CyclicLR(optimizer(), 0.1, 1.0, mode="square"), ValueError, "square"),
        (lambda: schedules.CyclicLR(optimizer("Adagrad"), 0.1, 1.0), ValueError, "Adagrad"),
        (lambda: schedules.OneCycleLR(optimizer(), 1.0), ValueError, "total_steps"),
        (lambda: schedules.OneCycleLR(optimizer(), 1.0, total_steps=-3), ValueError, "-3"),
        (lambda: schedules.OneCycleLR(optimizer(), 1.0, epochs=0, steps_per_epoch=3), ValueError, "epochs"),
        (lambda: schedules.OneCycleLR(optimizer(), 1.0, 9, pct_start=1.5), ValueError, "1.5"),
        (lambda: schedules.OneCycleLR(optimizer(), 1.0, 9, anneal_strategy="sin"), ValueError, "sin"),
        (lambda: schedules.ReduceLROnPlateau(optimizer(), factor=1.0), ValueError, "1.0"),
        (lambda: schedules.ReduceLROnPlateau(optimizer(), "best"), ValueError, "best"),
        (lambda: schedules.ReduceLROnPlateau(optimizer(), threshold_mode="near"), ValueError, "near"),
        (lambda: schedules.ReduceLROnPlateau(optimizer(), min_lr=[0.1, 0.1]), ValueError, "2 and 1"),
        (lambda: schedules.ChainedScheduler([]), ValueError, "at least one"),
        (lambda: schedules.SequentialLR(optimizer(), [], []), ValueError, "at least one"),
        (
            lambda: schedules.SequentialLR(optimizer(), [schedules.StepLR(optimizer(), 2)], []),
            ValueError,
            "same optimizer",
        ),
        (
            lambda: schedules.ChainedScheduler([schedules.ReduceLROnPlateau(optimizer())]),
            ValueError,
            "ReduceLROnPlateau",
        ),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()
