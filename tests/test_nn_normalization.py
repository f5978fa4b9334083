"""Normalization modules: running statistics, state, modes, and what their constructors refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn import functional as F


def batch(*shape: int, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).normal(2.0, 3.0, shape)
    return us.from_numpy(values.astype(np.float32))


def test_running_statistics_follow_the_batches_with_momentum() -> None:
    norm = nn.BatchNorm2d(3, momentum=0.25)
    mean, var = np.zeros(3), np.ones(3)
    for seed in range(3):
        x = batch(4, 3, 5, 6, seed=seed)
        norm(x)
        values = x.numpy().astype(np.float64)
        mean = 0.75 * mean + 0.25 * values.mean(axis=(0, 2, 3))
        var = 0.75 * var + 0.25 * values.var(axis=(0, 2, 3), ddof=1)
    np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), var, rtol=1e-5)
    assert int(norm.num_batches_tracked) == 3


def test_without_momentum_running_statistics_are_the_average_over_all_batches() -> None:
    norm = nn.BatchNorm1d(4, momentum=None)
    batches = [batch(16, 4, seed=seed) for seed in range(5)]
    for x in batches:
        norm(x)
    means = np.mean([x.numpy().mean(axis=0) for x in batches], axis=0)
    variances = np.mean([x.numpy().var(axis=0, ddof=1) for x in batches], axis=0)
    np.testing.assert_allclose(norm.running_mean.numpy(), means, rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), variances, rtol=1e-5)


def test_evaluation_uses_the_running_statistics_and_leaves_them() -> None:
    norm = nn.BatchNorm1d(3)
    norm(batch(8, 3))
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    norm.eval()
    x = batch(5, 3, seed=1)
    expected = (x.numpy() - before["running_mean"].numpy()) / np.sqrt(before["running_var"].numpy() + 1e-5)
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert all(us.equal(v, before[k]) for k, v in norm.state_dict().items())


def test_without_running_statistics_evaluation_uses_the_batch() -> None:
    norm = nn.BatchNorm1d(3, track_running_stats=False)
    x = batch(8, 3)
    trained = norm(x)
    assert us.equal(norm.eval()(x), trained)
    assert list(norm.state_dict()) == ["weight", "bias"]


def test_strided_running_statistics_are_updated_in_place() -> None:
    x, storage = batch(6, 3), us.zeros(3, 2)
    mean, var = storage[:, 0], us.ones(3, 2)[:, 1]
    F.batch_norm(x, mean, var, training=True, momentum=1.0)
    np.testing.assert_allclose(storage[:, 0].numpy(), x.numpy().mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(var.numpy(), x.numpy().var(axis=0, ddof=1), rtol=1e-5)


def test_an_empty_batch_leaves_running_statistics() -> None:
    mean, var = us.zeros(3), us.ones(3)
    assert F.batch_norm(us.zeros(0, 3), mean, var, training=True).shape == (0, 3)
    assert us.equal(mean, us.zeros(3))
    assert us.equal(var, us.ones(3))


def test_instance_norm_tracks_the_mean_over_instances() -> None:
    norm = nn.InstanceNorm1d(2, track_running_stats=True, momentum=1.0)
    x = batch(3, 2, 7)
    norm(x)
    np.testing.assert_allclose(norm.running_mean.numpy(), x.numpy().mean(axis=(0, 2)), rtol=1e-5)
    variances = x.numpy().var(axis=2, ddof=1).mean(axis=0)
    np.testing.assert_allclose(norm.running_var.numpy(), variances, rtol=1e-5)
    y = norm.eval()(x)
    expected = (x.numpy() - norm.running_mean.numpy()[:, None]) / np.sqrt(variances[:, None] + 1e-5)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_state_of_a_batch_norm_has_the_usual_names() -> None:
    state = nn.BatchNorm2d(3).state_dict()
    assert list(state) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert state["num_batches_tracked"].dtype == us.int64
    assert list(nn.InstanceNorm2d(3).state_dict()) == []
    assert list(nn.LayerNorm(3).state_dict()) == ["weight", "bias"]


def test_a_state_without_a_count_is_of_version_1_and_loads() -> None:
    state = nn.BatchNorm1d(3).state_dict()
    del state["num_batches_tracked"]
    state._metadata.clear()
    nn.BatchNorm1d(3).load_state_dict(state)


def test_conversion_to_sync_batch_norm_keeps_parameters() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4)))
    weight = net[1][0].weight
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert isinstance(converted[1][0], nn.SyncBatchNorm)
    assert converted[1][0].weight is weight


@pytest.mark.parametrize(
    ("text", "module"),
    [
        (
            "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
            lambda: nn.BatchNorm1d(3),
        ),
        ("LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)", lambda: nn.LayerNorm(3)),
        ("GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)", lambda: nn.GroupNorm(2, 4)),
        ("RMSNorm((3,), eps=None, elementwise_affine=True)", lambda: nn.RMSNorm(3)),
        ("LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1.0)", lambda: nn.LocalResponseNorm(2)),
    ],
)
def test_repr(text: str, module: Any) -> None:
    assert repr(module()) == text


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: nn.BatchNorm1d(3)(us.ones(2, 3, 4, 5)), ValueError, "2D or 3D"),
        (lambda: nn.BatchNorm2d(3)(us.ones(2, 3)), ValueError, "4D"),
        (lambda: nn.BatchNorm3d(3)(us.ones(2, 3)), ValueError, "5D"),
        (lambda: nn.BatchNorm1d(3)(us.ones(1, 3)), ValueError, "more than 1 value"),
        (lambda: nn.BatchNorm1d(3)(us.ones(2, 4)), RuntimeError, "4"),
        (lambda: nn.InstanceNorm2d(3)(us.ones(3)), ValueError, "3D or 4D"),
        (lambda: nn.InstanceNorm2d(3, affine=True)(us.ones(2, 4, 2, 2)), ValueError, "num_features"),
        (lambda: nn.GroupNorm(2, 3), ValueError, "divisible"),
        (lambda: nn.SyncBatchNorm(3, process_group=object()), NotImplementedError, "process_group"),
        (lambda: nn.LocalResponseNorm(2)(us.ones(2, 3)), ValueError, "3D"),
    ],
)
def test_refusals(run: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        run()


def test_a_constant_row_with_large_values_is_normalized_to_zero() -> None:
    x = us.full((2, 50), 1e4)
    assert us.equal(F.layer_norm(x, (50,)), us.zeros(2, 50))


def test_a_large_common_offset_does_not_drown_the_deviations() -> None:
    small = np.random.default_rng(0).normal(size=(64, 40))
    x = us.from_numpy((small + 1000.0).astype(np.float32))
    exact = x.numpy().astype(np.float64)
    exact = (exact - exact.mean(axis=0)) / np.sqrt(exact.var(axis=0) + 1e-5)
    np.testing.assert_allclose(F.batch_norm(x, None, None, training=True).numpy(), exact, atol=2e-4)


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm"])
def test_third_derivatives_exist(norm: str) -> None:
    values = np.random.default_rng(0).normal(size=(4, 3))

    def slope(shift: float, order: int) -> float:
        x = us.from_numpy(values + shift * np.arange(12.0).reshape(4, 3) / 7).requires_grad_()
        y = F.layer_norm(x, (3,)) if norm == "layer_norm" else F.batch_norm(x, None, None, training=True)
        result = (y**3 * us.from_numpy(np.cos(np.arange(12.0)).reshape(4, 3))).sum()
        direction = us.from_numpy(np.arange(12.0).reshape(4, 3) / 7)
        for _ in range(order):
            (gradient,) = us.autograd.grad(result, x, create_graph=True)
            result = (gradient * direction).sum()
        return float(result)

    step = 1e-4
    measured = (slope(step, 2) - slope(-step, 2)) / (2 * step)
    assert slope(0.0, 3) == pytest.approx(measured, rel=1e-6)
