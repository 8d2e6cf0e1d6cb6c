"""Servers that evalsuite starts: what 100 starts and stops leave behind, and whether a run keeps a real one busy.

    python benchmarks/servers.py cycles busy [--cycles N] [--write FILE]

`cycles`: llama.cpp with SmolLM2 and, where torch is there, 20 times the transformers server with a tiny random model. After each
stop no process of it may run, its port must refuse, and folders and descriptors must be as before. `busy`: the same
prompts against one llama.cpp server by a plain loop, as many at a time as it has slots, and by `evalsuite run`, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path

import aiohttp
import httpx

from evalsuite.backends import open_backend
from evalsuite.backends.base import Server
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.models.recognise import find_checkpoint

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))  # which has a mock_server of its own
folders, helpers = import_module("model_folders"), import_module("run_helpers")
SLOTS, TOKENS, PROMPTS, ROUNDS = 4, 32, 48, 3
BUSY_SHARE = 0.95
MOST_WITH_TORCH = 20
"""Of starts that import torch, which takes most of the time of each."""
Row = tuple[str, str, str, bool]
"""Scenario, what is asked, what was measured, whether it is reached."""


def cycles(count: int, folder: Path) -> Iterator[Row]:
    """Start, ask, stop; look for what is left."""
    name = f"cycled{os.getpid()}"  # in the command lines of these servers alone
    small = {"n_ctx": "256", "n_parallel": "1"}
    yield _cycled("llamacpp", find_checkpoint(f"{name}=smollm2"), small, count, folder)
    if importlib.util.find_spec("torch"):
        tiny = find_checkpoint(f"{name}={folders.tiny_model(folder / 'model')}")
        yield _cycled("transformers", tiny, {"n_threads": "1"}, min(count, MOST_WITH_TORCH), folder)


def _cycled(backend: str, checkpoint: Checkpoint, arguments: dict[str, str], count: int, folder: Path) -> Row:
    logs = folder / f"logs-{backend}"
    logs.mkdir()
    scratch = folder / f"temporary-{backend}"
    scratch.mkdir()
    os.environ["TMPDIR"] = str(scratch)  # where the servers would leave files
    places = (logs, scratch, Path.cwd())
    before, seconds, left = _left_in(places), [], list[str]()
    for _ in range(count):
        began = time.perf_counter()
        with open_backend(backend).serve([checkpoint], arguments, logs / "server.log") as server:
            (served,) = server.served.values()
            body = {"model": served.model, "prompt": "One, two,", "max_tokens": 1}
            httpx.post(f"{served.base_url}/completions", json=body, timeout=60).raise_for_status()
        seconds.append(time.perf_counter() - began)
        left += [f"process {number}" for number in helpers.processes_with(checkpoint.model)]
        left += [served.base_url] if _answers(served.base_url) else []
    left += _left_in(places) ^ before ^ {"server.log"}
    measured = f"{len(left)} left of {count} starts, {statistics.median(seconds):.2f} s each {' '.join(left)}".strip()
    return (
        f"{backend}: start, one request, stop",
        "no process, port, file or descriptor left",
        measured,
        not left,
    )


def _left_in(places: tuple[Path, ...]) -> set[str]:
    """Names in these folders, and open descriptors of this process."""
    names = {entry.name for place in places for entry in place.iterdir()}
    return names | {f"descriptor {number}" for number in helpers.open_descriptors()}


def _answers(base_url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        httpx.get(f"{base_url}/models", timeout=5)
        return True
    return False


def busy(_: int, folder: Path) -> Iterator[Row]:
    """Tokens a second of a run against those of a loop that does nothing else."""
    checkpoint = find_checkpoint("little=smollm2")
    arguments = {"n_ctx": "256", "n_parallel": str(SLOTS)}
    with open_backend("llamacpp").serve([checkpoint], arguments, folder / "server.log") as server:
        _loop(server, "warm")
        loops, runs = [], []
        for number in range(ROUNDS):
            loops.append(_loop(server, f"loop {number}"))
            runs.append(_run(server, f"run {number}", folder))
    share = statistics.median(runs) / max(loops)
    yield (
        f"llama.cpp, {PROMPTS} prompts of {TOKENS} tokens, {SLOTS} at a time: tokens/s of a run / the best of {ROUNDS} plain loops",
        f"≥ {BUSY_SHARE} ×",
        f"{share:.3f} × ({_listed(runs)} / {_listed(loops)})",
        share >= BUSY_SHARE,
    )


def _listed(numbers: list[float]) -> str:
    return ", ".join(f"{number:.1f}" for number in numbers)


def _prompts(name: str) -> list[str]:
    """All different, so that the server reads each anew; they ask for more than they get."""
    return [f"{name}, {number}: tell me a very long story about {number} cats." for number in range(PROMPTS)]


def _loop(server: Server, name: str) -> float:
    """Tokens a second of the loop anyone would write."""
    (served,) = server.served.values()

    async def ask() -> float:
        waiting, tokens = iter(_prompts(name)), 0

        async def worker(session: aiohttp.ClientSession) -> None:
            nonlocal tokens
            for prompt in waiting:
                message = {"role": "user", "content": prompt}
                body = {"model": served.model, "messages": [message], "temperature": 0, "max_tokens": TOKENS}
                async with session.post(f"{served.base_url}/chat/completions", json=body) as response:
                    tokens += (await response.json())["usage"]["completion_tokens"]

        async with aiohttp.ClientSession() as session:
            began = time.perf_counter()
            await asyncio.gather(*(worker(session) for _ in range(SLOTS)))
            return tokens / (time.perf_counter() - began)

    return asyncio.run(ask())


def _run(server: Server, name: str, folder: Path) -> float:
    """The same of `evalsuite run`, from the first request to the last line of its journal."""
    (served,) = server.served.values()
    data = folder / f"{name}.jsonl"
    data.write_text(
        "".join(json.dumps({"query": text, "response": "cats"}) + "\n" for text in _prompts(name))
    )
    words = [
        "run",
        "--base-url",
        served.base_url,
        "--model",
        served.model,
        "-d",
        f"qa:{data}",
        "--name",
        name,
    ]
    words += ["--max-tokens", str(TOKENS), "--concurrency", str(SLOTS), "--out", str(folder), "--json"]
    done = subprocess.run([sys.executable, "-m", "evalsuite", *words], check=True, capture_output=True)
    speed: float = json.loads(done.stdout)["totals"]["completion_tokens_per_s"]
    return speed


SCENARIOS = {"cycles": cycles, "busy": busy}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], help="all unless named")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    rows: list[Row] = []
    for name in given.scenarios or SCENARIOS:
        with tempfile.TemporaryDirectory(dir=HERE) as folder:
            for row in SCENARIOS[name](given.cycles, Path(folder)):
                rows.append(row)
                print(f"{row[0]}\n    {row[1]}: {row[2]}   {'reached' if row[3] else 'MISSED'}", flush=True)
    if given.write:
        given.write.write_text(_markdown(rows), encoding="utf-8")


def _markdown(rows: list[Row]) -> str:
    day = datetime.now(timezone.utc).date().isoformat()
    head = f"{day}, {platform.machine()}, Python {platform.python_version()}, Linux {platform.release()}"
    lines = [f"| {row[0]} | {row[1]} | {row[2]} | {'reached' if row[3] else 'MISSED'} |" for row in rows]
    table = "\n".join(["| scenario | asked | measured | |", "| --- | --- | --- | --- |", *lines])
    return f"# Servers\n\n{head}\n\n{table}\n"


if __name__ == "__main__":
    main()
