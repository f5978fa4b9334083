"""A keyword that UTF-8 cannot hold ends the process in no function of the core."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = r"""
import types, unspool as us

def functions(place, name, seen):
    if id(place) in seen:
        return
    seen.add(id(place))
    for each, value in list(vars(place).items()):
        path = f"{name}.{each}"
        if isinstance(value, (types.ModuleType, type)) and (
            value.__name__ if isinstance(value, types.ModuleType) else value.__module__
        ).startswith("unspool"):
            yield from functions(value, path, seen)
        if isinstance(value, property):
            yield from ((path, part) for part in (value.fget, value.fset) if part)
        elif isinstance(value, staticmethod):
            yield path, value.__func__
        elif callable(value):
            yield path, value

found = 0
for path, function in functions(us._core, "_core", set()):
    print(path, flush=True)
    for positional in ((), (us.ones(2),)):
        try:
            function(*positional, **{"\ud800": 1})
        except Exception:
            pass
        found += 1
assert found > 1000, found
try:
    us.from_numpy(**{"\ud800": 1})
except TypeError as error:
    assert str(error) == "from_numpy(): got an unexpected keyword argument '\\ud800'", error
else:
    raise AssertionError
print("all", found)
"""


def test_keywords_that_utf8_cannot_hold_end_in_exceptions() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-2000:]
    assert done.stdout.splitlines()[-1].startswith("all")
