"""Inputs and results of the matcher as plain rows, for a checker that shares nothing with it."""

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from reconciliation.errors import ResultUnusableError

Row = dict[str, str]

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_ZONE: Final = timezone(timedelta(hours=7))
"""A day is the calendar day at +07:00."""
_BLOCK: Final = 1 << 20

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "payments": (
        "payment_id", "bill_reference", "kind", "parent_payment_id", "channel", "provider_txn_id",
        "amount", "currency", "status", "paid_at", "payer_name", "dossier_code", "office_code",
    ),
    "settlements": (
        "line_id", "provider", "report_id", "kind", "provider_txn_id", "bill_reference", "gross",
        "fee", "net", "currency", "occurred_at", "payout_id", "payout_date",
    ),
    "bank": (
        "line_id", "account", "booking_date", "value_date", "amount", "currency", "narrative",
        "counterparty_name", "counterparty_account", "bank_ref",
    ),
    "matches": ("match_id", "layer", "rule", "item_kind", "item_id", "confidence", "amount"),
    "mismatches": (
        "mismatch_id", "type", "layer", "item_kind", "item_id", "related_items", "expected",
        "actual", "reason",
    ),
}  # fmt: skip
_NUMBERS: Final = frozenset({"amount", "gross", "fee", "net"})
_DAYS: Final = frozenset({"paid_at", "occurred_at", "payout_date", "booking_date", "value_date"})


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a ``.csv`` or ``.parquet`` file, every value as text, absent ones empty."""
    if path.suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                yield {name: "" if value is None else str(value) for name, value in row.items()}
        return
    with path.open(encoding="utf-8-sig", newline="") as handle:
        for row in csv.DictReader(handle, strict=True):
            if None in row or None in row.values():
                raise ValueError("a row has another number of cells than the header")
            yield row


def table_in(folder: Path, name: str) -> Path:
    """Where ``name`` stands in a result folder: as CSV, else as Parquet."""
    text = folder / f"{name}.csv"
    return text if text.is_file() else folder / f"{name}.parquet"


def read_table(path: Path, name: str) -> list[Row]:
    """All rows of table ``name``, each column there, amounts whole, days and times readable.

    Raises:
        ResultUnusableError: something is not; the message names file, row and column.
    """
    try:
        missing = [column for column in COLUMNS[name] if column not in _header(path)]
        rows = list(rows_of(path))
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise ResultUnusableError(f"{path.name}: {_first_line(error)}") from error
    if missing:
        raise ResultUnusableError(f"{path.name}: column {missing[0]} is missing")
    for number, row in enumerate(rows, 1):
        for column in COLUMNS[name]:
            if not _is_readable(column, row[column]):
                what = f"{row[column]!r} cannot be read"
                raise ResultUnusableError(f"{path.name}, row {number}, column {column}: {what}")
    return rows


def _header(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return next(csv.reader(handle), [])


def read_object(path: Path) -> dict[str, Any]:
    """The object of a JSON file.

    Raises:
        ResultUnusableError: there is no such file, or no object in it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ResultUnusableError(f"{path.name}: {_first_line(error)}") from error
    if not isinstance(document, dict):
        raise ResultUnusableError(f"{path.name}: is no JSON object")
    return document


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes.

    Raises:
        ResultUnusableError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise ResultUnusableError(f"{path}: {error.strerror}") from error
    return digest.hexdigest()


def day_of(text: str) -> date:
    """The calendar day at +07:00 of a date, or of an instant with its offset."""
    said = datetime.fromisoformat(text.strip().upper())
    return (said if said.tzinfo is None else said.astimezone(_ZONE)).date()


def _is_readable(column: str, value: str) -> bool:
    if column in _NUMBERS:
        return _WHOLE.fullmatch(value) is not None
    if column in _DAYS:
        try:
            day_of(value)
        except (ValueError, OverflowError):
            return False
    return True


def _first_line(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said).splitlines()[0]
