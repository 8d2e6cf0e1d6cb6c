"""`-d SUITE:NAME[=PATH]` → a job: a benchmark, its settings, and the place of its files in the run directory.

    suites/VARIANT/NAME-HASH.log     what the suite printed
    suites/VARIANT/NAME-HASH/        its own output and cache; job.json (no key in it), samples.jsonl, result.json

`HASH` covers everything the samples depend on: another --limit gets its own folder, and the same command finds the suite's
cache again.
"""

from __future__ import annotations

import glob
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite._util.user_cache import file_sha256
from evalsuite.backends.base import ServedModel
from evalsuite.config import RunConfig
from evalsuite.errors import ConfigError, InputError
from evalsuite.metrics.gates import Gate
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.gate_checks import check_gates
from evalsuite.runs.imported import ImportedDataset, Source
from evalsuite.suites.catalogue import Benchmark, find_benchmark
from evalsuite.suites.environments import SuiteEnvironment, ready_environment
from evalsuite.suites.registry import SUITES, Suite

HASH_DIGITS = 16
SHOWN_DIGITS = 8
CONCURRENCY = 8
"""Requests at a time if neither the user nor the server sets them; the suites' own default or more."""
HASHED_FILES = 2000
"""A local copy of more files is identified by their names and sizes."""
GENERAL_BENCHMARKS = ("general_mcq", "general_qa")


@dataclass(frozen=True)
class SuiteSpec:
    """A benchmark as the user named it. `data`: the user's own file or folder."""

    text: str
    suite: Suite
    benchmark: str
    data: Path | None


@dataclass(frozen=True)
class SuiteJob:
    """A benchmark to run for every variant. `name` labels its results."""

    spec: SuiteSpec
    name: str
    environment: SuiteEnvironment
    settings: Mapping[str, Any]
    """The driver's settings except for the model."""
    data_hash: str

    @property
    def source(self) -> Source:
        """The source, for signatures."""
        given = {
            name: value
            for name, value in self.settings.items()
            if name in SIGNATURE_SETTINGS and value not in (None, [])
        }
        conditions = [f"benchmark:{self.spec.benchmark}"]
        conditions += [f"{SIGNATURE_SETTINGS[name]}:{_word(value)}" for name, value in given.items()]
        if judge := self.settings["judge"]:
            conditions.append(f"judge:{judge['model']}")
        if self.data_hash:
            conditions.append(f"data:{self.data_hash[:SHOWN_DIGITS]}")
        return Source(self.spec.suite.name, self.environment.version, tuple(conditions))

    def identity(self, fingerprint: str) -> str:
        """16 hexadecimal digits that identify everything the samples of a variant depend on."""
        asked = {name: value for name, value in self.settings.items() if name not in SPEED_SETTINGS}
        content = [
            self.spec.suite.name,
            self.environment.version,
            self.spec.benchmark,
            self.data_hash,
            fingerprint,
            asked,
        ]
        return hashlib.blake2b(
            json.dumps(content, sort_keys=True).encode(), digest_size=HASH_DIGITS // 2
        ).hexdigest()

    def _judge(self, served: ServedModel) -> dict[str, Any] | None:
        """The judge of the replies; the model under test itself if the user says so."""
        judge: dict[str, Any] | None = self.settings["judge"]
        if judge and judge["base_url"] is None:
            return {**judge, "model": served.model, "base_url": served.base_url}
        return judge

    def driver_job(self, served: ServedModel, work: Path) -> dict[str, Any]:
        """The content of job.json. It contains no key."""
        concurrency = self.settings["concurrency"]
        return {
            **self.settings,
            "benchmark": self.spec.benchmark,
            "data": str(self.spec.data.resolve()) if self.spec.data else None,
            "work": str(work.resolve()),
            "model": served.model,
            "base_url": served.base_url,
            "fields": dict(served.fields),
            "judge": self._judge(served),
            "concurrency": (served.slots or CONCURRENCY) if concurrency == "auto" else concurrency,
        }


SIGNATURE_SETTINGS = {
    "limit": "limit",
    "shots": "shots",
    "temperature": "t",
    "max_tokens": "max_tokens",
    "top_p": "top_p",
    "seed": "seed",
}
"""Setting → its name in signatures."""
SPEED_SETTINGS = frozenset({"concurrency", "timeout", "ignore_errors"})


def plan_suites(texts: Sequence[str], config: RunConfig, taken: Sequence[str]) -> tuple[SuiteJob, ...]:
    """Find the environment and the benchmark of each SPEC. Raises `InputError` before anything is sent."""
    if config.completions:
        raise ConfigError(f"--completions: {texts[0]} asks chat models only; leave out one of the two.")
    names = set(taken)
    jobs = []
    for text in texts:
        spec = parse_suite_spec(text)
        environment = ready_environment(spec.suite)
        benchmark = _checked(spec, environment, config)
        name = _unique(_plain(spec), names)
        names.add(name)
        settings = _settings(config, sandbox="sandbox" in benchmark.needs if benchmark else False)
        jobs.append(SuiteJob(spec, name, environment, settings, _data_hash(spec)))
    return tuple(jobs)


def check_suite_gates(gates: Sequence[Gate], plans: Sequence[DatasetPlan], jobs: Sequence[SuiteJob]) -> None:
    """Check `--fail-under` as far as possible before a suite has run. Raises `ConfigError`."""
    later = [
        ImportedDataset(
            own_name=job.name, spec=job.spec.text, variant="", source=job.source, counts={}, own_metrics=()
        )
        for job in jobs
    ]
    check_gates(gates, [*plans, *later])


def parse_suite_spec(text: str) -> SuiteSpec:
    """Parse `evalscope:general_mcq=ceval.csv`, `opencompass:my.csv`, `vlmeval:MMBench_DEV_EN`. Raises `ConfigError`."""
    prefix, _, target = text.partition(":")
    suite = SUITES[prefix]
    name, equals, path = target.partition("=")
    if not name.strip() or (equals and not path):
        raise ConfigError(
            f"-d {text}: write {prefix}:BENCHMARK, or {prefix}:BENCHMARK=PATH for a local copy of its data."
        )
    if not equals and suite.name != "evalscope" and (Path(target).suffix or "/" in target):
        name, path = Path(target).stem, target
    if not path:
        return SuiteSpec(text, suite, name, None)
    data = Path(path).expanduser()
    if not data.exists():
        raise InputError(f"-d {text}: there is no file or folder {data}.")
    if not equals:
        name = OWN_FILE
    return SuiteSpec(text, suite, name, data)


OWN_FILE = "custom"
"""The benchmark name for the user's own file, in suites that accept one."""


def _plain(spec: SuiteSpec) -> str:
    """The label of its results: the benchmark's name, or the file's."""
    name = spec.data.stem if spec.data and spec.benchmark == OWN_FILE else spec.benchmark
    return re.sub(r"[:/\\]", "-", name)


def _unique(name: str, taken: set[str]) -> str:
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 2))
    return next(candidate for candidate in (name, *numbered) if candidate not in taken)


def _checked(spec: SuiteSpec, environment: SuiteEnvironment, config: RunConfig) -> Benchmark | None:
    """The benchmark, once its requirements are checked. None for the user's own file."""
    if spec.benchmark == OWN_FILE:
        return None
    benchmark = find_benchmark(spec.benchmark, environment)
    if "judge" in benchmark.needs and not config.judge_model:
        raise ConfigError(
            f"-d {spec.text}: {spec.suite.title} needs a judge to score the replies, and none is named. "
            "Add --judge-base-url URL --judge-model NAME (any OpenAI endpoint)."
        )
    if "sandbox" in benchmark.needs:
        from shutil import which

        if not which("docker"):
            raise InputError(
                f"-d {spec.text}: {spec.suite.title} runs the code of replies in a sandbox, which needs Docker, and `docker` is not installed. "
                "Run it on a machine that has it, or leave the benchmark out."
            )
    if spec.suite.name == "evalscope" and spec.benchmark in GENERAL_BENCHMARKS and spec.data is None:
        raise ConfigError(f"-d {spec.text}: it asks your own rows; name the file: -d {spec.text}=PATH.")
    return benchmark


def _settings(config: RunConfig, *, sandbox: bool) -> dict[str, Any]:
    judge = None
    if config.judge_model:
        judge = {
            "model": config.judge_model,
            "base_url": config.judge_base_url,
            "max_tokens": config.judge_max_tokens,
        }
    return {
        "limit": config.limit,
        "shots": config.shots,
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        "top_p": config.top_p,
        "seed": config.seed,
        "stop": list(config.stop),
        "judge": judge,
        "sandbox": sandbox,
        "concurrency": config.concurrency,
        "timeout": config.timeout,
        "ignore_errors": config.on_error != "fail",
        "arguments": {},
    }


def _data_hash(spec: SuiteSpec) -> str:
    """The hash of the user's own file or folder; empty if the suite provides the data."""
    data = spec.data
    if data is None:
        return ""
    if data.is_file():
        digests = [file_sha256(file) for file in (data, *_examples_beside(spec, data))]
        return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    files = sorted(file for file in data.rglob("*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        known = file_sha256(file) if len(files) <= HASHED_FILES else str(file.stat().st_size)
        digest.update(f"{file.relative_to(data)}\n{known}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _examples_beside(spec: SuiteSpec, data: Path) -> list[Path]:
    """`NAME_dev.csv` beside `NAME_val.csv`: EvalScope takes few-shot examples from it."""
    if spec.benchmark not in GENERAL_BENCHMARKS:
        return []
    name = data.stem.removesuffix("_val").removesuffix("_test")
    return sorted(file for file in data.parent.glob(f"{glob.escape(name)}_dev.*") if file != data)


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("|", "\\u007c")
