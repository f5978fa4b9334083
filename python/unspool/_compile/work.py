"""How much work the instructions of a program are: arithmetic, traffic, and the time of both at best."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import unspool

Place: TypeAlias = tuple[int, tuple[int, ...], str]

_BYTES = {"float32": 4, "float64": 8, "int64": 8, "int32": 4, "uint8": 1, "bool": 1}


def elements(place: Place) -> int:
    return math.prod(place[1])


def places(values: list[Any]) -> list[Place]:
    return [value for value in values if isinstance(value, tuple)]


def size_of(place: Place) -> int:
    """Bytes."""
    return elements(place) * _BYTES[place[2]]


def traffic(instruction: dict[str, Any]) -> int:
    """Bytes that the instruction reads and writes, if nothing stays in a cache."""
    return sum(size_of(place) for place in [*places(instruction["in"]), *written(instruction)])


def written(instruction: dict[str, Any]) -> list[Place]:
    """The places that the instruction changes."""
    if not instruction["is_update"]:
        return list(instruction["out"])
    return [place for i, place in enumerate(instruction["in"]) if i % instruction["arity"] != 1]


def _per_first(place: Place) -> int:
    """Elements for each index of the first dimension."""
    return math.prod(place[1][1:])


def _product(given: list[Place], out: Place) -> int:
    return elements(out) * given[0][1][-1]


def _attention(given: list[Place], parts: Callable[[int, int], int]) -> int:
    query, key, value = given
    return elements(query) // max(query[1][-1], 1) * key[1][2] * parts(key[1][-1], value[1][-1])


# Multiply-adds of the operations that are products, from their tensors and first result.
_MULTIPLY_ADDS: dict[str, Callable[[list[Place], Place], int]] = {
    "mm": _product,
    "bmm": _product,
    "linear": _product,
    "convolution": lambda given, out: elements(out) * _per_first(given[1]),
    "convolution_transposed": lambda given, _: elements(given[0]) * _per_first(given[1]),
    "convolution_weight": lambda given, out: elements(given[0]) * _per_first(out),
    "attention": lambda given, _: _attention(given[:3], lambda depth, width: depth + width),
    "attention_backward": lambda given, _: _attention(given[1:4], lambda depth, width: 3 * depth + 2 * width),
}


def product_flops(instruction: dict[str, Any]) -> int:
    """Multiplications and additions inside of products; attention is counted without regard to a mask."""
    operands = instruction["in"]
    given = places(operands)
    if instruction["op"] == "recurrent":  # of x, hidden, cell, weight_ih, weight_hh, two biases, projection
        weights = sum(map(elements, places([*operands[3:5], *operands[7:8]])))
        return 2 * weights * elements(given[0]) // given[0][1][-1]
    if instruction["op"] == "recurrent_backward":  # of reserve, three gradients, weight_hh, projection
        sums: Place = instruction["out"][0]
        return 2 * sum(map(elements, places(operands[4:6]))) * elements(sums) // sums[1][-1]
    count = _MULTIPLY_ADDS.get(instruction["op"])
    if count is None or not instruction["out"]:
        return 0
    return 2 * count(given, instruction["out"][0])


def flops(instruction: dict[str, Any]) -> int:
    """Those of products, and one for each element that other work writes."""
    inside = product_flops(instruction)
    return inside or sum(elements(place) for place in instruction["out"] or places(instruction["in"]))


def group_traffic(program: dict[str, Any], launch: tuple[int, int]) -> int:
    """Bytes that must come to and go from a launch: what only lives inside of it stays in the cache."""
    first, count = launch
    parts = program["instructions"][first : first + count]
    others = program["instructions"][:first] + program["instructions"][first + count :]
    outside = {place[0] for other in others for place in [*places(other["in"]), *other["out"]]}
    read: dict[int, int] = {}
    made: dict[int, int] = {}
    for part in parts:
        for place in places(part["in"]):
            if place[0] not in made:
                read[place[0]] = max(read.get(place[0], 0), size_of(place))
        for place in written(part):
            if count == 1 or place[0] in outside or program["buffers"][place[0]][0] != "temporary":
                made[place[0]] = made.get(place[0], 0) + size_of(place) if count == 1 else size_of(place)
            else:
                made[place[0]] = 0
    return sum(read.values()) + sum(made.values())


@dataclasses.dataclass(frozen=True)
class Rates:
    """What this machine reaches with the present number of threads."""

    flops: float  # per second, of a float32 product
    copies: dict[int, float]  # bytes read plus written per second, by their number

    def floor(self, arithmetic: float, moved: float) -> float:
        """Seconds for products and traffic: the longer of the two, since they can overlap."""
        size = min((s for s in self.copies if s >= moved), default=max(self.copies))
        return max(arithmetic / self.flops, moved / self.copies[size])


_known: dict[int, Rates] = {}


def _fastest(f: Callable[[], Any], rounds: int) -> float:
    best = math.inf
    for _ in range(rounds):
        start = time.perf_counter()
        f()
        best = min(best, time.perf_counter() - start)
    return best


def _product_rate(size: int) -> float:
    a, b = unspool.ones(size, size), unspool.ones(size, size)
    return float(2 * size**3 / _fastest(lambda: a @ b, 12))


def _copy_rate(moved: int) -> float:
    source, target = unspool.ones(moved // 8), unspool.ones(moved // 8)
    return moved / _fastest(lambda: target.copy_(source), max(3, min(200, 2**24 // moved)))


def rates() -> Rates:
    """Measured once for each number of threads, in about a tenth of a second."""
    threads = unspool.get_num_threads()
    if threads not in _known:
        with unspool.no_grad():
            copies = {2**power: _copy_rate(2**power) for power in range(14, 27, 2)}
            _known[threads] = Rates(max(map(_product_rate, (256, 512))), copies)
    return _known[threads]
