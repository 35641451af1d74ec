"""Tables of the talk with providers: sealed secrets, credits told before the bank does, calls."""

from datetime import datetime
from enum import StrEnum
from functools import partial

from sqlalchemy import BigInteger, CheckConstraint, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from core.db import UtcDateTime, enum_text
from core.ids import new_id
from core.money import Currency
from payments.channels import Rail


class CreditState(StrEnum):
    """What became of a credit that a service told us of.

    ``waiting``: it singles out no open bill, so the bank statement and an officer decide.
    ``known``: the same receipt was told before, by a notice or by the statement.
    """

    COLLECTED = "collected"
    WAITING = "waiting"
    KNOWN = "known"


class GatewaySecret(SQLModel, table=True):
    """One secret of a merchant, sealed. The newest of a name is used, the one before verifies."""

    __tablename__ = "gateway_secret"

    id: str = Field(default_factory=partial(new_id, "sec"), primary_key=True)
    rail: Rail = Field(sa_column=Column(enum_text(Rail), nullable=False))
    merchant_code: str = Field(index=True)
    name: str = Field(max_length=40)
    sealed: bytes
    created_by: str
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    retired_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class CreditNotice(SQLModel, table=True):
    """A transfer that a service told us of before the bank's statement does.

    Told twice, by one service or by two, it is one: ``credit_key`` is unique within the merchant,
    and of notices with one ``bank_ref`` and amount only the first is collected.
    """

    __tablename__ = "credit_notice"
    __table_args__ = (
        UniqueConstraint("rail", "merchant_code", "credit_key", name="uq_credit_notice_key"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
    )

    id: str = Field(default_factory=partial(new_id, "crd"), primary_key=True)
    rail: Rail = Field(sa_column=Column(enum_text(Rail), nullable=False))
    merchant_code: str
    credit_key: str
    event_id: str | None = Field(default=None, foreign_key="gateway_event.id")
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: Currency = Field(sa_column=Column(enum_text(Currency), nullable=False))
    narrative: str
    bank_ref: str = Field(default="", index=True)
    virtual_account: str = ""
    counterparty_name: str = ""
    counterparty_account: str = ""
    counterparty_bank_bin: str = ""
    booked_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    state: CreditState = Field(sa_column=Column(enum_text(CreditState), nullable=False))
    payment_id: str | None = Field(default=None, foreign_key="payment.id", index=True)


class GatewayExchange(SQLModel, table=True):
    """One call to a provider and its answer, with secrets masked."""

    __tablename__ = "gateway_exchange"

    id: str = Field(default_factory=partial(new_id, "exc"), primary_key=True)
    rail: Rail = Field(sa_column=Column(enum_text(Rail), nullable=False))
    merchant_code: str = Field(index=True)
    method: str
    url: str
    request: str
    status: int | None = None
    answer: str
    error: str = ""
    started_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    duration_ms: int
