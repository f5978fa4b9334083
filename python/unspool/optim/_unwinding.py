"""``backward(step=optimizer)``: parameters are updated, and gradients freed, while the tape is unwound."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NoReturn

from unspool import _core
from unspool._core import Tensor
from unspool.amp.grad_scaler import GradScaler
from unspool.nn.utils.clip_grad import clipping_factor, total_of_norms
from unspool.optim.optimizer import Optimizer, after_unwinding, global_pre_hooks, refuse_pre_hook

__all__ = ["unwind"]

Visit = Callable[[int, Tensor], Any]
_NORM = "grad_norm"  # in the first group of the first optimizer: the norm that clip="previous" uses next


def unwind(
    tensor: Any,
    gradient: Any,
    inputs: Any,
    engine: str,
    retain_graph: bool | None,
    create_graph: bool,
    step: Any,
    clip: str | None,
    max_norm: float | None,
    norm_type: float,
    scaler: GradScaler | None,
) -> Tensor | None:
    """Unwinds the tape and updates; for the arguments see ``Tensor.backward``."""
    if step is None or retain_graph or create_graph:
        _refuse(step, retain_graph)
    optimizers = (step,) if isinstance(step, Optimizer) else _checked_optimizers(step)
    if clip is not None or max_norm is not None:
        _check_clip(clip, max_norm)
    groups = _groups_of(optimizers)
    if clip is None and scaler is None:
        _core._unwind_and_step(tensor, gradient, inputs, engine, groups, None)
        for optimizer in optimizers:
            after_unwinding(optimizer)
        return None
    unwinding = _Unwinding((tensor, gradient, inputs, engine), optimizers)
    if scaler is None or not scaler.is_enabled():
        total = unwinding.run(clip, max_norm, norm_type)
    else:
        total = unwinding.run_unscaled(scaler, clip, max_norm, norm_type)
    for optimizer in unwinding.stepping:
        after_unwinding(optimizer)
    return total


def _refuse(step: Any, retain_graph: bool | None) -> NoReturn:
    if step is None:
        raise ValueError(
            "backward: clip, max_norm and scaler belong to step=, the optimizer that updates while the tape "
            "is unwound; without it call nn.utils.clip_grad_norm_() or scaler.step() afterwards"
        )
    if retain_graph:
        raise ValueError(
            "backward(step=): retain_graph=True keeps the tape for another unwinding, which would meet "
            "parameters that have changed since; unwind with retain_graph=True and without step first, and "
            "with step last"
        )
    raise ValueError(
        "backward(step=): create_graph=True records the gradients for higher derivatives, but they are "
        "freed; call backward(create_graph=True) and the optimizer's step() one after the other"
    )


def _groups_of(optimizers: tuple[Optimizer, ...], left_out: Collection[Optimizer] = ()) -> list[Any]:
    """As the core takes them. Gradients of optimizers that are left out are dropped."""
    groups: list[Any] = []
    for optimizer in optimizers:
        if global_pre_hooks or optimizer._optimizer_step_pre_hooks:
            refuse_pre_hook(optimizer)
        method = None if optimizer._is_rule else optimizer._checked_step_parameter()
        if left_out and any(optimizer is each for each in left_out):
            method = _drop
        for group in optimizer.param_groups:
            rule = None if method is not None else optimizer._rule_of(group)
            groups.append((rule, group, optimizer.state, method))
    return groups


def _checked_optimizers(step: Any) -> tuple[Optimizer, ...]:
    if not isinstance(step, (list, tuple)) or not all(isinstance(each, Optimizer) for each in step):
        raise TypeError(
            "backward(step=): step must be an optimizer of unspool.optim or a list of them, not "
            f"{type(step).__name__}"
        )
    if not step:
        raise ValueError("backward(step=): the list of optimizers is empty; leave step out to update nothing")
    if len({id(each) for each in step}) != len(step):
        raise ValueError("backward(step=): an optimizer is listed twice")
    return tuple(step)


def _check_clip(clip: str | None, max_norm: float | None) -> None:
    if clip not in (None, "exact", "previous"):
        raise ValueError(f'backward(step=): clip must be None, "exact" or "previous", got {clip!r}')
    if clip is not None and max_norm is None:
        raise ValueError(f"backward(step=): clip={clip!r} needs max_norm, the norm wanted at most")
    if clip is None and max_norm is not None:
        raise ValueError(
            'backward(step=): max_norm needs clip="exact" (two unwindings) or clip="previous" (the norm of '
            "the last step)"
        )


class _Norms:
    """The norms of gradients, in the order of the parameters however they come."""

    def __init__(self, exponent: float) -> None:
        self.exponent = float(exponent)
        self.found: dict[int, Tensor] = {}

    def take(self, number: int, gradient: Tensor) -> None:
        self.found[number] = gradient.norm(self.exponent)

    def total(self) -> Tensor:
        return total_of_norms([self.found[number] for number in sorted(self.found)], self.exponent)


class _Unwinding:
    """One unwinding, or two, in which optimizers step."""

    def __init__(self, walked: tuple[Any, Any, Any, str], optimizers: tuple[Optimizer, ...]) -> None:
        self.walked = walked
        self.optimizers = optimizers
        self.stepping = list(optimizers)  # without those that are left out because of their gradients

    def run(self, clip: str | None, max_norm: float | None, norm_type: float) -> Tensor | None:
        """Without scaling."""
        if clip is None or max_norm is None:
            _core._unwind_and_step(*self.walked, _groups_of(self.optimizers), None)
            return None
        norms, previous = _Norms(norm_type), self._previous(clip)
        if previous is None:
            self._rehearse(norms.take)
            total = norms.total()
            factor = clipping_factor(max_norm, total)
            _core._unwind_and_step(
                *self.walked, _groups_of(self.optimizers), lambda _, gradient: gradient.mul_(factor)
            )
        else:
            factor = clipping_factor(max_norm, previous)

            def prepare(number: int, gradient: Tensor) -> None:
                norms.take(number, gradient)
                gradient.mul_(factor)

            _core._unwind_and_step(*self.walked, _groups_of(self.optimizers), prepare)
            total = norms.total()
        return self._kept(clip, total)

    def run_unscaled(
        self, scaler: GradScaler, clip: str | None, max_norm: float | None, norm_type: float
    ) -> Tensor | None:
        """With gradients divided by the scale, and optimizers left out whose gradients are not all finite."""
        inverse = scaler._begin_unwinding(self.optimizers)
        owners = [number for number, group in self._numbered_groups() for _ in group["params"]]
        norms, finite = _Norms(norm_type), [True] * len(self.optimizers)

        def look(number: int, gradient: Tensor) -> None:
            gradient.mul_(inverse)
            owner = owners[number]
            finite[owner] = finite[owner] and bool(gradient.isfinite().all())
            if clip is not None:
                norms.take(number, gradient)

        self._rehearse(look)
        total = factor = None
        if clip is not None and max_norm is not None:
            total, previous = norms.total(), self._previous(clip)
            factor = clipping_factor(max_norm, total if previous is None else previous)

        def prepare(_: int, gradient: Tensor) -> None:
            gradient.mul_(inverse)
            if factor is not None:
                gradient.mul_(factor)

        paired = list(zip(self.optimizers, finite, strict=True))
        left_out = [each for each, steps in paired if not steps]
        _core._unwind_and_step(*self.walked, _groups_of(self.optimizers, left_out), prepare)
        self.stepping = [each for each, steps in paired if steps]
        scaler._end_unwinding(self.optimizers, finite)
        return self._kept(clip, total) if total is not None and all(finite) else total

    def _rehearse(self, visit: Visit) -> None:
        """Shows each parameter's gradient to ``visit`` and drops it; the tape can be unwound again."""
        parameters = [parameter for _, group in self._numbered_groups() for parameter in group["params"]]
        _core._rehearse(*self.walked, parameters, visit)

    def _numbered_groups(self) -> list[tuple[int, dict[str, Any]]]:
        return [(i, group) for i, each in enumerate(self.optimizers) for group in each.param_groups]

    def _previous(self, clip: str) -> Tensor | None:
        """The norm of the last step where it is to be used and there was one."""
        return self.optimizers[0].param_groups[0].get(_NORM) if clip == "previous" else None

    def _kept(self, clip: str | None, total: Tensor) -> Tensor:
        """``total``, kept for the next step where that will use it."""
        if clip != "previous":
            return total
        group = self.optimizers[0].param_groups[0]
        if _NORM in group:
            group[_NORM].copy_(total)
        else:
            group[_NORM] = total.clone()
        return total


def _drop(parameter: Tensor, group: dict[str, Any]) -> None:
    del parameter, group
