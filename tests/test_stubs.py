"""The type stubs of the compiled core: they are what the generator writes, complete, and not in the way."""

from __future__ import annotations

import ast
import importlib.util
import types
from pathlib import Path
from typing import Any

import pytest

import unspool as us
from unspool import _core

ROOT = Path(__file__).resolve().parent.parent
GENERATOR = ROOT / "tools" / "make_stubs.py"
STUBS = ROOT / "python" / "unspool" / "_core"

pytestmark = pytest.mark.skipif(not GENERATOR.is_file(), reason="runs in a checkout of the sources only")

FILES = ["__init__.pyi", "functional.pyi", "hidden.pyi", "linalg.pyi", "ops.pyi", "optim.pyi"]
GIVEN_BY_PYTHON = {"__doc__", "__file__", "__loader__", "__name__", "__package__", "__spec__", "__path__"}


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("make_stubs", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files: dict[str, str] = module.stubs()
    return files


def declared(body: list[ast.stmt]) -> set[str]:
    """The names that a stub declares for run time: not imports, aliases or type variables."""
    names = set()
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add("" if "TypeAlias" in ast.unparse(statement.annotation) else statement.target.id)
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Name):
            names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
        elif isinstance(statement, ast.ImportFrom):
            names |= {alias.name for alias in statement.names if alias.asname == alias.name}
    return names - {""}


def own_members(cls: type) -> set[str]:
    """What a class defines beyond what every object has."""
    ordinary = set(dir(object)) | {"__module__", "__weakref__", "__dict__", "_pybind11_conduit_v1_"}
    return {name for name in vars(cls) if name not in ordinary}


def class_body(text: str, name: str) -> list[ast.stmt]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node.body
    raise AssertionError(name)


@pytest.mark.parametrize("name", FILES)
def test_stubs_are_up_to_date(name: str, generated: dict[str, str]) -> None:
    assert sorted(generated) == FILES
    stale = (STUBS / name).read_text(encoding="utf-8") != generated[name]
    assert not stale, f"{name} is stale; run: python tools/make_stubs.py"


@pytest.mark.parametrize("name", FILES)
def test_stubs_declare_what_the_module_has(name: str, generated: dict[str, str]) -> None:
    module = _core if name == "__init__.pyi" else getattr(_core, name.removesuffix(".pyi"))
    present = {each for each in dir(module) if each not in GIVEN_BY_PYTHON}
    stub = declared(ast.parse(generated[name]).body)
    private = {each for each in stub if each.endswith("Result")}
    assert present - stub == set(), "missing in the stub"
    assert stub - private - present == set(), "only in the stub"


def test_stubs_declare_what_the_tensor_has(generated: dict[str, str]) -> None:
    stub = declared(class_body(generated["__init__.pyi"], "Tensor"))
    # What only says that it is missing is not there, and __delitem__ only raises.
    present = {name for name in own_members(us.Tensor) if hasattr(us.Tensor, name)} - {"__delitem__"}
    assert present - stub == set(), "missing in the stub"
    assert {name for name in stub - present if not hasattr(us.Tensor, name)} == set(), "only in the stub"


@pytest.mark.parametrize("name", ["Generator", "Node", "device", "dtype", "Size", "ModuleBase"])
def test_stubs_declare_what_other_classes_have(name: str, generated: dict[str, str]) -> None:
    cls = getattr(_core, name)
    stub = declared(class_body(generated["__init__.pyi"], name))
    inherited = {"__init__", "__eq__", "__str__", "__repr__", "__getstate__", "__setstate__", "__reduce__"}
    present = {each for each in own_members(cls) if not each.startswith("__")}
    assert present - stub == set(), "missing in the stub"
    assert {each for each in stub - inherited if not hasattr(cls, each)} == set(), "only in the stub"


def test_every_operation_takes_the_declared_arguments(generated: dict[str, str]) -> None:
    functions: dict[str, list[ast.FunctionDef]] = {}
    for node in ast.parse(generated["ops.pyi"]).body:
        if isinstance(node, ast.FunctionDef):
            functions.setdefault(node.name, []).append(node)
    for row in _core.registry():
        if "torch" not in row["namespace"] or row["only_in_place"]:
            continue
        expected = [argument["name"] for argument in row["args"]]
        forms = [[a.arg for a in [*f.args.args, *f.args.kwonlyargs]] for f in functions[row["python_name"]]]
        assert expected in forms, row["name"]


def test_the_folder_of_stubs_does_not_hide_the_extension() -> None:
    assert not (STUBS / "__init__.py").exists()
    assert _core.__spec__.origin.endswith((".so", ".pyd"))
    assert isinstance(_core.ops, types.ModuleType)
