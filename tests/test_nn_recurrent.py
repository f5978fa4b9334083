"""Recurrent layers and cells against their NumPy formulas: values, two derivatives, packing, state."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import unspool as us
from reference import recurrent
from unspool import nn
from unspool.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

MODES = ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"bias": False},
    {"num_layers": 2},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True},
)
CASES = [(mode, options) for mode in MODES for options in VARIANTS]
CASES += [
    ("LSTM", {"proj_size": 2}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True, "bias": False}),
]
by_case = pytest.mark.parametrize(("mode", "options"), CASES, ids=str)
STEPS, BATCH, INPUTS, WIDTH = 4, 3, 5, 6


def build(mode: str, options: dict[str, Any], dtype: Any = us.float64) -> Any:
    us.manual_seed(3)
    if mode.startswith("RNN"):
        return nn.RNN(INPUTS, WIDTH, nonlinearity=mode[4:].lower(), dtype=dtype, **options)
    return getattr(nn, mode)(INPUTS, WIDTH, dtype=dtype, **options)


def drawn(module: Any, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    layers = module.num_layers * (2 if module.bidirectional else 1)
    out = module.proj_size or WIDTH
    shapes = (STEPS, BATCH, INPUTS), (layers, BATCH, out), (layers, BATCH, WIDTH)
    x, h, c = (rng.normal(size=shape) for shape in shapes)
    return x, h, c


def state_of(module: Any, h: Any, c: Any) -> Any:
    return (h, c) if module.mode == "LSTM" else h


def flat(result: Any) -> list[Any]:
    output, state = result
    return [output, *(state if isinstance(state, tuple) else (state,))]


def expected(module: Any, x: Any, h: Any, c: Any, parameters: Any = None) -> list[Any]:
    named = parameters or {name: p.detach().numpy() for name, p in module.named_parameters()}
    found = recurrent.network(module.mode, x, h, c, named, module.num_layers, module.bidirectional)
    return list(found) if module.mode == "LSTM" else list(found[:2])


@by_case
def test_outputs_and_states_follow_the_formula(mode: str, options: dict[str, Any]) -> None:
    for dtype, tolerance in ((us.float64, 1e-12), (us.float32, 2e-6)):
        module = build(mode, options, dtype)
        arrays = [np.asarray(a, str(dtype).rpartition(".")[2]) for a in drawn(module)]
        x, h, c = (us.from_numpy(a.copy()) for a in arrays)
        for got, want in zip(flat(module(x, state_of(module, h, c))), expected(module, *arrays), strict=True):
            assert got.dtype == dtype
            np.testing.assert_allclose(got.detach().numpy(), want, rtol=tolerance, atol=tolerance)


@by_case
def test_without_a_state_it_starts_from_zeros(mode: str, options: dict[str, Any]) -> None:
    module = build(mode, options)
    x, h, c = drawn(module)
    zeros = state_of(module, us.zeros(h.shape, dtype=us.float64), us.zeros(c.shape, dtype=us.float64))
    x = us.from_numpy(x)
    for a, b in zip(flat(module(x)), flat(module(x, zeros)), strict=True):
        assert us.equal(a, b)


def project(module: Any, tensors: list[Any], weights: list[Any]) -> Any:
    results = flat(module(tensors[0], state_of(module, tensors[1], tensors[2])))
    total = (results[0] * us.from_numpy(weights[0])).sum()
    for result, weight in zip(results[1:], weights[1:], strict=True):
        total = total + (result * us.from_numpy(weight)).sum()
    return total


@by_case
def test_gradients_are_the_slopes_of_the_formula(mode: str, options: dict[str, Any]) -> None:
    module = build(mode, options)
    arrays = list(drawn(module))
    tensors = [us.from_numpy(a.copy()).requires_grad_() for a in arrays]
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=a.shape) for a in expected(module, *arrays)]
    project(module, tensors, weights).backward()
    named = dict(module.named_parameters())
    used = tensors if mode == "LSTM" else tensors[:2]
    directions = [rng.normal(size=tuple(t.shape)) for t in (*used, *named.values())]
    slope = sum(
        float((d * t.grad.numpy()).sum()) for d, t in zip(directions, (*used, *named.values()), strict=True)
    )

    def moved(step: float) -> float:
        inputs = [a.copy() for a in arrays]
        for place in range(len(used)):
            inputs[place] += step * directions[place]
        parameters = {
            name: p.detach().numpy() + step * d
            for (name, p), d in zip(named.items(), directions[len(used) :], strict=True)
        }
        results = expected(module, *inputs, parameters)
        return float(sum((w * r).sum() for w, r in zip(weights, results, strict=True)))

    step = 1e-5
    np.testing.assert_allclose(slope, (moved(step) - moved(-step)) / (2 * step), rtol=2e-7, atol=2e-7)


@by_case
def test_second_derivatives_are_the_slopes_of_the_gradients(mode: str, options: dict[str, Any]) -> None:
    module = build(mode, options)
    arrays = list(drawn(module))[: 3 if mode == "LSTM" else 2]
    parameters = list(module.parameters())
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=tuple(r.shape)) for r in flat(module(us.from_numpy(arrays[0])))]
    leaves = [us.from_numpy(a.copy()).requires_grad_() for a in arrays]
    probes = [us.from_numpy(rng.normal(size=tuple(t.shape))) for t in (*leaves, *parameters)]
    directions = [us.from_numpy(rng.normal(size=tuple(t.shape))) for t in (*leaves, *parameters)]

    def probe(create_graph: bool) -> Any:
        given = leaves if mode == "LSTM" else [*leaves, None]
        total = project(module, given, weights)
        found = us.autograd.grad(total, [*leaves, *parameters], create_graph=create_graph)
        terms = [(g * p).sum() for g, p in zip(found, probes, strict=True)]
        return sum(terms[1:], terms[0])

    second = us.autograd.grad(probe(True), [*leaves, *parameters], allow_unused=True)
    claimed = sum(float((s * d).sum()) for s, d in zip(second, directions, strict=True) if s is not None)

    def moved(step: float) -> float:
        with us.no_grad():
            for t, d in zip((*leaves, *parameters), directions, strict=True):
                t.add_(d, alpha=step)
        value = float(probe(False))
        with us.no_grad():
            for t, d in zip((*leaves, *parameters), directions, strict=True):
                t.sub_(d, alpha=step)
        return value

    step = 1e-5
    np.testing.assert_allclose(claimed, (moved(step) - moved(-step)) / (2 * step), rtol=1e-6, atol=1e-6)


@by_case
def test_the_fused_gradient_is_that_of_the_unrolled_steps(mode: str, options: dict[str, Any]) -> None:
    module = build(mode, options)
    arrays = drawn(module)
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=a.shape) for a in expected(module, *arrays)]
    tensors = [us.from_numpy(a.copy()).requires_grad_() for a in arrays]
    inputs = [*tensors[: 3 if mode == "LSTM" else 2], *module.parameters()]
    fused = us.autograd.grad(project(module, tensors, weights), inputs)
    unrolled = us.autograd.grad(project(module, tensors, weights), inputs, create_graph=True)
    for a, b in zip(fused, unrolled, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-11, atol=1e-12)


LENGTHS = ([4, 2, 1], [4, 4, 4], [2, 4, 3])


@by_case
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_packed_sequences_run_like_each_sequence_alone(
    mode: str, options: dict[str, Any], lengths: list[int]
) -> None:
    module = build(mode, options)
    x, h, c = (us.from_numpy(a).requires_grad_() for a in drawn(module))
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    output, *states = flat(module(packed, state_of(module, h, c)))
    padded, found = pad_packed_sequence(output)
    assert found.tolist() == lengths
    inputs = [x, h, *([c] if mode == "LSTM" else []), *module.parameters()]
    total = (padded**2).sum() + sum((s.sin().sum() for s in states), us.zeros((), dtype=us.float64))
    gradients = us.autograd.grad(total, inputs)
    alone_total = us.zeros((), dtype=us.float64)
    for b, length in enumerate(lengths):
        at = slice(b, b + 1)
        alone, *last = flat(module(x[:length, at], state_of(module, h[:, at], c[:, at])))
        np.testing.assert_allclose(padded[:length, at].detach().numpy(), alone.detach().numpy(), atol=1e-13)
        for whole, one in zip(states, last, strict=True):
            np.testing.assert_allclose(whole[:, at].detach().numpy(), one.detach().numpy(), atol=1e-13)
        alone_total = alone_total + (alone**2).sum()
        for one in last:
            alone_total = alone_total + one.sin().sum()
    for a, b in zip(gradients, us.autograd.grad(alone_total, inputs), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives_exist_for_packed_sequences(mode: str) -> None:
    module = build(mode, {"bidirectional": True})
    x = us.from_numpy(drawn(module)[0]).requires_grad_()

    def run(values: Any) -> Any:
        return module(pack_padded_sequence(values, [4, 2, 1]))[0].data

    assert us.autograd.gradcheck(run, (x,))
    if mode != "RNN_RELU":
        assert us.autograd.gradgradcheck(run, (x,))


@pytest.mark.parametrize("mode", MODES)
def test_batch_first_and_no_batch(mode: str) -> None:
    plain, first = build(mode, {}), build(mode, {"batch_first": True})
    x, h, c = (us.from_numpy(a) for a in drawn(plain))
    whole = flat(plain(x, state_of(plain, h, c)))
    turned = flat(first(x.transpose(0, 1), state_of(plain, h, c)))
    assert us.equal(turned[0].transpose(0, 1), whole[0])
    assert all(us.equal(a, b) for a, b in zip(turned[1:], whole[1:], strict=True))
    single = flat(plain(x[:, 1], state_of(plain, h[:, 1], c[:, 1])))
    np.testing.assert_allclose(single[0].detach().numpy(), whole[0][:, 1].detach().numpy(), atol=1e-13)
    np.testing.assert_allclose(single[1].detach().numpy(), whole[1][:, 1].detach().numpy(), atol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_batch(mode: str) -> None:
    module = build(mode, {"num_layers": 2})
    output = flat(module(us.zeros(3, 0, INPUTS, dtype=us.float64)))
    assert output[0].shape == (3, 0, WIDTH)
    output[0].sum().backward()
    assert us.equal(module.weight_hh_l0.grad, us.zeros_like(module.weight_hh_l0))


@pytest.mark.parametrize("batch", [1, 7, 33, 70])
def test_any_batch_and_thread_count_gives_the_same_bits(batch: int) -> None:
    us.manual_seed(0)
    module = nn.LSTM(24, 40)
    x = us.randn(5, batch, 24)

    def run() -> list[Any]:
        module.zero_grad()
        output = module(x)[0]
        output.sum().backward()
        return [output.detach(), *(p.grad.clone() for p in module.parameters())]

    threads = us.get_num_threads()
    try:
        us.set_num_threads(1)
        one = run()
        us.set_num_threads(2)
        assert all(us.equal(a, b) for a, b in zip(one, run(), strict=True))
    finally:
        us.set_num_threads(threads)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("LSTM", {"bidirectional": True, "num_layers": 2}),
        ("LSTM", {"proj_size": 24}),
        ("GRU", {"bidirectional": True}),
        ("RNN", {"num_layers": 2}),
    ],
    ids=str,
)
@pytest.mark.parametrize("packed", [False, True])
def test_threads_share_the_samples_and_change_no_bit(
    mode: str, options: dict[str, Any], packed: bool
) -> None:
    rng = np.random.default_rng(7)
    layer = getattr(nn, mode)(40, 96, **options)
    lengths = us.from_numpy(np.sort(rng.integers(1, 61, 75))[::-1].copy())
    x = us.from_numpy(rng.normal(size=(60, 75, 40)).astype(np.float32)).requires_grad_()
    threads, results = us.get_num_threads(), []
    try:
        for count in (1, 2, 3, 8):
            us.set_num_threads(count)
            out, states = layer(pack_padded_sequence(x, lengths) if packed else x)
            out = out.data if packed else out
            states = states if isinstance(states, tuple) else (states,)
            loss = (out**2).sum() + sum((state**2).sum() for state in states)
            grads = us.autograd.grad(loss, [x, *layer.parameters()])
            results.append([each.detach().numpy() for each in (out, *states, *grads)])
    finally:
        us.set_num_threads(threads)
    for other in results[1:]:
        for ours, theirs in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_dropout_acts_between_layers_in_training_only() -> None:
    module = build("GRU", {"num_layers": 2, "dropout": 1.0})
    x = us.from_numpy(drawn(module)[0])
    dropped = module(x)[0]
    alone = recurrent.layer(
        "GRU",
        np.zeros((STEPS, BATCH, WIDTH)),
        np.zeros((BATCH, WIDTH)),
        np.zeros((BATCH, WIDTH)),
        {name: p.detach().numpy() for name, p in module.named_parameters()},
        "_l1",
    )[0]
    np.testing.assert_allclose(dropped.detach().numpy(), alone, atol=1e-13)
    assert not us.equal(module.eval()(x)[0], dropped)


def test_names_and_shapes_of_parameters() -> None:
    module = nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
    assert list(shapes)[:5] == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0"]
    assert shapes["weight_ih_l0"] == (16, 3)
    assert shapes["weight_hh_l0"] == (16, 2)
    assert shapes["weight_hr_l1_reverse"] == (2, 4)
    assert shapes["weight_ih_l1_reverse"] == (16, 4)
    assert len(module.all_weights) == 4
    module.flatten_parameters()


def test_initial_weights_are_drawn_in_the_order_of_the_parameters() -> None:
    us.manual_seed(0)
    module = nn.GRU(3, 4)
    # The first draws of the generator for seed 0, scaled to +-1/2.
    us.manual_seed(0)
    expected_first = us.empty(12, 3).uniform_(-0.5, 0.5)
    assert us.equal(module.weight_ih_l0.detach(), expected_first)


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("bias", [True, False])
def test_cells_follow_the_formula_and_can_be_differentiated_twice(name: str, bias: bool) -> None:
    us.manual_seed(1)
    module = getattr(nn, name)(INPUTS, WIDTH, bias=bias, dtype=us.float64)
    mode = {"RNNCell": "RNN_TANH", "LSTMCell": "LSTM", "GRUCell": "GRU"}[name]
    rng = np.random.default_rng(0)
    x, h, c = (rng.normal(size=s) for s in ((BATCH, INPUTS), (BATCH, WIDTH), (BATCH, WIDTH)))
    named = {key: p.detach().numpy() for key, p in module.named_parameters()}
    want = recurrent.cell(mode, x, h, c, named, "")
    tensors = [us.from_numpy(a.copy()).requires_grad_() for a in (x, h, c)]

    def run(x: Any, h: Any, c: Any) -> Any:
        return module(x, (h, c)) if mode == "LSTM" else module(x, h) + 0 * c.sum()

    got = run(*tensors)
    for a, b in zip(got if mode == "LSTM" else (got,), want, strict=False):
        np.testing.assert_allclose(a.detach().numpy(), b, atol=1e-13)
    assert us.autograd.gradcheck(run, tuple(tensors))
    assert us.autograd.gradgradcheck(run, tuple(tensors))
    single = run(*(t[0] for t in tensors))
    first = single[0] if mode == "LSTM" else single
    np.testing.assert_allclose(first.detach().numpy(), want[0][0], atol=1e-13)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LSTM(3, 4, 2, bidirectional=True),
        lambda: nn.GRU(3, 4),
        lambda: nn.RNN(3, 4, nonlinearity="relu"),
        lambda: nn.LSTMCell(3, 4),
    ],
)
def test_modules_survive_copying_and_pickling(make: Any) -> None:
    module = make()
    x = us.randn(2, 3) if isinstance(module, nn.LSTMCell) else us.randn(5, 2, 3)
    want = module(x)[0]
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert us.equal(other(x)[0], want)


@pytest.mark.parametrize(
    ("text", "make"),
    [
        ("LSTM(3, 4)", lambda: nn.LSTM(3, 4)),
        (
            "GRU(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)",
            lambda: nn.GRU(3, 4, 2, bias=False, batch_first=True, dropout=0.5, bidirectional=True),
        ),
        ("LSTM(3, 4, proj_size=2)", lambda: nn.LSTM(3, 4, proj_size=2)),
        ("RNN(3, 4)", lambda: nn.RNN(3, 4, nonlinearity="relu")),
        ("RNNCell(2, 3, bias=False, nonlinearity=relu)", lambda: nn.RNNCell(2, 3, False, "relu")),
        ("GRUCell(2, 3)", lambda: nn.GRUCell(2, 3)),
    ],
)
def test_repr(text: str, make: Any) -> None:
    assert repr(make()) == text


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: nn.RNN(3, 4, nonlinearity="x"), ValueError, "nonlinearity"),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "proj_size"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "smaller than hidden_size"),
        (lambda: nn.LSTM(3, 0), ValueError, "hidden_size"),
        (lambda: nn.LSTM(3, 4, 0), ValueError, "num_layers"),
        (lambda: nn.LSTM(3.0, 4), TypeError, "input_size"),
        (lambda: nn.LSTM(3, 4, dropout=2), ValueError, "dropout"),
        (lambda: nn.LSTM(3, 4)(us.zeros(2, 2, 5)), RuntimeError, "Expected 3, got 5"),
        (lambda: nn.LSTM(3, 4)(us.zeros(3)), ValueError, "2D or 3D"),
        (lambda: nn.GRU(3, 4)(us.zeros(2, 2, 3, dtype=us.float64)), ValueError, "dtype"),
        (lambda: nn.GRU(3, 4)(us.zeros(0, 2, 3)), RuntimeError, "larger than 0"),
        (lambda: nn.GRU(3, 4)(us.zeros(2, 2, 3), us.zeros(1, 3, 4)), RuntimeError, "hidden size"),
        (lambda: nn.GRU(3, 4)(us.zeros(2, 3), us.zeros(1, 1, 4)), RuntimeError, "unbatched"),
        (lambda: nn.GRU(3, 4)(us.zeros(2, 1, 3), us.zeros(1, 4)), RuntimeError, "batched 3-D"),
        (
            lambda: nn.LSTM(3, 4)(us.zeros(2, 2, 3), (us.zeros(1, 2, 4), us.zeros(1, 2, 5))),
            RuntimeError,
            r"hidden\[1\]",
        ),
        (lambda: nn.LSTMCell(2, 3)(us.zeros(2, 2, 2)), ValueError, "1D or 2D"),
        (lambda: nn.LSTMCell(2, 3)(us.zeros(2, 3)), RuntimeError, "inconsistent input_size"),
        (lambda: nn.RNNCell(2, 3)(us.zeros(2, 2), us.zeros(3, 3)), RuntimeError, "batch size"),
        (lambda: nn.GRUCell(2, 3)(us.zeros(2, 2), us.zeros(2, 4)), RuntimeError, "hidden_size"),
        (lambda: nn.RNNCell(2, 3, nonlinearity="x")(us.zeros(2, 2)), RuntimeError, "nonlinearity"),
        (lambda: pack_padded_sequence(us.zeros(4, 3, 2), [2, 4, 1]), RuntimeError, "enforce_sorted"),
        (lambda: pack_padded_sequence(us.zeros(4, 3, 2), [4, 2]), RuntimeError, "batch_size=3"),
        (lambda: pack_padded_sequence(us.zeros(4, 3, 2), [4, 2, 0]), RuntimeError, "greater than 0"),
        (lambda: pack_padded_sequence(us.zeros(4, 3, 2), [5, 2, 1]), RuntimeError, "length of 5"),
        (lambda: pack_padded_sequence(us.zeros(0, 1, 2), [1]), RuntimeError, "empty"),
        (lambda: pad_sequence([]), RuntimeError, "empty list"),
        (lambda: pad_sequence([us.zeros(2, 3), us.zeros(1, 2)]), RuntimeError, "differs"),
    ],
)
def test_refusals(run: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        run()


@pytest.mark.parametrize(
    "change", [{"weight_hh": (8, 3)}, {"hidden": (3, 2)}, {"steps": 3}, {"sizes": [1, 3]}]
)
def test_the_hidden_operation_checks_its_shapes(change: dict[str, Any]) -> None:
    weight_hh = us.zeros(change.get("weight_hh", (8, 2)))
    hidden = us.zeros(change.get("hidden", (2, 2)))
    with pytest.raises(RuntimeError, match="recurrent"):
        us._core.hidden.recurrent(
            us.zeros(2, 2, 3), hidden, None, us.zeros(8, 3), weight_hh, None, None, None, "lstm", False,
            change.get("steps", 2), 2, change.get("sizes"),
        )  # fmt: skip


@pytest.mark.parametrize("batch_first", [False, True])
def test_packing_and_padding_undo_each_other(batch_first: bool) -> None:
    x = us.arange(24.0).reshape(3, 4, 2) if batch_first else us.arange(24.0).reshape(4, 3, 2)
    lengths = us.tensor([2, 4, 1])
    packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 1, 1]
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    padded, found = pad_packed_sequence(packed, batch_first, padding_value=-1.0, total_length=5)
    assert found.tolist() == [2, 4, 1]
    rows = unpad_sequence(padded, found, batch_first)
    for i, row in enumerate(rows):
        whole = x[i] if batch_first else x[:, i]
        assert us.equal(row, whole[: int(lengths[i])])
    last = padded[2] if batch_first else padded[:, 2]
    assert last[1:].eq(-1).all()
    again = pack_sequence(rows, enforce_sorted=False)
    assert us.equal(again.data, packed.data)
    assert isinstance(pickle.loads(pickle.dumps(packed)), PackedSequence)
    assert packed.to(us.float64).data.dtype == us.float64
    with pytest.raises(ValueError, match="total_length"):
        pad_packed_sequence(packed, total_length=3)


def test_pad_sequence_pads_on_either_side() -> None:
    sequences = [us.ones(1), us.ones(3)]
    assert pad_sequence(sequences, True, 7.0).tolist() == [[1, 7, 7], [1, 1, 1]]
    assert pad_sequence(sequences, True, 7.0, "left").tolist() == [[7, 7, 1], [1, 1, 1]]
    assert pad_sequence(sequences).shape == (3, 2)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("name", "kind"), [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn_tanh", nn.RNN)])
def test_recurrent_functions_take_flat_weights(name: str, kind: Any, bias: bool, bidirectional: bool) -> None:
    module = kind(3, 4, 2, bias=bias, bidirectional=bidirectional)
    rows = [getattr(module, each) for each in module._flat_weights_names]
    h = us.randn(4 if bidirectional else 2, 2, 4)
    hx = (h, h * 2) if name == "lstm" else h
    x = us.randn(5, 2, 3)
    tail = (rows, bias, 2, 0.0, False, bidirectional)
    output, *finals = getattr(us, name)(x, hx, *tail, False)
    wanted, states = module(x, hx)
    assert us.equal(output, wanted)
    for own, other in zip(finals, states if name == "lstm" else [states], strict=True):
        assert us.equal(own, other)
    swapped = getattr(us, name)(x.transpose(0, 1), hx, *tail, batch_first=True)[0]
    assert us.equal(swapped.transpose(0, 1), wanted)
    packed = pack_padded_sequence(x, [5, 3])
    data, _ = getattr(us, name)(packed.data, packed.batch_sizes, hx, *tail)[:2]
    assert us.equal(data, module(packed, hx)[0].data)


def test_recurrent_functions_know_projections_and_count_their_weights() -> None:
    module = nn.LSTM(3, 4, proj_size=2)
    rows = [getattr(module, each) for each in module._flat_weights_names]
    x, hx = us.randn(5, 2, 3), (us.randn(1, 2, 2), us.randn(1, 2, 4))
    assert us.equal(us.lstm(x, hx, rows, True, 1, 0.0, False, False, False)[0], module(x, hx)[0])
    with pytest.raises(RuntimeError, match="params"):
        us.gru(x, hx[0], rows[:3], True, 1, 0.0, False, False, False)
    with pytest.raises(TypeError, match="bidirectional"):
        us.gru(x, hx[0], rows[:4], True, 1, 0.0, False)


def test_single_steps_as_functions() -> None:
    x, h = us.randn(2, 3), us.randn(2, 4)
    for name, cell in (
        ("gru_cell", nn.GRUCell(3, 4)),
        ("rnn_tanh_cell", nn.RNNCell(3, 4)),
        ("rnn_relu_cell", nn.RNNCell(3, 4, nonlinearity="relu")),
    ):
        rows = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
        assert us.equal(getattr(us, name)(x, h, *rows), cell(x, h))
    cell = nn.LSTMCell(3, 4)
    both = us.lstm_cell(x, (h, h), cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    assert all(us.equal(a, b) for a, b in zip(both, cell(x, (h, h)), strict=True))


@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_sequences_are_unpacked_in_the_order_given(enforce_sorted: bool) -> None:
    lengths = [4, 3, 1] if enforce_sorted else [1, 4, 3]
    sequences = [us.randn(n, 2) for n in lengths]
    packed = pack_sequence(sequences, enforce_sorted=enforce_sorted)
    assert [each.tolist() for each in unpack_sequence(packed)] == [each.tolist() for each in sequences]
    with pytest.raises(TypeError, match="unpack_sequence: expected a PackedSequence, got Tensor"):
        unpack_sequence(packed.data)  # type: ignore[arg-type]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"proj_size": 2}])
def test_parameters_are_named_by_layer_and_direction(bias: bool, options: dict[str, Any]) -> None:
    module = nn.LSTM(2, 3, bias=bias, **options)
    names = module._all_weights
    assert [name for each in names for name in each] == [name for name, _ in module.named_parameters()]
    assert names[0] == [name for name, _ in module.named_parameters() if "l0" in name and "rev" not in name]
    assert len(names) == (4 if "num_layers" in options else 1)
    for each, weights in zip(names, module.all_weights, strict=True):
        assert all(getattr(module, name) is weight for name, weight in zip(each, weights, strict=True))


def test_biases_of_forget_gates_can_be_set_by_name() -> None:
    module = nn.LSTM(2, 3, num_layers=2)
    for names in module._all_weights:
        for name in filter(lambda n: "bias" in n, names):
            size = getattr(module, name).size(0)
            getattr(module, name).data[size // 4 : size // 2].fill_(1.0)
    assert module.bias_hh_l1[3:6].tolist() == [1, 1, 1]
    assert 1 not in module.bias_ih_l0[:3].tolist()
