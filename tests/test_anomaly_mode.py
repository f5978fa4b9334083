"""Anomaly mode names the forward call behind an error or the first NaN on the way back."""

from __future__ import annotations

from typing import Any

import pytest

import unspool as us
from unspool import autograd


def root_of_zero(x: Any) -> Any:
    return (x * 0).sqrt() * 0


def test_the_operation_and_the_line_are_named() -> None:
    x = us.ones(2, requires_grad=True)
    with autograd.detect_anomaly():
        y = root_of_zero(x)
        with pytest.raises(RuntimeError, match=r"sqrt returned NaN as the gradient of its input 0") as caught:
            y.sum().backward()
    assert "in root_of_zero" in str(caught.value)
    assert "test_anomaly_mode.py" in str(caught.value)


def test_the_module_is_named() -> None:
    class Root(us.nn.Module):
        def forward(self, x: Any) -> Any:
            return root_of_zero(x)

    model = us.nn.Sequential(us.nn.Linear(2, 2), Root())
    with autograd.detect_anomaly(), pytest.raises(RuntimeError, match="in module '1'"):
        model(us.ones(1, 2)).sum().backward()


def test_without_the_mode_nan_flows_on() -> None:
    x = us.ones(2, requires_grad=True)
    root_of_zero(x).sum().backward()
    assert x.grad.isnan().all()
    x.grad = None
    with autograd.detect_anomaly(check_nan=False):
        root_of_zero(x).sum().backward()
    assert x.grad.isnan().all()


def test_a_hook_may_turn_the_mode_on_for_the_rest_of_the_way() -> None:
    x = us.ones(2, requires_grad=True)
    y = root_of_zero(x)
    y.register_hook(lambda g: autograd.set_detect_anomaly(True) and None)
    try:
        with pytest.raises(RuntimeError, match=r"sqrt returned NaN as the gradient of its input 0"):
            y.sum().backward()
    finally:
        autograd.set_detect_anomaly(False)


def test_errors_carry_the_place_too() -> None:
    x = us.ones(2, requires_grad=True)
    with autograd.detect_anomaly():
        y = (x * 2).exp()
        y.add_(1)
        with pytest.raises(RuntimeError, match=r"(?s)overwritten.*test_errors_carry_the_place_too"):
            y.sum().backward()


def test_the_mode_is_left_as_it_was() -> None:
    assert not us._core.is_anomaly_enabled()
    with autograd.set_detect_anomaly(True):
        assert us._core.is_anomaly_enabled()
        with autograd.detect_anomaly(check_nan=False):
            assert not us._core.is_anomaly_check_nan_enabled()
        assert us._core.is_anomaly_check_nan_enabled()
    assert not us._core.is_anomaly_enabled()
    autograd.set_detect_anomaly(True)
    autograd.set_detect_anomaly(False)
    assert not us._core.is_anomaly_enabled()
