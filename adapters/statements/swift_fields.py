"""SWIFT messages taken apart: the fields of their text blocks, one after the other."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from adapters.statements.limits import Limits
from adapters.statements.problems import Code, ContentRefusedError
from adapters.statements.rows import is_utf8, text_encodings

_TAG: Final = re.compile(r"[\s\x01-\x03\ufeff]*:(\d{2}[A-Za-z]?|NS):(.*)")
_BLOCK_4: Final = re.compile(r"\{4:")
_BLOCKS: Final = re.compile(r"(?:\{\d:[^{}]*\}|\{[S5]:(?:\{[^{}]*\})*\}|\$)+")
_END: Final = frozenset({"-", "-}"})
"""What stands alone at the end of a message; inside a narrative it may be text."""
NARRATIVE: Final = "86"
_WESTERN: Final = "cp1252"
"""What is not UTF-8 comes from Western systems; money and references are ASCII in each."""
_MAX_LINE: Final = 16_384
_MAX_LINES: Final = 400
_INVISIBLE: Final = "\x00\x01\x02\x03\x1a\ufeff \t\r\n"


@dataclass(slots=True)
class Field:
    """A field as it stands: ``tag`` without its colons, its lines, and where it begins."""

    tag: str
    lines: list[str]
    line_number: int

    @property
    def where(self) -> str:
        """Its place in the file."""
        return f"line {self.line_number}"

    @property
    def joined(self) -> str:
        """A value that may be broken over lines, whole."""
        return "".join(line.strip() for line in self.lines)


def swift_fields(source: BinaryIO, head: bytes, limits: Limits) -> Iterator[Field | None]:
    """Yield the fields of every message of a file; None where a message ends.

    Envelopes (``{1:…}{2:…}{4:``), headers between messages and blank lines belong to no field. A
    line that begins no field continues the one before it.

    Raises:
        ContentRefusedError: damaged text, a file that is too large, a line or field without end.
    """
    source.seek(0)
    (encoding,) = text_encodings(head, is_utf8=is_utf8(source), others=[_WESTERN])
    source.seek(0)
    errors = "replace" if encoding == _WESTERN else "strict"
    text = io.TextIOWrapper(source, encoding=encoding, errors=errors)
    try:
        yield from _fields(_bounded(text, limits))
    except UnicodeDecodeError as error:
        raise ContentRefusedError(Code.ENCODING, "file", "the text is damaged") from error
    finally:
        if not source.closed:  # a reader that is dropped early may end after its file
            text.detach()


def _bounded(text: io.TextIOWrapper, limits: Limits) -> Iterator[str]:
    size = number = 0
    while line := text.readline(_MAX_LINE + 1):
        number += 1
        size += len(line)
        if len(line) > _MAX_LINE:
            raise ContentRefusedError(Code.LIMIT_EXCEEDED, f"line {number}", "an endless line")
        if size > limits.file_bytes:
            raise ContentRefusedError(Code.LIMIT_EXCEEDED, "file", "the file is too large")
        yield line


def _fields(lines: Iterator[str]) -> Iterator[Field | None]:
    field: Field | None = None
    is_over = False
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        if text[:1] == "{" or text[:2] == "-}":
            text, is_over = _without_envelope(text), True
        found = _TAG.match(text) if ":" in text[:8] else None
        if found is not None:
            if field is not None:
                yield field
            if is_over:
                yield None
            field, is_over = Field(found[1].upper(), [found[2]], number), False
        elif text.strip(_INVISIBLE) in _END:
            is_over = True
        elif field is not None and text.strip(_INVISIBLE):
            is_over = _go_on(field, text, is_over=is_over)
    if field is not None:
        yield field
    yield None


def _go_on(field: Field, text: str, *, is_over: bool) -> bool:
    """Add a line to its field; returns whether the message is over all the same.

    After the end come headers of the next message; only in a narrative was the dash a text.
    """
    if is_over and field.tag != NARRATIVE:
        return True
    field.lines += ["-", text] if is_over else [text]
    if len(field.lines) > _MAX_LINES:
        raise ContentRefusedError(Code.LIMIT_EXCEEDED, field.where, "a field without end")
    return False


def _without_envelope(text: str) -> str:
    """What stands of the text block in a line with other blocks."""
    begins = _BLOCK_4.search(text)
    if begins is not None:
        return text[begins.end() :]
    return _BLOCKS.sub("", text).strip()
