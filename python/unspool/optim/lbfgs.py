"""L-BFGS; its line search is in ``_strong_wolfe``."""

from __future__ import annotations

from typing import Any

import unspool
from unspool import _core
from unspool._core import Tensor
from unspool.optim._strong_wolfe import Point, strong_wolfe
from unspool.optim.optimizer import Closure, Optimizer, ParamsT

__all__ = ["LBFGS"]

# A pair enters the history when its curvature y . s exceeds this, so that the approximation stays positive.
_LEAST_CURVATURE = 1e-10


class LBFGS(Optimizer):
    """Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5), which evaluates the loss by itself.

    One ``step`` makes up to ``max_iter`` iterations along d = -H g, where H is built from the last
    ``history_size`` pairs of steps s and gradient changes y (algorithm 7.4), starting from y.s / y.y.

    Args:
        params: tensors, or one group; all parameters make one vector.
        lr: length of a step, or where the line search starts; the first is lr * min(1, 1 / |g|_1).
        max_iter: iterations in a step.
        max_eval: evaluations in a step after which it ends; 1.25 * max_iter by default.
        tolerance_grad: ends when no element of the gradient is larger.
        tolerance_change: ends when loss or parameters change by less.
        history_size: pairs that are kept; each takes twice the memory of the parameters.
        line_search_fn: "strong_wolfe" or None, which takes each step as it is.

    Raises:
        ValueError: more than one group, or a negative ``lr``.
        RuntimeError: in ``step``, for an unknown line search.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        params: list[Tensor] = self.param_groups[0]["params"]
        return params

    _not_alone = "it evaluates the loss several times in a step, and needs all gradients each time"

    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        """Makes up to ``max_iter`` iterations.

        Args:
            closure: zeroes the gradients, computes the loss, calls ``backward`` and returns the loss.

        Returns:
            The loss before the first iteration.
        """
        group, state = self.param_groups[0], self.state[self._params[0]]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        _core.refuse_capture(
            "LBFGS: how far it goes, and whether it goes on, is decided by the value of a tensor, the loss. "
            'Compile the closure in place of the step, or compile with fallback="eager"'
        )
        with unspool.no_grad():
            first_loss = self._evaluate(closure)
            self._iterate(closure, float(first_loss), group, state)
        return first_loss

    def _iterate(self, closure: Closure, loss: float, group: dict[str, Any], state: dict[str, Any]) -> None:
        gradient = self._flat_gradient()
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        evaluations = 1
        if _largest(gradient) <= group["tolerance_grad"]:
            return
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(gradient, group["history_size"], state)
            lr = float(group["lr"])
            is_first = state["n_iter"] == 1
            length = min(1.0, 1.0 / gradient.abs().sum().item()) * lr if is_first else lr
            state.update(d=direction, t=length, prev_flat_grad=gradient, prev_loss=loss)
            slope = gradient.dot(direction).item()
            if slope > -group["tolerance_change"]:
                return
            used = 0
            last_loss = loss
            if group["line_search_fn"] is not None:
                start = Point(0.0, loss, gradient, slope)
                point, used = self._search(closure, start, length, direction, group["max_eval"] - evaluations)
                loss, gradient, length = point.loss, point.gradient, point.length
                self._move(length, direction)
                state["t"] = length
            else:
                self._move(length, direction)
                if iteration != group["max_iter"]:
                    # Nobody would use the gradient of the last iteration.
                    loss, gradient, used = float(self._evaluate(closure)), self._flat_gradient(), 1
            evaluations += used
            state["func_evals"] += used
            change = group["tolerance_change"]
            if (
                evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or abs(length) * _largest(direction) <= change
                or abs(loss - last_loss) < change
            ):
                return

    def _direction(self, gradient: Tensor, history_size: int, state: dict[str, Any]) -> Tensor:
        """-H g by the two-loop recursion, with the last step taken into the history first."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -gradient
        changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        change, step = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = change.dot(step).item()
        if curvature > _LEAST_CURVATURE:
            if len(changes) == history_size:
                for kept in (changes, steps, inverses):
                    kept.pop(0)
            changes.append(change)
            steps.append(step)
            inverses.append(1.0 / curvature)
            state["H_diag"] = curvature / change.dot(change).item()
        direction = -gradient
        shares = []
        for y, s, inverse in zip(reversed(changes), reversed(steps), reversed(inverses), strict=True):
            share = s.dot(direction).item() * float(inverse)
            shares.append(share)
            direction.add_(y, alpha=-share)
        direction.mul_(float(state["H_diag"]))
        for y, s, inverse, share in zip(changes, steps, inverses, reversed(shares), strict=True):
            direction.add_(s, alpha=share - y.dot(direction).item() * float(inverse))
        return direction

    def _search(
        self, closure: Closure, start: Point, length: float, direction: Tensor, budget: int
    ) -> tuple[Point, int]:
        """The strong Wolfe search from the present parameters, which it leaves as they are."""
        before = [parameter.clone() for parameter in self._params]

        def restore() -> None:
            for parameter, value in zip(self._params, before, strict=True):
                parameter.copy_(value)

        def evaluate(length: float) -> Point:
            self._move(length, direction)
            loss, gradient = float(self._evaluate(closure)), self._flat_gradient()
            restore()
            return Point(length, loss, gradient, gradient.dot(direction).item())

        return strong_wolfe(evaluate, start, length, _largest(direction), budget)

    def _flat_gradient(self) -> Tensor:
        """All gradients as one vector of its own memory, with zeros where a parameter has none."""
        return unspool.cat(
            [
                unspool.zeros(p.numel(), dtype=p.dtype) if p.grad is None else p.grad.detach().reshape(-1)
                for p in self._params
            ]
        )

    def _move(self, length: float, direction: Tensor) -> None:
        offset = 0
        for parameter in self._params:
            part = direction[offset : offset + parameter.numel()]
            parameter.add_(part.view(parameter.shape), alpha=length)
            offset += parameter.numel()


def _largest(vector: Tensor) -> float:
    return float(vector.abs().max().item()) if vector.numel() else 0.0
