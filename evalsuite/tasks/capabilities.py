"""What a kind of dataset can do, as data: which options change it, and what a run has to prepare for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FewShot:
    """The few-shot examples of a kind. They come from a dev file, never from the evaluated rows."""

    default: int = 0
    """Examples per prompt if `--shots` is not given."""
    builtin: tuple[Any, ...] = ()
    """Rows that are used if there is no dev file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind of dataset can do. The defaults describe a kind that asks a question and judges the reply."""

    few_shot: FewShot | None = FewShot()
    """None if prompts never hold examples."""
    cot: bool = False
    """`--cot` changes the prompt."""
    logprob: bool = False
    """`--mcq-mode` changes the prompt."""
    pools_files: bool = True
    """The files of a folder add up to one number; otherwise each file is a dataset of its own."""
    flat_prompts_only: bool = False
    """Prompts are flat texts even without `--completions`."""
    measures_texts: bool = False
    """Texts are measured and none is generated, so the generation settings play no part."""
    has_follow_ups: bool = False
    """A sample may send further requests after its first reply (`Task.follow_up_requests`)."""
    needs_judge: bool = False
    """Another model, the judge, reads the replies."""
    scored_elsewhere: bool = False
    """Another harness sent the requests and judged the replies; its scores are kept."""
    exam_groups: bool = False
    """Subjects may be those of a published exam that groups them (`evalsuite.tasks.exam_groups`)."""
    no_value_reason: str = ""
    """Why a metric may have no value although there are replies."""
