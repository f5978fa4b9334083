"""Helpers around training, imported when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unspool._lazy import lazy as _on_demand

if TYPE_CHECKING:
    from unspool.utils import benchmark, checkpoint, data, dlpack, flop_counter, hooks, model_zoo, tensorboard
else:
    __getattr__ = _on_demand(
        __name__,
        [
            "_foreach_utils",
            "_pytree",
            "benchmark",
            "checkpoint",
            "data",
            "dlpack",
            "flop_counter",
            "hooks",
            "model_zoo",
            "tensorboard",
        ],
    )

__all__ = ["benchmark", "checkpoint", "data", "dlpack", "flop_counter", "hooks", "model_zoo", "tensorboard"]
