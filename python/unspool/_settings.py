"""Process-wide settings that PyTorch scripts make: those that mean something here, and those that do not.

What has no meaning here is accepted where the result is what was asked for anyway, and remembered.
"""

from __future__ import annotations

from typing import Any

from unspool import _core
from unspool._core import device as Device

_precision = "highest"
_deterministic = {"mode": False, "warn_only": False}
_warn_always = False


def set_float32_matmul_precision(precision: str) -> None:
    """Accept "highest", "high" or "medium"; products of float32 are always computed in float32."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f'set_float32_matmul_precision: "highest", "high" or "medium", not {precision!r}')
    _precision = precision


def get_float32_matmul_precision() -> str:
    """Give what was set last."""
    return _precision


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accept either; all algorithms give the same bits each time, with any number of threads."""
    _deterministic.update(mode=bool(mode), warn_only=bool(warn_only))


def are_deterministic_algorithms_enabled() -> bool:
    """Whether ``use_deterministic_algorithms(True)`` was the last call."""
    return _deterministic["mode"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether the last call had ``warn_only=True``."""
    return _deterministic["warn_only"]


def get_deterministic_debug_mode() -> int:
    """Give 0 for no check, 1 for warnings, 2 for errors."""
    return (1 if _deterministic["warn_only"] else 2) if _deterministic["mode"] else 0


def get_num_interop_threads() -> int:
    """Give 1: operations run one after the other."""
    return 1


def set_num_interop_threads(int: int) -> None:
    """Accept a positive number; operations run one after the other in any case."""
    if int <= 0:
        raise RuntimeError(f"set_num_interop_threads: expected a positive number, got {int}")


def set_flush_denormal(mode: bool) -> bool:
    """Give False: the mode of the processor is not changed, subnormal numbers are kept."""
    del mode
    return False


def set_warn_always(b: bool) -> None:
    """Accept either; each warning goes through Python's filters."""
    global _warn_always
    _warn_always = bool(b)


def is_warn_always_enabled() -> bool:
    """Give what was set last."""
    return _warn_always


def set_default_device(device: Any) -> None:
    """Accept the CPU, where all tensors are; RuntimeError for any other device."""
    _core._check_device(device)


def get_default_device() -> Device:
    """Give the CPU."""
    return Device("cpu")


def set_default_tensor_type(t: Any) -> None:
    """Make ``FloatTensor`` or ``DoubleTensor``, or one of their names, the default of factories."""
    names = {"torch.FloatTensor": _core.float32, "torch.DoubleTensor": _core.float64}
    kind = names.get(str(t).replace("unspool.", "torch."), getattr(t, "dtype", None))
    if kind is None:
        raise TypeError(f"set_default_tensor_type: expected FloatTensor, DoubleTensor or a name, not {t!r}")
    _core.set_default_dtype(kind)


def is_storage(obj: object) -> bool:
    """Whether the object is a storage."""
    from unspool.storage import TypedStorage, UntypedStorage

    return isinstance(obj, (TypedStorage, UntypedStorage))


def typename(obj: Any) -> str:
    """Name the type of a tensor or of any other object."""
    if isinstance(obj, _core.Tensor):
        return str(obj.type())
    kind = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", "") or ""
    return kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"
