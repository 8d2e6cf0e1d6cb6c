r"""Computes perplexity and bits per byte from log-probabilities, and which of two answers is likelier.

**Perplexity** over many texts comes from sums, never from the mean of the texts' perplexities. Each text has four numbers
that add up (`text_statistics`): its negative log-likelihood in nats, and its numbers of tokens, bytes and words.

    perplexity         exp(nll / tokens)
    byte_perplexity    exp(nll / bytes)
    bits_per_byte      nll / (bytes · ln 2)
    word_perplexity    exp(nll / words)

Only tokens with a log-probability count. The first token has none unless the tokenizer begins a text with a special token
(`<s>`); its bytes are not counted either, if they are known. Bytes are UTF-8, words are
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
"""Perplexities are capped at e^230, about 1e100: larger ones mean nothing, and their squares would overflow."""
_WHITE_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class TextStatistics:
    """Statistics of texts that add up: nats, tokens, UTF-8 bytes and words."""

    nll: float
    tokens: int
    bytes: int
    words: int

    def as_tuple(self) -> tuple[float, ...]:
        """Return them in the order that `perplexity` and the others take."""
        return (self.nll, self.tokens, self.bytes, self.words)


def text_statistics(
    text: str, tokens: Sequence[str], logprobs: Sequence[float | None]
) -> TextStatistics | None:
    """Return the statistics of one text; None if no token, or no byte, has a log-probability.

    >>> text_statistics("a b", ["a", " b"], [None, -1.5])
    TextStatistics(nll=1.5, tokens=1, bytes=2, words=2)
    """
    scored = [value for value in logprobs if value is not None]
    count = len(text.encode("utf-8", "replace")) - _unscored_bytes(text, tokens, logprobs)
    if not scored or count <= 0:
        return None
    return TextStatistics(-math.fsum(scored), len(scored), count, len(_WHITE_SPACE.split(text)))


def _unscored_bytes(text: str, tokens: Sequence[str], logprobs: Sequence[float | None]) -> int:
    """Return the bytes of a first token without a log-probability, if the text begins with it."""
    first = tokens[0] if tokens and logprobs[0] is None else ""
    return len(first.encode("utf-8", "replace")) if text.startswith(first) else 0


def perplexity(sums: Sequence[float]) -> float:
    """Return the perplexity per token from summed statistics; at least 1."""
    return _exponential(sums[0] / sums[1])


def byte_perplexity(sums: Sequence[float]) -> float:
    """Return the perplexity per UTF-8 byte."""
    return _exponential(sums[0] / sums[2])


def bits_per_byte(sums: Sequence[float]) -> float:
    """Return log2 of the perplexity per byte: the length of the text as a code."""
    return sums[0] / sums[2] / math.log(2)


def word_perplexity(sums: Sequence[float]) -> float:
    """Return the perplexity per word; useless for languages that do not separate words by spaces."""
    return _exponential(sums[0] / sums[3])


def _exponential(exponent: float) -> float:
    return math.exp(min(exponent, MAX_EXPONENT))


def shared_prefix_length(*sequences: Sequence[str]) -> int:
    """Return the number of tokens that all the sequences begin with.

    >>> shared_prefix_length(["Paris", " is", " a"], ["Paris", " is", " in"], ["Paris", " is"])
    2
    """
    shortest = min(map(len, sequences), default=0)
    for place in range(shortest):
        if len({sequence[place] for sequence in sequences}) > 1:
            return place
    return shortest


def answer_logprob(logprobs: Sequence[float | None], start: int) -> tuple[float, int]:
    """Return an answer's log-probability in nats and its number of tokens: those from `start` on that have one."""
    scored = [value for value in logprobs[start:] if value is not None]
    return math.fsum(scored), len(scored)
