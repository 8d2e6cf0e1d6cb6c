"""The benchmarks of a suite: read from its environment once, then from a small file in the user's cache."""

from __future__ import annotations

import difflib
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from evalsuite._util.user_cache import cache_folder
from evalsuite.errors import ConfigError, InputError
from evalsuite.suites.environments import SuiteEnvironment

TIMEOUT_SECONDS = 600
"""OpenCompass and VLMEvalKit import torch just to list their benchmarks."""
LAST_LINES = 6
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark of a suite; fields that the suite does not state are empty."""

    name: str
    title: str = ""
    category: str = ""
    modality: str = ""
    metric: str = ""
    size: int | None = None
    hub: str = ""
    """Where its data comes from: a hub id or an address."""
    needs: tuple[str, ...] = ()
    """What it requires: `judge`, `sandbox`."""


def list_benchmarks(environment: SuiteEnvironment) -> list[Benchmark]:
    """List every benchmark of an installed suite. Raises `InputError` if its environment cannot."""
    file = _cache_file(environment)
    try:
        lines = file.read_bytes().splitlines()
        return [_benchmark(orjson.loads(line)) for line in lines]
    except (OSError, ValueError, KeyError):
        lines = _ask(environment).splitlines()
    found = [_benchmark(orjson.loads(line)) for line in lines if line.startswith(b"{")]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\n".join(line for line in lines if line.startswith(b"{")) + b"\n")
    except OSError:
        return found  # without the cache the list only takes longer
    return found


def find_benchmark(name: str, environment: SuiteEnvironment) -> Benchmark:
    """The benchmark with this name. Raises `ConfigError` that suggests similar ones."""
    known = {benchmark.name: benchmark for benchmark in list_benchmarks(environment)}
    if name in known:
        return known[name]
    suite = environment.suite
    lower = {found.lower(): found for found in reversed(known)}
    close = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, n=SHOWN)]
    close += [found for found in known if name.lower() in found.lower() and found not in close][
        : SHOWN - len(close)
    ]
    hint = f"Did you mean {' or '.join(f'{suite.name}:{match}' for match in close)}?" if close else ""
    raise ConfigError(
        f"-d {suite.name}:{name}: {suite.title} {environment.version} has no such benchmark. {hint} "
        f"`evalsuite datasets {suite.name}` lists its {len(known)}."
    )


def _cache_file(environment: SuiteEnvironment) -> Path:
    driver = hashlib.blake2b(environment.suite.driver.read_bytes(), digest_size=4).hexdigest()
    place = hashlib.blake2b(str(environment.python).encode(), digest_size=4).hexdigest()
    return cache_folder(
        "catalogues", f"{environment.suite.name}-{environment.version}-{driver}-{place}.jsonl"
    )


def _ask(environment: SuiteEnvironment) -> bytes:
    command = [str(environment.python), "-B", str(environment.suite.driver), "catalogue"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{environment.python}: cannot list the benchmarks ({error}).") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()[-LAST_LINES:]
        raise InputError(
            f"The environment of {environment.suite.title} is broken: it cannot list its benchmarks. Its last lines:\n"
            + "\n".join(f"  {line}" for line in lines)
            + f"\nMake it again with `evalsuite suites install {environment.suite.name} --fresh`."
        )
    return done.stdout


def _words(value: Any) -> str:
    """A fact as text; suites give lists for some."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _benchmark(entry: dict[str, Any]) -> Benchmark:
    return Benchmark(
        str(entry["name"]),
        _words(entry.get("title")),
        _words(entry.get("category")),
        _words(entry.get("modality")),
        _words(entry.get("metric")),
        entry.get("size"),
        _words(entry.get("hub")),
        tuple(entry.get("needs") or ()),
    )
