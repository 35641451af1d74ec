"""Attempts to pay a bill: opened before the channel is called, watched until it is final."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, select

from core.clock import Clock, business_day, end_of_day
from payments import states
from payments.billing import account_of_office
from payments.channels import Channel
from payments.collection import lock_bill
from payments.errors import BillNotPayableError, ChannelNotOfferedError, PaymentInProgressError
from payments.models import Bill, Merchant, Office, Payment
from payments.ports import StartedPayment
from payments.states import MAY_STILL_COLLECT, PAYABLE, PaymentEvent, PaymentStatus

QUERY_MINUTES: Final = (2, 5, 10, 15, 30, 60, 120, 240, 480, 720)
"""Waits before a pending attempt is asked about again; the last one repeats until it is final."""


def offered_channels(session: Session, office: Office) -> list[Channel]:
    """Return the channels an office offers, in the order citizens see them."""
    account = account_of_office(session, office)
    if account is None:
        return []
    contracts = set(session.exec(select(Merchant.channel).where(Merchant.account_id == account.id)))
    wanted = [Channel(name) for name in office.channels]
    return [c for c in wanted if c is Channel.BANK_TRANSFER or c in contracts]


def open_attempt(
    session: Session,
    bill_id: str,
    channel: Channel,
    *,
    minutes: int,
    try_again: bool = False,
    clock: Clock,
) -> Payment:
    """Write down the intent to pay what is outstanding; the channel is called afterwards.

    Submitting twice gives the same attempt. While another attempt may still collect, a further
    one needs ``try_again``; both are then watched until each is final.

    Raises:
        BillNotPayableError: nothing is to be paid, or the last day has passed.
        ChannelNotOfferedError: the office does not offer this channel.
        PaymentInProgressError: another attempt may still collect.
    """
    bill = lock_bill(session, bill_id)
    now = clock()
    if bill.status not in PAYABLE:
        raise BillNotPayableError(f"the bill is {bill.status.value.replace('_', ' ')}")
    if business_day(now) > bill.expires_on:
        raise BillNotPayableError(f"the last day to pay was {bill.expires_on}")
    office = session.get_one(Office, bill.office_id)
    account = account_of_office(session, office)
    if account is None or channel not in offered_channels(session, office):
        raise ChannelNotOfferedError(f"{office.code} does not offer {channel}")
    attempts = session.exec(
        select(Payment).where(Payment.bill_id == bill.id).order_by(col(Payment.attempt))
    ).all()
    if (open_one := _same_attempt(attempts, bill, channel, now)) is not None:
        return open_one
    if not try_again and any(p.status in MAY_STILL_COLLECT for p in attempts):
        raise PaymentInProgressError
    merchant = session.exec(
        select(Merchant).where(Merchant.account_id == account.id, Merchant.channel == channel)
    ).first()
    number = len(attempts) + 1
    payment = Payment(
        bill_id=bill.id,
        account_id=account.id,
        attempt=number,
        channel=channel,
        merchant_reference=f"{bill.bill_reference}-{number}",
        merchant_code=merchant.merchant_code if merchant else "",
        amount_minor=bill.outstanding.amount_minor,
        currency=bill.currency,
        created_at=now,
        status_at=now,
        expires_at=_expiry(channel, bill, now, minutes),
    )
    if channel is not Channel.BANK_TRANSFER:
        schedule_query(payment, clock=clock)  # also if this process dies before the channel answers
    session.add(payment)
    session.flush()
    return payment


def record_started(
    session: Session, payment: Payment, started: StartedPayment, *, clock: Clock
) -> Payment:
    """Record where the channel sends the payer; the attempt is now pending there."""
    if payment.status is not PaymentStatus.CREATED:
        return payment  # its notice was faster than the answer to our call
    payment.status = states.next_state(
        states.PAYMENT_TRANSITIONS, payment.status, PaymentEvent.STARTED
    )
    payment.redirect_url = started.redirect_url
    payment.qr_payload = started.qr_payload
    payment.provider_reference = started.provider_reference
    payment.status_at = clock()
    if payment.channel is not Channel.BANK_TRANSFER:
        schedule_query(payment, clock=clock)
    session.add(payment)
    return payment


def record_start_unknown(session: Session, payment: Payment, *, clock: Clock) -> Payment:
    """Record that the channel's answer was lost: it may know the attempt, so watch it."""
    if payment.status not in MAY_STILL_COLLECT:
        return payment  # its notice told us meanwhile
    schedule_query(payment, clock=clock)
    session.add(payment)
    return payment


def schedule_query(payment: Payment, *, clock: Clock) -> None:
    """Set when the channel is asked again what became of a pending attempt."""
    minutes = QUERY_MINUTES[min(payment.query_count, len(QUERY_MINUTES) - 1)]
    payment.next_query_at = clock() + timedelta(minutes=minutes)


def due_queries(session: Session, *, now: datetime, limit: int = 100) -> list[Payment]:
    """Return the attempts that the channel is to be asked about now."""
    return list(
        session.exec(
            select(Payment)
            .where(col(Payment.next_query_at) <= now)
            .where(col(Payment.status).in_(list(MAY_STILL_COLLECT)))
            .order_by(col(Payment.next_query_at), col(Payment.id))
            .limit(limit)
        )
    )


def _same_attempt(
    attempts: Sequence[Payment],
    bill: Bill,
    channel: Channel,
    now: datetime,
) -> Payment | None:
    for payment in reversed(attempts):
        if (
            payment.channel is channel
            and payment.status in MAY_STILL_COLLECT
            and payment.amount == bill.outstanding
            and now < payment.expires_at
        ):
            return payment
    return None


def _expiry(channel: Channel, bill: Bill, now: datetime, minutes: int) -> datetime:
    if channel is Channel.BANK_TRANSFER:
        return end_of_day(bill.expires_on)  # a shown QR code can be paid as long as the bill
    return now + timedelta(minutes=minutes)
