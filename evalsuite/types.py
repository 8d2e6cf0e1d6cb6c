"""The values that all folders share. Nothing here computes.

Sample   one row of a dataset           Prompt   what is sent to the model
Reply    what the model answered        Outcome  how scoring the reply ended
Score    the scored reply
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar

Outcome: TypeAlias = Literal["scored", "unparsed", "truncated", "error"]
LogprobPrompt: TypeAlias = Literal["marker", "letter"]
"""Where the probability of an option's letter is read: after an answer marker that the prompt begins (`marker`), or as
the first token of the reply (`letter`)."""
AgentFormat: TypeAlias = Literal["react", "toolbench", "openai-tools"]
Message: TypeAlias = dict[str, Any]
Measure: TypeAlias = Literal["logprobs", "reward"]
Party: TypeAlias = Literal["model", "judge"]
"""Who a request is sent to: the model under test, or the judge of its replies."""
TokenCounts: TypeAlias = tuple[int, int]
"""Prompt tokens, reply tokens."""
NO_TOKENS: TokenCounts = (0, 0)
RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Sample(Generic[RowT]):
    """One valid row of a dataset, in the form that its task defines, and its place in the file."""

    id: str
    index: int
    """0-based position in its file."""
    line: int
    """1-based line it starts on."""
    subset: str
    """The subject, or the file's name."""
    row: RowT
    repeat: int = field(default=0, kw_only=True)
    """Which repeat of the row it is, from 0 (`--repeats`)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent to the model: chat `messages`, or flat `text` for base models. Exactly one is set.

    `tools`, only with messages, is the request's list of tools in OpenAI's format. With `continues` the last message is
    the beginning of the assistant's turn, and the model continues it. With `measure` no reply is generated; the server
    returns the log-probabilities of this text's tokens, or a reward model's reward.
    """

    messages: Sequence[Message] | None = None
    text: str | None = None
    stop: tuple[str, ...] = ()
    tools: Sequence[Mapping[str, Any]] | None = None
    continues: bool = False
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """A server's measurement of a given text.

    `tokens` and `logprobs` have the same length, unless the tokens are unknown and `tokens` is empty. Log-probabilities
    are natural logarithms; the first token, which nothing precedes, has None. `reward` comes from a reward model.
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
        """Read the `measured` object of a journal line."""
        return cls(tuple(value.get("tokens", ())), tuple(value.get("logprobs", ())), value.get("reward"))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answered, as the server sent it.

    `measured` is set if the prompt asked for a measurement. `further` holds the replies to follow-up requests, such as a
    judge's verdicts, in the order of the requests.
    """

    text: str
    reasoning: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    alternatives: Sequence[Sequence[Any]] | None = None
    """Candidates for the first token, most probable first: pairs of text and natural log-probability. None if unknown."""

    measured: Measurement | None = None
    further: tuple[FollowUpReply, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The `reply` object of a journal line, which holds `further` replies in another field."""
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
    """The reply to a follow-up request, with its latency in seconds and its attempts.

    `key` is a hash of the request and of who was asked; it is empty for a reply that was read from a file.
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
    """A scored reply.

    `values` maps a metric's name to this sample's score; None means that the metric does not apply, so the sample is not
    counted. `statistics` holds sufficient statistics of corpus metrics (such as BLEU's n-gram counts), which are summed
    over samples.
    """

    outcome: Outcome
    extracted: Any = None
    stage: str = ""
    values: Mapping[str, float | None] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    statistics: Mapping[str, Sequence[float]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the journal line: what the score is based on."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its standard error and 95 % confidence interval. What is undefined is None."""

    value: float | None
    stderr: float | None
    low: float | None
    high: float | None
    n: int
