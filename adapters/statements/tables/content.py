"""What the cells of a column look like: dates, amounts, words; nothing is concluded here."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.statements.amounts import is_currency, table_amount
from adapters.statements.dates import table_date
from adapters.statements.rows import Cell
from adapters.statements.tables.line import is_nothing
from adapters.statements.tables.profile import folded
from adapters.statements.tables.words import standard_words

DATE_ORDERS: Final = ("dmy", "mdy", "ymd")
DECIMAL_MARKS: Final = (".", ",")
NO_CURRENCY: Final = "XXX"
"""ISO 4217 for none: amounts with two decimals at most."""

_CODE: Final = re.compile(r"([A-Z]{3})\s?(?=[-+(]?\d)|(?<=\d)\s?([A-Z]{3})$")
_SYMBOL: Final = {"£": "GBP", "€": "EUR", "₫": "VND"}
_SHORT_YEAR: Final = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2}(?:\s.*)?", re.ASCII)
_YEAR_LAST: Final = re.compile(r"\d{1,2}([/.\- ])\d{1,2}\1(?:\d{4}|\d{2})\.?(?:[ T].*)?", re.ASCII)
TWO_CURRENCIES: Final = ("CNY", "JPY")
"""Of which one symbol stands for both."""
_MOST: Final = 0.5


def as_date(cell: Cell, order: str) -> date | None:
    """A cell as a day in this order, years of two digits allowed."""
    return table_date(cell, order, short_years=True)


def is_date(cell: Cell) -> bool:
    """Whether a cell is a day in any order."""
    return any(as_date(cell, order) for order in DATE_ORDERS)


def has_short_year(cell: Cell) -> bool:
    """Whether a day is written with two digits for the year."""
    return isinstance(cell, str) and _SHORT_YEAR.fullmatch(cell.strip()) is not None


def needs_order(cell: Cell) -> bool:
    """Whether which number is the day and which the month is told by an order alone."""
    return isinstance(cell, str) and _YEAR_LAST.fullmatch(cell.strip()) is not None


def as_amount(cell: Cell, mark: str, currency: str) -> Decimal | None:
    """A cell as an amount with this decimal mark."""
    return table_amount(cell, currency, mark)


def is_amount(cell: Cell) -> bool:
    """Whether a cell is an amount with either decimal mark, whatever currency stands beside."""
    currency = currency_in(cell) or NO_CURRENCY
    return any(as_amount(cell, mark, currency) is not None for mark in DECIMAL_MARKS)


def currency_in(cell: Cell) -> str:
    """The currency written beside an amount, empty if there is none."""
    if not isinstance(cell, str):
        return ""
    for symbol, code in _SYMBOL.items():
        if symbol in cell:
            return code
    if has_shared_symbol(cell):
        return TWO_CURRENCIES[0]
    found = _CODE.search(cell.strip())
    return (found.group(1) or found.group(2)) if found else ""


def has_shared_symbol(cell: Cell) -> bool:
    """Whether an amount has the symbol that yuan and yen share."""
    return isinstance(cell, str) and ("¥" in cell or "￥" in cell)


def is_currency_word(cell: Cell) -> bool:
    """Whether a cell is a currency's code or one of its names."""
    word = folded(cell or "")
    return is_currency(word) or word in standard_words().currencies


def is_direction(cell: Cell) -> bool:
    """Whether a cell says in or out."""
    return folded(cell or "") in standard_words().directions


def is_status(cell: Cell) -> bool:
    """Whether a cell is a known word for the state of a payment."""
    return folded(cell or "") in standard_words().statuses


def is_number(cell: Cell) -> bool:
    """Whether a cell could be an account number: mostly digits."""
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell or "")
    return sum(c.isdigit() for c in text) * 2 > len(text.strip())


def mostly(cells: Sequence[Cell], test: Callable[[Cell], bool], *, may_be_empty: bool) -> bool:
    """Whether nearly all cells that hold something pass the test."""
    held = [cell for cell in cells if not is_nothing(cell)]
    if not held:
        return may_be_empty
    return sum(map(test, held)) >= _MOST * len(held)
