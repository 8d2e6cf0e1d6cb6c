"""Every `>>>` example of docs/ and of docstrings is run."""

from __future__ import annotations

import ast
import doctest
from importlib import import_module
from pathlib import Path

import pytest

from evalsuite.tasks import KINDS, task_class

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("**/*.md"))
NEED_A_TRAINER = {"training.md"}
"""What these show runs inside a training: tests/training and the files of examples/ do."""
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "evalsuite").glob("**/*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def check_names(text: str) -> None:
    """Blocks that need a trainer are Python, and what they import of ours is there."""
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    trees = [ast.parse(block) for block in blocks]
    imports = [
        (node.module, alias.name)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evalsuite")
        for alias in node.names
    ]
    assert imports
    for module, name in imports:
        path = ROOT.joinpath(*str(module).split("."))
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        assert source.is_file(), module
        assert (path / f"{name}.py").is_file() or name in source.read_text(encoding="utf-8"), (module, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_a_page(page: Path) -> None:
    found = doctest.testfile(str(page), module_relative=False)
    assert found.failed == 0
    text = page.read_text(encoding="utf-8")
    if page.name in NEED_A_TRAINER:
        check_names(text)
        return
    assert text.count("```python\n") == text.count("```python\n>>> "), "a block of Python that nothing runs"


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(name: str) -> None:
    if name.startswith("evalsuite.training."):
        pytest.importorskip(
            "transformers", reason="torch and transformers are not installed (evalsuite[training])"
        )
    found = doctest.testmod(import_module(name))
    assert found.attempted
    assert found.failed == 0


def test_the_page_on_metrics_describes_every_profile() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = {f"`{name}`" for kind in KINDS if kind != "toolbench" for name in task_class(kind).profiles}
    assert not {name for name in names if name not in text}
