"""How our own code reads a QR text of a vectors file: checksum, lengths and structure apart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.gateways.emvco import crc16, decode_fields
from adapters.gateways.vectors_file import Vector
from adapters.gateways.vietqr import parse_vietqr
from payments.errors import QRPayloadError


@dataclass(frozen=True, slots=True)
class QRReading:
    """How a QR text reads: our findings by mark (None: not judged), its fields, our refusal."""

    marks: Mapping[str, bool | None]
    fields: Mapping[str, Any] | None
    refusal: str
    is_transfer: bool

    @classmethod
    def of(cls, payload: str) -> "QRReading":
        """Judge the three checks apart: structure also where the checksum is wrong."""
        body, checksum = payload[:-4], payload[-4:]
        fields = _fields_or_none(payload)
        plain_text = payload.isascii()
        # Only transfers have a structure of NAPAS; outside ASCII lengths are ambiguous.
        is_transfer = plain_text and "38" in (fields or {"38": ""})
        wellformed = fields is not None if plain_text else None
        structure = _refusal(body + crc16(body)) == "" if is_transfer else None
        marks = {
            "crc_valid": crc16(body) == checksum.upper(),
            "tlv_wellformed": wellformed,
            "napas_structure_ok": structure if wellformed else None,
        }
        return cls(marks, fields, _refusal(payload), is_transfer)


def _refusal(payload: str) -> str:
    try:
        parse_vietqr(payload)
    except QRPayloadError as error:
        return error.detail
    return ""


def _fields_or_none(payload: str) -> dict[str, Any] | None:
    """Return all fields with those of the templates that a transfer has, None if not sound."""
    try:
        fields: dict[str, Any] = dict(decode_fields(payload))
        for tag in ("38", "62"):
            if tag in fields:
                fields[tag] = dict(decode_fields(fields[tag], within=f"template {tag}"))
        if "01" in fields.get("38", {}):
            fields["38.01"] = dict(decode_fields(fields["38"]["01"], within="template 38.01"))
    except QRPayloadError:
        return None
    return fields


def qr_problems(vector: Vector, payload: str, reading: QRReading) -> Iterator[str]:
    """Yield what of a vector does not agree with our reading of its code."""
    if vector.text is not None and payload[:-4] != vector.text:
        yield "the code is not the text to sign and a checksum"
    if payload[-4:].upper() != vector.expected.upper():
        yield "the code does not end with the expected checksum"
    for name, marked in vector.marks.items():
        if reading.marks[name] not in {None, marked}:
            yield f"{name} is marked {str(marked).lower()}, we find the contrary"
    if vector.is_wrong_on_purpose:
        if not reading.refusal:
            yield "accepted, although it is marked as wrong"
        return
    if reading.refusal and reading.is_transfer:
        yield f"refused: {reading.refusal}"
    wanted = vector.inputs.get("parsed")
    if wanted is not None and reading.fields is not None and reading.fields != wanted:
        yield "other fields are read"
