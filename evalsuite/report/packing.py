"""All samples of a page as compressed data inside it, so that a long run stays one file and the tab stays quick.

    {"baseline", "aliases": {dataset: what the baseline calls it}, "variants": how many,
     "metrics": {dataset: [[name, unit, whether higher is better], …]},
     "index": "…", "starts": [first sample of each chunk], "chunks": ["…"]}

`index` and each of `chunks` are JSON, deflated (raw) and in base64. The index has a list for each field of
`samples.Entry`, an item a sample, in the journal's order. A chunk has the bodies of some samples and the messages they
share: {"messages": [[role, text], …], "samples": [{…, "messages": [number, …]}]}. A text is a string or [beginning, end,
characters left out].

A page of more samples than the limit, or of more characters, is thinned: the same questions stay for every variant,
drawn by a hash of dataset, subset and id, so that rendering twice shows the same. Samples set apart (unparsed, truncated,
error) are thinned only once they fill half the page.
"""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from evalsuite.report import numbers, texts
from evalsuite.report.samples import Entry, Message, Metrics, body_of, entry_of, messages_of

MOST_SAMPLES = 100_000
"""The explorer of so many opens within a second; twice 50,000 rows."""

PAGE_CHARACTERS = 16_000_000
"""A report is mailed as one file; servers refuse some 25 MB, and mail encoding adds a third."""

CHUNK_BYTES = 120_000
"""Of JSON before it is deflated: some milliseconds to open, and large enough to be deflated well."""

LEVEL = 5
"""Of zlib: a tenth larger than its best, in a quarter of the time."""


class Pack:
    """Takes samples one by one and holds them deflated; `metrics` by (variant, dataset)."""

    def __init__(self, metrics: Mapping[tuple[str, str], Metrics], limit: int = MOST_SAMPLES) -> None:
        self.limit = max(0, limit)
        self.seen = 0
        self.seen_apart = 0
        self._metrics = metrics
        self._primary = {place: next(iter(found.values()), {}) for place, found in metrics.items()}
        self._most_characters = PAGE_CHARACTERS
        self._share = {True: 1.0, False: 1.0}
        self._clear()

    def _clear(self) -> None:
        self._entries: list[Entry] = []
        self._starts: list[int] = []
        self._chunks: list[str] = []
        self._characters = 0
        self._apart = 0
        self._open()

    def _open(self) -> None:
        self._messages: dict[Message, int] = {}
        self._written: list[bytes] = []
        self._bodies: list[bytes] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, sample: Mapping[str, Any]) -> None:
        """Takes a journal line, unless the draw leaves it out."""
        place = sample.get("variant", ""), sample.get("dataset", "")
        entry = entry_of(sample, self._primary.get(place, {}))
        self.seen += 1
        self.seen_apart += entry.apart
        if self._drawn(entry):
            self._put(entry, body_of(sample), messages_of(sample))
        while len(self._entries) > self.limit or self._characters > self._most_characters:
            self._thin()

    def _drawn(self, entry: Entry) -> bool:
        share = self._share[entry.apart]
        if share >= 1:
            return True
        asked = f"{entry.dataset}\0{entry.subset}\0{entry.id}".encode("utf-8", "replace")
        return int.from_bytes(blake2b(asked, digest_size=8).digest(), "big") < share * 2**64

    def _put(self, entry: Entry, body: dict[str, Any], messages: list[Message]) -> None:
        body["messages"] = [self._number(message) for message in messages]
        written = texts.dump_bytes(body)
        self._bodies.append(written)
        self._entries.append(entry)
        self._apart += entry.apart
        self._bytes += len(written)
        if self._bytes >= CHUNK_BYTES:
            self._close()

    def _number(self, message: Message) -> int:
        number = self._messages.setdefault(message, len(self._messages))
        if number == len(self._written):
            self._written.append(texts.dump_bytes([message[0], texts.plain(message[1])]))
            self._bytes += len(self._written[-1])
        return number

    def _close(self) -> None:
        if not self._bodies:
            return
        parts = b",".join(self._written), b",".join(self._bodies)
        self._starts.append(len(self._entries) - len(self._bodies))
        self._chunks.append(deflated(b'{"messages":[%b],"samples":[%b]}' % parts))
        self._characters += len(self._chunks[-1])
        self._open()

    def _thin(self) -> None:
        """Halves the share of what fills more than half the page, and draws again."""
        self._share[2 * self._apart > len(self._entries)] /= 2
        self._close()
        entries, chunks = iter(self._entries), self._chunks
        self._clear()
        for chunk in chunks:
            opened = inflated(chunk)
            table = [_message(role, text) for role, text in opened["messages"]]
            for body in opened["samples"]:
                entry = next(entries)
                if self._drawn(entry):
                    self._put(entry, body, [table[number] for number in body["messages"]])

    @property
    def entries(self) -> Sequence[Entry]:
        """The samples that are here, in the journal's order."""
        return self._entries

    def primary(self, entry: Entry) -> Mapping[str, Any]:
        """The metric a sample is judged by."""
        return self._primary.get((entry.variant, entry.dataset), {})

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[Entry, dict[str, Any], list[Message]]]:
        """Some of `entries` by their number, each with its body and its messages."""
        self._close()
        for number in numbers:
            chunk = bisect_right(self._starts, number) - 1
            opened = inflated(self._chunks[chunk])
            body = opened["samples"][number - self._starts[chunk]]
            yield self._entries[number], body, [_message(*opened["messages"][at]) for at in body["messages"]]

    def data(self, baseline: str | None = None, aliases: Mapping[str, str] = MappingProxyType({})) -> str:
        """The JSON text; empty without samples.

        `baseline` is the variant the others are held against; `aliases` are other names of its datasets.
        """
        self._close()
        if not self._entries:
            return ""
        metrics: dict[str, list[Any]] = {}
        for (_, dataset), found in self._metrics.items():
            metrics.setdefault(dataset, [_described(name, metric) for name, metric in found.items()])
        return texts.dump(
            {
                "baseline": baseline,
                "aliases": dict(aliases),
                "variants": len(self.words("variant")),
                "metrics": metrics,
                "index": deflated(texts.dump_bytes(self._columns())),
                "starts": self._starts,
                "chunks": self._chunks,
            }
        )

    def _columns(self) -> dict[str, tuple[Any, ...]]:
        return dict(zip(Entry._fields, zip(*self._entries, strict=True), strict=True))

    def words(self, column: str) -> list[str]:
        """What occurs in a column of words, in the order of the journal."""
        place = Entry._fields.index(column)
        values: list[Any] = [entry[place] for entry in self._entries]
        found = dict.fromkeys(values)
        if column in ("labels", "categories"):
            found = dict.fromkeys(word for words in found for word in words)
        return [word for word in found if word]

    def sentence(self) -> str:
        """How many of how many samples are here, and how they were chosen."""
        if len(self) == self.seen:
            return f"All {numbers.counted(self.seen, 'sample')} of the run." if self.seen > 1 else ""
        count = numbers.format_count
        every = "all " if self._apart == self.seen_apart else f"{count(self._apart)} of the "
        apart = (
            f"{every}{count(self.seen_apart)} that ended unparsed, truncated or in an error, and "
            if self.seen_apart
            else ""
        )
        return (
            f"Showing {count(len(self))} of {count(self.seen)} samples: {apart}an even draw of the others, "
            "the same questions for every variant. The rest is in samples.jsonl."
        )


def deflated(content: bytes) -> str:
    """Raw deflate, in base64."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(packer.compress(content) + packer.flush()).decode("ascii")


def inflated(content: str) -> Any:
    """The JSON value that `deflated` holds."""
    import orjson

    return orjson.loads(zlib.decompress(base64.b64decode(content), -zlib.MAX_WBITS))


def _described(name: str, metric: Mapping[str, Any]) -> tuple[str, Any, bool]:
    return name, metric.get("unit"), metric.get("higher_is_better") is not False


def _message(role: str, text: Any) -> Message:
    return role, texts.Cut(*text) if isinstance(text, list) else text
