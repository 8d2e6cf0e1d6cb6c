"""A comparison's numbers in words: one sentence a verdict, one a thing to know. The same words in every output.

Reads the entries of a comparison as `comparison_document` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalsuite.comparison.contrasts import SIGNIFICANT
from evalsuite.formatting.numbers import (
    MISSING,
    POINT_UNITS,
    counted,
    format_count,
    format_delta,
    format_delta_interval,
    format_p,
    format_size,
    scaled,
)
from evalsuite.formatting.texts import value_text
from evalsuite.metrics.finite import finite

MAX_ROWS_IN_SENTENCE = 5
"""Unmatched rows named in a sentence; the JSON has more."""
NO_DIFFERENCE = "no detectable difference"
LARGEST = dict.fromkeys(POINT_UNITS, 100.0)
"""Difference there can be, in points."""


def verdict_sentence(result: Mapping[str, Any], baseline: str) -> str:
    """Better, worse or no detectable difference, with what says so.

    `result` is an entry of `results` that carries a verdict.
    """
    said, because = verdict_parts(result, baseline)
    return f"{said}: {because}"


def verdict_parts(result: Mapping[str, Any], baseline: str) -> tuple[str, str]:
    """The same in two: what is said, and what says so, for where the first is to be seen at a glance."""
    place = f"on {result['dataset']}"
    pair = f"between {result['variant']} and {baseline} {place}"
    if result["delta"] is None or result["p"] is None:
        rows = counted(result["n"], "row") if result["n"] else "no row"
        why = f"{rows} in common with {result['metric']}."
        return f"Too few rows to tell a difference {pair}", why
    if result["verdict"] != NO_DIFFERENCE:
        said = f"{result['variant']} is {result['verdict']} than {baseline} {place}"
        return said, f"{_evidence(result)}.{_noise_clause(result)}"
    if not result["wins"] and not result["losses"] and result["ties"]:
        numbers = f"both score the same on all {counted(result['n'], 'row')} by {result['metric']}"
        return f"No detectable difference {pair}", f"{numbers}{_detectable_clause(result)}."
    return (
        f"No detectable difference {pair}",
        f"{_evidence(result)}{_detectable_clause(result)}.{_noise_clause(result)}",
    )


def _evidence(result: Mapping[str, Any]) -> str:
    lower = "" if result["higher_is_better"] else " (lower is better)"
    interval = format_delta_interval(result, result["ci_low"], result["ci_high"])
    ranged = f"95 % interval {interval}, " if interval != MISSING else ""
    flips = (
        f", {format_count(result['wins'])} won, {format_count(result['losses'])} lost"
        if result["wins"] is not None
        else ""
    )
    return (
        f"{result['metric']}{lower} {format_delta(result, result['delta'])} "
        f"({ranged}p {_p(result)}{flips}, n = {format_count(result['n'])})"
    )


def _p(result: Mapping[str, Any]) -> str:
    """The p-value the verdict rests on; where only the adjustment keeps it from being small, the one before it too."""
    p, adjusted = result["p"], result["p_adjusted"]
    if adjusted == p:
        return format_p(p)
    alone = f", {format_p(p).removeprefix('= ')} alone" if p < SIGNIFICANT <= adjusted else ""
    return f"{format_p(adjusted)} by Holm{alone}"


def _detectable_clause(result: Mapping[str, Any]) -> str:
    """How small a difference such rows would have shown; and whether this one was nearly one."""
    if is_undetectable(result):
        return "; so few rows could not have shown any difference"
    size = format_size(result, result["detectable"])
    close = "; too close to call" if _interval_excludes_zero(result) else ""
    return close if size == MISSING else f"{close}{',' if close else ';'} could have detected ≥ {size}"


def _interval_excludes_zero(result: Mapping[str, Any]) -> bool:
    """Whether the interval leaves out 0: it is of this metric alone and approximate, p is exact and adjusted."""
    low, high = finite(result["ci_low"]), finite(result["ci_high"])
    return low is not None and high is not None and not low <= 0 <= high


def is_undetectable(result: Mapping[str, Any]) -> bool:
    """Whether a difference would have to be larger than any can be before such data shows it, or one row or dialogue is all."""
    if result["delta"] is not None and result["ci_low"] is None:
        return True
    size, largest = scaled(result, result["detectable"]), LARGEST.get(str(result["unit"]))
    return size is not None and largest is not None and size > largest


def _noise_clause(result: Mapping[str, Any]) -> str:
    floor = finite(result["noise_floor"])
    if floor is None:
        return ""
    as_far = (
        ", no less than that" if result["verdict"] != NO_DIFFERENCE and floor >= abs(result["delta"]) else ""
    )
    return f" The baseline run twice was {format_size(result, floor)} from itself{as_far}."


def row_sentences(rows: Sequence[Mapping[str, Any]], baseline: str) -> Iterator[str]:
    """What was not paired, or was paired although its prompt differs."""
    for entry in rows:
        place = f"{entry['variant']} on {entry['dataset']}"
        for key, what in (
            ("changed", "have the same id but another question or gold answer"),
            ("only_baseline", f"only {baseline} has"),
            ("only_variant", "only it has"),
        ):
            if count := entry[key]["count"]:
                subject = counted(count, "row")
                said = f"{subject} {what}" if key == "changed" else f"{subject} that {what}"
                yield f"{place}: {said}, left out: {_listed(entry[key])}"
        if entry["errors"]:
            yield f"{place}: in {counted(entry['errors'], 'pair')} a side has no reply."
        if entry["different_prompts"]:
            yield f"{place}: the prompts of {format_count(entry['different_prompts'])} of {counted(entry['matched'], 'pair')} differ."


def difference_sentences(differences: Sequence[Mapping[str, Any]], baseline: str) -> Iterator[str]:
    """What differs besides the model, one sentence a variant, dataset and kind."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for one in differences:
        if one["warns"]:
            values = " → ".join(_value(one[side]) for side in ("baseline_value", "variant_value"))
            place = str(one["variant"]), str(one["dataset"]), str(one["kind"])
            grouped.setdefault(place, []).append(f"{one['what']} {values}")
    names = {
        "prompts": "the prompts are not the same",
        "data": "the data files are not the same",
        "generation": "the generation settings are not the same",
        "scorers": "the scorers are not of the same version",
        "policy": "samples that could not be had count differently",
    }
    for (variant, dataset, kind), changes in grouped.items():
        where = f" on {dataset}" if dataset else ""
        yield f"{variant} against {baseline}{where}: {names[kind]} ({'; '.join(changes)}). The difference may come from that."


def incomplete_sentence(run: str) -> str:
    """Said of a run that still owes samples."""
    return f"the run {run} is incomplete: only what is finished is compared. Its command resumes it."


def unpaired_sentence(variant: str, names: Sequence[str]) -> str:
    """Said of datasets that one side only was asked."""
    return f"{variant}: not compared, since only one side has them: {', '.join(names)}."


def repeat_sentence(label: str, baseline: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Said of a variant that is the baseline again."""
    pairs = sum(entry["matched"] for entry in rows if entry["variant"] == label)
    other = sum(entry["different_replies"] for entry in rows if entry["variant"] == label)
    return (
        f"{label} is {baseline} again, the same model asked the same: {format_count(other)} of "
        f"{counted(pairs, 'reply', 'replies')} differ. What moved is noise, no improvement."
    )


def repeated_from_cache_sentence(label: str) -> str:
    """Said where a model's second run took replies of the first."""
    return f"{label}: some replies came from the cache (--cache), so they are the same ones again and show less noise than there is."


def _listed(entry: Mapping[str, Any]) -> str:
    rows = entry["rows"][:MAX_ROWS_IN_SENTENCE]
    names = ", ".join(f"{row['subset']}:{row['id']}" for row in rows)
    more = entry["count"] - len(rows)
    return f"{names} and {format_count(more)} more." if more else f"{names}."


def _value(value: Any) -> str:
    return "not set" if value is None else value_text(value)
