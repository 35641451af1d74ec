"""The auditor's exports of whole books: asked for here, written by a job, fetched in parts."""

from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from app.auth.accounts import names_of
from app.dependencies import (
    ClockDep,
    EngineDep,
    Exporter,
    ReadSession,
    WordsDep,
    WriteSession,
)
from app.pages.listing import address_of
from app.pages.rendering import render
from core.clock import business_day
from core.db import transaction
from core.errors import RequestInvalidError
from reconciliation.auditing.models import BookExport, ExportStatus, Format
from reconciliation.auditing.requests import ask_export, fetch_export, list_exports
from reconciliation.errors import ExportNotKeptError
from scheduler.context import JobContext

router = APIRouter()

_UNFINISHED = (ExportStatus.ASKED, ExportStatus.WRITING)


@router.get("/staff/export/books")
def show_exports(
    request: Request,
    person: Exporter,
    words: WordsDep,
    session: ReadSession,
    clock: ClockDep,
    page: int = 1,
) -> Response:
    """Show the form, and each export of the reader's offices: how far it is, or its file."""
    found = list_exports(session, scope=person.actor.office_path, page=page)
    today = business_day(clock())
    context: JobContext = request.app.state.context
    return render(
        request,
        words,
        "staff/book_exports.html",
        person=person,
        found=found,
        formats=tuple(Format),
        first=(today.replace(day=1) - timedelta(days=1)).replace(day=1),
        last=today,
        names=names_of(session, [export.asked_by for export in found.rows]),
        waiting=any(export.status in _UNFINISHED for export in found.rows),
        standing=_standing(found.rows),
        keep_days=context.export_days,
        address=address_of(request),
    )


@router.post("/staff/export/books")
def ask(
    person: Exporter,
    session: WriteSession,
    clock: ClockDep,
    first: Annotated[str, Form(max_length=10)] = "",
    last: Annotated[str, Form(max_length=10)] = "",
    kind: Annotated[str, Form(alias="format", max_length=20)] = "",
) -> Response:
    """Ask for the books of these days; the scheduler writes them within a minute or so."""
    if kind not in set(Format):
        raise RequestInvalidError("no such format")
    days = _day(first), _day(last)
    ask_export(session, *days, Format(kind), actor=person.actor, clock=clock)
    return RedirectResponse("/staff/export/books", HTTPStatus.SEE_OTHER)


@router.get("/staff/export/books/{export_id}.zip")
def send(
    request: Request, export_id: str, person: Exporter, engine: EngineDep, clock: ClockDep
) -> Response:
    """Send the archive, or the part of it that is asked for (RFC 9110, section 14).

    Its strong ETag is the SHA-256 of the file, so that a download that was cut off goes on only
    with the same bytes. Each request is written down before the first byte leaves.
    """
    context: JobContext = request.app.state.context
    with transaction(engine) as session:
        export = fetch_export(session, export_id, actor=person.actor, clock=clock)
    path = context.exports / f"{export.id}.zip"
    if not path.is_file():
        raise ExportNotKeptError
    return FileResponse(
        path,
        media_type="application/zip",
        filename=export.file_name,
        headers={"etag": f'"{export.sha256}"'},
    )


def _standing(rows: list[BookExport]) -> str:
    """Return what changes when there is something new to show."""
    return " ".join(f"{export.id}:{export.status}:{export.written}" for export in rows)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RequestInvalidError("days are written as 2026-12-31") from None
