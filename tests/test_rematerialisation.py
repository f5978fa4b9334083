"""Captured steps within a budget: kept, the same bits, and near the exact optimum on small graphs."""

from __future__ import annotations

import gc
import random
import re
from typing import Any

import numpy as np
import pytest
from budget_models import MODELS, made

import unspool as us
from unspool import Tensor, _core


def used() -> int:
    return int(us.memory_stats()["allocated_bytes"])


def trained(name: str, steps: int, budget: int | None = None) -> tuple[list[Any], int, Any]:
    """Losses and parameters after some steps; the peak of the replays; the compiled step."""
    gc.collect()  # an earlier step may be held by a cycle
    model, x = made(name)
    optimizer = us.optim.Adam(model.parameters(), lr=0.01)
    us.manual_seed(3)

    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    compiled = us.compile(step, memory_budget=budget)
    found = [compiled(x).numpy().copy()]
    base = used()
    us.reset_peak_memory_stats()
    for _ in range(steps):
        found.append(compiled(x).numpy().copy())
    peak = int(us.memory_stats()["peak_allocated_bytes"])
    assert compiled.cache_info().hits == steps
    found += [p.detach().numpy().copy() for p in model.parameters()]
    found += [b.numpy().copy() for b in model.buffers()]
    return found, peak - base, compiled


def smallest(name: str) -> tuple[int, int]:
    """What is in use besides the step's temporaries, and the least for these, as the error says."""
    try:
        trained(name, 1, 1)
    except ValueError as error:
        found = re.search(r"too small: (\d+) bytes .* for which (\d+) are needed at least", str(error))
    assert found is not None
    return int(found[1]), int(found[2])


def arena(compiled: Any) -> int:
    described = compiled._describe()
    return int(described["arena_bytes"] + described["scratch_bytes"])


@pytest.mark.parametrize("name", MODELS)
def test_a_budget_is_kept_and_changes_no_bit(name: str) -> None:
    plain, _, compiled = trained(name, 2)
    full = arena(compiled)
    del compiled
    outside, least = smallest(name)
    assert least < full
    sizes = []
    for part in (1.0, 0.75, 0.5, 0.25, 0.0):
        room = round(least + part * (full - least))
        bits, _, limited = trained(name, 2, outside + room)
        sizes.append(arena(limited))
        assert sizes[-1] <= room
        assert all(np.array_equal(a, b) for a, b in zip(plain, bits, strict=True))
        del limited
    assert sizes == sorted(sizes, reverse=True)


def test_the_budget_bounds_what_the_allocator_hands_out() -> None:
    model, x = made("deep MLP")
    optimizer = us.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    with pytest.raises(ValueError, match="smallest budget") as raised:
        us.compile(step, memory_budget=1)(x)
    least = int(re.findall(r"smallest budget for this step is (\d+)", str(raised.value))[0])
    del raised
    for budget in (least + 16_000, least + 100_000, least + 10**9):
        compiled = us.compile(step, memory_budget=budget)
        compiled(x)
        us.reset_peak_memory_stats()
        for _ in range(3):
            compiled(x)
        assert us.memory_stats()["peak_allocated_bytes"] <= budget
        assert compiled.cache_info().hits == 3
        del compiled


def test_a_function_whose_results_need_gradients_is_refused() -> None:
    w = us.ones(3, requires_grad=True)
    with pytest.raises(NotImplementedError, match="memory_budget is for whole steps"):
        us.compile(lambda x: (x * w).exp(), memory_budget="1 MB")(us.ones(3))


# --- against an exact solver

Work = list[tuple[float, list[int], list[int], int]]


def training_graph(rng: random.Random, layers: int) -> tuple[Work, list[int]]:
    """A forward chain with a few skips, and its backward; every block of work writes one block of memory."""
    blocks = [0]
    sources: list[list[int]] = []
    work: Work = []
    count = 2 * layers + 1
    for i in range(1, layers + 1):
        reads = [i - 1] + ([rng.randrange(1, i - 1)] if i > 3 and rng.random() < 0.3 else [])
        sources.append(reads)
        blocks.append(rng.randint(1, 5))
        work.append((float(rng.randint(1, 5)), reads, [i], count))
    cotangent = layers + 1
    blocks.append(1)
    work.append((1.0, [layers], [cotangent], 0))
    for i in range(layers, 0, -1):
        blocks.append(blocks[i - 1] if i > 1 else 0)
        work.append((float(rng.randint(1, 5)), [cotangent, *sources[i - 1]], [cotangent + 1], 0))
        cotangent += 1
    return work, blocks


def least_time(work: Work, blocks: list[int], limit: int) -> float | None:
    """The optimum by mixed-integer programming, after Jain et al. 2020 (Checkmate), section 4.

    In stage t all work up to t may run, in order, and t does: ``run[t, i]``; ``kept[t, i]`` says that the
    result of i is there when stage t begins, and ``free[t, i, k]`` that it goes right after k.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    n = len(work)
    writer = {w[2][0]: i for i, w in enumerate(work)}
    needs = [[writer[b] for b in w[1] if b in writer] for w in work]
    readers = [[k for k in range(n) if i in needs[k]] for i in range(n)]
    size = [blocks[w[2][0]] for w in work]
    names: dict[tuple[Any, ...], int] = {}

    def var(*key: Any) -> int:
        return names.setdefault(key, len(names))

    rows: list[tuple[dict[int, float], float]] = []  # sum <= bound
    fixed: dict[int, float] = {}
    for t in range(n):
        fixed[var("run", t, t)] = 1
        for i in range(t + 1):
            if i < t and work[i][3] == 0:
                fixed[var("run", t, i)] = 0
            for j in needs[i]:
                rows.append(({var("run", t, i): 1, var("run", t, j): -1, var("kept", t, j): -1}, 0))
        for i in range(n):
            if t == 0 or i >= t:
                fixed[var("kept", t, i)] = 0
            else:
                rows.append(({var("kept", t, i): 1, var("run", t - 1, i): -1, var("kept", t - 1, i): -1}, 0))
        # free = run k, not kept for the next stage, not read by later work of this stage
        usage: dict[int, float] = {var("kept", t, i): size[i] for i in range(t)}
        for k in range(t + 1):
            usage = dict(usage)
            usage[var("run", t, k)] = usage.get(var("run", t, k), 0) + size[k]
            rows.append((usage, limit))
            usage = dict(usage)
            for i in {*needs[k], k}:
                later = [var("run", t, j) for j in readers[i] if k < j <= t]
                after = [var("kept", t + 1, i)] if t + 1 < n else []
                free = var("free", t, i, k)
                rows.append(({free: 1, var("run", t, k): -1}, 0))
                for other in [*later, *after]:
                    rows.append(({free: 1, other: 1}, 1))
                usage[free] = usage.get(free, 0) - size[i]
    matrix = np.zeros((len(rows), len(names)))
    for r, (row, _) in enumerate(rows):
        for v, value in row.items():
            matrix[r, v] = value
    cost = np.zeros(len(names))
    low, high = np.zeros(len(names)), np.ones(len(names))
    for key, v in names.items():
        if key[0] == "run":
            cost[v] = work[key[2]][0]
    for v, value in fixed.items():
        low[v] = high[v] = value
    found = milp(
        cost,
        integrality=np.ones(len(names)),
        bounds=Bounds(low, high),
        constraints=LinearConstraint(matrix, -np.inf, np.array([bound for _, bound in rows])),
        options={"time_limit": 60},
    )
    return float(found.fun) if found.status == 0 else None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_schedules_are_within_five_percent_of_an_exact_solver(seed: int) -> None:
    pytest.importorskip("scipy")
    rng = random.Random(seed)
    work, blocks = training_graph(rng, rng.randint(3, 5))
    schedules = _core._schedules(work, blocks)
    most, least = schedules[0][1], schedules[-1][1]
    for limit in sorted({least, (least + most) // 2, (3 * least + most) // 4}):
        ours = min(time for time, bytes, _ in schedules if bytes <= limit)
        exact = least_time(work, blocks, limit)
        assert exact is not None
        assert exact <= ours + 1e-6  # the formulation allows all that a schedule does
        assert ours <= 1.05 * exact


def test_a_schedule_runs_everything_and_reads_only_what_is_there() -> None:
    for seed in range(20):
        work, blocks = training_graph(random.Random(seed), 25)
        for time, bytes, order in _core._schedules(work, blocks):
            assert sorted(set(order)) == list(range(len(work)))
            assert time == pytest.approx(sum(work[i][0] for i in order))
            assert order == [i for i in order if 0 <= i < len(work)]
            made_so_far = {0}
            first = -1
            for i in order:
                assert set(work[i][1]) <= made_so_far
                made_so_far.add(work[i][2][0])
                if i > first:
                    assert i == first + 1
                    first = i
            assert bytes > 0
