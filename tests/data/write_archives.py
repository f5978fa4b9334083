"""Writes archive.pt, legacy.pt and checkpoint.pt, which test_archives.py reads. Needs torch 2.13."""

from __future__ import annotations

import collections
from pathlib import Path

import torch

FOLDER = Path(__file__).parent
DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def everything() -> collections.OrderedDict[str, object]:
    """One of each kind that a file may hold."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2).state_dict()
    base = torch.arange(12.0)
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.note = "kept"
    return collections.OrderedDict(
        model=model,
        dtypes={
            name: torch.arange(4).remainder(2 if name == "bool" else 4).to(getattr(torch, name))
            for name in DTYPES
        },
        base=base,
        view=base[2:8].view(2, 3).t(),
        empty=torch.empty(0, 3),
        scalar=torch.tensor(3),
        parameter=parameter,
        leaf=torch.ones(2, requires_grad=True),
        others=[
            torch.Size([1, 2]),
            torch.float16,
            torch.device("cpu"),
            {1, 2},
            frozenset([3]),
            (1, 2.5, None, True, b"x", 1 + 2j),
            2**70,
            -5,
            300,
            70000,
            "é",
            bytearray(b"ab"),
            collections.Counter("aab"),
        ],
    )


def checkpoint() -> dict[str, object]:
    """What a training script saves in the middle."""
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.125)
    model(torch.ones(3)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "loss": 0.5}


if __name__ == "__main__":
    torch.save(everything(), FOLDER / "archive.pt")
    torch.save(everything(), FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(checkpoint(), FOLDER / "checkpoint.pt")
