"""Judging beside asking: whatever the scorer does, requests go on."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from mock_server import MODEL, WAIT_SECONDS, Answer, Asked, MockServer, reply
from run_helpers import numbered, only_plan, write_qa

from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.concurrency import FixedConcurrency
from evalsuite.endpoint.retries import RetryPolicy
from evalsuite.runs.inference import MAX_BACKLOG_PER_WORKER, Inference
from evalsuite.runs.journal import Journal, read_journal
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.work import Variant, new_work
from evalsuite.tasks.qa import QaRow, QaTask
from evalsuite.tasks.style import Style
from evalsuite.types import Reply, Score

CONCURRENCY = 4
ROWS = CONCURRENCY * MAX_BACKLOG_PER_WORKER


def ask_all(server: MockServer, folder: Path, task: QaTask) -> RunProgress:
    """Ask `ROWS` questions over real sockets and judge them by the task."""
    plan = replace(only_plan(f"qa:{write_qa(folder / 'qa.jsonl', numbered(ROWS))}"), task=task)
    work, progress = new_work(Variant("model", "print"), [plan], "fail"), RunProgress()

    async def ask() -> None:
        concurrency = FixedConcurrency(CONCURRENCY)
        async with Endpoint(server.url, MODEL, RetryPolicy(WAIT_SECONDS), concurrency) as endpoint:
            with Journal(folder / "samples.jsonl") as journal:
                await Inference(work, {"model": endpoint}, journal, progress).run()

    asyncio.run(ask())
    return progress


def test_requests_go_on_while_a_reply_is_judged(tmp_path: Path) -> None:
    with MockServer() as server:

        class Patient(QaTask):
            """Judges nothing before everything has been asked."""

            def score(self, row: QaRow, reply: Reply, style: Style) -> Score:
                server.wait_for(lambda: server.total == ROWS)
                return super().score(row, reply, style)

            def warm_up(self, style: Style) -> None:
                """Nothing to load."""

        progress = ask_all(server, tmp_path, Patient())
    assert progress.outcomes == {"scored": ROWS}
    assert len(list(read_journal(tmp_path / "samples.jsonl"))) == ROWS


def test_what_judging_needs_is_loaded_while_the_first_replies_are_awaited(tmp_path: Path) -> None:
    loaded = threading.Event()

    class Loading(QaTask):
        """Says when it has loaded."""

        def warm_up(self, style: Style) -> None:
            super().warm_up(style)
            loaded.set()

    def answer_once_loaded(asked: Asked) -> Answer:
        assert loaded.wait(WAIT_SECONDS)
        return reply(asked.prompt)

    with MockServer(answer_once_loaded) as server:
        assert ask_all(server, tmp_path, Loading()).outcomes == {"scored": ROWS}


def test_what_cannot_be_loaded_ends_the_run(tmp_path: Path) -> None:
    class Broken(QaTask):
        """Lacks a library."""

        def warm_up(self, style: Style) -> None:
            raise ModuleNotFoundError("no module named 'words'")

    with MockServer() as server, pytest.raises(ModuleNotFoundError, match="words"):
        ask_all(server, tmp_path, Broken())
    assert not list(read_journal(tmp_path / "samples.jsonl"))
