"""The C++ unit tests (tests/cpp), built and run from here so that one command runs every test there is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import unspool as us

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


def tree_of_the_package() -> Path | None:
    """The build tree that the package under test lies in, if that tree has the C++ tests too."""
    tree = Path(us._core.__file__).parents[2]  # its Python files may be links into the sources
    try:
        cache = (tree / "CMakeCache.txt").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    wanted = {f"CMAKE_HOME_DIRECTORY:INTERNAL={ROOT}", "UNSPOOL_BUILD_TESTS:BOOL=ON"}
    return tree if wanted <= set(cache.splitlines()) else None


@pytest.mark.slow
def test_cpp_unit_tests() -> None:
    built = os.environ.get("UNSPOOL_CPP_TESTS")
    tree = Path(built) if built else tree_of_the_package() or BUILD
    if tree == BUILD:
        run(
            "cmake",
            *("-S", str(ROOT), "-B", str(BUILD), "-G", "Ninja"),
            "-DCMAKE_BUILD_TYPE=Release",
            "-DUNSPOOL_BUILD_PYTHON=OFF",
            "-DUNSPOOL_BUILD_TESTS=ON",
            f"-DPython_EXECUTABLE={sys.executable}",
        )
    if not built:
        run("cmake", "--build", str(tree), "--target", "core_tests", "kernel_tests")
    run("ctest", "--test-dir", str(tree), "--output-on-failure", "--no-tests=error")
