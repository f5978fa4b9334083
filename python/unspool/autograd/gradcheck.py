"""Comparison of the tape's derivatives with numerical ones: `gradcheck` and `gradgradcheck`.

What is checked is in `_gradcheck_checks`, how differences are taken in `_numerical`, which are compared in
`_gradcheck_compare`, and how failures are told in `_gradcheck_report`. Few programs check gradients, so these
are imported by the first check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unspool import _core
from unspool._core import Tensor
from unspool.autograd._gradcheck_basics import GradcheckError, wants_gradient

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


def _arguments(inputs: Any, who: str) -> tuple[Any, ...]:
    if isinstance(inputs, Tensor):
        return (inputs,)
    if not isinstance(inputs, Sequence):
        raise TypeError(
            f"{who}: inputs must be a Tensor or a sequence of arguments, not {type(inputs).__name__}"
        )
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

    Every entry of the Jacobian of each output with respect to each input is compared with an extrapolated
    central difference. Steps are proportional to the input's magnitude; when the two disagree, other steps
    are tried before they are believed to. Inputs of dtype float32 are checked on copies in double precision
    where the function takes them, and then once more as they are.

    Args:
        func: takes the inputs and returns a tensor or a tuple of tensors. It must give the same result every
            time.
        inputs: the arguments. Those that are tensors requiring grad are checked, the others are passed on.
        eps: the first step, for magnitudes up to one, larger in proportion above; by default about 1e-4 of
            the input's magnitude.
        atol: with rtol, passes entries with ``|analytic - numerical| <= atol + rtol * |numerical|`` (1e-5
            and 1e-3 if only the other is given). By default the limit follows from the numerical
            derivative's own error: a relative fault of 1e-6 is found in a function that is evaluated in
            double precision.
        rtol: see atol.
        raise_exception: whether to raise instead of returning False.
        nondet_tol: largest accepted difference between two calls on the same inputs.
        check_undefined_grad: whether undefined cotangents must have the effect of zeros, if there are
            several outputs.
        check_grad_dtypes: whether each gradient must have its input's dtype.
        check_batched_grad: not supported.
        check_batched_forward_grad: not supported.
        check_forward_ad: not supported.
        check_backward_ad: False skips the comparison.
        fast_mode: compare two random projections of each Jacobian instead of all entries. The directions are
            the same every time, and the default generator is left alone.
        masked: without effect; tensors are dense.

    Returns:
        Whether all derivatives are right.

    Raises:
        GradcheckError: a derivative is wrong. The message lists input, output, place, both values and the
            operations between; the exception's ``failures`` holds the Jacobians.
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
    if not any(wants_gradient(value) for value in arguments):
        raise ValueError("gradcheck: at least one input must be a tensor that requires grad")
    if not check_backward_ad:
        return True
    from unspool.autograd._gradcheck_checks import check
    from unspool.autograd._gradcheck_compare import Settings
    from unspool.autograd._gradcheck_subject import Subject

    settings = Settings(eps, atol, rtol, nondet_tol)
    try:
        subject = Subject(func, arguments)
        check(subject, settings, fast_mode, check_undefined_grad, check_grad_dtypes)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _random_cotangents(func: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
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
    """Compare second derivatives with numerical ones: `gradcheck` of the gradients of a function.

    Args:
        func: as for `gradcheck`.
        inputs: as for `gradcheck`.
        grad_outputs: cotangents of those outputs that require grad; by default random ones that require grad
            too.
        gen_non_contig_grad_outputs: whether the random cotangents are laid out with gaps.
        eps: as for `gradcheck`.
        atol: as for `gradcheck`.
        rtol: as for `gradcheck`.
        raise_exception: whether to raise instead of returning False.
        nondet_tol: as for `gradcheck`.
        check_undefined_grad: as for `gradcheck`.
        check_grad_dtypes: as for `gradcheck`.
        check_batched_grad: not supported.
        check_fwd_over_rev: not supported.
        check_rev_over_rev: False skips the comparison.
        fast_mode: as for `gradcheck`.
        masked: as for `gradcheck`.

    Raises:
        GradcheckError: a second derivative is wrong; inputs are numbered with the cotangents after the
            function's own.
        ValueError: no input requires grad, or there is a wrong number of cotangents.
    """
    _reject("gradgradcheck", check_batched_grad=check_batched_grad, check_fwd_over_rev=check_fwd_over_rev)
    arguments = _arguments(inputs, "gradgradcheck")
    if not any(wants_gradient(value) for value in arguments):
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
            raise ValueError(
                f"gradgradcheck: {len(seeds)} grad_outputs for {len(recorded)} outputs that require grad"
            )
        variables = [value for value in own if wants_gradient(value)]
        if not recorded:
            return tuple(_core.zeros_like(variable) for variable in variables)
        return _core._grad(recorded, variables, seeds, True, True, True, True)

    from unspool.autograd._gradcheck_checks import name_of

    gradients.__qualname__ = f"the gradient of {name_of(func)}"
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
