"""A journal line as the sample explorer reads it: a short entry to filter and sort by, and a body to read.

Texts are cut to a limit. Numbers stay numbers, since the page knows the unit of each metric. Everything in a body is
data: the page puts it into text nodes only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from evalsuite.formatting import numbers, texts
from evalsuite.metrics.finite import finite

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


def sample_entry(sample: Mapping[str, Any], primary: Mapping[str, Any]) -> SampleEntry:
    """Make the entry of a journal line. `primary` is the metric that judges its dataset."""
    score = finite((sample.get("scores") or {}).get(primary.get("name")))
    lower = primary.get("higher_is_better") is False
    return SampleEntry(
        str(sample.get("variant", "")),
        str(sample.get("dataset", "")),
        str(sample.get("subset", "")),
        f"{sample.get('id', '')}{_repeat_suffix(sample)}",
        str(sample.get("outcome", "error")),
        classify_answer(sample, primary),
        -score if score is not None and lower else score,
        tuple(map(str, sample.get("labels") or ())),
        str(sample.get("stage") or ""),
        tuple(map(str, sample.get("categories") or ())),
        finite(sample.get("latency_s")),
        reply_length(sample),
    )


def _repeat_suffix(sample: Mapping[str, Any]) -> str:
    """Marks the repeats of a row in its id, so that the same repeats of two variants belong together."""
    return f" #{int(sample['repeat']) + 1}" if sample.get("repeat") else ""


def classify_answer(sample: Mapping[str, Any], metric: Mapping[str, Any]) -> Answer:
    """Right, partial or wrong by the primary metric; `none` if the metric cannot say.

    A sample with another outcome than `scored` is `none`, whatever score the policy for failed samples gave it.
    """
    score = finite((sample.get("scores") or {}).get(metric.get("name")))
    judges = metric.get("unit") in ("proportion", "score") and metric.get("higher_is_better", True)
    if score is None or not judges or sample.get("outcome") != "scored":
        return "none"
    if score >= 1:
        return "right"
    return "partial" if score > 0 else "wrong"


def reply_length(sample: Mapping[str, Any]) -> int:
    """The length of the reply: tokens if the server counted them, else characters."""
    tokens = (sample.get("usage") or {}).get("completion_tokens")
    return int(tokens) if tokens is not None else len((sample.get("reply") or {}).get("text") or "")


def sample_body(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Make the body of a journal line, without its messages. Empty fields are left out."""
    reply = sample.get("reply") or {}
    extracted = sample.get("extracted")
    found = {
        "reply": _kept(reply.get("text")),
        "reasoning": _kept(reply.get("reasoning")),
        "calls": _kept("\n".join(map(texts.call_text, reply.get("tool_calls") or ()))),
        "gold": _kept(sample.get("gold")),
        "verdict": _kept(_follow_up_text(sample.get("further") or ())),
        "error": _kept(_failure(sample.get("error"))),
        "measured": "measured" in reply,
        "scores": sample.get("scores"),
        "facts": _facts(sample, reply),
        "pictures": _pictures(sample),
    }
    if isinstance(extracted, Mapping) and "action" in extracted:
        found["call"] = _call(sample, extracted)
    else:
        read = texts.value_text(extracted)
        # The extracted answer of a free text is the whole reply, which is shown anyway.
        found["read"] = "" if read == texts.value_text(reply.get("text")).strip() else _kept(read)
    return {name: value for name, value in found.items() if value}


def sample_messages(sample: Mapping[str, Any]) -> list[Message]:
    """The messages of the prompt as (role, text). A flat prompt is one message."""
    messages: Sequence[Any] = sample.get("messages") or ()
    if not messages:
        prompt = sample.get("prompt")
        return [("prompt", texts.cut(texts.value_text(prompt), TEXT_LIMIT))] if prompt else []
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
    if sample.get("tools"):
        pairs.insert(0, ("tools", texts.cut(texts.dump(sample["tools"], indent=True), TEXT_LIMIT)))
    return pairs


def _pictures(sample: Mapping[str, Any]) -> list[str]:
    """The thumbnails of its pictures, which are the only addresses that get into a page."""
    found = [
        picture.get("thumbnail") for picture in sample.get("pictures") or () if isinstance(picture, Mapping)
    ]
    return [text for text in found if isinstance(text, str) and _THUMBNAIL.fullmatch(text)]


def _kept(value: Any) -> str | list[str | int]:
    if not value and value != 0:
        return ""
    return texts.to_json(texts.cut(texts.value_text(value), TEXT_LIMIT))


def _call(sample: Mapping[str, Any], extracted: Mapping[str, Any]) -> dict[str, Any]:
    """The step of an agent and the gold step, each as plan, tool and arguments, and what is wrong with the reply."""
    from evalsuite.metrics.tool_steps import parse_step  # only agent steps need it

    gold = parse_step(texts.value_text(sample.get("gold")))
    steps = (
        (gold.plan, gold.action, gold.input),
        tuple(extracted.get(name) for name in ("plan", "action", "input")),
    )
    return {
        "steps": [
            [*map(texts.value_text, step[:2]), texts.value_text(step[2])[:CALL_LIMIT]] for step in steps
        ],
        "failures": extracted.get("failures") or {},
        "offered": list(map(str, sample.get("offered") or ())),
    }


def _facts(sample: Mapping[str, Any], reply: Mapping[str, Any]) -> list[list[str]]:
    """Facts about the request, as pairs of name and text."""
    usage = sample.get("usage") or {}
    count = numbers.format_count
    pairs = (
        ("first token", sample.get("ttft_s"), numbers.format_duration),
        ("prompt tokens", usage.get("prompt_tokens"), count),
        ("reply tokens", usage.get("completion_tokens"), count),
        ("finish reason", reply.get("finish_reason"), texts.value_text),
        ("attempts", sample.get("attempts"), count),
        ("options", sample.get("logprobs"), _probabilities),
    )
    return [[name, show(value)] for name, value, show in pairs if value is not None]


def _follow_up_text(entries: Sequence[Any]) -> str:
    """The replies of a judge, joined. Further measurements have no text and are left out."""
    replies = [entry.get("reply") or {} for entry in entries if isinstance(entry, Mapping)]
    return "\n\n".join(found for reply in replies if (found := texts.value_text(reply.get("text"))))


def _failure(error: Any) -> str:
    if not isinstance(error, Mapping):
        return texts.value_text(error)
    status = f" (HTTP {error['status']})" if error.get("status") is not None else ""
    return f"{texts.value_text(error.get('class'))}{status}: {texts.value_text(error.get('message'))}"


def _probabilities(logprobs: Mapping[str, Any]) -> str:
    """The probability of each option: `C 64.2 % · B 21.0 % · A below 0.1 %`."""
    floor = finite(logprobs.get("floor"))
    found = [(finite(value), label) for label, value in (logprobs.get("labels") or {}).items()]
    known = sorted(((value, label) for value, label in found if value is not None), key=lambda pair: -pair[0])
    unknown = [label for value, label in found if value is None and floor is not None]
    words = [f"{label} {_share(value)}" for value, label in known]
    words += [f"{label} below {_share(floor)}" for label in unknown]
    return " · ".join(each.replace(" ", numbers.NO_BREAK) for each in words)


def _share(logprob: float | None) -> str:
    probability = None if logprob is None else math.exp(min(0.0, logprob))
    return numbers.format_value("proportion", probability)
