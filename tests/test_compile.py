"""Compiled steps: the same bits as eager ones, what is read again at each replay, what is shown."""

from __future__ import annotations

import copy
import gc
import pickle
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from builds import unsanitized
from steps import BATCHES, STEPS, Made, assert_same_bits, labels, numbers, small, training
from unspool import nn
from unspool._compile import CompiledFunction

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: us.optim.SGD(p, lr=0.1),
    "momentum": lambda p: us.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "Nesterov": lambda p: us.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: us.optim.Adam(p),
    "amsgrad": lambda p: us.optim.Adam(p, amsgrad=True, weight_decay=0.1),
    "AdamW": lambda p: us.optim.AdamW(p),
    "RMSprop": lambda p: us.optim.RMSprop(p, momentum=0.5, centered=True),
    "Adagrad": lambda p: us.optim.Adagrad(p, lr_decay=0.1),
    "Adadelta": lambda p: us.optim.Adadelta(p),
    "Adamax": lambda p: us.optim.Adamax(p),
    "NAdam": lambda p: us.optim.NAdam(p),
    "RAdam": lambda p: us.optim.RAdam(p),
    "ASGD": lambda p: us.optim.ASGD(p, t0=3),
    "Rprop": lambda p: us.optim.Rprop(p),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_gives_the_same_bits(name: str) -> None:
    def make() -> Made:
        model = small()
        return training(model, OPTIMIZERS[name](model.parameters()))

    step = assert_same_bits(make, BATCHES)
    assert step.cache_info() == (STEPS - 1, 1, 8, 1)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"avg_fn": us.optim.swa_utils.get_ema_avg_fn(0.9)},
        {"avg_fn": us.optim.swa_utils.get_swa_avg_fn()},
        {"multi_avg_fn": us.optim.swa_utils.get_ema_multi_avg_fn(0.9)},
    ],
)
def test_averages_of_weights_are_updated_inside_of_the_step(how: dict[str, Any]) -> None:
    def make() -> Made:
        model = small()
        average = us.optim.swa_utils.AveragedModel(model, **how)
        kept, step = training(model, us.optim.Adam(model.parameters()))

        def averaging(x: Any, y: Any) -> Any:
            loss = step(x, y)
            average.update_parameters(model)
            return loss

        return [*kept, *average.parameters(), average.n_averaged], averaging

    assert assert_same_bits(make, BATCHES).cache_info().misses == 1


def lenet() -> Made:
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU()),
        *(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(24, 10)),
    )
    return training(model, us.optim.Adam(model.parameters()))


def normalized() -> Made:
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.GroupNorm(2, 4)),
        *(nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)),
    )
    return training(model, us.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


def dropped() -> Made:
    model = nn.Sequential(nn.Flatten(), nn.Linear(196, 16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 10))
    return training(model, us.optim.AdamW(model.parameters()))


IMAGES = [(numbers(3, 1, 14, 14, seed=i), labels(3, 10, seed=i)) for i in range(3)]


@pytest.mark.parametrize("make", [lenet, normalized, dropped])
def test_networks_on_images(make: Callable[[], Made]) -> None:
    assert assert_same_bits(make, IMAGES, 40).cache_info().misses == 1


def test_recurrent_network_with_clipping() -> None:
    def make() -> Made:
        embed, cells, head = nn.Embedding(9, 5), nn.LSTM(5, 6, num_layers=2), nn.Linear(6, 9)
        parameters = [*embed.parameters(), *cells.parameters(), *head.parameters()]
        optimizer = us.optim.Adam(parameters)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            hidden, _ = cells(embed(x))
            loss = F.cross_entropy(head(hidden).reshape(-1, 9), y.reshape(-1))
            loss.backward()
            norm = nn.utils.clip_grad_norm_(parameters, 0.5)
            optimizer.step()
            return loss, norm

        return parameters, step

    batches = [
        (labels(12, 9, seed=i).reshape(4, 3), labels(12, 9, seed=9 - i).reshape(4, 3)) for i in range(3)
    ]
    assert assert_same_bits(make, batches, 40).cache_info().misses == 1


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Any) -> Any:
        batch, time, width = x.shape
        parts = self.mix(self.first(x)).split(width, 2)
        q, k, v = (part.view(batch, time, 2, width // 2).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
        x = x + self.drop(self.out(mixed.reshape(batch, time, width)))
        return x + self.inner(self.second(x))


def test_transformer_with_tied_weights() -> None:
    def make() -> Made:
        embed, head = nn.Embedding(11, 8), nn.Linear(8, 11, bias=False)
        head.weight = embed.weight
        blocks = nn.Sequential(Block(8), Block(8))
        model = nn.ModuleList([embed, blocks, head])
        optimizer = us.optim.AdamW(model.parameters(), lr=1e-2)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(head(blocks(embed(x))).view(-1, 11), y.view(-1))
            loss.backward()
            optimizer.step()
            return loss

        return list(model.parameters()), step

    batches = [
        (labels(10, 11, seed=i).reshape(2, 5), labels(10, 11, seed=i + 5).reshape(2, 5)) for i in range(3)
    ]
    assert assert_same_bits(make, batches, 40).cache_info().misses == 1


def test_micro_batches_two_optimizers_and_changes_in_place() -> None:
    def make() -> Made:
        model, average = nn.Linear(4, 3), us.zeros(3)
        first, second = us.optim.SGD([model.weight], lr=0.1), us.optim.Adam([model.bias])

        def step(x: Any, y: Any) -> Any:
            first.zero_grad()
            second.zero_grad()
            total = us.zeros(())
            for part, target in zip(x.chunk(3), y.chunk(3), strict=True):
                hidden = model(part) * 1
                hidden[:, 1] *= 2
                loss = F.cross_entropy(hidden, target) / 3
                loss.backward()
                total += loss.detach()
                average.mul_(0.9).add_(hidden.detach().mean(0))
            first.step()
            second.step()
            return total, average.clone()

        return [*model.parameters(), average], step

    assert assert_same_bits(make, BATCHES).cache_info().misses == 1


def test_gradients_that_are_never_reset_add_up() -> None:
    def make() -> Made:
        model = small()
        optimizer = us.optim.SGD(model.parameters(), lr=0.01)

        def step(x: Any, y: Any) -> Any:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return list(model.parameters()), step

    # The first step found no gradients, the others add to those they find.
    assert assert_same_bits(make, BATCHES).cache_info().misses == 2


# ---- what is read at each replay ----


def test_rates_momentum_and_decay_are_read_without_capturing_again() -> None:
    def make(is_compiled: bool) -> Made:
        model = small()
        optimizer = us.optim.Adam(model.parameters(), lr=0.1)
        schedule = us.optim.lr_scheduler.StepLR(optimizer, 5, 0.5)
        inner = training(model, optimizer)[1]
        steps.append(us.compile(inner) if is_compiled else inner)

        def step(x: Any, y: Any) -> Any:
            loss = steps[-1](x, y)
            schedule.step()
            optimizer.param_groups[0]["betas"] = (0.9 - 1e-3 * schedule.last_epoch, 0.99)
            optimizer.param_groups[0]["weight_decay"] = 1e-3 * schedule.last_epoch
            return loss

        return list(model.parameters()), step

    results = []
    steps: list[Any] = []
    for is_compiled in (False, True):
        us.manual_seed(0)
        parameters, step = make(is_compiled)
        losses = [step(*BATCHES[i % 4]).item() for i in range(40)]
        results.append((losses, [parameter.tolist() for parameter in parameters]))
    assert results[0] == results[1]
    assert steps[1].cache_info().misses == 1


@pytest.mark.parametrize("where", ["argument", "variable", "dict", "attribute"])
def test_clip_norms_are_read_without_capturing_again(where: str) -> None:
    class Settings:
        def __init__(self) -> None:
            self.limit = 0.7

    def run(is_compiled: bool) -> tuple[Any, Any]:
        us.manual_seed(0)
        model, table, settings, variable = small(), {"limit": 0.5}, Settings(), 0.6
        optimizer = us.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any, limit: float) -> Any:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            limits = {"variable": variable, "dict": table["limit"], "attribute": settings.limit}
            norm = nn.utils.clip_grad_norm_(model.parameters(), limits.get(where, limit))
            optimizer.step()
            return norm

        compiled = us.compile(step) if is_compiled else step
        for i in range(10):
            limit = 0.01 * (i + 1)
            if where == "variable":
                variable = limit
            elif where == "dict":
                table["limit"] = limit
            elif where == "attribute":
                settings.limit = limit
            compiled(*BATCHES[i % 4], limit if where == "argument" else 1.0)
        return compiled, [parameter.tolist() for parameter in model.parameters()]

    compiled, weights = run(True)
    assert weights == run(False)[1]
    assert compiled.cache_info().misses == 1


def test_a_clip_norm_that_has_another_use_is_part_of_the_program() -> None:
    model = small()

    @us.compile
    def step(x: Any, y: Any, limit: float) -> Any:
        model.zero_grad()
        loss = F.cross_entropy(model(x), y) * limit
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), limit)
        return loss

    for limit in (0.5, 0.25, 0.75):
        expected = F.cross_entropy(model(BATCHES[0][0]), BATCHES[0][1]).item() * limit
        assert step(*BATCHES[0], limit).item() == pytest.approx(expected, rel=1e-6)  # one rounding more
    assert step.cache_info().misses == 3


def test_save_load_and_resume() -> None:
    us.manual_seed(0)
    model = small()
    optimizer = us.optim.Adam(model.parameters())
    step = us.compile(training(model, optimizer)[1])
    for batch in BATCHES:
        step(*batch)
    saved = copy.deepcopy({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    onward = [step(*batch).item() for batch in BATCHES]
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    assert [step(*batch).item() for batch in BATCHES] == onward


def test_batches_may_be_slices_at_any_place() -> None:
    scale = us.compile(lambda x: x.sum(1) * 2)
    data = numbers(12, 4)
    for start in range(0, 12, 3):
        np.testing.assert_array_equal(
            scale(data[start : start + 3]).numpy(), (data[start : start + 3].sum(1) * 2).numpy()
        )
    assert scale.cache_info() == (3, 1, 8, 1)


def test_results_of_earlier_calls_stay() -> None:
    double = us.compile(lambda x: (x * 2, {"sum": x.sum(), "none": None}))
    kept = [double(us.full((3,), float(i))) for i in range(4)]
    assert [pair[0].tolist() for pair in kept] == [[2.0 * i] * 3 for i in range(4)]
    assert [pair[1]["sum"].item() for pair in kept] == [3.0 * i for i in range(4)]
    assert kept[3][1]["none"] is None


def test_gradients_can_be_looked_at_after_a_replay() -> None:
    model = small()
    step = us.compile(training(model, us.optim.SGD(model.parameters(), lr=0.0))[1])
    for x, y in BATCHES[:3]:
        step(x, y)
        got = model[0].weight.grad.tolist()
        expected = us.autograd.grad(F.cross_entropy(model(x), y), model[0].weight)[0].tolist()
        assert got == expected


def test_random_numbers_go_on() -> None:
    draw = us.compile(lambda x: x + us.rand(3))
    us.manual_seed(3)
    drawn = [draw(us.zeros(3)).tolist() for _ in range(4)]
    us.manual_seed(3)
    assert drawn == [us.rand(3).tolist() for _ in range(4)]


# ---- modules, methods, memory, what is shown ----


def test_a_module_compiles_for_inference_and_keeps_its_names() -> None:
    model = small()
    compiled = us.compile(model)
    with us.no_grad():
        for x, _ in BATCHES:
            np.testing.assert_array_equal(compiled(x).numpy(), model(x).numpy())
    assert compiled.cache_info() == (3, 1, 8, 1)
    assert next(iter(compiled.state_dict())) == "_orig_mod.0.weight"
    assert compiled.append == model.append


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("dtype", [us.float32, us.float64], ids=str)
def test_replays_that_read_weights_from_either_end_give_the_same_bits(rows: int, dtype: us.dtype) -> None:
    us.manual_seed(0)
    model = nn.Sequential(nn.Linear(300, 1001), nn.ReLU(), nn.Linear(1001, 7)).to(dtype)
    compiled = us.compile(model)
    with us.no_grad():
        for _ in range(4):
            x = us.randn(rows, 300, dtype=dtype)
            np.testing.assert_array_equal(compiled(x).numpy(), model(x).numpy())


@pytest.mark.parametrize(
    "passes", [(), ("dead_code",), ("common_subexpressions",), ("in_place",), ("tiles",)], ids=str
)
@pytest.mark.parametrize("make", [normalized, dropped])
def test_each_pass_keeps_every_bit(make: Callable[[], Made], passes: tuple[str, ...]) -> None:
    assert_same_bits(make, IMAGES, 10, passes=passes)


def test_passes_drop_what_is_dead_or_done_twice_and_write_in_place() -> None:
    def f(x: Any) -> Any:
        (x * 3).exp()  # nobody looks at it
        first = (x + 1).exp() * 2
        second = (x + 1).exp() * 3
        return first + second

    x = numbers(1000)
    texts = {}
    for passes in ((), ("dead_code",), ("common_subexpressions",), ("in_place",)):
        compiled = us.compile(f, passes=passes)
        compiled(x)
        np.testing.assert_array_equal(compiled(x).numpy(), f(x).numpy())
        texts[passes] = compiled.explain()
    count = {passes: int(text.split()[0]) for passes, text in texts.items()}
    assert count[()] == count[("in_place",)] == 9
    assert count[("dead_code",)] == 7
    assert count[("common_subexpressions",)] == 7
    # Two blocks of 1000 floats: one for each sum that is still growing.
    assert "temporaries: 7.9 KiB planned" in texts[("in_place",)]
    assert "temporaries: 11.8 KiB planned" in texts[()]
    with pytest.raises(ValueError, match="unknown passes"):
        us.compile(f, passes=["fast"])


def gelu_like(x: Any) -> Any:
    return 0.5 * x * (1 + us.tanh(0.8 * (x + 0.04 * x * x * x)))


def with_broadcasts(x: Any) -> Any:
    row, column = x.reshape(-1, x.shape[-1])[0].clone(), x[..., :1].clone()
    y = (x + row) * column
    return us.where(y > 0, y, us.exp(y) - 1) * 2 + (y == 0)


def in_place(x: Any) -> Any:
    y = x * 2
    y += 1
    y.mul_(x).clamp_(-1, 1)
    return y, y.abs() + x.sum()


def transposed(x: Any) -> Any:
    return (x.transpose(0, -1) * 2 + 1).tanh() - x.transpose(0, -1).contiguous()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "sizes", [(5000,), (4097,), (70, 70), (3, 1700), (2, 3, 999), (12, 5, 7, 11), (100, 1, 50)], ids=str
)
@pytest.mark.parametrize("f", [gelu_like, with_broadcasts, in_place, transposed])
def test_tiles_of_any_shape_give_the_same_bits(f: Any, sizes: tuple[int, ...], threads: int) -> None:
    before = us.get_num_threads()
    us.set_num_threads(threads)
    try:
        for dtype in (us.float32, us.float64):
            x = numbers(*sizes).to(dtype)
            compiled = us.compile(f)
            compiled(x)
            compiled(numbers(*sizes, seed=9).to(dtype))
            for got, expected in zip(compiled(x), f(x), strict=True):
                np.testing.assert_array_equal(got.numpy(), expected.numpy())
    finally:
        us.set_num_threads(before)


def test_what_lies_between_tiles_takes_a_tile_of_memory() -> None:
    x = numbers(100_000)
    whole, tiled = (
        us.compile(gelu_like, passes=["in_place"]),
        us.compile(gelu_like, passes=["in_place", "tiles"]),
    )
    np.testing.assert_array_equal(whole(x).numpy(), tiled(x).numpy())
    planned = [
        compiled.explain().split("temporaries: ")[1].split(" planned")[0] for compiled in (whole, tiled)
    ]
    assert planned == ["781.2 KiB", f"{2 * 16 * us.get_num_threads():.1f} KiB"]


def test_random_numbers_that_nobody_reads_are_still_drawn() -> None:
    def f(x: Any) -> Any:
        us.rand(5)
        return x + us.rand(3)

    compiled = us.compile(f)
    compiled(us.zeros(3))
    for step in (compiled, f):
        us.manual_seed(3)
        drawn = step(us.zeros(3)).tolist()
        us.manual_seed(3)
        us.rand(5)
        assert drawn == us.rand(3).tolist()


def test_a_method_can_be_compiled() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.model = small()
            self.optimizer = us.optim.SGD(self.model.parameters(), lr=0.1)

        @us.compile
        def step(self, x: Any, y: Any) -> Any:
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            return loss

    trainer = Trainer()
    losses = [trainer.step(*BATCHES[0]).item() for _ in range(20)]
    assert losses[-1] < losses[0]
    assert Trainer.step.cache_info().misses == 1


def test_a_compiled_function_inside_of_another_is_a_part_of_it() -> None:
    inner = us.compile(lambda x: x * 2)
    outer = us.compile(lambda x: inner(x) + 1)
    assert [outer(us.full((1,), float(i))).item() for i in range(3)] == [1.0, 3.0, 5.0]
    assert inner.cache_info().misses == 0


@unsanitized
def test_a_replay_allocates_only_its_results() -> None:
    model = small()
    step = us.compile(training(model, us.optim.Adam(model.parameters()))[1])
    for _ in range(3):
        step(*BATCHES[0])
    gc.collect()
    before = us.memory_stats()
    for _ in range(10):
        step(*BATCHES[0])
    after = us.memory_stats()
    assert after["system_allocations"] == before["system_allocations"]


def test_explain_and_profile_name_what_runs() -> None:
    model = small()
    step = us.compile(training(model, us.optim.Adam(model.parameters()))[1])
    step(*BATCHES[0])
    text = step.explain()
    assert "linear(in0[6, 4], kept" in text
    assert "adam_update(4 parameters)" in text
    assert "planned of" in text
    dot = step.to_dot()
    assert dot.startswith("digraph program {")
    assert "linear then tanh" in dot
    assert "kept" in dot
    if shutil.which("dot"):
        assert "</svg>" in step.to_svg()
    else:
        with pytest.raises(RuntimeError, match="graphviz"):
            step.to_svg()
    steps = 5
    table = step.profile(steps, *BATCHES[0])
    assert f"{steps} runs" in table.splitlines()[0]
    assert "adam_update" in table


def test_a_module_compiles_itself_in_place() -> None:
    us.manual_seed(0)
    model = us.nn.Sequential(us.nn.Linear(3, 4), us.nn.Dropout(0.5), us.nn.Linear(4, 2))
    plain, x = copy.deepcopy(model), us.randn(5, 3)
    keys = list(model.state_dict())
    for each in (model, plain):
        each.register_forward_hook(lambda module, inputs, output: 2 * output)
    assert model.compile() is None  # type: ignore[func-returns-value]
    assert list(model.state_dict()) == keys
    for mode in (True, True, False, False):
        results = []
        for each in (model.train(mode), plain.train(mode)):
            us.manual_seed(1)
            each.zero_grad()
            each(x).square().sum().backward()
            results.append([each(x), *(p.grad for p in each.parameters())])
        assert all(us.equal(a, b) for a, b in zip(*results, strict=True))
    assert model.forward.cache_info() == (6, 2, 8, 2)


def test_copies_of_a_compiled_module_are_not_compiled() -> None:
    model = us.nn.Linear(2, 1)
    model.compile(fallback="eager")
    model.compile()
    assert isinstance(model.forward, CompiledFunction)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert not isinstance(other.forward, CompiledFunction)
        with us.no_grad():
            other.weight.zero_()
            other.bias.zero_()
        assert other(us.ones(2)).item() == 0.0
