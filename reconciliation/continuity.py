"""Whether the statements of an account follow each other: no balance, number or day is missing.

Nothing of it is stored. What is missing is worked out from the statements that are there, so an
alarm heals by itself when the file arrives, in whatever order files come.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import func
from sqlmodel import Session, col, select

from payments.models import CollectingAccount
from reconciliation import identity
from reconciliation.models import EvidenceFile, Statement, StatementLine, is_counted

QUARTER: Final = timedelta(days=100)
"""As far as pages and closing look back; older gaps stay to be seen on the command line."""
_NEIGHBOURS: Final = 64
"""As many statements before one are compared with it: copies, pages and overlaps are among them."""
_USUAL: Final = 2
"""How often an account has to have had statements for a weekday before one is missed."""


class GapKind(StrEnum):
    """What is missing before a statement."""

    BALANCE = "balance"
    NUMBER = "number"
    DAYS = "days"


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where a statement does not follow from what is stored before it.

    Of ``balance``: the closing before, the opening after. Of ``number`` and ``days``: the first
    and the last that are missing.
    """

    kind: GapKind
    after: Statement
    before: Statement
    closing_minor: int | None = None
    opening_minor: int | None = None
    first: str = ""
    last: str = ""

    @property
    def text(self) -> str:
        """What is missing, in a sentence."""
        if self.kind is GapKind.BALANCE:
            return (
                f"it opens with {self.opening_minor}, the one before it closed with"
                f" {self.closing_minor}: a statement in between is missing"
            )
        missing = self.first if self.first == self.last else f"{self.first} to {self.last}"
        if self.kind is GapKind.NUMBER:
            return f"statement {missing} is missing before it"
        return f"no statement covers {missing}, a day on which this account usually has one"


@dataclass(frozen=True, slots=True)
class Chain:
    """The statements of one account and currency in order, and where they do not follow."""

    account: CollectingAccount
    currency: str
    first_day: date | None
    last_day: date | None
    count: int
    gaps: tuple[Gap, ...]


def chains_of(
    session: Session, account: CollectingAccount, *, since: date | None = None
) -> list[Chain]:
    """Return the chain of each currency of an account; an account without statements has none.

    ``since`` leaves out statements that end before this day.
    """
    query = (
        select(Statement, EvidenceFile.format)
        .join(EvidenceFile, col(EvidenceFile.id) == col(Statement.file_id))
        .where(Statement.account_id == account.id, col(Statement.undone_at).is_(None))
    )
    if since is not None:
        query = query.where(col(Statement.to_date) >= since)
    rows = session.exec(query).all()
    chains = []
    for currency in sorted({statement.currency for statement, _ in rows}):
        links = [
            _Link(statement, identity.statement_kind(file_format))
            for statement, file_format in rows
            if statement.currency == currency and statement.from_date is not None
        ]
        links.sort(key=_Link.order)
        days = [link.last for link in links]
        chains.append(
            Chain(
                account=account,
                currency=currency,
                first_day=links[0].first if links else None,
                last_day=max(days, default=None),
                count=len(links),
                gaps=tuple(_gaps(session, links)),
            )
        )
    return chains


def gaps_before(session: Session, account: CollectingAccount, day: date) -> list[Gap]:
    """Return what is missing up to a day: what keeps it from being closed.

    Days are closed one after the other, so what is older than a quarter has been looked at.
    """
    return [
        gap
        for chain in chains_of(session, account, since=day - QUARTER)
        for gap in chain.gaps
        if gap.before.from_date is not None and gap.before.from_date <= day
    ]


@dataclass(frozen=True, slots=True)
class _Link:
    """A statement and the kind of file it came in; only one kind numbers in one series."""

    statement: Statement
    kind: str

    @property
    def first(self) -> date:
        assert self.statement.from_date is not None  # noqa: S101 - others are no links
        return self.statement.from_date

    @property
    def last(self) -> date:
        return self.statement.to_date or self.first

    @property
    def number(self) -> int | None:
        """The number as one that is counted on, None where the bank gives none."""
        text = self.statement.number
        return int(text) if text.isdecimal() and text.isascii() else None

    def order(self) -> tuple[date, date, int, int, str]:
        """By days, then as the bank counts statements of a day and their pages."""
        return self.first, self.last, self.number or 0, self.statement.page, self.statement.id

    def is_copy_of(self, other: "_Link") -> bool:
        """Whether another kind of file says the same of the same days."""
        mine, theirs = self.statement, other.statement
        return (
            (self.first, self.last) == (other.first, other.last)
            and (mine.opening_minor, mine.closing_minor)
            == (theirs.opening_minor, theirs.closing_minor)
            and self.kind != other.kind
        )


def _gaps(session: Session, links: Sequence[_Link]) -> list[Gap]:
    usual = _usual_weekdays(links)
    found: list[Gap] = []
    for index in range(1, len(links)):
        link, earlier = links[index], links[max(0, index - _NEIGHBOURS) : index]
        if any(link.is_copy_of(other) for other in earlier):
            continue
        found += _balance_gap(session, link, earlier)
        numbers = _number_gap(link, earlier)
        found += numbers or _day_gap(link, earlier, usual)
    return found


def _balance_gap(session: Session, link: _Link, earlier: Sequence[_Link]) -> list[Gap]:
    """A break unless a neighbour closed with this opening, or had it on that day."""
    opening = link.statement.opening_minor
    ended = [other for other in earlier if other.last < link.first]
    nearest = max((other.last for other in ended), default=None)
    neighbours = [o for o in earlier if o.last >= link.first or o.last == nearest]
    closings = [o for o in neighbours if o.statement.closing_minor is not None]
    if opening is None or not closings:
        return []
    if any(other.statement.closing_minor == opening for other in closings):
        return []
    inside = [o for o in neighbours if o.first <= link.first <= o.last]
    if any(_balance_on(session, other.statement, link.first) == opening for other in inside):
        return []
    before = closings[-1].statement
    return [
        Gap(
            GapKind.BALANCE,
            before,
            link.statement,
            closing_minor=before.closing_minor,
            opening_minor=opening,
        )
    ]


def _balance_on(session: Session, statement: Statement, day: date) -> int | None:
    """The balance at the beginning of a day within a statement, by the lines that are stored."""
    if statement.opening_minor is None:
        return None
    moved = session.exec(
        select(func.coalesce(func.sum(StatementLine.amount_minor), 0))
        .where(StatementLine.account_id == statement.account_id)
        .where(
            StatementLine.currency == statement.currency,
            is_counted(col(StatementLine.statement_id)),
        )
        .where(col(StatementLine.booking_date) >= statement.from_date)
        .where(col(StatementLine.booking_date) < day)
    ).one()
    return statement.opening_minor + int(moved)


def _number_gap(link: _Link, earlier: Sequence[_Link]) -> list[Gap]:
    """Numbers that were passed over; each year may begin again with 1."""
    numbered = [other for other in earlier if other.kind == link.kind and other.number is not None]
    if link.number is None or not numbered:
        return []
    before = numbered[-1]
    last = before.number or 0
    if before.first.year != link.first.year and link.number <= last:
        last = 0
    if link.number <= last + 1:
        return []
    first, until = str(last + 1), str(link.number - 1)
    return [Gap(GapKind.NUMBER, before.statement, link.statement, first=first, last=until)]


def _day_gap(link: _Link, earlier: Sequence[_Link], usual: frozenset[int]) -> list[Gap]:
    """Days without a statement on which the account usually has one.

    Consecutive numbers prove that the bank has made none.
    """
    before = max(earlier, key=lambda other: other.last)
    if before.kind == link.kind and before.number is not None and link.number == before.number + 1:
        return []
    between = range(1, (link.first - before.last).days)
    days = [before.last + timedelta(days=n) for n in between]
    missed = [day for day in days if day.weekday() in usual]
    if not missed:
        return []
    first, until = missed[0].isoformat(), missed[-1].isoformat()
    return [Gap(GapKind.DAYS, before.statement, link.statement, first=first, last=until)]


def _usual_weekdays(links: Sequence[_Link]) -> frozenset[int]:
    """The weekdays for which statements keep coming; of a statement over days, all of them."""
    seen: Counter[int] = Counter()
    for link in links:
        for n in range(min((link.last - link.first).days, 6) + 1):
            seen[(link.first + timedelta(days=n)).weekday()] += 1
    return frozenset(weekday for weekday, times in seen.items() if times >= _USUAL)
