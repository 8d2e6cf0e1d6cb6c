"""Which Python an engine runs in: the one that runs evalsuite, or one that an environment variable names.

Engines pin torch and transformers, so they are often installed in an environment of their own:
`EVALSUITE_VLLM_PYTHON=PATH`, `EVALSUITE_LMDEPLOY_PYTHON=PATH`, `EVALSUITE_SGLANG_PYTHON=PATH`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from evalsuite._util.processes import read_output

PROBE_TIMEOUT_SECONDS = 30
PROBE = """
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
for name in sys.argv[2:] if find_spec(sys.argv[1]) else ():
    try:
        sys.stdout.write(f"{name} {version(name)}")
        break
    except PackageNotFoundError:
        pass
"""


def variable(engine: str) -> str:
    """The environment variable that names an engine's interpreter."""
    return f"EVALSUITE_{engine.upper()}_PYTHON"


def interpreter(engine: str) -> str:
    """The Python of an engine."""
    return os.environ.get(variable(engine)) or sys.executable


def runs_here(engine: str) -> bool:
    """Whether it is the Python that runs evalsuite, so that the packages beside it can be inspected."""
    return interpreter(engine) == sys.executable


def installed(engine: str, module: str, distributions: Sequence[str]) -> str | None:
    """`distribution version` of the first distribution that is installed; None if the module is not. Imports nothing of it."""
    if runs_here(engine):
        if find_spec(module) is None:
            return None
        return next(filter(None, map(_here, distributions)), None)
    probe = [interpreter(engine), "-I", "-c", PROBE, module, *distributions]
    return read_output(probe, PROBE_TIMEOUT_SECONDS) or None


def _here(distribution: str) -> str | None:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return None
