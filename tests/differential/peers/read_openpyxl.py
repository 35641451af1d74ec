"""openpyxl: the cells of the first visible sheet, as texts that can be compared."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from answer import answer
from openpyxl import load_workbook


def read(path: Path) -> dict[str, Any]:
    workbook = load_workbook(path, data_only=True)
    sheet = next(one for one in workbook.worksheets if one.sheet_state == "visible")
    rows = [[_text(value) for value in row] for row in sheet.iter_rows(values_only=True)]
    return {"cells": rows}


def _text(value: object) -> str:
    """Numbers without trailing zeros, days without a time of midnight."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return format(Decimal(repr(value)).normalize(), "f")
    if isinstance(value, datetime | date):
        return value.isoformat().removesuffix("T00:00:00")
    return str(value)


answer("openpyxl", read)
