"""Everything an auditor needs, as CSV: the books, and what was compared with what result.

The files of a run have the columns of the matcher's interchange format, so that a day's matching
can be performed again from them on any machine. All exports are streamed row by row.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from core.clock import VIETNAM, at_vietnam_time, business_day
from core.money import Currency
from payments.ledger.models import JournalEntry, LedgerTransfer
from payments.models import CollectingAccount, Office
from reconciliation.interchange import csv_text
from reconciliation.matching.columns import (
    BANK,
    PAYMENTS,
    SETTLEMENTS,
)
from reconciliation.matching.model import MatchInputs
from reconciliation.models import Match, Mismatch
from reconciliation.population import bank_rows, payment_rows, settlement_rows
from reconciliation.result_files import csv_lines, match_lines, mismatch_lines
from reconciliation.states import MatchStatus, MismatchStatus

LEDGER_COLUMNS: Final = (
    "transfer_id",
    "entry_id",
    "entry_date",
    "posted_at",
    "event",
    "event_key",
    "debit_account",
    "credit_account",
    "amount",
    "currency",
    "collecting_account",
    "office_code",
    "bill_id",
    "reverses_entry_id",
    "description",
)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole Vietnamese days from ``first`` to ``last``, both included."""

    first: date
    last: date

    def holds(self, day: date) -> bool:
        """Whether a day lies in the period."""
        return self.first <= day <= self.last


def input_texts(inputs: MatchInputs) -> dict[str, bytes]:
    """Return the inputs of a run as the files that ``doisoat match`` reads, byte for byte."""
    return {
        "payments.csv": csv_text(inputs.payments, PAYMENTS).encode(),
        "settlements.csv": csv_text(inputs.settlements, SETTLEMENTS).encode(),
        "bank.csv": csv_text(inputs.bank, BANK).encode(),
        "contracts.json": (
            json.dumps(inputs.contracts.to_json(), ensure_ascii=False, indent=1, sort_keys=True)
            + "\n"
        ).encode(),
    }


def ledger_csv(
    session: Session, period: Period, *, account_ids: Sequence[str] | None = None
) -> Iterator[str]:
    """Yield ``ledger.csv``: one line for each transfer of entries dated in the period."""
    query = (
        select(LedgerTransfer, JournalEntry, CollectingAccount.account_number, Office.code)
        .join(JournalEntry, col(JournalEntry.id) == col(LedgerTransfer.entry_id))
        .outerjoin(CollectingAccount, col(CollectingAccount.id) == col(JournalEntry.account_id))
        .outerjoin(Office, col(Office.id) == col(JournalEntry.office_id))
        .where(col(JournalEntry.entry_date) >= period.first)
        .where(col(JournalEntry.entry_date) <= period.last)
        .order_by(
            col(JournalEntry.entry_date),
            col(JournalEntry.posted_at),
            col(JournalEntry.id),
            col(LedgerTransfer.position),
        )
        .execution_options(yield_per=1000)
    )
    if account_ids is not None:
        query = query.where(col(JournalEntry.account_id).in_(account_ids))
    with session.exec(query) as rows:  # closed also when the reader goes away half-way
        yield from csv_lines(
            LEDGER_COLUMNS,
            (
                {
                    "transfer_id": transfer.id,
                    "entry_id": entry.id,
                    "entry_date": entry.entry_date.isoformat(),
                    "posted_at": _local(entry.posted_at),
                    "event": entry.event.value,
                    "event_key": entry.event_key,
                    "debit_account": transfer.debit_account,
                    "credit_account": transfer.credit_account,
                    "amount": transfer.amount_minor,
                    "currency": transfer.currency.value,
                    "collecting_account": account or "",
                    "office_code": office or "",
                    "bill_id": entry.bill_id or "",
                    "reverses_entry_id": entry.reverses_id or "",
                    "description": entry.description,
                }
                for transfer, entry, account, office in rows
            ),
        )


def payments_csv(session: Session, account: CollectingAccount, period: Period) -> Iterator[str]:
    """Yield ``payments.csv`` of the payments whose day lies in the period."""
    rows = (
        row | {"paid_at": _local(row["paid_at"])}
        for row in payment_rows(session, account)
        if period.holds(business_day(row["paid_at"]))
    )
    return csv_lines([column.name for column in PAYMENTS], rows)


def settlements_csv(session: Session, account: CollectingAccount, period: Period) -> Iterator[str]:
    """Yield ``settlements.csv`` of the lines whose payout date lies in the period."""
    rows = (row for row in settlement_rows(session, account) if period.holds(row["payout_date"]))
    return csv_lines([column.name for column in SETTLEMENTS], rows)


def bank_csv(session: Session, account: CollectingAccount, period: Period) -> Iterator[str]:
    """Yield ``bank.csv`` of the lines booked in the period."""
    rows = (row for row in bank_rows(session, account) if period.holds(row["booking_date"]))
    return csv_lines([column.name for column in BANK], rows)


def matches_csv(
    session: Session, account: CollectingAccount, period: Period | None = None
) -> Iterator[str]:
    """Yield ``matches.csv`` of the matches that stand (of those made in the period, if given)."""
    wanted: list[ColumnElement[bool]] = [col(Match.status) == MatchStatus.ACTIVE]
    if period is not None:
        start, end = _instants(period)
        wanted += [col(Match.created_at) >= start, col(Match.created_at) < end]
    return match_lines(session, account, *wanted)


def mismatches_csv(
    session: Session, account: CollectingAccount, period: Period | None = None
) -> Iterator[str]:
    """Yield ``mismatches.csv`` of the mismatches now open (or opened in the period, if given)."""
    wanted: list[ColumnElement[bool]] = []
    if period is None:
        live = [MismatchStatus.OPEN, MismatchStatus.PROPOSED]
        wanted += [col(Mismatch.status).in_(live)]
    else:
        start, end = _instants(period)
        wanted += [col(Mismatch.opened_at) >= start, col(Mismatch.opened_at) < end]
    return mismatch_lines(session, account, *wanted)


def ledger_totals(
    session: Session, period: Period, *, account_ids: Sequence[str] | None = None
) -> dict[Currency, int]:
    """Return the sum of all transfers in the period: what ``ledger.csv`` must add up to."""
    totals: dict[Currency, int] = {}
    query = (
        select(LedgerTransfer.currency, LedgerTransfer.amount_minor)
        .join(JournalEntry, col(JournalEntry.id) == col(LedgerTransfer.entry_id))
        .where(col(JournalEntry.entry_date) >= period.first)
        .where(col(JournalEntry.entry_date) <= period.last)
    )
    if account_ids is not None:
        query = query.where(col(JournalEntry.account_id).in_(account_ids))
    for name, amount in session.exec(query):
        currency = Currency(name)
        totals[currency] = totals.get(currency, 0) + amount
    return totals


def _local(instant: datetime) -> str:
    return instant.astimezone(VIETNAM).isoformat()


def _instants(period: Period) -> tuple[datetime, datetime]:
    return at_vietnam_time(period.first), at_vietnam_time(period.last + timedelta(days=1))
