"""A journal line as the sample explorer reads it: a short entry to filter and sort by, and a body to read.

Texts are cut to a limit. Numbers stay numbers, since the page knows the unit of each metric. Everything in a body is
data: the page puts it into text nodes only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from evalsuite.formatting import numbers, texts
from evalsuite.metrics.finite import finite

if TYPE_CHECKING:
    from evalsuite.runs.schema import ErrorEntry, LabelLogprobsEntry, SampleLine

Answer: TypeAlias = Literal["right", "partial", "wrong", "none"]
Metrics: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Metric name -> the metric of a whole dataset with its `name`, primary ones first."""

Message: TypeAlias = tuple[str, texts.Text]

TEXT_LIMIT = 20_000
"""Characters kept of one text: about eight printed pages, more than anyone reads of one reply."""

CALL_LIMIT = 5_000
"""Characters kept of the arguments of a tool call, which the page compares one by one."""

MAX_MESSAGES = 60
"""Messages kept of one conversation: the first and the last ones."""

FIRST_MESSAGES = 10
_THUMBNAIL = re.compile(r"data:image/(?:png|jpeg|gif|webp|bmp);base64,[A-Za-z0-9+/=]+")


class SampleEntry(NamedTuple):
    """A sample without its texts. A higher `score` is better, whichever way the metric points."""

    variant: str
    dataset: str
    subset: str
    id: str
    outcome: str
    answer: Answer
    score: float | None
    labels: tuple[str, ...]
    stage: str
    categories: tuple[str, ...]
    latency: float | None
    length: int

    @property
    def is_unscored(self) -> bool:
        """Whether its outcome is anything but `scored`."""
        return self.outcome != "scored"


def sample_entry(line: SampleLine, primary: Mapping[str, Any]) -> SampleEntry:
    """Make the entry of a journal line. `primary` is the metric that judges its dataset."""
    score = finite(line.scores.get(str(primary.get("name"))))
    lower = primary.get("higher_is_better") is False
    return SampleEntry(
        line.variant,
        line.dataset,
        line.subset,
        f"{line.id}{_repeat_suffix(line)}",
        line.outcome,
        classify_answer(line, primary),
        -score if score is not None and lower else score,
        line.labels,
        line.stage,
        line.categories,
        finite(line.latency_s),
        reply_length(line),
    )


def _repeat_suffix(line: SampleLine) -> str:
    """Marks the repeats of a row in its id, so that the same repeats of two variants belong together."""
    return f" #{line.repeat + 1}" if line.repeat else ""


def classify_answer(line: SampleLine, metric: Mapping[str, Any]) -> Answer:
    """Right, partial or wrong by the primary metric; `none` if the metric cannot say.

    A sample with another outcome than `scored` is `none`, whatever score the policy for failed samples gave it.
    """
    score = finite(line.scores.get(str(metric.get("name"))))
    judges = metric.get("unit") in ("proportion", "score") and metric.get("higher_is_better", True)
    if score is None or not judges or line.outcome != "scored":
        return "none"
    if score >= 1:
        return "right"
    return "partial" if score > 0 else "wrong"


def reply_length(line: SampleLine) -> int:
    """The length of the reply: tokens if the server counted them, else characters."""
    if line.usage and line.usage.completion_tokens is not None:
        return line.usage.completion_tokens
    return len(line.reply.text) if line.reply else 0


def sample_body(line: SampleLine) -> dict[str, Any]:
    """Make the body of a journal line, without its messages. Empty fields are left out."""
    reply = line.reply
    extracted = line.extracted
    found: dict[str, Any] = {
        "reply": _kept(reply and reply.text),
        "reasoning": _kept(reply and reply.reasoning),
        "calls": _kept("\n".join(map(texts.call_text, (reply and reply.tool_calls) or ()))),
        "gold": _kept(line.gold),
        "verdict": _kept(_follow_up_text(line)),
        "error": _kept(_error_text(line.error)),
        "measured": reply is not None and reply.measured is not None,
        "scores": line.scores,
        "facts": _facts(line),
        "pictures": _pictures(line),
    }
    if isinstance(extracted, Mapping) and "action" in extracted:
        found["call"] = _call(line, extracted)
    else:
        read = texts.value_text(extracted)
        # The extracted answer of a free text is the whole reply, which is shown anyway.
        found["read"] = "" if reply and read == reply.text.strip() else _kept(read)
    return {name: value for name, value in found.items() if value}


def sample_messages(line: SampleLine) -> list[Message]:
    """The messages of the prompt as (role, text). A flat prompt is one message."""
    messages: Sequence[Any] = line.message_list or ()
    if not messages:
        prompt = line.prompt_text
        return [("prompt", texts.cut(prompt, TEXT_LIMIT))] if prompt else []
    dropped = len(messages) - MAX_MESSAGES
    shown = messages if dropped <= 0 else (*messages[:FIRST_MESSAGES], *messages[dropped + FIRST_MESSAGES :])
    pairs: list[Message] = [
        (str(message.get("role", "")), texts.cut(texts.message_text(message), TEXT_LIMIT))
        for message in shown
        if isinstance(message, dict)
    ]
    if dropped > 0:
        note = f"{numbers.counted(dropped, 'message')} left out here; samples.jsonl has them"
        pairs.insert(FIRST_MESSAGES, ("note", note))
    if tools := line.tool_list:
        pairs.insert(0, ("tools", texts.cut(texts.dump(tools, indent=True), TEXT_LIMIT)))
    return pairs


def _pictures(line: SampleLine) -> list[str]:
    """The thumbnails of its pictures, which are the only addresses that get into a page."""
    found = [picture.get("thumbnail") for picture in line.pictures or ()]
    return [text for text in found if isinstance(text, str) and _THUMBNAIL.fullmatch(text)]


def _kept(value: Any) -> str | list[str | int]:
    if not value and value != 0:
        return ""
    return texts.to_json(texts.cut(texts.value_text(value), TEXT_LIMIT))


def _call(line: SampleLine, extracted: Mapping[str, Any]) -> dict[str, Any]:
    """The step of an agent and the gold step, each as plan, tool and arguments, and what is wrong with the reply."""
    from evalsuite.metrics.tool_steps import parse_step  # only agent steps need it

    gold = parse_step(texts.value_text(line.gold))
    steps = (
        (gold.plan, gold.action, gold.input),
        tuple(extracted.get(name) for name in ("plan", "action", "input")),
    )
    return {
        "steps": [
            [*map(texts.value_text, step[:2]), texts.value_text(step[2])[:CALL_LIMIT]] for step in steps
        ],
        "failures": extracted.get("failures") or {},
        "offered": list(line.offered or ()),
    }


def _facts(line: SampleLine) -> list[list[str]]:
    """Facts about the request, as pairs of name and text."""
    usage, count = line.usage, numbers.format_count
    pairs: tuple[tuple[str, Any, Callable[[Any], str]], ...] = (
        ("first token", line.ttft_s, numbers.format_duration),
        ("prompt tokens", usage and usage.prompt_tokens, count),
        ("reply tokens", usage and usage.completion_tokens, count),
        ("finish reason", line.reply and line.reply.finish_reason, texts.value_text),
        ("attempts", line.attempts, count),
        ("options", line.logprobs, _probabilities),
    )
    return [[name, show(value)] for name, value, show in pairs if value is not None]


def _follow_up_text(line: SampleLine) -> str:
    """The replies of a judge, joined. Further measurements have no text and are left out."""
    return "\n\n".join(entry.reply.text for entry in line.further if entry.reply.text)


def _error_text(error: ErrorEntry | None) -> str:
    if error is None:
        return ""
    status = f" (HTTP {error.status})" if error.status is not None else ""
    return f"{error.kind}{status}: {error.message}"


def _probabilities(logprobs: LabelLogprobsEntry) -> str:
    """The probability of each option: `C 64.2 % · B 21.0 % · A below 0.1 %`."""
    floor = finite(logprobs.floor)
    found = [(finite(value), label) for label, value in logprobs.labels.items()]
    known = sorted(((value, label) for value, label in found if value is not None), key=lambda pair: -pair[0])
    unknown = [label for value, label in found if value is None and floor is not None]
    words = [f"{label} {_share(value)}" for value, label in known]
    words += [f"{label} below {_share(floor)}" for label in unknown]
    return " · ".join(each.replace(" ", numbers.NO_BREAK) for each in words)


def _share(logprob: float | None) -> str:
    probability = None if logprob is None else math.exp(min(0.0, logprob))
    return numbers.format_value("proportion", probability)
