"""SWIFT MT940 statements and MT942 interim reports, read field by field.

Source: SWIFT standards MT940 and MT942. What banks write beside them is understood where its
meaning is sure: an odd field loses nothing of the file, and money that is unclear holds it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import BinaryIO, Final

from adapters.statements.camt_statement import difference
from adapters.statements.events import Event
from adapters.statements.limits import Limits
from adapters.statements.mt940_line import (
    BalanceValues,
    LineValues,
    read_balance,
    read_line,
    read_number,
    read_sum,
)
from adapters.statements.mt940_narrative import join_lines, read_narrative
from adapters.statements.problems import Code, ContentRefusedError
from adapters.statements.swift_fields import NARRATIVE, Field, swift_fields
from reconciliation.ports import (
    BalanceCheck,
    LineStatus,
    ParsedLine,
    ParsedStatement,
    Problem,
)

_EXPECTED: Final = frozenset({"EC", "ED"})
_STARTS: Final = {"20": 0, "21": 1, "25": 2, "25P": 2, "28": 3, "28C": 3, "60F": 4, "60M": 4}
"""Fields before the lines, by their order; one that is out of order begins the next statement."""
_BODY: Final = 5
_NONE: Final = (0, Decimal(0))


def walk_mt940(source: BinaryIO, head: bytes, limits: Limits) -> Iterator[Event]:
    """Read a file to its end; memory does not grow with the number of lines.

    Nothing that was yielded may be used before the walk has ended: pages are proved at the end.

    Raises:
        ContentRefusedError: damaged text, too large, or without a statement.
    """
    walk = _Walk(limits)
    for one in swift_fields(source, head, limits):
        yield from walk.take(one) if one is not None else walk.close()
    yield from walk.end()


@dataclass(slots=True)
class _Page:
    """One message while it is read: a page of a statement."""

    where: str
    account: str = ""
    number: str = ""
    page: int | None = None
    opening: BalanceValues | None = None
    closing: BalanceValues | None = None
    opens: bool = False
    closes: bool = False
    currency: str = ""
    booked: Decimal = Decimal(0)
    sums: dict[str, tuple[int, Decimal]] = field(default_factory=dict)
    expected: dict[str, tuple[int, Decimal]] = field(default_factory=dict)
    declared: dict[str, tuple[str, int, Decimal]] = field(default_factory=dict)
    days: tuple[date, date] | None = None
    from_day: date | None = None
    unusual_sign: str = ""
    lines: int = 0
    unread: int = 0
    reached: int = -1
    problems: list[Problem] = field(default_factory=list)
    statement: ParsedStatement | None = None

    def note(self, code: Code, where: str, message: str) -> None:
        """Note a problem of this page."""
        self.problems.append(Problem(code, where, message))

    def count(self, line: ParsedLine) -> None:
        """Add a line to what the page adds up to; one that is only expected is no money yet."""
        is_booked = line.status is LineStatus.BOOKED
        kind = "C" if line.amount > 0 else "D"
        sums = self.sums if is_booked else self.expected
        count, total = sums.get(kind, _NONE)
        sums[kind] = count + 1, total + abs(line.amount)
        if not is_booked:
            return
        self.booked += line.amount
        day = line.booking_date or line.value_date
        if day is not None:
            first, last = self.days or (day, day)
            self.days = min(first, day), max(last, day)


class _Walk:
    """One pass over one file."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._page: _Page | None = None
        self._line: tuple[LineValues, str] | None = None
        self._said: list[str] = []
        self._done: list[_Page] = []

    def take(self, one: Field) -> Iterator[Event]:
        """Read one field."""
        if one.tag == NARRATIVE:
            self._said += one.lines
            return
        yield from self._finish_line()
        order = _STARTS.get(one.tag, _BODY)
        if self._page is not None and order < _BODY and order <= self._page.reached:
            yield from self.close()
        if self._page is None:
            self._page = _Page(one.where)
        page = self._page
        page.reached = max(page.reached, order)
        if one.tag == "61":
            self._take_line(page, one)
        elif (reader := _READERS.get(one.tag)) is not None:
            reader(page, one)

    def _take_line(self, page: _Page, one: Field) -> None:
        values = read_line(one.lines, page.currency)
        if values is None:
            page.unread += 1
            page.note(Code.ROW_UNCLEAR, one.where, "a statement line that cannot be read")
        elif values.amount is None:
            page.unread += 1
            shown = f"{values.amount_text[:40]!r} is not an amount of {page.currency or '?'}"
            page.note(Code.AMOUNT, one.where, shown)
        else:
            self._line = values, one.where
        if not page.currency and not page.lines:
            page.note(Code.CURRENCY, one.where, "nothing before it says in which currency it is")

    def _finish_line(self) -> Iterator[Event]:
        """A line is whole when a field that is no narrative has come after it."""
        narrative, self._said = self._said, []
        if self._line is None or self._page is None:
            return  # it was about the statement
        said = read_narrative(narrative)
        (values, where), self._line = self._line, None
        page = self._page
        assert values.amount is not None  # noqa: S101 - else it was not kept
        page.lines += 1
        if values.days_unclear:
            page.note(Code.DATE, where, f"{values.days_unclear} is not a date")
        if values.minus:
            page.unusual_sign = page.unusual_sign or where
        expected = values.mark in _EXPECTED
        line = ParsedLine(
            position=where,
            booking_date=values.entry_date,
            value_date=values.value_date,
            amount=values.amount,
            currency=page.currency,
            status=LineStatus.PENDING if expected else LineStatus.BOOKED,
            reversal=values.mark in {"RC", "RD"},
            narrative=_with_more(said.text, values.supplementary),
            reference=said.reference or values.reference,
            bank_reference=values.bank_reference or said.bank_reference,
            counterparty_name=said.name,
            counterparty_account=said.account,
        )
        page.count(line)
        yield line

    def close(self) -> Iterator[Event]:
        """A message has ended."""
        yield from self._finish_line()
        page, self._page = self._page, None
        if page is None or page.reached < _STARTS["25"]:
            return  # a header without anything
        if not (page.account or page.lines or page.unread or page.opening or page.closing):
            return
        self._done.append(page)
        if len(self._done) > self._limits.statements:
            raise ContentRefusedError(Code.LIMIT_EXCEEDED, page.where, "too many statements")
        page.statement = _statement(page)
        yield page.statement

    def end(self) -> Iterator[Event]:
        """The file is over: prove what its pages say.

        Raises:
            ContentRefusedError: it held no statement.
        """
        yield from self.close()
        if not self._done:
            raise ContentRefusedError(Code.NO_STATEMENT, "file", "the file holds no statement")
        for page in self._done:
            yield from page.problems
            yield from _prove(page)
        yield from _missing_pages(self._done)


def _statement(page: _Page) -> ParsedStatement:
    if not page.account:
        page.note(Code.NO_ACCOUNT, page.where, "the statement names no account")
    closed_on = page.closing.day if page.closing else None
    opened_on = page.opening.day if page.opening else None
    first, last = page.days or (page.from_day or closed_on or opened_on, closed_on)
    return ParsedStatement(
        account=page.account,
        currency=page.currency,
        number=page.number,
        page=page.page or 1,
        from_date=min(filter(None, [first, closed_on]), default=None),
        to_date=closed_on or last,
        opening_balance=page.opening.amount if page.opening else None,
        closing_balance=page.closing.amount if page.closing else None,
    )


# Fields around the lines


def _take_account(page: _Page, one: Field) -> None:
    page.account = one.lines[0].strip() or one.joined


def _take_number(page: _Page, one: Field) -> None:
    page.number, page.page = read_number(one.joined)


def _take_opening(page: _Page, one: Field) -> None:
    page.opening = _balance(page, one)
    page.opens = one.tag == "60F"


def _take_closing(page: _Page, one: Field) -> None:
    page.closing = _balance(page, one)
    page.closes = one.tag == "62F"


def _balance(page: _Page, one: Field) -> BalanceValues | None:
    balance = read_balance(*one.lines)
    if balance is None:
        message = f"the balance {one.joined[:40]!r} is not an amount of a currency"
        page.note(Code.BALANCE_UNCLEAR, one.where, message)
        return None
    if balance.day is None:
        page.note(Code.DATE, one.where, f"the balance {one.joined[:25]!r} has no real date")
    if page.currency and balance.currency != page.currency:
        message = f"balances in {balance.currency} and {page.currency}"
        page.note(Code.CURRENCY, one.where, message)
    page.currency = page.currency or balance.currency
    return balance


def _take_floor(page: _Page, one: Field) -> None:
    """A floor limit of an interim report is the first place that names its currency."""
    currency = one.joined[:3].upper()
    if not page.currency and currency.isalpha():
        page.currency = currency


def _take_sum(page: _Page, one: Field) -> None:
    said = read_sum(one.joined)
    if said is not None:
        page.declared[one.tag[-1]] = (one.where, *said)


_READERS: Final = {
    "25": _take_account,
    "25P": _take_account,
    "28": _take_number,
    "28C": _take_number,
    "60F": _take_opening,
    "60M": _take_opening,
    "62F": _take_closing,
    "62M": _take_closing,
    "34F": _take_floor,
    "90C": _take_sum,
    "90D": _take_sum,
}


# Proofs


def _prove(page: _Page) -> Iterator[Problem]:
    """Check opening + booked lines = closing, and the counts and sums that are declared.

    Banks count either all lines of an interim report or the booked ones.
    """
    statement = page.statement
    assert statement is not None  # noqa: S101 - pages are proved when they are closed
    if page.opening is not None and page.closing is not None:
        closes = page.opening.amount + page.booked == page.closing.amount and not page.unread
        statement.balance_check = BalanceCheck.OK if closes else BalanceCheck.FAILED
        if not closes and not page.unread:  # otherwise the line that is missing is the problem
            message = difference(page.opening.amount, page.booked, page.closing.amount)
            yield Problem(Code.BALANCE_DIFFERS, page.where, message)
    elif page.opening is not None or page.closing is not None:
        missing = "closing" if page.closing is None else "opening"
        if not any(problem.code == Code.BALANCE_UNCLEAR for problem in page.problems):
            message = f"the statement has no {missing} balance"
            yield Problem(Code.BALANCE_UNCLEAR, page.where, message)
    if page.unusual_sign and statement.balance_check is not BalanceCheck.OK:
        message = "an amount with a minus sign of its own, and no balance that proves its meaning"
        yield Problem(Code.DIRECTION, page.unusual_sign, message)
    for kind, (where, count, total) in page.declared.items():
        read, more = page.sums.get(kind, _NONE), page.expected.get(kind, _NONE)
        if (count, total) not in (read, (read[0] + more[0], read[1] + more[1])):
            message = f"{count} entries of {total} are declared, read were {read[0]} of {read[1]}"
            yield Problem(Code.TOTALS_DIFFER, where, message)


def _missing_pages(pages: list[_Page]) -> Iterator[Problem]:
    """Name what a series of intermediate balances lacks at its beginning, inside or at its end."""
    series: dict[tuple[str, str], list[_Page]] = defaultdict(list)
    for page in pages:
        if page.opening is not None and page.closing is not None:
            series[page.account, page.number].append(page)
    for parts in series.values():
        if all(part.opens and part.closes for part in parts):
            continue
        there = sorted({part.page or 1 for part in parts})
        absent = [str(number) for number in range(1, there[-1]) if number not in there]
        if not absent and not any(part.opens for part in parts):
            absent.append("the first")
        if not any(part.closes for part in parts):
            absent.append(f"those after {there[-1]}")
        if absent:
            message = f"page {there[-1]} is here, missing: {', '.join(absent[:20])}"
            yield Problem(Code.PAGE_MISSING, parts[0].where, message)


def _with_more(text: str, supplementary: str) -> str:
    """The narrative with what the statement line itself says, unless it is said already."""
    more = join_lines([supplementary])
    if not more or more in text:
        return text
    return f"{text} {more}" if text else more
