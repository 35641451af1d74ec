"""The officer's day: what came in, what matched by itself, what did not and why, what is ageing."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app.auth.accounts import names_of
from app.dependencies import ClockDep, JobRunner, ReadSession, Reviewer, WordsDep, WriteSession
from app.pages.listing import address_of, chosen
from app.pages.rendering import render
from core.actors import Permission
from core.audit import record_audit
from core.clock import business_day
from core.errors import NotFoundError
from core.outbox import MessageStatus, replay
from payments import queries
from payments.states import BillStatus, RefundStatus
from reconciliation import queries as evidence
from reconciliation.continuity import QUARTER, chains_of
from reconciliation.ports import Outcome

router = APIRouter()
BANDS: Final = evidence.AGE_BANDS


@router.get("/staff")
def show_today(
    request: Request, person: Reviewer, words: WordsDep, session: ReadSession, clock: ClockDep
) -> Response:
    """Show the day on one page, for the reader's offices."""
    scope, now = person.actor.office_path, clock()
    today = business_day(now)
    runs = evidence.latest_runs(session, scope=scope)
    in_doubt, in_doubt_count = queries.list_in_doubt(session, scope=scope, now=now)
    waiting = {"scope": scope, "reader_id": person.actor.id}
    return render(
        request,
        words,
        "staff/today.html",
        person=person,
        today=today,
        sums=queries.sums_by_channel(session, scope=scope, day=today),
        bank=evidence.count_lines_of_day(session, scope=scope, day=today),
        runs=runs,
        layers=evidence.layer_sums(run for run, _ in runs),
        types=evidence.count_by_type(session, scope=scope),
        ages=evidence.ageing(session, scope=scope, now=now),
        bands=BANDS,
        in_doubt=in_doubt,
        in_doubt_count=in_doubt_count,
        decisions=len(evidence.list_decisions(session, scope=scope)),
        refunds=queries.list_refunds(session, scope=scope, status=RefundStatus.REQUESTED).total,
        orderable=sum(len(one.refunds) for one in queries.list_orderable(session, scope=scope)),
        gaps=sum(
            len(chain.gaps)
            for account in queries.list_accounts(session, scope=scope)
            for chain in chains_of(session, account, since=today - QUARTER)
        ),
        held=evidence.count_files(session, outcome=Outcome.HELD, **waiting),
        refused=evidence.count_files(session, outcome=Outcome.REFUSED, **waiting),
        may_approve=person.actor.may(Permission.APPROVE),
    )


@router.get("/staff/bills")
def list_bills(
    request: Request,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    text: str = "",
    status: str = "",
    page: int = 1,
) -> Response:
    """List bills by code, payer or state."""
    found = queries.search_bills(
        session,
        scope=person.actor.office_path,
        text=text[:80],
        status=chosen(BillStatus, status),
        page=page,
    )
    return render(
        request,
        words,
        "staff/bills.html",
        person=person,
        found=found,
        text=text,
        status=status,
        statuses=list(BillStatus),
        address=address_of(request),
    )


@router.get("/staff/bills/{reference}")
def show_bill(
    request: Request, reference: str, person: Reviewer, words: WordsDep, session: ReadSession
) -> Response:
    """Show one bill with its payer, every attempt, its books and who did what."""
    view = queries.get_bill_view(session, reference, scope=person.actor.office_path)
    subjects = [view.bill.id, *(attempt.id for attempt in view.attempts)]
    subjects += [refund.id for refund in view.refunds]
    audit = queries.list_audit(session, subjects)
    return render(
        request,
        words,
        "staff/bill.html",
        person=person,
        view=view,
        entries=queries.list_entries_of_bill(session, view.bill.id),
        audit=audit,
        names=names_of(session, [event.actor_id for event in audit]),
        may_read_books=person.actor.may(Permission.READ_BOOKS),
        may_resolve=person.actor.may(Permission.RESOLVE),
    )


@router.get("/staff/messages")
def list_messages(
    request: Request,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    status: str = "",
    page: int = 1,
) -> Response:
    """List messages to citizens and portals, with what became of them."""
    found = queries.list_messages(
        session,
        scope=person.actor.office_path,
        status=chosen(MessageStatus, status),
        page=page,
    )
    return render(
        request,
        words,
        "staff/messages.html",
        person=person,
        found=found,
        status=status,
        statuses=list(MessageStatus),
        address=address_of(request),
        may_replay=person.actor.may(Permission.RUN_JOBS),
    )


@router.post("/staff/messages/{message_id}/replay")
def replay_message(
    message_id: str, person: JobRunner, session: WriteSession, clock: ClockDep
) -> Response:
    """Send a message again from the beginning."""
    message = queries.find_message(session, message_id, scope=person.actor.office_path)
    if message is None:
        raise NotFoundError
    before = message.status
    session.add(replay(message, now=clock()))
    record_audit(
        session, person.actor, "replay_message", ("outbox_message", message.id), clock=clock,
        before={"status": before.value}, after={"status": message.status.value},
    )  # fmt: skip
    return RedirectResponse("/staff/messages", HTTPStatus.SEE_OTHER)
