"""Reading the interchange files strictly, and writing the result whole."""

import csv
import hashlib
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reconciliation import interchange
from reconciliation.errors import MatchInputError
from reconciliation.matching.columns import BANK, PAYMENTS, SETTLEMENTS, Column
from reconciliation.matching.engine import run
from tests.support.labelled import build, inputs_of

HEADER = ",".join(column.name for column in BANK)
ROW = "B1,014,2026-03-02,2026-03-02,5000,VND,NOP PHI,AN,0123,FT1"


def bank_file(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "bank.csv"
    path.write_text("\r\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def refusal(path: Path, columns: tuple[Column, ...] = BANK) -> str:
    with pytest.raises(MatchInputError) as caught:
        interchange.read_table(path, columns)
    return caught.value.detail


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    frame = interchange.read_table(bank_file(tmp_path, ROW), BANK)
    assert frame["amount"].tolist() == [5000]
    assert frame["value_date"].tolist() == [pd.Timestamp("2026-03-02")]
    assert frame["counterparty_account"].tolist() == ["0123"]


def test_columns_may_stand_in_any_order_beside_others(tmp_path: Path) -> None:
    names = [*[column.name for column in BANK][::-1], "extra"]
    cells = [*ROW.split(",")[::-1], "x"]
    frame = interchange.read_table(
        bank_file(tmp_path, ",".join(cells), header=",".join(names)), BANK
    )
    assert list(frame.columns) == [column.name for column in BANK]
    assert frame["line_id"].tolist() == ["B1"]


def test_quoted_values_may_hold_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    row = 'B1,014,2026-03-02,2026-03-02,5000,VND,"a, ""b""\nc",AN,0123,FT1'
    frame = interchange.read_table(bank_file(tmp_path, row), BANK)
    assert frame["narrative"].tolist() == ['a, "b"\nc']


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = bank_file(tmp_path, ROW)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert interchange.read_table(path, BANK)["line_id"].tolist() == ["B1"]


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        ("amount", "5.000", "bank.csv, line 3, column amount: '5.000' is no whole number"),
        ("amount", "5e3", "bank.csv, line 3, column amount: '5e3' is no whole number"),
        ("amount", "", "bank.csv, line 3, column amount: is no whole number"),
        ("amount", "9" * 16, "bank.csv, line 3, column amount: "),
        ("value_date", "02/03/2026", "bank.csv, line 3, column value_date: '02/03/2026' is not a"),
        ("value_date", "2026-02-30", "bank.csv, line 3, column value_date: '2026-02-30' is not a"),
        ("currency", "vnd", "bank.csv, line 3, column currency: 'vnd' no currency"),
        ("line_id", "", "bank.csv, line 3, column line_id: is empty"),
        ("line_id", "B1", "bank.csv, line 3, column line_id: B1 stands twice"),
    ],
)
def test_an_unusable_value_is_named_with_line_and_column(
    tmp_path: Path, cell: str, value: str, message: str
) -> None:
    names = [column.name for column in BANK]
    cells = ROW.replace("B1", "B2").split(",")
    cells[names.index(cell)] = value
    assert refusal(bank_file(tmp_path, ROW, ",".join(cells))).startswith(message)


def test_the_line_is_counted_over_line_breaks_inside_values(tmp_path: Path) -> None:
    broken = 'B1,014,2026-03-02,2026-03-02,5000,VND,"a\nb\nc",AN,0123,FT1'
    message = refusal(bank_file(tmp_path, broken, ROW.replace("B1", "B2").replace("5000", "x")))
    assert message.startswith("bank.csv, line 5, column amount")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = bank_file(tmp_path, header=HEADER.replace("narrative", "text"))
    assert refusal(path) == "bank.csv, line 1, column narrative: is missing"


def test_a_column_that_stands_twice_is_named(tmp_path: Path) -> None:
    path = bank_file(tmp_path, ROW + ",x", header=HEADER + ",narrative")
    assert refusal(path) == "bank.csv, line 1, column narrative: stands twice"


def test_a_row_of_another_width_is_named(tmp_path: Path) -> None:
    message = refusal(bank_file(tmp_path, ROW, "B2,014"))
    assert message == "bank.csv, line 3, column 2: 2 cells where the header has 10"


def test_a_file_that_is_not_utf_8_is_named_to_the_byte(tmp_path: Path) -> None:
    path = bank_file(tmp_path, ROW)
    path.write_bytes(path.read_bytes().replace(b"NOP", b"N\xd4P"))
    assert refusal(path).startswith("bank.csv, line 2, column ")


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_has_no_header(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bank.csv"
    path.write_text(content, encoding="utf-8")
    assert refusal(path) == "bank.csv, line 1, column 1: no header"


def test_an_open_quote_is_refused(tmp_path: Path) -> None:
    assert "bank.csv, line 2" in refusal(bank_file(tmp_path, ROW.replace("NOP", '"NOP')))


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("amount", "0", "is not above zero"),
        ("amount", "-5", "is not above zero"),
        ("status", "done", "is none of pending"),
        ("kind", "gift", "is none of payment"),
        ("paid_at", "2026-03-02T10:00:00", "is not an RFC 3339 time with offset"),
        ("paid_at", "2026-03-02T25:00:00+07:00", "is not an RFC 3339 time with offset"),
    ],
)
def test_payments_are_checked(tmp_path: Path, column: str, value: str, what: str) -> None:
    row = dict.fromkeys((c.name for c in PAYMENTS), "")
    row |= {"payment_id": "P1", "kind": "payment", "channel": "momo", "amount": "5"}
    row |= {"currency": "VND", "status": "pending", "paid_at": "2026-03-02T10:00:00Z"}
    path = tmp_path / "payments.csv"
    for changed, fails in ((row, False), (row | {column: value}, True)):
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(row))
            writer.writeheader()
            writer.writerow(changed)
        if fails:
            assert refusal(path, PAYMENTS).endswith(what) or what in refusal(path, PAYMENTS)
        else:
            assert len(interchange.read_table(path, PAYMENTS)) == 1


def test_frozen_csv_text_reads_back_to_the_same_frame(tmp_path: Path) -> None:
    inputs = inputs_of(build(3, size=1))
    for frame, columns in (
        (inputs.payments, PAYMENTS),
        (inputs.settlements, SETTLEMENTS),
        (inputs.bank, BANK),
    ):
        path = tmp_path / "frozen.csv"
        path.write_text(interchange.csv_text(frame, columns), encoding="utf-8", newline="")
        again = interchange.read_table(path, columns)
        key = columns[0].name
        pd.testing.assert_frame_equal(again, frame.sort_values(key).reset_index(drop=True))


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    inputs = inputs_of(build(3, size=1))
    path = tmp_path / "settlements.parquet"
    pq.write_table(pa.Table.from_pandas(inputs.settlements), path)
    pd.testing.assert_frame_equal(interchange.read_table(path, SETTLEMENTS), inputs.settlements)


def test_parquet_with_floating_amounts_is_refused(tmp_path: Path) -> None:
    frame = inputs_of(build(3, size=1)).bank
    path = tmp_path / "bank.parquet"
    pq.write_table(pa.Table.from_pandas(frame.assign(amount=frame["amount"] + 0.5)), path)
    assert refusal(path).startswith("bank.parquet, row 1, column amount: ")
    pq.write_table(pa.Table.from_pandas(frame.assign(narrative=1.5)), path)
    assert refusal(path).startswith("bank.parquet, row 1, column narrative: ")
    path.write_bytes(b"nothing")
    assert refusal(path).startswith("bank.parquet, row 1, column 1: ")


def test_parquet_instants_need_an_offset_and_nothing_may_be_null(tmp_path: Path) -> None:
    frame = inputs_of(build(3, size=1)).payments
    path = tmp_path / "payments.parquet"
    naive = frame.assign(paid_at=frame["paid_at"].dt.tz_localize(None))
    pq.write_table(pa.Table.from_pandas(naive), path)
    assert refusal(path, PAYMENTS) == (
        "payments.parquet, row 1, column paid_at: an instant needs its offset"
    )
    table = pa.Table.from_pandas(frame)
    holes = pa.array([None, *frame["amount"].tolist()[1:]], type=pa.int64())
    place = table.column_names.index("amount")
    pq.write_table(table.set_column(place, "amount", holes), path)
    assert refusal(path, PAYMENTS) == "payments.parquet, row 1, column amount: is empty"


def test_a_result_is_written_whole_and_again(tmp_path: Path) -> None:
    result = run(inputs_of(build(3, size=1)))
    digests = [interchange.InputDigest("a.csv", 1, "x"), interchange.InputDigest("a.csv", 2, "y")]
    summary = interchange.summary_document(result, engine="local", inputs=digests)
    assert summary["inputs"] == {
        "a.csv": {"rows": 1, "sha256": "x"},
        "a.csv'": {"rows": 2, "sha256": "y"},
    }
    out = tmp_path / "deep" / "out"
    interchange.write_result(out, result, summary)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(first) == {"matches.csv", "mismatches.csv", "summary.json"}
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    interchange.write_result(out, result, summary, file_format="parquet")
    assert {path.name for path in out.iterdir()} == {
        "matches.parquet",
        "mismatches.parquet",
        "notes.txt",
        "summary.json",
    }
    assert json.loads((out / "summary.json").read_text(encoding="utf-8")) == summary
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    written = pq.read_table(out / "matches.parquet").to_pandas()
    assert written["amount"].tolist() == result.matches["amount"].tolist()


def test_a_result_does_not_replace_a_file(tmp_path: Path) -> None:
    result = run(inputs_of(build(3, size=1)))
    out = tmp_path / "out"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(MatchInputError, match="is not a folder"):
        interchange.write_result(out, result, result.summary)
    assert out.read_text(encoding="utf-8") == "mine"


def test_digests_are_those_of_the_bytes(tmp_path: Path) -> None:
    path = bank_file(tmp_path, ROW)
    assert interchange.sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
