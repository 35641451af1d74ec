"""Receipts: issued when money was collected, voided when it was taken back, never edited."""

from typing import Final

from sqlmodel import Session, select

from core.clock import Clock
from core.ids import new_token
from core.money import Currency, Money
from payments.models import Bill, Payment, Receipt, ReceiptStatus, Refund
from payments.states import PaymentStatus, RefundStatus

_SENT_BACK: Final = "refund "


def issue_receipt(
    session: Session, payment: Payment, bill: Bill, *, clock: Clock
) -> Receipt | None:
    """Issue the receipt of what a payment brought and was not sent back; None if that is nothing.

    The number is the bill reference, the attempt, and from the second receipt on a version.
    """
    earlier = session.exec(select(Receipt).where(Receipt.payment_id == payment.id)).all()
    for receipt in earlier:
        if receipt.status is ReceiptStatus.ISSUED:
            return receipt
    amount = _standing(session, payment, sent_back=bool(earlier))
    if amount.amount_minor <= 0:
        return None
    number = f"{bill.bill_reference}-{payment.attempt}"
    receipt = Receipt(
        number=f"{number}-{len(earlier) + 1}" if earlier else number,
        token=new_token(),
        bill_id=bill.id,
        payment_id=payment.id,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        issued_at=clock(),
    )
    session.add(receipt)
    return receipt


def void_receipt(session: Session, payment: Payment, reason: str, *, clock: Clock) -> None:
    """Void the receipt of a collection that was taken back."""
    issued = session.exec(
        select(Receipt).where(
            Receipt.payment_id == payment.id, Receipt.status == ReceiptStatus.ISSUED
        )
    )
    for receipt in issued:
        receipt.status = ReceiptStatus.VOIDED
        receipt.voided_at = clock()
        receipt.void_reason = reason[:200]
        session.add(receipt)
    session.flush()


def adjust_receipt(
    session: Session, payment: Payment, bill: Bill, refund: Refund, *, clock: Clock
) -> Receipt | None:
    """Void the receipt whose money has changed by a refund, and issue one for what remains.

    A payment that was taken back has no receipt, and gets none.
    """
    void_receipt(session, payment, f"{_SENT_BACK}{refund.refund_reference}", clock=clock)
    if payment.status is not PaymentStatus.SUCCEEDED:
        return None
    return issue_receipt(session, payment, bill, clock=clock)


def refund_that_voided(receipt: Receipt) -> str:
    """Return the reference of the refund that voided a receipt; empty if something else did."""
    return receipt.void_reason.removeprefix(_SENT_BACK) if _is_by_refund(receipt) else ""


def _is_by_refund(receipt: Receipt) -> bool:
    return receipt.status is ReceiptStatus.VOIDED and receipt.void_reason.startswith(_SENT_BACK)


def _standing(session: Session, payment: Payment, *, sent_back: bool) -> Money:
    """Return what a payment brought less what went back of it; before a receipt nothing can."""
    kept = payment.collected_minor or 0
    if sent_back:
        kept -= sum(
            session.exec(
                select(Refund.amount_minor).where(
                    Refund.payment_id == payment.id, Refund.status == RefundStatus.SUCCEEDED
                )
            )
        )
    return Money(kept, Currency(payment.collected_currency))
