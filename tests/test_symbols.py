"""What the shared objects of the installed package show to the process that loads them.

Code compiled for different instruction sets lives in one process. It stays apart because each kernel library
exports one C function, keeps no symbol that the dynamic linker would unify across libraries, and needs
nothing but the C and C++ runtimes.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

NM = shutil.which("nm")
pytestmark = pytest.mark.skipif(NM is None, reason="nm is not installed (Debian: apt-get install binutils)")

# Versioned references such as memcpy@GLIBC_2.14 name the library they come from.
RUNTIME_VERSION = re.compile(r"@@?(GLIBC|GLIBCXX|CXXABI|GCC)_")
# Weak references that every shared object may carry, and that nobody needs to define.
OPTIONAL_HOOKS = {"__gmon_start__", "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable"}
SANITIZER = re.compile(r"^__(asan|ubsan|tsan|sanitizer)_")


def package_directory() -> Path:
    spec = importlib.util.find_spec("unspool")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def libraries(pattern: str) -> list[Path]:
    return sorted(package_directory().glob(pattern))


def symbols(library: Path, *options: str) -> list[tuple[str, str]]:
    """Return (type letter, name) for each dynamic symbol, as nm prints them."""
    assert NM is not None
    listing = subprocess.run(
        [NM, "-D", *options, str(library)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return [(kind, name) for *_, kind, name in (line.split() for line in listing)]


def is_sanitized(library: Path) -> bool:
    return any(SANITIZER.match(name) for _, name in symbols(library, "--undefined-only"))


def test_there_is_at_least_one_kernel_library() -> None:
    assert libraries("_kernels_*.so")


@pytest.mark.parametrize("library", libraries("_kernels_*.so"), ids=lambda path: path.stem)
def test_a_kernel_library_exports_one_function(library: Path) -> None:
    exported = [(kind, name.partition("@")[0]) for kind, name in symbols(library, "--defined-only")]
    assert exported == [("T", "unspool_kernel_table")]


@pytest.mark.parametrize("library", libraries("_kernels_*.so"), ids=lambda path: path.stem)
def test_a_kernel_library_needs_only_the_runtimes(library: Path) -> None:
    if is_sanitized(library):
        pytest.skip("built with a sanitizer, which adds references to its own runtime")
    foreign = [
        name
        for _, name in symbols(library, "--undefined-only")
        if not RUNTIME_VERSION.search(name) and name not in OPTIONAL_HOOKS
    ]
    assert foreign == []


@pytest.mark.parametrize("library", libraries("_*.so"), ids=lambda path: path.name.partition(".")[0])
def test_no_symbol_is_unified_across_libraries(library: Path) -> None:
    # Type u (STB_GNU_UNIQUE) is bound once per process whatever the visibility says.
    assert [name for kind, name in symbols(library, "--defined-only") if kind == "u"] == []


def test_the_extension_exports_only_its_entry_point() -> None:
    (extension,) = libraries("_core.*.so")
    assert [name for _, name in symbols(extension, "--defined-only")] == ["PyInit__core"]
