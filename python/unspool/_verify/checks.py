"""The two comparisons of a call that has been unwound.

The rule, in double precision: the call is repeated on a shadow of its arguments, shaken off kinks and ties,
and the gradient from a random cotangent is compared with differences along a random direction. And what was
really computed: the call is repeated on copies of what it was given and unwound from the same cotangents; if
the results differ (a value was overwritten unseen, a cache was stale), differences decide who is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from unspool import _core
from unspool._core import Tensor
from unspool._verify.case import Case, as_double, is_finite, reduced
from unspool._verify.error import GradientError
from unspool._warning import warn
from unspool.autograd import _numerical as numerical
from unspool.autograd._gradcheck_basics import GradcheckError
from unspool.autograd._gradcheck_compare import Settings, check_projections
from unspool.autograd._gradcheck_report import Jacobian
from unspool.autograd._gradcheck_subject import Subject, typical

if TYPE_CHECKING:
    from unspool._verify.case import Array

ATTEMPTS = 3  # a gradient is wrong when it differs at this many shaken points
SETTINGS = Settings(None, None, None, 0.0)
_EPSILON = 2.0**-52


def check_rule(case: Case, rng: np.random.Generator) -> bool:
    """Compare the gradient with differences, near the arguments; False where that is not possible.

    Raises:
        GradientError: it is wrong.
    """
    if not is_finite(case.values):
        return False
    wrong: list[Jacobian] = []
    for _ in range(ATTEMPTS):
        found, size = _compare(case, rng)
        wrong = [jacobian for jacobian in found if jacobian.wrong and _largest(jacobian) > case.noise * size]
        if not wrong:
            return bool(found)
    worst = wrong[0]
    raise GradientError(
        case.operation,
        case.module,
        case.describe(worst.input),
        float(worst.analytic.reshape(-1)[0]),
        float(worst.numeric.reshape(-1)[0]),
        "wrong gradient",
    )


def _largest(jacobian: Jacobian) -> float:
    return float(max(np.abs(jacobian.analytic).max(), np.abs(jacobian.numeric).max()))


def _compare(case: Case, rng: np.random.Generator) -> tuple[list[Jacobian], float]:
    """Compare at a shaken point in double precision; as near to that as the call can be repeated.

    Also gives the norm of the results.
    """
    failure: Exception | None = None
    for is_double, shakes in ((True, True), (True, False), (False, True), (False, False)):
        arguments = case.arguments(is_double=is_double, shake=rng if shakes else None)
        try:
            subject = Subject(_function(case, is_double), tuple(arguments))
            values, again = subject.values(), subject.values()
            if not np.array_equal(values, again, equal_nan=True):
                _warn(f"{case.operation} gives different results for equal arguments")
                return [], 0.0
            if np.isfinite(values).all():
                return check_projections(subject, SETTINGS, rng), float(np.linalg.norm(values))
        except (
            GradcheckError,
            RuntimeError,
            TypeError,
            ValueError,
            LookupError,
            NotImplementedError,
        ) as error:
            failure = error
    if failure is not None:
        _warn(f"{case.operation} could not be repeated ({failure})")
    return [], 0.0


def _warn(why: str) -> None:
    warn(f"verify: {why}, so its gradient was not compared")


def _function(case: Case, is_double: bool) -> Any:
    def call(*arguments: Any) -> tuple[Tensor, ...]:
        held = [a.clone() if isinstance(a, Tensor) else a for a in arguments]
        for place, elements in case.fixed.items():
            held[place][elements] = _core._cast(case.values[place][elements], held[place].dtype)
        with _core.RecordingMode(True, False):
            return tuple(case.function(held, is_double))

    return call


def check_real(case: Case, cotangents: Sequence[Tensor | None], grads: list[Tensor | None]) -> None:
    """Compare the gradients that were computed with those of the repeated call; GradientError if wrong."""
    arguments = case.arguments(is_double=False)
    outputs = _function(case, False)(*arguments)
    again = _gradients(outputs, cotangents, [arguments[i] for i in case.places])
    if again is None:
        return
    size = _work(outputs, cotangents) if case.noise else 0.0
    for place, fresh in zip(case.places, again, strict=True):
        shape = tuple(case.values[place].shape)
        real = _of_shape(grads[place], shape)
        repeated = _of_shape(fresh, shape)
        if real is None or not (np.isfinite(real).all() and np.isfinite(repeated).all()):
            continue
        epsilon = float(np.finfo(_name(case.values[place])).eps)
        allowed = 1e3 * epsilon * max(_largest_sum(grads[place]), float(np.abs(repeated).max(initial=0.0)))
        allowed += 1e3 * epsilon * size / typical(np.abs(as_double(case.values[place])).reshape(-1))
        if np.abs(real - repeated).max(initial=0.0) > allowed:
            _decide(case, place, cotangents, real, repeated, epsilon)


def _work(outputs: Any, cotangents: Sequence[Tensor | None]) -> float:
    """Give how much the results weigh: what terms that cancel inside of a module are small against."""
    pairs = zip(outputs, cotangents, strict=False)
    return float(sum(np.abs(as_double(o) * as_double(g)).sum() for o, g in pairs if g is not None))


def _name(tensor: Tensor) -> str:
    name = tensor.dtype.__name__
    return "float16" if name == "bfloat16" else name


def _of_shape(gradient: Tensor | None, shape: tuple[int, ...]) -> Any:
    if gradient is None:
        return np.zeros(shape)
    try:
        return reduced(as_double(gradient), shape).reshape(shape)
    except (ValueError, IndexError):
        return None  # the engine says so


def _largest_sum(gradient: Tensor | None) -> float:
    """Give the sum of magnitudes, above which rounding of a reduction cannot go."""
    return 0.0 if gradient is None else float(np.abs(as_double(gradient)).sum())


def _gradients(outputs: Any, cotangents: Sequence[Tensor | None], leaves: list[Tensor]) -> Any:
    """Unwind a repeated call; None where it is not recorded."""
    pairs = [
        (output, _core._cast(seed.detach(), output.dtype))
        for output, seed in zip(outputs, cotangents, strict=False)
        if seed is not None and output.requires_grad
    ]
    if not pairs:
        return None
    recorded, seeds = zip(*pairs, strict=True)
    return _core._grad(recorded, leaves, [seed.clone() for seed in seeds], True, False, True, False)


def _decide(
    case: Case, place: int, cotangents: Sequence[Tensor | None], real: Array, repeated: Array, epsilon: float
) -> None:
    """Take differences along the direction in which the two gradients differ most."""
    arguments = case.arguments(is_double=True)
    value = arguments[place].detach()
    start = value.numpy().copy()
    direction = real - repeated
    direction *= typical(np.abs(start).reshape(-1)) / float(np.sqrt(np.mean(direction**2)))
    function = _function(case, True)
    seeds = [None if seed is None else as_double(seed) for seed in cotangents]

    def probe(step: float) -> tuple[float, Array]:
        arguments[place] = _core.from_numpy(start + step * direction).requires_grad_()
        outputs = function(*arguments)
        total = sum(
            float((as_double(output) * seed).sum())
            for output, seed in zip(outputs, seeds, strict=False)
            if seed is not None
        )
        return step, np.array([total])

    computed, expected = float((real * direction).sum()), float((repeated * direction).sum())
    share = max(0.3 * epsilon**0.5, 1e-7)
    tolerance = numerical.Tolerance(_EPSILON, share * max(abs(computed), abs(expected)), share)
    result = numerical.compare(
        probe,
        probe(0.0)[1],
        np.array([computed]),
        SETTINGS.steps(1.0, 1.0, _EPSILON),
        tolerance,
        0.0,
    )
    differences = float(result.numeric[0])
    if result.agrees.all() or abs(expected - differences) > 0.1 * abs(computed - differences):
        return  # right after all, or a point where differences mean nothing
    raise GradientError(
        case.operation,
        case.module,
        case.describe(place),
        computed,
        differences,
        "what backward read had changed since forward: wrong gradient",
    )


def check_hook(operation: str, module: str, what: str, before: Tensor, after: Tensor) -> None:
    """Raise GradientError when a hook has changed the gradient that it was shown."""
    if tuple(before.shape) != tuple(after.shape):
        return  # the engine says so
    given, left = as_double(before), as_double(after)
    if not (np.isfinite(given).all() and np.isfinite(left).all()):
        return
    epsilon = float(np.finfo(_name(before)).eps)
    apart = left - given
    if np.abs(apart).max(initial=0.0) <= 64 * epsilon * np.abs(given).max(initial=0.0):
        return
    direction = apart / float(np.sqrt((apart**2).sum()))
    raise GradientError(
        operation,
        module,
        what,
        float((left * direction).sum()),
        float((given * direction).sum()),
        "it changed the gradient",
    )
