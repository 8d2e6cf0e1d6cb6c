"""Benchmarks that another harness asked and judged (`benchmark`): what is known of their rows is in the journal.

No file is of this kind: `evalsuite.runs.imported` makes its datasets from what the harness wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from evalsuite.errors import EvalsuiteError
from evalsuite.tasks.base import Task
from evalsuite.tasks.capabilities import Capabilities
from evalsuite.tasks.columns import Columns
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.style import Style
from evalsuite.types import Prompt, Reply, Score

NOT_ASKED = "a benchmark that another harness asked cannot be asked here"


class BenchmarkTask(Task[Any]):
    """Keeps the scores it is given."""

    kind: ClassVar[str] = "benchmark"
    columns: ClassVar[Columns] = Columns(description="(what another harness wrote)")
    capabilities: ClassVar[Capabilities] = Capabilities(few_shot=None, scored_elsewhere=True)

    @classmethod
    def recognises(cls, _: Mapping[str, Any]) -> bool:
        """Never: such datasets do not come from a file of rows."""
        return False

    def parse(self, values: Mapping[str, Any]) -> Any:
        """The record as it is."""
        return values

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
        """No score of ours; see `Capabilities.scored_elsewhere`."""
        return Score("unparsed")

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """Those of the harness, which the dataset's plan knows."""
        return ()
