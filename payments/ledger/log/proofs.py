"""Proofs that an entry is in the log: a text file (C2SP tlog-proof) and a short form for a QR code.

Both hold the place of the entry, the hashes that lead to the root, and the checkpoint; they can be
checked alone, with nothing but the log's verifier key.
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from typing_extensions import override

from payments.errors import NoteInvalidError, ProofInvalidError
from payments.ledger.log.checkpoints import Checkpoint, read_hash, read_number
from payments.ledger.log.merkle import HASH_BYTES, is_included, leaf_hash
from payments.ledger.log.notes import ED25519, SignedNote, VerifierKey

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_SHORT: Final = struct.Struct(">BQQ32s4s64s")
_VERSION: Final = 1
_MOST_HASHES: Final = 63


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That the entry at ``index`` (from 0) is in the tree of a signed checkpoint.

    ``extra`` is what the proof carries besides; the proof itself does not vouch for it.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: SignedNote
    extra: bytes = b""

    @override
    def __str__(self) -> str:
        lines = [_HEADER]
        if self.extra:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(one).decode() for one in self.hashes]
        return "\n".join(lines) + f"\n\n{self.checkpoint}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a ``.tlog-proof`` file; nothing authenticates its extra data.

        Raises:
            ProofInvalidError: it is none.
        """
        head, gap, note = text.partition("\n\n")
        lines = head.split("\n")
        if not gap or lines.pop(0) != _HEADER:
            raise ProofInvalidError("not a tlog-proof of version 1")
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = _decoded(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index ") or len(lines) > 1 + _MOST_HASHES:
            raise ProofInvalidError("the proof names no index, or too many hashes")
        try:
            index = read_number(lines[0].removeprefix("index "))
            hashes = tuple(read_hash(line) for line in lines[1:])
            return cls(index, hashes, SignedNote.parse(note), extra)
        except NoteInvalidError as problem:
            raise ProofInvalidError(problem.detail) from None

    def check(self, entry: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
        """Return the checkpoint, if one of the keys signed it and the entry is in its tree.

        Raises:
            ProofInvalidError: nobody who is known signed it, or the entry is not in the tree.
        """
        try:
            signers = self.checkpoint.signed_by(keys)
            head = Checkpoint.parse(self.checkpoint.text)
        except NoteInvalidError as problem:
            raise ProofInvalidError(problem.detail) from None
        if not any(key.kind == ED25519 and key.name == head.origin for key in signers):
            raise ProofInvalidError(f"no known key of {head.origin} signed the checkpoint")
        if not is_included(leaf_hash(entry), self.index, head.size, self.hashes, head.root):
            raise ProofInvalidError(f"the entry is not leaf {self.index} of this checkpoint")
        return head

    def short(self, key: VerifierKey) -> bytes:
        """Everything that a holder of the key cannot work out, and a CRC-32 at the end.

        Version, index, size, root, key id, signature, hashes: 121 bytes and 32 for each hash.

        Raises:
            ProofInvalidError: the key did not sign the checkpoint.
        """
        head = Checkpoint.parse(self.checkpoint.text)
        try:
            signature = self.checkpoint.signature_of(key)
        except NoteInvalidError as problem:
            raise ProofInvalidError(problem.detail) from None
        fixed = _SHORT.pack(_VERSION, self.index, head.size, head.root, key.key_id, signature)
        body = fixed + b"".join(self.hashes)
        return body + zlib.crc32(body).to_bytes(4, "big")

    @classmethod
    def from_short(cls, raw: bytes, keys: Sequence[VerifierKey]) -> Self:
        """The proof that :meth:`short` wrote, for one of these keys.

        Raises:
            ProofInvalidError: it is none, was damaged, or is of another key.
        """
        body, check = raw[:-4], raw[-4:]
        if len(body) < _SHORT.size or (len(body) - _SHORT.size) % HASH_BYTES:
            raise ProofInvalidError("not a short proof")
        if zlib.crc32(body).to_bytes(4, "big") != check:
            raise ProofInvalidError("the short proof was damaged")
        version, index, size, root, key_id, signature = _SHORT.unpack(body[: _SHORT.size])
        key = next((one for one in keys if one.key_id == key_id and one.kind == ED25519), None)
        if version != _VERSION or key is None:
            raise ProofInvalidError("a short proof of another version or by an unknown key")
        rest = body[_SHORT.size :]
        hashes = tuple(rest[at : at + HASH_BYTES] for at in range(0, len(rest), HASH_BYTES))
        line = f"\u2014 {key.name} {base64.b64encode(key_id + signature).decode()}"
        text = Checkpoint(key.name, size, root).text
        return cls(index, hashes, SignedNote(text, (line,)))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProofInvalidError("the extra data is no base64") from None
