"""Single steps of recurrent layers: RNNCell, LSTMCell, GRUCell."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

import math
from typing import Any

import unspool
from unspool._core import Tensor
from unspool.nn import init
from unspool.nn._functional.recurrent import step
from unspool.nn.modules.module import Module
from unspool.nn.parameter import Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells share.

    Args:
        input_size: features of the input, I.
        hidden_size: features of the hidden state, H.
        bias: whether ``bias_ih`` and ``bias_hh`` are added.
        num_chunks: number of gates.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.

    Shapes: input (N, I) or (I,), hidden states (N, H) or (H,), zeros where None; ``weight_ih``
    (gates * H, I), ``weight_hh`` (gates * H, H), ``bias_ih`` and ``bias_hh`` (gates * H,). All start from
    U(-k, k) with k = 1 / sqrt(H).

    Raises:
        ValueError: an input or a state of another number of dimensions.
        RuntimeError: an input or a state of another shape.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(unspool.empty((rows, input_size), **factory))
        self.weight_hh = Parameter(unspool.empty((rows, hidden_size), **factory))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(unspool.empty(rows, **factory)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new initial values from U(-k, k), k = 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def extra_repr(self) -> str:
        shown = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            shown += f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return shown if nonlinearity == "tanh" else f"{shown}, nonlinearity={nonlinearity}"

    def _check(self, input: Tensor, states: list[Tensor]) -> None:
        name = self._get_name()
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {input.shape[-1]} expected {self.input_size}"
            )
        for i, state in enumerate(states):
            if state.ndim not in (1, 2):
                raise ValueError(f"{name}: Expected hidden to be 1D or 2D, got {state.ndim}D instead")
            if state.ndim != input.ndim or state.shape[:-1] != input.shape[:-1]:
                raise RuntimeError(
                    f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {state.shape[0]}"
                )
            if state.shape[-1] != self.hidden_size:
                raise RuntimeError(
                    f"hidden{i} has inconsistent hidden_size: got {state.shape[-1]}, "
                    f"expected {self.hidden_size}"
                )

    def _step(
        self, mode: str, input: Tensor, hidden: Tensor | None, cell: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The new hidden and cell state."""
        self._check(input, [state for state in (hidden, cell) if state is not None])
        return step(mode, input, hidden, cell, (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh))


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu.

    Args:
        input_size: features of the input.
        hidden_size: features of the hidden state.
        bias: whether the biases are added.
        nonlinearity: "tanh" or "relu".
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.

    ``forward(input, hx=None)`` returns h'.

    Raises:
        RuntimeError: at the call, another nonlinearity.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(self.nonlinearity, input, hx, None)[0]


class LSTMCell(RNNCellBase):
    """One step of ``LSTM``; ``forward(input, (h, c)=None)`` returns (h', c').

    Args:
        input_size: features of the input.
        hidden_size: features of the hidden and the cell state.
        bias: whether the biases are added.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        hidden, cell = (None, None) if hx is None else hx
        return self._step("lstm", input, hidden, cell)


class GRUCell(RNNCellBase):
    """One step of ``GRU``; ``forward(input, hx=None)`` returns h'.

    Args:
        input_size: features of the input.
        hidden_size: features of the hidden state.
        bias: whether the biases are added.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step("gru", input, hx, None)[0]
