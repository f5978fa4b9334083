"""Transformers: what their layers are made of, masks, forms of inputs, and the adaptive softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn
from unspool.nn import functional as F


def close(a: Any, b: Any, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("norm_first", [False, True])
def test_an_encoder_layer_is_attention_and_a_network_with_residuals(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", norm_first=norm_first)
    x = us.randn(5, 3, 8)

    def attend(y: Any) -> Any:
        return layer.self_attn(y, y, y)[0]

    def think(y: Any) -> Any:
        return layer.linear2(F.gelu(layer.linear1(y)))

    if norm_first:
        y = x + attend(layer.norm1(x))
        expected = y + think(layer.norm2(y))
    else:
        y = layer.norm1(x + attend(x))
        expected = layer.norm2(y + think(y))
    close(layer(x), expected)


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_decoder_layer_also_attends_to_the_memory(norm_first: bool) -> None:
    layer = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, activation=us.tanh, norm_first=norm_first)
    x, memory = us.randn(4, 3, 8), us.randn(6, 3, 8)

    def to_self(y: Any) -> Any:
        return layer.self_attn(y, y, y)[0]

    def to_memory(y: Any) -> Any:
        return layer.multihead_attn(y, memory, memory)[0]

    def think(y: Any) -> Any:
        return layer.linear2(us.tanh(layer.linear1(y)))

    y = x
    for part, norm in ((to_self, layer.norm1), (to_memory, layer.norm2), (think, layer.norm3)):
        y = y + part(norm(y)) if norm_first else norm(y + part(y))
    close(layer(x, memory), y)


def test_a_causal_mask_is_recognized_and_hides_what_comes_later() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), 2)
    x = us.randn(6, 2, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(6)
    assert mask.tolist()[0] == [0.0] + [-float("inf")] * 5
    whole = encoder(x, mask)
    close(encoder(x, mask, is_causal=False), whole)
    close(encoder(x, us.ones(6, 6).triu(1) > 0), whole)
    close(encoder(x[:3], nn.Transformer.generate_square_subsequent_mask(3)), whole[:3])
    other = mask.clone()
    other[0, 1] = 0.0
    assert not np.allclose(encoder(x, other).detach().numpy(), whole.detach().numpy())


def test_padded_positions_are_not_seen() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2)
    x = us.randn(2, 5, 8)
    padding = us.tensor([[False] * 3 + [True] * 2, [False] * 5])
    close(encoder(x, src_key_padding_mask=padding)[0, :3], encoder(x[:1, :3])[0])


def test_the_whole_runs_in_each_layout() -> None:
    us.manual_seed(0)
    plain = nn.Transformer(8, 2, 1, 2, 16, dropout=0.0)
    first = nn.Transformer(8, 2, 1, 2, 16, dropout=0.0, batch_first=True)
    first.load_state_dict(plain.state_dict())
    src, tgt = us.randn(5, 3, 8), us.randn(4, 3, 8)
    expected = plain(src, tgt)
    assert tuple(expected.shape) == (4, 3, 8)
    close(first(src.transpose(0, 1), tgt.transpose(0, 1)).transpose(0, 1), expected)
    close(plain(src[:, 1], tgt[:, 1]), expected[:, 1])
    expected.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in plain.parameters())


def test_layers_are_copies_that_start_alike() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    encoder = nn.TransformerEncoder(layer, 3, norm=nn.LayerNorm(8))
    keys = list(encoder.state_dict())
    assert keys[0] == "layers.0.self_attn.in_proj_weight"
    assert "layers.2.linear2.bias" in keys
    assert keys[-2:] == ["norm.weight", "norm.bias"]
    first, last = encoder.layers[0].linear1.weight, encoder.layers[2].linear1.weight
    assert (first == last).all()
    assert first.data_ptr() != last.data_ptr()


def test_users_subclass_it() -> None:
    class Model(nn.Transformer):
        def __init__(self) -> None:
            super().__init__(
                d_model=8, nhead=2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16
            )
            self.input_emb = nn.Embedding(10, 8)
            self.decoder = nn.Linear(8, 10)

        def forward(self, src: Any) -> Any:
            mask = self.generate_square_subsequent_mask(len(src))
            return F.log_softmax(self.decoder(self.encoder(self.input_emb(src), mask=mask)), dim=-1)

    assert tuple(Model()(us.randint(0, 10, (7, 3))).shape) == (7, 3, 10)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="swish"), RuntimeError, "relu/gelu"),
        (lambda: nn.Transformer(8, 2, 1, 1, 16)(us.ones(5, 3, 8), us.ones(5, 2, 8)), RuntimeError, "batch"),
        (lambda: nn.Transformer(8, 2, 1, 1, 16)(us.ones(5, 3, 6), us.ones(5, 3, 6)), RuntimeError, "d_model"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()


# AdaptiveLogSoftmaxWithLoss -------------------------------------------------------------------------------


def test_the_adaptive_softmax_is_a_distribution_and_its_loss_picks_from_it() -> None:
    module = nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10, 15], div_value=2.0, head_bias=True)
    x, target = us.randn(24, 16), us.randint(0, 20, (24,))
    every = module.log_prob(x)
    np.testing.assert_allclose(every.exp().sum(1).detach().numpy(), 1, rtol=1e-5)
    output, loss = module(x, target)
    close(output, every.gather(1, target.unsqueeze(1)).squeeze(1))
    close(loss, -output.mean())
    assert (module.predict(x) == every.argmax(1)).all()
    alone = module(x[0], target[0])
    close(alone.output, output[0])
    loss.backward()
    assert all(p.grad is not None for p in module.parameters())


@pytest.mark.parametrize("cutoffs", [[], [5, 5], [10, 5], [20], [0, 5], [2.5]])
def test_cutoffs_must_ascend(cutoffs: Any) -> None:
    with pytest.raises(ValueError, match="cutoffs"):
        nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs)
    with pytest.raises(RuntimeError, match="20"):
        nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5])(us.ones(2, 16), us.tensor([3, 20]))
