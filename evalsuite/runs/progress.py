"""The progress of a run: counted while it goes on, and restored from the journal by a later start."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from typing import Protocol

from evalsuite.runs.schema import SampleLine
from evalsuite.runs.throughput import Throughput
from evalsuite.runs.usage import UsageTotals


@dataclass(slots=True)
class EarlierTotals:
    """Usage of samples that earlier starts finished, from their journal lines."""

    usage: UsageTotals = field(default_factory=UsageTotals)
    requests: int = 0
    retries: int = 0
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, line: SampleLine) -> None:
        """Count a journal line."""
        self.usage.add_line(line)
        for sent in (line.attempts, *(entry.attempts for entry in line.further)):
            attempts = sent or 0
            self.requests += attempts
            self.retries += max(0, attempts - 1)
        if line.error:
            self.failures[line.error.kind, line.error.message] += 1

    def take(self, other: EarlierTotals) -> None:
        """Add the counts of another."""
        self.usage = self.usage.merged_with(other.usage)
        self.requests += other.requests
        self.retries += other.retries
        self.failures += other.failures


@dataclass(slots=True)
class VariantSpeed:
    """Replies of one variant in this start, and the seconds they took."""

    samples: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class RunProgress:
    """What this start has done so far. A progress display reads it while it changes."""

    total: int = 0
    reused: int = 0
    done: int = 0
    from_cache: int = 0
    """Samples of this start whose every reply came from the cache."""
    imported: int = 0
    """Samples that another suite finished in this start."""
    outcomes: Counter[str] = field(default_factory=Counter)
    completion_tokens: int = 0
    """Tokens of the model's replies in this start."""
    requests: int = 0
    retries: int = 0
    concurrency: int | None = None
    """Requests under way at a time, as last measured."""
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Failed samples, by class and message."""
    usage: UsageTotals = field(default_factory=UsageTotals)
    throughput: Throughput = field(default_factory=Throughput)
    earlier: EarlierTotals = field(default_factory=EarlierTotals)
    speeds: dict[str, VariantSpeed] = field(default_factory=dict)
    """By variant."""

    def speed_of(self, variant: str) -> VariantSpeed:
        """The counters of a variant's speed."""
        return self.speeds.setdefault(variant, VariantSpeed())

    def restart(self) -> None:
        """Reset the counters: finished samples are in the journal and are counted from there. Speeds are kept."""
        self.throughput.pause()
        fresh = RunProgress(concurrency=self.concurrency, throughput=self.throughput, speeds=self.speeds)
        for one in fields(self):
            setattr(self, one.name, getattr(fresh, one.name))

    @property
    def owed(self) -> int:
        """Samples not finished yet."""
        return self.total - self.reused - self.done - self.imported


class Progress(Protocol):
    """Shows how far a run is, for as long as the returned context lasts.

    It is called once, when the first sample can be asked, with counters that keep changing while the run goes on.
    """

    def __call__(self, counters: RunProgress, /) -> AbstractContextManager[object]:
        """Show the counters until the context ends."""


def no_progress(_: RunProgress, /) -> AbstractContextManager[object]:
    """Show nothing: a `Progress` for callers without a terminal."""
    return nullcontext()
