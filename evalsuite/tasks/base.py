"""`Task`, the base class of every kind of dataset.

A kind reads rows (`RowReader`), writes prompts (`PromptWriter`) and judges replies (`ReplyScorer`). A new one defines
`kind`, `columns`, `parse`, `prompt`, `score` and `metrics`; everything else has a default. `examples/minimal_task.py`
is a complete kind in 30 lines. Tasks never send requests and never open files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic

from evalsuite.data.dataset import Dataset
from evalsuite.data.row_parser import RowFacts
from evalsuite.errors import Problem
from evalsuite.tasks.capabilities import Capabilities
from evalsuite.tasks.columns import Columns
from evalsuite.tasks.metric import Breakdown, Metric
from evalsuite.tasks.replies import cleaned_reply
from evalsuite.tasks.style import Style
from evalsuite.types import Party, Prompt, Reply, RowT, Score

GREETING = "Hello"
"""The message of a probe, which shows whether a model answers at all."""
DEFAULT_MAX_TOKENS = 1024


class RowReader(ABC, Generic[RowT]):
    """Reads the records of a file as rows of type `RowT`."""

    columns: ClassVar[Columns]

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """Whether a file whose first record has these values is of this kind."""
        return not cls.columns.missing(values)

    def missing_columns(self, columns: Collection[str]) -> list[str]:
        """The required columns that are not there, in words."""
        return self.columns.missing(columns)

    def expand(self, values: Mapping[str, Any], number: int) -> Iterable[Mapping[str, Any]]:
        """The rows of the record at 0-based `number`: itself, unless a record holds several (a dialogue)."""
        return (values,)

    @abstractmethod
    def parse(self, values: Mapping[str, Any]) -> RowT:
        """The typed row. Raises `RowError` with every fault of the row."""

    def facts(self, row: RowT) -> RowFacts:
        """The subject, category and cluster of a row, if it has any. Called often, so it must be cheap."""
        return RowFacts()

    def traits(self, row: RowT, reply: Reply | None = None) -> Iterable[str]:
        """What a row, and the reply recorded with it, says about how the dataset is asked (`evalsuite.tasks.style`)."""
        return ()

    def audit(self, row: RowT) -> Iterable[tuple[str, str]]:
        """Warnings about a usable row: pairs of what was found and what was expected."""
        return ()

    def dataset_warnings(self, dataset: Dataset[RowT]) -> Iterable[Problem]:
        """Warnings about the rows of a dataset taken together, for `evalsuite validate`."""
        return ()

    def repairs(self, row: RowT) -> Iterable[str]:
        """What `parse` read although it is not as it should be, as clauses without the place; said once a dataset."""
        return ()

    def recorded_reply(self, values: Mapping[str, Any]) -> Reply | None:
        """The reply that columns of this kind hold (log-probabilities, judgements), for `evalsuite score`.

        None if there are no such columns; then the column `prediction` counts. Raises `RowError`.
        """
        return None


class PromptWriter(ABC, Generic[RowT]):
    """Writes the requests of a row."""

    def max_tokens(self, style: Style) -> int:
        """The default limit of a reply, in tokens."""
        return DEFAULT_MAX_TOKENS

    @abstractmethod
    def prompt(self, row: RowT, shots: Sequence[RowT], style: Style, subject: str) -> Prompt:
        """The first request. `shots` holds `style.shots` few-shot rows."""

    def follow_up_requests(self, row: RowT, reply: Reply, style: Style) -> Sequence[FollowUpRequest]:
        """The requests that follow the first reply. `score` finds their replies in `reply.further`."""
        return ()

    def probe(self, style: Style) -> Prompt:
        """A small request of the same form as `prompt`, to see whether the server answers such requests."""
        if style.completions:
            return Prompt(text=GREETING)
        return Prompt(messages=[{"role": "user", "content": GREETING}])

    def logprob_problems(self, row: RowT) -> Iterable[tuple[str, str]]:
        """Why one token cannot answer a row: pairs of what was found and what was expected."""
        return ()


class ReplyScorer(ABC, Generic[RowT]):
    """Judges the reply to a row, and names the metrics that the scores add up to."""

    profiles: ClassVar[tuple[str, ...]] = ()
    """Scoring profiles that `--profile` may name beside the default one. They judge the same replies."""
    label_versions: ClassVar[Mapping[str, str]] = {}
    """Versions of what judges beside the metrics (labels). When one changes, finished replies are judged again."""
    breakdowns: ClassVar[tuple[Breakdown, ...]] = ()

    def gold(self, row: RowT) -> Any:
        """The right answer as the journal records it: the row's `answer`, if it has one."""
        return getattr(row, "answer", None)

    def row_from_gold(self, gold: Any, style: Style) -> RowT | None:
        """A row to judge a reply by, made from its gold answer; None if judging needs more (options, tools)."""
        return None

    def missing_for_profile(self, profile: str) -> str:
        """What must be installed before a profile can judge, and how; "" for nothing."""
        return ""

    def warm_up(self, style: Style) -> None:
        """Load what judging needs (dictionaries) while the first replies are on their way."""
        return

    @abstractmethod
    def score(self, row: RowT, reply: Reply, style: Style) -> Score:
        """Judge a reply. Never raises: every reply gets a score or an outcome that says why it has none."""

    def score_and_label(self, row: RowT, reply: Reply, style: Style) -> Score:
        """Judge a reply, and label the score with what cleaning dropped from it."""
        score = self.score(row, reply, style)
        dropped = cleaned_reply(reply, style).labels
        return replace(score, labels=tuple(dict.fromkeys((*score.labels, *dropped)))) if dropped else score

    @abstractmethod
    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """What the scores add up to; one of them is `primary`."""

    def breakdown_keys(self, row: RowT, score: Score) -> Iterable[tuple[str, tuple[str, ...]]]:
        """The lines of `breakdowns` that a sample counts on: pairs of a table's name and a key. Never raises."""
        return ()

    def label_notes(self, labels: Mapping[str, int], replies: int) -> Iterable[str]:
        """Sentences about a dataset's results that the counts of its samples' labels call for."""
        return ()

    def signature_parts(self, style: Style) -> tuple[str, ...]:
        """What the numbers of this kind depend on beyond what every signature holds, as `name:value`."""
        return ()


class Task(RowReader[RowT], PromptWriter[RowT], ReplyScorer[RowT]):
    """One kind of dataset, with rows of type `RowT`."""

    kind: ClassVar[str]
    version: ClassVar[str] = "1"
    """Version of prompts and of reading replies; part of every signature."""
    capabilities: ClassVar[Capabilities] = Capabilities()


@dataclass(frozen=True, slots=True)
class FollowUpRequest:
    """A request that a sample sends after its first reply."""

    prompt: Prompt
    of: Party = "model"
    """Who is asked."""
