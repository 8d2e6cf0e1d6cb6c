"""`evalsuite suites install NAME`: makes a suite's own environment with uv, or with venv and pip."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evalsuite.errors import EvalsuiteError
from evalsuite.suites.environments import (
    COMPLETE_MARK,
    SuiteEnvironment,
    environment_folder,
    find_environment,
)
from evalsuite.suites.registry import TORCH, Suite

logger = logging.getLogger(__name__)

LAST_LINES = 12
LOG = "install.log"
CHECK_TIMEOUT_SECONDS = 600


def install(suite: Suite, *, fresh: bool) -> SuiteEnvironment:
    """Make a suite's environment, or log that it is there. Raises `EvalsuiteError` with the installer's last lines."""
    found = find_environment(suite)
    if found.own:
        raise EvalsuiteError(
            f"{suite.title} runs in your own interpreter, {found.python}; unset its variable to have one made."
        )
    if found.state == "ready" and not fresh:
        logger.info("%s %s is there: %s", suite.title, found.version, found.detail)
        return found
    folder = environment_folder(suite)
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise EvalsuiteError(
            f"{folder}: cannot be made ({error.strerror}); set EVALSUITE_SUITES to a folder that can be written."
        ) from error
    _make(suite, folder)
    logger.info("%s: made in %.0f s", suite.title, time.monotonic() - began)
    return find_environment(suite)


def _make(suite: Suite, folder: Path) -> None:
    log = folder / LOG
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if uv:
        logger.info("%s: making %s with uv …", suite.title, folder)
        _run(
            [uv, "venv", "--quiet", "--allow-existing", "--seed", "--python", sys.executable, str(folder)],
            log,
        )
    else:
        logger.info("%s: making %s with venv and pip …", suite.title, folder)
        _run([sys.executable, "-m", "venv", str(folder)], log)
    for requirements in ([_torch()] if suite.torch else []), list(suite.requirements):
        if requirements:
            logger.info("  %s", " ".join(requirements))
            _install(requirements, python, uv, log)
    if suite.alone:
        _install(["--no-deps", *suite.alone], python, uv, log)
    logger.info("  trying it …")
    _run([str(python), "-B", str(suite.driver), "check"], log, timeout=CHECK_TIMEOUT_SECONDS)
    made = {"suite": suite.name, "requirements": list(suite.requirements), "python": sys.version.split()[0]}
    (folder / COMPLETE_MARK).write_text(json.dumps(made) + "\n", encoding="utf-8")


def _torch() -> str:
    """The version installed beside evalsuite, whose download is probably cached; otherwise the tested one."""
    try:
        return f"torch=={version('torch').partition('+')[0]}"
    except PackageNotFoundError:
        return TORCH


def _install(requirements: Sequence[str], python: Path, uv: str | None, log: Path) -> None:
    """Install with uv, or with pip if uv fails: pip may be configured for another index."""
    if uv:
        try:
            _run([uv, "pip", "install", "--quiet", "--python", str(python), *requirements], log)
        except EvalsuiteError:
            uv = None
    if not uv:
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *requirements], log)


def _run(command: Sequence[str], log: Path, timeout: float | None = None) -> None:
    with log.open("ab") as output:
        try:
            done = subprocess.run(command, stdout=output, stderr=output, timeout=timeout, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EvalsuiteError(f"{command[0]}: {error}. The log: {log}") from error
    if done.returncode:
        lines = log.read_text("utf-8", "replace").strip().splitlines()[-LAST_LINES:]
        listing = "\n".join(f"  {line}" for line in lines)
        raise EvalsuiteError(
            f"{' '.join(command[:4])} … ended with {done.returncode}; its last lines (all in {log}):\n{listing}\n"
            "Without network, set pip up for a mirror (PIP_INDEX_URL) and run the command again."
        )
