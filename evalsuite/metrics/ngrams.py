"""Counts the n-grams that two sequences share, with multiplicity.

This is the numerator of ROUGE-N (words), BLEU (words) and chrF (characters). A sequence is given as codes: equal
items have equal numbers.

One sort finds the matches of all orders at once. Every position becomes one integer that holds the codes from there on,
so equal n-grams are adjacent after sorting. This is about ten times as fast as counting n-grams one by one, and exact:
nothing is hashed or rounded.
"""

from __future__ import annotations

import sys
from array import array
from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers: TypeAlias = NDArray[np.integer[Any]]

Codes: TypeAlias = "array[int]"

_NATIVE_UTF_32 = f"utf-32-{sys.byteorder[0]}e"
_KEY_BITS = 62
"""Bits of a position's integer: 64, less the sign and the bit that says which sequence it belongs to."""


def word_codes(*texts: Sequence[str]) -> tuple[Codes, ...]:
    """Return each list of words as codes; equal words have equal codes in all of them.

    >>> [list(codes) for codes in word_codes(["the", "cat", "the"], ["a", "cat"])]
    [[0, 1, 0], [2, 1]]
    """
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    return tuple(array("I", map(numbers.__getitem__, words)) for words in texts)


def character_codes(text: str) -> Codes:
    """Return a text's code points, lone surrogates included."""
    codes = array("I")
    codes.frombytes(text.encode(_NATIVE_UTF_32, "surrogatepass"))
    return codes


def count_matching_ngrams(first: Codes, second: Codes, highest: int) -> tuple[int, ...]:
    """Return, for each order from 1 to `highest`, how many n-grams both sequences have, counted with multiplicity.

    The order of the two does not matter. Costs one sort of all positions; long sequences of very many different
    items take a sort for every few orders.

    >>> count_matching_ngrams(character_codes("abab"), character_codes("babb"), 3)
    (3, 2, 1)
    """
    import numpy as np

    if not first or not second:
        return (0,) * highest
    items, bits = _fitting_codes(first, second, highest)
    # Codes begin at 2. The padding after each sequence is 1 or 0, so nothing matches there.
    second_from = len(first) + highest - 1
    size = second_from + len(second)
    padded = np.zeros(size + highest - 1, np.int64)
    np.add(items[: len(first)], 2, out=padded[: len(first)])
    padded[len(first) : second_from] = 1
    np.add(items[len(first) :], 2, out=padded[second_from:size])
    matches: list[int] = []
    keys: Integers = np.zeros(size, np.int64)
    key_bits = 0
    while True:
        orders = min(highest - len(matches), (_KEY_BITS - key_bits) // bits)
        for order in range(len(matches), len(matches) + orders):
            keys <<= bits
            keys |= padded[order : order + size]
        is_last = len(matches) + orders == highest
        matches += _matches(keys if is_last else keys.copy(), second_from, orders, bits)
        if is_last:
            return tuple(matches)
        # Equal prefixes get one small number, to which the next orders are added.
        keys = np.unique(keys, return_inverse=True)[1].astype(np.int64)
        key_bits = int(keys.max()).bit_length()


def _fitting_codes(first: Codes, second: Codes, highest: int) -> tuple[Integers, int]:
    """Return the codes of both, renumbered if an n-gram would not fit one key, and the bits of a code."""
    import numpy as np

    items: Integers = np.frombuffer(first + second, dtype=np.uint32)
    bits = (int(np.maximum.reduce(items)) + 2).bit_length()
    if bits * highest > _KEY_BITS:
        items = np.unique(items, return_inverse=True)[1]
        bits = (int(np.maximum.reduce(items)) + 2).bit_length()
    return items, bits


def _matches(keys: Integers, second_from: int, orders: int, bits: int) -> list[int]:
    """Return the matches of the last `orders` orders. Overwrites `keys`.

    Positions from `second_from` on are the second sequence's. Few and small steps: most pairs are short, and their
    time is that of calling numpy.
    """
    import numpy as np

    keys <<= 1
    keys[second_from:] |= 1
    keys.sort()
    seconds = np.zeros(len(keys) + 1, np.int64)
    (keys & 1).cumsum(out=seconds[1:])
    keys >>= 1
    differences = keys[1:] ^ keys[:-1]
    is_edge = np.ones(len(keys) + 1, np.bool_)
    inner_edges = is_edge[1:-1]
    found = []
    for longer in range(orders - 1, -1, -1):
        np.greater_equal(differences, 1 << bits * longer, out=inner_edges)
        edges = is_edge.nonzero()[0]
        before = seconds[edges]
        edges -= before
        of_first, of_second = edges[1:] - edges[:-1], before[1:] - before[:-1]
        found.append(int(np.add.reduce(np.minimum(of_first, of_second))))
    return found
