"""How likely a model finds given texts (`perplexity`).

Column `text`; optional `id`, `subject` or `category`. Nothing is generated: the server gives the log-probabilities of
the text's own tokens (`endpoint.likelihood_requests`). The text is sent as it is, without a chat template. Scores:
`evalsuite.metrics.likelihood`.

For `evalsuite score`, the column `logprobs` holds a list with one number per token (null for a first token without
one), and the optional column `tokens` a list of the same length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
"""Name of the statistics that every metric is computed from (`likelihood.TextStatistics`)."""
NO_LOGPROBS, NOTHING_SCORED = "no_logprobs", "nothing_scored"
"""Labels: the reply has no log-probabilities; the text is a single token, so nothing precedes it."""
LEAST_LIKELY_COUNT = 5
"""How many of a text's least likely tokens the report shows."""


@dataclass(frozen=True, slots=True)
class TextRow:
    """A text and its subject, if it names one."""

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
        no_value_reason="a text of one token has no earlier token that could make it likely",
    )

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """A text, without columns that belong to a question or a label."""
        return "text" in values and not OTHER_COLUMNS & values.keys()

    def parse(self, values: Mapping[str, Any]) -> TextRow:
        """See `RowReader.parse`."""
        text = text_value(values, "text")
        if not text.strip():
            raise RowError(("the text is empty", "a text in the column 'text'"))
        return TextRow(text, text_value(values, "subject", "category").strip() or None)

    def facts(self, row: TextRow) -> RowFacts:
        """The subject is the column `subject`, else `category`."""
        return RowFacts(row.subject)

    def traits(self, row: TextRow, reply: Reply | None = None) -> Iterable[str]:
        """Chinese words are not separated by spaces, so they are not counted."""
        return (CHINESE_TRAIT,) if bleu.is_mostly_chinese([row.text]) else ()

    def max_tokens(self, style: Style) -> int:
        """No token is needed, but servers generate at least one."""
        return 1

    def prompt(self, row: TextRow, shots: Sequence[TextRow], style: Style, subject: str) -> Prompt:
        """The text as it is."""
        return Prompt(text=row.text, measure="logprobs")

    def probe(self, style: Style) -> Prompt:
        """A sentence of several tokens."""
        return Prompt(text=PROBE_TEXT, measure="logprobs")

    def recorded_reply(self, values: Mapping[str, Any]) -> Reply | None:
        """The columns `logprobs` and `tokens`."""
        measured = recorded_logprobs(values, LOGPROBS, TOKENS)
        return Reply("", measured=measured) if measured else None

    def gold(self, row: TextRow) -> None:
        """There is no right answer."""
        return

    def score(self, row: TextRow, reply: Reply, style: Style) -> Score:
        """The sums of the text, and its own perplexities for sorting."""
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
        """Perplexity per token comes first; values per byte compare models with different tokenizers."""
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
    """The log-probabilities in the column `name`, with the tokens in `tokens_name`; None if it is empty.

    Raises `RowError`.
    """
    form = LOGPROBS_FORM.replace(f"'{LOGPROBS}'", f"'{name}'")
    logprobs = json_value(values, name, form)
    if logprobs is None:
        return None
    if not isinstance(logprobs, list) or not logprobs or not all(map(_is_logprob, enumerate(logprobs))):
        raise RowError((f"'{name}' is not a list of log-probabilities", form))
    tokens = json_value(values, tokens_name, "a list of texts") if tokens_name else None
    if tokens is not None and (not isinstance(tokens, list) or len(tokens) != len(logprobs)):
        raise RowError(
            (
                f"'{tokens_name}' is not a list of the same length as '{name}'",
                f"one token for each of '{name}'",
            )
        )
    numbers = tuple(None if value is None else float(value) for value in logprobs)
    return Measurement(tuple(map(str, tokens or ())), numbers)


def _is_logprob(numbered: tuple[int, Any]) -> bool:
    place, value = numbered
    if value is None:
        return place == 0
    number = finite(value)
    return number is not None and number <= 0


def _least_likely_tokens(measured: Measurement) -> list[str]:
    """The least likely tokens with their log-probabilities, as text."""
    pairs = [
        (value, token)
        for token, value in zip(measured.tokens, measured.logprobs, strict=False)
        if value is not None
    ]
    return [f"{token!r} {value:.2f}" for value, token in sorted(pairs)[:LEAST_LIKELY_COUNT]]
