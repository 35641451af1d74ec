"""Taking an import back as a unit, while nothing of it is matched or closed.

The lines stay, as every fact does; their entries are reversed, and nothing counts or compares them
any more. The same file, or a corrected one, can then be brought in and is new.
"""

from collections.abc import Sequence
from dataclasses import asdict

from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from payments.ledger import posting
from payments.ledger.models import AccountingPeriod, JournalEntry, MoneyEvent
from payments.models import CollectingAccount
from reconciliation.errors import EvidenceNotFoundError, ImportInUseError, ReasonMissingError
from reconciliation.intake.files import require_scope
from reconciliation.mismatches import heal_mismatch, hold_account
from reconciliation.models import EvidenceFile, MatchItem, Mismatch, Statement, StatementLine
from reconciliation.ports import Outcome, Problem
from reconciliation.states import ItemKind, MismatchStatus

_SHORTEST_REASON = 8
_BATCH = 500


def undo_import(
    session: Session, file_id: str, *, reason: str, actor: Actor, clock: Clock
) -> EvidenceFile:
    """Take back everything that a statement file has brought.

    Raises:
        EvidenceNotFoundError: there is no such file, or nothing of it is in the books.
        PermissionDeniedError: it is of an account of other offices.
        ReasonMissingError: no reason is given.
        ImportInUseError: a line of it is matched, decided upon, or of a closed day.
    """
    actor.require(Permission.IMPORT_STATEMENTS)
    if len(reason.strip()) < _SHORTEST_REASON:
        raise ReasonMissingError
    file = session.get(EvidenceFile, file_id)
    statements = session.exec(
        select(Statement).where(Statement.file_id == file_id, col(Statement.undone_at).is_(None))
    ).all()
    if file is None or not statements:
        raise EvidenceNotFoundError
    accounts = [session.get_one(CollectingAccount, s.account_id) for s in statements]
    require_scope(session, accounts, actor)
    for account_id in sorted({account.id for account in accounts}):
        hold_account(session, account_id)
    lines = session.exec(
        select(StatementLine).where(
            col(StatementLine.statement_id).in_([statement.id for statement in statements])
        )
    ).all()
    _require_open_days(session, statements, lines)
    mismatches = _free_of_decisions(session, lines)
    for mismatch in mismatches:
        heal_mismatch(session, mismatch, actor=actor, clock=clock)
    for line in lines:
        entry = session.exec(
            select(JournalEntry).where(JournalEntry.event_key == f"statement_line:{line.id}")
        ).one()
        posting.reverse_entry(
            session, entry, MoneyEvent.REVERSED, clock=clock, description=reason.strip()
        )
    for statement in statements:
        statement.undone_at, statement.undone_by = clock(), actor.id
        statement.undone_reason = reason.strip()
        session.add(statement)
    said = Problem("S029", "file", f"its import was taken back: {reason.strip()}")
    file.outcome = Outcome.HELD
    file.report = dict(file.report) | {"outcome": Outcome.HELD.value, "problems": [asdict(said)]}
    session.add(file)
    record_audit(
        session,
        actor,
        "undo_import",
        ("evidence_file", file.id),
        clock=clock,
        before={"lines": len(lines)},
        after={"reason": reason.strip()},
    )
    session.flush()
    return file


def _free_of_decisions(session: Session, lines: Sequence[StatementLine]) -> list[Mismatch]:
    """The open mismatches of these lines, which fall away with them.

    Raises:
        ImportInUseError: somebody or something has decided on one of the lines.
    """
    open_mismatches: list[Mismatch] = []
    ids = [line.id for line in lines]
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        matched = session.exec(
            select(MatchItem.item_id).where(
                MatchItem.item_kind == ItemKind.BANK,
                col(MatchItem.active),
                col(MatchItem.item_id).in_(batch),
            )
        ).all()
        if matched:
            raise ImportInUseError(f"{len(matched)} of its lines are matched")
        for mismatch in session.exec(
            select(Mismatch).where(
                Mismatch.item_kind == ItemKind.BANK, col(Mismatch.item_id).in_(batch)
            )
        ):
            if mismatch.status in {MismatchStatus.PROPOSED, MismatchStatus.RESOLVED}:
                raise ImportInUseError("a mismatch of its lines is decided or waits for a decision")
            if mismatch.status is MismatchStatus.OPEN:
                open_mismatches.append(mismatch)
    return open_mismatches


def _require_open_days(
    session: Session, statements: Sequence[Statement], lines: Sequence[StatementLine]
) -> None:
    """Refuse where a day of a statement, or of one of its lines, is closed.

    Raises:
        ImportInUseError: there is such a day.
    """
    days = {(line.account_id, line.booking_date) for line in lines}
    for statement in statements:
        ends = (statement.from_date, statement.to_date or statement.from_date)
        days |= {(statement.account_id, day) for day in ends if day is not None}
    for account_id in {account_id for account_id, _ in days}:
        own = [day for one, day in days if one == account_id]
        closed = session.exec(
            select(AccountingPeriod)
            .where(AccountingPeriod.account_id == account_id)
            .where(col(AccountingPeriod.day) >= min(own))
            .order_by(col(AccountingPeriod.day))
        ).first()
        if closed is not None:
            raise ImportInUseError(f"{closed.day} is closed")
