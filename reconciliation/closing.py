"""Closing a day of a collecting account: only when its evidence is complete and its books hold."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date

from sqlalchemy import case
from sqlmodel import Session, col, func, select

from core.actors import Actor
from core.audit import record_audit
from core.clock import Clock
from payments.ledger import chart
from payments.ledger.balances import broken_rules
from payments.ledger.models import AccountingPeriod, JournalEntry, LedgerTransfer
from payments.models import CollectingAccount
from reconciliation.continuity import gaps_before
from reconciliation.engine import last_run
from reconciliation.errors import DayNotCloseableError
from reconciliation.models import Statement, StatementLine, is_counted
from reconciliation.ports import BalanceCheck


@dataclass(frozen=True, slots=True)
class CloseCheck:
    """One condition for closing a day: its name, whether it holds, and what was seen."""

    name: str
    holds: bool
    seen: str


def check_day(session: Session, account: CollectingAccount, day: date) -> list[CloseCheck]:
    """Return every condition for closing a day, in the order in which people check them."""
    statement = _statement_of(session, account, day)
    run = last_run(session, account.id)
    difference = _differences(run.summary) if run is not None else None
    rules = list(broken_rules(session))
    gaps = gaps_before(session, account, day)
    checks = [
        CloseCheck(
            "statement",
            statement is not None and statement.balance_check is BalanceCheck.OK,
            f"balances: {statement.balance_check}"
            if statement is not None
            else "none covers the day",
        ),
        CloseCheck(
            "compared",
            run is not None
            and run.as_of > day
            and (statement is None or statement.created_at <= run.started_at),
            f"last compared {run.started_at:%Y-%m-%dT%H:%MZ} as of {run.as_of}"
            if run is not None
            else "never compared",
        ),
        CloseCheck(
            "conserved",
            difference == 0,
            f"{difference} items or amounts are in no state or in two",
        ),
        CloseCheck("continuous", not gaps, "; ".join(gap.text for gap in gaps) or "no gap"),
        CloseCheck("books", not rules, "; ".join(rules) or "debits equal credits"),
    ]
    if statement is not None and statement.to_date and statement.closing_minor is not None:
        booked = _bank_balance(session, account, statement.to_date)
        moved = statement.closing_minor - _first_opening(session, account)
        checks.append(
            CloseCheck("bank_balance", booked == moved, f"books {booked}, statement {moved}")
        )
    return checks


def close_day(
    session: Session, account: CollectingAccount, day: date, *, actor: Actor, clock: Clock
) -> AccountingPeriod:
    """Lock a day: later facts about it are posted as corrections in the next open day.

    Closing twice is a no-op.

    Raises:
        DayNotCloseableError: a condition does not hold; the detail names it.
    """
    session.get_one(CollectingAccount, account.id, with_for_update={"key_share": True})
    known = session.get(AccountingPeriod, (account.id, day))
    if known is not None:
        return known
    checks = check_day(session, account, day)
    if failed := [check for check in checks if not check.holds]:
        raise DayNotCloseableError("; ".join(f"{c.name}: {c.seen}" for c in failed))
    summary = json.dumps([asdict(check) for check in checks], sort_keys=True).encode()
    period = AccountingPeriod(
        account_id=account.id,
        day=day,
        closed_at=clock(),
        closed_by=actor.id,
        summary_sha256=hashlib.sha256(summary).hexdigest(),
    )
    session.add(period)
    record_audit(
        session,
        actor,
        "close_day",
        ("collecting_account", account.id),
        clock=clock,
        after={"day": day.isoformat(), "summary_sha256": period.summary_sha256},
    )
    session.flush()
    return period


def _statement_of(session: Session, account: CollectingAccount, day: date) -> Statement | None:
    return session.exec(
        select(Statement)
        .where(Statement.account_id == account.id, col(Statement.undone_at).is_(None))
        .where(col(Statement.from_date) <= day, col(Statement.to_date) >= day)
        .order_by(col(Statement.to_date), col(Statement.page).desc())
    ).first()


def _first_opening(session: Session, account: CollectingAccount) -> int:
    first = session.exec(
        select(Statement)
        .where(Statement.account_id == account.id, col(Statement.undone_at).is_(None))
        .where(col(Statement.opening_minor).is_not(None))
        .order_by(col(Statement.from_date), col(Statement.page))
    ).first()
    return first.opening_minor or 0 if first is not None else 0


def _bank_balance(session: Session, account: CollectingAccount, day: date) -> int:
    """Return what the books moved over the bank account for lines booked up to ``day``.

    An entry may be dated later than its line, so the line's own date counts.
    """
    debited = col(LedgerTransfer.debit_account) == chart.bank(account.account_number)
    amount = col(LedgerTransfer.amount_minor)
    moved = case((debited, amount), else_=-amount)
    query = (
        select(func.coalesce(func.sum(moved), 0))
        .select_from(StatementLine)
        .join(
            JournalEntry, col(JournalEntry.event_key) == "statement_line:" + col(StatementLine.id)
        )
        .join(LedgerTransfer, col(LedgerTransfer.entry_id) == col(JournalEntry.id))
        .where(StatementLine.account_id == account.id, col(StatementLine.booking_date) <= day)
        .where(is_counted(col(StatementLine.statement_id)))
    )
    return int(session.exec(query).one())


def _differences(summary: dict[str, dict[str, dict[str, dict[str, dict[str, int]]]]]) -> int:
    return sum(
        abs(side["difference"]["count"]) + abs(side["difference"]["sum"])
        for layer in summary["layers"].values()
        for side in layer.values()
    )
