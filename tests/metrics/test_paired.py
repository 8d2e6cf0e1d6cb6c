"""Paired comparison against closed forms, published values, scipy, and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from known import known

from evalsuite.metrics import bleu, stats
from evalsuite.metrics.paired import (
    NO_ROWS,
    POWER_FACTOR,
    holm,
    mcnemar_p,
    paired_corpus,
    paired_mean,
    sign_flip_p,
)

BINARY = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=60)
GRADED = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=30)


def sides(pairs: Any) -> Any:
    table = np.array(pairs, dtype=np.float64)
    return table[:, 0], table[:, 1]


def share(total: Any) -> Any:
    return total[0] / total[1] if total[1] else 0.0


# --- nothing and almost nothing ---


def test_no_rows_have_no_difference() -> None:
    nothing = np.zeros(0)
    assert paired_mean(nothing, nothing) == NO_ROWS
    assert paired_corpus(np.zeros((0, 2)), np.zeros((0, 2)), share) == NO_ROWS
    assert NO_ROWS.rows_to_detect(0.01) is None


def test_one_row_has_a_difference_and_no_interval() -> None:
    found = paired_mean(np.array([0.0]), np.array([1.0]))
    assert (found.delta.value, found.delta.stderr, found.delta.low, found.p) == (1.0, None, None, 1.0)
    assert found.detectable is None
    corpus = paired_corpus(np.array([[1.0, 2.0]]), np.array([[2.0, 2.0]]), share)
    assert (corpus.delta.value, corpus.delta.stderr, corpus.p) == (0.5, None, None)


def test_one_cluster_has_no_interval() -> None:
    found = paired_mean(np.zeros(4), np.ones(4), clusters=np.zeros(4, dtype=np.int64))
    assert (found.delta.value, found.delta.stderr) == (1.0, None)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        paired_mean(np.array([0.0, value]), np.array([1.0, 1.0]))


# --- published values and other implementations ---


def test_mcnemar_equals_published_values() -> None:
    # Bland 2000, An Introduction to Medical Statistics, table 13.3.2 (colds at 12 and 14) -> None: 212 against 144.
    assert mcnemar_p(212, 144) == pytest.approx(0.000373, abs=2e-5)
    # Fagerland, Lydersen and Laake 2013 (BMC Medical Research Methodology 13:91), airway hyper-responsiveness before
    # and after stem cell transplantation: 1 against 7, exact conditional p = 0.070.
    assert mcnemar_p(1, 7) == pytest.approx(0.0703, abs=5e-5)


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_mcnemar_equals_scipys_binomial_test(wins: int, losses: int) -> None:
    expected = scipy.stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert mcnemar_p(wins, losses) == pytest.approx(expected, rel=1e-9)


def test_holm_equals_published_values() -> None:
    # Holm's procedure as in Wright 1992 (Biometrics 48:1005), table 1: the p-values of four tests.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([None, 0.2, None, 0.6]) == [None, 0.4, None, 0.6]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_the_p_value_and_bonferronis(values: list[Any]) -> None:
    adjusted = holm(values)
    for p, found in zip(values, adjusted, strict=True):
        assert p <= found <= min(1.0, p * len(values))
    ranked = [adjusted[place] for place in sorted(range(len(values)), key=lambda place: values[place])]
    assert ranked == sorted(map(known, ranked))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=2, max_size=10).filter(any))
def test_the_exact_permutation_test_equals_scipys(differences: list[Any]) -> None:
    found = sign_flip_p(np.array(differences))
    expected = scipy.stats.permutation_test(
        (np.array(differences),),
        lambda values, axis=-1: np.sum(values, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("law", ["normal", "heavy", "lattice"])
@pytest.mark.parametrize("n", [60, 600])
def test_drawn_signs_and_the_law_of_many_agree_with_a_long_permutation(n: int, law: str) -> None:
    generator = np.random.default_rng(5)
    differences = generator.normal(1.8 / math.sqrt(n), 1, n)
    if law == "heavy":
        differences = differences**3
    elif law == "lattice":
        differences = np.round(2 * differences) / 2
    signs = generator.choice(np.array([-1, 1], dtype=np.int8), size=(40_000, n))
    expected = (np.abs(signs @ differences) >= abs(differences.sum())).mean()
    assert sign_flip_p(differences) == pytest.approx(expected, abs=0.008)


def test_differences_of_one_size_are_a_binomial_test() -> None:
    assert sign_flip_p(np.array([0.25] * 7 + [-0.25])) == pytest.approx(mcnemar_p(7, 1))


def test_a_plain_difference_equals_scipys_paired_t_interval() -> None:
    before, after = sides([(0.2, 0.5), (0.1, 0.4), (0.9, 0.7), (0.3, 0.8), (0.6, 0.6)])
    found = paired_mean(before, after)
    expected = scipy.stats.ttest_rel(after, before).confidence_interval()
    assert (found.delta.low, found.delta.high) == pytest.approx((expected.low, expected.high))
    assert found.delta.stderr == pytest.approx(scipy.stats.sem(after - before))


def test_the_interval_of_shares_is_bonett_and_prices_but_for_t() -> None:
    # 20 won, 9 lost, 71 ties: centre (21 - 10)/102, and their variance with z replaced by t.
    after = np.array([1.0] * 20 + [0.0] * 9 + [1.0] * 40 + [0.0] * 31)
    before = np.array([0.0] * 20 + [1.0] * 9 + [1.0] * 40 + [0.0] * 31)
    found = paired_mean(before, after)
    won, lost = 21 / 102, 10 / 102
    half = 1.96 * math.sqrt((won + lost - (won - lost) ** 2) / 102)
    assert (found.delta.low, found.delta.high) == pytest.approx(
        (won - lost - half, won - lost + half), abs=0.004
    )
    assert (found.wins, found.ties, found.losses) == (20, 71, 9)
    assert found.delta.value == pytest.approx(0.11)


def test_clusters_count_as_in_the_interval_of_one_variant() -> None:
    generator = np.random.default_rng(1)
    before, after = generator.random(60), generator.random(60)
    clusters = np.repeat(np.arange(12), 5)
    found = paired_mean(before, after, clusters=clusters)
    expected = stats.mean_interval((after - before).tolist(), clusters.tolist())
    assert found.delta.stderr == pytest.approx(expected.stderr)
    assert (found.delta.low, found.delta.high) == pytest.approx((expected.low, expected.high))


def test_clusters_of_equal_rows_count_once() -> None:
    before, after = np.repeat([0.1, 0.5, 0.4, 0.9], 3), np.repeat([0.3, 0.4, 0.9, 1.0], 3)
    found = paired_mean(before, after, clusters=np.repeat(np.arange(4), 3))
    alone = paired_mean(before[::3], after[::3])
    assert found.p == pytest.approx(alone.p)
    assert found.delta.stderr == pytest.approx(alone.delta.stderr)


def test_spread_between_subjects_does_not_count() -> None:
    generator = np.random.default_rng(2)
    strata = np.repeat(np.arange(4), 50)
    before = generator.random(200)
    after = before + 10 * strata + generator.normal(0, 0.1, 200)
    found = paired_mean(before, after, strata=strata)
    parts = [stats.mean_interval((after - before)[strata == number].tolist()) for number in range(4)]
    assert found.delta.stderr == pytest.approx(math.sqrt(sum(known(part.stderr) ** 2 for part in parts)) / 4)
    assert known(paired_mean(before, after).delta.stderr) > 10 * known(found.delta.stderr)


def test_the_macro_difference_equals_the_macro_mean_of_the_differences() -> None:
    generator = np.random.default_rng(3)
    strata = np.repeat(np.arange(3), [5, 40, 9])
    before, after = generator.random(54), generator.random(54)
    found = paired_mean(before, after, strata=strata, macro=True)
    expected = stats.macro_mean(
        {str(number): (after - before)[strata == number].tolist() for number in range(3)}
    )
    assert found.delta.value == pytest.approx(expected.value)
    assert found.delta.stderr == pytest.approx(expected.stderr)
    assert (found.delta.low, found.delta.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("sizes", [[1, 30], [1, 1, 30], [1, 1, 1], [1, 1]])
def test_subjects_of_one_row_have_a_spread_all_the_same(sizes: list[Any]) -> None:
    generator = np.random.default_rng(4)
    n = sum(sizes)
    found = paired_mean(
        generator.random(n), generator.random(n), strata=np.repeat(np.arange(len(sizes)), sizes)
    )
    assert known(found.delta.stderr) > 0


# --- properties ---


@given(BINARY, st.booleans())
def test_swapping_sides_turns_the_sign_and_keeps_p(pairs: list[Any], clustered: bool) -> None:
    before, after = sides(pairs)
    clusters = np.arange(len(before)) // 3 if clustered else None
    one = paired_mean(before, after, clusters=clusters)
    other = paired_mean(after, before, clusters=clusters)
    assert other.delta.value == -known(one.delta.value)
    assert other.p == one.p
    assert (other.wins, other.losses) == (one.losses, one.wins)
    if one.delta.low is not None:
        assert (other.delta.low, other.delta.high) == pytest.approx((-known(one.delta.high), -one.delta.low))
        assert -1 <= one.delta.low <= known(one.delta.value) <= known(one.delta.high) <= 1


@given(GRADED)
def test_swapping_sides_of_graded_scores_turns_the_sign_and_keeps_p(pairs: list[Any]) -> None:
    before, after = sides(pairs)
    one, other = paired_mean(before, after), paired_mean(after, before)
    assert (other.delta.value, other.p) == (-known(one.delta.value), one.p)


@given(GRADED)
def test_a_side_against_itself_does_not_differ(pairs: list[Any]) -> None:
    before, _ = sides(pairs)
    found = paired_mean(before, before)
    assert (found.delta.value, found.p, found.wins, found.losses) == (0.0, 1.0, 0, 0)
    assert known(found.delta.low) <= 0 <= known(found.delta.high)


def test_corpora_swapped_and_equal() -> None:
    before, after = bleu_rows(1), bleu_rows(2)
    one = paired_corpus(before, after, bleu.bleu_from_statistics, resamples=200)
    other = paired_corpus(after, before, bleu.bleu_from_statistics, resamples=200)
    assert other.delta.value == -known(one.delta.value)
    assert other.p == one.p
    assert other.delta.low == pytest.approx(-known(one.delta.high))
    same = paired_corpus(before, before, bleu.bleu_from_statistics, resamples=200)
    assert (same.delta.value, same.p, same.delta.low, same.delta.high) == (0.0, 1.0, 0.0, 0.0)


def bleu_rows(seed: Any, n: Any = 60) -> Any:
    generator = np.random.default_rng(seed)
    words = ["a", "cat", "sat", "on", "the", "mat", "dog"]
    gold = " ".join(words)
    said = [" ".join(generator.permutation(words)[:6]) for _ in range(n)]
    return np.array([bleu.bleu_statistics(text, gold) for text in said], dtype=np.float64)


def test_a_corpus_score_that_is_a_mean_agrees_with_the_paired_mean() -> None:
    generator = np.random.default_rng(7)
    before, after = generator.random(300), generator.random(300) + 0.05
    mean = paired_mean(before, after)
    ones = np.ones(300)
    corpus = paired_corpus(np.stack([before, ones], 1), np.stack([after, ones], 1), share, resamples=4000)
    assert corpus.delta.value == pytest.approx(mean.delta.value)
    assert corpus.delta.stderr == pytest.approx(mean.delta.stderr, rel=0.05)
    assert corpus.p == pytest.approx(mean.p, abs=0.02)


def test_many_rows_in_bundles_vary_as_they_do_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(8)
    rows = [np.stack([generator.random(6000), np.ones(6000)], 1) for _ in range(2)]
    bundled = paired_corpus(rows[0], rows[1], share, resamples=2000)
    theory = paired_mean(rows[0][:, 0], rows[1][:, 0])
    assert bundled.delta.stderr == pytest.approx(theory.delta.stderr, rel=0.06)


# --- what could have been found ---


def test_the_smallest_detectable_difference_is_found_four_times_in_five() -> None:
    generator = np.random.default_rng(9)
    n, trials = 1000, 400
    detectable = POWER_FACTOR / math.sqrt(n)
    found = sum(
        known(paired_mean(np.zeros(n), generator.normal(detectable, 1, n)).p) < 0.05 for _ in range(trials)
    )
    assert 0.74 <= found / trials <= 0.86


def test_shares_need_six_flips_at_least() -> None:
    found = paired_mean(np.zeros(50), np.zeros(50))
    assert found.detectable == pytest.approx(6 / 50)
    five, six = np.zeros(50), np.zeros(50)
    five[:5], six[:6] = 1, 1
    assert known(paired_mean(np.zeros(50), five).p) > 0.05 > known(paired_mean(np.zeros(50), six).p)


def test_rows_for_a_difference_grow_with_its_square() -> None:
    generator = np.random.default_rng(10)
    found = paired_mean(generator.random(100), generator.random(100))
    needed = known(found.rows_to_detect(0.01))
    assert needed == pytest.approx(100 * (known(found.detectable) / 0.01) ** 2, abs=1)
    assert found.rows_to_detect(0.02) == pytest.approx(needed / 4, abs=1)


# --- simulation; benchmarks/paired_statistics.py has more of it ---

TRIALS = 1500


def test_the_interval_of_shares_covers_at_its_rate() -> None:
    generator = np.random.default_rng(11)
    hits = 0
    for _ in range(TRIALS):
        before = (generator.random(400) < 0.5).astype(float)
        after = np.where(generator.random(400) < 0.4, generator.random(400) < 0.6, before).astype(float)
        found = paired_mean(before, after).delta
        hits += known(found.low) <= 0.4 * 0.1 <= known(found.high)
    assert 0.93 <= hits / TRIALS <= 0.97


def test_the_interval_of_clustered_shares_covers_at_its_rate_and_ignoring_clusters_does_not() -> None:
    generator = np.random.default_rng(12)
    clusters = np.repeat(np.arange(60), 8)
    trials = 700
    with_clusters = without = 0
    for _ in range(trials):
        levels = np.repeat(generator.beta(0.7, 0.7, (2, 60)), 8, axis=1)
        before, after = (generator.random((2, 480)) < levels).astype(float)
        clustered, plain = (
            paired_mean(before, after, clusters=clusters).delta,
            paired_mean(before, after).delta,
        )
        with_clusters += known(clustered.low) <= 0 <= known(clustered.high)
        without += known(plain.low) <= 0 <= known(plain.high)
    assert 0.93 <= with_clusters / trials <= 0.97
    assert without / trials < 0.85


@pytest.mark.parametrize("graded", [False, True])
def test_a_against_a_differs_five_times_in_a_hundred(graded: bool) -> None:
    generator = np.random.default_rng(13)
    hits = 0
    for _ in range(TRIALS):
        before, after = generator.random((2, 800))
        if not graded:
            before, after = (before < 0.5).astype(float), (after < 0.5).astype(float)
        hits += known(paired_mean(before, after).p) < 0.05
    # 5 +- 1 %, and twice the simulation's own standard error of 0.6 %
    assert 0.028 <= hits / TRIALS <= 0.072
