"""What else a line might have been: near records to be offered beside the matched one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlmodel import Session, col, func, select

from core.clock import at_vietnam_time, business_day
from payments.models import Bill, Payment, Refund, Remittance
from reconciliation.models import SettlementLine
from reconciliation.states import ItemKind

DAYS: Final = timedelta(days=10)
POOL: Final = 40
BY_AMOUNT: Final = 3
BY_REFERENCE: Final = 1


@dataclass(frozen=True, slots=True)
class Near:
    """A record as far as nearness goes: its choice, minor units, day, and what it is known by."""

    choice: str
    amount_minor: int
    day: date
    reference: str
    family: str
    """What cannot be told apart: attempts on one bill, or one payout."""


def nearest(target: Near, pool: Sequence[Near], taken: frozenset[str]) -> list[Near]:
    """Return at most four: three by amount and day, one by reference.

    None is of a family in ``taken``. The order of the pool changes nothing.
    """
    by_amount = sorted(pool, key=lambda one: (*_distance(target, one), one.choice))
    found = _first(by_amount, BY_AMOUNT, taken)
    seen = taken | {one.family for one in found}
    by_reference = sorted(pool, key=lambda one: (_symbols(target, one), one.choice))
    return found + _first(by_reference, BY_REFERENCE, seen)


def load_recorded(session: Session, item_id: str) -> Near:
    """Return a payment, refund or remittance as far as nearness goes."""
    payment = session.get(Payment, item_id)
    if payment is not None:
        return _payment(payment, session.get_one(Bill, payment.bill_id))
    refund = session.get(Refund, item_id)
    if refund is not None:
        paid = session.get_one(Payment, refund.payment_id)
        return _refund(refund, session.get_one(Bill, paid.bill_id))
    return _remittance(session.get_one(Remittance, item_id))


def pool_of(session: Session, item_id: str, target: Near, office_id: str | None) -> list[Near]:
    """Return records of the same kind, account, channel and office, near in amount or in day."""
    payment = session.get(Payment, item_id)
    if payment is not None:
        query: Any = (
            select(Payment, Bill)
            .join(Bill, col(Bill.id) == col(Payment.bill_id))
            .where(Payment.account_id == payment.account_id, Payment.channel == payment.channel)
            .where(Bill.office_id == office_id)
        )
        return [_payment(*row) for row in _around(session, query, Payment, target)]
    refund = session.get(Refund, item_id)
    if refund is not None:
        query = (
            select(Refund, Bill)
            .join(Payment, col(Payment.id) == col(Refund.payment_id))
            .join(Bill, col(Bill.id) == col(Payment.bill_id))
            .where(Refund.account_id == refund.account_id, Refund.channel == refund.channel)
            .where(Bill.office_id == office_id)
        )
        return [_refund(*row) for row in _around(session, query, Refund, target)]
    account = session.get_one(Remittance, item_id).account_id
    query = select(Remittance).where(Remittance.account_id == account)
    return [_remittance(row) for row in _around(session, query, Remittance, target)]


def payouts_around(session: Session, account_id: str, days: Sequence[date]) -> list[Near]:
    """Return every payout of an account that its provider dates near these days, by its net."""
    query = (
        select(
            SettlementLine.provider,
            SettlementLine.payout_id,
            func.sum(SettlementLine.net_minor),
            func.min(SettlementLine.payout_date),
        )
        .where(SettlementLine.account_id == account_id)
        .where(SettlementLine.payout_date >= min(days) - DAYS)
        .where(SettlementLine.payout_date <= max(days) + DAYS)
        .group_by(col(SettlementLine.provider), col(SettlementLine.payout_id))
    )
    return [
        Near(f"payout:{provider}/{payout}", int(net), day, payout, f"{provider}/{payout}")
        for provider, payout, net, day in session.exec(query)
    ]


def _around(session: Session, query: Any, table: Any, target: Near) -> list[Any]:
    start, end = target.day - DAYS, target.day + DAYS
    near = query.where(
        table.created_at >= at_vietnam_time(start), table.created_at <= at_vietnam_time(end)
    )
    apart = func.abs(table.amount_minor - abs(target.amount_minor))
    by_amount = session.exec(near.order_by(apart, table.id).limit(POOL)).all()
    by_day = session.exec(near.order_by(table.created_at, table.id).limit(POOL)).all()
    return [*by_amount, *(row for row in by_day if row not in by_amount)]


def _first(ranked: Sequence[Near], count: int, taken: frozenset[str]) -> list[Near]:
    seen, found = set(taken), list[Near]()
    for one in ranked:
        if len(found) < count and one.family not in seen:
            found.append(one)
            seen.add(one.family)
    return found


def _distance(target: Near, one: Near) -> tuple[int, int]:
    return abs(one.amount_minor - target.amount_minor), abs((one.day - target.day).days)


def _symbols(target: Near, one: Near) -> int:
    pairs = zip(target.reference, one.reference, strict=False)
    longer = abs(len(target.reference) - len(one.reference))
    return sum(left != right for left, right in pairs) + longer


def _payment(payment: Payment, bill: Bill) -> Near:
    amount, began = payment.amount_minor, payment.created_at
    return _recorded(payment.id, amount, began, (bill.bill_reference, bill.id))


def _refund(refund: Refund, bill: Bill) -> Near:
    amount, began = -refund.amount_minor, refund.created_at
    return _recorded(refund.id, amount, began, (refund.refund_reference, bill.id))


def _remittance(row: Remittance) -> Near:
    return _recorded(row.id, -row.amount_minor, row.created_at, (row.reference, row.id))


def _recorded(item_id: str, amount_minor: int, at: datetime, known: tuple[str, str]) -> Near:
    return Near(f"{ItemKind.PAYMENT}:{item_id}", amount_minor, business_day(at), *known)


def payouts_named(session: Session, account_id: str, names: Sequence[str]) -> list[Near]:
    """Return the payouts ``provider/payout_id`` of an account."""
    if not names:
        return []
    ids = [name.partition("/")[2] for name in names]
    lines = select(func.min(SettlementLine.payout_date), func.max(SettlementLine.payout_date))
    first, last = session.exec(
        lines.where(SettlementLine.account_id == account_id, col(SettlementLine.payout_id).in_(ids))
    ).one()
    return [
        one for one in payouts_around(session, account_id, [first, last]) if one.family in names
    ]
