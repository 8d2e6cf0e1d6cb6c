"""`evalsuite suites`: install and list other evaluation suites."""

from __future__ import annotations

from typing import Annotated

import typer

from evalsuite.cli.help import SectionedCommand

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Install and list EvalScope, OpenCompass and VLMEvalKit, each in an environment of its own.",
)


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.add_typer(app, name="suites")


@app.command(cls=SectionedCommand)
def install(
    names: Annotated[list[str], typer.Argument(metavar="evalscope|opencompass|vlmeval …")],
    fresh: Annotated[bool, typer.Option("--fresh", help="Install it again, even if it is there.")] = False,
) -> None:
    """Install the tested version of a suite in an environment of its own."""
    from evalsuite.errors import ConfigError
    from evalsuite.suites.install import install as make
    from evalsuite.suites.registry import SUITES

    for name in names:
        if name not in SUITES:
            raise ConfigError(f"there is no suite '{name}'; there are: {', '.join(SUITES)}.")
    for name in names:
        make(SUITES[name], fresh=fresh)


@app.command("list", cls=SectionedCommand)
def show() -> None:
    """List the suites: which are ready, and what is wrong with the others."""
    from evalsuite.suites.environments import find_environment
    from evalsuite.suites.registry import SUITES

    for suite in SUITES.values():
        found = find_environment(suite)
        hint = "" if found.state == "ready" else f" · evalsuite suites install {suite.name}"
        again = " --fresh" if hint and found.state != "missing" else ""
        print(
            f"{suite.name:<12} {found.state:<14} {found.version or suite.tested + '.*':<9} {found.detail}{hint}{again}"
        )
