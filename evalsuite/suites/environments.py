"""Finds a suite's environment: ready, missing, of another version, or broken.

`EVALSUITE_EVALSCOPE_PYTHON=PATH` (and so on) names the user's own interpreter; otherwise it is the one that
`evalsuite suites install NAME` made, in `$EVALSUITE_SUITES` or the user's cache.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from evalsuite._util.user_cache import cache_folder
from evalsuite.backends.interpreters import variable
from evalsuite.errors import InputError
from evalsuite.suites.registry import Suite

State: TypeAlias = Literal["ready", "missing", "wrong version", "broken"]
FOLDER_VARIABLE = "EVALSUITE_SUITES"
COMPLETE_MARK = "made.json"
"""Written last: distinguishes a complete environment from an interrupted install."""
PROBE_TIMEOUT_SECONDS = 60
PROBE = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
try:
    found = version(sys.argv[1])
except PackageNotFoundError:
    found = None
sys.stdout.write(json.dumps({"python": sys.version.split()[0], "version": found}))
"""
SHOWN_LINES = 4


@dataclass(frozen=True, slots=True)
class SuiteEnvironment:
    """A suite's environment. `detail`: what is wrong with it, or where it is."""

    suite: Suite
    python: Path
    state: State
    version: str
    detail: str
    own: bool = False
    """Whether the user named the interpreter."""


def environments_folder() -> Path:
    """The folder in which `evalsuite suites install` makes environments; it need not exist."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else cache_folder("suites")


def environment_folder(suite: Suite) -> Path:
    """The folder of a suite's environment that evalsuite makes."""
    return environments_folder() / suite.name


def find_environment(suite: Suite) -> SuiteEnvironment:
    """Inspect a suite's environment in a tenth of a second: nothing of the suite is imported."""
    named = os.environ.get(variable(suite.name))
    python = Path(named).expanduser() if named else environment_folder(suite) / "bin" / "python"
    own = bool(named)
    if not own and not (environment_folder(suite) / COMPLETE_MARK).is_file():
        left = environment_folder(suite).exists()
        state: State = "broken" if left else "missing"
        detail = (
            f"{environment_folder(suite)} was left by an interrupted install" if left else "not installed"
        )
        return SuiteEnvironment(suite, python, state, "", detail)
    try:
        done = subprocess.run(
            [python, "-I", "-c", PROBE, suite.distribution],
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_SECONDS,
            check=True,
        )
        found = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        return SuiteEnvironment(suite, python, "broken", "", _last_lines(error.stderr), own)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return SuiteEnvironment(suite, python, "broken", "", f"{python} does not run ({error})", own)
    version = found["version"]
    if version is None:
        return SuiteEnvironment(suite, python, "broken", "", f"{python} has no {suite.distribution}", own)
    if version.split(".")[:2] != suite.tested.split("."):
        detail = f"{suite.distribution} {version}; tested are {suite.tested}.*"
        return SuiteEnvironment(suite, python, "wrong version", version, detail, own)
    return SuiteEnvironment(suite, python, "ready", version, str(python), own)


def ready_environment(suite: Suite) -> SuiteEnvironment:
    """The suite's environment. Raises `InputError` that says what to do if it cannot be used."""
    found = find_environment(suite)
    if found.state == "ready":
        return found
    install = f"evalsuite suites install {suite.name}"
    own = (
        f"or name an interpreter that has {suite.distribution} {suite.tested}.*: {variable(suite.name)}=PATH"
    )
    if found.state == "missing":
        raise InputError(
            f"{suite.title} is not installed. Make its environment with `{install}` ({suite.size}), {own}. Nothing was sent."
        )
    if found.own:
        raise InputError(
            f"{variable(suite.name)}: {found.detail}. Name another interpreter, or unset it and run `{install}`. Nothing was sent."
        )
    again = f"{install} --fresh"
    what = "is of another version" if found.state == "wrong version" else "is broken"
    raise InputError(
        f"The environment of {suite.title} {what}: {found.detail}. Make it again with `{again}`, {own}. Nothing was sent."
    )


def _last_lines(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-SHOWN_LINES:]) or "its Python ends without a message"
