"""Many numbers in ten bytes each or fewer, where a set or a dict of Python's takes a hundred.

What has to be remembered of every row of a large run is held in these: which ids and which samples were met, where the
lines of a journal begin, what was scored. Hashes and offsets are dealt out to many short arrays, which are searched from
end to end: a microsecond among a million.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain, repeat

_HASH_BITS = 64
_GROUP_BITS = 14
"""Of a hash: a million of them make 16,384 arrays of sixty."""
_BLOCK_BITS = 16
"""Of an offset: what is left of it fits two bytes."""
MAX_COUNTED = 32
"""Right and wrong, tenths, parts of a few steps: so many different scores are common, more are not."""


def short_hash(text: str) -> int:
    """64 bits that stand for a text; among a million texts a clash is less likely than a disk error."""
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BITS // 8).digest(), "big"
    )


class HashSet:
    """A set of 64-bit hashes, which only grows."""

    def __init__(self) -> None:
        self._groups: dict[int, array[int]] = {}

    def add(self, number: int) -> bool:
        """Whether it is new."""
        group = self._groups.setdefault(number >> (_HASH_BITS - _GROUP_BITS), array("Q"))
        if number in group:
            return False
        group.append(number)
        return True


class HashTable:
    """64-bit hashes with a whole number each; of a hash that was put in several times, first in is first out."""

    def __init__(self) -> None:
        self._groups: dict[int, tuple[array[int], array[int]]] = {}

    def __bool__(self) -> bool:
        return any(hashes for hashes, _ in self._groups.values())

    def put(self, number: int, value: int) -> None:
        """Remember a value (from 0)."""
        hashes, values = self._groups.setdefault(
            number >> (_HASH_BITS - _GROUP_BITS), (array("Q"), array("Q"))
        )
        hashes.append(number)
        values.append(value)

    def take(self, number: int) -> int | None:
        """A value of that hash, which is forgotten; None when there is none (left)."""
        group = self._groups.get(number >> (_HASH_BITS - _GROUP_BITS))
        if group is None or number not in group[0]:
            return None
        hashes, values = group
        place = hashes.index(number)
        del hashes[place]
        return values.pop(place)

    def values(self) -> Iterator[int]:
        """What was not taken, in no order."""
        for _, values in self._groups.values():
            yield from values


class OffsetSet:
    """A set of offsets in a file: those of its lines, two bytes each."""

    def __init__(self, offsets: Iterable[int] = ()) -> None:
        self._blocks: dict[int, array[int]] = {}
        self.update(offsets)

    def add(self, offset: int) -> None:
        """Remember an offset."""
        if offset not in self:
            block = self._blocks.setdefault(offset >> _BLOCK_BITS, array("H"))
            block.append(offset & ((1 << _BLOCK_BITS) - 1))

    def update(self, offsets: Iterable[int]) -> None:
        """Remember several."""
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
    """Numbers, of which the order is not kept: how often each occurred, or, where too many differ, one by one."""

    most: int = MAX_COUNTED
    """Different values that are counted; those further ones are listed."""
    counted: dict[float, int] = field(default_factory=dict)
    listed: array[float] = field(default_factory=lambda: array("d"))

    def append(self, value: float) -> None:
        """Take one more."""
        counted = self.counted
        if value in counted:
            counted[value] += 1
        elif len(counted) < self.most:
            counted[float(value)] = 1
        else:
            self.listed.append(value)

    def extend(self, other: CompactValues) -> None:
        """Take all of another's."""
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
