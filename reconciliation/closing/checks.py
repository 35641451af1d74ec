"""The checklist of a day: each condition for closing it, and each single thing that blocks it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import case
from sqlmodel import Session, col, func, select

from payments.ledger import chart
from payments.ledger.balances import broken_rules
from payments.ledger.models import JournalEntry, LedgerTransfer
from payments.models import CollectingAccount
from reconciliation.clearing import Clearing, list_clearings
from reconciliation.closing.dates import mismatches_up_to
from reconciliation.continuity import Gap, gaps_before
from reconciliation.engine import last_run
from reconciliation.models import (
    Mismatch,
    ReconciliationRun,
    Settlement,
    Statement,
    StatementLine,
    is_counted,
)
from reconciliation.ports import BalanceCheck
from reconciliation.states import Layer, MismatchType

EXPLAINED: Final = MismatchType.TIMING_DIFFERENCE
"""Money on its way within its days of grace is explained: it blocks no day."""

MESSAGES: Final = {
    "statement.missing": "No statement covers the day.",
    "statement.unproven": "The balances of its statement are not proven.",
    "statement.ok": "It opens with {opening} and closes with {closing}.",
    "statement.quiet": "None covers it: the one before closes with {closing}, the next opens so.",
    "continuous.gaps": "{count} places where a statement does not follow from the one before.",
    "continuous.ok": "Nothing is missing since the first statement.",
    "bank_balance.differs": "The books moved {books}, the statements {statement}.",
    "bank_balance.ok": "Books and statements moved {books}.",
    "compared.never": "The account has never been compared.",
    "compared.early": "It was last compared as of {as_of}: the day was not over.",
    "compared.stale": "Evidence has come in since it was last compared.",
    "compared.ok": "Compared after the day was over, with all evidence that came in.",
    "conserved.differs": "{count} items or amounts are in no state, or in two.",
    "conserved.ok": "Every item is matched or flagged, exactly once.",
    "layer.open": "{count} items of the day are neither matched nor explained.",
    "layer.ok": "Every item of the day is matched or explained.",
    "clearing.unexplained": "{count} items keep it from zero, and nothing explains them.",
    "clearing.ok": "It stands at {balance}; each item of that is explained.",
    "books.broken": "{rules}",
    "books.ok": "Debits equal credits, every entry is whole.",
}
"""What is seen, by code, in English; pages say the same in the reader's language."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """One single thing that blocks a day: what it is, and its id or address there."""

    kind: str
    id: str
    text: str
    amount_minor: int | None = None
    mismatch: Mismatch | None = None
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class CloseCheck:
    """One condition for closing a day: its name, whether it holds, what was seen, what blocks."""

    name: str
    holds: bool
    code: str
    params: dict[str, str]
    blocks: tuple[Blocker, ...] = ()

    @property
    def seen(self) -> str:
        """What was seen, in English."""
        return MESSAGES[self.code].format(**self.params)


def check_day(session: Session, account: CollectingAccount, day: date) -> list[CloseCheck]:
    """Return every condition for closing a day, in the order in which people check them."""
    statement, quiet = statement_for(session, account, day)
    run = last_run(session, account.id)
    open_ones = list(_open_up_to(session, account, day))
    return [
        _statement(statement, quiet=quiet),
        _continuous(session, account, day),
        *_bank_balance(session, account, statement),
        _compared(session, account, day, run),
        _conserved(run),
        *(_layer(layer, open_ones) for layer in Layer),
        *(_clearing(one, day) for one in list_clearings(session, account)),
        _books(session),
    ]


def statement_for(
    session: Session, account: CollectingAccount, day: date
) -> tuple[Statement | None, bool]:
    """Return the statement that speaks for a day, and whether it is the quiet one before it.

    A day that no statement covers moved nothing if the next one opens as the one before closed.
    """
    counted = select(Statement).where(
        Statement.account_id == account.id, col(Statement.undone_at).is_(None)
    )
    covering = session.exec(
        counted.where(col(Statement.from_date) <= day, col(Statement.to_date) >= day).order_by(
            col(Statement.to_date), col(Statement.page).desc(), col(Statement.created_at).desc()
        )
    ).first()
    if covering is not None:
        return covering, False
    before = session.exec(
        counted.where(col(Statement.to_date) < day).order_by(
            col(Statement.to_date).desc(), col(Statement.page).desc()
        )
    ).first()
    after = session.exec(
        counted.where(col(Statement.from_date) > day).order_by(
            col(Statement.from_date), col(Statement.page)
        )
    ).first()
    if before is None or after is None or before.closing_minor is None:
        return None, False
    return (before, True) if before.closing_minor == after.opening_minor else (None, False)


def _statement(statement: Statement | None, *, quiet: bool) -> CloseCheck:
    if statement is None:
        blocker = Blocker("statements", "", "statement")
        return CloseCheck("statement", False, "statement.missing", {}, (blocker,))
    if statement.balance_check is not BalanceCheck.OK:
        blocker = Blocker("file", statement.file_id, statement.number or "statement")
        return CloseCheck("statement", False, "statement.unproven", {}, (blocker,))
    code = "statement.quiet" if quiet else "statement.ok"
    params = {
        "opening": str(statement.opening_minor),
        "closing": str(statement.closing_minor),
    }
    return CloseCheck("statement", True, code, params)


def _continuous(session: Session, account: CollectingAccount, day: date) -> CloseCheck:
    gaps = gaps_before(session, account, day)
    if not gaps:
        return CloseCheck("continuous", True, "continuous.ok", {})
    blocks = tuple(Blocker("file", gap.before.file_id, gap.text, gap=gap) for gap in gaps)
    params = {"count": str(len(gaps))}
    return CloseCheck("continuous", False, "continuous.gaps", params, blocks)


def _bank_balance(
    session: Session, account: CollectingAccount, statement: Statement | None
) -> Iterator[CloseCheck]:
    if statement is None or statement.to_date is None or statement.closing_minor is None:
        return
    booked = _booked(session, account, statement.to_date)
    moved = statement.closing_minor - _first_opening(session, account)
    params = {"books": str(booked), "statement": str(moved)}
    holds = booked == moved
    code = "bank_balance.ok" if holds else "bank_balance.differs"
    blocks = () if holds else (Blocker("statements", "", "statements"),)
    yield CloseCheck("bank_balance", holds, code, params, blocks)


def _compared(
    session: Session, account: CollectingAccount, day: date, run: ReconciliationRun | None
) -> CloseCheck:
    blocks = (Blocker("jobs", "reconcile", "reconcile"),)
    if run is None:
        return CloseCheck("compared", False, "compared.never", {}, blocks)
    if run.as_of <= day:
        params = {"as_of": run.as_of.isoformat()}
        return CloseCheck("compared", False, "compared.early", params, blocks)
    newest: list[datetime | None] = [
        session.exec(select(func.max(table.created_at)).where(table.account_id == account.id)).one()
        for table in (Statement, Settlement)
    ]
    if any(at is not None and at > run.started_at for at in newest):
        return CloseCheck("compared", False, "compared.stale", {}, blocks)
    return CloseCheck("compared", True, "compared.ok", {})


def _conserved(run: ReconciliationRun | None) -> CloseCheck:
    layers = run.summary["layers"] if run is not None else {}
    count = sum(
        abs(side["difference"]["count"]) + abs(side["difference"]["sum"])
        for layer in layers.values()
        for side in layer.values()
    )
    if run is None or count:
        blocks = (Blocker("jobs", "reconcile", "reconcile"),)
        return CloseCheck("conserved", False, "conserved.differs", {"count": str(count)}, blocks)
    return CloseCheck("conserved", True, "conserved.ok", {})


def _open_up_to(
    session: Session, account: CollectingAccount, day: date
) -> Iterator[tuple[Mismatch, date]]:
    for mismatch, when in mismatches_up_to(session, account, day):
        if mismatch.type is not EXPLAINED:
            yield mismatch, when


def _layer(layer: Layer, open_ones: Sequence[tuple[Mismatch, date]]) -> CloseCheck:
    """Whether everything of the day that this layer compares is matched or explained."""
    blocks = tuple(
        Blocker("mismatch", m.id, m.type.value, m.amount_minor, mismatch=m)
        for m, _ in open_ones
        if m.layer is layer
    )
    code = "layer.open" if blocks else "layer.ok"
    return CloseCheck(layer.value, not blocks, code, {"count": str(len(blocks))}, blocks)


def _clearing(one: Clearing, day: date) -> CloseCheck:
    """Whether each item of the day in a clearing account is on its way or was decided on.

    What a mismatch is open about is named by its layer already.
    """
    blocks = tuple(
        Blocker("clearing", f"{one.account.account_number}/{one.name}", item.reference or item.id,
                item.amount_minor)
        for item in one.items
        if item.day <= day and item.mismatch is None
    )  # fmt: skip
    name = f"clearing:{one.name}"
    if blocks:
        params = {"count": str(len(blocks))}
        return CloseCheck(name, False, "clearing.unexplained", params, blocks)
    return CloseCheck(name, True, "clearing.ok", {"balance": str(one.balance_minor)})


def _books(session: Session) -> CloseCheck:
    if rules := list(broken_rules(session)):
        blocks = tuple(Blocker("ledger", "", rule) for rule in rules)
        return CloseCheck("books", False, "books.broken", {"rules": "; ".join(rules)}, blocks)
    return CloseCheck("books", True, "books.ok", {})


def _first_opening(session: Session, account: CollectingAccount) -> int:
    first = session.exec(
        select(Statement)
        .where(Statement.account_id == account.id, col(Statement.undone_at).is_(None))
        .where(col(Statement.opening_minor).is_not(None))
        .order_by(col(Statement.from_date), col(Statement.page))
    ).first()
    return first.opening_minor or 0 if first is not None else 0


def _booked(session: Session, account: CollectingAccount, day: date) -> int:
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
