"""`import evalsuite` and the commands that only show something must not load what is slow to load."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

HEAVY = {
    "torch",
    "transformers",
    "pandas",
    "numpy",
    "scipy",
    "aiohttp",
    "pyarrow",
    "jieba",
    "nltk",
    "sacrebleu",
    "xllamacpp",
}
COMMAND = "import sys; sys.argv[0] = 'evalsuite'; from evalsuite.cli.app import main; main()"


def loaded_by(code: str, *arguments: str) -> set[str]:
    report = "import sys, atexit; atexit.register(lambda: print('LOADED', *{name.partition('.')[0] for name in sys.modules}))\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", report + code, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return set(done.stdout.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("import evalsuite; dir(evalsuite); evalsuite.__version__", []),
        (COMMAND, ["--help"]),
        (COMMAND, ["-h"]),
        (COMMAND, ["--version"]),
        (COMMAND, ["run", "--help"]),
        (COMMAND, ["validate", "--help"]),
        ("import evalsuite; evalsuite.RunConfig(datasets=['x'], ckpt=['smollm2'])", []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nothing_heavy_is_imported(code: str, arguments: list[Any]) -> None:
    assert not loaded_by(code, *arguments) & HEAVY


def test_help_needs_no_settings_model_and_no_http_client() -> None:
    assert not loaded_by(COMMAND, "--help") & {"msgspec", "httpx", "yaml", "orjson", "jinja2"}


def test_a_run_without_a_cache_loads_no_database() -> None:
    assert "sqlite3" not in loaded_by(
        "import evalsuite.evaluation.evaluate, evalsuite.evaluation.score, evalsuite.cli.execute"
    )
