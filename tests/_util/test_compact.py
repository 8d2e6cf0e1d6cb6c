"""Sets, tables and collections in little memory do what Python's own do."""

from __future__ import annotations

import tracemalloc
from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from evalsuite._util.compact import CompactValues, HashSet, HashTable, OffsetSet, short_hash

HASHES = st.integers(0, 2**64 - 1) | st.integers(0, 7)
MANY = 200_000


@given(st.lists(HASHES))
def test_hash_set_add_is_true_once(hashes: list[int]) -> None:
    compact, plain = HashSet(), set[int]()
    for number in hashes:
        assert compact.add(number) == (number not in plain)
        plain.add(number)


@given(st.lists(st.tuples(HASHES, st.integers(0, 2**63) | st.none())))
def test_hash_table_take_returns_first_in_first(steps: list[tuple[int, int | None]]) -> None:
    compact, plain = HashTable(), defaultdict[int, list[int]](list)
    for number, value in steps:
        if value is None:
            assert compact.take(number) == (plain[number].pop(0) if plain[number] else None)
        else:
            compact.put(number, value)
            plain[number].append(value)
    left = [value for values in plain.values() for value in values]
    assert sorted(compact.values()) == sorted(left)
    assert bool(compact) == bool(left)


@given(st.lists(st.integers(0, 2**40) | st.integers(65_530, 65_540)), st.lists(st.integers(65_530, 65_540)))
def test_offset_set_equals_a_python_set(offsets: list[int], others: list[int]) -> None:
    compact = OffsetSet(offsets)
    assert sorted(compact) == sorted(set(offsets))
    assert len(compact) == len(set(offsets))
    assert [offset in compact for offset in others] == [offset in offsets for offset in others]


@given(
    st.lists(st.floats(allow_nan=False, width=16)),
    st.lists(st.sampled_from([0.0, 0.5, 1.0])),
    st.integers(0, 4),
)
def test_compact_values_keep_every_value(first: list[float], second: list[float], most: int) -> None:
    values, more = CompactValues(most), CompactValues(most)
    for value in first:
        values.append(value)
    for value in second:
        more.append(value)
    values.extend(more)
    assert Counter(values) == Counter(first + second)
    assert len(values) == len(first + second)
    assert all(value in values for value in first)
    assert len(values.counted) <= most


def test_million_entries_take_few_megabytes() -> None:
    def bytes_each(build: object) -> float:
        tracemalloc.start()
        kept = build()  # type: ignore[operator]
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert kept is not None
        return taken / MANY

    def hashes() -> HashTable:
        table = HashTable()
        for number in range(MANY):
            table.put(short_hash(str(number)), number * 700)
        return table

    def offsets() -> OffsetSet:
        return OffsetSet(range(0, MANY * 700, 700))

    def scores() -> CompactValues:
        values = CompactValues()
        for number in range(MANY):
            values.append(number % 2)
        return values

    assert bytes_each(hashes) < 50  # of it 30 for the many short arrays, which no longer grow in number
    assert bytes_each(offsets) < 8
    assert bytes_each(scores) < 0.1
