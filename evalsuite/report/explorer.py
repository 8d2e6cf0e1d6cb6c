"""What the sample explorer's form offers: its filters with their choices, and how many samples there are to filter."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from evalsuite.formatting.numbers import format_count
from evalsuite.report.sample_store import SampleStore
from evalsuite.report.samples import TEXT_LIMIT

FLIPS = (
    ("changed", "won or lost"), ("won", "won"), ("lost", "lost"), ("both wrong", "both wrong"), ("both right", "both right"),
)  # fmt: skip
ANSWERS = (("right", "right"), ("partial", "partly right"), ("wrong", "wrong"))
BANDS = (("0", "below 25"), ("1", "25 to 50"), ("2", "50 to 75"), ("3", "75 and more"))
"""Quarters of a score from 0 to 1, as points."""


class Filter(Struct, frozen=True):
    """One select: its name in the address, its title, and pairs of a value and what it is called."""

    name: str
    title: str
    choices: tuple[tuple[str, str], ...]
    hidden: bool


def explorer_context(pack: SampleStore) -> dict[str, Any]:
    """What the explorer's template shows."""
    return {
        "samples_shown": len(pack),
        "samples_sentence": pack.sentence(),
        "text_limit": format_count(TEXT_LIMIT),
        "filters": filters(pack),
    }


def filters(pack: SampleStore) -> list[Filter]:
    """All filters; those with nothing to choose are hidden, but there for an address that names them."""
    answers = pack.words("answer")
    several = len(pack.words("variant")) > 1
    baseline = pack.baseline
    partly = "partial" in answers
    found = [_of_words(pack, "variant"), _of_words(pack, "dataset")]
    found += [_of_words(pack, "category", "categories"), _of_words(pack, "subset")]
    found.append(Filter("flip", f"Against {baseline}", FLIPS, hidden=baseline is None or not several))
    found.append(_of_words(pack, "outcome"))
    choices = tuple(choice for choice in ANSWERS if choice[0] in answers)
    found.append(Filter("answer", "Right or wrong", choices, hidden=len(choices) < 2))
    found.append(Filter("score", "Score", BANDS, hidden=not partly))
    found += [_of_words(pack, "label", "labels"), _of_words(pack, "stage", title="Read by")]
    return found


def _of_words(pack: SampleStore, name: str, column: str = "", title: str = "") -> Filter:
    words = pack.words(column or name)
    return Filter(
        name, title or name.capitalize(), tuple((word, word) for word in words), hidden=len(words) < 2
    )
