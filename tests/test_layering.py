"""The shape of the house: which file may know which, read from the sources as text.

Nothing here imports the package, so these tests also hold in a checkout that has not been built.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CPP = ROOT / "cpp"
PACKAGE = ROOT / "python" / "unspool"
FLOORS = ("base", "tensor", "ops", "kernels", "exec", "optim", "bind")  # lowest first
LINE_CAP = 600

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)

pytestmark = pytest.mark.skipif(not CPP.is_dir(), reason="runs in a checkout of the sources only")


def cpp_files(root: Path = CPP) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.suffix in {".h", ".cc", ".cu", ".cuh"})


def python_files() -> list[Path]:
    folders = (PACKAGE, ROOT / "tests", ROOT / "bench", ROOT / "examples")
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def floor_of(path: Path) -> str:
    return path.relative_to(CPP).parts[0]


def includes(path: Path) -> Iterator[tuple[bool, str]]:
    """Yield (is quoted, target) for each include of a file."""
    for quote, target in INCLUDE.findall(path.read_text(encoding="utf-8")):
        yield quote == '"', target


def include_graph() -> dict[str, list[str]]:
    """Map each C++ file to the project files it includes, both relative to cpp/."""
    return {
        path.relative_to(CPP).as_posix(): [target for quoted, target in includes(path) if quoted]
        for path in cpp_files()
    }


def find_cycle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return one cycle as a list of names, or an empty list. A loop, because graphs may be deep."""
    done: set[str] = set()
    for root in graph:
        trail: list[str] = []
        pending: list[tuple[str, bool]] = [(root, False)]
        while pending:
            node, leaving = pending.pop()
            if leaving:
                trail.pop()
                done.add(node)
            elif node in trail:
                return [*trail[trail.index(node) :], node]
            elif node not in done:
                trail.append(node)
                pending.append((node, True))
                pending.extend((target, False) for target in graph.get(node, ()))
    return []


def test_every_cpp_file_stands_on_a_floor() -> None:
    strangers = [name_of(path) for path in cpp_files() if floor_of(path) not in FLOORS]
    assert not strangers


def test_includes_go_down_only() -> None:
    wrong = [
        f"{source} includes {target}"
        for source, targets in include_graph().items()
        for target in targets
        if FLOORS.index(target.split("/")[0]) > FLOORS.index(source.split("/")[0])
    ]
    assert not wrong, "\n".join(wrong)


def test_quoted_includes_name_existing_files_from_the_root() -> None:
    wrong = [
        f"{source} includes {target}"
        for source, targets in include_graph().items()
        for target in targets
        if not (CPP / target).is_file()
    ]
    assert not wrong, "\n".join(wrong)


def test_there_is_no_include_cycle() -> None:
    assert find_cycle(include_graph()) == []


def test_link_lines_go_down_one_floor_at_a_time() -> None:
    links = {}
    for floor in FLOORS[:-1]:
        text = (CPP / floor / "CMakeLists.txt").read_text(encoding="utf-8")
        call = re.search(r"unspool_floor\(([^)]*)\)", text)
        assert call, floor
        name, *below = call.group(1).split()
        links[name] = below
    expected = {floor: list(FLOORS[max(i - 1, 0) : i]) for i, floor in enumerate(FLOORS[:-1])}
    assert links == expected


def test_only_kernels_know_eigen() -> None:
    wrong = [
        name_of(path)
        for path in cpp_files()
        if not path.is_relative_to(CPP / "kernels" / "cpu")
        for _, target in includes(path)
        if target.startswith(("Eigen/", "unsupported/Eigen"))
    ]
    assert not wrong


def test_only_the_binding_knows_python() -> None:
    wrong = [
        f"{name_of(path)} includes {target}"
        for path in cpp_files()
        if floor_of(path) != "bind"
        for _, target in includes(path)
        if target.startswith("pybind11/") or target in {"Python.h", "structmember.h"}
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_includes_the_kernels_but_themselves() -> None:
    # They are compiled for other instruction sets: a header shared with the extension would leak that code.
    wrong = [
        f"{source} includes {target}"
        for source, targets in include_graph().items()
        for target in targets
        if target.startswith("kernels/cpu/") and not source.startswith("kernels/cpu/")
    ]
    assert not wrong, "\n".join(wrong)


def test_kernels_ask_for_no_tensors_and_no_emitter() -> None:
    # A kernel gets views; who owns the memory, and who differentiates, is none of its business. The headers
    # of the families, from which kernels take the bodies, do mention both, so only direct includes count.
    forbidden = {"tensor/tensor.h", "tensor/storage.h", "tensor/allocator.h", "ops/emitter.h", "ops/api.h"}
    wrong = [
        f"{source} includes {target}"
        for source, targets in include_graph().items()
        for target in targets
        if source.startswith("kernels/cpu/") and target in forbidden
    ]
    assert not wrong, "\n".join(wrong)


# Types, variables and functions that a file defines at its left margin, each as what may be there once only.
FURTHER_VARIABLE = re.compile(r"^(?:constexpr|const|static)\b[^()\n]*?, (\w+) = ", re.MULTILINE)
DEFINED = re.compile(
    r"^(?:(?:struct|class|enum class) (?P<type>\w+)(?= [:{]| final)|"
    r"(?:constexpr|const|thread_local|static|std::atomic)\b[^()=;{]*?(?P<variable>\w+)(?:\[\w*\])? ?[={]|"
    r"(?!namespace|template|using|return)(?P<function>[\w:<>*&, ]+ \w+\([^;{}\[\]]*\)) (?:noexcept )?\{)",
    re.MULTILINE,
)


@pytest.mark.parametrize("floor", [floor for floor in FLOORS if floor not in ("kernels", "bind")])
def test_files_compiled_together_define_a_name_once(floor: str) -> None:
    """UNSPOOL_UNITY joins the files of a floor: what is private to one meets the rest."""
    found: dict[str, str] = {}
    for path in cpp_files(CPP / floor):
        if path.suffix != ".cc":
            continue
        text = path.read_text()
        here = {match[match.lastgroup or 0] for match in DEFINED.finditer(text)}
        here |= set(FURTHER_VARIABLE.findall(text))
        for name in here:
            assert name not in found, f"{name_of(path)} and {found[name]} both define {name}"
        found |= dict.fromkeys(here, name_of(path))
    assert found or floor == "tensor"


@pytest.mark.parametrize("suffixes", [(".h", ".cc", ".cu", ".cuh"), (".py", ".pyi")], ids=["C++", "Python"])
def test_files_are_short_enough_to_read(suffixes: tuple[str, ...]) -> None:
    long_files = {}
    for folder in ("cpp", "python", "tests", "bench", "examples"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in suffixes and path.parent.name != "_core":  # those are generated
                lines = path.read_text(encoding="utf-8").count("\n")
                if lines > LINE_CAP:
                    long_files[name_of(path)] = lines
    assert long_files == {}


def test_every_cpp_file_opens_with_what_it_is_for() -> None:
    files = cpp_files() + cpp_files(ROOT / "tests") + cpp_files(ROOT / "bench")
    silent = [name_of(path) for path in files if not path.read_text(encoding="utf-8").startswith("// ")]
    assert not silent


def test_every_python_file_opens_with_what_it_is_for() -> None:
    trees = ((path, ast.parse(path.read_text(encoding="utf-8"))) for path in python_files())
    silent = [name_of(path) for path, tree in trees if tree.body and not ast.get_docstring(tree)]
    assert not silent


def module_name(path: Path) -> str:
    parts = list(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_at_load(body: Iterable[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that run when a module is loaded: not those in functions or for type checkers."""
    for statement in body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield statement
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from imports_at_load(statement.orelse)
        elif isinstance(statement, (ast.If, ast.Try, ast.With)):
            yield from imports_at_load(ast.iter_child_nodes(statement))  # type: ignore[arg-type]


def loaded_names(path: Path, modules: Iterable[str]) -> set[str]:
    """Return what a file's imports ask for: modules of the package, or names in the package itself."""
    own = module_name(path)
    package = own if path.name == "__init__.py" else own.rpartition(".")[0]
    names: set[str] = set()
    for statement in imports_at_load(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(statement, ast.Import):
            names.update(alias.name for alias in statement.names)
            continue
        base = statement.module or ""
        if statement.level:
            parents = package.split(".")[: len(package.split(".")) - statement.level + 1]
            base = ".".join([*parents, base] if base else parents)
        # `from package import module` needs the module; the package itself is loaded around it.
        inner = [f"{base}.{alias.name}" for alias in statement.names]
        names.update(name if name in modules or base == "unspool" else base for name in inner)
    return names


def package_modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def test_python_modules_do_not_import_each_other_in_circles() -> None:
    # `import unspool` inside the package is no edge: it gives a name that is looked into when it is used.
    modules = package_modules()
    graph = {
        name: loaded_names(path, modules) & set(modules) - {name, "unspool"} for name, path in modules.items()
    }
    assert find_cycle(graph) == []


def test_python_modules_take_no_names_from_the_unfinished_package() -> None:
    modules = package_modules()
    allowed = {*modules, "unspool._core"}
    wrong = {
        name: sorted(taken)
        for name, path in modules.items()
        if (taken := {n for n in loaded_names(path, modules) - allowed if re.fullmatch(r"unspool\.\w+", n)})
    }
    assert wrong == {}
