"""What the page counts over all samples, shown or not: reply lengths, latencies, labels, stages.

Of lengths and latencies it is kept how often each occurred, latencies to four digits: what grows with the number of rows
grows ever slower.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalsuite._util.compact import CompactValues
from evalsuite.metrics.finite import finite

MOST_COUNTED = 50_000
DIGITS = 4


@dataclass
class ReplyStatistics:
    """How one variant behaved on one dataset, failed requests not counted."""

    tokens: CompactValues = field(default_factory=lambda: CompactValues(MOST_COUNTED))
    characters: CompactValues = field(default_factory=lambda: CompactValues(MOST_COUNTED))
    latencies: CompactValues = field(default_factory=lambda: CompactValues(MOST_COUNTED))
    labels: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    prompts: int = 0
    """Those whose tokens were counted."""
    prompt_tokens: float = 0.0

    def lengths(self) -> tuple[str, CompactValues]:
        """The unit and the values: tokens where any server counted them, else characters."""
        return ("tokens", self.tokens) if self.tokens else ("characters", self.characters)


class Tally:
    """Takes samples one by one."""

    def __init__(self) -> None:
        self.behaviours: dict[tuple[str, str], ReplyStatistics] = {}

    def add(self, sample: Mapping[str, Any]) -> None:
        """Counts one sample."""
        key = str(sample.get("variant", "")), str(sample.get("dataset", ""))
        behaviour = self.behaviours.get(key)
        if behaviour is None:
            behaviour = self.behaviours[key] = ReplyStatistics()
        behaviour.labels.update(map(str, sample.get("labels") or ()))
        if sample.get("outcome") == "error":
            return
        if sample.get("stage"):
            behaviour.stages[str(sample["stage"])] += 1
        reply = sample.get("reply") or {}
        usage = sample.get("usage") or {}
        asked = finite(usage.get("prompt_tokens"))
        if asked is not None:
            behaviour.prompts += 1
            behaviour.prompt_tokens += asked
        tokens = finite(usage.get("completion_tokens"))
        if tokens is not None:
            behaviour.tokens.append(tokens)
        elif "measured" not in reply:
            behaviour.characters.append(len(reply.get("text") or ""))
        latency = finite(sample.get("latency_s"))
        if latency is not None:
            behaviour.latencies.append(float(f"{latency:.{DIGITS}g}"))
