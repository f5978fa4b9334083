"""Settings of PyTorch's recorder of bytecode: they can be read and set, and have no effect."""

from __future__ import annotations

from typing import Any

accumulated_cache_size_limit = 256
assume_static_by_default = True
automatic_dynamic_shapes = True
cache_size_limit = 8
capture_dynamic_output_shape_ops = False
capture_scalar_outputs = False
compiled_autograd = False
dynamic_shapes = True
error_on_recompile = False
inline_inbuilt_nn_modules = True
log_level: Any = None
optimize_ddp: Any = True
recompile_limit = 8
suppress_errors = False
verbose = False
