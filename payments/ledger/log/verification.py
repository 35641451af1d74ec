"""Holds the whole log against the journal and against everything that was ever signed."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import exists, func
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from payments.errors import LogForkedError, NoteInvalidError
from payments.ledger.log.checkpoints import Checkpoint
from payments.ledger.log.content import read_contents
from payments.ledger.log.keys import verifiers
from payments.ledger.log.leaves import commitment, entry_leaf, erasure_leaf
from payments.ledger.log.merkle import Frontier, leaf_hash
from payments.ledger.log.models import (
    LeafKind,
    LogCheckpoint,
    LogEntry,
    LogQueued,
    LogSalt,
    LogTile,
)
from payments.ledger.log.notes import SignedNote
from payments.ledger.log.signing import refuse_fork
from payments.ledger.log.stored import StoredTree, fold
from payments.ledger.models import JournalEntry

_BATCH: Final = 1_000


def contradictions(session: Session, *, kept: str = "") -> Iterator[str]:
    """Yield one sentence for each thing that the log, the journal and checkpoints disagree in.

    Everything is read and hashed anew, nothing that was computed before is trusted. ``kept`` is
    the checkpoint that was kept outside the database.
    """
    tree = StoredTree(session)
    signed = dict(_signed(session))
    edge = Frontier()
    for low in range(0, len(tree), _BATCH):
        seq = col(LogEntry.seq)
        rows = select(LogEntry).where(seq >= low, seq < low + _BATCH).order_by(seq)
        batch = session.exec(rows).all()
        yield from _false_leaves(session, batch)
        for row in batch:
            if row.seq != edge.size:
                yield f"leaf {edge.size} is missing"
                return
            edge.append(leaf_hash(row.leaf.encode()))
            if signed.pop(edge.size, {edge.root()}) != {edge.root()}:
                yield f"the first {edge.size} leaves are not those that were signed"
        session.expunge_all()
    for size in signed:
        yield f"{size} leaves were signed, {edge.size} are there"
    yield from _false_tiles(session, tree)
    yield from _false_notes(session, tree, kept)
    unlogged = session.scalar(_unlogged())
    if unlogged:
        yield f"{unlogged} entries of the journal are neither in the log nor waiting for it"


def _signed(session: Session) -> Iterator[tuple[int, set[bytes]]]:
    """Each size that was signed, with its roots: of a sound log there is one."""
    roots: dict[int, set[bytes]] = {}
    for size, root in session.exec(select(LogCheckpoint.size, LogCheckpoint.root)):
        roots.setdefault(size, set()).add(bytes.fromhex(root))
    yield from roots.items()


def _false_leaves(session: Session, batch: Sequence[LogEntry]) -> Iterator[str]:
    ids = [row.entry_id for row in batch]
    contents = read_contents(session, ids)
    salts = {
        salt.entry_id: bytes.fromhex(salt.salt)
        for salt in session.exec(select(LogSalt).where(col(LogSalt.entry_id).in_(ids)))
    }
    erased = _erased(session, ids)
    for row in batch:
        if row.kind is LeafKind.ERASURE:
            first = select(LogEntry.seq).where(LogEntry.entry_id == row.entry_id)
            seq = session.exec(first.where(LogEntry.kind == LeafKind.ENTRY)).one()
            if row.leaf != erasure_leaf(row.seq, seq):
                yield f"leaf {row.seq} does not tell of the erasure of {row.entry_id}"
            continue
        content, salt = contents[row.entry_id], salts.get(row.entry_id)
        if salt is None and row.entry_id not in erased:
            yield f"the salt of entry {row.entry_id} is gone, and no leaf says that it was erased"
        person = commitment(salt, content.person) if salt else json.loads(row.leaf).get("person")
        books_salt = bytes.fromhex(row.salt)
        if row.leaf != entry_leaf(row.seq, content, books_salt=books_salt, person=person):
            yield f"entry {row.entry_id} is not what leaf {row.seq} says"


def _erased(session: Session, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for table in (LogEntry, LogQueued):
        query = select(table.entry_id).where(table.kind == LeafKind.ERASURE)
        found.update(session.exec(query.where(col(table.entry_id).in_(ids))))
    return found


def _false_tiles(session: Session, tree: StoredTree) -> Iterator[str]:
    for level, place in session.exec(select(LogTile.level, LogTile.place)).all():
        tile, hashes = session.get_one(LogTile, (level, place)), tree.gather(level, place)
        if tile.hashes != b"".join(hashes) or tile.root != fold(hashes):
            yield f"tile {place} of level {level} is not that of the leaves"
        session.expunge(tile)


def _false_notes(session: Session, tree: StoredTree, kept: str) -> Iterator[str]:
    keys = verifiers(session)
    for row in session.exec(select(LogCheckpoint)):
        try:
            note = SignedNote.parse(row.note)
            head, signers = Checkpoint.parse(note.text), note.signed_by(keys)
        except NoteInvalidError as problem:
            yield f"checkpoint {row.id}: {problem.detail}"
            continue
        if not signers or (head.size, head.root.hex()) != (row.size, row.root):
            yield f"checkpoint {row.id} is not the note that was signed"
    if kept:
        try:
            refuse_fork(tree, kept, keys)
        except LogForkedError as problem:
            yield f"what is kept outside the database: {problem.detail}"


def _unlogged() -> SelectOfScalar[int]:
    logged = exists().where(col(LogEntry.entry_id) == col(JournalEntry.id))
    waiting = exists().where(col(LogQueued.entry_id) == col(JournalEntry.id))
    return select(func.count()).select_from(JournalEntry).where(~logged, ~waiting)
