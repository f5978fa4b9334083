"""``unspool.recursive_step``: forward, loss, backward and update as one recursive function in C++."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from unspool import _core
from unspool._compile.guards import collect
from unspool._core import Tensor
from unspool.nn.modules.module import Module
from unspool.optim.optimizer import Optimizer

_MOST_KEPT = 8  # chains, one for each kind of arguments


class StackUse(NamedTuple):
    """How the frames of a step were kept.

    Attributes:
        frames: calls that the recursion was deep: one for each layer, that is an operation with parameters
            and what follows it; small layers share one (up to eight operations).
        frame_bytes: machine stack for one of them; what a frame holds on to comes on top.
        heap_frames: frames that did not fit on the machine stack and moved to the heap.
        heap_frame_bytes: memory for one of those.
    """

    frames: int
    frame_bytes: int
    heap_frames: int
    heap_frame_bytes: int


class RecursiveStep:
    """What ``unspool.recursive_step`` makes; called as ``step(input, *targets)`` it gives the loss."""

    def __init__(
        self,
        model: Module,
        loss_fn: Callable[..., Tensor],
        optimizer: Optimizer,
        update: Literal["unwinding", "after"] = "unwinding",
    ) -> None:
        self.model = model
        self.loss_fn = loss_fn
        self.optimizer = optimizer
        self.update = update
        _check_rules(optimizer)
        self._chains: list[_core._RecordedChain] = []

    def __call__(self, *args: Any) -> Tensor:
        """Runs one step: the parameters are updated, their ``.grad`` is neither read nor written.

        Args:
            args: the model's input, then what ``loss_fn`` takes after the model's output.

        Returns:
            The loss before the update, a tensor of one element.

        Raises:
            RuntimeError: the first call with arguments of this kind met something that recursion through a
                chain cannot do; the message names the operation and its module.
        """
        if not args:
            raise TypeError("recursive_step: the step needs at least the model's input")
        if _core.is_inference_mode_enabled():
            raise RuntimeError("recursive_step: parameters cannot be updated in inference mode")
        chain = self._chain_for(args)
        self.optimizer.__dict__["_opt_called"] = True  # read by learning-rate schedules
        return chain.run(args, self._groups(), self.update == "unwinding")

    def __len__(self) -> int:
        """How deep the recursion of the latest call was; 0 before the first."""
        return len(self._chains[0]) if self._chains else 0

    def stack_use(self) -> StackUse:
        """How the frames of the latest step were kept.

        Raises:
            RuntimeError: there was none yet.
        """
        if not self._chains:
            raise RuntimeError("stack_use: no step has been run yet")
        return StackUse(**self._chains[0].stack_use())

    def _chain_for(self, args: tuple[Any, ...]) -> _core._RecordedChain:
        """The chain for these arguments, put in front; recorded where there is none."""
        for place, chain in enumerate(self._chains):
            if chain.fits(args):
                if place:
                    self._chains.insert(0, self._chains.pop(place))
                return chain
        hooks = self.optimizer.__dict__.get("_optimizer_step_pre_hooks") or self.optimizer.__dict__.get(
            "_optimizer_step_post_hooks"
        )
        if hooks:
            raise RuntimeError("recursive_step: the optimizer has step hooks, which would not run")
        guards = collect(functools.partial(self._loss, self.model, self.loss_fn, self.optimizer), args, {})
        known = [*guards["tensors"], *self.model.parameters(), *self.model.buffers()]
        for group in self.optimizer.param_groups:
            known += group["params"]
        run = functools.partial(self._loss, self.model, self.loss_fn)
        chain = _core._RecordedChain(run, args, guards, self._groups(), known)
        self._chains = [chain, *self._chains[: _MOST_KEPT - 1]]
        return chain

    @staticmethod
    def _loss(model: Module, loss_fn: Callable[..., Tensor], *args: Any) -> Any:
        return loss_fn(model(args[0]), *args[1:])

    def _groups(self) -> list[tuple[str | None, dict[str, Any], Any]]:
        optimizer = self.optimizer
        return [(optimizer._rule_of(group), group, optimizer.state) for group in optimizer.param_groups]

    def __repr__(self) -> str:
        return f"<recursive step of {type(self.model).__name__}, updated {self.update}>"


def _check_rules(optimizer: Optimizer) -> None:
    try:
        method = optimizer._checked_step_parameter()
    except NotImplementedError:
        method = optimizer.step
    if method is not None or any(optimizer._rule_of(group) is None for group in optimizer.param_groups):
        raise NotImplementedError(
            f"recursive_step: the update of {type(optimizer).__name__} is no rule of the core that takes one "
            "parameter at a time; use an optimizer such as SGD or Adam"
        )


def recursive_step(
    model: Module,
    loss_fn: Callable[..., Tensor],
    optimizer: Optimizer,
    *,
    update: Literal["unwinding", "after"] = "unwinding",
) -> RecursiveStep:
    """Makes a training step that is one recursive function: the call stack is its tape, no graph is built.

    On the way in, each call computes a layer of the model (an operation with parameters and what follows it;
    several layers where they are small) and calls itself for the next; the deepest one starts from the loss
    with the cotangent 1; each return turns the cotangent of its result into those of its input and its
    parameters. What a call and a return do is captured once for all layers that look alike. Where the machine
    stack ends, frames move to the heap.
    Losses and weights have the same bits as ``loss.backward(); optimizer.step()``.

    The operations are written down at the first call with arguments of a kind (shapes, dtypes), and again
    when model, loss or optimizer have changed; hyperparameters are read at each call.

    Args:
        model: a chain of layers, such as ``nn.Sequential``. Skip connections, tied parameters and layers that
            change buffers in place (batch norm in training) are refused by name.
        loss_fn: takes the model's output and the further arguments of the step; gives a single number.
        optimizer: holds every parameter that requires a gradient. Its rule is one of the core: not LBFGS,
            Muon, Adafactor, SparseAdam or one of your own.
        update: ``"unwinding"`` updates a parameter as soon as the recursion has returned from its last use,
            and drops its gradient; ``"after"`` updates all of them when the recursion is over.

    Returns:
        A ``RecursiveStep``: ``step(input, *targets)`` runs one step and returns the loss.

    Raises:
        TypeError: ``model`` or ``optimizer`` is of another kind, or ``loss_fn`` cannot be called.
        ValueError: an unknown ``update``.
        NotImplementedError: an optimizer whose update is no rule of the core.
    """
    if not isinstance(model, Module):
        raise TypeError(f"recursive_step: model must be a Module, not {type(model).__name__}")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"recursive_step: optimizer must be an Optimizer, not {type(optimizer).__name__}")
    if not callable(loss_fn):
        raise TypeError(f"recursive_step: loss_fn must be callable, not {type(loss_fn).__name__}")
    if update not in ("unwinding", "after"):
        raise ValueError(f"recursive_step: update must be 'unwinding' or 'after', got {update!r}")
    return RecursiveStep(model, loss_fn, optimizer, update)
