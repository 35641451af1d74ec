"""Layouts proposed for tables nobody has seen before: found, proved, or asked."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from adapters.statements.parser import StatementFileParser
from reconciliation.errors import LayoutInvalidError
from reconciliation.ports import LayoutAnswers, LayoutProposal, Outcome, ParsedFile

VIETNAMESE = """NGÂN HÀNG MỚI
Số tài khoản: 0123456789
Loại tiền: VND
Ngày hạch toán;Nội dung;Ghi nợ;Ghi có;Số dư
13/02/2026;nộp lệ phí;;150.000;1.150.000
14/02/2026;phí;11.000;;1.139.000
"""


def proposed(folder: Path, text: str | bytes, **answers: str) -> LayoutProposal:
    file = folder / "table"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    proposal = StatementFileParser().propose(file, LayoutAnswers(**answers))
    assert proposal is not None
    return proposal


def read_by(folder: Path, proposal: LayoutProposal) -> ParsedFile:
    return StatementFileParser().parse_by(folder / "table", proposal.profile)


def open_questions(proposal: LayoutProposal) -> set[str]:
    return {question.about for question in proposal.questions}


def sums(parsed: ParsedFile) -> list[str]:
    return [str(line.amount) for line in parsed.statements[0].lines]


def test_a_table_that_tells_everything_is_read_by_what_is_proposed(tmp_path: Path) -> None:
    proposal = proposed(tmp_path, VIETNAMESE, name="new-bank")
    parsed = read_by(tmp_path, proposal)

    assert (proposal.questions, proposal.proof, proposal.header) == (
        [],
        "running_balance",
        "line 4",
    )
    assert (parsed.format, parsed.outcome) == ("table:new-bank", Outcome.OK)
    statement = parsed.statements[0]
    assert (statement.account, statement.currency) == ("0123456789", "VND")
    assert sums(parsed) == ["150000", "-11000"]
    assert (statement.opening_balance, statement.closing_balance) == (1_000_000, 1_139_000)


def test_an_unknown_table_is_refused_and_carries_the_proposal(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_text(VIETNAMESE, encoding="utf-8")

    parsed = StatementFileParser().parse(file)

    assert (parsed.outcome, [str(p.code) for p in parsed.problems]) == (Outcome.REFUSED, ["S120"])
    assert parsed.statements == []
    assert parsed.proposal is not None


@pytest.mark.parametrize(
    ("dates", "choices"),
    [
        (["03/04/2026", "05/06/2026"], ("dmy", "mdy")),
        (["03/03/2026", "04/04/2026"], ("dmy", "mdy")),
        (["03/04/2026", "13/04/2026"], ()),
        (["04/13/2026", "04/02/2026"], ()),
        (["03.04.2026", "05.06.2026"], ()),
        (["2026-03-04", "2026-05-06"], ()),
        (["20260304", "20260506"], ()),
        (["04-Mar-2026", "05-Mar-2026"], ()),
        (["26/03/04", "26/05/06"], ("dmy", "ymd")),
    ],
)
def test_an_order_of_day_and_month_is_never_guessed(
    tmp_path: Path, dates: list[str], choices: tuple[str, ...]
) -> None:
    rows = "".join(f"{day},a,-1.00,EUR\n" for day in dates)
    proposal = proposed(tmp_path, f"Date,Text,Amount,Currency\n{rows}", account="1")

    assert open_questions(proposal) == ({"date_order"} if choices else set())
    assert [q.choices for q in proposal.questions] == ([choices] if choices else [])
    if not choices:
        assert read_by(tmp_path, proposal).outcome is Outcome.OK


def test_a_decimal_mark_that_cells_leave_open_is_proved_or_asked(tmp_path: Path) -> None:
    bare = "Date;Text;Amount;Currency\n2026-02-03;a;1.234;BHD\n2026-02-04;b;-2.000;BHD\n"
    proved = (
        "Date;Text;Amount;Currency;Balance\n"
        "2026-02-03;a;1.234;BHD;2.234\n2026-02-04;b;0,5;BHD;2234,5\n"
    )

    assert open_questions(proposed(tmp_path, bare, account="1")) == {"decimal_mark"}
    assert proposed(tmp_path, bare, account="1", decimal_mark=",").questions == []
    proposal = proposed(tmp_path, proved, account="1")
    assert (proposal.questions, proposal.profile["decimal_mark"]) == ([], ",")


def test_amounts_without_a_sign_are_asked_about(tmp_path: Path) -> None:
    text = "Date,Text,Amount,Currency\n2026-02-03,a,1.00,EUR\n2026-02-04,b,2.00,EUR\n"

    assert open_questions(proposed(tmp_path, text, account="1")) == {"money_in"}
    assert sums(read_by(tmp_path, proposed(tmp_path, text, account="1", money_in="in"))) == [
        "1",
        "2",
    ]
    assert sums(read_by(tmp_path, proposed(tmp_path, text, account="1", money_in="out"))) == [
        "-1",
        "-2",
    ]
    assert open_questions(proposed(tmp_path, text, account="1", money_in="x")) == {"money_in"}


def test_a_balance_shows_that_a_sign_is_inverse(tmp_path: Path) -> None:
    text = (
        "Date,Text,Amount,Balance,Currency\n"
        "2026-02-03,a,1.00,99.00,EUR\n2026-02-04,b,-2.00,101.00,EUR\n"
    )
    proposal = proposed(tmp_path, text, account="1")

    assert (proposal.questions, proposal.proof) == ([], "running_balance")
    assert sums(read_by(tmp_path, proposal)) == ["-1", "2"]


def test_two_columns_without_a_header_are_asked_about(tmp_path: Path) -> None:
    text = "2026-02-03,shop in town,1.00,\n2026-02-04,someone pays,,2.00\n"

    proposal = proposed(tmp_path, text, account="1", currency="EUR")
    assert [(q.about, q.choices) for q in proposal.questions] == [("money_in", ("3", "4"))]
    for column, expected in (("3", ["1", "-2"]), ("4", ["-1", "2"])):
        answered = proposed(tmp_path, text, account="1", currency="EUR", money_in=column)
        assert sums(read_by(tmp_path, answered)) == expected


def test_of_several_full_columns_none_is_taken_for_the_amount(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_text("2026-02-03,shop,1.00,9.00\n2026-02-04,pay,2.00,8.00\n")

    assert StatementFileParser().propose(file, LayoutAnswers()) is None


def test_dated_rows_that_state_balances_are_told_by_their_kind(tmp_path: Path) -> None:
    rows = (
        "1,2026-02-03,Opening balance,9.00,EUR\n2,2026-02-03,a,-1.00,EUR\n"
        "9,2026-02-03,Closing balance,8.00,EUR\n"
    )
    told = proposed(tmp_path, f"Kind,Date,Details,Amount,Currency\n{rows}", account="1")

    assert (told.proof, open_questions(told)) == ("opening_and_closing", set())
    assert sums(read_by(tmp_path, told)) == ["-1"]


def test_dated_rows_that_state_balances_and_look_like_lines_are_asked_about(
    tmp_path: Path,
) -> None:
    rows = "2026-02-03,Opening balance,9.00,EUR\n2026-02-03,a,-1.00,EUR\n"

    proposal = proposed(tmp_path, f"Date,Details,Amount,Currency\n{rows}", account="1")

    assert open_questions(proposal) == {"row_type"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1258"])
def test_the_encoding_is_found_and_kept(tmp_path: Path, encoding: str) -> None:
    text = _with_tones_apart(VIETNAMESE) if encoding == "cp1258" else VIETNAMESE
    proposal = proposed(tmp_path, text.encode(encoding))

    assert (proposal.proof, open_questions(proposal)) == ("running_balance", set())
    assert read_by(tmp_path, proposal).statements[0].lines[0].narrative == "nộp lệ phí"


def _with_tones_apart(text: str) -> str:
    """As Windows-1258 has it: a letter with its hook or circumflex, then the mark of its tone."""
    apart = []
    for letter in text:
        marks = unicodedata.normalize("NFD", letter)
        tones = "".join(c for c in marks if c in "\u0300\u0301\u0303\u0309\u0323")
        bare = "".join(c for c in marks if c not in tones)
        apart.append(unicodedata.normalize("NFC", bare) + tones)
    return "".join(apart)


def test_chinese_wallets_are_read_with_their_words(tmp_path: Path) -> None:
    text = (
        "账单\n交易时间,商品说明,收/支,金额,交易状态\n"
        "2026-02-03 10:00:00,午饭,支出,20.00,交易成功\n"
        "2026-02-03 11:00:00,转账,收入,5.00,交易成功\n"
        "2026-02-03 12:00:00,退款,不计收支,1.00,退款成功\n"
    )
    proposal = proposed(tmp_path, text.encode("gb18030"), account="1", currency="CNY")
    parsed = read_by(tmp_path, proposal)

    assert sums(parsed) == ["-20", "5", "1"]
    assert parsed.statements[0].lines[2].status.value == "information"


@pytest.mark.parametrize(
    "answers", [{"name": "A B"}, {"currency": "EURO"}, {"decimal_mark": "x"}, {"date_order": "x"}]
)
def test_an_answer_that_no_layout_could_hold_is_an_error(
    tmp_path: Path, answers: dict[str, Any]
) -> None:
    with pytest.raises(LayoutInvalidError):
        proposed(tmp_path, VIETNAMESE, **answers)


def test_a_file_of_words_has_no_layout(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_text("a,b\n1,2\n")

    assert StatementFileParser().propose(file, LayoutAnswers()) is None
