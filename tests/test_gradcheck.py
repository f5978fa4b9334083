"""gradcheck: faults that people make are found and explained, and honest functions raise no alarm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool.autograd import GradcheckError, gradcheck, gradgradcheck


def leaf(*shape: int, dtype: Any = us.float64) -> Any:
    return us.randn(shape, dtype=dtype).requires_grad_()


def double(values: Any) -> Any:
    return us.tensor(values, dtype=us.float64, requires_grad=True)


class Affine(us.autograd.Function):
    """x @ w + b with a backward that can be replaced."""

    gradients: Callable[..., Any]

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, b: Any) -> Any:
        ctx.save_for_backward(x, w)
        return x @ w + b

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return Affine.gradients(*ctx.saved_tensors, g)


def honest(x: Any, w: Any, g: Any) -> Any:
    return g @ w.t(), x.t() @ g, g.sum(0)


FAULTS = {
    "a transposed factor": lambda x, w, g: (g @ w, x.t() @ g, g.sum(0)),
    "a transposed weight gradient": lambda x, w, g: (g @ w.t(), g.t() @ x, g.sum(0)),
    "no sum over the batch": lambda x, w, g: (g @ w.t(), x.t() @ g, g[0]),
    "a mean over the batch": lambda x, w, g: (g @ w.t(), x.t() @ g, g.mean(0)),
    "the wrong sign": lambda x, w, g: (-(g @ w.t()), x.t() @ g, g.sum(0)),
    "a forgotten gradient": lambda x, w, g: (g @ w.t(), None, g.sum(0)),
    "zeros": lambda x, w, g: (us.zeros_like(x), x.t() @ g, g.sum(0)),
    "a factor of 1 + 1e-6": lambda x, w, g: (g @ w.t(), x.t() @ g * (1 + 1e-6), g.sum(0)),
    "a factor of 1 - 1e-6": lambda x, w, g: (g @ w.t() * (1 - 1e-6), x.t() @ g, g.sum(0)),
    "a NaN": lambda x, w, g: (g @ w.t(), x.t() @ g, g.sum(0) * float("nan")),
    "the wrong shape": lambda x, w, g: (g @ w.t(), (x.t() @ g).reshape(-1), g.sum(0)),
}


@pytest.fixture(autouse=True)
def _honest_affine() -> None:
    Affine.gradients = staticmethod(honest)


def message(function: Any, inputs: Any, **options: Any) -> str:
    with pytest.raises(GradcheckError) as info:
        gradcheck(function, inputs, **options)
    return str(info.value)


# Faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fast_mode", [False, True], ids=["full", "fast"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, fast_mode: bool) -> None:
    inputs = (leaf(3, 3), leaf(3, 3), leaf(3))
    assert gradcheck(Affine.apply, inputs, fast_mode=fast_mode)
    Affine.gradients = staticmethod(FAULTS[fault])
    assert gradcheck(Affine.apply, inputs, fast_mode=fast_mode, raise_exception=False) is False
    with pytest.raises(GradcheckError):
        gradcheck(Affine.apply, inputs, fast_mode=fast_mode)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("a transposed weight gradient", "transpose of the right one"),
        ("a mean over the batch", "0.333333333 times the right one"),
        ("the wrong sign", "wrong sign"),
        ("a forgotten gradient", "None"),
        ("zeros", "zero everywhere"),
        ("a factor of 1 + 1e-6", "1.000001 times the right one"),
        ("a NaN", "not finite"),
    ],
)
def test_the_report_says_what_the_fault_looks_like(fault: str, words: str) -> None:
    Affine.gradients = staticmethod(FAULTS[fault])
    assert words in message(Affine.apply, (leaf(3, 3), leaf(3, 3), leaf(3)))


@pytest.mark.parametrize("relative", [1e-2, 1e-4, 1e-6, -1e-6])
def test_a_loss_of_fifty_million_can_be_checked(relative: float) -> None:
    """Half a sum of squares of 5e7 and more: a fixed step of 1e-6 drowns in rounding."""
    x, w, b = double(np.linspace(200, 900, 12).reshape(4, 3)), double([[3.0], [-2.0], [4.0]]), double([7.0])

    def loss(*arguments: Any) -> Any:
        return (Affine.apply(*arguments) ** 2).sum() * 0.5

    assert loss(x, w, b).item() > 5e7 / 4
    assert gradcheck(loss, (x, w, b))
    assert gradcheck(loss, (x, w, b), eps=1e-6)
    Affine.gradients = staticmethod(lambda x, w, g: (g @ w.t(), x.t() @ g * (1 + relative), g.sum(0)))
    assert not gradcheck(loss, (x, w, b), raise_exception=False)


def test_faults_of_a_millionth_are_found_at_every_scale() -> None:
    class Square(us.autograd.Function):
        fault = 0.0

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * g * (1 + Square.fault)

    for scale in (1e-12, 1e-4, 1.0, 1e4, 1e8):
        x = double(np.array([0.3, -1.7, 0.9]) * scale)
        Square.fault = 0.0
        assert gradcheck(Square.apply, x)
        Square.fault = 1e-6
        assert not gradcheck(Square.apply, x, raise_exception=False), scale


def test_all_failures_are_reported_not_only_the_first() -> None:
    Affine.gradients = staticmethod(lambda x, w, g: (g @ w, -(x.t() @ g), g.mean(0)))
    with pytest.raises(GradcheckError) as info:
        gradcheck(lambda x, w, b: Affine.apply(x, w, b).sigmoid(), (leaf(3, 3), leaf(3, 3), leaf(3)))
    assert [failure.input for failure in info.value.failures] == [0, 1, 2]
    text = str(info.value)
    for expected in (
        "input 0 (3, 3)",
        "input 1 (3, 3)",
        "input 2 (3,)",
        "sigmoid <- AffineBackward <- input 1",
    ):
        assert expected in text
    assert "3 of 3 Jacobians" in text


def test_the_report_counts_what_it_does_not_list() -> None:
    Affine.gradients = staticmethod(lambda x, w, g: (g @ w.t(), 2 * (x.t() @ g), g.sum(0)))
    text = message(Affine.apply, (leaf(5, 5), leaf(5, 5), leaf(5)))
    assert "125 of 625 entries are wrong" in text
    assert "... and 105 more" in text
    assert len(text) < 8000


def test_only_the_wrong_input_is_blamed() -> None:
    Affine.gradients = staticmethod(lambda x, w, g: (g @ w.t(), x.t() @ g, g.sum(0) * 1.5))
    with pytest.raises(GradcheckError) as info:
        gradcheck(lambda x, w, b: (x * w, Affine.apply(x, w, b)), (leaf(3, 3), leaf(3, 3), leaf(3)))
    (failure,) = info.value.failures
    assert (failure.input, failure.output) == (2, 1)
    np.testing.assert_allclose(failure.analytic, 1.5 * failure.numeric, rtol=1e-8, atol=1e-12)


def test_a_forgotten_second_use_is_found() -> None:
    assert not gradcheck(lambda x: x * x.detach(), leaf(4), raise_exception=False)
    assert "zero everywhere" not in message(lambda x: x * x.detach(), leaf(4))


def test_an_output_that_hides_its_input_is_found() -> None:
    assert "does not" not in message(lambda x: x.detach() * 2, leaf(3))
    assert gradcheck(lambda x: us.ones(3, dtype=us.float64), leaf(3))


# No false alarms ------------------------------------------------------------------------------------------

HONEST: dict[str, tuple[Callable[..., Any], Callable[[], Any]]] = {
    "network": (
        lambda x, w, v: us.nn.functional.cross_entropy((x @ w).tanh() @ v, us.tensor([0, 2, 1, 1])),
        lambda: (leaf(4, 3), leaf(3, 5), leaf(5, 3)),
    ),
    "relu network": (
        lambda x, w, v: ((x @ w).relu() @ v).relu(),
        lambda: (leaf(4, 3), leaf(3, 5), leaf(5, 2)),
    ),
    "cancellation": (lambda x: (x - x.mean()).sum(), lambda: (leaf(7),)),
    "softmax sums to one": (lambda x: x.softmax(1).sum(1), lambda: (leaf(3, 4),)),
    "offset": (lambda x: (x + 1e5).var(), lambda: (leaf(6),)),
    "stiff": (lambda x: (30 * x).tanh() + (5 * x).exp(), lambda: (leaf(6),)),
    "max and abs": (lambda x: (x.amax(1), x.abs().sum()), lambda: (leaf(4, 5),)),
    "flat": (lambda x: (x.sign(), x.floor()), lambda: (leaf(6),)),
    "log of spread values": (us.log, lambda: (double(10 ** np.random.uniform(-6, 6, 8)),)),
    "reciprocal of small values": (us.reciprocal, lambda: (double(np.random.normal(size=6) * 1e-5),)),
    "norm": (lambda x: x.norm(), lambda: (leaf(5),)),
    "product": (lambda x: x.prod(), lambda: (leaf(6),)),
    "tiny inputs": (lambda x: x.exp() + x.sin() * 1e-9, lambda: (double(np.random.normal(size=4) * 1e-20),)),
    "zeros": (lambda x: x.exp() * x, lambda: (double(np.zeros(4)),)),
    "small loss": (lambda x: (x**3).sum() * 1e-12, lambda: (leaf(4),)),
    "small beside large": (lambda a, b: a.sum() * 1e7 + b.sin().sum(), lambda: (leaf(3), leaf(3))),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_functions_raise_no_alarm(name: str) -> None:
    function, inputs = HONEST[name]
    for seed in range(12):
        us.manual_seed(seed)
        arguments = inputs()
        gradcheck(function, arguments)
        gradcheck(function, arguments, fast_mode=True)


@pytest.mark.parametrize("name", ["network", "softmax sums to one", "product", "norm", "stiff"])
def test_honest_second_derivatives_raise_no_alarm(name: str) -> None:
    function, inputs = HONEST[name]
    for seed in range(3):
        us.manual_seed(seed)
        assert gradgradcheck(function, inputs())


def test_kinks_close_to_the_input_are_avoided_by_smaller_steps() -> None:
    for distance in (1e-3, 1e-5, 1e-7):
        assert gradcheck(us.relu, double([distance, -distance, 1.0]))
        assert gradcheck(lambda x: (x - 1).abs(), double([1 + distance, 1 - distance]))


def test_a_kink_at_the_input_is_reported_as_one() -> None:
    assert "kink" in message(us.relu, double([0.0, 1.0]))


# What may be given ----------------------------------------------------------------------------------------


def test_numbers_integers_and_constants_are_passed_on() -> None:
    def function(x: Any, scale: float, index: Any, constant: Any) -> Any:
        return x[index] * scale + constant

    constant = us.randn(2, dtype=us.float64)
    assert gradcheck(function, (leaf(3), 2.5, us.tensor([0, 2]), constant))


def test_several_inputs_and_outputs_of_all_shapes() -> None:
    def function(scalar: Any, vector: Any, cube: Any) -> Any:
        return scalar * vector, (cube * scalar).sum((0, 2)), cube.argmax(), scalar

    assert gradcheck(function, [double(1.5), leaf(4), leaf(2, 3, 2)])


def test_empty_tensors_have_nothing_wrong() -> None:
    assert gradcheck(lambda x: x * 2, leaf(0, 3))
    assert gradcheck(lambda x, y: (x * 2, y * 3), (leaf(0), leaf(2)))
    assert gradgradcheck(lambda x: x * x, leaf(0, 3))


def test_layouts_with_strides_and_shared_memory() -> None:
    assert gradcheck(us.sin, leaf(4, 3).detach().t().requires_grad_())
    assert gradcheck(us.sin, leaf(6).detach()[::2].requires_grad_())
    assert gradcheck(us.sin, leaf(3, 1).detach().expand(3, 4).requires_grad_())
    whole = us.randn(6, dtype=us.float64)
    first, second = whole[:4].requires_grad_(), whole[2:].requires_grad_()
    assert gradcheck(lambda a, b: a * b * b, (first, second))
    x = leaf(3)
    assert gradcheck(lambda a, b: a * b * b, (x, x))


def test_tensors_with_history_can_be_inputs() -> None:
    x = leaf(3)
    assert gradcheck(lambda y: y.exp(), (x * 2,))
    assert x.grad is None


def test_parameters_reached_through_a_module() -> None:
    model = us.nn.Sequential(us.nn.Linear(3, 4), us.nn.Tanh(), us.nn.Linear(4, 2)).double()
    x = us.randn(5, 3, dtype=us.float64)
    before = [parameter.tolist() for parameter in model.parameters()]
    assert gradcheck(lambda *_: model(x), tuple(model.parameters()))
    assert [parameter.tolist() for parameter in model.parameters()] == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_inputs_are_restored_when_the_function_raises() -> None:
    x = leaf(3)
    before, calls = x.tolist(), []

    def function(v: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:
            raise ZeroDivisionError
        return v * v

    with pytest.raises(ZeroDivisionError):
        gradcheck(function, x)
    assert x.tolist() == before


@pytest.mark.parametrize("fast_mode", [False, True], ids=["full", "fast"])
def test_single_precision_is_checked_in_double(fast_mode: bool) -> None:
    inputs = (leaf(3, 3, dtype=us.float32), leaf(3, 3, dtype=us.float32), leaf(3, dtype=us.float32))
    assert gradcheck(lambda *a: Affine.apply(*a).exp(), inputs, fast_mode=fast_mode)
    Affine.gradients = staticmethod(FAULTS["a factor of 1 + 1e-6"])
    assert not gradcheck(
        lambda *a: Affine.apply(*a).exp(), inputs, fast_mode=fast_mode, raise_exception=False
    )


def test_functions_of_single_precision_only() -> None:
    """A float32 matrix that the function brings along: no shadow in double precision is possible."""
    w = us.randn(3, 3)
    assert gradcheck(lambda x: (x @ w).tanh(), leaf(2, 3, dtype=us.float32))
    assert gradcheck(lambda x: us.nn.functional.linear(x.float(), w).sigmoid(), leaf(2, 3))
    b = us.zeros(3)
    Affine.gradients = staticmethod(lambda x, w, g: (g @ w.t() * 1.1, x.t() @ g, g.sum(0)))
    assert not gradcheck(lambda x: Affine.apply(x, w, b), leaf(2, 3, dtype=us.float32), raise_exception=False)


def test_a_fault_in_single_precision_alone_is_found() -> None:
    class Careless(us.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * x * (2 if x.dtype == us.float64 else 2.01)

    assert gradcheck(Careless.apply, leaf(3))
    assert "float32 against float64" in message(Careless.apply, leaf(3, dtype=us.float32))


# Options --------------------------------------------------------------------------------------------------


def test_given_tolerances_are_the_limit() -> None:
    Affine.gradients = staticmethod(lambda x, w, g: (g @ w.t(), x.t() @ g * 1.0005, g.sum(0)))
    inputs = (leaf(3, 3), leaf(3, 3), leaf(3))
    assert not gradcheck(Affine.apply, inputs, raise_exception=False)
    assert gradcheck(Affine.apply, inputs, rtol=1e-3)
    assert gradcheck(Affine.apply, inputs, eps=1e-6, atol=1e-5, rtol=1e-3)
    assert gradcheck(Affine.apply, inputs, atol=1e-2, rtol=0.0)
    assert not gradcheck(Affine.apply, inputs, atol=0.0, rtol=1e-4, raise_exception=False)


def test_random_functions_are_not_mistaken_for_wrong_ones() -> None:
    assert "seed" in message(lambda x: us.nn.functional.dropout(x, 0.5), leaf(50))


def test_backward_must_repeat_itself() -> None:
    class Noisy(us.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 + us.rand_like(g) * 1e-12

    assert "deterministic" in message(Noisy.apply, leaf(3))
    assert gradcheck(Noisy.apply, leaf(3), nondet_tol=1e-10)


def test_undefined_cotangents_count_as_zeros() -> None:
    class Two(us.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            if a is None or b is None:
                return us.zeros(3, dtype=us.float64) if a is None else a * 2
            return a * 2 + b * 3

    assert "undefined" in message(Two.apply, leaf(3))


def test_fast_mode_leaves_the_default_generator_alone() -> None:
    x = leaf(4, 4)
    us.manual_seed(3)
    expected = us.rand(3).tolist()
    us.manual_seed(3)
    assert gradcheck(lambda v: v.tanh() @ v, x, fast_mode=True)
    assert us.rand(3).tolist() == expected


def test_fast_mode_explains_failures_entry_by_entry() -> None:
    Affine.gradients = staticmethod(FAULTS["the wrong sign"])
    text = message(Affine.apply, (leaf(3, 3), leaf(3, 3), leaf(3)), fast_mode=True)
    assert "wrong sign" in text
    assert "27 of 81 entries" in text


def test_fast_mode_calls_the_function_a_few_times_only() -> None:
    calls = []

    def function(x: Any) -> Any:
        calls.append(1)
        return (x * x).sum(1)

    assert gradcheck(function, leaf(40, 50), fast_mode=True)
    assert len(calls) < 40


def test_second_derivatives_with_given_cotangents() -> None:
    x = leaf(3)
    assert gradgradcheck(lambda v: v**3, x, us.ones(3, dtype=us.float64))
    assert gradgradcheck(lambda v: (v**3, v.sin()), x, (leaf(3), leaf(3)))
    assert gradgradcheck(lambda v: v**3, x, gen_non_contig_grad_outputs=True)
    with pytest.raises(ValueError, match="2 grad_outputs for 1 output"):
        gradgradcheck(lambda v: v**3, x, (leaf(3), leaf(3)))


def test_linear_functions_have_second_derivatives_of_zero() -> None:
    assert gradgradcheck(lambda x, y: x @ y, (leaf(2, 3), leaf(3, 2)))
    assert gradgradcheck(lambda x: x * 3, leaf(3))


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        ((us.ones(3),), ValueError),
        ((), ValueError),
        (None, TypeError),
        (3.0, TypeError),
    ],
)
def test_inputs_that_cannot_be_checked(inputs: Any, error: type[Exception]) -> None:
    for check in (gradcheck, gradgradcheck):
        with pytest.raises(error):
            check(us.sin, inputs)
        with pytest.raises(error):
            check(us.sin, inputs, raise_exception=False)


def test_functions_that_cannot_be_checked() -> None:
    with pytest.raises(ValueError, match="float"):
        gradcheck(lambda x: 1.0, leaf(3))
    with pytest.raises(ValueError, match="NoneType"):
        gradcheck(lambda x: (x, None), leaf(3))


@pytest.mark.parametrize("option", ["check_batched_grad", "check_batched_forward_grad", "check_forward_ad"])
def test_unsupported_checks_say_so(option: str) -> None:
    with pytest.raises(NotImplementedError, match=option):
        gradcheck(us.sin, leaf(3), **{option: True})
