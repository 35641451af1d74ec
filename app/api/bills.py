"""The portal's API: issue, read and cancel bills."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session, col, select

from app.api.idempotency import once
from app.api.keys import PortalActor
from app.dependencies import ClockDep, ReadSession, SettingsDep, WriteSession
from core.actors import Actor
from core.settings import Settings
from payments.billing import BillDraft, DraftLine, cancel_bill, issue_bill
from payments.errors import BillNotFoundError
from payments.models import Bill, BillLine, Office, Payment
from payments.queries import office_in, refunds_of_bill
from payments.waivers import waived_positions

router = APIRouter(prefix="/api/v1", tags=["bills"])

Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line of text: no control characters, which no form has and PostgreSQL does not store."""


class LineIn(BaseModel):
    """A fee to charge."""

    model_config = ConfigDict(extra="forbid")

    fee_code: Text = Field(min_length=1, max_length=40)
    quantity: int = Field(default=1, ge=1, le=1000)


class BillIn(BaseModel):
    """A bill to issue; without ``lines`` every fee in force of the procedure is charged once."""

    model_config = ConfigDict(extra="forbid")

    dossier_code: Text = Field(max_length=60)
    office_code: Text = Field(max_length=20)
    procedure_code: Text = Field(max_length=40)
    due_date: date
    lines: list[LineIn] = Field(default_factory=list, max_length=50)
    payer_name: Text = Field(default="", max_length=200)
    payer_email: Annotated[
        str, Field(max_length=254, pattern=r"^$|^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$")
    ] = ""
    language: str = Field(default="vi", pattern="^(vi|en|fr|zh)$")
    portal_reference: Text = Field(default="", max_length=100)
    exemption_reason: Text = Field(default="", max_length=500)


class CancelIn(BaseModel):
    """Why a bill is withdrawn."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(min_length=3, max_length=500)


@router.post("/bills", status_code=201)
def issue(
    request: Request,
    body: BillIn,
    actor: PortalActor,
    session: WriteSession,
    clock: ClockDep,
    settings: SettingsDep,
) -> JSONResponse:
    """Issue a bill. Needs an Idempotency-Key; repeating the request gives the same answer."""

    def work() -> tuple[int, dict[str, Any]]:
        draft = BillDraft(
            **body.model_dump(exclude={"lines"}),
            lines=tuple(DraftLine(line.fee_code, line.quantity) for line in body.lines),
            api_client_id=actor.id,
        )
        bill = issue_bill(session, draft, actor=actor, clock=clock)
        return 201, bill_view(session, bill, settings)

    return once(session, request, actor, body, work, clock=clock)


@router.get("/bills/{bill_reference}")
def read(
    bill_reference: Text, actor: PortalActor, session: ReadSession, settings: SettingsDep
) -> dict[str, Any]:
    """Return a bill with its lines and attempts."""
    return bill_view(session, _bill(session, bill_reference, actor), settings)


@router.get("/bills")
def search(
    dossier_code: Text, actor: PortalActor, session: ReadSession, settings: SettingsDep
) -> dict[str, Any]:
    """Return the bills of a dossier in this portal's offices, the newest first."""
    bills = session.exec(
        select(Bill)
        .join(Office, col(Office.id) == col(Bill.office_id))
        .where(Bill.dossier_code == dossier_code.strip().upper())
        .where(office_in(actor.office_path))
        .order_by(col(Bill.created_at).desc())
        .limit(100)
    )
    return {"bills": [bill_view(session, bill, settings) for bill in bills]}


@router.post("/bills/{bill_reference}/cancel")
def cancel(
    request: Request,
    bill_reference: Text,
    body: CancelIn,
    actor: PortalActor,
    session: WriteSession,
    clock: ClockDep,
    settings: SettingsDep,
) -> JSONResponse:
    """Withdraw a bill on which nothing was paid."""

    def work() -> tuple[int, dict[str, Any]]:
        bill = _bill(session, bill_reference, actor)
        cancel_bill(session, bill, actor=actor, reason=body.reason, clock=clock)
        return 200, bill_view(session, bill, settings)

    return once(session, request, actor, body, work, clock=clock)


def bill_view(session: Session, bill: Bill, settings: Settings) -> dict[str, Any]:
    """Return a bill as the portal sees it; amounts are whole minor units."""
    lines = session.exec(
        select(BillLine).where(BillLine.bill_id == bill.id).order_by(col(BillLine.position))
    )
    payments = session.exec(
        select(Payment).where(Payment.bill_id == bill.id).order_by(col(Payment.attempt))
    )
    waived = waived_positions(session, bill)
    return {
        "bill_reference": bill.bill_reference,
        "dossier_code": bill.dossier_code,
        "portal_reference": bill.portal_reference,
        "status": bill.status.value,
        "amount": bill.amount_minor,
        "due": bill.due_minor,
        "received": bill.received_minor,
        "currency": bill.currency.value,
        "due_date": bill.due_date.isoformat(),
        "expires_on": bill.expires_on.isoformat(),
        "pay_url": f"{settings.base_url.rstrip('/')}/bills/{bill.bill_reference}",
        "lines": [
            {
                "fee_code": line.fee_code,
                "kind": line.kind.value,
                "name": line.name_vi,
                "amount": line.amount_minor,
                "legal_basis": line.legal_basis,
                "waived": line.position in waived,
            }
            for line in lines
        ],
        "payments": [
            {
                "payment_id": payment.id,
                "channel": payment.channel.value,
                "status": payment.status.value,
                "amount": payment.amount_minor,
                "collected": payment.collected_minor,
                "confirmed": payment.confirmed_at is not None,
                "paid_at": _text(payment.paid_at),
            }
            for payment in payments
        ],
        "refunds": [
            {
                "refund_reference": refund.refund_reference,
                "payment_id": refund.payment_id,
                "channel": refund.channel.value,
                "status": refund.status.value,
                "amount": refund.amount_minor,
                "requested_at": _text(refund.created_at),
                "settled_at": _text(refund.settled_at),
            }
            for refund in refunds_of_bill(session, bill.id)
        ],
    }


def _bill(session: Session, bill_reference: str, actor: Actor) -> Bill:
    bill = session.exec(
        select(Bill).where(Bill.bill_reference == bill_reference.strip().upper())
    ).first()
    if bill is None or not actor.sees(session.get_one(Office, bill.office_id).path):
        raise BillNotFoundError
    return bill


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant is not None else None
