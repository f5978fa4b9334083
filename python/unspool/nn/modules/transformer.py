"""Transformers (Vaswani et al. 2017): encoder and decoder layers, their stacks, and both together."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import unspool
from unspool._core import Tensor
from unspool.nn import functional as F
from unspool.nn import init
from unspool.nn._functional.attention import float_mask
from unspool.nn.modules.attention import MultiheadAttention
from unspool.nn.modules.container import ModuleList
from unspool.nn.modules.dropout import Dropout
from unspool.nn.modules.linear import Linear
from unspool.nn.modules.module import Module
from unspool.nn.modules.normalization import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Tensor], Tensor]


def _generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
    """(sz, sz): -inf above the diagonal, 0 elsewhere."""
    full = unspool.full((sz, sz), -math.inf, dtype=dtype or unspool.get_default_dtype(), device=device)
    return full.triu(1)


def _activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    if callable(activation):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    function: Callable[[Tensor], Tensor] = getattr(F, activation)
    return function


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


def _is_causal(mask: Tensor | None, said: bool | None) -> bool:
    """Whether a mask hides all later positions and nothing else; believed where it is said."""
    if said is not None or mask is None:
        return bool(said)
    rows = mask.shape[-2]
    if tuple(mask.shape) != (rows, rows):
        return False
    hidden = mask if mask.dtype == unspool.bool else mask == -math.inf
    seen = hidden.logical_not() if mask.dtype == unspool.bool else mask == 0
    later = unspool.ones(rows, rows).triu(1) > 0
    return bool((hidden == later).all()) and bool((seen != later).all())


class _Layer(Module):
    """What encoder and decoder layers share: self-attention and the feed-forward network.

    Args:
        d_model: size of inputs and outputs, E.
        nhead: heads of attention.
        dim_feedforward: size of the hidden layer.
        dropout: probability of each dropout.
        activation: of the hidden layer: "relu", "gelu" or a function.
        layer_norm_eps: of the layer norms.
        batch_first: inputs are (N, L, E) instead of (L, N, E).
        norm_first: normalize before attention and feed-forward instead of behind.
        bias: biases of linear layers and norms.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.
    """

    _has_memory = False

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        place: dict[str, Any] = {"device": device, "dtype": dtype}

        def attention() -> MultiheadAttention:
            return MultiheadAttention(
                d_model, nhead, dropout=dropout, batch_first=batch_first, bias=bias, **place
            )

        count = 3 if self._has_memory else 2
        self.self_attn = attention()
        if self._has_memory:
            self.multihead_attn = attention()
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **place)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **place)
        self.norm_first = norm_first
        for i in range(1, count + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **place))
        for i in range(1, count + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _activation(activation)

    def _sa_block(
        self, x: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None, is_causal: bool = False
    ) -> Tensor:
        x = self.self_attn(
            x, x, x, key_padding_mask, need_weights=False, attn_mask=attn_mask, is_causal=is_causal
        )[0]
        dropped: Tensor = self.dropout1(x)
        return dropped

    def _hidden(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return hidden


class TransformerEncoderLayer(_Layer):
    """Self-attention and a feed-forward network, each with a residual connection and layer norm.

    See ``_Layer`` for the arguments. ``forward(src, src_mask, src_key_padding_mask, is_causal)``: src
    (L, N, E), also without N; masks as in ``MultiheadAttention``; is_causal is a hint that src_mask hides all
    later positions and nothing else.
    """

    __doc__ = f"{__doc__}\n{_Layer.__doc__}"

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        padding = float_mask(src_key_padding_mask, "src_key_padding_mask", src.dtype)
        mask = float_mask(src_mask, "src_mask", src.dtype)
        x = src
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), mask, padding, is_causal)
            x = x + self._ff_block(self.norm2(x))
        else:
            x = self.norm1(x + self._sa_block(x, mask, padding, is_causal))
            x = self.norm2(x + self._ff_block(x))
        return x

    def _ff_block(self, x: Tensor) -> Tensor:
        dropped: Tensor = self.dropout2(self._hidden(x))
        return dropped


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's output, and a feed-forward network.

    Each has a residual connection and layer norm. See ``_Layer`` for the arguments. ``forward`` takes
    tgt (T, N, E), memory (S, N, E), and masks for each attention.
    """

    __doc__ = f"{__doc__}\n{_Layer.__doc__}"
    _has_memory = True

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        to_self = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        to_memory = (memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        x = tgt
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *to_self)
            x = x + self._mha_block(self.norm2(x), *to_memory)
            x = x + self._ff_block(self.norm3(x))
        else:
            x = self.norm1(x + self._sa_block(x, *to_self))
            x = self.norm2(x + self._mha_block(x, *to_memory))
            x = self.norm3(x + self._ff_block(x))
        return x

    def _mha_block(
        self,
        x: Tensor,
        mem: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        is_causal: bool = False,
    ) -> Tensor:
        x = self.multihead_attn(
            x, mem, mem, key_padding_mask, need_weights=False, attn_mask=attn_mask, is_causal=is_causal
        )[0]
        dropped: Tensor = self.dropout2(x)
        return dropped

    def _ff_block(self, x: Tensor) -> Tensor:
        dropped: Tensor = self.dropout3(self._hidden(x))
        return dropped


class TransformerEncoder(Module):
    """A stack of encoder layers.

    Args:
        encoder_layer: copied ``num_layers`` times; the copies start alike.
        num_layers: their number.
        norm: applied to the last output, or None.
        enable_nested_tensor: accepted and without effect: there are no nested tensors.
        mask_check: accepted and without effect.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        padding = float_mask(src_key_padding_mask, "src_key_padding_mask", src.dtype)
        mask = float_mask(mask, "mask", src.dtype)
        causal = _is_causal(mask, is_causal)
        output = src
        for layer in self.layers:
            output = layer(output, src_mask=mask, is_causal=causal, src_key_padding_mask=padding)
        return output if self.norm is None else self.norm(output)


class TransformerDecoder(Module):
    """A stack of decoder layers.

    Args:
        decoder_layer: copied ``num_layers`` times; the copies start alike.
        num_layers: their number.
        norm: applied to the last output, or None.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        causal = _is_causal(tgt_mask, tgt_is_causal)
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class Transformer(Module):
    """Encoder and decoder.

    Args:
        d_model: size of inputs and outputs, E.
        nhead: heads of attention.
        num_encoder_layers: layers of the encoder.
        num_decoder_layers: layers of the decoder.
        dim_feedforward: size of the hidden layers.
        dropout: probability of each dropout.
        activation: of the hidden layers: "relu", "gelu" or a function.
        custom_encoder: used instead of the encoder.
        custom_decoder: used instead of the decoder.
        layer_norm_eps: of the layer norms.
        batch_first: inputs are (N, L, E) instead of (L, N, E).
        norm_first: normalize before attention and feed-forward instead of behind.
        bias: biases of linear layers and norms.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.

    Shapes: src (S, N, E), tgt (T, N, E), each also without N; output as tgt. Matrices start from Xavier's
    uniform numbers.

    Raises:
        RuntimeError: batches of different sizes, or inputs that are not of size E.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        sizes = (
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
        )

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **place)

        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            encoder_layer = TransformerEncoderLayer(*sizes, bias, **place)
            self.encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm())
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            decoder_layer = TransformerDecoderLayer(*sizes, bias, **place)
            self.decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm())
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        if src.dim() == 3:
            batch = 0 if self.batch_first else 1
            if tgt.dim() != 3 or src.shape[batch] != tgt.shape[batch]:
                raise RuntimeError(
                    f"the batch number of src {tuple(src.shape)} and tgt {tuple(tgt.shape)} must be equal"
                )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"the feature number of src {tuple(src.shape)} and tgt {tuple(tgt.shape)} must be equal to "
                f"d_model ({self.d_model})"
            )
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        output: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
        return output

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """A mask that hides all later positions: (sz, sz), -inf above the diagonal, 0 elsewhere."""
        return _generate_square_subsequent_mask(sz, device, dtype)

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)
