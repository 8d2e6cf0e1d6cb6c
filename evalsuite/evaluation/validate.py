"""Checks data files row by row, before any token is spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from evalsuite._util.invisible import spell_out
from evalsuite.errors import DataError, InputError, Problem
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.plan import plan_spec

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong (`error`) or doubtful (`warning`) in a dataset; `str(finding)` is one line for the user.

    `line` is 1-based; 0 means the file as a whole. A dataset with errors cannot be evaluated; one with warnings can.
    """

    severity: Severity
    dataset: str
    message: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class CheckedDataset:
    """A dataset that can be evaluated."""

    spec: str
    """As it was named: `[KIND:]NAME|PATH`."""
    kind: str
    rows: int
    subsets: Mapping[str, int]
    """Rows of each subset."""
    columns: str
    """The columns of its kind."""
    recognised: bool
    """Whether the kind was recognised by the file's columns, since the spec does not name it."""
    few_shot_rows: int
    """Most few-shot examples that a subset has in its dev file."""
    notes: tuple[str, ...] = ()
    """What was repaired, and which columns nothing reads. A sentence each."""
    warnings: tuple[Finding, ...] = ()
    """Findings that change nothing but should be looked at."""


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of `validate`."""

    datasets: tuple[CheckedDataset, ...]
    """Those that can be evaluated."""
    errors: tuple[Finding, ...]
    """Why the others cannot."""

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The warnings of all datasets."""
        return tuple(warning for dataset in self.datasets for warning in dataset.warnings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Errors, then warnings."""
        return self.errors + self.warnings

    @property
    def ok(self) -> bool:
        """Whether every dataset can be evaluated."""
        return not self.errors

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {
            "ok": self.ok,
            "datasets": [asdict(dataset) for dataset in self.datasets],
            "errors": [asdict(error) for error in self.errors],
        }


def validate(*datasets: str | Path, columns: Mapping[str, str] | None = None) -> Validation:
    """Check every row of datasets, each named as for `evaluate`: `[KIND:]NAME|PATH`. Nothing is sent to any model.

    `columns` names columns as `--columns` does: `{"question": "Q"}` reads the question from the column Q.
    """
    checked: list[CheckedDataset] = []
    errors: list[Finding] = []
    for spec in map(str, datasets):
        try:
            checked.extend(map(_describe, plan_spec(spec, columns)))
        except DataError as error:
            errors.extend(_finding("error", spec, problem) for problem in error.problems)
        except InputError as error:
            errors.append(Finding("error", spec, str(error)))
    return Validation(tuple(checked), tuple(errors))


def _describe(plan: DatasetPlan) -> CheckedDataset:
    pools = plan.dataset.pools.values()
    return CheckedDataset(
        spec=plan.spec.text,
        kind=plan.task.kind,
        rows=plan.rows,
        subsets=dict(sorted(plan.dataset.counts.items())),
        columns=str(plan.task.columns),
        recognised=plan.recognised,
        few_shot_rows=max((len(rows) for rows in pools), default=0),
        notes=plan.dataset.notes,
        warnings=tuple(_finding("warning", plan.spec.text, problem) for problem in _warnings(plan)),
    )


def _warnings(plan: DatasetPlan) -> Iterator[Problem]:
    yield from plan.dataset.row_warnings()
    yield from plan.task.dataset_warnings(plan.dataset)


def _finding(severity: Severity, spec: str, problem: Problem) -> Finding:
    return Finding(severity, spec, spell_out(str(problem)), problem.file, problem.line)
