"""What anybody may know of a month: collections by day, procedure, office and channel.

Nobody is named, and no group is small: one with few payments is added to others. Only months that
are over are told, so that nothing follows from what two days say differently.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Date, String, distinct, func, select, type_coerce
from sqlmodel import Session, col

from core.money import Currency
from payments.ledger.models import JournalEntry, LedgerTransfer, MoneyEvent
from payments.models import Bill, Office, Procedure

SMALLEST: Final = 10
"""Payments that a group has at least when it is told."""

_CLEARING: Final = "clearing:"


@dataclass(frozen=True, slots=True)
class PublicGroup:
    """Payments collected of one kind, in whole đồng; ``key`` None: several small kinds together."""

    key: str | None
    name_vi: str
    name_en: str
    count: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PublicMonth:
    """What was collected within a month, in four ways that each add up to the same."""

    by_day: list[PublicGroup]
    by_procedure: list[PublicGroup]
    by_office: list[PublicGroup]
    by_channel: list[PublicGroup]

    @property
    def is_told(self) -> bool:
        """Whether there were enough payments to tell anything of them."""
        return bool(self.by_day)

    @property
    def count(self) -> int:
        """How many payments there were."""
        return sum(group.count for group in self.by_day)

    @property
    def amount_minor(self) -> int:
        """How much they came to, in đồng."""
        return sum(group.amount_minor for group in self.by_day)


def month_of(session: Session, first: date, last: date) -> PublicMonth:
    """Return the collections in đồng of the days from ``first`` to ``last``, both included."""
    day = type_coerce(col(JournalEntry.entry_date), Date)
    channel = type_coerce(col(LedgerTransfer.debit_account), String)
    office = col(Office.code), col(Office.name_vi), col(Office.name_en)
    procedure = col(Procedure.code), col(Procedure.name_vi), col(Procedure.name_en)
    days, channels = (
        _groups(session, (key, key, key), first, last) for key in (day, channel)
    )  # fmt: skip
    return PublicMonth(
        by_day=days,
        by_procedure=_groups(session, procedure, first, last),
        by_office=_groups(session, office, first, last),
        by_channel=channels,
    )


def without_small(groups: Sequence[PublicGroup]) -> list[PublicGroup]:
    """Add groups of few payments together, with the next larger ones until they are not few.

    What is left alone keeps its order; nothing is told where all together are too few.
    """
    small = [group for group in groups if group.count < SMALLEST]
    rest = sorted((g for g in groups if g.count >= SMALLEST), key=lambda g: g.count, reverse=True)
    while small and rest and sum(group.count for group in small) < SMALLEST:
        small.append(rest.pop())
    kept = [group for group in groups if group in rest]
    count = sum(group.count for group in small)
    if count < SMALLEST:
        return kept
    amount_minor = sum(group.amount_minor for group in small)
    return [*kept, PublicGroup(None, "", "", count, amount_minor)]


def _groups(
    session: Session, names: tuple[Any, Any, Any], first: date, last: date
) -> list[PublicGroup]:
    count = func.count(distinct(col(JournalEntry.id)))
    query = (
        select(*dict.fromkeys(names), count, func.sum(col(LedgerTransfer.amount_minor)))
        .select_from(JournalEntry)
        .join(LedgerTransfer, col(LedgerTransfer.entry_id) == col(JournalEntry.id))
        .outerjoin(Office, col(Office.id) == col(JournalEntry.office_id))
        .outerjoin(Bill, col(Bill.id) == col(JournalEntry.bill_id))
        .outerjoin(Procedure, col(Procedure.id) == col(Bill.procedure_id))
        .where(col(JournalEntry.event) == MoneyEvent.COLLECTED)
        .where(col(JournalEntry.entry_date) >= first, col(JournalEntry.entry_date) <= last)
        .where(col(LedgerTransfer.debit_account).startswith(_CLEARING))
        .where(col(LedgerTransfer.currency) == Currency.VND)
        .group_by(*dict.fromkeys(names))
        .order_by(names[0])
    )
    found = []
    for *told, payments, amount in session.execute(query):
        key, name_vi, name_en = (str(told[min(n, len(told) - 1)] or "") for n in range(3))
        key = key.removeprefix(_CLEARING)
        found.append(PublicGroup(key, name_vi, name_en, payments, int(amount)))
    return without_small(found)
