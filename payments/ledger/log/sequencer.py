"""Gives what is committed its place in the log; one writer at a time, no gap, nothing lost.

Ids are not the order of commits: a reader that asks for all rows after the last it saw loses those
that were committed late. So a trigger writes each entry down in ``log_queue`` within the entry's
own transaction, and what is taken from there is deleted with the same commit that gives it a place.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, func, insert, or_, text
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from core.clock import Clock
from core.ids import new_salt
from payments.errors import EntryNotLoggedError
from payments.ledger.log.content import read_contents
from payments.ledger.log.leaves import commitment, entry_leaf, erasure_leaf
from payments.ledger.log.models import LeafKind, LogEntry, LogQueued, LogSalt
from payments.ledger.log.stored import complete_tiles, log_size
from payments.ledger.models import JournalEntry, LedgerTransfer

BATCH: Final = 2_000
"""Leaves that one transaction appends at most."""

_LOCK: Final = 0x646F692D6C6F67
"""Number of PostgreSQL's advisory lock for whoever writes the log."""

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Appended:
    """How many leaves were appended, and whether as many as one transaction takes."""

    count: int
    more: bool


def write_alone(session: Session) -> None:
    """Wait until nobody else writes the log, until the end of this transaction.

    On SQLite a transaction that writes is alone from its beginning.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


def append_waiting(session: Session, *, clock: Clock, limit: int = BATCH) -> Appended:
    """Append up to ``limit`` of what waits; entries that are not whole go on waiting."""
    write_alone(session)
    waiting = session.exec(_whole().limit(limit)).all()
    entry_ids = [one.entry_id for one in waiting if one.kind is LeafKind.ENTRY]
    contents = read_contents(session, entry_ids)
    erased = _places(session, [one.entry_id for one in waiting if one.kind is LeafKind.ERASURE])
    first, now = log_size(session), clock()
    leaves, salts = list[_Row](), list[_Row]()
    for seq, one in enumerate(waiting, start=first):
        row: _Row = {"seq": seq, "kind": one.kind, "entry_id": one.entry_id, "appended_at": now}
        if one.kind is LeafKind.ERASURE:
            leaves.append(row | {"leaf": erasure_leaf(seq, erased[one.entry_id]), "salt": ""})
            continue
        content, books_salt, person_salt = contents[one.entry_id], new_salt(), new_salt()
        person = commitment(person_salt, content.person)
        leaf = entry_leaf(seq, content, books_salt=books_salt, person=person)
        leaves.append(row | {"leaf": leaf, "salt": books_salt.hex()})
        salts.append({"entry_id": one.entry_id, "salt": person_salt.hex()})
    if leaves:
        session.execute(insert(LogEntry), leaves)
        _unqueue(session, leaves)
        complete_tiles(session, first)
    if salts:
        session.execute(insert(LogSalt), salts)
    return Appended(len(leaves), more=len(leaves) == limit)


def count_incomplete(session: Session) -> int:
    """How many entries wait because they have fewer transfers than they were made with."""
    whole = _whole().with_only_columns(col(LogQueued.entry_id)).order_by(None)
    query = select(func.count()).where(
        LogQueued.kind == LeafKind.ENTRY, col(LogQueued.entry_id).not_in(whole)
    )
    return session.scalar(query.select_from(LogQueued)) or 0


def erase_person(session: Session, entry_id: str) -> None:
    """Make the person's part of an entry's leaf unreadable for ever; a leaf will tell of it.

    Raises:
        EntryNotLoggedError: the entry has no leaf yet, or was erased before.
    """
    salt = session.get(LogSalt, entry_id)
    if salt is None:
        raise EntryNotLoggedError
    session.delete(salt)
    session.flush()


def _whole() -> SelectOfScalar[LogQueued]:
    """What waits and may be appended, in the order in which it will be."""
    made = (
        select(JournalEntry.transfer_count)
        .where(col(JournalEntry.id) == col(LogQueued.entry_id))
        .scalar_subquery()
    )
    there = (
        select(func.count())
        .select_from(LedgerTransfer)
        .where(col(LedgerTransfer.entry_id) == col(LogQueued.entry_id))
        .scalar_subquery()
    )
    return (
        select(LogQueued)
        .where(or_(col(LogQueued.kind) == LeafKind.ERASURE, made == there))
        .order_by(col(LogQueued.entry_id), col(LogQueued.kind))
    )


def _places(session: Session, entry_ids: list[str]) -> dict[str, int]:
    query = select(LogEntry.entry_id, LogEntry.seq).where(LogEntry.kind == LeafKind.ENTRY)
    return dict(session.exec(query.where(col(LogEntry.entry_id).in_(entry_ids))).all())


def _unqueue(session: Session, leaves: list[_Row]) -> None:
    for kind in LeafKind:
        taken = [row["entry_id"] for row in leaves if row["kind"] is kind]
        query = delete(LogQueued).where(col(LogQueued.kind) == kind)
        session.execute(query.where(col(LogQueued.entry_id).in_(taken)))
