"""What it is worth to a real server that rows which begin alike are sent next to each other (`evalsuite.runs.neighbours`).

    python benchmarks/prefixes.py [--backend llamacpp|vllm] [--ckpt smollm2] [--prefixes 8] [--rows 96] [--rounds 3] [--at-a-time 4]

Rows with a few long beginnings (tool lists) in common, in the order of a shuffled file, are asked by `evalsuite run`
twice a round, of the same server in turns: as they stand, and arranged. Every round has other tool lists, so that
nothing is in the server's cache. The prompts' tokens of which the server did not have to think are what it says.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from evalsuite.backends import open_backend
from evalsuite.backends.base import Served
from evalsuite.models.recognise import find_checkpoint

TOKENS = 4
TOOLS = 12
"""Of a list: some 500 tokens."""
AS_THEY_STAND = (
    "import evalsuite.runs.inference as inference; inference.arranged = iter; "
    "from evalsuite.cli.app import main; main()"
)
ARRANGED = "from evalsuite.cli.app import main; main()"
WORDS = ("river", "market", "engine", "letter", "garden", "signal", "winter", "copper", "island", "doctor")


def tool_list(chosen: random.Random) -> str:
    """As a system prompt would have it."""
    return "\n".join(
        json.dumps(
            {
                "name": f"{chosen.choice(WORDS)}_{chosen.choice(WORDS)}_{number}",
                "description": " ".join(chosen.choices(WORDS, k=12)),
                "parameters": {word: {"type": "string"} for word in chosen.sample(WORDS, 2)},
            }
        )
        for number in range(TOOLS)
    )


def write_rows(path: Path, prefixes: int, rows: int, seed: str) -> Path:
    """Questions, each under one of the tool lists, in random order."""
    chosen = random.Random(seed)
    lists = [tool_list(chosen) for _ in range(prefixes)]
    asked = [
        f"{lists[number % prefixes]}\n\nWhich of these tools finds thing {number}?" for number in range(rows)
    ]
    chosen.shuffle(asked)
    path.write_text("".join(json.dumps({"query": text, "response": "none"}) + "\n" for text in asked))
    return path


def seconds(served: Served, data: Path, program: str, at_a_time: int) -> float:
    """Of a run, from the first request to the last line of its journal."""
    words = [
        "evalsuite",
        "run",
        "--base-url",
        served.base_url,
        "--model",
        served.model,
        "-d",
        f"qa:{data}",
        "--max-tokens",
    ]
    words += [
        str(TOKENS),
        "--concurrency",
        str(at_a_time),
        "--out",
        str(data.parent),
        "--name",
        data.stem,
        "--json",
    ]
    done = subprocess.run([sys.executable, "-c", program, *words[1:]], check=True, capture_output=True)
    wall: float = json.loads(done.stdout)["totals"]["wall_s"]
    return wall


def kept_tokens(served: Served) -> float | None:
    """Tokens of prompts that the server found in its cache so far, where it counts them (vLLM)."""
    reply = httpx.get(f"{served.base_url.removesuffix('/v1')}/metrics", timeout=30)
    lines = reply.text.splitlines() if reply.is_success else []
    found = [line.split()[-1] for line in lines if line.startswith("vllm:prefix_cache_hits_total")]
    return float(found[0]) if found else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", default="llamacpp")
    parser.add_argument("--backend-arg", action="append", default=[])
    parser.add_argument("--ckpt", default="smollm2")
    parser.add_argument("--prefixes", type=int, default=8)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-a-time", type=int, default=4)
    given = parser.parse_args()
    arguments = dict(pair.split("=", 1) for pair in given.backend_arg)
    programs = {"as they stand": AS_THEY_STAND, "arranged": ARRANGED}
    took: dict[str, list[float]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        checkpoint = find_checkpoint(f"model={given.ckpt}")
        with open_backend(given.backend).serve([checkpoint], arguments, folder / "server.log") as server:
            (served,) = server.served.values()
            for number in range(given.rounds):
                for name, program in programs.items():
                    data = folder / f"{name.replace(' ', '-')}-{number}.jsonl"
                    write_rows(data, given.prefixes, given.rows, data.stem)
                    before = kept_tokens(served)
                    took[name].append(seconds(served, data, program, given.at_a_time))
                    after = kept_tokens(served)
                    kept = (
                        ""
                        if before is None or after is None
                        else f", {after - before:,.0f} tokens from its cache"
                    )
                    print(f"{name}: {took[name][-1]:.2f} s{kept}", flush=True)
    before_s, after_s = (statistics.median(times) for times in took.values())
    print(
        f"medians: {before_s:.2f} s as they stand, {after_s:.2f} s arranged: {before_s / after_s:.2f} × faster"
    )


if __name__ == "__main__":
    main()
