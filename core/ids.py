"""Identifiers that sort by the time they were made, and randomness for secrets."""

import base64
import secrets
import threading
import time
from typing import Final

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_BITS: Final = 48
_RANDOM_BITS: Final = 80
_SYMBOLS: Final = 26
_STEP_BITS: Final = 64
_BYTES: Final = 20
"""A whole number of symbols of five bits, of which the last 26 are the id."""
_TO_CROCKFORD: Final = bytes.maketrans(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUV", CROCKFORD.lower().encode("ascii")
)
_lock = threading.Lock()
_last = 0


def new_id(prefix: str) -> str:
    """Return ``prefix_`` and 26 symbols: 48 bits of milliseconds, 80 random bits (as a ULID).

    Ids of one process sort by creation, those of several roughly; they are not the order of
    commits, so nothing may read "all rows after this id" as complete.
    """
    global _last  # noqa: PLW0603 - what makes them sort within a millisecond
    value = (time.time_ns() // 1_000_000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    with _lock:
        if value >> _RANDOM_BITS <= _last >> _RANDOM_BITS:
            value = _last + 1 + secrets.randbits(_STEP_BITS)
        _last = value
    symbols = base64.b32hexencode(value.to_bytes(_BYTES, "big"))[-_SYMBOLS:]
    return f"{prefix}_{symbols.translate(_TO_CROCKFORD).decode('ascii')}"


def new_token(byte_count: int = 32) -> str:
    """Return an unguessable URL-safe text of ``byte_count`` random bytes."""
    return secrets.token_urlsafe(byte_count)


def new_salt() -> bytes:
    """Return 32 random bytes that make a hash of something short unguessable."""
    return secrets.token_bytes(32)


def random_below(limit: int) -> int:
    """Return an unpredictable integer in ``[0, limit)``."""
    return secrets.randbelow(limit)
