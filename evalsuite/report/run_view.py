"""run.json and summary.json as the report's template reads them: rows of ready text, nothing to compute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite.formatting.numbers import counted, format_speed
from evalsuite.formatting.texts import dump, value_text
from evalsuite.report.breakdown_tables import breakdowns
from evalsuite.report.headline import describe_failure, facts, format_timestamp, verdicts
from evalsuite.report.metric_tables import category_tables, metric_tables, panels, subset_tables
from evalsuite.report.provenance import signatures, version_list
from evalsuite.report.quality_cost import efforts
from evalsuite.report.reply_behaviour import behaviour_tables, throughput_figure
from evalsuite.report.reply_statistics import Tally
from evalsuite.report.summary_parts import outcomes_shown
from evalsuite.report.usage_table import usage_notes, usage_table
from evalsuite.runs.run import identical_variants


def context(run: Mapping[str, Any], summary: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    """What the template shows apart from samples and the comparison of the variants."""
    variants = list((summary.get("variants") or {}).keys())
    totals = summary.get("totals") or {}
    owed = int(totals.get("owed") or 0)
    return {
        "name": str(summary.get("run") or "run"),
        "version": str(run.get("evalsuite") or ""),
        "started": format_timestamp(summary.get("started")),
        "finished": format_timestamp(summary.get("finished")),
        "incomplete": not summary.get("complete", True),
        "problem": str(summary.get("problem") or ""),
        "owed": f"{counted(owed, 'sample')} {'is' if owed == 1 else 'are'} still owed" if owed else "",
        "command": str(run.get("command") or ""),
        "several": len(variants) > 1,
        "verdicts": verdicts(summary),
        "facts": facts(summary),
        "errors": [describe_failure(error) for error in summary.get("errors") or ()],
        "warnings": [str(warning) for warning in summary.get("warnings") or ()],
        "outcomes": outcomes_shown(summary),
        "tables": metric_tables(run, summary),
        "category_tables": category_tables(summary),
        "subset_tables": subset_tables(summary),
        "panels": panels,
        "breakdowns": breakdowns(summary),
        "habits": behaviour_tables(tally),
        "efforts": efforts(summary, tally),
        "took": usage_table(summary),
        "took_notes": usage_notes(summary),
        "took_figure": throughput_figure(summary),
        "variants": list(run.get("variants") or ()),
        "doubtful": identical_variants(run),
        "speeds": {
            name: format_speed(entry["speed"])
            for name, entry in (summary.get("variants") or {}).items()
            if "speed" in entry
        },
        "datasets": list(run.get("datasets") or ()),
        "signatures": signatures(summary),
        "versions": version_list(run.get("versions") or {}),
        "git": run.get("git") or {},
        "config": dump(run["config"], indent=True) if run.get("config") else "",
    }


def comparison_context(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows of the run's variants held against each other."""
    from evalsuite.report.forest_plot import forest_plots
    from evalsuite.report.verdict_list import verdict_list

    return {
        "baseline": document["baseline"],
        "compared": verdict_list(document),
        "comparison_warnings": document["warnings"],
        "against_several": len(document["sides"]) > 2,
        "forests": forest_plots(document),
        "differences": document["differences"],
        "shown": value_text,
    }


def aliases(document: Mapping[str, Any]) -> dict[str, str]:
    """What datasets of variants are called by the baseline, where that is another name: files of predictions."""
    labels = {result["dataset"] for result in document["results"]}
    pairs = (label.split(" / ") for label in labels)
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}
