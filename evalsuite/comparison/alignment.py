"""Which rows two sides have in common: rows with the same place (subset and id) and the same content.

The content is the gold answer and, if both sides word their questions alike, the last paragraph of the question. Rows
with the same place and another content are `changed` and are not paired. Prompts of a pair may still differ (other
examples, another header); such pairs are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from evalsuite.comparison.document import RowName
from evalsuite.comparison.row_scores import ScoreTable
from evalsuite.comparison.sides import Side
from evalsuite.runs.directory import JOURNAL_FILE
from evalsuite.runs.journal import read_lines_at
from evalsuite.runs.recorded_dataset import RecordedDataset
from evalsuite.runs.schema import SampleLine

if TYPE_CHECKING:
    import numpy as np

    Rows: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

MAX_LISTED_ROWS = 20
"""How many unmatched rows are named. All of them are counted."""


@dataclass(frozen=True)
class Alignment:
    """Row numbers in both tables. Entry i of `before` and entry i of `after` are a pair."""

    before: Rows
    after: Rows
    only_before: Rows
    only_after: Rows
    changed: Rows
    """Row numbers in the table `before`."""
    different_prompts: int
    different_replies: int


def align(before: ScoreTable, after: ScoreTable, *, has_same_wording: bool) -> Alignment:
    """Pair the rows of two tables, in an order that does not depend on the order of the journals."""
    import numpy as np

    places = np.array(before.places), np.array(after.places)
    _, first, second = np.intersect1d(*places, assume_unique=True, return_indices=True)
    same = np.array(before.golds)[first] == np.array(after.golds)[second]
    if has_same_wording:
        same &= np.array(before.questions)[first] == np.array(after.questions)[second]
    pairs = first[same], second[same]
    return Alignment(
        before=pairs[0],
        after=pairs[1],
        only_before=np.setdiff1d(np.arange(len(before)), first),
        only_after=np.setdiff1d(np.arange(len(after)), second),
        changed=np.sort(first[~same]),
        different_prompts=_count_different(before.prompts, after.prompts, pairs),
        different_replies=_count_different(before.replies, after.replies, pairs),
    )


def dataset_pairs(before: Side, after: Side) -> Iterator[tuple[str, str]]:
    """Yield the names, on both sides, of datasets that are the same.

    Datasets match by name and kind. Predictions are named after their file, so the only dataset left of a kind also
    matches if one side's are predictions and the languages agree.
    """
    for name, dataset in before.datasets.items():
        if _has_dataset(after, name, dataset):
            yield name, name
    left = _unmatched_names(before, after), _unmatched_names(after, before)
    for kind, names in left[0].items():
        others = left[1].get(kind, [])
        if len(names) == len(others) == 1:
            pair = before.datasets[names[0]], after.datasets[others[0]]
            named_after_file = any(dataset.is_predicted for dataset in pair)
            if named_after_file and pair[0].style.lang == pair[1].style.lang:
                yield names[0], others[0]


def _has_dataset(side: Side, name: str, dataset: RecordedDataset) -> bool:
    return name in side.datasets and side.datasets[name].task.kind == dataset.task.kind


def _unmatched_names(side: Side, other: Side) -> dict[str, list[str]]:
    """The names of datasets that only `side` has, by kind."""
    kinds: dict[str, list[str]] = {}
    for name, dataset in side.datasets.items():
        if not _has_dataset(other, name, dataset):
            kinds.setdefault(dataset.task.kind, []).append(name)
    return kinds


def dataset_label(names: tuple[str, str]) -> str:
    """The name of a pair of datasets in a comparison."""
    return names[0] if names[0] == names[1] else " / ".join(names)


def unpaired_datasets(before: Side, after: Side) -> tuple[list[str], list[str]]:
    """The names of datasets that only `before` has, and of those that only `after` has."""
    pairs = list(dataset_pairs(before, after))
    firsts, seconds = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    return [name for name in before.datasets if name not in firsts], [
        name for name in after.datasets if name not in seconds
    ]


def row_names(side: Side, table: ScoreTable, rows: Sequence[int]) -> list[RowName]:
    """Read subset and id of the first `MAX_LISTED_ROWS` rows from the journal."""
    offsets = [table.offsets[int(row)] for row in rows[:MAX_LISTED_ROWS]]
    lines = read_lines_at(side.run.path / JOURNAL_FILE, offsets)
    return [_row_name(lines[offset]) for offset in offsets if offset in lines]


def _row_name(line: SampleLine) -> RowName:
    return RowName(line.subset, line.id)


def _count_different(before: Any, after: Any, pairs: tuple[Rows, Rows]) -> int:
    import numpy as np

    return int((np.array(before)[pairs[0]] != np.array(after)[pairs[1]]).sum())
