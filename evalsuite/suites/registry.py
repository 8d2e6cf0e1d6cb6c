"""The suites that are known: which distribution, which tested versions, what an environment of theirs needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DRIVERS = Path(__file__).with_name("drivers")
TORCH = "torch==2.13.0"
"""Asked for first and by itself where a suite wants torch, so that what wants it takes the build that is there. Not for
VLMEvalKit: its torchvision takes the one build of torch it was made for."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite. `requirements` is what pip is asked for, pinned to what was tested."""

    name: str
    title: str
    distribution: str
    tested: str
    """Its tested versions: the first two numbers of them."""
    requirements: tuple[str, ...]
    size: str
    """What its environment takes on the disk, in words."""
    torch: bool = False
    alone: tuple[str, ...] = ()
    """Installed without what they depend on: only a file in them is needed (NLTK's sentence model, for BLEU)."""

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
"""By the kind that `-d` names them by."""
