"""Parses the gates `--fail-under` and `--fail-on-regression`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalsuite.errors import ConfigError

_FAIL_UNDER = re.compile(
    r"^(?:(?P<dataset>[^:=]+):)?(?P<metric>[^:=]+)=(?P<value>\d+(?:\.\d+)?|\.\d+)(?P<percent>%?)$"
)
_FAIL_ON_REGRESSION = re.compile(r"^(?P<metric>[^:=]*)(?::(?P<margin>\d+(?:\.\d+)?|\.\d+)(?P<percent>%?))?$")


@dataclass(frozen=True, slots=True)
class Gate:
    """A parsed `--fail-under [DATASET:]METRIC=VALUE`. `value` is in the metric's unit (0 to 1 for shares)."""

    dataset: str | None
    metric: str
    value: float
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Parse a gate. Raises `ConfigError`."""
        match = _FAIL_UNDER.match(text)
        if match is None:
            raise ConfigError(
                f"--fail-under {text!r}: write [DATASET:]METRIC=VALUE, for instance accuracy=0.4 or mcq_zh:accuracy=40%"
            )
        value = float(match["value"]) / (100 if match["percent"] else 1)
        return cls(match["dataset"], match["metric"], value, bool(match["percent"]))


@dataclass(frozen=True, slots=True)
class RegressionGate:
    """A parsed `--fail-on-regression [METRIC[:MARGIN]]`. Without a metric it applies to every judged one.

    `margin` is in the metric's unit, as `Gate.value`.
    """

    metric: str | None = None
    margin: float = 0.0
    percent: bool = False

    def __str__(self) -> str:
        return (self.metric or "") + (f":{self.margin:g}" if self.margin else "")

    @classmethod
    def parse(cls, text: str) -> RegressionGate:
        """Parse a gate; the empty text is the gate without a metric. Raises `ConfigError`."""
        match = _FAIL_ON_REGRESSION.match(text)
        if match is None:
            raise ConfigError(
                f"--fail-on-regression {text!r}: write METRIC or METRIC:MARGIN, for instance accuracy or accuracy:0.01 or accuracy:1%"
            )
        margin = float(match["margin"] or 0) / (100 if match["percent"] else 1)
        return cls(match["metric"] or None, margin, bool(match["percent"]))

    def check(self, metric: str, highest: float) -> None:
        """Raise `ConfigError` if no difference of a metric from 0 to `highest` could exceed the margin."""
        place = f"--fail-on-regression {self}: {metric}"
        if self.percent and highest != 1.0:
            raise ConfigError(f"{place} is not a share; write the margin in its own unit, without %.")
        if self.margin >= highest:
            form = "0.02 or 2%" if highest == 1.0 else f"{highest / 50:g}"
            raise ConfigError(
                f"{place} lies between 0 and {highest:g}, so nothing could fail; write {form}, for instance."
            )
