"""docs/cli.md describes every command and option, as the program itself does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from evalsuite.cli.global_options import HELP
from evalsuite.cli.reference import command_names, update_page
from evalsuite.config import RunConfig, ScoreConfig
from evalsuite.options.fields import described_options, option_name

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_cli_page_is_up_to_date(page: str) -> None:
    """Run `python -m evalsuite.cli.reference docs/cli.md` after a change of a command."""
    assert update_page(page) == page


def test_cli_page_has_a_block_for_every_command(page: str) -> None:
    assert re.findall(r"<!-- command: ([a-z ]+) -->", page) == command_names()


def test_cli_page_has_the_global_options(page: str) -> None:
    assert all(f"`{spelling}`" in page for spelling, _ in HELP)


@pytest.mark.parametrize(("command", "config"), [("run", RunConfig), ("score", ScoreConfig)])
def test_cli_page_shows_every_option_that_the_configuration_takes(
    page: str, command: str, config: type[Any]
) -> None:
    block = page.partition(f"<!-- command: {command} -->")[2].partition("<!-- end -->")[0]
    for name, (_, option) in described_options(config).items():
        if name != "datasets" and (command == "run" or option.scoring):
            spelling = option.names[0].partition("/")[0] if option.names else option_name(name)
            assert f"`{spelling}" in block, name


def test_update_page_of_an_unknown_command_is_an_error() -> None:
    with pytest.raises(KeyError, match="nosuch"):
        update_page("<!-- command: nosuch -->\n<!-- end -->")
