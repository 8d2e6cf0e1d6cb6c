"""The samples of a page as compressed data inside it, so that a long run stays one file and the browser stays fast.

    {"baseline", "aliases": {dataset: name that the baseline has for it}, "variants": number of variants,
     "sort": initial order, "metrics": {dataset: [[name, unit, whether higher is better], …]},
     "index": "…", "starts": [first sample of each chunk], "chunks": ["…"]}

`index` and each of `chunks` are JSON, compressed with raw deflate and encoded in base64. The index has a list for each
field of `samples.SampleEntry`, with an item for each sample, in the order of the journal. A chunk has the bodies of some
samples and the messages they share: {"messages": [[role, text], …], "samples": [{…, "messages": [number, …]}]}. A text is a
string or [beginning, end, number of characters left out].

If there are more samples or characters than the limits, the page shows a part of the questions: see `sample_selection`.
"""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from evalsuite._util.compact import short_hash
from evalsuite.formatting import numbers, texts
from evalsuite.report.samples import Message, Metrics, SampleEntry, sample_body, sample_entry, sample_messages

if TYPE_CHECKING:
    from evalsuite.report.sample_selection import QuestionIndex, QuestionSelection
    from evalsuite.runs.schema import SampleLine

ReadSamples: TypeAlias = "Callable[[], Iterable[SampleLine]]"
"""Reads all samples once more, as journal lines."""

MAX_SAMPLES = 100_000
"""The explorer opens this many within a second: 50,000 rows of two variants."""

MAX_CHARACTERS = 16_000_000
"""A report should fit into a mail: servers refuse about 25 MB, and mail encoding adds a third."""

CHUNK_BYTES = 120_000
"""Bytes of a chunk before compression: opens in milliseconds, and is large enough to compress well."""

LEVEL = 5
"""Compression level of zlib: a tenth larger than the best one, in a quarter of the time."""


TEXT_SHARE = 0.9
"""If texts filled a page, this share of its samples is selected: the selected ones may be longer."""


class SampleStore:
    """Collects samples one by one and keeps them compressed. `metrics` are by (variant, dataset).

    `baseline` is the variant that the others are compared with; `aliases` are other names of its datasets. Samples that
    do not fit are counted only. `fit` then returns a store with a selection of them.
    """

    def __init__(
        self,
        metrics: Mapping[tuple[str, str], Metrics],
        limit: int = MAX_SAMPLES,
        *,
        baseline: str | None = None,
        aliases: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.limit = max(0, limit)
        self.seen = 0
        self._metrics = metrics
        self._primary = {place: next(iter(found.values()), {}) for place, found in metrics.items()}
        self.baseline = baseline
        self._aliases = aliases
        self._questions: QuestionIndex | None = None
        self._selection: QuestionSelection | None = None
        self._capacity: int | None = None
        """The number of samples that fit, once there were too many."""
        self._clear()

    def _clear(self) -> None:
        self._entries: list[SampleEntry] = []
        self._starts: list[int] = []
        self._chunks: list[str] = []
        self._characters = 0
        self._open()

    def _open(self) -> None:
        self._messages: dict[Message, int] = {}
        self._written: list[bytes] = []
        self._bodies: list[bytes] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, line: SampleLine) -> None:
        """Add a journal line, if it is one of the selected ones."""
        entry = self._entry_of(line)
        if self._selection is None:
            self.seen += 1
        elif self._question_hash(entry) not in self._selection:
            return
        if self._capacity is None:
            self._put(entry, sample_body(line), sample_messages(line))
            if len(self._entries) > self.limit or self._characters > MAX_CHARACTERS:
                self._drop_texts()
        elif self._questions is not None:
            self._questions.add(self._question_hash(entry), entry)

    def _entry_of(self, line: SampleLine) -> SampleEntry:
        return sample_entry(line, self._primary.get((line.variant, line.dataset), {}))

    def _drop_texts(self) -> None:
        """Drop all texts. Which samples stay is decided once all of them were seen."""
        texts_fill_it = self._characters > MAX_CHARACTERS
        self._capacity = int(TEXT_SHARE * len(self._entries)) if texts_fill_it else self.limit
        if self._selection is None:
            self._questions = self._empty_index()
            for entry in self._entries:
                self._questions.add(self._question_hash(entry), entry)
        self._clear()

    def _empty_index(self) -> QuestionIndex:
        from evalsuite.report.sample_selection import QuestionIndex  # only large runs need it

        return QuestionIndex(several=len({variant for variant, _ in self._metrics}) > 1)

    def _question_hash(self, entry: SampleEntry) -> int:
        """A hash of the question, the same for all variants."""
        names = (self._aliases.get(name, name) for name in (entry.dataset, entry.subset))
        return short_hash("\0".join((*names, entry.id)))

    def fit(self, read_samples: ReadSamples) -> SampleStore:
        """Return this store or, if not all samples fit, one with a selection of what `read_samples` yields."""
        store = self
        while store._capacity is not None:
            questions = store._questions or self._all_questions(read_samples)
            store = store._with_selection(questions, store._capacity)
            self._questions = None  # it is as large as the selection
            for line in read_samples():
                store.add(line)
        return store

    def _all_questions(self, read_samples: ReadSamples) -> QuestionIndex:
        """Index the questions once more, since the texts of the first selection were too long."""
        questions = self._empty_index()
        for line in read_samples():
            entry = self._entry_of(line)
            questions.add(self._question_hash(entry), entry)
        return questions

    def _with_selection(self, questions: QuestionIndex, capacity: int) -> SampleStore:
        from evalsuite.report.sample_selection import QuestionSelection

        store = SampleStore(self._metrics, capacity, baseline=self.baseline, aliases=self._aliases)
        store.seen = self.seen
        store._selection = QuestionSelection(questions, capacity)
        return store

    def _put(self, entry: SampleEntry, body: dict[str, Any], messages: list[Message]) -> None:
        body["messages"] = [self._number(message) for message in messages]
        written = texts.dump_bytes(body)
        self._bodies.append(written)
        self._entries.append(entry)
        self._bytes += len(written)
        if self._bytes >= CHUNK_BYTES:
            self._close()

    def _number(self, message: Message) -> int:
        number = self._messages.setdefault(message, len(self._messages))
        if number == len(self._written):
            self._written.append(texts.dump_bytes([message[0], texts.to_json(message[1])]))
            self._bytes += len(self._written[-1])
        return number

    def _close(self) -> None:
        if not self._bodies:
            return
        parts = b",".join(self._written), b",".join(self._bodies)
        self._starts.append(len(self._entries) - len(self._bodies))
        self._chunks.append(deflate(b'{"messages":[%b],"samples":[%b]}' % parts))
        self._characters += len(self._chunks[-1])
        self._open()

    @property
    def entries(self) -> Sequence[SampleEntry]:
        """The samples in the store, in the order of the journal."""
        return self._entries

    def primary(self, entry: SampleEntry) -> Mapping[str, Any]:
        """The metric that judges a sample."""
        return self._primary.get((entry.variant, entry.dataset), {})

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[SampleEntry, dict[str, Any], list[Message]]]:
        """Read some of `entries` by position, each with its body and messages."""
        self._close()
        for number in numbers:
            chunk = bisect_right(self._starts, number) - 1
            opened = inflate(self._chunks[chunk])
            body = opened["samples"][number - self._starts[chunk]]
            yield self._entries[number], body, [_message(*opened["messages"][at]) for at in body["messages"]]

    def data(self) -> str:
        """The JSON text for the page; empty without samples."""
        self._close()
        if not self._entries:
            return ""
        metrics: dict[str, list[Any]] = {}
        for (_, dataset), found in self._metrics.items():
            metrics.setdefault(dataset, [_described(name, metric) for name, metric in found.items()])
        return texts.dump(
            {
                "baseline": self.baseline,
                "aliases": dict(self._aliases),
                "variants": len(self.distinct_values("variant")),
                "sort": "worst" if self._selection else "",
                "metrics": metrics,
                "index": deflate(texts.dump_bytes(self._columns())),
                "starts": self._starts,
                "chunks": self._chunks,
            }
        )

    def _columns(self) -> dict[str, tuple[Any, ...]]:
        return dict(zip(SampleEntry._fields, zip(*self._entries, strict=True), strict=True))

    def distinct_values(self, column: str) -> list[str]:
        """The distinct values of a text column, in the order of the journal."""
        place = SampleEntry._fields.index(column)
        values: list[Any] = [entry[place] for entry in self._entries]
        found = dict.fromkeys(values)
        if column in ("labels", "categories"):
            found = dict.fromkeys(word for words in found for word in words)
        return [word for word in found if word]

    def sentence(self) -> str:
        """A sentence that says how many of all samples the store has, and how they were selected."""
        if len(self) == self.seen:
            return f"All {numbers.counted(self.seen, 'sample')} of the run." if self.seen > 1 else ""
        count = numbers.format_count
        return f"Showing {count(len(self))} of {count(self.seen)} samples. {self.selection()} The others are in samples.jsonl."

    def selection(self) -> str:
        """A sentence that says which samples were selected; empty if the store has all of them."""
        return self._selection.describe() if self._selection else ""


def deflate(content: bytes) -> str:
    """Compress with raw deflate and encode in base64."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(packer.compress(content) + packer.flush()).decode("ascii")


def inflate(content: str) -> Any:
    """Decode what `deflate` returned, as a JSON value."""
    import orjson

    return orjson.loads(zlib.decompress(base64.b64decode(content), -zlib.MAX_WBITS))


def _described(name: str, metric: Mapping[str, Any]) -> tuple[str, Any, bool]:
    return name, metric.get("unit"), metric.get("higher_is_better") is not False


def _message(role: str, text: Any) -> Message:
    return role, texts.Cut(*text) if isinstance(text, list) else text
