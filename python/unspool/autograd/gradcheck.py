"""Comparison of the tape's derivatives with numerical ones. How differences are taken is in `_numerical`, how failures
are reported in `_gradcheck_report`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from unspool import _core
from unspool._core import Tensor
from unspool.autograd import _numerical as numerical
from unspool.autograd._gradcheck_report import Jacobian, describe, operations_between

if TYPE_CHECKING:
    from unspool.autograd._numerical import Array, Comparison, Tolerance

Function: TypeAlias = Callable[..., Any]

PROJECTIONS = 2  # random directions per pair of input and output in fast mode
FULL_REPORT = 1_000_000  # fast mode explains a failure entry by entry up to this many entries


class GradcheckError(RuntimeError):
    """A derivative is wrong. `failures` holds the Jacobians with wrong entries, both ways."""

    def __init__(self, message: str, failures: Sequence[Jacobian] = ()) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


@dataclass(frozen=True)
class _Settings:
    eps: float | None
    atol: float | None
    rtol: float | None
    nondet_tol: float
    check_undefined_grad: bool
    check_grad_dtypes: bool

    def tolerance(self, epsilon: float) -> Tolerance:
        explicit = self.atol is not None or self.rtol is not None
        atol = 1e-5 if explicit and self.atol is None else self.atol
        rtol = 1e-3 if explicit and self.rtol is None else self.rtol
        return numerical.Tolerance(epsilon, atol, rtol)

    def steps(self, scale: float, epsilon: float) -> Any:
        first = epsilon**0.25 * scale if self.eps is None else self.eps * max(1.0, scale)
        return numerical.step_sizes(scale, first)


# The function under test ----------------------------------------------------------------------------------------------


def _wants_gradient(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _overlaps_itself(tensor: Tensor) -> bool:
    return any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True))


def _own_memory(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Replace the inputs whose elements cannot be changed one by one: expanded, overlapping or read-only ones."""
    result = []
    for position, value in enumerate(inputs):
        if _wants_gradient(value):
            array = value.detach().numpy()
            others = (o for i, o in enumerate(inputs) if i != position and o is not value and isinstance(o, Tensor))
            shared = any(np.may_share_memory(array, other.detach().numpy()) for other in others)
            if shared or not array.flags.writeable or _overlaps_itself(value):
                value = value.detach().clone().requires_grad_()
        result.append(value)
    return tuple(result)


class _Subject:
    """A function with the arguments at which it is checked.

    Elements are changed where they are, so that functions that reach their inputs by another way than their arguments
    (a module's parameters) can be checked too; they are always restored.
    """

    def __init__(self, function: Function, inputs: tuple[Any, ...]) -> None:
        self.function = function
        self.inputs = _own_memory(inputs)
        self.places = [i for i, value in enumerate(self.inputs) if _wants_gradient(value)]
        self.variables: list[Tensor] = [self.inputs[i] for i in self.places]
        self.arrays: list[Any] = [variable.detach().numpy() for variable in self.variables]
        everything = self._call()
        recorded = [i for i, output in enumerate(everything) if output.requires_grad]
        # If nothing is recorded, all floating outputs are claimed to be constant.
        self.output_places = recorded or [i for i, out in enumerate(everything) if out.dtype.is_floating_point]
        self.outputs = [everything[i] for i in self.output_places]
        shadowed = [*self.outputs, *self.variables]
        self.epsilon = max((float(np.finfo(each.dtype.__name__).eps) for each in shadowed), default=2.0**-52)
        ends = np.cumsum([0, *(output.numel() for output in self.outputs)])
        self.slices = [slice(int(a), int(b)) for a, b in zip(ends[:-1], ends[1:], strict=True)]

    def _call(self) -> list[Tensor]:
        result = self.function(*self.inputs)
        outputs = list(result) if isinstance(result, tuple | list) else [result]
        for output in outputs:
            if not isinstance(output, Tensor):
                raise ValueError(
                    f"gradcheck: the function must return a Tensor or a tuple of Tensors, not {type(output).__name__}"
                )
        return outputs

    def values(self) -> Array:
        """Evaluate: all outputs in one vector."""
        everything = self._call()
        parts = [everything[i].detach().numpy().astype(np.float64).reshape(-1) for i in self.output_places]
        return np.concatenate(parts) if parts else np.zeros(0)

    def gradients(self, output: Tensor, cotangent: Any) -> list[Array | None]:
        """Unwind from one output: the gradient of each variable as a vector, None where there is none."""
        if not output.requires_grad:
            return [None] * len(self.variables)
        seed = _core.from_numpy(np.asarray(cotangent, output.dtype.__name__).reshape(output.shape))
        try:
            found = _core._grad(output, self.variables, seed, True, False, True, False)
        except RuntimeError as error:
            raise GradcheckError(f"gradcheck: the gradient could not be computed: {error}") from error
        return [None if g is None else g.detach().numpy().astype(np.float64).reshape(-1) for g in found]

    def scales(self, variable: int) -> Array:
        """Give the magnitude to which each element's step is proportional."""
        sizes = np.abs(self.arrays[variable].astype(np.float64)).reshape(-1)
        finite = sizes[np.isfinite(sizes)]
        typical = float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0
        return np.maximum(np.where(np.isfinite(sizes), sizes, 0.0), typical or 1.0)

    def probe_element(self, variable: int, element: int) -> numerical.Probe:
        """Make steps of a single element."""
        array = self.arrays[variable]
        index = np.unravel_index(element, array.shape) if array.ndim else ()
        start = array[index]

        def probe(step: float) -> tuple[float, Array]:
            try:
                array[index] = float(start) + step
                taken = float(array[index]) - float(start)
                return taken, self.values()
            finally:
                array[index] = start

        return probe

    def probe_direction(self, variable: int, direction: Array) -> numerical.Probe:
        """Make steps of all elements at once."""
        array = self.arrays[variable]
        start, slope = array.copy(), direction.reshape(array.shape)

        def probe(step: float) -> tuple[float, Array]:
            try:
                array[...] = start + step * slope
                return step, self.values()
            finally:
                array[...] = start

        return probe


# Checks that need no differences --------------------------------------------------------------------------------------


def _check_repeats(subject: _Subject, settings: _Settings, rng: np.random.Generator) -> None:
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
                    f"gradcheck: backward is not deterministic: unwinding output {place} twice gives gradients of input "
                    f"{subject.places[variable]} that differ by {apart:.3g} (nondet_tol={settings.nondet_tol:g})"
                )


def _check_undefined(subject: _Subject, rng: np.random.Generator) -> None:
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
                    f"gradcheck: with undefined cotangents for all outputs but {chosen}, the gradient of input "
                    f"{subject.places[variable]} differs from the one with zeros; treat None as zero in backward"
                )


def _check_dtypes(subject: _Subject) -> None:
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


# Jacobians ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Analytic:
    """By variable: the derivatives of all outputs, (input elements, output elements), and where there are none."""

    jacobians: list[Array]
    undefined: list[list[bool]]  # by variable, by output


def _analytic(subject: _Subject) -> _Analytic:
    total = sum(output.numel() for output in subject.outputs)
    jacobians = [np.zeros((variable.numel(), total)) for variable in subject.variables]
    undefined = [[True] * len(subject.outputs) for _ in subject.variables]
    for place, output in enumerate(subject.outputs):
        first = subject.slices[place].start
        for element in range(output.numel() if output.requires_grad else 0):
            cotangent = np.zeros(output.numel())
            cotangent[element] = 1.0
            for variable, gradient in enumerate(subject.gradients(output, cotangent)):
                if gradient is not None:
                    jacobians[variable][:, first + element] = gradient
                    undefined[variable][place] = False
    return _Analytic(jacobians, undefined)


def _largest(values: Array) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max(initial=0.0))


def _noise_floor(analytic: Array, epsilon: float) -> float:
    return epsilon * (64 + 512 * _largest(analytic))


def _full_check(subject: _Subject, settings: _Settings, analytic: _Analytic) -> list[Jacobian]:
    """Compare every entry of every Jacobian."""
    tolerance = settings.tolerance(subject.epsilon)
    center = subject.values()
    found = []
    for variable, jacobian in enumerate(analytic.jacobians):
        floor = _noise_floor(jacobian, subject.epsilon)
        columns = [
            numerical.compare(
                subject.probe_element(variable, element),
                center,
                jacobian[element],
                settings.steps(float(scale), subject.epsilon),
                tolerance,
                floor,
            )
            for element, scale in enumerate(subject.scales(variable))
        ]
        found += _by_output(subject, variable, analytic, columns)
    return found


def _by_output(subject: _Subject, variable: int, analytic: _Analytic, rows: list[Comparison]) -> list[Jacobian]:
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


def _fast_check(subject: _Subject, settings: _Settings, rng: np.random.Generator) -> list[Jacobian]:
    """Compare random projections v.J.u of every Jacobian; a wrong entry goes unseen with probability zero."""
    tolerance = settings.tolerance(subject.epsilon)
    found = []
    for _ in range(PROJECTIONS):
        cotangents = [rng.standard_normal(output.numel()) for output in subject.outputs]
        pairs = zip(subject.outputs, cotangents, strict=True)
        gradients = [subject.gradients(output, cotangent) for output, cotangent in pairs]

        def project(values: Array, weights: list[Array] = cotangents) -> Array:
            return np.array([w @ values[part] for w, part in zip(weights, subject.slices, strict=True)])

        center = project(subject.values())
        for variable, array in enumerate(subject.arrays):
            direction = rng.standard_normal(array.size) * subject.scales(variable)
            terms = [0.0 if g[variable] is None else g[variable] * direction for g in gradients]  # type: ignore[operator]
            analytic = np.array([np.sum(term) for term in terms])
            probe = subject.probe_direction(variable, direction)

            def projected(step: float, probe: numerical.Probe = probe) -> tuple[float, Array]:
                taken, values = probe(step)
                return taken, project(values)

            size = max((float(np.linalg.norm(term)) for term in terms), default=0.0)
            floor = _noise_floor(np.array([size]), subject.epsilon)
            steps = settings.steps(1.0, subject.epsilon)
            result = numerical.compare(projected, center, analytic, steps, tolerance, floor)
            found += _projections(subject, variable, analytic, result)
    return found


def _projections(subject: _Subject, variable: int, analytic: Array, result: Comparison) -> list[Jacobian]:
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


# Single precision -----------------------------------------------------------------------------------------------------


def _double(value: Any) -> Any:
    if not isinstance(value, Tensor) or value.dtype is not _core.float32:
        return value
    return _core._cast(value.detach(), _core.float64).requires_grad_(value.requires_grad)


def _shadow(function: Function, subject: _Subject, analytic: _Analytic) -> tuple[_Subject, _Analytic] | None:
    """Give the same function on double-precision copies; None if it does not take them or does not depend on them."""
    try:
        shadow = _Subject(function, tuple(_double(value) for value in subject.inputs))
        found = _analytic(shadow)
    except (RuntimeError, TypeError, ValueError):
        return None
    same = shadow.output_places == subject.output_places and found.undefined == analytic.undefined
    return (shadow, found) if same else None


def _compare_precisions(
    subject: _Subject, analytic: _Analytic, exact: Sequence[Jacobian], settings: _Settings
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


# The checks -----------------------------------------------------------------------------------------------------------


def _all_jacobians(function: Function, subject: _Subject, settings: _Settings) -> list[Jacobian]:
    analytic = _analytic(subject)
    if all(variable.dtype is _core.float64 for variable in subject.variables):
        return _full_check(subject, settings, analytic)
    twin = _shadow(function, subject, analytic)
    if twin is None:
        return _full_check(subject, settings, analytic)
    exact = _full_check(twin[0], settings, twin[1])
    return exact + _compare_precisions(subject, analytic, exact, settings)


def _check(function: Function, inputs: tuple[Any, ...], settings: _Settings, fast_mode: bool, name: str) -> None:
    subject = _Subject(function, inputs)
    rng = np.random.default_rng(0)
    _check_repeats(subject, settings, rng)
    if settings.check_undefined_grad:
        _check_undefined(subject, rng)
    if settings.check_grad_dtypes:
        _check_dtypes(subject)
    found = _fast(function, subject, settings, rng) if fast_mode else _all_jacobians(function, subject, settings)
    failures = [jacobian for jacobian in found if jacobian.wrong]
    if failures:
        raise GradcheckError(describe(name, failures, len(found)), failures)


def _fast(function: Function, subject: _Subject, settings: _Settings, rng: np.random.Generator) -> list[Jacobian]:
    checked = subject
    if any(variable.dtype is _core.float32 for variable in subject.variables):
        try:
            twin = _Subject(function, tuple(_double(value) for value in subject.inputs))
            checked = twin if any(output.requires_grad for output in twin.outputs) else subject
        except (RuntimeError, TypeError, ValueError):
            pass
    found = _fast_check(checked, settings, rng)
    entries = sum(v.numel() for v in subject.variables) * sum(o.numel() for o in subject.outputs)
    if all(jacobian.wrong == 0 for jacobian in found) or entries > FULL_REPORT:
        return found
    explained = _all_jacobians(function, subject, settings)
    return explained if any(jacobian.wrong for jacobian in explained) else found


def _name_of(function: Function) -> str:
    return str(getattr(function, "__qualname__", None) or type(function).__name__)


def _arguments(inputs: Any, who: str) -> tuple[Any, ...]:
    if isinstance(inputs, Tensor):
        return (inputs,)
    if not isinstance(inputs, Sequence):
        raise TypeError(f"{who}: inputs must be a Tensor or a sequence of arguments, not {type(inputs).__name__}")
    return tuple(inputs)


def _reject(who: str, **unsupported: bool) -> None:
    for name, value in unsupported.items():
        if value:
            raise NotImplementedError(f"{who}: {name}=True is not supported")


def gradcheck(
    func: Callable[..., Tensor | Sequence[Tensor]],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of a function with numerical derivatives.

    Every entry of the Jacobian of each output with respect to each input is compared with an extrapolated central
    difference. Steps are proportional to the input's magnitude; when the two disagree, other steps are tried before
    they are believed to. Inputs of dtype float32 are checked on copies in double precision where the function takes
    them, and then once more as they are.

    Args:
        func: takes the inputs and returns a tensor or a tuple of tensors. It must give the same result every time.
        inputs: the arguments. Those that are tensors requiring grad are checked, the others are passed on.
        eps: the first step, for magnitudes up to one, larger in proportion above; by default about 1e-4 of the input's
            magnitude.
        atol, rtol: pass entries with ``|analytic - numerical| <= atol + rtol * |numerical|`` (1e-5 and 1e-3 if only the
            other is given). By default the limit follows from the numerical derivative's own error: a relative fault
            of 1e-6 is found in a function that is evaluated in double precision.
        raise_exception: whether to raise instead of returning False.
        nondet_tol: largest accepted difference between two calls on the same inputs.
        check_undefined_grad: whether undefined cotangents must have the effect of zeros, if there are several outputs.
        check_grad_dtypes: whether each gradient must have its input's dtype.
        check_batched_grad, check_batched_forward_grad, check_forward_ad: not supported.
        check_backward_ad: False skips the comparison.
        fast_mode: compare two random projections of each Jacobian instead of all entries. The directions are the same
            every time, and the default generator is left alone.
        masked: without effect; tensors are dense.

    Returns:
        Whether all derivatives are right.

    Raises:
        GradcheckError: a derivative is wrong. The message lists input, output, place, both values and the operations
            between; the exception's ``failures`` holds the Jacobians.
        ValueError: no input requires grad, or func returns something that is not a tensor.
    """
    del masked
    _reject(
        "gradcheck",
        check_batched_grad=check_batched_grad,
        check_batched_forward_grad=check_batched_forward_grad,
        check_forward_ad=check_forward_ad,
    )
    arguments = _arguments(inputs, "gradcheck")
    if not any(_wants_gradient(value) for value in arguments):
        raise ValueError("gradcheck: at least one input must be a tensor that requires grad")
    if not check_backward_ad:
        return True
    settings = _Settings(eps, atol, rtol, nondet_tol, check_undefined_grad, check_grad_dtypes)
    try:
        _check(func, arguments, settings, fast_mode, _name_of(func))
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _random_cotangents(func: Function, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    result = func(*inputs)
    outputs = result if isinstance(result, tuple | list) else (result,)
    rng = np.random.default_rng(1)
    return tuple(
        _core.from_numpy(np.asarray(rng.standard_normal(out.shape), out.dtype.__name__)).requires_grad_()
        for out in outputs
        if isinstance(out, Tensor) and out.requires_grad
    )


def gradgradcheck(
    func: Callable[..., Tensor | Sequence[Tensor]],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compare second derivatives with numerical ones: `gradcheck` of the function that computes the gradients.

    Args:
        func, inputs: as for `gradcheck`.
        grad_outputs: cotangents of those outputs that require grad; by default random ones that require grad too.
        gen_non_contig_grad_outputs: whether the random cotangents are laid out with gaps.
        check_batched_grad, check_fwd_over_rev: not supported.
        check_rev_over_rev: False skips the comparison.
        eps, atol, rtol, raise_exception, nondet_tol, check_undefined_grad, check_grad_dtypes, fast_mode, masked: as for
            `gradcheck`.

    Raises:
        GradcheckError: a second derivative is wrong; inputs are numbered with the cotangents after the function's own.
        ValueError: no input requires grad, or there is a wrong number of cotangents.
    """
    _reject("gradgradcheck", check_batched_grad=check_batched_grad, check_fwd_over_rev=check_fwd_over_rev)
    arguments = _arguments(inputs, "gradgradcheck")
    if not any(_wants_gradient(value) for value in arguments):
        raise ValueError("gradgradcheck: at least one input must be a tensor that requires grad")
    if not check_rev_over_rev:
        return True
    if grad_outputs is None:
        cotangents = _random_cotangents(func, arguments)
        if gen_non_contig_grad_outputs:
            cotangents = tuple(_with_gaps(cotangent) for cotangent in cotangents)
    else:
        cotangents = _arguments(grad_outputs, "gradgradcheck")
    count = len(arguments)

    def gradients(*values: Any) -> tuple[Tensor, ...]:
        """Compute the gradients of func, recorded."""
        own, seeds = values[:count], values[count:]
        result = func(*own)
        outputs = result if isinstance(result, tuple | list) else (result,)
        recorded = [out for out in outputs if isinstance(out, Tensor) and out.requires_grad]
        if len(recorded) != len(seeds):
            raise ValueError(f"gradgradcheck: {len(seeds)} grad_outputs for {len(recorded)} outputs that require grad")
        variables = [value for value in own if _wants_gradient(value)]
        if not recorded:
            return tuple(_core.zeros_like(variable) for variable in variables)
        found: tuple[Tensor, ...] = _core._grad(recorded, variables, seeds, True, True, True, True)
        return found

    gradients.__qualname__ = f"the gradient of {_name_of(func)}"
    return gradcheck(
        gradients,
        (*arguments, *cotangents),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        fast_mode=fast_mode,
        masked=masked,
    )


def _with_gaps(tensor: Tensor) -> Tensor:
    """Lay out the same values with a gap after each."""
    array = tensor.detach().numpy()
    spread = np.zeros((*array.shape, 2), array.dtype)
    spread[..., 0] = array
    return _core.from_numpy(spread[..., 0]).requires_grad_()
