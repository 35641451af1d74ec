"""What witnesses have signed: who they are, which head each saw last, and heads with all of it."""

from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from payments.errors import LogForkedError, NoteInvalidError
from payments.ledger.log.models import LogCheckpoint, LogCosignature, LogWitness
from payments.ledger.log.notes import COSIGNATURE, SignedNote, VerifierKey
from payments.ledger.log.stored import StoredTree
from payments.ledger.log.witness import WitnessRequest


def add_witness(
    session: Session, verifier: VerifierKey, url: str, *, actor: Actor, clock: Clock
) -> LogWitness:
    """Have heads sent to a witness from now on; the same key again only changes the address.

    Raises:
        NoteInvalidError: the key is none of a witness, or the address is no web address.
    """
    actor.require(Permission.ADMINISTER)
    if verifier.kind != COSIGNATURE:
        raise NoteInvalidError("the key is not one of a witness")
    if not url.startswith(("https://", "http://")):
        raise NoteInvalidError("a witness has a web address")
    witness = session.get(LogWitness, str(verifier)) or LogWitness(
        verifier=str(verifier), url="", added_at=clock()
    )
    witness.url = url.rstrip("/")
    session.add(witness)
    subject = ("log_witness", verifier.name)
    record_audit(session, actor, "add_log_witness", subject, clock=clock, after={"url": url})
    return witness


def list_witnesses(session: Session) -> list[LogWitness]:
    """Return the witnesses, by key."""
    return list(session.exec(select(LogWitness).order_by(LogWitness.verifier)))


def last_seen(session: Session, verifier: str) -> LogCheckpoint | None:
    """Return the newest head that a witness has signed."""
    query = select(LogCheckpoint).join(LogCosignature)
    newest = col(LogCheckpoint.size).desc(), col(LogCheckpoint.signed_at).desc()
    return session.exec(
        query.where(LogCosignature.verifier == verifier).order_by(*newest).limit(1)
    ).first()


def request_for(session: Session, head: LogCheckpoint, old: int) -> WitnessRequest:
    """Return what a witness that saw ``old`` leaves is asked.

    Raises:
        LogForkedError: it saw more leaves than we have.
    """
    if old > head.size:
        raise LogForkedError(f"a witness saw {old} leaves of this log, {head.size} are signed")
    tree = StoredTree(session)
    hashes = tree.prove_consistency(old, head.size) if old else []
    return WitnessRequest(old, tuple(hashes), SignedNote.parse(head.note))


def record_cosignature(
    session: Session, head: LogCheckpoint, verifier: str, line: str, *, clock: Clock
) -> None:
    """Store what a witness answered.

    Raises:
        NoteInvalidError: it is not the witness's signature of this head.
    """
    key = VerifierKey.parse(verifier)
    note = SignedNote.parse(head.note).with_signature(line)
    if note.signed_by([key]) != [key]:
        raise NoteInvalidError(f"the answer is no signature of {key.name}")
    known = session.get(LogCosignature, (head.id, verifier))
    if known is None:
        session.add(LogCosignature(checkpoint_id=head.id, verifier=verifier, line=line, at=clock()))


def cosigned_note(session: Session, head: LogCheckpoint) -> SignedNote:
    """The note of a head with the signatures of all witnesses that have seen it."""
    note = SignedNote.parse(head.note)
    query = select(LogCosignature).where(LogCosignature.checkpoint_id == head.id)
    for one in session.exec(query.order_by(LogCosignature.verifier)):
        note = note.with_signature(one.line)
    return note
