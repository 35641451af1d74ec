"""Tables of what is owed: offices, procedures and their fees, bills, payments and their proofs."""

from datetime import date, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, String, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from core.db import UtcDateTime, enum_text, unique_where
from core.ids import new_id
from core.money import Currency, Money
from payments.channels import Channel, Rail
from payments.states import BillStatus, PaymentStatus, RefundStatus, RemittanceStatus


class OfficeKind(StrEnum):
    """Level of an office in the tree."""

    PROVINCE = "province"
    COMMUNE = "commune"
    UNIT = "unit"


class FeeKind(StrEnum):
    """Phí covers the cost of a public service, lệ phí is a fixed charge for administration."""

    PHI = "phi"
    LE_PHI = "le_phi"


class Budget(StrEnum):
    """Whose money a fee becomes."""

    STATE_TREASURY = "state_treasury"
    REVENUE = "revenue"


class ReceiptStatus(StrEnum):
    """Receipts are voided and issued anew, never edited."""

    ISSUED = "issued"
    VOIDED = "voided"


class FeeBearer(StrEnum):
    """Who pays what a channel charges; the payer pays it as a surcharge, a line of its own."""

    OFFICE = "office"
    PAYER = "payer"


class EventState(StrEnum):
    """What was done with a channel's message after it was stored."""

    RECEIVED = "received"
    APPLIED = "applied"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    UNASSIGNED = "unassigned"


def _minor(*, nullable: bool = False) -> Any:
    return Column(BigInteger, nullable=nullable)


def _instant(*, nullable: bool = False, index: bool = False) -> Any:
    return Column(UtcDateTime, nullable=nullable, index=index)


def _currency() -> Any:
    return Field(default=Currency.VND, sa_column=Column(enum_text(Currency), nullable=False))


def _text(length: int) -> Any:
    """A text that rows of before do not have."""
    column = Column(String(length), nullable=False, server_default=text("''"))
    return Field(default="", sa_column=column)


class CollectingAccount(SQLModel, table=True):
    """A bank account into which fees are collected; one reconciliation covers one of these.

    What is due to the State Treasury goes to its account ``treasury_account``; empty until set.
    """

    __tablename__ = "collecting_account"

    id: str = Field(default_factory=partial(new_id, "acc"), primary_key=True)
    account_number: str = Field(unique=True, max_length=34)
    bank_bin: str = Field(max_length=6)
    bank_name: str
    account_name: str
    currency: Currency = _currency()
    reference_prefix: str = Field(max_length=4)
    grace_days: int = Field(default=3, ge=0)
    statement_profile: str = ""
    treasury_name: str = _text(70)
    treasury_account: str = _text(34)
    treasury_bank_bin: str = _text(6)


class Office(SQLModel, table=True):
    """A node of the office tree. ``path`` is ``/`` and the codes from the root, each with ``/``."""

    __tablename__ = "office"

    id: str = Field(default_factory=partial(new_id, "off"), primary_key=True)
    code: str = Field(unique=True, max_length=20)
    kind: OfficeKind = Field(sa_column=Column(enum_text(OfficeKind), nullable=False))
    name_vi: str
    name_en: str
    parent_id: str | None = Field(default=None, foreign_key="office.id")
    path: str = Field(unique=True)
    account_id: str | None = Field(default=None, foreign_key="collecting_account.id")
    rails: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    demonstration: bool = False


class Merchant(SQLModel, table=True):
    """An account's contract with a party that speaks a rail (terminal code, connected account).

    ``min_minor`` and ``max_minor`` narrow what the rail itself takes at once; ``settings`` are the
    rail's own, none of them secret (MoMo's ``request_type``, Casso's ``version``).
    """

    __tablename__ = "merchant"
    __table_args__ = (
        UniqueConstraint("account_id", "rail", name="uq_merchant_account_rail"),
        UniqueConstraint("rail", "merchant_code", name="uq_merchant_code"),
        CheckConstraint("min_minor >= 0", name="min_not_negative"),
        CheckConstraint("max_minor IS NULL OR max_minor >= min_minor", name="limits_in_order"),
    )

    id: str = Field(default_factory=partial(new_id, "mer"), primary_key=True)
    account_id: str = Field(foreign_key="collecting_account.id")
    rail: Rail = Field(sa_column=Column(enum_text(Rail), nullable=False))
    merchant_code: str
    min_minor: int = Field(default=0, sa_column=_minor())
    max_minor: int | None = Field(default=None, sa_column=_minor(nullable=True))
    fee_bearer: FeeBearer = Field(
        default=FeeBearer.OFFICE, sa_column=Column(enum_text(FeeBearer), nullable=False)
    )
    settings: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    active: bool = True


class Procedure(SQLModel, table=True):
    """An administrative procedure that fees are charged for."""

    __tablename__ = "procedure"

    id: str = Field(default_factory=partial(new_id, "prc"), primary_key=True)
    code: str = Field(unique=True, max_length=40)
    name_vi: str
    name_en: str
    field_vi: str = ""
    demonstration: bool = False


class FeeSchedule(SQLModel, table=True):
    """One fee of a procedure while it is in force: ``effective_until`` is the last day or open."""

    __tablename__ = "fee_schedule"
    __table_args__ = (
        UniqueConstraint("procedure_id", "fee_code", "effective_from"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint(
            "effective_until IS NULL OR effective_until >= effective_from", name="dates_in_order"
        ),
    )

    id: str = Field(default_factory=partial(new_id, "fee"), primary_key=True)
    procedure_id: str = Field(foreign_key="procedure.id", index=True)
    fee_code: str = Field(max_length=40)
    kind: FeeKind = Field(sa_column=Column(enum_text(FeeKind), nullable=False))
    name_vi: str
    name_en: str
    amount_minor: int = Field(sa_column=_minor())
    currency: Currency = _currency()
    legal_basis: str
    budget: Budget = Field(sa_column=Column(enum_text(Budget), nullable=False))
    effective_from: date
    effective_until: date | None = None
    demonstration: bool = False


class Bill(SQLModel, table=True):
    """The amount due for a dossier; its reference survives a bank narrative.

    ``amount_minor`` is what was billed and never changes; ``due_minor`` is the same less the fees
    that a refund has waived, or 0 once the bill is cancelled or exempt; ``received_minor`` is what
    came in and was not taken back. It is negative when a bank takes back what had been refunded
    already: the payer owes that too.
    """

    __tablename__ = "bill"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        CheckConstraint("due_minor BETWEEN 0 AND amount_minor", name="due_within_amount"),
        CheckConstraint(
            "status <> 'exempt' OR length(exemption_reason) > 0", name="exemption_has_reason"
        ),
    )

    id: str = Field(default_factory=partial(new_id, "bil"), primary_key=True)
    bill_reference: str = Field(unique=True, max_length=16)
    dossier_code: str = Field(index=True, max_length=60)
    office_id: str = Field(foreign_key="office.id", index=True)
    procedure_id: str | None = Field(default=None, foreign_key="procedure.id")
    title_vi: str
    title_en: str
    amount_minor: int = Field(sa_column=_minor())
    due_minor: int = Field(sa_column=_minor())
    received_minor: int = Field(default=0, sa_column=_minor())
    currency: Currency = _currency()
    status: BillStatus = Field(
        default=BillStatus.OPEN, sa_column=Column(enum_text(BillStatus), nullable=False, index=True)
    )
    due_date: date
    expires_on: date = Field(index=True)
    payer_name: str = ""
    payer_email: str = ""
    language: str = Field(default="vi", max_length=5)
    exemption_reason: str = ""
    api_client_id: str | None = Field(default=None, foreign_key="api_client.id")
    portal_reference: str = ""
    created_at: datetime = Field(sa_column=_instant(index=True))
    status_at: datetime = Field(sa_column=_instant())

    @property
    def amount(self) -> Money:
        """What was billed in total."""
        return Money(self.amount_minor, self.currency)

    @property
    def outstanding(self) -> Money:
        """What is still to be paid; never negative."""
        return Money(max(0, self.due_minor - self.received_minor), self.currency)


class BillLine(SQLModel, table=True):
    """One fee on a bill, copied from its schedule so that later changes do not touch it."""

    __tablename__ = "bill_line"
    __table_args__ = (
        UniqueConstraint("bill_id", "position"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
    )

    id: str = Field(default_factory=partial(new_id, "bln"), primary_key=True)
    bill_id: str = Field(foreign_key="bill.id", index=True)
    position: int
    fee_code: str
    kind: FeeKind = Field(sa_column=Column(enum_text(FeeKind), nullable=False))
    name_vi: str
    name_en: str
    legal_basis: str
    amount_minor: int = Field(sa_column=_minor())
    budget: Budget = Field(sa_column=Column(enum_text(Budget), nullable=False))


class Payment(SQLModel, table=True):
    """One attempt to pay one bill over one rail.

    ``amount_minor`` is what the payer is asked for, a surcharge included. ``collected_minor`` is
    what the channel or the bank says came in, which need not be what was asked. ``provider_txn_id``
    is the channel's id, or the bank's reference of a transfer. ``confirmed_at`` is set when a
    settlement or statement line proves it.
    """

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("bill_id", "attempt"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
    )

    id: str = Field(default_factory=partial(new_id, "pay"), primary_key=True)
    bill_id: str = Field(foreign_key="bill.id", index=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    attempt: int
    channel: Channel = Field(sa_column=Column(enum_text(Channel), nullable=False, index=True))
    rail: Rail = Field(
        # The default is that of rows from before there were rails; code always says the rail.
        sa_column=Column(enum_text(Rail), nullable=False, server_default="vietqr")
    )
    merchant_reference: str = Field(unique=True, max_length=40)
    merchant_code: str = ""
    amount_minor: int = Field(sa_column=_minor())
    surcharge_minor: int = Field(
        default=0, sa_column=Column(BigInteger, nullable=False, server_default="0")
    )
    currency: Currency = _currency()
    status: PaymentStatus = Field(
        default=PaymentStatus.CREATED,
        sa_column=Column(enum_text(PaymentStatus), nullable=False, index=True),
    )
    collected_minor: int | None = Field(default=None, sa_column=_minor(nullable=True))
    collected_currency: str = ""
    provider_reference: str | None = None
    provider_txn_id: str | None = Field(default=None, index=True)
    redirect_url: str | None = None
    qr_payload: str | None = None
    reason_code: str = ""
    created_at: datetime = Field(sa_column=_instant(index=True))
    expires_at: datetime = Field(sa_column=_instant())
    paid_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    status_at: datetime = Field(sa_column=_instant())
    confirmed_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    next_query_at: datetime | None = Field(
        default=None, sa_column=_instant(nullable=True, index=True)
    )
    query_count: int = 0

    @property
    def amount(self) -> Money:
        """What was asked for."""
        return Money(self.amount_minor, self.currency)

    @property
    def kept_surcharge_minor(self) -> int:
        """How much of what was collected is surcharge: the bill comes first."""
        if self.collected_minor is None or self.collected_currency != self.currency.value:
            return 0
        billed = self.amount_minor - self.surcharge_minor
        return max(0, min(self.surcharge_minor, self.collected_minor - billed))


class GatewayEvent(SQLModel, table=True):
    """A channel's message exactly as it came, stored before it is read.

    ``applied_key`` is set only by the one message of its kind that took effect, and is unique.
    """

    __tablename__ = "gateway_event"

    id: str = Field(default_factory=partial(new_id, "evt"), primary_key=True)
    rail: Rail = Field(sa_column=Column(enum_text(Rail), nullable=False))
    merchant_code: str
    method: str
    query_string: str
    headers: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    body: bytes
    received_at: datetime = Field(sa_column=_instant(index=True))
    state: EventState = Field(
        default=EventState.RECEIVED, sa_column=Column(enum_text(EventState), nullable=False)
    )
    result: str = ""
    error: str = ""
    applied_key: str | None = Field(default=None, unique=True)
    payment_id: str | None = Field(default=None, foreign_key="payment.id", index=True)
    processed_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))


class PaymentOrder(SQLModel, table=True):
    """A file with which a bank is ordered to send approved refunds; numbered within its year.

    ``content`` is the ISO 20022 message and ``sheet`` the same rows as a table, both kept as they
    were handed out, so that the same file can be fetched again and compared by its SHA-256.
    """

    __tablename__ = "payment_order"
    __table_args__ = (
        UniqueConstraint("account_id", "year", "number"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("refund_count > 0", name="not_empty"),
    )

    id: str = Field(default_factory=partial(new_id, "ord"), primary_key=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    year: int
    number: int
    refund_count: int
    amount_minor: int = Field(sa_column=_minor())
    currency: Currency = _currency()
    content: bytes
    sha256: str = Field(max_length=64)
    sheet: bytes
    sheet_sha256: str = Field(max_length=64)
    created_by: str
    created_at: datetime = Field(sa_column=_instant())

    @property
    def name(self) -> str:
        """Year and number, as people call it."""
        return f"{self.year}-{self.number:04d}"


class Refund(SQLModel, table=True):
    """Money that goes back to a payer: requested by one person, approved by another.

    ``channel`` is the way back: the payment's own, or a bank transfer. ``waived_lines`` are the
    positions of the bill's lines whose fee is taken off when it is approved. ``evidence`` names the
    document that it rests on. The beneficiary is needed for transfers only. ``failure`` is why it
    was not sent, in the channel's code or an officer's words.
    """

    __tablename__ = "refund"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("approved_by IS NULL OR approved_by <> requested_by", name="two_people"),
    )

    id: str = Field(default_factory=partial(new_id, "rfd"), primary_key=True)
    payment_id: str = Field(foreign_key="payment.id", index=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    refund_reference: str = Field(unique=True, max_length=40)
    amount_minor: int = Field(sa_column=_minor())
    currency: Currency = _currency()
    status: RefundStatus = Field(
        default=RefundStatus.REQUESTED, sa_column=Column(enum_text(RefundStatus), nullable=False)
    )
    channel: Channel = Field(sa_column=Column(enum_text(Channel), nullable=False))
    reason: str
    evidence: str
    waived_lines: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    beneficiary_name: str = Field(default="", max_length=70)
    beneficiary_account: str = Field(default="", max_length=34)
    beneficiary_bank_bin: str = Field(default="", max_length=6)
    requested_by: str
    approved_by: str | None = None
    decision_note: str = ""
    payment_order_id: str | None = Field(default=None, foreign_key="payment_order.id", index=True)
    provider_txn_id: str | None = None
    failure: str = ""
    created_at: datetime = Field(sa_column=_instant())
    decided_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    submitted_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    settled_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))


class Remittance(SQLModel, table=True):
    """Fees sent on to the State Treasury: prepared by one person, approved by another.

    ``parts`` are minor units by ledger account (``payable:state_treasury:<fee>``). Where it goes is
    kept as it was when it was prepared, so that what is approved is what is sent.
    """

    __tablename__ = "remittance"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("approved_by IS NULL OR approved_by <> prepared_by", name="two_people"),
    )

    id: str = Field(default_factory=partial(new_id, "rem"), primary_key=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    reference: str = Field(unique=True, max_length=16)
    amount_minor: int = Field(sa_column=_minor())
    currency: Currency = _currency()
    parts: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    treasury_name: str = _text(70)
    treasury_account: str = _text(34)
    treasury_bank_bin: str = _text(6)
    status: RemittanceStatus = Field(
        default=RemittanceStatus.PROPOSED,
        sa_column=Column(enum_text(RemittanceStatus), nullable=False, server_default="proposed"),
    )
    prepared_by: str
    approved_by: str | None = None
    decision_note: str = Field(
        default="", sa_column=Column(String, nullable=False, server_default=text("''"))
    )
    created_at: datetime = Field(sa_column=_instant())
    decided_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    instructed_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))


class RemittanceOrder(SQLModel, table=True):
    """The file with which the bank is ordered to send a remittance, as it was handed out.

    ``content`` is the ISO 20022 message, ``sheet`` the same as a table.
    """

    __tablename__ = "remittance_order"

    id: str = Field(default_factory=partial(new_id, "rmo"), primary_key=True)
    remittance_id: str = Field(foreign_key="remittance.id", unique=True)
    content: bytes
    sha256: str = Field(max_length=64)
    sheet: bytes
    sheet_sha256: str = Field(max_length=64)
    created_by: str
    created_at: datetime = Field(sa_column=_instant())


class Receipt(SQLModel, table=True):
    """Proof for the citizen that a bill was paid; ``token`` is the secret in its address."""

    __tablename__ = "receipt"
    __table_args__ = (
        unique_where("uq_receipt_issued", "payment_id", where=text("status = 'issued'")),
    )

    id: str = Field(default_factory=partial(new_id, "rct"), primary_key=True)
    number: str = Field(unique=True, max_length=40)
    token: str = Field(unique=True)
    bill_id: str = Field(foreign_key="bill.id", index=True)
    payment_id: str = Field(foreign_key="payment.id", index=True)
    amount_minor: int = Field(sa_column=_minor())
    currency: Currency = _currency()
    status: ReceiptStatus = Field(
        default=ReceiptStatus.ISSUED, sa_column=Column(enum_text(ReceiptStatus), nullable=False)
    )
    issued_at: datetime = Field(sa_column=_instant())
    voided_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    void_reason: str = ""


class ApiClient(SQLModel, table=True):
    """A one-stop portal that issues bills for the offices below ``office_id``."""

    __tablename__ = "api_client"

    id: str = Field(default_factory=partial(new_id, "cli"), primary_key=True)
    name: str
    office_id: str = Field(foreign_key="office.id")
    key_prefix: str = Field(unique=True, max_length=16)
    key_sha256: str
    webhook_url: str = ""
    webhook_secret_sealed: bytes | None = None
    active: bool = True
    created_at: datetime = Field(sa_column=_instant())


class IdempotencyRecord(SQLModel, table=True):
    """The answer to a repeatable request, stored in the transaction of its effect."""

    __tablename__ = "idempotency_record"

    client_id: str = Field(foreign_key="api_client.id", primary_key=True)
    key: str = Field(primary_key=True, max_length=255)
    request_sha256: str
    status: int
    body: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_column=_instant())
