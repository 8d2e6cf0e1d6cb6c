"""The supported suites: their distributions, tested versions, and requirements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DRIVERS = Path(__file__).with_name("drivers")
TORCH = "torch==2.13.0"
"""Installed first and alone if a suite needs torch, so that its other requirements use this build. Not for VLMEvalKit: its
torchvision requires the one build of torch it was made for."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite. `requirements`: pinned to what was tested."""

    name: str
    title: str
    distribution: str
    tested: str
    """The tested version: its first two numbers."""
    requirements: tuple[str, ...]
    size: str
    """Disk space of its environment, as text."""
    torch: bool = False
    alone: tuple[str, ...] = ()
    """Installed without dependencies: only a file in them is needed (NLTK's sentence model, for BLEU)."""

    @property
    def driver(self) -> Path:
        """The script that runs in its environment."""
        return DRIVERS / f"drive_{self.name}.py"


SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "evalscope",
            "EvalScope",
            "evalscope",
            "1.14",
            ("evalscope==1.14.1", "nltk==3.10.4"),
            "1.3 GB",
            alone=("llama-index-core==0.14.25",),
        ),
        Suite(
            "opencompass",
            "OpenCompass",
            "opencompass",
            "0.5",
            ("opencompass==0.5.4", "pyarrow==19.0.1"),
            "2.2 GB",
            torch=True,
        ),
        Suite(
            "vlmeval",
            "VLMEvalKit",
            "ms-vlmeval",
            "0.0",
            ("ms-vlmeval==0.0.20", "torchvision==0.29.2"),
            "6.8 GB",
        ),
    )
}
"""Suites by the prefix that `-d` takes."""
