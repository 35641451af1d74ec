"""Money back to a payer: requested with a reason, approved by another person, sent, settled.

Only what a bill holds beyond its due amount can go back here; a fee that should not have been
charged is first taken off the bill.
"""

from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.money import Money
from payments import states
from payments.collection import lock_bill, lock_payment, refund_received
from payments.errors import RefundNotAllowedError, SamePersonError
from payments.ledger import chart, posting
from payments.ledger.models import MoneyEvent
from payments.models import Bill, Payment, Refund
from payments.ports import GatewayNotice, Outcome
from payments.states import PaymentStatus, RefundEvent, RefundStatus

_ON_THEIR_WAY = frozenset({RefundStatus.APPROVED, RefundStatus.SUBMITTED})
_WAITING = _ON_THEIR_WAY | {RefundStatus.REQUESTED}


def request_refund(
    session: Session,
    payment: Payment,
    amount: Money,
    reason: str,
    *,
    actor: Actor,
    clock: Clock,
) -> Refund:
    """Ask that ``amount`` of a payment be sent back; nothing moves before another approves.

    Raises:
        RefundNotAllowedError: no reason, or more than the bill holds beyond what is due and what
            waits to go back, or than was paid; money of another currency is in suspense.
    """
    actor.require(Permission.RESOLVE)
    if not reason.strip():
        raise RefundNotAllowedError("money goes back for a reason")
    payment = lock_payment(session, payment.id)
    bill = lock_bill(session, payment.bill_id)
    refunds = _refunds_of(session, bill)
    most = _most_refundable(payment, bill, refunds)
    if amount.currency is not bill.currency or not 0 < amount.amount_minor <= most:
        raise RefundNotAllowedError(f"at most {max(0, most)} {bill.currency} can go back")
    number = 1 + sum(refund.payment_id == payment.id for refund in refunds)
    refund = Refund(
        payment_id=payment.id,
        account_id=payment.account_id,
        refund_reference=f"{payment.merchant_reference}-R{number}",
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        reason=reason,
        requested_by=actor.id,
        created_at=clock(),
    )
    session.add(refund)
    session.flush()
    record_audit(
        session,
        actor,
        "request_refund",
        ("refund", refund.id),
        clock=clock,
        reason=reason,
        after={"amount_minor": refund.amount_minor},
    )
    return refund


def approve_refund(session: Session, refund: Refund, *, actor: Actor, clock: Clock) -> Refund:
    """Approve exactly this refund, as a second person; the scheduler then sends it.

    Raises:
        SamePersonError: the one who requested it approves it.
        RefundNotAllowedError: the money is not there any more.
    """
    actor.require(Permission.APPROVE)
    _refuse_uncovered(session, refund)
    return _decide(session, refund, RefundEvent.APPROVE, actor=actor, clock=clock)


def reject_refund(session: Session, refund: Refund, *, actor: Actor, clock: Clock) -> Refund:
    """Turn a refund down as a second person, or withdraw an approved one that was not sent."""
    return _decide(session, refund, RefundEvent.REJECT, actor=actor, clock=clock)


def submit_refund(session: Session, refund: Refund, *, clock: Clock) -> Refund:
    """Record that the channel is about to be asked; in doubt until it gives a final answer.

    Raises:
        RefundNotAllowedError: the money was taken back since it was approved; nothing is sent.
    """
    refund = _lock_refund(session, refund.id)
    _refuse_uncovered(session, refund)
    refund.status = states.next_state(states.REFUND_TRANSITIONS, refund.status, RefundEvent.SUBMIT)
    refund.submitted_at = clock()
    session.add(refund)
    return refund


def record_refund_outcome(
    session: Session, refund: Refund, notice: GatewayNotice, *, clock: Clock
) -> Refund:
    """Record what the channel says of a refund; a final word twice is a no-op."""
    refund = _lock_refund(session, refund.id)
    refund.provider_txn_id = notice.provider_txn_id or refund.provider_txn_id
    session.add(refund)
    if refund.status is not RefundStatus.SUBMITTED or not notice.outcome.is_final:
        return refund
    sent = notice.outcome is Outcome.SUCCEEDED
    refund.status = states.next_state(
        states.REFUND_TRANSITIONS,
        refund.status,
        RefundEvent.SENT_BACK if sent else RefundEvent.REFUSED,
    )
    refund.settled_at = clock()
    if sent:
        _post_sent(session, refund, clock=clock)
    return refund


def _decide(
    session: Session, refund: Refund, event: RefundEvent, *, actor: Actor, clock: Clock
) -> Refund:
    actor.require(Permission.APPROVE)
    if actor.id == refund.requested_by:
        raise SamePersonError
    refund = _lock_refund(session, refund.id)
    refund.status = states.next_state(states.REFUND_TRANSITIONS, refund.status, event)
    refund.approved_by = actor.id
    session.add(refund)
    record_audit(
        session,
        actor,
        f"{event}_refund",
        ("refund", refund.id),
        clock=clock,
        after={"amount_minor": refund.amount_minor, "status": refund.status.value},
    )
    return refund


def _lock_refund(session: Session, refund_id: str) -> Refund:
    return session.exec(
        select(Refund)
        .where(Refund.id == refund_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def _refunds_of(session: Session, bill: Bill) -> list[Refund]:
    """Every refund of every payment of a bill: the excess is the bill's, whoever paid it."""
    return list(
        session.exec(
            select(Refund)
            .join(Payment, col(Payment.id) == col(Refund.payment_id))
            .where(Payment.bill_id == bill.id)
        )
    )


def _most_refundable(payment: Payment, bill: Bill, refunds: list[Refund]) -> int:
    if payment.status is not PaymentStatus.SUCCEEDED or payment.collected_minor is None:
        return 0
    if payment.collected_currency != bill.currency.value:
        return 0
    waiting = sum(r.amount_minor for r in refunds if r.status in _WAITING)
    gone = sum(
        r.amount_minor
        for r in refunds
        if r.payment_id == payment.id and r.status in _WAITING | {RefundStatus.SUCCEEDED}
    )
    excess = bill.received_minor - bill.due_minor - waiting
    return min(excess, payment.collected_minor - gone)


def _refuse_uncovered(session: Session, refund: Refund) -> None:
    """Refuse to send what a bank has taken back since the refund was requested."""
    bill_id = session.get_one(Payment, refund.payment_id).bill_id
    bill = lock_bill(session, bill_id)
    payment = session.get_one(Payment, refund.payment_id, populate_existing=True)
    others = sum(
        other.amount_minor
        for other in _refunds_of(session, bill)
        if other.id != refund.id and other.status in _ON_THEIR_WAY
    )
    excess = bill.received_minor - bill.due_minor - others
    if payment.status is not PaymentStatus.SUCCEEDED or refund.amount_minor > excess:
        raise RefundNotAllowedError("the money to be sent back is not there any more")


def _post_sent(session: Session, refund: Refund, *, clock: Clock) -> None:
    payment = session.get_one(Payment, refund.payment_id)
    amount = Money(refund.amount_minor, refund.currency)
    bill = refund_received(session, payment.bill_id, amount, clock=clock)
    posting.post_entry(
        session,
        posting.Cause(
            event=MoneyEvent.REFUND_SENT,
            key=f"refund_sent:{refund.id}",
            account_id=refund.account_id,
            office_id=bill.office_id,
            bill_id=bill.id,
            description=refund.refund_reference,
        ),
        [posting.Leg(chart.REFUNDS_PAYABLE, chart.clearing(payment.channel), amount)],
        clock=clock,
    )
