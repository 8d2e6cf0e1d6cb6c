"""How to make a comparison again: the command, the variants and the signatures."""

from __future__ import annotations

from msgspec import Struct

from evalsuite.comparison.document import ComparisonDocument
from evalsuite.formatting.numbers import MISSING
from evalsuite.report.section import Section
from evalsuite.report.source import ComparisonSource


class SignaturePair(Struct, frozen=True):
    """The signatures of both sides for one judged metric."""

    dataset: str
    metric: str
    variant: str
    of_baseline: str
    of_variant: str


def section(source: ComparisonSource) -> Section:
    """Make the section."""
    values = {
        "command": source.command,
        "baseline": source.comparison.baseline,
        "sides": source.comparison.sides,
        "signatures": signature_pairs(source.comparison),
    }
    return Section("reproduce", "Reproduce", "reproduce_comparison.html.j2", values)


def signature_pairs(document: ComparisonDocument) -> list[SignaturePair]:
    """The signatures of all judged metrics."""
    return [
        SignaturePair(
            result.dataset,
            result.metric,
            result.variant,
            result.baseline_signature or MISSING,
            result.variant_signature or MISSING,
        )
        for result in document.judged
    ]
