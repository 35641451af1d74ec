"""Where a row stands in its file."""

from pathlib import Path

from reconciliation.positions import positions


def test_a_row_starts_after_quoted_breaks_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text('id,text\nA,"one\ntwo"\n\nB,x\nC,y\n', encoding="utf-8")
    assert positions(path, [0, 1, 2]) == {0: 2, 1: 5, 2: 6}


def test_a_byte_order_mark_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("id\r\nA\r\n", encoding="utf-8-sig", newline="")
    assert positions(path, [0]) == {0: 2}


def test_a_parquet_file_has_rows(tmp_path: Path) -> None:
    assert positions(tmp_path / "bank.parquet", [0, 7]) == {0: 1, 7: 8}
