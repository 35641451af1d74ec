"""Decisions of the second person: what waits for one, and resolutions approved or rejected."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from app.auth.accounts import names_of
from app.auth.sessions import SignedIn
from app.dependencies import (
    Approver,
    ClockDep,
    EngineDep,
    ReadSession,
    WordsDep,
)
from app.i18n import Words
from app.pages.listing import address_of
from app.pages.reasons import reason_of
from app.pages.rendering import render
from core.actors import Permission, PermissionDeniedError
from core.db import reading, transaction
from core.errors import DoisoatError, NotFoundError
from payments import queries as payment_queries
from payments.states import RefundStatus, RemittanceStatus
from reconciliation import mismatches, queries
from reconciliation.closing import list_prepared

router = APIRouter()
_REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY


@router.get("/staff/decisions")
def list_decisions(
    request: Request, person: Approver, words: WordsDep, session: ReadSession, page: int = 1
) -> Response:
    """List what waits for a second person: resolutions and refunds."""
    scope = person.actor.office_path
    proposals = queries.list_decisions(session, scope=scope)
    refunds = payment_queries.list_refunds(
        session, scope=scope, status=RefundStatus.REQUESTED, page=page
    )
    people = [r.proposed_by for r, _ in proposals]
    people += [view.refund.requested_by for view in refunds.rows]
    remittances = payment_queries.list_remittances(
        session, scope=scope, status=RemittanceStatus.PROPOSED
    ).rows
    people += [view.remittance.prepared_by for view in remittances]
    closes = list_prepared(session, scope=scope)
    people += [close.prepared_by for close in closes]
    return render(
        request,
        words,
        "staff/decisions.html",
        person=person,
        proposals=proposals,
        refunds=refunds,
        remittances=remittances,
        closes=closes,
        accounts={one.id: one for one in payment_queries.list_accounts(session, scope=scope)},
        address=address_of(request),
        reasons={row.mismatch.id: reason_of(row.mismatch, words) for _, row in proposals},
        counterparts={r.id: _counterpart_view(session, r.related_items) for r, _ in proposals},
        names=names_of(session, people),
    )


@router.get("/staff/decisions/{resolution_id}")
def show_decision(
    request: Request, resolution_id: str, person: Approver, words: WordsDep, session: ReadSession
) -> Response:
    """Show exactly what was proposed, with its evidence, to decide on it."""
    return _decision_page(request, session, resolution_id, person, words)


def _decision_page(
    request: Request,
    session: Session,
    resolution_id: str,
    person: SignedIn,
    words: Words,
    *,
    error: DoisoatError | None = None,
    note: str = "",
) -> Response:
    resolution = queries.get_resolution(session, resolution_id, scope=person.actor.office_path)
    view = queries.get_mismatch_view(
        session, resolution.mismatch_id, scope=person.actor.office_path
    )
    return render(
        request,
        words,
        "staff/decision.html",
        status_code=error.status if error else HTTPStatus.OK,
        person=person,
        resolution=resolution,
        view=view,
        reason=reason_of(view.mismatch, words),
        counterpart=_counterpart_view(session, resolution.related_items),
        names=names_of(session, [resolution.proposed_by, resolution.decided_by]),
        own=resolution.proposed_by == person.actor.id,
        may_read_books=person.actor.may(Permission.READ_BOOKS),
        error=error,
        note=note,
    )


def _counterpart_view(session: Session, related: str) -> dict[str, Any]:
    """What the proposal names as counterpart, spelled out for the one who decides."""
    kind, _, name = related.partition(":")
    if kind == "bill":
        found = payment_queries.find_bills(session, name)
        return {"bill": found[0]} if found else {}
    items = queries.load_evidence(session, queries.parse_items(related))
    return {"ours": items.ours[0]} if items.ours else {"bank": items.bank[0]} if items.bank else {}


@router.post("/staff/decisions/{resolution_id}")
def decide(
    request: Request,
    resolution_id: str,
    person: Approver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    decision: Annotated[str, Form()] = "",
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Approve or reject as a second person; what is refused is said on the page."""
    try:
        with transaction(engine) as session:
            resolution = queries.get_resolution(
                session, resolution_id, scope=person.actor.office_path
            )
            if decision not in {"approve", "reject"}:
                raise DecisionMissingError
            mismatches.decide_resolution(
                session,
                resolution,
                approve=decision == "approve",
                note=note,
                actor=person.actor,
                clock=clock,
            )
    except (NotFoundError, PermissionDeniedError):
        raise
    except DoisoatError as refusal:
        with reading(engine) as session:
            return _decision_page(
                request, session, resolution_id, person, words, error=refusal, note=note
            )
    return RedirectResponse("/staff/decisions", HTTPStatus.SEE_OTHER)


class DecisionMissingError(DoisoatError):
    """Neither approval nor rejection was chosen."""

    code = "R009"
    status = _REFUSED
    title = "Choose whether to approve or to reject"
