"""Evidence is stored once, whole, and as it came; what may not be used stores only its bytes."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import Session, col, func, select

from core.actors import Actor, PermissionDeniedError
from core.audit import AuditEvent
from core.errors import DecryptionError
from payments.ledger import chart
from payments.ledger.balances import balance_of, broken_rules
from payments.models import CollectingAccount
from reconciliation.intake import raw_file
from reconciliation.models import EvidenceFile, Settlement, SettlementLine, Statement, StatementLine
from reconciliation.ports import BalanceCheck, LineStatus, Outcome, ParsedFile, Problem
from tests.factories import VAULT, a_bill, a_city, a_line, a_paid_payment, a_payment
from tests.support.clock import FrozenClock
from tests.support.evidence import (
    DAY,
    a_file,
    a_parsed,
    content_of,
    receive,
    report_of,
    settled,
    take,
)

LINE = a_line(DAY, 83_000, "MCABC nop le phi", bank_ref="FT1")
TWIN = replace(LINE, position="row 2")
OTHER = a_line(DAY, 50_000, "khac", bank_ref="FT2")


@pytest.fixture
def account(session: Session) -> CollectingAccount:
    return a_city(session).accounts[0]


def count(session: Session, table: type[Any]) -> int:
    return session.exec(select(func.count()).select_from(table)).one()


def bank_balance(session: Session, account: CollectingAccount) -> int:
    return balance_of(session, chart.bank(account.account_number))


def test_the_bank_balance_in_the_books_is_the_statements_closing_balance(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    debit = a_line(DAY, -11_000, "phi sms")
    report = receive(session, account, LINE, OTHER, debit, clock=clock)

    (statement,) = session.exec(select(Statement)).all()
    assert (report.outcome, report.lines_added, report.lines_known) == (Outcome.OK, 3, 0)
    assert bank_balance(session, account) == statement.closing_minor == 122_000
    assert balance_of(session, chart.SUSPENSE) == -122_000
    assert not list(broken_rules(session))


def test_the_same_file_twice_adds_nothing(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    first = receive(session, account, LINE, TWIN, clock=clock)
    before = [count(session, table) for table in (StatementLine, Statement, EvidenceFile)]
    again = receive(session, account, LINE, TWIN, clock=clock)

    assert again.known_file
    assert again.file_id == first.file_id
    assert (again.lines_added, again.lines_known) == (0, 2)
    assert [count(session, t) for t in (StatementLine, Statement, EvidenceFile)] == before
    assert bank_balance(session, account) == 166_000


def test_the_same_statement_in_other_bytes_adds_nothing(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    statement = a_parsed(account, [LINE, TWIN]).statements[0]
    take(session, a_file(statement), clock=clock)
    again = take(session, a_file(statement, salt="exported again"), clock=clock,
                 salt="exported again")  # fmt: skip

    assert (again.known_file, again.outcome) == (False, Outcome.OK)
    assert (again.lines_added, again.lines_known) == (0, 2)
    assert count(session, StatementLine) == 2
    assert count(session, EvidenceFile) == 2


def test_two_identical_genuine_lines_stay_two(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    receive(session, account, LINE, TWIN, clock=clock)
    assert count(session, StatementLine) == 2


def test_an_overlapping_export_adds_only_the_surplus(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    receive(session, account, LINE, clock=clock)
    report = receive(session, account, LINE, TWIN, OTHER, clock=clock)

    assert (report.lines_added, report.lines_known) == (2, 1)
    assert count(session, StatementLine) == 3
    assert bank_balance(session, account) == 216_000


def test_only_booked_lines_are_money(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    pending = replace(OTHER, status=LineStatus.PENDING)
    nothing = replace(OTHER, amount=Decimal(0))
    parsed = a_parsed(account, [LINE, pending, nothing], closing_balance=Decimal(83_000))
    report = take(session, parsed, clock=clock)

    assert report.lines_added == count(session, StatementLine) == 1


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.HELD])
def test_of_a_refused_or_held_file_only_the_sealed_bytes_are_stored(
    session: Session, account: CollectingAccount, clock: FrozenClock, outcome: Outcome
) -> None:
    parsed = replace(
        a_parsed(account, [LINE]), outcome=outcome, problems=[Problem("S010", "row 1", "bad")]
    )
    report = take(session, parsed, clock=clock)

    (file,) = session.exec(select(EvidenceFile)).all()
    content = content_of(parsed.statements)
    assert (report.outcome, file.outcome, file.id) == (outcome, outcome, report.file_id)
    assert file.report["problems"][0]["code"] == "S010"
    assert count(session, StatementLine) == count(session, Statement) == 0
    assert content not in file.sealed
    assert raw_file(file, vault=VAULT) == content
    assert session.exec(select(AuditEvent.subject_id)).first() == file.id


def test_a_refused_file_again_gives_the_same_report(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    parsed = replace(
        a_parsed(account, []), outcome=Outcome.REFUSED, problems=[Problem("S001", "file", "no")]
    )
    first, again = (take(session, parsed, clock=clock) for _ in range(2))
    assert (again.file_id, again.problems) == (first.file_id, first.problems)
    assert again.outcome is Outcome.REFUSED


def test_sealed_bytes_do_not_open_in_another_row(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    receive(session, account, LINE, clock=clock)
    (file,) = session.exec(select(EvidenceFile)).all()
    session.expunge(file)
    file.id = "fil_another"
    with pytest.raises(DecryptionError):
        raw_file(file, vault=VAULT)


def test_an_unknown_account_refuses_the_whole_file(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    ours = a_parsed(account, [LINE]).statements[0]
    report = take(session, a_file(ours, replace(ours, account="999")), clock=clock)

    assert report.outcome is Outcome.REFUSED
    assert [(p.code, p.where) for p in report.problems] == [("S003", "statement 2")]
    assert count(session, StatementLine) == 0


def test_an_account_number_is_known_however_it_is_grouped(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    grouped = f"{account.account_number[:4]} {account.account_number[4:]}"
    assert take(session, a_parsed(account, [LINE], account=grouped), clock=clock).lines_added == 1


@pytest.mark.parametrize(
    "corrected",
    [
        {"lines": [replace(LINE, narrative="another narrative")]},
        {"lines": [replace(LINE, amount=Decimal(38_000))], "closing_balance": Decimal(38_000)},
        {"lines": [LINE, OTHER], "closing_balance": Decimal(133_000)},
    ],
    ids=["same balances", "other closing balance", "one more line"],
)
def test_a_corrected_version_of_a_numbered_statement_is_held(
    session: Session, account: CollectingAccount, clock: FrozenClock, corrected: dict[str, object]
) -> None:
    take(session, a_parsed(account, [LINE], number="41"), clock=clock)
    report = take(session, a_parsed(account, [LINE], number="41", **corrected), clock=clock)

    assert (report.outcome, [p.code for p in report.problems]) == (Outcome.HELD, ["S021"])
    assert count(session, StatementLine) == 1
    assert bank_balance(session, account) == 83_000


def test_two_versions_of_a_statement_in_one_file_are_held_and_neither_is_dropped(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    one, other = (
        a_parsed(account, [line], number="41").statements[0]
        for line in (LINE, replace(LINE, narrative="another narrative"))
    )
    report = take(session, a_file(one, other), clock=clock)

    assert (report.outcome, [p.code for p in report.problems]) == (Outcome.HELD, ["S021"])
    assert count(session, StatementLine) == 0


def test_a_statement_that_stands_twice_in_one_file_is_money_once(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    twice = a_parsed(account, [LINE], number="41").statements
    report = take(session, a_file(*twice, *twice), clock=clock)

    assert (report.outcome, report.lines_added, report.lines_known) == (Outcome.OK, 1, 1)
    assert bank_balance(session, account) == 83_000


@pytest.mark.parametrize("news", ["camt.052.001.08", "camt.054.001.08", "mt942"])
def test_what_is_told_early_is_kept_and_is_money_only_with_the_statement(
    session: Session, account: CollectingAccount, clock: FrozenClock, news: str
) -> None:
    told = replace(a_parsed(account, [replace(LINE, bank_reference="")]), format=news)
    report = take(session, told, clock=clock)

    assert (report.outcome, report.lines_added) == (Outcome.OK, 0)
    assert [problem.code for problem in report.problems] == ["S024"]
    assert raw_file(session.get_one(EvidenceFile, report.file_id), vault=VAULT)
    assert count(session, StatementLine) == count(session, Statement) == 0

    receive(session, account, replace(LINE, narrative="in other words"), clock=clock)
    assert bank_balance(session, account) == 83_000


def test_a_number_starts_again_each_year_and_on_each_page(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    later = date(2027, 11, 2)
    take(session, a_parsed(account, [LINE], number="41"), clock=clock)
    second = a_parsed(account, [OTHER], number="41", page=2, opening=83_000)
    next_year = a_parsed(
        account, [replace(LINE, booking_date=later)], number="41", day=later, opening=133_000
    )
    assert take(session, second, clock=clock).outcome is Outcome.OK
    assert take(session, next_year, clock=clock).outcome is Outcome.OK


def test_a_gap_between_statements_is_reported_and_the_file_is_stored(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    tuesday = DAY + timedelta(days=1)
    receive(session, account, LINE, clock=clock)
    line = replace(OTHER, booking_date=tuesday)
    report = receive(session, account, line, opening=90_000, day=tuesday, clock=clock)

    assert (report.outcome, [p.code for p in report.problems]) == (Outcome.OK, ["S023"])
    assert "83000" in report.problems[0].message
    file = session.get_one(EvidenceFile, report.file_id)
    assert file.report["problems"][0]["code"] == "S023"


def test_statements_and_pages_that_follow_each_other_have_no_gap(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    tuesday = DAY + timedelta(days=1)
    receive(session, account, LINE, clock=clock)
    lines = [replace(OTHER, booking_date=tuesday, bank_reference=f"FT{n}") for n in (3, 4)]
    page = a_parsed(account, lines[:1], opening=83_000, day=tuesday, number="7")
    following = a_parsed(account, lines[1:], opening=133_000, day=tuesday, number="7", page=2)

    assert take(session, page, clock=clock).problems == []
    assert take(session, following, clock=clock).problems == []


@pytest.mark.parametrize(
    "changes",
    [
        {"currency": "EUR", "lines": []},
        {"opening_balance": Decimal("0.50")},
        {"lines": [replace(LINE, amount=Decimal("83000.50"))]},
        {"lines": [replace(LINE, currency="EUR")]},
        {"lines": [replace(LINE, booking_date=None, value_date=None)]},
    ],
    ids=["currency", "balance", "decimals", "currency of a line", "no day"],
)
def test_what_the_books_cannot_take_is_held(
    session: Session, account: CollectingAccount, clock: FrozenClock, changes: dict[str, object]
) -> None:
    report = take(session, a_parsed(account, [LINE], **changes), clock=clock)

    assert (report.outcome, report.problems[0].code) == (Outcome.HELD, "S022")
    assert count(session, StatementLine) == 0
    assert count(session, EvidenceFile) == 1


def test_statements_without_lines_are_stored_because_they_carry_the_chain(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    assert receive(session, account, clock=clock).outcome is Outcome.OK
    assert count(session, Statement) == 1


def test_a_lines_value_date_stands_in_for_a_missing_booking_date(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    receive(session, account, replace(LINE, booking_date=None), clock=clock)
    assert session.exec(select(StatementLine.booking_date)).one() == DAY


def test_who_may_not_import_stores_nothing(
    session: Session, account: CollectingAccount, clock: FrozenClock, auditor: Actor
) -> None:
    with pytest.raises(PermissionDeniedError):
        take(session, a_parsed(account, [LINE]), clock=clock, actor=auditor)
    with pytest.raises(PermissionDeniedError):
        take(session, ParsedFile("x", "0", "x", Outcome.REFUSED), clock=clock, actor=auditor)
    assert count(session, EvidenceFile) == 0


# Settlement reports


def test_a_report_finds_its_account_from_its_lines(session: Session, clock: FrozenClock) -> None:
    city = a_city(session)
    bill = a_bill(session, city, clock=clock, commune=1)
    payment = a_paid_payment(session, bill, clock=clock)
    by_id = report_of(session, settled("", payment.provider_txn_id or ""), clock=clock)
    by_bill = report_of(session, settled(bill.bill_reference, "?"), clock=clock, report_id="R2")

    assert (by_id.outcome, by_id.lines_added, by_bill.outcome) == (Outcome.OK, 1, Outcome.OK)
    stored = session.exec(select(Settlement).order_by(col(Settlement.report_id))).all()
    assert [s.account_id for s in stored] == [city.accounts[1].id] * 2
    line = session.exec(select(SettlementLine)).first()
    assert line is not None
    assert (line.gross_minor, line.fee_minor, line.net_minor) == (83_000, 830, 82_170)


def test_a_report_that_names_no_account_or_two_is_held(
    session: Session, clock: FrozenClock
) -> None:
    city = a_city(session)
    bills = [a_bill(session, city, clock=clock, commune=n, number=n + 1) for n in (0, 1)]
    for bill in bills:
        a_payment(session, bill, clock=clock)
    both = [settled(bill.bill_reference, bill.id) for bill in bills]

    nobody = report_of(session, settled("MCNOBODY", "1"), clock=clock)
    two = report_of(session, *both, clock=clock, report_id="R2")
    named = report_of(session, *both, clock=clock, report_id="R3", account=city.accounts[0])

    assert [r.outcome for r in (nobody, two)] == [Outcome.HELD, Outcome.HELD]
    assert [p.code for r in (nobody, two) for p in r.problems] == ["S003", "S003"]
    assert named.outcome is Outcome.OK
    assert count(session, SettlementLine) == 2


def test_the_same_report_again_adds_nothing_and_another_version_is_held(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    line = settled("MCX", "1")
    report_of(session, line, line, clock=clock, account=account)
    again = report_of(session, line, line, clock=clock, account=account)
    changed = report_of(session, line, clock=clock, account=account)

    assert (again.known_file, again.lines_known) == (True, 2)
    assert (changed.outcome, changed.problems[0].code) == (Outcome.HELD, "S020")
    assert count(session, SettlementLine) == 2


def test_a_refused_report_stores_no_line(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    report = report_of(
        session, settled("MCX", "1"), clock=clock, account=account, outcome=Outcome.REFUSED
    )
    assert report.outcome is Outcome.REFUSED
    assert count(session, SettlementLine) == count(session, Settlement) == 0
    assert count(session, EvidenceFile) == 1


def test_a_statement_that_states_no_balances_is_stored_as_such(
    session: Session, account: CollectingAccount, clock: FrozenClock
) -> None:
    parsed = a_parsed(account, [LINE], balance_check=BalanceCheck.NOT_STATED)
    take(session, parsed, clock=clock)
    assert session.exec(select(Statement.balance_check)).one() is BalanceCheck.NOT_STATED
