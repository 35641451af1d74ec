"""Keys that sign the log's checkpoints: made when first needed, sealed, replaced one by another."""

from sqlmodel import Session, col, select

from core.actors import SYSTEM, Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.crypto import Vault
from core.ids import new_salt
from payments.ledger.log.models import LogKey
from payments.ledger.log.notes import SignedNote, SignerKey, VerifierKey
from payments.ledger.log.sequencer import write_alone


def list_keys(session: Session) -> list[LogKey]:
    """Return every key that has ever signed, the newest first."""
    newest = col(LogKey.created_at).desc(), col(LogKey.id).desc()
    return list(session.exec(select(LogKey).order_by(*newest)))


def verifiers(session: Session) -> list[VerifierKey]:
    """Return the public halves of all keys, the newest first."""
    return [VerifierKey.parse(key.verifier) for key in list_keys(session)]


def current_key(session: Session, *, origin: str, vault: Vault, clock: Clock) -> SignerKey:
    """Return the key that signs now; the first one is made for a log of this name.

    A log keeps the name it began with, whatever ``origin`` is later.

    Raises:
        DecryptionError: the key was sealed with another encryption key.
    """
    write_alone(session)
    known = list_keys(session)
    if known:
        return _opened(known[0], vault)
    return _store(session, SignerKey(origin, new_salt()), SYSTEM, "", vault=vault, clock=clock)


def rotate_key(
    session: Session, *, origin: str, vault: Vault, actor: Actor, clock: Clock
) -> SignerKey:
    """Replace the key that signs; the old one signs a note that names the new one.

    Checkpoints that the old one signed stay valid, and it is kept to verify them.
    """
    actor.require(Permission.ADMINISTER)
    old = current_key(session, origin=origin, vault=vault, clock=clock)
    new = SignerKey(old.name, new_salt())
    for key in list_keys(session):
        if key.retired_at is None:
            key.retired_at = clock()
            session.add(key)
    note = endorsement(old, new)
    return _store(session, new, actor, note, vault=vault, clock=clock)


def endorsement(old: SignerKey, new: SignerKey) -> str:
    """The note by which a key names the one that follows; both sign it.

    Its text is the log's name, ``key OLD`` and ``next key NEW``, a line each.
    """
    text = f"{old.name}\nkey {old.verifier()}\nnext key {new.verifier()}\n"
    return str(SignedNote(text, (old.sign(text), new.sign(text))))


def _store(
    session: Session, key: SignerKey, actor: Actor, note: str, *, vault: Vault, clock: Clock
) -> SignerKey:
    row = LogKey(
        origin=key.name,
        verifier=str(key.verifier()),
        sealed=b"",
        endorsement=note,
        created_by=actor.id,
        created_at=clock(),
    )
    row.sealed = vault.encrypt(key.private, place=_place(row))
    session.add(row)
    session.flush()
    said = {"verifier": row.verifier}
    record_audit(session, actor, "new_log_key", ("log_key", row.id), clock=clock, after=said)
    return key


def _opened(key: LogKey, vault: Vault) -> SignerKey:
    return SignerKey(key.origin, vault.decrypt(key.sealed, place=_place(key)))


def _place(key: LogKey) -> str:
    return f"log_key.sealed.{key.id}"
