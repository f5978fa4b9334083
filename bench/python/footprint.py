"""What the library takes: time and memory of its import, bytes and time of a tape node, size of the wheel.

Imports and chains are measured in fresh processes that take turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import harness

# Prints the seconds and the bytes of resident memory that the import adds to a bare interpreter.
IMPORT = """
import os, time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before, start = resident(), time.perf_counter()
import {module}
print([time.perf_counter() - start, resident() - before])
"""

# A chain of `count` additions over one element: prints bytes per node, and seconds per node to build,
# unwind, free.
CHAIN = """
import os, time
import {module} as lib
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
lib.set_num_threads(1)
count = {count}
def build(count):
    y = x
    for _ in range(count):
        y = y + 1.0
    return y
x = lib.ones(1, requires_grad=True)
build(100).backward()
before, start = resident(), time.perf_counter()
y = build(count)
built, held = time.perf_counter(), resident() - before
y.backward()
unwound = time.perf_counter()
del y
freed = time.perf_counter()
assert x.grad.item() == 2.0
print([held / count, (built - start) / count, (unwound - built) / count, (freed - unwound) / count])
"""

# One operation of each kind that a training step records, over names that `node_sizes` makes.
RECORDED = (
    "a + a", "a * a", "a / a", "a ** 2.0", "a @ a", "F.linear(a, a, a[0])", "a.relu()", "a.tanh()", "a.exp()",
    "F.gelu(a)", "a.clamp(0.0, 1.0)", "a.sum()", "a.mean(0)", "a.var()", "F.softmax(a, 1)", "a.t()",
    "F.log_softmax(a, 1)", "F.mse_loss(a, a)", "F.cross_entropy(a, t)", "F.dropout(a, 0.5, True)", "a[1]",
    "a.view(-1)", "a[:, 1:3]", "a.clone()", "lib.cat([a, a])", "lib.where(a > 0, a, a)",
    "F.conv2d(a.view(1, 1, 4, 4), a.view(4, 1, 2, 2), a[0])", "F.layer_norm(a, (4,), a[0], a[1])",
    "F.batch_norm(a, None, None, a[0], a[1], True)", "F.scaled_dot_product_attention(a, a, a)",
    "F.max_pool2d(a.view(1, 1, 4, 4), 2)",
)  # fmt: skip


def fresh(code: str) -> list[float]:
    """What a new interpreter prints for ``code``. It may keep bytecode, as pip does when it installs."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
    result: list[float] = json.loads(done.stdout)
    return result


def in_turn(codes: dict[str, str], rounds: int) -> dict[str, list[list[float]]]:
    """The results of ``rounds`` runs of each, after one that only warms the file cache."""
    for code in codes.values():
        fresh(code)
    results: dict[str, list[list[float]]] = {name: [] for name in codes}
    for _ in range(rounds):
        for name, code in codes.items():
            results[name].append(fresh(code))
    return results


def imports(suite: harness.Suite) -> None:
    modules = ("numpy", "unspool", "torch")
    samples = in_turn({m: IMPORT.format(module=m) for m in modules}, 2 if suite.options.quick else 15)
    seconds = {m: statistics.median(s[0] for s in samples[m]) for m in modules}
    least = {m: min(s[0] for s in samples[m]) for m in modules}
    memory = {m: statistics.median(s[1] for s in samples[m]) / 2**20 for m in modules}
    suite.value(
        "import, over numpy's",
        seconds["unspool"] - seconds["numpy"],
        "s",
        peer=seconds["torch"] - seconds["numpy"],
        note=f"import numpy: {seconds['numpy'] * 1e3:.0f} ms; between the fastest of each: "
        f"{(least['unspool'] - least['numpy']) * 1e3:.0f} ms",
    )
    suite.value(
        "memory after import, over numpy's",
        memory["unspool"] - memory["numpy"],
        "MiB",
        peer=memory["torch"] - memory["numpy"],
        note=f"import numpy: {memory['numpy']:.1f} MiB",
    )


def chains(suite: harness.Suite) -> None:
    count = 20_000 if suite.options.quick else 1_000_000
    modules = ("unspool", "torch")
    samples = in_turn(
        {m: CHAIN.format(module=m, count=count) for m in modules}, 1 if suite.options.quick else 5
    )
    names = ("resident bytes", "build", "backward", "free")
    for i, name in enumerate(names):
        ours, peer = (statistics.median(s[i] for s in samples[m]) for m in modules)
        row = suite.value(f"{name} per node, chain of {count:,}", ours, "s" if i else "bytes", peer=peer)
        row.ratio = ours / peer
    ours, peer = (statistics.median(s[1] + s[2] for s in samples[m]) for m in modules)
    name = f"build and backward per node, chain of {count:,}"
    suite.value(name, ours, "s", peer=peer, ratio=ours / peer)


def node_sizes(suite: harness.Suite) -> None:
    """The largest node among common operations, as each reports itself: without the values it saved."""
    import unspool as lib
    from unspool.nn import functional as F

    space = {"lib": lib, "F": F, "a": lib.ones(4, 4, requires_grad=True), "t": lib.zeros(4, dtype=lib.int64)}
    sizes = {code: eval(code, space).grad_fn.node_bytes for code in RECORDED}
    largest = max(sizes, key=lambda code: sizes[code])
    suite.value(
        "tape node, largest",
        sizes[largest],
        "bytes",
        note=f"`{largest}`; median of {len(sizes)} kinds {statistics.median(sizes.values()):.0f} bytes",
    )


def fill(suite: harness.Suite) -> None:
    imports(suite)
    chains(suite)
    node_sizes(suite)
    wheel: Path | None = suite.options.rest.wheel
    if wheel:
        suite.value("wheel", wheel.stat().st_size / 2**20, "MiB", note=wheel.name)


if __name__ == "__main__":
    harness.main("footprint", fill, wheel={"type": Path, "help": "whose size to report"})
