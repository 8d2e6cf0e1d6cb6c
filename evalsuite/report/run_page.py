"""report.html: a run as one offline HTML file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite.comparison.document import ComparisonDocument, ResultEntry
    from evalsuite.runs.schema import SampleLine


def render_run(
    info: Mapping[str, Any],
    summary: Mapping[str, Any],
    read_samples: Callable[[], Iterable[SampleLine]],
    *,
    max_samples: int | None = None,
) -> str:
    """Render the report of a run from run.json, summary.json and the lines of samples.jsonl.

    There may be any number of samples. They are read twice if not all of them fit. The page holds at most `max_samples`
    of them (by default as many as a browser can handle), and it says how many there are and which are shown. The page can
    be encoded as UTF-8, whatever the samples contain.
    """
    # Imported here, so that a command that writes no report does not wait for templates.
    from evalsuite.report.page import assemble_sections
    from evalsuite.report.sample_store import MAX_SAMPLES, SampleStore
    from evalsuite.report.sections import RUN_SECTIONS
    from evalsuite.report.source import RunSource, collect_samples
    from evalsuite.report.summary_parts import metrics_by_dataset

    comparison = _comparison(summary)
    aliases = _aliases(comparison.results) if comparison else {}
    store = SampleStore(
        metrics_by_dataset(summary),
        MAX_SAMPLES if max_samples is None else max_samples,
        baseline=comparison.baseline if comparison else None,
        aliases=aliases,
    )
    statistics, store = collect_samples(store, read_samples)
    source = RunSource(info, summary, statistics, store, comparison, aliases)
    return assemble_sections(
        title=str(summary.get("run") or "run"),
        version=str(info.get("evalsuite") or ""),
        sections=[made for section in RUN_SECTIONS if (made := section(source))],
        data=store.data(),
    )


def _comparison(summary: Mapping[str, Any]) -> ComparisonDocument | None:
    from evalsuite.comparison.document import ComparisonDocument

    document = summary.get("comparison")
    return ComparisonDocument.from_json(document) if document else None


def _aliases(results: Iterable[ResultEntry]) -> dict[str, str]:
    """The baseline's names of datasets that have another name on the other side, as files of predictions do."""
    pairs = (label.split(" / ") for label in {result.dataset for result in results})
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}
