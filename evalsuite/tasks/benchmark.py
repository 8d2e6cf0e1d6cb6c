"""Benchmarks that another harness ran and scored (`benchmark`).

No data file is of this kind. `evalsuite.runs.imported` makes its datasets from the harness's results; the journal holds
all that is known about their rows.
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

NOT_ASKED = "this benchmark was run by another harness, so evalsuite cannot send its requests"


class BenchmarkTask(Task[Any]):
    """Keeps the scores of the harness."""

    kind: ClassVar[str] = "benchmark"
    columns: ClassVar[Columns] = Columns(description="(results of another harness)")
    capabilities: ClassVar[Capabilities] = Capabilities(few_shot=None, scored_elsewhere=True)

    @classmethod
    def recognises(cls, _: Mapping[str, Any]) -> bool:
        """False: such datasets do not come from a data file."""
        return False

    def parse(self, values: Mapping[str, Any]) -> Any:
        """The record as it is."""
        return values

    def prompt(self, row: Any, shots: Sequence[Any], style: Style, subject: str) -> Prompt:
        """Raises `EvalsuiteError`: there is nothing to ask."""
        raise EvalsuiteError(NOT_ASKED)

    def gold(self, row: Any) -> Any:
        """The row is its gold answer."""
        return row

    def row_from_gold(self, gold: Any, style: Style) -> Any:
        """The row is its gold answer."""
        return gold

    def score(self, row: Any, reply: Reply, style: Style) -> Score:
        """No score; the harness's own are in the journal (`Capabilities.scored_elsewhere`)."""
        return Score("unparsed")

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """None; the dataset's plan knows the harness's metrics."""
        return ()
