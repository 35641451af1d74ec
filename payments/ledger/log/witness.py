"""A witness (C2SP tlog-witness): signs a log's head only if it goes on from the last one it saw.

It needs no database: a folder with its key and, for each log, the last head that it signed.
"""

import hashlib
import threading
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from core.clock import Clock
from core.ids import new_salt
from payments.errors import NoteInvalidError
from payments.ledger.log.checkpoints import Checkpoint, read_hash, read_number
from payments.ledger.log.kept import keep, read_kept
from payments.ledger.log.merkle import is_consistent
from payments.ledger.log.notes import ED25519, SignedNote, SignerKey, VerifierKey

MOST_BYTES: Final = 64 * 1024
"""A longer request is none that a log makes."""

_MOST_HASHES: Final = 63


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """A head that a log wants signed, and the proof that it goes on from that of ``old`` leaves."""

    old: int
    hashes: tuple[bytes, ...]
    checkpoint: SignedNote

    @property
    def body(self) -> bytes:
        """The request as it is sent."""
        lines = [f"old {self.old}", *(b64encode(one).decode() for one in self.hashes)]
        return ("\n".join(lines) + f"\n\n{self.checkpoint}").encode()

    @classmethod
    def parse(cls, body: bytes) -> "WitnessRequest":
        """Read a request.

        Raises:
            NoteInvalidError: it is none.
        """
        try:
            head, gap, note = body.decode().partition("\n\n")
        except UnicodeDecodeError:
            raise NoteInvalidError("not UTF-8") from None
        first, *rest = head.split("\n")
        if not gap or not first.startswith("old ") or len(rest) > _MOST_HASHES:
            raise NoteInvalidError("a request is an old size, hashes, an empty line and a note")
        old = read_number(first.removeprefix("old "))
        return cls(old, tuple(read_hash(line) for line in rest), SignedNote.parse(note))


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """What a witness says; on conflict, the number of leaves of the last head it signed."""

    status: HTTPStatus
    body: str = ""


class Witness:
    """Signs heads of the logs whose keys it knows; what it signed is on the disk before it says so.

    Only one process may serve a folder.
    """

    def __init__(
        self, folder: Path, key: SignerKey, logs: Sequence[VerifierKey], *, clock: Clock
    ) -> None:
        self._folder = folder
        self._key = key
        self._logs = list(logs)
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def verifier(self) -> VerifierKey:
        """The key by which its signatures are checked."""
        return self._key.verifier(kind=4)

    def add_checkpoint(self, body: bytes) -> WitnessAnswer:
        """Answer one request as the specification says, by its status."""
        try:
            request = WitnessRequest.parse(body)
            head = Checkpoint.parse(request.checkpoint.text)
        except NoteInvalidError as problem:
            return WitnessAnswer(HTTPStatus.BAD_REQUEST, f"{problem.detail}\n")
        keys = [key for key in self._logs if key.name == head.origin and key.kind == ED25519]
        if not keys:
            return WitnessAnswer(HTTPStatus.NOT_FOUND, "an unknown log\n")
        try:
            signers = request.checkpoint.signed_by(keys)
        except NoteInvalidError:
            signers = []
        if not signers:
            return WitnessAnswer(HTTPStatus.FORBIDDEN, "not signed by a key of this log\n")
        if request.old > head.size:
            return WitnessAnswer(HTTPStatus.BAD_REQUEST, "the old size is larger than the new\n")
        with self._lock:
            return self._sign(request, head)

    def _sign(self, request: WitnessRequest, head: Checkpoint) -> WitnessAnswer:
        path = self._folder / f"{hashlib.sha256(head.origin.encode()).hexdigest()}.checkpoint"
        kept = read_kept(path)
        last = Checkpoint.parse(SignedNote.parse(kept).text) if kept else None
        seen = last.size if last else 0
        if request.old != seen or (last and head.size == seen and head.root != last.root):
            return WitnessAnswer(HTTPStatus.CONFLICT, f"{seen}\n")
        if not _goes_on(last, head, request.hashes):
            return WitnessAnswer(HTTPStatus.UNPROCESSABLE_ENTITY, "the proof does not hold\n")
        line = self._key.cosign(head.text, int(self._clock().timestamp()))
        keep(path, str(request.checkpoint.with_signature(line)))
        return WitnessAnswer(HTTPStatus.OK, f"{line}\n")


def _goes_on(last: Checkpoint | None, head: Checkpoint, hashes: Sequence[bytes]) -> bool:
    if last is None or last.size == 0:  # anything goes on from nothing, which has no proof
        return not hashes and (head.size > 0 or head.root == hashlib.sha256().digest())
    return is_consistent(last.size, head.size, last.root, head.root, hashes)


def open_witness(folder: Path, name: str, logs: Sequence[VerifierKey], *, clock: Clock) -> Witness:
    """Open the witness of a folder; its key is made there when there is none yet.

    Raises:
        NoteInvalidError: the name is none, or the key is damaged.
    """
    path = folder / "key"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        SignerKey(name, b"")  # refuses a name that is none before there is a key
        path.touch(mode=0o600)
        path.write_text(b64encode(new_salt()).decode() + "\n", encoding="ascii")
    private = b64decode(path.read_text(encoding="ascii"))
    if len(private) != len(new_salt()):
        raise NoteInvalidError(f"{path} holds no key")
    return Witness(folder, SignerKey(name, private), logs, clock=clock)
