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
LogprobForm: TypeAlias = Literal["marker", "letter"]
"""How a letter's probability is asked for: right after an answer marker that is begun for the model, or as the reply."""
AgentFormat: TypeAlias = Literal["react", "toolbench", "openai-tools"]
Message: TypeAlias = dict[str, Any]
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


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked: chat `messages`, or flat `text` for base models. Exactly one is set.

    `tools`, with messages only, is the request's own list of tools, in OpenAI's form. With `continues` the last message
    is the beginning of the assistant's turn, which the model is to go on with.
    """

    messages: Sequence[Message] | None = None
    text: str | None = None
    stop: tuple[str, ...] = ()
    tools: Sequence[Mapping[str, Any]] | None = None
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answered, as the server sent it."""

    text: str
    reasoning: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    alternatives: Sequence[Sequence[Any]] | None = None
    """What the first token could have been, most probable first: pairs of its text and its natural log-probability;
    None where nothing is known of it."""

    def to_json(self) -> dict[str, Any]:
        """The `reply` object of a journal line."""
        found = {
            "text": self.text,
            "reasoning": self.reasoning,
            "tool_calls": self.tool_calls,
            "finish_reason": self.finish_reason,
        }
        return found if self.alternatives is None else found | {"alternatives": self.alternatives}


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
