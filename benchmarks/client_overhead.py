"""How much evalsuite costs over the requests themselves: whole command against a bare aiohttp loop.

The bare loop sends the same bodies to the same mock server over the same number of connections and does nothing
with the replies. Both are measured in turn, several times; the ratio of the medians is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from mock_server import MODEL

HERE = Path(__file__).parent


@contextlib.contextmanager
def mock_server(latency: float) -> Iterator[str]:
    """The mock in its own process; yields its base URL."""
    command = [sys.executable, str(HERE / "mock_server.py"), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def write_rows(path: Path, rows: int) -> None:
    """Multiple-choice rows, all different."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "question", "A", "B", "C", "D", "answer"])
        for number in range(rows):
            question = f"Which of the following is closest to {number} apples and {number % 7} pears, counted together?"
            writer.writerow(
                [
                    number,
                    question,
                    number,
                    number + number % 7,
                    number - 1,
                    2 * number + 1,
                    "ABCD"[number % 4],
                ]
            )


async def bare_loop(base_url: str, bodies: list[bytes], concurrency: int) -> float:
    """Seconds to send every body once."""
    waiting = iter(bodies)
    headers = {"Content-Type": "application/json"}

    async def worker(session: aiohttp.ClientSession) -> None:
        for body in waiting:
            async with session.post(f"{base_url}/chat/completions", data=body, headers=headers) as response:
                await response.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
        start = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(concurrency)))
        return time.perf_counter() - start


def run_words(base_url: str, data: Path, out: Path, name: str, concurrency: int) -> list[str]:
    """The measured command, without what starts it."""
    words = ["evalsuite", "run", "--base-url", base_url, "--model", MODEL, "-d", f"mcq:{data}"]
    return [*words, "--concurrency", str(concurrency), "--out", str(out), "--name", name, "--json"]


def evalsuite_seconds(base_url: str, data: Path, out: Path, name: str, concurrency: int) -> float:
    """Seconds of the whole command, start of Python and report included."""
    command = [sys.executable, "-m", *run_words(base_url, data, out, name, concurrency)]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def request_bodies(run: Path) -> list[bytes]:
    """The bodies evalsuite sent, rebuilt from its journal."""
    with (run / "samples.jsonl").open(encoding="utf-8") as stream:
        lines = [json.loads(line) for line in stream]
    fields = {"model": MODEL, "temperature": 0.0, "max_tokens": 128}
    return [json.dumps({"messages": line["messages"], **fields}).encode() for line in lines]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, mock_server(options.latency) as base_url:
        data, out = Path(folder) / "rows.csv", Path(folder) / "reports"
        write_rows(data, options.rows)
        evalsuite_seconds(base_url, data, out, "warm-up", options.concurrency)
        bodies = request_bodies(out / "warm-up")
        bare, whole = [], []
        for number in range(options.rounds):
            bare.append(asyncio.run(bare_loop(base_url, bodies, options.concurrency)))
            whole.append(evalsuite_seconds(base_url, data, out, f"round-{number}", options.concurrency))
    loop, command = statistics.median(bare), statistics.median(whole)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{options.rows} rows, concurrency {options.concurrency}, latency {options.latency:g} s, {options.rounds} rounds, medians"
    )
    print(f"bare aiohttp loop   {loop:7.3f} s   {options.rows / loop:8.0f} requests/s")
    print(
        f"evalsuite command   {command:7.3f} s   {options.rows / command:8.0f} rows/s, peak memory {peak:.0f} MB"
    )
    print(f"ratio               {command / loop:7.2f} ×")


if __name__ == "__main__":
    main()
