"""What a kind of dataset tells the data layer about its rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from evalsuite.types import Reply

RowT = TypeVar("RowT")


class RowError(Exception):
    """A row breaks its kind's rules. `faults` are pairs of what is wrong and what is expected."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        self.faults = faults
        super().__init__("; ".join(what for what, _ in faults))


class SkippedRow(Exception):
    """A row counts neither as data nor as a fault; the message, without a place, is counted and shown once."""


@dataclass(frozen=True, slots=True)
class RowFacts:
    """Where a row belongs: its subject, its category, its cluster."""

    subject: str | None = None
    """The subset that the row counts in, if it names one; otherwise the file's name is used."""
    category: str | None = None
    cluster: str | None = None
    """What rows share that are not independent, such as the steps of a dialogue. Confidence intervals respect it."""


class RowParser(Protocol[RowT]):
    """Turns raw rows into typed ones."""

    def missing_columns(self, columns: Collection[str]) -> list[str]:
        """The required columns that are not there, in words."""

    def expand(self, values: Mapping[str, Any], number: int) -> Iterable[Mapping[str, Any]]:
        """The rows of the record at 0-based `number`; raises `RowError` or `SkippedRow`."""

    def parse(self, values: Mapping[str, Any]) -> RowT:
        """The typed row; raises `RowError` with every fault of the row."""

    def repairs(self, row: RowT) -> Iterable[str]:
        """What was read although it is not as it should be, as clauses without the place."""

    def audit(self, row: RowT) -> Iterable[tuple[str, str]]:
        """What looks wrong in a good row: pairs of what it is and what is expected."""

    def facts(self, row: RowT) -> RowFacts:
        """Where a row belongs. Called often, so it must be cheap."""

    def traits(self, row: RowT) -> Iterable[str]:
        """What is counted over the dataset, to decide how it is asked (`zh`, `multiple`, …)."""


class ReplyParser(RowParser[RowT], Protocol[RowT]):
    """The same for rows that come with their replies."""

    def recorded_reply(self, values: Mapping[str, Any]) -> Reply | None:
        """The reply in columns of the kind's own; None if there are none. Raises `RowError`."""

    def traits(self, row: RowT, reply: Reply | None = None) -> Iterable[str]:
        """The same for a row and the reply recorded with it."""
