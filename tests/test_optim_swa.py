"""Averages of weights, and the schedule that goes with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.optim import swa_utils


def averages_of(values: list[float], **options: Any) -> list[float]:
    model = us.nn.Linear(1, 1, bias=False)
    averaged = swa_utils.AveragedModel(model, **options)
    seen = []
    for value in values:
        with us.no_grad():
            model.weight.fill_(value)
        averaged.update_parameters(model)
        seen.append(averaged.module.weight.item())
    assert averaged.n_averaged.item() == len(values)
    return seen


@pytest.mark.parametrize("options", [{}, {"avg_fn": swa_utils.get_swa_avg_fn()}])
def test_equal_weights_give_the_mean(options: dict[str, Any]) -> None:
    values = [1.0, 4.0, 10.0, -3.0]
    means = [np.mean(values[: i + 1]) for i in range(4)]
    np.testing.assert_allclose(averages_of(values, **options), means, rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{"avg_fn": swa_utils.get_ema_avg_fn(0.75)}, {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.75)}],
)
def test_exponential_weights_start_from_the_first_value(options: dict[str, Any]) -> None:
    assert averages_of([1.0, 2.0, 4.0], **options) == [1.0, 1.25, 1.9375]


def test_the_copy_is_apart_from_the_model_and_runs_like_it() -> None:
    model = us.nn.Sequential(us.nn.Linear(3, 2), us.nn.Tanh())
    averaged = swa_utils.AveragedModel(model)
    assert sorted(averaged.state_dict()) == ["module.0.bias", "module.0.weight", "n_averaged"]
    x = us.randn(5, 3)
    assert us.equal(averaged(x), model(x))
    with us.no_grad():
        model[0].weight.zero_()
    assert not us.equal(averaged(x), model(x))


def test_buffers_are_copied_or_averaged() -> None:
    model = us.nn.Linear(1, 1)
    model.register_buffer("seen", us.tensor(2.0))
    copied, mean = swa_utils.AveragedModel(model), swa_utils.AveragedModel(model, use_buffers=True)
    for value in (2.0, 4.0):
        model.seen.fill_(value)
        copied.update_parameters(model)
        mean.update_parameters(model)
    assert copied.module.seen.item() == 4.0
    assert mean.module.seen.item() == 3.0


def test_update_bn_takes_the_statistics_of_one_pass() -> None:
    model = us.nn.Sequential(us.nn.BatchNorm1d(2), us.nn.Linear(2, 1)).eval()
    batches = [us.randn(8, 2) + i for i in range(3)]
    swa_utils.update_bn([(batch, us.zeros(8)) for batch in batches], model)
    mean = us.stack([batch.mean(0) for batch in batches]).mean(0)
    np.testing.assert_allclose(model[0].running_mean.numpy(), mean.numpy(), rtol=1e-5)
    assert model[0].momentum == 0.1
    assert not model.training


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("linear", [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]), ("cos", [1.0, 0.853553, 0.5, 0.146447, 0.0, 0.0])],
)
def test_the_schedule_anneals_to_its_rate_and_stays(strategy: str, expected: list[float]) -> None:
    optimizer = us.optim.SGD([us.nn.Parameter(us.ones(1))], lr=1.0)
    schedule = swa_utils.SWALR(optimizer, swa_lr=0.0, anneal_epochs=4, anneal_strategy=strategy)  # type: ignore[arg-type]
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(rates, expected, atol=1e-6)


def test_what_makes_no_sense_is_refused() -> None:
    model = us.nn.Linear(1, 1)
    optimizer = us.optim.SGD(model.parameters(), lr=1.0)
    with pytest.raises(ValueError, match="Invalid decay"):
        swa_utils.get_ema_avg_fn(1.5)
    with pytest.raises(ValueError, match="anneal_strategy"):
        swa_utils.SWALR(optimizer, 0.1, anneal_strategy="steps")
    with pytest.raises(ValueError, match="anneal_epochs"):
        swa_utils.SWALR(optimizer, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="same length"):
        swa_utils.SWALR(optimizer, [0.1, 0.2])
    with pytest.raises(AssertionError, match="Only one"):
        swa_utils.AveragedModel(model, avg_fn=max, multi_avg_fn=max)  # type: ignore[arg-type]
