"""unspool.train: stopping early, frozen parameters, groups by depth, loading what fits, features."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import unspool as us
from unspool import nn, optim
from unspool.train import (
    EarlyStopping,
    Features,
    freeze,
    load_matching,
    parameter_groups,
    unfreeze,
)


def network() -> nn.Module:
    us.manual_seed(0)
    features = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.BatchNorm1d(6))
    return nn.Sequential(us_dict(features=features, head=nn.Linear(6, 3)))


def us_dict(**modules: nn.Module) -> Any:
    from collections import OrderedDict

    return OrderedDict(modules)


def as_lists(module: nn.Module) -> dict[str, Any]:
    return {name: value.tolist() for name, value in module.state_dict().items()}


# EarlyStopping ----------------------------------------------------------------------------------------------


def stops_at(stopping: EarlyStopping, figures: list[float]) -> int | None:
    return next((i for i, figure in enumerate(figures) if stopping.step(figure)), None)


@pytest.mark.parametrize(
    ("options", "figures", "expected", "best"),
    [
        ({"patience": 2}, [3, 2, 2, 2, 1], 3, 1),
        ({"patience": 2}, [3, 2, 2, 1, 1, 1], 5, 3),
        ({"patience": 3, "mode": "max"}, [0.1, 0.5, 0.4, 0.4, 0.4], 4, 1),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.7, 2.5, 2.4], 2, 0),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.75, 2.25, 2, 2], 4, 2),
        ({"patience": 2}, [float("nan"), float("nan"), 1.0], 1, None),
        ({"patience": 5}, [float("nan"), 2.0, float("inf"), 3.0], None, 1),
    ],
)
def test_stops_after_patience_steps_without_a_better_figure(
    options: dict[str, Any], figures: list[float], expected: int | None, best: int | None
) -> None:
    stopping = EarlyStopping(**options)
    assert stops_at(stopping, figures) == expected
    assert stopping.best_step == best
    assert stopping.best == (None if best is None else figures[best])
    assert stopping.stopped == (expected is not None)


def test_the_best_weights_and_statistics_come_back() -> None:
    model = network()
    stopping = EarlyStopping(patience=2, restore_best=True)
    kept: dict[str, Any] = {}
    for figure in (us.tensor(2.0), 1.0, 3.0, 3.0):
        model(us.randn(5, 4))  # moves the running statistics
        with us.no_grad():
            for parameter in model.parameters():
                parameter.add_(1.0)
        if figure == 1.0:
            kept = as_lists(model)
        assert stopping.step(figure, model) == (stopping.waited == 2)
    assert as_lists(model) == kept


def test_the_best_weights_can_be_restored_before_it_stops() -> None:
    model = network()
    stopping = EarlyStopping(restore_best=True)
    assert not stopping.restore(model)
    stopping.step(1.0, model)
    kept = as_lists(model)
    with us.no_grad():
        model.head.weight.zero_()
    assert stopping.restore(model)
    assert as_lists(model) == kept


def test_progress_is_saved_and_loaded_through_a_file() -> None:
    figures = [3.0, 2.0, 1.0, 1.5, 1.2, 1.1, 1.1]
    whole, first = (EarlyStopping(patience=3, restore_best=True) for _ in range(2))
    model = network()
    for figure in figures[:5]:
        first.step(figure, model)
        whole.step(figure, model)
    file = io.BytesIO()
    us.save(first.state_dict(), file)
    file.seek(0)
    second = EarlyStopping(patience=3, restore_best=True)
    second.load_state_dict(us.load(file))
    best = as_lists(model)
    with us.no_grad():
        model.head.weight.zero_()
    assert [second.step(f, model) for f in figures[5:]] == [whole.step(f, model) for f in figures[5:]]
    assert as_lists(model) == best
    assert second.best == 1.0


@pytest.mark.parametrize(
    ("options", "word"),
    [({"patience": 0}, "patience"), ({"min_delta": -1}, "min_delta"), ({"mode": "least"}, "least")],
)
def test_bad_settings_are_refused(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        EarlyStopping(**options)


def test_misuse_of_stopping_is_named() -> None:
    with pytest.raises(ValueError, match=r"step\(value, model\)"):
        EarlyStopping(restore_best=True).step(1.0)
    with pytest.raises(ValueError, match="mode"):
        EarlyStopping(mode="max").load_state_dict(EarlyStopping().state_dict())


# Freezing and groups ----------------------------------------------------------------------------------------


def test_freezing_by_pattern_stops_gradients_and_updates() -> None:
    model = network()
    frozen = freeze(model, "features", "*.bias")
    expected = [name for name, _ in model.named_parameters() if name != "head.weight"]
    assert frozen == expected
    before = as_lists(model)
    optimizer = optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model.eval()
    model(us.randn(5, 4)).sum().backward()
    optimizer.step()
    after = as_lists(model)
    assert [name for name in before if before[name] != after[name]] == ["head.weight"]
    assert unfreeze(model, "features.0") == ["features.0.weight", "features.0.bias"]
    assert unfreeze(model) == [name for name, _ in model.named_parameters()]
    assert all(p.requires_grad for p in model.parameters())


def test_freezing_drops_the_gradient_that_is_there() -> None:
    model = network()
    model(us.randn(5, 4)).sum().backward()
    freeze(model, "head")
    assert model.head.weight.grad is None
    assert model.features[0].weight.grad is not None


def test_a_pattern_that_means_nothing_is_an_error_with_suggestions() -> None:
    with pytest.raises(ValueError, match=r"'featurs' means no parameter.*features"):
        freeze(network(), "featurs")
    with pytest.raises(TypeError, match="int"):
        freeze(network(), 3)  # type: ignore[arg-type]


def test_rates_fall_with_depth_and_rules_replace_them() -> None:
    model = network()
    rules = {"head": 0.5, "*.bias": {"weight_decay": 0.0}}
    groups = parameter_groups(model, 0.1, rules, depth_decay=0.5)
    options = {
        name: {key: value for key, value in group.items() if key != "params"}
        for group in groups
        for name, _ in group["params"]
    }
    assert options == {
        "features.0.weight": {"lr": 0.1 * 0.5**3},
        "features.0.bias": {"lr": 0.1 * 0.5**3, "weight_decay": 0.0},
        "features.2.weight": {"lr": 0.1 * 0.5**2},
        "features.2.bias": {"lr": 0.1 * 0.5**2, "weight_decay": 0.0},
        "features.3.weight": {"lr": 0.1 * 0.5},
        "features.3.bias": {"lr": 0.1 * 0.5, "weight_decay": 0.0},
        "head.weight": {"lr": 0.5},
        "head.bias": {"lr": 0.5, "weight_decay": 0.0},
    }


def test_groups_drive_an_optimizer_at_their_rates() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    optimizer = optim.SGD(parameter_groups(model, 1.0, depth_decay=0.1))
    before = [p.detach().clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = us.ones_like(p)
    optimizer.step()
    steps = [(b - p).mean().item() for b, p in zip(before, model.parameters(), strict=True)]
    np.testing.assert_allclose(steps, [0.1, 1.0], rtol=1e-6)
    assert optimizer.param_groups[0]["param_names"] == ["0.weight"]


def test_groups_leave_frozen_parameters_out() -> None:
    model = network()
    freeze(model, "features")
    groups = parameter_groups(model, 0.1, depth_decay=0.5)
    assert [name for group in groups for name, _ in group["params"]] == ["head.weight", "head.bias"]
    assert groups[0]["lr"] == 0.1
    freeze(model)
    with pytest.raises(ValueError, match="unfreeze"):
        parameter_groups(model, 0.1)
    unfreeze(model, "head")
    with pytest.raises(ValueError, match="'features' means no parameter that is trained"):
        parameter_groups(model, 0.1, {"features": 0.1})


@pytest.mark.parametrize("options", [{"lr": -1.0}, {"lr": 0.1, "depth_decay": 0.0}])
def test_rates_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        parameter_groups(network(), **options)


# Loading what fits ------------------------------------------------------------------------------------------


def test_renamed_partial_states_are_loaded_and_reported() -> None:
    source, target = network(), network()
    state = {f"module.{name.replace('features', 'backbone')}": v for name, v in source.state_dict().items()}
    state["module.head.weight"] = us.zeros(10, 6)
    state["epoch"] = us.tensor(3)
    del state["module.head.bias"]
    with us.no_grad():
        for parameter in source.parameters():
            parameter.mul_(2)
    report = load_matching(target, state, {"module.backbone": "features", "module": ""})
    assert report.loaded == [name for name in target.state_dict() if name.startswith("features")]
    assert report.renamed["features.0.weight"] == "module.backbone.0.weight"
    assert report.missing == ["head.bias"]
    assert report.mismatched == {"head.weight": ((3, 6), (10, 6))}
    assert report.unused == ["epoch"]
    for name in report.loaded:
        assert target.state_dict()[name].tolist() == state[report.renamed[name]].tolist()
    text = str(report)
    for word in ("1 missing", "features.0.weight  from module.backbone.0.weight", "(3, 6)", "unused   epoch"):
        assert word in text


def test_names_can_be_put_under_a_module_mapped_by_a_function_and_chosen() -> None:
    donor = nn.Linear(6, 3)
    model = network()
    report = load_matching(model, donor.state_dict(), {"": "head"}, only="head")
    assert report.loaded == ["head.weight", "head.bias"]
    assert not report.missing
    assert model.head.weight.tolist() == donor.weight.tolist()
    report = load_matching(
        model, donor.state_dict(), lambda name: f"head.{name}" if name == "bias" else None, only=["head.*"]
    )
    assert (report.loaded, report.missing, report.unused) == (["head.bias"], ["head.weight"], ["weight"])


def test_the_gradient_flag_and_the_dtype_of_the_module_stay() -> None:
    model = network()
    freeze(model, "head")
    load_matching(model, {name: v.double() for name, v in network().state_dict().items()})
    assert model.head.weight.dtype == us.float32
    assert not model.head.weight.requires_grad


def test_states_that_do_not_fit_at_all_are_refused_with_the_report() -> None:
    model = network()
    before = as_lists(model)
    with pytest.raises(ValueError, match=r"nothing fits Sequential(.|\n)*missing  head.weight"):
        load_matching(model, {"weight": us.zeros(2)})
    with pytest.raises(ValueError, match=r"both become 'head\.weight'"):
        load_matching(model, {"a.weight": us.zeros(2), "b.weight": us.zeros(2)}, {"a": "head", "b": "head"})
    with pytest.raises(TypeError, match="list"):
        load_matching(model, [1])  # type: ignore[arg-type]
    assert as_lists(model) == before


# Features ---------------------------------------------------------------------------------------------------


def test_features_are_the_outputs_of_the_modules_and_carry_gradients() -> None:
    model = network().eval()
    x = us.randn(5, 4)
    with Features(model, "features", "features.1") as seen:
        scores = model(x)
    assert list(seen) == ["features", "features.1"]
    assert seen["features.1"].tolist() == model.features[0](x).relu().tolist()
    assert model.head(seen["features"]).tolist() == scores.tolist()
    seen["features.1"].sum().backward()
    assert model.features[0].weight.grad is not None
    model(us.randn(7, 4))
    assert len(seen["features"]) == 5  # nothing is recorded outside


def test_modules_that_ran_often_or_not_at_all_say_so() -> None:
    model = network().eval()
    with Features(model, "features.*", "head") as seen:
        model.head(us.randn(2, 6))
        model.head(us.randn(3, 6))
    assert "features.2" in seen
    assert [len(each) for each in seen.all("head")] == [2, 3]
    with pytest.raises(ValueError, match="ran 2 times"):
        seen["head"]
    with pytest.raises(KeyError, match="did not run"):
        seen["features.0"]
    with pytest.raises(KeyError, match="is not recorded"):
        seen["features"]
    with pytest.raises(ValueError, match=r"'hed' means no module.*head"):
        Features(model, "hed")
    with pytest.raises(ValueError, match="at least one"):
        Features(model)


def test_recording_ends_when_the_network_fails() -> None:
    model = network()
    features = Features(model, "head")
    with pytest.raises(RuntimeError), features:
        model(us.randn(5, 3))
    model.eval()(us.randn(5, 4))
    assert features.all("head") == []
    with features as seen:
        model(us.randn(5, 4))
    assert len(seen["head"]) == 5


def test_calls_that_make_no_sense_say_what_is_wrong() -> None:
    with pytest.raises(TypeError, match="freeze: expected a Module, not int"):
        freeze(3)  # type: ignore[arg-type]
    stopping = EarlyStopping()
    state = stopping.state_dict()
    del state["best"], state["waited"]
    with pytest.raises(KeyError, match="lacks best, waited"):
        stopping.load_state_dict(state)
