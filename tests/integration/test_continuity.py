"""Thirty consecutive daily statements of two accounts: one less, twice, swapped or altered."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from adapters.simulators.statement_files import PrintedLine, PrintedStatement, write_camt053
from adapters.statements.parser import StatementFileParser
from core.clock import Clock
from core.money import Currency, Money
from payments.models import CollectingAccount
from reconciliation.closing import check_day
from reconciliation.continuity import Gap, GapKind, chains_of
from reconciliation.intake import Delivery, ImportReport, import_statement
from reconciliation.ports import Outcome
from tests.factories import SYSTEM, VAULT, a_city
from tests.support.writers.mt940 import write_mt940

FIRST = date(2026, 11, 2)
DAYS = 30
QUICK = {1, 4, 15, DAYS - 2}
"""Days that are taken out in every run; all others with the slow tests (``make chain-test``)."""
Writer = Callable[[PrintedStatement], bytes]


def _write_camt053(statement: PrintedStatement) -> bytes:
    return write_camt053([statement], message_id="M", created_at=datetime(2026, 12, 2, tzinfo=UTC))


WRITERS: dict[str, Writer] = {"camt.053": _write_camt053, "mt940": write_mt940}


@pytest.fixture
def accounts(session: Session) -> list[CollectingAccount]:
    return a_city(session).accounts[:2]


@pytest.fixture(params=sorted(WRITERS))
def writer(request: pytest.FixtureRequest) -> Writer:
    return WRITERS[request.param]


def vnd(amount: int) -> Money:
    return Money(amount, Currency.VND)


def a_month(account: str, *, seed: int, numbered: bool = True) -> list[PrintedStatement]:
    """A statement a day, each opening where the last closed; every fifth day moves nothing."""
    opening, statements = vnd(1_000_000 * seed), []
    for n in range(DAYS):
        day = FIRST + timedelta(days=n)
        moved = [] if n % 5 == 4 else [vnd(10_000 * seed + 3 * n), vnd(-5_000 - n)]
        lines = [
            PrintedLine(day, amount, f"DX{seed}{n:02}", value_date=day, bank_reference=f"FT{n}{i}")
            for i, amount in enumerate(moved)
        ]
        number = str(n + 1) if numbered else f"S-{n}"  # nothing to count on
        statement = PrintedStatement(account, number, day, day, opening, lines)
        statements.append(statement)
        opening = statement.final_balance
    return statements


@pytest.fixture
def take(
    session: Session, tmp_path: Path, clock: Clock, writer: Writer
) -> Callable[[PrintedStatement], ImportReport]:
    def taken(statement: PrintedStatement) -> ImportReport:
        content = writer(statement)
        file = tmp_path / "statement"
        file.write_bytes(content)
        parsed = StatementFileParser().parse(file)
        delivery = Delivery(content, "test", SYSTEM)
        return import_statement(session, parsed, delivery, vault=VAULT, clock=clock)

    return taken


def gaps(session: Session, account: CollectingAccount) -> tuple[Gap, ...]:
    (chain,) = chains_of(session, account)
    return chain.gaps


def kinds(found: Sequence[Gap]) -> list[GapKind]:
    return [gap.kind for gap in found]


def test_a_month_of_two_accounts_follows(
    session: Session, accounts: list[CollectingAccount], take: Callable[..., ImportReport]
) -> None:
    for seed, account in enumerate(accounts, start=1):
        for statement in a_month(account.account_number, seed=seed):
            report = take(statement)
            assert (report.outcome, report.problems) == (Outcome.OK, [])
    for account in accounts:
        (chain,) = chains_of(session, account)
        assert (chain.count, chain.gaps) == (DAYS, ())
        assert (chain.first_day, chain.last_day) == (FIRST, FIRST + timedelta(days=DAYS - 1))


@pytest.mark.parametrize(
    "missing",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in range(1, DAYS - 1)],
)
def test_one_that_is_missing_is_named_and_heals_when_it_comes(
    session: Session,
    accounts: list[CollectingAccount],
    take: Callable[..., ImportReport],
    missing: int,
) -> None:
    month = a_month(accounts[0].account_number, seed=1)
    for n, statement in enumerate(month):
        if n != missing:
            take(statement)

    found = gaps(session, accounts[0])
    moves = missing % 5 != 4
    assert kinds(found) == ([GapKind.BALANCE] if moves else []) + [GapKind.NUMBER]
    assert (found[-1].first, found[-1].last) == (str(missing + 1), str(missing + 1))
    day = FIRST + timedelta(days=missing + 1)
    checks = {check.name: check.holds for check in check_day(session, accounts[0], day)}
    assert checks["continuous"] is False

    assert take(month[missing]).outcome is Outcome.OK
    assert gaps(session, accounts[0]) == ()


def test_a_day_without_a_number_is_missed_all_the_same(
    session: Session,
    accounts: list[CollectingAccount],
    take: Callable[..., ImportReport],
    writer: Writer,
) -> None:
    if writer is write_mt940:
        pytest.skip("MT940 has always a number")
    month = a_month(accounts[0].account_number, seed=1, numbered=False)
    for n, statement in enumerate(month):
        if n != 19:  # a day on which nothing moved: no balance tells
            take(statement)

    (gap,) = gaps(session, accounts[0])
    assert (gap.kind, gap.first) == (GapKind.DAYS, (FIRST + timedelta(days=19)).isoformat())


def test_weekends_without_statements_are_no_gap(
    session: Session, accounts: list[CollectingAccount], take: Callable[..., ImportReport]
) -> None:
    opening = vnd(0)
    number = 0
    for n in range(DAYS):
        day = FIRST + timedelta(days=n)
        if day.weekday() < 5:
            number += 1
            line = PrintedLine(day, vnd(1_000 + n), "x", value_date=day)
            statement = PrintedStatement(
                accounts[0].account_number, str(number), day, day, opening, [line]
            )
            take(statement)
            opening = statement.final_balance

    assert gaps(session, accounts[0]) == ()


def test_those_that_come_in_another_order_follow_in_the_end(
    session: Session, accounts: list[CollectingAccount], take: Callable[..., ImportReport]
) -> None:
    month = a_month(accounts[0].account_number, seed=1)
    order = [*range(0, DAYS, 2), *reversed(range(1, DAYS, 2))]
    reports = [take(month[n]) for n in order]

    assert any(report.problems for report in reports)  # while every second was missing
    assert gaps(session, accounts[0]) == ()


def test_one_that_comes_twice_adds_nothing(
    session: Session, accounts: list[CollectingAccount], take: Callable[..., ImportReport]
) -> None:
    month = a_month(accounts[0].account_number, seed=1)
    for statement in month:
        take(statement)

    again = take(month[7])
    assert (again.known_file, again.lines_added, again.lines_known) == (True, 0, 2)
    assert gaps(session, accounts[0]) == ()


@pytest.mark.parametrize("altered", [0, 7, DAYS - 1])
def test_an_amount_that_was_altered_is_named(
    session: Session,
    accounts: list[CollectingAccount],
    take: Callable[..., ImportReport],
    altered: int,
) -> None:
    month = a_month(accounts[0].account_number, seed=1)
    true = month[altered]
    more = (
        replace(true.lines[0], amount=true.lines[0].amount + vnd(1))
        if true.lines
        else (PrintedLine(true.from_date, vnd(1), "x", value_date=true.from_date))
    )
    unbalanced = replace(true, lines=[more, *true.lines[1:]], closing=true.final_balance)
    balanced = replace(true, lines=[more, *true.lines[1:]])

    assert [p.code for p in take(unbalanced).problems] == ["S300"]
    for n, statement in enumerate(month):
        take(balanced if n == altered else statement)
    neighbours = [GapKind.BALANCE] if altered < DAYS - 1 else []
    assert kinds(gaps(session, accounts[0])) == neighbours
    held = take(true)
    assert (held.outcome, [p.code for p in held.problems]) == (Outcome.HELD, ["S021"])


def test_days_that_were_swapped_are_named(
    session: Session, accounts: list[CollectingAccount], take: Callable[..., ImportReport]
) -> None:
    month = a_month(accounts[0].account_number, seed=1)
    one, two = month[10], month[11]
    lines = [replace(x, booking_date=one.from_date, value_date=one.from_date) for x in two.lines]
    back = [replace(x, booking_date=two.from_date, value_date=two.from_date) for x in one.lines]
    month[10], month[11] = replace(one, lines=lines), replace(two, lines=back)
    for statement in month:
        take(statement)

    assert kinds(gaps(session, accounts[0])) == [GapKind.BALANCE, GapKind.BALANCE]


def test_an_overlapping_export_follows_by_the_balance_of_its_first_day(
    session: Session,
    accounts: list[CollectingAccount],
    take: Callable[..., ImportReport],
    writer: Writer,
) -> None:
    if writer is write_mt940:
        pytest.skip("MT940 names no first day")
    month = a_month(accounts[0].account_number, seed=1, numbered=False)
    week = replace(
        month[0],
        number="W-1",
        to_date=month[6].to_date,
        lines=[x for s in month[:7] for x in s.lines],
    )
    later = replace(
        month[4],
        number="W-2",
        to_date=month[9].to_date,
        lines=[x for s in month[4:10] for x in s.lines],
    )
    wrong = replace(later, number="W-3", opening=later.opening + vnd(1), to_date=month[8].to_date)

    assert take(week).problems == []
    report = take(later)
    assert (report.problems, report.lines_known) == ([], sum(len(s.lines) for s in month[4:7]))
    assert gaps(session, accounts[0]) == ()
    assert [p.code for p in take(wrong).problems] == ["S023"]
