"""CUDA, which this build does not have.

Questions are answered (there are no devices), seeds are accepted, memory figures are zero. What needs a
device raises a RuntimeError that names the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from unspool import _core
from unspool._absent_errors import AcceleratorError, OutOfMemoryError
from unspool._lazy import lazy as _on_demand
from unspool._tensor import kinds as _kinds

if TYPE_CHECKING:
    from unspool.cuda import amp
else:
    __getattr__ = _on_demand(__name__, ["amp"])

__all__ = [
    "AcceleratorError",
    "CUDAGraph",
    "Event",
    "OutOfMemoryError",
    "Stream",
    "StreamContext",
    "amp",
    "current_device",
    "current_stream",
    "default_generators",
    "default_stream",
    "device",
    "device_count",
    "device_of",
    "empty_cache",
    "get_arch_list",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "get_rng_state_all",
    "graph",
    "init",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_current_stream_capturing",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "reset_max_memory_allocated",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_rng_state",
    "set_rng_state_all",
    "stream",
    "synchronize",
    "utilization",
]

# What libraries that save the generators' states of all devices ask without a call.
_initialized = False
default_generators: tuple[_core.Generator, ...] = ()


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(
        f"torch.cuda.{name}: this build of unspool has no CUDA; ask torch.cuda.is_available() first"
    )


def _refusing(name: str) -> Callable[..., NoReturn]:
    def function(*_args: Any, **_kwargs: Any) -> NoReturn:
        _refuse(name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raise RuntimeError: there is no device."
    return function


def is_available() -> bool:
    """Give False."""
    return False


def is_initialized() -> bool:
    """Give False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Give False."""
    del including_emulation
    return False


def is_current_stream_capturing() -> bool:
    """Give False."""
    return False


def device_count() -> int:
    """Give 0."""
    return 0


def get_arch_list() -> list[str]:
    """Give an empty list."""
    return []


def manual_seed(seed: int) -> None:
    """Accept a seed: there is no generator to take it."""
    del seed


def manual_seed_all(seed: int) -> None:
    """Accept a seed: there is no generator to take it."""
    del seed


def seed() -> None:
    """Do nothing: there is no generator."""


def seed_all() -> None:
    """Do nothing: there is no generator."""


def get_rng_state_all() -> list[_core.Tensor]:
    """Give an empty list, of no devices."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Accept the states of no devices."""
    if len(new_states):
        _refuse("set_rng_state_all")


def empty_cache() -> None:
    """Do nothing: there is no memory of a device."""


def ipc_collect() -> None:
    """Do nothing: there is no memory of a device."""


def memory_allocated(device: Any = None) -> int:
    """Give 0."""
    del device
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """Give 0."""
    del device
    return 0


def memory_reserved(device: Any = None) -> int:
    """Give 0."""
    del device
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """Give 0."""
    del device
    return 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Do nothing: nothing is counted."""
    del device


def reset_max_memory_allocated(device: Any = None) -> None:
    """Do nothing: nothing is counted."""
    del device


def memory_stats(device: Any = None) -> dict[str, Any]:
    """Give an empty dict."""
    del device
    return {}


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """Give an empty text."""
    del device, abbreviated
    return ""


init = _refusing("init")
current_device = _refusing("current_device")
set_device = _refusing("set_device")
synchronize = _refusing("synchronize")
get_device_name = _refusing("get_device_name")
get_device_capability = _refusing("get_device_capability")
get_device_properties = _refusing("get_device_properties")
get_rng_state = _refusing("get_rng_state")
set_rng_state = _refusing("set_rng_state")
mem_get_info = _refusing("mem_get_info")
current_stream = _refusing("current_stream")
default_stream = _refusing("default_stream")
stream = _refusing("stream")
utilization = _refusing("utilization")


class _Nothing:
    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        _refuse(type(self).__name__)


class Stream(_Nothing):
    """Raises RuntimeError when it is made."""


class StreamContext(_Nothing):
    """Raises RuntimeError when it is made."""


class Event(_Nothing):
    """Raises RuntimeError when it is made."""


class CUDAGraph(_Nothing):
    """Raises RuntimeError when it is made."""


class graph(_Nothing):
    """Raises RuntimeError when it is made."""


class device:
    """A ``with`` block on a device: accepted for None and -1, which mean none."""

    def __init__(self, device: Any) -> None:
        if device is not None and device != -1:
            _refuse("device")

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


class device_of(device):
    """A ``with`` block on a tensor's device: nothing changes, as tensors are on the CPU."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else -1)


class _Absent(type):
    """Type of ``cuda.FloatTensor`` and the like: nothing is an instance, and none can be made."""

    def __call__(cls, *_args: Any, **_kwargs: Any) -> NoReturn:
        _refuse(cls.__name__)

    def __instancecheck__(cls, instance: object) -> bool:
        return False


for _name in _kinds.NAMES:
    globals()[_name] = _Absent(
        _name, (), {"__module__": __name__, "__doc__": "Raises RuntimeError when called."}
    )
