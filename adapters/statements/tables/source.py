"""The rows of a table file, whatever it is written in."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from adapters.statements.limits import Limits
from adapters.statements.markup_rows import html_rows, spreadsheetml_rows
from adapters.statements.problems import Code, ContentRefusedError
from adapters.statements.rows import Row, is_utf8, text_encodings, text_rows
from adapters.statements.sniff import NOT_SUPPORTED, Kind
from adapters.statements.spreadsheet import workbook_rows


def open_rows(
    source: BinaryIO,
    kind: Kind,
    head: bytes,
    encodings: Sequence[str],
    limits: Limits,
    *,
    delimiter: str = "",
) -> Iterator[Iterator[Row]]:
    """The rows of a table file, once for each encoding it may be in.

    ``encodings`` are of texts that are neither marked nor UTF-8, the likeliest first; an empty
    ``delimiter`` is found out.

    Raises:
        ContentRefusedError: it is no table.
    """
    if kind in (Kind.XLSX, Kind.XLS):
        yield workbook_rows(source, limits, is_zip=kind is Kind.XLSX)
        return
    if kind is Kind.SPREADSHEETML:
        yield spreadsheetml_rows(source, limits)
        return
    if kind in NOT_SUPPORTED:
        message = f"this is {NOT_SUPPORTED[kind]}"
        raise ContentRefusedError(Code.FORMAT_NOT_SUPPORTED, "file", message)
    if kind is Kind.EMPTY:
        raise ContentRefusedError(Code.EMPTY_FILE, "file", "the file is empty")
    if kind not in (Kind.TEXT, Kind.HTML):
        raise ContentRefusedError(Code.UNKNOWN_FORMAT, "file", f"{kind.value} data is no table")
    source.seek(0)
    for encoding in text_encodings(head, is_utf8=is_utf8(source), others=encodings):
        if kind is Kind.HTML:
            yield html_rows(source, encoding, limits)
        else:
            yield text_rows(source, encoding, limits, delimiter=delimiter)
