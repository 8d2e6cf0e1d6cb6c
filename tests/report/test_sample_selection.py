"""Which samples a page shows when not all fit, by property: random runs, any room."""

from collections import Counter, defaultdict
from typing import Any

import report_examples as examples
from hypothesis import given, settings
from hypothesis import strategies as st
from page_data import samples_of

from evalsuite._util.compact import short_hash
from evalsuite.report.run_page import render_run
from evalsuite.report.sample_selection import (
    BAD_PERCENT,
    DIFFERENT,
    LOW,
    OTHER,
    UNSCORED,
    QuestionIndex,
    QuestionSelection,
)
from evalsuite.report.samples import sample_entry

METRIC = {"name": "accuracy", "unit": "proportion", "higher_is_better": True}
VARIANTS = ("base", "sft")
outcomes = st.sampled_from(["scored"] * 12 + ["unparsed", "truncated", "error"])
scores = st.sampled_from([1.0, 1.0, 1.0, 0.0, 0.25, 0.5, 0.123456, None])
replies = st.tuples(outcomes, scores)


@st.composite
def runs(draw: Any) -> Any:
    """Journal lines of one or two variants, each in turn, on one or two datasets."""
    variants = draw(st.sampled_from([VARIANTS[:1], VARIANTS]))
    answers = draw(st.lists(st.tuples(st.sampled_from("qm"), *[replies] * len(variants)), max_size=80))
    return variants, [
        examples.sample(
            number, dataset, variant=variant, outcome=said[at][0], scores={"accuracy": said[at][1]}
        )
        for at, variant in enumerate(variants)
        for number, (dataset, *said) in enumerate(answers)
    ]


def chosen(variants: Any, lines: Any, room: Any) -> Any:
    """The questions with their replies' entries; those that are shown; the choice."""
    questions, entries = QuestionIndex(several=len(variants) > 1), defaultdict(list)
    for line in lines:
        entry = sample_entry(examples.typed(line), METRIC)
        questions.add(short_hash(f"{entry.dataset}/{entry.id}"), entry)
        entries[short_hash(f"{entry.dataset}/{entry.id}")].append(entry)
    choice = QuestionSelection(questions, room)
    return entries, {number for number in entries if number in choice}, choice


def kind_of(of_question: Any) -> Any:
    """The kind, and what puts it before others of its kind: written down once more, from the lines alone."""
    known = [entry.score for entry in of_question if entry.score is not None]
    spread = max(known) - min(known) if known else 0.0
    if any(entry.outcome != "scored" for entry in of_question):
        return UNSCORED, -spread
    if spread:
        return DIFFERENT, -spread
    return (LOW, known[0]) if known and known[0] < 1 else (OTHER, 0.0)


@given(runs(), st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_sample_selection_takes_bad_questions_until_their_share_is_used_up(run: Any, room: int) -> None:
    variants, lines = run
    entries, shown, _ = chosen(variants, lines, room)
    size = len(variants)
    assert size * len(shown) <= room
    bad = {number for number, found in entries.items() if kind_of(found)[0] != OTHER}
    left_out = len(bad - shown)
    good_ones = len(shown - bad)
    if left_out and good_ones:
        classes = len({(kind_of(entries[number])[0], entries[number][0].dataset) for number in bad})
        assert size * len(bad & shown) >= room * BAD_PERCENT / 100 - classes * size


@given(runs(), st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_sample_selection_fills_its_room(run: Any, room: int) -> None:
    variants, lines = run
    entries, shown, _ = chosen(variants, lines, room)
    size = len(variants)
    assert len(shown) >= min(len(entries), room // size - 1)  # two hashes may begin alike


@given(runs(), st.integers(4, 120))
@settings(max_examples=300, deadline=None)
def test_sample_selection_of_a_kind_and_dataset_takes_the_worst_first(run: Any, room: int) -> None:
    variants, lines = run
    entries, shown, _ = chosen(variants, lines, room)
    turns = defaultdict(list)
    for number, found in entries.items():
        kind, turn = kind_of(found)
        turns[kind, found[0].dataset].append((turn, number in shown))
    share = room * BAD_PERCENT // 100 // max(1, sum(kind != OTHER for kind, _ in turns)) // len(variants)
    for (kind, _), of_class in turns.items():
        if kind != OTHER:
            first = sorted(of_class)[: max(0, share - 1)]  # what is surely taken, but for equal turns
            latest = max((turn for turn, _ in first), default=0.0)
            assert all(is_shown for turn, is_shown in of_class if first and turn < latest)


def test_sample_selection_gives_each_kind_its_share_and_says_so() -> None:
    lines = [examples.failed(number, dataset="q", variant="base") for number in range(400)]
    lines += [
        examples.sample(number, "q", variant="base", scores={"accuracy": 0.0}) for number in range(400, 430)
    ]
    lines += [examples.sample(number, "q", variant="base") for number in range(430, 900)]
    _, shown, choice = chosen(("base",), lines, 100)
    assert len(shown) == 100
    assert choice.describe() == (
        "These: 45 of 400 that ended unparsed, truncated or in an error; all 30 others that scored below full marks; "
        "25 drawn evenly from all others."
    )


def test_sample_selection_of_a_dataset_on_another_scale_leaves_room_for_others() -> None:
    worse = {"name": "perplexity", "unit": "ratio", "higher_is_better": False}
    questions = QuestionIndex(several=False)
    for number in range(1000):
        line = examples.sample(number, "p", scores={"perplexity": 20.0 + number})
        questions.add(short_hash(f"p{number}"), sample_entry(examples.typed(line), worse))
        line = examples.sample(number, "q", scores={"accuracy": float(number > 500)})
        questions.add(short_hash(f"q{number}"), sample_entry(examples.typed(line), METRIC))
    choice = QuestionSelection(questions, 100)
    assert sum(short_hash(f"q{number}") in choice for number in range(500)) >= 37
    assert all(short_hash(f"p{number}") in choice for number in range(970, 1000))  # the most perplexed


def test_report_of_two_variants_shows_differing_questions_with_both_replies() -> None:
    """Of a thousand questions seven differ and three failed: all ten are among the forty that are shown."""
    changed, failed = set(range(100, 800, 100)), {5, 55, 555}
    lines = [
        examples.failed(number, variant=variant)
        if number in failed and variant == "sft"
        else examples.sample(
            number, variant=variant, scores={"accuracy": float(variant == "base" or number not in changed)}
        )
        for variant in VARIANTS
        for number in range(1000)
    ]
    html = render_run(
        examples.run(VARIANTS), examples.summary(VARIANTS), lambda: map(examples.typed, lines), max_samples=80
    )
    shown = Counter(int(one["id"]) for one in samples_of(html))
    assert set(shown.values()) == {2}
    assert changed | failed <= set(shown)
    assert len(shown) == 40
    assert (
        "These questions, each with the replies of all variants: all 3 with a reply that ended unparsed, truncated or in "
        "an error; all 7 that variants scored differently; 30 drawn evenly from all others." in html
    )
