"""One line of samples.jsonl: a finished sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, Raw, Struct, UnsetType

from evalsuite._util.json_values import to_valid_json
from evalsuite.runs.schema.document import Document, always_written
from evalsuite.types import NO_TOKENS, FollowUpReply, Measurement, Outcome, Party, Reply, Score, TokenCounts


class MeasurementEntry(Document, frozen=True, kw_only=True):
    """What a server said of a text it was given: `tokens` and `logprobs`, or `reward`."""

    tokens: tuple[str, ...] | UnsetType = UNSET
    logprobs: tuple[float | None, ...] | UnsetType = UNSET
    """Natural logarithms; null for a first token."""
    reward: float | None = None

    @classmethod
    def of(cls, measured: Measurement) -> MeasurementEntry:
        """Build the entry of a measurement."""
        if measured.reward is not None:
            return cls(reward=measured.reward)
        return cls(tokens=measured.tokens, logprobs=measured.logprobs)

    def to_measurement(self) -> Measurement:
        """The measurement as tasks read it."""
        return Measurement(self.tokens or (), self.logprobs or (), self.reward)


class ReplyEntry(Document, frozen=True, kw_only=True):
    """A reply as the server sent it, without its token counts (`usage`)."""

    text: str
    reasoning: str | None = always_written(None)
    tool_calls: list[dict[str, Any]] | None = always_written(None)
    finish_reason: str | None = always_written(None)
    measured: MeasurementEntry | None = None
    alternatives: Sequence[Sequence[Any]] | None = None
    """What the first token could have been: [token, natural log-probability], most probable first."""

    @classmethod
    def of(cls, reply: Reply) -> ReplyEntry:
        """Build the entry of a reply."""
        return cls(
            text=reply.text,
            reasoning=reply.reasoning,
            tool_calls=reply.tool_calls,
            finish_reason=reply.finish_reason,
            measured=MeasurementEntry.of(reply.measured) if reply.measured else None,
            alternatives=reply.alternatives,
        )

    def to_reply(self, usage: TokenUsage | None, further: tuple[FollowUpReply, ...] = ()) -> Reply:
        """Build the reply as tasks read it."""
        counts = usage or TokenUsage()
        return Reply(
            text=self.text,
            reasoning=self.reasoning,
            tool_calls=self.tool_calls,
            finish_reason=self.finish_reason,
            prompt_tokens=counts.prompt_tokens,
            completion_tokens=counts.completion_tokens,
            alternatives=self.alternatives,
            measured=self.measured.to_measurement() if self.measured else None,
            further=further,
        )


class TokenUsage(Document, frozen=True, kw_only=True):
    """Tokens of the prompt and the reply as the server counted them; null where it did not say."""

    prompt_tokens: int | None = always_written(None)
    completion_tokens: int | None = always_written(None)

    @classmethod
    def of(cls, reply: Reply | None) -> TokenUsage:
        """Build the counts of a reply; unknown without one."""
        if reply is None:
            return cls()
        return cls(prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens)

    @classmethod
    def of_counts(cls, counts: TokenCounts) -> TokenUsage | None:
        """Build `wasted`; None, which is not written, where nothing was wasted."""
        return None if counts == NO_TOKENS else cls(prompt_tokens=counts[0], completion_tokens=counts[1])

    def counts(self) -> TokenCounts:
        """Both numbers; an unknown one is 0."""
        return (self.prompt_tokens or 0, self.completion_tokens or 0)


class ErrorEntry(Document, frozen=True, kw_only=True):
    """Why a sample has no reply, or lacks one of its further replies."""

    kind: str = msgspec.field(name="class")
    """A `FailureClass`, `missing_prediction` or `suite`."""
    message: str
    status: int | None = always_written(None)
    """The HTTP status, if there was one."""


class LabelLogprobsEntry(Document, frozen=True, kw_only=True):
    """Log-probability of each answer label (`--mcq-mode logprob`); null means below `floor`."""

    labels: dict[str, float | None]
    floor: float | None = always_written(None)


class FollowUpEntry(Document, frozen=True, kw_only=True):
    """The reply to a follow-up request of a sample, such as a judge's verdict."""

    of: Party
    key: str
    """A hash of what was asked of whom; empty where a file held the reply."""
    reply: ReplyEntry
    usage: TokenUsage | None = always_written(None)
    latency_s: float | None = always_written(None)
    attempts: int | None = always_written(None)
    from_cache: bool = False
    wasted: TokenUsage | None = None

    @classmethod
    def from_reply(cls, reply: FollowUpReply) -> FollowUpEntry:
        """Build the entry of a reply."""
        return cls(
            of=reply.of,
            key=reply.key,
            reply=ReplyEntry.of(reply.reply),
            usage=TokenUsage.of(reply.reply),
            latency_s=reply.latency_s,
            attempts=reply.attempts or None,
            from_cache=reply.from_cache,
            wasted=TokenUsage.of_counts(reply.wasted),
        )

    def to_reply(self) -> FollowUpReply:
        """Build the reply as tasks read it."""
        return FollowUpReply(
            self.of,
            self.key,
            self.reply.to_reply(self.usage),
            self.latency_s,
            self.attempts or 0,
            self.from_cache,
            self.wasted_tokens,
        )

    @property
    def wasted_tokens(self) -> TokenCounts:
        """Tokens of attempts whose replies were of no use."""
        return self.wasted.counts() if self.wasted else NO_TOKENS


class SampleLine(Document, frozen=True, kw_only=True):
    """One line of samples.jsonl: a finished sample."""

    key: str
    """A hash of what was asked of whom, 32 hexadecimal digits."""
    variant: str
    dataset: str
    subset: str
    id: str
    index: int
    """0-based position of the row in its file."""
    messages: Raw | UnsetType = UNSET
    """The chat prompt as JSON. Embedded pictures are replaced by names; see `pictures`."""
    prompt: Raw | UnsetType = UNSET
    """The flat prompt as JSON; a line has `messages` or `prompt`."""
    reply: ReplyEntry | None
    """Null for a sample without any reply. A line with an `error` has one where only a follow-up request failed."""
    outcome: Outcome
    extracted: Any = always_written(None)
    """The answer that was read from the reply."""
    stage: str = always_written("")
    """How the answer was found."""
    scores: dict[str, float | None]
    """By metric; null where a metric does not apply to the row."""
    labels: tuple[str, ...] = always_written(())
    offered: tuple[str, ...] | None = None
    """The names of the tools an agent had."""
    logprobs: LabelLogprobsEntry | None = None
    details: dict[str, Any] = msgspec.field(default_factory=dict)
    """What else a task says its judgement rests on."""
    statistics: dict[str, tuple[float | int, ...]] = msgspec.field(default_factory=dict)
    """Sufficient statistics of corpus metrics."""
    gold: Any
    usage: TokenUsage | None = always_written(None)
    latency_s: float | None = always_written(None)
    """Seconds from the first byte sent to the last byte received, of the attempt that was answered."""
    ttft_s: float | None = always_written(None)
    """Seconds to the first piece of a streamed reply."""
    attempts: int | None = always_written(None)
    """Requests sent for the first reply; null where none was sent."""
    error: ErrorEntry | None = always_written(None)
    repeat: int = 0
    """Which repeat of its row it is under --repeats, from 0."""
    warning: str = ""
    """What was found wrong with the variant before it was asked (`identical to base`)."""
    categories: tuple[str, ...] = ()
    cluster: str | None = None
    """What rows that are not independent share."""
    from_cache: bool = False
    """Whether the reply came from --cache, so that no request was sent."""
    wasted: TokenUsage | None = None
    """Tokens of attempts whose replies were of no use."""
    pictures: list[dict[str, Any]] | None = None
    """Name, size and thumbnail of the pictures that `messages` names."""
    further: tuple[FollowUpEntry, ...] = ()
    """Replies to follow-up requests, in the order they were asked."""
    tools: Raw | UnsetType = UNSET
    """The tools that the request named, as JSON."""

    @property
    def message_list(self) -> list[dict[str, Any]] | None:
        """The chat prompt; None for a flat one."""
        return None if isinstance(self.messages, UnsetType) else msgspec.json.decode(self.messages)

    @property
    def prompt_text(self) -> str | None:
        """The flat prompt; None for a chat."""
        return None if isinstance(self.prompt, UnsetType) else msgspec.json.decode(self.prompt, type=str)

    @property
    def tool_list(self) -> list[dict[str, Any]] | None:
        """The tools that the request named; None without any."""
        return None if isinstance(self.tools, UnsetType) else msgspec.json.decode(self.tools)

    @property
    def failed(self) -> bool:
        """Whether the sample counts as an error."""
        return self.outcome == "error"

    @property
    def wasted_tokens(self) -> TokenCounts:
        """Tokens of attempts whose replies were of no use."""
        return self.wasted.counts() if self.wasted else NO_TOKENS

    def to_reply(self) -> Reply:
        """Build the reply as tasks read it. The line must have one."""
        assert self.reply is not None
        return self.reply.to_reply(self.usage, tuple(entry.to_reply() for entry in self.further))

    def to_score(self) -> Score:
        """Build the score that the line records."""
        return Score(
            outcome=self.outcome,
            extracted=self.extracted,
            stage=self.stage,
            values=self.scores,
            labels=self.labels,
            statistics=self.statistics,
        )


_LINE_DECODER = msgspec.json.Decoder(SampleLine)
_ENCODER = msgspec.json.Encoder()


def decode_line(raw: bytes) -> SampleLine | None:
    """Read a journal line; None for one that is torn, damaged or not a sample's."""
    if not raw.endswith(b"\n"):
        return None
    try:
        return _LINE_DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def foreign_line_reason(raw: bytes) -> str | None:
    """Why a whole line is not one that evalsuite wrote; None for a line that is right or merely damaged.

    A damaged line is no JSON object, or lacks a key that every line has: its sample is asked again.
    """
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    required = {field.encode_name for field in msgspec.structs.fields(SampleLine) if field.required}
    if not isinstance(content, dict) or not content.keys() >= required:
        return None
    try:
        _LINE_DECODER.decode(raw)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def encode_line(line: SampleLine) -> bytes:
    """Write a journal line. What JSON or UTF-8 cannot carry is replaced, as `endpoint.wire.dumps` does."""
    try:
        return _ENCODER.encode(line) + b"\n"
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(to_valid_json(_plain(line)), default=str) + b"\n"


def _plain(value: Any) -> Any:
    """Convert a document to JSON values, for a line that the encoder refuses."""
    if isinstance(value, Raw):
        return orjson.loads(bytes(value))
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not isinstance(value, Struct):
        return value
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(type(value)):
        item = getattr(value, field.name)
        default = field.default if field.default_factory not in (dict, list) else field.default_factory()
        if item is not UNSET and item != default:
            found[field.encode_name] = _plain(item)
    return found
