"""Records of settings for TensorBoard's table of runs, made with the package tensorboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unspool._core import Tensor

__all__ = ["hparams"]

# Where the protocol keeps a value of each kind.
_FIELDS = {bool: "bool_value", str: "string_value", float: "number_value"}


def _protocol() -> Any:
    """Give tensorboard's modules of settings, and its class of summaries."""
    try:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
    except ImportError as error:
        raise ImportError(
            "utils.tensorboard.summary.hparams needs the package tensorboard: pip install tensorboard"
        ) from error
    return api_pb2, metadata, plugin_data_pb2, Summary


def _setting(name: str, value: Any) -> bool | float | str:
    """Give a setting as one of the three kinds that a table can show."""
    if isinstance(value, Tensor):
        value = value.item()
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return float(value)
    raise ValueError(
        f"hparams: {name!r} is a {type(value).__name__}; a setting is an int, a float, a str, a bool or a "
        "Tensor of one element"
    )


def hparams(
    hparam_dict: Mapping[str, Any],
    metric_dict: Mapping[str, Any],
    hparam_domain_discrete: Mapping[str, Sequence[Any]] | None = None,
) -> tuple[Any, Any, Any]:
    """Give the three summaries that make a run a row of the table of settings.

    Args:
        hparam_dict: settings by name: numbers, strings, bools or tensors of one element; those that are None
            are left out.
        metric_dict: what the settings led to; only the names are recorded here.
        hparam_domain_discrete: the values that a setting could have had, by its name.

    Returns:
        the description of the table, the settings of this run, and the mark that it has ended.

    Raises:
        ImportError: the package tensorboard is not installed.
        TypeError: one of the first two is not a mapping.
        ValueError: a setting of another kind, or a domain with a value of another kind than the setting.
    """
    for name, given in (("hparam_dict", hparam_dict), ("metric_dict", metric_dict)):
        if not isinstance(given, Mapping):
            raise TypeError(f"hparams: {name} must be a dict, got {type(given).__name__}")
    api, metadata, plugin, summary = _protocol()
    kinds = {bool: api.DATA_TYPE_BOOL, str: api.DATA_TYPE_STRING, float: api.DATA_TYPE_FLOAT64}
    settings = {name: _setting(name, value) for name, value in hparam_dict.items() if value is not None}

    infos = []
    for name, value in settings.items():
        info = api.HParamInfo(name=name, type=kinds[type(value)])
        for possible in (hparam_domain_discrete or {}).get(name, ()):
            choice = _setting(name, possible)
            if type(choice) is not type(value):
                raise ValueError(
                    f"hparams: the domain of {name!r} has {possible!r}, which is not of the kind of {value!r}"
                )
            setattr(info.domain_discrete.values.add(), _FIELDS[type(choice)], choice)
        infos.append(info)
    metrics = [api.MetricInfo(name=api.MetricName(tag=name)) for name in metric_dict]
    start = plugin.SessionStartInfo()
    for name, value in settings.items():
        setattr(start.hparams[name], _FIELDS[type(value)], value)

    def record(tag: str, **content: Any) -> Any:
        data = plugin.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
        value = summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data))
        return summary(value=[value])

    return (
        record(metadata.EXPERIMENT_TAG, experiment=api.Experiment(hparam_infos=infos, metric_infos=metrics)),
        record(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        record(
            metadata.SESSION_END_INFO_TAG,
            session_end_info=plugin.SessionEndInfo(status=api.STATUS_SUCCESS),
        ),
    )
