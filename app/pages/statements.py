"""Evidence from outside: statement files and settlement reports, listed, shown and uploaded."""

from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from app.auth.accounts import names_of
from app.auth.sessions import SignedIn
from app.dependencies import Importer, ReadSession, Reviewer, WordsDep
from app.i18n import Words
from app.pages.listing import address_of, chosen
from app.pages.rendering import render
from core.actors import Permission
from core.clock import business_day
from core.db import reading, transaction
from core.errors import DoisoatError
from payments import queries as payment_queries
from payments.channels import Channel
from reconciliation import queries
from reconciliation.continuity import QUARTER, chains_of
from reconciliation.errors import AccountUnknownError, EvidenceNotFoundError
from reconciliation.identity import normalise_account
from reconciliation.intake import (
    Delivery,
    ImportReport,
    import_settlement,
    import_statement,
    raw_file,
    undo_import,
)
from reconciliation.models import EvidenceFile, FileKind
from reconciliation.ports import Outcome, ParsedFile
from reconciliation.states import ItemKind
from scheduler.context import JobContext
from scheduler.jobs import safe_file_name

router = APIRouter()
LAYOUT_UNKNOWN = "S120"
"""The problem of a table that no profile fits: a person can save one."""
UPLOADED = "upload"
"""Where an uploaded file came from, in its record."""


class FileMissingError(DoisoatError):
    """The form came without a file."""

    code = "S030"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Choose a file"


@router.get("/staff/statements")
def list_statements(
    request: Request,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    outcome: str = "",
    page: int = 1,
) -> Response:
    """List the files that arrived, with what became of them, and take new ones."""
    return _list_page(request, session, person, words, outcome=outcome, page=page)


def _list_page(
    request: Request,
    session: Session,
    person: SignedIn,
    words: WordsDep,
    *,
    outcome: str = "",
    page: int = 1,
    error: DoisoatError | None = None,
) -> Response:
    found = queries.list_files(
        session,
        scope=person.actor.office_path,
        reader_id=person.actor.id,
        outcome=chosen(Outcome, outcome),
        page=page,
    )
    accounts = payment_queries.list_accounts(session, scope=person.actor.office_path)
    today = business_day(request.app.state.clock())
    return render(
        request,
        words,
        "staff/statements.html",
        status_code=error.status if error else HTTPStatus.OK,
        person=person,
        found=found,
        outcome=outcome,
        outcomes=list(Outcome),
        names=names_of(session, [row.imported_by for row in found.rows]),
        accounts={account.id: account for account in accounts},
        chains=[
            chain
            for account in accounts
            for chain in chains_of(session, account, since=today - QUARTER)
        ],
        providers=[channel for channel in Channel if channel is not Channel.BANK_TRANSFER],
        address=address_of(request),
        may_import=person.actor.may(Permission.IMPORT_STATEMENTS),
        error=error,
    )


@router.get("/staff/statements/{file_id}")
def show_statement(
    request: Request,
    file_id: str,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    known: str = "",
) -> Response:
    """Show one file: its statements or report, every line with its state, and every problem."""
    return _file_page(request, session, person, words, file_id=file_id, known=bool(known))


def _file_page(
    request: Request,
    session: Session,
    person: SignedIn,
    words: Words,
    *,
    file_id: str,
    known: bool = False,
    error: DoisoatError | None = None,
) -> Response:
    scope = person.actor.office_path
    row = queries.get_file(session, file_id, scope=scope, reader_id=person.actor.id)
    lines = queries.list_statement_lines(session, [one.id for one in row.statements])
    settled = queries.list_settlement_lines(session, [one.id for one in row.settlements])
    states = queries.states_of_items(session, ItemKind.BANK, [line.id for line in lines])
    states |= queries.states_of_items(session, ItemKind.SETTLEMENT, [one.id for one in settled])
    accounts = payment_queries.list_accounts(session, scope=scope)
    may_import = person.actor.may(Permission.IMPORT_STATEMENTS)
    return render(
        request,
        words,
        "staff/statement.html",
        status_code=error.status if error else HTTPStatus.OK,
        person=person,
        file=row,
        lines=lines,
        settled=settled,
        states=states,
        accounts={account.id: account for account in accounts},
        names=names_of(session, [row.imported_by]),
        known=known,
        error=error,
        may_undo=bool(row.statements) and row.outcome is Outcome.OK and may_import,
        may_read_again=row.kind is FileKind.STATEMENT
        and row.outcome is not Outcome.OK
        and may_import,
        may_lay_out=row.outcome is Outcome.REFUSED
        and any(problem["code"] == LAYOUT_UNKNOWN for problem in row.report.get("problems", []))
        and may_import,
    )


@router.post("/staff/statements/{file_id}/undo")
def undo_statement(
    request: Request,
    file_id: str,
    person: Importer,
    words: WordsDep,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Take back an import as a unit, while nothing of it is matched or closed."""
    context: JobContext = request.app.state.context
    try:
        with transaction(context.engine) as session:
            _require_own(session, file_id, person)
            undo_import(session, file_id, reason=reason, actor=person.actor, clock=context.clock)
    except DoisoatError as refusal:
        with reading(context.engine) as session:
            return _file_page(request, session, person, words, file_id=file_id, error=refusal)
    return RedirectResponse(f"/staff/statements/{file_id}", HTTPStatus.SEE_OTHER)


@router.post("/staff/statements/{file_id}/reading")
def read_again(request: Request, file_id: str, person: Importer, words: WordsDep) -> Response:
    """Read a file once more that was held or refused: what kept it may have been mended."""
    context: JobContext = request.app.state.context
    with reading(context.engine) as session:
        _require_own(session, file_id, person)
        file = session.get_one(EvidenceFile, file_id)
        if file.kind is not FileKind.STATEMENT:
            raise EvidenceNotFoundError
        content, name = raw_file(file, vault=context.vault), safe_file_name(file.name)
    try:
        _take(context, content, name, "statement", person)
    except DoisoatError as refusal:
        with reading(context.engine) as session:
            return _file_page(request, session, person, words, file_id=file_id, error=refusal)
    return RedirectResponse(f"/staff/statements/{file_id}", HTTPStatus.SEE_OTHER)


def _require_own(session: Session, file_id: str, person: SignedIn) -> None:
    queries.get_file(session, file_id, scope=person.actor.office_path, reader_id=person.actor.id)


@router.post("/staff/statements")
def upload_statement(
    request: Request,
    person: Importer,
    words: WordsDep,
    file: Annotated[UploadFile | None, File()] = None,
    kind: Annotated[str, Form()] = "statement",
) -> Response:
    """Take in a file: stored once, whole, or kept aside with the reason. Twice adds nothing."""
    context: JobContext = request.app.state.context
    try:
        if file is None or not file.filename:
            raise FileMissingError
        report = _take(context, file.file.read(), safe_file_name(file.filename), kind, person)
    except DoisoatError as refusal:
        with reading(context.engine) as session:
            return _list_page(request, session, person, words, error=refusal)
    place = f"/staff/statements/{report.file_id}"
    known = "?known=yes" if report.known_file else ""
    return RedirectResponse(place + known, HTTPStatus.SEE_OTHER)


def _take(
    context: JobContext, content: bytes, name: str, kind: str, person: SignedIn
) -> ImportReport:
    """Parse with no transaction open, then store in one."""
    provider = chosen(Channel, kind)
    delivery = Delivery(content=content, source=UPLOADED, actor=person.actor)
    context.scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=context.scratch) as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        if provider is not None:
            settlement = context.settlements.parse(path, provider=provider.value)
            with transaction(context.engine) as session:
                return import_settlement(
                    session, settlement, delivery, vault=context.vault, clock=context.clock
                )
        parsed = context.statements.parse(path)
    with transaction(context.engine) as session:
        _refuse_foreign(session, parsed, person)
        return import_statement(session, parsed, delivery, vault=context.vault, clock=context.clock)


def _refuse_foreign(session: Session, parsed: ParsedFile, person: SignedIn) -> None:
    """Refuse a statement of an account that other offices collect on."""
    every = payment_queries.list_accounts(session, scope="/")
    own = payment_queries.list_accounts(session, scope=person.actor.office_path)
    foreign = {normalise_account(a.account_number) for a in every} - {
        normalise_account(a.account_number) for a in own
    }
    if any(normalise_account(one.account) in foreign for one in parsed.statements):
        raise AccountUnknownError("the statement is of an account of other offices")
