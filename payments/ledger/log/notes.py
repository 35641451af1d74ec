"""Signed notes (C2SP signed-note): text with signature lines, each by a named Ed25519 key."""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typing_extensions import override

from payments.errors import NoteInvalidError

ED25519: Final = 1
"""Signature type of a plain signature over the text."""
COSIGNATURE: Final = 4
"""Signature type of a witness's timestamped signature (C2SP tlog-cosignature)."""

_DASH: Final = "\u2014 "
_KEY_BYTES: Final = 32
_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
MOST_SIGNATURES: Final = 100


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Who may have signed: the key's name, its signature type and its 32 public bytes."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name ‖ newline ‖ type ‖ public key)."""
        named = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(named).digest()[:_ID_BYTES]

    @override
    def __str__(self) -> str:
        material = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key as ``str`` writes it.

        Raises:
            NoteInvalidError: it is no such key, or its id is not that of its bytes.
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, material = rest.partition("+")
        raw = _decoded(material)
        if not _is_name(name) or len(raw) != 1 + _KEY_BYTES or raw[0] not in (ED25519, COSIGNATURE):
            raise NoteInvalidError("not an Ed25519 verifier key: name+id+base64")
        key = cls(name, raw[0], raw[1:])
        if key.key_id.hex() != key_id:
            raise NoteInvalidError(f"the id of {name} is not that of its key")
        return key

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether these bytes, without the key id, are this key's signature of the text."""
        message = text.encode()
        if self.kind == COSIGNATURE:
            time, signature = signature[:_TIME_BYTES], signature[_TIME_BYTES:]
            message = cosigned_message(text, int.from_bytes(time, "big"))
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A name and its private Ed25519 key (32 bytes)."""

    name: str
    private: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise NoteInvalidError("a key's name has no blank and no plus sign")

    @override
    def __repr__(self) -> str:
        return f"SignerKey({self.name!r})"

    def verifier(self, kind: int = ED25519) -> VerifierKey:
        """The key that checks what this one signs."""
        public = self._key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return VerifierKey(self.name, kind, public)

    def sign(self, text: str) -> str:
        """The signature line for a text."""
        return _line(self.verifier(), self._key().sign(text.encode()))

    def cosign(self, text: str, seconds: int) -> str:
        """The signature line of a witness that saw this checkpoint at this POSIX time."""
        signature = self._key().sign(cosigned_message(text, seconds))
        return _line(self.verifier(COSIGNATURE), seconds.to_bytes(_TIME_BYTES, "big") + signature)

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.private)


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text, which ends in a newline, and its signature lines as they stand."""

    text: str
    signatures: tuple[str, ...]

    @override
    def __str__(self) -> str:
        return f"{self.text}\n" + "".join(f"{line}\n" for line in self.signatures)

    @classmethod
    def parse(cls, note: str) -> Self:
        """Split a note at its last empty line.

        Raises:
            NoteInvalidError: it has no text, no signatures, or characters that no note has.
        """
        if any(ord(character) < ord(" ") and character != "\n" for character in note):
            raise NoteInvalidError("a note has no control characters")
        text, gap, rest = note.rpartition("\n\n")
        lines = rest.split("\n")
        if not (text and gap) or lines.pop() != "" or not 0 < len(lines) <= MOST_SIGNATURES:
            raise NoteInvalidError("a note is text, an empty line, and signature lines")
        for line in lines:
            _parts(line)
        return cls(f"{text}\n", tuple(lines))

    def signed_by(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Which of these keys have signed the text. Signatures of other keys are ignored.

        Raises:
            NoteInvalidError: a signature bears the name and id of one of them, and is not its.
        """
        known = {(key.name, key.key_id): key for key in keys}
        found = []
        for line in self.signatures:
            name, key_id, signature = _parts(line)
            key = known.get((name, key_id))
            if key is None:
                continue
            if not key.signed(self.text, signature):
                raise NoteInvalidError(f"the signature of {name} is not of this text")
            if key not in found:
                found.append(key)
        return found

    def signature_of(self, key: VerifierKey) -> bytes:
        """The signature of one key, without its id.

        Raises:
            NoteInvalidError: it has not signed this text.
        """
        for line in self.signatures:
            name, key_id, signature = _parts(line)
            if (name, key_id) == (key.name, key.key_id) and key.signed(self.text, signature):
                return signature
        raise NoteInvalidError(f"{key.name} has not signed this text")

    def with_signature(self, line: str) -> Self:
        """The same note with one more signature line, unless it stands there already."""
        _parts(line)
        if line in self.signatures:
            return self
        return type(self)(self.text, (*self.signatures, line))


def cosigned_message(text: str, seconds: int) -> bytes:
    """What a witness signs (C2SP tlog-cosignature, Ed25519)."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _line(key: VerifierKey, signature: bytes) -> str:
    return f"{_DASH}{key.name} {base64.b64encode(key.key_id + signature).decode()}"


def _parts(line: str) -> tuple[str, bytes, bytes]:
    name, _, material = line.removeprefix(_DASH).partition(" ")
    raw = _decoded(material)
    if not line.startswith(_DASH) or not _is_name(name) or len(raw) <= _ID_BYTES:
        raise NoteInvalidError("not a signature line")
    return name, raw[:_ID_BYTES], raw[_ID_BYTES:]


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)


def _decoded(material: str) -> bytes:
    try:
        return base64.b64decode(material, validate=True)
    except (binascii.Error, ValueError):
        return b""
