"""Tables of the books: entries, each a group of transfers between two accounts.

One row of ``ledger_transfer`` credits one account and debits another with one amount, so that
debits equal credits by construction. An entry groups the transfers of one money event.
"""

from datetime import date, datetime
from enum import StrEnum
from functools import partial

from sqlalchemy import BigInteger, CheckConstraint, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from core.db import UtcDateTime, enum_text
from core.ids import new_id
from core.money import Currency


class AccountType(StrEnum):
    """Normal side: assets and expenses are debit, liabilities and revenue are credit."""

    ASSET = "asset"
    LIABILITY = "liability"
    REVENUE = "revenue"
    EXPENSE = "expense"


class MoneyEvent(StrEnum):
    """Why an entry was made."""

    BILLED = "billed"
    EXEMPTED = "exempted"
    CANCELLED = "cancelled"
    COLLECTED = "collected"
    STATEMENT_LINE = "statement_line"
    SETTLED = "settled"
    PAYOUT = "payout"
    CONFIRMED = "confirmed"
    REVERSED = "reversed"
    CHARGEBACK = "chargeback"
    REFUND_APPROVED = "refund_approved"
    REFUND_SENT = "refund_sent"
    REMITTANCE = "remittance"
    RESOLVED = "resolved"
    WRITE_OFF = "write_off"
    CORRECTION = "correction"


class LedgerAccount(SQLModel, table=True):
    """An account of the chart, e.g. ``clearing:vnpay``; created when first used."""

    __tablename__ = "ledger_account"

    code: str = Field(primary_key=True, max_length=80)
    type: AccountType = Field(sa_column=Column(enum_text(AccountType), nullable=False))
    name_vi: str
    name_en: str


class JournalEntry(SQLModel, table=True):
    """One money event. ``event_key`` makes posting it twice impossible.

    ``transfer_count`` seals it: a trigger refuses a transfer beyond that number, so that nothing
    is added to an entry after it was made.
    """

    __tablename__ = "journal_entry"

    id: str = Field(default_factory=partial(new_id, "jrn"), primary_key=True)
    entry_date: date = Field(index=True)
    posted_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    event: MoneyEvent = Field(sa_column=Column(enum_text(MoneyEvent), nullable=False))
    event_key: str = Field(unique=True, max_length=120)
    account_id: str | None = Field(default=None, foreign_key="collecting_account.id", index=True)
    office_id: str | None = Field(default=None, foreign_key="office.id", index=True)
    bill_id: str | None = Field(default=None, foreign_key="bill.id", index=True)
    description: str = ""
    reverses_id: str | None = Field(default=None, foreign_key="journal_entry.id", unique=True)
    transfer_count: int = Field(ge=1)


class LedgerTransfer(SQLModel, table=True):
    """One amount debited to one account and credited to another."""

    __tablename__ = "ledger_transfer"
    __table_args__ = (
        UniqueConstraint("entry_id", "position"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("debit_account <> credit_account", name="two_accounts"),
    )

    id: str = Field(default_factory=partial(new_id, "trf"), primary_key=True)
    entry_id: str = Field(foreign_key="journal_entry.id", index=True)
    position: int
    debit_account: str = Field(foreign_key="ledger_account.code", index=True)
    credit_account: str = Field(foreign_key="ledger_account.code", index=True)
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: Currency = Field(
        default=Currency.VND, sa_column=Column(enum_text(Currency), nullable=False)
    )


class AccountingPeriod(SQLModel, table=True):
    """A closed day of one collecting account: nothing is posted into it, or before it, any more.

    A trigger refuses entries of these days. ``summary_sha256`` is that of the signed sheet.
    """

    __tablename__ = "accounting_period"

    account_id: str = Field(foreign_key="collecting_account.id", primary_key=True)
    day: date = Field(primary_key=True)
    closed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    closed_by: str
    summary_sha256: str
