"""A day is closed when its evidence is complete; nothing is posted into it afterwards."""

from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import Session, col, select

from core.actors import SYSTEM
from core.audit import AuditEvent
from core.db import transaction
from payments.ledger import chart
from payments.ledger.balances import balance_of
from payments.ledger.models import AccountingPeriod, JournalEntry
from reconciliation.closing import check_day, close_day
from reconciliation.errors import DayNotCloseableError
from reconciliation.ports import BalanceCheck
from tests.factories import a_line
from tests.support.books import at_once
from tests.support.clock import FrozenClock
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
    period = close_day(session, world.account, DAY, actor=SYSTEM, clock=clock)

    assert (period.closed_by, period.closed_at) == (SYSTEM.id, clock())
    (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "close_day")).all()
    assert event.after == {"day": DAY.isoformat(), "summary_sha256": period.summary_sha256}


def test_closing_twice_changes_nothing(session: Session, world: World, clock: FrozenClock) -> None:
    a_complete_day(session, world, clock)
    first = close_day(session, world.account, DAY, actor=SYSTEM, clock=clock)
    clock.advance(hours=1)
    assert close_day(session, world.account, DAY, actor=SYSTEM, clock=clock) is first
    assert len(session.exec(select(AuditEvent).where(AuditEvent.action == "close_day")).all()) == 1


def test_a_day_without_a_statement_stays_open(
    session: Session, world: World, clock: FrozenClock
) -> None:
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert failing(session, world) == ["statement"]
    with pytest.raises(DayNotCloseableError, match="statement: none covers the day"):
        close_day(session, world.account, DAY, actor=SYSTEM, clock=clock)


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
    assert failing(session, world) == ["continuous", "bank_balance"]


def test_each_day_of_a_longer_statement_can_be_closed(
    session: Session, world: World, clock: FrozenClock
) -> None:
    later = a_line(TUESDAY, 40_000, "khac", bank_ref="F8")
    parsed = a_parsed(world.account, [pays(world.bill), later], to_date=TUESDAY)
    take(session, parsed, clock=clock)
    clock.advance(days=2)
    compare(session, world.account, clock=clock)
    for day in (DAY, TUESDAY):
        close_day(session, world.account, day, actor=SYSTEM, clock=clock)


def test_a_late_line_of_a_closed_day_is_dated_to_the_next_open_day(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_complete_day(session, world, clock)
    close_day(session, world.account, DAY, actor=SYSTEM, clock=clock)
    receive(session, world.account, day=TUESDAY, opening=83_000, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    close_day(session, world.account, TUESDAY, actor=SYSTEM, clock=clock)
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
    close_day(session, world.account, WEDNESDAY, actor=SYSTEM, clock=clock)


def test_a_closed_day_locks_its_own_account_only(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_complete_day(session, world, clock)
    close_day(session, world.account, DAY, actor=SYSTEM, clock=clock)
    receive(session, world.city.accounts[1], a_line(DAY, 1_000, "x"), clock=clock)
    entry = session.exec(
        select(JournalEntry).where(JournalEntry.account_id == world.city.accounts[1].id)
    ).one()
    assert entry.entry_date == DAY


def test_two_who_close_a_day_at_once_close_it_once(engine: Engine, clock: FrozenClock) -> None:
    with transaction(engine) as session:
        world = a_world(session, clock=clock)
        a_complete_day(session, world, clock)

    def work() -> str:
        with transaction(engine) as session:
            return close_day(session, world.account, DAY, actor=SYSTEM, clock=clock).summary_sha256

    first, second = at_once(engine, work, work)
    assert first == second
    with transaction(engine) as session:
        assert len(session.exec(select(AccountingPeriod)).all()) == 1
