"""Programs in words: instructions with shapes and work, memory, measured times."""

from __future__ import annotations

import statistics
from typing import Any

from unspool._compile.work import Rates, flops, group_traffic, places, product_flops, traffic
from unspool._graphviz import quoted, svg_of


def size_text(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _count_text(count: float) -> str:
    for unit in ("", "k", "M"):
        if count < 1000:
            return f"{count:.0f}" if not unit else f"{count:.1f}{unit}"
        count /= 1000
    return f"{count:.1f}G"


def _name(program: dict[str, Any], buffer: int) -> str:
    letter = {"input": "in", "kept": "kept", "result": "out", "temporary": "t"}[program["buffers"][buffer][0]]
    return f"{letter}{buffer}"


def _operand(program: dict[str, Any], value: Any) -> str:
    if not isinstance(value, tuple):
        return repr(value)
    return f"{_name(program, value[0])}{list(value[1])}"


def line(program: dict[str, Any], instruction: dict[str, Any]) -> str:
    """One instruction: ``t5[64, 10] = linear(t4[64, 32], kept1[10, 32], kept2[10])  in fc``."""
    operands = instruction["in"]
    if instruction["is_update"]:
        count = len(operands) // instruction["arity"]
        listed = f"{count} parameters"
    else:
        listed = ", ".join(_operand(program, value) for value in operands)
    results = ", ".join(_operand(program, place) for place in instruction["out"])
    text = f"{results} = " if results else ""
    text += f"{instruction['op']}({listed})"
    if instruction["then"]:
        text += f" then {instruction['then']}"
    if instruction["op"] in ("mm", "linear") and len(instruction["out"]) > 1:
        text += " with the sums of its columns"
    return text + (f"  in {instruction['scope']}" if instruction["scope"] else "")


def explain(program: dict[str, Any]) -> str:
    """The whole program."""
    instructions = program["instructions"]
    rows = []
    for first, count in program["launches"]:
        for i, each in enumerate(instructions[first : first + count], first):
            mark = " " if count == 1 else "|"  # those marked alike go tile by tile together
            work = f"{_count_text(flops(each)):>7}  {size_text(traffic(each)):>9}"
            rows.append(f"{i:4d}{mark} {work}  {line(program, each)}")
    kinds = [kind for kind, _ in program["buffers"]]
    planned, unplanned, scratch = (
        size_text(program[name]) for name in ("arena_bytes", "unplanned_bytes", "scratch_bytes")
    )
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("input", "kept", "result", "temporary"))
    head = [
        f"{len(instructions)} instructions; buffers: {counts}",
        f"temporaries: {planned} planned of {unplanned} unplanned; scratch: {scratch}",
        f"{'':4}  {'flops':>7}  {'bytes':>9}  instruction",
    ]
    return "\n".join(head + rows)


def profile(program: dict[str, Any], runs: list[list[float]], rates: Rates) -> str:
    """Median times, slowest first, each beside the time that its arithmetic and its traffic take at best."""
    medians = [statistics.median(times) for times in zip(*runs, strict=True)]
    total = sum(medians)
    floors, rows = [], []
    for launch, median in zip(program["launches"], medians, strict=True):
        first, count = launch
        parts = program["instructions"][first : first + count]
        work, moved = sum(map(flops, parts)), group_traffic(program, launch)
        floor = rates.floor(sum(map(product_flops, parts)), moved)
        floors.append(floor)
        rate = f"{work / median / 1e9:6.1f} Gflop/s {moved / median / 1e9:6.1f} GB/s"
        texts = "; ".join(line(program, each) for each in parts)
        rows.append(
            f"{median * 1e6:10.2f} us  {median / total:6.1%}  floor {floor * 1e6:10.2f} us, "
            f"{median / floor if floor else 0:5.1f}x  {rate}  {texts}"
        )
    order = sorted(range(len(medians)), key=lambda i: -medians[i])
    best = sum(floors)
    speeds = [rate / 1e9 for rate in rates.copies.values()]
    head = (
        (
            f"{total * 1e6:10.2f} us in {len(medians)} launches, {len(runs)} runs; "
            f"floor {best * 1e6:.2f} us, {total / best if best else 0:.1f}x"
        ),
        (
            f"floors: products {rates.flops / 1e9:.0f} Gflop/s, "
            f"copies {min(speeds):.0f} to {max(speeds):.0f} GB/s by size"
        ),
    )
    return "\n".join([*head, *(rows[i] for i in order)])


def _label(program: dict[str, Any], instruction: dict[str, Any]) -> str:
    done = instruction["op"] + (f" then {instruction['then']}" if instruction["then"] else "")
    results = " ".join(_operand(program, place) for place in instruction["out"])
    scope = f"in {instruction['scope']}" if instruction["scope"] else ""
    return "\n".join(text for text in (done, results, scope) if text)


def to_dot(program: dict[str, Any]) -> str:
    """Instructions as nodes; an edge from the one that wrote a buffer to each that reads it.

    Names are those of :func:`explain`; instructions that go tile by tile together stand in one frame.
    """
    lines = ["digraph program {", "  rankdir=TB;", '  node [shape=box, fontname="monospace"];']
    for first, count in program["launches"]:
        nodes = [
            f"  i{i} [label={quoted(_label(program, program['instructions'][i]))}];"
            for i in range(first, first + count)
        ]
        lines += nodes if count == 1 else [f"  subgraph cluster_{first} {{", *nodes, "  }"]
    writer: dict[int, str] = {}
    for i, each in enumerate(program["instructions"]):
        read = places(each["in"])
        for place in read:
            if place[0] not in writer:
                writer[place[0]] = f"b{place[0]}"
                lines.append(f"  b{place[0]} [label={quoted(_operand(program, place))}, shape=ellipse];")
            lines.append(f"  {writer[place[0]]} -> i{i};")
        for place in [*each["out"], *(read if each["is_update"] else [])]:
            writer[place[0]] = f"i{i}"
    return "\n".join([*lines, "}"])


def to_svg(program: dict[str, Any]) -> str:
    """The same graph drawn by Graphviz."""
    return svg_of(to_dot(program), "to_svg")
