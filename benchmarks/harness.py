"""What the benchmarks share: the mock server, rows to ask, the bare loop, the measured command."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from mock_server import MODEL

HERE = Path(__file__).parent


@contextlib.contextmanager
def mock_server(latency: float = 0.0, faults: float = 0.0) -> Iterator[str]:
    """The mock in its own process; yields its base URL."""
    command = [
        sys.executable,
        str(HERE / "mock_server.py"),
        "--latency",
        str(latency),
        "--faults",
        str(faults),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def asked_so_far(base_url: str) -> int:
    """How many replies the mock was asked for."""
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/asked") as response:
        return int(response.read())


def write_rows(path: Path, rows: int) -> Path:
    """Multiple-choice rows, all different."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "question", "A", "B", "C", "D", "answer"])
        for number in range(rows):
            question = f"Which of the following is closest to {number} apples and {number % 7} pears, counted together?"
            options = [number, number + number % 7, number - 1, 2 * number + 1]
            writer.writerow([number, question, *options, "ABCD"[number % 4]])
    return path


async def bare_loop(base_url: str, bodies: list[bytes], concurrency: int, *, raw: bool = False) -> float:
    """Seconds to send every body once through aiohttp, as one writes it: JSON out, JSON in.

    `raw` leaves out what every client has to do: the bodies are bytes already, the replies are thrown away unread.
    """
    waiting = iter(bodies if raw else [json.loads(body) for body in bodies])
    url, headers = f"{base_url}/chat/completions", {"Content-Type": "application/json"}

    async def worker(session: aiohttp.ClientSession) -> None:
        for body in waiting:
            asked = {"data": body, "headers": headers} if raw else {"json": body}
            async with session.post(url, **asked) as response:
                await (response.read() if raw else response.json())

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
        start = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(concurrency)))
        return time.perf_counter() - start


def run_words(
    base_url: str, data: Path, out: Path, name: str, concurrency: int | str = 64, *options: str
) -> list[str]:
    """The measured command, without what starts it."""
    words = ["evalsuite", "run", "--base-url", base_url, "--model", MODEL, "-d", f"mcq:{data}"]
    return [*words, "--concurrency", str(concurrency), "--out", str(out), "--name", name, "--json", *options]


def command_seconds(words: list[str]) -> float:
    """Seconds of the whole command, start of Python and report included."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", *words], check=True, capture_output=True)
    return time.perf_counter() - start


def request_bodies(run: Path) -> list[bytes]:
    """The bodies evalsuite sent, rebuilt from its journal."""
    with (run / "samples.jsonl").open(encoding="utf-8") as stream:
        lines = [json.loads(line) for line in stream]
    fields = {"model": MODEL, "temperature": 0.0, "max_tokens": 128}
    return [json.dumps({"messages": line["messages"], **fields}).encode() for line in lines]
