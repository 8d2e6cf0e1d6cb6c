"""LLaMA-Factory's evaluator (`llamafactory-cli eval`, CEval, CMMLU, MMLU) → samples.

    FOLDER/results.json   {SUBJECT: {"0": "A", "1": "C", …}}: the letter it chose for each row
    FOLDER/results.log    "        Average: 45.12" and the same for STEM, Social Sciences, Humanities, Other

The right answers are in neither: they are taken from the data it was evaluated on (--data: a folder of subjects), joined
by subject and the row's place. Source: `_save_results` of `llamafactory/eval/evaluator.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalsuite.data.dataset import load_dataset
from evalsuite.data.layout import find_files
from evalsuite.errors import InputError
from evalsuite.imports.imported_results import ImportedResults, read_json
from evalsuite.runs.imported import ImportedSample, ReportedScore, Source
from evalsuite.tasks.mcq import McqTask
from evalsuite.types import Reply

RESULTS, LOG = "results.json", "results.log"
HARNESS = "llamafactory"
VERSION = "eval"
"""The tool writes no version."""
DECIMALS = 4
_AVERAGE = re.compile(r"^\s*Average:\s*([0-9.]+)\s*$", re.MULTILINE)


def recognises(path: Path) -> bool:
    """Whether a folder is one that the evaluator saved to."""
    return (path / RESULTS).is_file() and (path / LOG).is_file()


def read(path: Path, data: Path | None) -> list[ImportedResults]:
    """The samples of a folder. Raises `InputError` where the data is not named or does not fit."""
    chosen = read_json(path / RESULTS)
    if not isinstance(chosen, dict) or not all(isinstance(rows, dict) for rows in chosen.values()):
        raise InputError(
            f"{path / RESULTS}: not what LLaMA-Factory's evaluator writes (subject → row → letter)."
        )
    average = _AVERAGE.search((path / LOG).read_text(encoding="utf-8", errors="replace"))
    said = f" It reports an average of {average[1]} %." if average else ""
    if data is None:
        raise InputError(
            f"{path}: LLaMA-Factory keeps the letters that were chosen, not whether they are right.{said} "
            "Name the data it was evaluated on: evalsuite import … --data FOLDER (one file a subject)."
        )
    samples = list(_samples(chosen, data))
    reported = (
        [ReportedScore("accuracy", float(average[1]) / 100, DECIMALS, better="higher", primary=True)]
        if average
        else []
    )
    return [
        ImportedResults(path.resolve().name, data.resolve().name, Source(HARNESS, VERSION), samples, reported)
    ]


def _samples(chosen: Mapping[str, Mapping[str, str]], data: Path) -> Any:
    dataset = load_dataset(data.name, find_files(data), McqTask())
    rows: dict[str, list[Any]] = {}
    for sample, _ in dataset.samples():
        rows.setdefault(sample.subset, []).append(sample)
    if missing := sorted(chosen.keys() - rows.keys()):
        raise InputError(f"{data}: has no subject {', '.join(missing[:5])} that was evaluated.")
    for subject, letters in chosen.items():
        if len(letters) != len(rows[subject]):
            raise InputError(
                f"{data}: {subject} has {len(rows[subject])} rows and {len(letters)} were evaluated; name the same split."
            )
        for place, sample in enumerate(rows[subject]):
            letter = str(letters.get(str(place), ""))
            gold = McqTask().gold(sample.row)
            yield ImportedSample(
                subset=subject,
                id=sample.id,
                index=place,
                prompt=sample.row.question,
                reply=Reply(letter),
                gold=gold,
                scores={"accuracy": float([letter] == gold)},
                extracted=[letter] if letter else None,
            )
