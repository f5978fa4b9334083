"""Updates while unwinding against backward() and step(): time of a step, and memory that it takes.

Takes about 50 seconds. The rows "eager" and "captured" compare unspool with itself, all others begin with the
peer. Memory is counted by unspool's allocator in a step of its own; resident memory, which has torch for
a peer,
is that of whole processes that run ten steps, over what the imports take.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networks
from captured import CALL, training
from footprint import in_turn

import harness

WIDE = "4 x 2048 relu, batch 256, AdamW"
NAMES = (
    "3-4-4-2 sigmoid, batch 5, SGD",
    "4-64-64-2 tanh, batch 64, Adam",
    "500 x 32 tanh, batch 32, SGD",
    "784-512-512-10 relu, batch 128, momentum",
    "LeNet, batch 64, Adam",
    WIDE,
)
TURNS = ("unwinding", "two phases")

PROCESS = """
import sys
sys.path.insert(0, {folder!r})
import networks, unwinding, {module} as lib
lib.set_num_threads(1)
def field(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))
job = next(job for job in networks.JOBS if job.name == unwinding.WIDE)
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak begins anew
before = field("VmRSS")
space = unwinding.{maker}(lib, job)
for _ in range(10):
    space["step"](space["x"], space["y"])
print([float(field("VmHWM") - before)])
"""


def unwound(lib: Any, job: networks.Job, clip: str | None = None) -> dict[str, Any]:
    """A whole step in which parameters are updated while the tape is unwound."""
    lib.manual_seed(0)
    model = job.model(lib)
    networks.same_weights(lib, model)
    optimizer = job.optimizer(lib, model.parameters())
    limit = 1.0 if clip else None

    def step(x: Any, y: Any) -> Any:
        loss = job.loss(lib, model, x, y)
        loss.backward(step=optimizer, clip=clip, max_norm=limit)
        return loss

    x, y = (lib.from_numpy(array) for array in job.batch())
    return {"step": step, "x": x, "y": y}


def clipped(lib: Any, job: networks.Job) -> dict[str, Any]:
    """The step in two phases, with clipping between them."""
    lib.manual_seed(0)
    model = job.model(lib)
    networks.same_weights(lib, model)
    optimizer = job.optimizer(lib, model.parameters())

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = job.loss(lib, model, x, y)
        loss.backward()
        lib.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    x, y = (lib.from_numpy(array) for array in job.batch())
    return {"step": step, "x": x, "y": y}


def captured(lib: Any, space: dict[str, Any]) -> dict[str, Any]:
    return {**space, "step": lib.compile(space["step"])}


def memory(suite: harness.Suite, lib: Any, job: networks.Job) -> None:
    """Bytes of a step of the wide network, eager and captured."""
    for name in ("eager", "captured"):
        found = []
        for maker in (unwound, training):
            base = lib.memory_stats()["allocated_bytes"]
            space = maker(lib, job)
            if name == "captured":
                space = captured(lib, space)
            for _ in range(3):
                space["step"](space["x"], space["y"])
            lib.reset_peak_memory_stats()
            space["step"](space["x"], space["y"])
            found.append(lib.memory_stats()["peak_allocated_bytes"] - base)
            del space
        resident = 3 * sum(m * n + n for m, n in ((2048, 2048),) * 4) * 4  # parameters and two averages
        for what, ours, peer in (
            ("all memory", *found),
            ("memory beyond parameters and state", *(each - resident for each in found)),
        ):
            suite.value(
                f"{WIDE}: {what}, {name}",
                ours / 1e6,
                "MB",
                peer=peer / 1e6,
                ratio=ours / peer,
                contenders=TURNS,
            )


def fill(suite: harness.Suite) -> None:
    ours, torch = harness.libraries(suite.options.threads)
    jobs = {job.name: job for job in networks.JOBS}
    for name in NAMES:
        job = jobs[name]
        suite.duel(f"{name}, eager", CALL, unwound(ours, job), training(ours, job), contenders=TURNS)
        pair = (captured(ours, maker(ours, job)) for maker in (unwound, training))
        suite.duel(f"{name}, captured", CALL, *pair, contenders=TURNS)
    for clip in ("exact", "previous"):
        row = f"{WIDE}, clip={clip!r} against clip_grad_norm_"
        suite.duel(row, CALL, unwound(ours, jobs[WIDE], clip), clipped(ours, jobs[WIDE]), contenders=TURNS)
    for name in NAMES:
        row = f"{name}, against torch in two phases"
        suite.duel(row, CALL, unwound(ours, jobs[name]), training(torch, jobs[name]))
    memory(suite, ours, jobs[WIDE])
    folder = str(Path(__file__).resolve().parent)
    codes = {
        "unwinding": PROCESS.format(folder=folder, module="unspool", maker="unwound"),
        "two phases": PROCESS.format(folder=folder, module="unspool", maker="training"),
        "torch": PROCESS.format(folder=folder, module="torch", maker="training"),
    }
    grown = {name: min(each[0] for each in runs) for name, runs in in_turn(codes, 1).items()}
    for peer in ("two phases", "torch"):
        suite.value(
            f"{WIDE}: resident memory of a process",
            grown["unwinding"] / 1e6,
            "MB",
            peer=grown[peer] / 1e6,
            ratio=grown["unwinding"] / grown[peer],
            contenders=("unwinding", peer),
            note=f"against {peer}",
        )


if __name__ == "__main__":
    harness.main("unwinding", fill)
