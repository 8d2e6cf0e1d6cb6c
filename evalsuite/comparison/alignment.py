"""Which rows two sides have in common: the same place (subset and id) and the same content.

Content is the gold answer and, where both sides word their questions alike, the question's last paragraph. A place with
another content is `changed`, and no pair. Whole prompts may differ all the same (other examples, another header): those
pairs are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from evalsuite.comparison.row_scores import ScoreTable
from evalsuite.comparison.sides import Side
from evalsuite.runs.directory import JOURNAL_FILE
from evalsuite.runs.journal import read_lines_at
from evalsuite.runs.plan import DatasetPlan
from evalsuite.runs.predictions import PredictionPlan
from evalsuite.runs.schema import SampleLine

if TYPE_CHECKING:
    import numpy as np

    Rows: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

MAX_LISTED_ROWS = 20
"""Of unmatched rows; their number is always told."""


@dataclass(frozen=True)
class Alignment:
    """Row numbers of both tables: entry i of `before` is asked the same as entry i of `after`."""

    before: Rows
    after: Rows
    only_before: Rows
    only_after: Rows
    changed: Rows
    """Of the table before."""
    different_prompts: int
    different_replies: int


def align(before: ScoreTable, after: ScoreTable, *, has_same_wording: bool) -> Alignment:
    """Pair the rows of two tables; pairs are in an order that does not depend on the journals'."""
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
    """Names of datasets that are the same one: by name and kind, else the only ones left of their kind.

    The latter where a side's are predictions, which are called after their file, and the languages are the same.
    """
    for name, plan in before.plans.items():
        if _has_dataset(after, name, plan):
            yield name, name
    left = _unmatched_names(before, after), _unmatched_names(after, before)
    for kind, names in left[0].items():
        others = left[1].get(kind, [])
        if len(names) == len(others) == 1:
            plans = before.plans[names[0]], after.plans[others[0]]
            named_after_file = any(isinstance(plan, PredictionPlan) for plan in plans)
            if named_after_file and plans[0].style.lang == plans[1].style.lang:
                yield names[0], others[0]


def _has_dataset(side: Side, name: str, plan: DatasetPlan) -> bool:
    return name in side.plans and side.plans[name].task.kind == plan.task.kind


def _unmatched_names(side: Side, other: Side) -> dict[str, list[str]]:
    """The names of a side's datasets that the other has not, by kind."""
    kinds: dict[str, list[str]] = {}
    for name, plan in side.plans.items():
        if not _has_dataset(other, name, plan):
            kinds.setdefault(plan.task.kind, []).append(name)
    return kinds


def dataset_label(names: tuple[str, str]) -> str:
    """What a pair of datasets is called in a comparison."""
    return names[0] if names[0] == names[1] else " / ".join(names)


def unpaired_datasets(before: Side, after: Side) -> tuple[list[str], list[str]]:
    """Datasets that only one side has."""
    pairs = list(dataset_pairs(before, after))
    firsts, seconds = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    return [name for name in before.plans if name not in firsts], [
        name for name in after.plans if name not in seconds
    ]


def named_rows(side: Side, table: ScoreTable, rows: Sequence[int]) -> list[dict[str, str]]:
    """Subset and id of the first of some rows, as the journal has them."""
    offsets = [table.offsets[int(row)] for row in rows[:MAX_LISTED_ROWS]]
    lines = read_lines_at(side.run.path / JOURNAL_FILE, offsets)
    return [_row_name(lines[offset]) for offset in offsets if offset in lines]


def _row_name(line: SampleLine) -> dict[str, str]:
    return {"subset": line.subset, "id": line.id}


def _count_different(before: Any, after: Any, pairs: tuple[Rows, Rows]) -> int:
    import numpy as np

    return int((np.array(before)[pairs[0]] != np.array(after)[pairs[1]]).sum())
