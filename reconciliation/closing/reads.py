"""Reads of closes: which days of which accounts are closed, prepared, or next."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from payments.ledger.models import AccountingPeriod
from payments.models import CollectingAccount
from payments.queries import ROOT, account_in, list_accounts
from reconciliation.closing.models import CloseStatus, DayClose
from reconciliation.errors import CloseNotFoundError
from reconciliation.models import Statement


@dataclass(frozen=True, slots=True)
class CloseView:
    """How far an account is closed: its last closed day, the next one, and what is prepared."""

    account: CollectingAccount
    closed: date | None
    next: date
    prepared: DayClose | None


def last_closed(session: Session, account_id: str) -> date | None:
    """Return the last day of an account that is closed; None if none is."""
    return session.exec(
        select(func.max(col(AccountingPeriod.day))).where(AccountingPeriod.account_id == account_id)
    ).one()


def next_day(session: Session, account_id: str, *, today: date) -> date:
    """Return the day to be closed next: after the last closed one, else the first with evidence."""
    closed = last_closed(session, account_id)
    if closed is not None:
        return closed + timedelta(days=1)
    first = session.exec(
        select(func.min(col(Statement.from_date))).where(
            Statement.account_id == account_id, col(Statement.undone_at).is_(None)
        )
    ).one()
    return first or today - timedelta(days=1)


def list_closes(session: Session, *, scope: str, today: date) -> list[CloseView]:
    """Return how far each account of the subtree is closed."""
    accounts = list_accounts(session, scope=scope)
    prepared = {close.account_id: close for close in list_prepared(session, scope=scope)}
    return [
        CloseView(
            account,
            last_closed(session, account.id),
            next_day(session, account.id, today=today),
            prepared.get(account.id),
        )
        for account in accounts
    ]


def list_prepared(session: Session, *, scope: str) -> list[DayClose]:
    """Return the closes of the subtree that wait for a second person, the oldest first."""
    return list(
        session.exec(
            select(DayClose)
            .where(DayClose.status == CloseStatus.PREPARED)
            .where(account_in(col(DayClose.account_id), scope))
            .order_by(col(DayClose.prepared_at), col(DayClose.id))
        )
    )


def close_of(session: Session, account_id: str, day: date) -> DayClose | None:
    """Return the close that covers a day, signed or prepared; None if there is none."""
    return session.exec(
        select(DayClose)
        .where(DayClose.account_id == account_id, DayClose.status != CloseStatus.WITHDRAWN)
        .where(col(DayClose.day) >= day)
        .where(col(DayClose.first_day).is_(None) | (col(DayClose.first_day) <= day))
        .order_by(col(DayClose.day))
    ).first()


def get_close(session: Session, close_id: str, *, scope: str = ROOT) -> DayClose:
    """Return a close of the subtree.

    Raises:
        CloseNotFoundError: there is none here.
    """
    found = session.exec(
        select(DayClose)
        .where(DayClose.id == close_id)
        .where(account_in(col(DayClose.account_id), scope))
    ).first()
    if found is None:
        raise CloseNotFoundError
    return found
