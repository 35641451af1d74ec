"""The tables of a package, column by column, so that every format says the same of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

_INSTANT: Final = len("2026-11-02T02:00:00.000000")

Row = Sequence[Any]
"""Values in the order of a table's columns; None where there is nothing to say."""


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    DATE = "date"
    UTC = "utc"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, what it holds, and what it means."""

    name: str
    kind: Kind
    meaning: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a package; ``key`` names the columns by which a row is known."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]


TRANSFERS: Final = Table(
    "transfers",
    (
        Column("transfer_id", Kind.TEXT, "one amount moved between two accounts"),
        Column("entry_id", Kind.TEXT, "the journal entry that the transfer is part of"),
        Column("position", Kind.INTEGER, "place of the transfer in its entry, from 1"),
        Column("entry_date", Kind.DATE, "the day of the books, a calendar day in Vietnam"),
        Column("posted_at_utc", Kind.UTC, "when the entry was written, in UTC"),
        Column("posted_at_local", Kind.LOCAL, "the same instant at +07:00"),
        Column("event", Kind.TEXT, "why the entry was made"),
        Column("event_key", Kind.TEXT, "what makes posting the same event twice impossible"),
        Column("debit_account", Kind.TEXT, "code of the account that is debited"),
        Column("credit_account", Kind.TEXT, "code of the account that is credited"),
        Column("amount_minor", Kind.INTEGER, "minor units: whole VND, cents of USD; above zero"),
        Column("currency", Kind.TEXT, "ISO 4217"),
        Column("collecting_account", Kind.TEXT, "number of the bank account", required=False),
        Column("office_code", Kind.TEXT, "the office that collected", required=False),
        Column("bill_id", Kind.TEXT, "the bill that the entry is about", required=False),
        Column("reverses_entry_id", Kind.TEXT, "the entry that this one undoes", required=False),
        Column("description", Kind.TEXT, "free text", required=False),
    ),
    ("transfer_id",),
)

ACCOUNTS: Final = Table(
    "accounts",
    (
        Column("code", Kind.TEXT, "the account's code"),
        Column("type", Kind.TEXT, "asset, liability, revenue or expense"),
        Column("name_vi", Kind.TEXT, "name in Vietnamese"),
        Column("name_en", Kind.TEXT, "name in English"),
    ),
    ("code",),
)

_BALANCE_COLUMNS: Final = (
    Column("account", Kind.TEXT, "code of the account"),
    Column("currency", Kind.TEXT, "ISO 4217"),
    Column("debit_minor", Kind.INTEGER, "all that was ever debited, in minor units"),
    Column("credit_minor", Kind.INTEGER, "all that was ever credited, in minor units"),
    Column("balance_minor", Kind.INTEGER, "debits less credits, in minor units"),
)
OPENING: Final = Table("opening_balances", _BALANCE_COLUMNS, ("account", "currency"))
CLOSING: Final = Table("closing_balances", _BALANCE_COLUMNS, ("account", "currency"))


def as_text(value: Any) -> str:
    """Return a value as the text files write it: RFC 3339 instants, ISO 8601 days, plain digits."""
    if isinstance(value, datetime):
        return utc_text(value) if value.tzinfo is UTC else local_text(value)
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)


def utc_text(value: datetime) -> str:
    """Return an instant in UTC as ``2026-11-02T02:00:00.000000Z``."""
    return value.isoformat("T", "microseconds")[:_INSTANT] + "Z"


def local_text(value: datetime) -> str:
    """Return an instant with its offset: ``2026-11-02T09:00:00.000000+07:00``."""
    return value.isoformat("T", "microseconds")
