"""The throughput of a run over time: a short series, however long the run."""

from __future__ import annotations

from dataclasses import dataclass, field

from evalsuite.runs.schema import ThroughputSummary

MAX_POINTS = 120
"""Most points. At more, two neighbours become one, and each point covers twice the time."""
INITIAL_WIDTH_SECONDS = 0.5


@dataclass(slots=True)
class Throughput:
    """Samples finished and reply tokens received in equal stretches of the time in which requests were under way.

    `note` takes totals so far and the time of any steady clock; `pause` ends a stretch of work, so that what comes
    between two (a server that starts) is no time at all. What arrives between two notes is spread evenly over them.
    """

    width: float = INITIAL_WIDTH_SECONDS
    """Seconds that a point covers."""
    samples: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    _worked: float = 0.0
    _last: float | None = None
    _before: tuple[int, int] = (0, 0)

    def note(self, now: float, samples: int, tokens: int) -> None:
        """Record the totals so far."""
        if self._last is not None and now > self._last:
            self._spread(now - self._last, samples - self._before[0], tokens - self._before[1])
        elif self._last is not None:
            return
        self._last, self._before = now, (samples, tokens)

    def pause(self) -> None:
        """Stop the clock until the next note."""
        self._last = None

    def _spread(self, seconds: float, samples: int, tokens: int) -> None:
        end = self._worked + seconds
        while end > MAX_POINTS * self.width:
            self._halve()
        at = self._worked
        while at < end:
            point = int(at / self.width)
            until = min(end, (point + 1) * self.width)
            if until <= at:  # the two are one number for a float: nothing is left to spread
                break
            while len(self.samples) <= point:
                self.samples.append(0.0)
                self.tokens.append(0.0)
            share = (until - at) / seconds
            self.samples[point] += samples * share
            self.tokens[point] += tokens * share
            at = until
        self._worked = end

    def _halve(self) -> None:
        self.width *= 2
        for series in (self.samples, self.tokens):
            pairs = range(0, len(series), 2)
            series[:] = [sum(series[first : first + 2]) for first in pairs]

    def summary(self) -> ThroughputSummary | None:
        """What was done per second, point by point; None if no time passed."""
        if not self._worked:
            return None
        widths = [min(self.width, self._worked - point * self.width) for point in range(len(self.samples))]
        return ThroughputSummary(
            seconds_a_point=self.width,
            seconds=round(self._worked, 3),
            samples_per_s=_rates(self.samples, widths),
            completion_tokens_per_s=_rates(self.tokens, widths),
        )


def _rates(amounts: list[float], widths: list[float]) -> tuple[float, ...]:
    return tuple(
        round(amount / width, 3) if width > 0 else 0.0 for amount, width in zip(amounts, widths, strict=True)
    )
