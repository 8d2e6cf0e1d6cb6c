"""A comparison as Markdown, for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterable

from evalsuite.comparison.document import ComparisonDocument
from evalsuite.comparison.tables import HEADLINES, headline_rows, swift_tables
from evalsuite.formatting.texts import replace_surrogates, visible

MARKS = {"better": "✅", "worse": "❌"}


def to_markdown(document: ComparisonDocument, style: str | None = None) -> str:
    """Write verdicts, warnings and the table of metrics. With style `swift` the table is SWIFT's."""
    parts = [f"### evalsuite: compared with {_escaped(document.baseline)}", ""]
    parts += [
        f"- {MARKS.get(verdict.verdict, '➖')} {_escaped(verdict.sentence)}" for verdict in document.verdicts
    ]
    if document.warnings:
        parts += [
            "",
            "**Worth knowing**",
            "",
            *(f"- {_escaped(warning)}" for warning in document.warnings),
        ]
    if style == "swift":
        for dataset, heads, rows in swift_tables(document):
            parts += ["", f"**{_escaped(dataset)}**", "", *_markdown_table(heads, rows)]
    else:
        table = _markdown_table(HEADLINES, headline_rows(document))
        parts += ["", "<details><summary>All metrics</summary>", "", *table, "", "</details>"]
    return replace_surrogates("\n".join(parts)) + "\n"


def _markdown_table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(heads)
    lines = [names, ["---"] * len(names), *([_escaped(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _escaped(text: str) -> str:
    """Escape text so that Markdown shows it unchanged, on one line."""
    shown = visible(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for character in "|`*[]":
        shown = shown.replace(character, f"\\{character}")
    return " ".join(shown.split())
