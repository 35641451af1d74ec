"""Preparing the close of a day, signing it as a second person, or withdrawing it."""

from datetime import date, timedelta

from sqlmodel import Session, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.crypto import sha256_hex
from payments.errors import SamePersonError
from payments.ledger.models import AccountingPeriod
from payments.models import CollectingAccount
from reconciliation.closing.checks import check_day
from reconciliation.closing.models import CloseStatus, DayClose
from reconciliation.closing.reads import last_closed
from reconciliation.closing.sheet import books_of, read_sheet, write_sheet
from reconciliation.errors import CloseDecidedError, DayChangedError, DayNotCloseableError


def prepare_day(
    session: Session, account: CollectingAccount, day: date, *, actor: Actor, clock: Clock
) -> DayClose:
    """Write the sheet of a day whose checklist holds, for a second person to sign.

    It covers every day since the last one that was closed. One that was prepared before and not
    signed is withdrawn by it.

    Raises:
        DayNotCloseableError: the day is closed already, or a condition does not hold; the detail
            names each.
    """
    actor.require(Permission.RESOLVE)
    account = _hold(session, account.id)
    closed = last_closed(session, account.id)
    if closed is not None and day <= closed:
        raise DayNotCloseableError(f"{closed} is closed, and every day before it")
    days = (closed + timedelta(days=1) if closed else None, day)
    checks = check_day(session, account, day)
    if failed := [check for check in checks if not check.holds]:
        raise DayNotCloseableError("; ".join(f"{c.name}: {c.seen}" for c in failed))
    for earlier in session.exec(
        select(DayClose).where(
            DayClose.account_id == account.id, DayClose.status == CloseStatus.PREPARED
        )
    ):
        earlier.status, earlier.note = CloseStatus.WITHDRAWN, "prepared anew"
        session.add(earlier)
    sheet = write_sheet(session, account, days, checks)
    close = DayClose(
        account_id=account.id,
        first_day=days[0],
        day=day,
        sheet=sheet,
        sheet_sha256=sha256_hex(sheet),
        prepared_by=actor.id,
        prepared_at=clock(),
    )
    session.add(close)
    session.flush()
    _audit(session, actor, "prepare_close", close, clock=clock)
    return close


def sign_day(
    session: Session, close: DayClose, *, note: str = "", actor: Actor, clock: Clock
) -> AccountingPeriod:
    """Sign a prepared close as a second person, and lock its days.

    Raises:
        SamePersonError: the one who prepared it signs.
        CloseDecidedError: it was signed or withdrawn before.
        DayNotCloseableError: a condition does not hold any more.
        DayChangedError: something was posted into its days since it was prepared.
    """
    actor.require(Permission.APPROVE)
    if actor.id == close.prepared_by:
        raise SamePersonError
    account = _hold(session, close.account_id)
    _require_prepared(session, close)
    failed = [check for check in check_day(session, account, close.day) if not check.holds]
    if failed:
        raise DayNotCloseableError("; ".join(f"{c.name}: {c.seen}" for c in failed))
    if read_sheet(close)["books"] != books_of(session, account, (close.first_day, close.day)):
        raise DayChangedError
    close.status, close.reviewed_by, close.reviewed_at = CloseStatus.CLOSED, actor.id, clock()
    close.note = note
    period = AccountingPeriod(
        account_id=account.id,
        day=close.day,
        closed_at=clock(),
        closed_by=actor.id,
        summary_sha256=close.sheet_sha256,
    )
    session.add_all([close, period])
    _audit(session, actor, "close_day", close, clock=clock)
    session.flush()
    return period


def withdraw_day(
    session: Session, close: DayClose, *, note: str, actor: Actor, clock: Clock
) -> DayClose:
    """Withdraw a prepared close: turned down in review, or taken back by who prepared it.

    Raises:
        CloseDecidedError: it was signed or withdrawn before, or it is not said why.
    """
    actor.require(Permission.RESOLVE if actor.id == close.prepared_by else Permission.APPROVE)
    if not note.strip():
        raise CloseDecidedError("say why it is not signed")
    _hold(session, close.account_id)
    _require_prepared(session, close)
    close.status, close.note = CloseStatus.WITHDRAWN, note.strip()
    session.add(close)
    _audit(session, actor, "withdraw_close", close, clock=clock)
    return close


def is_untouched(session: Session, close: DayClose) -> bool:
    """Whether the books of a close's days are still, byte for byte, what its sheet says."""
    account = session.get_one(CollectingAccount, close.account_id)
    now = books_of(session, account, (close.first_day, close.day))
    signed: object = read_sheet(close)["books"]
    return signed == now


def _hold(session: Session, account_id: str) -> CollectingAccount:
    """Return the account, held against everything: whoever posts to it waits, or was before us."""
    return session.exec(
        select(CollectingAccount)
        .where(CollectingAccount.id == account_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _require_prepared(session: Session, close: DayClose) -> None:
    session.refresh(close)
    if close.status is not CloseStatus.PREPARED:
        raise CloseDecidedError(f"it is {close.status}")


def _audit(session: Session, actor: Actor, action: str, close: DayClose, *, clock: Clock) -> None:
    record_audit(
        session,
        actor,
        action,
        ("day_close", close.id),
        clock=clock,
        reason=close.note,
        after={
            "account_id": close.account_id,
            "day": close.day.isoformat(),
            "status": close.status.value,
            "summary_sha256": close.sheet_sha256,
        },
    )
