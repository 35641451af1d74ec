"""Reads of refunds and of the payment orders with which banks are told to send them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from payments.channels import Channel
from payments.errors import PaymentOrderNotFoundError, RefundNotFoundError
from payments.models import Bill, BillLine, CollectingAccount, Office, Payment, PaymentOrder, Refund
from payments.queries.attempts import PaymentView
from payments.queries.scope import ROOT, Page, account_in, by_id, office_in, paginate
from payments.refunds import beneficiary_of
from payments.states import RefundStatus


@dataclass(frozen=True, slots=True)
class RefundView:
    """A refund with the payment it comes from; the fees it waives and its order where asked for."""

    refund: Refund
    paid: PaymentView
    waived: list[BillLine] = field(default_factory=list)
    order: PaymentOrder | None = None


@dataclass(frozen=True, slots=True)
class OrderView:
    """A payment order with its account and the refunds that it orders."""

    order: PaymentOrder
    account: CollectingAccount
    refunds: list[Refund]


@dataclass(frozen=True, slots=True)
class Orderable:
    """Approved transfers of one account that no payment order names yet."""

    account: CollectingAccount
    refunds: list[Refund]

    @property
    def total_minor(self) -> int:
        """The sum of what is to be sent."""
        return sum(refund.amount_minor for refund in self.refunds)


def list_refunds(
    session: Session, *, scope: str, status: RefundStatus | None = None, page: int = 1
) -> Page[RefundView]:
    """Return refunds of the subtree, the newest first."""
    query = (
        select(Refund)
        .join(Payment, col(Refund.payment_id) == Payment.id)
        .join(Bill, col(Payment.bill_id) == Bill.id)
        .join(Office, col(Bill.office_id) == Office.id)
        .where(office_in(scope))
        .order_by(col(Refund.created_at).desc(), col(Refund.id).desc())
    )
    if status is not None:
        query = query.where(col(Refund.status) == status)
    found = paginate(session, query, page)
    views = _views(session, found.rows)
    return Page([views[refund.id] for refund in found.rows], found.number, found.total)


def get_refund_view(session: Session, refund_id: str, *, scope: str = ROOT) -> RefundView:
    """Return a refund of the subtree with all that stands beside it.

    Raises:
        RefundNotFoundError: there is none here.
    """
    refund = session.get(Refund, refund_id)
    if refund is None:
        raise RefundNotFoundError
    paid = _views(session, [refund])[refund.id].paid
    if session.exec(select(Office.id).where(Office.id == paid.office.id, office_in(scope))).first():
        order = refund.payment_order_id
        return RefundView(
            refund,
            paid,
            _waived_lines(session, refund, paid.bill),
            session.get(PaymentOrder, order) if order else None,
        )
    raise RefundNotFoundError


def list_orderable(session: Session, *, scope: str) -> list[Orderable]:
    """Return the approved transfers that no payment order names yet, by account."""
    refunds = session.exec(
        select(Refund)
        .where(
            Refund.status == RefundStatus.APPROVED,
            Refund.channel == Channel.BANK_TRANSFER,
            col(Refund.payment_order_id).is_(None),
            account_in(col(Refund.account_id), scope),
        )
        .order_by(col(Refund.decided_at), col(Refund.id))
    ).all()
    ready = [refund for refund in refunds if beneficiary_of(refund).is_complete]
    accounts = by_id(session, CollectingAccount, [refund.account_id for refund in ready])
    by_number = sorted(accounts.values(), key=lambda account: account.account_number)
    return [
        Orderable(account, [refund for refund in ready if refund.account_id == account.id])
        for account in by_number
    ]


def list_payment_orders(session: Session, *, scope: str, page: int = 1) -> Page[OrderView]:
    """Return the payment orders of the subtree's accounts, the newest first."""
    query = (
        select(PaymentOrder)
        .where(account_in(col(PaymentOrder.account_id), scope))
        .order_by(col(PaymentOrder.created_at).desc(), col(PaymentOrder.id).desc())
    )
    found = paginate(session, query, page)
    return Page([_order_view(session, order) for order in found.rows], found.number, found.total)


def get_payment_order(session: Session, order_id: str, *, scope: str = ROOT) -> OrderView:
    """Return a payment order.

    Raises:
        PaymentOrderNotFoundError: there is none, or its account is outside the subtree.
    """
    order = session.exec(
        select(PaymentOrder).where(
            PaymentOrder.id == order_id, account_in(col(PaymentOrder.account_id), scope)
        )
    ).first()
    if order is None:
        raise PaymentOrderNotFoundError
    return _order_view(session, order)


def _order_view(session: Session, order: PaymentOrder) -> OrderView:
    refunds = session.exec(
        select(Refund).where(Refund.payment_order_id == order.id).order_by(col(Refund.id))
    )
    account = session.get_one(CollectingAccount, order.account_id)
    return OrderView(order, account, list(refunds))


def _views(session: Session, refunds: Sequence[Refund]) -> dict[str, RefundView]:
    query = (
        select_columns(col(Refund.id), Payment, Bill, Office, CollectingAccount)
        .join(Payment, col(Refund.payment_id) == Payment.id)
        .join(Bill, col(Payment.bill_id) == Bill.id)
        .join(Office, col(Bill.office_id) == Office.id)
        .join(CollectingAccount, col(Payment.account_id) == CollectingAccount.id)
        .where(col(Refund.id).in_([refund.id for refund in refunds]))
    )
    paid = {
        name: PaymentView(payment, bill, office, account, None, None)
        for name, payment, bill, office, account in session.execute(query)
    }
    return {refund.id: RefundView(refund, paid[refund.id]) for refund in refunds}


def _waived_lines(session: Session, refund: Refund, bill: Bill) -> list[BillLine]:
    lines = session.exec(
        select(BillLine)
        .where(BillLine.bill_id == bill.id, col(BillLine.position).in_(refund.waived_lines))
        .order_by(col(BillLine.position))
    )
    return list(lines)
