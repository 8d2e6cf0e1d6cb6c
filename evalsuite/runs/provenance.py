"""The provenance of numbers: versions of everything that computes them, and the state of the user's repository."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution

from evalsuite._util.processes import read_output
from evalsuite._version import __version__
from evalsuite.runs.schema import GitInfo, Versions

PACKAGES = (
    "aiohttp",
    "httptools",
    "orjson",
    "msgspec",
    "rapidfuzz",
    "sacrebleu",
    "jieba",
    "nltk",
    "rjieba",
    "scipy",
    "xllamacpp",
)
COMMAND_TIMEOUT_SECONDS = 5
_VERSION_LINE = re.compile(r"^Version: *(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RunEnvironment:
    """What stays the same while a command runs: the versions, and the state of the user's repository."""

    versions: Versions
    git: GitInfo | None


def environment_info() -> RunEnvironment:
    """Find out the environment of this process."""
    return RunEnvironment(versions(), git_state())


def versions() -> Versions:
    """evalsuite, Python, platform and the packages that scores or requests depend on."""
    return Versions(
        evalsuite=__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        packages=_packages(),
    )


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            described = distribution(name).read_text("METADATA") or ""
        except PackageNotFoundError:
            continue
        version = _VERSION_LINE.search(
            described
        )  # `version()` parses the whole README as e-mail: a ms a package
        found[name] = version[1] if version else "unknown"
    return found


def machine() -> str:
    """Cores, memory and GPUs, in words."""
    gpus = _gpus()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB memory, {', '.join(gpus) if gpus else 'no NVIDIA GPU'}"


def _gpus() -> list[str]:
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    return (read_output(command, COMMAND_TIMEOUT_SECONDS) or "").splitlines()


def git_state() -> GitInfo | None:
    """Commit of the working directory and whether it has changes; None outside a repository."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    described = read_output(command, COMMAND_TIMEOUT_SECONDS)
    if described is None:
        return None
    return GitInfo(commit=described.removesuffix("-dirty"), dirty=described.endswith("-dirty"))
