"""Exports that auditors ask for: asked, written by a job, fetched, and removed after their days."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, false
from sqlmodel import Session, col, select

from core.actors import Actor
from core.audit import record_audit
from core.clock import Clock, business_day
from payments.queries import Page, paginate
from reconciliation.auditing.books import book_range
from reconciliation.auditing.models import BookExport, ExportStatus, Format
from reconciliation.errors import ExportNotKeptError, TooManyExportsError

MAX_WAITING: Final = 5
"""Exports that one person may have waiting at a time."""

_UNFINISHED: Final = (ExportStatus.ASKED, ExportStatus.WRITING)


@dataclass(frozen=True, slots=True)
class Archive:
    """The file that an export became."""

    byte_count: int
    sha256: str


def ask_export(
    session: Session, first: date, last: date, kind: Format, *, actor: Actor, clock: Clock
) -> BookExport:
    """Ask for the books of these days, of the offices that the actor sees.

    Raises:
        ExportRangeError: the days are no range of the books.
        TooManyExportsError: so many of this person wait already.
    """
    today = business_day(clock())
    wanted = book_range(session, first, last, scope=actor.office_path, today=today)
    mine = select(BookExport).where(BookExport.asked_by == actor.id)
    if len(session.exec(mine.where(col(BookExport.status).in_(_UNFINISHED))).all()) >= MAX_WAITING:
        raise TooManyExportsError(f"{MAX_WAITING} exports are waiting")
    export = BookExport(
        first_date=wanted.first,
        last_date=wanted.last,
        scope=wanted.scope,
        format=kind,
        asked_by=actor.id,
        asked_at=clock(),
    )
    session.add(export)
    said = {"from": f"{first}", "to": f"{last}", "format": kind.value}
    subject = ("book_export", export.id)
    record_audit(session, actor, "ask_book_export", subject, clock=clock, after=said)
    return export


def list_exports(session: Session, *, scope: str, page: int) -> Page[BookExport]:
    """Return the exports of offices in the subtree, the newest first."""
    query = select(BookExport).where(_export_in(scope))
    newest = col(BookExport.asked_at).desc(), col(BookExport.id).desc()
    return paginate(session, query.order_by(*newest), page)


def fetch_export(session: Session, export_id: str, *, actor: Actor, clock: Clock) -> BookExport:
    """Return an export whose file may be sent, and write down who fetched it.

    Raises:
        ExportNotKeptError: there is none in the actor's scope, it is not ready, or was removed.
    """
    query = select(BookExport).where(BookExport.id == export_id)
    export = session.exec(query.where(_export_in(actor.office_path))).first()
    if export is None or export.status is not ExportStatus.READY:
        raise ExportNotKeptError
    subject = ("book_export", export.id)
    record_audit(session, actor, "fetch_book_export", subject, clock=clock)
    return export


def unfinished_exports(session: Session) -> list[BookExport]:
    """Return what is to be written, the oldest first; also what a crash cut off."""
    query = select(BookExport).where(col(BookExport.status).in_(_UNFINISHED))
    return list(session.exec(query.order_by(col(BookExport.asked_at), col(BookExport.id))))


def record_progress(session: Session, export_id: str, written: int, expected: int) -> None:
    """Write down how many transfers are written, of how many."""
    export = session.get_one(BookExport, export_id, with_for_update=True)
    export.status, export.written, export.expected = ExportStatus.WRITING, written, expected
    session.add(export)


def record_ready(
    session: Session,
    export_id: str,
    about: dict[str, Any],
    archive: Archive,
    *,
    keep: timedelta,
    clock: Clock,
) -> None:
    """Write down that the file is whole, what it adds up to, and until when it is kept."""
    export = session.get_one(BookExport, export_id, with_for_update=True)
    export.status, export.finished_at = ExportStatus.READY, clock()
    export.kept_until = export.finished_at + keep
    export.written = export.expected = about["transfers"]
    export.totals, export.problem = about["totals"], ""
    export.byte_count, export.sha256 = archive.byte_count, archive.sha256
    session.add(export)


def record_failed(session: Session, export_id: str, problem: str, *, clock: Clock) -> None:
    """Write down why an export could not be written; it has to be asked for again."""
    export = session.get_one(BookExport, export_id, with_for_update=True)
    export.status, export.finished_at = ExportStatus.FAILED, clock()
    export.problem = problem
    session.add(export)


def overdue_exports(session: Session, *, clock: Clock) -> list[BookExport]:
    """Return those whose file was kept for its days."""
    ready = select(BookExport).where(BookExport.status == ExportStatus.READY)
    return list(session.exec(ready.where(col(BookExport.kept_until) <= clock())))


def record_removed(session: Session, export_id: str) -> None:
    """Write down that the file is gone; who asked and what it added up to stays."""
    export = session.get_one(BookExport, export_id, with_for_update=True)
    export.status = ExportStatus.REMOVED
    session.add(export)


def _export_in(scope: str) -> ColumnElement[bool]:
    """Return the condition that all of an export lies in the subtree."""
    if not scope:
        return false()
    return col(BookExport.scope).startswith(scope, autoescape=True)
