"""Statements for a treasurer as tables: a row each day, month or year, a column for each key."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Final

from sqlmodel import Session, col, select

from core.clock import Clock, business_day
from payments.models import Office, Procedure
from payments.queries import reports
from payments.queries.reports import By, Figure, Range
from reconciliation.models import Mismatch
from reconciliation.queries import LIVE, mismatch_in

BANDS: Final = (0, 7, 30, 90)
"""Days after which something is older; what is not due yet is before the first."""


class Kind(StrEnum):
    """The statements there are."""

    BY_PROCEDURE = "collections-by-procedure"
    BY_FEE_KIND = "collections-by-fee-kind"
    BY_OFFICE = "collections-by-office"
    BY_CHANNEL = "collections-by-channel"
    FEES = "channel-fees"
    OUTSTANDING = "outstanding"
    AGEING = "ageing"


class Step(StrEnum):
    """How long the time of a row is."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"

    def of(self, day: date) -> str:
        """Return the row that a day belongs to, as the beginning of its ISO 8601 text."""
        return day.isoformat()[: {"day": 10, "month": 7, "year": 4}[self.value]]


_DIMENSIONS: Final = {
    Kind.BY_PROCEDURE: By.PROCEDURE,
    Kind.BY_FEE_KIND: By.FEE_KIND,
    Kind.BY_OFFICE: By.OFFICE,
    Kind.BY_CHANNEL: By.CHANNEL,
}


@dataclass(frozen=True, slots=True)
class Table:
    """A statement: ``rows`` are (time or band, amount for each of ``keys``) in minor units of VND.

    ``adds_up`` says whether amounts of different rows may be added: balances may not.
    """

    kind: Kind
    keys: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    adds_up: bool = True

    @property
    def totals(self) -> tuple[int, ...]:
        """The sum of each column; of balances, the last row."""
        if not self.adds_up:
            return self.rows[-1][1] if self.rows else (0,) * len(self.keys)
        return tuple(sum(row[1][n] for row in self.rows) for n in range(len(self.keys)))


def table_of(session: Session, kind: Kind, step: Step, within: Range, *, clock: Clock) -> Table:
    """Return one statement; ageing is as of now, whatever the range."""
    if kind is Kind.AGEING:
        return _ageing(session, within.scope, clock=clock)
    if kind is Kind.OUTSTANDING:
        return _balances(reports.outstanding(session, within), step)
    if kind is Kind.FEES:
        return _sums(kind, reports.channel_fees(session, within), step)
    return _sums(kind, reports.collections(session, within, _DIMENSIONS[kind]), step)


def write_csv(table: Table, codes: dict[str, str]) -> str:
    """Return a table as CSV (RFC 4180) in minor units; ``codes`` name the ids in files."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["period", *(codes.get(key, key) or "none" for key in table.keys), "total"])
    for row, amounts in table.rows:
        writer.writerow([row, *amounts, sum(amounts)])
    return text.getvalue()


def codes_of(session: Session) -> dict[str, str]:
    """Return the code of each procedure and office by its id."""
    codes = {one.id: one.code for one in session.exec(select(Procedure))}
    return codes | {one.id: one.code for one in session.exec(select(Office))}


def _sums(kind: Kind, figures: Sequence[Figure], step: Step) -> Table:
    keys = tuple(sorted({figure.key for figure in figures}))
    rows: dict[str, list[int]] = {}
    for figure in figures:
        row = rows.setdefault(step.of(figure.day), [0] * len(keys))
        row[keys.index(figure.key)] += figure.amount_minor
    return Table(kind, keys, tuple((name, tuple(row)) for name, row in sorted(rows.items())))


def _balances(figures: Sequence[Figure], step: Step) -> Table:
    keys = tuple(sorted({figure.key for figure in figures}))
    standing, rows = [0] * len(keys), {}
    for figure in sorted(figures, key=lambda one: one.day):
        standing[keys.index(figure.key)] = figure.amount_minor
        rows[step.of(figure.day)] = tuple(standing)
    return Table(Kind.OUTSTANDING, keys, tuple(sorted(rows.items())), adds_up=False)


def _ageing(session: Session, scope: str, *, clock: Clock) -> Table:
    today = business_day(clock())
    refunds = reports.refunds_on_their_way(session, scope=scope)
    live = session.exec(
        select(Mismatch).where(mismatch_in(scope), col(Mismatch.status).in_(LIVE))
    ).all()
    columns = {
        "open_bills": reports.open_bills(session, scope=scope),
        "refunds_on_their_way": [
            (business_day(one.decided_at or one.created_at), one.amount_minor) for one in refunds
        ],
        "open_mismatches": [(business_day(one.opened_at), abs(one.amount_minor)) for one in live],
    }
    names = ["not_due", *(f"{a + 1}-{b}" for a, b in pairwise(BANDS)), f"over_{BANDS[-1]}"]
    rows = [[0] * len(columns) for _ in names]
    for n, items in enumerate(columns.values()):
        for day, amount in items:
            rows[_band((today - day).days)][n] += amount
    named = tuple((name, tuple(row)) for name, row in zip(names, rows, strict=True))
    return Table(Kind.AGEING, tuple(columns), named)


def _band(days: int) -> int:
    return sum(days > bound for bound in BANDS)


def total_of(rows: Iterable[tuple[str, tuple[int, ...]]]) -> list[tuple[str, int]]:
    """Return one number for each row, as a chart shows it."""
    return [(name, sum(amounts)) for name, amounts in rows]
