"""The C++ unit tests (tests/cpp), built and run from here so that one command runs every test there is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "pytest"


def run(*command: str) -> None:
    # The tools of the environment that runs the tests come first, also when it is not activated.
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    program = shutil.which(command[0], path=path)
    if program is None:
        pytest.skip(f"{command[0]} is not installed: pip install '.[test]'")
    result = subprocess.run(
        [program, *command[1:]],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-8000:]


@pytest.mark.slow
def test_cpp_unit_tests() -> None:
    run(
        "cmake",
        *("-S", str(ROOT), "-B", str(BUILD), "-G", "Ninja"),
        "-DCMAKE_BUILD_TYPE=Release",
        "-DUNSPOOL_BUILD_PYTHON=OFF",
        "-DUNSPOOL_BUILD_TESTS=ON",
        f"-DPython_EXECUTABLE={sys.executable}",
    )
    run("cmake", "--build", str(BUILD))
    run("ctest", "--test-dir", str(BUILD), "--output-on-failure", "--no-tests=error")
