"""Fee lists as CSV or spreadsheet, as rows of texts under the names in their first row."""

import csv
from datetime import date, datetime
from pathlib import Path

from adapters.statements.limits import Limits
from adapters.statements.problems import ContentRefusedError
from adapters.statements.rows import Cell
from adapters.statements.spreadsheet import workbook_rows
from payments.errors import FeeFileError


def read_fee_list(path: Path) -> list[dict[str, str]]:
    """Return the rows of a fee list.

    Raises:
        FeeFileError: it is no table, or not UTF-8.
    """
    try:
        if path.suffix.lower() in {".xlsx", ".xls"}:
            return _spreadsheet(path)
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(lines)]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise FeeFileError(f"{path.name}: not a UTF-8 CSV file") from problem


def _spreadsheet(path: Path) -> list[dict[str, str]]:
    try:
        with path.open("rb") as source:
            is_zip = source.read(2) == b"PK"
            rows = [row.cells for row in workbook_rows(source, Limits(), is_zip=is_zip)]
    except ContentRefusedError as problem:
        raise FeeFileError(f"{path.name}: {problem}") from problem
    if not rows:
        raise FeeFileError(f"{path.name}: the first sheet is empty")
    names = [_text(cell) for cell in rows[0]]
    return [
        {name: _text(cell) for name, cell in zip(names, row, strict=False) if name}
        for row in rows[1:]
        if any(cell is not None for cell in row)
    ]


def _text(cell: Cell) -> str:
    """Return a cell as a person would have typed it into a CSV file."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)
