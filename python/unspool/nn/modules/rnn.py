"""Recurrent layers over whole sequences: RNN, LSTM, GRU. Single steps are in ``rnn_cell.py``."""

# ruff: noqa: D102 (the class says what forward computes and takes)

from __future__ import annotations

import math
from typing import Any

import unspool
from unspool._core import Tensor
from unspool._warning import warn
from unspool.nn import functional as F
from unspool.nn import init
from unspool.nn._functional.recurrent import run_layers
from unspool.nn.modules.module import Module
from unspool.nn.parameter import Parameter
from unspool.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

_CELLS = {"LSTM": ("lstm", 4), "GRU": ("gru", 3), "RNN_TANH": ("tanh", 1), "RNN_RELU": ("relu", 1)}


class RNNBase(Module):
    """Layers of recurrent cells, each layer in one direction or two.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size: features of each input, I.
        hidden_size: features of each hidden state, H.
        num_layers: layers; each but the first takes the outputs of the one below.
        bias: whether ``bias_ih_l*`` and ``bias_hh_l*`` are added.
        batch_first: input and output are (N, L, ...) instead of (L, N, ...); hidden states stay as they are.
        dropout: probability of dropout on the outputs of all layers but the last.
        bidirectional: whether a second set of cells runs from the end; their outputs are joined.
        proj_size: LSTM only: where above 0, hidden states are projected to this many features.
        device: where the parameters live.
        dtype: of the parameters; the default dtype where None.

    Shapes: input (L, N, I), (L, I) without a batch, or a PackedSequence; hidden states
    (num_layers * directions, N, H_out); output (L, N, directions * H_out), packed where the input is.
    Parameters of layer k: ``weight_ih_lk`` (gates * H, inputs), ``weight_hh_lk`` (gates * H, H_out),
    ``bias_ih_lk`` and ``bias_hh_lk`` (gates * H,), ``weight_hr_lk`` (proj_size, H), and the same with
    ``_reverse``; all start from U(-k, k) with k = 1 / sqrt(H).

    Raises:
        TypeError: a size of the wrong kind.
        ValueError: sizes that make no layer; an input of another number of dimensions or dtype.
        RuntimeError: an input or a state of another shape.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in _CELLS:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_sizes()
        self._flat_weights_names: list[str] = []
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        for layer in range(num_layers):
            for direction in range(2 if bidirectional else 1):
                self._add_layer(layer, "_reverse" if direction else "", factory)
        self.reset_parameters()

    def _check_sizes(self) -> None:
        dropout: Any = self.dropout
        if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being "
                "zeroed"
            )
        if dropout > 0 and self.num_layers == 1:
            warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
            )
        for name in ("bias", "batch_first"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} should be of type bool, got: {type(getattr(self, name)).__name__}")
        for name in ("input_size", "hidden_size"):
            size = getattr(self, name)
            if not isinstance(size, int):
                raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.proj_size > 0 and self.mode != "LSTM":
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")

    @property
    def _output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _add_layer(self, layer: int, suffix: str, factory: dict[str, Any]) -> None:
        rows = _CELLS[self.mode][1] * self.hidden_size
        inputs = self.input_size if layer == 0 else self._output_size * (2 if self.bidirectional else 1)
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, inputs),
            "weight_hh": (rows, self._output_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size > 0:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        for name, shape in shapes.items():
            full = f"{name}_l{layer}{suffix}"
            self._flat_weights_names.append(full)
            self.register_parameter(full, Parameter(unspool.empty(shape, **factory)))

    def reset_parameters(self) -> None:
        """Draws new initial values from U(-k, k), k = 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Does nothing: weights are read where they lie."""

    @property
    def _all_weights(self) -> list[list[str]]:
        """The parameters' names by layer and direction: scripts set forget gates' biases by them."""
        count = 2 + 2 * bool(self.bias) + (self.proj_size > 0)
        names = self._flat_weights_names
        return [names[i : i + count] for i in range(0, len(names), count)]

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._flat_weights_names]

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        for name, default in defaults.items():
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value}")
        return ", ".join(parts)

    # -- forward ---------------------------------------------------------------------------------------

    def _check_state(self, state: Tensor, batch: int, name: str, width: int) -> None:
        wanted = (self.num_layers * (2 if self.bidirectional else 1), batch, width)
        if tuple(state.shape) != wanted:
            raise RuntimeError(f"Expected {name} size {wanted}, got {list(state.shape)}")

    def _check_input(self, input: Tensor) -> None:
        weight: Tensor = getattr(self, "weight_ih_l0")  # noqa: B009
        if input.dtype != weight.dtype:
            raise ValueError(
                f"{type(self).__name__}: input dtype ({input.dtype}) does not match weight dtype "
                f"({weight.dtype}). Convert input: input.to({weight.dtype}), or convert model: "
                f"model.to({input.dtype})"
            )
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.shape[-1]}"
            )

    def _weights(self, layer: str) -> list[Any]:
        """Weights and biases of a layer and direction, by name where something took a parameter's place."""
        parameters = self._parameters
        found: list[Any] = []
        for part, exists in (
            ("weight_ih", True),
            ("weight_hh", True),
            ("bias_ih", self.bias),
            ("bias_hh", self.bias),
            ("weight_hr", self.proj_size > 0),
        ):
            value = parameters.get(part + layer) if exists else None
            found.append(getattr(self, part + layer) if exists and value is None else value)
        return found

    def _run(
        self, input: Tensor, states: list[Tensor] | None, steps: int, batch: int, sizes: list[int] | None
    ) -> tuple[Tensor, list[Tensor]]:
        """All layers: input (L, N, I) or packed rows; states (layers * directions, N, ...)."""
        suffixes = ("", "_reverse")

        def drop(outputs: Tensor) -> Tensor:
            return F.dropout(outputs, self.dropout, self.training)

        return run_layers(
            _CELLS[self.mode][0],
            input,
            states,
            lambda layer, direction: self._weights(f"_l{layer}{suffixes[direction]}"),
            self.num_layers,
            2 if self.bidirectional else 1,
            drop if self.dropout else None,
            steps,
            batch,
            sizes,
        )

    def _packed(
        self, input: PackedSequence, given: list[Tensor] | None
    ) -> tuple[PackedSequence, list[Tensor]]:
        data, batch_sizes, order, back = input
        sizes = batch_sizes.tolist()
        if data.ndim != 2:
            raise RuntimeError(f"input must have 2 dimensions, got {data.ndim}")
        self._check_input(data)
        if given is not None:
            self._check_states(given, sizes[0])
            if order is not None:
                given = [state.index_select(1, order) for state in given]
        output, finals = self._run(data, given, len(sizes), sizes[0], sizes)
        if back is not None:
            finals = [state.index_select(1, back) for state in finals]
        return PackedSequence(output, batch_sizes, order, back), finals

    def _check_states(self, states: list[Tensor], batch: int) -> None:
        is_lstm = self.mode == "LSTM"
        self._check_state(states[0], batch, "hidden[0]" if is_lstm else "hidden", self._output_size)
        if is_lstm:
            self._check_state(states[1], batch, "hidden[1]", self.hidden_size)

    def _plain(self, input: Tensor, given: list[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        if input.ndim not in (2, 3):
            raise ValueError(f"{self._get_name()}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        is_batched = input.ndim == 3
        if given is not None and any(state.ndim != input.ndim for state in given):
            names = "hx and cx" if len(given) == 2 else "hx"
            found = ", ".join(f"{state.ndim}-D" for state in given)
            kind = "batched 3-D" if is_batched else "unbatched 2-D"
            raise RuntimeError(
                f"For {kind} input, {names} should also be {input.ndim}-D but got {found} tensors"
            )
        if not is_batched:
            input = input.unsqueeze(1)
            given = None if given is None else [state.unsqueeze(1) for state in given]
        elif self.batch_first:
            input = input.transpose(0, 1)
        self._check_input(input)
        steps, batch = input.shape[0], input.shape[1]
        if steps == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        if given is not None:
            self._check_states(given, batch)
        output, finals = self._run(input, given, steps, batch, None)
        if not is_batched:
            return output.squeeze(1), [state.squeeze(1) for state in finals]
        return output.transpose(0, 1) if self.batch_first else output, finals

    def _forward(self, input: Any, given: list[Tensor] | None) -> tuple[Any, list[Tensor]]:
        if isinstance(input, PackedSequence):
            return self._packed(input, given)
        return self._plain(input, given)


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or with relu (Elman 1990).

    Args:
        *args: those of ``RNNBase`` behind ``mode``; ``nonlinearity`` stands fourth.
        **kwargs: the same by name; ``nonlinearity`` is "tanh" or "relu".

    ``forward(input, hx=None)`` returns (output, h_n).

    Raises:
        ValueError: another nonlinearity.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self_nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self_nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self_nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self_nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{self_nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = self_nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, finals = self._forward(input, None if hx is None else [hx])
        return output, finals[0]


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).

    i, f, o = sigmoid and g = tanh of their parts of W_ih x_t + b_ih + W_hh h_{t-1} + b_hh;
    c_t = f c_{t-1} + i g; h_t = o tanh(c_t), then W_hr h_t where ``proj_size`` is above 0.

    Args:
        *args: those of ``RNNBase`` behind ``mode``.
        **kwargs: the same by name.

    ``forward(input, (h_0, c_0)=None)`` returns (output, (h_n, c_n)).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        output, finals = self._forward(input, None if hx is None else [hx[0], hx[1]])
        return output, (finals[0], finals[1])


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014).

    r, z = sigmoid of their parts of W_ih x_t + b_ih + W_hh h_{t-1} + b_hh;
    n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn)); h_t = (1 - z) n + z h_{t-1}.

    Args:
        *args: those of ``RNNBase`` behind ``mode``.
        **kwargs: the same by name.

    ``forward(input, hx=None)`` returns (output, h_n).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, finals = self._forward(input, None if hx is None else [hx])
        return output, finals[0]
