"""The columns of the three input tables and the two output tables, with what each may hold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import pandas as pd

BANK_TRANSFER: Final = "bank_transfer"
STATUSES: Final = ("pending", "succeeded", "failed", "expired", "cancelled")
PAYMENT_KINDS: Final = ("payment", "refund", "remittance")
SETTLEMENT_KINDS: Final = ("payment", "refund", "chargeback")


class Holds(StrEnum):
    """What a column holds, and as what it stands in a frame.

    ``text``: str, never null. ``amount``: int64 of minor units. ``date``: datetime64[s] at
    midnight. ``instant``: datetime64[us, UTC].
    """

    TEXT = "text"
    AMOUNT = "amount"
    DATE = "date"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, and what its values must be.

    ``required``: not empty. ``words``: one of these. ``positive``: above zero.
    """

    name: str
    holds: Holds = Holds.TEXT
    required: bool = False
    words: tuple[str, ...] = ()
    positive: bool = False


PAYMENTS: Final = (
    Column("payment_id", required=True),
    Column("bill_reference"),
    Column("kind", required=True, words=PAYMENT_KINDS),
    Column("parent_payment_id"),
    Column("channel", required=True),
    Column("provider_txn_id"),
    Column("amount", Holds.AMOUNT, positive=True),
    Column("currency", required=True),
    Column("status", required=True, words=STATUSES),
    Column("paid_at", Holds.INSTANT),
    Column("payer_name"),
    Column("dossier_code"),
    Column("office_code"),
)

SETTLEMENTS: Final = (
    Column("line_id", required=True),
    Column("provider", required=True),
    Column("report_id"),
    Column("kind", required=True, words=SETTLEMENT_KINDS),
    Column("provider_txn_id"),
    Column("bill_reference"),
    Column("gross", Holds.AMOUNT),
    Column("fee", Holds.AMOUNT),
    Column("net", Holds.AMOUNT),
    Column("currency", required=True),
    Column("occurred_at", Holds.INSTANT),
    Column("payout_id"),
    Column("payout_date", Holds.DATE),
)

BANK: Final = (
    Column("line_id", required=True),
    Column("account"),
    Column("booking_date", Holds.DATE),
    Column("value_date", Holds.DATE),
    Column("amount", Holds.AMOUNT),
    Column("currency", required=True),
    Column("narrative"),
    Column("counterparty_name"),
    Column("counterparty_account"),
    Column("bank_ref"),
)

MATCH_COLUMNS: Final = (
    "match_id",
    "layer",
    "rule",
    "item_kind",
    "item_id",
    "confidence",
    "amount",
)
MISMATCH_COLUMNS: Final = (
    "mismatch_id",
    "type",
    "layer",
    "item_kind",
    "item_id",
    "related_items",
    "expected",
    "actual",
    "reason",
)

_DTYPES: Final = {
    Holds.TEXT: "str",
    Holds.AMOUNT: "int64",
    Holds.DATE: "datetime64[s]",
    Holds.INSTANT: "datetime64[us, UTC]",
}


def dtypes(columns: tuple[Column, ...]) -> dict[str, str]:
    """The pandas type of each column."""
    return {column.name: _DTYPES[column.holds] for column in columns}


def frame_of(rows: Iterable[Mapping[str, Any]], columns: tuple[Column, ...]) -> pd.DataFrame:
    """Build a typed input frame from rows of Python values.

    Text may be missing or None (it becomes empty); amounts are int of minor units, dates
    ``datetime.date``, instants aware ``datetime.datetime``. Columns not named are ignored.
    """
    table = list(rows)
    cells = {column: [row.get(column.name) for row in table] for column in columns}
    return pd.DataFrame({column.name: _series(cells[column], column) for column in columns})


def _series(values: list[Any], column: Column) -> "pd.Series[Any]":
    if column.holds is Holds.TEXT:
        return pd.Series(["" if value is None else str(value) for value in values], dtype="str")
    if column.holds is Holds.AMOUNT:
        return pd.Series(values, dtype="int64")
    if column.holds is Holds.DATE:
        return pd.to_datetime(pd.Series(values, dtype="object")).astype("datetime64[s]")
    return pd.to_datetime(pd.Series(values, dtype="object"), utc=True).astype("datetime64[us, UTC]")
