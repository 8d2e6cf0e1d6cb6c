"""A comparison as CSV, Markdown, JUnit and tables of words. All of them read the one document of `evalsuite.evaluation.compare`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from evalsuite.comparison.wording import is_undetectable
from evalsuite.formatting.numbers import (
    MISSING,
    format_count,
    format_delta,
    format_delta_interval,
    format_p,
    format_size,
    format_value,
)
from evalsuite.formatting.texts import replace_surrogates, visible
from evalsuite.metrics.finite import finite

WHOLE = "all"
CSV_COLUMNS = (
    "baseline", "variant", "dataset", "subset", "metric", "baseline_value", "variant_value", "delta", "stderr",
    "ci_low", "ci_high", "n", "n_one_sided", "wins", "ties", "losses", "test", "p", "p_adjusted", "detectable",
    "rows_for_one_point", "noise_floor", "verdict", "primary", "unit", "baseline_signature", "variant_signature",
    "complete",
)  # fmt: skip
HEADLINES = (
    "dataset", "metric", "variant", "baseline", "value", "delta", "95 % interval", "p", "won / lost", "n", "detectable", "verdict",
)  # fmt: skip
SWIFT_METRICS = {
    "Plan.EM": "paper/plan_em",
    "Act.EM": "paper/act_em",
    "HalluRate": "paper/hallucination_rate",
    "Avg.F1": "paper/avg_f1",
    "R-L": "paper/rouge_l",
}
"""The columns of SWIFT's tables 6 to 11 (arXiv 2408.05517) and what they are here."""


def to_csv(document: Mapping[str, Any]) -> bytes:
    """Every result, one a line; what is not defined is an empty cell. `complete`: whether both runs are."""
    complete = {side["label"]: bool(side["complete"]) for side in document["sides"]}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for result in document["results"]:
        both = complete[document["baseline"]] and complete[result["variant"]]
        row = {"baseline": document["baseline"], **result, "complete": both}
        writer.writerow({name: _cell(row[name]) for name in CSV_COLUMNS})
    return replace_surrogates(text.getvalue()).encode("utf-8")


def headline_rows(document: Mapping[str, Any], *, details: bool = False) -> Iterator[tuple[str, ...]]:
    """The metrics of whole datasets, under `HEADLINES`."""
    for result in whole_results(document, details=details):
        yield (
            result["dataset"],
            result["metric"] + ("" if result["higher_is_better"] else " ↓"),
            result["variant"],
            format_value(result, result["baseline_value"]),
            format_value(result, result["variant_value"]),
            format_delta(result, result["delta"]),
            format_delta_interval(result, result["ci_low"], result["ci_high"]),
            p_text(result),
            won_lost(result),
            format_count(result["n"]),
            detectable_text(result),
            result["verdict"] or "",
        )


def whole_results(document: Mapping[str, Any], *, details: bool = False) -> list[Mapping[str, Any]]:
    """The results of whole datasets, judged ones first, variants of one metric next to each other.

    Minor metrics only with `details`, or where they are judged.
    """
    found = [
        result
        for result in document["results"]
        if result["subset"] == WHOLE and (details or result["verdict"] or not result["detail"])
    ]
    datasets = list(dict.fromkeys(result["dataset"] for result in found))
    metrics = list(dict.fromkeys(result["metric"] for result in found))
    return sorted(
        found,
        key=lambda one: (datasets.index(one["dataset"]), not one["verdict"], metrics.index(one["metric"])),
    )


def p_text(result: Mapping[str, Any]) -> str:
    """The p-value as a table has it: adjusted where the result is judged."""
    p = result["p_adjusted"] if result["verdict"] else result["p"]
    return format_p(p).removeprefix("= ")


def won_lost(result: Mapping[str, Any]) -> str:
    """How many rows went which way."""
    if result["wins"] is None:
        return MISSING
    return f"{format_count(result['wins'])} / {format_count(result['losses'])}"


def detectable_text(result: Mapping[str, Any]) -> str:
    """The smallest difference these rows could probably have shown."""
    if is_undetectable(result):
        return "none"
    size = format_size(result, result["detectable"])
    return size if size == MISSING else f"≥ {size}"


def to_markdown(document: Mapping[str, Any], style: str | None = None) -> str:
    """Verdicts, what to know, and the table, fit for a comment on a pull request."""
    parts = [f"### evalsuite: compared with {_escaped(document['baseline'])}", ""]
    parts += [
        f"- {_mark(verdict['verdict'])} {_escaped(verdict['sentence'])}" for verdict in document["verdicts"]
    ]
    if document["warnings"]:
        parts += [
            "",
            "**Worth knowing**",
            "",
            *(f"- {_escaped(warning)}" for warning in document["warnings"]),
        ]
    if style == "swift":
        for dataset, heads, rows in swift_tables(document):
            parts += ["", f"**{_escaped(dataset)}**", "", *_markdown_table(heads, rows)]
    else:
        table = _markdown_table(HEADLINES, headline_rows(document))
        parts += ["", "<details><summary>All metrics</summary>", "", *table, "", "</details>"]
    return replace_surrogates("\n".join(parts)) + "\n"


def swift_tables(document: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """SWIFT's table of every ToolBench dataset: its name, the heads, a line a variant with deltas and intervals beside.

    Values are shares of 1 in percent, as in the paper, over the rows both sides have a value for.
    """
    results = {
        (result["dataset"], result["variant"], result["metric"]): result
        for result in document["results"]
        if result["subset"] == WHOLE
    }
    datasets = dict.fromkeys(dataset for dataset, _, metric in results if metric in SWIFT_METRICS.values())
    heads = ("model", *(name + ("↓" if name == "HalluRate" else "") for name in SWIFT_METRICS))
    for dataset in datasets:
        variants = dict.fromkeys(variant for of, variant, _ in results if of == dataset)
        first = next(iter(variants))
        base = [results.get((dataset, first, metric)) for metric in SWIFT_METRICS.values()]
        rows = [(document["baseline"], *(_percent(result, "baseline_value") for result in base))]
        for variant in variants:
            cells = [results.get((dataset, variant, metric)) for metric in SWIFT_METRICS.values()]
            rows.append((variant, *map(_swift_cell, cells)))
        yield dataset, heads, rows


def to_junit(document: Mapping[str, Any], failed: Sequence[Mapping[str, Any]] | None = None) -> bytes:
    """A test suite a variant, a test case a verdict. `failed` are the results that fail; by default those that are worse."""
    judged = [result for result in document["results"] if result["verdict"]]
    failing = [result for result in judged if result["verdict"] == "worse"] if failed is None else failed
    sentences = {
        (*_place(verdict), verdict["metric"]): verdict["sentence"] for verdict in document["verdicts"]
    }
    root = ET.Element("testsuites", name="evalsuite compare")
    for variant in dict.fromkeys(result["variant"] for result in judged):
        cases = [result for result in judged if result["variant"] == variant]
        failures = sum(result in failing for result in cases)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=_plain(f"{variant} against {document['baseline']}"),
            tests=str(len(cases)),
            failures=str(failures),
        )
        for result in cases:
            case = ET.SubElement(
                suite,
                "testcase",
                classname=_plain(result["dataset"]),
                name=_plain(result["metric"]),
                time="0",
            )
            place = (*_place(result), result["metric"])
            sentence = _plain(sentences[place])
            if result in failing:
                ET.SubElement(case, "failure", message=sentence, type="worse")
            else:
                ET.SubElement(case, "system-out").text = sentence
        if document["warnings"]:
            ET.SubElement(suite, "system-err").text = "\n".join(map(_plain, document["warnings"]))
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _place(entry: Mapping[str, Any]) -> tuple[str, str]:
    return str(entry["variant"]), str(entry["dataset"])


def _mark(verdict: str) -> str:
    return {"better": "✅ ", "worse": "❌ "}.get(verdict, "➖ ").strip()


def _markdown_table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(heads)
    lines = [names, ["---"] * len(names), *([_escaped(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    shown = visible(str(text)).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for character in "|`*[]":
        shown = shown.replace(character, f"\\{character}")
    return " ".join(shown.split())


def _plain(text: str) -> str:
    """Text that XML can hold."""
    return visible(text)


def _percent(result: Mapping[str, Any] | None, name: str) -> str:
    value = finite(result[name]) if result else None
    return MISSING if value is None else f"{100 * value:.2f}"


def _swift_cell(result: Mapping[str, Any] | None) -> str:
    value = _percent(result, "variant_value")
    if result is None or value == MISSING or result["delta"] is None:
        return value
    delta = f"{100 * result['delta']:+.2f}".replace("-", "−")
    if result["ci_low"] is None:
        return f"{value} ({delta})"
    low, high = (f"{100 * result[name]:+.2f}".replace("-", "−") for name in ("ci_low", "ci_high"))
    return f"{value} ({delta}; {low} to {high})"


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value
