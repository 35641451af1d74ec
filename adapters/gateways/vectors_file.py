"""A file of signatures and codes that others published: what it says, nothing believed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from core.errors import InputUnusableError

MAX_VECTORS_BYTES: Final = 16 * 1024 * 1024

_MARKS: Final = ("crc_valid", "tlv_wellformed", "napas_structure_ok")


class Standing(StrEnum):
    """What a vector claims to be.

    ``verified``: somebody else published the value and it was reproduced. ``computed only``: no
    value was ever published; it guards against change and proves nothing about the provider.
    ``not reproducible``: published, but its key is not, or the sample was edited.
    """

    VERIFIED = "verified"
    COMPUTED_ONLY = "computed only"
    NOT_REPRODUCIBLE = "not reproducible"


@dataclass(frozen=True, slots=True)
class Vector:
    """One entry of a vectors file; ``marks`` are the three checks of a QR text."""

    name: str
    group: str
    standing: Standing
    inputs: Mapping[str, Any]
    expected: str
    text: str | None
    secret: str | None
    access_key: str
    marks: Mapping[str, bool]

    @property
    def is_wrong_on_purpose(self) -> bool:
        """Whether it is there to be rejected."""
        return not all(self.marks.values())


def read_vectors(content: bytes) -> list[Vector]:
    """Read a vectors file: a JSON object with a list ``vectors``.

    Raises:
        InputUnusableError: it is not one, or holds nothing to check.
    """
    try:
        entries = json.loads(content, parse_float=str, parse_constant=str)["vectors"]
        vectors = [_vector(entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputUnusableError(f"not a vectors file: {in_short(error)}") from error
    if not vectors:
        raise InputUnusableError("not a vectors file: it holds no vector")
    return vectors


def in_short(error: Exception) -> str:
    """Return an error as one short line."""
    return f"{type(error).__name__} {error}"[:200].replace("\n", " ")


def _vector(entry: Mapping[str, Any]) -> Vector:
    return Vector(
        name=_text(entry["name"]),
        group=_text(entry["group"]),
        standing=_standing(entry),
        inputs=_object(entry.get("inputs", {})),
        expected=_text(entry["expected"]),
        text=_text_or_none(entry.get("string_to_sign")),
        secret=_text_or_none(entry.get("secret")),
        access_key=_text(entry.get("access_key", "")),
        marks={name: _bool(entry[name]) for name in _MARKS if name in entry},
    )


def _standing(entry: Mapping[str, Any]) -> Standing:
    computed = _bool(entry.get("computed_only", False))
    if _bool(entry["verified"]):
        return Standing.VERIFIED
    return Standing.COMPUTED_ONLY if computed else Standing.NOT_REPRODUCIBLE


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is not a text")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{str(value)[:40]!r} is neither true nor false")
    return value


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{str(value)[:40]!r} is not an object")
    return value
