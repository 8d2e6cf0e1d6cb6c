"""What a dataset's numbers depend on, whoever asked it: its task and style, its metrics, the categories of its rows.

ScoredDataset
├── DatasetPlan        can be asked now                     (runs/dataset_plan.py)
│   └── PredictionPlan   comes with its replies             (runs/predictions.py)
├── RecordedDataset    is described by a run.json           (runs/recorded_dataset.py)
└── ImportedDataset    was asked and scored by another tool (runs/imported.py)
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evalsuite.metrics import cleaning
from evalsuite.runs.judges import Judge
from evalsuite.runs.schema import FileInfo, HarnessInfo
from evalsuite.tasks.base import Task
from evalsuite.tasks.exam_groups import subject_groups
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.repeats import repeat_metrics
from evalsuite.tasks.style import Style

SHORT_NAMES = {"temperature": "t"}
"""Settings that signatures abbreviate."""
SHOWN_HASH_DIGITS = 8


@dataclass(frozen=True, kw_only=True)
class ScoredDataset(ABC):
    """A dataset of a run with everything that its numbers depend on."""

    task: Task[Any]
    style: Style
    judge: Judge | None = None
    repeats: int = 1
    """How often each row is asked."""
    notes: tuple[str, ...] = ()
    """What a reader must know about this variant's numbers."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of its results."""

    @property
    @abstractmethod
    def files(self) -> tuple[FileInfo, ...]:
        """Its data files, dev files included."""

    @property
    @abstractmethod
    def subsets(self) -> Mapping[str, int]:
        """Rows of each subset that are asked; repeats do not count."""

    @property
    def data_notes(self) -> tuple[str, ...]:
        """What reading its files repaired or left out, the same for every variant."""
        return ()

    @property
    def subjects(self) -> Collection[str]:
        """All subsets of its files, also those without a row that is asked."""
        return self.subsets

    @abstractmethod
    def conditions(self) -> list[str]:
        """How it was asked, as parts of a signature."""

    @property
    def rows(self) -> int:
        """Samples of a variant: every row as often as it is repeated."""
        return sum(self.subsets.values()) * self.repeats

    @property
    def reply_limit(self) -> int | None:
        """Tokens that a reply may have; None where nobody knows."""
        return None

    @property
    def draws_at_random(self) -> bool:
        """Whether two replies to the same prompt may differ by more than noise of serving."""
        return True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What the scores of its samples add up to."""
        own = self.task.metrics(self.style)
        return (*own, *repeat_metrics(own, self.repeats))

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Published groups of each subject."""
        found: dict[str, tuple[str, ...]] = {}
        for group, subjects in self._exam_groups().items():
            found |= {subject: (*found.get(subject, ()), group) for subject in subjects}
        return found

    @property
    def category_order(self) -> list[str]:
        """The categories that are published in an order."""
        return list(self._exam_groups())

    def _exam_groups(self) -> Mapping[str, Collection[str]]:
        """The groups of the published exam that has these subjects; none for other subjects."""
        return subject_groups(self.name, self.subjects) if self.task.capabilities.exam_groups else {}

    def categories(self, subset: str, row: Any) -> tuple[str, ...]:
        """The categories a row counts in beside its subject: the one it names, and its subject's groups."""
        groups = self.groups.get(subset, ())
        own = self.task.facts(row).category if self.style.categories else None
        return groups if own is None or own in groups else (own, *groups)

    def scorers(self) -> dict[str, str]:
        """Versions of everything that scores: when one changes, recorded replies are scored again."""
        return {
            "task": self.task.version,
            "cleaning": cleaning.VERSION,
            **self.task.label_versions,
            **{metric.name: metric.version for metric in self.metrics},
            "multiple": str(self.style.multiple),
        }

    @property
    def data_hash(self) -> str:
        """One hash of the content of all its files."""
        return hashlib.sha256("\n".join(file.sha256 for file in self.files).encode()).hexdigest()

    def asked_conditions(self, settings: Mapping[str, Any]) -> list[str]:
        """The conditions of a dataset that evalsuite asked with these request fields."""
        style = self.style
        return [
            f"shots:{style.shots}",
            f"lang:{style.lang}",
            *(name for name in ("cot", "multiple", "context") if getattr(style, name)),
            *([f"logprob:{style.logprob}"] if style.logprob else []),
            *([style.exam] if style.exam else []),
            *([f"repeats:{self.repeats}"] if self.repeats > 1 else []),
            "completions" if style.completions else "chat",
            *(f"{SHORT_NAMES.get(name, name)}:{_format_setting(value)}" for name, value in settings.items()),
            f"prompt:v{self.task.version}",
            *self._tags_judge_and_data(),
        ]

    def prediction_conditions(self) -> list[str]:
        """The conditions of replies that were read from a file: nobody knows how they were asked for."""
        several = ["multiple"] if self.style.multiple else []
        return [f"lang:{self.style.lang}", *several, "predictions", *self._tags_judge_and_data()]

    def _tags_judge_and_data(self) -> list[str]:
        tags = [f"reasoning-tags:{_format_setting(';'.join(self.style.reasoning_tags))}"]
        judge = [f"judge:{_format_setting(self.judge.model)}"] if self.judge else []
        return [
            *(tags if self.style.reasoning_tags else ()),
            *judge,
            f"data:{self.data_hash[:SHOWN_HASH_DIGITS]}",
        ]


def harness_conditions(harness: HarnessInfo) -> list[str]:
    """The conditions of samples that another tool asked and scored."""
    return [f"{harness.name}:{harness.version}", *harness.conditions]


def _format_setting(value: Any) -> str:
    """Write a setting as a part of a signature, whose parts are separated by `|`."""
    return f"{value:g}" if isinstance(value, float) else str(value).replace("|", "\\u007c")
