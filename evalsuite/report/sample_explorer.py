"""The samples of a page: filters, list and detail of all of them, and a few rows as text for readers without JavaScript."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import format_count
from evalsuite.report.sample_store import SampleStore
from evalsuite.report.samples import TEXT_LIMIT
from evalsuite.report.section import Section
from evalsuite.report.source import ComparisonSource, RunSource
from evalsuite.report.worst_rows import worst_rows

FLIPS = (
    ("changed", "won or lost"), ("won", "won"), ("lost", "lost"), ("both wrong", "both wrong"), ("both right", "both right"),
)  # fmt: skip
ANSWERS = (("right", "right"), ("partial", "partly right"), ("wrong", "wrong"))
BANDS = (("0", "below 25"), ("1", "25 to 50"), ("2", "50 to 75"), ("3", "75 and more"))
"""Quarters of a score from 0 to 1, with their text in points."""


class Filter(Struct, frozen=True):
    """One drop-down list: its name in links, its title, and its choices as value and text."""

    name: str
    title: str
    choices: tuple[tuple[str, str], ...]
    hidden: bool


def section(source: RunSource | ComparisonSource) -> Section | None:
    """Make the section. None without any sample."""
    store = source.samples
    if not len(store):
        return None
    values: dict[str, Any] = {"text_limit": format_count(TEXT_LIMIT), "filters": filters(store)}
    if isinstance(source, RunSource):
        values["sentence"] = store.sentence()
        values["worst_rows"] = worst_rows(store, store.baseline, source.aliases)
    else:
        from evalsuite.report.flip_tables import flip_tables  # a run without a comparison does not need it

        values["sentence"] = _rows_sentence(source)
        values["baseline"] = source.comparison.baseline
        values["flip_tables"] = flip_tables(source.flips)
    return Section("samples", "Samples", "sample_explorer.html.j2", values)


def _rows_sentence(source: ComparisonSource) -> str:
    """Which rows of a comparison the page shows."""
    from evalsuite.comparison.rows import MAX_ROWS

    store = source.samples
    if len(store) == store.seen and all(entry.matched <= MAX_ROWS for entry in source.comparison.rows):
        return "The rows in common, those that changed first."
    selection = f"{store.selection()} " if store.selection() else ""
    return (
        f"A part of the rows in common, those that changed most. {selection}"
        "The others are in samples.jsonl of the runs."
    )


def filters(store: SampleStore) -> list[Filter]:
    """Make all filters. Those without a choice are hidden, but a link may still set them."""
    answers = store.distinct_values("answer")
    several = len(store.distinct_values("variant")) > 1
    baseline = store.baseline
    partly = "partial" in answers
    found = [_word_filter(store, "variant"), _word_filter(store, "dataset")]
    found += [_word_filter(store, "category", "categories"), _word_filter(store, "subset")]
    found.append(Filter("flip", f"Against {baseline}", FLIPS, hidden=baseline is None or not several))
    found.append(_word_filter(store, "outcome"))
    choices = tuple(choice for choice in ANSWERS if choice[0] in answers)
    found.append(Filter("answer", "Right or wrong", choices, hidden=len(choices) < 2))
    found.append(Filter("score", "Score", BANDS, hidden=not partly))
    found += [_word_filter(store, "label", "labels"), _word_filter(store, "stage", title="Read by")]
    return found


def _word_filter(store: SampleStore, name: str, column: str = "", title: str = "") -> Filter:
    words = store.distinct_values(column or name)
    return Filter(
        name, title or name.capitalize(), tuple((word, word) for word in words), hidden=len(words) < 2
    )
