"""Posting to the books: whole entries, once for each money event, corrected only by reversal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import func, insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core.clock import Clock, business_day
from core.ids import new_id
from core.money import Money
from payments.errors import UnbalancedEntryError
from payments.ledger.chart import describe
from payments.ledger.models import (
    AccountingPeriod,
    JournalEntry,
    LedgerAccount,
    LedgerTransfer,
    MoneyEvent,
)
from payments.models import CollectingAccount

_MAX_TRANSFERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Leg:
    """One transfer to be made: ``amount`` (> 0) debited to one account, credited to another."""

    debit: str
    credit: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Cause:
    """What an entry is about: the event, its own key, and where it belongs."""

    event: MoneyEvent
    key: str
    account_id: str | None = None
    office_id: str | None = None
    bill_id: str | None = None
    description: str = ""


def post_entry(
    session: Session,
    cause: Cause,
    legs: Sequence[Leg],
    *,
    clock: Clock,
    on: date | None = None,
    reverses_id: str | None = None,
) -> JournalEntry:
    """Write one entry and its transfers; the same ``cause.key`` again returns the first one.

    ``on`` is the day of the event (default: today); if that day is closed for the collecting
    account, with all days up to another, the entry is dated to the first open day after that.

    Raises:
        UnbalancedEntryError: no transfer, or one that moves nothing.
    """
    known = session.exec(select(JournalEntry).where(JournalEntry.event_key == cause.key)).first()
    if known is not None:
        return known
    if not 0 < len(legs) <= _MAX_TRANSFERS or any(leg.amount.amount_minor <= 0 for leg in legs):
        raise UnbalancedEntryError(f"{cause.key} has a transfer that moves nothing")
    entry = JournalEntry(
        entry_date=_open_day(session, cause.account_id, on or business_day(clock())),
        posted_at=clock(),
        event=cause.event,
        event_key=cause.key,
        account_id=cause.account_id,
        office_id=cause.office_id,
        bill_id=cause.bill_id,
        description=cause.description,
        reverses_id=reverses_id,
        transfer_count=len(legs),
    )
    _ensure_accounts(session, {code for leg in legs for code in (leg.debit, leg.credit)})
    session.add(entry)
    session.flush()
    session.add_all(
        LedgerTransfer(
            entry_id=entry.id,
            position=position,
            debit_account=leg.debit,
            credit_account=leg.credit,
            amount_minor=leg.amount.amount_minor,
            currency=leg.amount.currency,
        )
        for position, leg in enumerate(legs, start=1)
    )
    return entry


def post_new(
    session: Session, entries: Sequence[tuple[Cause, Leg, date]], *, clock: Clock
) -> list[date]:
    """Write many entries of one transfer each at once; returns the day each is dated to.

    The causes' keys must be new: one that is known is an integrity error. A day that is closed
    for its account moves to the first open day after it, as in :func:`post_entry`.
    """
    now, open_days, dated = clock(), dict[tuple[str | None, date], date](), list[date]()
    entry_rows, transfer_rows = list[dict[str, Any]](), list[dict[str, Any]]()
    for cause, leg, day in entries:
        if leg.amount.amount_minor <= 0:
            raise UnbalancedEntryError(f"{cause.key} has a transfer that moves nothing")
        place = (cause.account_id, day)
        if place not in open_days:
            open_days[place] = _open_day(session, cause.account_id, day)
        dated.append(open_days[place])
        entry_id = new_id("jrn")
        entry_rows.append(
            {
                "id": entry_id,
                "entry_date": dated[-1],
                "posted_at": now,
                "event": cause.event,
                "event_key": cause.key,
                "account_id": cause.account_id,
                "office_id": cause.office_id,
                "bill_id": cause.bill_id,
                "description": cause.description,
                "reverses_id": None,
                "transfer_count": 1,
            }
        )
        transfer_rows.append(
            {
                "id": new_id("trf"),
                "entry_id": entry_id,
                "position": 1,
                "debit_account": leg.debit,
                "credit_account": leg.credit,
                "amount_minor": leg.amount.amount_minor,
                "currency": leg.amount.currency,
            }
        )
    if entry_rows:
        codes = {code for _, leg, _ in entries for code in (leg.debit, leg.credit)}
        _ensure_accounts(session, codes)
        session.execute(insert(JournalEntry), entry_rows)
        session.execute(insert(LedgerTransfer), transfer_rows)
    return dated


def reverse_entry(
    session: Session,
    entry: JournalEntry,
    event: MoneyEvent,
    *,
    clock: Clock,
    description: str = "",
) -> JournalEntry:
    """Undo an entry by another that moves every amount back; the first stays as it is."""
    legs = [Leg(leg.credit, leg.debit, leg.amount) for leg in legs_of(session, entry)]
    cause = Cause(
        event=event,
        key=f"reverses:{entry.id}",
        account_id=entry.account_id,
        office_id=entry.office_id,
        bill_id=entry.bill_id,
        description=description or f"reverses {entry.event_key}",
    )
    return post_entry(session, cause, legs, clock=clock, reverses_id=entry.id)


def legs_of(session: Session, entry: JournalEntry) -> list[Leg]:
    """Return the transfers of an entry in their order."""
    transfers = session.exec(
        select(LedgerTransfer)
        .where(LedgerTransfer.entry_id == entry.id)
        .order_by(col(LedgerTransfer.position))
    )
    return [
        Leg(row.debit_account, row.credit_account, Money(row.amount_minor, row.currency))
        for row in transfers
    ]


def find_entry(session: Session, key: str) -> JournalEntry | None:
    """Return the entry of a money event unless it was never posted."""
    return session.exec(select(JournalEntry).where(JournalEntry.event_key == key)).first()


def find_reversal(session: Session, entry: JournalEntry) -> JournalEntry | None:
    """Return the entry that undid ``entry``, if any."""
    return session.exec(select(JournalEntry).where(JournalEntry.reverses_id == entry.id)).first()


def _ensure_accounts(session: Session, codes: set[str]) -> None:
    known = session.exec(select(LedgerAccount.code).where(col(LedgerAccount.code).in_(codes)))
    for code in sorted(codes.difference(known)):
        _open_account(session, code)


def _open_account(session: Session, code: str) -> None:
    entry = describe(code)
    account = LedgerAccount(
        code=code, type=entry.type, name_vi=entry.name_vi, name_en=entry.name_en
    )
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError:
        session.get_one(LedgerAccount, code)  # somebody else used it first at the same moment


def _open_day(session: Session, account_id: str | None, day: date) -> date:
    """The day itself, or the first one after the last that is closed.

    The account is held, shared with others who post: whoever closes a day waits until we are done,
    or we wait and then see it closed.
    """
    if account_id is None:
        return day
    held = session.info.setdefault("accounts_posted_to", set())
    if account_id not in held:
        session.exec(
            select(CollectingAccount.id)
            .where(CollectingAccount.id == account_id)
            .with_for_update(read=True, key_share=True)
        ).first()
        held.add(account_id)
    closed: date | None = session.exec(
        select(func.max(col(AccountingPeriod.day))).where(AccountingPeriod.account_id == account_id)
    ).one()
    return day if closed is None or closed < day else closed + timedelta(days=1)
