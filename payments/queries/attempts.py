"""Reads of payments, refunds and receipts, and of what is in doubt."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from sqlalchemy import and_, func, or_
from sqlmodel import Session, col, select

from core.clock import at_vietnam_time, end_of_day
from core.money import Currency
from payments.channels import Channel
from payments.errors import PaymentNotFoundError
from payments.models import (
    Bill,
    CollectingAccount,
    GatewayEvent,
    Office,
    Payment,
    Procedure,
    Receipt,
    ReceiptStatus,
    Refund,
)
from payments.queries.bills import read_reference
from payments.queries.scope import MAX_HITS, ROOT, office_in
from payments.states import MAY_STILL_COLLECT, PaymentStatus

_MIN_SEARCH: Final = 3


@dataclass(frozen=True, slots=True)
class PaymentView:
    """One attempt with its bill, and the receipt if there is one that stands."""

    payment: Payment
    bill: Bill
    office: Office
    account: CollectingAccount
    procedure: Procedure | None
    receipt: Receipt | None
    refunds: list[Refund] = field(default_factory=list)

    @property
    def demonstration(self) -> bool:
        """Whether any of it is demonstration data."""
        return self.office.demonstration or bool(self.procedure and self.procedure.demonstration)


@dataclass(frozen=True, slots=True)
class ChannelSum:
    """What came in through a channel on one day, in one currency."""

    channel: Channel
    currency: Currency
    count: int
    sum_minor: int


def get_payment_view(session: Session, payment_id: str, *, scope: str = ROOT) -> PaymentView:
    """Return one attempt with its bill.

    Raises:
        PaymentNotFoundError: there is none, or it is outside the subtree.
    """
    found = session.exec(
        select(Payment, Bill, Office, CollectingAccount)
        .join(Bill, col(Payment.bill_id) == Bill.id)
        .join(Office, col(Bill.office_id) == Office.id)
        .join(CollectingAccount, col(Payment.account_id) == CollectingAccount.id)
        .where(Payment.id == payment_id, office_in(scope))
    ).first()
    if found is None:
        raise PaymentNotFoundError
    payment, bill, office, account = found
    receipt = session.exec(
        select(Receipt).where(
            Receipt.payment_id == payment.id, Receipt.status == ReceiptStatus.ISSUED
        )
    ).first()
    procedure = session.get(Procedure, bill.procedure_id) if bill.procedure_id else None
    refunds = session.exec(
        select(Refund).where(Refund.payment_id == payment.id).order_by(col(Refund.created_at))
    )
    return PaymentView(payment, bill, office, account, procedure, receipt, list(refunds))


def find_attempt(session: Session, merchant_reference: str) -> Payment | None:
    """Return the attempt that a channel knows by our reference."""
    return session.exec(
        select(Payment).where(Payment.merchant_reference == merchant_reference)
    ).first()


def list_receipts(session: Session, payment_id: str) -> list[Receipt]:
    """Return all receipts of a payment, also the voided ones."""
    query = select(Receipt).where(Receipt.payment_id == payment_id).order_by(col(Receipt.issued_at))
    return list(session.exec(query))


def list_gateway_events(session: Session, payment_id: str) -> list[GatewayEvent]:
    """Return the channel's messages about a payment, as they came."""
    query = (
        select(GatewayEvent)
        .where(GatewayEvent.payment_id == payment_id)
        .order_by(col(GatewayEvent.received_at), col(GatewayEvent.id))
    )
    return list(session.exec(query))


def sums_by_channel(session: Session, *, scope: str, day: date) -> list[ChannelSum]:
    """Return what channels and banks reported as collected on a Vietnamese day."""
    query = (
        select(Payment.channel, Payment.currency, func.count(), func.sum(Payment.collected_minor))
        .join(Bill, col(Payment.bill_id) == Bill.id)
        .join(Office, col(Bill.office_id) == Office.id)
        .where(
            office_in(scope),
            col(Payment.paid_at) >= at_vietnam_time(day),
            col(Payment.paid_at) < end_of_day(day),
            col(Payment.status).in_([PaymentStatus.SUCCEEDED, PaymentStatus.REVERSED]),
        )
        .group_by(col(Payment.channel), col(Payment.currency))
        .order_by(col(Payment.channel))
    )
    return [
        ChannelSum(Channel(channel), Currency(currency), count, int(total or 0))
        for channel, currency, count, total in session.exec(query)
    ]


def list_in_doubt(
    session: Session, *, scope: str, now: datetime, limit: int = 10
) -> tuple[list[PaymentView], int]:
    """Return attempts past their time whose outcome is unknown, the oldest first, and how many.

    Open bank transfers are not in doubt: nobody but the payer has started anything.
    """
    condition = and_(
        office_in(scope),
        col(Payment.status).in_(list(MAY_STILL_COLLECT)),
        col(Payment.channel) != Channel.BANK_TRANSFER,
        col(Payment.expires_at) < now,
    )
    joined = (
        select(Payment, Bill, Office, CollectingAccount)
        .join(Bill, col(Payment.bill_id) == Bill.id)
        .join(Office, col(Bill.office_id) == Office.id)
        .join(CollectingAccount, col(Payment.account_id) == CollectingAccount.id)
        .where(condition)
    )
    total = session.scalar(select(func.count()).select_from(joined.subquery())) or 0
    rows = session.exec(joined.order_by(col(Payment.created_at)).limit(limit)).all()
    return [PaymentView(*row, None, None) for row in rows], total


def search_payments(session: Session, text: str, *, scope: str) -> list[PaymentView]:
    """Return payments named by id, bill reference, dossier, order id, provider's id or receipt."""
    text = text.strip()
    if len(text) < _MIN_SEARCH:
        return []
    reference = read_reference(session, text) or text.upper()
    receipts = select(Receipt.payment_id).where(Receipt.number == text.upper())
    query = (
        select(Payment, Bill, Office, CollectingAccount)
        .join(Bill, col(Payment.bill_id) == Bill.id)
        .join(Office, col(Bill.office_id) == Office.id)
        .join(CollectingAccount, col(Payment.account_id) == CollectingAccount.id)
        .where(
            office_in(scope),
            or_(
                col(Payment.id) == text,
                col(Bill.bill_reference) == reference,
                col(Bill.dossier_code) == text.upper(),
                col(Payment.merchant_reference) == text.upper(),
                col(Payment.provider_txn_id) == text,
                col(Payment.provider_reference) == text,
                col(Payment.id).in_(receipts),
            ),
        )
        .order_by(col(Payment.created_at).desc())
        .limit(MAX_HITS)
    )
    return [PaymentView(*row, None, None) for row in session.exec(query)]
