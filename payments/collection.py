"""What is done when money comes in or is taken back: payment, bill, books, receipt and news."""

from datetime import datetime
from typing import Final

from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session, select

from core.clock import Clock, business_day
from core.money import Money
from core.outbox import MessageKind, tell
from payments import states
from payments.channels import Channel, Rail
from payments.ledger import chart, posting
from payments.ledger.models import JournalEntry, MoneyEvent
from payments.models import ApiClient, Bill, Payment, Receipt
from payments.receipts import issue_receipt, void_receipt
from payments.states import BillEvent, BillStatus, PaymentEvent, PaymentStatus

BILL_PAID: Final = "bill.paid"
BILL_CHANGED: Final = "bill.changed"


def confirm_payment(
    session: Session,
    payment: Payment,
    collected: Money,
    *,
    provider_txn_id: str | None,
    occurred_at: datetime,
    clock: Clock,
) -> Payment:
    """Record that the channel or the bank has collected money, and post it.

    Confirming twice is a no-op: channels repeat a notice until we answer it. Another amount than
    was asked is posted as collected: what exceeds the bill is owed back, a shortfall stays
    receivable. Another currency goes to suspense whole.

    Raises:
        IllegalTransitionError: the payment may not become succeeded from its present state.
    """
    payment = lock_payment(session, payment.id)
    if payment.status is PaymentStatus.SUCCEEDED:
        return payment
    bill = lock_bill(session, payment.bill_id)
    event_key = collected_key(session, payment)
    payment.status = states.next_state(
        states.PAYMENT_TRANSITIONS, payment.status, PaymentEvent.COLLECTED
    )
    payment.collected_minor = collected.amount_minor
    payment.collected_currency = collected.currency.value
    payment.provider_txn_id = provider_txn_id or payment.provider_txn_id
    payment.paid_at = occurred_at
    payment.status_at = clock()
    payment.next_query_at = None
    session.add(payment)
    _post_collected(session, payment, bill, collected, event_key, clock=clock)
    if collected.currency is bill.currency:
        _change_received(bill, collected.amount_minor - payment.kept_surcharge_minor, clock=clock)
        session.add(bill)
        receipt = issue_receipt(session, payment, bill, clock=clock)
        _tell_paid(session, bill, receipt, f"{payment.id}:{payment.status_at}", clock=clock)
    return payment


def reverse_payment(session: Session, payment: Payment, reason: str, *, clock: Clock) -> Payment:
    """Record that collected money was taken back: receipt voided, bill open again, books undone.

    Reversing twice is a no-op.

    Raises:
        IllegalTransitionError: nothing had been collected.
    """
    payment = lock_payment(session, payment.id)
    if payment.status is PaymentStatus.REVERSED:
        return payment
    bill = lock_bill(session, payment.bill_id)
    payment.status = states.next_state(
        states.PAYMENT_TRANSITIONS, payment.status, PaymentEvent.TAKEN_BACK
    )
    payment.reason_code = reason[:80]
    payment.status_at = clock()
    payment.confirmed_at = None
    session.add(payment)
    entry = posting.find_entry(session, collected_key(session, payment))
    if entry is not None:
        posting.reverse_entry(session, entry, MoneyEvent.REVERSED, clock=clock, description=reason)
    if payment.collected_minor and payment.collected_currency == bill.currency.value:
        outstanding = bill.outstanding
        _change_received(bill, payment.kept_surcharge_minor - payment.collected_minor, clock=clock)
        session.add(bill)
        if entry is not None:
            _post_shifted(session, entry, bill, bill.outstanding - outstanding, clock=clock)
    void_receipt(session, payment, reason, clock=clock)
    _tell_portal(session, bill, BILL_CHANGED, f"reversed:{payment.id}:{entry and entry.id}", clock)
    return payment


def end_attempt(
    session: Session, payment: Payment, event: PaymentEvent, reason_code: str, *, clock: Clock
) -> Payment:
    """Record the channel's final word that an attempt collected nothing.

    Raises:
        IllegalTransitionError: it has collected, or has ended already.
    """
    payment = lock_payment(session, payment.id)
    payment.status = states.next_state(states.PAYMENT_TRANSITIONS, payment.status, event)
    payment.reason_code = reason_code[:80]
    payment.status_at = clock()
    payment.next_query_at = None
    session.add(payment)
    return payment


def refund_received(session: Session, bill_id: str, amount: Money, *, clock: Clock) -> Bill:
    """Take money that went back to the payer off what the bill holds; a negative one returns."""
    bill = lock_bill(session, bill_id)
    _change_received(bill, -amount.amount_minor, clock=clock)
    session.add(bill)
    return bill


def open_transfer(
    session: Session, bill: Bill, account_id: str, amount: Money, *, clock: Clock
) -> Payment:
    """Write down a further transfer to a bill for money that no open attempt was waiting for."""
    attempts = session.exec(select(Payment.attempt).where(Payment.bill_id == bill.id)).all()
    number = max(attempts, default=0) + 1
    payment = Payment(
        bill_id=bill.id,
        account_id=account_id,
        attempt=number,
        channel=Channel.BANK_TRANSFER,
        rail=Rail.VIETQR,
        merchant_reference=f"{bill.bill_reference}-{number}",
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        created_at=clock(),
        status_at=clock(),
        expires_at=clock(),
    )
    session.add(payment)
    session.flush()
    return payment


def change_due(bill: Bill, change: Money, *, clock: Clock) -> None:
    """Change what is due on a bill that is held; its state says what that makes of its money."""
    bill.due_minor += change.amount_minor
    _change_received(bill, 0, clock=clock)


def tell_changed(session: Session, bill: Bill, cause: str, *, clock: Clock) -> None:
    """Tell the portal that issued a bill that its fees or its money have changed."""
    _tell_portal(session, bill, BILL_CHANGED, cause, clock)


def lock_bill(session: Session, bill_id: str) -> Bill:
    """Return the bill as it is now, held against other transactions until this one ends.

    Whoever changes a bill or its payments holds the payment first and then the bill. Read anew:
    a bill that this session saw before the lock may have been paid since.
    """
    return session.exec(
        select(Bill)
        .where(Bill.id == bill_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def lock_payment(session: Session, payment_id: str) -> Payment:
    """Return the payment as it is now, held against other transactions until this one ends.

    One that this transaction holds already is not asked for again: nobody else can change it.
    """
    held_by = _held(session).get(payment_id)
    if held_by is not None and held_by.is_active:
        return session.get_one(Payment, payment_id)
    payment = session.exec(
        select(Payment)
        .where(Payment.id == payment_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()
    remember_held(session, payment_id)
    return payment


def remember_held(session: Session, payment_id: str) -> None:
    """Note that the innermost transaction of this session holds a payment; it may be undone."""
    holder = session.get_nested_transaction() or session.get_transaction()
    if holder is not None:
        _held(session)[payment_id] = holder


def _held(session: Session) -> dict[str, SessionTransaction]:
    held: dict[str, SessionTransaction] = session.info.setdefault("held_payments", {})
    return held


def collected_key(session: Session, payment: Payment) -> str:
    """Return the event key of the payment's present collection.

    A payment that was reversed and collected again has several, numbered.
    """
    number = 1
    while True:
        key = f"collected:{payment.id}:{number}"
        if payment.paid_at is None:  # nothing was ever collected, so nothing was posted
            return key
        entry = posting.find_entry(session, key)
        if entry is None or posting.find_reversal(session, entry) is None:
            return key
        number += 1


def _post_collected(
    session: Session,
    payment: Payment,
    bill: Bill,
    collected: Money,
    event_key: str,
    *,
    clock: Clock,
) -> None:
    clearing = chart.clearing(payment.channel)
    if collected.currency is not bill.currency:
        parts = [(chart.SUSPENSE, collected)]
    else:
        surcharge = Money(payment.kept_surcharge_minor, bill.currency)
        owed = min(collected - surcharge, bill.outstanding)
        parts = [
            (chart.RECEIVABLE, owed),
            (chart.surcharge(payment.channel), surcharge),
            (chart.REFUNDS_PAYABLE, collected - surcharge - owed),
        ]
    posting.post_entry(
        session,
        posting.Cause(
            event=MoneyEvent.COLLECTED,
            key=event_key,
            account_id=payment.account_id,
            office_id=bill.office_id,
            bill_id=bill.id,
            description=payment.merchant_reference,
        ),
        [posting.Leg(clearing, account, amount) for account, amount in parts if amount],
        clock=clock,
        on=business_day(clock()),
    )


def _post_shifted(
    session: Session, entry: JournalEntry, bill: Bill, owed_again: Money, *, clock: Clock
) -> None:
    """Post what a reversal shifts between fee and excess.

    Undoing an entry gives back to the receivable what that payment had covered, although by now
    another payment may cover the fee, or its own excess may have been sent back.
    """
    undone = sum(
        (leg.amount for leg in posting.legs_of(session, entry) if leg.credit == chart.RECEIVABLE),
        start=Money(0, bill.currency),
    )
    shift = undone - owed_again
    if not shift:
        return
    leg = posting.Leg(chart.REFUNDS_PAYABLE, chart.RECEIVABLE, shift)
    if shift.amount_minor < 0:
        leg = posting.Leg(chart.RECEIVABLE, chart.REFUNDS_PAYABLE, -shift)
    posting.post_entry(
        session,
        posting.Cause(
            event=MoneyEvent.REVERSED,
            key=f"shifted:{entry.id}",
            account_id=entry.account_id,
            office_id=entry.office_id,
            bill_id=bill.id,
            description=f"what {entry.description} had covered",
        ),
        [leg],
        clock=clock,
    )


def _change_received(bill: Bill, change_minor: int, *, clock: Clock) -> None:
    bill.received_minor += change_minor
    event = states.event_for_received(bill.received_minor, bill.due_minor)
    if event is BillEvent.RECEIVED_NOTHING and bill.status not in states.HOLDS_MONEY:
        return  # less than nothing: what had been refunded was taken back as well
    if event is BillEvent.RECEIVED_NOTHING and not bill.due_minor:
        event = BillEvent.EXEMPT if bill.exemption_reason else BillEvent.CANCEL
    bill.status = states.next_state(states.BILL_TRANSITIONS, bill.status, event)
    bill.status_at = clock()


def _tell_paid(
    session: Session, bill: Bill, receipt: Receipt | None, cause: str, *, clock: Clock
) -> None:
    paid = bill.status in {BillStatus.PAID, BillStatus.OVERPAID}
    cause = receipt.id if receipt is not None else cause
    _tell_portal(session, bill, BILL_PAID if paid else BILL_CHANGED, f"received:{cause}", clock)
    if bill.payer_email and receipt is not None:
        tell(
            session,
            MessageKind.EMAIL,
            "receipt",
            bill.payer_email,
            {
                "bill_reference": bill.bill_reference,
                "receipt_number": receipt.number,
                "receipt_token": receipt.token,
                "title": _title(bill),
                "amount_minor": receipt.amount_minor,
                "currency": receipt.currency.value,
                "language": bill.language,
            },
            dedupe_key=f"receipt:{receipt.id}",
            clock=clock,
        )


def _title(bill: Bill) -> str:
    """What was paid for: in English where the payer reads no Vietnamese, with the legal name.

    Names of procedures exist in two languages; a French or Chinese reader is shown both.
    """
    if bill.language == "vi" or not bill.title_en:
        return bill.title_vi
    return bill.title_en if bill.language == "en" else f"{bill.title_en} ({bill.title_vi})"


def _tell_portal(session: Session, bill: Bill, topic: str, cause: str, clock: Clock) -> None:
    client = session.get(ApiClient, bill.api_client_id) if bill.api_client_id else None
    if client is None or not client.webhook_url:
        return
    tell(
        session,
        MessageKind.WEBHOOK,
        topic,
        client.id,
        {
            "webhook_url": client.webhook_url,
            "bill_reference": bill.bill_reference,
            "dossier_code": bill.dossier_code,
            "portal_reference": bill.portal_reference,
            "status": bill.status.value,
            "amount_minor": bill.amount_minor,
            "due_minor": bill.due_minor,
            "received_minor": bill.received_minor,
            "currency": bill.currency.value,
            "at": clock().isoformat(),
        },
        dedupe_key=f"{topic}:{cause}",
        clock=clock,
    )
