"""Checkpoints (C2SP tlog-checkpoint): which log, how many leaves, and their root."""

import base64
import binascii
from dataclasses import dataclass
from typing import Final, Self

from payments.errors import NoteInvalidError
from payments.ledger.log.merkle import HASH_BYTES

_LINES: Final = 3
_DIGITS: Final = 19
_BITS: Final = 63


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log's tree: what a checkpoint's note says."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note.

        Raises:
            NoteInvalidError: it is none of a checkpoint; extension lines are refused as well.
        """
        lines = text.split("\n")
        if len(lines) != _LINES + 1 or lines[-1] or not lines[0]:
            raise NoteInvalidError("a checkpoint has three lines: origin, size, root")
        root = read_hash(lines[2])
        return cls(lines[0], read_number(lines[1]), root)


def read_number(text: str) -> int:
    """A decimal number without leading zeros, below 2^63.

    Raises:
        NoteInvalidError: it is anything else.
    """
    if len(text) > _DIGITS or not text.isascii() or not text.isdigit() or text != str(int(text)):
        raise NoteInvalidError(f"{text[:20]!r} is no plain number")
    if int(text) >> _BITS:
        raise NoteInvalidError("no tree is so large")
    return int(text)


def read_hash(text: str) -> bytes:
    """A SHA-256 hash in base64.

    Raises:
        NoteInvalidError: it is anything else.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != HASH_BYTES or base64.b64encode(raw).decode() != text:
        raise NoteInvalidError("not a SHA-256 hash in base64")
    return raw
