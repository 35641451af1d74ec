"""A day is closed when its evidence is complete; nothing is posted into it afterwards."""

from datetime import date, timedelta
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from core.actors import Actor, PermissionDeniedError
from core.audit import AuditEvent
from core.db import transaction
from core.money import Money
from payments.errors import SamePersonError
from payments.ledger import chart
from payments.ledger.balances import balance_of
from payments.ledger.models import AccountingPeriod, JournalEntry, MoneyEvent
from payments.ledger.posting import Cause, Leg, post_entry
from payments.models import CollectingAccount
from reconciliation.closing import (
    CloseStatus,
    DayClose,
    check_day,
    close_of,
    is_untouched,
    last_closed,
    next_day,
    prepare_day,
    read_sheet,
    sign_day,
    withdraw_day,
)
from reconciliation.errors import CloseDecidedError, DayChangedError, DayNotCloseableError
from reconciliation.models import Mismatch
from reconciliation.ports import BalanceCheck
from tests.factories import a_line
from tests.support.books import at_once
from tests.support.clock import FrozenClock
from tests.support.closing import PREPARES, REVIEWS, close_by_two, explain_all
from tests.support.evidence import DAY, World, a_parsed, a_world, compare, pays, receive, take

TUESDAY = DAY + timedelta(days=1)
WEDNESDAY = DAY + timedelta(days=2)


@pytest.fixture
def world(session: Session, clock: FrozenClock) -> World:
    return a_world(session, clock=clock)


def failing(session: Session, world: World) -> list[str]:
    return [check.name for check in check_day(session, world.account, DAY) if not check.holds]


def a_complete_day(session: Session, world: World, clock: FrozenClock) -> None:
    receive(session, world.account, pays(world.bill), clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)


def test_a_complete_day_is_closed_and_written_down(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_complete_day(session, world, clock)
    assert failing(session, world) == []
    period = close_by_two(session, world.account, DAY, clock=clock)

    assert (period.closed_by, period.closed_at) == (REVIEWS.id, clock())
    (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "close_day")).all()
    assert event.after is not None
    assert event.after["summary_sha256"] == period.summary_sha256
    close = close_of(session, world.account.id, DAY)
    assert close is not None
    assert (close.prepared_by, close.reviewed_by) == (PREPARES.id, REVIEWS.id)
    sheet = read_sheet(close)
    assert [check["name"] for check in sheet["checks"]] == [
        "statement", "continuous", "bank_balance", "compared", "conserved", "provider", "payout",
        "direct", "clearing:bank_transfer", "books",
    ]  # fmt: skip
    assert sheet["books"]["transfers"] == 3
    assert [f"bank:{world.account.account_number}", "VND", 83_000, 0] in sheet["books"]["balances"]
    assert last_closed(session, world.account.id) == DAY
    assert next_day(session, world.account.id, today=WEDNESDAY) == TUESDAY


def test_one_person_alone_closes_nothing(
    session: Session, world: World, clock: FrozenClock, officer: Actor, auditor: Actor
) -> None:
    a_complete_day(session, world, clock)
    with pytest.raises(PermissionDeniedError):
        prepare_day(session, world.account, DAY, actor=auditor, clock=clock)
    close = prepare_day(session, world.account, DAY, actor=REVIEWS, clock=clock)
    assert last_closed(session, world.account.id) is None, "nothing is locked by a preparation"
    with pytest.raises(SamePersonError):
        sign_day(session, close, actor=REVIEWS, clock=clock)
    with pytest.raises(PermissionDeniedError):
        sign_day(session, close, actor=officer, clock=clock)


def test_a_closed_day_is_not_closed_again(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_complete_day(session, world, clock)
    close_by_two(session, world.account, DAY, clock=clock)
    with pytest.raises(DayNotCloseableError, match="is closed"):
        prepare_day(session, world.account, DAY, actor=PREPARES, clock=clock)
    close = close_of(session, world.account.id, DAY)
    assert close is not None
    with pytest.raises(CloseDecidedError, match="closed"):
        sign_day(session, close, actor=REVIEWS, clock=clock)
    with pytest.raises(CloseDecidedError, match="closed"):
        withdraw_day(session, close, note="x", actor=REVIEWS, clock=clock)


def test_what_is_posted_after_the_preparation_needs_another_one(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_complete_day(session, world, clock)
    close = prepare_day(session, world.account, DAY, actor=PREPARES, clock=clock)
    cause = Cause(MoneyEvent.CORRECTION, "late", account_id=world.account.id)
    post_entry(session, cause, [Leg("bank:x", "suspense", Money(5))], clock=clock, on=DAY)
    with pytest.raises(DayChangedError):
        sign_day(session, close, actor=REVIEWS, clock=clock)
    anew = prepare_day(session, world.account, DAY, actor=PREPARES, clock=clock)
    assert close.status is CloseStatus.WITHDRAWN
    sign_day(session, anew, actor=REVIEWS, clock=clock)


def test_a_condition_that_fails_after_the_preparation_stops_the_signature(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_complete_day(session, world, clock)
    close = prepare_day(session, world.account, DAY, actor=PREPARES, clock=clock)
    clock.advance(hours=1)
    receive(session, world.account, day=TUESDAY, opening=99, clock=clock)
    with pytest.raises(DayNotCloseableError, match="compared: Evidence has come in"):
        sign_day(session, close, actor=REVIEWS, clock=clock)


def test_a_close_is_turned_down_with_a_reason(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_complete_day(session, world, clock)
    close = prepare_day(session, world.account, DAY, actor=PREPARES, clock=clock)
    with pytest.raises(CloseDecidedError, match="say why"):
        withdraw_day(session, close, note=" ", actor=REVIEWS, clock=clock)
    withdraw_day(session, close, note="thiếu sao kê", actor=REVIEWS, clock=clock)
    assert (close.status, close.note) == (CloseStatus.WITHDRAWN, "thiếu sao kê")
    assert close_of(session, world.account.id, DAY) is None
    close_by_two(session, world.account, DAY, clock=clock)


def test_a_day_on_which_the_account_rested_is_proved_by_its_neighbours(
    session: Session, world: World, clock: FrozenClock
) -> None:
    receive(session, world.account, pays(world.bill), clock=clock)
    receive(session, world.account, day=WEDNESDAY, opening=83_000, clock=clock)
    clock.advance(days=3)
    compare(session, world.account, clock=clock)
    (seen,) = [c for c in check_day(session, world.account, TUESDAY) if c.name == "statement"]
    assert (seen.holds, seen.code) == (True, "statement.quiet")
    close_by_two(session, world.account, TUESDAY, clock=clock)
    assert close_of(session, world.account.id, DAY) is not None, "the day before it is in it"


def test_an_open_mismatch_of_the_day_blocks_it_and_one_of_the_next_does_not(
    session: Session, world: World, clock: FrozenClock
) -> None:
    receive(session, world.account, pays(world.bill), clock=clock)
    stray = a_line(TUESDAY, 7_000, "khong ro", bank_ref="F7")
    receive(session, world.account, stray, day=TUESDAY, opening=83_000, clock=clock)
    clock.advance(days=2)
    compare(session, world.account, clock=clock)
    assert failing(session, world) == []
    checks = {check.name: check for check in check_day(session, world.account, TUESDAY)}
    assert not checks["direct"].holds
    (blocker,) = checks["direct"].blocks
    assert (blocker.kind, blocker.amount_minor) == ("mismatch", 7_000)
    found = session.exec(select(Mismatch)).one()
    assert blocker.id == found.id


def test_a_day_without_a_statement_stays_open(
    session: Session, world: World, clock: FrozenClock
) -> None:
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert failing(session, world) == ["statement"]
    with pytest.raises(DayNotCloseableError, match="statement: No statement covers the day"):
        close_by_two(session, world.account, DAY, clock=clock)


def test_a_statement_whose_balances_are_not_proven_closes_no_day(
    session: Session, world: World, clock: FrozenClock
) -> None:
    parsed = a_parsed(world.account, [pays(world.bill)], balance_check=BalanceCheck.NOT_STATED)
    take(session, parsed, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert failing(session, world) == ["statement"]


def test_a_day_that_was_not_compared_stays_open(
    session: Session, world: World, clock: FrozenClock
) -> None:
    receive(session, world.account, pays(world.bill), clock=clock)
    assert failing(session, world) == ["compared", "conserved"]
    compare(session, world.account, clock=clock)
    assert failing(session, world) == ["compared"], "the day itself was not over"


def test_a_statement_that_came_after_the_last_run_must_be_compared_first(
    session: Session, world: World, clock: FrozenClock
) -> None:
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    clock.advance(hours=1)
    receive(session, world.account, pays(world.bill), clock=clock)
    assert failing(session, world) == ["compared"]
    compare(session, world.account, clock=clock)
    assert failing(session, world) == []


def test_a_missing_statement_shows_in_the_bank_balance(
    session: Session, world: World, clock: FrozenClock
) -> None:
    sunday = DAY - timedelta(days=1)
    receive(session, world.account, a_line(sunday, 5_000, "x"), day=sunday, clock=clock)
    receive(session, world.account, pays(world.bill), opening=9_000, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert failing(session, world) == ["continuous", "bank_balance", "direct"]


def test_each_day_of_a_longer_statement_can_be_closed(
    session: Session, world: World, clock: FrozenClock
) -> None:
    later = a_line(TUESDAY, 40_000, "khac", bank_ref="F8")
    parsed = a_parsed(world.account, [pays(world.bill), later], to_date=TUESDAY)
    take(session, parsed, clock=clock)
    clock.advance(days=2)
    compare(session, world.account, clock=clock)
    assert explain_all(session, world.account, clock=clock) == 1
    for day in (DAY, TUESDAY):
        close_by_two(session, world.account, day, clock=clock)


def test_a_late_line_of_a_closed_day_is_dated_to_the_next_open_day(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_complete_day(session, world, clock)
    close_by_two(session, world.account, DAY, clock=clock)
    receive(session, world.account, day=TUESDAY, opening=83_000, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    close_by_two(session, world.account, TUESDAY, clock=clock)
    late = a_line(DAY, 7_000, "den muon", bank_ref="F7")
    report = receive(session, world.account, late, day=WEDNESDAY, opening=83_000, clock=clock)

    assert [problem.code for problem in report.problems] == ["S027"]
    assert f"corrections on {WEDNESDAY}" in report.problems[0].message
    entries = session.exec(
        select(JournalEntry)
        .where(col(JournalEntry.event_key).startswith("statement_line:"))
        .order_by(col(JournalEntry.entry_date))
    ).all()
    assert [entry.entry_date for entry in entries] == [DAY, WEDNESDAY]
    assert balance_of(session, chart.bank(world.account.account_number)) == 90_000
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    explain_all(session, world.account, clock=clock)
    close_by_two(session, world.account, WEDNESDAY, clock=clock)


def test_a_closed_day_locks_its_own_account_only(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_complete_day(session, world, clock)
    close_by_two(session, world.account, DAY, clock=clock)
    receive(session, world.city.accounts[1], a_line(DAY, 1_000, "x"), clock=clock)
    entry = session.exec(
        select(JournalEntry).where(JournalEntry.account_id == world.city.accounts[1].id)
    ).one()
    assert entry.entry_date == DAY


@pytest.mark.parametrize("day", [DAY, DAY - timedelta(days=30)])
def test_the_database_refuses_an_entry_of_a_closed_day_whoever_writes_it(
    engine: Engine, clock: FrozenClock, day: date
) -> None:
    with transaction(engine) as session:
        world = a_world(session, clock=clock)
        a_complete_day(session, world, clock)
        close_by_two(session, world.account, DAY, clock=clock)
    forged = (
        "INSERT INTO journal_entry SELECT 'forged', :day, posted_at, event, 'forged', account_id,"
        " office_id, bill_id, description, NULL, transfer_count FROM journal_entry"
        " WHERE account_id = :account LIMIT 1"
    )
    given = {"account": world.account.id}
    with engine.connect() as connection, pytest.raises(DBAPIError, match="the day is closed"):
        connection.execute(text(forged).bindparams(day=day, **given))
    with transaction(engine) as session:
        session.execute(text(forged).bindparams(day=TUESDAY, **given))


@pytest.mark.parametrize("change", ["status = 'withdrawn'", "note = 'x'", "reviewed_by = 'b'",
                                    "sheet = 'x'"])  # fmt: skip
def test_the_database_refuses_to_change_a_signed_close(
    engine: Engine, clock: FrozenClock, change: str
) -> None:
    with transaction(engine) as session:
        world = a_world(session, clock=clock)
        a_complete_day(session, world, clock)
        close_by_two(session, world.account, DAY, clock=clock)
    with engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text(f"UPDATE day_close SET {change}"))  # noqa: S608


def test_two_who_sign_at_once_close_the_day_once(engine: Engine, clock: FrozenClock) -> None:
    with transaction(engine) as session:
        world = a_world(session, clock=clock)
        a_complete_day(session, world, clock)
        close_id = prepare_day(session, world.account, DAY, actor=PREPARES, clock=clock).id

    def work(name: str) -> str:
        actor = Actor(name, REVIEWS.role, office_path="/")
        with transaction(engine) as session:
            return sign_day(
                session, session.get_one(DayClose, close_id), actor=actor, clock=clock
            ).closed_by

    results = at_once(engine, lambda: work("usr_a"), lambda: work("usr_b"))
    assert sorted(type(one).__name__ for one in results) == ["CloseDecidedError", "str"]
    with transaction(engine) as session:
        assert len(session.exec(select(AccountingPeriod)).all()) == 1


def test_an_entry_that_is_being_posted_is_in_the_day_or_after_it(
    engine: Engine, clock: FrozenClock
) -> None:
    """Many post into the day while it is closed: what the sheet counted is all there is."""
    with transaction(engine) as session:
        world = a_world(session, clock=clock)
        a_complete_day(session, world, clock)

    def post(number: int) -> str:
        cause = Cause(MoneyEvent.CORRECTION, f"late{number}", account_id=world.account.id)
        with transaction(engine) as session:
            entry = post_entry(
                session, cause, [Leg("bank:x", "suspense", Money(5))], clock=clock, on=DAY
            )
            return entry.entry_date.isoformat()

    def close() -> str:
        with transaction(engine) as session:
            account = session.get_one(CollectingAccount, world.account.id)
            close_by_two(session, account, DAY, clock=clock)
            return "closed"

    results = at_once(engine, close, *(partial(post, number) for number in range(4)))
    assert results[0] == "closed", results
    assert {*results[1:]} <= {DAY.isoformat(), TUESDAY.isoformat()}, results
    with transaction(engine) as session:
        signed = close_of(session, world.account.id, DAY)
        assert signed is not None
        assert is_untouched(session, signed)
