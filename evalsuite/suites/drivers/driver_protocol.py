"""What the drivers share: the job they read, the two files they write. Standard library only.

A driver runs in the environment of its suite, as `drive_NAME.py COMMAND`, where evalsuite itself is not installed:

    check            import what a run needs; exit code 0
    catalogue        one JSON object a benchmark, to standard output
    run JOB.json     run a benchmark against an endpoint; leaves `samples.jsonl` and, last of all, `result.json`

`samples.jsonl` has one line per sample: {"subset", "id", "index", "prompt" | "messages", "reply" | null, "reasoning",
"tool_calls", "finish_reason", "prompt_tokens", "completion_tokens", "latency_s", "gold", "extracted", "scores",
"error", "labels", "category"}; only `subset`, `id`, `index` and `scores` are required.
`result.json`: {"version", "reported": [{"metric", "value", "decimals", "subset", "better", "primary"}], "notes": []}.

The key is in the environment variable OPENAI_API_KEY, a judge's in JUDGE_API_KEY; neither is ever written.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

NO_KEY = "EMPTY"
"""The key of clients that require one."""
SAMPLES, RESULT = "samples.jsonl", "result.json"
EXIT_NO_RESULT, EXIT_BROKEN, EXIT_REFUSED, EXIT_PACKAGE_MISSING = 1, 5, 6, 7
"""Exit codes: no result; the suite cannot be imported; it cannot run this job; a package of this benchmark is missing."""


def key() -> str:
    """The model's key."""
    return os.environ.get("OPENAI_API_KEY") or NO_KEY


def judge_key() -> str:
    """The judge's key."""
    return os.environ.get("JUDGE_API_KEY") or NO_KEY


def refuse(message: str) -> NoReturn:
    """End with a message for the user."""
    sys.stderr.write(f"{message}\n")
    sys.exit(EXIT_REFUSED)


def write_results(
    work: Path,
    samples: Iterable[Mapping[str, Any]],
    reported: Iterable[Mapping[str, Any]],
    version: str,
    notes: Iterable[str] = (),
) -> None:
    """Write the two files; `result.json` comes last, so it shows that both are complete."""
    temporary = work / f"{SAMPLES}.part"
    with temporary.open("w", encoding="utf-8") as stream:
        for sample in samples:
            stream.write(json.dumps(sample, ensure_ascii=False, default=str) + "\n")
    content = {"version": version, "reported": list(reported), "notes": list(notes)}
    if not content["reported"] and not temporary.stat().st_size:
        sys.exit(EXIT_NO_RESULT)  # the suite has printed why, but exits with success
    temporary.replace(work / SAMPLES)
    (work / RESULT).write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def main(
    check: Callable[[], None],
    catalogue: Callable[[], Iterable[Mapping[str, Any]]],
    run: Callable[[Mapping[str, Any]], None],
) -> None:
    """Run the command of the command line."""
    command, *rest = sys.argv[1:]
    try:
        check()
    except ImportError as error:
        fail(error, EXIT_BROKEN)
    try:
        if command == "catalogue":
            for entry in catalogue():
                sys.stdout.write(json.dumps(entry, ensure_ascii=False) + "\n")
        elif command == "run":
            run(json.loads(Path(rest[0]).read_text(encoding="utf-8")))
    except ImportError as error:
        fail(error, EXIT_PACKAGE_MISSING)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # all files are written; unloading a suite's modules can take seconds


def fail(error: ImportError, code: int) -> NoReturn:
    """End because something cannot be imported."""
    sys.stderr.write(f"{type(error).__name__}: {error}\n")
    sys.exit(code)


def read_json_lines(file: Path) -> Iterable[dict[str, Any]]:
    """Read a file's JSON objects, one per line; incomplete or damaged lines are skipped."""
    with file.open("rb") as stream:
        for raw in stream:
            try:
                line = json.loads(raw)
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line
