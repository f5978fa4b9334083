"""How two contenders are measured side by side, and how the result is written down.

A duel runs one piece of code, first with the names bound to unspool, then to its peer, then the other way
round, and so on, in the same process. What is reported per row:

- the median seconds of one execution, for each contender;
- the ratio: the median over the rounds of (ours / theirs), because two batches that follow each other see the
  same machine; and the ratio of the two minima, which a busy machine disturbs least;
- the floor, where there is one: the time that the row's arithmetic and memory traffic would take at the
  rates of the matrix product and of a copy on this machine, measured in the same run.

Nothing here knows what is measured; the scripts beside this file do.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import gc
import importlib
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Row:
    """One line of a table. Times in seconds; a value of another kind has its unit in ``unit``."""

    suite: str
    name: str
    ours: float
    peer: float | None = None
    ratio: float | None = None
    ratio_of_minima: float | None = None
    floor: float | None = None
    unit: str = "s"
    contenders: tuple[str, str] = ("unspool", "torch")
    threads: int = 1
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line says about a run."""

    quick: bool
    seconds: float
    threads: int
    pin: int | None
    json: Path | None
    rest: argparse.Namespace

    @property
    def least_rounds(self) -> int:
        return 2 if self.quick else 7


class Suite:
    """Collects the rows of one script."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.options = options
        self.rows: list[Row] = []

    def add(self, row: Row) -> Row:
        self.rows.append(row)
        print(f"  {markdown_line(row)}", file=sys.stderr, flush=True)
        return row

    def value(self, name: str, ours: float, unit: str, **more: Any) -> Row:
        """Record something that was not a duel."""
        return self.add(Row(self.name, name, ours, unit=unit, threads=self.options.threads, **more))

    def duel(self, name: str, code: str, ours: dict[str, Any], peer: dict[str, Any], **more: Any) -> Row:
        """Time ``code`` alternately with the names in ``ours`` and in ``peer``.

        A name ``prepare`` in a namespace is called before each of its batches, outside of the clock.
        """
        samples = _alternate(code, (ours, peer), self.options)
        ratios = [a / b for a, b in zip(*samples, strict=True)]
        row = Row(
            self.name,
            name,
            ours=statistics.median(samples[0]),
            peer=statistics.median(samples[1]),
            ratio=statistics.median(ratios),
            ratio_of_minima=min(samples[0]) / min(samples[1]),
            threads=self.options.threads,
        )
        return self.add(dataclasses.replace(row, **more))

    def contest(self, name: str, code: str, spaces: dict[str, dict[str, Any]], **more: Any) -> Row:
        """Time ``code`` in turn in each namespace; the ratio is of the first to the best other."""
        samples = dict(zip(spaces, _alternate(code, tuple(spaces.values()), self.options), strict=True))
        medians = {contender: statistics.median(times) for contender, times in samples.items()}
        ours, *others = spaces
        best = min(others, key=medians.__getitem__)
        ratios = [a / b for a, b in zip(samples[ours], samples[best], strict=True)]
        row = Row(
            self.name,
            name,
            ours=medians[ours],
            peer=medians[best],
            ratio=statistics.median(ratios),
            ratio_of_minima=min(samples[ours]) / min(samples[best]),
            contenders=(ours, "best peer"),
            threads=self.options.threads,
            note=", ".join(
                f"{each} {quantity(medians[each], 's')}" for each in sorted(others, key=medians.get)
            ),
        )
        return self.add(dataclasses.replace(row, **more))


def _alternate(code: str, namespaces: tuple[dict[str, Any], ...], options: Options) -> list[list[float]]:
    """Seconds per execution, one list per namespace, one entry per round."""
    timers = [timeit.Timer(code, globals=names) for names in namespaces]
    prepare = [names.get("prepare", lambda: None) for names in namespaces]
    batch_seconds = 0.001 if options.quick else 0.01
    counts = []
    for timer, ready in zip(timers, prepare, strict=True):
        ready()
        timer.timeit(1)
        counts.append(_batch_size(timer, batch_seconds))
    samples: list[list[float]] = [[] for _ in timers]
    gc.collect()
    end = time.perf_counter() + options.seconds
    rounds = 0
    while rounds < options.least_rounds or time.perf_counter() < end:
        order = range(len(timers)) if rounds % 2 == 0 else reversed(range(len(timers)))
        for i in order:
            prepare[i]()
            samples[i].append(timers[i].timeit(counts[i]) / counts[i])
        rounds += 1
    return samples


def _batch_size(timer: timeit.Timer, seconds: float) -> int:
    count = 1
    while True:
        spent = timer.timeit(count)
        if spent >= seconds:
            return count
        count = max(count + 1, min(10 * count, int(1.2 * count * seconds / max(spent, 1e-9))))


def main(name: str, fill: Callable[[Suite], None], **arguments: dict[str, Any]) -> None:
    """Run one script: parse the command line, measure, print Markdown and, when asked for, write JSON.

    Args:
        name: of the suite.
        fill: measures and adds the rows.
        arguments: further command line options, as keyword arguments of ``ArgumentParser.add_argument``.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run: the figures mean nothing")
    parser.add_argument("--seconds", type=float, default=1.5, help="to spend on each row (default 1.5)")
    parser.add_argument("--threads", type=int, default=1, help="of both libraries (default 1)")
    parser.add_argument("--pin", type=int, metavar="CPU", help="keep the process on one processor")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    for option, how in arguments.items():
        parser.add_argument(f"--{option}", **how)
    rest = parser.parse_args()
    seconds = 0.02 if rest.quick else rest.seconds
    suite = Suite(name, Options(rest.quick, seconds, rest.threads, rest.pin, rest.json, rest))
    if rest.pin is not None:
        os.sched_setaffinity(0, {rest.pin})
    fill(suite)
    print(markdown_table(suite.rows))
    if rest.json:
        rest.json.write_text(json.dumps([dataclasses.asdict(row) for row in suite.rows], indent=1) + "\n")


def libraries(threads: int) -> tuple[Any, Any]:
    """Both libraries, ours first, told to use that many threads."""
    pair = importlib.import_module("unspool"), importlib.import_module("torch")
    for library in pair:
        library.set_num_threads(threads)
    return pair


@dataclasses.dataclass(frozen=True)
class Rates:
    """What this machine reaches: the yardstick of the floors."""

    flops: float  # per second, of the best float32 product of either library
    copies: dict[int, float]  # bytes read plus written per second, by the number of them

    def floor(self, flops: float, bytes_moved: float) -> float:
        """Seconds for the arithmetic, then for the traffic, at the rate of a copy as large."""
        size = min((s for s in self.copies if s >= bytes_moved), default=max(self.copies))
        return flops / self.flops + bytes_moved / self.copies[size]

    def __str__(self) -> str:
        slowest, fastest = min(self.copies.values()) / 1e9, max(self.copies.values()) / 1e9
        return f"products {self.flops / 1e9:.0f} GFLOP/s, copies {slowest:.0f} to {fastest:.0f} GB/s by size"


def measure_rates(pair: Iterable[Any], quick: bool = False) -> Rates:
    """Best of several, because a floor is what nobody gets under."""
    import numpy as np

    def seconds(code: str, number: int, **names: Any) -> float:
        """The fastest execution."""
        return min(timeit.repeat(code, globals=names, number=number, repeat=2 if quick else 15)) / number

    flops = 0.0
    for library in pair:
        for size in (256, 512, 1024):
            a, b = library.rand(size, size), library.rand(size, size)
            flops = max(flops, 2 * size**3 / seconds("a @ b", (1024 // size) ** 3, a=a, b=b))
    copies = {}
    for moved in (2**18, 2**20, 2**22, 2**24, 2**26, 2**28):
        source = np.ones(moved // 8, np.float32)
        target = np.empty_like(source)
        number = max(1, 2**24 // moved)
        copies[moved] = moved / seconds(
            "copy(target, source)", number, copy=np.copyto, target=target, source=source
        )
    return Rates(flops, copies)


# ---- what the figures belong to ----


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _commit() -> str:
    commit = _output("git", "rev-parse", "--short=12", "HEAD") or "unknown (not a checkout)"
    changed = _output("git", "status", "--porcelain", "--untracked-files=no", "--", "cpp", "python", "cmake")
    return f"{commit}, with {len(changed.splitlines())} changed files" if changed else commit


def _staleness(package: Path) -> str:
    """A warning when a source has changed since the extension was built."""
    built = min((library.stat().st_mtime for library in package.glob("*.so")), default=0.0)
    changed = [source for source in REPOSITORY.glob("cpp/**/*.*") if source.stat().st_mtime > built]
    return f"; built before the last change of {len(changed)} sources" if changed else ""


def _flags(package: Path) -> str:
    """How the kernels were compiled, when the package lies in a build tree."""
    try:
        commands = json.loads((package.parents[1] / "compile_commands.json").read_text())
        entry = next(e for e in commands if e["file"].endswith("kernels/cpu/gemm.cc"))
    except (OSError, StopIteration):
        return "those of pip install (CMake build type Release)"
    words = shlex.split(entry["command"])
    kept = [w for w in words if w.startswith(("-O", "-f", "-m", "-std", "-g")) and w != "-fdiagnostics-color"]
    return " ".join(kept)


def environment() -> dict[str, str]:
    """Machine, compilers, versions: everything a reader needs to place the figures."""
    import numpy as np
    import torch

    import unspool

    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "unknown")
    config = unspool.show_config().splitlines()
    caches = [" ".join(line.split()) for line in _output("lscpu", "-C=NAME,ONE-SIZE").splitlines()[1:]]
    return {
        "date": dt.date.today().isoformat(),
        "machine": f"{model}, {os.cpu_count()} processors, {', '.join(caches)}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load": f"{os.getloadavg()[0]:.1f} processes at the start",
        "unspool": "; ".join(config),
        "flags": _flags(Path(unspool.__file__).parent),
        "commit": _commit() + _staleness(Path(unspool.__file__).parent),
        "torch": f"{torch.__version__}, MKL {'yes' if torch.backends.mkl.is_available() else 'no'}, "
        f"{torch.backends.cpu.get_cpu_capability()}",
        "numpy": np.__version__,
    }


# ---- Markdown ----

_SCALES = {"s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))}


def quantity(value: float | None, unit: str) -> str:
    """A number with three digits and the unit that suits it."""
    if value is None:
        return ""
    for scale, name in _SCALES.get(unit, ()):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {name}"
    digits = f"{value:.0f}" if 1000 <= abs(value) < 1e5 else f"{value:.3g}"
    return f"{digits} {unit}"


def markdown_line(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    minima = "" if row.ratio_of_minima is None else f"{row.ratio_of_minima:.2f}"
    cells = [row.name, quantity(row.ours, row.unit), quantity(row.peer, row.unit), ratio, minima]
    return "| " + " | ".join([*cells, quantity(row.floor, row.unit), row.note]) + " |"


def markdown_table(rows: list[Row]) -> str:
    """One table. All rows have the contenders of the first that has two."""
    ours, peer = next((row.contenders for row in rows if row.peer is not None), ("unspool", ""))
    head = f"| | {ours} | {peer} | ratio | ratio of minima | floor | |\n|---|--:|--:|--:|--:|--:|---|"
    return "\n".join([head, *map(markdown_line, rows)])
