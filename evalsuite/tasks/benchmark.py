"""Benchmarks that another harness asked and judged (`benchmark`): what is known of their rows is in the journal.

No file is of this kind: `evalsuite.runs.imported` makes its datasets from what the harness wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from evalsuite.errors import EvalsuiteError
from evalsuite.tasks.base import Metric, Style, Task
from evalsuite.types import Prompt, Reply, Score

NOT_ASKED = "a benchmark that another harness asked cannot be asked here"


class BenchmarkTask(Task[Any]):
    """Keeps the scores it is given."""

    kind: ClassVar[str] = "benchmark"
    columns: ClassVar[str] = "(what another harness wrote)"
    takes_shots: ClassVar[bool] = False
    scored_elsewhere: ClassVar[bool] = True

    @classmethod
    def recognises(cls, _: Mapping[str, Any]) -> bool:
        """Never: such datasets do not come from a file of rows."""
        return False

    def missing(self, columns: Collection[str]) -> list[str]:
        """Nothing is required."""
        return []

    def parse(self, values: Mapping[str, Any]) -> Any:
        """The record as it is."""
        return values

    def traits(self, row: Any) -> Iterable[str]:
        """None."""
        return ()

    def max_tokens(self, style: Style) -> int:
        """Unknown; nothing is asked."""
        return 0

    def prompt(self, row: Any, shots: Sequence[Any], style: Style, subject: str) -> Prompt:
        """Not asked here."""
        raise EvalsuiteError(NOT_ASKED)

    def gold(self, row: Any) -> Any:
        """The row is its gold answer."""
        return row

    def row_from_gold(self, gold: Any, style: Style) -> Any:
        """The gold answer is all there is of the row."""
        return gold

    def score(self, row: Any, reply: Reply, style: Style) -> Score:
        """No score of ours; see `Task.scored_elsewhere`."""
        return Score("unparsed")

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """Those of the harness, which the dataset's plan knows."""
        return ()
