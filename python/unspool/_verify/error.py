"""The exception that names a wrong gradient."""

from __future__ import annotations

__all__ = ["GradientError"]


class GradientError(RuntimeError):
    """A gradient is wrong.

    Attributes:
        module: dotted path of the module that was running, or "".
        operation: name of the operation, custom Function or hook.
        argument: which of its arguments the gradient belongs to.
        analytic: the derivative along one direction, by the gradient that was computed.
        numerical: the derivative along the same direction, by differences in double precision; for a hook,
            by the gradient that it was given.
    """

    def __init__(
        self, operation: str, module: str, argument: str, analytic: float, numerical: float, why: str
    ) -> None:
        self.operation, self.module, self.argument = operation, module, argument
        self.analytic, self.numerical = analytic, numerical
        where = f" in module '{module}'" if module else ""
        other = "the hook was given" if "hook" in operation else "differences give"
        super().__init__(
            f"{operation}{where}: {why} of {argument}\n"
            f"  along one direction it gives {analytic:.10g}, {other} {numerical:.10g}"
        )
