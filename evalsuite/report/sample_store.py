"""All samples of a page as compressed data inside it, so that a long run stays one file and the tab stays quick.

    {"baseline", "aliases": {dataset: what the baseline calls it}, "variants": how many,
     "sort": how the list begins, "metrics": {dataset: [[name, unit, whether higher is better], …]},
     "index": "…", "starts": [first sample of each chunk], "chunks": ["…"]}

`index` and each of `chunks` are JSON, deflated (raw) and in base64. The index has a list for each field of
`samples.SampleEntry`, an item a sample, in the journal's order. A chunk has the bodies of some samples and the messages they
share: {"messages": [[role, text], …], "samples": [{…, "messages": [number, …]}]}. A text is a string or [beginning, end,
characters left out].

Where there are more samples than the limit, or more characters, the page shows some of the questions: see `choosing`.
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

Read: TypeAlias = Callable[[], Iterable[Mapping[str, Any]]]
"""Reads all samples once more."""

MOST_SAMPLES = 100_000
"""The explorer of so many opens within a second; twice 50,000 rows."""

PAGE_CHARACTERS = 16_000_000
"""A report is mailed as one file; servers refuse some 25 MB, and mail encoding adds a third."""

CHUNK_BYTES = 120_000
"""Of JSON before it is deflated: some milliseconds to open, and large enough to be deflated well."""

LEVEL = 5
"""Of zlib: a tenth larger than its best, in a quarter of the time."""


TEXT_SHARE = 0.9
"""Of the samples whose texts filled a page, so many are chosen: bad ones may be longer."""


class SampleStore:
    """Takes samples one by one and holds them deflated; `metrics` by (variant, dataset).

    `baseline` is the variant the others are held against; `aliases` are other names of its datasets. Samples that do not
    fit are seen, and `fit` is the pack that has some of them.
    """

    def __init__(
        self,
        metrics: Mapping[tuple[str, str], Metrics],
        limit: int = MOST_SAMPLES,
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
        self._choice: QuestionSelection | None = None
        self._room: int | None = None
        """For how many samples there is room, once there were too many."""
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

    def add(self, sample: Mapping[str, Any]) -> None:
        """Takes a journal line, if it is one of those that are chosen."""
        entry = self._entry_of(sample)
        if self._choice is None:
            self.seen += 1
        elif self._number_of(entry) not in self._choice:
            return
        if self._room is None:
            self._put(entry, sample_body(sample), sample_messages(sample))
            if len(self._entries) > self.limit or self._characters > PAGE_CHARACTERS:
                self._drop_texts()
        elif self._questions is not None:
            self._questions.add(self._number_of(entry), entry)

    def _entry_of(self, sample: Mapping[str, Any]) -> SampleEntry:
        place = sample.get("variant", ""), sample.get("dataset", "")
        return sample_entry(sample, self._primary.get(place, {}))

    def _drop_texts(self) -> None:
        """Lets go of all texts; which samples stay is decided once all are known."""
        texts_fill_it = self._characters > PAGE_CHARACTERS
        self._room = int(TEXT_SHARE * len(self._entries)) if texts_fill_it else self.limit
        if self._choice is None:
            self._questions = self._no_questions()
            for entry in self._entries:
                self._questions.add(self._number_of(entry), entry)
        self._clear()

    def _no_questions(self) -> QuestionIndex:
        from evalsuite.report.sample_selection import QuestionIndex  # for large runs alone

        return QuestionIndex(several=len({variant for variant, _ in self._metrics}) > 1)

    def _number_of(self, entry: SampleEntry) -> int:
        """The same for what all variants were asked."""
        names = (self._aliases.get(name, name) for name in (entry.dataset, entry.subset))
        return short_hash("\0".join((*names, entry.id)))

    def fit(self, read: Read) -> SampleStore:
        """This pack, or, where not all samples fitted, one with those chosen of all that `read` gives."""
        pack = self
        while pack._room is not None:
            pack = pack._chosen_from(pack._questions or self._all_questions(read), pack._room)
            self._questions = None  # as large as all that is chosen
            for sample in read():
                pack.add(sample)
        return pack

    def _all_questions(self, read: Read) -> QuestionIndex:
        """Once more, where the texts of those that were chosen first turned out too long."""
        questions = self._no_questions()
        for sample in read():
            entry = self._entry_of(sample)
            questions.add(self._number_of(entry), entry)
        return questions

    def _chosen_from(self, questions: QuestionIndex, room: int) -> SampleStore:
        from evalsuite.report.sample_selection import QuestionSelection

        chosen = SampleStore(self._metrics, room, baseline=self.baseline, aliases=self._aliases)
        chosen.seen = self.seen
        chosen._choice = QuestionSelection(questions, room)
        return chosen

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
            self._written.append(texts.dump_bytes([message[0], texts.plain(message[1])]))
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
        """The samples that are here, in the journal's order."""
        return self._entries

    def primary(self, entry: SampleEntry) -> Mapping[str, Any]:
        """The metric a sample is judged by."""
        return self._primary.get((entry.variant, entry.dataset), {})

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[SampleEntry, dict[str, Any], list[Message]]]:
        """Some of `entries` by their number, each with its body and its messages."""
        self._close()
        for number in numbers:
            chunk = bisect_right(self._starts, number) - 1
            opened = inflate(self._chunks[chunk])
            body = opened["samples"][number - self._starts[chunk]]
            yield self._entries[number], body, [_message(*opened["messages"][at]) for at in body["messages"]]

    def data(self) -> str:
        """The JSON text; empty without samples."""
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
                "variants": len(self.words("variant")),
                "sort": "worst" if self._choice else "",
                "metrics": metrics,
                "index": deflate(texts.dump_bytes(self._columns())),
                "starts": self._starts,
                "chunks": self._chunks,
            }
        )

    def _columns(self) -> dict[str, tuple[Any, ...]]:
        return dict(zip(SampleEntry._fields, zip(*self._entries, strict=True), strict=True))

    def words(self, column: str) -> list[str]:
        """What occurs in a column of words, in the order of the journal."""
        place = SampleEntry._fields.index(column)
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
        return f"Showing {count(len(self))} of {count(self.seen)} samples. {self.chosen()} The rest is in samples.jsonl."

    def chosen(self) -> str:
        """Which samples are here, in a sentence; empty where all are."""
        return self._choice.words() if self._choice else ""


def deflate(content: bytes) -> str:
    """Raw deflate, in base64."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(packer.compress(content) + packer.flush()).decode("ascii")


def inflate(content: str) -> Any:
    """The JSON value that `deflate` holds."""
    import orjson

    return orjson.loads(zlib.decompress(base64.b64decode(content), -zlib.MAX_WBITS))


def _described(name: str, metric: Mapping[str, Any]) -> tuple[str, Any, bool]:
    return name, metric.get("unit"), metric.get("higher_is_better") is not False


def _message(role: str, text: Any) -> Message:
    return role, texts.Cut(*text) if isinstance(text, list) else text
