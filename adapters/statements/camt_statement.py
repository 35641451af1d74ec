"""What a camt message says of a statement around its entries: account, number, page, balances."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from adapters.statements.amounts import is_currency, plain_amount
from adapters.statements.camt_entry import SIGNS
from adapters.statements.camt_texts import Element, Names, Texts
from adapters.statements.dates import iso_date
from adapters.statements.problems import Code, ContentRefusedError
from reconciliation.ports import (
    BalanceCheck,
    LineStatus,
    ParsedLine,
    ParsedStatement,
    Problem,
)

_OPENING: Final = ("OPBD", "PRCD")
_CLOSING: Final = ("CLBD",)
_MAX_PAGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Page:
    """Where a message or statement stands in a series of pages (``MsgPgntn``, ``StmtPgntn``)."""

    number: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Balance:
    """A ``Bal`` as written; ``sign`` is None where no ``CdtDbtInd`` is given."""

    code: str
    amount: Decimal
    currency: str
    sign: int | None
    day: date | None

    @property
    def readings(self) -> tuple[Decimal, ...]:
        """The amounts it can mean: both signs, credit first, where none is stated."""
        if self.sign is None:
            return (self.amount, -self.amount)
        return (self.amount * self.sign,)


@dataclass(slots=True)
class Totals:
    """Counts and sums of entries, as the statement may declare them in ``TxsSummry``."""

    count: int = 0
    credit: Decimal = Decimal(0)
    credits: int = 0
    debit: Decimal = Decimal(0)
    debits: int = 0

    def add(self, amount: Decimal) -> None:
        """Count one entry in."""
        self.count += 1
        if amount < 0:
            self.debit, self.debits = self.debit - amount, self.debits + 1
        else:
            self.credit, self.credits = self.credit + amount, self.credits + 1


@dataclass(slots=True)
class StatementReading:
    """A statement while it is read: what was seen of it so far, and what its lines add up to."""

    names: Names
    where: str
    page: Page | None = None
    account: str = ""
    account_currency: str = ""
    sequence: str = ""
    identifier: str = ""
    period: tuple[date | None, date | None] = (None, None)
    balances: list[Balance] = field(default_factory=list)
    declared: list[tuple[str, str, str]] = field(default_factory=list)
    booked: Totals = field(default_factory=Totals)
    every: Totals = field(default_factory=Totals)
    currencies: set[str] = field(default_factory=set)
    without_status: int = 0
    problems: list[Problem] = field(default_factory=list)

    def take(self, child: Element) -> None:
        """Read a child of the statement element that is not an entry."""
        reader = _READERS.get(self.names[child.tag])
        if reader is not None:
            reader(self, child)

    def count(self, line: ParsedLine, *, status_stated: bool) -> None:
        """Add a line to the sums."""
        self.every.add(line.amount)
        self.currencies.add(line.currency)
        self.without_status += not status_stated
        if line.status is LineStatus.BOOKED:
            self.booked.add(line.amount)

    @property
    def currency(self) -> str:
        """The account's currency, else that of its balances, else that of its entries."""
        if self.account_currency:
            return self.account_currency
        for currencies in ({b.currency for b in self.balances}, self.currencies):
            if len(currencies) == 1:
                return next(iter(currencies))
        return ""


def _take_account(reading: StatementReading, element: Element) -> None:
    paths = ("Id/IBAN", "Id/Othr/Id", "Id/BBAN", "Id/UPIC", "Id/PrtryAcct/Id", "Prxy/Id")
    texts = Texts(element, reading.names)
    reading.account = texts.first(*paths)
    currency = texts.first("Ccy")
    if currency and not is_currency(currency):
        message = f"{currency[:10]!r} is not a currency"
        raise ContentRefusedError(Code.CURRENCY, f"{reading.where}/Acct", message)
    reading.account_currency = currency


def _take_balance(reading: StatementReading, element: Element) -> None:
    texts, where = (
        Texts(element, reading.names),
        f"{reading.where}/Bal[{len(reading.balances) + 1}]",
    )
    code = texts.first("Tp/CdOrPrtry/Cd", "Tp/Cd", "Tp/CdOrPrtry/Prtry")
    text, currency = texts.amount("Amt")
    currency = currency or reading.account_currency
    amount = plain_amount(text, currency) if is_currency(currency) else None
    if amount is None:
        if code in (*_OPENING, *_CLOSING):
            message = f"the balance {text[:40]!r} is not an amount of {currency[:3] or '?'}"
            reading.problems.append(Problem(Code.BALANCE_UNCLEAR, where, message))
        return
    sign = SIGNS.get(texts.first("CdtDbtInd"))
    day = iso_date(texts.first("Dt/Dt", "Dt/DtTm"))
    reading.balances.append(Balance(code, amount, currency, sign, day))


def _take_summary(reading: StatementReading, element: Element) -> None:
    texts = Texts(element, reading.names)
    for kind in ("TtlNtries", "TtlCdtNtries", "TtlDbtNtries"):
        count, total = texts.first(f"{kind}/NbOfNtries"), texts.first(f"{kind}/Sum")
        if count or total:
            reading.declared.append((kind, count, total))


def _take_sequence(reading: StatementReading, element: Element) -> None:
    if not reading.sequence or str(element.tag).endswith("ElctrncSeqNb"):
        reading.sequence = (element.text or "").strip()


def _take_identifier(reading: StatementReading, element: Element) -> None:
    reading.identifier = (element.text or "").strip()


def _take_period(reading: StatementReading, element: Element) -> None:
    texts = Texts(element, reading.names)
    start, end = texts.first("FrDtTm", "FrDt"), texts.first("ToDtTm", "ToDt")
    reading.period = (iso_date(start), iso_date(end))


def _take_page(reading: StatementReading, element: Element) -> None:
    reading.page = read_page(element, reading.names) or reading.page


_READERS: Final = {
    "Acct": _take_account,
    "Bal": _take_balance,
    "TxsSummry": _take_summary,
    "ElctrncSeqNb": _take_sequence,
    "LglSeqNb": _take_sequence,
    "Id": _take_identifier,
    "FrToDt": _take_period,
    "StmtPgntn": _take_page,
    "RptPgntn": _take_page,
    "NtfctnPgntn": _take_page,
}


def read_page(element: Element | None, names: Names) -> Page | None:
    """Read a ``Pgntn``; None where there is none or its number is no number."""
    if element is None:
        return None
    texts = Texts(element, names)
    number = texts.first("PgNb")
    if not number.isascii() or not number.isdigit() or not 0 < int(number[:9]) < _MAX_PAGES:
        return None
    return Page(int(number[:9]), texts.first("LastPgInd") in {"true", "1"})


@dataclass(slots=True)
class PagedStatement:
    """A statement that was read to its end, with what its pages need to be joined."""

    statement: ParsedStatement
    reading: StatementReading
    opening: tuple[Decimal, ...]
    closing: tuple[Decimal, ...]


def finish(reading: StatementReading) -> PagedStatement:
    """Make the statement of what was read, its balances not yet checked.

    Raises:
        ContentRefusedError: it names no account.
    """
    if not reading.account:
        raise ContentRefusedError(Code.NO_ACCOUNT, reading.where, "the statement names no account")
    currency = reading.currency
    opening = _choose(reading, _OPENING, currency)
    closing = _choose(reading, _CLOSING, currency)
    if foreign := reading.currencies - {currency}:
        message = f"entries in {', '.join(sorted(foreign))} in an account of {currency or '?'}"
        reading.problems.append(Problem(Code.CURRENCY, reading.where, message))
    _check_totals(reading)
    start, end = reading.period
    statement = ParsedStatement(
        account=reading.account,
        currency=currency,
        number=reading.sequence or reading.identifier,
        page=reading.page.number if reading.page else 1,
        from_date=start or (opening.day if opening and opening.code == "OPBD" else None),
        to_date=end or (closing.day if closing else None),
    )
    return PagedStatement(
        statement,
        reading,
        opening.readings if opening else (),
        closing.readings if closing else (),
    )


def _choose(reading: StatementReading, codes: tuple[str, ...], currency: str) -> Balance | None:
    """The balance of the first of these codes that is there; of several days the outermost."""
    for code in codes:
        found = [b for b in reading.balances if b.code == code and b.currency == currency]
        if not found:
            continue
        if len({b.readings for b in found}) == 1:
            return found[0]
        days = [b.day for b in found if b.day is not None]
        if len(set(days)) == len(found):
            wanted = min(days) if codes is _OPENING else max(days)
            return next(b for b in found if b.day == wanted)
        message = f"several different balances {code}"
        reading.problems.append(Problem(Code.BALANCE_UNCLEAR, reading.where, message))
        return None
    if foreign := {b.currency for b in reading.balances if b.code in codes}:
        shown = ", ".join(sorted(foreign))
        message = f"the balance {codes[0]} is stated in {shown}, the account is in {currency}"
        reading.problems.append(Problem(Code.BALANCE_UNCLEAR, reading.where, message))
    return None


def _check_totals(reading: StatementReading) -> None:
    """Declared counts and sums; banks count either all entries or the booked ones."""
    for kind, count, total in reading.declared:
        candidates = [_totals_of(kind, totals) for totals in (reading.every, reading.booked)]
        if not any(_agrees(count, total, *candidate) for candidate in candidates):
            read_count, read_total = candidates[0]
            message = (
                f"{kind} declares {count or '?'} entries of {total or '?'}, "
                f"read were {read_count} of {read_total}"
            )
            reading.problems.append(Problem(Code.TOTALS_DIFFER, reading.where, message[:200]))


def _totals_of(kind: str, totals: Totals) -> tuple[int, Decimal]:
    if kind == "TtlCdtNtries":
        return totals.credits, totals.credit
    if kind == "TtlDbtNtries":
        return totals.debits, totals.debit
    return totals.count, totals.credit + totals.debit


def _agrees(count: str, total: str, read_count: int, read_total: Decimal) -> bool:
    try:
        return (not count or int(count) == read_count) and (
            not total or Decimal(total) == read_total
        )
    except (ValueError, InvalidOperation):
        return False


def prove(statements: Iterable[PagedStatement], *, books: bool) -> Iterator[Problem]:
    """Check opening + booked lines = closing, over the pages of each statement, and the pages.

    Sets ``balance_check`` and the balances of every statement. ``books`` is True for camt.053,
    where an entry without a status is booked if the balance proves it.
    """
    series: dict[tuple[str, str, str], list[PagedStatement]] = defaultdict(list)
    for index, paged in enumerate(statements):
        statement = paged.statement
        alone = paged.reading.page is None
        number = f"#{index}" if alone or not statement.number else statement.number
        series[statement.account, statement.currency, number].append(paged)
    for pages in series.values():
        yield from _prove_pages(sorted(pages, key=lambda p: p.statement.page), books=books)


def _prove_pages(pages: list[PagedStatement], *, books: bool) -> Iterator[Problem]:
    missing = _missing_pages(pages)
    if not missing and len(pages) > 1 and _joins(pages):
        yield from _prove_whole(pages)
    else:
        for page in pages:
            yield from _prove_whole([page])
        if missing and any(p.statement.balance_check is not BalanceCheck.OK for p in pages):
            yield Problem(Code.PAGE_MISSING, pages[0].reading.where, missing)
    for page in pages:
        proved = books and page.statement.balance_check is BalanceCheck.OK
        if page.reading.without_status and not proved:
            message = f"{page.reading.without_status} entries without a status, and no proof"
            yield Problem(Code.STATUS, page.reading.where, message)


def _joins(pages: list[PagedStatement]) -> bool:
    """Whether the balances stand at the ends of the series only, so that it is one whole."""
    return not any(p.closing for p in pages[:-1]) and not any(p.opening for p in pages[1:])


def _missing_pages(pages: list[PagedStatement]) -> str:
    if pages[0].reading.page is None:
        return ""
    there = {p.statement.page for p in pages}
    last = max(there)
    if len(there) != len(pages):
        return f"page numbers are repeated: {sorted(p.statement.page for p in pages)[:20]}"
    absent = [str(n) for n in range(1, last) if n not in there]
    closes = any(p.reading.page and p.reading.page.is_last for p in pages)
    if not closes:
        absent.append(f"those after {last}")
    if not absent:
        return ""
    shown = ", ".join(absent[:20])
    return f"page {last} is here, missing: {shown}"


def _prove_whole(pages: list[PagedStatement]) -> Iterator[Problem]:
    first, last = pages[0], pages[-1]
    booked = sum((p.reading.booked.credit - p.reading.booked.debit for p in pages), Decimal(0))
    one_currency = all(p.reading.currencies <= {p.statement.currency} for p in pages)
    closed = [
        (opening, closing)
        for opening in first.opening
        for closing in last.closing
        if opening + booked == closing
    ]
    opening = closed[0][0] if closed else next(iter(first.opening), None)
    closing = closed[0][1] if closed else next(iter(last.closing), None)
    first.statement.opening_balance = opening
    last.statement.closing_balance = closing
    if opening is None or closing is None:
        return
    check = BalanceCheck.OK if closed and one_currency else BalanceCheck.FAILED
    for page in pages:
        page.statement.balance_check = check
    if check is BalanceCheck.FAILED and one_currency:  # otherwise the currency is the problem
        yield Problem(
            Code.BALANCE_DIFFERS, first.reading.where, difference(opening, booked, closing)
        )


def difference(opening: Decimal, booked: Decimal, closing: Decimal) -> str:
    """The sentence that says by how much a statement does not add up."""
    return (
        f"opening {opening} and booked lines {booked} give {opening + booked}, "
        f"not the closing {closing}; difference {closing - opening - booked}"
    )
