"""Refunds sent, in doubt, and settled by the word of the channel or of the bank."""

from datetime import datetime

from sqlmodel import Session, select

from core.actors import Actor
from core.audit import record_audit
from core.clock import Clock
from core.money import Money
from payments import states
from payments.channels import Channel
from payments.collection import lock_bill, refund_received, tell_changed
from payments.errors import GatewayRefusedError, RefundNotAllowedError
from payments.ledger import chart, posting
from payments.ledger.models import MoneyEvent
from payments.ledger.shifts import post_shift
from payments.models import Bill, Payment, Refund
from payments.ports import GatewayNotice, NoticeKind, Outcome, RefundOrder
from payments.receipts import adjust_receipt
from payments.refunds.limits import bill_id_of, lock_refund, refuse_uncovered
from payments.refunds.requests import begin_decision
from payments.states import RefundEvent, RefundStatus


def submit_refund(session: Session, refund: Refund, *, clock: Clock) -> Refund:
    """Record that the channel is about to be asked; in doubt until it gives a final answer.

    Raises:
        RefundNotAllowedError: the money was taken back since it was approved, or no payment order
            to the bank names a transfer; nothing is sent.
    """
    refund = lock_refund(session, refund.id)
    status = states.next_state(states.REFUND_TRANSITIONS, refund.status, RefundEvent.SUBMIT)
    if refund.channel is Channel.BANK_TRANSFER and refund.payment_order_id is None:
        raise RefundNotAllowedError("a transfer is sent by a payment order to the bank")
    refuse_uncovered(session, refund, lock_bill(session, bill_id_of(session, refund)), 0)
    refund.status = status
    refund.submitted_at = clock()
    session.add(refund)
    return refund


def record_refund_outcome(
    session: Session, refund: Refund, notice: GatewayNotice, *, clock: Clock
) -> Refund:
    """Record what the channel or the bank says of a refund; a final word twice is a no-op.

    Money that left after all outdoes a refusal: what was sent is sent.
    """
    refund = lock_refund(session, refund.id)
    refund.provider_txn_id = notice.provider_txn_id or refund.provider_txn_id
    session.add(refund)
    sent = notice.outcome is Outcome.SUCCEEDED
    open_to_it = {RefundStatus.SUBMITTED, RefundStatus.FAILED} if sent else {RefundStatus.SUBMITTED}
    if refund.status not in open_to_it or not notice.outcome.is_final:
        return refund
    refund.status = states.next_state(
        states.REFUND_TRANSITIONS,
        refund.status,
        RefundEvent.SENT_BACK if sent else RefundEvent.REFUSED,
    )
    refund.settled_at = clock()
    if sent:
        refund.failure = ""
        _settle(session, refund, clock=clock)
    else:
        refund.failure = notice.reason_code[:200] or notice.outcome.value
    return refund


def record_refusal(
    session: Session, refund: Refund, note: str, *, actor: Actor, clock: Clock
) -> Refund:
    """Record that bank or channel did not carry out a refund in doubt; it can be asked for anew.

    They say so outside any message or file we read, so a second person says it here. Should the
    money have left after all, the comparison with statement or report shows it.

    Raises:
        SamePersonError: the one who requested the refund says so.
        RefundNotAllowedError: it is not said in whose words.
    """
    refund = begin_decision(session, refund, actor)
    if not note.strip():
        raise RefundNotAllowedError("only in the words of the bank or the channel")
    refund.status = states.next_state(states.REFUND_TRANSITIONS, refund.status, RefundEvent.REFUSED)
    refund.failure = note.strip()[:200]
    refund.settled_at = clock()
    session.add(refund)
    record_audit(
        session, actor, "record_refusal", ("refund", refund.id), clock=clock, reason=note,
        after={"status": refund.status.value},
    )  # fmt: skip
    return refund


def doubt_refund(session: Session, refund: Refund, *, clock: Clock) -> Refund:
    """Take back that a refund was sent: the bank line which had proved it is something else."""
    refund = lock_refund(session, refund.id)
    refund.status = states.next_state(
        states.REFUND_TRANSITIONS, refund.status, RefundEvent.UNPROVEN
    )
    refund.settled_at = None
    session.add(refund)
    entry = posting.find_entry(session, sent_key(session, refund))
    assert entry is not None  # noqa: S101 - what succeeded was posted
    undone = posting.reverse_entry(session, entry, MoneyEvent.REVERSED, clock=clock)
    _, owed = _change_held(session, refund, -1, clock=clock)
    post_shift(session, undone, owed, clock=clock)
    return refund


def find_refund(session: Session, payment: Payment, notice: GatewayNotice) -> Refund | None:
    """Return the refund of a payment that a message is about, held; None if it names none.

    Our own reference decides; else the channel's id of the refund. A message with neither could
    be about any refund, also one made at the channel by hand.
    """
    query = select(Refund).where(Refund.payment_id == payment.id)
    if notice.refund_reference:
        query = query.where(Refund.refund_reference == notice.refund_reference)
    elif notice.provider_txn_id is not None:
        query = query.where(Refund.provider_txn_id == notice.provider_txn_id)
    else:
        return None
    found = session.exec(query).first()
    return None if found is None else lock_refund(session, found.id)


def refund_order(refund: Refund, payment: Payment, *, now: datetime) -> RefundOrder:
    """Return a refund as the channel is told of it; ``submitted_at`` tells if it was before."""
    return RefundOrder(
        refund_reference=refund.refund_reference,
        merchant_reference=payment.merchant_reference,
        provider_reference=payment.provider_reference,
        provider_txn_id=payment.provider_txn_id,
        amount=Money(refund.amount_minor, refund.currency),
        paid_amount=Money(payment.collected_minor or payment.amount_minor, payment.currency),
        paid_created_at=payment.created_at,
        asked_at=now,
        operator="doisoat",
        description=f"Hoan tien {payment.merchant_reference}",
        submitted_at=refund.submitted_at,
        refund_txn_id=refund.provider_txn_id,
    )


def refusal_of(payment: Payment, refusal: GatewayRefusedError, *, now: datetime) -> GatewayNotice:
    """Return a refusal of the first sending as a final word: the channel certainly did nothing."""
    return GatewayNotice(
        event_key="",
        kind=NoticeKind.REFUND,
        merchant_reference=payment.merchant_reference,
        outcome=Outcome.FAILED,
        amount=None,
        occurred_at=now,
        reason_code=f"{refusal.code} {refusal.detail}",
    )


def sent_key(session: Session, refund: Refund) -> str:
    """Return the event key of a refund's present sending; one that was undone is numbered on."""
    number, key = 1, f"refund_sent:{refund.id}"
    while True:
        entry = posting.find_entry(session, key)
        if entry is None or posting.find_reversal(session, entry) is None:
            return key
        number += 1
        key = f"refund_sent:{refund.id}:{number}"


def _settle(session: Session, refund: Refund, *, clock: Clock) -> None:
    """Post that a refund was sent; bill, receipt and portal learn of it.

    What a bank took back while the refund was in doubt is owed by the payer now.
    """
    bill, owed = _change_held(session, refund, 1, clock=clock)
    clearing = chart.clearing(refund.channel)
    excess = Money(refund.amount_minor, refund.currency) - owed
    parts = ((chart.REFUNDS_PAYABLE, excess), (chart.RECEIVABLE, owed))
    posting.post_entry(
        session,
        posting.Cause(
            event=MoneyEvent.REFUND_SENT,
            key=sent_key(session, refund),
            account_id=refund.account_id,
            office_id=bill.office_id,
            bill_id=bill.id,
            description=refund.refund_reference,
        ),
        [posting.Leg(account, clearing, amount) for account, amount in parts if amount],
        clock=clock,
    )


def _change_held(
    session: Session, refund: Refund, direction: int, *, clock: Clock
) -> tuple[Bill, Money]:
    """Let what went back (1), or is in doubt again (-1), show on bill, receipt and at the portal.

    Returns the bill, and how much more is owed on it by its payer than before.
    """
    session.flush()
    sent = Money(direction * refund.amount_minor, refund.currency)
    before = lock_bill(session, bill_id_of(session, refund)).outstanding
    bill = refund_received(session, bill_id_of(session, refund), sent, clock=clock)
    payment = session.get_one(Payment, refund.payment_id, populate_existing=True)
    adjust_receipt(session, payment, bill, refund, clock=clock)
    state = f"{refund.status}:{clock().isoformat()}"
    tell_changed(session, bill, f"refund:{refund.id}:{state}", clock=clock)
    return bill, bill.outstanding - before
