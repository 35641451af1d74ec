"""Run as a program of its own: reads a workbook from stdin and prints its first sheet's rows.

It imports nothing of ours, so that what a hostile workbook can break is this process alone. Each
line is a JSON list: the row's number, then cells as text, null, or ``{"n": number}``,
``{"d": day or instant}``, ``{"b": truth}``.
"""

import io
import json
import resource
import sys
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook


def main() -> None:
    """Limit this process, then read; a failure is a line ``{"error": …}`` and exit status 1."""
    memory, seconds = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import python_calamine  # noqa: PLC0415 - before memory is limited, after time is

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(
            io.BytesIO(sys.stdin.buffer.read())
        )
        sheet = workbook.get_sheet_by_index(_first_sheet(workbook))
        out = sys.stdout
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            out.write(json.dumps([number, *map(_cell, cells)], ensure_ascii=True) + "\n")
    except Exception as error:  # noqa: BLE001 - a foreign library; whatever it is, the file is refused
        print(json.dumps({"error": type(error).__name__}))  # noqa: T201 - the answer
        sys.exit(1)


def _first_sheet(workbook: "CalamineWorkbook") -> int:
    """The first visible sheet: what a person sees on opening the file."""
    for index, sheet in enumerate(workbook.sheets_metadata):
        if str(sheet.visible).endswith(".Visible") and str(sheet.typ).endswith(".WorkSheet"):
            return index
    return 0


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return {"b": value}
    if isinstance(value, int | float):
        return {"n": value}
    if isinstance(value, datetime | date):
        return {"d": value.isoformat()}
    if isinstance(value, time | timedelta):
        return str(value)
    return value or None


if __name__ == "__main__":
    main()
