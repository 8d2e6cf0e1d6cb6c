"""The scores of each row of a side's dataset, read from its journal. A row takes about a hundred bytes.

A row is identified by its place (subset and id). Its content is compared by hashes of the gold answer, the question (the
last paragraph of the last message), the whole prompt and the reply. Texts stay in the journal and are found by offset.
The repeats of a row (`--repeats`) are one row here: their scores are averaged, and pages show the first repeat.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from evalsuite.comparison.sides import Side
from evalsuite.errors import InputError
from evalsuite.metrics.repeats import pass_at_k, pass_hat_k
from evalsuite.runs.directory import JOURNAL_FILE
from evalsuite.runs.journal import read_own_journal
from evalsuite.runs.schema import SampleLine
from evalsuite.tasks.metric import Aggregate

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
    Rows: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

Tables: TypeAlias = "Mapping[tuple[str, str], ScoreTable]"
_PARAGRAPH = "\n\n"


@dataclass(slots=True)
class _Layout:
    """The repeats whose lines have the same columns in the same order: row numbers and values."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))


@dataclass(frozen=True, slots=True)
class RepeatedScores:
    """A score of every row: in how many repeats it is known, the sum over them, and in how many it is 1."""

    known: Floats
    total: Floats
    right: Floats

    def mean(self) -> Floats:
        """The mean of each row; NaN if no repeat has the score."""
        import numpy as np

        found = np.full(len(self.known), np.nan)
        there = self.known > 0
        found[there] = self.total[there] / self.known[there]
        return found

    def select(self, rows: Rows) -> RepeatedScores:
        """The scores of some rows."""
        return RepeatedScores(self.known[rows], self.total[rows], self.right[rows])

    def add_wrong(self, repeats: Rows) -> RepeatedScores:
        """Count this many more repeats of each row, all of them wrong."""
        return RepeatedScores(self.known + repeats, self.total, self.right)

    def pass_estimate(self, aggregate: Aggregate, k: int) -> Floats:
        """The estimate of pass@k or pass^k of each row; NaN if it has fewer than k repeats."""
        import numpy as np

        estimate = pass_at_k if aggregate == "pass_at_k" else pass_hat_k
        found = np.full(len(self.known), np.nan)
        pairs = np.stack([self.known, self.right], axis=1).astype(np.int64)
        for repeats, right in np.unique(pairs, axis=0).tolist():
            if repeats >= k:
                found[(pairs == (repeats, right)).all(axis=1)] = estimate(repeats, right, k)
        return found


class ScoreTable:
    """The scores of one side on one dataset: an array for each column, rows in the order of the journal.

    Hashes of texts are valid within one process. Hashes of places are the same in every process, so that results do not
    depend on it.
    """

    def __init__(self, *, one_subset: bool) -> None:
        self.one_subset = one_subset
        """Whether the dataset has only one subset. Its name is then no part of a place, since files may have different names."""
        self.places = array("Q")
        self.golds, self.questions, self.prompts, self.replies = (array("q") for _ in range(4))
        self.offsets, self.clusters = array("q"), array("q")
        self.subsets, self.categories = array("q"), array("q")
        self.failures = array("q")
        """How many repeats of each row have no reply."""
        self.repeats = array("q")
        self.subset_names: dict[str, int] = {}
        self.category_sets: dict[tuple[str, ...], int] = {}
        self.clustered = False
        self._rows: dict[int, int] = {}
        """Row numbers by place."""
        self._indexes = array("q")
        self._seen: list[int] = []
        """Which repeats of each row were read, one bit each."""
        self._scores: dict[tuple[str, ...], _Layout] = {}
        self._statistics: dict[str, dict[int, _Layout]] = {}
        self._clusters: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self.places)

    def add(self, line: SampleLine, offset: int) -> None:
        """Add a journal line. A line that a crash left twice counts once."""
        row = self._row(line)
        repeat = line.repeat
        if row == len(self.places) - 1 and not self.repeats[row]:
            self._begin(line, row, offset)
        elif self._seen[row] >> repeat & 1:
            return
        elif not repeat:
            self.offsets[row] = offset
        self._seen[row] |= 1 << repeat
        self.repeats[row] += 1
        self.failures[row] += line.failed
        self._add_reply(line, row)
        scores = line.scores
        layout = self._scores.setdefault(tuple(scores), _Layout())
        layout.rows.append(row)
        layout.values.fromlist([math.nan if value is None else value for value in scores.values()])
        for name, values in line.statistics.items():
            layout = self._statistics.setdefault(name, {}).setdefault(len(values), _Layout())
            layout.rows.append(row)
            layout.values.extend(values)

    def _begin(self, line: SampleLine, row: int, offset: int) -> None:
        """Record what all repeats of a row share."""
        self.golds.append(hash(orjson.dumps(line.gold)))
        self._add_question(line)
        self.replies.append(0)
        self.offsets.append(offset)
        subset, categories = line.subset, line.categories
        self.subsets.append(self.subset_names.setdefault(subset, len(self.subset_names)))
        self.categories.append(self.category_sets.setdefault(categories, len(self.category_sets)))
        self.clusters.append(self._cluster(subset, line.cluster, row))

    def scores(self, name: str) -> Floats:
        """A score of every row, averaged over its repeats; NaN if it does not apply."""
        return self.repeated_scores(name).mean()

    def repeated_scores(self, name: str) -> RepeatedScores:
        """A score of every row's repeats. Repeats without a reply have none."""
        import numpy as np

        known, total, right = (np.zeros(len(self)) for _ in range(3))
        for names, layout in self._scores.items():
            if name in names:
                values = np.array(layout.values).reshape(len(layout.rows), len(names))[:, names.index(name)]
                there = ~np.isnan(values)
                rows, values = np.array(layout.rows)[there], values[there]
                known += np.bincount(rows, minlength=len(self))
                total += np.bincount(rows, values, minlength=len(self))
                right += np.bincount(rows, values == 1, minlength=len(self))
        return RepeatedScores(known, total, right)

    def statistics(self, name: str) -> tuple[Floats, np.ndarray[Any, np.dtype[np.bool_]]]:
        """The statistics of a corpus metric, averaged over the repeats of each row, and which rows have any."""
        import numpy as np

        layouts = self._statistics.get(name, {})
        width = max(layouts, default=0)
        table = np.zeros((len(self), width))
        known = np.zeros(len(self), dtype=np.int64)
        if width:
            rows = np.array(layouts[width].rows)
            values = np.array(layouts[width].values).reshape(len(rows), width)
            known = np.bincount(rows, minlength=len(self))
            for number, column in enumerate(values.T):
                table[:, number] = np.bincount(rows, column, minlength=len(self))
            table /= np.maximum(known, 1)[:, None]
        return table, known > 0

    def _add_question(self, line: SampleLine) -> None:
        if messages := line.message_list:
            last = messages[-1].get("content")
            text = last if isinstance(last, str) else orjson.dumps(last).decode()
        else:
            text = line.prompt_text or ""
        self.questions.append(hash(text.rstrip().rpartition(_PARAGRAPH)[2]))
        self.prompts.append(hash(orjson.dumps([messages or line.prompt_text, line.tool_list])))

    def _add_reply(self, line: SampleLine, row: int) -> None:
        """Combine the hashes of a row's replies, independently of their order."""
        reply = line.reply
        content = hash(orjson.dumps([reply.text, reply.tool_calls] if reply else [None, None]))
        self.replies[row] ^= hash((content, line.repeat))

    def _cluster(self, subset: str, cluster: Any, row: int) -> int:
        """The number of the row's cluster; a negative one for a row without a cluster."""
        if cluster is None:
            return -row - 1
        self.clustered = True
        return self._clusters.setdefault((subset, str(cluster)), len(self._clusters))

    def _row(self, line: SampleLine) -> int:
        """The row number of a line. A line of a new row gets the next number."""
        subset = "" if self.one_subset else line.subset
        index = line.index
        nth = 0
        while True:
            place = _hash(f"{subset}\n{line.id}\n{nth}".encode("utf-8", "surrogatepass"))
            row = self._rows.setdefault(place, len(self))
            if row == len(self):
                for column, first in ((self.places, place), (self._indexes, index), (self.repeats, 0)):
                    column.append(first)
                self.failures.append(0)
                self._seen.append(0)
                return row
            if self._indexes[row] == index:
                return row
            nth += 1  # a row of another file with the same id


def read_tables(sides: Sequence[Side]) -> Tables:
    """Read the scores of all datasets of all sides. Each journal is read once.

    Raises `InputError` if a journal has fewer samples than the summary of its run.
    """
    tables = {
        (side.label, name): ScoreTable(one_subset=len(dataset.subsets) < 2)
        for side in sides
        for name, dataset in side.datasets.items()
    }
    for path in dict.fromkeys(side.run.path for side in sides):
        of_run = {
            (side.variant, name): tables[side.label, name]
            for side in sides
            if side.run.path == path
            for name in side.datasets
        }
        journal = path / JOURNAL_FILE
        for offset, line in read_own_journal(journal):
            table = of_run.get((line.variant, line.dataset))
            if table is not None:
                table.add(line, offset)
    _check_whole(sides, tables)
    return tables


def _check_whole(sides: Iterable[Side], tables: Tables) -> None:
    for side in sides:
        for name in side.datasets:
            found, counted = sum(tables[side.label, name].repeats), side.sample_count(name)
            if found < counted:
                raise InputError(
                    f"{side.run.path / JOURNAL_FILE}: the journal is cut short: it has {found} of the {counted} samples of "
                    f"'{name}' in summary.json. The command of the run resumes it: {side.run.info.command}"
                )


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
