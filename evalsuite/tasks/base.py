"""What every kind of dataset defines: which rows it takes, how it asks, how it judges the reply.

A new kind is one file with one `Task`. Tasks never talk HTTP and never touch files: they turn a row into a
`Prompt` and a `Reply` into a `Score`, and name the metrics the scores add up to.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeAlias

from evalsuite.data.row_parser import RowError
from evalsuite.metrics.text import split_reasoning
from evalsuite.types import (
    AgentFormat,
    LogprobPrompt,
    Message,
    Outcome,
    Party,
    Prompt,
    Reply,
    RowT,
    Score,
)

Language: TypeAlias = Literal["zh", "en"]
Aggregate: TypeAlias = Literal["mean", "macro", "corpus", "pass_at_k", "pass_hat_k"]
CHINESE_TRAIT = "zh"
SUBJECT_TRAIT = "subject"
CATEGORY_TRAIT = "category"
PICTURE_TRAIT = "pictures"
PAIR_TRAIT = "pair"
REWARD_TRAIT = "reward"
LOGPROB_TRAIT = "logprob"
UNJUDGED_TRAIT = "unjudged"
GREETING = "Hello"
"""What is asked to see whether a model answers at all."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a whole dataset is asked: the same for each of its rows."""

    lang: Language
    """Of the wording around the data; --lang overrides what the data says."""
    shots: int
    data_lang: Language = "en"
    """Of the data itself, whatever --lang says."""
    cot: bool = False
    completions: bool = False
    subjects: bool = False
    """Rows come from named subjects, so that a header may name them."""
    multiple: bool = False
    """Some rows have several right answers, so every row is asked as if it might."""
    logprob: LogprobPrompt | None = None
    """How the letters' probabilities are asked for; None where the answer is in the reply's words."""
    categories: bool = False
    """Rows name a category beside their subject, and results are given for each."""
    exam: str | None = None
    """A benchmark whose own wording is used (`ceval`)."""
    profiles: tuple[str, ...] = ()
    """Further scoring profiles that are wanted, of those the task knows (`Task.select_profiles`)."""
    agent_format: AgentFormat = "react"
    """How an agent's tools and turns are rendered."""
    pairs: Literal["none", "some", "all"] = "none"
    """Which rows hold a second answer that the reply is compared with."""
    reward: bool = False
    """The model gives texts a reward, not log-probabilities."""


@dataclass(frozen=True, slots=True)
class Metric:
    """How samples' scores become one number.

    `aggregate`: `mean` over samples; `macro`, the unweighted mean of the subsets' means; `corpus`, computed by
    `from_statistics` from the sum of the samples' sufficient statistics; `pass_at_k` and `pass_hat_k`, the mean over
    rows that are asked several times of the chance that some, or all, of `k` tries are right (a score of 1).
    `of` names the score that is aggregated where it is not the metric's own name. `unit`: `proportion` and `score` lie in 0..1, `bleu` in
    0..100, `ratio` is free but not negative, `difference` is free.
    """

    name: str
    unit: Literal["proportion", "score", "bleu", "ratio", "difference"] = "proportion"
    primary: bool = False
    aggregate: Aggregate = "mean"
    of: str | None = None
    k: int = 0
    """Tries drawn of each row (k); 0 for metrics of single samples."""
    higher_is_better: bool = True
    from_statistics: Callable[[Sequence[float]], float] | None = None
    profile: str = "default"
    version: str = "1"
    detail: bool = False
    """Left out where room is scarce (the table on the terminal); always in the files."""

    @property
    def score(self) -> str:
        """The name of the score it is computed from."""
        return self.of or self.name

    @property
    def highest(self) -> float:
        """The most it can be; infinity for a ratio."""
        return {"proportion": 1.0, "score": 1.0, "bleu": 100.0}.get(self.unit, math.inf)

    def failure_value(self, empty: float | None) -> float | None:
        """What a sample counts that could not be had, under `--on-error wrong`; None where it does not count.

        `empty` is what an empty reply would score, which tells whether the metric applies to the row. Only metrics
        of quality count it: nothing was hallucinated or cut off.
        """
        counts = empty is not None and self.higher_is_better and self.unit not in ("ratio", "difference")
        return 0.0 if counts else None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A further table of a dataset: its samples by a key the task gives each of them (`Task.lines`).

    `columns` name the parts of a key. Beside the number of its samples a line has the means of the scores named in
    `averages`. Lines stand by the number their key begins with (`numeric_order`), else the most frequent first. `filter`
    names the report's filter of samples that the key is a value of.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    averages: tuple[str, ...] = ()
    numeric_order: bool = False
    filter: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class FollowUpRequest:
    """A further request that a sample takes after its first reply: what is asked, and of whom."""

    prompt: Prompt
    of: Party = "model"


class Task(ABC, Generic[RowT]):
    """One kind of dataset. `RowT` is its row, validated and typed."""

    kind: ClassVar[str]
    version: ClassVar[str] = "1"
    """Of prompts and extraction; part of every signature."""
    columns: ClassVar[str]
    """The columns in words, for `evalsuite datasets` and error messages."""
    default_shots: ClassVar[int] = 0
    profiles: ClassVar[tuple[str, ...]] = ()
    """Scoring profiles that --profile may name, beside the default one. They judge the same replies."""
    takes_shots: ClassVar[bool] = True
    takes_cot: ClassVar[bool] = False
    """Whether `--cot` changes what is asked."""
    takes_logprob: ClassVar[bool] = False
    """Whether `--mcq-mode` changes what is asked."""
    pools_files: ClassVar[bool] = True
    """Whether the files of a folder add up to one number; else each is a dataset of its own."""
    flat_prompts_only: ClassVar[bool] = False
    """Whether its prompts are flat texts whatever --completions says."""
    measures_texts: ClassVar[bool] = False
    """Whether texts are measured; the generation settings play no part then."""
    no_value_reason: ClassVar[str] = ""
    """What keeps every reply of a dataset from being counted, where that can be said."""
    has_follow_ups: ClassVar[bool] = False
    """Whether a sample may take further requests (`further`)."""
    judged: ClassVar[bool] = False
    """Whether another model, the judge, is asked about the replies."""
    scored_elsewhere: ClassVar[bool] = False
    """Whether another harness asked and judged: its scores stand as they are."""

    @classmethod
    @abstractmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """Whether a dataset with such a first row is of this kind."""

    @abstractmethod
    def missing(self, columns: Collection[str]) -> list[str]:
        """The required columns that are not there, in words."""

    def expand(self, values: Mapping[str, Any], number: int) -> Iterable[Mapping[str, Any]]:
        """The rows of the record at 0-based `number`: one, unless a record holds several (a dialogue)."""
        return (values,)

    @abstractmethod
    def parse(self, values: Mapping[str, Any]) -> RowT:
        """The typed row; raises `RowError` with every fault of the row."""

    def repairs(self, row: RowT) -> Iterable[str]:
        """What `parse` read although it is not as it should be, as clauses without the place; said once a dataset."""
        return ()

    def audit(self, row: RowT) -> Iterable[tuple[str, str]]:
        """What is odd about a good row, as pairs of what it is and what was expected; a warning, not a fault."""
        return ()

    def logprob_problems(self, row: RowT) -> Iterable[tuple[str, str]]:
        """Why one token cannot answer a row, as pairs of what it has and what was expected."""
        return ()

    def subject(self, row: RowT) -> str | None:
        """The subject a row names itself, where it does."""
        return None

    def category(self, row: RowT) -> str | None:
        """The category a row names itself, where it does."""
        return None

    def groups(self, dataset: str, subjects: Collection[str]) -> Mapping[str, Collection[str]]:
        """Published groups of subjects, in their published order, where these are an exam's that has such."""
        return {}

    def cluster(self, row: RowT) -> str | None:
        """What rows that are not independent share (a dialogue), for the confidence intervals."""
        return None

    @abstractmethod
    def traits(self, row: RowT) -> Iterable[str]:
        """Facts about a row that decide the dataset's style."""

    @abstractmethod
    def max_tokens(self, style: Style) -> int:
        """The default limit of a reply, in tokens."""

    @abstractmethod
    def prompt(self, row: RowT, shots: Sequence[RowT], style: Style, subject: str) -> Prompt:
        """What is asked; `shots` are the few-shot rows, already cut to `style.shots`."""

    def further(self, row: RowT, reply: Reply, style: Style) -> Sequence[FollowUpRequest]:
        """What is asked once the first reply is there; the replies to it are `reply.further` when `score` is called."""
        return ()

    def probe(self, style: Style) -> Prompt:
        """A small request of the kind that `prompt` makes, to see whether the server answers such ones."""
        if style.completions:
            return Prompt(text=GREETING)
        return Prompt(messages=[{"role": "user", "content": GREETING}])

    def recorded_reply(self, values: Mapping[str, Any]) -> Reply | None:
        """The reply that a record's own columns hold (log-probabilities, judgements), for data that is only scored.

        None where there are no such columns: then the column `prediction` counts. Raises `RowError`.
        """
        return None

    def recorded_reply_traits(self, row: RowT, reply: Reply) -> Iterable[str]:
        """Facts about a reply of such data that decide the dataset's style, or what is still to be asked."""
        return ()

    @abstractmethod
    def gold(self, row: RowT) -> Any:
        """The right answer, as it is written to the journal."""

    def row_from_gold(self, gold: Any, style: Style) -> RowT | None:
        """A row that a reply can be judged by, from `gold` alone; None where judging needs more (options, tools)."""
        return None

    def select_profiles(self, names: Collection[str], *, in_words: bool = True) -> tuple[str, ...]:
        """Those of the names that are profiles of this kind, always in the same order.

        None is where answers are not `in_words`: profiles read replies, not probabilities.
        """
        return tuple(name for name in self.profiles if name in names and in_words)

    def missing_for_profile(self, profile: str) -> str:
        """What has to be installed before that profile can be judged, and how; "" for nothing."""
        return ""

    def warm_up(self, style: Style) -> None:
        """Load what judging takes its time to load (dictionaries), while the first replies are awaited."""
        return

    @abstractmethod
    def score(self, row: RowT, reply: Reply, style: Style) -> Score:
        """Judge a reply. Never raises: whatever came back has a score or an outcome."""

    @abstractmethod
    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """What the scores add up to, the headline marked `primary`."""

    def breakdowns(self) -> tuple[Breakdown, ...]:
        """Further tables of a dataset of this kind."""
        return ()

    def lines(self, row: RowT, score: Score) -> Iterable[tuple[str, tuple[str, ...]]]:
        """The lines of those tables a sample counts on: (the table's name, a key). Never raises."""
        return ()

    def label_versions(self) -> Mapping[str, str]:
        """Versions of what judges besides the metrics (labels); a new one has kept replies judged again."""
        return {}

    def signature(self, style: Style) -> tuple[str, ...]:
        """What numbers of this kind depend on beyond what every signature holds, as `name:value`."""
        return ()

    def builtin_shots(self) -> tuple[RowT, ...]:
        """Few-shot rows that come with the task, for data without a dev file."""
        return ()


def answer_text(reply: Reply) -> str | None:
    """The reply without its reasoning; None when the reasoning never ended, so that there is no answer."""
    answer, _ = split_reasoning(reply.text)
    return answer


def outcome(found: bool, reply: Reply) -> Outcome:
    """`scored` when there is an answer, else whether it was cut off by the token limit or simply not there."""
    if found:
        return "scored"
    return "truncated" if reply.finish_reason == "length" else "unparsed"


def language_of(traits: Mapping[str, int], rows: int) -> Language:
    """Chinese when at least half of the rows are."""
    return "zh" if rows and traits.get(CHINESE_TRAIT, 0) * 2 >= rows else "en"


def names_categories(traits: Mapping[str, int]) -> bool:
    """Whether rows name categories beside subjects; without subjects, the categories are these."""
    return CATEGORY_TRAIT in traits and SUBJECT_TRAIT in traits


def text_value(values: Mapping[str, Any], *names: str) -> str:
    """The first of the columns that holds something, as text; empty when none does."""
    return next((text for name in names if (text := _as_text(values.get(name)))), "")


def _as_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def json_value(values: Mapping[str, Any], name: str, expected: str) -> Any:
    """A structured column: as it is, or decoded where a CSV holds it as JSON text; None where it is empty.

    Raises `RowError`.
    """
    value = values.get(name)
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise RowError((f"'{name}' is not JSON ({error})", expected)) from error


def checked_messages(value: Any, name: str = "messages") -> list[Message]:
    """A chat history: objects with a role and a content. Raises `RowError`."""
    expected = f"'{name}' as a list of objects with 'role' and 'content'"
    if not isinstance(value, list) or not value:
        raise RowError((f"'{name}' is {'empty' if value in (None, []) else 'not a list'}", expected))
    for number, message in enumerate(value, start=1):
        if not _is_message(message):
            raise RowError((f"message {number} of '{name}' is not one", expected))
    return value


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and "content" in value
