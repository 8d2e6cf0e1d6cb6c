"""Help texts without a markup library: loading one takes longer than everything else `--help` does."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

_STATED_DEFAULT = re.compile(r"\[default: \((?P<text>.*)\)\]")


class SectionedCommand(TyperCommand):
    """A command whose options stand under the headings they name as their panel."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section a panel, in the order the options come; those without one are last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                panel = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(panel, []).append(
                    (record[0], _STATED_DEFAULT.sub(r"[default: \g<text>]", record[1]))
                )
        for panel, records in sorted(sections.items(), key=lambda item: item[0] == "Options"):
            with formatter.section(panel):
                formatter.write_dl(records)
