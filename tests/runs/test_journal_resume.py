"""Whatever happens to a journal, the same command ends with the same lines and asks only for what is missing."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mock_server import PROBE, Answer, Asked, MockServer, failing, ordinary, reply
from run_helpers import config, lines_of, numbered, summary_of, write_qa

from evalsuite.errors import RunIncomplete
from evalsuite.evaluation.evaluate import evaluate
from evalsuite.runs.journal import Journal, cut_torn_line, read_journal

ROWS = [*numbered(6), ("twice", "twice"), ("twice", "twice"), ("wrong", "never said")]
VOLATILE = ("latency_s", "ttft_s", "token_s")


def content(run: Path) -> Counter[str]:
    """The journal without order and clock."""
    return Counter(
        json.dumps({name: value for name, value in line.items() if name not in VOLATILE}, sort_keys=True)
        for line in lines_of(run)
    )


def results_of(run: Path) -> list[dict[str, str]]:
    """summary.csv without the clock's columns."""
    with (run / "summary.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [{name: value for name, value in row.items() if name not in VOLATILE} for row in rows]


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture(scope="module")
def finished(server: MockServer) -> Iterator[Path]:
    """A folder with the data and a complete run."""
    with tempfile.TemporaryDirectory() as folder:
        data = write_qa(Path(folder, "qa.jsonl"), ROWS)
        evaluate(config(server, Path(folder, "out"), data))
        yield Path(folder)


def resume_with(server: MockServer, finished: Path, journal: bytes) -> tuple[Path, Counter[str]]:
    """Run the same again from a damaged journal; the run and what was asked."""
    run = finished / "out" / "run"
    (run / "samples.jsonl").write_bytes(journal)
    (run / "superseded.jsonl").unlink(missing_ok=True)
    server.forget()
    evaluate(config(server, finished / "out", finished / "qa.jsonl"))
    asked = Counter(server.asked)
    asked.pop(PROBE, None)
    return run, asked


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1), zeroed=st.none() | st.floats(0, 0.999))
def test_any_prefix_cut_at_any_byte_resumes_to_the_same_result(
    server: MockServer, finished: Path, at: float, zeroed: float | None
) -> None:
    run = finished / "out" / "run"
    whole, before = (run / "samples.jsonl").read_bytes(), content(run)
    results = results_of(run)
    damaged = bytearray(whole[: round(at * len(whole))])
    if zeroed is not None and damaged:
        damaged[int(zeroed * len(damaged))] = 0
    kept = Counter(
        json.loads(line)["messages"][-1]["content"]
        for line in damaged.split(b"\n")[:-1]
        if line and b"\0" not in line
    )
    run, asked = resume_with(server, finished, bytes(damaged))
    assert content(run) == before
    assert results_of(run) == results
    assert asked == Counter(query for query, _ in ROWS) - kept


@pytest.mark.parametrize("file", ["run.json", "summary.json", "summary.csv", "report.html"])
@pytest.mark.parametrize("left", [b"", b"\0" * 4096], ids=["empty", "zeros"])
def test_files_that_a_power_cut_emptied_are_written_again_and_nothing_is_asked(
    server: MockServer, finished: Path, file: str, left: bytes
) -> None:
    run = finished / "out" / "run"
    before, results = content(run), results_of(run)
    (run / file).write_bytes(left)
    run, asked = resume_with(server, finished, (run / "samples.jsonl").read_bytes())
    assert not asked
    assert (content(run), results_of(run)) == (before, results)
    assert (run / file).read_bytes().strip(b"\0")


def test_a_journal_that_is_replaced_is_on_the_disk_before_the_old_one_goes(
    server: MockServer, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut in the next half minute may cost every line of it, with some file systems."""
    done: list[str] = []
    synced, replaced = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        synced(descriptor)

    def replace(source: Path, target: Path) -> Path:
        done.append(f"replace {target.name}")
        return replaced(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    whole = (finished / "out" / "run" / "samples.jsonl").read_bytes()
    first = json.loads(whole.partition(b"\n")[0]) | {"key": "of nobody"}
    run, asked = resume_with(server, finished, json.dumps(first).encode() + b"\n" + whole)
    assert not asked
    moved = [f"sync .{name}.tmp|replace {name}|sync run" for name in ("superseded.jsonl", "samples.jsonl")]
    assert "|".join(moved) in "|".join(done)
    assert (run / "superseded.jsonl").read_bytes().count(b"\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        b'{"key": "k", "outcome": "scored"}\n',
        b"[]\n",
        b"null\n",
        b"\n",
        b"\xff\xfe\n",
        b'{"key": 1, "variant": 2, "dataset": 3, "outcome": 4}\n',
    ],
)
def test_foreign_lines_are_passed_over(server: MockServer, finished: Path, line: bytes) -> None:
    whole = (finished / "out" / "run" / "samples.jsonl").read_bytes()
    first, _, rest = whole.partition(b"\n")
    run, asked = resume_with(server, finished, first + b"\n" + line + rest)
    assert not asked
    assert len(lines_of(run)) == len(ROWS)
    assert summary_of(run)["complete"]
    (run / "samples.jsonl").write_bytes(whole)


def test_cutting_a_torn_line_keeps_every_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    for whole, torn in ((b"", b"abc"), (b"one\n", b"tw"), (b"one\n\n", b""), (b"a\n", b"x" * (3 << 20))):
        path.write_bytes(whole + torn)
        cut_torn_line(path)
        assert path.read_bytes() == whole


def test_every_append_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b'{"torn')
    with Journal(path) as journal:
        journal.append(b"one\n")
        assert path.read_bytes() == b"one\n"
        journal.append(b"two\n")
        assert path.read_bytes() == b"one\ntwo\n"
    assert list(read_journal(path)) == []


# ---------------------------------------------------------------- edited data


class Bench:
    """A run that is started again and again while its data changes."""

    def __init__(self, server: MockServer, folder: Path) -> None:
        self.server = server
        self.out, self.data = folder / "out", folder / "qa.jsonl"
        self.run = self.out / "run"

    def start(self, rows: list[tuple[str, str]], **options: Any) -> list[str]:
        """What was asked, in sorted order."""
        write_qa(self.data, rows)
        self.server.forget()
        evaluate(config(self.server, self.out, self.data, **options))
        return sorted(prompt for prompt in self.server.asked.elements() if prompt != PROBE)

    def rouge(self) -> float:
        found = summary_of(self.run)["variants"]["mock-model"]["datasets"]["qa"]["subsets"]["all"]
        assert found["samples"] == len(lines_of(self.run))
        value: float = found["metrics"]["rouge_l"]["value"]
        return value


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with MockServer() as running:
        yield Bench(running, tmp_path)


def test_a_complete_run_is_read_again_without_a_request_and_without_a_server(bench: Bench) -> None:
    bench.start(numbered(5))
    before = summary_of(bench.run)
    bench.server.stop()
    bench.server.forget()
    evaluate(config(bench.server, bench.out, bench.data))
    again = summary_of(bench.run)
    assert bench.server.model_lists == 0
    before["totals"].pop("reused")
    assert again["totals"].pop("reused") == 5
    assert again == before


def test_totals_of_a_resumed_run_count_every_start(bench: Bench) -> None:
    bench.start(numbered(4), limit=3)
    bench.start(numbered(4), limit=4)
    totals = summary_of(bench.run)["totals"]
    assert (totals["samples"], totals["reused"], totals["requests"]) == (4, 3, 4)
    assert (totals["prompt_tokens"], totals["completion_tokens"]) == (28, 12)


def test_reordered_and_extended_data_asks_only_the_new_rows(bench: Bench) -> None:
    assert len(bench.start(numbered(5))) == 5
    assert bench.start(numbered(5)[::-1]) == []
    assert [line["index"] for line in sorted(lines_of(bench.run), key=lambda line: str(line["gold"]))] == [
        4,
        3,
        2,
        1,
        0,
    ]
    assert bench.start([("new", "new"), *numbered(5)]) == ["new"]
    assert bench.rouge() == 1.0


def test_an_edited_question_is_asked_again_and_its_old_line_set_aside(bench: Bench) -> None:
    rows = numbered(3)
    bench.start(rows)
    assert bench.start([rows[0], ("changed", "changed"), rows[2]]) == ["changed"]
    assert len(lines_of(bench.run)) == 3
    assert bench.start(rows) == []
    assert len(lines_of(bench.run)) == 3


def test_an_edited_gold_answer_is_judged_again_without_a_request(bench: Bench) -> None:
    rows = numbered(4)
    bench.start(rows)
    assert bench.rouge() == 1.0
    assert bench.start([*rows[:3], (rows[3][0], "something else entirely")]) == []
    assert bench.rouge() == 0.75
    assert bench.start(rows) == []
    assert bench.rouge() == 1.0


def test_the_limit_lowered_and_raised_again_costs_no_request(bench: Bench) -> None:
    assert len(bench.start(numbered(8), limit=6)) == 6
    assert bench.start(numbered(8), limit=2) == []
    assert len(lines_of(bench.run)) == 2
    assert bench.start(numbered(8), limit=6) == []
    assert len(lines_of(bench.run)) == 6
    assert bench.start(numbered(8)) == ["question 6", "question 7"]
    assert not (bench.run / "superseded.jsonl").read_bytes()


def test_other_generation_settings_ask_again_and_the_old_replies_come_back(bench: Bench) -> None:
    bench.start(numbered(3))
    assert len(bench.start(numbered(3), temperature=0.7)) == 3
    assert bench.start(numbered(3)) == []


def test_duplicate_prompts_are_asked_and_counted_twice(bench: Bench) -> None:
    rows = [("same", "same"), ("same", "other"), ("same", "same")]
    assert bench.start(rows) == ["same"] * 3
    first = sorted(line["index"] for line in lines_of(bench.run))
    assert bench.start(rows) == []
    assert sorted(line["index"] for line in lines_of(bench.run)) == first == [0, 1, 2]
    assert bench.rouge() == pytest.approx(2 / 3)
    assert bench.start([*rows, ("same", "same")]) == ["same"]


def test_a_second_dataset_asks_only_for_itself(bench: Bench, tmp_path: Path) -> None:
    other = write_qa(tmp_path / "other.jsonl", [("question 0", "x"), ("else", "else")])
    bench.start(numbered(2))
    bench.server.forget()
    evaluate(config(bench.server, bench.out, bench.data, other))
    assert sorted(set(bench.server.asked) - {PROBE}) == ["else", "question 0"]
    assert len(lines_of(bench.run)) == 4
    bench.server.forget()
    evaluate(config(bench.server, bench.out, other))
    assert not bench.server.asked


# ---------------------------------------------------------------- samples that failed


def refuse_odd(asked: Asked) -> Answer:
    return failing(400, "too long") if asked.prompt[-1] in "13579" else ordinary(asked)


def test_error_lines_are_asked_again_under_fail_and_kept_under_skip(bench: Bench) -> None:
    bench.server.behave = refuse_odd
    with pytest.raises(RunIncomplete, match=r"2 of 4 samples failed \(2 × HTTP 400: too long\)"):
        bench.start(numbered(4))
    assert summary_of(bench.run)["complete"] is False
    assert bench.start(numbered(4), on_error="skip") == []
    assert summary_of(bench.run)["complete"] is True
    assert summary_of(bench.run)["errors"] == [
        {"class": "rejected", "message": "HTTP 400: too long", "count": 2}
    ]
    bench.server.behave = ordinary
    assert bench.start(numbered(4), on_error="wrong") == []
    assert bench.start(numbered(4)) == ["question 1", "question 3"]
    assert len(lines_of(bench.run)) == 4
    assert summary_of(bench.run)["errors"] == []
    assert bench.rouge() == 1.0


def test_a_changed_scorer_judges_again_without_a_request(bench: Bench) -> None:
    bench.start(numbered(3))
    info = json.loads((bench.run / "run.json").read_bytes())
    info["datasets"][0]["scorers"]["rouge_l"] = "an older version"
    (bench.run / "run.json").write_text(json.dumps(info))
    lines = [line | {"scores": line["scores"] | {"rouge_l": 0.0}} for line in lines_of(bench.run)]
    (bench.run / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert bench.start(numbered(3)) == []
    assert bench.rouge() == 1.0


def test_fresh_keeps_the_old_run_under_another_name(bench: Bench) -> None:
    bench.start(numbered(2))
    old = (bench.run / "samples.jsonl").read_bytes()
    assert len(bench.start(numbered(2), fresh=True)) == 2
    kept = [path for path in bench.out.iterdir() if path != bench.run]
    assert [(path / "samples.jsonl").read_bytes() for path in kept] == [old]
    assert kept[0].name.startswith("run.")


def test_monsters_in_replies_survive_a_resume(bench: Bench) -> None:
    replies = {
        "half": "half \ud83d",
        "deep": '{"a": ' + "[" * 3000 + "]" * 3000 + "}",
        "nul": "\u0000\u202e\u2028",
        "long": "x" * 1_000_000,
    }
    bench.server.behave = lambda asked: reply(replies[asked.prompt] if asked.prompt != PROBE else "")
    rows = [(name, name) for name in replies]
    assert len(bench.start(rows)) == len(rows)
    table = (bench.run / "summary.csv").read_bytes()
    assert bench.start(rows) == []
    assert (bench.run / "summary.csv").read_bytes() == table
    kept = {line["gold"]: line["reply"]["text"] for line in lines_of(bench.run)}
    assert kept == replies | {"half": "half \ufffd"}
