"""The tables of the books as Excel workbooks that no cell of can run as a formula."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

import xlsxwriter

from reconciliation.auditing.books import Books
from reconciliation.auditing.columns import Column, Kind, Row, Table, as_text
from reconciliation.auditing.text_tables import tables_of

MAX_ROWS: Final = 1_048_576
"""Rows of a sheet, the header among them (ECMA-376 has no limit, Excel this one)."""

MAX_TEXT: Final = 32_000
"""Excel takes 32,767 UTF-16 units in a cell; a longer text is cut and says so."""

_EXACT: Final = 10**15
"""Excel shows 15 digits; a larger number is written as text."""

_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
_CUT: Final = " … [cut: whole in the other formats]"


def write_workbooks(books: Books, folder: Path, *, max_rows: int = MAX_ROWS) -> None:
    """Write one workbook for each table; one that exceeds a sheet goes on in a further file."""
    for table, parts in tables_of(books):
        _Series(folder, table, books.range.last, max_rows).write(parts)


def safe_text(text: str) -> str:
    """Return a text that no spreadsheet runs, now or after it is saved as CSV (CWE-1236)."""
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - len(_CUT)] + _CUT
    return f"'{text}" if text.lstrip(" ").startswith(_DANGEROUS) else text


class _Series:
    """The files of one table: ``<table>.xlsx``, ``<table>-2.xlsx`` and so on."""

    def __init__(self, folder: Path, table: Table, day: date, max_rows: int) -> None:
        self._folder = folder
        self._table = table
        self._day = day
        self._max_rows = max_rows
        self._count = 0

    def write(self, parts: Iterable[list[Row]]) -> None:
        rows = (row for part in parts for row in part)
        row = next(rows, None)
        while row is not None or not self._count:
            row = self._write_file(row, rows)

    def _write_file(self, row: Row | None, rows: Iterator[Row]) -> Row | None:
        """Write one file that begins with ``row``; returns the first row that had no room."""
        self._count += 1
        suffix = f"-{self._count}" if self._count > 1 else ""
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        with xlsxwriter.Workbook(
            self._folder / f"{self._table.name}{suffix}.xlsx", options
        ) as book:
            book.set_properties({"created": datetime.combine(self._day, time())})
            days = book.add_format({"num_format": "yyyy-mm-dd"})
            sheet = book.add_worksheet(self._table.name)
            sheet.freeze_panes(1, 0)
            for number, name in enumerate(self._table.names):
                sheet.write_string(0, number, name)
            line = 1
            while row is not None and line < self._max_rows:
                for number, column in enumerate(self._table.columns):
                    _write_cell(sheet, (line, number), column, row[number], days)
                row = next(rows, None)
                line += 1
        return row


def _write_cell(sheet: Any, place: tuple[int, int], column: Column, value: Any, days: Any) -> None:
    if value is None or value == "":
        return
    if column.kind is Kind.INTEGER and abs(value) < _EXACT:
        sheet.write_number(*place, value)
    elif column.kind is Kind.DATE:
        sheet.write_datetime(*place, datetime.combine(value, time()), days)
    else:
        sheet.write_string(*place, safe_text(as_text(value)))
