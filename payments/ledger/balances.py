"""Balances read from the transfers, and the proof that the books hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, literal, union_all
from sqlalchemy import select as sa_select
from sqlmodel import Session, col, select

from core.money import Currency
from payments.ledger.models import JournalEntry, LedgerAccount, LedgerTransfer


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """What was debited to and credited to one account, in one currency (minor units)."""

    code: str
    currency: Currency
    debit_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        """Debits less credits: positive for an asset that is there."""
        return self.debit_minor - self.credit_minor


def trial_balance(session: Session, *, account_id: str | None = None) -> list[AccountBalance]:
    """Return every account with its totals, by code; of one collecting account if given."""
    sides = []
    for account, debit in ((LedgerTransfer.debit_account, 1), (LedgerTransfer.credit_account, 0)):
        side: Any = sa_select(
            col(account).label("code"),
            col(LedgerTransfer.currency).label("currency"),
            (col(LedgerTransfer.amount_minor) * literal(debit)).label("debit"),
            (col(LedgerTransfer.amount_minor) * literal(1 - debit)).label("credit"),
        )
        if account_id is not None:
            side = side.join(
                JournalEntry, col(JournalEntry.id) == col(LedgerTransfer.entry_id)
            ).where(col(JournalEntry.account_id) == account_id)
        sides.append(side)
    both = union_all(*sides).subquery()
    totals = (
        sa_select(both.c.code, both.c.currency, func.sum(both.c.debit), func.sum(both.c.credit))
        .group_by(both.c.code, both.c.currency)
        .order_by(both.c.code, both.c.currency)
    )
    return [
        AccountBalance(code, Currency(currency), int(debit), int(credit))
        for code, currency, debit, credit in session.execute(totals)
    ]


def balance_of(session: Session, code: str, *, account_id: str | None = None) -> int:
    """Return debits less credits of one account in minor units of VND; 0 if never used."""
    return sum(
        row.balance_minor
        for row in trial_balance(session, account_id=account_id)
        if row.code == code and row.currency is Currency.VND
    )


def broken_rules(session: Session) -> Iterator[str]:
    """Yield one sentence for each rule that the books break; none is the proof that they hold."""
    rows = trial_balance(session)
    for currency in Currency:
        difference = sum(row.balance_minor for row in rows if row.currency is currency)
        if difference:
            yield f"debits and credits differ by {difference} {currency}"
    incomplete = (
        select(col(JournalEntry.id))
        .outerjoin(LedgerTransfer, col(LedgerTransfer.entry_id) == col(JournalEntry.id))
        .group_by(col(JournalEntry.id), col(JournalEntry.transfer_count))
        .having(func.count(col(LedgerTransfer.id)) != col(JournalEntry.transfer_count))
    )
    for entry_id in session.exec(incomplete):
        yield f"entry {entry_id} has not the transfers it was made with"
    charted = session.exec(select(LedgerAccount.code)).all()
    for code in sorted({row.code for row in rows}.difference(charted)):
        yield f"account {code} is not in the chart"
