"""What the run engine costs and survives, as one table: each line a scenario, what was asked of it, what was measured.

Ratios compare with a bare aiohttp loop over the same bodies in the same minutes, since machines are noisy: the two take
turns, medians are compared; so do other harnesses, where they are installed (see `others`). `--quick` takes fewer rows.
`--write FILE` keeps the table: lines of scenarios that were not measured now stay as they are, and what follows the table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from harness import (
    asked_so_far,
    bare_loop,
    command_seconds,
    mock_server,
    request_bodies,
    run_words,
    write_rows,
)
from memory import peak_megabytes
from others import ORACLES, installed

KILLS = 50
KILLED_AFTER_SECONDS = 0.7
"""At most, from the start of the process: while it loads, reads the journal, asks."""
KILLED_WHILE_ASKING_SECONDS = 0.25
"""At most, from the first request of a start."""
HANG_SECONDS = 10.0
"""What a request costs that hangs twice: five seconds each time where nothing overtakes it."""


STARTS = ("", ", the same command again, which asks nothing")
MARKS = {True: "reached", False: "MISSED", None: ""}


@dataclass(frozen=True)
class Line:
    """One line of the table; `reached` is None where nothing was asked for."""

    scenario: str
    asked: str
    measured: str
    reached: bool | None


@dataclass(frozen=True)
class Bench:
    """A folder to work in, and how many rows and rounds."""

    folder: Path
    rounds: int
    rows: int

    def data(self, rows: int) -> Path:
        """A file with so many rows."""
        path = self.folder / f"rows-{rows}.csv"
        return path if path.exists() else write_rows(path, rows)

    @property
    def out(self) -> Path:
        """Where runs land."""
        return self.folder / "reports"


def whole_command(bench: Bench) -> Iterator[Line]:
    """The whole command against the bare loop."""
    data = bench.data(2000)
    with mock_server() as url:
        command_seconds(run_words(url, data, bench.out, "warm-up"))
        bodies = request_bodies(bench.out / "warm-up")
        bare, raw, whole = [], [], []
        for number in range(bench.rounds):
            bare.append(asyncio.run(bare_loop(url, bodies, 64)))
            raw.append(asyncio.run(bare_loop(url, bodies, 64, raw=True)))
            whole.append(command_seconds(run_words(url, data, bench.out, f"whole-{number}")))
        loop, least, command = (statistics.median(times) for times in (bare, raw, whole))
        yield Line(
            "2,000 rows, no latency, 64 at a time: whole command / bare aiohttp loop (bodies ready-made, replies unread)",
            "≤ 3 ×",
            f"{command / least:.2f} × ({command:.2f} s / {least:.3f} s)",
            command <= 3 * least,
        )
        yield Line(
            "the same / a loop that writes and reads JSON, as every client must",
            "",
            f"{command / loop:.2f} × ({loop:.3f} s)",
            None,
        )


def start(bench: Bench) -> Iterator[Line]:
    """What a user waits for besides the answers."""
    data = bench.data(2000)
    with mock_server() as url:
        one = _median(
            bench,
            lambda number: command_seconds(
                run_words(url, data, bench.out, f"one-{number}", 64, "--limit", "1")
            ),
        )
    yield Line("one row: whole command", "≤ 0.9 s", f"{one:.2f} s", one <= 0.9)
    shown = _median(bench, lambda _: command_seconds(["evalsuite", "--help"]))
    yield Line("evalsuite --help: whole command", "", f"{shown:.2f} s", None)


def others(bench: Bench) -> Iterator[Line]:
    """The whole command against those of other harnesses, in turns."""
    data = bench.data(2000)
    harnesses = list(installed())
    if not harnesses:
        print(f"    (no other harness in {ORACLES}: make oracles)", file=sys.stderr)
    with mock_server() as url:
        for harness in harnesses:
            ours, theirs = [], []
            for number in range(max(1, bench.rounds // 3)):
                ours.append(
                    command_seconds(run_words(url, data, bench.out, f"{harness.environment}-{number}"))
                )
                theirs.append(harness.seconds(data, url, bench.folder / f"{harness.environment}-{number}"))
            mine, other = statistics.median(ours), statistics.median(theirs)
            yield Line(
                f"2,000 rows, no latency, 64 at a time: whole command of {harness.name} / ours",
                f"≥ {harness.at_least:g} ×",
                f"{other / mine:.0f} × ({other:.1f} s / {mine:.2f} s)",
                other >= harness.at_least * mine,
            )


def requesting(bench: Bench) -> Iterator[Line]:
    """Requests a second while requesting, as the run itself reports them."""
    with mock_server() as url:
        for concurrency in (64, 256):
            data, ratios, rates = bench.data(bench.rows), [], []
            for number in range(max(2, bench.rounds // 2)):
                name = f"requesting-{concurrency}-{number}"
                command_seconds(run_words(url, data, bench.out, name, concurrency))
                rates.append(_summary(bench.out / name)["totals"]["requests_per_s"])
                bodies = request_bodies(bench.out / name)
                ratios.append(
                    rates[-1] * asyncio.run(bare_loop(url, bodies, concurrency, raw=True)) / len(bodies)
                )
            ratio = statistics.median(ratios)
            yield Line(
                f"{bench.rows:,} rows, no latency, {concurrency} at a time: requests/s / bare aiohttp loop",
                "≥ 0.6 ×",
                f"{ratio:.2f} × ({statistics.median(rates):,.0f}/s)",
                ratio >= 0.6,
            )


def latency(bench: Bench) -> Iterator[Line]:
    """A server that takes its time: against the time its answers need."""
    ideal = 2000 / 64 * 0.2
    with mock_server(latency=0.2) as url:
        whole = statistics.median(
            command_seconds(run_words(url, bench.data(2000), bench.out, f"latency-{number}"))
            for number in range(max(2, bench.rounds // 2))
        )
        yield Line(
            "2,000 rows, 200 ms latency, 64 at a time: whole command / ideal 6.25 s",
            "≤ 1.15 ×",
            f"{whole / ideal:.2f} × ({whole:.2f} s)",
            whole <= 1.15 * ideal,
        )
        seconds = command_seconds(run_words(url, bench.data(bench.rows), bench.out, "auto", "auto"))
        found = _summary(bench.out / "auto")["totals"]["concurrency"]
        yield Line(
            f"{bench.rows:,} rows, 200 ms latency, --concurrency auto",
            "",
            f"{found} at a time found; {bench.rows / seconds:,.0f} rows/s",
            None,
        )


def faults(bench: Bench) -> Iterator[Line]:
    """One request in a hundred each: 429, 500, dropped, truncated JSON, empty, hung."""
    rows, delay = bench.rows // 4, 0.05
    with mock_server(latency=delay, faults=0.01) as url:
        seconds = command_seconds(run_words(url, bench.data(rows), bench.out, "faults"))
    ideal = rows * 1.06 / 64 * delay
    once = Counter(_ids(bench.out / "faults")) == Counter(range(rows))
    most = 1.3 * ideal + HANG_SECONDS
    yield Line(
        f"{rows:,} rows, 50 ms latency, 1 % each of 429, 500, dropped, truncated JSON, empty, hang",
        "every row once, exit 0, ≤ 1.3 × ideal + one hang's time-out",
        f"{'every row once' if once else 'ROWS LOST OR TWICE'}, exit 0, {seconds:.1f} s (at most {most:.1f} s)",
        once and seconds <= most,
    )


def kills(bench: Bench) -> Iterator[Line]:
    """SIGKILL at random moments of the whole command, and of its requesting; then to the end."""
    rows, concurrency, chance, killed = 5000, 64, random.Random(3), 0
    data = bench.data(rows)
    with mock_server(latency=0.1) as url:
        words = [sys.executable, "-m", *run_words(url, data, bench.out, "killed", concurrency)]
        for number in range(KILLS):
            before = asked_so_far(url)
            with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                if number % 2:
                    while process.poll() is None and asked_so_far(url) == before:
                        time.sleep(0.01)
                most = KILLED_WHILE_ASKING_SECONDS if number % 2 else KILLED_AFTER_SECONDS
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0, most))
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
        command_seconds(words[2:])
        repeats = asked_so_far(url) - rows
    once = Counter(_ids(bench.out / "killed")) == Counter(range(rows))
    most_repeats = KILLS * concurrency + KILLS + 1  # the probe of each start is a request as well
    yield Line(
        f"{rows:,} rows, {KILLS} starts ended by SIGKILL",
        "every row once, ≤ 64 repeats a kill",
        f"{'every row once' if once else 'ROWS LOST OR TWICE'} after {killed} kills, {repeats / max(1, killed):.0f} repeats each, probes included",
        once and repeats <= most_repeats,
    )


def memory(bench: Bench) -> Iterator[Line]:
    """Peak memory against rows."""
    few, many = 5 * bench.rows, 50 * bench.rows
    peaks = {}
    with mock_server() as url:
        for start in STARTS:
            for rows in (few, many):
                peaks[rows, start] = peak_megabytes(url, bench.data(rows), bench.out, f"memory-{rows}")
    for start in STARTS:
        low, high = peaks[few, start], peaks[many, start]
        growth = (high - low) * 2**20 / (many - few)
        yield Line(
            f"{many:,} multiple-choice rows{start}: peak memory, growth from {few:,} rows on",
            "≤ 350 MB, ≤ 60 bytes a row",
            f"{high:.0f} MB, {growth:.0f} bytes a row",
            high <= 350 and growth <= 60,
        )


SCENARIOS: dict[str, Callable[[Bench], Iterator[Line]]] = {
    function.__name__: function
    for function in (whole_command, others, start, requesting, latency, faults, kills, memory)
}


def _median(bench: Bench, seconds: Callable[[int], float]) -> float:
    return statistics.median(seconds(number) for number in range(bench.rounds))


def _summary(run: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    return found


def _ids(run: Path) -> Iterator[int]:
    with (run / "samples.jsonl").open(encoding="utf-8") as stream:
        for line in stream:
            yield int(json.loads(line)["id"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], help="all unless named")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    lines = []
    for name in given.scenarios or SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            for line in SCENARIOS[name](Bench(Path(folder), given.rounds, 4000 if given.quick else 20_000)):
                lines.append(line)
                mark = MARKS[line.reached]
                print(
                    f"{line.scenario}\n    {line.asked or 'measured'}: {line.measured}   {mark}", flush=True
                )
            print(f"    ({name}: {time.perf_counter() - began:.0f} s)", file=sys.stderr, flush=True)
    if given.write:
        before = given.write.read_text(encoding="utf-8") if given.write.exists() else ""
        given.write.write_text(_markdown(lines, before), encoding="utf-8")


def _markdown(lines: list[Line], before: str) -> str:
    """The table; of a file that was there, the lines that were not measured again, and what follows."""
    day = datetime.now(timezone.utc).date().isoformat()
    head = f"{day}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}"
    kept = [row for row in before.splitlines() if row.startswith("| ")][2:]
    rows = {row.split(" | ")[0]: row for row in kept}
    for line in lines:
        row = f"| {line.scenario} | {line.asked} | {line.measured} | {MARKS[line.reached]} |"
        rows[f"| {line.scenario}"] = row
    table = ["| scenario | asked | measured | |", "| --- | --- | --- | --- |", *rows.values()]
    rest = before.partition("\n## ")[2]
    notes = f"\n## {rest.rstrip()}\n" if rest else ""
    return "\n".join(["# The run engine", "", head, "", *table]) + "\n" + notes


if __name__ == "__main__":
    main()
