"""Counts scored samples of a variant on a dataset."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from evalsuite.options.running import OnError
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.runs.schema import SampleLine
from evalsuite.runs.scored_dataset import ScoredDataset
from evalsuite.types import Score

DatasetT_co = TypeVar("DatasetT_co", bound=ScoredDataset, covariant=True)


@dataclass(frozen=True, slots=True)
class DatasetCount(Generic[DatasetT_co]):
    """A dataset of a variant, and what has been counted of its samples."""

    variant: str
    dataset: DatasetT_co
    aggregate: ScoreAggregate


def new_aggregate(dataset: ScoredDataset, on_error: OnError) -> ScoreAggregate:
    """An aggregate for a dataset, with nothing counted yet."""
    return ScoreAggregate(dataset.metrics, on_error, dataset.task.breakdowns, dataset.category_order)


def row_number(subset: str, index: int, own_id: str) -> int:
    """A number of 63 bits for a row of a dataset, the same for all of its repeats."""
    place = f"{subset}\n{index}\n{own_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(place, digest_size=8).digest(), "big") >> 1


def sample_place(subset: str, index: int, own_id: str, repeat: int) -> str:
    """The place of a sample in its dataset; no other sample has it."""
    return f"{subset}\n{index}\n{own_id}\n{repeat}"


def line_place(line: SampleLine) -> str:
    """The place of a line's sample in its dataset."""
    return sample_place(line.subset, line.index, line.id, line.repeat)


def count_score(
    dataset: ScoredDataset, aggregate: ScoreAggregate, subset: str, row: Any, score: Score, number: int
) -> None:
    """Count the score of a row as it is now, breakdowns included. `number`: see `row_number`."""
    task = dataset.task
    aggregate.add(
        subset,
        score.outcome,
        score.values,
        score.statistics,
        task.facts(row).cluster,
        dataset.categories(subset, row),
        number if dataset.repeats > 1 else None,
    )
    aggregate.labels.update(score.labels)
    if score.outcome != "error":
        aggregate.breakdowns.add(subset, task.breakdown_keys(row, score), score.values)


def count_line(
    dataset: ScoredDataset, aggregate: ScoreAggregate, line: SampleLine, score: Score, row: Any = None
) -> None:
    """Count a journal line as it was recorded. Without its row (None) it is in no breakdown."""
    aggregate.add(
        line.subset,
        score.outcome,
        score.values,
        score.statistics,
        line.cluster,
        line.categories,
        row_number(line.subset, line.index, line.id) if dataset.repeats > 1 else None,
    )
    aggregate.labels.update(score.labels)
    if row is not None and score.outcome != "error":
        aggregate.breakdowns.add(line.subset, dataset.task.breakdown_keys(row, score), score.values)


def count_imported_line(aggregate: ScoreAggregate, line: SampleLine) -> None:
    """Count a line that another tool scored. A failed sample counts as that tool counted it, if it did."""
    counted_anyway = line.failed and any(value is not None for value in line.scores.values())
    outcome = "unparsed" if counted_anyway else line.outcome
    aggregate.add(line.subset, outcome, line.scores, {}, line.cluster, line.categories)
