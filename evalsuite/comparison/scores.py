"""The per-sample scores of a side's dataset, read from its journal: some hundred bytes a row, whatever was said.

A row is known by its place (subset and id); what it holds is known by hashes of the gold answer, the question (the
last paragraph of the last message), the whole prompt and the reply. Texts stay in the journal, found by their offset.
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
from evalsuite.runs.directory import JOURNAL_FILE
from evalsuite.runs.journal import journal_lines

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

Tables: TypeAlias = "Mapping[tuple[str, str], ScoreTable]"
_PARAGRAPH = "\n\n"


@dataclass(slots=True)
class _Layout:
    """The rows whose lines have the same columns, in the same order: their numbers, and all their values in one array."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))


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
        self.errors = array("b")
        self.subset_names: dict[str, int] = {}
        self.category_sets: dict[tuple[str, ...], int] = {}
        self.clustered = False
        self._rows: dict[int, int] = {}
        self._scores: dict[tuple[str, ...], _Layout] = {}
        self._statistics: dict[str, dict[int, _Layout]] = {}
        self._clusters: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self.places)

    def add(self, line: Mapping[str, Any], offset: int) -> None:
        """Take a line of the journal; one that a crash left twice counts once."""
        place = self._place(line)
        if place is None:
            return
        row = len(self.places)
        self.places.append(place)
        self.golds.append(hash(orjson.dumps(line["gold"])))
        self._add_texts(line)
        self.offsets.append(offset)
        self.errors.append(line["outcome"] == "error")
        subset, categories = line["subset"], tuple(line.get("categories") or ())
        self.subsets.append(self.subset_names.setdefault(subset, len(self.subset_names)))
        self.categories.append(self.category_sets.setdefault(categories, len(self.category_sets)))
        self.clusters.append(self._cluster(subset, line.get("cluster"), row))
        scores = line["scores"]
        layout = self._scores.setdefault(tuple(scores), _Layout())
        layout.rows.append(row)
        layout.values.extend(math.nan if value is None else value for value in scores.values())
        for name, values in (line.get("statistics") or {}).items():
            layout = self._statistics.setdefault(name, {}).setdefault(len(values), _Layout())
            layout.rows.append(row)
            layout.values.extend(values)

    def scores(self, name: str) -> Floats:
        """A score of every row; NaN where it does not apply."""
        import numpy as np

        found = np.full(len(self), np.nan)
        for names, layout in self._scores.items():
            if name in names:
                table = np.array(layout.values).reshape(len(layout.rows), len(names))
                found[np.array(layout.rows)] = table[:, names.index(name)]
        return found

    def statistics(self, name: str) -> tuple[Floats, np.ndarray[Any, np.dtype[np.bool_]]]:
        """A corpus metric's statistics of every row, and which rows have any."""
        import numpy as np

        layouts = self._statistics.get(name, {})
        width = max(layouts, default=0)
        table = np.zeros((len(self), width))
        known = np.zeros(len(self), dtype=bool)
        if width:
            rows = np.array(layouts[width].rows)
            table[rows] = np.array(layouts[width].values).reshape(len(rows), width)
            known[rows] = True
        return table, known

    def _add_texts(self, line: Mapping[str, Any]) -> None:
        messages = line.get("messages")
        if messages:
            last = messages[-1].get("content")
            text = last if isinstance(last, str) else orjson.dumps(last).decode()
        else:
            text = str(line.get("prompt") or "")
        self.questions.append(hash(text.rstrip().rpartition(_PARAGRAPH)[2]))
        self.prompts.append(hash(orjson.dumps([messages or line.get("prompt"), line.get("tools")])))
        reply = line.get("reply") or {}
        self.replies.append(hash(orjson.dumps([reply.get("text"), reply.get("tool_calls")])))

    def _cluster(self, subset: str, cluster: Any, row: int) -> int:
        """Negative for a row that stands alone."""
        if cluster is None:
            return -row - 1
        self.clustered = True
        return self._clusters.setdefault((subset, str(cluster)), len(self._clusters))

    def _place(self, line: Mapping[str, Any]) -> int | None:
        """What tells a row from others of its dataset; None for a line that is there already."""
        subset = "" if self.one_subset else line["subset"]
        index = int(line["index"])
        for nth in range(len(self) + 1):
            place = _hash(f"{subset}\n{line['id']}\n{nth}".encode("utf-8", "surrogatepass"))
            known = self._rows.setdefault(place, index)
            if len(self._rows) > len(self.places):
                return place
            if known == index:
                return None
        return None


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
        for offset, line in journal_lines(path / JOURNAL_FILE):
            table = of_run.get((line["variant"], line["dataset"])) if line else None
            if line and table is not None:
                table.add(line, offset)
    _check_whole(sides, tables)
    return tables


def _check_whole(sides: Iterable[Side], tables: Tables) -> None:
    for side in sides:
        for name in side.plans:
            found, counted = len(tables[side.label, name]), side.samples_counted(name)
            if found < counted:
                raise InputError(
                    f"{side.run.path / JOURNAL_FILE}: the journal was cut short: it holds {found} of the {counted} samples of "
                    f"'{name}' that the run counted. The run's own command asks for the rest: {side.run.info.get('command')}"
                )


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
