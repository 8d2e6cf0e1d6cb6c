"""Help texts without a markup library, since loading one takes longer than everything else that `--help` does."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

from evalsuite.cli.global_options import HELP

GLOBAL_PANEL = "With every command"
DEFAULT_PANEL = "Options"
_STATED_DEFAULT = re.compile(r"\[default: \((?P<text>.*)\)\]")


class SectionedCommand(TyperCommand):
    """A command whose options are listed under the panels that they name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each panel, in the order of the options; those without a panel and the global ones are last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                panel = getattr(parameter, "rich_help_panel", None) or DEFAULT_PANEL
                sections.setdefault(panel, []).append(
                    (record[0], _STATED_DEFAULT.sub(r"[default: \g<text>]", record[1]))
                )
        for panel, records in sorted(sections.items(), key=lambda item: item[0] == DEFAULT_PANEL):
            with formatter.section(panel):
                formatter.write_dl(records)
        with formatter.section(GLOBAL_PANEL):
            formatter.write_dl(list(HELP))
