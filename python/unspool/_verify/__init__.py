"""Gradients compared with differences while a program runs: ``with unspool.verify():``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from unspool import _core
from unspool._core import Node, RecordedCall, Tensor
from unspool._verify.case import Case, shape_text
from unspool._verify.checks import check_hook, check_real, check_rule
from unspool._verify.error import GradientError
from unspool._verify.functions import FunctionWatcher
from unspool._verify.modules import Unwound
from unspool._verify.operations import part_of, whole_case
from unspool.autograd import function as _function
from unspool.autograd.function import Function

__all__ = ["GradientError", "verify"]


class verify:
    """Compare every gradient with differences, on this thread, while the block runs.

    What is recorded inside of the block is checked when it is unwound inside of the block, each operation and
    custom ``Function`` on its own:

    - its rule, in double precision and near the values it was called with, from a random cotangent against
      central differences along a random direction;
    - the gradient that was really computed against that of a repeated call, so that a value that changed
      unseen since forward, or a cache of another call, is found as well;
    - hooks of tensors and modules: whether they left the gradient as it was;
    - and, when the unwinding is through, what flowed through each module and through all, in both ways: the
      calls that ran in it are repeated as one function of its inputs and parameters.

    The program computes what it would compute without: the same bits, random numbers and statistics. It takes
    about a thousand times as long. Custom Functions are called again, with copies; what they do beyond
    computing (printing, counting in a list) they then do more often. Calls of compiled steps are not looked
    into.

    Args:
        hooks: whether a hook that changes a gradient is an error. False where hooks clip or mask gradients;
            modules are then not compared as a whole.
        exempt: subclasses of Function and names of operations that are not compared, such as a
            straight-through estimator, whose gradient differs from its derivative on purpose.
        seed: of the random directions and cotangents.

    Attributes:
        checked: how many calls and hooks have been compared so far.

    Raises:
        GradientError: from ``backward()`` or ``grad()``, naming module, operation, argument and both numbers.

    Example::

        with unspool.verify():
            loss = criterion(model(x), y)
            loss.backward()
    """

    def __init__(
        self, *, hooks: bool = True, exempt: Iterable[type[Function] | str] = (), seed: int = 0
    ) -> None:
        self.hooks = hooks
        self.exempt = frozenset(exempt)
        for each in self.exempt:
            named: Any = each
            if not isinstance(named, str) and not (isinstance(named, type) and issubclass(named, Function)):
                raise TypeError(
                    f"verify: exempt takes Function classes and names of operations, not {each!r}"
                )
        self.checked = 0
        self._rng = np.random.default_rng(seed)
        self._observation: _core.Observation | None = None
        self._watcher: FunctionWatcher | None = None

    def __enter__(self) -> Self:
        if _function.watcher is not None:
            raise RuntimeError("verify: a block is running already; it need not be nested")
        self._observation = _core.Observation(self._unwound, self._hooked, self._begun, self._finished)
        self.passed = Unwound()
        self._observation.__enter__()
        self._watcher = FunctionWatcher(self)
        _function.watcher = self._watcher
        return self

    def __exit__(self, *error: object) -> None:
        _function.watcher = None
        if self._observation is not None:
            self._observation.__exit__()
        self._observation = self._watcher = None

    def check(self, case: Case, cotangents: Sequence[Tensor | None], grads: list[Tensor | None]) -> None:
        """Compare one call, or what flowed through one module."""
        self.checked += 1
        with _core.RecordingMode(True, False):
            if check_rule(case, self._rng):
                check_real(case, cotangents, grads)
            else:
                self.passed.leave_out(case.module)

    def note(
        self,
        node: Node,
        scope: str,
        case: Case | None,
        cotangents: list[Tensor | None],
        grads: list[Tensor | None],
    ) -> None:
        """Note a call for the comparison of modules; without a case it cannot be repeated."""
        if self._observation is not None and self._observation.depth == 1 and self.hooks:
            self.passed.add(node, case, scope, cotangents, grads)

    def _unwound(
        self, node: Node, call: RecordedCall, cotangents: list[Tensor | None], grads: list[Tensor | None]
    ) -> None:
        whole = None if call.name in self.exempt else whole_case(call)
        self.note(node, call.scope, whole, cotangents, grads)
        case = None if whole is None else part_of(whole, cotangents, grads)
        if case is not None:
            self.check(case, [each for each in cotangents if each is not None], grads)

    def _begun(self) -> None:
        self.passed = Unwound()

    def _finished(self) -> None:
        with self.paused():
            for case, cotangents, grads in self.passed.cases():
                self.check(case, cotangents, grads)
        self.passed = Unwound()

    def _hooked(
        self,
        name: str,
        module: str,
        output: int,
        leaf: Tensor | None,
        before: Tensor,
        after: Tensor,
    ) -> None:
        if not self.hooks:
            return
        self.checked += 1
        shape = shape_text(before.shape)
        if leaf is not None:
            check_hook("a hook of a leaf", "", f"the leaf {shape}", before, after)
            return
        which = f"output {output} of {name} {shape}" if output else f"the output of {name} {shape}"
        check_hook(f"a hook of {name}", module, which, before, after)

    def paused(self) -> _Paused:
        """Look away in a ``with`` block: what runs there is the verifier's own work."""
        return _Paused(self)


class _Paused:
    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def __enter__(self) -> None:
        _function.watcher = None
        self._owner._observation.pause()

    def __exit__(self, *error: object) -> None:
        _function.watcher = self._owner._watcher
        self._owner._observation.resume()
