"""What a run has done: counted while it goes on, and taken up from the journal by a later start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalsuite.types import Party


@dataclass(slots=True)
class Earlier:
    """What the samples took that earlier starts finished, as their journal lines say."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    judge_prompt_tokens: int = 0
    judge_completion_tokens: int = 0
    requests: int = 0
    retries: int = 0
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a journal line."""
        error = line.get("error")
        self._add_request("model", line)
        for further in line.get("further") or ():
            self._add_request(further["of"], further)
        if error:
            self.failures[error["class"], error["message"]] += 1

    def _add_request(self, of: Party, line: Mapping[str, Any]) -> None:
        usage, attempts = line.get("usage") or {}, line.get("attempts") or 0
        count_tokens(self, of, usage.get("prompt_tokens"), usage.get("completion_tokens"))
        self.requests += attempts
        self.retries += max(0, attempts - 1)


@dataclass(slots=True)
class Meter:
    """What this start has done so far; read by the progress display while it goes on."""

    total: int = 0
    reused: int = 0
    done: int = 0
    imported: int = 0
    """Samples that another suite finished in this start."""
    outcomes: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    judge_prompt_tokens: int = 0
    judge_completion_tokens: int = 0
    requests: int = 0
    retries: int = 0
    concurrency: int | None = None
    """Requests under way at a time, at last."""
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Samples that could not be had, by class and message."""
    earlier: Earlier = field(default_factory=Earlier)

    @property
    def owed(self) -> int:
        """Samples not finished yet."""
        return self.total - self.reused - self.done - self.imported


def count_tokens(counts: Earlier | Meter, of: Party, prompt: int | None, completion: int | None) -> None:
    """Add what a request took; a judge's tokens are counted apart."""
    if of == "judge":
        counts.judge_prompt_tokens += prompt or 0
        counts.judge_completion_tokens += completion or 0
    else:
        counts.prompt_tokens += prompt or 0
        counts.completion_tokens += completion or 0
