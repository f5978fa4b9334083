"""Arguments that are held to their annotations, for constructors of modules and functions of ``nn.init``.

A wrong argument would else be noticed somewhere inside, in words about something else. The message names who
was called, the argument, what it must be and what was given. Numbers and truth are taken from whatever has
them: NumPy's numbers and tensors of one element count as numbers, and every number is true or not.
"""

from __future__ import annotations

import functools
import inspect
import operator
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from unspool._core import Tensor

__all__ = ["checked"]

Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str | bytes)


def _is_sequence(value: Any) -> bool:
    """Whether the value has places; a generator is used up by looking."""
    if _is_text(value) or not hasattr(value, "__getitem__"):
        return False
    try:
        len(value)
    except TypeError:
        return False
    return not isinstance(value, Mapping)


def _is_integer(value: Any) -> bool:
    """Whether Python can count with the value."""
    try:
        operator.index(value)
    except (TypeError, RuntimeError, ValueError):
        return False
    return True


def _is_number(value: Any) -> bool:
    """Whether the value is one number."""
    if _is_text(value) or (_is_sequence(value) and not isinstance(value, Tensor)):
        return False
    try:
        float(value)
    except (TypeError, RuntimeError, ValueError, OverflowError):
        return False
    return True


def _is_truth(value: Any) -> bool:
    """Whether the value is a bool or can stand for one; texts and collections are mistakes."""
    return value is None or _is_number(value)


def _all(check: Check) -> Check:
    return lambda value: _is_sequence(value) and all(check(each) for each in value)


# What each word of an annotation permits, and how it is called in messages.
_KINDS: dict[str, tuple[Check, str]] = {
    "int": (_is_integer, "an int"),
    "float": (_is_number, "a number"),
    "bool": (_is_truth, "a bool"),
    "str": (lambda value: isinstance(value, str), "a str"),
    "None": (lambda value: value is None, "None"),
    "Tensor": (lambda value: isinstance(value, Tensor), "a Tensor"),
    "Module": (lambda value: isinstance(value, sys.modules["unspool.nn.modules.module"].Module), "a Module"),
    "Callable": (callable, "a function"),
    "Sequence[Any]": (_is_sequence, "a sequence"),
    "Sequence[int]": (_all(_is_integer), "a sequence of ints"),
    "tuple[int, ...]": (_all(_is_integer), "a sequence of ints"),
    "Sequence[int | None]": (
        _all(lambda value: value is None or _is_integer(value)),
        "a sequence of ints and None",
    ),
    "Sequence[float]": (_all(_is_number), "a sequence of numbers"),
}

# Names that stand for others.
_SYNONYMS = {
    "Ints": "int | Sequence[int]",
    "_Two": "int | Sequence[int]",
    "Activation": "str | Callable",
    "Sizes": "int | None | Sequence[int | None]",
}

# How many numbers an argument has, given the dimensions of the layer.
_PER_DIMENSION = ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size")

# Sizes of parameters, which may be 0.
_SIZES = (
    "in_features", "out_features", "in1_features", "in2_features", "in_channels", "out_channels",
    "kernel_size", "num_embeddings", "embedding_dim", "num_features",
)  # fmt: skip


def _lengths(name: str, argument: str) -> tuple[int, ...] | None:
    """The lengths that a sequence may have; None where any may do."""
    if name in ("Fold", "Unfold"):
        return (2,)
    ndim = re.search(r"(\d)d$", name)
    if ndim is None or argument not in _PER_DIMENSION:
        return None
    count = int(ndim[1])
    if "Pad" in name:
        # Constants may be put around fewer dimensions.
        least = 2 if name.startswith(("Constant", "Zero")) else 2 * count
        return tuple(range(least, 2 * count + 1, 2)) if least < 2 * count else (2 * count,)
    is_filter = "Conv" in name and argument == "kernel_size"
    return (count,) if is_filter or count == 1 or argument == "output_size" else (1, count)


class _Rule:
    """What one argument must be."""

    def __init__(self, argument: str, annotation: str) -> None:
        words = re.sub(r"Callable\[.*\]", "Callable", annotation)
        for synonym, meaning in _SYNONYMS.items():
            words = re.sub(rf"\b{synonym}\b", meaning, words)
        names = re.split(r" \| (?![^\[]*\])", words)
        kinds = [_KINDS[name] for name in names if name in _KINDS]
        self.argument = argument
        self.checks = [check for check, _ in kinds]
        self.called = " or ".join(called for _, called in kinds)
        self.applies = len(kinds) == len(names)
        self.is_size = argument in _SIZES

    def why_not(self, who: str, value: Any) -> str | None:
        """What is wrong with the value as this argument."""
        if not any(check(value) for check in self.checks):
            return f"{who}(): argument '{self.argument}' must be {self.called}, not {_describe(value)}"
        lengths = _lengths(who, self.argument)
        if lengths is not None and _is_sequence(value) and len(value) not in lengths:
            wanted = " or ".join(str(length) for length in lengths if length > 1)
            return (
                f"{who}(): argument '{self.argument}' must be one number{wanted and ' or ' + wanted}, not "
                f"{len(value)}: {value!r}"
            )
        return None

    def is_negative(self, value: Any) -> bool:
        """Whether a size, or one of several, is below 0."""
        if not self.is_size or value is None:
            return False
        return any(operator.index(each) < 0 for each in (value if _is_sequence(value) else (value,)))


def _describe(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return f"a Tensor of shape {tuple(value.shape)}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


def checked(function: Callable[..., Any], who: Callable[..., str], first: int = 0) -> Callable[..., Any]:
    """The function, which first looks at its arguments; itself where there is nothing to look at.

    Args:
        function: whose annotations say what the arguments must be.
        who: gives the name for messages, from the positional arguments.
        first: how many arguments at the beginning are not looked at.
    """
    parameters = list(inspect.signature(function).parameters.values())
    rules = [_Rule(each.name, str(each.annotation)) for each in parameters[first:]]
    by_name = {rule.argument: rule for rule in rules if rule.applies}
    if not by_name:
        return function
    places = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for name, value in (*zip(places, args, strict=False), *kwargs.items()):
            rule = by_name.get(name)
            why = rule.why_not(who(*args), value) if rule is not None else None
            if why is not None:
                raise TypeError(why)
            if rule is not None and rule.is_negative(value):
                raise RuntimeError(f"{who(*args)}(): argument '{name}' must not be negative, got {value}")
        return function(*args, **kwargs)

    return call
