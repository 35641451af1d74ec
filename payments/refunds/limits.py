"""How much can go back: never more than came in, nor than a bill holds beyond what is due."""

from collections.abc import Sequence
from typing import Final

from sqlmodel import Session, col, select

from core.money import Money
from payments.errors import RefundNotAllowedError
from payments.models import Bill, Payment, Refund
from payments.states import PaymentStatus, RefundStatus
from payments.waivers import fee_of, lines_at

ON_THEIR_WAY: Final = frozenset({RefundStatus.APPROVED, RefundStatus.SUBMITTED})
"""Refunds that two people have decided on and that may be sent, or may have been."""

TAKEN: Final = ON_THEIR_WAY | {RefundStatus.SUCCEEDED}
"""Refunds whose money is not there for another."""

_CLAIMED: Final = TAKEN | {RefundStatus.REQUESTED}


def most_refundable(
    session: Session, payment: Payment, *, waived_lines: Sequence[int] = ()
) -> Money:
    """Return how much of a payment can be asked back if these fees are waived with it.

    Never more than the payment brought, nor than the bill then holds beyond what is due, less
    what is asked for or sent already.
    """
    bill = session.get_one(Bill, payment.bill_id)
    waived = sum(line.amount_minor for line in lines_at(session, bill, waived_lines))
    most = most_of(session, payment, bill, refunds_of(session, bill), waived)
    return Money(max(0, most), bill.currency)


def lock_refund(session: Session, refund_id: str) -> Refund:
    """Return the refund as it is now, held; whoever needs its bill holds that afterwards."""
    return session.exec(
        select(Refund)
        .where(Refund.id == refund_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def refunds_of(session: Session, bill: Bill) -> list[Refund]:
    """Every refund of every payment of a bill: the excess is the bill's, whoever paid it."""
    return list(
        session.exec(
            select(Refund)
            .join(Payment, col(Payment.id) == col(Refund.payment_id))
            .where(Payment.bill_id == bill.id)
            .execution_options(populate_existing=True)
        )
    )


def bill_id_of(session: Session, refund: Refund) -> str:
    """Return the bill that a refund is about."""
    return session.get_one(Payment, refund.payment_id).bill_id


def most_of(
    session: Session, payment: Payment, bill: Bill, refunds: Sequence[Refund], waived: int
) -> int:
    """Return what can go back of a payment in minor units; not above 0 where nothing can.

    ``waived`` is what would be taken off the bill. Other requests draw on their own waivers first.
    """
    if payment.status is not PaymentStatus.SUCCEEDED or payment.collected_minor is None:
        return 0
    if payment.collected_currency != bill.currency.value:
        return 0
    gone = sum(
        r.amount_minor for r in refunds if r.payment_id == payment.id and r.status in _CLAIMED
    )
    claimed = sum(r.amount_minor for r in refunds if r.status in ON_THEIR_WAY)
    for other in refunds:
        if other.status is RefundStatus.REQUESTED:
            own = fee_of(session, bill, other.waived_lines)
            claimed += max(0, other.amount_minor - own)
    excess = bill.received_minor - bill.due_minor + waived - claimed
    return min(excess, payment.collected_minor - gone)


def refuse_uncovered(session: Session, refund: Refund, bill: Bill, waived: int) -> None:
    """Refuse what is not there: a bank may have taken it back since the refund was requested."""
    payment = session.get_one(Payment, refund.payment_id, populate_existing=True)
    others = [other for other in refunds_of(session, bill) if other.id != refund.id]
    claimed = sum(other.amount_minor for other in others if other.status in ON_THEIR_WAY)
    gone = sum(
        other.amount_minor
        for other in others
        if other.payment_id == payment.id and other.status in TAKEN
    )
    excess = bill.received_minor - bill.due_minor + waived - claimed
    most = min(excess, (payment.collected_minor or 0) - gone)
    if payment.status is not PaymentStatus.SUCCEEDED or refund.amount_minor > most:
        raise RefundNotAllowedError(f"the money of {refund.refund_reference} is not there any more")
