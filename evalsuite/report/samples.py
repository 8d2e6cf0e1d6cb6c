"""A line of the journal as the page's explorer reads it: a short entry to filter and sort by, and a body to read.

Texts are cut to a stated length, numbers stay numbers: the page knows each metric's unit. Everything in a body is data;
the page puts it into text nodes only.
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
"""Metric name -> the metric of a whole dataset, primary first, each with its `name`."""

Message: TypeAlias = tuple[str, texts.Text]

TEXT_LIMIT = 20_000
"""Characters kept of one text: some eight printed pages, more than anyone reads of one reply."""

CALL_LIMIT = 5_000
"""Of the arguments of a tool call, which are compared one by one."""

MOST_MESSAGES = 60
"""Of one conversation; the first and the last ones stay."""

FIRST_MESSAGES = 10
_THUMBNAIL = re.compile(r"data:image/(?:png|jpeg|gif|webp|bmp);base64,[A-Za-z0-9+/=]+")


class SampleEntry(NamedTuple):
    """What is known of a sample before its texts are read. `score` is higher where the sample is better."""

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
        """Whether it ended in anything but a score."""
        return self.outcome != "scored"


def sample_entry(sample: Mapping[str, Any], primary: Mapping[str, Any]) -> SampleEntry:
    """The entry of a journal line; `primary` is the metric its dataset is judged by."""
    score = finite((sample.get("scores") or {}).get(primary.get("name")))
    lower = primary.get("higher_is_better") is False
    return SampleEntry(
        str(sample.get("variant", "")),
        str(sample.get("dataset", "")),
        str(sample.get("subset", "")),
        f"{sample.get('id', '')}{_again(sample)}",
        str(sample.get("outcome", "error")),
        classify_answer(sample, primary),
        -score if score is not None and lower else score,
        tuple(map(str, sample.get("labels") or ())),
        str(sample.get("stage") or ""),
        tuple(map(str, sample.get("categories") or ())),
        finite(sample.get("latency_s")),
        reply_length(sample),
    )


def _again(sample: Mapping[str, Any]) -> str:
    """Which try of its row it is, where the row was asked several times: tries of two variants belong together."""
    return f" #{int(sample['repeat']) + 1}" if sample.get("repeat") else ""


def classify_answer(sample: Mapping[str, Any], metric: Mapping[str, Any]) -> Answer:
    """Right, partly right or wrong by the primary metric; none where it does not say.

    A sample that is set apart is none of them, whatever score its policy gave it.
    """
    score = finite((sample.get("scores") or {}).get(metric.get("name")))
    judges = metric.get("unit") in ("proportion", "score") and metric.get("higher_is_better", True)
    if score is None or not judges or sample.get("outcome") != "scored":
        return "none"
    if score >= 1:
        return "right"
    return "partial" if score > 0 else "wrong"


def reply_length(sample: Mapping[str, Any]) -> int:
    """Completion tokens where the server counted them, else characters."""
    tokens = (sample.get("usage") or {}).get("completion_tokens")
    return int(tokens) if tokens is not None else len((sample.get("reply") or {}).get("text") or "")


def sample_body(sample: Mapping[str, Any]) -> dict[str, Any]:
    """What there is to read of a journal line, its messages apart; what is empty is left out."""
    reply = sample.get("reply") or {}
    extracted = sample.get("extracted")
    found = {
        "reply": _kept(reply.get("text")),
        "reasoning": _kept(reply.get("reasoning")),
        "calls": _kept("\n".join(map(texts.call_text, reply.get("tool_calls") or ()))),
        "gold": _kept(sample.get("gold")),
        "verdict": _kept(_further(sample.get("further") or ())),
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
        # Of a free answer that is the whole reply, which stands beside it.
        found["read"] = "" if read == texts.value_text(reply.get("text")).strip() else _kept(read)
    return {name: value for name, value in found.items() if value}


def sample_messages(sample: Mapping[str, Any]) -> list[Message]:
    """What was asked, a turn at a time: (role, text). A flat prompt is one turn."""
    messages: Sequence[Any] = sample.get("messages") or ()
    if not messages:
        prompt = sample.get("prompt")
        return [("prompt", texts.cut(texts.value_text(prompt), TEXT_LIMIT))] if prompt else []
    dropped = len(messages) - MOST_MESSAGES
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
    """The thumbnails of its pictures; only such addresses get into the page."""
    found = [
        picture.get("thumbnail") for picture in sample.get("pictures") or () if isinstance(picture, Mapping)
    ]
    return [text for text in found if isinstance(text, str) and _THUMBNAIL.fullmatch(text)]


def _kept(value: Any) -> str | list[str | int]:
    if not value and value != 0:
        return ""
    return texts.plain(texts.cut(texts.value_text(value), TEXT_LIMIT))


def _call(sample: Mapping[str, Any], extracted: Mapping[str, Any]) -> dict[str, Any]:
    """An agent's step beside the gold one: each as plan, tool and arguments, and what is wrong with the reply's."""
    from evalsuite.metrics.tool_steps import parse_step  # of no use to other kinds

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
    """What is known of the request, as pairs of words."""
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


def _further(entries: Sequence[Any]) -> str:
    """What a judge said, one reply after the other; nothing of further measurements, which are no text."""
    replies = [entry.get("reply") or {} for entry in entries if isinstance(entry, Mapping)]
    return "\n\n".join(found for reply in replies if (found := texts.value_text(reply.get("text"))))


def _failure(error: Any) -> str:
    if not isinstance(error, Mapping):
        return texts.value_text(error)
    status = f" (HTTP {error['status']})" if error.get("status") is not None else ""
    return f"{texts.value_text(error.get('class'))}{status}: {texts.value_text(error.get('message'))}"


def _probabilities(logprobs: Mapping[str, Any]) -> str:
    """`C 64.2 % · B 21.0 % · A below 0.1 %`: how probable each option's letter was."""
    floor = finite(logprobs.get("floor"))
    found = [(finite(value), label) for label, value in (logprobs.get("labels") or {}).items()]
    known = sorted(((value, label) for value, label in found if value is not None), key=lambda pair: -pair[0])
    unknown = [label for value, label in found if value is None and floor is not None]
    words = [f"{label} {_share(value)}" for value, label in known]
    words += [f"{label} below {_share(floor)}" for label in unknown]
    return " · ".join(each.replace(" ", numbers.NO_BREAK) for each in words)


def _share(logprob: float | None) -> str:
    probability = None if logprob is None else math.exp(min(0.0, logprob))
    return numbers.format_value({"unit": "proportion"}, probability)
