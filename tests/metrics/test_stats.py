"""Intervals against closed forms, published values, scipy, and simulation."""

from __future__ import annotations

import math
import random
import statistics
import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from known import known

from evalsuite.metrics import bleu, stats
from evalsuite.types import Interval

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)


def covers(interval: Any, truth: Any) -> Any:
    return interval.low <= truth <= interval.high


# --- nothing and almost nothing ---


def test_no_rows_give_no_value() -> None:
    nothing = Interval(None, None, None, None, 0)
    assert stats.wilson(0, 0) == nothing
    assert stats.mean_interval([]) == stats.mean_interval([], []) == nothing
    assert stats.score_interval([]) == stats.score_interval([], []) == nothing
    assert stats.macro_mean({}) == stats.macro_mean({"a": []}) == nothing
    assert stats.bootstrap_interval([], sum) == nothing


def test_one_row_has_no_standard_error() -> None:
    assert stats.wilson(1, 1).stderr is None
    assert stats.mean_interval([0.5]) == Interval(0.5, None, None, None, 1)
    assert stats.macro_mean({"a": [0.5]}) == Interval(0.5, None, None, None, 1)
    assert stats.bootstrap_interval([[3]], sum) == Interval(3, None, None, None, 1)


def test_one_cluster_has_no_standard_error() -> None:
    assert stats.mean_interval([1, 0, 1, 1], ["a"] * 4) == Interval(0.75, None, None, None, 4)
    assert stats.score_interval([1, 0, 1, 1], ["a"] * 4) == Interval(0.75, None, None, None, 4)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        stats.mean_interval([0.5, value])
    with pytest.raises(ValueError, match="not finite"):
        stats.bootstrap_interval([[1], [value]], sum)


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (math.nan, 5)])
def test_impossible_counts_are_refused(successes: float, n: int) -> None:
    with pytest.raises(ValueError, match="from 0 to"):
        stats.wilson(successes, n)


def test_every_value_needs_its_cluster() -> None:
    with pytest.raises(ValueError, match="one cluster for each value"):
        stats.mean_interval([1, 2], ["a"])


# --- closed forms ---


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 1), (0, 20), (20, 20), (1, 3), (8, 10), (81, 263), (15, 148)]
)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_equals_scipy(successes: int, n: int, confidence: float) -> None:
    expected = scipy.stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    found = stats.wilson(successes, n, confidence)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_equals_published_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81/263 and 15/148, method 3.
    assert (round(known(stats.wilson(81, 263).low), 4), round(known(stats.wilson(81, 263).high), 4)) == (
        0.2553,
        0.3662,
    )
    assert (round(known(stats.wilson(15, 148).low), 4), round(known(stats.wilson(15, 148).high), 4)) == (
        0.0624,
        0.1605,
    )


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.floats(0, n), st.just(n))))
def test_wilson_stays_around_its_value_and_within_range(case: tuple[float, int]) -> None:
    found = stats.wilson(*case)
    assert 0 <= known(found.low) <= known(found.value) + 1e-12
    assert known(found.value) - 1e-12 <= known(found.high) <= 1


def test_the_t_interval_equals_scipy() -> None:
    values = [0.2, 0.5, 0.9, 0.4, 0.7]
    found = stats.mean_interval(values)
    low, high = scipy.stats.t.interval(0.95, 4, np.mean(values), scipy.stats.sem(values))
    assert found.stderr == pytest.approx(scipy.stats.sem(values), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_a_proportion_and_a_mean_have_one_standard_error() -> None:
    assert stats.wilson(3, 8).stderr == pytest.approx(
        stats.mean_interval([1, 1, 1, 0, 0, 0, 0, 0]).stderr, abs=1e-15
    )


def test_clusters_of_one_change_nothing() -> None:
    values = [0.1, 0.4, 0.4, 0.9]
    assert stats.mean_interval(values, "abcd") == stats.mean_interval(values)


def test_clusters_of_equal_rows_count_as_their_means() -> None:
    # Each row three times over: as sure as the distinct rows alone, no surer.
    distinct = [0.1, 0.4, 0.5, 0.9]
    found = stats.mean_interval(
        [value for value in distinct for _ in range(3)], [key for key in "abcd" for _ in range(3)]
    )
    alone = stats.mean_interval(distinct)
    assert (found.value, found.stderr, found.low, found.high) == pytest.approx(
        (alone.value, alone.stderr, alone.low, alone.high)
    )
    assert found.n == 12


def test_uneven_clusters_follow_the_formula() -> None:
    # Worked by hand: mean 0.5; deviations sum to 0.5, 0.0 and -0.5 in the clusters; sqrt(3/2 * 0.5) / 5.
    found = stats.mean_interval([1, 1, 0, 0.5, 0], ["a", "b", "b", "a", "c"])
    assert found.value == 0.5
    assert found.stderr == pytest.approx(math.sqrt(3 / 2 * 0.5) / 5)
    assert known(found.high) - known(found.value) == pytest.approx(scipy.stats.t.ppf(0.975, 2) * found.stderr)


def test_the_macro_mean_weighs_subjects_equally() -> None:
    subjects = {"a": [1, 0, 1, 1], "b": [0, 0, 1], "empty": []}
    parts = [stats.mean_interval(values) for values in (subjects["a"], subjects["b"])]
    found = stats.macro_mean(subjects)
    assert found.value == pytest.approx((3 / 4 + 1 / 3) / 2)
    assert found.stderr == pytest.approx(math.hypot(known(parts[0].stderr), known(parts[1].stderr)) / 2)
    assert found.n == 7


def test_satterthwaite_gives_welchs_degrees_of_freedom() -> None:
    first, second = [0.1, 0.5, 0.3, 0.9], [0.2, 0.25, 0.3, 0.31, 0.2, 0.22]
    found = stats.macro_mean({"a": first, "b": second})
    welch = scipy.stats.ttest_ind(first, [-value for value in second], equal_var=False).confidence_interval(
        0.95
    )
    assert (found.low, found.high) == pytest.approx((welch.low / 2, welch.high / 2), abs=1e-12)


def test_one_subject_is_its_own_macro_mean() -> None:
    values = [0.2, 0.5, 0.9]
    found, alone = stats.macro_mean({"a": values}), stats.mean_interval(values)
    assert (found.low, found.high, found.stderr) == pytest.approx((alone.low, alone.high, alone.stderr))


def test_equal_values_have_no_width() -> None:
    assert stats.mean_interval([0.25] * 5) == Interval(0.25, 0.0, 0.25, 0.25, 5)
    assert stats.macro_mean({"a": [1, 1], "b": [0, 0]}) == Interval(0.5, 0.0, 0.5, 0.5, 4)


def test_score_interval_picks_what_fits() -> None:
    assert stats.score_interval([1, 0, 1.0, True]) == stats.wilson(3, 4)
    assert stats.score_interval([1, 0, 0.5]) == stats.mean_interval([1, 0, 0.5])
    assert stats.score_interval([0.5, 1, 0], "aab") == stats.mean_interval([0.5, 1, 0], "aab")


def test_clustered_proportions_stay_within_range_and_keep_a_width() -> None:
    nearly = stats.score_interval([1, 1, 1, 1, 1, 0], "aabbcc")
    assert 0 < known(nearly.low) < known(nearly.value) < known(nearly.high) < 1
    perfect = stats.score_interval([1] * 12, "aaabbbcccddd")
    assert (perfect.value, perfect.high, perfect.n) == (1, 1, 12)
    assert perfect.low == pytest.approx(stats.wilson(4, 4).low)


@settings(deadline=None)
@given(VALUES, st.randoms())
def test_the_order_of_rows_changes_nothing(values: list[Any], shuffler: Any) -> None:
    clusters = [index % 3 for index in range(len(values))]
    rows = list(zip(values, clusters, strict=True))
    shuffled = shuffler.sample(rows, len(rows))
    again = [value for value, _ in shuffled]
    assert stats.mean_interval(values) == stats.mean_interval(again)
    clustered = stats.mean_interval(again, [cluster for _, cluster in shuffled])
    assert stats.mean_interval(values, clusters) == clustered


@settings(deadline=None)
@given(VALUES)
def test_an_interval_surrounds_its_value(values: list[Any]) -> None:
    found = stats.mean_interval(values)
    assert known(found.low) <= known(found.value) <= known(found.high)
    assert known(found.stderr) >= 0


def test_infinite_degrees_of_freedom_are_normal() -> None:
    assert stats.t_quantile(0.975, math.inf) == pytest.approx(1.959963984540054)
    assert stats.t_quantile(0.975, 1e9) == pytest.approx(1.959963984540054)


# --- bootstrap ---


def share(total: Any) -> Any:
    return total[0] / total[1]


def test_the_bootstrap_of_a_mean_agrees_with_theory() -> None:
    generator = random.Random(1)
    rows = [(generator.gauss(5, 2), 1) for _ in range(400)]
    found, theory = (
        stats.bootstrap_interval(rows, share, resamples=4000),
        stats.mean_interval([row[0] for row in rows]),
    )
    assert found.value == pytest.approx(theory.value)
    assert found.stderr == pytest.approx(theory.stderr, rel=0.05)
    assert (found.low, found.high) == pytest.approx((theory.low, theory.high), abs=0.03)


def test_the_bootstrap_repeats_for_a_seed_whatever_the_order() -> None:
    generator = random.Random(2)
    rows = [(index % 7, 1) for index in range(50)]
    found = stats.bootstrap_interval(rows, share, seed=3)
    assert found == stats.bootstrap_interval(rows[::-1], share, seed=3)
    floats = [(generator.uniform(0, 1e3), generator.uniform(1, 9)) for _ in range(50)]
    again = generator.sample(floats, len(floats))
    assert stats.bootstrap_interval(floats, share) == stats.bootstrap_interval(again, share)
    assert found != stats.bootstrap_interval(rows, share, seed=4)


def test_the_bootstrap_takes_bleu_as_it_is() -> None:
    rows = [bleu.bleu_statistics("the cat sat on the mat", "the cat sat on a mat") for _ in range(20)]
    rows += [bleu.bleu_statistics("no", "the dog ran off")] * 5
    found = stats.bootstrap_interval(rows, bleu.bleu_from_statistics, resamples=200)
    assert found.value == pytest.approx(bleu.bleu_from_statistics(bleu.add_statistics(rows)))
    assert 0 <= known(found.low) <= known(found.value) <= known(found.high) <= 100


def test_the_bootstrap_of_many_rows_stays_small() -> None:
    table = np.ones((200_000, 10))
    tracemalloc.start()
    stats.bootstrap_interval(table, share, resamples=3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64e6


# --- simulation: a 95 % interval covers 93 to 97 % of the time ---

TRIALS = 2000


def test_wilson_covers_at_its_rate() -> None:
    generator = random.Random(0)
    hits = sum(
        covers(stats.wilson(sum(generator.random() < 0.7 for _ in range(80)), 80), 0.7) for _ in range(TRIALS)
    )
    assert 0.93 <= hits / TRIALS <= 0.97


@pytest.mark.parametrize("n", [30, 100, 1000, 5000])
def test_wilson_covers_at_its_rate_whatever_the_share(n: int) -> None:
    # exactly, without chance; with one row expected of a kind, few counts can occur and it is on the safe side
    intervals = [stats.wilson(successes, n) for successes in range(n + 1)]
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98):
        covering = [successes for successes, found in enumerate(intervals) if covers(found, share)]
        most = 0.97 if min(share, 1 - share) * n >= 5 else 0.98
        assert 0.929 <= scipy.stats.binom.pmf(covering, n, share).sum() <= most, share


def test_the_t_interval_covers_at_its_rate() -> None:
    generator = random.Random(0)
    hits = sum(
        covers(stats.mean_interval([generator.gauss(3, 1) for _ in range(8)]), 3) for _ in range(TRIALS)
    )
    assert 0.93 <= hits / TRIALS <= 0.97


def test_clustering_keeps_the_rate_that_ignoring_clusters_loses() -> None:
    generator = random.Random(0)
    with_clusters = without = 0
    clusters = [index // 5 for index in range(150)]
    for _ in range(TRIALS):
        shifts = [generator.gauss(0, 1) for _ in range(30)]
        values = [shifts[cluster] + generator.gauss(0, 0.5) for cluster in clusters]
        with_clusters += covers(stats.mean_interval(values, clusters), 0)
        without += covers(stats.mean_interval(values), 0)
    assert 0.93 <= with_clusters / TRIALS <= 0.97
    assert without / TRIALS < 0.75


def test_clustered_shares_of_a_rare_kind_cover_at_their_rate_which_the_t_interval_does_not() -> None:
    # ten of a hundred rows are expected to be right, in two or three of twenty clusters
    generator = random.Random(6)
    clusters = [row // 5 for row in range(100)]
    hits = of_mean = 0
    for _ in range(TRIALS):
        levels = [generator.betavariate(0.2, 1.8) for _ in range(20)]
        values = [float(generator.random() < levels[cluster]) for cluster in clusters]
        hits += covers(stats.score_interval(values, clusters), 0.1)
        of_mean += covers(stats.mean_interval(values, clusters), 0.1)
    assert 0.92 <= hits / TRIALS <= 0.97
    assert of_mean / TRIALS < 0.91


def test_clustered_shares_whose_clusters_are_rows_are_nearly_wilsons() -> None:
    values = [1.0] * 300 + [0.0] * 700
    alone, clustered = stats.score_interval(values), stats.score_interval(values, range(1000))
    assert (clustered.value, clustered.n) == (alone.value, alone.n)
    assert (clustered.low, clustered.high) == pytest.approx((alone.low, alone.high), abs=1e-4)


def test_the_macro_mean_covers_at_its_rate() -> None:
    generator = random.Random(0)
    hits = 0
    for _ in range(TRIALS):
        subjects = {
            str(mean): [generator.gauss(mean, 1 + mean) for _ in range(5 + 5 * mean)] for mean in range(4)
        }
        hits += covers(stats.macro_mean(subjects), 1.5)
    assert 0.93 <= hits / TRIALS <= 0.97


@pytest.mark.parametrize("freedom", [100, 150.5, 1000, 1e6])
@pytest.mark.parametrize("probability", [0.025, 0.9, 0.975, 0.995])
def test_the_t_quantile_of_many_degrees_of_freedom_equals_scipys(freedom: float, probability: float) -> None:
    assert stats.t_quantile(probability, freedom) == pytest.approx(
        scipy.special.stdtrit(freedom, probability), abs=1e-9
    )


def test_a_subject_of_one_row_is_given_the_spread_of_all_rows() -> None:
    found = stats.macro_mean({"a": [0.5], "b": [1, 0]})
    spread = statistics.stdev([0.5, 1, 0])
    assert found.stderr == pytest.approx(math.sqrt(spread**2 + (statistics.stdev([1, 0]) ** 2) / 2) / 2)


@pytest.mark.parametrize("right", [0, 1])
def test_a_macro_mean_of_equal_rows_does_not_claim_certainty(right: int) -> None:
    found = stats.macro_mean({"a": [right] * 12, "b": [right] * 12})
    assert (found.low, found.high) == (stats.wilson(right * 24, 24).low, stats.wilson(right * 24, 24).high)
