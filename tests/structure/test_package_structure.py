"""The folder tree tells the data flow: arrows point one way, and every name has one home."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "evalsuite"
ROOT_MODULES = {"__init__", "__main__", "_version", "config", "errors", "types"}
LAYERS = (
    "_version",
    "types",
    "errors",
    "_util",
    "metrics",
    "formatting",
    "data",
    "tasks",
    "models",
    "endpoint",
    "options",
    "config",
    "backends",
    "conversion",
    "runs",
    "comparison",
    "report",
    "serving",
    "imports",
    "suites",
    "evaluation",
    "training",
    "viewer",
    "cli",
    "__init__",
    "__main__",
)
"""Bottom to top. A folder (or root module) imports only what stands before it."""
MIN_LINES = 15


@lru_cache
def modules() -> dict[str, Path]:
    """Dotted name, without `evalsuite.`, → file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def layer_of(module: str) -> str:
    return module.partition(".")[0]


def imported_modules(path: Path) -> Iterator[str]:
    """Every module of evalsuite that a file imports, also lazily or for its types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("evalsuite."):
                yield name.removeprefix("evalsuite.")


def is_leaf(target: str) -> bool:
    """Whether it is a small helper that imports nothing of evalsuite: such a module cannot be part of a circle."""
    module = target if target in modules() else target.rpartition(".")[0]
    return layer_of(module) == "_util" and not list(imported_modules(modules()[module]))


def test_package_root_holds_six_modules() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT_MODULES


def test_every_folder_has_a_layer() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(LAYERS)


def test_imports_point_downwards() -> None:
    upward = []
    for module, path in modules().items():
        own = LAYERS.index(layer_of(module))
        upward += [
            f"{module} imports {target}"
            for target in imported_modules(path)
            if LAYERS.index(layer_of(target)) > own and not is_leaf(target)
        ]
    assert not upward, "\n".join(sorted(set(upward)))


def test_modules_of_one_folder_do_not_import_each_other_in_circles() -> None:
    """At import time; an import inside a function or for types alone is no circle."""
    graph: dict[str, set[str]] = defaultdict(set)
    for module, path in modules().items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evalsuite"):
                for alias in node.names:
                    full = f"{node.module}.{alias.name}".removeprefix("evalsuite.")
                    target = full if full in modules() else full.rpartition(".")[0]
                    graph[module].add(target)
    assert not list(circles(graph)), "\n".join(" → ".join(circle) for circle in circles(graph))


def circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Depth-first search; yields each way back to a module that is being visited."""
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> Iterator[list[str]]:
        if module in trail:
            yield [*trail[trail.index(module) :], module]
        elif module not in done:
            for target in sorted(graph.get(module, ())):
                yield from visit(target, [*trail, module])
            done.add(module)

    for module in sorted(graph):
        yield from visit(module, [])


def test_class_names_have_one_home() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    doubled = {name: places for name, places in homes.items() if len(places) > 1}
    assert not doubled


def test_modules_are_long_enough_to_be_worth_a_file() -> None:
    short = {
        module: len(path.read_text(encoding="utf-8").splitlines())
        for module, path in modules().items()
        if path.stem not in ("__init__", "__main__", "_version")
    }
    assert not {module: lines for module, lines in short.items() if lines < MIN_LINES}


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_folder_docstring_says_what_it_may_import(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert "May import:" in docstring
    assert "Must not import:" in docstring


def test_module_names_are_unique_within_sight() -> None:
    """A name such as `results` may stand in several folders; three homes make it a riddle."""
    names = Counter(path.stem for path in modules().values() if path.stem != "__init__")
    assert not {name: count for name, count in names.items() if count > 3}
