"""EMVCo merchant-presented QR texts: tag, two-digit length, value, and a checksum at the end."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from payments.errors import QRPayloadError

MAX_PAYLOAD_CHARACTERS: Final = 512
"""The standard's own bound on the whole text."""

_MAX_VALUE: Final = 99
_HEADER: Final = 4
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")
_CRC_FIELD: Final = re.compile(r"6304([0-9A-Fa-f]{4})")
_POLYNOMIAL: Final = 0x1021


def crc16(text: str) -> str:
    """Return CRC-16/CCITT-FALSE of a text as four upper-case hex digits.

    Polynomial 0x1021, initial value 0xFFFF, nothing reflected, no final xor. Codes are ASCII;
    of others, which are refused elsewhere, the UTF-8 bytes count.
    """
    value = 0xFFFF
    for byte in text.encode():
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1) ^ (_POLYNOMIAL if value & 0x8000 else 0)
            value &= 0xFFFF
    return f"{value:04X}"


def encode_fields(fields: Iterable[tuple[str, str]]) -> str:
    """Return the fields as tag, length, value, in the order given.

    Raises:
        QRPayloadError: a value is empty, longer than 99, or not printable ASCII (libraries
            disagree whether length counts bytes or characters).
    """
    parts = []
    for tag, value in fields:
        if not 0 < len(value) <= _MAX_VALUE:
            raise QRPayloadError(f"field {tag} has {len(value)} characters")
        if not _PRINTABLE.fullmatch(value):
            raise QRPayloadError(f"field {tag} holds other than printable ASCII")
        parts.append(f"{tag}{len(value):02d}{value}")
    return "".join(parts)


def seal(body: str) -> str:
    """Return ``body`` with its checksum field, which is always the last."""
    unsigned = f"{body}6304"
    return unsigned + crc16(unsigned)


def decode_fields(text: str, *, within: str = "the code") -> Mapping[str, str]:
    """Split a text into its fields, in order; every character must belong to one.

    Raises:
        QRPayloadError: a length is wrong, or a tag stands twice.
    """
    fields: dict[str, str] = {}
    position = 0
    while position < len(text):
        tag, length = text[position : position + 2], text[position + 2 : position + _HEADER]
        if not re.fullmatch(r"[0-9]{4}", tag + length):
            raise QRPayloadError(f"no field begins at position {position} of {within}")
        value = text[position + _HEADER : position + _HEADER + int(length)]
        if len(value) != int(length) or not value:
            raise QRPayloadError(f"field {tag} of {within} is not as long as it says")
        if tag in fields:
            raise QRPayloadError(f"field {tag} stands twice in {within}")
        fields[tag] = value
        position += _HEADER + int(length)
    return fields


def open_sealed(payload: str) -> Mapping[str, str]:
    """Check text and checksum, and return the outer fields without the checksum.

    Raises:
        QRPayloadError: too long, other than printable ASCII, checksum absent or wrong, first
            field not the format indicator ``01``, or fields not well formed.
    """
    if len(payload) > MAX_PAYLOAD_CHARACTERS or not _PRINTABLE.fullmatch(payload):
        raise QRPayloadError("not a text of printable ASCII of at most 512 characters")
    checksum = _CRC_FIELD.fullmatch(payload[-8:])
    if not checksum or checksum[1].upper() != crc16(payload[:-4]):
        raise QRPayloadError("the checksum is absent or wrong")
    fields = decode_fields(payload[:-8])
    if next(iter(fields.items()), None) != ("00", "01"):
        raise QRPayloadError("the code does not begin with format 01")
    if "63" in fields:
        raise QRPayloadError("the checksum field stands twice")
    return fields
