"""Which samples a page holds, and in what form; one pass over any number of them, in bounded memory.

What counts:
    set apart   a sample whose outcome is `unparsed`, `truncated` or `error`. All of them are kept while they
                fill no more than half the page, or while there is nothing else to show.
    share       what is left is dealt out evenly: no variant, dataset and subset has more than another that
                still had some to give.
    drawn       by a hash of dataset, subset and id: the same questions on every rendering, and the same ones
                for every variant.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

from evalsuite.report import numbers, texts

Answer: TypeAlias = Literal["right", "partial", "wrong", "none"]
Metrics: TypeAlias = Mapping[tuple[str, str], Mapping[str, Mapping[str, Any]]]
"""(variant, dataset) -> metric name -> the metric of the whole dataset, primary first."""

TEXT_LIMIT = 20_000
"""Characters kept of one text: some eight printed pages, more than anyone reads of one reply."""

TEXT_LIMITS = (TEXT_LIMIT, 8_000, 3_000, 1_200)
"""Tried in turn until the page is small enough; at 1,200 a question and the end of a reply still fit."""

NO_BREAK = "\u00a0"

MOST_MESSAGES = 60
"""Of one conversation; the first and the last ones stay."""

PAGE_CHARACTERS = 12_000_000
"""A report is mailed as one file; servers refuse some 25 MB, and mail encoding adds a third."""

_THUMBNAIL = re.compile(r"data:image/(?:png|jpeg|gif|webp|bmp);base64,[A-Za-z0-9+/=]+")

Group: TypeAlias = tuple[bool, str, str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """One sample as the page's explorer reads it; texts are cut, numbers are already words."""

    place: int
    record: Mapping[str, Any]
    messages: tuple[tuple[str, texts.Text], ...]
    texts: Mapping[str, texts.Text]

    def cut(self, limit: int) -> Shown:
        """The same with every text cut to `limit`."""
        record = self.record
        if limit == TEXT_LIMITS[-1] and "pictures" in record:
            record = {name: value for name, value in record.items() if name != "pictures"}
        return replace(
            self,
            record=record,
            messages=tuple((role, texts.cut(text, limit)) for role, text in self.messages),
            texts={name: texts.cut(text, limit) for name, text in self.texts.items()},
        )


def is_set_apart(sample: Mapping[str, Any]) -> bool:
    """Whether the sample ended in anything but a score."""
    return sample.get("outcome") != "scored"


def answer_of(sample: Mapping[str, Any], metric: Mapping[str, Any]) -> Answer:
    """Right, partly right or wrong by the primary metric; none where it does not say.

    A sample that is set apart is none of them, whatever score its policy gave it.
    """
    score = numbers.finite((sample.get("scores") or {}).get(metric.get("name")))
    judges = metric.get("unit") in ("proportion", "score") and metric.get("higher_is_better", True)
    if score is None or not judges or is_set_apart(sample):
        return "none"
    if score >= 1:
        return "right"
    return "partial" if score > 0 else "wrong"


def _messages(sample: Mapping[str, Any]) -> tuple[tuple[str, texts.Text], ...]:
    messages: Sequence[Any] = sample.get("messages") or ()
    if not messages:
        prompt = sample.get("prompt")
        return (("prompt", texts.cut(texts.as_text(prompt), TEXT_LIMIT)),) if prompt else ()
    dropped = len(messages) - MOST_MESSAGES
    pairs = [
        (str(message.get("role", "")), texts.cut(texts.message_text(message), TEXT_LIMIT))
        for message in (messages if dropped <= 0 else (*messages[:10], *messages[dropped + 10 :]))
        if isinstance(message, (dict, Mapping))
    ]
    if dropped > 0:
        pairs.insert(
            10, ("note", f"{numbers.counted(dropped, 'message')} left out here; samples.jsonl has them")
        )
    if sample.get("tools"):
        pairs.insert(0, ("tools", texts.cut(texts.dump(sample["tools"], indent=True), TEXT_LIMIT)))
    return tuple(pairs)


def _facts(sample: Mapping[str, Any]) -> list[list[str]]:
    """What is known of the request, as pairs of words."""
    usage = sample.get("usage") or {}
    reply = sample.get("reply") or {}
    count = numbers.format_count
    pairs = (
        ("latency", sample.get("latency_s"), numbers.format_duration),
        ("first token", sample.get("ttft_s"), numbers.format_duration),
        ("prompt tokens", usage.get("prompt_tokens"), count),
        ("reply tokens", usage.get("completion_tokens"), count),
        ("finish reason", reply.get("finish_reason"), texts.as_text),
        ("attempts", sample.get("attempts"), count),
        ("read by", sample.get("stage") or None, texts.as_text),
        ("options", sample.get("logprobs"), _probabilities),
    )
    return [[name, show(value)] for name, value, show in pairs if value is not None]


def _probabilities(logprobs: Mapping[str, Any]) -> str:
    """`C 64.2 % · B 21.0 % · A below 0.1 %`: how probable each option's letter was."""
    floor = numbers.finite(logprobs.get("floor"))
    found = [(numbers.finite(value), label) for label, value in (logprobs.get("labels") or {}).items()]
    known = sorted(((value, label) for value, label in found if value is not None), key=lambda pair: -pair[0])
    unknown = [label for value, label in found if value is None and floor is not None]
    words = [f"{label} {_share(value)}" for value, label in known]
    words += [f"{label} below {_share(floor)}" for label in unknown]
    return " · ".join(each.replace(" ", NO_BREAK) for each in words)


def _share(logprob: float | None) -> str:
    probability = None if logprob is None else math.exp(min(0.0, logprob))
    return numbers.format_value({"unit": "proportion"}, probability)


def _scores(scores: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Every score of the sample in its metric's unit, primary first."""
    ordered = [name for name in metrics if name in scores] + [name for name in scores if name not in metrics]
    return [[name, numbers.format_value(metrics.get(name, {}), scores[name])] for name in ordered]


def _goodness(scores: Mapping[str, Any], primary: Mapping[str, Any]) -> float | None:
    """By what samples are sorted from worst to best: the primary score, turned round where lower is better."""
    score = numbers.finite(scores.get(str(primary.get("name"))))
    return -score if score is not None and primary.get("higher_is_better") is False else score


def _further(entries: Sequence[Any]) -> str:
    """What a judge said, one reply after the other; nothing of further measurements, which are no text."""
    replies = [entry.get("reply") or {} for entry in entries if isinstance(entry, Mapping)]
    return "\n\n".join(found for reply in replies if (found := texts.as_text(reply.get("text"))))


def _failure(error: Any) -> str:
    if not isinstance(error, Mapping):
        return texts.as_text(error)
    status = f" (HTTP {error['status']})" if error.get("status") is not None else ""
    return f"{texts.as_text(error.get('class'))}{status}: {texts.as_text(error.get('message'))}"


def show(sample: Mapping[str, Any], place: int, metrics: Mapping[str, Mapping[str, Any]]) -> Shown:
    """A journal line as the page shows it; `metrics` are those of its dataset, primary first."""
    scores = sample.get("scores") or {}
    primary = next(iter(metrics.values()), {})
    reply = sample.get("reply") or {}
    record = {
        "variant": sample.get("variant", ""),
        "dataset": sample.get("dataset", ""),
        "subset": sample.get("subset", ""),
        "categories": [str(category) for category in sample.get("categories") or ()],
        "id": str(sample.get("id", "")),
        "key": str(sample.get("key") or place),
        "outcome": sample.get("outcome", "error"),
        "answer": answer_of(sample, primary),
        "score": _goodness(scores, primary),
        "scores": _scores(scores, metrics),
        "labels": [str(label) for label in sample.get("labels") or ()],
        "stage": str(sample.get("stage") or ""),
        "facts": _facts(sample),
        "latency": numbers.finite(sample.get("latency_s")),
        "length": reply_length(sample),
        **_pictures(sample),
    }
    kept = {
        "reply": texts.as_text(reply.get("text")),
        "reasoning": texts.as_text(reply.get("reasoning")),
        "calls": "\n".join(map(texts.call_text, reply.get("tool_calls") or ())),
        "gold": texts.as_text(sample.get("gold")),
        "extracted": texts.as_text(sample.get("extracted")),
        "error": _failure(sample.get("error")),
        "verdict": _further(sample.get("further") or ()),
        "measured": "yes" if "measured" in reply else "",
    }
    return Shown(
        place=place,
        record=record,
        messages=_messages(sample),
        texts={name: texts.cut(text, TEXT_LIMIT) for name, text in kept.items() if text},
    )


def _pictures(sample: Mapping[str, Any]) -> dict[str, list[str]]:
    """The thumbnails of its pictures; only such addresses get into the page."""
    found = [
        picture.get("thumbnail") for picture in sample.get("pictures") or () if isinstance(picture, Mapping)
    ]
    shown = [text for text in found if isinstance(text, str) and _THUMBNAIL.fullmatch(text)]
    return {"pictures": shown} if shown else {}


def reply_length(sample: Mapping[str, Any]) -> int:
    """Completion tokens where the server counted them, else characters."""
    tokens = (sample.get("usage") or {}).get("completion_tokens")
    return int(tokens) if tokens is not None else len((sample.get("reply") or {}).get("text") or "")


@dataclass
class _Drawn:
    """The kept samples of one group: those with the smallest draws, the largest draw on top."""

    heap: list[tuple[int, int, Shown]] = field(default_factory=list)
    below: int = 2**64
    """Once a sample was given up, only smaller draws than its are taken, which keeps the draw fair."""


class Excerpt:
    """Takes samples one by one and keeps at most `limit` of them, by the rules in the module's docstring."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self.limit = max(0, limit)
        self.seen = 0
        self.seen_apart = 0
        self._metrics = metrics
        self._groups: dict[Group, _Drawn] = {}
        self._kept = {True: 0, False: 0}

    def add(self, sample: Mapping[str, Any]) -> None:
        """Offers a sample; what is over the limit is given up at once."""
        place = self.seen
        self.seen += 1
        apart = is_set_apart(sample)
        self.seen_apart += apart
        variant, dataset, subset = (str(sample.get(name, "")) for name in ("variant", "dataset", "subset"))
        drawn = self._groups.setdefault((apart, variant, dataset, subset), _Drawn())
        asked = f"{dataset}\0{subset}\0{sample.get('id')}".encode("utf-8", "replace")
        draw = int.from_bytes(blake2b(asked, digest_size=8).digest(), "big")
        if draw >= drawn.below:
            return
        shown = show(sample, place, self._metrics.get((variant, dataset), {}))
        heapq.heappush(drawn.heap, (-draw, place, shown))
        self._kept[apart] += 1
        self._give_up()

    def shrink(self, limit: int) -> None:
        """Keeps at most `limit`, by the same rules."""
        self.limit = max(0, limit)
        self._give_up()

    def _give_up(self) -> None:
        while len(self) > self.limit:
            apart = self._kept[True] > self.limit / 2 or not self._kept[False]
            if apart and self._kept[False] > self.limit / 2:
                apart = False
            fullest = max(
                (g for k, g in self._groups.items() if k[0] == apart), key=lambda group: len(group.heap)
            )
            fullest.below = -heapq.heappop(fullest.heap)[0]
            self._kept[apart] -= 1

    def __len__(self) -> int:
        return self._kept[True] + self._kept[False]

    @property
    def kept_apart(self) -> int:
        """How many of the kept ones are set apart."""
        return self._kept[True]

    def samples(self) -> list[Shown]:
        """The kept ones, in the order they came."""
        return sorted(
            (item[2] for group in self._groups.values() for item in group.heap), key=lambda s: s.place
        )

    def sentence(self) -> str:
        """How many of how many samples are here, and how they were chosen."""
        if len(self) == self.seen:
            return f"All {numbers.counted(self.seen, 'sample')} of the run." if self.seen > 1 else ""
        count = numbers.format_count
        every = "all " if self.kept_apart == self.seen_apart else f"{count(self.kept_apart)} of the "
        apart = (
            f"{every}{count(self.seen_apart)} that ended unparsed, truncated or in an error, and "
            if self.seen_apart
            else ""
        )
        return (
            f"Showing {count(len(self))} of {count(self.seen)} samples: {apart}an even share of every subset, "
            "the same questions for every variant. The rest is in samples.jsonl."
        )


def pack(samples: Iterable[Shown]) -> str:
    """The explorer's data as JSON text. A message that many samples share, as a few-shot example, stands once."""
    table: dict[tuple[str, texts.Text], int] = {}
    rows = []
    for sample in samples:
        indices = [table.setdefault(message, len(table)) for message in sample.messages]
        kept = {name: _plain(text) for name, text in sample.texts.items()}
        rows.append({**sample.record, **kept, "messages": indices})
    return texts.dump({"messages": [[role, _plain(text)] for role, text in table], "samples": rows})


def _plain(text: texts.Text) -> str | list[str | int]:
    """A cut text as a list, which the JSON encoder takes without looking for a reason."""
    return text if isinstance(text, str) else list(text)


def pack_within(excerpt: Excerpt, most: int = PAGE_CHARACTERS) -> tuple[str, int]:
    """The data in at most `most` characters, and the length its texts were cut to.

    Texts are cut shorter first; where that is not enough, fewer samples are kept.
    """
    for limit in TEXT_LIMITS:
        packed = pack(sample if limit == TEXT_LIMIT else sample.cut(limit) for sample in excerpt.samples())
        if len(packed) <= most:
            return packed, limit
    while len(packed) > most and len(excerpt) > 1:
        excerpt.shrink(len(excerpt) // 2)
        packed = pack(sample.cut(TEXT_LIMITS[-1]) for sample in excerpt.samples())
    return packed, TEXT_LIMITS[-1]
