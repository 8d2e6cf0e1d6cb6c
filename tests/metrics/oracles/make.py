"""Makes the environments in which the scorers that ours are held against run: `make oracles`, or `python make.py FOLDER`.

Each is one of its own, since `rouge` and `rouge-chinese` both install a top-level package `rouge` and none of them is
a dependency of ours. Two gigabytes and some two minutes; what is there already is left as it is.
NLTK's sentence model comes with the wheel `llama-index-core`, so no host but the package registry is asked.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ENVIRONMENTS = {
    "evalscope": ["evalscope==1.14.1", "nltk==3.10.4"],
    "opencompass": [],
    "lm_eval": ["lm-eval[api]==0.4.13"],
    "inspect": ["inspect-ai==0.3.285", "openai==3.52.0"],
    "swift": ["rouge==1.0.1", "nltk==3.10.4", "jieba==0.42.1"],
    "toolbench": ["rouge==1.0.1"],
}
"""Environment → what pip is asked for. `inspect` is there for benchmarks/engine.py alone."""
UNPACKED = {
    "evalscope": "llama-index-core==0.14.25",
    "opencompass": "opencompass==0.5.4",
    "swift": "ms-swift==4.6.0",
    "toolbench": "evalscope==1.14.1",
}
"""Wheels that are unpacked, not installed: NLTK's model lies in the first; of the others single functions are run,
whose modules would import far more than the functions need."""
FOLDER = ".venv-oracles"
MADE = "made.txt"
"""Tells a whole environment, made of the same, from what an interrupted start left."""


def make(folder: Path) -> None:
    """Every environment that is not there yet."""
    for name, requirements in ENVIRONMENTS.items():
        home, unpacked = folder / name, UNPACKED.get(name, "")
        content = f"{requirements} {unpacked}\n"
        if (home / MADE).is_file() and (home / MADE).read_text() == content:
            continue
        began = time.monotonic()
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if requirements:
            subprocess.run([*pip, *requirements], check=True)
        if unpacked:
            subprocess.run([*pip, "--no-deps", "--target", str(home / "unpacked"), unpacked], check=True)
        (home / MADE).write_text(content)
        sys.stdout.write(f"{name}: made in {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    make(Path(sys.argv[1] if len(sys.argv) > 1 else FOLDER).resolve())
