"""The number of requests at a time against servers whose behaviour is known exactly."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.endpoint.concurrency import DEFAULT_MAXIMUM, START, AdaptiveConcurrency, FixedConcurrency

SERVICE_SECONDS = 2.0


def throughput(capacity: int) -> Callable[[int], float]:
    """A server that works on `capacity` requests at a time, each for the same time; the others wait."""
    return lambda limit: min(limit, capacity) / SERVICE_SECONDS


def drive(
    concurrency: AdaptiveConcurrency, rate: Callable[[int], float], answers: int, jitter: float = 0.0
) -> list[int]:
    """The limits in force while so many requests are answered."""
    clock, chance, limits = 0.0, random.Random(7), []
    for _ in range(answers):
        limits.append(concurrency.limit)
        clock += chance.uniform(1 - jitter, 1 + jitter) / rate(concurrency.limit)
        concurrency.record_answer(clock)
    return limits


@pytest.mark.parametrize("jitter", [0.0, 0.5])
@pytest.mark.parametrize("capacity", [1, 3, 20, 40, 64, 150, 1000])
def test_adaptive_concurrency_fills_the_server_without_a_long_queue(capacity: int, jitter: float) -> None:
    limits = drive(AdaptiveConcurrency(), throughput(capacity), 20_000, jitter)
    least = min(capacity, DEFAULT_MAXIMUM, START)
    assert all(limit >= min(least, START) for limit in limits)
    late = limits[3000:]
    assert sum(limit >= 0.9 * min(capacity, DEFAULT_MAXIMUM) for limit in late) >= 0.9 * len(late)
    assert max(late) <= max(START * 1.6, 2 * capacity)


def test_adaptive_concurrency_fast_server_reaches_the_maximum() -> None:
    assert drive(AdaptiveConcurrency(), throughput(10_000), 1000)[-1] == DEFAULT_MAXIMUM


def test_adaptive_concurrency_overload_cuts_at_once_and_recovers_in_steps() -> None:
    concurrency = AdaptiveConcurrency(100)
    concurrency.record_overload()
    assert concurrency.limit == 70
    for _ in range(50):
        concurrency.record_overload()
    assert concurrency.limit == 70, "one burst of refusals is one cut"
    limits = drive(concurrency, throughput(99), 3000)
    steps = [after - before for before, after in pairwise(limits) if after > before]
    assert max(steps[:4]) <= 10
    assert min(limits[1000:]) >= 95


def test_adaptive_concurrency_repeated_overload_stops_at_one() -> None:
    concurrency = AdaptiveConcurrency(DEFAULT_MAXIMUM)
    for _ in range(60):
        concurrency.record_overload()
        drive(concurrency, throughput(DEFAULT_MAXIMUM), 2 * concurrency.limit + 32)
    assert 1 <= concurrency.limit <= 4


def test_adaptive_concurrency_reset_forgets_throughput() -> None:
    concurrency = AdaptiveConcurrency()
    drive(concurrency, throughput(40), 2000)
    before = concurrency.limit
    concurrency.reset()
    assert concurrency.limit == before
    slow = 0.01  # long replies: a rate that would have looked like a collapse
    drive(concurrency, lambda limit: slow * min(limit, 200), 4000)
    assert concurrency.limit >= 180


@given(
    st.lists(st.sampled_from(["record_answer", "record_overload", "reset"]), max_size=300),
    st.integers(1, 300),
    st.integers(1, 300),
    st.floats(0, 10),
)
def test_adaptive_concurrency_stays_between_one_and_its_maximum(
    events: list[str], start: int, most: int, seconds: float
) -> None:
    concurrency = AdaptiveConcurrency(start, most)
    for number, event in enumerate(events):
        if event == "record_answer":
            concurrency.record_answer(number * seconds)
        else:
            getattr(concurrency, event)()
        assert 1 <= concurrency.limit <= concurrency.most == most


def test_fixed_concurrency_never_changes() -> None:
    concurrency = FixedConcurrency(7)
    concurrency.record_overload()
    concurrency.record_answer(1.0)
    concurrency.reset()
    assert concurrency.limit == concurrency.most == 7
