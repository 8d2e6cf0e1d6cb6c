"""A comparison as one offline HTML file: verdicts, forest plot, metrics, the rows themselves, what else differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from evalsuite.comparison.flips import Flips
from evalsuite.comparison.rows import MOST_ROWS
from evalsuite.comparison.tables import whole_results
from evalsuite.formatting import texts
from evalsuite.formatting.numbers import format_count
from evalsuite.report import forest_plot as forest_plots
from evalsuite.report.changed_rows import changed_rows
from evalsuite.report.explorer import explorer_context
from evalsuite.report.quality_cost import comparison_quality_cost_tables
from evalsuite.report.reply_statistics import Tally
from evalsuite.report.sample_store import Read, SampleStore
from evalsuite.report.samples import Metrics
from evalsuite.report.training_charts import training_charts
from evalsuite.report.verdict_list import verdict_list


def render_comparison(
    document: Mapping[str, Any],
    flips: Sequence[Flips],
    read: Read,
    command: str,
    costs: Mapping[tuple[str, str], float | None] = MappingProxyType({}),
) -> str:
    """The page as text; it can be written as UTF-8 whatever the samples hold.

    `read` gives journal lines of the rows in common, under the names the comparison has for variants and datasets;
    `costs` are what a side paid for a dataset, by (label, dataset), where that is known.
    """
    from evalsuite.report.page import assemble_page

    pack = SampleStore(_metrics(document), baseline=document["baseline"])
    tally = Tally()
    for sample in read():
        tally.add(sample)
        pack.add(sample)
    pack = pack.fit(read)
    return assemble_page(
        "comparison.html.j2",
        _context(document, flips, command)
        | explorer_context(pack)
        | {
            "samples_sentence": _sentence(document, pack),
            "efforts": comparison_quality_cost_tables(document, tally, costs),
        },
        data=pack.data(),
    )


def _metrics(document: Mapping[str, Any]) -> dict[tuple[str, str], Metrics]:
    """The metrics of whole datasets, the judged one first: what a single row is judged by."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for result in sorted(whole_results(document, details=True), key=lambda one: not one["verdict"]):
        metric = {name: result[name] for name in ("unit", "higher_is_better")} | {"name": result["metric"]}
        for variant in (document["baseline"], result["variant"]):
            found.setdefault((variant, result["dataset"]), {}).setdefault(result["metric"], metric)
    return dict(found)


def _sentence(document: Mapping[str, Any], pack: SampleStore) -> str:
    """Which rows are here."""
    if len(pack) < pack.seen or any(one["matched"] > MOST_ROWS for one in document["rows"]):
        chosen = f"{pack.chosen()} " if pack.chosen() else ""
        return f"A part of the rows in common, those that changed most. {chosen}The others are in the runs' samples.jsonl."
    return "The rows in common, those that changed first."


def _context(document: Mapping[str, Any], flips: Sequence[Flips], command: str) -> dict[str, Any]:
    from evalsuite._version import __version__

    baseline = document["baseline"]
    others = [side["label"] for side in document["sides"] if side["label"] != baseline]
    return {
        "version": __version__,
        "baseline": baseline,
        "others": others,
        "several": len(others) > 1,
        "compared": verdict_list(document),
        "warnings": document["warnings"],
        "forests": forest_plots.forest_plots(document),
        "training": training_charts(document),
        "tables": forest_plots.delta_tables(document),
        "subset_tables": forest_plots.subset_delta_tables(document),
        "changed_rows": changed_rows(flips),
        "rows": document["rows"],
        "differences": document["differences"],
        "shown": texts.value_text,
        "sides": document["sides"],
        "signatures": forest_plots.signature_pairs(document),
        "command": command,
        "count": format_count,
    }
