"""A table of unknown layout: how it would be read, what has to be said, and saving that."""

from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from app.auth.sessions import SignedIn
from app.dependencies import Importer, ReadSession, WordsDep
from app.i18n import Words
from app.pages.rendering import render
from core.actors import Actor
from core.db import reading, transaction
from core.errors import DoisoatError
from payments import queries as payment_queries
from reconciliation import queries
from reconciliation.errors import LayoutInvalidError, LayoutOpenError
from reconciliation.intake import Delivery, ImportReport, import_statement, raw_file
from reconciliation.layouts import save_layout
from reconciliation.models import EvidenceFile
from reconciliation.ports import LayoutAnswers, LayoutProposal, Outcome, ParsedStatement
from reconciliation.statement_json import PREVIEW_LINES, booked_totals
from scheduler.context import JobContext
from scheduler.jobs import safe_file_name

router = APIRouter()


def _answers(*given: str) -> LayoutAnswers:
    """What a person has said so far, as the form has it."""
    name, account, currency, date_order, decimal_mark, money_in = (one.strip() for one in given)
    return LayoutAnswers(name, "", account, currency.upper(), date_order, decimal_mark, money_in)


def _asked(
    name: Annotated[str, Query()] = "",
    account: Annotated[str, Query()] = "",
    currency: Annotated[str, Query()] = "",
    date_order: Annotated[str, Query()] = "",
    decimal_mark: Annotated[str, Query()] = "",
    money_in: Annotated[str, Query()] = "",
) -> LayoutAnswers:
    return _answers(name, account, currency, date_order, decimal_mark, money_in)


def _posted(
    name: Annotated[str, Form()] = "",
    account: Annotated[str, Form()] = "",
    currency: Annotated[str, Form()] = "",
    date_order: Annotated[str, Form()] = "",
    decimal_mark: Annotated[str, Form()] = "",
    money_in: Annotated[str, Form()] = "",
) -> LayoutAnswers:
    return _answers(name, account, currency, date_order, decimal_mark, money_in)


@router.get("/staff/statements/{file_id}/layout")
def show_layout(
    request: Request,
    file_id: str,
    person: Importer,
    words: WordsDep,
    session: ReadSession,
    answers: Annotated[LayoutAnswers, Depends(_asked)],
) -> Response:
    """Show how a table would be read with what is said so far."""
    return _page(request, session, person, words, file_id=file_id, answers=answers)


@router.post("/staff/statements/{file_id}/layout")
def keep_layout(
    request: Request,
    file_id: str,
    person: Importer,
    words: WordsDep,
    answers: Annotated[LayoutAnswers, Depends(_posted)],
) -> Response:
    """Save the layout and read the file by it at once."""
    context: JobContext = request.app.state.context
    try:
        report = _save_and_read(context, file_id, answers, person)
    except DoisoatError as refusal:
        with reading(context.engine) as session:
            return _page(
                request, session, person, words, file_id=file_id, answers=answers, error=refusal
            )
    return RedirectResponse(f"/staff/statements/{report.file_id}", HTTPStatus.SEE_OTHER)


def _page(
    request: Request,
    session: Session,
    person: SignedIn,
    words: Words,
    *,
    file_id: str,
    answers: LayoutAnswers,
    error: DoisoatError | None = None,
) -> Response:
    context: JobContext = request.app.state.context
    row = queries.get_file(
        session, file_id, scope=person.actor.office_path, reader_id=person.actor.id
    )
    proposal = None
    try:
        proposal = _proposal(context, session, file_id, answers)
    except LayoutInvalidError as refusal:
        error = error or refusal
    return render(
        request,
        words,
        "staff/layout_proposal.html",
        status_code=error.status if error else HTTPStatus.OK,
        person=person,
        file=row,
        proposal=proposal,
        previews=[_preview(one, words) for one in proposal.statements] if proposal else [],
        asked={one.about: one for one in proposal.questions} if proposal else {},
        answers=answers,
        accounts=payment_queries.list_accounts(session, scope=person.actor.office_path),
        error=error,
    )


@dataclass(frozen=True, slots=True)
class Preview:
    """What a proposed layout gives for one account, as it is shown."""

    account: str
    currency: str
    first: date | None
    last: date | None
    opening: str
    money_in: str
    money_out: str
    closing: str
    lines: list[tuple[date | None, str, str, str]]


def _preview(statement: ParsedStatement, words: Words) -> Preview:
    _, credit, debit = booked_totals(statement.lines)
    lines = [
        (
            line.booking_date,
            line.narrative,
            f"{line.counterparty_name} {line.reference} {line.bank_reference}".strip(),
            words.decimal(line.amount),
        )
        for line in statement.lines[:PREVIEW_LINES]
    ]
    return Preview(
        account=statement.account,
        currency="" if statement.currency == "XXX" else statement.currency,
        first=statement.from_date,
        last=statement.to_date,
        opening=words.decimal(statement.opening_balance),
        money_in=words.decimal(credit),
        money_out=words.decimal(debit),
        closing=words.decimal(statement.closing_balance),
        lines=lines,
    )


def _proposal(
    context: JobContext, session: Session, file_id: str, answers: LayoutAnswers
) -> LayoutProposal | None:
    """Propose a layout for a stored file that nothing was taken from; None if it is no table."""
    file = session.get_one(EvidenceFile, file_id)
    if file.outcome is Outcome.OK:
        return None
    content = raw_file(file, vault=context.vault)
    context.scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=context.scratch) as folder:
        path = Path(folder) / safe_file_name(file.name)
        path.write_bytes(content)
        return context.statements.propose(path, answers)


def _save_and_read(
    context: JobContext, file_id: str, answers: LayoutAnswers, person: SignedIn
) -> ImportReport:
    """Save the layout in one transaction, then read the file by it and store it in another."""
    actor: Actor = person.actor
    with reading(context.engine) as session:
        queries.get_file(session, file_id, scope=actor.office_path, reader_id=actor.id)
        proposal = _proposal(context, session, file_id, answers)
        file = session.get_one(EvidenceFile, file_id)
        delivery = Delivery(raw_file(file, vault=context.vault), file.source, actor)
        name = file.name
    if proposal is None or proposal.questions or not answers.name:
        raise LayoutOpenError
    account = proposal.statements[0].account if proposal.statements else answers.account
    with transaction(context.engine) as session:
        layout = save_layout(
            session, proposal.profile, account_number=account, actor=actor, clock=context.clock
        )
        label = layout.name
    with TemporaryDirectory(dir=context.scratch) as folder:
        path = Path(folder) / safe_file_name(name)
        path.write_bytes(delivery.content)
        parsed = context.statements.parse(path, profile=label)
    with transaction(context.engine) as session:
        return import_statement(session, parsed, delivery, vault=context.vault, clock=context.clock)
