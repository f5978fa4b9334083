"""No false alarms: every operation of the reference, at all of its samples, kinks and ties included."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from test_gradients import DIFFERENTIABLE, LARGEST, differentiable_outputs, tensors_of

import unspool as us
from harness import arrays_in, draws, main_function
from reference import ROWS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_right_gradients_pass(name: str, dtype: str) -> None:
    row = ROWS[name]
    if dtype not in row.dtypes:
        pytest.skip(f"{name} has no {dtype}")
    rng = np.random.default_rng(7)
    for sample in draws(row, dtype)[:6]:
        if sum(a.size for a in arrays_in([sample.args, sample.kwargs])) > LARGEST:
            continue
        with us.verify(seed=3), warnings.catch_warnings():
            tensors, leaves = tensors_of(row, sample)
            results = differentiable_outputs(row, tensors)
            if not results:
                continue
            seeds = [
                us.from_numpy(np.asarray(rng.standard_normal(tuple(r.shape)), r.dtype.__name__))
                for r in results
            ]
            us.autograd.grad(results, leaves, grad_outputs=seeds, allow_unused=True)
    assert main_function(row) is not None
