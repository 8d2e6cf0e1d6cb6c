"""Published exams whose subjects come in groups: C-Eval and CMMLU.

Both publish a group's score as the unweighted mean over its subjects: `accuracy_macro`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from evalsuite.tasks.ceval import CEVAL_GROUPS
from evalsuite.tasks.cmmlu import CMMLU_GROUPS

CEVAL = "ceval"
EXAM_GROUPS: Mapping[str, Mapping[str, Collection[str]]] = {CEVAL: CEVAL_GROUPS, "cmmlu": CMMLU_GROUPS}
"""Exam (part of a dataset's name) → group → subjects. Groups are in their published order."""


def exam_name(dataset: str) -> str | None:
    """The exam in a dataset's name, in any spelling (`C-Eval`, `ceval_val`); None if there is none."""
    plain = dataset.lower().replace("-", "").replace("_", "")
    return next((exam for exam in EXAM_GROUPS if exam in plain), None)


def subject_groups(dataset: str, subjects: Collection[str]) -> Mapping[str, Collection[str]]:
    """The groups of the exam that the subjects are of, with the subjects of each; empty if they are of none.

    The dataset's name decides. If it names no exam, there must be several subjects, all of them in exactly one exam:
    exams share names such as high_school_physics.
    """
    named = exam_name(dataset)
    fitting = (
        [named]
        if named
        else [exam for exam in EXAM_GROUPS if len(subjects) > 1 and _has_subjects(exam, subjects)]
    )
    if len(fitting) != 1:
        return {}
    groups = EXAM_GROUPS[fitting[0]].items()
    found = {group: [subject for subject in members if subject in subjects] for group, members in groups}
    return {group: members for group, members in found.items() if members}


def _has_subjects(exam: str, subjects: Collection[str]) -> bool:
    return set(subjects) <= {subject for members in EXAM_GROUPS[exam].values() for subject in members}
