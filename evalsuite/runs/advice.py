"""Sentences about results that are not what they seem: cut off replies, failed samples, doubtful judges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.runs.summary import DatasetResults
from evalsuite.tasks.replies import cleaning_notes

UNREADABLE_METRIC = "unreadable_rate"
ATTENTION_SHARE = 0.05
"""Above this share of truncated or unparsed replies a run says what to do about them."""
ZERO_TEMPERATURE_REPEATS = (
    "the repeats of a row were asked at temperature 0 and differ only by noise of serving; "
    "give --temperature with --repeats."
)
EXTERNAL_REPLIES_REMEDY = "generate them with a higher token limit"
"""The advice for replies that another program asked for."""


def advice(results: Sequence[DatasetResults]) -> list[str]:
    """Everything that a reader must know before the numbers are believed."""
    sentences: dict[str, None] = {}
    for found in results:
        place = f"{found.variant} on {found.dataset.name}"
        sentences |= dict.fromkeys(f"{place}: {sentence}" for sentence in _sentences(found))
        sentences |= dict.fromkeys(f"{found.dataset.name}: {note}" for note in found.dataset.data_notes)
    return list(sentences)


def _sentences(found: DatasetResults) -> Iterator[str]:
    outcomes = found.aggregate.outcomes()
    total = sum(outcomes.values())
    if total and outcomes["truncated"] > ATTENTION_SHARE * total:
        limit = found.dataset.reply_limit
        where, remedy = (
            (f" at {limit} tokens", "raise --max-tokens") if limit else ("", EXTERNAL_REPLIES_REMEDY)
        )
        yield (
            f"{outcomes['truncated']} of {total} replies were cut off{where} before an answer and count as wrong; "
            f"{remedy} (reasoning models need thousands)."
        )
    yield from _error_bounds(found)
    yield from _missing_value(found, total - outcomes["error"])
    if total and outcomes["unparsed"] > ATTENTION_SHARE * total:
        yield (
            f"{outcomes['unparsed']} of {total} replies held no answer that could be read and count as wrong; "
            "the report's samples can be filtered to them."
        )
    yield from _about_judge(found)
    if found.dataset.repeats > 1 and not found.dataset.draws_at_random:
        yield ZERO_TEMPERATURE_REPEATS
    replies = total - outcomes["error"]
    yield from cleaning_notes(found.aggregate.labels, replies)
    yield from found.dataset.task.label_notes(found.aggregate.labels, replies)
    yield from found.dataset.notes


def _error_bounds(found: DatasetResults) -> Iterator[str]:
    """The highest and lowest headline that were possible, had failed samples been answered."""
    aggregate = found.aggregate
    headline = next((metric for metric in found.dataset.metrics if metric.primary), None)
    bounds = aggregate.bounds(headline) if headline else None
    if not headline or not bounds:
        return
    outcomes = aggregate.outcomes()
    low, high = (f"{100 * bound:.1f}" for bound in bounds)
    unit = " %" if headline.unit == "proportion" else ""
    yield (
        f"{outcomes['error']} of {sum(outcomes.values())} samples failed; "
        f"whatever they would have scored, {headline.name} is between {low} and {high}{unit}."
    )


def _missing_value(found: DatasetResults, replies: int) -> Iterator[str]:
    """Say so if there are replies and the headline still has no value: it is not 0, it is missing."""
    unmeasured = [
        result.metric.name
        for result in found.results()
        if result.metric.primary and result.subset == WHOLE_DATASET and not result.interval.n
    ]
    if replies and unmeasured:
        why = found.dataset.task.capabilities.no_value_reason
        reason = f" ({why})" if why else ""
        yield (
            f"{unmeasured[-1]} has no value, since none of {replies} replies could be counted{reason}: "
            "nothing was measured."
        )


def _about_judge(found: DatasetResults) -> Iterator[str]:
    judge = found.dataset.judge
    if judge is None:
        return
    if judge.itself:
        yield (
            "the model judged its own replies; models favour what they write themselves, "
            "so compare it with no other."
        )
    unreadable = next(
        result.interval
        for result in found.results()
        if result.metric.name == UNREADABLE_METRIC and result.subset == WHOLE_DATASET
    )
    if unreadable.value and unreadable.value > ATTENTION_SHARE:
        yield (
            f"{unreadable.value * unreadable.n:.0f} of {unreadable.n} verdicts could not be read and are left out of "
            "the scores; the report shows them. Cut off: raise --judge-max-tokens; no JSON: take a stronger judge."
        )
