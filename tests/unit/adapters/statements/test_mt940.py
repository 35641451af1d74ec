"""MT940 and MT942: signs, dates, dialects, pages and what banks write beside the standard."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.statements.limits import Limits
from adapters.statements.mt940_line import nearest, read_balance, read_number, swift_amount
from adapters.statements.mt940_narrative import read_narrative
from adapters.statements.parser import StatementFileParser
from reconciliation.ports import LineStatus, Outcome, ParsedFile, ParsedLine

HEAD = ":20:S1\n:25:0011001234567\n:28C:7/1\n"


class Parse:
    """Reads a text as a file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "statement.sta"

    def __call__(self, text: str | bytes, *, limits: Limits | None = None) -> ParsedFile:
        self.path.write_bytes(text.encode() if isinstance(text, str) else text)
        return StatementFileParser(limits=limits).parse(self.path)

    def lines(
        self, body: str, *, opening: str = "C260301EUR100,00", closing: str = ""
    ) -> list[ParsedLine]:
        """Read lines between balances; a closing balance that is not given is not stated."""
        end = f":62F:{closing}\n" if closing else ""
        parsed = self(f"{HEAD}:60F:{opening}\n{body}\n{end}-\n")
        return [line for statement in parsed.statements for line in statement.lines]

    def outcome(self, body: str, *, opening: str = "C260301EUR100,00", closing: str) -> ParsedFile:
        return self(f"{HEAD}:60F:{opening}\n{body}\n:62F:{closing}\n-\n")


@pytest.fixture
def parse(tmp_path: Path) -> Parse:
    return Parse(tmp_path)


def codes(parsed: ParsedFile) -> list[str]:
    return [problem.code for problem in parsed.problems]


@pytest.mark.parametrize(
    ("mark", "amount", "reversal", "status"),
    [
        ("C", 5, False, LineStatus.BOOKED),
        ("D", -5, False, LineStatus.BOOKED),
        ("RC", -5, True, LineStatus.BOOKED),
        ("RD", 5, True, LineStatus.BOOKED),
        ("CR", 5, False, LineStatus.BOOKED),
        ("DR", -5, False, LineStatus.BOOKED),
        ("RDR", 5, True, LineStatus.BOOKED),
        ("RCR", -5, True, LineStatus.BOOKED),
        ("CN", 5, False, LineStatus.BOOKED),
        ("d", -5, False, LineStatus.BOOKED),
        ("rc", -5, True, LineStatus.BOOKED),
        ("EC", 5, False, LineStatus.PENDING),
        ("ED", -5, False, LineStatus.PENDING),
    ],
)
def test_the_mark_alone_decides_the_sign(
    *, parse: Parse, mark: str, amount: int, reversal: bool, status: LineStatus
) -> None:
    [line] = parse.lines(f":61:260302{mark}5,00NTRFREF1//B1")
    assert (line.amount, line.reversal, line.status) == (Decimal(amount), reversal, status)
    assert (line.reference, line.bank_reference) == ("REF1", "B1")


def test_only_the_arithmetic_of_reversals_closes_the_statement(parse: Parse) -> None:
    body = ":61:260302C50,00NTRFA\n:61:260302RC20,00NTRFB\n:61:260302RD5,00NTRFC"
    parsed = parse.outcome(body, closing="C260302EUR135,00")
    assert (parsed.outcome, codes(parsed)) == (Outcome.OK, [])
    assert parsed.statements[0].balance_check == "ok"
    assert parse.outcome(body, closing="C260302EUR165,00").outcome is Outcome.HELD


@pytest.mark.parametrize(
    ("value", "entry", "booked"),
    [
        ("240102", "1231", date(2023, 12, 31)),
        ("231231", "0102", date(2024, 1, 2)),
        ("240229", "0229", date(2024, 2, 29)),
        ("260615", "0615", date(2026, 6, 15)),
    ],
)
def test_an_entry_date_is_of_the_year_nearest_to_the_value_date(
    parse: Parse, value: str, entry: str, booked: date
) -> None:
    [line] = parse.lines(f":61:{value}{entry}C5,00NTRFX")
    assert line.booking_date == booked
    assert nearest(entry, booked) == booked


@pytest.mark.parametrize("day", ["230230", "231131", "261301"])
def test_a_day_that_is_none_keeps_the_money_and_holds_the_file(parse: Parse, day: str) -> None:
    parsed = parse.outcome(f":61:{day}C5,00NTRFX", closing="C260302EUR105,00")
    assert (parsed.outcome, codes(parsed)) == (Outcome.HELD, ["S201"])
    assert [line.amount for line in parsed.statements[0].lines] == [Decimal(5)]


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("5,", "EUR", "5"), ("5,00", "EUR", "5.00"), ("0,01", "EUR", "0.01"), ("5", "VND", "5"),
        ("1234567,", "VND", "1234567"), ("1,235", "KWD", "1.235"), ("1.234,56", "EUR", "1234.56"),
        ("12.34", "EUR", "12.34"), ("9000000,00", "VND", "9000000.00"),
        ("5,001", "EUR", None), ("5,5", "VND", None), ("1,2,3", "EUR", None),
        ("1.2.3", "EUR", None),
        ("1.234", "EUR", None), ("", "EUR", None), (",50", "EUR", "0.50"),
        ("12.345.6,7", "EUR", None),
        ("1234567890123456789,", "VND", None),
    ],
)  # fmt: skip
def test_an_amount_is_exact_or_none(text: str, currency: str, amount: str | None) -> None:
    assert swift_amount(text, currency) == (Decimal(amount) if amount else None)


@pytest.mark.parametrize("line", [":61:BROKEN LINE", ":61:260302C5,5,5NTRFX", ":61:260302CABCNTRF"])
def test_a_line_that_cannot_be_read_is_named_and_never_dropped(parse: Parse, line: str) -> None:
    parsed = parse.outcome(f"{line}\n:61:260302C50,00NTRFX", closing="C260302EUR150,00")
    assert parsed.outcome is Outcome.HELD
    assert [problem.where for problem in parsed.problems] == ["line 5"]
    assert [one.amount for one in parsed.statements[0].lines] == [Decimal(50)]
    assert parsed.statements[0].balance_check == "failed", "not proved while a line is missing"


def test_a_minus_sign_of_its_own_needs_the_balance_to_prove_it(parse: Parse) -> None:
    proved = parse.outcome(":61:260302D-10,00NTRFX", closing="C260302EUR90,00")
    assert (proved.outcome, codes(proved)) == (Outcome.OK, [])
    parsed = parse.outcome(":61:260302D-10,00NTRFX", closing="C260302EUR110,00")
    assert parsed.outcome is Outcome.HELD
    assert "S202" in codes(parsed)


@pytest.mark.parametrize(
    ("lines", "text", "reference", "name", "account"),
    [
        (["166?00GUTSCHRIFT?20EREF+E2E-1?21SVWZ+INVOICE 4711 FEE?22S MARCH",
          "?30DEUTDEFF?31DE0210?32MAX MUSTER?33MANN?60TAIL"],
         "INVOICE 4711 FEES MARCHTAIL", "E2E-1", "MAX MUSTERMANN", "DE0210"),
        (["166?20STUDENT 001?2123 TUITION ?22FEE"], "STUDENT 00123 TUITION FEE", "", "", ""),
        (["/EREF/E77//CNTP/NL08INGB0001/INGBNL2A/ING BANK/AMSTERDAM//REMI/USTD//Fee MC12/"],
         "Fee MC12", "E77", "ING BANK", "NL08INGB0001"),
        (["/TRTP/SEPA/IBAN/NL08/NAME/J JANSEN/REMI/FEE MC7K/EREF/NOTPROVIDED"],
         "FEE MC7K", "", "J JANSEN", "NL08"),
        (["EREF+A1SVWZ+NOP PHI MC7K"], "NOP PHI MC7K", "A1", "", ""),
        (["MC7KABCD nop le phi", "NGUYEN VAN A"], "MC7KABCD nop le phi NGUYEN VAN A", "", "", ""),
        (["x" * 62 + "MC7", "KABCD nop phi"], "x" * 62 + "MC7KABCD nop phi", "", "", ""),
        (["TT: phi 50% + 20?"], "TT: phi 50% + 20?", "", "", ""),
        ([":SVWZ: begins with a colon"], ":SVWZ: begins with a colon", "", "", ""),
    ],
)  # fmt: skip
def test_a_narrative_is_read_by_its_dialect(
    lines: list[str], text: str, reference: str, name: str, account: str
) -> None:
    said = read_narrative(lines)
    assert (said.text, said.reference, said.name, said.account) == (text, reference, name, account)


def test_what_follows_the_closing_balance_is_about_the_statement(parse: Parse) -> None:
    parsed = parse(
        f"{HEAD}:60F:C260301EUR100,00\n:61:260302C5,00NTRFX//B\n:86:mine\n"
        ":62F:C260302EUR105,00\n:64:C260302EUR105,00\n:86:of the statement\n-\n"
    )
    assert [line.narrative for line in parsed.statements[0].lines] == ["mine"]


def test_narratives_that_follow_each_other_are_one(parse: Parse) -> None:
    body = ":61:260302C5,00NTRFX\n:86:CT tu 0071 NGUYEN VAN A\n:86:DX4KT7PQ2MNA nop le phi"
    [line] = parse.lines(body)
    assert line.narrative == "CT tu 0071 NGUYEN VAN A DX4KT7PQ2MNA nop le phi"


def test_lines_before_any_currency_hold_the_file(parse: Parse) -> None:
    parsed = parse(f"{HEAD}:61:260302C5,00NTRFX\n:61:260302C6,00NTRFY\n-\n")
    assert (parsed.outcome, codes(parsed)) == (Outcome.HELD, ["S203"])
    assert len(parsed.statements[0].lines) == 2


def test_several_statements_and_envelopes_are_told_apart(parse: Parse) -> None:
    block = (
        "{1:F01BANKVNVXAXXX0000000000}{2:I940CITYVNVXXXXXN}{4:\r\n:20:S\r\n:25:001\r\n:28C:1/1\r\n"
        ":60F:C260301VND0,\r\n:61:260302C5000,NTRFX\r\n:62F:C260302VND5000,\r\n-}{5:{CHK:0123}}\r\n"
    )
    parsed = parse("\ufeff" + block + block.replace(":25:001", ":25:002"))
    assert (parsed.format, parsed.outcome) == ("mt940", Outcome.OK)
    assert [one.account for one in parsed.statements] == ["001", "002"]
    assert [len(one.lines) for one in parsed.statements] == [1, 1]


PAGES = (
    ":20:S\n:25:001\n:28C:9/1\n:60F:C260301EUR0,\n:61:260302C1,00NTRFA\n:62M:C260302EUR1,00\n-\n",
    ":20:S\n:25:001\n:28C:9/2\n:60M:C260302EUR1,00\n:61:260302C2,00NTRFB\n:62M:C260302EUR3,00\n-\n",
    ":20:S\n:25:001\n:28C:9/3\n:60M:C260302EUR3,00\n:61:260302C4,00NTRFC\n:62F:C260302EUR7,00\n-\n",
)


@pytest.mark.parametrize(
    ("there", "missing"),
    [((0, 1, 2), ""), ((1, 2), "missing: 1"), ((0, 2), "missing: 2"), ((0, 1), "those after 2")],
)
def test_a_missing_page_is_named(parse: Parse, there: tuple[int, ...], missing: str) -> None:
    parsed = parse("".join(PAGES[number] for number in there))
    assert [one.page for one in parsed.statements] == [number + 1 for number in there]
    assert all(one.balance_check == "ok" for one in parsed.statements)
    if missing:
        assert (parsed.outcome, codes(parsed)) == (Outcome.HELD, ["S301"])
        assert missing in parsed.problems[0].message
    else:
        assert parsed.outcome is Outcome.OK


def test_an_interim_report_books_what_is_booked_and_checks_its_sums(parse: Parse) -> None:
    report = (
        ":20:I\n:25:001\n:28C:5/1\n:34F:EURD0,\n:13D:2603021330+0100\n:61:260302C50,00NTRFA\n"
        ":61:260302ED7,00NTRFB\n:90D:0EUR0,\n:90C:1EUR50,00\n-\n"
    )
    parsed = parse(report)
    assert (parsed.format, parsed.outcome) == ("mt942", Outcome.OK)
    assert [line.status for line in parsed.statements[0].lines] == ["booked", "pending"]
    assert codes(parse(report.replace("90D:0EUR0,", "90D:1EUR7,00"))) == [], "all, or the booked"
    assert codes(parse(report.replace("90C:1EUR50", "90C:2EUR55"))) == ["S302"]


@pytest.mark.parametrize(
    "odd", [":65F:Dnullnull7414,3", ":NS:22DANE", ":99X:anything", ":64:garbage", ":13:2603021330"]
)
def test_an_odd_field_loses_nothing(parse: Parse, odd: str) -> None:
    parsed = parse.outcome(f":61:260302C5,00NTRFX\n{odd}", closing="C260302EUR105,00")
    assert (parsed.outcome, codes(parsed)) == (Outcome.OK, [])


@pytest.mark.parametrize(
    ("broken", "closing"),
    [
        ("C260302VND1\n39000,", None),  # a digit may be lost where the line breaks
        ("C260302VND1000\n12 AVAILABLE", None),  # or another number begins there
        ("C260302VND\n139000,", "139000"),
        ("C260302\nVND139000,", "139000"),
    ],
)
def test_an_amount_that_is_broken_over_lines_is_none(
    parse: Parse, broken: str, closing: str | None
) -> None:
    parsed = parse.outcome(":61:260302C39000,NTRFA", opening="C260301VND100000,", closing=broken)

    assert parsed.statements[0].closing_balance == (Decimal(closing) if closing else None)
    assert parsed.outcome is (Outcome.OK if closing else Outcome.HELD)
    assert closing or "S306" in codes(parsed)


def test_a_balance_without_a_currency_is_unclear_and_never_zero(parse: Parse) -> None:
    parsed = parse.outcome(":61:260302C5,00NTRFX", closing="C020315105000,00")
    assert codes(parsed) == ["S306"]
    assert parsed.statements[0].closing_balance is None
    assert read_balance("C020315105000,00") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("7/1", ("7", 1)), ("00007/001", ("7", 1)), ("19321/1", ("19321", 1)), ("5", ("5", None)),
     ("0", ("0", None)), ("ABC", ("ABC", None))],
)  # fmt: skip
def test_a_statement_number_is_read_without_its_zeros(
    text: str, number: tuple[str, int | None]
) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-8-sig"])
def test_text_is_decoded_by_what_it_is(parse: Parse, encoding: str) -> None:
    text = (
        f"{HEAD}:60F:C260301EUR0,\n:61:260302C5,00NTRFX\n:86:JÜRGEN MÜLLER\n:62F:C260302EUR5,\n-\n"
    )
    parsed = parse(text.encode(encoding))
    assert parsed.outcome is Outcome.OK
    assert parsed.statements[0].lines[0].narrative == "JÜRGEN MÜLLER"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + ":86:" + "x" * 20_000,
        HEAD + ":61:260302C5,00NTRFX\n:86:a" + "\nb" * 500,
    ],
)
def test_lines_and_fields_without_end_are_refused(parse: Parse, text: str) -> None:
    parsed = parse(text)
    assert (parsed.outcome, codes(parsed)) == (Outcome.REFUSED, ["S106"])


def test_a_dash_alone_inside_a_narrative_is_text(parse: Parse) -> None:
    body = ":61:260302C5,00NTRFX\n:86:begins\n-\nand goes on"
    parsed = parse.outcome(body, closing="C260302EUR105,00")
    assert parsed.statements[0].lines[0].narrative == "begins - and goes on"
    assert parsed.outcome is Outcome.OK
