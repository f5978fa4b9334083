"""``func.vmap`` against a plain loop over the batch, and the modules that are mapped with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.func import functional_call, grad, hessian, jacrev, jvp, linearize, vjp, vmap


def batch(*shape: int, seed: int = 0) -> us.Tensor:
    return us.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def looped(f: Callable[..., us.Tensor], *args: us.Tensor) -> us.Tensor:
    return us.stack([f(*(arg[i] for arg in args)) for i in range(len(args[0]))])


@pytest.mark.parametrize(
    "f",
    [
        us.sin,
        lambda x: x.sum(),
        lambda x: (x @ x).exp(),
        lambda x: x if x.sum() > 0 else -x,
        jacrev(us.tanh),
        hessian(lambda x: (x**3).sum()),
        grad(lambda x: grad(lambda y: (y**4).sum())(x).sum()),
        lambda x: jvp(us.exp, (x,), (us.ones_like(x),))[1],
        vmap(lambda x: x * x),
    ],
)
def test_it_is_a_loop_over_the_first_dimension(f: Any) -> None:
    x = batch(4, 3)
    assert us.equal(vmap(f)(x), looped(f, x))


def test_the_name_is_also_at_the_top() -> None:
    assert us.vmap is vmap


@pytest.mark.parametrize("in_dim", [0, 1, 2, -1])
@pytest.mark.parametrize("out_dim", [0, 1, -1])
def test_the_batch_dimension_may_be_any_on_both_sides(in_dim: int, out_dim: int) -> None:
    x = batch(4, 4, 4)
    wanted = us.stack([row.exp() for row in x.unbind(in_dim)], out_dim)
    assert us.equal(vmap(us.exp, in_dim, out_dim)(x), wanted)


def test_arguments_may_be_nests_and_shared() -> None:
    x, y, shared = batch(4, 3), batch(3, 4, seed=1), batch(3, seed=2)

    def f(
        pair: dict[str, Any], bias: us.Tensor, *, scale: us.Tensor
    ) -> tuple[us.Tensor, dict[str, us.Tensor]]:
        total = pair["x"] + pair["rest"][0] * bias * scale
        return total, {"sum": total.sum()}

    mapped = vmap(f, in_dims=({"x": 0, "rest": 1}, None), out_dims=(1, 0))
    total, rest = mapped({"x": x, "rest": [y]}, shared, scale=us.tensor(0.5))
    wanted = x + y.T * shared * 0.5
    assert us.equal(total, wanted.T)
    assert us.allclose(rest["sum"], wanted.sum(1))


def test_a_result_that_all_samples_share_is_given_once() -> None:
    x = batch(4, 3)
    first, shared = vmap(lambda row: (row + 1, us.ones(2)), out_dims=(0, None))(x)
    assert (first.shape, shared.tolist()) == ((4, 3), [1.0, 1.0])
    with pytest.raises(ValueError, match="differs between samples"):
        vmap(us.sin, out_dims=None)(x)


def test_gradients_per_sample_are_those_of_single_samples() -> None:
    us.manual_seed(0)
    model = us.nn.Sequential(
        us.nn.Conv2d(1, 2, 3), us.nn.Tanh(), us.nn.Flatten(), us.nn.Linear(8, 3)
    ).double()
    x, target = batch(5, 1, 4, 4), us.tensor([0, 1, 2, 0, 1])
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def loss(p: dict[str, us.Tensor], sample: us.Tensor, label: us.Tensor) -> us.Tensor:
        output = functional_call(model, p, (sample.unsqueeze(0),))
        return us.nn.functional.cross_entropy(output, label.unsqueeze(0))

    found = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, target)
    for i in range(5):
        model.zero_grad()
        us.nn.functional.cross_entropy(model(x[i : i + 1]), target[i : i + 1]).backward()
        for name, p in model.named_parameters():
            assert us.equal(found[name][i], p.grad), name


def test_gradients_flow_through_the_batch() -> None:
    x = batch(4, 3).requires_grad_()
    vmap(lambda row: (row * row).sum() * row)(x).sum().backward()
    other = x.detach().clone().requires_grad_()
    looped(lambda row: (row * row).sum() * row, other).sum().backward()
    assert us.equal(x.grad, other.grad)
    outer = grad(lambda y: vmap(grad(lambda row: (row**3).sum()))(y).sum())(x.detach())
    assert us.allclose(outer, 6 * x.detach())


def test_a_pullback_maps_over_cotangents() -> None:
    x = batch(3)
    output, pull = vjp(lambda a: a.sin() * a.sum(), x)
    (jacobian,) = vmap(pull)(us.eye(3, dtype=us.float64))
    assert us.allclose(jacobian, jacrev(lambda a: a.sin() * a.sum())(x))
    assert output.shape == (3,)


def test_a_graph_from_outside_is_unwound_for_each_sample_and_freed_by_the_last() -> None:
    x = batch(3).requires_grad_()
    wanted = us.autograd.functional.jacobian(lambda a: a.exp() * a.sum(), x.detach())
    for shape, f in (((3, 3), lambda g: g), ((1, 3, 3), vmap)):
        y = x.exp() * x.sum()
        unwound = f(lambda v, y=y: us.autograd.grad(y, x, v)[0])
        basis = us.eye(3, dtype=us.float64).reshape(shape)
        assert us.allclose(vmap(unwound)(basis).reshape(3, 3), wanted)
        with pytest.raises(RuntimeError, match="already freed"):
            us.autograd.grad(y, x, us.ones(3, dtype=us.float64))


def test_cotangents_may_be_batched_without_it() -> None:
    x, z = batch(3).requires_grad_(), batch(2, seed=1).requires_grad_()
    y = x.exp() * x.sum()
    basis = us.eye(3, dtype=us.float64)
    found = us.autograd.grad(y, (x, z), basis, is_grads_batched=True, allow_unused=True, retain_graph=True)
    assert us.equal(found[0], us.stack([us.autograd.grad(y, x, v, retain_graph=True)[0] for v in basis]))
    assert found[1] is None
    second = us.autograd.grad(y, x, basis, is_grads_batched=True, create_graph=True)[0]
    assert us.autograd.grad(second.sum(), x)[0].shape == (3,)
    for bad in (None, us.zeros(0, 3), us.ones(())):
        with pytest.raises(ValueError, match="is_grads_batched"):
            us.autograd.grad(x * 1, x, bad, is_grads_batched=True)


def test_writing_into_a_sample_writes_into_the_batch() -> None:
    x = us.zeros(3, 2)
    vmap(lambda row: row.add_(1))(x)
    assert us.equal(x, us.ones(3, 2))
    with pytest.raises(RuntimeError, match="all samples share"):
        vmap(lambda row, total: total.add_(row), in_dims=(0, None))(x, us.zeros(2))


def test_random_numbers_are_refused_shared_or_drawn_anew() -> None:
    x = us.zeros(3, 2)
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(us.rand_like)(x)
    us.manual_seed(1)
    wanted = us.rand(3, 2)
    us.manual_seed(1)
    assert us.equal(vmap(us.rand_like, randomness="different")(x), wanted)
    us.manual_seed(1)
    assert us.equal(vmap(us.rand_like, randomness="same")(x), wanted[:1].expand(3, 2))
    assert us.equal(us.rand(2), wanted[1])
    assert us.initial_seed() == 1


def test_a_compiled_step_may_hold_it() -> None:
    w, x = batch(3), batch(4, 3, seed=1)
    f = vmap(grad(lambda w, row: (w * row).sum().sin()), in_dims=(None, 0))
    step = us.compile(lambda w, x: f(w, x))
    for i in range(3):
        assert us.equal(step(w, x + i), f(w, x + i))
    assert step.cache_info().hits == 2
    draw = us.compile(lambda x: vmap(us.rand_like, randomness="different")(x))
    us.manual_seed(1)
    found = [draw(x), draw(x)]
    us.manual_seed(1)
    assert all(us.equal(each, us.rand(4, 3, dtype=us.float64)) for each in found)
    with pytest.raises(us.CaptureError, match="randomness='same'"):
        us.compile(lambda x: vmap(us.rand_like, randomness="same")(x))(x)


def test_an_empty_batch_has_results_of_the_right_shape() -> None:
    assert vmap(lambda row: us.outer(row, row), out_dims=1)(us.zeros(0, 3)).shape == (3, 0, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: vmap(us.add)(x, us.ones(5, 3)), ValueError, r"sizes \[4, 5\]"),
        (lambda x: vmap(us.sin)(3), ValueError, "type int"),
        (lambda x: vmap(us.sin)(x.sum()), ValueError, r"shape \(\)"),
        (lambda x: vmap(us.sin, in_dims=2)(x), ValueError, "in_dim=2"),
        (lambda x: vmap(us.sin, in_dims=(0, 0))(x), ValueError, "not compatible"),
        (lambda x: vmap(us.sin, in_dims="0")(x), ValueError, "int or a tuple"),
        (lambda x: vmap(us.sin, in_dims=None)(x), ValueError, "int or a tuple"),
        (lambda x: vmap(us.sin, in_dims=[0])(x), ValueError, "int or a tuple"),
        (lambda x: vmap(us.add, in_dims=(None, None))(x, x), ValueError, "at least one"),
        (lambda x: vmap(us.sin)(), ValueError, "without arguments"),
        (lambda x: vmap(us.sin, out_dims=(0, 1))(x), ValueError, "out_dims"),
        (lambda x: vmap(us.sin, out_dims=2)(x), ValueError, "out_dim=2"),
        (lambda x: vmap(lambda row: row.sum().item())(x), ValueError, "type float"),
        (lambda x: vmap(lambda row: row[row > 0])(x), ValueError, "different shapes"),
        (lambda x: vmap(us.sin, randomness="some")(x), RuntimeError, "randomness"),
        (lambda x: vmap(us.sin, chunk_size=0)(x), ValueError, "chunk_size"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(batch(4, 3))


def test_an_ensemble_is_one_call() -> None:
    us.manual_seed(0)
    models = [us.nn.Sequential(us.nn.Linear(3, 4), us.nn.BatchNorm1d(4)).eval() for _ in range(3)]
    parameters, buffers = us.func.stack_module_state(models)
    assert parameters["0.weight"].shape == (3, 4, 3)
    assert parameters["0.weight"].is_leaf
    assert parameters["0.weight"].requires_grad
    x = us.randn(5, 3)
    found = vmap(lambda p, b: functional_call(models[0], (p, b), (x,)))(parameters, buffers)
    assert us.equal(found, us.stack([model(x) for model in models]))
    for bad, words in (
        ([], "at least one"),
        ([us.nn.Linear(1, 1), us.nn.Linear(1, 1).eval()], "mode"),
        ([us.nn.Linear(1, 1), us.nn.Identity()], "same class"),
        ([us.nn.Linear(1, 1), us.nn.Linear(1, 1).requires_grad_(False)], "weight"),
    ):
        with pytest.raises(RuntimeError, match=words):
            us.func.stack_module_state(bad)


def test_batch_norms_can_be_made_to_keep_nothing() -> None:
    model = us.nn.Sequential(us.nn.BatchNorm1d(2), us.nn.Linear(2, 2))
    assert us.func.replace_all_batch_norm_modules_(model) is model
    assert not list(model.buffers())
    x = batch(4, 2).float()
    assert us.equal(
        model.eval()[0](x), us.nn.functional.batch_norm(x, None, None, *model[0].parameters(), True)
    )


def test_a_linearized_function_is_its_derivative() -> None:
    x, v = batch(3), batch(3, seed=1)
    output, push = linearize(lambda a: {"y": a.sin()}, x)
    assert us.equal(output["y"], x.sin())
    for scale in (1.0, 2.0):
        assert us.allclose(push(scale * v)["y"], scale * v * x.cos())
    with pytest.raises(RuntimeError, match="shapes"):
        push(batch(2))
