"""Attention beyond its row: dropout, layouts, masks with gradients, threads, and the module around it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn import functional as F

attend = F.scaled_dot_product_attention


def inputs(*shape: int, count: int = 3, dtype: Any = us.float64) -> list[Any]:
    us.manual_seed(0)
    return [us.randn(*shape, dtype=dtype).requires_grad_() for _ in range(count)]


def composed(q: Any, k: Any, v: Any, mask: Any = None, dropout_p: float = 0.0) -> Any:
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    weights = F.softmax(scores if mask is None else scores + mask, -1)
    return F.dropout(weights, dropout_p) @ v


def both(*arguments: Any, **options: Any) -> tuple[list[Any], list[Any]]:
    """Output and gradients of the operation and of the composition, from one state of the generator."""
    found = []
    for function in (attend, composed):
        us.manual_seed(7)
        output = function(*arguments, **options)
        weights = us.arange(float(output.numel()), dtype=output.dtype).view(output.shape).sin()
        leaves = [a for a in arguments if a.requires_grad]
        found.append([output, *us.autograd.grad((output * weights).sum(), leaves)])
    return found[0], found[1]


def assert_alike(first: list[Any], second: list[Any]) -> None:
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_dropout_draws_one_mask_over_all_scores() -> None:
    assert_alike(*both(*inputs(2, 3, 5, 4), dropout_p=0.4))
    assert attend(*inputs(2, 3, 5, 4), dropout_p=1.0).abs().sum().item() == 0


def test_a_floating_mask_may_need_a_gradient() -> None:
    q, k, v = inputs(2, 3, 5, 4)
    assert_alike(*both(q, k, v, us.randn(3, 1, 5, dtype=us.float64).requires_grad_()))


@pytest.mark.parametrize("kind", ["plain", "mask", "causal", "dropout"])
@pytest.mark.parametrize(("queries", "keys"), [(130, 300), (300, 300), (1, 257), (300, 129)])
def test_more_keys_and_queries_than_a_block_holds(queries: int, keys: int, kind: str) -> None:
    (q,), (k, v) = inputs(2, 2, queries, 5, count=1), inputs(2, 2, keys, 5, count=2)
    hidden = us.ones(queries, keys, dtype=us.float64).triu(1)
    hidden = hidden.masked_fill(hidden.bool(), -math.inf)
    if kind == "causal":
        weights = us.arange(float(q.numel()), dtype=q.dtype).view(q.shape).sin()
        found = [(attend(q, k, v, is_causal=True)), composed(q, k, v, hidden)]
        assert_alike(*[[y, *us.autograd.grad((y * weights).sum(), (q, k, v))] for y in found])
    elif kind == "mask":
        assert_alike(*both(q, k, v, us.randn(2, 1, 1, keys, dtype=us.float64)))
    else:
        assert_alike(*both(q, k, v, dropout_p=0.4 if kind == "dropout" else 0.0))


def test_second_derivatives_see_dropout() -> None:
    found = []
    for function in (attend, composed):
        q, k, v = inputs(1, 2, 4, 3)
        us.manual_seed(7)
        first = us.autograd.grad(
            function(q, k, v, dropout_p=0.3).square().sum(), (q, k, v), create_graph=True
        )
        found.append(us.autograd.grad(sum(g.cos().sum() for g in first), (q, k, v)))
    assert_alike(list(found[0]), list(found[1]))


def test_heads_split_from_rows_come_back_as_rows() -> None:
    x = us.randn(2, 5, 3, 4).requires_grad_()
    q = x.transpose(1, 2)
    output = attend(q, q, q)
    assert output.transpose(1, 2).is_contiguous()
    other = attend(*[q.detach().contiguous()] * 3)
    np.testing.assert_array_equal(output.detach().numpy(), other.numpy())
    output.sum().backward()
    assert x.grad.is_contiguous()


@pytest.mark.parametrize("length", [90, 300])
def test_every_number_of_threads_gives_the_same_bits(length: int) -> None:
    threads = us.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            us.set_num_threads(count)
            q, k, v = inputs(3, 8, length, 32, dtype=us.float32)
            output = attend(q, k, v, is_causal=True)
            found.append([output, *us.autograd.grad(output.square().sum(), (q, k, v))])
    finally:
        us.set_num_threads(threads)
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_hidden_queries_get_no_gradient_and_no_nan() -> None:
    q, k, v = inputs(1, 1, 3, 4)
    mask = us.tensor([[True, False, True], [False, False, False], [True, True, True]])
    for create_graph in (False, True):
        grads = us.autograd.grad(attend(q, k, v, mask).sum(), (q, k, v), create_graph=create_graph)
        assert all(g.isfinite().all() for g in grads)
        assert grads[0][0, 0, 1].abs().sum().item() == 0


# MultiheadAttention ---------------------------------------------------------------------------------------


def multi_head(module: Any, query: Any, key: Any, value: Any, hidden: Any = None) -> tuple[Any, Any]:
    """Attention of each head in NumPy, for inputs (rows, batch, size)."""
    size, heads = module.embed_dim, module.num_heads
    weight, bias = module.in_proj_weight.detach().numpy(), module.in_proj_bias.detach().numpy()
    q, k, v = (
        x @ weight[i * size : (i + 1) * size].T + bias[i * size : (i + 1) * size]
        for i, x in enumerate((query, key, value))
    )
    split = [x.reshape(len(x), x.shape[1], heads, -1).transpose(1, 2, 0, 3) for x in (q, k, v)]
    scores = split[0] @ split[1].swapaxes(-1, -2) / np.sqrt(size / heads)
    if hidden is not None:
        scores = np.where(hidden, -np.inf, scores)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    mixed = (weights @ split[2]).transpose(2, 0, 1, 3).reshape(query.shape)
    out = module.out_proj
    return mixed @ out.weight.detach().numpy().T + out.bias.detach().numpy(), weights


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_multi_head_attention_follows_the_formula(need_weights: bool, masked: bool) -> None:
    random = np.random.default_rng(0)
    module = nn.MultiheadAttention(6, 2).double()
    query, key, value = (random.standard_normal((n, 3, 6)) for n in (4, 5, 5))
    hidden = random.random((4, 5)) < 0.3 if masked else None
    if hidden is not None:
        hidden[:, 0] = False
    output, weights = module(
        *(us.from_numpy(x) for x in (query, key, value)),
        need_weights=need_weights,
        attn_mask=None if hidden is None else us.from_numpy(hidden),
    )
    expected, expected_weights = multi_head(module, query, key, value, hidden)
    np.testing.assert_allclose(output.detach().numpy(), expected, rtol=1e-10, atol=1e-12)
    assert (weights is not None) == need_weights
    if weights is not None:
        np.testing.assert_allclose(weights.detach().numpy(), expected_weights.mean(1), rtol=1e-10)


def test_padding_hides_keys_in_every_form() -> None:
    x = us.randn(4, 2, 6)
    padding = us.tensor([[False, False, True, True], [False, False, False, True]])
    for options in ({}, {"add_bias_kv": True}, {"add_zero_attn": True}, {"kdim": 6, "vdim": 6}):
        module = nn.MultiheadAttention(6, 3, **options)
        with_mask = module(x, x, x, key_padding_mask=padding, need_weights=False)[0]
        alone = module(x[:, :1], x[:2, :1], x[:2, :1])[0]
        np.testing.assert_allclose(
            with_mask[:, :1].detach().numpy(), alone.detach().numpy(), rtol=1e-4, atol=1e-6
        )


def test_batch_first_and_no_batch_are_the_same_numbers() -> None:
    plain = nn.MultiheadAttention(6, 3)
    first = nn.MultiheadAttention(6, 3, batch_first=True)
    first.load_state_dict(plain.state_dict())
    x = us.randn(4, 2, 6)
    expected = plain(x, x, x)[0]
    turned = x.transpose(0, 1)
    result = first(turned, turned, turned)[0].transpose(0, 1)
    np.testing.assert_allclose(result.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    alone = plain(x[:, 1], x[:, 1], x[:, 1], average_attn_weights=False)
    np.testing.assert_allclose(
        alone[0].detach().numpy(), expected[:, 1].detach().numpy(), rtol=1e-5, atol=1e-6
    )
    assert tuple(alone[1].shape) == (3, 4, 4)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.MultiheadAttention(0, 1), ValueError, "greater than 0"),
        (lambda: nn.MultiheadAttention(6, 4), AssertionError, "divisible"),
        (lambda: nn.MultiheadAttention(6, 2)(*[us.ones(6)] * 3), AssertionError, "3-d"),
        (lambda: nn.MultiheadAttention(6, 2)(*[us.ones(3, 2, 4)] * 3), AssertionError, "embedding dimension"),
        (
            lambda: nn.MultiheadAttention(6, 2)(*[us.ones(3, 2, 6)] * 3, is_causal=True),
            RuntimeError,
            "is_causal",
        ),
        (
            lambda: nn.MultiheadAttention(6, 2)(*[us.ones(3, 2, 6)] * 3, attn_mask=us.ones(3, 4)),
            RuntimeError,
            "attn_mask",
        ),
        (
            lambda: nn.MultiheadAttention(6, 2)(*[us.ones(3, 2, 6)] * 3, key_padding_mask=us.ones(3, 2)),
            AssertionError,
            "key_padding_mask",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()
