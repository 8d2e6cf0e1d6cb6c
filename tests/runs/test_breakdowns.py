"""Further tables: counts and means by key, in bounded memory, the same whatever the order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from evalsuite.runs.breakdowns import KEY_CHARACTERS, MAX_LISTED_LINES, MOST_LINES, BreakdownCounts
from evalsuite.tasks.metric import Breakdown

PAIRS = Breakdown("pairs", "Pairs", ("one", "other"), averages=("f1",))
DEPTH = Breakdown("depth", "Depth", ("turns",), numeric_order=True)


def keys(tables: BreakdownCounts, name: str, subset: str | None = None) -> list[tuple[list[str], int]]:
    return [(list(line.key), line.n) for line in tables.summaries(subset)[name].lines]


def test_counts_and_means_of_scores_that_apply() -> None:
    tables = BreakdownCounts([PAIRS])
    for value in (1.0, 0.0, None):
        tables.add("x", [("pairs", ("a", "b"))], {"f1": value})
    tables.add("y", [("pairs", ("c", "d"))], {})
    assert to_builtins(tables.summaries(None)["pairs"].lines) == (
        {"key": ("a", "b"), "n": 3, "values": {"f1": {"value": 0.5, "n": 2}}},
        {"key": ("c", "d"), "n": 1, "values": {"f1": {"value": None, "n": 0}}},
    )
    assert keys(tables, "pairs", "y") == [(["c", "d"], 1)]
    assert tables.summaries("nowhere") == {}


def test_ranges_stand_in_order_others_by_how_frequent_they_are() -> None:
    tables = BreakdownCounts([DEPTH, PAIRS])
    for turns in ("10 or more", "2", "2", "2", "3–4"):
        tables.add("x", [("depth", (turns,)), ("pairs", (turns, "b"))], {})
    assert [key for (key,), _ in keys(tables, "depth")] == ["2", "3–4", "10 or more"]
    assert keys(tables, "pairs")[0] == (["2", "b"], 3)


def test_memory_is_bounded_and_nothing_is_lost_unsaid() -> None:
    tables = BreakdownCounts([PAIRS])
    many = MOST_LINES + 500
    for number in range(many):
        tables.add("x", [("pairs", (f"{number} " + "x" * 10_000, "b"))], {})
    found = tables.summaries(None)["pairs"]
    assert (len(found.lines), found.n_lines, found.n_unlisted) == (
        MAX_LISTED_LINES,
        MOST_LINES,
        many - MAX_LISTED_LINES,
    )
    assert all(len(line.key[0]) == KEY_CHARACTERS for line in found.lines)


@given(
    st.lists(st.tuples(st.sampled_from("xy"), st.sampled_from("abc"), st.sampled_from([0.0, 0.5, 1.0, None])))
)
def test_order_does_not_matter_and_subsets_add_up(samples: list[tuple[str, str, float | None]]) -> None:
    there, back = BreakdownCounts([PAIRS]), BreakdownCounts([PAIRS])
    for tables, ordered in ((there, samples), (back, samples[::-1])):
        for subset, key, value in ordered:
            tables.add(subset, [("pairs", (key, key))], {"f1": value})
    assert there.summaries(None) == back.summaries(None)
    found = there.summaries(None).get("pairs")
    assert sum(line.n for line in (found.lines if found else ())) == len(samples)
