"""What came in, by day and by whom it concerns, read from the books; and what is still open."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import case, func
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from core.money import Currency
from payments.ledger import chart
from payments.ledger.models import JournalEntry, LedgerTransfer
from payments.models import Bill, BillLine, Office, Payment, Refund
from payments.queries.books import entry_in
from payments.queries.scope import office_in
from payments.states import PAYABLE, RefundStatus

_CLEARING: Final = "clearing:"
_EXPENSE: Final = "fee_expense:"
_BATCH: Final = 500
OTHER: Final = "other"
"""Collected money that is no fee of the bill: an excess, or a surcharge."""


class By(StrEnum):
    """What collections are told apart by."""

    PROCEDURE = "procedure"
    FEE_KIND = "fee_kind"
    OFFICE = "office"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Range:
    """Days from ``first`` to ``last``, both included, of the offices below ``scope``."""

    first: date
    last: date
    scope: str


@dataclass(frozen=True, slots=True)
class Figure:
    """An amount (VND, minor units) of a day; ``key`` is an id or a name of what it concerns."""

    day: date
    key: str
    amount_minor: int


def collections(session: Session, within: Range, by: By) -> list[Figure]:
    """Return what was collected less what was taken back, by the day of the entry.

    By fee kind, a bill's money pays its fees in their order, as in a remittance; what is no fee of
    it (an excess, a surcharge) is ``other``.
    """
    if by is By.FEE_KIND:
        return _by_fee_kind(session, within)
    key: Any = {
        By.PROCEDURE: func.coalesce(col(Bill.procedure_id), ""),
        By.OFFICE: func.coalesce(col(JournalEntry.office_id), ""),
        By.CHANNEL: _side(_CLEARING),
    }[by]
    query = (
        _collected(columns(col(JournalEntry.entry_date), key, func.sum(_signed(_CLEARING))))
        .outerjoin(Bill, col(Bill.id) == col(JournalEntry.bill_id))
        .where(*_within(within))
        .group_by(col(JournalEntry.entry_date), key)
        .order_by(col(JournalEntry.entry_date), key)
    )
    return [
        Figure(day, str(name).removeprefix(_CLEARING), int(amount))
        for day, name, amount in session.execute(query)
    ]


def channel_fees(session: Session, within: Range) -> list[Figure]:
    """Return what channels charged, VAT included, by day and channel."""
    key = _side(_EXPENSE)
    query = (
        columns(col(JournalEntry.entry_date), key, func.sum(_signed(_EXPENSE)))
        .select_from(LedgerTransfer)
        .join(JournalEntry, col(JournalEntry.id) == col(LedgerTransfer.entry_id))
        .where(_touches(_EXPENSE), *_within(within))
        .group_by(col(JournalEntry.entry_date), key)
        .order_by(col(JournalEntry.entry_date), key)
    )
    return [
        Figure(day, name.removeprefix(_EXPENSE), int(amount))
        for day, name, amount in session.execute(query)
    ]


def outstanding(session: Session, within: Range) -> list[Figure]:
    """Return how suspense and what is owed back stood at the end of each day on which they moved.

    Positive is owed by us, as both are liabilities. The first day of the range is always there.
    """
    figures = []
    for code in (chart.SUSPENSE, chart.REFUNDS_PAYABLE):
        moved = dict(_moved(session, within, code))
        balance = sum(amount for day, amount in moved.items() if day < within.first)
        days = {within.first, *(day for day in moved if day >= within.first)}
        for day in sorted(days):
            balance += moved.get(day, 0)
            figures.append(Figure(day, code, balance))
    return figures


def open_bills(session: Session, *, scope: str) -> list[tuple[date, int]]:
    """Return the due date and the outstanding amount of each bill that may still be paid."""
    left = col(Bill.due_minor) - col(Bill.received_minor)
    rows = session.execute(
        columns(col(Bill.due_date), left)
        .join(Office, col(Office.id) == col(Bill.office_id))
        .where(office_in(scope), col(Bill.status).in_(PAYABLE))
    )
    return [(day, int(amount)) for day, amount in rows]


def refunds_on_their_way(session: Session, *, scope: str) -> list[Refund]:
    """Return the refunds that were approved and have not been seen to arrive."""
    return list(
        session.exec(
            select(Refund)
            .join(Payment, col(Payment.id) == col(Refund.payment_id))
            .join(Bill, col(Bill.id) == col(Payment.bill_id))
            .join(Office, col(Office.id) == col(Bill.office_id))
            .where(office_in(scope))
            .where(col(Refund.status).in_([RefundStatus.APPROVED, RefundStatus.SUBMITTED]))
        )
    )


def _side(family: str) -> Any:
    debit = col(LedgerTransfer.debit_account)
    return case((debit.startswith(family), debit), else_=col(LedgerTransfer.credit_account))


def _signed(family: str) -> Any:
    amount = col(LedgerTransfer.amount_minor)
    return case((col(LedgerTransfer.debit_account).startswith(family), amount), else_=-amount)


def _touches(family: str) -> Any:
    return col(LedgerTransfer.debit_account).startswith(family) | col(
        LedgerTransfer.credit_account
    ).startswith(family)


def _collected(query: Any) -> Any:
    """Limit a query to the entries of collections, and those that undo one."""
    undone = aliased(JournalEntry)
    key = func.coalesce(undone.event_key, col(JournalEntry.event_key))
    return (
        query.select_from(LedgerTransfer)
        .join(JournalEntry, col(JournalEntry.id) == col(LedgerTransfer.entry_id))
        .outerjoin(undone, col(undone.id) == col(JournalEntry.reverses_id))
        .where(key.startswith("collected:"), _touches(_CLEARING))
    )


def _within(within: Range) -> Iterator[Any]:
    yield col(JournalEntry.entry_date) >= within.first
    yield col(JournalEntry.entry_date) <= within.last
    yield col(LedgerTransfer.currency) == Currency.VND
    yield entry_in(within.scope)


def _moved(session: Session, within: Range, code: str) -> Iterator[tuple[date, int]]:
    credited = col(LedgerTransfer.credit_account) == code
    amount = col(LedgerTransfer.amount_minor)
    query = (
        columns(col(JournalEntry.entry_date), func.sum(case((credited, amount), else_=-amount)))
        .select_from(LedgerTransfer)
        .join(JournalEntry, col(JournalEntry.id) == col(LedgerTransfer.entry_id))
        .where(credited | (col(LedgerTransfer.debit_account) == code))
        .where(col(JournalEntry.entry_date) <= within.last, entry_in(within.scope))
        .where(col(LedgerTransfer.currency) == Currency.VND)
        .group_by(col(JournalEntry.entry_date))
    )
    for day, total in session.execute(query):
        yield day, int(total)


def _by_fee_kind(session: Session, within: Range) -> list[Figure]:
    bills = session.scalars(
        _collected(columns(col(JournalEntry.bill_id)).distinct()).where(*_within(within))
    ).all()
    sums: Counter[tuple[date, str]] = Counter()
    ids = sorted(one for one in bills if one)
    for start in range(0, len(ids), _BATCH):
        part = ids[start : start + _BATCH]
        lines = defaultdict(list)
        for line in session.exec(
            select(BillLine)
            .where(col(BillLine.bill_id).in_(part))
            .order_by(col(BillLine.bill_id), col(BillLine.position))
        ):
            lines[line.bill_id].append(line)
        covered: Counter[str] = Counter()
        for bill_id, day, counter, amount in _payments_of(session, part):
            parts = Counter({OTHER: amount})
            if counter == chart.RECEIVABLE:
                before, after = covered[bill_id], covered[bill_id] + amount
                covered[bill_id] = after
                parts = _kinds(lines[bill_id], after)
                parts.subtract(_kinds(lines[bill_id], before))
            if within.first <= day <= within.last:
                for kind, minor in parts.items():
                    sums[day, kind] += minor
    return [Figure(day, kind, minor) for (day, kind), minor in sorted(sums.items()) if minor]


def _payments_of(session: Session, bill_ids: Sequence[str]) -> Iterator[tuple[str, date, str, int]]:
    """Each collected amount of these bills in order: bill, day, what it was credited to, amount."""
    debit, credit = col(LedgerTransfer.debit_account), col(LedgerTransfer.credit_account)
    against = case((debit.startswith(_CLEARING), credit), else_=debit)
    query = (
        _collected(
            columns(
                col(JournalEntry.bill_id), col(JournalEntry.entry_date), against,
                _signed(_CLEARING),
            )
        )
        .where(col(JournalEntry.bill_id).in_(bill_ids))
        .where(col(LedgerTransfer.currency) == Currency.VND)
        .order_by(col(JournalEntry.posted_at), col(JournalEntry.id), col(LedgerTransfer.position))
    )  # fmt: skip
    for bill_id, day, counter, amount in session.execute(query):
        yield bill_id, day, counter, int(amount)


def _kinds(lines: Sequence[BillLine], covered: int) -> Counter[str]:
    """What an amount covers of a bill's fees, by kind; what is beyond them is ``other``."""
    kinds: Counter[str] = Counter()
    for line in lines:
        paid = min(line.amount_minor, max(0, covered))
        kinds[line.kind.value] += paid
        covered -= paid
    kinds[OTHER] += covered
    return kinds
