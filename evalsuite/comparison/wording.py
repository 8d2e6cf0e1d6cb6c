"""The numbers of a comparison in words: one sentence per verdict and per warning, the same in every output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from evalsuite.comparison.document import DifferenceEntry, PairingEntry, ResultEntry, RowList
from evalsuite.formatting.numbers import (
    MISSING,
    POINT_UNITS,
    counted,
    display_value,
    format_count,
    format_delta,
    format_delta_interval,
    format_p,
    format_size,
)
from evalsuite.formatting.texts import value_text
from evalsuite.metrics.verdicts import NO_DIFFERENCE, SIGNIFICANCE_LEVEL

MAX_ROWS_IN_SENTENCE = 5
"""How many unmatched rows a sentence names. The JSON document names more."""
MAX_DIFFERENCE = dict.fromkeys(POINT_UNITS, 100.0)
"""The largest possible difference, in points."""
DIFFERENCE_NAMES = {
    "prompts": "the prompts are not the same",
    "data": "the data files are not the same",
    "generation": "the generation settings are not the same",
    "scorers": "the scorers have different versions",
    "policy": "failed samples count differently",
}
"""How a sentence names each kind of difference that may change scores."""


def verdict_sentence(result: ResultEntry, baseline: str) -> str:
    """Better, worse or no detectable difference, with the evidence. The result must carry a verdict."""
    return ": ".join(verdict_parts(result, baseline))


def verdict_parts(result: ResultEntry, baseline: str) -> tuple[str, str]:
    """The same in two parts, for pages that set the verdict apart from the evidence."""
    place = f"on {result.dataset}"
    pair = f"between {result.variant} and {baseline} {place}"
    if result.delta is None or result.p is None:
        rows = counted(result.n, "row") if result.n else "no row"
        return f"Too few rows to tell a difference {pair}", f"{rows} in common with {result.metric}."
    if result.verdict != NO_DIFFERENCE:
        verdict = f"{result.variant} is {result.verdict} than {baseline} {place}"
        return verdict, f"{_evidence(result)}.{_noise_clause(result)}"
    verdict = f"No detectable difference {pair}"
    if not result.wins and not result.losses and result.ties:
        evidence = f"both score the same on all {counted(result.n, 'row')} by {result.metric}"
        return verdict, f"{evidence}{_detectable_clause(result)}."
    return verdict, f"{_evidence(result)}{_detectable_clause(result)}.{_noise_clause(result)}"


def _evidence(result: ResultEntry) -> str:
    lower = "" if result.higher_is_better else " (lower is better)"
    interval = format_delta_interval(result.unit, result.ci_low, result.ci_high)
    interval_text = f"95 % interval {interval}, " if interval != MISSING else ""
    flips = (
        f", {format_count(result.wins)} won, {format_count(result.losses)} lost"
        if result.wins is not None
        else ""
    )
    return (
        f"{result.metric}{lower} {format_delta(result.unit, result.delta)} "
        f"({interval_text}p {_p_text(result)}{flips}, n = {format_count(result.n)})"
    )


def _p_text(result: ResultEntry) -> str:
    """The adjusted p-value; with the raw one if only the adjustment keeps it from being significant."""
    p, adjusted = result.p, result.p_adjusted
    if adjusted == p or p is None or adjusted is None:
        return format_p(p)
    alone = f", {format_p(p).removeprefix('= ')} alone" if p < SIGNIFICANCE_LEVEL <= adjusted else ""
    return f"{format_p(adjusted)} by Holm{alone}"


def _detectable_clause(result: ResultEntry) -> str:
    """How small a difference this many rows would have shown, and whether this one was close."""
    if is_undetectable(result):
        return "; so few rows could not have shown any difference"
    size = format_size(result.unit, result.detectable)
    close = "; too close to call" if _interval_excludes_zero(result) else ""
    return close if size == MISSING else f"{close}{',' if close else ';'} could have detected ≥ {size}"


def _interval_excludes_zero(result: ResultEntry) -> bool:
    """Possible without a verdict: the interval is approximate and not adjusted, p is exact and adjusted."""
    low, high = result.ci_low, result.ci_high
    return low is not None and high is not None and not low <= 0 <= high


def is_undetectable(result: ResultEntry) -> bool:
    """Whether this many rows cannot show any difference: it would have to exceed the largest possible one.

    Also true for a single row or dialogue, which has no interval.
    """
    if result.delta is not None and result.ci_low is None:
        return True
    size, largest = display_value(result.unit, result.detectable), MAX_DIFFERENCE.get(result.unit)
    return size is not None and largest is not None and size > largest


def _noise_clause(result: ResultEntry) -> str:
    floor = result.noise_floor
    if floor is None:
        return ""
    as_large = result.verdict != NO_DIFFERENCE and result.delta is not None and floor >= abs(result.delta)
    warning = ", which is no less than this difference" if as_large else ""
    return f" Two runs of the baseline differ by {format_size(result.unit, floor)}{warning}."


def row_sentences(rows: Sequence[PairingEntry], baseline: str) -> Iterator[str]:
    """What was not paired, and what was paired although its prompt differs."""
    for entry in rows:
        place = f"{entry.variant} on {entry.dataset}"
        if entry.changed.count:
            changed = (
                f"{counted(entry.changed.count, 'row')} have the same id but another question or gold answer"
            )
            yield f"{place}: {changed}, left out: {_row_names(entry.changed)}"
        for owner, rows_of_one_side in (
            (f"only {baseline} has", entry.only_baseline),
            ("only it has", entry.only_variant),
        ):
            if count := rows_of_one_side.count:
                yield f"{place}: {counted(count, 'row')} that {owner}, left out: {_row_names(rows_of_one_side)}"
        if entry.errors:
            yield f"{place}: in {counted(entry.errors, 'pair')} one side has no reply."
        if entry.different_prompts:
            yield (
                f"{place}: the prompts of {format_count(entry.different_prompts)} of "
                f"{counted(entry.matched, 'pair')} differ."
            )


def difference_sentences(differences: Sequence[DifferenceEntry], baseline: str) -> Iterator[str]:
    """What differs besides the model: one sentence per variant, dataset and kind."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for one in differences:
        if one.warns:
            change = f"{one.what} {_setting(one.baseline_value)} → {_setting(one.variant_value)}"
            grouped.setdefault((one.variant, one.dataset, one.kind), []).append(change)
    for (variant, dataset, kind), changes in grouped.items():
        where = f" on {dataset}" if dataset else ""
        yield (
            f"{variant} against {baseline}{where}: {DIFFERENCE_NAMES[kind]} ({'; '.join(changes)}). "
            "This may explain the difference."
        )


def incomplete_sentence(run: str) -> str:
    """The warning about a run that is not complete."""
    return f"the run {run} is incomplete: only finished samples are compared. Its command resumes it."


def unpaired_sentence(variant: str, names: Sequence[str]) -> str:
    """The warning about datasets that only one side has."""
    return f"{variant}: not compared, since only one side has them: {', '.join(names)}."


def repeat_sentence(label: str, baseline: str, rows: Sequence[PairingEntry]) -> str:
    """The warning about a variant that is the baseline run again."""
    pairs = sum(entry.matched for entry in rows if entry.variant == label)
    different = sum(entry.different_replies for entry in rows if entry.variant == label)
    return (
        f"{label} repeats {baseline} (same model, same requests): {format_count(different)} of "
        f"{counted(pairs, 'reply', 'replies')} differ. Any change is noise, not an improvement."
    )


def repeated_from_cache_sentence(label: str) -> str:
    """The warning about a second run that took replies of the first one from the cache."""
    return (
        f"{label}: some replies came from the cache (--cache). They are the same replies again, "
        "so the runs differ less than two real runs would."
    )


def _row_names(listed: RowList) -> str:
    rows = listed.rows[:MAX_ROWS_IN_SENTENCE]
    names = ", ".join(f"{row.subset}:{row.id}" for row in rows)
    more = listed.count - len(rows)
    return f"{names} and {format_count(more)} more." if more else f"{names}."


def _setting(value: Any) -> str:
    return "not set" if value is None else value_text(value)
