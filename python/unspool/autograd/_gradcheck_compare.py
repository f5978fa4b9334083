"""Comparison of the tape's Jacobians with numerical ones: all entries, random projections, two precisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unspool import _core
from unspool._core import Tensor
from unspool.autograd import _numerical as numerical
from unspool.autograd._gradcheck_report import Jacobian, operations_between
from unspool.autograd._gradcheck_subject import Analytic, Subject, analytic_jacobians, typical

if TYPE_CHECKING:
    from unspool.autograd._numerical import Array, Comparison, Probe

PROJECTIONS = 2  # random directions per pair of input and output in fast mode
FULL_REPORT = 1_000_000  # fast mode explains a failure entry by entry up to this many entries


@dataclass(frozen=True)
class Settings:
    """What the caller asked for."""

    eps: float | None
    atol: float | None
    rtol: float | None
    nondet_tol: float

    def tolerance(self, epsilon: float) -> numerical.Tolerance:
        """Give the accepted differences for a function evaluated with this machine epsilon."""
        explicit = self.atol is not None or self.rtol is not None
        atol = 1e-5 if explicit and self.atol is None else self.atol
        rtol = 1e-3 if explicit and self.rtol is None else self.rtol
        return numerical.Tolerance(epsilon, atol, rtol)

    def steps(self, scale: float, magnitude: float, epsilon: float) -> Iterator[float]:
        """Give steps for an element of some magnitude in a tensor of typical magnitude `scale`."""
        large = max(scale, magnitude)
        first = epsilon**0.25 * large if self.eps is None else self.eps * max(large, 1.0)
        smallest = 2.0**-36 * max(magnitude, 1e-9 * scale)
        return numerical.step_sizes(first, smallest, 2.0**-3 * max(large, 1.0))

    def floor(self, analytic: Array, epsilon: float) -> float:
        """Give the size below which derivatives are noise: of rounding, or as much as the caller admits."""
        return 512 * epsilon * _largest(analytic) + self.nondet_tol


def _largest(values: Array) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max(initial=0.0))


def _check_entries(subject: Subject, settings: Settings, analytic: Analytic) -> list[Jacobian]:
    """Compare every entry of every Jacobian."""
    tolerance = settings.tolerance(subject.epsilon)
    center = subject.values()
    found: list[Jacobian] = []
    for variable, jacobian in enumerate(analytic.jacobians):
        floor = settings.floor(jacobian, subject.epsilon)
        magnitudes = subject.magnitudes(variable)
        scale = typical(magnitudes)
        rows = [
            numerical.compare(
                subject.probe_element(variable, element),
                center,
                jacobian[element],
                settings.steps(scale, float(magnitude), subject.epsilon),
                tolerance,
                floor,
            )
            for element, magnitude in enumerate(magnitudes)
        ]
        found += _by_output(subject, variable, analytic, rows)
    return found


def _by_output(subject: Subject, variable: int, analytic: Analytic, rows: list[Comparison]) -> list[Jacobian]:
    """Split what was found for one variable into one Jacobian per output."""
    shape = (len(rows), subject.slices[-1].stop if subject.slices else 0)
    numeric = np.array([row.numeric for row in rows]).reshape(shape)
    error = np.array([row.error for row in rows]).reshape(shape)
    agrees = np.array([row.agrees for row in rows], np.bool_).reshape(shape)
    return [
        Jacobian(
            input=subject.places[variable],
            output=subject.output_places[place],
            input_shape=tuple(subject.variables[variable].shape),
            output_shape=tuple(output.shape),
            analytic=analytic.jacobians[variable][:, part],
            numeric=numeric[:, part],
            error=error[:, part],
            agrees=agrees[:, part],
            undefined=analytic.undefined[variable][place],
            path=operations_between(output, subject.variables[variable]),
        )
        for place, (output, part) in enumerate(zip(subject.outputs, subject.slices, strict=True))
    ]


def check_projections(subject: Subject, settings: Settings, rng: np.random.Generator) -> list[Jacobian]:
    """Compare one random projection v.J.u of every Jacobian; that a fault drops out has probability zero."""
    weights = [rng.standard_normal(output.numel()) for output in subject.outputs]
    pairs = zip(subject.outputs, weights, strict=True)
    gradients = [subject.gradients(output, weight) for output, weight in pairs]

    def project(values: Array) -> Array:
        return np.array([w @ values[part] for w, part in zip(weights, subject.slices, strict=True)])

    center = project(subject.values())
    found: list[Jacobian] = []
    for variable, array in enumerate(subject.arrays):
        magnitudes = subject.magnitudes(variable)
        direction = rng.standard_normal(array.size) * _reach(magnitudes)
        terms = [_terms(gradient[variable], direction) for gradient in gradients]
        analytic = np.array([term.sum() for term in terms])
        floor = settings.floor(np.array([np.linalg.norm(term) for term in terms]), subject.epsilon)
        probe = _projected(subject.probe_direction(variable, direction), project)
        steps = settings.steps(1.0, 1.0, subject.epsilon)
        result = numerical.compare(probe, center, analytic, steps, settings.tolerance(subject.epsilon), floor)
        found += _by_output_projected(subject, variable, analytic, result)
    return found


def _reach(magnitudes: Array) -> Array:
    """Give how far each element may go: between its own magnitude and the typical one if that is larger."""
    scale = typical(magnitudes)
    return np.where(magnitudes > 0, np.sqrt(magnitudes * np.maximum(magnitudes, scale)), scale)


def _terms(gradient: Array | None, direction: Array) -> Array:
    return np.zeros(1) if gradient is None else gradient * direction


def _projected(probe: Probe, project: Callable[[Array], Array]) -> Probe:
    def projected(step: float) -> tuple[float, Array]:
        taken, values = probe(step)
        return taken, project(values)

    return projected


def _by_output_projected(
    subject: Subject, variable: int, analytic: Array, result: Comparison
) -> list[Jacobian]:
    return [
        Jacobian(
            input=subject.places[variable],
            output=subject.output_places[place],
            input_shape=(),
            output_shape=(),
            analytic=analytic[place].reshape(1, 1),
            numeric=result.numeric[place].reshape(1, 1),
            error=result.error[place].reshape(1, 1),
            agrees=result.agrees[place].reshape(1, 1),
            undefined=False,
            path=operations_between(output, subject.variables[variable]),
            note=" (one random projection of the Jacobian)",
        )
        for place, output in enumerate(subject.outputs)
    ]


# Single precision -----------------------------------------------------------------------------------------


def _double(value: Any) -> Any:
    if not isinstance(value, Tensor) or value.dtype is not _core.float32:
        return value
    return _core._cast(value.detach(), _core.float64).requires_grad_(value.requires_grad)


def _is_single(subject: Subject) -> bool:
    return any(variable.dtype is _core.float32 for variable in subject.variables)


def _shadow(subject: Subject) -> Subject | None:
    """Give the same function on double-precision copies; None if it does not take or not use them."""
    try:
        shadow = Subject(subject.function, tuple(_double(value) for value in subject.inputs))
        dependence = [shadow.dependence(output) for output in shadow.outputs]
        same = dependence == [subject.dependence(output) for output in subject.outputs]
    except (RuntimeError, TypeError, ValueError):
        return None
    return shadow if same and shadow.output_places == subject.output_places else None


def _compare_precisions(
    subject: Subject, analytic: Analytic, exact: Sequence[Jacobian], settings: Settings
) -> list[Jacobian]:
    """Compare gradients in single precision with the numerical ones that were taken in double precision."""
    rtol = 1e-3 if settings.rtol is None else settings.rtol
    atol = 0.0 if settings.atol is None else settings.atol
    result = []
    for j in exact:
        variable = subject.places.index(j.input)
        values = analytic.jacobians[variable][:, subject.slices[subject.output_places.index(j.output)]]
        allowed = atol + rtol * np.abs(j.numeric) + 1e-4 * _largest(j.numeric) + 64 * subject.epsilon
        with np.errstate(invalid="ignore"):
            agrees = np.abs(values - j.numeric) <= allowed
        fields = {**vars(j), "analytic": values, "agrees": agrees, "note": " (float32 against float64)"}
        result.append(Jacobian(**fields))
    return result


# What to compare ------------------------------------------------------------------------------------------


def compare_fully(subject: Subject, settings: Settings) -> list[Jacobian]:
    """Compare all entries; in single precision against derivatives in double precision if there are any."""
    shadow = _shadow(subject) if _is_single(subject) else None
    if shadow is None:
        return _check_entries(subject, settings, analytic_jacobians(subject))
    exact = _check_entries(shadow, settings, analytic_jacobians(shadow))
    return exact + _compare_precisions(subject, analytic_jacobians(subject), exact, settings)


def compare_projections(subject: Subject, settings: Settings, rng: np.random.Generator) -> list[Jacobian]:
    """Compare random projections; if they disagree, say which entries are wrong unless that takes long."""
    shadow = _shadow(subject) if _is_single(subject) else None
    found = [j for _ in range(PROJECTIONS) for j in check_projections(shadow or subject, settings, rng)]
    entries = sum(v.numel() for v in subject.variables) * sum(o.numel() for o in subject.outputs)
    if all(j.wrong == 0 for j in found) or entries > FULL_REPORT:
        return found
    explained = compare_fully(subject, settings)
    return explained if any(j.wrong for j in explained) else found
