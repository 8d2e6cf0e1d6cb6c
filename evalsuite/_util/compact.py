"""Collections of many numbers that take at most ten bytes each, where a Python set or dict takes a hundred.

They hold what a large run remembers of every row: ids and samples seen, where journal lines begin, scores. Hashes and
offsets are distributed over many short arrays that are searched linearly, which takes a microsecond among a million.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain, repeat

_HASH_BITS = 64
_GROUP_BITS = 14
"""Leading bits of a hash that choose its array: a million hashes make 16,384 arrays of sixty."""
_BLOCK_BITS = 16
"""Low bits of an offset that are stored; they fit two bytes."""
MAX_COUNTED = 32
"""Distinct values that are counted. Common scores (right or wrong, tenths, shares of a few steps) have fewer."""


def short_hash(text: str) -> int:
    """Hash a text to 64 bits; a collision among a million texts is less likely than a disk error."""
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BITS // 8).digest(), "big"
    )


class HashSet:
    """A set of 64-bit hashes that only grows."""

    def __init__(self) -> None:
        self._groups: dict[int, array[int]] = {}

    def add(self, number: int) -> bool:
        """Add a hash; returns whether it is new."""
        group = self._groups.setdefault(number >> (_HASH_BITS - _GROUP_BITS), array("Q"))
        if number in group:
            return False
        group.append(number)
        return True


class HashTable:
    """A table from 64-bit hashes to whole numbers. A hash may have several; the first in is the first out."""

    def __init__(self) -> None:
        self._groups: dict[int, tuple[array[int], array[int]]] = {}

    def __bool__(self) -> bool:
        return any(hashes for hashes, _ in self._groups.values())

    def put(self, number: int, value: int) -> None:
        """Add a value, which is at least 0, under a hash."""
        hashes, values = self._groups.setdefault(
            number >> (_HASH_BITS - _GROUP_BITS), (array("Q"), array("Q"))
        )
        hashes.append(number)
        values.append(value)

    def take(self, number: int) -> int | None:
        """Remove and return a value of a hash; None when none is left."""
        group = self._groups.get(number >> (_HASH_BITS - _GROUP_BITS))
        if group is None or number not in group[0]:
            return None
        hashes, values = group
        place = hashes.index(number)
        del hashes[place]
        return values.pop(place)

    def values(self) -> Iterator[int]:
        """Yield the values that were not taken, in no order."""
        for _, values in self._groups.values():
            yield from values


class OffsetSet:
    """A set of line offsets in a file, at two bytes each."""

    def __init__(self, offsets: Iterable[int] = ()) -> None:
        self._blocks: dict[int, array[int]] = {}
        self.update(offsets)

    def add(self, offset: int) -> None:
        """Add an offset."""
        if offset not in self:
            block = self._blocks.setdefault(offset >> _BLOCK_BITS, array("H"))
            block.append(offset & ((1 << _BLOCK_BITS) - 1))

    def update(self, offsets: Iterable[int]) -> None:
        """Add several offsets."""
        for offset in offsets:
            self.add(offset)

    def __contains__(self, offset: int) -> bool:
        block = self._blocks.get(offset >> _BLOCK_BITS)
        return block is not None and offset & ((1 << _BLOCK_BITS) - 1) in block

    def __iter__(self) -> Iterator[int]:
        for high, block in self._blocks.items():
            yield from ((high << _BLOCK_BITS) + low for low in block)

    def __len__(self) -> int:
        return sum(map(len, self._blocks.values()))


@dataclass(slots=True)
class CompactValues(Collection[float]):
    """A collection of numbers without order: each distinct value with its count or, beyond `most` of them, one by one."""

    most: int = MAX_COUNTED
    """How many distinct values are counted; later ones are listed."""
    counted: dict[float, int] = field(default_factory=dict)
    listed: array[float] = field(default_factory=lambda: array("d"))

    def append(self, value: float) -> None:
        """Add a number."""
        counted = self.counted
        if value in counted:
            counted[value] += 1
        elif len(counted) < self.most:
            counted[float(value)] = 1
        else:
            self.listed.append(value)

    def extend(self, other: CompactValues) -> None:
        """Add all numbers of another collection."""
        for value, count in other.counted.items():
            if value in self.counted or len(self.counted) < self.most:
                self.counted[value] = self.counted.get(value, 0) + count
            else:
                self.listed.extend(repeat(value, count))
        self.listed.extend(other.listed)

    def __iter__(self) -> Iterator[float]:
        return chain(chain.from_iterable(repeat(*item) for item in self.counted.items()), self.listed)

    def __len__(self) -> int:
        return sum(self.counted.values()) + len(self.listed)

    def __contains__(self, value: object) -> bool:
        return value in self.counted or value in self.listed
