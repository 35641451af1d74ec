"""Receipts: issued when money was collected, voided when it was taken back, never edited."""

from sqlmodel import Session, select

from core.clock import Clock
from core.ids import new_token
from core.money import Money
from payments.models import Bill, Payment, Receipt, ReceiptStatus


def issue_receipt(
    session: Session, payment: Payment, bill: Bill, amount: Money, *, clock: Clock
) -> Receipt:
    """Issue the receipt of a collection. A payment collected anew gets a receipt anew.

    The number is the bill reference, the attempt, and from the second receipt on a version.
    """
    earlier = session.exec(select(Receipt).where(Receipt.payment_id == payment.id)).all()
    for receipt in earlier:
        if receipt.status is ReceiptStatus.ISSUED:
            return receipt
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
    session.flush()
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
