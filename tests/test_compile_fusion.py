"""What passes put together: each keeps every bit, is seen in explain(), and lets alone what it must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unspool as us
import unspool.nn.functional as F
from steps import BATCHES, Made, assert_same_bits, labels, numbers, training
from unspool import nn

FUSIONS = ("epilogues", "joins", "pairs", "updates")


def lines(compiled: Any, *words: str) -> list[str]:
    return [line for line in compiled.explain().splitlines() if all(word in line for word in words)]


# ---- products that end with an element-wise operation ----

ACTIVATIONS: dict[str, Callable[[], Any]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
}
BACKWARD = {"relu": "threshold_backward", "tanh": "tanh_backward", "sigmoid": "sigmoid_backward"}


def network(activation: Callable[[], Any], width: int) -> Any:
    """Its products go every way there is: tiles with and without rests, dot products, few columns."""
    sizes = (7, width, 2 * width + 3, 5)
    layers: list[Any] = []
    for i in range(3):
        layers += [nn.Linear(sizes[i], sizes[i + 1]), activation()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("passes", [("epilogues",), None], ids=["alone", "with all"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_derivatives_end_products(name: str, passes: tuple[str, ...] | None) -> None:
    def make() -> Made:
        model = network(ACTIVATIONS[name], 33)
        return training(model, us.optim.Adam(model.parameters()))

    batches = [(numbers(50, 7, seed=i), labels(50, 5, seed=i)) for i in range(3)]
    settings = {} if passes is None else {"passes": passes}
    compiled = assert_same_bits(make, batches, **settings)
    if name != "leaky_relu" and name != "silu" and name != "gelu_tanh":
        assert len(lines(compiled, "linear(", f"then {name}")) == 2
        assert len(lines(compiled, "mm(", f"then {BACKWARD[name]}")) == 2
        assert not lines(compiled, f"= {name}(")


@pytest.mark.parametrize("name", [*ACTIVATIONS, "gelu_erf"])
def test_inference_ends_every_product_with_its_activation(name: str) -> None:
    activation = nn.GELU if name == "gelu_erf" else ACTIVATIONS[name]
    for width in (1, 3, 16, 40):
        model = network(activation, width).eval()
        for dtype in (us.float32, us.float64):
            with us.no_grad():
                model.to(dtype)
                for rows in (1, 2, 13, 300):
                    x = numbers(rows, 7).to(dtype)
                    compiled = us.compile(model.forward)
                    for _ in range(2):
                        np.testing.assert_array_equal(compiled(x).numpy(), model(x).numpy())
                assert len(lines(compiled, "linear(", f"then {name}")) == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_large_products_with_residuals_and_split_sums(threads: int) -> None:
    before = us.get_num_threads()
    us.set_num_threads(threads)
    try:
        x, w, r = numbers(300, 1100), numbers(530, 1100, seed=1), numbers(300, 530, seed=2)

        def f(x: Any, w: Any, r: Any) -> Any:
            first, second = F.relu(F.linear(x, w)), r + x @ w.t()
            return first, second, us.tanh(first @ w) * x

        compiled = us.compile(f)
        compiled(x, w, r)
        for got, expected in zip(compiled(x, w, r), f(x, w, r), strict=True):
            np.testing.assert_array_equal(got.numpy(), expected.numpy())
        assert len(lines(compiled, "then relu")) == len(lines(compiled, "then add")) == 1
        assert len(lines(compiled, "then tanh")) == 1
    finally:
        us.set_num_threads(before)


def test_gradients_of_micro_batches_are_summed_where_they_are() -> None:
    def make() -> Made:
        model = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 3))
        optimizer = us.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            for part, target in zip(x.chunk(3), y.chunk(3), strict=True):
                F.cross_entropy(model(part), target).backward()
            optimizer.step()
            return model[0].weight.grad.clone()

        return list(model.parameters()), step

    compiled = assert_same_bits(make, BATCHES)
    sums = lines(compiled, "= mm(", "then add")
    assert len(sums) == 4
    for line in sums:
        name = line.split(" = ")[0].split()[-2].split("[")[0]
        assert line.count(name + "[") == 2, line


def pre_activation_is_read_again(x: Any, w: Any) -> Any:
    z = x @ w
    return F.relu(z) + z


def other_is_computed_between(x: Any, w: Any) -> Any:
    z = x @ w
    return z * us.exp(x[:, :4])


def other_is_a_row(x: Any, w: Any) -> Any:
    return x @ w + x[0, :4]


def scaled_sum(x: Any, w: Any) -> Any:
    return us.add(x[:, :4].clone(), x @ w, alpha=3)


def square_of_a_product(x: Any, w: Any) -> Any:
    z = x @ w
    return z * z


def transposed_product(x: Any, w: Any) -> Any:
    return us.tanh((x @ w).t())


def part_of_a_product(x: Any, w: Any) -> Any:
    return F.relu((x @ w)[1:])


def changed_between(x: Any, w: Any) -> Any:
    x = x.clone()
    z = x @ w
    other = x[:, :4].clone()
    other.mul_(2)
    return z + other


@pytest.mark.parametrize(
    "f",
    [
        *(pre_activation_is_read_again, other_is_computed_between, other_is_a_row, scaled_sum),
        *(square_of_a_product, transposed_product, part_of_a_product, changed_between),
    ],
)
def test_what_needs_the_product_itself_is_left_alone(f: Callable[..., Any]) -> None:
    x, w = numbers(6, 8), numbers(8, 4, seed=1)
    compiled = us.compile(f)
    for seed in (0, 2):
        x = numbers(6, 8, seed=seed)
        np.testing.assert_array_equal(compiled(x, w).numpy(), f(x, w).numpy())
        np.testing.assert_array_equal(compiled(x, w).numpy(), f(x, w).numpy())
    assert not lines(compiled, " then ")


def test_in_place_activations_and_residuals_end_products_too() -> None:
    def f(x: Any, w: Any) -> Any:
        z = F.relu(x @ w, inplace=True)
        return (z @ w.t()).add_(x)

    x, w = numbers(6, 8), numbers(8, 4, seed=1)
    compiled = us.compile(f)
    for seed in (0, 2):
        x = numbers(6, 8, seed=seed)
        np.testing.assert_array_equal(compiled(x, w).numpy(), f(x, w).numpy())
    assert len(lines(compiled, "then relu")) == 1


# ---- sums of columns ----


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [1, 5, 32, 64, 257, 600, 1024])
def test_columns_are_summed_in_the_order_of_a_sum(rows: int, threads: int) -> None:
    def f(x: Any, w: Any, b: Any) -> Any:
        first, second = F.relu(x @ w), F.linear(x.view(1, rows, -1), w.t(), b)
        return first, first.sum(0), second, second.sum((0, -2), keepdim=True)

    before = us.get_num_threads()
    us.set_num_threads(threads)
    try:
        for dtype in (us.float32, us.float64):
            for inner, columns in ((7, 50), (40, 2), (1, 33), (600, 40)):
                x, w = numbers(rows, inner).to(dtype), numbers(inner, columns, seed=1).to(dtype)
                b = numbers(columns, seed=2).to(dtype)
                compiled = us.compile(f)
                compiled(x, w, b)
                for got, expected in zip(compiled(x, w, b), f(x, w, b), strict=True):
                    np.testing.assert_array_equal(got.numpy(), expected.numpy())
                assert len(lines(compiled, "with the sums of its columns")) == 2
    finally:
        us.set_num_threads(before)


def test_gradients_of_biases_are_summed_with_their_product() -> None:
    def make() -> Made:
        model = network(nn.Tanh, 33)
        return training(model, us.optim.Adam(model.parameters()))

    batches = [(numbers(50, 7, seed=i), labels(50, 5, seed=i)) for i in range(3)]
    compiled = assert_same_bits(make, batches)
    assert len(lines(compiled, "then tanh_backward with the sums of its columns")) == 2


def test_other_sums_of_a_product_are_left_alone() -> None:
    def f(x: Any, w: Any) -> Any:
        z = x @ w
        rows, everything, wide = z.sum(1), z.sum(), z.sum(0, dtype=us.float64)
        z += 1
        return rows, everything, wide, z.sum(0), (x @ w[:, :1]).sum(0)

    x, w = numbers(40, 8), numbers(8, 4, seed=1)
    compiled = us.compile(f)
    compiled(x, w)
    for got, expected in zip(compiled(x, w), f(x, w), strict=True):
        np.testing.assert_array_equal(got.numpy(), expected.numpy())
    assert not lines(compiled, "with the sums")


# ---- slices ----


@pytest.mark.parametrize("split", [(8, 8, 8), (3, 21), (1, 1, 1, 21)], ids=str)
@pytest.mark.parametrize("dim", [0, 1])
def test_gradients_of_parts_are_written_side_by_side(split: tuple[int, ...], dim: int) -> None:
    def make() -> Made:
        weight = nn.Parameter(numbers(24, 24))
        optimizer = us.optim.SGD([weight], lr=0.1)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            parts = (x @ weight).split(split, dim)
            loss = sum((part * part.sigmoid()).sum() * (i - 1) for i, part in enumerate(parts))
            loss.backward()
            optimizer.step()
            return loss, weight.grad.clone()

        return [weight], step

    compiled = assert_same_bits(make, [(numbers(24, 24, seed=i),) for i in range(3)], 40)
    assert not lines(compiled, "slice_backward")
    without = assert_same_bits(make, [(numbers(24, 24),)], 5, passes=("dead_code", "in_place"))
    assert len(lines(without, "slice_backward")) == len(split)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_writes_the_gradients_of_its_parts_where_they_belong(heads: int) -> None:
    def make() -> Made:
        mix = nn.Linear(8, 24)
        optimizer = us.optim.SGD(mix.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            parts = (part.view(3, 7, heads, 8 // heads).transpose(1, 2) for part in mix(x).split(8, 2))
            loss = F.scaled_dot_product_attention(*parts, is_causal=True).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        return list(mix.parameters()), step

    compiled = assert_same_bits(make, [(numbers(3, 7, 8, seed=i),) for i in range(3)], 40)
    assert not lines(compiled, "slice_backward")
    assert not lines(compiled, "= add(")


def test_negative_zeros_of_parts_become_zeros_as_in_a_sum() -> None:
    def f(x: Any) -> Any:
        first, second = x.split(2)
        return us.autograd.grad(first.sum() * -0.0 + second.sum() * 2, x)[0]

    x = numbers(4, 3).requires_grad_()
    compiled = us.compile(f)
    compiled(x)
    signs = [np.signbit(g(x).numpy()) for g in (compiled, f)]
    np.testing.assert_array_equal(*signs)


def test_overlapping_and_missing_parts_stay_sums() -> None:
    def overlapping(x: Any) -> Any:
        return us.autograd.grad(x[:3].exp().sum() + x[1:].exp().sum(), x)[0]

    def missing(x: Any) -> Any:
        return us.autograd.grad(x[:1].exp().sum() + x[2:].exp().sum(), x)[0]

    for f in (overlapping, missing):
        x = numbers(4, 3).requires_grad_()
        compiled = us.compile(f)
        compiled(x)
        np.testing.assert_array_equal(compiled(x).numpy(), f(x).numpy())
        assert len(lines(compiled, "slice_backward")) == 2


# ---- a function and its slope ----


def test_gelu_and_its_slope_are_computed_at_once() -> None:
    def make() -> Made:
        model = network(nn.GELU, 33)
        return training(model, us.optim.AdamW(model.parameters()))

    batches = [(numbers(50, 7, seed=i), labels(50, 5, seed=i)) for i in range(3)]
    compiled = assert_same_bits(make, batches)
    assert len(lines(compiled, "gelu_erf_with_slope(")) == 2
    assert not lines(compiled, "gelu_slope(")
    assert len(lines(compiled, "mm(", "then mul")) == 2
    assert len(lines(assert_same_bits(make, batches, 5, passes=("in_place",)), "gelu_slope(")) == 2


# ---- updates ----

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: us.optim.SGD(p, lr=0.01),
    "momentum": lambda p: us.optim.SGD(p, lr=0.01, momentum=0.9),
    "Adam": lambda p: us.optim.Adam(p),
    "amsgrad": lambda p: us.optim.Adam(p, amsgrad=True),
    "AdamW": lambda p: us.optim.AdamW(p),
    "RMSprop": lambda p: us.optim.RMSprop(p),
    "Adagrad": lambda p: us.optim.Adagrad(p),
    "Adadelta": lambda p: us.optim.Adadelta(p),
    "Adamax": lambda p: us.optim.Adamax(p),
    "NAdam": lambda p: us.optim.NAdam(p),
    "RAdam": lambda p: us.optim.RAdam(p),
    "ASGD": lambda p: us.optim.ASGD(p),
    "Rprop": lambda p: us.optim.Rprop(p),
}


def wide() -> Any:
    return nn.Sequential(nn.Linear(40, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 4))


WIDE = [(numbers(8, 40, seed=i), labels(8, 4, seed=i)) for i in range(3)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_are_updated_behind_their_gradients(name: str) -> None:
    def make() -> Made:
        model = wide()
        return training(model, OPTIMIZERS[name](model.parameters()))

    compiled = assert_same_bits(make, WIDE)
    program = [line.split("  ")[-1] for line in compiled.explain().splitlines()]
    updates = [i for i, line in enumerate(program) if "_update(" in line]
    # One large weight before the last product, which gives the other's gradient, and all others at the end.
    assert [program[i].split("(")[1] for i in updates] == ["1 parameters)", "5 parameters)"]
    assert any(" = mm(" in line for line in program[updates[0] :])
    together = assert_same_bits(make, WIDE, 5, passes=("in_place", "tiles"))
    assert len(lines(together, "_update(6 parameters)")) == 1


def test_clipped_and_shared_parameters_wait_for_what_reads_them() -> None:
    def make() -> Made:
        model = wide()
        model[2].weight = nn.Parameter(numbers(128, 128, seed=3) * 0.05)
        optimizer = us.optim.Adam(model.parameters())

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            hidden = F.relu(model[0](x))
            for _ in range(3):  # the same weight three times: its gradient is complete after the last
                hidden = model[2](hidden)
            loss = F.cross_entropy(model[4](hidden), y)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            return loss, norm, model[2].weight.sum()

        return list(model.parameters()), step

    assert_same_bits(make, WIDE)


def test_nothing_is_updated_before_an_index_that_may_be_wrong() -> None:
    table, other = nn.Parameter(numbers(20, 6)), nn.Parameter(numbers(100, 100))
    other.grad = us.ones(100, 100)  # complete before the step begins
    optimizer = us.optim.SGD([table, other], lr=0.1)

    @us.compile
    def step(x: Any) -> Any:
        loss = F.embedding(x, table * 0.5).square().sum()
        table.grad = None
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(2):
        step(labels(5, 20))
    before = other.tolist()
    with pytest.raises(IndexError, match="no parameter was updated"):
        step(us.tensor([1, 2, 3, 4, 50]))
    assert other.tolist() == before


@pytest.mark.parametrize("passes", [(), *((each,) for each in FUSIONS)], ids=str)
def test_each_fusion_alone_keeps_every_bit(passes: tuple[str, ...]) -> None:
    def make() -> Made:
        model = nn.Sequential(nn.Linear(40, 96), nn.GELU(), nn.Linear(96, 128), nn.ReLU(), nn.Linear(128, 4))
        optimizer = us.optim.AdamW(model.parameters())

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            first, second = model[:3](x).chunk(2, 1)
            loss = F.cross_entropy(model[3:](us.cat([second, first.tanh()], 1)), y)
            loss.backward()
            optimizer.step()
            return loss

        return list(model.parameters()), step

    assert_same_bits(make, WIDE, passes=passes)


# ---- what profile() says ----


def test_profile_puts_a_floor_beside_each_time() -> None:
    model = wide()
    step = us.compile(training(model, us.optim.Adam(model.parameters()))[1])
    table = step.profile(3, *WIDE[0]).splitlines()
    assert "3 runs; floor" in table[0]
    assert table[1].startswith("floors: products ")
    launches = int(table[0].split(" launches")[0].split()[-1])
    assert len(table) == 2 + launches
    assert all(" floor " in line and "Gflop/s" in line for line in table[2:])


def test_work_of_products_and_of_groups() -> None:
    from unspool._compile import work

    def flops(f: Callable[..., Any], *inputs: Any) -> int:
        compiled = us.compile(f)
        compiled(*inputs)
        return max(map(work.product_flops, compiled._describe()["instructions"]))

    assert flops(us.mm, numbers(3, 4), numbers(4, 5)) == 2 * 3 * 4 * 5
    assert flops(us.bmm, numbers(6, 3, 4), numbers(6, 4, 5)) == 2 * 6 * 3 * 4 * 5
    assert flops(F.linear, numbers(2, 3, 4), numbers(5, 4)) == 2 * 6 * 4 * 5
    assert flops(F.conv2d, numbers(2, 3, 8, 8), numbers(4, 3, 3, 3)) == 2 * 2 * 4 * 36 * 27
    assert flops(F.conv_transpose2d, numbers(2, 3, 8, 8), numbers(3, 4, 3, 3)) == 2 * 2 * 3 * 64 * 36
    heads = [numbers(2, 4, 6, 8, seed=i) for i in range(3)]
    assert flops(F.scaled_dot_product_attention, *heads) == 2 * 2 * 4 * 6 * 6 * 16

    for projected in (0, 2):
        lstm = nn.LSTM(3, 5, proj_size=projected)
        step = us.compile(lambda x, lstm=lstm: lstm(x)[0].sum().backward())
        step(numbers(4, 2, 3))
        found = {each["op"]: work.product_flops(each) for each in step._describe()["instructions"]}
        hidden = 20 * 2 + 2 * 5 if projected else 20 * 5
        assert found["recurrent"] == 2 * 8 * (20 * 3 + hidden)
        assert found["recurrent_backward"] == 2 * 8 * hidden

    compiled = us.compile(lambda x: (x * 2 + 1).tanh())
    compiled(numbers(100, 100))
    program = compiled._describe()
    assert program["launches"] == [(0, 3)]
    # What is read and what comes out; nothing between.
    assert work.group_traffic(program, (0, 3)) == 2 * 4 * 100 * 100
    rates = work.Rates(1e9, {100: 1e9, 1000: 1e8})
    assert rates.floor(5, 50) == 50 / 1e9
    assert rates.floor(5000, 200) == 5e-6
    assert rates.floor(5, 5000) == 5000 / 1e8


# ---- anything ----


class RandomProgram:
    """Products, functions, sums and slices of square matrices in random order, some of them in place."""

    size = 12

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.weights = [nn.Parameter(numbers(self.size, self.size, seed=seed + i) * 0.3) for i in range(3)]
        self.plan = [(str(random.choice(STEPS_OF_PROGRAMS)), *random.integers(0, 99, 2)) for _ in range(14)]

    def __call__(self, x: Any) -> Any:
        known = [x, x @ self.weights[0]]
        for name, i, j in self.plan:
            a, b, w = known[-1 - i % min(2, len(known))], known[j % len(known)], self.weights[j % 3]
            known.append(self.apply(name, a, b, w))
        return known[-1].mean() + known[-2].square().mean() + known[len(known) // 2].sum(0).mean()

    def apply(self, name: str, a: Any, b: Any, w: Any) -> Any:
        if name == "split":
            first, second, third = a.split([3, 4, 5], 1)
            return us.cat([third.tanh(), first, second.sigmoid()], 1)
        if name == "in place":
            return (a @ w).mul_(0.5).relu_()
        if name == "columns":
            z = us.tanh(a @ w)
            return z + z.detach().sum(0) * 0.1
        two: dict[str, Callable[[], Any]] = {
            "mm": lambda: a @ w,
            "linear": lambda: F.linear(a, w, w[0]),
            "residual": lambda: b + a @ w,
            "gate": lambda: (a @ w) * b.sigmoid(),
            "relu": lambda: F.relu(a @ w),
            "gelu": lambda: F.gelu(F.linear(a, w)),
            "silu": lambda: F.silu(a) * 0.5,
            "tanh": lambda: a.tanh() - b.tanh(),
        }
        return two[name]()


STEPS_OF_PROGRAMS = (
    *("split", "in place", "columns", "mm", "linear", "residual", "gate", "relu", "gelu", "silu", "tanh"),
)


@pytest.mark.parametrize("seed", range(25))
def test_random_programs_keep_every_bit(seed: int) -> None:
    def make() -> Made:
        program = RandomProgram(seed)
        optimizer = us.optim.Adam(program.weights, lr=1e-3)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = program(x)
            loss.backward()
            optimizer.step()
            return loss

        return list(program.weights), step

    batches = [(numbers(12, 12, seed=i),) for i in range(2)]
    assert_same_bits(make, batches, 6)


@pytest.mark.parametrize("dtype", [us.float32, us.float64], ids=str)
@pytest.mark.parametrize("width", [1, 4, 7])
def test_narrow_results_are_finished_as_a_whole(width: int, dtype: us.dtype) -> None:
    us.manual_seed(0)
    x, weight, bias = (us.randn(*size, dtype=dtype) for size in ((9000, 4), (width, 4), (width,)))

    def forward(x: us.Tensor) -> us.Tensor:
        return us.sigmoid(us.nn.functional.linear(x, weight, bias))

    step = us.compile(forward)
    expected = forward(x)
    assert all(us.equal(step(x), expected) for _ in range(3))
    assert "then sigmoid" in step.explain()
