"""The order in which rows are sent: nothing lost, those with the same long beginning together, in bounded memory."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from mock_server import MODEL, PROBE, MockServer, document
from run_helpers import config

from evalsuite.endpoint.wire import Request
from evalsuite.evaluation.evaluate import evaluate
from evalsuite.runs.prefix_order import MOST_BYTES, MOST_ROWS, SlotQueues, order_by_prefix


@dataclass(frozen=True)
class Row:
    number: int
    request: Request


def row(number: int, prefix: str = "", tools: str = "") -> Row:
    text = f"{prefix}{number * 7919 % 1000:04}".encode()
    return Row(number, Request("chat", text, text, tools.encode()))


def sent(rows: list[Row]) -> list[Row]:
    return [one for one in order_by_prefix(iter(rows)) if one is not None]


def changes(names: list[str]) -> int:
    return sum(1 for _ in groupby(names))


@given(
    st.lists(
        st.none() | st.tuples(st.sampled_from(["", "a" * 600, "a" * 300 + "b" * 300]), st.booleans()),
        max_size=400,
    )
)
def test_every_row_is_sent_once_and_every_turn_is_given(kinds: list[tuple[str, bool] | None]) -> None:
    rows = [
        None if kind is None else row(number, kind[0], "t" * 500 if kind[1] else "")
        for number, kind in enumerate(kinds)
    ]
    found = list(order_by_prefix(iter(rows)))
    assert sorted(one.number for one in found if one) == [one.number for one in rows if one]
    assert found.count(None) == rows.count(None)


def test_rows_of_mixed_subjects_are_brought_together() -> None:
    prefixes = [chr(97 + subject) * 2000 for subject in range(10)]
    rows = [row(number, prefixes[number % 10]) for number in range(1000)]
    order = [one.request.payload[:1].decode() for one in sent(rows)]
    assert changes([one.request.payload[:1].decode() for one in rows]) == 1000
    assert changes(order) <= 10 * 5  # five windows: 64, 128, 256, 512 and the rest


def test_tools_come_before_everything_else() -> None:
    rows = [row(number, tools=str(number % 2) * 2000) for number in range(60)]
    assert changes([one.request.tools_json[:1].decode() for one in sent(rows)]) == 2


def test_a_file_that_is_in_good_order_keeps_it() -> None:
    one_prefix = [row(number, "examples " * 500) for number in range(500)]
    assert [one.number for one in sent(one_prefix)] == list(range(500))
    short = [row(number, "header ") for number in range(500)]
    assert [one.number for one in sent(short)] == list(range(500))


def test_memory_is_bounded_by_rows_and_by_bytes() -> None:
    for prefix in ("", "x" * (MOST_BYTES // 50)):
        taken = [0]

        def rows(prefix: str = prefix, taken: list[int] = taken) -> Iterator[Row]:
            for number in range(3 * MOST_ROWS if not prefix else 500):
                taken[0] += 1
                yield row(number, prefix)

        most = 0
        for gone, _ in enumerate(order_by_prefix(rows()), start=1):
            most = max(most, taken[0] - gone)
        assert most <= (2 * MOST_ROWS if not prefix else 2 * 51)


def test_the_server_is_asked_subject_by_subject_and_resuming_does_not_mind(tmp_path: Path) -> None:
    subjects = ["anatomy", "law", "physics"]
    exam = tmp_path / "exam.jsonl"
    long = "Read this first. " * 60
    lines = [
        {
            "question": f"{subjects[number % 3]}: {long} question {number}?",
            "A": "one",
            "B": "two",
            "answer": "A",
        }
        for number in range(60)
    ]
    exam.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with MockServer() as server:
        options = config(server, tmp_path, datasets=[f"mcq:{exam}"], concurrency=1)
        run = evaluate(options)
        asked = [one.prompt for one in server.requests if one.prompt != PROBE]
        named = [next(name for name in subjects if name in prompt) for prompt in asked]
        assert changes(named) == 3
        server.forget()
        (run.path / "samples.jsonl").write_bytes(
            b"".join((run.path / "samples.jsonl").read_bytes().splitlines(keepends=True)[::2])
        )
        assert evaluate(options).complete
        assert server.total == 30


# ---------------------------------------------------------------- a cache for each slot


def asked_in_lanes(rows: list[Row], slots: int, seed: int) -> tuple[list[Row], int]:
    """The rows as a server with so many slots is sent them, and how many prefixes it has to read.

    A slot keeps the last prompt alone. A request takes the free slot whose prompt begins as its own, as llama.cpp does;
    which of the requests under way is answered next is drawn.
    """
    chosen, lanes = random.Random(seed), SlotQueues[Row](lambda: slots)
    jobs = (one for one in order_by_prefix(iter(rows), lanes) if one is not None)
    free, busy = [""] * slots, list[Row]()
    order, read = [], 0
    for job in jobs:
        order.append(job)
        prefix = job.request.payload[:1].decode()
        known = prefix in free
        free.remove(prefix if known else free[0])
        read += not known
        busy.append(job)
        if not free:
            answered = busy.pop(chosen.randrange(len(busy)))
            free.append(answered.request.payload[:1].decode())
            lanes.finished(answered)
    return order, read


@given(st.lists(st.sampled_from("abcdefgh"), max_size=300), st.integers(1, 6), st.integers(0, 99))
def test_in_lanes_every_row_is_sent_once(kinds: list[str], slots: int, seed: int) -> None:
    rows = [row(number, kind * 600) for number, kind in enumerate(kinds)]
    order, _ = asked_in_lanes(rows, slots, seed)
    assert sorted(one.number for one in order) == list(range(len(rows)))


@given(st.integers(2, 10), st.integers(2, 6), st.integers(0, 99))
def test_in_lanes_a_prefix_is_read_about_once_whatever_is_answered_first(
    prefixes: int, slots: int, seed: int
) -> None:
    kinds = [chr(97 + number % prefixes) for number in range(60)]
    random.Random(seed).shuffle(kinds)
    rows = [row(number, kind * 3000) for number, kind in enumerate(kinds)]
    _, read = asked_in_lanes(rows, slots, seed)
    # more at the borders of lanes, and while the last rows are shared out
    assert read <= prefixes + 5 * slots


def test_a_file_in_good_order_keeps_it_in_lanes_too() -> None:
    rows = [row(number, "examples " * 500) for number in range(300)]
    assert [one.number for one in order_by_prefix(iter(rows), SlotQueues(lambda: 4)) if one] == list(
        range(300)
    )


def test_rows_under_way_at_a_time_at_llama_cpp_begin_differently(tmp_path: Path) -> None:
    """Three at a time, each of another subject: as `/models` says whose server it is."""
    subjects = ["anatomy", "law", "physics"]
    long = "Read this first. " * 60
    data = tmp_path / "exam.jsonl"
    lines = [{"query": f"{subjects[number % 3]}: {long}, {number}?", "response": "x"} for number in range(60)]
    data.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    found = {}
    for owner in ("llamacpp", "vllm"):
        with MockServer() as server:
            entry = {"id": MODEL, "object": "model", "owned_by": owner}
            server.models_answer = document({"object": "list", "data": [entry]})
            evaluate(config(server, tmp_path / owner, data, concurrency=3))
            asked = [one.prompt for one in server.requests if one.prompt not in ("", PROBE)]
        named = [next(name for name in subjects if name in prompt) for prompt in asked]
        found[owner] = changes(named)
        assert sorted(asked) == sorted(line["query"] for line in lines)
    assert found["vllm"] <= 12
    assert found["llamacpp"] >= 30
