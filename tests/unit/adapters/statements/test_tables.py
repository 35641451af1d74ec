"""Tables read by a profile: what a layout can say, and what a row must not be read as."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.statements.parser import StatementFileParser
from reconciliation.errors import LayoutInvalidError
from reconciliation.ports import BalanceCheck, LineStatus, Outcome, ParsedFile

PROFILE: dict[str, Any] = {
    "name": "test",
    "title": "",
    "columns": {"booking_date": ["DATE"], "amount": ["AMOUNT"], "narrative": ["TEXT"]},
    "account": {"number": "123456"},
    "currency": {"default": "EUR"},
    "decimal_mark": ".",
}
HEAD = "Date,Text,Amount\n"
MORE = {
    "booking_date": ["DATE"],
    "amount": ["AMOUNT"],
    "narrative": ["TEXT"],
}
TWO = {"booking_date": ["DATE"], "debit": ["DEBIT"], "credit": ["CREDIT"], "balance": ["BALANCE"]}


def read(folder: Path, text: str | bytes, **profile: Any) -> ParsedFile:
    file = folder / "table"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return StatementFileParser().parse_by(file, PROFILE | profile)


def amounts(parsed: ParsedFile) -> list[str]:
    return [str(line.amount) for one in parsed.statements for line in one.lines]


def codes(parsed: ParsedFile) -> list[str]:
    return [str(problem.code) for problem in parsed.problems]


@pytest.mark.parametrize(
    ("order", "day"), [("dmy", "2026-02-03"), ("mdy", "2026-03-02"), ("ymd", "2026-02-03")]
)
def test_the_order_of_a_date_is_the_profiles(tmp_path: Path, order: str, day: str) -> None:
    parsed = read(tmp_path, HEAD + "03/02/2026,a,1.00\n", date_order=order)

    assert str(parsed.statements[0].lines[0].booking_date) == day


def test_a_year_of_two_digits_is_no_date_unless_the_profile_says_so(tmp_path: Path) -> None:
    text = HEAD + "03/02/26,a,1.00\n"

    assert codes(read(tmp_path, text)) == ["S201"]
    assert read(tmp_path, text, short_years=True).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("mark", "text", "amount"),
    [(",", "1.234,56", "1234.56"), (".", "1,234.56", "1234.56"), (",", "1.234", "1234")],
)
def test_the_decimal_mark_is_the_profiles(
    tmp_path: Path, mark: str, text: str, amount: str
) -> None:
    parsed = read(tmp_path, HEAD.replace(",", ";") + f"2026-02-03;a;{text}\n", decimal_mark=mark)

    assert amounts(parsed) == [amount]


@pytest.mark.parametrize("text", ["1.2.3", "1,23,4", "1 234.567", "12..34", "1e3", "USD 5", "--5"])
def test_what_is_no_amount_of_the_layout_holds_the_file(tmp_path: Path, text: str) -> None:
    parsed = read(tmp_path, HEAD + f'2026-02-03,a,"{text}"\n')

    assert (amounts(parsed), codes(parsed)) == ([], ["S200"])


def test_an_inverse_sign_is_turned(tmp_path: Path) -> None:
    text = HEAD + "2026-02-03,a,1.00\n2026-02-03,b,-2.50\n"

    assert amounts(read(tmp_path, text, inverse_sign=True)) == ["-1", "2.50"]


@pytest.mark.parametrize(
    ("word", "amount", "read_as", "found"),
    [
        ("C", "5.00", ["5"], []),
        ("DEBIT", "5.00", ["-5"], []),
        ("借 Dr", "5.00", ["-5"], []),
        ("DEBIT", "-5.00", ["-5"], []),
        ("CREDIT", "-5.00", [], ["S202"]),
        ("?", "5.00", [], ["S202"]),
        ("", "5.00", [], ["S202"]),
    ],
)
def test_a_word_says_whether_money_comes_or_goes(
    tmp_path: Path, word: str, amount: str, read_as: list[str], found: list[str]
) -> None:
    text = f"Date,Text,Amount,Way\n2026-02-03,a,{amount},{word}\n"
    parsed = read(tmp_path, text, columns=MORE | {"direction": ["WAY"]})

    assert (amounts(parsed), codes(parsed)) == (read_as, found)


def test_a_profile_may_name_its_own_words(tmp_path: Path) -> None:
    text = "Date,Text,Amount,Way,State\n2026-02-03,a,5.00,Vào,xong\n2026-02-03,b,1.00,Khác,chờ\n"
    parsed = read(
        tmp_path, text,
        columns=MORE | {"direction": ["WAY"], "status": ["STATE"]},
        directions={"vào": "credit", "khác": "neutral"},
        statuses={"xong": "booked", "chờ": "pending"},
    )  # fmt: skip

    assert parsed.outcome is Outcome.OK
    assert [line.status for line in parsed.statements[0].lines] == [
        LineStatus.BOOKED,
        LineStatus.INFORMATION,
    ]


def test_a_status_nobody_knows_holds_the_file(tmp_path: Path) -> None:
    text = "Date,Text,Amount,State\n2026-02-03,a,5.00,maybe\n"
    parsed = read(tmp_path, text, columns=MORE | {"status": ["STATE"]})

    assert (codes(parsed), parsed.statements[0].lines[0].status) == (
        ["S204"],
        LineStatus.INFORMATION,
    )


def test_pending_lines_are_no_part_of_the_balance(tmp_path: Path) -> None:
    text = (
        "Date,Text,Amount,State\nOpening balance,,10.00,\n"
        "2026-02-03,a,5.00,POSTED\n2026-02-03,b,7.00,PENDING\nClosing balance,,15.00,\n"
    )
    parsed = read(
        tmp_path, text,
        columns=MORE | {"status": ["STATE"]}, opening=["OPENING"], closing=["CLOSING"],
    )  # fmt: skip

    assert parsed.statements[0].balance_check is BalanceCheck.OK


def test_fee_and_tax_are_taken_off_in_their_line(tmp_path: Path) -> None:
    text = (
        "Date,Debit,Credit,Fee,VAT,Balance\n"
        "2026-02-03,,100.00,,,200.00\n2026-02-04,-50.00,,-2.00,-0.20,147.80\n"
    )
    parsed = read(
        tmp_path, text, columns=TWO | {"fee": ["FEE"], "tax": ["VAT"]},
        debit_is_negative=True, balances_from_rows=True,
    )  # fmt: skip

    assert amounts(parsed) == ["100", "-52.20"]
    assert parsed.statements[0].opening_balance == Decimal(100)
    assert parsed.outcome is Outcome.OK


def test_a_table_without_a_header_has_its_columns_by_number(tmp_path: Path) -> None:
    text = "head of the bank\n03/02/2026;a;1,50\n04/02/2026;b;-2,00\n"
    parsed = read(
        tmp_path, text, has_header=False, decimal_mark=",", delimiter=";",
        columns={"booking_date": 1, "narrative": 2, "amount": 3},
    )  # fmt: skip

    assert (amounts(parsed), parsed.outcome) == (["1.50", "-2"], Outcome.OK)


def test_rows_of_nothing_but_text_go_on_with_the_line_above(tmp_path: Path) -> None:
    text = HEAD + "2026-02-03,pays for,1.00\n,DX4KT7PQ2MNA,\n2026-02-04,b,2.00\n"

    def narratives(*, continued: bool) -> list[str]:
        parsed = read(tmp_path, text, continued=continued)
        return [line.narrative for line in parsed.statements[0].lines]

    assert narratives(continued=True) == ["pays for DX4KT7PQ2MNA", "b"]
    assert narratives(continued=False) == ["pays for", "b"]


def test_a_kind_of_row_tells_balances_from_lines(tmp_path: Path) -> None:
    text = (
        "Kind,Date,Text,Amount\n10,2026-02-03,Opening balance,100.00\n"
        "20,2026-02-03,a,5.00\n82,2026-02-03,Turnover,5.00\n86,2026-02-03,Closing balance,105.00\n"
    )
    kinds = {"10": "opening", "20": "line", "82": "skip", "86": "closing"}
    known = read(tmp_path, text, columns=MORE | {"row_type": 1}, row_types=kinds)
    unknown = read(
        tmp_path, text.replace("82,", "83,"), columns=MORE | {"row_type": 1}, row_types=kinds
    )

    assert (amounts(known), known.statements[0].balance_check) == (["5"], BalanceCheck.OK)
    assert codes(unknown) == ["S206"]


def test_cells_that_may_be_in_the_wrong_columns_need_a_proof(tmp_path: Path) -> None:
    wide = read(tmp_path, HEAD + "2026-02-03,a,5,1.00\n")
    narrow = "Date,Amount,Balance,Text\n2026-02-03,1.00,11.00\n2026-02-04,2.00,{},b\n"
    columns = MORE | {"balance": ["BALANCE"]}

    assert codes(wide) == ["S206"]
    assert codes(read(tmp_path, HEAD.replace("Amount", "Amount,x") + "2026-02-03,a,1.00\n")) == [
        "S206"
    ]
    proved = read(tmp_path, narrow.format("13.00"), columns=columns, balances_from_rows=True)
    unproved = read(tmp_path, narrow.format(""), columns=columns, balances_from_rows=True)
    assert (proved.outcome, codes(unproved)) == (Outcome.OK, ["S206"])


def test_a_table_is_of_one_account_and_one_currency(tmp_path: Path) -> None:
    text = "Date,Text,Amount,Account,Ccy\n2026-02-03,a,1.00,123456,EUR\n2026-02-04,b,1.00,{},{}\n"
    columns = MORE | {"account": ["ACCOUNT"], "currency": ["CCY"]}

    assert read(tmp_path, text.format("123456", "EUR"), columns=columns).outcome is Outcome.OK
    assert codes(read(tmp_path, text.format("999", "EUR"), columns=columns)) == ["S305"]
    assert codes(read(tmp_path, text.format("123456", "USD"), columns=columns)) == ["S203"]


def test_a_table_of_another_account_than_the_profiles_is_held(tmp_path: Path) -> None:
    text = "Date,Text,Amount,Account\n2026-02-03,a,1.00,999\n"

    assert codes(read(tmp_path, text, columns=MORE | {"account": ["ACCOUNT"]})) == ["S305"]


def test_html_that_calls_itself_a_spreadsheet_is_read(tmp_path: Path) -> None:
    page = (
        "<html><body><table><tr><td colspan=3>Bank</td></tr>"
        "<tr><th>Date</th><th>Text</th><th>Amount</th></tr>"
        "<tr><td>2026-02-03</td><td>nộp <b>phí</b><br>a&amp;b</td><td>1,234.50</td></tr>"
        "</table></body></html>"
    )
    parsed = read(tmp_path, page)

    assert (amounts(parsed), parsed.format) == (["1234.50"], "table:test")
    assert parsed.statements[0].lines[0].narrative == "nộp phía&b"


def test_excel_2003_xml_is_read_and_its_document_type_is_not(tmp_path: Path) -> None:
    cell = '<Cell{}><Data ss:Type="{}">{}</Data></Cell>'
    rows = [
        "".join(cell.format("", "String", name) for name in ("Date", "Text", "Amount")),
        cell.format("", "DateTime", "2026-02-03T00:00:00.000")
        + cell.format(' ss:Index="3"', "Number", "50"),
    ]
    sheet = (
        '<?xml version="1.0"?>{}<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"'
        ' xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet><Table>'
        + "".join(f"<Row>{row}</Row>" for row in rows)
        + "</Table></Worksheet></Workbook>"
    )

    assert amounts(read(tmp_path, sheet.format(""))) == ["50"]
    assert codes(read(tmp_path, sheet.format('<!DOCTYPE a [<!ENTITY b "c">]>'))) == ["S103"]


def test_a_formula_of_a_text_is_the_text(tmp_path: Path) -> None:
    parsed = read(tmp_path, HEAD + '2026-02-03,="0042",1.00\n')

    assert parsed.statements[0].lines[0].narrative == "0042"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"columns": {"amount": ["AMOUNT"]}}, "no column is the booking date"),
        ({"columns": {"booking_date": ["DATE"]}}, "no column is an amount"),
        ({"columns": MORE | {"debit": ["D"]}}, "in one column or in two"),
        ({"has_header": False}, "columns by number"),
        ({"encoding": "klingon"}, "is no encoding"),
        ({"date_order": "myd"}, "date_order"),
        ({"surprise": 1}, "surprise"),
        ({"account": {"pattern": "("}}, "account.pattern"),
        ({"required": ["balance"]}, "required but without a column"),
    ],
)
def test_a_profile_that_is_none_says_which_field(
    tmp_path: Path, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(LayoutInvalidError) as refusal:
        read(tmp_path, HEAD, **wrong)

    assert field in refusal.value.detail
