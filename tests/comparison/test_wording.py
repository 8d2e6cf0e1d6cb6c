"""Verdicts as a reader meets them: short, right, and no more than the data show."""

from typing import Any

import pytest

from evalsuite.comparison.document import ComparisonDocument, ResultEntry
from evalsuite.comparison.wording import verdict_parts, verdict_sentence
from evalsuite.report.verdict_list import MAX_VERDICTS, verdict_list

NEITHER = "no detectable difference"


def result(**changes: Any) -> Any:
    found = {
        "variant": "sft", "dataset": "exam", "subset": "all", "metric": "accuracy", "unit": "proportion",
        "higher_is_better": True, "delta": 0.25, "ci_low": 0.04, "ci_high": 0.42, "n": 24, "wins": 6, "ties": 18,
        "losses": 0, "p": 0.03125, "p_adjusted": 0.03125, "detectable": 0.25, "noise_floor": None, "verdict": "better",
        "primary": True, "detail": False, "baseline_value": 0.5, "variant_value": 0.75, "stderr": 0.1, "n_one_sided": 0,
        "test": "exact", "rows_for_one_point": None, "baseline_signature": None, "variant_signature": None,
    }  # fmt: skip
    given: dict[str, Any] = found | changes
    return ResultEntry(**given)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            ("sft is better than base on exam: accuracy +25.0 points (95 % interval +4.0 to +42.0, p = 0.031, 6 won, "
            "0 lost, n = 24)."),
        ),
        (
            {"p_adjusted": 0.0625, "verdict": NEITHER},
            ("No detectable difference between sft and base on exam: accuracy +25.0 points (95 % interval +4.0 to +42.0, "
            "p = 0.062 by Holm, 0.031 alone, 6 won, 0 lost, n = 24); too close to call, could have detected ≥ 25.0 points."),
        ),
        (
            {"p": 0.0498, "p_adjusted": 0.0498},
            ("sft is better than base on exam: accuracy +25.0 points (95 % interval +4.0 to +42.0, p < 0.05, 6 won, "
            "0 lost, n = 24)."),
        ),
        (
            {"delta": 0.0003, "ci_low": 0.0001, "ci_high": 0.0004, "p": 1e-9, "p_adjusted": 1e-9, "n": 10**6},
            ("sft is better than base on exam: accuracy +0.03 points (95 % interval +0.01 to +0.04, p < 0.001, 6 won, "
            "0 lost, n = 1,000,000)."),
        ),
        (
            {
                "metric": "hallucination_rate", "higher_is_better": False, "delta": 0.05, "ci_low": 0.01,
                "ci_high": 0.09, "p": 0.01, "p_adjusted": 0.02, "wins": 2, "losses": 12, "n": 200, "verdict": "worse",
            },
            ("sft is worse than base on exam: hallucination_rate (lower is better) +5.0 points (95 % interval "
            "+1.0 to +9.0, p = 0.02 by Holm, 2 won, 12 lost, n = 200)."),
        ),
        (
            {
                "metric": "perplexity", "unit": "ratio", "higher_is_better": False, "delta": -1.25, "ci_low": -2.0,
                "ci_high": -0.5, "p": 0.001, "p_adjusted": 0.001, "wins": 30, "losses": 4, "n": 40,
            },
            ("sft is better than base on exam: perplexity (lower is better) −1.250 (95 % interval −2.000 to −0.5000, "
            "p = 0.001, 30 won, 4 lost, n = 40)."),
        ),
        (
            {"delta": 0.0, "ci_low": -0.1, "ci_high": 0.1, "wins": 0, "losses": 0, "ties": 24, "p": 1.0, "p_adjusted": 1.0, "verdict": NEITHER},
            ("No detectable difference between sft and base on exam: both score the same on all 24 rows by accuracy; "
            "could have detected ≥ 25.0 points."),
        ),
        (
            {"n": 4, "detectable": 1.5, "ci_low": -1.0, "ci_high": 1.0, "p": 0.5, "p_adjusted": 0.5, "wins": 2, "ties": 2, "verdict": NEITHER},
            ("No detectable difference between sft and base on exam: accuracy +25.0 points (95 % interval −100.0 to "
            "+100.0, p = 0.5, 2 won, 0 lost, n = 4); so few rows could not have shown any difference."),
        ),
        (
            {"n": 2, "delta": -0.5, "ci_low": None, "ci_high": None, "detectable": None, "p": 1.0, "p_adjusted": 1.0, "wins": 0, "losses": 1, "ties": 1, "verdict": NEITHER},
            ("No detectable difference between sft and base on exam: accuracy −50.0 points (p = 1, 0 won, 1 lost, n = 2); "
            "so few rows could not have shown any difference."),
        ),
        (
            {"delta": None, "p": None, "n": 0, "verdict": NEITHER},
            "Too few rows to tell a difference between sft and base on exam: no row in common with accuracy.",
        ),
        (
            {"noise_floor": 0.3},
            ("sft is better than base on exam: accuracy +25.0 points (95 % interval +4.0 to +42.0, p = 0.031, 6 won, "
            "0 lost, n = 24). Two runs of the baseline differ by 30.0 points, which is no less than this difference."),
        ),
        (
            {"metric": "bleu", "unit": "bleu", "delta": 1.5, "ci_low": 0.3, "ci_high": 2.7, "wins": None, "losses": None, "ties": None},
            "sft is better than base on exam: bleu +1.50 points (95 % interval +0.30 to +2.70, p = 0.031, n = 24).",
        ),
    ],
)  # fmt: skip
def test_verdict_sentence_says_what_the_numbers_show(changes: dict[str, Any], sentence: str) -> None:
    assert verdict_sentence(result(**changes), "base") == sentence


def test_verdict_parts_joined_are_the_sentence() -> None:
    assert ": ".join(verdict_parts(result(), "base")) == verdict_sentence(result(), "base")


def document(*verdicts: Any) -> Any:
    return ComparisonDocument(
        baseline="base",
        confidence=0.95,
        significant=0.05,
        sides=(),
        verdicts=(),
        warnings=(),
        results=tuple(result(variant=f"v{at}", verdict=one) for at, one in enumerate(verdicts)),
        rows=(),
        unpaired_datasets=(),
        differences=(),
    )


def test_verdict_list_of_few_verdicts_shows_all_with_differences_first() -> None:
    found = verdict_list(document(NEITHER, "worse"))
    assert [one.kind for one in found.shown] == ["worse", "neither"]
    assert (found.counts, found.folded) == ((), ())


def test_verdict_list_of_many_verdicts_folds_and_counts_those_without_a_difference() -> None:
    found = verdict_list(document(*[NEITHER] * MAX_VERDICTS, "better", "worse", "better"))
    assert [one.kind for one in found.shown] == ["better", "worse", "better"]
    assert len(found.folded) == MAX_VERDICTS
    assert found.folded_title == "5 verdicts of no detectable difference"
    assert found.counts == (("better", "2 better"), ("worse", "1 worse"), ("neither", f"5 {NEITHER}"))


def test_verdict_list_without_judged_results_is_empty() -> None:
    found = verdict_list(document(None))
    assert (found.counts, found.shown, found.folded) == ((), (), ())
