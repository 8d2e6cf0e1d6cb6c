"""`--profile`: the scoring profiles of each kind, and whether a run can use those that the user names."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Any

from evalsuite.errors import ConfigError
from evalsuite.tasks import KINDS, task_class
from evalsuite.tasks.base import Task
from evalsuite.tasks.style import Style


def select_profiles(task: Task[Any], names: Collection[str], *, in_words: bool = True) -> tuple[str, ...]:
    """The names that are profiles of the task, in the task's order.

    Profiles read the text of replies, so there are none if the answer is not `in_words` but in probabilities.
    """
    return tuple(name for name in task.profiles if name in names and in_words)


def check_profiles(wanted: Sequence[str], datasets: Sequence[tuple[Task[Any], Style]]) -> None:
    """Refuse profiles that are unknown, that score no dataset of the run, or that need a package.

    Raises `ConfigError`.
    """
    if wanted:
        _check_names(wanted, datasets)
    for task, style in datasets:
        for name in style.profiles:
            if lacking := task.missing_for_profile(name):
                raise ConfigError(f"--profile {name} on {task.kind} datasets: {lacking}.")


def _check_names(wanted: Sequence[str], datasets: Sequence[tuple[Task[Any], Style]]) -> None:
    """Refuse names that are no profile, or that score no dataset of the run."""
    here = sorted({task.kind for task, _ in datasets})
    known = {kind: task_class(kind).profiles for kind in sorted(KINDS)}
    for name in dict.fromkeys(wanted):
        kinds = [kind for kind, profiles in known.items() if name in profiles]
        if not kinds:
            raise ConfigError(f"--profile {name}: there is no such profile.{_hint(name, known)}")
        if not set(kinds) & set(here):
            raise ConfigError(
                f"--profile {name}: scores {' and '.join(kinds)}, and this run has only {' and '.join(here)} datasets. "
                f"Leave it out.{_profile_list({kind: known[kind] for kind in here})}"
            )
        if not any(name in style.profiles for _, style in datasets):
            raise ConfigError(
                f"--profile {name} reads the text of replies, and --mcq-mode logprob asks for none. "
                "Leave out one of them."
            )


def _hint(name: str, known: dict[str, tuple[str, ...]]) -> str:
    names = {profile.lower(): profile for profiles in known.values() for profile in profiles}
    close = difflib.get_close_matches(name.lower(), names, n=1)
    meant = f" Did you mean {names[close[0]]}?" if close else ""
    return meant + _profile_list(known)


def _profile_list(known: dict[str, tuple[str, ...]]) -> str:
    kinds = "; ".join(f"{kind}: {', '.join(profiles)}" for kind, profiles in known.items() if profiles)
    return f" Profiles by kind: {kinds}." if kinds else ""
