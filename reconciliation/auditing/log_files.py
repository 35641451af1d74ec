"""What proves a package: the log's leaves, a signed checkpoint, keys, openings and a verifier."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlmodel import Session, col, select

from payments.ledger.log.cosigning import cosigned_note
from payments.ledger.log.keys import list_keys
from payments.ledger.log.models import LeafKind, LogEntry, LogSalt
from payments.ledger.log.signing import find_checkpoint
from payments.ledger.models import JournalEntry
from payments.queries.books import entry_in
from payments.queries.scope import ROOT, list_accounts, list_offices
from reconciliation.auditing import verify
from reconciliation.auditing.books import BookRange
from reconciliation.auditing.folder import write_json

FOLDER: Final = "proof"
OPENINGS: Final = ("seq", "entry_id", "books_salt", "person_salt")
_BATCH: Final = 2_000


def write_proof(session: Session, wanted: BookRange, folder: Path) -> None:
    """Write ``verify.py`` and the folder ``proof/`` that it reads.

    Every leaf of the log up to the newest checkpoint is in it: they say nothing but day and office,
    and without all of them nobody could tell that none of a day is missing. What opens a leaf is
    there for the entries of the package only. Without any checkpoint there is only the verifier,
    which then says that nothing is proved.
    """
    source = Path(verify.__file__).read_text(encoding="utf-8")
    (folder / "verify.py").write_text(source, encoding="utf-8", newline="\n")
    last = find_checkpoint(session)
    if last is None:
        return
    proof = folder / FOLDER
    proof.mkdir()
    note = str(cosigned_note(session, last))
    (proof / "checkpoint").write_text(note, encoding="utf-8", newline="\n")
    keys = [{"key": key.verifier, "endorsement": key.endorsement} for key in list_keys(session)]
    write_json(proof / "keys.json", keys)
    write_json(
        proof / "scope.json",
        {
            "from": wanted.first.isoformat(),
            "to": wanted.last.isoformat(),
            "places": _places(session, wanted.scope),
        },
    )
    with (
        (proof / "leaves.jsonl.gz").open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as target,
    ):
        for leaf in _leaves(session, last.size):
            target.write(leaf.encode() + b"\n")
    with (proof / "openings.csv").open("w", encoding="utf-8", newline="") as target_text:
        writer = csv.writer(target_text)
        writer.writerow(OPENINGS)
        writer.writerows(_openings(session, wanted, last.size))


def _places(session: Session, scope: str) -> list[str] | None:
    """What a leaf says of the offices of a subtree; None for all of them."""
    if scope == ROOT:
        return None
    offices = [office.code for office in list_offices(session, scope=scope)]
    accounts = list_accounts(session, scope=scope)
    return [*offices, *(f"account:{account.account_number}" for account in accounts)]


def _leaves(session: Session, size: int) -> Iterator[str]:
    seq = col(LogEntry.seq)
    for low in range(0, size, _BATCH):
        part = select(LogEntry.leaf).where(seq >= low, seq < min(size, low + _BATCH))
        yield from session.exec(part.order_by(seq))


def _openings(
    session: Session, wanted: BookRange, size: int
) -> Iterator[tuple[int, str, str, str | None]]:
    query = (
        select(LogEntry.seq, LogEntry.entry_id, LogEntry.salt, col(LogSalt.salt))
        .join(JournalEntry, col(JournalEntry.id) == col(LogEntry.entry_id))
        .outerjoin(LogSalt, col(LogSalt.entry_id) == col(LogEntry.entry_id))
        .where(col(LogEntry.kind) == LeafKind.ENTRY, col(LogEntry.seq) < size)
        .where(col(JournalEntry.entry_date) >= wanted.first)
        .where(col(JournalEntry.entry_date) <= wanted.last)
        .where(entry_in(wanted.scope))
        .order_by(col(LogEntry.seq))
        .execution_options(yield_per=_BATCH)
    )
    yield from session.exec(query)
