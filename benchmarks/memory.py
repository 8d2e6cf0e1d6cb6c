"""Memory against rows: peak of the whole command for a few row counts, and of the same command again, which asks nothing."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import mock_server, run_words, write_rows

CONCURRENCY = 64
PEAK_REPORT = "import resource, runpy, sys; sys.argv = sys.argv[1:]\ntry:\n    runpy.run_module('evalsuite', run_name='__main__', alter_sys=True)\nfinally:\n    print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"


def peak_megabytes(base_url: str, data: Path, out: Path, name: str) -> float:
    """Peak resident memory of one run."""
    command = [sys.executable, "-c", PEAK_REPORT, *run_words(base_url, data, out, name, CONCURRENCY)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stderr.rpartition("PEAK ")[2]) / 1024


def _growth(before: tuple[int, float] | None, rows: int, peak: float) -> str:
    if before is None:
        return ""
    return f"   {(peak - before[1]) * 2**20 / (rows - before[0]):5.0f} bytes for each row more"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 100_000, 1_000_000])
    with tempfile.TemporaryDirectory() as folder, mock_server() as base_url:
        before: dict[str, tuple[int, float]] = {}
        for rows in parser.parse_args().rows:
            data = write_rows(Path(folder) / f"rows{rows}.csv", rows)
            for start in ("first", "again"):
                peak = peak_megabytes(base_url, data, Path(folder) / "reports", str(rows))
                growth = _growth(before.get(start), rows, peak)
                print(f"{rows:8} rows   {start}   peak {peak:6.1f} MB{growth}", flush=True)
                before[start] = rows, peak


if __name__ == "__main__":
    main()
