"""One row of a table as a line: its day, its money with the holder's sign, its texts."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.statements.amounts import is_currency, table_amount
from adapters.statements.dates import table_date
from adapters.statements.problems import Code
from adapters.statements.rows import Cell, Row
from adapters.statements.tables.header import EXACT_NUMBER, SCIENTIFIC, Columns
from adapters.statements.tables.profile import RowType, TableProfile, folded
from adapters.statements.tables.words import standard_words
from reconciliation.ports import LineStatus, ParsedLine, Problem

_REFERENCES: Final = ("reference", "bank_reference", "counterparty_account")
_NOTHING: Final = frozenset({"", "-", "–", "--"})
_ZERO: Final = Decimal(0)


@dataclass(slots=True)
class Money:
    """What the amount cells of a row hold.

    ``amount`` is signed for the account holder; None where the cells are empty or, with a
    ``problem``, unclear. ``debit`` and ``credit`` are what these columns print, the debit without
    its minus. ``is_unusual``: the sign is not the one its column has; ``is_news``: it moves none.
    """

    amount: Decimal | None = None
    problem: tuple[Code, str] | None = None
    debit: Decimal = _ZERO
    credit: Decimal = _ZERO
    is_unusual: bool = False
    is_news: bool = False


class LineReader:
    """Reads rows below a header by a profile; made once for a table."""

    def __init__(self, profile: TableProfile, columns: Columns) -> None:
        self.currency = profile.currency.default
        self._profile = profile
        self._columns = columns
        self._reach = max(columns.values()) + 1
        self._dates = (profile.date_order, profile.short_years)
        self._booking = columns["booking_date"]
        self._value = columns.get("value_date")
        self._balance = columns.get("balance")
        self._amount = columns.get("amount")
        self._debit, self._credit = columns.get("debit"), columns.get("credit")
        self._charges = [columns[role] for role in ("fee", "tax") if role in columns]
        self._texts = [
            (role, columns.get(role))
            for role in (
                "narrative",
                "reference",
                "bank_reference",
                "counterparty_name",
                "counterparty_account",
            )
        ]
        words = standard_words()
        self._directions = words.directions | dict(profile.directions)
        self._statuses = words.statuses | dict(profile.statuses)
        self._currencies = words.currencies | dict(profile.currency.words)

    def cells(self, row: Row) -> list[Cell]:
        """The cells of a row, at least as many as the header has columns with a role."""
        missing = self._reach - len(row.cells)
        return row.cells + [None] * missing if missing > 0 else row.cells

    def day(self, cells: Sequence[Cell]) -> date | None:
        """The booking date, None if the cell is none."""
        order, short = self._dates
        return table_date(cells[self._booking], order, short_years=short)

    def date_text(self, cells: Sequence[Cell]) -> str:
        """What stands in the cell of the booking date; empty for nothing."""
        cell = cells[self._booking]
        return "" if is_nothing(cell) else str(cell)

    def has_balance(self, cells: Sequence[Cell]) -> bool:
        """Whether a balance is printed in this row."""
        return self._balance is not None and not is_nothing(cells[self._balance])

    def balance(self, cells: Sequence[Cell]) -> Decimal | None:
        """The balance printed in this row, None where it is none."""
        return None if self._balance is None else self.read_amount(cells[self._balance])

    def read_amount(self, cell: Cell) -> Decimal | None:
        """A cell as an amount of the table's currency."""
        return table_amount(cell, self.currency, self._profile.decimal_mark)

    def row_type(self, cells: Sequence[Cell]) -> RowType | None:
        """What a dated row is; None if the layout does not know its word."""
        index = self._columns.get("row_type")
        return "line" if index is None else self._profile.row_types.get(folded(cells[index] or ""))

    def account(self, cells: Sequence[Cell]) -> str:
        """The account named in the row."""
        index = self._columns.get("account")
        return "" if index is None else _text(cells[index]).strip("'")

    def currency_of(self, cells: Sequence[Cell]) -> str:
        """The currency the row names, as a code; empty if it names none."""
        index = self._columns.get("currency")
        word = folded(cells[index] or "") if index is not None else ""
        return word if is_currency(word) else self._currencies.get(word, word)

    def declared(self, cells: Sequence[Cell]) -> tuple[Decimal | None, Decimal | None]:
        """Debit and credit of a row of totals."""
        debit, credit = (
            None if place is None or is_nothing(cells[place]) else self.read_amount(cells[place])
            for place in (self._debit, self._credit)
        )
        return debit, credit

    def money(self, cells: Sequence[Cell]) -> Money:
        """The money of a row."""
        if self._amount is not None:
            return self._from_one(cells, cells[self._amount])
        return self._from_two(cells)

    def _from_one(self, cells: Sequence[Cell], cell: Cell) -> Money:
        if is_nothing(cell):
            return Money()
        amount = self.read_amount(cell)
        if amount is None:
            return Money(problem=self._no_amount([cell]))
        if self._profile.inverse_sign:
            amount = -amount
        index = self._columns.get("direction")
        return (
            Money(amount) if index is None else self._directed(amount, folded(cells[index] or ""))
        )

    def _directed(self, amount: Decimal, word: str) -> Money:
        """An amount of which a word beside it says whether it comes or goes."""
        direction = self._directions.get(word)
        if direction == "neutral":
            return Money(amount, is_news=True)
        if direction is None:
            return Money(problem=(Code.DIRECTION, f"{word[:40]!r} is no direction known here"))
        if amount < 0 and direction == "credit":
            return Money(problem=(Code.DIRECTION, f"{amount} is marked as money in"))
        return Money(abs(amount) if direction == "credit" else -abs(amount))

    def _from_two(self, cells: Sequence[Cell]) -> Money:
        places = [self._debit, self._credit, *self._charges]
        printed = [i for i in places if i is not None and not is_nothing(cells[i])]
        if not printed:
            return Money()
        amounts = {i: self.read_amount(cells[i]) for i in printed}
        if unreadable := [cells[i] for i, amount in amounts.items() if amount is None]:
            return Money(problem=self._no_amount(unreadable))
        credit = amounts.get(self._credit) or _ZERO if self._credit is not None else _ZERO
        debit = amounts.get(self._debit) or _ZERO if self._debit is not None else _ZERO
        charges = sum((amounts.get(i) or _ZERO for i in self._charges), _ZERO)
        if debit and credit:
            shown = ", ".join(str(cells[i])[:40] for i in printed)
            return Money(problem=(Code.AMOUNT, f"it is not clear which amount is meant: {shown}"))
        out = debit + charges
        if not credit and not out:  # where money should stand is nothing, perhaps a lost formula
            return Money()
        if self._profile.debit_is_negative:
            debit, out = -debit, -out
        is_unusual = credit < 0 or debit < 0
        return Money(credit - out, debit=debit, credit=credit, is_unusual=is_unusual)

    def _no_amount(self, cells: Sequence[Cell]) -> tuple[Code, str]:
        shown = ", ".join(str(cell)[:40] for cell in cells)
        return Code.AMOUNT, f"{shown!r} is not an amount of {self.currency}"

    def looks_like_money(self, cells: Sequence[Cell]) -> bool:
        """Whether an amount cell of the row has a digit: something that may be money lost."""
        places = [self._debit, self._credit, self._amount]
        return any(i is not None and any(c.isdigit() for c in str(cells[i] or "")) for i in places)

    def is_text_only(self, cells: Sequence[Cell]) -> bool:
        """Whether nothing but the narrative is printed in the row."""
        place = self._columns.get("narrative")
        return place is not None and all(
            is_nothing(cell) is (index != place) for index, cell in enumerate(cells)
        )

    def narrative(self, cells: Sequence[Cell]) -> str:
        """The narrative of the row."""
        return _text(cells[self._columns["narrative"]])

    def line(
        self, position: str, cells: Sequence[Cell], day: date | None, money: Money
    ) -> tuple[ParsedLine, list[Problem]]:
        """The line, and what is damaged in its texts; ``money`` holds an amount."""
        problems: list[Problem] = []
        narrative, reference, bank_reference, name, account = (
            self._text(role, i, cells, position, problems) for role, i in self._texts
        )
        order, short = self._dates
        line = ParsedLine(
            position,
            day,
            None
            if self._value is None
            else table_date(cells[self._value], order, short_years=short),
            money.amount or _ZERO,
            self.currency,
            self._status(position, cells, money, problems),
            money.is_unusual,
            narrative,
            reference,
            bank_reference,
            name,
            account,
        )
        return line, problems

    def _status(
        self, position: str, cells: Sequence[Cell], money: Money, problems: list[Problem]
    ) -> LineStatus:
        if money.is_news:
            return LineStatus.INFORMATION
        index = self._columns.get("status")
        if index is None:
            return LineStatus.BOOKED
        word = folded(cells[index] or "")
        if (status := self._statuses.get(word)) is not None:
            return status
        message = f"{word[:40]!r} is no status this layout knows"
        problems.append(Problem(Code.STATUS, position, message))
        return LineStatus.INFORMATION

    def _text(
        self,
        role: str,
        index: int | None,
        cells: Sequence[Cell],
        position: str,
        problems: list[Problem],
    ) -> str:
        if index is None:
            return ""
        cell = cells[index]
        if role in _REFERENCES and _is_damaged_number(cell):
            message = "a number of more than 15 digits is damaged already; send it as text"
            problems.append(Problem(Code.REFERENCE_DAMAGED, position, message))
            return ""
        return _text(cell)


def is_nothing(cell: Cell) -> bool:
    """Whether a cell is empty or holds a dash that stands for nothing."""
    return cell is None or (isinstance(cell, str) and cell.strip() in _NOTHING)


def _is_damaged_number(cell: Cell) -> bool:
    """Whether a spreadsheet has taken a long reference for a number and lost its last digits."""
    if isinstance(cell, str):
        return SCIENTIFIC.fullmatch(cell.strip()) is not None
    return isinstance(cell, int | float) and abs(cell) >= EXACT_NUMBER


def _text(cell: Cell) -> str:
    """A cell as text of a line: as written, composed (NFC), blanks at the ends removed."""
    if isinstance(cell, str):
        return (cell if cell.isascii() else unicodedata.normalize("NFC", cell)).strip()
    if cell is None or isinstance(cell, bool):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
