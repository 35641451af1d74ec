"""The proof that an entry is in the log, with all that is needed to check it alone."""

import json

from sqlmodel import Session, select

from payments.errors import EntryNotLoggedError
from payments.ledger.log.content import read_contents
from payments.ledger.log.cosigning import cosigned_note
from payments.ledger.log.leaves import canonical
from payments.ledger.log.models import LeafKind, LogEntry, LogSalt
from payments.ledger.log.proofs import InclusionProof
from payments.ledger.log.signing import find_checkpoint
from payments.ledger.log.stored import StoredTree


def prove_entry(session: Session, entry_id: str) -> InclusionProof:
    """Return the proof under the newest checkpoint; its extra data opens the leaf.

    The extra data is JSON: ``leaf``, ``books`` with ``books_salt``, and, unless it was erased,
    ``person`` with ``person_salt``.

    Raises:
        EntryNotLoggedError: there is no such entry, or no checkpoint covers it yet.
    """
    query = select(LogEntry).where(LogEntry.entry_id == entry_id)
    row = session.exec(query.where(LogEntry.kind == LeafKind.ENTRY)).first()
    last = find_checkpoint(session)
    if row is None or last is None or row.seq >= last.size:
        raise EntryNotLoggedError
    content = read_contents(session, [entry_id])[entry_id]
    opened = {"leaf": row.leaf, "books": content.books, "books_salt": row.salt}
    salt = session.get(LogSalt, entry_id)
    if salt is not None:
        opened |= {"person": content.person, "person_salt": salt.salt}
    note = cosigned_note(session, last)
    hashes = StoredTree(session).prove_inclusion(row.seq, last.size)
    return InclusionProof(row.seq, tuple(hashes), note, canonical(opened).encode())


def leaf_of(proof: InclusionProof) -> bytes:
    """The leaf that a proof of :func:`prove_entry` carries."""
    leaf: str = json.loads(proof.extra)["leaf"]
    return leaf.encode()
