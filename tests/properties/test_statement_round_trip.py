"""What our writers print is read back, line by line, in every format they have."""

import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulators.statement_files import (
    PrintedLine,
    PrintedStatement,
    SettlementReportLine,
    write_bank_csv,
    write_bank_spreadsheet,
    write_camt053,
    write_settlement_report,
)
from adapters.statements.parser import SettlementFileParser, StatementFileParser
from core.money import Currency, Money
from reconciliation.ports import BalanceCheck, Outcome, ParsedFile
from tests.support.writers.mt940 import write_mt940

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
START = date(2026, 3, 2)

# Text as XML and spreadsheets can hold it, without the blanks at the ends that readers drop.
printable = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp", "Co")),
    max_size=40,
).map(lambda text: " ".join(text.split()))
names = st.sampled_from(["", "NGUYỄN THỊ ÁNH", "Trần Văn Đạt", "=1+1", '"; DROP', "<&>"])
days = st.integers(0, 6).map(lambda n: START + timedelta(days=n))


def amounts(currency: Currency) -> st.SearchStrategy[Money]:
    return st.integers(-(10**13), 10**13).filter(bool).map(lambda n: Money(n, currency))


@st.composite
def statements(draw: st.DrawFn, *, currency: Currency = Currency.VND) -> PrintedStatement:
    line = st.builds(
        PrintedLine,
        booking_date=days,
        amount=amounts(currency),
        narrative=printable,
        value_date=days,
        reference=st.sampled_from(["", "E2E-1", "DX4KT7PQ2MNA-1"]),
        bank_reference=st.sampled_from(["", "FT26061001", "FT26061002"]),
        counterparty_name=names,
        counterparty_account=st.sampled_from(["", "0071000123456"]),
        is_booked=st.booleans(),
        reversal=st.booleans(),
    )
    return PrintedStatement(
        account="12010009876543",
        number=str(draw(st.integers(1, 999))),
        from_date=START,
        to_date=START + timedelta(days=6),
        opening=Money(draw(st.integers(-(10**12), 10**12)), currency),
        lines=draw(st.lists(line, max_size=6)),
    )


def read(content: bytes) -> ParsedFile:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        file.write_bytes(content)
        return StatementFileParser().parse(file)


@settings(deadline=None)
@given(st.sampled_from(list(Currency)).flatmap(lambda c: statements(currency=c)))
def test_camt053_is_read_back_whole(printed: PrintedStatement) -> None:
    parsed = read(write_camt053([printed], message_id="M", created_at=NOW))

    statement = parsed.statements[0]
    assert parsed.outcome is Outcome.OK
    assert parsed.problems == []
    assert statement.balance_check is BalanceCheck.OK
    assert (statement.account, statement.number) == (printed.account, printed.number)
    assert str(statement.opening_balance) == printed.opening.decimal
    assert str(statement.closing_balance) == printed.final_balance.decimal
    assert [
        (
            str(read.amount),
            read.booking_date,
            read.value_date,
            read.status == "booked",
            read.reversal,
            read.narrative,
            read.reference,
            read.bank_reference,
        )
        for read in statement.lines
    ] == [
        (
            line.amount.decimal,
            line.booking_date,
            line.value_date,
            line.is_booked,
            line.reversal,
            line.narrative,
            line.reference,
            line.bank_reference,
        )
        for line in printed.lines
    ]
    assert [(x.counterparty_name, x.counterparty_account) for x in statement.lines] == [
        (x.counterparty_name, x.counterparty_account) for x in printed.lines
    ]


# What MT940 can hold: no question mark, and no blank where a line is cut.
swift_texts = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abc ĐẶơ.,/-:+()'", max_size=90).map(
    lambda text: " ".join(text.replace("+", ".").split())
)


@st.composite
def swift_statements(draw: st.DrawFn, *, currency: Currency) -> PrintedStatement:
    statement = draw(statements(currency=currency))
    lines = [replace(line, narrative=draw(swift_texts), is_booked=True) for line in statement.lines]
    return replace(statement, lines=lines)


@settings(deadline=None)
@given(
    printed=st.sampled_from(list(Currency)).flatmap(lambda c: swift_statements(currency=c)),
    envelope=st.booleans(),
    end=st.sampled_from(["\r\n", "\n"]),
)
def test_mt940_is_read_back_whole(*, printed: PrintedStatement, envelope: bool, end: str) -> None:
    parsed = read(write_mt940(printed, envelope=envelope, end=end))

    [statement] = parsed.statements
    assert (parsed.outcome, parsed.format, parsed.problems) == (Outcome.OK, "mt940", [])
    assert statement.balance_check is BalanceCheck.OK
    assert (statement.account, statement.number) == (printed.account, printed.number)
    assert statement.opening_balance == Decimal(printed.opening.decimal)
    assert statement.closing_balance == Decimal(printed.final_balance.decimal)
    assert [
        (x.amount, x.booking_date, x.value_date, x.reversal, x.reference, x.bank_reference,
         x.narrative, x.counterparty_name, x.counterparty_account)
        for x in statement.lines
    ] == [
        (Decimal(x.amount.decimal), x.booking_date, x.value_date, x.reversal, x.reference,
         x.bank_reference, x.narrative or "CHUYEN KHOAN", x.counterparty_name,
         x.counterparty_account)
        for x in printed.lines
    ]  # fmt: skip


@settings(deadline=None)
@given(statements(), st.integers(-5, 5).filter(bool))
def test_a_statement_that_is_off_by_any_amount_is_held(printed: PrintedStatement, off: int) -> None:
    wrong = PrintedStatement(
        printed.account,
        printed.number,
        printed.from_date,
        printed.to_date,
        printed.opening,
        printed.lines,
        closing=printed.final_balance + Money(off),
    )

    parsed = read(write_camt053([wrong], message_id="M", created_at=NOW))

    assert parsed.outcome is Outcome.HELD
    assert [str(p.code) for p in parsed.problems] == ["S300"]


def check_table(printed: PrintedStatement, content: bytes) -> None:
    parsed = read(content)

    statement = parsed.statements[0]
    assert (parsed.outcome, parsed.format) == (Outcome.OK, "table:bidv"), parsed.problems
    assert statement.balance_check is BalanceCheck.OK
    assert (str(statement.opening_balance), str(statement.closing_balance)) == (
        printed.opening.decimal,
        printed.final_balance.decimal,
    )
    assert [(str(x.amount), x.booking_date) for x in statement.lines] == [
        (x.amount.decimal, x.booking_date) for x in printed.lines
    ]


booked = statements().map(
    lambda s: PrintedStatement(
        s.account,
        s.number,
        s.from_date,
        s.to_date,
        s.opening,
        [PrintedLine(x.booking_date, x.amount, x.narrative) for x in s.lines],
    )
)


@settings(deadline=None)
@given(booked, st.sampled_from(["utf-8-sig", "utf-8", "utf-16"]))
def test_a_bank_table_is_read_back_in_every_encoding(printed: PrintedStatement, code: str) -> None:
    check_table(printed, write_bank_csv(printed, encoding=code))


@settings(max_examples=15, deadline=None)
@given(printed=booked, as_text=st.booleans())
def test_a_workbook_is_read_back_with_numbers_or_texts(
    *, printed: PrintedStatement, as_text: bool
) -> None:
    check_table(printed, write_bank_spreadsheet(printed, numbers_as_text=as_text))


report_lines = st.builds(
    lambda kind, gross, fee, vat, second: SettlementReportLine(
        kind=kind,
        provider_txn_id=str(14300000 + second),
        merchant_reference="DX4KT7PQ2MNA-1",
        gross=Money(gross if kind == "payment" else -gross),
        fee=Money(fee + vat),
        occurred_at=NOW + timedelta(seconds=second),
        payout_id="PO-1",
        payout_date=START,
        vat=Money(vat),
    ),
    st.sampled_from(["payment", "refund", "chargeback"]),
    st.integers(1, 10**12),
    st.integers(0, 10**6),
    st.integers(0, 10**5),
    st.integers(0, 10**6),
)


@settings(deadline=None)
@given(st.sampled_from(["vnpay", "momo", "zalopay", "stripe"]), st.lists(report_lines, max_size=6))
def test_a_settlement_report_is_read_back(
    provider: str, printed: list[SettlementReportLine]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report"
        file.write_bytes(write_settlement_report(provider, printed, report_id="R-1"))
        parsed = SettlementFileParser().parse(file, provider=provider)

    assert (parsed.outcome, parsed.problems) == (Outcome.OK, [])
    assert [(x.kind, x.gross, x.fee, x.net) for x in parsed.lines] == [
        (x.kind, x.gross, x.fee, x.gross - x.fee) for x in printed
    ]
    assert [datetime.fromisoformat(x.occurred_at) for x in parsed.lines] == [
        x.occurred_at for x in printed
    ]
    assert {(x.bill_reference, x.payout_id, x.payout_date) for x in parsed.lines} <= {
        ("DX4KT7PQ2MNA", "PO-1", START)
    }
