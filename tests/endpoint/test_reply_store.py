"""Replies kept between runs: found again as they were, by several processes at once, and never believed when damaged."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mock_server import WAIT_SECONDS

from evalsuite.endpoint.cache_policy import cache_key, is_complete
from evalsuite.endpoint.likelihood_requests import build_request
from evalsuite.endpoint.reply_store import STORE_FILE, ReplyStore
from evalsuite.endpoint.wire import Generation, Request
from evalsuite.errors import ConfigError
from evalsuite.types import Measurement, Prompt, Reply

REPLY = Reply("words", finish_reason="stop", prompt_tokens=7, completion_tokens=3)
WRITER = """
import sys
from pathlib import Path
from evalsuite.endpoint.reply_store import ReplyStore
from evalsuite.types import Reply
folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = ReplyStore(folder)
for number in range(count):
    store.find(b"%d" % number)
    store.put(b"%d" % number, Reply("reply %d" % number, finish_reason="stop"))
    store.put(f"{name}-{number}".encode(), Reply(name))
store.close()
print(*store.problems())
"""


def asked(text: str = "question", **generation: object) -> Request:
    settings: dict[str, object] = {"max_tokens": 8} | generation
    return build_request(Prompt(messages=[{"role": "user", "content": text}]), Generation(**settings))  # type: ignore[arg-type]


def kept(folder: Path, key: bytes, reply: Reply = REPLY) -> None:
    store = ReplyStore(folder)
    store.put(key, reply)
    store.close()
    assert list(store.problems()) == []


def found(folder: Path, key: bytes) -> tuple[Reply | None, list[str]]:
    store = ReplyStore(folder)
    reply = store.find(key)
    store.close()
    return reply, list(store.problems())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    reasoning=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    calls=st.none() | st.just([{"type": "function", "function": {"name": "f", "arguments": "{}"}}]),
    tokens=st.none() | st.integers(0, 10**9),
    measured=st.none() | st.just(Measurement(("a", "b"), (None, -0.5))) | st.just(Measurement(reward=-1.5)),
)
def test_reply_store_reply_is_found_as_it_was(
    tmp_path: Path,
    text: str,
    reasoning: str | None,
    calls: list[dict[str, object]] | None,
    tokens: int | None,
    measured: Measurement | None,
) -> None:
    reply = Reply(text, reasoning, calls, "stop", tokens, tokens, [["A", -0.1]], measured)
    kept(tmp_path, b"key", reply)
    assert found(tmp_path, b"key") == (reply, [])
    assert found(tmp_path, b"another") == (None, [])


@pytest.mark.parametrize("column", ["reply", "checksum"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text"])
def test_reply_store_damaged_entry_is_passed_over_told_and_replaced(
    tmp_path: Path, column: str, damage: str
) -> None:
    kept(tmp_path, b"key")
    kept(tmp_path, b"whole")
    with sqlite3.connect(tmp_path / STORE_FILE) as connection:
        (value,) = connection.execute(f"SELECT {column} FROM replies WHERE key = ?", (b"key",)).fetchone()
        broken = {
            "flip": bytes([value[0] ^ 1]) + value[1:],
            "cut": value[:-1],
            "empty": b"",
            "text": "not bytes",
        }[damage]
        connection.execute(f"UPDATE replies SET {column} = ? WHERE key = ?", (broken, b"key"))
    connection.close()
    reply, problems = found(tmp_path, b"key")
    assert reply is None
    assert problems == [
        f"the cache {tmp_path / STORE_FILE} held 1 entry that cannot be read; asked again and replaced."
    ]
    assert found(tmp_path, b"whole") == (REPLY, [])
    kept(tmp_path, b"key")
    assert found(tmp_path, b"key") == (REPLY, [])


def test_reply_store_entry_under_another_key_is_not_taken_for_it(tmp_path: Path) -> None:
    kept(tmp_path, b"key")
    with sqlite3.connect(tmp_path / STORE_FILE) as connection:
        connection.execute("UPDATE replies SET key = ?", (b"other",))
    connection.close()
    assert found(tmp_path, b"other")[0] is None


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_reply_store_file_that_is_no_database_costs_the_cache_and_not_the_run(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / STORE_FILE).write_bytes(content)
    store = ReplyStore(tmp_path)
    assert store.find(b"key") is None
    store.put(b"key", REPLY)
    store.close()
    (complaint,) = store.problems()
    assert "cannot be read" in complaint
    assert "Delete the file" in complaint
    assert (tmp_path / STORE_FILE).read_bytes() == content


def test_reply_store_database_that_breaks_in_the_middle_costs_the_cache_and_not_the_run(
    tmp_path: Path,
) -> None:
    for number in range(3):
        kept(tmp_path, b"%d" % number, Reply("x" * 3000, finish_reason="stop"))
    path = tmp_path / STORE_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    reply, problems = found(tmp_path, b"1")
    assert reply is None
    assert problems


def test_reply_store_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"--cache .*cannot write there"):
            ReplyStore(folder)


def test_reply_store_several_processes_write_and_read_one_store(tmp_path: Path) -> None:
    folder = tmp_path / "new"  # all of them make it at the same time
    count = 400
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), f"process-{number}", str(count)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    said = [writer.communicate(timeout=4 * WAIT_SECONDS)[0].strip() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    assert said == [""] * 4
    store = ReplyStore(folder)
    for number in range(count):
        assert store.find(b"%d" % number) == Reply(f"reply {number}", finish_reason="stop")
        for name in range(4):
            assert store.find(f"process-{name}-{number}".encode()) == Reply(f"process-{name}")
    store.close()
    assert not list(store.problems())


def test_reply_store_writer_that_is_killed_leaves_a_store_that_can_be_read(tmp_path: Path) -> None:
    endless = WRITER.replace(
        "store.close()", "sys.stdout.write('held'); sys.stdout.flush(); sys.stdin.read()"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", endless, str(tmp_path), "killed", "200"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with writer:
        assert writer.stdout
        assert writer.stdout.read(4) == "held"
        writer.kill()
    kept(tmp_path, b"after")
    assert found(tmp_path, b"after") == (REPLY, [])


def test_reply_store_full_disk_costs_the_cache_and_not_the_run(tmp_path: Path) -> None:
    limit = 200_000
    code = WRITER.replace("reply %d", "reply %d" + "x" * 500)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), "p", "2000"],
        capture_output=True,
        text=True,
        timeout=4 * WAIT_SECONDS,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 0, done.stderr
    assert "could not be written" in done.stdout
    assert found(tmp_path, b"never") == (None, [])


# ---------------------------------------------------------------- which requests, which replies


def test_reply_store_key_is_of_all_that_is_asked_and_of_whom() -> None:
    different = [
        ("a model", asked()),
        ("another", asked()),
        ("a model", asked("another question")),
        ("a model", asked(max_tokens=9)),
        ("a model", asked(seed=1)),
        ("a model", asked(seed=2)),
        ("a model", asked(stop=("\n",))),
        ("a model", asked(top_logprobs=5)),
        ("a model", build_request(Prompt(text="question"), Generation(8))),
        ("a model", build_request(Prompt(text="question", measure="logprobs"), Generation(8))),
    ]
    keys = [cache_key(who, request) for who, request in different]
    assert len(set(keys)) == len(different)
    assert cache_key("a model", asked()) == keys[0]


def test_reply_store_only_what_is_not_drawn_at_random_is_decided() -> None:
    assert asked().deterministic
    assert asked(seed=3).deterministic
    assert not asked(temperature=0.01).deterministic
    assert not asked(temperature=1.0, seed=3).deterministic
    assert build_request(Prompt(text="x", measure="logprobs"), Generation(1, temperature=1.0)).deterministic


@pytest.mark.parametrize(
    ("reply", "whole"),
    [
        (REPLY, True),
        (Reply("", tool_calls=[{"function": {}}], finish_reason="tool_calls"), True),
        (Reply("cut", finish_reason="length"), False),
        (Reply("kept back", finish_reason="content_filter"), False),
        (Reply("broken off", finish_reason="abort"), False),
        (Reply("who knows"), False),
        (Reply("", finish_reason="stop"), False),
        (Reply(" \n", finish_reason="stop"), False),
        (Reply("", reasoning="thought, and said nothing", finish_reason="stop"), False),
    ],
)
def test_reply_store_only_whole_replies_are_kept(reply: Reply, whole: bool) -> None:
    assert is_complete(reply, asked()) is whole


def test_reply_store_one_token_that_was_wanted_is_complete() -> None:
    assert is_complete(Reply("A", finish_reason="length", alternatives=[["A", -0.1]]), asked(top_logprobs=5))
    measured = build_request(Prompt(text="x", measure="logprobs"), Generation(1))
    assert is_complete(Reply("", measured=Measurement(("x",), (None,))), measured)
