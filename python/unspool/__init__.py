"""Unspool: neural-network training on one tape, with the names and semantics PyTorch users know."""

from __future__ import annotations

from math import e, inf, nan, pi
from typing import TYPE_CHECKING

from unspool import _core
from unspool._config import show_config
from unspool._core import (
    Generator,
    Size,
    Tensor,
    arange,
    as_tensor,
    asarray,
    bfloat16,
    bool,
    default_generator,
    device,
    dtype,
    empty,
    empty_cache,
    empty_like,
    eye,
    float16,
    float32,
    float64,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    get_default_dtype,
    get_num_threads,
    get_rng_state,
    initial_seed,
    int8,
    int16,
    int32,
    int64,
    is_grad_enabled,
    is_inference_mode_enabled,
    linspace,
    manual_seed,
    memory_stats,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    reset_peak_memory_stats,
    seed,
    set_default_dtype,
    set_num_threads,
    set_rng_state,
    tensor,
    uint8,
    zeros,
    zeros_like,
)
from unspool._core.ops import *  # noqa: F403
from unspool._dtypes import can_cast, finfo, iinfo, is_complex, is_floating_point, promote_types, result_type
from unspool._functions import (
    allclose,
    broadcast_shapes,
    broadcast_tensors,
    equal,
    is_tensor,
    meshgrid,
    normal,
    numel,
    tensordot,
)
from unspool._lazy import submodules
from unspool._tensor import attach_methods
from unspool.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled

attach_methods()

from unspool import autograd, linalg, nn, optim, random  # noqa: E402
from unspool.serialization import load, save  # noqa: E402

if TYPE_CHECKING:
    from unspool import utils
else:
    __getattr__ = submodules(__name__, ["utils"])

float = float32
double = float64
half = float16
long = int64
int = int32
short = int16

__version__: str = _core.__version__

__all__ = [
    "Generator",
    "Size",
    "Tensor",
    "allclose",
    "arange",
    "as_tensor",
    "asarray",
    "autograd",
    "bfloat16",
    "bool",
    "broadcast_shapes",
    "broadcast_tensors",
    "can_cast",
    "default_generator",
    "device",
    "double",
    "dtype",
    "e",
    "empty",
    "empty_cache",
    "empty_like",
    "enable_grad",
    "equal",
    "eye",
    "finfo",
    "float",
    "float16",
    "float32",
    "float64",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "get_default_dtype",
    "get_num_threads",
    "get_rng_state",
    "half",
    "iinfo",
    "inf",
    "inference_mode",
    "initial_seed",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_complex",
    "is_floating_point",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_tensor",
    "linalg",
    "linspace",
    "load",
    "long",
    "manual_seed",
    "memory_stats",
    "meshgrid",
    "nan",
    "nn",
    "no_grad",
    "normal",
    "numel",
    "ones",
    "ones_like",
    "optim",
    "pi",
    "promote_types",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "reset_peak_memory_stats",
    "result_type",
    "save",
    "seed",
    "set_default_dtype",
    "set_grad_enabled",
    "set_num_threads",
    "set_rng_state",
    "short",
    "show_config",
    "tensor",
    "tensordot",
    "uint8",
    "utils",
    "zeros",
    "zeros_like",
]
__all__ += [name for name in dir(_core.ops) if not name.startswith("__")]
