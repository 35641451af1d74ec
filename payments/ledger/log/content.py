"""Reads entries of the journal as the log tells them."""

from collections.abc import Sequence

from sqlalchemy import String, type_coerce
from sqlmodel import Session, col, select

from payments.ledger.log.leaves import EntryContent, instant
from payments.ledger.models import JournalEntry, LedgerTransfer
from payments.models import CollectingAccount, Office


def read_contents(session: Session, entry_ids: Sequence[str]) -> dict[str, EntryContent]:
    """Return what leaves tell of these entries, by id; of those that exist."""
    transfers = _transfers(session, entry_ids)
    rows = session.exec(
        select(JournalEntry, col(Office.code), col(CollectingAccount.account_number))
        .outerjoin(Office, col(Office.id) == col(JournalEntry.office_id))
        .outerjoin(CollectingAccount, col(CollectingAccount.id) == col(JournalEntry.account_id))
        .where(col(JournalEntry.id).in_(entry_ids))
    )
    return {
        entry.id: EntryContent(
            day=entry.entry_date.isoformat(),
            office=office or "",
            account=account or "",
            books={
                "entry": entry.id,
                "event": entry.event.value,
                "posted_at": instant(entry.posted_at),
                "reverses": entry.reverses_id or "",
                "transfers": transfers.get(entry.id, []),
            },
            person={
                "bill": entry.bill_id or "",
                "description": entry.description,
                "event_key": entry.event_key,
            },
        )
        for entry, office, account in rows
    }


def _transfers(session: Session, entry_ids: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    place = col(LedgerTransfer.entry_id), col(LedgerTransfer.position)
    rows = session.exec(
        select(  # type: ignore[call-overload] # more columns than its types foresee
            *place,
            LedgerTransfer.id,
            LedgerTransfer.debit_account,
            LedgerTransfer.credit_account,
            LedgerTransfer.amount_minor,
            type_coerce(col(LedgerTransfer.currency), String),
        )
        .where(place[0].in_(entry_ids))
        .order_by(*place)
    )
    for entry_id, position, transfer_id, debit, credit, amount_minor, currency in rows:
        found.setdefault(entry_id, []).append(
            {
                "amount_minor": str(amount_minor),
                "credit": credit,
                "currency": currency,
                "debit": debit,
                "position": str(position),
                "transfer": transfer_id,
            }
        )
    return found
