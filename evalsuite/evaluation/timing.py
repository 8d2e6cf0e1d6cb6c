"""When a run's samples were finished, and how fast."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from evalsuite.runs.progress import RunProgress
from evalsuite.runs.schema import SpeedSummary, Summary, ThroughputSummary


@dataclass(frozen=True, slots=True)
class RunTimes:
    """Times of a run. Rates are of samples and of the model's reply tokens, per second."""

    started: str | None
    """UTC, as summary.json has it."""
    finished: str | None
    wall_s: float | None = None
    requests_per_s: float | None = None
    completion_tokens_per_s: float | None = None
    concurrency: int | None = None
    throughput: ThroughputSummary | None = None


class Stopwatch:
    """Measures a start of a run, and the part of it in which samples get finished."""

    def __init__(self) -> None:
        self._started = datetime.now(timezone.utc)
        self._clock = time.perf_counter()
        self._working_s = 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the block's time as the one in which samples get finished."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._working_s += time.perf_counter() - began

    def times(self, progress: RunProgress, before: Summary | None) -> RunTimes:
        """The times of this start, or those of the start `before` if this one had nothing to finish."""
        if before and not (progress.requests or progress.done or progress.imported):
            totals = before.totals
            return RunTimes(
                before.started,
                before.finished,
                totals.wall_s,
                totals.requests_per_s,
                totals.completion_tokens_per_s,
                totals.concurrency,
                totals.throughput,
            )
        seconds = self._working_s if progress.requests else 0.0
        wall_s = time.perf_counter() - self._clock
        speeds = progress.speeds.values()  # of all servers of this start, restarted ones included
        samples = sum(speed.samples for speed in speeds)
        tokens = sum(speed.completion_tokens for speed in speeds)
        return RunTimes(
            started=utc(self._started),
            finished=utc(
                self._started + timedelta(seconds=wall_s)
            ),  # the system clock may have been set since
            wall_s=round(wall_s, 3),
            requests_per_s=round(samples / seconds, 3) if seconds else None,
            completion_tokens_per_s=round(tokens / seconds, 2) if seconds else None,
            concurrency=progress.concurrency,
            throughput=progress.throughput.summary(),
        )


def variant_speeds(progress: RunProgress, before: Summary | None) -> dict[str, SpeedSummary]:
    """How fast each variant answered: in this start, or in the one `before` if it had nothing to answer now."""
    found = {name: entry.speed for name, entry in before.variants.items() if entry.speed} if before else {}
    for name, speed in progress.speeds.items():
        if speed.samples and speed.seconds:
            found[name] = SpeedSummary(
                samples=speed.samples,
                seconds=round(speed.seconds, 3),
                samples_per_s=round(speed.samples / speed.seconds, 3),
                completion_tokens_per_s=round(speed.completion_tokens / speed.seconds, 2),
            )
    return found


def utc(moment: datetime) -> str:
    """Write a moment as summary.json does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
