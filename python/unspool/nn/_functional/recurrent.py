"""Recurrent layers as functions of flat lists of weights: lstm, gru, rnn_tanh, rnn_relu, and single steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import unspool
from unspool import _core
from unspool._arguments import require_tensor
from unspool._core import Tensor
from unspool.nn._functional.dropout import dropout

_hidden = _core.hidden


def run_layers(
    mode: str,
    input: Tensor,
    states: Sequence[Tensor] | None,
    weights: Callable[[int, int], Sequence[Any]],
    num_layers: int,
    directions: int,
    drop: Callable[[Tensor], Tensor] | None,
    steps: int,
    batch: int,
    sizes: list[int] | None,
) -> tuple[Tensor, list[Tensor]]:
    """All layers of a recurrent network.

    Args:
        mode: "lstm", "gru", "tanh" or "relu".
        input: (L, N, I), or rows in the order of a packed sequence.
        states: the first hidden states (layers * directions, N, H), of an LSTM also the cell states; or None.
        weights: gives input and hidden weights, their biases, and the projection of a layer and direction;
            None for each that there is not.
        num_layers: how many layers.
        directions: 1 or 2.
        drop: what happens between the layers.
        steps: L.
        batch: N.
        sizes: of the batch in each step of a packed sequence, else None.

    Returns:
        The outputs, and the last states.
    """
    finals: tuple[list[Tensor], list[Tensor]] = ([], [])
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            place = layer * directions + direction
            hidden = states[0][place] if states else None
            cell = states[1][place] if states and mode == "lstm" else None
            w_ih, w_hh, b_ih, b_hh, w_hr = weights(layer, direction)
            output, last, last_cell, _ = _hidden.recurrent(
                input,
                hidden,
                cell,
                w_ih,
                w_hh,
                b_ih,
                b_hh,
                w_hr,
                mode,
                direction == 1,
                steps,
                batch,
                sizes,
            )
            outputs.append(output)
            finals[0].append(last)
            finals[1].append(last_cell)
        input = outputs[0] if len(outputs) == 1 else unspool.cat(outputs, -1)
        if drop is not None and layer + 1 < num_layers:
            input = drop(input)
    used = finals if mode == "lstm" else finals[:1]
    return input, [f[0].unsqueeze(0) if len(f) == 1 else unspool.stack(f) for f in used]


def _flat_weights(
    name: str, params: Sequence[Tensor], has_biases: bool, num_layers: int, directions: int
) -> Callable[[int, int], list[Any]]:
    """What ``run_layers`` asks for, from one list of all layers and directions."""
    parts = 4 if has_biases else 2
    places = num_layers * directions
    has_projection = name == "lstm" and len(params) == places * (parts + 1)
    count = parts + has_projection
    if len(params) != places * count:
        raise RuntimeError(
            f"{name}: {num_layers} layers in {directions} direction(s) {'with' if has_biases else 'without'} "
            f"biases have {places * parts} params, got {len(params)}"
        )

    def of(layer: int, direction: int) -> list[Any]:
        start = (layer * directions + direction) * count
        own: list[Any] = list(params[start : start + parts])
        return own + [None] * (4 - parts) + [params[start + parts] if has_projection else None]

    return of


def _sequence(
    name: str, mode: str, input: Tensor, hx: Any, rest: tuple[Any, ...], options: dict[str, Any]
) -> tuple[Tensor, list[Tensor]]:
    """Sort out the two forms: (input, hx, params, ...), and (data, batch_sizes, hx, params, ...)."""
    is_packed = (
        isinstance(hx, Tensor)
        and bool(rest)
        and isinstance(rest[0], (Tensor, tuple, list))
        and (hx.ndim == 1 and not hx.is_floating_point())
    )
    names = ["params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first"]
    if is_packed:
        names = ["hx", *names[:-1]]
    if len(rest) > len(names):
        raise TypeError(f"{name}(): takes at most {2 + len(names)} arguments, got {2 + len(rest)}")
    given = dict(zip(names, rest, strict=False)) | options
    missing = [each for each in names if each not in given and each != "batch_first"]
    unknown = [each for each in given if each not in names]
    if missing or unknown:
        raise TypeError(f"{name}(): missing arguments {missing}, unknown arguments {unknown}")
    states = given["hx"] if is_packed else hx
    states = list(states) if mode == "lstm" else [states]
    directions = 2 if given["bidirectional"] else 1
    weights = _flat_weights(name, given["params"], given["has_biases"], given["num_layers"], directions)
    p, train = float(given["dropout"]), bool(given["train"])
    drop = (lambda x: dropout(x, p, train)) if p else None
    shared = (mode, states, weights, given["num_layers"], directions, drop)
    if is_packed:
        sizes = hx.tolist()
        return _run(input, shared, len(sizes), sizes[0], sizes)
    is_swapped = bool(given.get("batch_first", False))
    if input.ndim != 3:
        raise RuntimeError(f"{name}: input must have 3 dimensions, got {tuple(input.shape)}")
    steps = input.transpose(0, 1) if is_swapped else input
    output, finals = _run(steps, shared, steps.shape[0], steps.shape[1], None)
    return output.transpose(0, 1) if is_swapped else output, finals


def _run(
    input: Tensor, shared: tuple[Any, ...], steps: int, batch: int, sizes: list[int] | None
) -> tuple[Tensor, list[Tensor]]:
    mode, states, weights, num_layers, directions, drop = shared
    return run_layers(
        mode, input, states, weights, num_layers, directions, drop, steps=steps, batch=batch, sizes=sizes
    )


def lstm(input: Tensor, hx: Any, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Long short-term memory over a sequence, with weights as one flat list.

    Args:
        input: (L, N, I), or the data of a packed sequence.
        hx: the hidden and the cell state, (layers * directions, N, H) each; after packed data its batch
            sizes, and the states behind them.
        *args: params (per layer and direction: weights of input and hidden state, their biases, and the
            projection where there is one), has_biases, num_layers, dropout, train, bidirectional and, but for
            packed data, batch_first.
        **kwargs: the same by name.

    Returns:
        (output, last hidden state, last cell state).
    """
    output, finals = _sequence("lstm", "lstm", input, hx, args, kwargs)
    return output, finals[0], finals[1]


def gru(input: Tensor, hx: Any, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Gated recurrent units over a sequence; arguments as ``lstm``, with one state."""
    output, finals = _sequence("gru", "gru", input, hx, args, kwargs)
    return output, finals[0]


def rnn_tanh(input: Tensor, hx: Any, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Elman's network with tanh over a sequence; arguments as ``lstm``, with one state."""
    output, finals = _sequence("rnn_tanh", "tanh", input, hx, args, kwargs)
    return output, finals[0]


def rnn_relu(input: Tensor, hx: Any, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Elman's network with relu over a sequence; arguments as ``lstm``, with one state."""
    output, finals = _sequence("rnn_relu", "relu", input, hx, args, kwargs)
    return output, finals[0]


def step(
    mode: str, input: Tensor, hidden: Tensor | None, cell: Tensor | None, weights: Sequence[Any]
) -> tuple[Tensor, Tensor]:
    """The hidden and the cell state after one input (N, I) or (I,)."""
    if require_tensor("input", input, f"{mode}_cell").ndim == 1:
        rows = [None if state is None else state.unsqueeze(0) for state in (hidden, cell)]
        output, last_cell = step(mode, input.unsqueeze(0), rows[0], rows[1], weights)
        return output.squeeze(0), last_cell.squeeze(0) if mode == "lstm" else last_cell
    w_ih, w_hh, b_ih, b_hh = weights
    output, _, last_cell, _ = _hidden.recurrent(
        input, hidden, cell, w_ih, w_hh, b_ih, b_hh, None, mode, False, 1, input.shape[0]
    )
    return output, last_cell


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of ``lstm``; hx is the hidden and the cell state."""
    return step("lstm", input, hx[0], hx[1], (w_ih, w_hh, b_ih, b_hh))


def gru_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of ``gru``."""
    return step("gru", input, hx, None, (w_ih, w_hh, b_ih, b_hh))[0]


def rnn_tanh_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of ``rnn_tanh``."""
    return step("tanh", input, hx, None, (w_ih, w_hh, b_ih, b_hh))[0]


def rnn_relu_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of ``rnn_relu``."""
    return step("relu", input, hx, None, (w_ih, w_hh, b_ih, b_hh))[0]


__all__ = [
    "gru",
    "gru_cell",
    "lstm",
    "lstm_cell",
    "rnn_relu",
    "rnn_relu_cell",
    "rnn_tanh",
    "rnn_tanh_cell",
]
