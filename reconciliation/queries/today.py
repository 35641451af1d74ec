"""Reads for the start of the day: what matched by itself, what did not, what is ageing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import and_, func
from sqlmodel import Session, col, select

from payments.models import (
    CollectingAccount,
)
from payments.queries import (
    account_in,
)
from reconciliation.models import (
    Mismatch,
    ReconciliationRun,
    StatementLine,
    is_counted,
)
from reconciliation.queries.mismatches import LIVE, mismatch_in
from reconciliation.states import (
    ItemKind,
    Layer,
    MismatchType,
)

AGE_BANDS: Final = (1, 3, 7)
"""Upper bounds, in whole days, of the bands in which open mismatches age; older is the last."""


@dataclass(frozen=True, slots=True)
class LayerSum:
    """What the latest runs say of one layer and kind: due, matched by itself, flagged (VND)."""

    layer: Layer
    item_kind: ItemKind
    due_count: int
    due_minor: int
    matched_count: int
    matched_minor: int
    flagged_count: int
    flagged_minor: int


@dataclass(frozen=True, slots=True)
class Ageing:
    """Open mismatches by age: counts and absolute sums, a band each of ``AGE_BANDS`` and older."""

    counts: list[int]
    sums_minor: list[int]


def count_by_type(session: Session, *, scope: str) -> list[tuple[MismatchType, int, int]]:
    """Return the live mismatches of the subtree: type, count and sum (minor units), most first."""
    query = (
        select(Mismatch.type, func.count(), func.sum(func.abs(Mismatch.amount_minor)))
        .where(mismatch_in(scope), col(Mismatch.status).in_(LIVE))
        .group_by(col(Mismatch.type))
        .order_by(func.count().desc(), col(Mismatch.type))
    )
    return [
        (MismatchType(kind), count, int(total or 0)) for kind, count, total in session.exec(query)
    ]


def ageing(session: Session, *, scope: str, now: datetime) -> Ageing:
    """Return how old the live mismatches of the subtree are.

    Timing differences are not ageing: they are money on its way within its days of grace.
    """
    bounds = [now - timedelta(days=days) for days in AGE_BANDS]
    counts, sums = [], []
    for newer, older in zip([*bounds, None], [None, *bounds], strict=True):
        query = select(func.count(), func.sum(func.abs(Mismatch.amount_minor))).where(
            mismatch_in(scope),
            col(Mismatch.status).in_(LIVE),
            col(Mismatch.type) != MismatchType.TIMING_DIFFERENCE,
        )
        if newer is not None:
            query = query.where(col(Mismatch.opened_at) > newer)
        if older is not None:
            query = query.where(col(Mismatch.opened_at) <= older)
        count, total = session.exec(query).one()
        counts.append(count)
        sums.append(int(total or 0))
    return Ageing(counts, sums)


def latest_runs(
    session: Session, *, scope: str
) -> list[tuple[ReconciliationRun, CollectingAccount]]:
    """Return the latest run of each collecting account of the subtree."""
    last = (
        select(
            ReconciliationRun.account_id,
            func.max(ReconciliationRun.started_at).label("last"),
        )
        .group_by(col(ReconciliationRun.account_id))
        .subquery()
    )
    query = (
        select(ReconciliationRun, CollectingAccount)
        .join(
            last,
            and_(
                col(ReconciliationRun.account_id) == last.c.account_id,
                col(ReconciliationRun.started_at) == last.c.last,
            ),
        )
        .join(CollectingAccount, col(ReconciliationRun.account_id) == CollectingAccount.id)
        .where(account_in(col(ReconciliationRun.account_id), scope))
        .order_by(CollectingAccount.account_number, col(ReconciliationRun.id))
    )
    latest = {account.id: (run, account) for run, account in session.exec(query)}
    return list(latest.values())


def layer_sums(runs: Iterable[ReconciliationRun]) -> list[LayerSum]:
    """Return what runs say together, by layer and kind of item, from their stored summaries."""
    totals: dict[tuple[Layer, ItemKind], list[int]] = {}
    for run in runs:
        for layer, kinds in run.summary.get("layers", {}).items():
            for kind, sums in kinds.items():
                row = totals.setdefault((Layer(layer), ItemKind(kind)), [0] * 6)
                flagged = sums.get("flagged", {}).values()
                parts = (
                    sums["due"]["count"], sums["due"]["sum"],
                    sums["matched"]["count"], sums["matched"]["sum"],
                    sum(part["count"] for part in flagged), sum(part["sum"] for part in flagged),
                )  # fmt: skip
                totals[Layer(layer), ItemKind(kind)] = [
                    have + more for have, more in zip(row, parts, strict=True)
                ]
    order = list(Layer)
    return [
        LayerSum(layer, kind, *row)
        for (layer, kind), row in sorted(
            totals.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    ]


def count_lines_of_day(session: Session, *, scope: str, day: date) -> tuple[int, int, int]:
    """Return how many bank lines were booked on a day, and the sums of credits and debits."""
    amount = col(StatementLine.amount_minor)
    query = select(
        func.count(),
        func.sum(amount).filter(amount > 0),
        func.sum(amount).filter(amount < 0),
    ).where(
        account_in(col(StatementLine.account_id), scope),
        StatementLine.booking_date == day,
        is_counted(col(StatementLine.statement_id)),
    )
    count, credits_minor, debits_minor = session.exec(query).one()
    return count, int(credits_minor or 0), int(debits_minor or 0)
