"""The compiled function: capturing, the cache, and what can be seen of a program."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Collection
from typing import Any, Literal, NamedTuple

import unspool
from unspool import _core
from unspool._compile.guards import collect
from unspool._warning import warn
from unspool.nn.modules.module import Module

Fallback = Literal["eager"] | None
PASSES = ("dead_code", "common_subexpressions", "epilogues", "joins", "pairs", "updates", "in_place", "tiles")


class CacheInfo(NamedTuple):
    """Calls that were replayed, calls that were not, and how many programs may be kept, and are."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


class CompiledFunction(_core.CompiledStep):
    """What ``unspool.compile`` makes of a function; called like it."""

    __wrapped__: Callable[..., Any]

    def __init__(
        self,
        function: Callable[..., Any],
        fallback: Fallback = None,
        cache_size: int = 8,
        passes: Collection[str] = PASSES,
        memory_budget: int | str | None = None,
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self.__wrapped__ = function
        self._fallback = fallback
        self._settings = (fallback, cache_size, passes, memory_budget)
        self._has_warned = False
        self._set_limit(cache_size)
        self._set_passes(*(name in passes for name in PASSES))
        self._set_memory_budget(_bytes_of(memory_budget))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledFunction:
        # Programs stay with the tensors that they were captured with.
        return CompiledFunction(copy.deepcopy(self.__wrapped__, memo), *self._settings)

    def __repr__(self) -> str:
        return f"<compiled {getattr(self.__wrapped__, '__qualname__', self.__wrapped__)!s}>"

    def _eager(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    def _capture(self, *args: Any, **kwargs: Any) -> Any:
        """Run the call eagerly, recording it; keep the program."""
        guards = collect(self.__wrapped__, args, kwargs)
        is_tolerant = self._fallback == "eager"
        result, reason = self._trace(self.__wrapped__, args, kwargs, guards, is_tolerant)
        if reason is not None and not self._has_warned:
            self._has_warned = True
            warn(f"{self!r} runs eagerly: {reason}")
        return result

    # -- what a user sees -------------------------------------------------------------------------------

    def cache_info(self) -> CacheInfo:
        """Replays, captures, the most programs that are kept, and how many are."""
        return CacheInfo(*self._counts())

    def clear(self) -> None:
        """Forgets all programs and counts; the next call captures anew."""
        self._clear()

    def explain(self) -> str:
        """The program that ran last, as text: instructions, shapes, memory, estimated work.

        Raises:
            RuntimeError: nothing has been captured yet.
        """
        from unspool._compile import report

        return report.explain(self._described())

    def to_dot(self) -> str:
        """The program as a graph in the DOT language."""
        from unspool._compile import report

        return report.to_dot(self._described())

    def to_svg(self) -> str:
        """The same graph as an SVG image, drawn by Graphviz.

        Raises:
            RuntimeError: Graphviz is not installed.
        """
        from unspool._compile import report

        return report.to_svg(self._described())

    def profile(self, n: int, *args: Any, **kwargs: Any) -> str:
        """Runs the step ``n`` times and prints the median time of each instruction beside its floor.

        The runs are real steps: they change parameters as any other call. The floor of an instruction is the
        time that the multiplications of its products take at the rate of a large product, or its traffic at
        the rate of a copy as large, whichever is longer; both rates are measured here, once per process.

        Args:
            n: how many runs.
            args: the arguments of the step.
            kwargs: the arguments of the step by name.

        Returns:
            A table, slowest instruction first, under a line with the sums of times and floors.

        Raises:
            ValueError: ``n`` is not positive.
        """
        if n < 1:
            raise ValueError(f"profile: n must be positive, got {n}")
        runs: list[list[float]] = []
        while len(runs) < n:
            seconds = self._measure(args, kwargs)
            if seconds is None:
                before = self.cache_info().misses
                self(*args, **kwargs)
                if self.cache_info().misses == before:
                    raise unspool.CaptureError("profile: this call runs eagerly, so it has no program")
                continue
            runs.append(seconds)
        from unspool._compile import report, work

        return report.profile(self._described(), runs, work.rates())

    def _described(self) -> dict[str, Any]:
        described = self._describe()
        if described is None:
            raise RuntimeError(
                "nothing has been captured yet: call the compiled function first (twice where it makes "
                "tensors of constants)"
            )
        return described


def _bytes_of(memory_budget: int | str | None) -> int:
    if memory_budget is None:
        return 0
    from unspool._recompute.budget import bytes_of

    return bytes_of(memory_budget)


class CompiledModule(Module):
    """A module whose forward pass is compiled; parameters and attributes are those of the original."""

    def __init__(self, module: Module, *settings: Any) -> None:
        super().__init__()
        self._orig_mod = module
        self.__dict__["_compiled"] = CompiledFunction(module, *settings)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the original's forward pass gives."""
        return self.__dict__["_compiled"](*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_orig_mod"), name)

    def cache_info(self) -> CacheInfo:
        """See ``CompiledFunction.cache_info``."""
        info: CacheInfo = self.__dict__["_compiled"].cache_info()
        return info

    def explain(self) -> str:
        """See ``CompiledFunction.explain``."""
        text: str = self.__dict__["_compiled"].explain()
        return text


def compile(
    model: Any = None,
    *,
    fallback: Fallback = None,
    cache_size: int = 8,
    passes: Collection[str] = PASSES,
    memory_budget: int | str | None = None,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """Makes a function, or a module, whose calls are recorded once per signature and replayed without Python.

    A signature is the shapes, dtypes and strides of the tensors among the arguments, and the values of the
    other arguments. The first call with a signature runs as usual and is recorded; later calls replay the
    record. What was read from Python is checked before each replay (attributes, train/eval flags, variables,
    the tensors of the model), and a step that no longer fits is captured anew. Hyperparameters of optimizers
    are read at each replay. docs/captured-programs.md says how it works.

    Args:
        model: a function or a module; None to use ``compile`` as a decorator with arguments.
        fallback: what to do with a call that cannot be captured: None raises ``CaptureError``, ``"eager"``
            runs it as it is and warns once.
        cache_size: how many programs are kept; the one unused for longest is dropped.
        passes: what is done to a record to make it shorter, all of which keep every bit: ``"dead_code"`` and
            ``"common_subexpressions"`` drop instructions, ``"epilogues"`` lets products end with the
            element-wise instruction behind them, ``"joins"`` writes the gradients of a tensor's parts side by
            side, ``"pairs"`` computes a function and its derivative at once, ``"updates"`` changes a
            parameter as soon as its gradient is complete, ``"in_place"`` writes results over operands,
            ``"tiles"`` runs neighbouring element-wise instructions tile by tile.
        memory_budget: bytes, or a text such as "200 MB": what ``memory_stats()["allocated_bytes"]`` may reach
            in a replay, all that is allocated outside of the step included. Temporaries are given up and
            computed again where that is needed, with the same bits. The first call, which is captured, runs
            eagerly and is not bounded. For steps that hold their own backward pass.
        fullgraph: has no effect: a program always holds the whole call.
        dynamic: has no effect: each shape has its own program.
        backend: has no effect: there is no compiler to choose.
        mode: has no effect.
        options: has no effect.
        disable: return ``model`` as it is.

    Returns:
        A ``CompiledFunction`` or ``CompiledModule``.

    Raises:
        TypeError: ``model`` is neither a function nor a module.
        ValueError: an unknown ``fallback`` or pass, or a ``cache_size`` below 1; and when the step is
            captured: ``memory_budget`` is too small, with the smallest that is not.
    """
    del fullgraph, dynamic, backend, mode, options
    if fallback not in (None, "eager"):
        raise ValueError(f'compile: fallback must be None or "eager", got {fallback!r}')
    if cache_size < 1:
        raise ValueError(f"compile: cache_size must be positive, got {cache_size}")
    if unknown := set(passes) - set(PASSES):
        raise ValueError(f"compile: unknown passes {sorted(unknown)}; known are {list(PASSES)}")
    if model is None:
        settings: dict[str, Any] = {
            "fallback": fallback,
            "cache_size": cache_size,
            "passes": passes,
            "memory_budget": memory_budget,
        }
        return functools.partial(compile, **settings, disable=disable)
    if disable:
        return model
    if isinstance(model, Module):
        return CompiledModule(model, fallback, cache_size, passes, memory_budget)
    if not callable(model):
        raise TypeError(f"compile: expected a function or a module, not {type(model).__name__}")
    return CompiledFunction(model, fallback, cache_size, passes, memory_budget)
