"""Processes end cleanly: with daemon threads at work, and as forks of one that has workers."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAD = """
import threading, time
import unspool as us
from unspool import nn, optim
from unspool.autograd import Function

class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g

model, x = nn.Sequential(nn.Linear(200, 200), nn.Tanh()), us.randn(300, 200)
optimizer = optim.SGD(model.parameters(), 1e-3)

@us.compile
def step():
    optimizer.zero_grad()
    model(x).sum().backward()
    optimizer.step()

def unwind():
    y = model(x)
    y.register_hook(lambda g: g * 1)
    Square.apply(y).sum().backward()

started = threading.Event()
def work():
    while True:
        {body}
        started.set()

threading.Thread(target=work, daemon=True).start()
started.wait()
time.sleep(0.05)
"""


@pytest.mark.parametrize("body", ["x @ x.t()", "us.randn(100_000)", "unwind()", "step()"])
def test_daemon_threads_at_work_do_not_disturb_the_end_of_the_process(body: str) -> None:
    for _ in range(3):
        command = [sys.executable, "-c", HEAD.replace("{body}", body)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")


FORK = """
import os
import unspool as us
from unspool.utils.data import DataLoader, Dataset

class Numbers(Dataset):
    def __len__(self):
        return 12
    def __getitem__(self, index):
        return index

loader = DataLoader(Numbers(), 3, num_workers=2, persistent_workers=True, multiprocessing_context="fork")
batches = iter(loader)
next(batches)
child = os.fork()
if child == 0:
    del batches, loader
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print([batch.tolist() for batch in batches], len(list(loader)))
"""


def test_a_fork_does_not_end_the_workers_of_its_parent() -> None:
    command = [sys.executable, "-c", FORK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[[3, 4, 5], [6, 7, 8], [9, 10, 11]] 4\n", "")
