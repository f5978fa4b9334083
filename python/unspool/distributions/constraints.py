"""Regions of values: ``check`` tells which elements lie inside."""

from __future__ import annotations

from typing import Any

import unspool
from unspool._core import Tensor

__all__ = [
    "Constraint",
    "boolean",
    "cat",
    "corr_cholesky",
    "dependent",
    "dependent_property",
    "greater_than",
    "greater_than_eq",
    "half_open_interval",
    "independent",
    "integer_interval",
    "interval",
    "is_dependent",
    "less_than",
    "lower_cholesky",
    "lower_triangular",
    "multinomial",
    "nonnegative",
    "nonnegative_integer",
    "one_hot",
    "positive",
    "positive_definite",
    "positive_integer",
    "positive_semidefinite",
    "real",
    "real_vector",
    "simplex",
    "square",
    "stack",
    "symmetric",
    "unit_interval",
]


class Constraint:
    """Base class: ``event_dim`` trailing dimensions make one value, ``is_discrete`` means whole numbers."""

    is_discrete = False
    event_dim = 0

    def check(self, value: Tensor) -> Any:
        """Tell for each value whether it lies inside."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return type(self).__name__.lstrip("_") + "()"


class _Dependent(Constraint):
    """A region that depends on other variables, so that nothing can be checked."""

    def __init__(self, *, is_discrete: bool = False, event_dim: int = 0) -> None:
        self.is_discrete = is_discrete
        self.event_dim = event_dim

    def __call__(self, *, is_discrete: bool = False, event_dim: int = 0) -> _Dependent:
        return _Dependent(is_discrete=is_discrete, event_dim=event_dim)

    def check(self, value: Tensor) -> Any:
        raise ValueError("Cannot determine validity of dependent constraint")


class dependent_property(property, Constraint):
    """A property that gives a constraint of the instance, and stands for a dependent one in the class."""

    def __init__(self, fn: Any = None, *, is_discrete: bool = False, event_dim: int = 0) -> None:
        super().__init__(fn)
        self.is_discrete = is_discrete
        self.event_dim = event_dim

    def __call__(self, fn: Any) -> dependent_property:
        return dependent_property(fn, is_discrete=self.is_discrete, event_dim=self.event_dim)


def is_dependent(constraint: Any) -> bool:
    """Whether the constraint depends on other variables."""
    return isinstance(constraint, _Dependent | dependent_property)


class _Boolean(Constraint):
    is_discrete = True

    def check(self, value: Tensor) -> Any:
        return (value == 0) | (value == 1)


class _OneHot(Constraint):
    is_discrete = True
    event_dim = 1

    def check(self, value: Tensor) -> Any:
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


class _Range(Constraint):
    """Between two bounds, each of which may be absent, open or closed, and a tensor."""

    lower_bound: Any = None
    upper_bound: Any = None
    _open_low = False
    _open_high = False

    def check(self, value: Tensor) -> Any:
        inside = value == value
        if self.is_discrete:
            inside = value % 1 == 0
        if self.lower_bound is not None:
            low = self.lower_bound
            inside = inside & (value > low if self._open_low else value >= low)
        if self.upper_bound is not None:
            high = self.upper_bound
            inside = inside & (value < high if self._open_high else value <= high)
        return inside

    def __repr__(self) -> str:
        name = type(self).__name__.lstrip("_")
        low = "" if self.lower_bound is None else f"lower_bound={self.lower_bound}"
        high = "" if self.upper_bound is None else f"upper_bound={self.upper_bound}"
        return f"{name}({', '.join(filter(None, (low, high)))})"


class _Between(_Range):
    def __init__(self, lower_bound: Any, upper_bound: Any) -> None:
        self.lower_bound, self.upper_bound = lower_bound, upper_bound


class _Above(_Range):
    def __init__(self, lower_bound: Any) -> None:
        self.lower_bound = lower_bound


class _Interval(_Between):
    """[lower_bound, upper_bound]."""


class _HalfOpenInterval(_Between):
    """[lower_bound, upper_bound)."""

    _open_high = True


class _IntegerInterval(_Between):
    """Whole numbers in [lower_bound, upper_bound]."""

    is_discrete = True


class _GreaterThanEq(_Above):
    """At least lower_bound."""


class _GreaterThan(_Above):
    """Above lower_bound."""

    _open_low = True


class _IntegerGreaterThan(_Above):
    """Whole numbers from lower_bound on."""

    is_discrete = True


class _LessThan(_Range):
    """Below upper_bound."""

    _open_high = True

    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound


# Names by which scripts make them; classes derived from one are constraints of their own.
interval = _Interval
half_open_interval = _HalfOpenInterval
integer_interval = _IntegerInterval
greater_than = _GreaterThan
greater_than_eq = _GreaterThanEq
less_than = _LessThan


class _Real(Constraint):
    def check(self, value: Tensor) -> Any:
        return value == value


class _Simplex(Constraint):
    event_dim = 1

    def check(self, value: Tensor) -> Any:
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class multinomial(Constraint):
    """Whole numbers of which as many as ``upper_bound`` add up."""

    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def check(self, value: Tensor) -> Any:
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)


class _Square(Constraint):
    event_dim = 2

    def check(self, value: Tensor) -> Any:
        return unspool.full(value.shape[:-2], value.shape[-2] == value.shape[-1], dtype=unspool.bool)


class _LowerTriangular(Constraint):
    event_dim = 2

    def check(self, value: Tensor) -> Any:
        return (value.tril() == value).flatten(-2).all(-1)


class _LowerCholesky(_LowerTriangular):
    def check(self, value: Tensor) -> Any:
        return super().check(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _CorrCholesky(_LowerCholesky):
    def check(self, value: Tensor) -> Any:
        tolerance = unspool.finfo(value.dtype).eps * value.shape[-1] * 10
        return super().check(value) & ((value.square().sum(-1) - 1).abs() < tolerance).all(-1)


class _Symmetric(_Square):
    def check(self, value: Tensor) -> Any:
        return super().check(value) & unspool.isclose(value, value.mT, atol=1e-6).flatten(-2).all(-1)


class _PositiveSemidefinite(_Symmetric):
    def check(self, value: Tensor) -> Any:
        inside = super().check(value)
        return inside & (unspool.linalg.eigvalsh(value) >= 0).all(-1) if bool(inside.all()) else inside


class _PositiveDefinite(_Symmetric):
    def check(self, value: Tensor) -> Any:
        inside = super().check(value)
        return inside & (unspool.linalg.cholesky_ex(value).info == 0) if bool(inside.all()) else inside


class independent(Constraint):
    """A constraint whose last ``reinterpreted_batch_ndims`` batch dimensions belong to the value."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int) -> None:
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Any:
        inside = self.base_constraint.check(value)
        if inside.ndim < self.reinterpreted_batch_ndims:
            expected = self.base_constraint.event_dim + self.reinterpreted_batch_ndims
            raise ValueError(f"Expected value.dim() >= {expected} but got {value.ndim}")
        for _ in range(self.reinterpreted_batch_ndims):
            inside = inside.all(-1)
        return inside


class _Joined(Constraint):
    """Several constraints on the parts of a value along ``dim``."""

    def __init__(self, cseq: Any, dim: int, lengths: Any) -> None:
        self.cseq, self.dim, self.lengths = list(cseq), dim, lengths
        self.is_discrete = any(c.is_discrete for c in self.cseq)
        self.event_dim = max(c.event_dim for c in self.cseq)


class cat(_Joined):
    """Constraints on parts of the given lengths (1 each by default)."""

    def __init__(self, cseq: Any, dim: int = 0, lengths: Any = None) -> None:
        constraints = list(cseq)
        super().__init__(constraints, dim, [1] * len(constraints) if lengths is None else list(lengths))

    def check(self, value: Tensor) -> Any:
        parts = value.split(self.lengths, self.dim)
        return unspool.cat([c.check(part) for c, part in zip(self.cseq, parts, strict=True)], self.dim)


class stack(_Joined):
    """Constraints on slices."""

    def __init__(self, cseq: Any, dim: int = 0) -> None:
        super().__init__(cseq, dim, None)

    def check(self, value: Tensor) -> Any:
        parts = value.unbind(self.dim)
        return unspool.stack([c.check(part) for c, part in zip(self.cseq, parts, strict=True)], self.dim)


dependent = _Dependent()
boolean = _Boolean()
one_hot = _OneHot()
nonnegative_integer = _IntegerGreaterThan(0)
positive_integer = _IntegerGreaterThan(1)
real = _Real()
real_vector = independent(real, 1)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
simplex = _Simplex()
square = _Square()
lower_triangular = _LowerTriangular()
lower_cholesky = _LowerCholesky()
corr_cholesky = _CorrCholesky()
symmetric = _Symmetric()
positive_semidefinite = _PositiveSemidefinite()
positive_definite = _PositiveDefinite()
