"""How likely a model finds given texts (`perplexity`).

Column `text`; optional `id`, `subject` or `category`. Nothing is generated: the server is asked for the
log-probabilities of the text's own tokens (`endpoint.likelihood_requests`), the text as it is, without a chat template. Scores:
`evalsuite.metrics.likelihood`. Data that is only scored holds them itself: `logprobs`, a list with one number a token
(null for a first one that has none), optional `tokens` of equal length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalsuite.data.row_parser import RowError, RowFacts
from evalsuite.metrics import bleu, likelihood
from evalsuite.metrics.finite import finite
from evalsuite.tasks.base import Task
from evalsuite.tasks.capabilities import Capabilities
from evalsuite.tasks.columns import Columns, json_value, text_value
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.style import CHINESE_TRAIT, Style
from evalsuite.types import Measurement, Prompt, Reply, Score

LOGPROBS, TOKENS = "logprobs", "tokens"
LOGPROBS_FORM = "'logprobs' as a list of numbers of at most 0, the first of which may be null"
OTHER_COLUMNS = frozenset({"prompt", "question", "query", "instruction", "messages", "label", "labels"})
PROBE_TEXT = "The quick brown fox jumps over the lazy dog."
STAGE = "logprobs"
TEXT_SUMS = "text"
"""The statistics that every metric is computed from (`likelihood.TextStatistics`)."""
NO_LOGPROBS, NOTHING_SCORED = "no_logprobs", "nothing_scored"
"""Labels: the reply holds no log-probabilities; the text is one token, before which nothing stands."""
LEAST_LIKELY_COUNT = 5
"""The least likely tokens of a text, shown with it."""


@dataclass(frozen=True, slots=True)
class TextRow:
    """A text, and the subject it names itself."""

    text: str
    subject: str | None = None


class PerplexityTask(Task[TextRow]):
    """Texts, measured by the log-probabilities of their tokens."""

    kind: ClassVar[str] = "perplexity"
    columns: ClassVar[Columns] = Columns(required=("text",), optional=("id", ("subject", "category")))
    capabilities: ClassVar[Capabilities] = Capabilities(
        few_shot=None,
        flat_prompts_only=True,
        measures_texts=True,
        no_value_reason="a text of one token has nothing before it that could make it likely",
    )

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """A text, and nothing beside it that would be asked or told apart."""
        return "text" in values and not OTHER_COLUMNS & values.keys()

    def parse(self, values: Mapping[str, Any]) -> TextRow:
        """See `RowReader.parse`."""
        text = text_value(values, "text")
        if not text.strip():
            raise RowError(("the text is empty", "a text in the column 'text'"))
        return TextRow(text, text_value(values, "subject", "category").strip() or None)

    def facts(self, row: TextRow, reply: Reply | None = None) -> RowFacts:
        """Chinese words are not separated by spaces, so they are not counted."""
        return RowFacts(row.subject, traits=(CHINESE_TRAIT,) if bleu.is_mostly_chinese([row.text]) else ())

    def max_tokens(self, style: Style) -> int:
        """None is wanted; servers want to give one."""
        return 1

    def prompt(self, row: TextRow, shots: Sequence[TextRow], style: Style, subject: str) -> Prompt:
        """The text as it is."""
        return Prompt(text=row.text, measure="logprobs")

    def probe(self, style: Style) -> Prompt:
        """A sentence of several tokens."""
        return Prompt(text=PROBE_TEXT, measure="logprobs")

    def recorded_reply(self, values: Mapping[str, Any]) -> Reply | None:
        """Columns `logprobs` and `tokens`."""
        measured = recorded_logprobs(values, LOGPROBS, TOKENS)
        return Reply("", measured=measured) if measured else None

    def gold(self, row: TextRow) -> None:
        """There is no right answer."""
        return

    def score(self, row: TextRow, reply: Reply, style: Style) -> Score:
        """The text's sums, and its own perplexities for sorting."""
        names = [metric.name for metric in self.metrics(style)]
        measured = reply.measured
        if measured is None:
            return Score("unparsed", values=dict.fromkeys(names), labels=(NO_LOGPROBS,))
        found = likelihood.text_statistics(row.text, measured.tokens, measured.logprobs)
        if found is None:
            return Score("scored", None, STAGE, dict.fromkeys(names), (NOTHING_SCORED,))
        sums = found.as_tuple()
        values = {name: METRIC_FUNCTIONS[name](sums) for name in names}
        extracted = {
            "nll": round(found.nll, 4),
            "tokens": found.tokens,
            "bytes": found.bytes,
            "words": found.words,
            "least_likely": _least_likely_tokens(measured),
        }
        return Score("scored", extracted, STAGE, values, statistics={TEXT_SUMS: sums})

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """Perplexity leads; per byte compares models with different tokenizers, per word where there are spaces."""
        return tuple(
            Metric(
                name,
                unit="ratio",
                primary=name == "perplexity",
                aggregate="corpus",
                of=TEXT_SUMS,
                higher_is_better=False,
                from_statistics=compute,
                version=likelihood.VERSION,
            )
            for name, compute in METRIC_FUNCTIONS.items()
            if name != "word_perplexity" or style.data_lang != "zh"
        )


METRIC_FUNCTIONS = {
    "perplexity": likelihood.perplexity,
    "bits_per_byte": likelihood.bits_per_byte,
    "byte_perplexity": likelihood.byte_perplexity,
    "word_perplexity": likelihood.word_perplexity,
}


def recorded_logprobs(values: Mapping[str, Any], name: str, tokens_name: str = "") -> Measurement | None:
    """Log-probabilities that a column holds, with their tokens where another one does; None where it is empty.

    Raises `RowError`.
    """
    form = LOGPROBS_FORM.replace(f"'{LOGPROBS}'", f"'{name}'")
    logprobs = json_value(values, name, form)
    if logprobs is None:
        return None
    if not isinstance(logprobs, list) or not logprobs or not all(map(_is_logprob, enumerate(logprobs))):
        raise RowError((f"'{name}' is not such a list", form))
    tokens = json_value(values, tokens_name, "a list of texts") if tokens_name else None
    if tokens is not None and (not isinstance(tokens, list) or len(tokens) != len(logprobs)):
        raise RowError((f"'{tokens_name}' is not a list of as many texts", f"one token for each of '{name}'"))
    numbers = tuple(None if value is None else float(value) for value in logprobs)
    return Measurement(tuple(map(str, tokens or ())), numbers)


def _is_logprob(numbered: tuple[int, Any]) -> bool:
    place, value = numbered
    if value is None:
        return place == 0
    number = finite(value)
    return number is not None and number <= 0


def _least_likely_tokens(measured: Measurement) -> list[str]:
    """The least likely tokens with their log-probabilities, for a reader."""
    pairs = [
        (value, token)
        for token, value in zip(measured.tokens, measured.logprobs, strict=False)
        if value is not None
    ]
    return [f"{token!r} {value:.2f}" for value, token in sorted(pairs)[:LEAST_LIKELY_COUNT]]
