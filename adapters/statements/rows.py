"""Delimited text read row by row, and what a row of any table is."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from typing import BinaryIO, Final, NamedTuple

from adapters.statements.limits import Limits
from adapters.statements.problems import Code, ContentRefusedError

Cell = str | int | float | bool | date | None
"""A cell: text as written, a number, a truth value, a day or instant, or nothing."""

UTF8: Final = "utf-8-sig"
_DELIMITERS: Final = (",", ";", "\t", "|")
_SAMPLE_LINES: Final = 200
_MAX_LINE: Final = 1024 * 1024
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK: Final = 1024 * 1024


class Row(NamedTuple):
    """A row of a table and where it stands: ``row 7`` of a sheet, ``line 12`` of a text."""

    position: str
    cells: list[Cell]


def text_encodings(head: bytes, *, is_utf8: bool, others: Iterable[str]) -> list[str]:
    """The encodings a text may be in, surest first; UTF-8 that is valid is never doubted.

    ``others`` are encodings that profiles name for exports without a mark.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return [encoding]
    if head[1:2] == b"\x00" and head[:1] != b"\x00":
        return ["utf-16-le"]
    if head[:1] == b"\x00" and head[1:2] != b"\x00":
        return ["utf-16-be"]
    return [UTF8] if is_utf8 else list(dict.fromkeys(others))


def is_utf8(source: BinaryIO) -> bool:
    """Whether a whole file is valid UTF-8; reads it in pieces."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := source.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def text_rows(
    source: BinaryIO, encoding: str, limits: Limits, *, delimiter: str = ""
) -> Iterator[Row]:
    """Read delimited text; the delimiter, if none is given, makes most lines equally wide.

    A cell that a spreadsheet would take for a formula of one text (``="0042"``) is that text.

    Raises:
        ContentRefusedError: wrong encoding, a NUL, an unclosed quote, or a line or cell without
            end.
    """
    source.seek(0)
    text = io.TextIOWrapper(source, encoding=encoding, errors="strict", newline="")
    try:
        lines = _bounded_lines(text)
        sample = list(islice(lines, _SAMPLE_LINES))
        rows = _rows(_chained(sample, lines), delimiter or _best_delimiter(sample), limits)
        if any('="' in line for line in sample):
            rows = map(_without_formulas, rows)
        yield from rows
    except UnicodeError as error:
        message = f"the text is not valid {encoding}"
        raise ContentRefusedError(Code.ENCODING, "file", message) from error
    finally:
        if not source.closed:  # a reader that is dropped early may end after its file
            text.detach()


def _chained(sample: list[str], lines: Iterator[str]) -> Iterator[str]:
    yield from sample
    yield from lines


def _bounded_lines(text: io.TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(_MAX_LINE + 1):
        number += 1
        if len(line) > _MAX_LINE:
            raise ContentRefusedError(Code.LIMIT_EXCEEDED, f"line {number}", "an endless line")
        if "\x00" in line:
            raise ContentRefusedError(Code.UNREADABLE, f"line {number}", "a NUL character in text")
        yield line


def _rows(lines: Iterator[str], delimiter: str, limits: Limits) -> Iterator[Row]:
    quotes = 0

    def counted() -> Iterator[str]:
        nonlocal quotes
        for line in lines:
            quotes += line.count('"')
            yield line

    reader = csv.reader(counted(), delimiter=delimiter)
    line_number = 1
    try:
        for fields in reader:
            _check_row(fields, line_number, limits)
            yield Row(f"line {line_number}", list(fields))
            line_number = reader.line_num + 1
    except csv.Error as error:
        raise ContentRefusedError(Code.DAMAGED, f"line {line_number}", f"{error}") from error
    if quotes % 2:
        message = "a quote that was opened is never closed"
        raise ContentRefusedError(Code.DAMAGED, f"line {line_number}", message)


def _without_formulas(row: Row) -> Row:
    return Row(row.position, [_plain_text(cell) for cell in row.cells])


def _plain_text(cell: Cell) -> Cell:
    is_formula = isinstance(cell, str) and cell.startswith('="') and cell.endswith('"')
    return cell[2:-1] if is_formula and isinstance(cell, str) else cell


def _check_row(fields: list[str], number: int, limits: Limits) -> None:
    too_long = any(len(field) > limits.cell_characters for field in fields)
    if too_long or len(fields) > limits.columns:
        raise ContentRefusedError(Code.LIMIT_EXCEEDED, f"line {number}", "the row is too large")


def _best_delimiter(sample: list[str]) -> str:
    return max(_DELIMITERS, key=lambda delimiter: _evenness(sample, delimiter))


def _evenness(sample: list[str], delimiter: str) -> tuple[int, int]:
    """How many lines of the sample have the commonest width above one, and that width."""
    try:
        widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter))
    except csv.Error:
        return (0, 0)
    wide = [(count, width) for width, count in widths.items() if width > 1]
    return max(wide, default=(0, 0))
