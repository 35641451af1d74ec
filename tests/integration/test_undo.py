"""An import is taken back as a unit while nothing of it is matched, and can then come again."""

from dataclasses import replace

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import Session, col, select

from core.clock import business_day
from core.db import transaction
from core.errors import DoisoatError
from payments.ledger import chart
from payments.ledger.balances import balance_of, broken_rules
from payments.ledger.models import JournalEntry, MoneyEvent
from payments.models import CollectingAccount
from reconciliation.continuity import chains_of
from reconciliation.errors import EvidenceNotFoundError, ImportInUseError, ReasonMissingError
from reconciliation.intake import undo_import
from reconciliation.models import EvidenceFile, Mismatch, Statement, StatementLine
from reconciliation.ports import Outcome, ParsedLine
from reconciliation.states import MismatchStatus
from tests.factories import SYSTEM, a_line
from tests.support.clock import FrozenClock
from tests.support.closing import close_by_two, explain_all
from tests.support.evidence import DAY, World, a_parsed, a_world, compare, pays, take

REASON = "the bank has sent another version"
LINE = a_line(DAY, 7_000, "khong ro", bank_ref="F1")


@pytest.fixture
def world(session: Session, clock: FrozenClock) -> World:
    return a_world(session, clock=clock)


def undo(session: Session, file_id: str, clock: FrozenClock, reason: str = REASON) -> None:
    undo_import(session, file_id, reason=reason, actor=SYSTEM, clock=clock)


def bank(session: Session, account: CollectingAccount) -> int:
    return balance_of(session, chart.bank(account.account_number))


def test_what_was_taken_back_counts_no_more_and_comes_again(
    session: Session, world: World, clock: FrozenClock
) -> None:
    parsed = a_parsed(world.account, [LINE, replace(LINE, narrative="khac")])
    first = take(session, parsed, clock=clock)
    assert bank(session, world.account) == 14_000
    undo(session, first.file_id, clock)

    assert bank(session, world.account) == 0
    assert list(broken_rules(session)) == []
    assert chains_of(session, world.account) == []
    again = take(session, parsed, clock=clock)
    assert (again.outcome, again.lines_added, again.known_file) == (Outcome.OK, 2, False)
    assert again.file_id == first.file_id
    assert bank(session, world.account) == 14_000

    undo(session, first.file_id, clock)
    assert take(session, parsed, clock=clock).lines_added == 2
    assert take(session, parsed, clock=clock).known_file
    assert bank(session, world.account) == 14_000


def test_lines_that_came_again_are_known_to_the_next_export(
    session: Session, world: World, clock: FrozenClock
) -> None:
    first = take(session, a_parsed(world.account, [LINE]), clock=clock)
    undo(session, first.file_id, clock)
    longer = a_parsed(world.account, [LINE, replace(LINE, narrative="them")], number="9")

    assert take(session, longer, clock=clock).lines_added == 2
    repeated = take(session, a_parsed(world.account, [LINE], number="10"), clock=clock)
    assert (repeated.lines_added, repeated.lines_known) == (0, 1)


def test_a_corrected_version_is_taken_once_the_first_is_taken_back(
    session: Session, world: World, clock: FrozenClock
) -> None:
    first = take(session, a_parsed(world.account, [LINE], number="41"), clock=clock)
    other = replace(LINE, amount=LINE.amount + 1)
    corrected = a_parsed(world.account, [other], number="41")
    assert take(session, corrected, clock=clock).outcome is Outcome.HELD

    undo(session, first.file_id, clock)
    assert take(session, corrected, clock=clock).outcome is Outcome.OK
    assert bank(session, world.account) == 7_001


def test_open_mismatches_fall_away_with_the_lines(
    session: Session, world: World, clock: FrozenClock
) -> None:
    report = take(session, a_parsed(world.account, [LINE]), clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert [m.status for m in session.exec(select(Mismatch))] == [MismatchStatus.OPEN]

    undo(session, report.file_id, clock)
    compare(session, world.account, clock=clock)
    assert [m.status for m in session.exec(select(Mismatch))] == [MismatchStatus.HEALED]
    file = session.get_one(EvidenceFile, report.file_id)
    assert (file.outcome, file.report["problems"][0]["code"]) == (Outcome.HELD, "S029")


def test_the_lines_and_their_entries_stay(
    session: Session, world: World, clock: FrozenClock
) -> None:
    report = take(session, a_parsed(world.account, [LINE]), clock=clock)
    undo(session, report.file_id, clock)

    line = session.exec(select(StatementLine)).one()
    entries = session.exec(select(JournalEntry).order_by(col(JournalEntry.posted_at))).all()
    statement = session.exec(select(Statement)).one()
    assert (line.amount_minor, statement.undone_reason) == (7_000, REASON)
    assert {e.event for e in entries} >= {MoneyEvent.STATEMENT_LINE, MoneyEvent.REVERSED}


def test_what_is_matched_stays(session: Session, world: World, clock: FrozenClock) -> None:
    report = take(session, a_parsed(world.account, [pays(world.bill)]), clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)

    with pytest.raises(ImportInUseError, match="1 of its lines"):
        undo(session, report.file_id, clock)
    assert bank(session, world.account) == 83_000


@pytest.mark.parametrize("lines", [[], [LINE]])
def test_a_closed_day_stays(
    session: Session, world: World, clock: FrozenClock, lines: list[ParsedLine]
) -> None:
    report = take(session, a_parsed(world.account, lines), clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    explain_all(session, world.account, clock=clock)
    close_by_two(session, world.account, DAY, clock=clock)

    with pytest.raises(ImportInUseError, match="is closed"):
        undo(session, report.file_id, clock)


def test_an_undo_needs_a_reason_and_something_to_undo(
    session: Session, world: World, clock: FrozenClock
) -> None:
    report = take(session, a_parsed(world.account, [LINE]), clock=clock)
    with pytest.raises(ReasonMissingError):
        undo(session, report.file_id, clock, reason="  no  ")
    undo(session, report.file_id, clock)
    for file_id in (report.file_id, "fil_none"):
        with pytest.raises(EvidenceNotFoundError):
            undo(session, file_id, clock)


def test_half_an_undo_is_none(engine: Engine, clock: FrozenClock) -> None:
    with transaction(engine) as session:
        world = a_world(session, clock=clock)
        file_id = take(session, a_parsed(world.account, [LINE]), clock=clock).file_id
        number = world.account.account_number
    with pytest.raises(DoisoatError), transaction(engine) as session:  # noqa: PT012 - one unit
        undo(session, file_id, clock)
        undo(session, file_id, clock)
    with transaction(engine) as session:
        assert balance_of(session, chart.bank(number)) == 7_000
        assert session.exec(select(Statement)).one().undone_at is None
    assert business_day(clock()) >= DAY
