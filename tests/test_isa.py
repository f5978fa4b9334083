"""Which kernel library an import opens; and that the extension itself runs on any processor."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import unspool as us

LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4", "armv8-a")  # lowest first

spec = importlib.util.find_spec("unspool")
assert spec is not None
assert spec.submodule_search_locations
PACKAGE = Path(spec.submodule_search_locations[0])


def built_levels() -> list[str]:
    names = {path.stem.removeprefix("_kernels_") for path in PACKAGE.glob("_kernels_*.so")}
    return [level for level in LEVELS if level.replace("-", "_") in names]


def import_with(level: str) -> subprocess.CompletedProcess[str]:
    """Import the package in a fresh interpreter that is told to use one level; prints the level in use."""
    code = "import unspool._core as core; print(core._configuration()['isa_level'])"
    # The package's place goes first on the path, because it may be a build tree rather than an installation.
    path = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "UNSPOOL_ISA": level, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_the_best_library_that_runs_here_is_used() -> None:
    configuration = us._core._configuration()
    runs_here = LEVELS.index(configuration["cpu_level"])
    usable = [level for level in built_levels() if LEVELS.index(level) <= runs_here]
    if "UNSPOOL_ISA" not in os.environ:
        assert configuration["isa_level"] == usable[-1]


@pytest.mark.parametrize("level", built_levels())
def test_a_level_can_be_asked_for_and_is_refused_where_it_would_crash(level: str) -> None:
    runs_here = LEVELS.index(us._core._configuration()["cpu_level"])
    result = import_with(level)
    if LEVELS.index(level) <= runs_here:
        assert result.stdout.strip() == level, result.stderr
    else:
        assert result.returncode == 1
        assert "no kernel library for this processor" in result.stderr


def test_an_unknown_level_is_an_error_that_names_it() -> None:
    result = import_with("x86-64-v9")
    assert result.returncode == 1
    assert "x86-64-v9" in result.stderr


@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed (binutils)")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="looks for x86 registers")
def test_the_extension_holds_no_instructions_beyond_the_baseline() -> None:
    (extension,) = PACKAGE.glob("_core.*.so")
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", str(extension)], capture_output=True, text=True, check=True
    ).stdout
    assert [line for line in listing.splitlines() if "%ymm" in line or "%zmm" in line][:3] == []
