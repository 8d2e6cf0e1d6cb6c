"""The public names cannot drift by accident, and each is typed and documented."""

from __future__ import annotations

import ast
import inspect
import logging
from pathlib import Path

import pytest

import evalsuite
from evalsuite import errors

FUNCTIONS = {"compare", "evaluate", "load_run", "rescore", "score", "validate"}
CLASSES = {"Comparison", "Finding", "Run", "RunConfig", "ScoreConfig", "Validation"}
ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.EvalsuiteError)
}


def test_public_names_are_functions_classes_and_every_error() -> None:
    assert set(evalsuite.__all__) == FUNCTIONS | CLASSES | ERRORS | {"__version__"}
    assert dir(evalsuite) == sorted(evalsuite.__all__)


def test_package_holds_nothing_public_beside_them() -> None:
    own = {
        name
        for name, value in vars(evalsuite).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert own - set(evalsuite.__all__) <= {"annotations", "TYPE_CHECKING", "Any"}


def test_type_checkers_see_the_same_modules_as_python() -> None:
    """The imports under TYPE_CHECKING name the modules that the lazy ones import from."""
    tree = ast.parse(Path(evalsuite.__file__).read_text(encoding="utf-8"))
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in typed.body if isinstance(node, ast.ImportFrom)]
    assert imports == typed.body
    imported = {alias.name: node.module for node in imports for alias in node.names}
    assert imported == {
        name: evalsuite._MODULES.get(name, "evalsuite.errors")
        for name in evalsuite.__all__
        if name != "__version__"
    }


@pytest.mark.parametrize("name", sorted(FUNCTIONS | CLASSES | ERRORS))
def test_public_name_is_documented_and_typed(name: str) -> None:
    value = getattr(evalsuite, name)
    assert inspect.getdoc(value)
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(one.annotation is not one.empty for one in signature.parameters.values())


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'evalsuite' has no attribute 'evalute'"):
        evalsuite.evalute  # noqa: B018


def test_package_is_marked_as_typed() -> None:
    from importlib.resources import files

    assert (files("evalsuite") / "py.typed").is_file()


def test_package_logger_has_a_null_handler() -> None:
    assert any(isinstance(one, logging.NullHandler) for one in logging.getLogger("evalsuite").handlers)
