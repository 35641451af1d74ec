"""Statement lines into the books: which are new, stored and posted many at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final

from sqlalchemy import insert
from sqlmodel import Session, col, select

from core.clock import Clock
from core.ids import new_id
from core.money import Currency, Money
from payments.ledger import chart, posting
from payments.ledger.models import MoneyEvent
from payments.models import CollectingAccount
from reconciliation import identity
from reconciliation.identity import LineIdentity
from reconciliation.models import Statement, StatementLine
from reconciliation.ports import ParsedLine, Problem

_KEY_BATCH: Final = 500
_ROW_BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class Stored:
    """How many lines were new, and those whose day is closed: booked, and when it is dated."""

    added: int
    late: list[tuple[date, date]]


def store_lines(
    session: Session,
    booked: Sequence[tuple[ParsedLine, LineIdentity]],
    statement: Statement,
    account: CollectingAccount,
    *,
    continues: bool,
    clock: Clock,
) -> Stored:
    """Store and post the lines that are new.

    In a statement that ``continues`` another of the same days, an equal line is a twin, and the
    count of twins goes on.
    """
    added, late = 0, []
    new = _next_twins(session, booked) if continues else _new(session, booked)
    while batch := list(islice(new, _ROW_BATCH)):
        rows = [_row(line, key, statement, account) for line, key in batch]
        session.execute(insert(StatementLine), rows)
        dated = posting.post_new(session, [_entry(row, account) for row in rows], clock=clock)
        days = [row["booking_date"] for row in rows]
        late += [(day, on) for day, on in zip(days, dated, strict=True) if day != on]
        added += len(rows)
    return Stored(added, late)


def late_problems(statement: Statement, late: Sequence[tuple[date, date]]) -> list[Problem]:
    """Say so where lines are of days that are closed: they are corrections of a later day."""
    if not late:
        return []
    days = sorted({day for day, _ in late})
    text = (
        f"{len(late)} lines are of days that are closed ({days[0]} to {days[-1]}): booked as"
        f" corrections on {max(on for _, on in late)}"
    )
    return [Problem("S027", f"statement {statement.number}", text)]


def free_statement_key(session: Session, key: str) -> str | None:
    """The key to store a statement under; None if it is stored and was not taken back."""
    generation = 0
    while True:
        candidate = key if not generation else identity.again(key, generation)
        known = session.exec(
            select(Statement.undone_at).where(Statement.statement_key == candidate)
        ).all()
        if not known:
            return candidate
        if known[0] is None:
            return None
        generation += 1


def _new(
    session: Session, booked: Sequence[tuple[ParsedLine, LineIdentity]]
) -> Iterator[tuple[ParsedLine, str]]:
    """The lines that are not stored, each with the key to store it under."""
    for start in range(0, len(booked), _KEY_BATCH):
        batch = booked[start : start + _KEY_BATCH]
        free = _free_keys(session, [one.key for _, one in batch])
        for line, one in batch:
            key = free[one.key]
            if key is not None:
                yield line, key


def _next_twins(
    session: Session, booked: Sequence[tuple[ParsedLine, LineIdentity]]
) -> Iterator[tuple[ParsedLine, str]]:
    used: set[str] = set()
    for line, one in booked:
        occurrence = one.occurrence
        while True:
            base = LineIdentity(one.content, occurrence).key
            key = _free_keys(session, [base])[base]
            if key is not None and key not in used:
                break
            occurrence += 1
        used.add(key)
        yield line, key


def _free_keys(session: Session, keys: Sequence[str]) -> dict[str, str | None]:
    """For each key the one to store a new line under; None where such a line is stored.

    A line whose import was taken back is none, but its key is used: the next one is free.
    """
    found: dict[str, str | None] = {}
    tried = {key: key for key in keys}
    generation = 0
    while tried:
        rows = session.exec(
            select(StatementLine.line_key, Statement.undone_at)
            .join(Statement, col(Statement.id) == col(StatementLine.statement_id))
            .where(col(StatementLine.line_key).in_(list(tried.values())))
        ).all()
        stored = dict(rows)
        found |= {
            key: None if candidate in stored else candidate
            for key, candidate in tried.items()
            if stored.get(candidate) is None
        }
        generation += 1
        tried = {key: identity.again(key, generation) for key in tried if key not in found}
    return found


def _row(
    line: ParsedLine, key: str, statement: Statement, account: CollectingAccount
) -> dict[str, Any]:
    booked = line.booking_date or line.value_date
    assert booked is not None  # noqa: S101 - such a file was held
    amount = Money.parse(format(line.amount, "f"), Currency(line.currency))
    return {
        "id": new_id("bnk"),
        "statement_id": statement.id,
        "account_id": account.id,
        "line_key": key,
        "position": line.position,
        "booking_date": booked,
        "value_date": line.value_date or booked,
        "amount_minor": amount.amount_minor,
        "currency": amount.currency.value,
        "narrative": line.narrative,
        "counterparty_name": line.counterparty_name,
        "counterparty_account": line.counterparty_account,
        "bank_ref": line.bank_reference,
        "reversal": line.reversal,
    }


def _entry(
    row: dict[str, Any], account: CollectingAccount
) -> tuple[posting.Cause, posting.Leg, date]:
    """What a line posts: bank to suspense for money in, the other way round for money out."""
    bank = chart.bank(account.account_number)
    amount = Money(abs(row["amount_minor"]), Currency(row["currency"]))
    is_credit = row["amount_minor"] > 0
    leg = (
        posting.Leg(bank, chart.SUSPENSE, amount)
        if is_credit
        else posting.Leg(chart.SUSPENSE, bank, amount)
    )
    cause = posting.Cause(
        event=MoneyEvent.STATEMENT_LINE,
        key=f"statement_line:{row['id']}",
        account_id=account.id,
        description=row["bank_ref"],
    )
    return cause, leg, row["booking_date"]
