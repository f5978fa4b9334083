"""Every operation against its NumPy reference: values, dtype, shape, layouts, public forms, in place.

The registry and the rows of tests/reference are compared first: neither may hold a name that the other lacks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from harness import (
    CONTIGUOUS,
    DENSE_LAYOUTS,
    EXPANDED,
    arrays_in,
    assert_close,
    assert_same_bits,
    draws,
    dtype_name,
    expected_outputs,
    main_function,
    outputs,
    placed,
    public_function,
    public_names,
    registry,
    row_names,
    to_array,
)
from reference import ROWS, Row, promotion
from reference.rows import Sample

# Rows whose operation is a short Python composition of registered ones.
COMPOSITE: frozenset[str] = frozenset({"affine_grid", "tensordot", "embedding_bag", "one_hot", "pdist"})

# Which dot product a GEMM uses depends on how its operands are laid out: equal bits are promised per
# layout only.
LAYOUT_CHOOSES_THE_SUM: frozenset[str] = frozenset(
    {"affine_grid", "matmul", "mm", "mv", "bmm", "linear", "addmm", "addmv", "baddbmm"}
)

# Rows cannot state what is random; test_random_operations.py does.
RANDOM: frozenset[str] = frozenset(
    {
        "bernoulli",
        "dropout",
        "alpha_dropout",
        "feature_dropout",
        "feature_alpha_dropout",
        "multinomial",
        "poisson",
    }
)

by_row = pytest.mark.parametrize("name", row_names())


def _covered() -> set[str]:
    names: set[str] = set()
    for row in ROWS.values():
        names |= {row.name, row.public, row.like or row.name}
    return names


@pytest.mark.parametrize("record", registry(), ids=lambda record: record["name"])
def test_every_registered_operation_has_a_row(record: dict[str, Any]) -> None:
    if not record["namespace"]:
        return  # called by other operations only: their derivatives and layouts exercise it
    if record["only_in_place"]:
        return  # copy_: the tests of tensors and of autograd write through it
    assert public_names(record) & (_covered() | RANDOM), f"add a row for {record['name']} to tests/reference"


def test_every_row_has_an_operation() -> None:
    registered: set[str] = set()
    for record in registry():
        registered |= public_names(record)
    missing = [
        row.name
        for row in ROWS.values()
        if not {row.name, row.public, row.like} & registered and row.name not in COMPOSITE
    ]
    assert not missing, f"rows without an operation: {missing}"


@pytest.mark.parametrize("record", registry(), ids=lambda record: record["name"])
def test_every_registered_operation_is_documented(record: dict[str, Any]) -> None:
    assert record["doc"].strip(), "an operation has a docstring"
    assert record["formula"].strip(), "an operation has a formula"
    assert all(argument["name"] and argument["kind"] for argument in record["args"])


@by_row
def test_every_public_form_exists(name: str) -> None:
    row = ROWS[name]
    missing = []
    for form in row.forms:
        owner: Any = us.Tensor if form == "Tensor" else us
        for part in form.split("."):
            owner = owner if part in ("torch", "Tensor") else getattr(owner, part, None)
        if not callable(getattr(owner, row.public, None)):
            missing.append(f"{form}.{row.public}")
    if row.in_place and not callable(getattr(us.Tensor, row.public + "_", None)):
        missing.append(f"Tensor.{row.public}_")
    assert not missing


def _values_in_layouts(row: Row, dtype: str, sample: Sample) -> None:
    run = main_function(row)
    base = placed(sample, CONTIGUOUS)
    if base is None:
        return
    _, tensors = base
    plain = outputs(run(*tensors.args, **tensors.kwargs))
    expected = expected_outputs(row, sample)
    assert_close(row, sample, expected, plain, f"{dtype}, contiguous")
    _assert_unchanged(row, sample, tensors)
    for layout in DENSE_LAYOUTS if row.reshapes else DENSE_LAYOUTS[:1]:
        pair = placed(sample, layout)
        if pair is None:
            continue
        moved = outputs(run(*pair[1].args, **pair[1].kwargs))
        if row.name not in LAYOUT_CHOOSES_THE_SUM:
            assert_same_bits(row, sample, plain, moved, f"{layout.name}, {dtype}")
        assert_close(row, sample, expected, moved, f"{dtype}, {layout.name}")
        _assert_unchanged(row, sample, pair[1])
    if row.ties and row.reshapes and (pair := placed(sample, EXPANDED)) is not None:
        values, tensors = pair
        moved = outputs(run(*tensors.args, **tensors.kwargs))
        again = placed(values, CONTIGUOUS)
        assert again is not None
        assert_close(row, values, expected_outputs(row, values), moved, f"{dtype}, expanded")
        assert_same_bits(
            row, values, outputs(run(*again[1].args, **again[1].kwargs)), moved, f"expanded, {dtype}"
        )


def _assert_unchanged(row: Row, sample: Sample, tensors: Sample) -> None:
    before = list(arrays_in([sample.args, sample.kwargs]))
    after: list[Any] = []
    for value in (*tensors.args, *tensors.kwargs.values()):
        for item in value if isinstance(value, list | tuple) else (value,):
            if isinstance(item, us.Tensor):
                after.append(to_array(item))
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new, err_msg=f"{row.name}{sample} changed its input")


@by_row
def test_values_dtypes_and_shapes_in_every_layout(name: str) -> None:
    row = ROWS[name]
    failures: list[str] = []
    for dtype in row.dtypes:
        for sample in draws(row, dtype):
            try:
                _values_in_layouts(row, dtype, sample)
            except Exception as error:  # collected: one report for the whole row
                failures.append(f"{row.name}{sample} {dtype}: {type(error).__name__}: {error}")
    assert not failures, f"{len(failures)} failures, the first: " + "\n".join(failures[:4])


@by_row
def test_every_public_form_gives_the_same_bits(name: str) -> None:
    row = ROWS[name]
    if len(row.forms) == 1:
        return
    for sample in draws(row, row.dtypes[-1]):
        pair = placed(sample, CONTIGUOUS)
        assert pair is not None
        tensors = pair[1]
        first = outputs(main_function(row)(*tensors.args, **tensors.kwargs))
        for form in row.forms[1:]:
            if form == "Tensor" and not isinstance(tensors.args[0], us.Tensor):
                continue
            other = outputs(public_function(row, form)(*tensors.args, **tensors.kwargs))
            assert_same_bits(row, sample, first, other, form)


@by_row
def test_in_place_form(name: str) -> None:
    row = ROWS[name]
    if not row.in_place:
        return
    checked = 0
    for dtype in row.dtypes:
        for sample in draws(row, dtype):
            if not isinstance(sample.args[0], np.ndarray):
                continue
            expected = expected_outputs(row, sample)[0]
            into = str(sample.args[0].dtype)
            if expected.shape != sample.args[0].shape or not _fits(str(expected.dtype), into):
                continue
            for layout in (CONTIGUOUS, *DENSE_LAYOUTS):
                pair = placed(sample, layout)
                if pair is None:
                    continue
                target, *rest = pair[1].args
                version = target._version
                result = getattr(target, row.public + "_")(*rest, **pair[1].kwargs)
                assert result is target or result.data_ptr() == target.data_ptr()
                assert target._version > version, f"{row.public}_ leaves the version counter"
                assert dtype_name(target) == into
                with np.errstate(all="ignore"):
                    assert_close(
                        row, sample, [expected.astype(into)], [target], f"in place, {dtype}, {layout.name}"
                    )
                checked += 1
    assert checked, "no sample could run in place"


def _fits(result: str, target: str) -> bool:
    return promotion.CATEGORY[result] <= promotion.CATEGORY[target]


@by_row
def test_view_operations_share_storage(name: str) -> None:
    row = ROWS[name]
    if not row.view:
        return
    for sample in draws(row, "float32"):
        pair = placed(sample, CONTIGUOUS)
        assert pair is not None
        source = pair[1].args[0]
        if source.numel() == 0:
            continue
        before = to_array(source)
        for view in outputs(main_function(row)(*pair[1].args, **pair[1].kwargs)):
            if view.numel() == 0 or tuple(view.stride()).count(0):
                continue
            view.mul_(0).add_(7)
            assert (to_array(source) != before).any(), f"{row.name}{sample} does not share storage"


@by_row
def test_result_needs_a_gradient_exactly_when_the_operation_is_differentiable(name: str) -> None:
    row = ROWS[name]
    sample = next(s for s in draws(row, "float32") if s.smooth)
    pair = placed(sample, CONTIGUOUS)
    assert pair is not None
    found: list[Any] = []
    for position, value in enumerate(pair[1].args):
        for item in value if isinstance(value, list | tuple) else (value,):
            if isinstance(item, us.Tensor) and item.is_floating_point() and position not in row.fixed:
                found.append(item.requires_grad_())
    if not found or "float32" not in row.dtypes:
        return
    result = outputs(main_function(row)(*pair[1].args, **pair[1].kwargs))
    if result[0].is_floating_point():
        assert result[0].requires_grad or not row.gradient
    else:
        assert not result[0].requires_grad


def test_the_table_is_not_thinned_out() -> None:
    assert len(ROWS) >= 170
