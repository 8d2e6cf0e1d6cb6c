"""Time and memory of comparing two runs of many rows, the whole command, against journals made up here."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from memory import PEAK_REPORT

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "while",
    "seven",
    "quiet",
    "engines",
    "counted",
    "every",
    "passing",
    "cloud",
    "and",
    "wrote",
    "it",
    "down",
]


def run_directory(folder: Path, name: str, rows: int, skill: float) -> Path:
    """A run directory as `evalsuite score` leaves it, made once: each row right with a chance of `skill`, told by its question."""
    if (folder / name / "summary.json").exists():
        return folder / name
    shown = random.Random(name)
    path = folder / f"{name}.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for number in range(rows):
            question = " ".join(random.Random(number).choices(WORDS, k=30))
            gold = " ".join(random.Random(-number).choices(WORDS, k=12))
            said = gold if shown.random() < skill else " ".join(shown.choices(WORDS, k=12))
            row = {"id": str(number), "query": question, "response": gold, "prediction": said}
            stream.write(json.dumps(row) + "\n")
    words = [sys.executable, "-m", "evalsuite", "score", f"qa:{path}", "--name", name, "--out", str(folder)]
    subprocess.run(words, check=True, capture_output=True)
    return folder / name


def measured(runs: list[Path], page: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of one comparison with a page."""
    arguments = ["evalsuite", "compare", *map(str, runs), "--html", str(page)]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PEAK_REPORT, *arguments], check=True, capture_output=True, text=True
    )
    return time.perf_counter() - started, int(done.stderr.rpartition("PEAK ")[2]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--folder", type=Path, help="where the runs are kept, for a second measurement")
    parser.add_argument("--make", action="store_true", help="only make the runs")
    options: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(exist_ok=True)
        for rows in options.rows:
            runs = [
                run_directory(folder, f"{side}{rows}", rows, skill)
                for side, skill in (("a", 0.5), ("b", 0.52))
            ]
            if not options.make:
                seconds, megabytes = measured(runs, folder / "page.html")
                print(f"{rows:8} rows x 2   {seconds:6.2f} s   peak {megabytes:5.0f} MB", flush=True)


if __name__ == "__main__":
    main()
