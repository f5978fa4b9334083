"""The drivers behind the table-driven tests: layouts, calls by every public form, comparison with the
reference.

Rows say what an operation is (tests/reference); this file says how a row is exercised. It holds no fact
about any single operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import unspool as us
from reference import ROWS, Row, promotion
from reference.rows import Draw, Sample

Array = npt.NDArray[Any]

BITWISE = True  # the library promises equal bits for every layout


# Layouts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """A way of placing an array in memory; `place` gives the values and a fresh tensor, or None."""

    name: str
    place: Callable[[Array], tuple[Array, Any] | None]


def _contiguous(array: Array) -> tuple[Array, Any]:
    return array, us.from_numpy(array.copy())


def _offset(array: Array) -> tuple[Array, Any] | None:
    if array.ndim == 0:
        return None
    buffer = np.ones(array.size + 1, array.dtype)
    view = buffer[1:].reshape(array.shape)
    view[...] = array
    return array, us.from_numpy(view)


def _transposed(array: Array) -> tuple[Array, Any] | None:
    if array.ndim < 2:
        return None
    return array, us.from_numpy(array.T.copy().T)


def _stepped(array: Array) -> tuple[Array, Any] | None:
    if array.ndim == 0:
        return None
    buffer = np.ones((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    buffer[..., ::2] = array
    return array, us.from_numpy(buffer[..., ::2])


def _stepped_rows(array: Array) -> tuple[Array, Any] | None:
    if array.ndim < 2:
        return None
    buffer = np.ones((3 * array.shape[0], *array.shape[1:]), array.dtype)
    buffer[1::3] = array
    return array, us.from_numpy(buffer[1::3])


def _expanded(array: Array) -> tuple[Array, Any] | None:
    if array.ndim == 0 or array.shape[0] == 0:
        return None
    values = np.array(np.broadcast_to(array[:1], array.shape))
    return values, us.from_numpy(array[:1].copy()).expand(array.shape)


CONTIGUOUS = Layout("contiguous", _contiguous)
DENSE_LAYOUTS = (
    Layout("offset by one element", _offset),
    Layout("transposed", _transposed),
    Layout("every second column", _stepped),
    Layout("every third row", _stepped_rows),
)
EXPANDED = Layout("expanded", _expanded)


def array_map(value: Any, change: Callable[[Array], Any]) -> Any:
    """`value` with every array in it (also inside lists and tuples) replaced."""
    if isinstance(value, np.ndarray):
        return change(value)
    if isinstance(value, list):
        return [array_map(v, change) for v in value]
    if isinstance(value, tuple):
        return tuple(array_map(v, change) for v in value)
    return value


def sample_map(sample: Sample, change: Callable[[Array], Any]) -> Sample:
    """The sample with every array replaced."""
    args = array_map(sample.args, change)  # before the keywords, in the order of arrays_in
    return Sample(
        args, {key: array_map(value, change) for key, value in sample.kwargs.items()}, sample.smooth
    )


def arrays_in(value: Any) -> Iterator[Array]:
    """Every array in nested lists, tuples and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from arrays_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from arrays_in(item)


def placed(sample: Sample, layout: Layout) -> tuple[Sample, Sample] | None:
    """(values, tensors) of a sample in a layout, or contiguous; None if no array can take it."""
    values: list[Array] = []
    tensors: list[Any] = []
    applied = False
    for array in arrays_in([sample.args, sample.kwargs]):
        pair = layout.place(array)
        applied = applied or pair is not None
        value, tensor = pair if pair is not None else _contiguous(array)
        values.append(value)
        tensors.append(tensor)
    if not applied:
        return None
    value_items, tensor_items = iter(values), iter(tensors)
    return sample_map(sample, lambda _: next(value_items)), sample_map(sample, lambda _: next(tensor_items))


# Calls ----------------------------------------------------------------------------------------------------


def public_function(row: Row, form: str) -> Callable[..., Any]:
    """The function by which users reach the operation: unspool.f, Tensor.f, unspool.nn.functional.f, ..."""
    if form == "Tensor":
        return lambda first, *rest, **options: getattr(first, row.public)(*rest, **options)
    namespace = us
    for part in form.split("."):
        namespace = namespace if part == "torch" else getattr(namespace, part)
    function: Callable[..., Any] = getattr(namespace, row.public)
    return function


def main_function(row: Row) -> Callable[..., Any]:
    """The row's first public form."""
    return public_function(row, row.forms[0])


def to_array(tensor: Any) -> Array:
    """A NumPy copy of a tensor's values."""
    return np.array(tensor.detach().numpy())


def dtype_name(tensor: Any) -> str:
    """ "float32" for unspool.float32."""
    return str(tensor.dtype).rpartition(".")[2]


def outputs(result: Any) -> list[Any]:
    """One or several outputs as a list."""
    return list(result) if isinstance(result, list | tuple) else [result]


# Expectations ---------------------------------------------------------------------------------------------


def reference_arguments(row: Row, sample: Sample) -> Sample:
    """What the NumPy function gets: float64, or for elementwise rows everything in the computing dtype."""
    if row.native:
        return sample
    target: str | None = None
    if row.elementwise:
        common = promotion.result_type((*sample.args, *sample.kwargs.values()))
        wide = promotion.is_floating(common) or row.result == "float" or callable(row.result)
        target = "float64" if wide and (promotion.is_floating(common) or row.result == "float") else common
        if callable(row.result) and promotion.is_floating(row.result(sample)):
            target = "float64"

    def change(array: Array) -> Array:
        if target is not None:
            return array.astype(target)
        return array.astype(np.float64) if array.dtype.kind == "f" else array

    return sample_map(sample, change)


def expected_outputs(row: Row, sample: Sample) -> list[Array]:
    """The reference's outputs, in the dtypes that the row promises."""
    wide = reference_arguments(row, sample)
    with np.errstate(all="ignore"):
        raw = outputs(row.reference(*wide.args, **wide.kwargs))
        return [
            np.asarray(o).astype(d) for o, d in zip(raw, result_dtypes(row, sample, len(raw)), strict=True)
        ]


def result_dtypes(row: Row, sample: Sample, count: int) -> list[str]:
    """The dtype of each output, by the row's rule."""
    rules = row.result if isinstance(row.result, tuple) else (row.result,) * count
    return [_result_dtype(rule, sample) for rule in rules[:count]]


def _result_dtype(rule: Any, sample: Sample) -> str:
    if callable(rule):
        return str(rule(sample))
    first = str(next(arrays_in([sample.args, sample.kwargs])).dtype)
    if rule == "same":
        return first
    if rule in ("promote", "float"):
        dtype = promotion.result_type(sample.args)
        return dtype if rule == "promote" or promotion.is_floating(dtype) else promotion.DEFAULT_FLOAT
    if rule == "sum":
        return first if promotion.is_floating(first) else "int64"
    return str(rule)


def allowed_error(row: Row, sample: Sample, expected: Array) -> Any:
    """The largest permitted |actual - expected|, by element."""
    dtype = str(expected.dtype)
    if dtype not in promotion.DTYPES or not promotion.is_floating(dtype):
        return 0.0
    finite = np.where(np.isfinite(expected), np.abs(expected.astype(np.float64)), 0.0)
    base: Any = finite
    if row.scale == "largest" and expected.size:
        base = max(float(finite.max()), 1e-3)
    elif row.scale == "absolute":
        wide = sample_map(reference_arguments(row, sample), lambda a: np.abs(a) if a.dtype.kind == "f" else a)
        kwargs = {
            k: abs(v) if isinstance(v, float | int) and k != "dim" else v for k, v in wide.kwargs.items()
        }
        with np.errstate(all="ignore"):
            base = np.abs(np.asarray(outputs(row.reference(*wide.args, **kwargs))[0], dtype=np.float64))
    with np.errstate(all="ignore"):
        return row.rtol[dtype] * base + row.atol.get(dtype, 0.0) + float(np.finfo(dtype).tiny)


def assert_close(row: Row, sample: Sample, expected: list[Array], actual: list[Any], what: str) -> None:
    """Number of outputs, dtypes, shapes and values."""
    where = f"{row.name}{sample} [{what}]"
    assert len(actual) == len(expected), f"{where}: {len(actual)} outputs, expected {len(expected)}"
    for position, (want, tensor) in enumerate(zip(expected, actual, strict=True)):
        assert isinstance(tensor, us.Tensor), f"{where}: output {position} is a {type(tensor).__name__}"
        assert dtype_name(tensor) == str(want.dtype), (
            f"{where}: dtype {dtype_name(tensor)}, expected {want.dtype}"
        )
        assert tuple(tensor.shape) == want.shape, (
            f"{where}: shape {tuple(tensor.shape)}, expected {want.shape}"
        )
        got = to_array(tensor)
        if want.dtype.kind != "f":
            wrong = got != want
        else:
            limit = allowed_error(row, sample, want)
            with np.errstate(all="ignore"):
                near = np.abs(got.astype(np.float64) - want.astype(np.float64)) <= limit
            wrong = ~(near | (got == want) | (np.isnan(got) & np.isnan(want)))
        if np.any(wrong):
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            inputs = [
                a[index] if a.shape == want.shape else a.shape
                for a in arrays_in([sample.args, sample.kwargs])
            ]
            raise AssertionError(
                f"{where}: output {position} differs at {index} ({int(wrong.sum())} of {want.size}): "
                f"got {got[index]!r}, expected {want[index]!r}, inputs there {inputs}"
            )


def assert_same_bits(row: Row, sample: Sample, first: list[Any], second: list[Any], what: str) -> None:
    """Equal bits (any NaN equals any NaN)."""
    for a, b in zip(first, second, strict=True):
        x, y = to_array(a), to_array(b)
        same = np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
        if same and x.dtype.kind == "f":
            same = bool(np.array_equal(np.signbit(x[~np.isnan(x)]), np.signbit(y[~np.isnan(y)])))
        assert same or not BITWISE, (
            f"{row.name}{sample}: bits differ between contiguous and {what}: {x} and {y}"
        )


def draws(row: Row, dtype: str) -> list[Sample]:
    """The row's samples for a dtype."""
    return list(row.samples(Draw(dtype, row.name)))


def registry() -> list[dict[str, Any]]:
    """The library's own list of operations."""
    records: list[dict[str, Any]] = us._core.registry()
    return records


def public_names(record: dict[str, Any]) -> set[str]:
    """Names under which a record's row may be filed: plain, and with the namespace before a dot."""
    name = record["python_name"] or record["name"]
    names = {name, record["name"]}
    for namespace in record["namespace"]:
        names.add(f"{namespace}.{name}")
    return names


def row_names() -> list[str]:
    """All rows, in the order of the tables."""
    return list(ROWS)
