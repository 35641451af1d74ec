"""Attempts to pay a bill: opened before the channel is called, watched until it is final."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, select

from core.clock import Clock, business_day, end_of_day
from core.money import Money
from payments import states
from payments.billing import account_of_office
from payments.channels import Rail
from payments.collection import lock_bill
from payments.errors import (
    AmountOutsideLimitsError,
    BillNotPayableError,
    ChannelNotOfferedError,
    PaymentInProgressError,
)
from payments.models import Bill, FeeBearer, Merchant, Office, Payment
from payments.ports import StartedPayment
from payments.states import MAY_STILL_COLLECT, PAYABLE, PaymentEvent, PaymentStatus

QUERY_MINUTES: Final = (2, 5, 10, 15, 30, 60, 120, 240, 480, 720)
"""Waits before a pending attempt is asked about again; the last one repeats until it is final."""


RAIL_LIMITS: Final[Mapping[Rail, tuple[int, int]]] = {
    Rail.MOMO: (1_000, 50_000_000),
    Rail.VIETQR: (1, 9_999_999_999_999),
    Rail.VNPAY: (1, 9_999_999_999),
}
"""Least and most đồng that a rail's own rules take at once; a contract may only narrow them."""

_NO_MOST: Final = 2**53 - 1
"""Amounts travel as JSON numbers on most rails."""


@dataclass(frozen=True, slots=True)
class OfferedRail:
    """A rail that an office offers, with our contract there (none for a plain VietQR code)."""

    rail: Rail
    merchant: Merchant | None

    @property
    def limits(self) -> tuple[int, int]:
        """Least and most that may be asked at once, in minor units, surcharge included."""
        least, most = RAIL_LIMITS.get(self.rail, (1, _NO_MOST))
        if self.merchant is None:
            return least, most
        return max(least, self.merchant.min_minor), min(most, self.merchant.max_minor or most)

    def takes(self, amount: Money) -> bool:
        """Whether an amount is within the limits."""
        least, most = self.limits
        return least <= amount.amount_minor <= most


Surcharge = Callable[[Merchant, Money], Money]
"""What the payer pays on top of a bill at a channel whose fee the payer bears."""


def offered_rails(session: Session, office: Office) -> list[OfferedRail]:
    """Return the rails an office offers, in the order citizens see them."""
    account = account_of_office(session, office)
    if account is None:
        return []
    merchants = session.exec(
        select(Merchant).where(Merchant.account_id == account.id, col(Merchant.active))
    )
    contracts = {merchant.rail: merchant for merchant in merchants}
    wanted = [Rail(name) for name in office.rails]
    return [
        OfferedRail(rail, contracts.get(rail))
        for rail in wanted
        if rail is Rail.VIETQR or rail in contracts
    ]


def no_surcharge(merchant: Merchant, amount: Money) -> Money:
    """Ask for the bill alone."""
    del merchant
    return Money(0, amount.currency)


def open_attempt(
    session: Session,
    bill_id: str,
    rail: Rail,
    *,
    minutes: int,
    try_again: bool = False,
    after: int = 0,
    surcharge: Surcharge = no_surcharge,
    clock: Clock,
) -> Payment:
    """Write down the intent to pay what is outstanding; the channel is called afterwards.

    Submitting twice gives the same attempt. While another attempt may still collect, a further
    one needs ``try_again``; both are then watched until each is final. Attempts up to number
    ``after`` are not given again: the payer cannot be led to their pages any more. Where the
    payer bears the channel's fee, ``surcharge`` says how much is asked on top.

    Raises:
        BillNotPayableError: nothing is to be paid, or the last day has passed.
        ChannelNotOfferedError: the office does not offer this rail.
        AmountOutsideLimitsError: the rail does not take so little or so much at once.
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
    offered = {one.rail: one for one in offered_rails(session, office)}.get(rail)
    if account is None or offered is None:
        raise ChannelNotOfferedError(f"{office.code} does not offer {rail}")
    attempts = session.exec(
        select(Payment).where(Payment.bill_id == bill.id).order_by(col(Payment.attempt))
    ).all()
    if (open_one := _same_attempt(attempts[after:], bill, rail, now)) is not None:
        return open_one
    if not try_again and any(p.status in MAY_STILL_COLLECT for p in attempts):
        raise PaymentInProgressError
    extra = _surcharge(offered, bill, surcharge)
    asked = bill.outstanding + extra
    if not offered.takes(asked):
        least, most = offered.limits
        raise AmountOutsideLimitsError(f"{rail} takes from {least} to {most} at once")
    number = len(attempts) + 1
    payment = Payment(
        bill_id=bill.id,
        account_id=account.id,
        attempt=number,
        channel=rail.channel,
        rail=rail,
        merchant_reference=f"{bill.bill_reference}-{number}",
        merchant_code=offered.merchant.merchant_code if offered.merchant else "",
        amount_minor=asked.amount_minor,
        surcharge_minor=extra.amount_minor,
        currency=bill.currency,
        created_at=now,
        status_at=now,
        expires_at=_expiry(rail, bill, now, minutes),
    )
    if rail is not Rail.VIETQR:
        schedule_query(payment, clock=clock)  # also if this process dies before the channel answers
    session.add(payment)
    session.flush()
    return payment


def _surcharge(offered: OfferedRail, bill: Bill, surcharge: Surcharge) -> Money:
    merchant = offered.merchant
    if merchant is None or merchant.fee_bearer is FeeBearer.OFFICE:
        return Money(0, bill.currency)
    return surcharge(merchant, bill.outstanding)


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
    if payment.rail is not Rail.VIETQR:
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
    rail: Rail,
    now: datetime,
) -> Payment | None:
    for payment in reversed(attempts):
        if (
            payment.rail is rail
            and payment.status in MAY_STILL_COLLECT
            and payment.amount_minor - payment.surcharge_minor == bill.outstanding.amount_minor
            and now < payment.expires_at
        ):
            return payment
    return None


def _expiry(rail: Rail, bill: Bill, now: datetime, minutes: int) -> datetime:
    if rail is Rail.VIETQR:
        return end_of_day(bill.expires_on)  # a shown QR code can be paid as long as the bill
    return now + timedelta(minutes=minutes)
