"""Reads a journal back: every finished sample once, with its row wherever scoring or counting needs one.

A row comes from the line's gold answer, where that is enough to score a reply (qa, gsm8k), else from the data files
that run.json names, once their SHA-256 has been checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from evalsuite._util.compact import HashSet, short_hash
from evalsuite.errors import InputError
from evalsuite.runs.counting import DatasetCount, line_place, sample_place
from evalsuite.runs.journal import LineIndex, read_own_journal
from evalsuite.runs.recorded_dataset import RecordedDataset
from evalsuite.runs.schema import SampleLine

RecordedCount: TypeAlias = DatasetCount[RecordedDataset]
Place: TypeAlias = tuple[str, str]
"""A variant and a dataset."""


@dataclass(frozen=True, slots=True)
class ReplayedSample:
    """A finished sample of a journal."""

    line: SampleLine
    count: RecordedCount
    row: Any
    """None where it was not needed, or could not be read."""


class ReplayPolicy:
    """Decides what a replay does where the journal, run.json and the data files do not agree. The default is lenient."""

    def needs_row(self, dataset: RecordedDataset, line: SampleLine) -> bool:
        """Whether the line is of no use without its row."""
        return not dataset.task.capabilities.scored_elsewhere

    def on_unknown_line(self, line: SampleLine) -> None:
        """React to a line whose variant or dataset run.json does not have. The line is skipped."""

    def on_missing_files(self, count: RecordedCount, error: InputError) -> None:
        """React to data files that are gone or changed. Raise, or the lines are replayed without their rows."""
        raise error

    def on_missing_rows(self, count: RecordedCount, missing: int) -> None:
        """React to lines whose rows are not in the data files. They are skipped."""


def replay(journal: Path, counts: Iterable[RecordedCount], policy: ReplayPolicy) -> Iterator[ReplayedSample]:
    """Read every finished sample of the given datasets.

    The first pass gives the lines that need no data file. A second pass, over the data files, gives the others.
    Raises `InputError` for a line that evalsuite did not write, and whatever the policy raises.
    """
    known = {(count.variant, count.dataset.name): count for count in counts}
    waiting: Counter[Place] = Counter()
    for line, count in _lines(journal, known, policy):
        dataset = count.dataset
        elsewhere = dataset.task.capabilities.scored_elsewhere
        row = None if elsewhere else dataset.task.row_from_gold(line.gold, dataset.style)
        if row is None and policy.needs_row(dataset, line):
            waiting[count.variant, dataset.name] += 1
        else:
            yield ReplayedSample(line, count, row)
    for place, number in waiting.items():
        yield from _with_rows(journal, known[place], policy, number)


def _lines(
    journal: Path, known: dict[Place, RecordedCount], policy: ReplayPolicy
) -> Iterator[tuple[SampleLine, RecordedCount]]:
    """Each sample's line once: a crash may have left one twice."""
    seen = HashSet()
    for _, line in read_own_journal(journal):
        count = known.get((line.variant, line.dataset))
        if count is None:
            policy.on_unknown_line(line)
        elif seen.add(short_hash(f"{line.variant}\n{line.dataset}\n{line_place(line)}")):
            yield line, count


def _with_rows(
    journal: Path, count: RecordedCount, policy: ReplayPolicy, number: int
) -> Iterator[ReplayedSample]:
    """The lines of a dataset that need their rows, `number` of them."""
    dataset = count.dataset
    samples = dataset.read_rows()
    try:
        first = next(samples)  # any fault of the files is known by then
    except InputError as error:
        policy.on_missing_files(count, error)
        yield from _without_rows(journal, count, policy)
        return
    found = 0
    with LineIndex(journal, line_place) as lines:
        for sample in chain((first,), samples):
            for repeat in range(dataset.repeats):
                place = sample_place(sample.subset, sample.index, sample.id, repeat)
                line = lines.take(count.variant, dataset.name, place)
                if line and policy.needs_row(dataset, line.content):
                    found += 1
                    yield ReplayedSample(line.content, count, sample.row)
    if found != number:
        policy.on_missing_rows(count, number - found)


def _without_rows(journal: Path, count: RecordedCount, policy: ReplayPolicy) -> Iterator[ReplayedSample]:
    known = {(count.variant, count.dataset.name): count}
    for line, _ in _lines(journal, known, ReplayPolicy()):
        if policy.needs_row(count.dataset, line):
            yield ReplayedSample(line, count, None)
