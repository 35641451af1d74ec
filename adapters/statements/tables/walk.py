"""Bank statements in tables, read by a profile: lines, balances and the proofs they carry."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from adapters.statements.amounts import is_currency, table_amount
from adapters.statements.events import Event
from adapters.statements.limits import Limits
from adapters.statements.problems import Code, ContentRefusedError
from adapters.statements.rows import Cell, Row
from adapters.statements.tables.header import (
    Columns,
    Preamble,
    begins_with,
    find_account,
    has_marks,
    header_columns,
    is_blank,
    joined_texts,
    texts_of,
)
from adapters.statements.tables.line import LineReader, Money
from adapters.statements.tables.profile import TableProfile
from adapters.statements.tables.proof import Proof, RunningBalance
from reconciliation.identity import normalise_account
from reconciliation.ports import ParsedLine, ParsedStatement, Problem


def choose_profile(
    first: Sequence[Row], candidates: Sequence[TableProfile], *, named: bool
) -> TableProfile:
    """The one profile whose header, and unless it was named whose marks, are in these rows.

    Raises:
        ContentRefusedError: none fits, or several do.
    """
    fitting = [
        profile
        for profile in candidates
        if (named or has_marks(first, profile.marks)) and _has_header(first, profile, named=named)
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(profile.name for profile in fitting or candidates)
    if named:
        message = f"no header row of the profile {names} was found"
        raise ContentRefusedError(Code.PROFILE_DOES_NOT_FIT, "table", message)
    if fitting:
        message = f"several profiles fit: {names}; name one"
        raise ContentRefusedError(Code.SEVERAL_PROFILES_FIT, "table", message)
    message = f"a table of unknown layout: none of the profiles {names} fits"
    raise ContentRefusedError(Code.NO_PROFILE_FITS, "table", message)


def _has_header(rows: Sequence[Row], profile: TableProfile, *, named: bool) -> bool:
    if not profile.has_header:  # nothing to recognise it by but its name
        return named
    previous: list[str] = []
    for row in rows:
        texts = texts_of(row)
        for candidate in (texts, joined_texts(previous, texts)):
            if header_columns(candidate, profile) is not None:
                return True
        previous = texts
    return False


def walk_table(rows: Iterator[Row], profile: TableProfile, limits: Limits) -> Iterator[Event]:
    """Read a table to its end, section by section.

    Raises:
        ContentRefusedError: there is no header.
    """
    walk = _Walk(profile, limits)
    for row in rows:
        if not is_blank(row):
            yield from walk.take(row)
    yield from walk.end()


class _Walk:
    """One pass over one table file."""

    def __init__(self, profile: TableProfile, limits: Limits) -> None:
        self._profile = profile
        self._limits = limits
        self._sections = 0
        self._begin()

    def _begin(self) -> None:
        self._preamble = Preamble()
        self._reader: LineReader | None = None
        self._width = 0
        self._account = ""
        self._proof = Proof()
        self._running = RunningBalance()
        self._first_day: date | None = None
        self._last_day: date | None = None
        self._day_above: date | None = None
        self._previous: list[str] = []
        self._rows_above = 0
        self._is_over = False
        self._line: ParsedLine | None = None
        if not self._profile.has_header:
            places = self._profile.columns.items()
            columns: Columns = {str(role): n - 1 for role, n in places if isinstance(n, int)}
            self._reader = LineReader(self._profile, columns)

    def take(self, row: Row) -> Iterator[Event]:
        """Read one row that is not blank."""
        reader = self._reader
        if reader is not None:
            cells = reader.cells(row)
            day = reader.day(cells)
            if day is not None:  # a line; what its texts say makes it no label
                yield from self._take_dated(row, cells, day, reader)
                return
        texts = texts_of(row)
        if self._starts_section(texts):
            yield from self._close()
            self._begin()
            reader = self._reader
        if reader is None:
            yield from self._take_above(row, texts)
        elif header_columns(texts, self._profile) is None or not self._profile.has_header:
            yield from self._take_undated(row, texts, reader)
        self._previous = texts

    def _starts_section(self, texts: list[str]) -> bool:
        in_table = self._reader is not None and self._profile.sections
        return in_table and bool(find_account(texts, self._profile))

    def end(self) -> Iterator[Event]:
        """The file is over.

        Raises:
            ContentRefusedError: no table was found in it.
        """
        if self._reader is not None:
            yield from self._close()
        elif not self._sections:
            message = f"no header row of the profile {self._profile.name} was found"
            raise ContentRefusedError(Code.PROFILE_DOES_NOT_FIT, "table", message)

    def _take_above(self, row: Row, texts: list[str]) -> Iterator[Event]:
        for candidate in (texts, joined_texts(self._previous, texts)):
            columns = header_columns(candidate, self._profile)
            if columns is not None:
                self._width = len(row.cells)
                self._reader = LineReader(self._profile, columns)
                yield from self._begin_table(row, self._reader)
                return
        self._preamble.take(texts, self._profile)
        yield from self._take_balance(row, texts)
        self._rows_above += 1
        if self._rows_above > self._limits.header_within_rows and not self._sections:
            message = f"no header row in the first {self._rows_above} rows"
            raise ContentRefusedError(Code.PROFILE_DOES_NOT_FIT, row.position, message)

    def _begin_table(self, header: Row, reader: LineReader) -> Iterator[Event]:
        reader.currency = self._currency
        if self._preamble.currency_unclear:
            message = "the currency is not printed as a code of three letters"
            yield Problem(Code.CURRENCY, header.position, message)
        self._running.start(self._proof.opening)

    @property
    def _currency(self) -> str:
        code = self._preamble.currency
        return code if is_currency(code) else self._profile.currency.default

    def _take_balance(self, row: Row, texts: list[str]) -> Generator[Event, None, bool]:
        """Read an opening or closing row; True if it is one."""
        opening = begins_with(texts, self._profile.opening)
        if not opening and not begins_with(texts, self._profile.closing):
            return False
        amount = self._last_amount(row)
        if amount is None:
            message = "the balance in this row is not an amount"
            yield Problem(Code.BALANCE_UNCLEAR, row.position, message)
        else:
            self._state_balance(amount, is_opening=opening)
        self._is_over = self._reader is not None and not opening
        return True

    def _state_balance(self, amount: Decimal, *, is_opening: bool) -> None:
        if is_opening:
            self._proof.opening = amount
            self._running.start(amount)
        else:
            self._proof.closing = amount

    def _last_amount(self, row: Row) -> Decimal | None:
        """The last amount printed in the row, or behind the colon of its label."""
        currency = self._reader.currency if self._reader else self._currency
        mark = self._profile.decimal_mark
        for cell in reversed(row.cells):
            if (amount := table_amount(cell, currency, mark)) is not None:
                return amount
            if isinstance(cell, str) and ":" in cell:
                return table_amount(cell.rpartition(":")[2], currency, mark)
        return None

    def _take_undated(self, row: Row, texts: list[str], reader: LineReader) -> Iterator[Event]:
        """A row without a date: a balance, totals, decoration, or a line all the same."""
        if (yield from self._take_balance(row, texts)):
            return
        cells = reader.cells(row)
        if begins_with(texts, self._profile.totals):
            self._proof.declared = (row.position, *reader.declared(cells))
            self._is_over = True
        elif self._profile.continued and self._line is not None and reader.is_text_only(cells):
            text = f"{self._line.narrative} {reader.narrative(cells)}"
            self._line = replace(self._line, narrative=text.strip())
        else:
            yield from self._take_money(row, cells, None, reader)

    def _take_dated(
        self, row: Row, cells: list[Cell], day: date, reader: LineReader
    ) -> Iterator[Event]:
        kind = reader.row_type(cells)
        if kind is None:
            yield Problem(
                Code.ROW_UNCLEAR, row.position, "a row of a kind this layout does not know"
            )
        elif kind == "line":
            yield from self._take_money(row, cells, day, reader)
        elif kind != "skip":
            amount = reader.money(cells).amount
            if amount is None:
                message = "the balance in this row is not an amount"
                yield Problem(Code.BALANCE_UNCLEAR, row.position, message)
            else:
                self._state_balance(amount, is_opening=kind == "opening")

    def _take_money(
        self, row: Row, cells: list[Cell], day: date | None, reader: LineReader
    ) -> Iterator[Event]:
        if day is not None:
            yield from self._check_holder(row, cells, reader)
        money = reader.money(cells)
        if money.problem is not None:
            code, message = money.problem
            if day is not None or (not self._is_over and reader.looks_like_money(cells)):
                yield Problem(code, row.position, message)
        elif money.amount is None or (day is None and not money.amount):
            if day is not None:
                yield Problem(Code.ROW_UNCLEAR, row.position, "a line without an amount")
        elif self._is_over and day is None:
            yield Problem(Code.ROW_UNCLEAR, row.position, "an amount after the end of the table")
        else:
            yield from self._take_line(row, cells, day, money, reader)

    def _check_holder(self, row: Row, cells: list[Cell], reader: LineReader) -> Iterator[Event]:
        """Whose money it is, and of which currency: the same in every line."""
        currency = reader.currency_of(cells)
        if currency and currency != reader.currency:
            if self._first_day is None and not self._preamble.currency and is_currency(currency):
                reader.currency = currency
            else:
                message = f"{currency[:10]!r} in a table of {reader.currency}"
                yield Problem(Code.CURRENCY, row.position, message)
        account = reader.account(cells)
        if account and not self._account:
            self._account = account
        elif account != self._account and self._account:
            message = f"a line of account {account[:40]!r} in a table of {self._account}"
            yield Problem(Code.NO_ACCOUNT, row.position, message)

    def _take_line(
        self, row: Row, cells: list[Cell], day: date | None, money: Money, reader: LineReader
    ) -> Iterator[Event]:
        amount = money.amount
        assert amount is not None  # noqa: S101 - the caller has looked
        problems: list[Problem] = []
        if day is None and not reader.date_text(cells) and self._profile.fill_down:
            day = self._day_above
        if day is None:
            message = f"{reader.date_text(cells)[:40]!r} is not a date"
            problems.append(Problem(Code.DATE, row.position, message))
        else:
            self._count_day(day)
        self._proof.add_columns(money.debit, money.credit)
        if money.is_unusual:
            self._proof.unusual = True
            message = "an amount has an unexpected sign and no balance proves it"
            self._proof.needs_proof(Code.DIRECTION, row.position, message)
        self._check_width(row, problems)
        line, damaged = reader.line(row.position, cells, day, money)
        self._follow(row, cells, line, reader, problems)
        if self._line is not None:
            yield self._line
        self._line = line
        yield from problems
        yield from damaged

    def _count_day(self, day: date) -> None:
        self._day_above = day
        if self._first_day is None or day < self._first_day:
            self._first_day = day
        if self._last_day is None or day > self._last_day:
            self._last_day = day

    def _check_width(self, row: Row, problems: list[Problem]) -> None:
        """In delimited text a row of another width may have its cells in wrong columns."""
        if not row.position.startswith("line") or len(row.cells) == self._width:
            return
        if not self._width:
            self._width = len(row.cells)
        elif len(row.cells) > self._width:
            if not is_blank(Row("", row.cells[self._width :])):
                message = f"{len(row.cells)} cells where the header has {self._width}"
                problems.append(Problem(Code.ROW_UNCLEAR, row.position, message))
        else:
            message = f"{len(row.cells)} cells where the header has {self._width}, and no balance"
            self._proof.needs_proof(Code.ROW_UNCLEAR, row.position, f"{message} proves them")

    def _follow(
        self,
        row: Row,
        cells: list[Cell],
        line: ParsedLine,
        reader: LineReader,
        problems: list[Problem],
    ) -> None:
        """Count a booked line into the sums and follow its balance."""
        if line.status.value != "booked":
            return
        self._proof.add(line.amount)
        printed = reader.balance(cells) if reader.has_balance(cells) else None
        self._running.take(row.position, line.amount, printed)
        if printed is None and reader.has_balance(cells):
            problems.append(
                Problem(Code.BALANCE_UNCLEAR, row.position, "the balance is not an amount")
            )

    def _close(self) -> Iterator[Event]:
        self._sections += 1
        if self._line is not None:
            yield self._line
            self._line = None
        proof, running = self._proof, self._running
        yield from running.problems(proof.opening)
        ends = running.ends(proof.opening)
        if ends is not None and self._profile.balances_from_rows:
            proof.opening = ends[0] if proof.opening is None else proof.opening
            proof.closing = ends[1] if proof.closing is None else proof.closing
        check, problems = proof.check()
        yield from problems
        first, last = self._preamble.period or (self._first_day, self._last_day)
        account, problem = self._holder()
        if problem is not None:
            yield problem
        yield ParsedStatement(
            account=account,
            currency=self._reader.currency if self._reader else self._currency,
            from_date=first,
            to_date=last,
            opening_balance=proof.opening,
            closing_balance=proof.closing,
            balance_check=check,
        )

    def _holder(self) -> tuple[str, Problem | None]:
        """The account the table is of: as printed, else as the profile says."""
        printed, named = self._preamble.account or self._account, self._profile.account.number
        if not printed and not named:
            message = "no account number is printed, and the profile names none"
            return "", Problem(Code.NO_ACCOUNT, "table", message)
        if printed and named and normalise_account(printed) != normalise_account(named):
            message = f"the table is of account {printed}, the profile of {named}"
            return printed, Problem(Code.NO_ACCOUNT, "table", message)
        return named or printed, None
