"""Reads of the files that arrived and of their lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, func, or_, true
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from payments.queries import (
    ROOT,
    Page,
    account_in,
    paginate,
)
from reconciliation.errors import EvidenceNotFoundError
from reconciliation.models import (
    EvidenceFile,
    FileKind,
    Match,
    MatchItem,
    Mismatch,
    Settlement,
    SettlementLine,
    Statement,
    StatementLine,
)
from reconciliation.ports import Outcome
from reconciliation.queries.evidence import MAX_LINES
from reconciliation.queries.mismatches import LIVE
from reconciliation.states import (
    ItemKind,
)


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file that arrived, without its sealed bytes."""

    id: str
    name: str
    kind: FileKind
    format: str
    outcome: Outcome
    report: dict[str, Any]
    size: int
    source: str
    imported_by: str
    sha256: str
    received_at: datetime
    statements: list[Statement] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)


_FILE_COLUMNS: Final[tuple[Any, ...]] = (
    EvidenceFile.id, EvidenceFile.name, EvidenceFile.kind, EvidenceFile.format,
    EvidenceFile.outcome, EvidenceFile.report, EvidenceFile.size, EvidenceFile.source,
    EvidenceFile.imported_by, EvidenceFile.sha256, EvidenceFile.received_at,
)  # fmt: skip


def file_in(scope: str, reader_id: str) -> ColumnElement[bool]:
    """Return the condition that a file speaks of an account of the subtree, or is the reader's own.

    A refused file speaks of no account: only who brought it, and who sees everything, see it.
    """
    if scope == ROOT:
        return true()
    statements = select(Statement.file_id).where(account_in(col(Statement.account_id), scope))
    settlements = select(Settlement.file_id).where(account_in(col(Settlement.account_id), scope))
    return or_(
        col(EvidenceFile.id).in_(statements),
        col(EvidenceFile.id).in_(settlements),
        and_(true() if scope else false(), col(EvidenceFile.imported_by) == reader_id),
    )


def list_files(
    session: Session,
    *,
    scope: str,
    reader_id: str,
    outcome: Outcome | None = None,
    page: int = 1,
) -> Page[FileRow]:
    """Return the files that arrived for the subtree, the newest first."""
    query = select(EvidenceFile.id).where(file_in(scope, reader_id))
    if outcome is not None:
        query = query.where(EvidenceFile.outcome == outcome)
    newest = col(EvidenceFile.received_at).desc(), col(EvidenceFile.id).desc()
    found = paginate(session, query.order_by(*newest), page)
    return Page(_file_rows(session, found.rows, scope), found.number, found.total)


def get_file(session: Session, file_id: str, *, scope: str, reader_id: str) -> FileRow:
    """Return one file with its statements and reports of the subtree.

    Raises:
        EvidenceNotFoundError: there is none here.
    """
    seen = session.exec(
        select(EvidenceFile.id).where(EvidenceFile.id == file_id, file_in(scope, reader_id))
    ).first()
    if seen is None:
        raise EvidenceNotFoundError
    return _file_rows(session, [file_id], scope)[0]


def count_files(session: Session, *, scope: str, reader_id: str, outcome: Outcome) -> int:
    """Return how many files of the subtree had this outcome."""
    query = select(func.count()).where(EvidenceFile.outcome == outcome, file_in(scope, reader_id))
    return session.exec(query).one()


def _file_rows(session: Session, ids: Sequence[str], scope: str) -> list[FileRow]:
    found = {
        row[0]: row
        for row in session.execute(
            select_columns(*_FILE_COLUMNS).where(col(EvidenceFile.id).in_(ids))
        )
    }
    statements: dict[str, list[Statement]] = {}
    for statement in session.exec(
        select(Statement)
        .where(col(Statement.file_id).in_(ids), account_in(col(Statement.account_id), scope))
        .order_by(col(Statement.account_id), col(Statement.from_date), col(Statement.page))
    ):
        statements.setdefault(statement.file_id, []).append(statement)
    settlements: dict[str, list[Settlement]] = {}
    for settlement in session.exec(
        select(Settlement)
        .where(col(Settlement.file_id).in_(ids), account_in(col(Settlement.account_id), scope))
        .order_by(col(Settlement.account_id), col(Settlement.report_id))
    ):
        settlements.setdefault(settlement.file_id, []).append(settlement)
    return [_file_row(found[one], statements.get(one, []), settlements.get(one, [])) for one in ids]


def _file_row(row: Any, statements: list[Statement], settlements: list[Settlement]) -> FileRow:
    return FileRow(
        id=row.id,
        name=row.name,
        kind=row.kind,
        format=row.format,
        outcome=row.outcome,
        report=row.report,
        size=row.size,
        source=row.source,
        imported_by=row.imported_by,
        sha256=row.sha256,
        received_at=row.received_at,
        statements=statements,
        settlements=settlements,
    )


def list_statement_lines(
    session: Session, statement_ids: Sequence[str], *, limit: int = MAX_LINES
) -> list[StatementLine]:
    """Return the lines of statements in the order of the bank, at most ``limit``."""
    query = (
        select(StatementLine)
        .where(col(StatementLine.statement_id).in_(list(statement_ids)))
        .order_by(col(StatementLine.booking_date), col(StatementLine.id))
        .limit(limit)
    )
    return list(session.exec(query))


def list_settlement_lines(
    session: Session, settlement_ids: Sequence[str], *, limit: int = MAX_LINES
) -> list[SettlementLine]:
    """Return the lines of settlement reports, at most ``limit``."""
    query = (
        select(SettlementLine)
        .where(col(SettlementLine.settlement_id).in_(list(settlement_ids)))
        .order_by(col(SettlementLine.id))
        .limit(limit)
    )
    return list(session.exec(query))


def states_of_items(
    session: Session, kind: ItemKind, ids: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Return for each item whether it is matched, and by which rule, or flagged, and how.

    The value is ``("matched", rule)`` or ``(mismatch type, mismatch id)``; an item that no run
    has seen yet is left out.
    """
    states: dict[str, tuple[str, str]] = {}
    for item_id, rule in session.exec(
        select(MatchItem.item_id, Match.rule)
        .join(Match, col(MatchItem.match_id) == Match.id)
        .where(MatchItem.item_kind == kind, col(MatchItem.active), col(MatchItem.item_id).in_(ids))
    ):
        states[item_id] = ("matched", rule)
    for mismatch in session.exec(
        select(Mismatch).where(
            Mismatch.item_kind == kind,
            col(Mismatch.item_id).in_(ids),
            col(Mismatch.status).in_(LIVE),
        )
    ):
        states[mismatch.item_id] = (mismatch.type.value, mismatch.id)
    return states
