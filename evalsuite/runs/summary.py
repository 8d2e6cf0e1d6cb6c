"""`summary.csv` and `summary.json`: the results of a run, from one source.

Columns of the CSV: see `COLUMNS` and `USAGE_COLUMNS`. The JSON nests the same numbers as variants → datasets → subsets → metrics
and adds what the run took. A subset's `breakdowns` are the further tables of its kind (`runs.breakdowns`). Results of a
category stand under the subset `category:NAME`, in the JSON with its `category` and `subjects`; its `accuracy_macro` is
what exams publish for a group, the unweighted mean over its subjects.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.data.subsets import CATEGORY_PREFIX, WHOLE_DATASET
from evalsuite.options.running import CsvFor
from evalsuite.runs.aggregate import Result, ScoreAggregate
from evalsuite.runs.plan import DatasetPlan
from evalsuite.tasks.replies import cleaning_notes

COLUMNS = (
    "run", "variant", "dataset", "subset", "metric", "value", "stderr", "ci_low", "ci_high",
    "n", "n_unparsed", "n_truncated", "n_error", "n_skipped", "primary", "signature",
)  # fmt: skip
USAGE_COLUMNS = (
    "n_owed", "requests", "retries", "from_cache", "prompt_tokens", "completion_tokens", "wasted_tokens",
    "latency_s", "ttft_s", "token_s", "cost",
)  # fmt: skip
"""Of whole datasets, the same in each of their rows: how many samples are still owed, and what the others took. Times are
medians."""
FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
"""Excel runs a text that begins so as a formula."""
UNREADABLE_METRIC = "unreadable_rate"
ATTENTION_SHARE = 0.05
"""Above this share of truncated or unparsed replies a run says what to do about them."""
ZERO_TEMPERATURE_REPEATS = "the tries of a row were asked at temperature 0 and differ by noise of serving alone; give --temperature with --repeats."
EXTERNAL_REPLIES_REMEDY = "have them written with room for more tokens"
"""What to do where somebody else asked for the replies."""


@dataclass(frozen=True, slots=True)
class DatasetResults:
    """What one variant scored on one dataset."""

    variant: str
    plan: DatasetPlan
    aggregate: ScoreAggregate
    owed: int

    def results(self) -> list[Result]:
        """See `ScoreAggregate.results`."""
        return self.aggregate.results()


def signature(plan: DatasetPlan, result: Result) -> str:
    """Everything a number depends on, in one line, such as `mcq|default|v1|n:44|shots:5|lang:zh|…`."""
    metric = result.metric
    parts = [
        plan.task.kind,
        metric.profile,
        f"v{metric.version}",
        f"n:{result.interval.n}",
        *plan.conditions(),
        *plan.task.signature_parts(plan.style),
    ]
    return "|".join(parts)


def csv_rows(run: str, datasets: Sequence[DatasetResults]) -> Iterator[dict[str, Any]]:
    """One row a metric, variant, dataset and subset."""
    for found in datasets:
        for result in found.results():
            yield {
                "run": run,
                "variant": found.variant,
                "dataset": found.plan.name,
                "subset": result.subset,
                "metric": result.metric.name,
                **_numbers(found.plan, result),
            }


def to_csv(
    rows: Sequence[Mapping[str, Any]],
    datasets: Sequence[DatasetResults],
    usage: Sequence[Mapping[str, Any]],
    csv_for: CsvFor = "any",
) -> bytes:
    """The table as UTF-8 CSV; what is not defined is an empty cell. `usage` are those of summary.json.

    For Excel it begins with a byte order mark, without which Excel reads another encoding, and no text is a formula.
    """
    took = {(found.variant, found.plan.name): {"n_owed": found.owed} for found in datasets}
    for account in usage:
        took[account["variant"], account["dataset"]] |= _took(account)
    text = io.StringIO(newline="")
    columns = (*COLUMNS, *USAGE_COLUMNS)
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        more = took[row["variant"], row["dataset"]] if row["subset"] == WHOLE_DATASET else {}
        cells = {key: _cell(value) for key, value in {**row, **more}.items()}
        writer.writerow(
            {key: _excel_cell(cell) for key, cell in cells.items()} if csv_for == "excel" else cells
        )
    return text.getvalue().encode("utf-8-sig" if csv_for == "excel" else "utf-8")


def _took(account: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of an account."""
    found: dict[str, Any] = {name: account.get(name) for name in USAGE_COLUMNS if name in account}
    for name in ("latency_s", "ttft_s", "token_s"):
        found[name] = account[name]["median"] if account[name] else None
    found["wasted_tokens"] = account["wasted_prompt_tokens"] + account["wasted_completion_tokens"]
    return found


def nested(rows: Sequence[Mapping[str, Any]], datasets: Sequence[DatasetResults]) -> dict[str, Any]:
    """Variants → datasets → subsets → metrics."""
    variants: dict[str, Any] = {}
    for found in datasets:
        entry: dict[str, Any] = {"kind": found.plan.task.kind, "owed": found.owed, "subsets": {}}
        variants.setdefault(found.variant, {"datasets": {}})["datasets"][found.plan.name] = entry
        units = {metric.name: metric for metric in found.plan.metrics}
        for row in rows:
            if (row["variant"], row["dataset"]) == (found.variant, found.plan.name):
                subset = entry["subsets"].setdefault(row["subset"], _subset(found.aggregate, row["subset"]))
                metric = units[row["metric"]]
                numbers = {key: row[key] for key in (*COLUMNS[5:], "bounds") if key in row}
                subset["metrics"][row["metric"]] = numbers | {
                    "unit": metric.unit,
                    "higher_is_better": metric.higher_is_better,
                    "detail": metric.detail,
                }
        if not entry["subsets"]:  # nothing of it was measured, and its samples are there all the same
            entry["subsets"][WHOLE_DATASET] = _subset(found.aggregate, WHOLE_DATASET)
    return variants


def advice(datasets: Sequence[DatasetResults], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences about results that are not what they seem; `rows` are those of `csv_rows`."""
    without_value = {
        (row["variant"], row["dataset"]): str(row["metric"])
        for row in rows
        if row["primary"] and row["subset"] == WHOLE_DATASET and not row["n"]
    }
    found: list[str] = []
    for dataset in datasets:
        outcomes = dataset.aggregate.outcomes()
        total = sum(outcomes.values())
        place = f"{dataset.variant} on {dataset.plan.name}"
        if total and outcomes["truncated"] > ATTENTION_SHARE * total:
            limit = dataset.plan.reply_limit
            where, remedy = (
                (f" at {limit} tokens", "raise --max-tokens") if limit else ("", EXTERNAL_REPLIES_REMEDY)
            )
            found.append(
                f"{place}: {outcomes['truncated']} of {total} replies were cut off{where} before an answer and count as wrong; "
                f"{remedy} (reasoning models need thousands)."
            )
        if sentence := _what_errors_hide(dataset):
            found.append(f"{place}: {sentence}")
        replies = total - outcomes["error"]
        if replies and (metric := without_value.get((dataset.variant, dataset.plan.name))):
            found.append(
                f"{place}: {_why_no_value(metric, replies, dataset.plan.task.capabilities.no_value_reason)}"
            )
        if total and outcomes["unparsed"] > ATTENTION_SHARE * total:
            found.append(
                f"{place}: {outcomes['unparsed']} of {total} replies held no answer that could be read and count as wrong; the report's samples can be filtered to them."
            )
        notes = (
            *cleaning_notes(dataset.aggregate.labels, replies),
            *dataset.plan.task.label_notes(dataset.aggregate.labels, replies),
        )
        found.extend(f"{place}: {note}" for note in notes)
        found.extend(_advice_on_judge(dataset))
        if not varied(dataset.plan):
            found.append(f"{place}: {ZERO_TEMPERATURE_REPEATS}")
        found.extend(f"{place}: {note}" for note in dataset.plan.notes)
        data_notes = (f"{dataset.plan.name}: {note}" for note in dataset.plan.dataset.notes)
        found.extend(note for note in data_notes if note not in found)
    return found


def varied(plan: DatasetPlan) -> bool:
    """Whether the tries of a row may differ by more than noise, where there are several."""
    return plan.repeats == 1 or plan.generation.temperature > 0


def _what_errors_hide(dataset: DatasetResults) -> str:
    """What the headline could be at most and at least, where samples could not be had."""
    aggregate = dataset.aggregate
    headline = next((metric for metric in dataset.plan.metrics if metric.primary), None)
    bounds = aggregate.bounds(headline) if headline else None
    if not headline or not bounds:
        return ""
    outcomes = aggregate.outcomes()
    low, high = (f"{100 * bound:.1f}" for bound in bounds)
    unit = " %" if headline.unit == "proportion" else ""
    return (
        f"{outcomes['error']} of {sum(outcomes.values())} samples could not be had; "
        f"whatever they would have been, {headline.name} is between {low} and {high}{unit}."
    )


def _why_no_value(metric: str, replies: int, why: str) -> str:
    """Said where there are replies and the headline has no value all the same: it is not 0, it is not there."""
    reason = f" ({why})" if why else ""
    return f"{metric} has no value, since none of {replies} replies could be counted{reason}: nothing was measured."


def _advice_on_judge(dataset: DatasetResults) -> Iterator[str]:
    """What to know of a judge before its scores are believed."""
    judge = dataset.plan.judge
    if judge is None:
        return
    place = f"{dataset.variant} on {dataset.plan.name}"
    if judge.itself:
        yield f"{place}: the model judged its own replies; models favour what they write themselves, so compare it with no other."
    unreadable = next(
        result.interval
        for result in dataset.results()
        if result.metric.name == UNREADABLE_METRIC and result.subset == WHOLE_DATASET
    )
    if unreadable.value and unreadable.value > ATTENTION_SHARE:
        yield (
            f"{place}: {unreadable.value * unreadable.n:.0f} of {unreadable.n} verdicts could not be read and are left out of the scores; "
            "the report shows them. Cut off: raise --judge-max-tokens; no JSON: take a stronger judge."
        )


def _subset(aggregate: ScoreAggregate, subset: str) -> dict[str, Any]:
    outcomes = aggregate.outcomes(subset)
    tables = aggregate.breakdowns.described(None if subset == WHOLE_DATASET else subset)
    return {
        **_category(aggregate, subset),
        "samples": sum(outcomes.values()),
        "n_unparsed": outcomes["unparsed"],
        "n_truncated": outcomes["truncated"],
        "n_error": outcomes["error"],
        "metrics": {},
        **({"breakdowns": tables} if tables else {}),
    }


def _category(aggregate: ScoreAggregate, subset: str) -> dict[str, Any]:
    if not subset.startswith(CATEGORY_PREFIX):
        return {}
    return {"category": subset.removeprefix(CATEGORY_PREFIX), "subjects": aggregate.subjects(subset)}


def _numbers(plan: DatasetPlan, result: Result) -> dict[str, Any]:
    interval = result.interval
    return {
        "value": interval.value,
        "stderr": interval.stderr,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "n": interval.n,
        "n_unparsed": result.n_unparsed,
        "n_truncated": result.n_truncated,
        "n_error": result.n_error,
        "n_skipped": result.n_skipped,
        "primary": result.metric.primary,
        "signature": signature(plan, result),
        **({"bounds": result.bounds} if result.bounds else {}),
    }


def _excel_cell(cell: Any) -> Any:
    """A text that Excel would run as a formula, marked as text by an apostrophe; anything else as it is."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_BEGINNINGS) else cell


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value
