"""From constraints to transforms whose values satisfy them: ``biject_to`` and ``transform_to``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unspool.distributions import constraints, transforms
from unspool.distributions.transforms import Transform

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]

Factory = Callable[[Any], Transform]


class ConstraintRegistry:
    """Finds a transform from real numbers for a constraint, by the constraint's class.

    A call gives the transform; ``register(constraint, factory)``, also as a decorator, adds or replaces one.
    """

    def __init__(self) -> None:
        self._factories: dict[type, Factory] = {}

    def register(self, constraint: Any, factory: Factory | None = None) -> Any:
        """Makes ``factory(constraint)`` give the transform for constraints of the class."""
        if factory is None:
            return lambda function: self.register(constraint, function)
        kind = constraint if isinstance(constraint, type) else type(constraint)
        if not issubclass(kind, constraints.Constraint):
            raise TypeError(
                f"Expected constraint to be either a Constraint subclass or instance, but got {constraint!r}"
            )
        self._factories[kind] = factory
        return factory

    def __call__(self, constraint: constraints.Constraint) -> Transform:
        """The transform; NotImplementedError where there is none."""
        factory = self._factories.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _onto_range(constraint: Any) -> Transform:
    """Exponentials above or below one bound, a sigmoid between two."""
    low, high = constraint.lower_bound, constraint.upper_bound

    def is_number(bound: Any, value: float) -> bool:
        return isinstance(bound, (int, float)) and bound == value

    if high is None:
        above = transforms.ExpTransform()
        if is_number(low, 0):
            return above
        return transforms.ComposeTransform([above, transforms.AffineTransform(low, 1)])
    if low is None:
        return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(high, -1)])
    if is_number(low, 0) and is_number(high, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform(
        [transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)]
    )


_RANGES = (
    constraints.greater_than,
    constraints.greater_than_eq,
    constraints.less_than,
    constraints.interval,
    constraints.half_open_interval,
)


def _register(registry: ConstraintRegistry, simplex: type[Transform]) -> None:
    """What both registries know; they differ for the simplex."""
    registry.register(constraints.real, lambda _: transforms.identity_transform)
    for kind in _RANGES:
        registry.register(kind, _onto_range)
    registry.register(constraints.simplex, lambda _: simplex())
    registry.register(constraints.lower_cholesky, lambda _: transforms.LowerCholeskyTransform())
    registry.register(constraints.positive_definite, lambda _: transforms.PositiveDefiniteTransform())
    registry.register(constraints.positive_semidefinite, lambda _: transforms.PositiveDefiniteTransform())
    registry.register(constraints.corr_cholesky, lambda _: transforms.CorrCholeskyTransform())
    registry.register(
        constraints.independent,
        lambda c: transforms.IndependentTransform(registry(c.base_constraint), c.reinterpreted_batch_ndims),
    )
    registry.register(
        constraints.cat,
        lambda c: transforms.CatTransform([registry(each) for each in c.cseq], c.dim, c.lengths),
    )
    registry.register(
        constraints.stack, lambda c: transforms.StackTransform([registry(each) for each in c.cseq], c.dim)
    )


_register(biject_to, transforms.StickBreakingTransform)
_register(transform_to, transforms.SoftmaxTransform)
