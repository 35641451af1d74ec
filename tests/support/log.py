"""Entries for the log of the books, and the log brought up to date."""

from datetime import date

from sqlalchemy.engine import Engine
from sqlmodel import Session, col, select

from core.clock import Clock
from core.db import transaction
from core.money import Money
from payments.ledger.log.models import LogEntry
from payments.ledger.log.sequencer import append_waiting
from payments.ledger.models import JournalEntry, MoneyEvent
from payments.ledger.posting import Cause, Leg, post_entry, post_new

FEE = "payable:state_treasury:LP-HOTICH"


def post_one(session: Session, key: str, *, clock: Clock) -> JournalEntry:
    """Post an entry of 75,000 VND."""
    cause = Cause(MoneyEvent.BILLED, key, description=f"bill {key}")
    return post_entry(session, cause, [Leg("receivable", FEE, Money(75_000))], clock=clock)


def post_many(engine: Engine, count: int, *, clock: Clock, day: date, start: int = 0) -> None:
    """Post entries of one transfer each."""
    entries = [
        (
            Cause(MoneyEvent.BILLED, f"many:{number}", description=f"bill {number}"),
            Leg("receivable", FEE, Money(1_000 + number)),
            day,
        )
        for number in range(start, start + count)
    ]
    with transaction(engine) as session:
        post_new(session, entries, clock=clock)


def append_all(engine: Engine, *, clock: Clock, limit: int = 2_000) -> int:
    """Append whatever waits and may; returns how many leaves that made."""
    count, more = 0, True
    while more:
        with transaction(engine) as session:
            done = append_waiting(session, clock=clock, limit=limit)
        count, more = count + done.count, done.more
    return count


def leaves(session: Session) -> list[LogEntry]:
    """Return all leaves in their order."""
    return list(session.exec(select(LogEntry).order_by(col(LogEntry.seq))))
