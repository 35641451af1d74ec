"""Remittances to the State Treasury: proposed by one, decided by another, ordered, followed."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Engine
from sqlmodel import Session

from app.auth.accounts import names_of
from app.auth.sessions import SignedIn
from app.dependencies import (
    Approver,
    ClockDep,
    EngineDep,
    ReadSession,
    Resolver,
    Reviewer,
    WordsDep,
    WriteSession,
)
from app.i18n import Words
from app.pages.decisions import DecisionMissingError
from app.pages.listing import address_of
from app.pages.rendering import render
from core.actors import Permission, PermissionDeniedError
from core.audit import record_audit
from core.db import reading, transaction
from core.errors import DoisoatError, NotFoundError
from payments import queries, treasury
from payments.errors import RemittanceNotPossibleError
from payments.models import Remittance
from payments.states import RemittanceStatus
from reconciliation import remitting
from reconciliation.queries import debits_of

router = APIRouter()

_FILES: Final = {"xml": "application/xml", "csv": "text/csv; charset=utf-8"}
Note = Annotated[str, Form(max_length=2000)]


@router.get("/staff/remittances")
def list_remittances(
    request: Request, person: Reviewer, words: WordsDep, session: ReadSession, page: int = 1
) -> Response:
    """List what is due by account, and the remittances that were made."""
    scope = person.actor.office_path
    found = queries.list_remittances(session, scope=scope, page=page)
    accounts = queries.list_accounts(session, scope=scope)
    due = [(account, remitting.due(session, account)) for account in accounts]
    return render(
        request,
        words,
        "staff/remittances.html",
        person=person,
        due=[(account, parts, sum(parts.values())) for account, parts in due if parts],
        found=found,
        debits=debits_of(session, [view.remittance.id for view in found.rows]),
        may_propose=person.actor.may(Permission.RESOLVE),
        address=address_of(request),
    )


@router.post("/staff/remittances")
def propose(
    person: Resolver,
    session: WriteSession,
    clock: ClockDep,
    account_id: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Propose to send everything that is due from an account."""
    accounts = queries.list_accounts(session, scope=person.actor.office_path)
    account = next((one for one in accounts if one.id == account_id), None)
    if account is None:
        raise RemittanceNotPossibleError("there is no such account here")
    remittance = remitting.propose(session, account, actor=person.actor, clock=clock)
    return RedirectResponse(f"/staff/remittances/{remittance.id}", HTTPStatus.SEE_OTHER)


@router.get("/staff/remittances/{remittance_id}")
def show_remittance(
    request: Request, remittance_id: str, person: Reviewer, words: WordsDep, session: ReadSession
) -> Response:
    """Show one remittance: what it consists of, where it goes, and what became of it."""
    return _page(request, session, remittance_id, person, words)


def _page(
    request: Request,
    session: Session,
    remittance_id: str,
    person: SignedIn,
    words: Words,
    *,
    error: DoisoatError | None = None,
    note: str = "",
) -> Response:
    view = queries.get_remittance_view(session, remittance_id, scope=person.actor.office_path)
    sent, actor = view.remittance, person.actor
    audit = queries.list_audit(session, [sent.id])
    own = sent.prepared_by == actor.id
    decides = actor.may(Permission.APPROVE) and not own
    debit = debits_of(session, [sent.id]).get(sent.id)
    return render(
        request,
        words,
        "staff/remittance.html",
        status_code=error.status if error else HTTPStatus.OK,
        person=person,
        view=view,
        debit=debit,
        audit=audit,
        names=names_of(session, [*(e.actor_id for e in audit), sent.prepared_by, sent.approved_by]),
        own=own,
        may_decide=decides and sent.status is RemittanceStatus.PROPOSED,
        may_withdraw=decides and sent.status is RemittanceStatus.APPROVED,
        may_order=actor.may(Permission.RESOLVE) and sent.status is RemittanceStatus.APPROVED,
        may_say_refused=actor.may(Permission.APPROVE)
        and sent.status is RemittanceStatus.ORDERED
        and debit is None,
        error=error,
        note=note,
    )


_Act = Callable[[Session, Remittance], object]


def _act(
    request: Request,
    engine: Engine,
    remittance_id: str,
    person: SignedIn,
    words: Words,
    act: _Act,
    *,
    note: str = "",
) -> Response:
    """Carry out an act in one transaction; what is refused is said on the page."""
    scope = person.actor.office_path
    try:
        with transaction(engine) as session:
            act(
                session, queries.get_remittance_view(session, remittance_id, scope=scope).remittance
            )
    except (NotFoundError, PermissionDeniedError):
        raise
    except DoisoatError as refusal:
        with reading(engine) as session:
            return _page(request, session, remittance_id, person, words, error=refusal, note=note)
    return RedirectResponse(f"/staff/remittances/{remittance_id}", HTTPStatus.SEE_OTHER)


@router.post("/staff/remittances/{remittance_id}/decision")
def decide(
    request: Request,
    remittance_id: str,
    person: Approver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    decision: Annotated[str, Form(max_length=20)] = "",
    note: Note = "",
) -> Response:
    """Approve exactly this remittance as a second person, or turn it down."""

    def act(session: Session, sent: Remittance) -> object:
        actor = person.actor
        if decision == "approve":
            return remitting.approve(session, sent, note=note, actor=actor, clock=clock)
        if decision == "reject":
            return treasury.reject_remittance(session, sent, note=note, actor=actor, clock=clock)
        raise DecisionMissingError

    return _act(request, engine, remittance_id, person, words, act, note=note)


@router.post("/staff/remittances/{remittance_id}/order")
def make_order(
    request: Request,
    remittance_id: str,
    person: Resolver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
) -> Response:
    """Make the file that orders the bank to send it."""

    def act(session: Session, sent: Remittance) -> object:
        return remitting.order(session, sent, actor=person.actor, clock=clock)

    return _act(request, engine, remittance_id, person, words, act)


@router.post("/staff/remittances/{remittance_id}/refusal")
def say_refused(
    request: Request,
    remittance_id: str,
    person: Approver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    note: Note = "",
) -> Response:
    """Record in the bank's words that it did not send it."""

    def act(session: Session, sent: Remittance) -> object:
        return remitting.record_refusal(session, sent, note=note, actor=person.actor, clock=clock)

    return _act(request, engine, remittance_id, person, words, act, note=note)


@router.get("/staff/remittances/{remittance_id}/order.{form}")
def send_order(
    remittance_id: str, form: str, person: Reviewer, session: WriteSession, clock: ClockDep
) -> Response:
    """Send the file for the bank, the same bytes each time; it is recorded who fetched it."""
    view = queries.get_remittance_view(session, remittance_id, scope=person.actor.office_path)
    if view.order is None or form not in _FILES:
        raise NotFoundError
    record_audit(
        session, person.actor, "fetch_remittance_order", ("remittance", remittance_id),
        clock=clock, after={"form": form},
    )  # fmt: skip
    content = view.order.content if form == "xml" else view.order.sheet
    name = f"remittance-{view.account.account_number}-{view.remittance.reference}.{form}"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(content, media_type=_FILES[form], headers=headers)
