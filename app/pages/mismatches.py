"""Mismatches: the list, one with its evidence side by side, and the decisions on it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Engine
from sqlmodel import Session

from app.auth.accounts import list_resolvers, names_of
from app.auth.sessions import SignedIn
from app.dependencies import (
    ClockDep,
    EngineDep,
    ReadSession,
    Resolver,
    Reviewer,
    SettingsDep,
    WordsDep,
)
from app.i18n import Language, Words
from app.pages import labels
from app.pages.listing import address_of, chosen
from app.pages.reasons import reason_of, sum_or_text
from app.pages.rendering import render
from core.actors import Permission, PermissionDeniedError
from core.db import reading, transaction
from core.errors import DoisoatError, NotFoundError
from core.settings import Settings
from payments import queries as payment_queries
from reconciliation import mismatches, queries
from reconciliation.models import Mismatch
from reconciliation.queries import MismatchFilter, MismatchView
from reconciliation.resolutions import can_be_booked
from reconciliation.states import (
    ItemKind,
    Layer,
    MismatchStatus,
    MismatchType,
    ResolutionKind,
)
from reconciliation.suggesting.open_money import SuggestedBill, find_suggestion

router = APIRouter()
_REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY


@router.get("/staff/mismatches")
def list_mismatches(  # noqa: PLR0913, PLR0917 - a list and its filters
    request: Request,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    clock: ClockDep,
    type: str = "",  # noqa: A002 - the name in the address
    status: str = "live",
    layer: str = "",
    assignee: str = "",
    age: str = "",
    page: int = 1,
) -> Response:
    """List mismatches of the reader's offices, the oldest first."""
    wanted = MismatchFilter(
        status=chosen(MismatchStatus, status),
        live_only=status == "live",
        type=chosen(MismatchType, type),
        layer=chosen(Layer, layer),
        assignee=person.actor.id if assignee == "me" else assignee,
        older_than_days=int(age) if age.isdecimal() else 0,
    )
    scope, now = person.actor.office_path, clock()
    found = queries.list_mismatches(session, wanted, scope=scope, now=now, page=page)
    return render(
        request,
        words,
        "staff/mismatches.html",
        person=person,
        found=found,
        reasons={row.mismatch.id: reason_of(row.mismatch, words) for row in found.rows},
        names=names_of(session, [row.mismatch.assigned_to for row in found.rows]),
        types=list(MismatchType),
        statuses=list(MismatchStatus),
        layers=list(Layer),
        chosen={
            "type": type, "status": status, "layer": layer, "assignee": assignee, "age": age,
        },
        address=address_of(request),
    )  # fmt: skip


@router.get("/staff/mismatches/{mismatch_id}")
def show_mismatch(
    request: Request,
    mismatch_id: str,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    settings: SettingsDep,
) -> Response:
    """Show one mismatch: evidence side by side, candidates, history, and how to resolve it."""
    return _mismatch_page(request, session, mismatch_id, person, words, settings)


def _mismatch_page(
    request: Request,
    session: Session,
    mismatch_id: str,
    person: SignedIn,
    words: Words,
    settings: Settings,
    *,
    error: DoisoatError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    view = queries.get_mismatch_view(session, mismatch_id, scope=person.actor.office_path)
    path = view.office.path if view.office else _account_path(session, view)
    events = view.history
    people = [e.actor_id for e in events] + [e.text for e in events]
    people += [r.proposed_by for r in view.resolutions] + [view.mismatch.assigned_to or ""]
    suggested = find_suggestion(session, view.mismatch, scope=person.actor.office_path)
    return render(
        request,
        words,
        "staff/mismatch.html",
        status_code=error.status if error else HTTPStatus.OK,
        person=person,
        view=view,
        reason=reason_of(view.mismatch, words),
        said=lambda text: sum_or_text(text, words),
        names=names_of(session, people),
        resolvers=list_resolvers(session, path),
        kinds=_possible_kinds(view.mismatch, settings),
        suggested=suggested,
        counterparts=_suggested_option(suggested, words) + _counterparts(view, words),
        may_resolve=person.actor.may(Permission.RESOLVE),
        may_approve=person.actor.may(Permission.APPROVE),
        may_read_books=person.actor.may(Permission.READ_BOOKS),
        error=error,
        typed=typed or {},
    )


def _account_path(session: Session, view: MismatchView) -> str:
    offices = payment_queries.list_offices(session, scope="/")
    return next((o.path for o in offices if o.account_id == view.account.id), "/")


def _possible_kinds(mismatch: Mismatch, settings: Settings) -> list[ResolutionKind]:
    """The ways that can be open for this mismatch, so that nobody is offered a dead end."""
    kinds = [ResolutionKind.ACCEPT]
    if mismatch.layer is not Layer.PAYOUT:
        kinds.insert(0, ResolutionKind.MATCH)
    if can_be_booked(mismatch):
        kinds.append(ResolutionKind.BOOK_AS_OTHER)
        if mismatch.amount_minor > 0:
            kinds.append(ResolutionKind.RETURN_TO_PAYER)
    is_ours = mismatch.item_kind is ItemKind.PAYMENT
    if is_ours and abs(mismatch.amount_minor) <= settings.write_off_limit_minor:
        kinds.append(ResolutionKind.WRITE_OFF)
    return kinds


def _counterparts(view: MismatchView, words: Words) -> list[dict[str, str]]:
    """The counterparts that evidence and candidates name, each as the use case wants it."""
    if view.mismatch.item_kind is ItemKind.PAYMENT:
        return _line_options(view, words)
    options = []
    for record in (*view.evidence.ours, *view.candidates.ours):
        if record.bill is None:
            continue
        bill = record.bill.bill_reference
        if record.refund is not None:
            amount = words.minor(record.refund.amount_minor, record.refund.currency)
            text = words.say("Refund for bill %(bill)s, %(amount)s", bill=bill, amount=amount)
        elif record.payment is not None:
            amount = words.money(record.payment.amount)
            text = words.say("Payment for bill %(bill)s, %(amount)s", bill=bill, amount=amount)
        else:
            continue
        options.append({"value": f"payment:{record.id}", "text": text})
    return options


def _suggested_option(suggested: SuggestedBill | None, words: Words) -> list[dict[str, str]]:
    if suggested is None:
        return []
    bill = suggested.bill.bill_reference
    text = words.say(
        "Suggested: bill %(bill)s of %(payer)s", bill=bill, payer=suggested.bill.payer_name
    )
    return [{"value": f"bill:{bill}", "text": text}]


def _line_options(view: MismatchView, words: Words) -> list[dict[str, str]]:
    bank = [
        {
            "value": f"{ItemKind.BANK}:{line.id}",
            "text": words.say(
                "Bank line of %(day)s, %(amount)s",
                day=words.day(line.booking_date),
                amount=words.minor(line.amount_minor, line.currency),
            ),
        }
        for line in (*view.evidence.bank, *view.candidates.bank)
    ]
    provider = [
        {
            "value": f"{ItemKind.SETTLEMENT}:{line.id}",
            "text": words.say(
                "Line of %(channel)s, %(amount)s",
                channel=words.say(labels.name(line.provider)),
                amount=words.minor(line.gross_minor, line.currency),
            ),
        }
        for line in (*view.evidence.provider, *view.candidates.provider)
    ]
    return bank + provider


# What people do


Act = Callable[[Session, Mismatch], Any]


def _act(
    request: Request,
    engine: Engine,
    mismatch_id: str,
    person: SignedIn,
    words: Words,
    act: Act,
    *,
    typed: dict[str, str] | None = None,
) -> Response:
    """Carry out an act in one transaction; what is refused is said on the page, with the input."""
    try:
        with transaction(engine) as session:
            act(session, mismatches.get_mismatch(session, mismatch_id, actor=person.actor))
    except (NotFoundError, PermissionDeniedError):
        raise
    except DoisoatError as refusal:
        with reading(engine) as session:
            return _mismatch_page(
                request,
                session,
                mismatch_id,
                person,
                words,
                request.app.state.settings,
                error=refusal,
                typed=typed,
            )
    return RedirectResponse(f"/staff/mismatches/{mismatch_id}", HTTPStatus.SEE_OTHER)


@router.post("/staff/mismatches/{mismatch_id}/comments")
def add_comment(
    request: Request,
    mismatch_id: str,
    person: Resolver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    text: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Add a remark to the history."""

    def act(session: Session, mismatch: Mismatch) -> None:
        mismatches.comment_mismatch(session, mismatch, text, actor=person.actor, clock=clock)

    return _act(request, engine, mismatch_id, person, words, act, typed={"text": text})


@router.post("/staff/mismatches/{mismatch_id}/assignment")
def assign(
    request: Request,
    mismatch_id: str,
    person: Resolver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    assignee: Annotated[str, Form()] = "",
) -> Response:
    """Give the mismatch to somebody who sees its office, or to nobody."""

    def act(session: Session, mismatch: Mismatch) -> None:
        view = queries.get_mismatch_view(session, mismatch.id, scope=person.actor.office_path)
        path = view.office.path if view.office else _account_path(session, view)
        known = {user.id for user in list_resolvers(session, path)}
        mismatches.assign_mismatch(
            session,
            mismatch,
            assignee if assignee in known else None,
            actor=person.actor,
            clock=clock,
        )

    return _act(request, engine, mismatch_id, person, words, act)


@router.post("/staff/mismatches/{mismatch_id}/resolutions")
def propose(  # noqa: PLR0913, PLR0917 - what the act needs
    request: Request,
    mismatch_id: str,
    person: Resolver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    settings: SettingsDep,
    kind: Annotated[str, Form()] = "",
    counterpart: Annotated[str, Form()] = "",
    bill_code: Annotated[str, Form(max_length=80)] = "",
    reason: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Propose how to close the mismatch; whatever moves money waits for a second person."""
    typed = {"kind": kind, "counterpart": counterpart, "bill_code": bill_code, "reason": reason}

    def act(session: Session, mismatch: Mismatch) -> None:
        way = chosen(ResolutionKind, kind)
        if way is None:
            raise ResolutionMissingError
        mismatches.propose_resolution(
            session,
            mismatch,
            way,
            reason,
            counterpart=_named_counterpart(session, mismatch, person, counterpart, bill_code)
            if way is ResolutionKind.MATCH
            else "",
            actor=person.actor,
            clock=clock,
            write_off_limit_minor=settings.write_off_limit_minor,
        )

    return _act(request, engine, mismatch_id, person, words, act, typed=typed)


class ResolutionMissingError(DoisoatError):
    """No way of resolving was chosen."""

    code = "R008"
    status = _REFUSED
    title = "Choose how to resolve it"


def _named_counterpart(
    session: Session, mismatch: Mismatch, person: SignedIn, counterpart: str, bill_code: str
) -> str:
    """The chosen counterpart, or the bill that a typed code names in the person's offices.

    Only what the page offered, or a bill the person may see, is passed on.
    """
    view = queries.get_mismatch_view(session, mismatch.id, scope=person.actor.office_path)
    offered = {option["value"] for option in _counterparts(view, Words(Language.ENGLISH))}
    if counterpart in offered:
        return counterpart
    kind, _, suggested = counterpart.partition(":")
    code = suggested if kind == "bill" and suggested else bill_code
    bills = payment_queries.find_bills(session, code, scope=person.actor.office_path)
    return f"bill:{bills[0].bill_reference}" if len(bills) == 1 else ""
