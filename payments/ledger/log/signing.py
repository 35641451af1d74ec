"""Signs the head of the log, and never one that contradicts what was signed before."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from core.clock import Clock
from core.crypto import Vault
from payments.errors import LogForkedError, NoteInvalidError
from payments.ledger.log.checkpoints import Checkpoint
from payments.ledger.log.keys import current_key, verifiers
from payments.ledger.log.models import LogCheckpoint
from payments.ledger.log.notes import SignedNote, VerifierKey
from payments.ledger.log.sequencer import write_alone
from payments.ledger.log.stored import StoredTree


def find_checkpoint(session: Session) -> LogCheckpoint | None:
    """Return the newest checkpoint, if one was signed."""
    return session.exec(
        select(LogCheckpoint)
        .order_by(
            col(LogCheckpoint.size).desc(),
            col(LogCheckpoint.signed_at).desc(),
            col(LogCheckpoint.id).desc(),
        )
        .limit(1)
    ).first()


def sign_checkpoint(
    session: Session, *, origin: str, vault: Vault, kept: str, clock: Clock
) -> LogCheckpoint | None:
    """Return a checkpoint of the whole log, signed by the present key; None of an empty log.

    ``kept`` is the last one as it was kept outside the database, or nothing. A head that is
    signed already is not signed again.

    Raises:
        LogForkedError: the log lacks or changed something that an earlier checkpoint covers, or
            what was kept is no checkpoint of this log.
    """
    write_alone(session)
    last = find_checkpoint(session)
    tree = StoredTree(session)
    known = [note for note in (kept, last.note if last else "") if note]
    for note in known:
        refuse_fork(tree, note, verifiers(session))
    if not len(tree):
        return None
    key = current_key(session, origin=origin, vault=vault, clock=clock)
    head = Checkpoint(key.name, len(tree), tree.root())
    note = str(SignedNote(head.text, (key.sign(head.text),)))
    if last is not None and last.note == note:
        return last
    signed = LogCheckpoint(size=head.size, root=head.root.hex(), note=note, signed_at=clock())
    session.add(signed)
    session.flush()
    return signed


def refuse_fork(tree: StoredTree, note: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Return what a checkpoint of this log says, if the tree goes on from it.

    Raises:
        LogForkedError: it does not, or the note is not one that our keys signed.
    """
    try:
        signed = SignedNote.parse(note)
        head = Checkpoint.parse(signed.text)
        signers = signed.signed_by(keys)
    except NoteInvalidError as problem:
        raise LogForkedError(f"the checkpoint before is unusable: {problem.detail}") from None
    if not any(key.name == head.origin for key in signers):
        raise LogForkedError(f"the checkpoint before, of {head.origin}, is by none of our keys")
    if head.size > len(tree):
        raise LogForkedError(f"{head.size} leaves were signed, {len(tree)} are there")
    if tree.root(head.size) != head.root:
        raise LogForkedError(f"the first {head.size} leaves are not those that were signed")
    return head
