"""Embeddings: padding, frequencies, norms, and how their modules start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn import functional as F


def gradient(table: Any, index: Any, **options: Any) -> Any:
    weight = us.from_numpy(table.copy()).requires_grad_()
    (F.embedding(index, weight, **options) * us.arange(1.0, 4.0)).sum().backward()
    return weight.grad.numpy()


def test_the_padding_row_gets_no_gradient() -> None:
    index = us.tensor([1, 2, 1, 4])
    expected = np.outer([0.0, 2, 1, 0, 1], [1.0, 2, 3]).astype(np.float32)
    np.testing.assert_array_equal(gradient(np.ones((5, 3), np.float32), index), expected)
    for padding in (1, -4):
        without = expected.copy()
        without[1] = 0
        result = gradient(np.ones((5, 3), np.float32), index, padding_idx=padding)
        np.testing.assert_array_equal(result, without)


def test_gradients_may_be_divided_by_the_frequency() -> None:
    result = gradient(np.ones((5, 3), np.float32), us.tensor([1, 2, 1, 4]), scale_grad_by_freq=True)
    np.testing.assert_array_equal(result, np.outer([0.0, 1, 1, 0, 1], [1.0, 2, 3]))


@pytest.mark.parametrize("options", [{"padding_idx": 1}, {"scale_grad_by_freq": True}, {}])
def test_second_derivatives_follow_the_first(options: dict[str, Any]) -> None:
    index = us.tensor([[1, 2], [1, 3]])
    weight = us.rand(5, 3, dtype=us.float64).requires_grad_()
    seed = us.rand(2, 2, 3, dtype=us.float64).requires_grad_()
    (first,) = us.autograd.grad(F.embedding(index, weight, **options), weight, seed, create_graph=True)
    direction = us.rand(5, 3, dtype=us.float64)
    (second,) = us.autograd.grad((first * direction).sum(), seed)
    other = us.rand(2, 2, 3, dtype=us.float64)
    (moved,) = us.autograd.grad(F.embedding(index, weight, **options), weight, other)
    np.testing.assert_allclose((second * other).sum().item(), (moved * direction).sum().item(), rtol=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
def test_rows_that_are_read_are_shortened_to_max_norm(p: float) -> None:
    weight = us.rand(5, 3) + 1
    before = weight.numpy().copy()
    F.embedding(us.tensor([1, 3, 1]), weight, max_norm=1.0, norm_type=p)
    norms = np.linalg.norm(weight.numpy(), p, axis=1)
    np.testing.assert_allclose(norms[[1, 3]], 1, rtol=1e-5)
    np.testing.assert_array_equal(weight.numpy()[[0, 2, 4]], before[[0, 2, 4]])


def test_bags_know_frequencies_and_norms() -> None:
    weight = us.ones(5, 3).requires_grad_()
    index = us.tensor([[1, 1], [1, 2]])
    F.embedding_bag(index, weight, mode="sum", scale_grad_by_freq=True).sum().backward()
    np.testing.assert_allclose(weight.grad.numpy()[:, 0], [0, 1, 1, 0, 0], rtol=1e-6)
    long = us.ones(5, 4)
    assert F.embedding_bag(index, long, max_norm=1.0, mode="mean").norm(dim=1).max().item() <= 1.0001


def test_sparse_gradients_are_refused_by_name() -> None:
    for make in (lambda: nn.Embedding(3, 2, sparse=True), lambda: nn.EmbeddingBag(3, 2, sparse=True)):
        with pytest.raises(NotImplementedError, match="sparse"):
            make()


def test_a_padding_row_outside_of_the_table_is_refused() -> None:
    with pytest.raises(AssertionError, match="padding_idx"):
        nn.Embedding(3, 2, padding_idx=3)
    with pytest.raises(AssertionError, match="padding_idx"):
        F.embedding(us.tensor([0]), us.ones(3, 2), padding_idx=-4)


def test_modules_start_show_and_freeze_their_tables() -> None:
    us.manual_seed(0)
    plain = nn.Embedding(6, 3)
    us.manual_seed(0)
    padded = nn.Embedding(6, 3, padding_idx=-2)
    assert padded.weight[4].abs().sum().item() == 0
    assert (padded.weight[0] == plain.weight[0]).all()
    assert repr(padded) == "Embedding(6, 3, padding_idx=4)"
    assert repr(nn.EmbeddingBag(6, 3, mode="max")) == "EmbeddingBag(6, 3, mode='max')"
    table = us.rand(4, 2)
    frozen = nn.Embedding.from_pretrained(table)
    assert not frozen.weight.requires_grad
    assert frozen.weight.data_ptr() == table.data_ptr()
    assert nn.EmbeddingBag.from_pretrained(table, freeze=False).weight.requires_grad
    assert list(plain.state_dict()) == ["weight"]


@pytest.mark.parametrize(("rows", "columns"), [(9000, 33), (40_000, 8), (50, 130), (3, 1)])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True}])
def test_threads_share_a_table_and_change_no_bit(rows: int, columns: int, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    index = us.from_numpy(rng.integers(0, rows, 700) // rng.integers(1, 40, 700))
    weight = us.from_numpy(rng.normal(size=(rows, columns)).astype(np.float32)).requires_grad_()
    weights = us.from_numpy(rng.normal(size=(700, columns)).astype(np.float32))

    def gradients() -> list[Any]:
        loss = (F.embedding(index, weight, **options) * weights).sum()
        bags = F.embedding_bag(index.view(70, 10), weight, mode="sum", padding_idx=options.get("padding_idx"))
        bag_loss = (bags * weights[:70]).sum()
        return [us.autograd.grad(each, weight)[0].numpy() for each in (loss, bag_loss)]

    before = us.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            us.set_num_threads(threads)
            results.append(gradients())
    finally:
        us.set_num_threads(before)
    wanted = np.zeros((rows, columns))
    scale = np.ones(700)
    if options.get("scale_grad_by_freq"):
        scale /= np.bincount(index.numpy(), minlength=rows)[index.numpy()]
    np.add.at(wanted, index.numpy(), weights.numpy() * scale[:, None])
    if "padding_idx" in options:
        wanted[options["padding_idx"]] = 0
    # float32 sums of up to 700 numbers of size 1
    np.testing.assert_allclose(results[0][0], wanted, rtol=1e-5, atol=2e-5)
    for other in results[1:]:
        np.testing.assert_array_equal(other[0], results[0][0])
        np.testing.assert_array_equal(other[1], results[0][1])
