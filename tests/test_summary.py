"""summary(): counts by hand, memory by the allocator, and a model that is left as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn


def convolutional() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(),
        nn.Sequential(nn.Linear(108, 6), nn.Tanh()), nn.Dropout(0.5), nn.Linear(6, 4),
    )  # fmt: skip


def test_shapes_parameters_and_work_are_those_counted_by_hand() -> None:
    model = convolutional()
    model[6].bias.requires_grad_(False)
    table = us.summary(model, us.randn(2, 1, 8, 8))
    rows = {layer.path: layer for layer in table.layers}
    assert list(rows) == ["", "0", "1", "2", "3", "4", "4.0", "4.1", "5", "6"]
    assert rows["0"].outputs == [(2, 3, 6, 6)]
    assert rows["0"].trainable == 3 * 9 + 3
    assert rows["0"].flops == 2 * (2 * 3 * 6 * 6) * 9
    assert rows["4.0"].flops == 2 * 2 * 108 * 6
    assert rows["2"].flops == 2 * 3 * 6 * 6
    assert rows["3"].flops == 0
    assert (rows["6"].trainable, rows["6"].frozen) == (24, 4)
    assert table.trainable + table.frozen == sum(p.numel() for p in model.parameters())
    assert table.flops == sum(layer.flops for layer in table.layers)


def test_products_count_two_for_each_multiplication() -> None:
    class Batched(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a @ b

    assert us.summary(Batched(), us.randn(7, 2, 3), us.randn(7, 3, 5)).flops == 2 * 7 * 2 * 3 * 5
    lstm = us.summary(nn.LSTM(4, 5, bias=False), us.randn(7, 2, 4))
    assert lstm.flops == 2 * 7 * 2 * (4 * 20 + 5 * 20)


def test_kept_bytes_are_what_the_tape_holds() -> None:
    x = us.randn(64, 32)
    model = nn.Sequential(nn.Linear(32, 48), nn.Sigmoid(), nn.Linear(48, 16))
    table = us.summary(model, x)
    kept = {layer.path: layer.kept_bytes for layer in table.layers}
    # The output of the sigmoid serves its own rule and the weight of the next layer; x is the caller's.
    assert kept == {"": 0, "0": 0, "1": 64 * 48 * 4, "2": 0}
    results = 64 * 16 * 4
    assert table.kept_bytes + results <= table.allocated_bytes <= 1.1 * (table.kept_bytes + results)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert us.summary(model, x).kept_bytes == 0


def test_the_model_is_left_as_it_was() -> None:
    model = convolutional()
    seen: list[Any] = []
    model[0].register_forward_hook(lambda *_: seen.append(1))
    model[4].eval()
    state = {name: value.tolist() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    random = us.get_rng_state().tolist(), np.random.get_state()[1].tolist()
    us.summary(model, us.ones(2, 1, 8, 8))
    assert {name: value.tolist() for name, value in model.state_dict().items()} == state
    assert [module.training for module in model.modules()] == modes
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert (us.get_rng_state().tolist(), np.random.get_state()[1].tolist()) == random
    assert all(parameter.grad is None for parameter in model.parameters())
    assert seen == [1]


def test_a_part_of_a_model_can_be_summarised_and_shared_layers_count_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.tied = nn.Linear(4, 4)
            self.tied.weight = self.layer.weight

        def forward(self, x: Any) -> Any:
            return self.tied(self.layer(self.layer(x)))

    whole = nn.Sequential(Twice(), nn.Linear(4, 2))
    table = us.summary(whole[0], us.randn(3, 4))
    rows = {layer.path: layer for layer in table.layers}
    assert rows["layer"].calls == 2
    assert rows["layer"].flops == 2 * (2 * 3 * 4 * 4)
    assert (rows["layer"].trainable, rows["tied"].trainable) == (20, 4)
    assert "×2" in str(table)


def test_table_as_text_and_html() -> None:
    table = us.summary(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), us.randn(5, 3))
    lines = str(table).splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "parameters", "flops", "kept"]
    assert lines[3].split() == ["0", "Linear", "(5×4)", "16", "120"]
    assert "16 trainable parameters, 0 frozen" in lines
    assert repr(table) == str(table)
    html = table._repr_html_()
    assert html.count("<tr>") == html.count("</tr>") == 4
    assert "<b>" not in us.summary(nn.Sequential(nn.Identity()), us.ones(1))._repr_html_()


def test_what_cannot_be_summarised() -> None:
    with pytest.raises(TypeError, match="summary: expected a Module, not function"):
        us.summary(lambda x: x, us.ones(1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"weight has no shape yet; call the model once"):
        us.summary(nn.LazyLinear(3), us.ones(2, 2))
    model = convolutional()
    with pytest.raises(RuntimeError):
        us.summary(model, us.randn(2, 5))
    model(us.randn(2, 1, 8, 8))
