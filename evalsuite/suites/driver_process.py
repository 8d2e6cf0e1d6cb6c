"""Runs a driver's process, watches it, and explains in one paragraph why it failed."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from evalsuite._util.http.environment import read_api_key
from evalsuite.backends.process import ServerProcess
from evalsuite.config import RunConfig
from evalsuite.errors import RunIncomplete
from evalsuite.suites.catalogue import find_benchmark
from evalsuite.suites.jobs import OWN_FILE, SuiteJob

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
SAY_EVERY_SECONDS = 10.0
LONGEST_SILENCE_SECONDS = 900.0
"""A suite that prints nothing for this long hangs; or for twice the timeout of a sample, if that is longer."""
JOB_FILE = "job.json"
EXIT_BROKEN, EXIT_REFUSED, EXIT_PACKAGE_MISSING = 5, 6, 7
"""Exit codes of drivers; see `drivers/driver_protocol.py`."""
LONGEST_PROGRESS = 120
NO_DATA = re.compile(
    r"OfflineModeIsEnabled|LocalEntryNotFoundError|Name or service not known|Temporary failure in name resolution|Max retries exceeded"
    r"|Failed to resolve|Connection refused|Network is unreachable|couldn't connect|ConnectTimeout|ProxyError|URLError"
    r"|DatasetNotFoundError|HubNotFound|not exist.*dataset|Data file .* does not exist|Couldn't (?:find|reach)|SSLError|Cannot send a request|DownloadDeadline|modelscope_hub|does not exist.*COMPASS|download_dataset",
    re.IGNORECASE,
)
"""What suites print if data cannot be downloaded."""
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Driver:
    """Runs one job in its suite's environment."""

    job: SuiteJob
    config: RunConfig
    log: Path
    work: Path

    def run(self, job: Mapping[str, Any], check: Callable[[], None]) -> None:
        """Run the job to its end. `check` raises if the model's server is gone. Raises `RunIncomplete`."""
        self.work.mkdir(parents=True, exist_ok=True)
        job_file = self.work / JOB_FILE
        job_file.write_bytes(orjson.dumps(job, option=orjson.OPT_INDENT_2))
        suite = self.job.spec.suite
        command = [str(self.job.environment.python), "-B", str(suite.driver), "run", str(job_file.resolve())]
        process = ServerProcess(command, self.log, self._environment(), what=suite.title)
        with process:
            code = self._wait(process, check)
        if code:
            raise RunIncomplete(self._failure(code, process.log_tail(), process.log_text()))

    def _environment(self) -> dict[str, str]:
        """The API keys: they reach the driver through the environment only."""
        keys = {}
        if self.config.base_url and (key := read_api_key(self.config.api_key_env)):
            keys["OPENAI_API_KEY"] = key
        if self.config.judge_model and (key := read_api_key(self.config.judge_api_key_env)):
            keys["JUDGE_API_KEY"] = key
        return {**keys, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}

    def _wait(self, process: ServerProcess, check: Callable[[], None]) -> int:
        began = spoke = said = time.monotonic()
        size, line = 0, ""
        silence = max(LONGEST_SILENCE_SECONDS, 2 * self.config.timeout)
        while (code := process.wait(POLL_SECONDS)) is None:
            check()
            now = time.monotonic()
            grown = self.log.stat().st_size
            if grown != size:
                size, spoke = grown, now
            limit = self.config.suite_timeout
            if limit and now - began > limit:
                raise RunIncomplete(
                    self._too_long(f"was not finished after {limit:g} s (--suite-timeout)", process)
                )
            if now - spoke > silence:
                raise RunIncomplete(
                    self._too_long(f"hangs: it has printed nothing for {silence:g} s", process)
                )
            if now - said >= SAY_EVERY_SECONDS:
                said = now
                latest = _last_line(process.log_text())
                if latest and latest != line:
                    logger.info("%s: %s", self.job.spec.text, latest)
                    line = latest
        return code

    def _too_long(self, what: str, process: ServerProcess) -> str:
        return (
            f"{self._name} {what} and was ended. Its last lines in {self.log}:\n{process.log_tail()}\n"
            "Run the same command again: it continues from the suite's own cache."
        )

    @property
    def _name(self) -> str:
        return f"{self.job.spec.suite.title} ({self.job.spec.text})"

    def _failure(self, code: int, tail: str, words: str) -> str:
        """Why it ended, its last lines, and what to do."""
        suite = self.job.spec.suite
        if code == EXIT_BROKEN:
            return (
                f"{self._name}: its environment is broken. It said:\n{tail}\n"
                f"Make it again with `evalsuite suites install {suite.name} --fresh`, then run the same command again."
            )
        if code == EXIT_PACKAGE_MISSING:
            python = self.job.environment.python
            return (
                f"{self._name} needs a package that is missing in its environment. It said:\n{tail}\n"
                f"Add it with `{python} -m pip install …` and run the same command again."
            )
        if code == EXIT_REFUSED:
            return f"{self._name} cannot be run:\n{tail}"
        where = f"Its last lines (all of it in {self.log}):\n{tail}"
        if NO_DATA.search(words):
            return f"{self._name} could not get its data. {where}\n{self._get_data()}"
        return f"{self._name} ended with exit code {code}. {where}\nRun the same command again: it continues from the suite's own cache."

    def _get_data(self) -> str:
        """Which data is missing, and where to put a local copy."""
        spec = self.job.spec
        if spec.benchmark == OWN_FILE:
            return "Its data is your own file, so something else had to be downloaded: see the log."
        hub = find_benchmark(spec.benchmark, self.job.environment).hub
        what = f"It is {hub}. " if hub else ""
        return (
            f"{what}Without network, download it elsewhere, put the copy into a folder, and name that: "
            f"-d {spec.suite.name}:{spec.benchmark}=FOLDER"
        )


def _last_line(text: str) -> str:
    """The latest state of a progress bar, or the last line."""
    pieces = (piece.strip() for piece in re.split(r"[\r\n]+", _ANSI.sub("", text)))
    found = [piece for piece in pieces if piece]
    return found[-1][:LONGEST_PROGRESS] if found else ""
