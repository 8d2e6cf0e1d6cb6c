"""The page of a comparison: one offline HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from evalsuite._version import __version__
from evalsuite.comparison.document import ComparisonDocument
from evalsuite.comparison.flips import Flips
from evalsuite.comparison.tables import whole_results
from evalsuite.report.sample_store import ReadSamples, SampleStore
from evalsuite.report.samples import Metrics
from evalsuite.report.source import ComparisonSource, collect_samples


def render_comparison(
    document: ComparisonDocument,
    flips: Sequence[Flips],
    read_samples: ReadSamples,
    command: str,
    costs: Mapping[tuple[str, str], float | None] = MappingProxyType({}),
) -> str:
    """Render the page. It can be encoded as UTF-8, whatever the samples contain.

    `read_samples` yields journal lines of the rows in common, with the comparison's names of variants and datasets.
    `costs` are what each side paid for a dataset, by (label, dataset), if it is known.
    """
    from evalsuite.report.page import assemble_sections
    from evalsuite.report.sections import COMPARISON_SECTIONS

    store = SampleStore(_metrics(document), baseline=document.baseline)
    statistics, store = collect_samples(store, read_samples)
    source = ComparisonSource(document, flips, statistics, store, command, costs)
    return assemble_sections(
        title=f"{', '.join(document.variants)} against {document.baseline}",
        version=__version__,
        sections=[made for section in COMPARISON_SECTIONS if (made := section(source))],
        data=store.data(),
    )


def _metrics(document: ComparisonDocument) -> dict[tuple[str, str], Metrics]:
    """The metrics of whole datasets by (label, dataset). A single row is judged by the first, which has a verdict."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for result in sorted(whole_results(document, details=True), key=lambda one: not one.verdict):
        metric = {
            "unit": result.unit,
            "higher_is_better": result.higher_is_better,
            "name": result.metric,
        }
        for variant in (document.baseline, result.variant):
            found.setdefault((variant, result.dataset), {}).setdefault(result.metric, metric)
    return dict(found)
