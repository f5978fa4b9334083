"""Whatever is passed, the answer is the right Python exception, and the library works on.

Calls come from three places: the rows' own `bad` calls, calls derived from every row (None instead of a
tensor, an unknown keyword, ...), and the tables of bad_calls.py and bad_graphs.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_calls import HAND_WRITTEN, BadCall
from bad_graphs import graphs

import unspool as us
from harness import CONTIGUOUS, array_map, arrays_in, draws, main_function, placed, sample_map
from reference import ROWS, Row
from reference.rows import Bad, Sample

# Where integers or bool would silently mean something else. Activations accept them and give float32.
NO_INTEGERS = frozenset(
    [
        "frac",
        "hypot",
        "lerp",
        "addcdiv",
        "logaddexp",
        "softmax",
        "log_softmax",
        "softmin",
        "mean",
        "var",
        "std",
        "var_mean",
        "std_mean",
        "linalg.vector_norm",
        "norm",
        "mse_loss",
        "l1_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "cosine_similarity",
        "cross_entropy",
        "nll_loss",
    ]
)
NO_BOOL = frozenset(
    [
        "sub",
        "floor_divide",
        "remainder",
        "fmod",
        "pow",
        "neg",
        "abs",
        "floor",
        "ceil",
        "trunc",
        "round",
        "addcmul",
        "relu",
        "smooth_l1_loss",
        "huber_loss",
        "margin_ranking_loss",
    ]
)


def plain(message: str) -> str:
    """A message with one way of writing shapes: "[2,3]" and "(2, 3)" alike, "(4,)" as "(4)"."""
    text = re.sub(r"torch\.Size\((\[.*?\])\)", r"\1", message).replace("[", "(").replace("]", ")")
    return re.sub(r",\s*", ", ", text).replace(", )", ")")


def tensors(value: Any) -> Any:
    """Arrays as tensors."""
    return array_map(value, lambda a: us.from_numpy(a.copy()))


def row_call(row: Row, bad: Bad) -> BadCall:
    """A row's bad call."""

    def run() -> Any:
        kwargs = {k: tensors(v) for k, v in bad.kwargs.items()}
        if row.forms[0] == "Tensor":
            first, *rest = tensors(bad.args)
            return getattr(first, row.public)(*rest, **kwargs)
        return main_function(row)(*tensors(bad.args), **kwargs)

    filled = [float(a.flat[0]) for a in arrays_in(bad.args) if a.size]
    return BadCall(
        f"{row.name}{Sample(bad.args, bad.kwargs)} filled with {filled}",
        run,
        bad.error,
        (row.public, *bad.words),
    )


def good_sample(row: Row) -> Sample:
    """A sample that the operation accepts."""
    return next(s for s in draws(row, row.dtypes[-1]) if s.smooth)


def with_first_tensor(sample: Sample, value: Any) -> Sample:
    """The sample with its first array replaced by `value`."""
    done = False

    def change(array: Any) -> Any:
        nonlocal done
        if done:
            return us.from_numpy(array.copy())
        done = True
        return value

    return sample_map(sample, change)


class Stranger:
    """An object that no operation knows."""


STRANGERS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "text": lambda: "tensor",
    "a NumPy array": lambda: np.ones((2, 2), dtype=np.float32),
    "a dict": dict,
    "a stranger": Stranger,
}


def derived(row: Row) -> Iterator[BadCall]:
    """Wrong kinds, unknown keywords, missing and surplus arguments, dtypes that the operation refuses."""
    run = main_function(row)
    method = row.forms[0] == "Tensor"
    sample = good_sample(row)
    pair = placed(sample, CONTIGUOUS)
    assert pair is not None
    good = pair[1]
    for kind, make in STRANGERS.items() if not method else ():
        wrong = with_first_tensor(sample, make())
        yield BadCall(
            f"{row.name} of {kind}", lambda w=wrong: run(*w.args, **w.kwargs), TypeError, (row.public,)
        )
    yield BadCall(
        f"{row.name} with an unknown keyword",
        lambda: run(*good.args, **good.kwargs, colour=3),
        TypeError,
        ("colour",),
    )
    yield BadCall(
        f"{row.name} with a keyword that is no text",
        lambda: run(*good.args, **good.kwargs, **{"\ud800": 3}),
        (TypeError, RuntimeError),
    )
    surplus = [None] * 12
    yield BadCall(f"{row.name} with too many arguments", lambda: run(*good.args, *surplus), TypeError)
    if not method:
        yield BadCall(f"{row.name} without arguments", lambda: run(), TypeError, (row.public,))
    for dtype, names in (("int64", NO_INTEGERS), ("bool", NO_INTEGERS | NO_BOOL)):
        if row.name in names:
            single = next(s for s in draws(row, "float32") if s.smooth)
            kind_of = sample_map(single, lambda a, d=dtype: us.ones(a.shape, dtype=getattr(us, d)))
            yield BadCall(
                f"{row.name} of {dtype}",
                lambda k=kind_of: run(*k.args, **k.kwargs),
                (RuntimeError, TypeError),
                (row.public,),
            )


def derived_in_place(row: Row) -> Iterator[BadCall]:
    """In-place forms on leaves, on results that cannot hold the value, on smaller targets."""
    if not row.in_place:
        return
    name = row.public + "_"
    sample = good_sample(row)
    pair = placed(sample, CONTIGUOUS)
    assert pair is not None
    good = pair[1]
    if row.gradient and "float32" in row.dtypes:

        def on_leaf() -> Any:
            target = good.args[0].detach().clone().requires_grad_()
            return getattr(target, name)(*good.args[1:], **good.kwargs)

        yield BadCall(f"{name} on a leaf that requires a gradient", on_leaf, RuntimeError, (name,))
    if row.result == "float" and "int64" in row.dtypes:
        integer = Sample(array_map(sample.args, lambda a: us.ones(a.shape, dtype=us.int64)), sample.kwargs)

        def on_integers() -> Any:
            return getattr(integer.args[0], name)(*integer.args[1:], **integer.kwargs)

        yield BadCall(f"{name} on integers", on_integers, RuntimeError, (name,))
    others = [a for a in good.args[1:] if isinstance(a, us.Tensor)]
    if others and row.elementwise:

        def too_small() -> Any:
            shapes = iter([(2, 3)] * 3)
            rest = [
                us.ones(next(shapes), dtype=a.dtype) if isinstance(a, us.Tensor) else a for a in good.args[1:]
            ]
            return getattr(us.ones(3, dtype=good.args[0].dtype), name)(*rest, **good.kwargs)

        yield BadCall(f"{name} into a smaller tensor", too_small, RuntimeError, (name,))


def of_rows() -> list[BadCall]:
    """Bad calls that stand in the rows."""
    return [row_call(row, bad) for row in ROWS.values() for bad in row.bad]


def all_calls() -> dict[str, list[BadCall]]:
    """Every bad call by group."""
    groups = {make.__name__: make() for make in (*HAND_WRITTEN, graphs)}
    groups["rows"] = of_rows()
    for name, row in ROWS.items():
        groups[f"derived: {name}"] = [*derived(row), *derived_in_place(row)]
    return groups


GROUPS = all_calls()


def complaint(bad: BadCall) -> str | None:
    """What is wrong with the answer to a bad call; None if nothing is."""
    try:
        value = bad.run()
    except bad.error as error:
        message = plain(str(error))
        missing = [word for word in bad.words if plain(word) not in message]
        return f"{bad.label}: message lacks {missing}: {message}" if missing else None
    except Exception as error:
        return f"{bad.label}: raised {type(error).__name__} ({str(error)[:120]}), expected {bad.error}"
    return f"{bad.label}: raised nothing, returned {type(value).__name__}"


def assert_library_works() -> None:
    """A small computation with a gradient."""
    x = us.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    assert us.is_grad_enabled()


@pytest.mark.parametrize("group", GROUPS)
def test_bad_calls_raise_the_right_exception(group: str) -> None:
    complaints = []
    for bad in GROUPS[group]:
        found = complaint(bad)
        if found is not None:
            complaints.append(found)
        assert_library_works()
    assert not complaints, f"{len(complaints)} of {len(GROUPS[group])}:\n" + "\n".join(complaints)


def test_there_are_at_least_500_distinct_bad_calls() -> None:
    labels = [(group, bad.label) for group, calls in GROUPS.items() for bad in calls]
    assert len(set(labels)) == len(labels), "two bad calls share a label"
    by_hand = [label for group, label in labels if not group.startswith("derived")]
    assert len(by_hand) >= 500
    assert len(labels) >= 1400


def _mends() -> dict[str, tuple[Any, type[Exception], str]]:
    """What a newcomer does wrong, the exception, and words that say how to mend it."""
    model = us.nn.Sequential(us.nn.Linear(4, 3))
    x, labels = us.rand(5, 4), us.zeros(5)
    return {
        "array": (lambda: model(np.zeros((5, 4), np.float32)), TypeError, "as_tensor"),
        "list": (lambda: model([[1.0, 2.0, 3.0, 4.0]]), TypeError, "as_tensor"),
        "float labels": (lambda: us.nn.functional.cross_entropy(model(x), labels), RuntimeError, "long()"),
        "None as a size": (
            lambda: us.nn.Linear(None, 3),
            TypeError,
            "argument 'in_features' must be an int, not None",
        ),
        "dtype as text": (lambda: x.to("float32"), RuntimeError, "unspool.float32"),
        "no parameters": (lambda: us.optim.SGD(None, 0.1), TypeError, "model.parameters()"),
        "rate as text": (
            lambda: us.optim.Adam(model.parameters(), lr="0.1"),
            TypeError,
            "lr must be a number",
        ),
        "None clipped": (lambda: us.nn.utils.clip_grad_norm_(None, 1.0), TypeError, "model.parameters()"),
        "None as a data set": (lambda: us.utils.data.DataLoader(None), TypeError, "dataset must have"),
        "no such folder": (lambda: us.save(x, "/nowhere/x.pt"), FileNotFoundError, "/nowhere'"),
    }


@pytest.mark.parametrize("mistake", _mends())
def test_messages_say_how_to_mend_the_call(mistake: str) -> None:
    run, error, words = _mends()[mistake]
    with pytest.raises(error) as caught:
        run()
    assert words in str(caught.value)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.pt").write_bytes(b"<html>")
    with pytest.raises(RuntimeError, match="known marks") as caught:
        us.load(tmp_path / "page.pt")
    assert "page.pt" in caught.value.__notes__[0]


def test_the_outermost_module_has_no_name_to_tell() -> None:
    with pytest.raises(IndexError) as caught:
        us.nn.Embedding(3, 4)(us.tensor([5]))
    assert "in module" not in str(caught.value)
