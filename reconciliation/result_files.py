"""The files that say what a comparison came to, as CSV, without the matcher's libraries."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from payments.models import CollectingAccount
from reconciliation.models import Match, MatchItem, Mismatch

# Those of the matcher's interchange format, which a test holds them to: its own module needs
# pandas, and whoever only writes files is to stay small.
_MATCH_COLUMNS: Final = (
    "match_id", "layer", "rule", "item_kind", "item_id", "confidence", "amount",
)  # fmt: skip
_MISMATCH_COLUMNS: Final = (
    "mismatch_id", "type", "layer", "item_kind", "item_id", "related_items", "expected", "actual",
    "reason",
)  # fmt: skip


def match_lines(
    session: Session, account: CollectingAccount, *wanted: ColumnElement[bool]
) -> Iterator[str]:
    """Yield ``matches.csv`` of an account's matches that satisfy all of these conditions."""
    query = (
        select(Match, MatchItem)
        .join(MatchItem, col(MatchItem.match_id) == col(Match.id))
        .where(col(Match.account_id) == account.id, *wanted)
        .order_by(
            col(Match.layer), col(Match.match_key), col(MatchItem.item_kind), col(MatchItem.item_id)
        )
    )
    return csv_lines(
        _MATCH_COLUMNS,
        (
            {
                "match_id": match.match_key,
                "layer": match.layer.value,
                "rule": match.rule,
                "item_kind": item.item_kind.value,
                "item_id": item.item_id,
                "confidence": match.confidence,
                "amount": item.amount_minor,
            }
            for match, item in session.exec(query)
        ),
    )


def mismatch_lines(
    session: Session, account: CollectingAccount, *wanted: ColumnElement[bool]
) -> Iterator[str]:
    """Yield ``mismatches.csv`` of an account's mismatches that satisfy all of these conditions."""
    query = (
        select(Mismatch)
        .where(col(Mismatch.account_id) == account.id, *wanted)
        .order_by(
            col(Mismatch.layer),
            col(Mismatch.mismatch_key),
            col(Mismatch.item_kind),
            col(Mismatch.item_id),
        )
    )
    return csv_lines(
        _MISMATCH_COLUMNS,
        (
            {
                "mismatch_id": row.mismatch_key,
                "type": row.type.value,
                "layer": row.layer.value,
                "item_kind": row.item_kind.value,
                "item_id": row.item_id,
                "related_items": row.related_items,
                "expected": row.expected,
                "actual": row.actual,
                "reason": row.reason,
            }
            for row in session.exec(query)
        ),
    )


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield RFC 4180 lines, the header first; missing values are empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", restval="")
    writer.writeheader()
    yield _drain(buffer)
    for row in rows:
        writer.writerow(row)
        yield _drain(buffer)


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
