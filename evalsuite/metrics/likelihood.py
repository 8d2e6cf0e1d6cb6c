r"""What log-probabilities of a given text say: perplexity, bits per byte, and which of two answers is likelier.

**Perplexity** over many texts comes from sums, never from a mean of texts' perplexities. Of each text four numbers are
kept, which add up (`text_statistics`): its negative log-likelihood in nats, and how many tokens, bytes and words that
is of.

    perplexity         exp(nll / tokens)
    byte_perplexity    exp(nll / bytes)
    bits_per_byte      nll / (bytes · ln 2)
    word_perplexity    exp(nll / words)

Tokens are those with a log-probability. A first token has none unless the tokenizer begins a text with a token of its
own (`<s>`); then its bytes are not counted either, where they can be told. Bytes are of UTF-8, words are
`len(re.split(r"\s+", text))`: as lm-evaluation-harness counts them, where the numbers are the same if every token has a
log-probability. Per byte and per word models with different tokenizers can be compared; per token they cannot.

**Two answers** to one prompt are compared by log P(answer | prompt): the sum over the tokens from `shared_prefix_length` on,
the longest beginning that both whole texts and the prompt alone have in common. An answer may change how the end of its
prompt is cut into tokens; so both answers stay conditioned on the very same ones.

Sources: Jurafsky and Martin, Speech and Language Processing, 3.3; lm-evaluation-harness (`api/metrics.py`,
`loglikelihood_rolling`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

VERSION = "1"
MAX_EXPONENT = 230.0
"""A perplexity stops at e^230, some 1e100: beyond it nothing means anything, and squares would overflow."""
_WHITE_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class TextStatistics:
    """What adds up over texts: nats, and of how many tokens, UTF-8 bytes and words."""

    nll: float
    tokens: int
    bytes: int
    words: int

    def as_tuple(self) -> tuple[float, ...]:
        """In the order that the functions of a sum take."""
        return (self.nll, self.tokens, self.bytes, self.words)


def text_statistics(
    text: str, tokens: Sequence[str], logprobs: Sequence[float | None]
) -> TextStatistics | None:
    """The statistics of one text; None where no token, or no byte, has a log-probability.

    >>> text_statistics("a b", ["a", " b"], [None, -1.5])
    TextStatistics(nll=1.5, tokens=1, bytes=2, words=2)
    """
    scored = [value for value in logprobs if value is not None]
    count = len(text.encode("utf-8", "replace")) - _unscored_bytes(text, tokens, logprobs)
    if not scored or count <= 0:
        return None
    return TextStatistics(-math.fsum(scored), len(scored), count, len(_WHITE_SPACE.split(text)))


def _unscored_bytes(text: str, tokens: Sequence[str], logprobs: Sequence[float | None]) -> int:
    """Those of a first token without a log-probability, where the text begins with it."""
    first = tokens[0] if tokens and logprobs[0] is None else ""
    return len(first.encode("utf-8", "replace")) if text.startswith(first) else 0


def perplexity(sums: Sequence[float]) -> float:
    """Per token, of summed statistics; at least 1."""
    return _exponential(sums[0] / sums[1])


def byte_perplexity(sums: Sequence[float]) -> float:
    """Per byte of UTF-8."""
    return _exponential(sums[0] / sums[2])


def bits_per_byte(sums: Sequence[float]) -> float:
    """The same as a code length: log2 of the perplexity per byte."""
    return sums[0] / sums[2] / math.log(2)


def word_perplexity(sums: Sequence[float]) -> float:
    """Per word; of no use for languages that do not separate words by spaces."""
    return _exponential(sums[0] / sums[3])


def _exponential(exponent: float) -> float:
    return math.exp(min(exponent, MAX_EXPONENT))


def shared_prefix_length(*sequences: Sequence[str]) -> int:
    """How many tokens all the sequences begin with.

    >>> shared_prefix_length(["Paris", " is", " a"], ["Paris", " is", " in"], ["Paris", " is"])
    2
    """
    shortest = min(map(len, sequences), default=0)
    for place in range(shortest):
        if len({sequence[place] for sequence in sequences}) > 1:
            return place
    return shortest


def answer_logprob(logprobs: Sequence[float | None], start: int) -> tuple[float, int]:
    """The log-probability of an answer, in nats, and of how many tokens: those from `start` on that have one."""
    scored = [value for value in logprobs[start:] if value is not None]
    return math.fsum(scored), len(scored)
