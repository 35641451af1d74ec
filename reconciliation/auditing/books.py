"""One reading of the books for a range of days: accounts, opening, transfers, closing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, timezone
from typing import Final

from sqlalchemy import ColumnElement, String, func, type_coerce
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from core.money import Currency
from payments.ledger.models import JournalEntry, LedgerAccount, LedgerTransfer
from payments.models import CollectingAccount, Office
from payments.queries.books import entry_in, list_balances
from reconciliation.auditing.columns import Row
from reconciliation.errors import BooksUnequalError, ExportRangeError

BATCH_ROWS: Final = 2_000
"""Transfers in memory at a time, whatever the length of the range."""

_LOCAL: Final = timezone(timedelta(hours=7))

Progress = Callable[[int, int], None]
"""Told from time to time how many transfers are written, of how many."""


@dataclass(frozen=True, slots=True)
class BookRange:
    """Whole Vietnamese days, both included, of the offices in the subtree ``scope``."""

    first: date
    last: date
    scope: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What was ever debited to and credited to an account up to a day, in minor units."""

    account: str
    currency: Currency
    debit_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        """Debits less credits."""
        return self.debit_minor - self.credit_minor

    @property
    def row(self) -> Row:
        """The columns of a table of balances."""
        return (
            self.account,
            self.currency.value,
            self.debit_minor,
            self.credit_minor,
            self.balance_minor,
        )


def book_range(
    session: Session, first: date | None, last: date | None, *, scope: str, today: date
) -> BookRange:
    """Return the range that was asked for: from the first entry and until today unless told.

    Raises:
        ExportRangeError: it ends before it begins, or on a day that has not come.
    """
    last = last or today
    if first is None:
        oldest = session.scalar(
            select(func.min(col(JournalEntry.entry_date))).where(entry_in(scope))
        )
        first = min(oldest or last, last)
    if last < first:
        raise ExportRangeError(f"{last} is before {first}")
    if last > today:
        raise ExportRangeError(f"{last} has not come yet")
    return BookRange(first, last, scope)


class Books:
    """The books of a range as one snapshot shows them; the session has to be one that reads.

    Transfers pass once and are counted as they do; what the other tables say comes from the
    same snapshot, and :meth:`closing` is what opened plus what passed, held against the
    database's own sums.
    """

    def __init__(self, session: Session, wanted: BookRange, *, progress: Progress) -> None:
        self.range = wanted
        self._session = session
        self._progress = progress
        self._moved: dict[tuple[str, str], list[int]] = {}
        self.accounts = list(session.exec(select(LedgerAccount).order_by(LedgerAccount.code)))
        self.opening = self._balances(wanted.first - timedelta(days=1))
        self.expected: int = session.scalar(self._counted()) or 0
        self.transfers_read = 0
        self.entries_read = 0

    def transfers(self) -> Iterator[list[Row]]:
        """Yield the transfers in parts, in the order of day, instant, entry and position."""
        entry, date_, posted = JournalEntry, JournalEntry.entry_date, JournalEntry.posted_at
        transfer = LedgerTransfer
        query = (
            select(  # type: ignore[call-overload] # more columns than its types foresee
                transfer.id,
                transfer.entry_id,
                transfer.position,
                date_,
                posted,
                type_coerce(col(entry.event), String),
                entry.event_key,
                transfer.debit_account,
                transfer.credit_account,
                transfer.amount_minor,
                type_coerce(col(transfer.currency), String),
                CollectingAccount.account_number,
                Office.code,
                entry.bill_id,
                entry.reverses_id,
                entry.description,
            )
            .join(entry, col(entry.id) == col(transfer.entry_id))
            .outerjoin(CollectingAccount, col(CollectingAccount.id) == col(entry.account_id))
            .outerjoin(Office, col(Office.id) == col(entry.office_id))
            .where(*self._wanted())
            .order_by(date_, posted, col(entry.id), col(transfer.position))
        )
        latest, connection = "", self._session.connection()
        if connection.dialect.name == "postgresql":  # all rows are wanted, not the first ones soon
            connection.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 1")
        options = {"yield_per": BATCH_ROWS}
        # closed also when the reader goes away half-way
        with connection.execute(query, execution_options=options) as rows:
            for part in rows.partitions():
                batch: list[Row] = [(*row[:5], row[4].astimezone(_LOCAL), *row[5:]) for row in part]
                latest = self._count(batch, latest)
                yield batch
                self._progress(self.transfers_read, self.expected)

    def closing(self) -> list[Balance]:
        """Return what opened plus what passed; only after the last transfer.

        Raises:
            BooksUnequalError: the database's own sums say something else.
        """
        sums = {
            (balance.account, balance.currency.value): (balance.debit_minor, balance.credit_minor)
            for balance in self.opening
        }
        for key, (debit, credit) in self._moved.items():
            before = sums.get(key, (0, 0))
            sums[key] = (before[0] + debit, before[1] + credit)
        closing = [
            Balance(account, Currency(currency), debit, credit)
            for (account, currency), (debit, credit) in sorted(sums.items())
        ]
        if closing != self._balances(self.range.last) or self.transfers_read != self.expected:
            raise BooksUnequalError(f"{self.transfers_read} of {self.expected} transfers read")
        return closing

    def totals(self) -> list[dict[str, str | int]]:
        """Return what was debited and credited within the range, by currency, in minor units."""
        found: dict[str, list[int]] = {}
        for (_, currency), sides in self._moved.items():
            totals = found.setdefault(currency, [0, 0])
            totals[0] += sides[0]
            totals[1] += sides[1]
        return [
            {"currency": currency, "debit_minor": debit, "credit_minor": credit}
            for currency, (debit, credit) in sorted(found.items())
        ]

    def _count(self, batch: Sequence[Row], latest: str) -> str:
        moved = self._moved
        for row in batch:
            amount, currency = row[10], row[11]
            moved.setdefault((row[8], currency), [0, 0])[0] += amount
            moved.setdefault((row[9], currency), [0, 0])[1] += amount
            self.entries_read += row[1] != latest
            latest = row[1]
        self.transfers_read += len(batch)
        return latest

    def _balances(self, until: date) -> list[Balance]:
        rows = list_balances(self._session, scope=self.range.scope, until=until)
        return [Balance(row.code, row.currency, row.debit_minor, row.credit_minor) for row in rows]

    def _counted(self) -> SelectOfScalar[int]:
        return (
            select(func.count())
            .select_from(LedgerTransfer)
            .join(JournalEntry, col(JournalEntry.id) == col(LedgerTransfer.entry_id))
            .where(*self._wanted())
        )

    def _wanted(self) -> tuple[ColumnElement[bool], ...]:
        return (
            col(JournalEntry.entry_date) >= self.range.first,
            col(JournalEntry.entry_date) <= self.range.last,
            entry_in(self.range.scope),
        )
