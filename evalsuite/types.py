"""The nouns every part shares, one word each, and nothing that computes.

Sample   one row to be asked            Prompt   what is asked of the model
Reply    what came back                 Outcome  how judging it ended
Score    the judged reply               Metric   how many scores become one number
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar

Outcome: TypeAlias = Literal["scored", "unparsed", "truncated", "error"]
LogprobPrompt: TypeAlias = Literal["marker", "letter"]
"""How a letter's probability is asked for: right after an answer marker that is begun for the model, or as the reply."""
AgentFormat: TypeAlias = Literal["react", "toolbench", "openai-tools"]
Message: TypeAlias = dict[str, Any]
Measure: TypeAlias = Literal["logprobs", "reward"]
Party: TypeAlias = Literal["model", "judge"]
"""Of whom a request is: the model under test, or another one that judges its replies."""
TokenCounts: TypeAlias = tuple[int, int]
"""Tokens of prompts, tokens of replies."""
NO_TOKENS: TokenCounts = (0, 0)
RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Sample(Generic[RowT]):
    """One validated row: where it stands and what it says, in the form its task defined."""

    id: str
    index: int
    """0-based position in its file."""
    line: int
    """1-based line it starts on."""
    subset: str
    """The subject, or the file's name."""
    row: RowT
    repeat: int = field(default=0, kw_only=True)
    """Which try it is of a row that is asked several times (`--repeats`), from 0."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked: chat `messages`, or flat `text` for base models. Exactly one is set.

    `tools`, with messages only, is the request's own list of tools, in OpenAI's form. With `continues` the last message
    is the beginning of the assistant's turn, which the model is to go on with.
    `measure` asks for no reply but for what the server says of this very text: the log-probabilities of its tokens, or a
    reward model's reward.
    """

    messages: Sequence[Message] | None = None
    text: str | None = None
    stop: tuple[str, ...] = ()
    tools: Sequence[Mapping[str, Any]] | None = None
    continues: bool = False
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a server said of a text it was given.

    `tokens` and `logprobs` are of equal length, or `tokens` is empty where nobody knows them. Log-probabilities are
    natural logarithms; None for a first token, before which nothing stands. `reward` is a reward model's.
    """

    tokens: tuple[str, ...] = ()
    logprobs: tuple[float | None, ...] = ()
    reward: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The `measured` object of a journal line."""
        if self.reward is not None:
            return {"reward": self.reward}
        return {"tokens": self.tokens, "logprobs": self.logprobs}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Measurement:
        """The same from a journal line."""
        return cls(tuple(value.get("tokens", ())), tuple(value.get("logprobs", ())), value.get("reward"))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answered, as the server sent it.

    `measured` is set where it was asked to measure a text; `further` holds the replies to a sample's further requests
    (a judge's verdicts), in the order they were asked.
    """

    text: str
    reasoning: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    alternatives: Sequence[Sequence[Any]] | None = None
    """What the first token could have been, most probable first: pairs of its text and its natural log-probability;
    None where nothing is known of it."""

    measured: Measurement | None = None
    further: tuple[FollowUpReply, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The `reply` object of a journal line; `further` replies stand beside it."""
        found: dict[str, Any] = {
            "text": self.text,
            "reasoning": self.reasoning,
            "tool_calls": self.tool_calls,
            "finish_reason": self.finish_reason,
        }
        if self.measured:
            found["measured"] = self.measured.to_json()
        return found if self.alternatives is None else found | {"alternatives": self.alternatives}


@dataclass(frozen=True, slots=True)
class FollowUpReply:
    """The reply to one of a sample's further requests, by whom, and what it took.

    `key` is a hash of what was asked of whom; empty where a file held the reply.
    """

    of: Party
    key: str
    reply: Reply
    latency_s: float | None = None
    attempts: int = 0
    from_cache: bool = False
    wasted: TokenCounts = NO_TOKENS


@dataclass(frozen=True, slots=True)
class Score:
    """A judged reply.

    `values` maps a metric's name to this sample's score; None means the metric does not apply to it and it
    is not counted. `statistics` holds sufficient statistics of corpus metrics (BLEU's n-gram counts, …),
    which add up over samples.
    """

    outcome: Outcome
    extracted: Any = None
    stage: str = ""
    values: Mapping[str, float | None] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    statistics: Mapping[str, Sequence[float]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the journal line: what the judgement rests on."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its standard error and its 95 % confidence interval; None where it is not defined."""

    value: float | None
    stderr: float | None
    low: float | None
    high: float | None
    n: int
