"""What a file is, told by its first bytes and never by its name."""

import re
from enum import StrEnum
from typing import Final

HEAD_BYTES: Final = 64 * 1024
"""How much of a file :func:`sniff` wants to see."""


class Kind(StrEnum):
    """Kinds of files that arrive where statements are expected."""

    EMPTY = "empty"
    XML = "xml"
    XLSX = "xlsx"
    XLS = "xls"
    TEXT = "text"
    MT940 = "mt940"
    MT942 = "mt942"
    OFX = "ofx"
    BAI2 = "bai2"
    PDF = "pdf"
    HTML = "html"
    SPREADSHEETML = "spreadsheetml"
    ARCHIVE = "archive"
    BINARY = "binary"


NOT_SUPPORTED: Final = {
    Kind.OFX: "an OFX file; this format is not supported",
    Kind.BAI2: "a BAI2 file; this format is not supported",
    Kind.PDF: "a PDF document; statements are not read from PDF",
    Kind.ARCHIVE: "an archive or a document that is not an .xlsx workbook; send the file itself",
}
"""Recognised so that the refusal can say what it is."""

_MAGIC: Final = (
    (b"%PDF-", Kind.PDF),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.XLS),
    (b"\x1f\x8b", Kind.ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", Kind.ARCHIVE),
    (b"Rar!", Kind.ARCHIVE),
    (b"BZh", Kind.ARCHIVE),
    (b"\xfd7zXZ\x00", Kind.ARCHIVE),
    (b"\x28\xb5\x2f\xfd", Kind.ARCHIVE),
)
_OFFICE_PARTS: Final = (b"[Content_Types].xml", b"_rels/", b"xl/")
_SWIFT: Final = re.compile(r"(?m)^:(?:20|25|28C?|60[FM]|61|62[FM]|6[45]|86):")
_SWIFT_942: Final = re.compile(r"(?m)^:(?:34F|13D):")
_BAI2: Final = re.compile(r"01,[^,\n]*,[^,\n]*,\d{6},\d{0,4},")
_OFX: Final = re.compile(r"OFXHEADER\s*[:=]|<OFX>|<\?OFX\b", re.IGNORECASE)
_HTML: Final = re.compile(r"<(?:!doctype\s+html|html|table|head|body|meta)\b", re.IGNORECASE)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1f]")
_FEW_CONTROLS: Final = 0.01


def sniff(head: bytes) -> Kind:
    """Tell the kind of a file from its first ``HEAD_BYTES``."""
    if not head.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        return Kind.BINARY if b"\x00" in head else Kind.EMPTY
    if head.startswith(b"PK\x03\x04"):
        return Kind.XLSX if any(part in head for part in _OFFICE_PARTS) else Kind.ARCHIVE
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    return _sniff_text(as_text(head))


def as_text(head: bytes) -> str:
    """The head as text for looking at only: marks of formats are ASCII in every encoding."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "replace")
    if head[:2] == b"<\x00" or head[1:2] == b"\x00" != head[:1]:
        return head.decode("utf-16-le", "replace")
    if head[:2] == b"\x00<":
        return head.decode("utf-16-be", "replace")
    return head.decode("latin-1")


_BYTE_ORDER_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def _sniff_text(text: str) -> Kind:
    start = text.lstrip("\ufeff \t\r\n")
    if _OFX.search(start[:2048]):
        return Kind.OFX
    if start.startswith("<"):
        return _sniff_markup(start)
    if len(_CONTROLS.findall(text)) > len(text) * _FEW_CONTROLS:
        return Kind.BINARY
    if start.startswith("{1:") or _SWIFT.match(start) or len(_SWIFT.findall(text)) > 1:
        return Kind.MT942 if _SWIFT_942.search(text) else Kind.MT940
    return Kind.BAI2 if _BAI2.match(start) else Kind.TEXT


def _sniff_markup(start: str) -> Kind:
    if "urn:schemas-microsoft-com:office:spreadsheet" in start[:4096]:
        return Kind.SPREADSHEETML
    if _HTML.match(re.sub(r"(?s)^(?:<\?.*?\?>|<!--.*?-->|\s)+", "", start[:4096])):
        return Kind.HTML
    return Kind.XML
