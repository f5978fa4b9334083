"""What gradcheck checks of one function, in order; first what needs no differences."""

from __future__ import annotations

import numpy as np

from unspool import _core
from unspool.autograd._gradcheck_basics import GradcheckError
from unspool.autograd._gradcheck_compare import Settings, compare_fully, compare_projections
from unspool.autograd._gradcheck_report import describe
from unspool.autograd._gradcheck_subject import Function, Subject


def _check_repeats(subject: Subject, settings: Settings, rng: np.random.Generator) -> None:
    """The function and its backward must give the same result every time."""
    first, second = subject.values(), subject.values()
    with np.errstate(invalid="ignore"):
        apart = float(np.max(np.abs(first - second), initial=0.0))
    if apart > settings.nondet_tol:
        raise GradcheckError(
            f"gradcheck: two calls of the function on the same inputs differ by {apart:.3g} (nondet_tol="
            f"{settings.nondet_tol:g}); if it draws random numbers, let it seed its own Generator"
        )
    for place, output in zip(subject.output_places, subject.outputs, strict=True):
        cotangent = rng.standard_normal(output.numel())
        pair = zip(subject.gradients(output, cotangent), subject.gradients(output, cotangent), strict=True)
        for variable, (one, other) in enumerate(pair):
            if one is None or other is None:
                continue
            apart = float(np.max(np.abs(one - other), initial=0.0))
            if apart > settings.nondet_tol:
                raise GradcheckError(
                    f"gradcheck: backward is not deterministic: unwinding output {place} twice gives "
                    f"gradients of input {subject.places[variable]} that differ by {apart:.3g} "
                    f"(nondet_tol={settings.nondet_tol:g})"
                )


def _check_undefined(subject: Subject, rng: np.random.Generator) -> None:
    """An output that received no cotangent must count like one that received zeros."""
    recorded = [output for output in subject.outputs if output.requires_grad]
    if len(recorded) < 2:
        return
    for chosen, output in enumerate(recorded):
        values = rng.standard_normal(output.numel()).reshape(output.shape).astype(output.dtype.__name__)
        seeds = [_core.zeros_like(other) for other in recorded]
        seeds[chosen] = _core.from_numpy(np.asarray(values))
        alone = subject.gradients(output, values)
        together = _core._grad(recorded, subject.variables, seeds, True, False, True, False)
        for variable, (a, b) in enumerate(zip(alone, together, strict=True)):
            one = 0.0 if a is None else a
            other = 0.0 if b is None else b.detach().numpy().astype(np.float64).reshape(-1)
            if not np.allclose(one, other, rtol=1e-5 if subject.epsilon > 1e-12 else 1e-10, equal_nan=True):
                raise GradcheckError(
                    f"gradcheck: with undefined cotangents for all outputs but {chosen}, the gradient of "
                    f"input {subject.places[variable]} differs from the one with zeros; "
                    "treat None as zero in backward"
                )


def _check_dtypes(subject: Subject) -> None:
    """Gradients must have the dtype of what they are gradients of."""
    recorded = [output for output in subject.outputs if output.requires_grad]
    if not recorded:
        return
    seeds = [_core.ones_like(output) for output in recorded]
    found = _core._grad(recorded, subject.variables, seeds, True, False, True, False)
    for place, variable, gradient in zip(subject.places, subject.variables, found, strict=True):
        if gradient is not None and gradient.dtype != variable.dtype:
            raise GradcheckError(
                f"gradcheck: input {place} is {variable.dtype} but its gradient is {gradient.dtype}"
            )


def check(subject: Subject, settings: Settings, fast_mode: bool, undefined: bool, dtypes: bool) -> None:
    """Run all checks of one function; raise GradcheckError about what is wrong."""
    rng = np.random.default_rng(0)
    _check_repeats(subject, settings, rng)
    if undefined:
        _check_undefined(subject, rng)
    if dtypes:
        _check_dtypes(subject)
    found = compare_projections(subject, settings, rng) if fast_mode else compare_fully(subject, settings)
    failures = [jacobian for jacobian in found if jacobian.wrong]
    if failures:
        raise GradcheckError(describe(name_of(subject.function), failures, len(found)), failures)


def name_of(function: Function) -> str:
    """Give the name by which messages call a function."""
    return str(getattr(function, "__qualname__", None) or type(function).__name__)
