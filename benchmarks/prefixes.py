"""What it is worth to a real server that rows which begin alike are sent next to each other (`evalsuite.runs.prefix_order`).

Rows with a few long beginnings (tool lists) in common, in the order of a shuffled file, are asked by `evalsuite run`
twice a round, of the same server in turns: as they stand, and arranged. Every round has other tool lists, so that
nothing is in the server's cache. What the server had to read of the prompts, it says itself (llama.cpp in its log, vLLM in
its metrics); unlike the time, that does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from evalsuite.backends import open_backend
from evalsuite.backends.base import ServedModel
from evalsuite.models.recognise import find_checkpoint

TOKENS = 4
READ_BY_LLAMACPP = re.compile(r"prompt eval time =.*?/ +(\d+) tokens")
AS_THEY_STAND = (
    "import evalsuite.runs.inference as inference; inference.arranged = lambda jobs, lanes=None: jobs; "
    "from evalsuite.cli.app import main; main()"
)
ARRANGED = "from evalsuite.cli.app import main; main()"
WORDS = ("river", "market", "engine", "letter", "garden", "signal", "winter", "copper", "island", "doctor")


def tool_list(chosen: random.Random, tools: int) -> str:
    """As a system prompt would have it."""
    return "\n".join(
        json.dumps(
            {
                "name": f"{chosen.choice(WORDS)}_{chosen.choice(WORDS)}_{number}",
                "description": " ".join(chosen.choices(WORDS, k=12)),
                "parameters": {word: {"type": "string"} for word in chosen.sample(WORDS, 2)},
            }
        )
        for number in range(tools)
    )


def write_rows(path: Path, prefixes: int, tools: int, rows: int) -> Path:
    """Questions, each under one of the tool lists, in random order; another file has other lists."""
    chosen = random.Random(path.stem)
    lists = [tool_list(chosen, tools) for _ in range(prefixes)]
    asked = [
        f"{lists[number % prefixes]}\n\nWhich of these tools finds thing {number}?" for number in range(rows)
    ]
    chosen.shuffle(asked)
    path.write_text("".join(json.dumps({"query": text, "response": "none"}) + "\n" for text in asked))
    return path


def seconds(served: ServedModel, data: Path, program: str, at_a_time: int) -> float:
    """Of a run, from the first request to the last line of its journal."""
    options = {
        "--base-url": served.base_url,
        "--model": served.model,
        "-d": f"qa:{data}",
        "--max-tokens": str(TOKENS),
        "--concurrency": str(at_a_time),
        "--out": str(data.parent),
        "--name": data.stem,
    }
    words = ["run", *(word for pair in options.items() for word in pair), "--json"]
    done = subprocess.run([sys.executable, "-c", program, *words], check=True, capture_output=True)
    wall: float = json.loads(done.stdout)["totals"]["wall_s"]
    return wall


def read_tokens(served: ServedModel, log: Path) -> int:
    """How many tokens of prompts the server has read so far, those of its cache not counted: by its log or its metrics."""
    told = [
        int(count) for count in READ_BY_LLAMACPP.findall(log.read_text(encoding="utf-8", errors="replace"))
    ]
    if told:
        return sum(told)
    lines = httpx.get(f"{served.base_url.removesuffix('/v1')}/metrics", timeout=30).text.splitlines()
    queries, hits = (
        sum(float(line.split()[-1]) for line in lines if line.startswith(f"vllm:prefix_cache_{name}_total"))
        for name in ("queries", "hits")
    )
    return int(queries - hits)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", default="llamacpp")
    parser.add_argument("--backend-arg", action="append", default=[])
    parser.add_argument("--ckpt", default="smollm2")
    parser.add_argument("--prefixes", type=int, default=8)
    parser.add_argument("--tools", type=int, default=12, help="of a list; some 60 tokens each")
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-a-time", type=int, default=4)
    given = parser.parse_args()
    arguments = dict(pair.split("=", 1) for pair in given.backend_arg)
    programs = {"as they stand": AS_THEY_STAND, "arranged": ARRANGED}
    took: dict[str, list[tuple[float, int]]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as temporary:
        log = Path(temporary, "server.log")
        checkpoint = find_checkpoint(f"model={given.ckpt}")
        with open_backend(given.backend).serve([checkpoint], arguments, log) as server:
            (served,) = server.served.values()
            for number in range(given.rounds):
                for name, program in programs.items():
                    data = Path(temporary, f"{name.replace(' ', '-')}-{number}.jsonl")
                    write_rows(data, given.prefixes, given.tools, given.rows)
                    before = read_tokens(served, log)
                    wall = seconds(served, data, program, given.at_a_time)
                    took[name].append((wall, read_tokens(served, log) - before))
                    print(f"{name}: {wall:.2f} s, {took[name][-1][1]:,} tokens of prompts read", flush=True)
    for name, found in took.items():
        walls, tokens = zip(*found, strict=True)
        print(
            f"{name}, medians: {statistics.median(walls):.2f} s, {statistics.median(tokens):,.0f} tokens read"
        )


if __name__ == "__main__":
    main()
