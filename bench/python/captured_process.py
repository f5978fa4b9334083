"""The training that a process of ``captured_costs.py`` runs."""

from __future__ import annotations

from typing import Any


def train(lib: Any, job: Any, steps: int) -> None:
    lib.manual_seed(0)
    model = job.model(lib)
    optimizer = job.optimizer(lib, model.parameters())

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = job.loss(lib, model, x, y)
        loss.backward()
        optimizer.step()
        return loss

    run = lib.compile(step) if lib.__name__ == "unspool" else step
    x, y = (lib.from_numpy(array) for array in job.batch())
    for _ in range(steps):
        loss = run(x, y)
    assert loss.item() == loss.item()
