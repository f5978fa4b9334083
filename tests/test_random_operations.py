"""Operations that draw: dropout and bernoulli. Their streams are pinned elsewhere; here: rates, gradients."""

from __future__ import annotations

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_right_share_and_scales_it(p: float) -> None:
    us.manual_seed(0)
    result = F.dropout(us.ones(20000), p)
    kept = result.numpy() != 0
    assert abs(kept.mean() - (1 - p)) < 0.02
    np.testing.assert_allclose(result.numpy()[kept], 1 / (1 - p), rtol=1e-6)
    assert abs(result.mean().item() - 1) < 0.06


def test_dropout_does_nothing_when_not_training_or_when_p_is_zero() -> None:
    x = us.randn(50)
    assert F.dropout(x, 0.5, training=False).tolist() == x.tolist()
    assert F.dropout(x, 0.0).tolist() == x.tolist()
    assert F.dropout(x, 1.0).abs().sum().item() == 0
    assert F.dropout(us.ones(0), 0.5).numel() == 0


def test_dropout_passes_gradients_through_the_same_mask() -> None:
    x = us.ones(1000, dtype=us.float64, requires_grad=True)
    y = F.dropout(x * 3, 0.3)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.detach().numpy())
    (g,) = us.autograd.grad(F.dropout(x, 1.0).sum(), x)
    assert not g.numpy().any()


def test_the_same_seed_gives_the_same_mask_whatever_the_layout() -> None:
    x = us.ones(30, 40)
    us.manual_seed(5)
    first = F.dropout(x, 0.5).numpy().copy()
    us.manual_seed(5)
    second = F.dropout(us.ones(40, 30).t(), 0.5)
    assert (first != 0).any()
    us.manual_seed(5)
    np.testing.assert_array_equal(F.dropout(x, 0.5).numpy(), first)
    assert tuple(second.shape) == (30, 40)


def test_dropout_in_place() -> None:
    x = us.ones(1000)
    result = F.dropout(x, 0.5, inplace=True)
    assert result.data_ptr() == x.data_ptr()
    assert set(x.tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_refuses_a_probability_outside_the_unit_interval(p: float) -> None:
    with pytest.raises((ValueError, RuntimeError), match="dropout"):
        F.dropout(us.ones(3), p)


def test_bernoulli_draws_with_each_probability() -> None:
    us.manual_seed(1)
    p = us.tensor([0.0, 0.2, 0.5, 1.0]).expand(5000, 4)
    draws = us.bernoulli(p)
    assert draws.dtype == us.float32
    np.testing.assert_allclose(draws.mean(0).numpy(), [0.0, 0.2, 0.5, 1.0], atol=0.03)
    assert us.bernoulli(us.full((3,), 1.0, dtype=us.float64)).dtype == us.float64
    g = us.Generator()
    g.manual_seed(3)
    first = us.bernoulli(p, generator=g).tolist()
    g.manual_seed(3)
    assert us.bernoulli(p, generator=g).tolist() == first


@pytest.mark.parametrize(
    ("name", "shape", "channels"),
    [
        ("dropout1d", (40, 50, 3), (40, 50)),
        ("dropout1d", (500, 3), (500,)),
        ("dropout2d", (40, 50, 2, 3), (40, 50)),
        ("dropout3d", (40, 50, 2, 2, 2), (40, 50)),
        ("dropout3d", (500, 2, 2, 2), (500,)),
    ],
)
def test_channels_share_their_fate(name: str, shape: tuple[int, ...], channels: tuple[int, ...]) -> None:
    us.manual_seed(0)
    x = us.ones(*shape, requires_grad=True)
    y = getattr(F, name)(x, 0.25)
    values = y.detach().numpy().reshape(*channels, -1)
    assert (values == values[..., :1]).all()
    assert set(np.unique(values)) == {0.0, np.float32(1 / 0.75)}
    assert abs((values == 0).mean() - 0.25) < 0.06
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert getattr(F, name)(x, 0.25, training=False) is x
    module = getattr(us.nn, name.capitalize())(0.25)
    us.manual_seed(0)
    np.testing.assert_array_equal(module(x).detach().numpy(), y.detach().numpy())


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_keeps_mean_and_variance(name: str) -> None:
    us.manual_seed(0)
    x = us.randn(400, 500)
    y = getattr(F, name)(x, 0.3, training=True)
    assert abs(y.mean().item()) < 0.02
    assert abs(y.var().item() - 1) < 0.03
    assert len(np.unique(y.numpy(), return_counts=True)[1]) > 1000
    values, counts = np.unique(y.numpy(), return_counts=True)
    assert abs(counts.max() / y.numel() - 0.3) < 0.01  # the saturation value
    assert values[counts.argmax()] < -0.5
    assert getattr(F, name)(x) is x


def test_masks_are_drawn_in_the_order_of_memory() -> None:
    us.manual_seed(3)
    plain = F.dropout(us.ones(4, 5, 6), 0.5)
    us.manual_seed(3)
    turned = F.dropout(us.ones(4, 5, 6).transpose(1, 2), 0.5)
    np.testing.assert_array_equal(turned.transpose(1, 2).numpy(), plain.numpy())


def test_channel_dropout_says_which_shapes_it_takes() -> None:
    with pytest.raises(RuntimeError, match="dropout1d"):
        F.dropout1d(us.ones(2, 3, 4, 5))
    with pytest.raises(ValueError, match=r"1\.5"):
        F.dropout2d(us.ones(2, 3, 4, 5), 1.5)
    with pytest.warns(UserWarning, match="dropout2d"):
        F.dropout2d(us.ones(2, 3, 4))
    with pytest.raises(RuntimeError, match="2 dimensions"):
        F.feature_alpha_dropout(us.ones(3), training=True)
    x = us.ones(3, 4, 5)
    assert F.dropout1d(x, 0.5, inplace=True) is x
    assert set(np.unique(x.numpy())) <= {0.0, 2.0}
