"""Runs one script for PyTorch, with torch or with unspool, and records the loss and time of its first steps.

    python record.py torch|unspool OUT.json STEPS SCRIPT ARGUMENTS...

A step ends with a call of ``backward()``. The value that it was called on is the loss; the time of a step is
that from one such call to the next, so that loading, forward, update and logging count. The script is stopped
after the given number of steps. Both libraries get the seed 1 and one thread before it begins.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import runpy
import sys
import time
from pathlib import Path
from typing import Any


class Enough(BaseException):
    """Ends the script."""


def main(library: str, out: str, steps: int, script: str, arguments: list[str]) -> None:
    os.environ.setdefault("MPLBACKEND", "Agg")
    if library == "unspool":
        from unspool.interop._torch_names import install

        install()
    import numpy as np
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 (scripts use it)
    random.seed(1)
    losses: list[float] = []
    times: list[float] = []
    processor: list[float] = []
    running: list[bool] = []
    original = torch.Tensor.backward

    def backward(self: Any, *args: Any, **kwargs: Any) -> None:
        if running:  # torch calls itself again where a default device is set
            original(self, *args, **kwargs)
            return
        running.append(True)
        losses.append(float(self.detach().sum()))
        original(self, *args, **kwargs)
        running.clear()
        times.append(time.perf_counter())
        processor.append(time.process_time())
        if len(times) >= steps:
            raise Enough

    torch.Tensor.backward = backward
    if os.environ.get("CLIENTS_DOUBLE"):
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = lambda self, *args, **kwargs: self.double(*args, **kwargs)
        torch.FloatTensor = torch.DoubleTensor
        torch.float32 = torch.float = torch.float64
    if os.environ.get("CLIENTS_OTHER_KERNELS"):
        torch.backends.mkldnn.enabled = False
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    failure = None
    began = time.perf_counter()
    try:
        runpy.run_path(script, run_name="__main__")
    except (Enough, SystemExit):
        pass
    except BaseException as error:
        import traceback

        failure = f"{type(error).__name__}: {error}"
        traceback.print_exc()
    record = {
        "losses": losses,
        "wall": [b - a for a, b in itertools.pairwise(times)],
        "processor": [b - a for a, b in itertools.pairwise(processor)],
        "seconds": (times[-1] if times else time.perf_counter()) - began,
        "failure": failure,
        "version": torch.__version__,
    }
    Path(out).write_text(json.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5:])
