"""The public names cannot drift by accident."""

from __future__ import annotations

import pytest

import evalsuite


def test_the_public_names():
    assert sorted(evalsuite.__all__) == [
        "Comparison",
        "Run",
        "RunConfig",
        "__version__",
        "compare",
        "evaluate",
        "load_run",
    ]
    assert dir(evalsuite) == sorted(evalsuite.__all__)
    for name in evalsuite.__all__:
        assert getattr(evalsuite, name) is not None


def test_any_other_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'evalsuite' has no attribute 'evalute'"):
        evalsuite.evalute  # noqa: B018


def test_it_is_typed():
    from importlib.resources import files

    assert (files("evalsuite") / "py.typed").is_file()
