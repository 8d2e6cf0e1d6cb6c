"""A comparison as one offline HTML file: verdicts, forest plot, metrics, the rows that changed, what else differs.

Readable without JavaScript, which only switches the theme and copies the command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.comparison.flips import Flips
from evalsuite.report import charts, texts
from evalsuite.report.comparison_tables import (
    WHOLE,
    detectable_text,
    p_text,
    whole_results,
    won_lost,
)
from evalsuite.report.numbers import (
    MISSING,
    POINT_UNITS,
    counted,
    format_count,
    format_delta,
    format_delta_interval,
    format_value,
    scaled,
)

ROWS_OF_A_GROUP = 30
ROWS_OF_A_PAGE = 600
"""Each has a question and two replies: some megabytes at most."""
FEWEST_ROWS = 3
TEXT_LIMIT = 3_000
LEAD_CHARACTERS = 140
SUBSETS_OPEN = 25
CATEGORY = "category:"


@dataclass(frozen=True, slots=True)
class DeltaRow:
    """One line of a table of differences, in words, with its line of the forest plot."""

    dataset: str
    subset: str
    metric: str
    variant: str
    baseline_value: str
    value: str
    delta: str
    interval: str
    p: str
    won_lost: str
    n: str
    detectable: str
    verdict: str
    kind: str
    graphic: str
    lower_is_better: bool


@dataclass(frozen=True, slots=True)
class SideShown:
    """What one side said to a row."""

    label: str
    outcome: str
    answer: str
    score: str
    extracted: texts.Text
    text: texts.Text


@dataclass(frozen=True, slots=True)
class FlipShown:
    """One row that changed: what was asked, the right answer, both replies."""

    place: str
    lead: str
    asked: texts.Text
    gold: texts.Text
    sides: tuple[SideShown, SideShown]


@dataclass(frozen=True, slots=True)
class GroupShown:
    """Rows that went the same way, the first ones in full."""

    title: str
    kind: str
    note: str
    rows: tuple[FlipShown, ...]
    open: bool


def render_comparison(document: Mapping[str, Any], flips: Sequence[Flips], command: str) -> str:
    """The page as text; it can be written as UTF-8 whatever the samples hold."""
    from evalsuite.report.page import assemble

    return assemble(
        "comparison.html.j2",
        _context(document, flips, command),
        styles=["style.css", "comparison.css"],
        script="script.js",
    )


def _context(document: Mapping[str, Any], flips: Sequence[Flips], command: str) -> dict[str, Any]:
    from evalsuite._version import __version__

    baseline = document["baseline"]
    others = [side["label"] for side in document["sides"] if side["label"] != baseline]
    judged = [result for result in document["results"] if result["verdict"]]
    most = max(
        FEWEST_ROWS, min(ROWS_OF_A_GROUP, ROWS_OF_A_PAGE // max(1, sum(len(one.groups) for one in flips)))
    )
    return {
        "version": __version__,
        "baseline": baseline,
        "others": others,
        "several": len(others) > 1,
        "verdicts": document["verdicts"],
        "warnings": document["warnings"],
        "forests": [_forest(results) for results in _by_scale(judged)],
        "tables": _tables(document),
        "subset_tables": _subset_tables(document),
        "flips": [(one.dataset, one.after.label, one.metric.name, _groups(one, most)) for one in flips],
        "rows": document["rows"],
        "differences": document["differences"],
        "shown": texts.as_text,
        "sides": document["sides"],
        "signatures": _signatures(document),
        "command": command,
        "count": format_count,
    }


def _by_scale(results: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Results that share an axis: all that are told in points, then each other unit."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault("points" if result["unit"] in POINT_UNITS else result["unit"], []).append(result)
    return list(groups.values())


def _forest(results: Sequence[Mapping[str, Any]]) -> tuple[list[DeltaRow], str]:
    reach = _reach(results)
    unit = "points" if results[0]["unit"] in POINT_UNITS else ""
    return [_row(result, reach) for result in results], charts.forest_axis(reach, unit)


def _reach(results: Iterable[Mapping[str, Any]]) -> float:
    """Where an axis that shows all of them ends: a round number."""
    ends = [
        abs(scaled(result, result[name]) or 0.0)
        for result in results
        for name in ("delta", "ci_low", "ci_high")
    ]
    largest = max(ends, default=0.0)
    return charts.nice_step(largest, 1) if largest > 0 else 1.0


def _row(result: Mapping[str, Any], reach: float) -> DeltaRow:
    kind = {"better": "better", "worse": "worse"}.get(str(result["verdict"]), "neither")
    interval = format_delta_interval(result, result["ci_low"], result["ci_high"])
    delta = format_delta(result, result["delta"])
    title = f"{result['variant']}, {result['metric']} on {result['dataset']} {result['subset']}: {delta}"
    if interval != MISSING:
        title += f", 95 % interval {interval}"
    ends = [scaled(result, result[name]) for name in ("delta", "ci_low", "ci_high")]
    return DeltaRow(
        dataset=result["dataset"],
        subset=result["subset"].removeprefix(CATEGORY),
        metric=result["metric"],
        variant=result["variant"],
        baseline_value=format_value(result, result["baseline_value"]),
        value=format_value(result, result["variant_value"]),
        delta=delta,
        interval=interval,
        p=p_text(result),
        won_lost=won_lost(result),
        n=format_count(result["n"]),
        detectable=detectable_text(result),
        verdict=result["verdict"] or "",
        kind=kind,
        graphic=charts.delta_row(*ends, title=title, reach=reach, kind=kind),
        lower_is_better=not result["higher_is_better"],
    )


def _tables(document: Mapping[str, Any]) -> list[tuple[str, list[DeltaRow]]]:
    """Every metric of every whole dataset."""
    tables: dict[str, list[DeltaRow]] = {}
    for result in whole_results(document, details=True):
        tables.setdefault(result["dataset"], []).append(_row(result, 0.0))
    return list(tables.items())


def _subset_tables(document: Mapping[str, Any]) -> list[tuple[str, str, bool, list[DeltaRow], str]]:
    """Categories and subsets by the judged metrics: a title, the metric, whether it is unfolded, its rows, the axis."""
    groups: dict[tuple[str, bool, str], list[Mapping[str, Any]]] = {}
    for result in document["results"]:
        if result["subset"] != WHOLE:
            place = result["dataset"], result["subset"].startswith(CATEGORY), result["metric"]
            groups.setdefault(place, []).append(result)
    tables = []
    for (dataset, categories, metric), results in groups.items():
        reach = _reach(results)
        rows = [_row(result, reach) for result in _largest_change_first(results)]
        title = f"{dataset}, {'categories' if categories else 'subsets'}"
        tables.append(
            (
                title,
                metric,
                len(rows) <= SUBSETS_OPEN,
                rows,
                charts.forest_axis(reach, "points" if results[0]["unit"] in POINT_UNITS else ""),
            )
        )
    return tables


def _largest_change_first(results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Subsets by the first variant's delta, variants of a subset together."""
    place: dict[str, float] = {}
    for result in results:
        place.setdefault(result["subset"], -(result["delta"] or 0.0))
    return sorted(results, key=lambda result: (place[result["subset"]], result["subset"]))


def _groups(flips: Flips, most: int) -> list[GroupShown]:
    shown = []
    for group in flips.groups:
        rows = tuple(_flip(flips, before, after) for before, after in flips.read(group, most))
        note = f"the first {len(rows)} of {format_count(group.count)}" if len(rows) < group.count else ""
        title = {
            "won": f"Won by {flips.after.label}",
            "lost": f"Lost by {flips.after.label}",
            "both wrong": "Wrong on both sides",
        }[group.kind]
        kind = {"won": "right", "lost": "wrong"}.get(group.kind, "")
        heading = f"{title}: {counted(group.count, 'row')}"
        shown.append(GroupShown(heading, kind, note, rows, group.kind != "both wrong" and bool(rows)))
    return shown


def _flip(flips: Flips, before: Mapping[str, Any], after: Mapping[str, Any]) -> FlipShown:
    asked = _asked(after)
    metric = {"unit": flips.metric.unit}
    sides = tuple(
        _side(side.label, line, metric, flips.metric.score)
        for side, line in ((flips.before, before), (flips.after, after))
    )
    subset = f"{after['subset']} · " if after["subset"] not in (flips.dataset, WHOLE) else ""
    return FlipShown(
        place=f"{subset}{after['id']}",
        lead=" ".join(asked.rstrip().rpartition("\n\n")[2].split())[:LEAD_CHARACTERS],
        asked=texts.cut(asked, TEXT_LIMIT),
        gold=texts.cut(texts.as_text(after.get("gold")), TEXT_LIMIT),
        sides=(sides[0], sides[1]),
    )


def _side(label: str, line: Mapping[str, Any], metric: Mapping[str, Any], score: str) -> SideShown:
    reply = line.get("reply") or {}
    calls = "\n".join(map(texts.call_text, reply.get("tool_calls") or ()))
    said = "\n".join(part for part in (texts.as_text(reply.get("text")), calls) if part)
    value = (line.get("scores") or {}).get(score)
    return SideShown(
        label=label,
        outcome="" if line["outcome"] == "scored" else str(line["outcome"]),
        answer="right" if value == 1 else "wrong" if value == 0 else "partial",
        score=format_value(metric, value),
        extracted=texts.cut(texts.as_text(line.get("extracted")), TEXT_LIMIT),
        text=texts.cut(said, TEXT_LIMIT),
    )


def _asked(line: Mapping[str, Any]) -> str:
    """The question: the last message, or the whole prompt of a base model."""
    messages = line.get("messages")
    if messages:
        return texts.message_text(messages[-1])
    return texts.as_text(line.get("prompt"))


def _signatures(document: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Dataset, metric, variant and both signatures of what is judged."""
    return [
        (
            result["dataset"],
            result["metric"],
            result["variant"],
            result["baseline_signature"] or MISSING,
            result["variant_signature"] or MISSING,
        )
        for result in document["results"]
        if result["verdict"]
    ]
