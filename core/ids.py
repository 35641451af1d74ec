"""Identifiers that sort by the time they were made, and randomness for secrets."""

import secrets
import time
from typing import Final

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_BITS: Final = 48
_RANDOM_BITS: Final = 80
_SYMBOLS: Final = 26


def new_id(prefix: str) -> str:
    """Return ``prefix_`` and 26 symbols: 48 bits of milliseconds, 80 random bits (as a ULID).

    Ids sort roughly by creation; they are not the order of commits, so nothing may read "all
    rows after this id" as complete.
    """
    value = (time.time_ns() // 1_000_000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    digits = []
    for _ in range(_SYMBOLS):
        value, digit = divmod(value, 32)
        digits.append(CROCKFORD[digit])
    return f"{prefix}_{''.join(reversed(digits)).lower()}"


def new_token(byte_count: int = 32) -> str:
    """Return an unguessable URL-safe text of ``byte_count`` random bytes."""
    return secrets.token_urlsafe(byte_count)


def random_below(limit: int) -> int:
    """Return an unpredictable integer in ``[0, limit)``."""
    return secrets.randbelow(limit)
