"""Reads of bills: by code, by their state, with everything beside them."""

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, select

from payments import references
from payments.errors import BillNotFoundError, ReferenceUnreadableError
from payments.models import (
    Bill,
    BillLine,
    CollectingAccount,
    Office,
    Payment,
    Procedure,
    Refund,
)
from payments.queries.scope import MAX_HITS, ROOT, Page, by_id, office_in, paginate
from payments.states import BillStatus
from payments.waivers import waived_positions


@dataclass(frozen=True, slots=True)
class BillView:
    """A bill with everything a reader needs beside it.

    ``waived`` are the positions of the lines whose fee a refund has taken off.
    """

    bill: Bill
    office: Office
    procedure: Procedure | None
    lines: list[BillLine]
    attempts: list[Payment]
    refunds: list[Refund] = field(default_factory=list)
    waived: frozenset[int] = frozenset()

    @property
    def demonstration(self) -> bool:
        """Whether any of it is demonstration data."""
        return self.office.demonstration or bool(self.procedure and self.procedure.demonstration)


def find_bills(session: Session, typed: str, *, scope: str = ROOT) -> list[Bill]:
    """Return the bills that a typed code names: one by its reference, or all of a dossier.

    One wrong character of a reference is corrected if the corrected one names a bill.
    """
    text = typed.strip()
    if not text:
        return []
    wanted = [col(Bill.dossier_code) == text.upper()]
    if (reference := read_reference(session, text)) is not None:
        wanted.append(col(Bill.bill_reference) == reference)
    query = (
        select(Bill)
        .join(Office, col(Bill.office_id) == Office.id)
        .where(or_(*wanted), office_in(scope))
        .order_by(col(Bill.created_at).desc())
        .limit(MAX_HITS)
    )
    return list(session.exec(query))


def read_reference(session: Session, typed: str) -> str | None:
    """Return the canonical reference that a text means, self-corrected; None if it is none."""
    prefixes = session.exec(select(CollectingAccount.reference_prefix).distinct()).all()
    for prefix in prefixes:
        try:
            return references.parse(typed, prefix).reference
        except ReferenceUnreadableError:
            continue
    return None


def get_bill_view(session: Session, reference: str, *, scope: str = ROOT) -> BillView:
    """Return a bill by its exact reference, with lines and attempts.

    Raises:
        BillNotFoundError: there is none, or it is outside the subtree.
    """
    found = session.exec(
        select(Bill, Office)
        .join(Office, col(Bill.office_id) == Office.id)
        .where(Bill.bill_reference == reference.strip().upper(), office_in(scope))
    ).first()
    if found is None:
        raise BillNotFoundError
    bill, office = found
    return BillView(
        bill=bill,
        office=office,
        procedure=session.get(Procedure, bill.procedure_id) if bill.procedure_id else None,
        lines=list(
            session.exec(
                select(BillLine).where(BillLine.bill_id == bill.id).order_by(col(BillLine.position))
            )
        ),
        attempts=list_attempts(session, bill.id),
        refunds=refunds_of_bill(session, bill.id),
        waived=waived_positions(session, bill),
    )


def list_attempts(session: Session, bill_id: str) -> list[Payment]:
    """Return all attempts to pay a bill, in their order."""
    query = select(Payment).where(Payment.bill_id == bill_id).order_by(col(Payment.attempt))
    return list(session.exec(query))


def refunds_of_bill(session: Session, bill_id: str) -> list[Refund]:
    """Return every refund of a bill's payments, the earliest first."""
    return list(
        session.exec(
            select(Refund)
            .join(Payment, col(Payment.id) == col(Refund.payment_id))
            .where(Payment.bill_id == bill_id)
            .order_by(col(Refund.created_at), col(Refund.id))
        )
    )


def search_bills(
    session: Session,
    *,
    scope: str,
    text: str = "",
    status: BillStatus | None = None,
    page: int = 1,
) -> Page[BillView]:
    """Return bills of the subtree, the newest first, by code or its beginning, name and status."""
    query = select(Bill).join(Office, col(Bill.office_id) == Office.id).where(office_in(scope))
    if text.strip():
        query = query.where(_bill_says(session, text.strip()))
    if status is not None:
        query = query.where(Bill.status == status)
    found = paginate(
        session, query.order_by(col(Bill.created_at).desc(), col(Bill.id).desc()), page
    )
    offices = by_id(session, Office, [bill.office_id for bill in found.rows])
    views = [BillView(bill, offices[bill.office_id], None, [], []) for bill in found.rows]
    return Page(views, found.number, found.total)


def _bill_says(session: Session, text: str) -> ColumnElement[bool]:
    reference = read_reference(session, text)
    upper = text.upper()
    return or_(
        col(Bill.bill_reference) == (reference or upper),
        col(Bill.bill_reference).startswith(upper, autoescape=True),
        col(Bill.dossier_code).startswith(upper, autoescape=True),
        col(Bill.portal_reference) == text,
        col(Bill.payer_name).contains(text, autoescape=True),
    )
