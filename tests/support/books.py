"""Looking at everything a database holds: to say that nothing changed, or that the books agree."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlmodel import Session, SQLModel, select

from payments.ledger.balances import AccountBalance, balance_of, broken_rules, trial_balance
from payments.models import Bill, CollectingAccount
from reconciliation.clearing import list_clearings


def everything(session: Session, *, tables: Iterable[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table (or of these), so that two moments can be compared."""
    return {
        name: sorted(map(tuple, session.execute(text(f'SELECT * FROM "{name}"'))), key=repr)  # noqa: S608
        for name in tables or SQLModel.metadata.tables
    }


def by_code(session: Session) -> dict[str, AccountBalance]:
    """Return the trial balance by account."""
    return {row.code: row for row in trial_balance(session)}


def assert_books_agree(session: Session) -> None:
    """Check the books against themselves and against the bills."""
    assert list(broken_rules(session)) == []
    bills = session.exec(select(Bill)).all()
    assert balance_of(session, "receivable") == sum(b.outstanding.amount_minor for b in bills)
    owed_back = sum(max(0, bill.received_minor - bill.due_minor) for bill in bills)
    assert balance_of(session, "refunds_payable") == -owed_back
    for account in session.exec(select(CollectingAccount)):
        for one in list_clearings(session, account):
            assert sum(item.amount_minor for item in one.items) == one.balance_minor, one.name


def at_once(engine: Engine, *works: Callable[[], Any]) -> list[Any]:
    """Run each work in a thread of its own, started together; a failure is its result."""
    gate = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        gate.wait(timeout=20)
        try:
            results[number] = work()
        except Exception as failure:  # noqa: BLE001 - the test looks at it
            results[number] = failure

    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results
