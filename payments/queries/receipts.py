"""Reads of one receipt with all that stands on it, as it was when it was issued."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlmodel import Session, col, select

from payments.models import BillLine, Receipt, Refund
from payments.queries.attempts import PaymentView, get_payment_view, list_receipts
from payments.receipts import refund_that_voided


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A receipt, its payment, and the receipts of that payment before and after it.

    ``waived`` are the positions of the lines whose fee had been taken off when it was issued: by
    the refunds that made the earlier receipts void. Later ones do not change it.
    """

    paid: PaymentView
    receipt: Receipt
    lines: list[BillLine] = field(default_factory=list)
    waived: frozenset[int] = frozenset()
    replaces: Receipt | None = None
    replaced_by: Receipt | None = None


def find_receipt_view(session: Session, token: str) -> ReceiptView | None:
    """Return the receipt that a secret address names, voided or not."""
    receipt = session.exec(select(Receipt).where(Receipt.token == token)).first()
    if receipt is None:
        return None
    return _view(session, get_payment_view(session, receipt.payment_id), receipt)


def find_standing_receipt(session: Session, payment_id: str) -> ReceiptView | None:
    """Return the receipt of a payment that stands.

    Raises:
        PaymentNotFoundError: there is no such payment.
    """
    paid = get_payment_view(session, payment_id)
    return None if paid.receipt is None else _view(session, paid, paid.receipt)


def _view(session: Session, paid: PaymentView, receipt: Receipt) -> ReceiptView:
    # By number, not by time: the version is its end, and two may be issued in one instant.
    every = sorted(
        list_receipts(session, receipt.payment_id), key=lambda one: (len(one.number), one.number)
    )
    place = [one.id for one in every].index(receipt.id)
    query = select(BillLine).where(BillLine.bill_id == receipt.bill_id)
    return ReceiptView(
        paid=paid,
        receipt=receipt,
        lines=list(session.exec(query.order_by(col(BillLine.position)))),
        waived=_waived_by(session, [refund_that_voided(one) for one in every[:place]]),
        replaces=every[place - 1] if place else None,
        replaced_by=every[place + 1] if place + 1 < len(every) else None,
    )


def _waived_by(session: Session, references: Sequence[str]) -> frozenset[int]:
    refunds = session.exec(select(Refund).where(col(Refund.refund_reference).in_(references)))
    return frozenset(position for refund in refunds for position in refund.waived_lines)
