"""``unspool.checkpoint_sequential``: a chain of modules under a budget of memory."""

from __future__ import annotations

import time
import weakref
from typing import Any, NamedTuple

import unspool
from unspool import _core
from unspool._core import Tensor
from unspool._recompute.budget import HEADER, allocated, bytes_of, peak, text_of
from unspool.autograd.grad_mode import no_grad
from unspool.nn.modules.container import Sequential
from unspool.nn.modules.module import Module

_LIMITS = 48  # plans are made for so many limits between the least and all


class Measured(NamedTuple):
    """What one stage, some neighbouring modules, takes: seconds and bytes, in the order of the planner."""

    forward: float
    backward: float
    output: int
    tape: int
    run_extra: int
    record_extra: int
    backward_extra: int


class Reads(NamedTuple):
    """What of its input and of its result a stage keeps for its backward pass."""

    input: bool
    output: bool


class Chain(NamedTuple):
    """A measured model and its plans, from the most frugal to the one that recomputes nothing."""

    groups: list[list[Module]]
    least: int
    plans: list[_core._ChainPlan]
    outside: int  # what a loss over the result is given


_chains: weakref.WeakKeyDictionary[Module, dict[Any, Chain]] = weakref.WeakKeyDictionary()


def _has_gradient(parameter: Tensor) -> bool:
    """Whether there is memory for the gradient already."""
    try:
        return parameter.grad is not None
    except RuntimeError:  # it went into an update, by backward(step=...)
        return False


def checkpoint_sequential(model: Sequential, x: Tensor, memory_budget: int | str) -> Tensor:
    """Call ``model`` so that its forward and backward pass stay within a budget, at the least extra work.

    Some modules keep what their derivatives read, some only their input, some nothing; what is missing is
    computed again, with the same bits, when the unwinding comes to it. Which ones is decided by a dynamic
    programme over the measured times and sizes of the modules. They are measured in the first call with new
    shapes: each module is run on its own, twice forward and once backward, after which random numbers and
    buffers are put back.

    The budget is for everything that ``unspool.memory_stats()["allocated_bytes"]`` counts (parameters,
    inputs and results included), from this call to the end of the backward pass. A loss that takes no more
    than twice the result's size is provided for, as are gradients of the parameters; what else is allocated
    meanwhile comes on top.

    Args:
        model: a Sequential; its modules take and return one tensor each, or do so in groups.
        x: its input.
        memory_budget: bytes, or a text such as "200 MB" or "1.5 GiB".

    Returns:
        What ``model(x)`` returns.

    Raises:
        ValueError: no plan stays within the budget; nothing has been run then, and the message names the
            smallest one that would do.
        TypeError: ``model`` is not a Sequential with a forward pass of its own kind.
        NotImplementedError: inside of a step that is being captured.
    """
    budget = bytes_of(memory_budget)
    if getattr(type(model), "forward", None) is not Sequential.forward:
        raise TypeError(
            f"checkpoint_sequential: expected a Sequential, not {type(model).__name__}; a budget for other "
            "models: unspool.memory_budget, or unspool.compile(step, memory_budget=...)"
        )
    if not _core.is_grad_enabled() or len(model) == 0:
        result: Tensor = model(x)
        return result
    if not _core._can_recompute():
        raise NotImplementedError(
            "checkpoint_sequential: a captured step has a budget of its own; "
            "call the model itself and use unspool.compile(step, memory_budget=...)"
        )
    modules, parameters = _parts_of(model)
    chain = _known_chain(model, x, modules, parameters)
    taken = allocated() + chain.outside
    taken += sum(p.nbytes + HEADER for p in parameters if p.requires_grad and not _has_gradient(p))
    fitting = [plan for plan in chain.plans if plan.bytes + taken <= budget]
    if not fitting:
        raise ValueError(
            f"checkpoint_sequential: memory_budget={memory_budget!r} is too small: "
            f"{text_of(taken)} are in use besides, so that "
            f"the smallest budget for this model and input is {text_of(taken + chain.least)}"
        )
    return _run(chain, min(fitting, key=lambda plan: (plan.time, plan.bytes)), x)


def _run(chain: Chain, plan: _core._ChainPlan, x: Tensor) -> Tensor:
    run = _core._ChainRun(plan, len(chain.groups))
    try:
        for group in chain.groups:
            run.begin()
            x = _called(group, x)
            run.end(x)
    finally:
        run.close()
    return x


def _called(group: list[Module], x: Any) -> Any:
    for module in group:
        x = module(x)
    return x


def _parts_of(model: Module) -> tuple[list[Module], list[Tensor]]:
    """Each module and each parameter once; without their names, which take long to make."""
    modules: list[Module] = []
    parameters: dict[int, Tensor] = {}
    seen = {id(model)}
    waiting = [model]
    while waiting:
        module = waiting.pop()
        modules.append(module)
        for parameter in module._parameters.values():
            if parameter is not None:
                parameters[id(parameter)] = parameter
        for child in module._modules.values():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)
    return modules, list(parameters.values())


def _chain_of(model: Sequential, x: Tensor) -> Chain:
    return _known_chain(model, x, *_parts_of(model))


def _known_chain(model: Sequential, x: Tensor, modules: list[Module], parameters: list[Tensor]) -> Chain:
    known = _chains.setdefault(model, {})
    key: Any = (
        tuple(x.shape),
        x.dtype,
        x.requires_grad,
        tuple([(id(module), module.training) for module in modules]),
        tuple([(p.shape, p.dtype, p.requires_grad) for p in parameters]),
    )
    if key not in known:
        known[key] = _planned(*measure(model, x))
    return known[key]


def _planned(groups: list[list[Module]], stages: list[Measured], cotangent: int) -> Chain:
    least = _core._least_chain_memory(stages, cotangent)
    most = least + sum(
        s.tape + s.run_extra + s.record_extra + s.backward_extra + 2 * s.output for s in stages
    )
    everything = _core._plan_chain(stages, most, cotangent)
    assert everything is not None
    plans = [everything]
    # The limits do not depend on the budget, so that a larger one never gets a worse plan.
    for i in range(_LIMITS):
        limit = round(least * (everything.bytes / least) ** (i / _LIMITS))
        plan = _core._plan_chain(stages, limit, cotangent)
        if plan is not None:
            plans.append(plan)
    return Chain(groups, least, plans, 2 * stages[-1].output)


def measure(model: Sequential, x: Tensor) -> tuple[list[list[Module]], list[Measured], int]:
    """Run the stages one by one; neighbours that cannot be told apart by their memory become one.

    Returns:
        The stages, what each takes, and the bytes of the input's gradient.
    """
    random = _core.get_rng_state()
    with no_grad():
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        groups, stages = _measured_groups(list(model), x)
    finally:
        with no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        _core.set_rng_state(random)
    return groups, stages, x.nbytes + HEADER if x.requires_grad else 0


def _measured_groups(modules: list[Module], x: Tensor) -> tuple[list[list[Module]], list[Measured]]:
    groups: list[list[Module]] = []
    stages: list[Measured] = []
    value, before = x.detach(), x.detach()
    read = Reads(True, True)  # by the stage before
    group: list[Module] = []
    for i, module in enumerate(modules):
        group.append(module)
        run = _run_alone(group, value, x.requires_grad or bool(groups))
        is_unread = run.stage is not None and not run.reads.input and not read.output
        if groups and (run.changes_input or is_unread or (run.stage is None and i + 1 == len(modules))):
            # Its input cannot be kept for it, or nobody would want it: it belongs to what made that.
            group = [*groups.pop(), *group]
            stages.pop()
            value = before
            run = _run_alone(group, value, x.requires_grad or bool(groups))
        if run.stage is None and i + 1 < len(modules):
            continue  # it looks at its input's memory: together with the next
        if not isinstance(run.result, Tensor) or run.stage is None:
            raise TypeError(
                f"checkpoint_sequential: the model must return a Tensor with memory of its own, "
                f"not {type(run.result).__name__}"
            )
        groups.append(group)
        stages.append(run.stage)
        read = run.reads
        before, value, group = value, run.result, []
    return groups, stages


def _bytes(tensor: Tensor) -> int:
    return int(tensor.untyped_storage().nbytes()) + HEADER


class Run(NamedTuple):
    """What was seen of modules that ran alone; no stage where the result has no memory of its own."""

    result: Any
    stage: Measured | None
    reads: Reads
    changes_input: bool


def _run_alone(group: list[Module], value: Tensor, needs_gradient: bool) -> Run:
    leaf = value.detach().requires_grad_(needs_gradient and value.is_floating_point())
    # Without its values on the tape.
    given = leaf.clone()
    start = allocated()
    _core.reset_peak_memory_stats()
    region = _core._Region()
    try:
        result = _called(group, given)
    finally:
        region.leave([])
    run_peak = peak() - start
    changes_input = given._version > 0
    is_own = (
        isinstance(result, Tensor)
        and result.untyped_storage().data_ptr() != given.untyped_storage().data_ptr()
    )
    if not is_own:
        return Run(result, None, Reads(True, True), changes_input)
    del result, given, region
    result, stage, reads = _recorded(group, leaf, run_peak)
    return Run(result, stage, reads, changes_input)


def _recorded(group: list[Module], leaf: Tensor, run_peak: int) -> tuple[Tensor, Measured, Reads]:
    """The result without history, and what the group takes; ``run_peak``: in a run that keeps nothing."""
    region = _core._Region(keeps=True)
    try:
        given = leaf.clone()
        start = allocated()
        _core.reset_peak_memory_stats()
        begin = time.perf_counter()
        result = _called(group, given)
        forward = time.perf_counter() - begin
        reads = Reads(region.holds(given), region.holds(result))
    finally:
        region.leave([])
    tape = allocated() - start
    record_extra = peak() - start - tape
    output, size = _bytes(result), _bytes(given)
    targets: list[Tensor] = [p for module in group for p in module.parameters() if p.requires_grad]
    if leaf.requires_grad:
        targets.append(leaf)
    backward, backward_extra = 0.0, 0
    plain = result.detach()
    if result.requires_grad and targets:
        cotangent = unspool.ones_like(plain)
        start = allocated()
        _core.reset_peak_memory_stats()
        begin = time.perf_counter()
        unspool.autograd.grad(result, targets, cotangent, allow_unused=True)
        backward = time.perf_counter() - begin
        # The input's cotangent is counted by itself.
        backward_extra = max(peak() - start - (size if leaf.requires_grad else 0), 0)
    stage = Measured(
        forward, backward, output, max(tape, output), max(run_peak - output, 0), record_extra, backward_extra
    )
    return plain, stage, reads
