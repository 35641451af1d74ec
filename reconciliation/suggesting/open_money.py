"""The open credits and bills of a collecting account, and what may belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlmodel import Session, col, func, select

from core.clock import business_day
from payments.models import Bill, Office
from payments.queries import by_id, list_offices
from payments.states import BillStatus
from reconciliation.models import Mismatch, StatementLine
from reconciliation.queries.mismatches import LIVE, mismatch_in
from reconciliation.states import ItemKind, Layer, MismatchType
from reconciliation.suggesting.ranking import (
    MOST_BILLS,
    MOST_LINES,
    OpenBill,
    OpenLine,
    Suggestion,
    suggest,
)

_TYPES: Final = (MismatchType.UNRECORDED_RECEIPT, MismatchType.AMBIGUOUS)
_OWED: Final = (BillStatus.OPEN, BillStatus.PARTLY_PAID, BillStatus.EXPIRED)


@dataclass(frozen=True, slots=True)
class SuggestedBill:
    """A suggestion with the mismatch of the credit and the bill."""

    suggestion: Suggestion
    mismatch: Mismatch
    line: StatementLine
    bill: Bill


def is_suggestible(mismatch: Mismatch) -> bool:
    """Whether a bill may be suggested: for a credit that nothing explains."""
    return (
        mismatch.layer is Layer.DIRECT
        and mismatch.item_kind is ItemKind.BANK
        and mismatch.type in _TYPES
        and mismatch.amount_minor > 0
        and mismatch.status in LIVE
    )


def list_suggestions(
    session: Session, account_id: str, *, scope: str, around: Mismatch | None = None
) -> list[SuggestedBill]:
    """Suggest bills of the subtree for the open credits of an account, the nearest first.

    ``MOST_LINES`` credits take part, those nearest in time to ``around`` or the latest, with
    ``MOST_BILLS`` bills on which just such an amount is owed, the latest. Only what the reader
    sees takes part on either side.
    """
    query = (
        select(Mismatch)
        .where(Mismatch.account_id == account_id, Mismatch.layer == Layer.DIRECT)
        .where(Mismatch.item_kind == ItemKind.BANK, col(Mismatch.type).in_(_TYPES))
        .where(Mismatch.amount_minor > 0, col(Mismatch.status).in_(LIVE), mismatch_in(scope))
    )
    latest = col(Mismatch.opened_at).desc(), col(Mismatch.id).desc()
    if around is not None:
        own = col(Mismatch.id) == around.id
        before = query.where(own | (col(Mismatch.opened_at) <= around.opened_at))
        query = before.order_by(own.desc(), *latest)
    else:
        query = query.order_by(*latest)
    open_ = session.exec(query.limit(MOST_LINES)).all()
    lines = by_id(session, StatementLine, [one.item_id for one in open_])
    amounts = sorted({line.amount_minor for line in lines.values()})
    bills = {bill.bill_reference: bill for bill in _owed(session, account_id, scope, amounts)}
    found = suggest([_line(line) for line in lines.values()], [_bill(b) for b in bills.values()])
    of_line = {one.item_id: one for one in open_}
    return [
        SuggestedBill(one, of_line[one.line_id], lines[one.line_id], bills[one.bill_reference])
        for one in found
    ]


def find_suggestion(session: Session, mismatch: Mismatch, *, scope: str) -> SuggestedBill | None:
    """Return the bill that is suggested for a mismatch, if one is."""
    if not is_suggestible(mismatch):
        return None
    found = list_suggestions(session, mismatch.account_id, scope=scope, around=mismatch)
    return next((one for one in found if one.mismatch.id == mismatch.id), None)


def _owed(session: Session, account_id: str, scope: str, amounts: Sequence[int]) -> Sequence[Bill]:
    owed = col(Bill.due_minor) - col(Bill.received_minor)
    query = (
        select(Bill)
        .where(col(Bill.office_id).in_(_offices_of(session, account_id, scope)))
        .where(col(Bill.status).in_(_OWED), owed.in_(amounts))
        .order_by(col(Bill.created_at).desc(), func.lower(Bill.bill_reference))
    )
    return session.exec(query.limit(MOST_BILLS)).all()


def _offices_of(session: Session, account_id: str, scope: str) -> list[str]:
    """Offices of the subtree whose fees an account collects: it, or none nearer, is theirs."""
    offices = list_offices(session, scope="/")
    account_at = {office.path: office.account_id for office in offices if office.account_id}

    def collects(office: Office) -> bool:
        above = [path for path in account_at if office.path.startswith(path)]
        return bool(above) and account_at[max(above, key=len)] == account_id

    return [one.id for one in offices if one.path.startswith(scope) and collects(one)]


def _line(line: StatementLine) -> OpenLine:
    return OpenLine(
        line.id, line.amount_minor, line.booking_date, line.narrative, line.counterparty_name
    )


def _bill(bill: Bill) -> OpenBill:
    return OpenBill(
        bill_reference=bill.bill_reference,
        dossier_code=bill.dossier_code,
        owed_minor=bill.due_minor - bill.received_minor,
        issued=business_day(bill.created_at),
        due=bill.due_date,
        payer=bill.payer_name,
    )
