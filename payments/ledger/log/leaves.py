"""What a leaf of the log says: nothing of a person, and of money only what can be opened.

A leaf is canonical JSON (RFC 8785), all of its values texts. That of an entry::

    {"account": …, "books": …, "day": …, "office": …, "person": …, "seq": "17", "v": "1"}

``books`` and ``person`` are commitments: SHA-256 of 32 random bytes and the canonical JSON of what
the books say of the entry (transfers, instant, event) and of what leads to a person (bill, key of
the event, description). Whoever is given a salt can check its part; who deletes that of
``person`` makes it unreadable for ever, and the tree stays as it is. That of an erasure::

    {"erases": "5", "seq": "18", "v": "1"}
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import rfc8785

VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class EntryContent:
    """An entry as leaves tell it: its place, and the parts that are committed to."""

    day: str
    office: str
    account: str
    books: Mapping[str, Any]
    person: Mapping[str, str]


def commitment(salt: bytes, part: Mapping[str, Any]) -> str:
    """The hex SHA-256 of a salt and the canonical JSON of a part."""
    return hashlib.sha256(salt + rfc8785.dumps(dict(part))).hexdigest()


def entry_leaf(seq: int, content: EntryContent, *, books_salt: bytes, person: str) -> str:
    """The leaf of an entry; ``person`` is the commitment, whose salt may be gone."""
    return canonical(
        {
            "account": content.account,
            "books": commitment(books_salt, content.books),
            "day": content.day,
            "office": content.office,
            "person": person,
            "seq": str(seq),
            "v": VERSION,
        }
    )


def erasure_leaf(seq: int, erased_seq: int) -> str:
    """The leaf that tells that nobody can open the person's part of another any more."""
    return canonical({"erases": str(erased_seq), "seq": str(seq), "v": VERSION})


def canonical(value: Mapping[str, Any]) -> str:
    """Canonical JSON as text."""
    return rfc8785.dumps(dict(value)).decode()


def instant(value: datetime) -> str:
    """An instant as leaves and packages write it: ``2026-11-02T02:00:00.000000Z``."""
    utc = value.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat("T", "microseconds") + "Z"
