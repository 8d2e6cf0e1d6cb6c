"""FastChat's MT-Bench judgments (`model_judgment/JUDGE_single.jsonl`) → samples.

A line: {"question_id", "model", "judge": [NAME, PROMPT], "user_prompt", "judgment", "score", "turn"}. A score of -1 is
a verdict that could not be read. Each turn is a sample; MT-Bench's number is the mean over both turns.
Source: `fastchat/llm_judge/common.py` and `show_result.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import InputError
from evalsuite.imports.imported_results import ImportedResults, read_lines
from evalsuite.runs.imported import ImportedSample, Source
from evalsuite.types import Reply

HARNESS = "mt_bench"
NEEDED = frozenset({"question_id", "model", "judge", "judgment", "score", "turn"})
PAIRWISE = frozenset({"question_id", "model_1", "model_2"})
UNREADABLE = -1


def recognises(path: Path) -> bool:
    """Whether a file is one of its judgments, by the first line."""
    if path.suffix != ".jsonl" or not path.is_file():
        return False
    with path.open("rb") as stream:
        first = stream.readline()
    return b'"question_id"' in first and (b'"judgment"' in first or b'"model_1"' in first)


def read(path: Path, _: Path | None) -> list[ImportedResults]:
    """Each model's judgments. Raises `InputError`."""
    models: dict[str, list[ImportedSample]] = {}
    judges: dict[str, str] = {}
    for place, line in enumerate(read_lines(path), start=1):
        if line.keys() >= PAIRWISE:
            raise InputError(
                f"{path}: judgments of pairs; only those of single answers (*_single.jsonl) have scores to import."
            )
        if not line.keys() >= NEEDED:
            raise InputError(f"{path}:{place}: lacks {', '.join(sorted(NEEDED - line.keys()))}.")
        samples = models.setdefault(str(line["model"]), [])
        samples.append(_sample(line, len(samples)))
        judges[str(line["model"])] = str(
            line["judge"][0] if isinstance(line["judge"], list) else line["judge"]
        )
    return [
        ImportedResults(model, "mt_bench", Source(HARNESS, "fastchat", (f"judge:{judges[model]}",)), samples)
        for model, samples in models.items()
    ]


def _sample(line: Mapping[str, Any], index: int) -> ImportedSample:
    score = line["score"]
    read = isinstance(score, int | float) and score != UNREADABLE
    return ImportedSample(
        subset=f"turn {line['turn']}",
        id=str(line["question_id"]),
        index=index,
        prompt=str(line.get("user_prompt") or ""),
        reply=Reply(str(line["judgment"])),
        gold=None,
        scores={"score": float(score) if read else None},
        extracted=score if read else None,
        labels=() if read else ("verdict_unread",),
    )
