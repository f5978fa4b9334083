"""An optimizer's state with parameters replaced by numbers, for files, and back."""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import Any

from unspool._core import Tensor

Groups = list[dict[str, Any]]


def packed_state(state: dict[Any, Any], groups: Groups) -> dict[str, Any]:
    """The state by parameter number, parameters being numbered through all groups in order."""
    numbers: dict[int, int] = {}
    packed_groups = []
    for group in groups:
        for parameter in group["params"]:
            numbers.setdefault(id(parameter), len(numbers))
        packed = {name: value for name, value in group.items() if name != "params"}
        packed["params"] = [numbers[id(parameter)] for parameter in group["params"]]
        packed_groups.append(packed)
    packed_state = {
        (numbers.get(id(key), key) if isinstance(key, Tensor) else key): value for key, value in state.items()
    }
    return {"state": packed_state, "param_groups": packed_groups}


def unpacked_state(packed: dict[str, Any], groups: Groups) -> tuple[defaultdict[Any, Any], Groups]:
    """State and groups for the parameters of ``groups``, from what ``packed_state`` returned.

    Raises:
        ValueError: the number of groups, or of parameters in one of them, differs.
    """
    saved_groups = [dict(group) for group in packed["param_groups"]]
    if len(saved_groups) != len(groups):
        raise ValueError(
            f"loaded state dict has a different number of parameter groups: {len(saved_groups)}, the "
            "optimizer has "
            f"{len(groups)}"
        )
    parameters: dict[Any, Tensor] = {}
    for i, (saved, own) in enumerate(zip(saved_groups, groups, strict=True)):
        if len(saved["params"]) != len(own["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                "group: "
                f"group {i} has {len(saved['params'])} parameters there and {len(own['params'])} here"
            )
        parameters.update(zip(saved["params"], own["params"], strict=True))
    state: defaultdict[Any, Any] = defaultdict(dict)
    for key, value in packed["state"].items():
        parameter = parameters.get(key)
        if parameter is None:
            state[key] = copy.deepcopy(value)
        else:
            state[parameter] = _converted(parameter, value)
    return state, [_merged(saved, own) for saved, own in zip(saved_groups, groups, strict=True)]


def _merged(saved: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The saved hyperparameters with the optimizer's own parameters (and their names, where it has them)."""
    merged = {name: copy.deepcopy(value) for name, value in saved.items() if name != "params"}
    merged["params"] = own["params"]
    if "param_names" in own:
        merged["param_names"] = own["param_names"]
    else:
        merged.pop("param_names", None)
    return merged


def _converted(parameter: Tensor, value: Any, name: str | None = None) -> Any:
    """A copy of ``value``, its floating point tensors in the dtype and on the device of ``parameter``."""
    if isinstance(value, Tensor):
        if name == "step":
            return value.detach().clone()
        dtype = (
            parameter.dtype if parameter.is_floating_point() and value.is_floating_point() else value.dtype
        )
        return value.detach().to(device=parameter.device, dtype=dtype, copy=True)
    if isinstance(value, dict):
        return {key: _converted(parameter, entry, key) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_converted(parameter, entry) for entry in value)
    return copy.deepcopy(value)
