"""Shared settings of the test suite: fixed seeds and reproducible property tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import hypothesis
import numpy as np
import pytest

import unspool as us

hypothesis.settings.register_profile(
    "unspool",
    deadline=None,
    derandomize=True,
    max_examples=150,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("unspool")


@pytest.fixture(autouse=True)
def fixed_seeds() -> Iterator[None]:
    """Every test starts from the same generators and leaves gradients enabled."""
    us.manual_seed(0)
    np.random.seed(0)
    yield
    assert us.is_grad_enabled(), "a test left gradients disabled"


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody had imported the real torch, which other tests of the process may have done."""
    for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """The test runs on so many threads."""
    before = us.get_num_threads()
    us.set_num_threads(request.param)
    yield request.param
    us.set_num_threads(before)
