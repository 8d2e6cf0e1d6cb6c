"""What wrapping another suite costs: its own process called directly against `evalsuite run`, and how fast samples are imported.

    python benchmarks/suites.py [--rows 400] [--rounds 3]    needs EvalScope's environment for the first part

Both sides ask the same rows of the same mock server on a real socket, alternating; the targets are at most 2 s + 2 % more,
and 10,000 samples imported in 5 s.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalsuite.config import build_config
from evalsuite.runs.directory import RunDirectory
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.work import Variant
from evalsuite.suites.environments import find_environment
from evalsuite.suites.jobs import SuiteJob, parse_suite_spec
from evalsuite.suites.registry import SUITES
from evalsuite.suites.suite_runs import SuiteRuns

IMPORTED = 10_000
DIRECT = """
import sys
from evalscope import TaskConfig, run_task
url, data, work = sys.argv[1:]
run_task(TaskConfig(
    model="mock", api_url=url, api_key="EMPTY", eval_type="openai_api", datasets=["general_mcq"],
    dataset_args={"general_mcq": {"local_path": data, "subset_list": ["rows"]}},
    generation_config={"temperature": 0.0, "max_tokens": 16}, eval_batch_size=8, work_dir=work, no_timestamp=True,
))
"""
SERVER = """
import asyncio, json
BODY = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "mock", "choices": [{"index": 0, "message": {"role": "assistant", "content": "答案：B"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}).encode()
MODELS = json.dumps({"object": "list", "data": [{"id": "mock", "object": "model"}]}).encode()
async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            length = next((int(line.split(b":")[1]) for line in head.split(b"\\r\\n") if line.lower().startswith(b"content-length")), 0)
            await reader.readexactly(length)
            body = MODELS if head.startswith(b"GET") else BODY
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def serving() -> Iterator[str]:
    """The mock server's base URL."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall and processor seconds of a command that must succeed; the second is hardly moved by what else runs."""
    began, before = time.perf_counter(), processor_seconds()
    with (folder / "log").open("ab") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log, cwd=folder)
    return time.perf_counter() - began, processor_seconds() - before


def processor_seconds() -> float:
    """Of all that this process started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def overhead(rows: int, rounds: int) -> None:
    """EvalScope by itself and behind us, in turns."""
    environment = find_environment(SUITES["evalscope"])
    if environment.state != "ready":
        print(f"overhead: not measured, EvalScope is {environment.state} (make test-suites)")
        return
    with tempfile.TemporaryDirectory() as name, serving() as url:
        folder = Path(name)
        data = folder / "rows_val.csv"
        data.write_text(
            "question,A,B,C,D,answer\n"
            + "".join(f"question {n},1,2,3,4,{'ABCD'[n % 4]}\n" for n in range(rows))
        )
        direct, wrapped = [], []
        for place in range(rounds + 1):
            ours = [
                sys.executable,
                "-m",
                "evalsuite",
                "run",
                "--base-url",
                url,
                "--model",
                "mock",
                "--concurrency",
                "8",
            ]
            ours += [
                "--max-tokens",
                "16",
                "--out",
                str(folder),
                "--name",
                f"ours-{place}",
                "-d",
                f"evalscope:general_mcq={data}",
            ]
            wrapped.append(timed(ours, folder))
            theirs = [
                str(environment.python),
                "-c",
                DIRECT,
                url,
                str(folder),
                str(folder / f"theirs-{place}"),
            ]
            direct.append(timed(theirs, folder))
        alone, behind = (statistics.median(wall for wall, _ in side[1:]) for side in (direct, wrapped))
        allowed = 2.0 + 0.02 * alone
        print(
            f"overhead, {rows} rows, median of {rounds}: EvalScope alone {alone:.2f} s, behind evalsuite {behind:.2f} s"
        )
        print(
            f"  {behind - alone:+.2f} s (target: at most {allowed:+.2f} s): {'met' if behind - alone <= allowed else 'MISSED'}"
        )
        cpu = [statistics.median(cpu for _, cpu in side[1:]) for side in (direct, wrapped)]
        print(f"  processor time: alone {cpu[0]:.2f} s, behind evalsuite {cpu[1]:.2f} s")


def imported() -> None:
    """Ten thousand samples that a suite left → journal, tally, metrics."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = parse_suite_spec("evalscope:quiz")
        config = build_config(
            {"datasets": ["evalscope:quiz"], "base_url": "http://127.0.0.1:9", "model": "m"}
        )
        settings = dict.fromkeys(("limit", "shots", "temperature", "max_tokens", "top_p", "seed", "judge"))
        job = SuiteJob(spec, "quiz", find_environment(spec.suite), settings, "")
        variant = Variant("m", "f")
        runs = SuiteRuns([job], [variant], RunDirectory(folder), config)
        work = folder / "suites" / "m" / f"quiz-{job.identity('f')[:8]}"
        work.mkdir(parents=True)
        question = "Which of the following statements about the question is right? " * 8
        with (work / "samples.jsonl").open("w") as stream:
            for place in range(IMPORTED):
                sample = {
                    "subset": f"subject {place % 14}",
                    "id": str(place),
                    "index": place,
                    "messages": [{"role": "user", "content": f"{question}{place}"}],
                    "reply": "The answer is B. " * 20,
                    "gold": "B",
                    "extracted": "B",
                    "scores": {"accuracy": float(place % 3 == 0)},
                    "finish_reason": "stop",
                }
                stream.write(json.dumps(sample) + "\n")
        right = sum(place % 3 == 0 for place in range(IMPORTED))
        reported = [{"metric": "accuracy", "value": right / IMPORTED, "decimals": 4, "primary": True}]
        (work / "result.json").write_text(
            json.dumps({"version": "1.14.1", "reported": reported, "notes": []})
        )
        began = time.perf_counter()
        runs.reconcile(RunProgress())
        results = runs.results()[0].results()
        seconds = time.perf_counter() - began
        assert results[0].interval.n == IMPORTED
        print(
            f"import of {IMPORTED:,} samples: {seconds:.2f} s (target: at most 5 s): {'met' if seconds <= 5 else 'MISSED'}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    os.environ.pop("OPENAI_API_KEY", None)
    imported()
    overhead(given.rows, given.rounds)
