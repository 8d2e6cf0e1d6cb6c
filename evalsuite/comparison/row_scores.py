"""The per-sample scores of a side's dataset, read from its journal: some hundred bytes a row, whatever was said.

A row is known by its place (subset and id); what it holds is known by hashes of the gold answer, the question (the
last paragraph of the last message), the whole prompt and the reply. Texts stay in the journal, found by their offset.
The tries of a row that was asked several times (`--repeats`) are one row here: their scores are averaged, and the first
of them is what is shown of it.
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
    """The tries whose lines have the same columns, in the same order: their rows' numbers, and their values."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))


@dataclass(frozen=True, slots=True)
class RepeatedScores:
    """A score of every row: over how many of its tries it is known, their sum, and how many of them are 1."""

    known: Floats
    total: Floats
    right: Floats

    def mean(self) -> Floats:
        """The rows' means; NaN where nothing is known."""
        import numpy as np

        found = np.full(len(self.known), np.nan)
        there = self.known > 0
        found[there] = self.total[there] / self.known[there]
        return found

    def of(self, rows: Rows) -> RepeatedScores:
        """The same of some rows."""
        return RepeatedScores(self.known[rows], self.total[rows], self.right[rows])

    def add_wrong(self, repeats: Rows) -> RepeatedScores:
        """The same with so many more tries of each row, all of them wrong."""
        return RepeatedScores(self.known + repeats, self.total, self.right)

    def chance(self, aggregate: Aggregate, k: int) -> Floats:
        """pass@k or pass^k of the rows; NaN where there are fewer than k tries."""
        import numpy as np

        estimate = pass_at_k if aggregate == "pass_at_k" else pass_hat_k
        found = np.full(len(self.known), np.nan)
        pairs = np.stack([self.known, self.right], axis=1).astype(np.int64)
        for repeats, right in np.unique(pairs, axis=0).tolist():
            if repeats >= k:
                found[(pairs == (repeats, right)).all(axis=1)] = estimate(repeats, right, k)
        return found


class ScoreTable:
    """One side's scores on one dataset, a column each, rows in the order of the journal.

    Hashes of texts hold within a process only; places do beyond, so that results do not depend on the process.
    """

    def __init__(self, *, one_subset: bool) -> None:
        self.one_subset = one_subset
        """The only subset of a dataset is no part of a row's place: files may be called differently."""
        self.places = array("Q")
        self.golds, self.questions, self.prompts, self.replies = (array("q") for _ in range(4))
        self.offsets, self.clusters = array("q"), array("q")
        self.subsets, self.categories = array("q"), array("q")
        self.failures = array("q")
        """How many tries of a row have no reply."""
        self.repeats = array("q")
        self.subset_names: dict[str, int] = {}
        self.category_sets: dict[tuple[str, ...], int] = {}
        self.clustered = False
        self._rows: dict[int, int] = {}
        """The rows' numbers by place."""
        self._indexes = array("q")
        self._seen: list[int] = []
        """Which tries of a row are there, a bit each."""
        self._scores: dict[tuple[str, ...], _Layout] = {}
        self._statistics: dict[str, dict[int, _Layout]] = {}
        self._clusters: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self.places)

    def add(self, line: SampleLine, offset: int) -> None:
        """Take a line of the journal; one that a crash left twice counts once."""
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
        """What all tries of a row share."""
        self.golds.append(hash(orjson.dumps(line.gold)))
        self._add_question(line)
        self.replies.append(0)
        self.offsets.append(offset)
        subset, categories = line.subset, line.categories
        self.subsets.append(self.subset_names.setdefault(subset, len(self.subset_names)))
        self.categories.append(self.category_sets.setdefault(categories, len(self.category_sets)))
        self.clusters.append(self._cluster(subset, line.cluster, row))

    def scores(self, name: str) -> Floats:
        """A score of every row, the mean of its tries; NaN where it does not apply."""
        return self.repeated_scores(name).mean()

    def repeated_scores(self, name: str) -> RepeatedScores:
        """A score of every row's tries; those without a reply have none."""
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
        """A corpus metric's statistics of every row, the mean of its tries, and which rows have any."""
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
        """The hashes of a row's replies together, whatever their order."""
        reply = line.reply
        said = hash(orjson.dumps([reply.text, reply.tool_calls] if reply else [None, None]))
        self.replies[row] ^= hash((said, line.repeat))

    def _cluster(self, subset: str, cluster: Any, row: int) -> int:
        """Negative for a row that stands alone."""
        if cluster is None:
            return -row - 1
        self.clustered = True
        return self._clusters.setdefault((subset, str(cluster)), len(self._clusters))

    def _row(self, line: SampleLine) -> int:
        """The number of the line's row, a new one at the end where it is not there yet."""
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
            nth += 1  # another file's row of the same id


def read_tables(sides: Sequence[Side]) -> Tables:
    """The scores of every side's datasets; each journal is read once.

    Raises `InputError` where a journal holds fewer samples than its run's summary counts.
    """
    tables = {
        (side.label, name): ScoreTable(one_subset=len(plan.dataset.counts) < 2)
        for side in sides
        for name, plan in side.plans.items()
    }
    for path in dict.fromkeys(side.run.path for side in sides):
        of_run = {
            (side.variant, name): tables[side.label, name]
            for side in sides
            if side.run.path == path
            for name in side.plans
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
        for name in side.plans:
            found, counted = sum(tables[side.label, name].repeats), side.samples_counted(name)
            if found < counted:
                raise InputError(
                    f"{side.run.path / JOURNAL_FILE}: the journal was cut short: it holds {found} of the {counted} samples of "
                    f"'{name}' that the run counted. The run's own command asks for the rest: {side.run.info.get('command')}"
                )


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
