"""Workbooks are read within limits or refused."""

import io
import time
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter

from adapters.statements.limits import Limits
from adapters.statements.parser import StatementFileParser
from adapters.statements.problems import ContentRefusedError
from adapters.statements.spreadsheet import workbook_rows
from reconciliation.ports import Outcome, ParsedFile

HEAD = ["NGÂN HÀNG TMCP ĐẦU TƯ VÀ PHÁT TRIỂN", "BÁO CÁO CHI TIẾT SỐ DƯ TÀI KHOẢN"]
ACCOUNT = "Số tài khoản: 12010009876543"
COLUMNS = ["Ngày hiệu lực", "Ghi nợ", "Ghi có", "Số dư", "Mô tả"]


def workbook(write: Callable[[xlsxwriter.Workbook], None]) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        write(book)
    return buffer.getvalue()


def bidv(*rows: list[object]) -> bytes:
    def write(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        date_format = book.add_format({"num_format": "dd/mm/yyyy"})
        for number, row in enumerate([[HEAD[0]], [HEAD[1]], [ACCOUNT], COLUMNS, *rows]):
            for column, cell in enumerate(row):
                if hasattr(cell, "isoformat"):
                    sheet.write_datetime(number, column, cell, date_format)
                elif cell is not None:
                    sheet.write(number, column, cell)

    return workbook(write)


def read(folder: Path, content: bytes, **limits: int) -> ParsedFile:
    file = folder / "a"
    file.write_bytes(content)
    return StatementFileParser(limits=Limits(**limits)).parse(file)  # type: ignore[arg-type]


def repacked(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", 8) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return buffer.getvalue()


def in_sheet(old: bytes, new: bytes) -> Callable[[str, bytes], bytes]:
    def change(name: str, part: bytes) -> bytes:
        if "worksheets/sheet1" not in name:
            return part
        assert old in part
        return part.replace(old, new)

    return change


def test_date_cells_numbers_and_serials_are_read(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        bidv(
            ["DƯ ĐẦU", None, None, 1000],
            [date(2026, 3, 2), 0, 500, 1500, "a"],
            [46084, 200, None, 1300, "b"],
            ["DƯ CUỐI", None, None, 1300],
        ),
    )

    lines = parsed.statements[0].lines
    assert parsed.outcome is Outcome.OK
    assert [(str(ln.booking_date), str(ln.amount)) for ln in lines] == [
        ("2026-03-02", "500"),
        ("2026-03-03", "-200"),
    ]


def test_a_formula_without_a_stored_value_is_no_amount(tmp_path: Path) -> None:
    content = bidv(["02/03/2026", 0, "=25*2", 50, "a"])
    parsed = read(tmp_path, repacked(content, in_sheet(b'<v>0</v></c><c r="D5"', b'</c><c r="D5"')))

    assert parsed.outcome is Outcome.HELD
    assert parsed.statements[0].lines == []
    assert parsed.problems[0].where == "row 5"


def test_an_amount_of_half_a_dong_holds_the_file(tmp_path: Path) -> None:
    parsed = read(tmp_path, bidv(["02/03/2026", 0, 10.5, None, "a"]))

    assert [(p.code, p.where) for p in parsed.problems] == [("S200", "row 5")]


def test_only_the_first_visible_sheet_is_read(tmp_path: Path) -> None:
    def write(book: xlsxwriter.Workbook) -> None:
        hidden, seen = book.add_worksheet("x"), book.add_worksheet("y")
        hidden.write(0, 0, "hidden")
        seen.write(0, 0, "seen")
        seen.activate()
        seen.set_first_sheet()
        hidden.hide()

    rows = list(workbook_rows(io.BytesIO(workbook(write)), Limits(), is_zip=True))

    assert [row.cells for row in rows] == [["seen"]]


def test_a_cell_at_the_end_of_the_sheet_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    def write(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        sheet.write(0, 0, 1)
        sheet.write(1048575, 16383, 1)

    parsed = read(tmp_path, workbook(write))

    assert (parsed.outcome, str(parsed.problems[0].code)) == (Outcome.REFUSED, "S109")


def test_a_far_cell_that_the_scan_cannot_see_ends_in_the_child(tmp_path: Path) -> None:
    """The scan looks for plain references; what hides from it meets the child's limits."""
    content = bidv(["02/03/2026", 0, 10, None, "a"])
    hidden = repacked(content, in_sheet(b'r="A5"', b'r="&#88;FD1048576"'))

    parsed = read(tmp_path, hidden)

    assert parsed.outcome is Outcome.REFUSED


def test_a_part_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    content = bidv(["02/03/2026", 0, 10, None, "a"])
    padded = repacked(content, in_sheet(b"<sheetData>", b"<sheetData>" + b" " * 3_000_000))

    assert str(read(tmp_path, padded, inflated_bytes=2_000_000).problems[0].code) == "S109"
    assert read(tmp_path, padded).outcome is Outcome.OK


def test_a_part_that_unpacks_to_more_than_it_declares_is_refused(tmp_path: Path) -> None:
    content = bidv(["02/03/2026", 0, 10, None, "a"])
    padded = repacked(content, in_sheet(b"<sheetData>", b"<sheetData>" + b" " * 3_000_000))
    size = max(i.file_size for i in zipfile.ZipFile(io.BytesIO(padded)).infolist())
    lying = padded.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))

    assert lying != padded
    assert read(tmp_path, lying).outcome is Outcome.REFUSED


def test_entities_in_a_sheet_are_refused(tmp_path: Path) -> None:
    content = bidv(["02/03/2026", 0, 10, None, "a"])
    bomb = repacked(content, in_sheet(b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "b">]><worksheet'))

    assert str(read(tmp_path, bomb).problems[0].code) == "S103"


def test_a_text_shared_by_a_hundred_thousand_cells_does_not_fill_the_memory(tmp_path: Path) -> None:
    def write(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        for row in range(20_000):
            sheet.write_row(row, 0, ["x" * 30_000] * 5)

    parsed = read(tmp_path, workbook(write))

    assert parsed.outcome is Outcome.REFUSED


@pytest.mark.parametrize("cut", [100, 2000, -100])
def test_a_workbook_that_was_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    content = bidv(["02/03/2026", 0, 10, None, "a"])

    assert read(tmp_path, content[:cut]).outcome is Outcome.REFUSED


def test_many_parts_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("xl/workbook.xml", "<workbook/>")
        for number in range(300):
            package.writestr(f"xl/{number}", "")

    with pytest.raises(ContentRefusedError) as refused:
        list(workbook_rows(buffer, Limits(), is_zip=True))

    assert str(refused.value.problem.code) == "S109"


def test_a_slow_taker_does_not_use_up_the_readers_time() -> None:
    """The limit is on what the reader works, not on how long its rows are waited for."""
    content = bidv(*[[date(2026, 3, 2), None, 1000, 1000, "x" * 200]] * 2_000)
    rows = workbook_rows(io.BytesIO(content), Limits(reader_seconds=0.1), is_zip=True)
    first = next(rows)
    time.sleep(1.5)  # the pipe is full, and the reader waits
    assert 1 + sum(1 for _ in rows) == 2_004, first
