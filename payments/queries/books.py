"""Reads of journal entries and balances."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, and_, func, or_, true
from sqlmodel import Session, col, select

from core.money import Currency
from payments.ledger.balances import AccountBalance
from payments.ledger.models import (
    AccountType,
    JournalEntry,
    LedgerAccount,
    LedgerTransfer,
)
from payments.queries.scope import ROOT, account_in, office_ids


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """An account of the books: what was debited to it and credited to it, in minor units."""

    code: str
    type: AccountType
    name_vi: str
    name_en: str
    currency: Currency
    debit_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        """Debit less credit."""
        return self.debit_minor - self.credit_minor


@dataclass(frozen=True, slots=True)
class EntryView:
    """A journal entry with its transfers."""

    entry: JournalEntry
    transfers: list[LedgerTransfer]


def list_entries_of_bill(session: Session, bill_id: str) -> list[EntryView]:
    """Return the journal entries about a bill with their transfers, in the order of posting."""
    entries = session.exec(
        select(JournalEntry)
        .where(JournalEntry.bill_id == bill_id)
        .order_by(col(JournalEntry.posted_at), col(JournalEntry.id))
    ).all()
    return _with_transfers(session, entries)


def list_entries_about(
    session: Session, *, keys: Sequence[str], prefixes: Sequence[str]
) -> list[EntryView]:
    """Return the journal entries with these event keys, or with keys that begin like this."""
    conditions = [col(JournalEntry.event_key).startswith(p, autoescape=True) for p in prefixes]
    entries = session.exec(
        select(JournalEntry)
        .where(or_(col(JournalEntry.event_key).in_(list(keys)), *conditions))
        .order_by(col(JournalEntry.posted_at), col(JournalEntry.id))
    ).all()
    return _with_transfers(session, entries)


def _with_transfers(session: Session, entries: Sequence[JournalEntry]) -> list[EntryView]:
    by_entry: dict[str, list[LedgerTransfer]] = {entry.id: [] for entry in entries}
    for transfer in session.exec(
        select(LedgerTransfer)
        .where(col(LedgerTransfer.entry_id).in_(list(by_entry)))
        .order_by(col(LedgerTransfer.entry_id), col(LedgerTransfer.position))
    ):
        by_entry[transfer.entry_id].append(transfer)
    return [EntryView(entry, by_entry[entry.id]) for entry in entries]


def account_balances(session: Session, account_id: str, *, until: date) -> list[AccountBalance]:
    """Return the ledger accounts of one collecting account with what moved up to a day."""
    sides: dict[tuple[str, Currency], list[int]] = {}
    for side, column in enumerate((LedgerTransfer.debit_account, LedgerTransfer.credit_account)):
        query = (
            select(column, LedgerTransfer.currency, func.sum(LedgerTransfer.amount_minor))
            .join(JournalEntry, col(LedgerTransfer.entry_id) == JournalEntry.id)
            .where(JournalEntry.account_id == account_id, col(JournalEntry.entry_date) <= until)
            .group_by(col(column), col(LedgerTransfer.currency))
        )
        for code, currency, total in session.exec(query):
            sides.setdefault((code, Currency(currency)), [0, 0])[side] = int(total)
    return [
        AccountBalance(code, currency, debit, credit)
        for (code, currency), (debit, credit) in sorted(sides.items())
    ]


def list_balances(session: Session, *, scope: str, until: date | None = None) -> list[BalanceRow]:
    """Return the accounts of the books with what moved on them up to a day, by code and currency.

    Only entries of offices and collecting accounts in the subtree count; both sides of a
    transfer are in or out together, so the sums of debits and credits are equal in any scope.
    """
    sides: dict[tuple[str, Currency], list[int]] = {}
    for side, column in enumerate((LedgerTransfer.debit_account, LedgerTransfer.credit_account)):
        query = (
            select(column, LedgerTransfer.currency, func.sum(LedgerTransfer.amount_minor))
            .join(JournalEntry, col(LedgerTransfer.entry_id) == JournalEntry.id)
            .where(entry_in(scope))
            .group_by(col(column), col(LedgerTransfer.currency))
        )
        if until is not None:
            query = query.where(col(JournalEntry.entry_date) <= until)
        for code, currency, total in session.exec(query):
            sides.setdefault((code, Currency(currency)), [0, 0])[side] = int(total)
    accounts = {a.code: a for a in session.exec(select(LedgerAccount))}
    return [
        BalanceRow(
            code, accounts[code].type, accounts[code].name_vi, accounts[code].name_en,
            currency, debit, credit,
        )
        for (code, currency), (debit, credit) in sorted(sides.items())
    ]  # fmt: skip


def entry_in(scope: str) -> ColumnElement[bool]:
    """Return the condition that an entry belongs to an office or account in the subtree."""
    if scope == ROOT:
        return true()
    return or_(
        col(JournalEntry.office_id).in_(office_ids(scope)),
        and_(
            col(JournalEntry.office_id).is_(None),
            account_in(col(JournalEntry.account_id), scope),
        ),
    )
