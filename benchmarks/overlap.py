"""Whether requests wait for scoring: the same replies, judged cheaply (`gsm8k`) and dearly (`qa`, Chinese).

A server in a process of its own answers with Chinese texts after a fixed time and notes how long each connection lay
idle between its reply and the next request: that is what a server's slot loses. If scoring held requests up, asking
would take longer under `qa`, and slots would lie idle longer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

from mock_server import MODEL, Connection, reply
from scoring import Pair, chinese_pairs

TEXTS = 40
KINDS = {"gsm8k": ("question", "answer", "\n#### 2"), "qa": ("query", "response", "")}
"""Kind → column of the question, column of the answer, and what ends the answer."""


class NotingConnection(Connection):
    """Notes in `idle` how long after a reply the next request came, in seconds; in `asked` when requests came."""

    idle: list[float]
    asked: list[float]
    _replied: float | None = None

    def data_received(self, data: bytes) -> None:
        """See `Connection`."""
        now = time.perf_counter()
        if self._replied is not None:
            self.idle.append(now - self._replied)
            self._replied = None
        self.asked.append(now)
        super().data_received(data)

    def _write(self, answer: bytes | None) -> None:
        super()._write(answer)
        self._replied = time.perf_counter()


def texts(characters: int) -> list[Pair]:
    """References and replies of about so many characters."""
    return chinese_pairs(TEXTS, max(10, characters * 10 // 18))


async def serve(latency: float, characters: int) -> None:
    """Serve until told to end, then print what was noted."""
    replies = cycle([reply(prediction) for _, prediction in texts(characters)])
    NotingConnection.idle, NotingConnection.asked = [], []
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(lambda: NotingConnection(latency, replies, [0]), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    idle = [1000 * seconds for seconds in NotingConnection.idle]
    asked = NotingConnection.asked
    shares = statistics.quantiles(idle, n=100)
    print(
        json.dumps(
            {"asking_s": asked[-1] - asked[0], "p50": shares[49], "p99": shares[98], "worst": max(idle)}
        )
    )


def write_rows(path: Path, kind: str, rows: int, characters: int) -> None:
    """Questions, all different, each with a long answer."""
    question, answer, end = KINDS[kind]
    references = cycle(reference for reference, _ in texts(characters))
    with path.open("w", encoding="utf-8") as stream:
        for number, reference in zip(range(rows), references, strict=False):
            stream.write(
                json.dumps({question: f"问题{number}", answer: reference + end}, ensure_ascii=False) + "\n"
            )


def measure(kind: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """One run of the real command, as the server saw it."""
    data = folder / f"{kind}.jsonl"
    write_rows(data, kind, options.rows, options.characters)
    serving = [sys.executable, __file__, "--serve", "--latency", str(options.latency)]
    with subprocess.Popen(
        [*serving, "--characters", str(options.characters)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        words = ["run", "--base-url", f"http://127.0.0.1:{port}/v1", "--model", MODEL, "-d", f"{kind}:{data}"]
        words += ["--shots", "0", "--concurrency", str(options.concurrency), "--out", str(folder), "--fresh"]
        command = [sys.executable, "-m", "evalsuite", *words, "--name", kind, "--json"]
        subprocess.run(command, check=True, capture_output=True)
        server.terminate()
        found: dict[str, float] = json.loads(server.stdout.readline())
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--characters", type=int, default=400, help="of each reply")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.latency, options.characters))
        return
    least = options.rows / options.concurrency * options.latency
    print(
        f"{options.rows} replies of {options.characters} characters after {options.latency:g} s, "
        f"{options.concurrency} at a time: {least:.2f} s at the least; medians of {options.rounds} rounds"
    )
    with tempfile.TemporaryDirectory() as folder:
        rounds = [
            {kind: measure(kind, Path(folder), options) for kind in KINDS} for _ in range(options.rounds)
        ]
    for kind in KINDS:
        median = {name: statistics.median(found[kind][name] for found in rounds) for name in rounds[0][kind]}
        print(
            f"judged as {kind:6} asking {median['asking_s']:6.2f} s   slots idle {median['p50']:5.1f} ms in the median, "
            f"{median['p99']:6.1f} ms in 1 of 100, {median['worst']:6.1f} ms at worst"
        )


if __name__ == "__main__":
    main()
