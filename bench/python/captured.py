"""Captured training steps and inference against the best of what others offer for the same step.

Peers: torch eager, torch with fused optimizers, NumPy written by hand and jax.jit (networks of linear layers
only; jax where it is installed), and with --torch-compile torch.compile, which needs a C++ compiler and up to
a minute for each row. All take turns in one process; the ratio is to the peer with the smallest median.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable
from typing import Any

import networks
import numpy as np
import threadpoolctl

import harness
import steps

CALL = "step(x, y)"
INFER = "infer(x)"


def training(lib: Any, job: networks.Job, fused: bool = False) -> dict[str, Any]:
    """A whole step of either library as a function of its batch."""
    lib.manual_seed(0)
    model = job.model(lib)
    networks.same_weights(lib, model)
    options = {"fused": True} if fused else {}
    optimizer = job.optimizer(lib, model.parameters(), **options)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = job.loss(lib, model, x, y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = (lib.from_numpy(array) for array in job.batch())
    return {"step": step, "x": x, "y": y}


def compiled(lib: Any, job: networks.Job) -> dict[str, Any]:
    space = training(lib, job)
    return {**space, "step": lib.compile(space["step"])}


def number(loss: Any) -> float:
    """A loss of any library."""
    return float(loss.detach() if hasattr(loss, "detach") else loss)


def require_same_learning(spaces: dict[str, dict[str, Any]], job: networks.Job) -> None:
    """Three steps must give all contenders the same losses, or they do different work."""
    losses = {
        name: [number(space["step"](space["x"], space["y"])) for _ in range(3)]
        for name, space in spaces.items()
    }
    expected = losses["torch eager"]
    for name, got in losses.items():
        if not job.is_random and not np.allclose(got, expected, rtol=2e-3):
            raise AssertionError(f"{job.name}: losses of {name} are {got}, of torch {expected}")


def torch_compiled(torch: Any, job: networks.Job) -> dict[str, Any]:
    """Forward, loss and their backward pass through torch.compile; the update is torch's fused one.

    A step that holds ``backward()`` is not compiled as a whole: torch breaks its graph there.
    """
    torch.manual_seed(0)
    model = job.model(torch)
    networks.same_weights(torch, model)
    optimizer = job.optimizer(torch, model.parameters(), fused=True)
    loss_of = torch.compile(lambda x, y: job.loss(torch, model, x, y))

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = (torch.from_numpy(array) for array in job.batch())
    return {"step": step, "x": x, "y": y}


def peers(torch: Any, job: networks.Job, with_compile: bool) -> dict[str, dict[str, Any]]:
    found = {"torch eager": training(torch, job), "torch fused": training(torch, job, fused=True)}
    if with_compile:
        found["torch.compile"] = torch_compiled(torch, job)
    if job.plain is not None and not job.is_random:
        found["numpy"] = networks.numpy_step(job)
    if job.plain is not None and not job.is_random and importlib.util.find_spec("jax"):
        found["jax"] = networks.jax_step(job)
    return found


def floor_of_launches(step: Any, *args: Any) -> float:
    """Seconds: the sum of the floors of what a compiled function launches, as ``profile`` prints them."""
    found = re.search(r"floor ([\d.]+) us", step.profile(1, *args))
    assert found
    return float(found[1]) * 1e-6


def inference(
    lib: Any, sizes: tuple[int, ...], activation: str, compiler: Callable[[Any], Any] | None
) -> dict[str, Any]:
    model = networks.linear_layers(lib, sizes, activation)
    networks.same_weights(lib, model)
    model.eval()
    forward = compiler(model.forward) if compiler else model.forward
    x = lib.from_numpy(np.random.default_rng(1).normal(size=(1, sizes[0])).astype(np.float32))

    def infer(x: Any) -> Any:
        with lib.inference_mode():
            return forward(x)

    return {"infer": infer, "x": x, "forward": forward}


def with_share(row: harness.Row) -> None:
    assert row.floor
    row.note += f"; {row.ours / row.floor:.3g} times the floor"


def fill(suite: harness.Suite) -> None:
    threads = suite.options.threads
    if threads == 1:  # jax has no switch that keeps it from a second processor
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    one = "--xla_cpu_multi_thread_eigen=false " if threads == 1 else ""
    os.environ.setdefault("XLA_FLAGS", f"{one}intra_op_parallelism_threads={threads}")
    threadpoolctl.threadpool_limits(threads)
    ours, torch = harness.libraries(threads)
    rates = harness.measure_rates((ours, torch), suite.options.quick)
    for job in networks.JOBS:
        spaces = {"unspool": compiled(ours, job), **peers(torch, job, suite.options.rest.torch_compile)}
        require_same_learning(spaces, job)
        step, x, y = (spaces["unspool"][name] for name in ("step", "x", "y"))
        floor = rates.floor(job.flops, job.bytes) if job.flops else floor_of_launches(step, x, y)
        with_share(suite.contest(job.name, CALL, spaces, floor=floor))
    for sizes, activation in (((4, 64, 64, 2), "Tanh"), (steps.CLASSIFIER, "ReLU")):
        spaces = {
            "unspool": inference(ours, sizes, activation, ours.compile),
            "torch eager": inference(torch, sizes, activation, None),
            "numpy": networks.numpy_inference(sizes, activation),
        }
        if suite.options.rest.torch_compile:
            spaces["torch.compile"] = inference(torch, sizes, activation, torch.compile)
        if importlib.util.find_spec("jax"):
            spaces["jax"] = networks.jax_inference(sizes, activation)
        with ours.inference_mode():
            floor = floor_of_launches(spaces["unspool"]["forward"], spaces["unspool"]["x"])
        name = f"inference {'-'.join(map(str, sizes))}, batch 1"
        with_share(suite.contest(name, INFER, spaces, floor=floor))


if __name__ == "__main__":
    how = {"action": "store_true", "help": "torch.compile as a peer too"}
    harness.main("captured", fill, **{"torch-compile": how})
