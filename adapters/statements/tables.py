"""Bank statements in tables, read by a profile: lines, balances and the proofs they carry."""

import re
import unicodedata
from collections.abc import Generator, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.statements.amounts import is_currency, table_amount
from adapters.statements.dates import table_date
from adapters.statements.events import Event
from adapters.statements.limits import Limits
from adapters.statements.problems import Code, ContentRefusedError
from adapters.statements.profiles import TableProfile
from adapters.statements.rows import Cell, Row
from adapters.statements.table_header import (
    Columns,
    Preamble,
    begins_with,
    find_account,
    find_columns,
    has_marks,
    is_blank,
    joined_texts,
    texts_of,
)
from adapters.statements.table_proof import Proof, RunningBalance
from reconciliation.ports import ParsedLine, ParsedStatement, Problem

_TEXT_ROLES: Final = (
    "narrative",
    "reference",
    "bank_reference",
    "counterparty_name",
    "counterparty_account",
)
_REFERENCE_ROLES: Final = ("reference", "bank_reference", "counterparty_account")
_NOTHING: Final = frozenset({"", "-", "–"})
_EXACT_NUMBER: Final = 10**15
_SCIENTIFIC: Final = re.compile(r"\d(?:[.,]\d+)?E\+\d{2}", re.ASCII)


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
        if (named or has_marks(first, profile.marks)) and _header_row(first, profile) is not None
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


def _header_row(rows: Sequence[Row], profile: TableProfile) -> int | None:
    previous: list[str] = []
    for index, row in enumerate(rows):
        texts = texts_of(row)
        for candidate in (texts, joined_texts(previous, texts)):
            if find_columns(candidate, profile.columns, profile.required) is not None:
                return index
        previous = texts
    return None


def walk_table(rows: Iterator[Row], profile: TableProfile, limits: Limits) -> Iterator[Event]:
    """Read a table to its end, section by section.

    Raises:
        ContentRefusedError: there is no header, or no account above it.
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
        self._columns: Columns | None = None
        self._proof = Proof()
        self._running = RunningBalance()
        self._days: list[date] = []
        self._last_date: date | None = None
        self._previous: list[str] = []
        self._rows_above = 0
        self._is_over = False

    def take(self, row: Row) -> Iterator[Event]:
        """Read one row that is not blank."""
        if self._columns is not None:
            day = self._date_cell(row, self._columns)
            if day is not None:  # a line; what its texts say makes it no label
                yield from self._take_row(row, day, self._columns)
                return
        texts = texts_of(row)
        if self._starts_section(texts):
            yield from self._close()
            self._begin()
        if self._columns is None:
            yield from self._take_above(row, texts)
        elif not (yield from self._take_balance(row, texts)):
            yield from self._take_undated(row, texts, self._columns)
        self._previous = texts

    def _starts_section(self, texts: list[str]) -> bool:
        in_table = self._columns is not None and self._profile.sections
        return in_table and bool(find_account(texts, self._profile))

    def end(self) -> Iterator[Event]:
        """The file is over.

        Raises:
            ContentRefusedError: no table was found in it.
        """
        if self._columns is not None:
            yield from self._close()
        elif not self._sections:
            message = f"no header row of the profile {self._profile.name} was found"
            raise ContentRefusedError(Code.PROFILE_DOES_NOT_FIT, "table", message)

    def _take_above(self, row: Row, texts: list[str]) -> Iterator[Event]:
        profile = self._profile
        for candidate in (texts, joined_texts(self._previous, texts)):
            columns = find_columns(candidate, profile.columns, profile.required)
            if columns is not None:
                self._columns = columns
                yield from self._check_preamble(row)
                return
        self._preamble.take(texts, profile)
        yield from self._take_balance(row, texts)
        self._rows_above += 1
        if self._rows_above > self._limits.header_within_rows and not self._sections:
            message = f"no header row in the first {self._rows_above} rows"
            raise ContentRefusedError(Code.PROFILE_DOES_NOT_FIT, row.position, message)

    def _check_preamble(self, header: Row) -> Iterator[Event]:
        preamble = self._preamble
        if not preamble.account:
            message = "no account number is printed above the table"
            raise ContentRefusedError(Code.NO_ACCOUNT, header.position, message)
        if preamble.currency_unclear:
            message = "the currency is not printed as a code of three letters"
            yield Problem(Code.CURRENCY, header.position, message)
        self._running.start(self._proof.opening)

    @property
    def _currency(self) -> str:
        code = self._preamble.currency
        return code if is_currency(code) else self._profile.currency

    def _take_balance(self, row: Row, texts: list[str]) -> Generator[Event, None, bool]:
        """Read an opening or closing row; True if it is one."""
        opening = begins_with(texts, self._profile.opening)
        if not opening and not begins_with(texts, self._profile.closing):
            return False
        amount = self._last_amount(row)
        if amount is None:
            message = "the balance in this row is not an amount"
            yield Problem(Code.BALANCE_UNCLEAR, row.position, message)
        elif opening:
            self._proof.opening = amount
            self._running.start(amount)
        else:
            self._proof.closing = amount
        self._is_over = self._columns is not None and not opening
        return True

    def _last_amount(self, row: Row) -> Decimal | None:
        """The last amount printed in the row, or behind the colon of its label."""
        for cell in reversed(row.cells):
            if (amount := table_amount(cell, self._currency)) is not None:
                return amount
            if isinstance(cell, str) and ":" in cell:
                return table_amount(cell.rpartition(":")[2], self._currency)
        return None

    def _take_undated(self, row: Row, texts: list[str], columns: Columns) -> Iterator[Event]:
        """A row without a date: totals, a repeated header, decoration, or a line all the same."""
        if begins_with(texts, self._profile.totals):
            debit, credit = (self._amount_cells(row, columns, r)[1] for r in ("debit", "credit"))
            self._proof.declared = (row.position, debit, credit)
            self._is_over = True
        elif find_columns(texts, self._profile.columns, self._profile.required) is None:
            yield from self._take_row(row, None, columns)

    def _take_row(self, row: Row, day: date | None, columns: Columns) -> Iterator[Event]:
        debit, credit = (self._amount_cells(row, columns, role) for role in ("debit", "credit"))
        if debit[1] or credit[1]:
            yield from self._take_money(row, columns, day, (debit, credit))
        else:
            yield from self._take_no_money(row, day, (debit[0], credit[0]))

    def _amount_cells(self, row: Row, columns: Columns, role: str) -> tuple[Cell, Decimal | None]:
        cell = _at(row, columns, role)
        return cell, None if _is_nothing(cell) else table_amount(cell, self._currency)

    def _date_cell(self, row: Row, columns: Columns) -> date | None:
        return table_date(_at(row, columns, "booking_date"))

    def _take_no_money(
        self, row: Row, day: date | None, cells: tuple[Cell, Cell]
    ) -> Iterator[Event]:
        """A row without an amount is decoration, unless it looks like a line that lost it."""
        unreadable = [cell for cell in cells if not _is_nothing(cell) and _has_digit(cell)]
        zero = [cell for cell in unreadable if table_amount(cell, self._currency) == 0]
        if len(unreadable) > len(zero):
            shown = str(next(cell for cell in unreadable if cell not in zero))[:40]
            message = f"{shown!r} is not an amount of {self._currency}"
            if day is not None or not self._is_over:
                yield Problem(Code.AMOUNT, row.position, message)
        elif day is not None:
            yield Problem(Code.ROW_UNCLEAR, row.position, "a line without an amount")

    def _take_money(
        self,
        row: Row,
        columns: Columns,
        day: date | None,
        cells: tuple[tuple[Cell, Decimal | None], tuple[Cell, Decimal | None]],
    ) -> Iterator[Event]:
        (debit_cell, debit), (credit_cell, credit) = cells
        unreadable = [cell for cell, amount in cells if amount is None and not _is_nothing(cell)]
        if unreadable or (debit and credit):
            shown = ", ".join(str(c)[:40] for c in (unreadable or [debit_cell, credit_cell]))
            message = f"it is not clear which amount is meant: {shown}"
            yield Problem(Code.AMOUNT, row.position, message)
            return
        if self._is_over and day is None:
            yield Problem(Code.ROW_UNCLEAR, row.position, "an amount after the end of the table")
            return
        amount = self._signed(debit or Decimal(0), credit or Decimal(0), row.position)
        line, problems = self._line(row, columns, day, amount)
        self._proof.add(amount)
        balance = _at(row, columns, "balance")
        printed = None if _is_nothing(balance) else table_amount(balance, self._currency)
        self._running.take(row.position, amount, printed)
        if printed is None and not _is_nothing(balance):
            message = f"the balance {str(balance)[:40]!r} is not an amount"
            yield Problem(Code.BALANCE_UNCLEAR, row.position, message)
        yield line
        yield from problems

    def _signed(self, debit: Decimal, credit: Decimal, position: str) -> Decimal:
        """Money in minus money out; a sign that is not the column's own needs a proof."""
        if self._profile.debit_is_negative:
            debit = -debit
        if debit < 0 or credit < 0:
            self._proof.unusual_sign = self._proof.unusual_sign or position
        return credit - debit

    def _line(
        self, row: Row, columns: Columns, day: date | None, amount: Decimal
    ) -> tuple[ParsedLine, list[Problem]]:
        problems = []
        date_cell = _at(row, columns, "booking_date")
        if day is None and _is_nothing(date_cell) and self._profile.fill_down:
            day = self._last_date
        if day is None:
            message = f"{str(date_cell or '')[:40]!r} is not a date"
            problems.append(Problem(Code.DATE, row.position, message))
        else:
            self._last_date = day
            self._days = [min([*self._days, day]), max([*self._days, day])]
        texts = {role: _text(_at(row, columns, role)) for role in _TEXT_ROLES}
        for role in _REFERENCE_ROLES:
            cell = _at(row, columns, role)
            if _is_damaged_number(cell):
                texts[role] = ""
                message = "a number of more than 15 digits is damaged already; send it as text"
                problems.append(Problem(Code.REFERENCE_DAMAGED, row.position, message))
        unusual = self._proof.unusual_sign == row.position
        line = ParsedLine(
            position=row.position,
            booking_date=day,
            value_date=table_date(_at(row, columns, "value_date")) or None,
            amount=amount,
            currency=self._currency,
            reversal=unusual,
            narrative=texts["narrative"],
            reference=texts["reference"],
            bank_reference=texts["bank_reference"],
            counterparty_name=texts["counterparty_name"],
            counterparty_account=texts["counterparty_account"],
        )
        return line, problems

    def _close(self) -> Iterator[Event]:
        self._sections += 1
        proof, running = self._proof, self._running
        yield from running.problems(proof.opening)
        ends = running.ends(proof.opening)
        if ends is not None and self._profile.balances_from_rows:
            proof.opening = ends[0] if proof.opening is None else proof.opening
            proof.closing = ends[1] if proof.closing is None else proof.closing
        check, problems = proof.check()
        yield from problems
        first, last = (self._days[0], self._days[-1]) if self._days else (None, None)
        first, last = self._preamble.period or (first, last)
        yield ParsedStatement(
            account=self._preamble.account,
            currency=self._currency,
            from_date=first,
            to_date=last,
            opening_balance=proof.opening,
            closing_balance=proof.closing,
            balance_check=check,
        )


def _at(row: Row, columns: Columns, role: str) -> Cell:
    index = columns.get(role)
    return row.cells[index] if index is not None and index < len(row.cells) else None


def _is_nothing(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and cell.strip() in _NOTHING)


def _is_damaged_number(cell: Cell) -> bool:
    """Whether a spreadsheet has taken a long reference for a number and lost its last digits."""
    if isinstance(cell, str):
        return _SCIENTIFIC.fullmatch(cell.strip()) is not None
    return isinstance(cell, int | float) and abs(cell) >= _EXACT_NUMBER


def _has_digit(cell: Cell) -> bool:
    return any(c.isdigit() for c in str(cell))


def _text(cell: Cell) -> str:
    """A cell as text of a line: as written, composed (NFC), blanks at the ends removed."""
    if cell is None or isinstance(cell, bool):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return unicodedata.normalize("NFC", str(cell)).strip()
