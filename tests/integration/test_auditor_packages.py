"""A package for an auditor is whole, adds up by itself, and other people's programs agree."""

import csv
import hashlib
import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

from core.db import reading, transaction
from core.money import Currency, Money
from payments.ledger.balances import trial_balance
from payments.ledger.models import MoneyEvent
from payments.ledger.posting import Cause, Leg, post_entry
from reconciliation.auditing import package
from reconciliation.auditing.books import BookRange, Books, book_range
from reconciliation.auditing.columns import ACCOUNTS, CLOSING, OPENING, TRANSFERS, Row
from reconciliation.auditing.models import Format
from reconciliation.auditing.package import write_package
from reconciliation.auditing.workbooks import safe_text, write_workbooks
from reconciliation.errors import BooksUnequalError, ExportRangeError, ExportTargetError
from tests.support.auditors import auditor, hledger
from tests.support.clock import FrozenClock
from tests.support.entries import FIRST, LAST, NASTY, some_books

WHOLE = BookRange(FIRST, LAST, "/")
MIDDLE = BookRange(FIRST + timedelta(days=3), LAST - timedelta(days=2), "/")

Written = Callable[..., Path]


@pytest.fixture
def write(engine: Engine, tmp_path: Path) -> Written:
    """Return what writes a package of books with nasty texts and gives its folder."""
    some_books(engine)

    def write(kind: Format, wanted: BookRange = WHOLE, name: str = "") -> Path:
        target = tmp_path / (name or kind.value)
        with reading(engine) as session:
            write_package(session, wanted, kind, target)
        return target

    return write


def csv_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def trial(engine: Engine) -> dict[tuple[str, str], int]:
    with reading(engine) as session:
        return {(b.code, b.currency.value): b.balance_minor for b in trial_balance(session)}


@pytest.mark.parametrize("kind", list(Format))
def test_the_manifest_lists_and_hashes_every_file(write: Written, kind: Format) -> None:
    folder = write(kind, MIDDLE)
    manifest = json.loads((folder / "manifest.json").read_text())
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {file["path"] for file in manifest["files"]} == there - {"manifest.json"}
    for file in manifest["files"]:
        content = (folder / file["path"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["bytes"] == len(content)
    assert (manifest["from"], manifest["to"]) == ("2026-11-04", "2026-11-08")
    assert manifest["transfers"] == 3 * manifest["entries"] == 36
    totals = manifest["totals"]
    assert [total["currency"] for total in totals] == ["USD", "VND"]
    assert all(total["debit_minor"] == total["credit_minor"] > 0 for total in totals)


@pytest.mark.parametrize("kind", list(Format))
def test_the_same_snapshot_gives_the_same_bytes(write: Written, kind: Format) -> None:
    one, two = (write(kind, MIDDLE, name) for name in ("one", "two"))
    assert contents(one) == contents(two)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def test_opening_and_transfers_make_closing_and_both_are_the_trial_balance(
    write: Written, engine: Engine
) -> None:
    folder = write(Format.DATAPACKAGE, BookRange(MIDDLE.first, LAST, "/"))
    sums: dict[tuple[str, str], int] = {}
    for row in csv_rows(folder / "opening_balances.csv"):
        sums[row["account"], row["currency"]] = int(row["balance_minor"])
    assert sums
    for row in csv_rows(folder / "transfers.csv"):
        for side, sign in (("debit_account", 1), ("credit_account", -1)):
            key = row[side], row["currency"]
            sums[key] = sums.get(key, 0) + sign * int(row["amount_minor"])
    closing = {
        (row["account"], row["currency"]): int(row["balance_minor"])
        for row in csv_rows(folder / "closing_balances.csv")
    }
    assert sums == closing == trial(engine)


def test_machine_files_hold_every_text_as_it_was(write: Written) -> None:
    rows = csv_rows(write(Format.DATAPACKAGE) / "transfers.csv")
    lines = (write(Format.JSONL) / "transfers.jsonl").read_text().split("\n")[:-1]
    objects = [json.loads(line) for line in lines]
    table = pq.read_table(write(Format.PARQUET) / "transfers.parquet").to_pylist()
    assert set(NASTY) <= {row["description"] for row in rows}
    names = TRANSFERS.names
    assert list(rows[0]) == list(objects[0]) == list(table[0]) == names
    for row, thing, record in zip(rows, objects, table, strict=True):
        assert row["description"] == thing["description"] == record["description"]
        assert int(row["amount_minor"]) == thing["amount_minor"] == record["amount_minor"]
        assert row["bill_id"] == ""
        assert thing["bill_id"] is record["bill_id"] is None
        assert record["posted_at_utc"] == record["posted_at_local"]
    assert rows[0]["posted_at_utc"] == "2026-11-01T16:00:01.000000Z"
    assert rows[0]["posted_at_local"] == "2026-11-01T23:00:01.000000+07:00"
    assert objects[0]["posted_at_local"] == rows[0]["posted_at_local"]
    assert table[0]["posted_at_local"].isoformat() == "2026-11-01T23:00:01+07:00"


def test_only_the_offices_in_the_subtree_are_written(write: Written, engine: Engine) -> None:
    folder = write(Format.DATAPACKAGE, BookRange(FIRST, LAST, "/22/22001/"))
    rows = csv_rows(folder / "transfers.csv")
    assert {row["office_code"] for row in rows} == {"22001"}
    assert {row["collecting_account"] for row in rows} == {"112000000001"}
    codes = {row["account"] for row in csv_rows(folder / "closing_balances.csv")}
    assert "bank:112000000001" in codes
    assert "bank:112000000002" not in codes
    empty = write(Format.DATAPACKAGE, BookRange(FIRST, LAST, ""), "nothing")
    assert csv_rows(empty / "transfers.csv") == []


def test_a_day_is_in_by_its_date_and_not_by_when_it_was_posted(write: Written) -> None:
    day = FIRST + timedelta(days=1)
    rows = csv_rows(write(Format.DATAPACKAGE, BookRange(day, day, "/")) / "transfers.csv")
    assert {row["entry_date"] for row in rows} == {"2026-11-02"}
    assert len(rows) == 6


# -- other people's programs ----------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [WHOLE, MIDDLE], ids=["whole", "middle"])
def test_hledger_agrees(write: Written, engine: Engine, wanted: BookRange) -> None:
    journal = write(Format.HLEDGER, wanted) / "books.journal"
    done = hledger("-f", journal, "check", "--strict", "ordereddates")
    assert (done.returncode, done.stderr) == (0, "")
    if wanted is WHOLE:
        text = hledger("-f", journal, "balance", "-O", "json", "--flat", "--empty").stdout
        found: dict[tuple[str, str], int] = {}
        for name, _, _, amounts in json.loads(text)[0]:
            for amount in amounts:
                found[name, amount["acommodity"]] = minor_of(amount)
        expected = {
            (name_of(code), currency): balance
            for (code, currency), balance in trial(engine).items()
            if balance
        }
        assert found == expected


def name_of(code: str) -> str:
    """How hledger knows an account: by its type."""
    roots = {"suspense": "liabilities", "payable": "liabilities"}
    return f"{roots.get(code.partition(':')[0], 'assets')}:{code}"


def minor_of(amount: dict[str, Any]) -> int:
    quantity, places = amount["aquantity"], Currency(amount["acommodity"]).exponent
    assert quantity["decimalPlaces"] <= places
    return int(quantity["decimalMantissa"]) * 10 ** (places - quantity["decimalPlaces"])


@pytest.mark.parametrize("wanted", [WHOLE, MIDDLE], ids=["whole", "middle"])
def test_beancount_agrees(write: Written, engine: Engine, wanted: BookRange) -> None:
    journal = write(Format.BEANCOUNT, wanted) / "books.beancount"
    done = auditor("bean-check", journal)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    if wanted is WHOLE:
        sums = auditor("python", Path(__file__).parents[1] / "auditors/balances.py", journal)
        found = {(code, money): value for code, money, value in json.loads(sums.stdout)}
        assert found == {key: value for key, value in trial(engine).items() if value}


@pytest.mark.parametrize("program", ["hledger", "bean-check"])
def test_one_dong_too_many_is_found_by_them(write: Written, program: str) -> None:
    """Else their agreement would prove nothing."""
    kind = Format.HLEDGER if program == "hledger" else Format.BEANCOUNT
    path = next(write(kind, MIDDLE).glob("books.*"))
    text = path.read_text()
    changed = re.sub(r"\b(7500\d) VND", lambda m: f"{int(m[1]) + 1} VND", text, count=2)
    assert changed != text
    path.write_text(changed)  # both sides: it balances, but the closing balance does not
    done = (
        hledger("-f", path, "check", "--strict")
        if program == "hledger"
        else auditor("bean-check", path)
    )
    assert done.returncode == 1
    assert "alance" in done.stdout + done.stderr


def test_frictionless_agrees(write: Written) -> None:
    folder = write(Format.DATAPACKAGE, MIDDLE)
    done = auditor("frictionless", "validate", "--json", folder / "datapackage.json")
    report = json.loads(done.stdout)
    assert report["valid"], report
    assert (done.returncode, report["stats"]["tasks"]) == (0, 4)


@pytest.mark.parametrize("change", ["amount", "account"])
def test_frictionless_finds_what_was_changed(write: Written, change: str) -> None:
    folder = write(Format.DATAPACKAGE, MIDDLE)
    path = folder / "transfers.csv"
    text = path.read_bytes()
    old, new = (b",75009,", b",75008,") if change == "amount" else (b",suspense,", b",suspend_,")
    assert old in text
    path.write_bytes(text.replace(old, new, 1))
    done = auditor("frictionless", "validate", "--json", folder / "datapackage.json")
    report = json.loads(done.stdout)
    assert not report["valid"]
    kinds = {error["type"] for task in report["tasks"] for error in task["errors"]}
    assert kinds >= ({"hash-count"} if change == "amount" else {"hash-count", "foreign-key"})


# -- spreadsheets ---------------------------------------------------------------------------------


def test_no_cell_of_a_workbook_is_a_formula(write: Written) -> None:
    folder = write(Format.XLSX)
    cells = [
        cell
        for path in folder.glob("*.xlsx")
        for row in openpyxl.load_workbook(path).active.iter_rows()
        for cell in row
    ]
    texts = [cell.value for cell in cells if isinstance(cell.value, str)]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d", "inlineStr"}
    assert '\'=HYPERLINK("http://x","y")' in texts
    assert not [t for t in texts if t.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert not [cell for cell in cells if cell.hyperlink]


def test_numbers_and_days_stay_numbers_and_days(write: Written) -> None:
    sheet = openpyxl.load_workbook(write(Format.XLSX) / "transfers.xlsx").active
    names = [cell.value for cell in sheet[1]]
    first = dict(zip(names, (cell.value for cell in sheet[2]), strict=True))
    assert names == TRANSFERS.names
    assert (first["amount_minor"], first["entry_date"].date()) == (75_001, FIRST)
    closing = openpyxl.load_workbook(write(Format.XLSX, name="b") / "closing_balances.xlsx").active
    bank = next(r for r in closing.iter_rows(values_only=True) if r[0] == "bank:112000000001")
    assert type(bank[4]) is int


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "\0x", "  =1"])
def test_a_text_that_begins_a_formula_is_quoted(text: str) -> None:
    assert safe_text(text) == f"'{text}"
    assert safe_text(f"a{text}") == f"a{text}"


def test_a_text_longer_than_a_cell_says_that_it_was_cut() -> None:
    assert safe_text("x" * 40_000).endswith("whole in the other formats]")
    assert len(safe_text("=" * 40_000)) < 32_767
    assert safe_text("x" * 32_000) == "x" * 32_000


def test_a_table_longer_than_a_sheet_goes_on_in_a_further_file(
    write: Written, engine: Engine, tmp_path: Path
) -> None:
    with reading(engine) as session:
        books = Books(session, WHOLE, progress=lambda _done, _total: None)
        write_workbooks(books, tmp_path, max_rows=24)  # a header and 23 of 72 transfers
    names = ["transfers.xlsx", "transfers-2.xlsx", "transfers-3.xlsx", "transfers-4.xlsx"]
    assert sorted(p.name for p in tmp_path.glob("transfers*.xlsx")) == sorted(names)
    ids = []
    for name in names:
        rows = list(openpyxl.load_workbook(tmp_path / name).active.iter_rows(values_only=True))
        assert list(rows[0]) == TRANSFERS.names
        ids += [row[0] for row in rows[1:]]
    assert len(ids) == len(set(ids)) == 72


# -- whole or not at all --------------------------------------------------------------------------


def test_a_failure_leaves_nothing(
    write: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(books: Books, folder: Path) -> None:
        (folder / "half.csv").write_text("half")
        next(books.transfers())
        raise RuntimeError("the power went out")

    monkeypatch.setitem(package.WRITERS, Format.JSONL, fail)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="power"):
        write(Format.JSONL)
    assert list(tmp_path.iterdir()) == []


def without_the_first(rows: list[Row]) -> list[Row]:
    return rows[1:]


def one_more(rows: list[Row]) -> list[Row]:
    return [(*row[:10], row[10] + 1, *row[11:]) for row in rows]


@pytest.mark.parametrize("change", [without_the_first, one_more])
def test_books_that_do_not_add_up_are_not_handed_out(
    write: Written,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[list[Row]], list[Row]],
) -> None:
    counted = Books._count
    monkeypatch.setattr(Books, "_count", lambda self, rows, last: counted(self, change(rows), last))
    with pytest.raises(BooksUnequalError):
        write(Format.DATAPACKAGE)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_written_over(write: Written, tmp_path: Path) -> None:
    (tmp_path / "jsonl").mkdir()
    (tmp_path / "jsonl" / "mine.txt").write_text("mine")
    (tmp_path / "xlsx").write_text("mine")
    for kind in (Format.JSONL, Format.XLSX):
        with pytest.raises(ExportTargetError):
            write(kind)
    assert [p.name for p in (tmp_path / "jsonl").iterdir()] == ["mine.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["jsonl", "xlsx"]


def test_what_is_posted_meanwhile_is_not_in_the_package(engine: Engine, tmp_path: Path) -> None:
    """All of a package is of the snapshot of its first read."""
    some_books(engine)
    late = Cause(MoneyEvent.BILLED, "late")

    def post(done: int, total: int) -> None:
        with transaction(engine) as other:
            legs = [Leg("receivable", "suspense", Money(5))]
            post_entry(other, late, legs, clock=FrozenClock(), on=LAST)

    with reading(engine) as session:
        about = write_package(session, WHOLE, Format.JSONL, tmp_path / "a", progress=post)
    assert about["transfers"] == 72
    assert "late" not in (tmp_path / "a" / "transfers.jsonl").read_text()
    with reading(engine) as session:
        assert write_package(session, WHOLE, Format.JSONL, tmp_path / "b")["transfers"] == 73


def test_attachments_are_written_from_the_same_snapshot_and_listed(
    write: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attach(session: object, wanted: BookRange, folder: Path) -> None:
        (folder / "proof").mkdir()
        (folder / "proof" / "checkpoint.txt").write_text(f"{wanted.last}")

    monkeypatch.setattr(package, "ATTACHMENTS", (attach,))
    files = json.loads((write(Format.JSONL) / "manifest.json").read_text())["files"]
    assert "proof/checkpoint.txt" in {file["path"] for file in files}


# -- ranges ---------------------------------------------------------------------------------------


def test_a_range_is_checked_and_begins_with_the_books(engine: Engine) -> None:
    some_books(engine)
    with reading(engine) as session:

        def asked(first: date | None, last: date | None, scope: str = "/") -> BookRange:
            return book_range(session, first, last, scope=scope, today=LAST)

        assert asked(None, None) == WHOLE
        assert asked(LAST, None) == BookRange(LAST, LAST, "/")
        assert asked(None, FIRST - timedelta(days=9)).first == FIRST - timedelta(days=9)
        assert asked(None, None, "").first == LAST
        for first, last in ((LAST, FIRST), (None, LAST + timedelta(days=1))):
            with pytest.raises(ExportRangeError):
                asked(first, last)


def test_every_table_says_what_its_columns_mean() -> None:
    for table in (TRANSFERS, ACCOUNTS, OPENING, CLOSING):
        assert all(column.meaning for column in table.columns)
        assert set(table.key) <= set(table.names)


def test_a_killed_export_leaves_nothing_that_looks_whole(engine: Engine, tmp_path: Path) -> None:
    """The process is killed as the last transfers are read: nobody can tidy up after that."""
    some_books(engine)
    program = (
        "import os, signal, sys\n"
        "from datetime import date\n"
        "from pathlib import Path\n"
        "from core.db import make_engine, reading\n"
        "from reconciliation.auditing.books import BookRange\n"
        "from reconciliation.auditing.models import Format\n"
        "from reconciliation.auditing.package import write_package\n"
        "wanted = BookRange(date(2026, 11, 1), date(2026, 11, 10), '/')\n"
        "die = lambda done, total: os.kill(os.getpid(), signal.SIGKILL)\n"
        "with reading(make_engine(sys.argv[1])) as session:\n"
        "    write_package(session, wanted, Format.JSONL, Path(sys.argv[2]), progress=die)\n"
    )
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", program, url, str(tmp_path / "books")]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    [left] = tmp_path.iterdir()
    assert left.name.startswith(".books.")
    assert left.name.endswith(".part")
    assert not (left / "manifest.json").exists()
    with reading(engine) as session:
        write_package(session, WHOLE, Format.JSONL, tmp_path / "books")


def test_transfers_come_from_a_cursor_of_the_server(postgres_engine: Engine) -> None:
    """A client-side one would hold all of the range in memory."""
    some_books(postgres_engine)
    with reading(postgres_engine) as session:
        books = Books(session, WHOLE, progress=lambda _done, _total: None)
        transfers = books.transfers()  # kept, lest its cursor be closed
        next(transfers)
        [count] = session.execute(
            text("SELECT count(*) FROM pg_cursors WHERE statement LIKE '%ledger_transfer%'")
        ).one()
    assert count == 1
