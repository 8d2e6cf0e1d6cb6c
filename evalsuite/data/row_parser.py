"""What a kind of dataset tells the data layer about its rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
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


class RowParser(Protocol[RowT]):
    """Turns raw rows into typed ones."""

    def missing(self, columns: Collection[str]) -> list[str]:
        """The required columns that are not there, in words."""

    def expand(self, values: Mapping[str, Any], number: int) -> Iterable[Mapping[str, Any]]:
        """The rows of the record at 0-based `number`; raises `RowError` or `SkippedRow`."""

    def parse(self, values: Mapping[str, Any]) -> RowT:
        """The typed row; raises `RowError` with every fault of the row."""

    def repairs(self, row: RowT) -> Iterable[str]:
        """What was read although it is not as it should be, as clauses without the place."""

    def audit(self, row: RowT) -> Iterable[tuple[str, str]]:
        """What looks wrong in a good row: pairs of what it is and what is expected."""

    def subject(self, row: RowT) -> str | None:
        """The subject a row names itself, if it does."""

    def traits(self, row: RowT) -> Iterable[str]:
        """Facts about a row that matter for the whole dataset, to be counted (`zh`, `multiple`, …)."""


class ReplyParser(RowParser[RowT], Protocol[RowT]):
    """The same for rows that come with their replies."""

    def recorded_reply(self, values: Mapping[str, Any]) -> Reply | None:
        """The reply in columns of the kind's own; None if there are none. Raises `RowError`."""

    def recorded_reply_traits(self, row: RowT, reply: Reply) -> Iterable[str]:
        """Facts about a reply that matter for the whole dataset."""
