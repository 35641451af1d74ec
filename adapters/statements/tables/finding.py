"""Finds the header of a table nobody has seen before, and which column has which role."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from adapters.statements.rows import Cell, Row
from adapters.statements.tables.content import (
    is_amount,
    is_currency_word,
    is_date,
    is_direction,
    is_number,
    is_status,
    mostly,
)
from adapters.statements.tables.header import is_blank, joined_texts, texts_of
from adapters.statements.tables.line import is_nothing
from adapters.statements.tables.profile import Role
from adapters.statements.tables.words import standard_words

_HEADER_WITHIN: Final = 60
_ROWS_LOOKED_AT: Final = 300
_COLUMNS_LOOKED_AT: Final = 64
_LONG_TEXT: Final = 8

_FITS: Final[Mapping[Role, tuple[Callable[[Cell], bool], bool]]] = {
    "booking_date": (is_date, False),
    "value_date": (is_date, False),
    "amount": (is_amount, False),
    "debit": (is_amount, True),
    "credit": (is_amount, True),
    "balance": (is_amount, False),
    "direction": (is_direction, False),
    "currency": (is_currency_word, False),
    "status": (is_status, False),
    "account": (is_number, False),
}
"""What the cells below a header text have to look like, and whether all may be empty."""


@dataclass(frozen=True, slots=True)
class Found:
    """A table, the place of its header, and the rows above and below it.

    ``columns`` is role to index, ``texts`` those of the header, empty if there is none.
    """

    columns: dict[Role, int]
    texts: list[str]
    position: str
    above: Sequence[Row]
    below: Sequence[Row]

    def cells(self, role: Role) -> list[Cell]:
        """The cells of a column, of all rows below the header."""
        index = self.columns[role]
        return [row.cells[index] if index < len(row.cells) else None for row in self.below]


def find_table(rows: Sequence[Row]) -> Found | None:
    """The table in these rows: the header whose words name most columns, else none at all."""
    best: Found | None = None
    previous: list[str] = []
    dated = [number for number, row in enumerate(rows[:_ROWS_LOOKED_AT]) if _is_dated(row)]
    for index, row in enumerate(rows[:_HEADER_WITHIN]):
        texts = texts_of(row)[:_COLUMNS_LOOKED_AT]
        below = [rows[number] for number in dated if number > index]
        for candidate in (texts, joined_texts(previous, texts)):
            columns = _assigned(candidate, below)
            if is_table(columns) and (best is None or len(columns) > len(best.columns)):
                best = Found(columns, candidate, row.position, rows[:index], rows[index + 1 :])
        previous = texts
    return best or _without_header([rows[number] for number in dated], rows)


def _is_dated(row: Row) -> bool:
    return any(map(is_date, row.cells[:_COLUMNS_LOOKED_AT]))


def is_table(columns: Mapping[Role, int]) -> bool:
    """Whether a date and an amount are among the columns."""
    return "booking_date" in columns and bool({"amount", "debit", "credit"} & set(columns))


def _assigned(texts: Sequence[str], dated: Sequence[Row]) -> dict[Role, int]:
    """Roles of the columns whose text names one and whose cells look like it."""
    if sum(bool(text) for text in texts) < len(("date", "amount")):
        return {}
    found: dict[Role, int] = {}
    for matches in (_equals, _holds):
        for role, marks in standard_words().columns.items():
            if role in found:
                continue
            free = [i for i, text in enumerate(texts) if text and i not in found.values()]
            hit = next(
                (i for m in marks for i in free if matches(texts[i], m) and _fits(role, i, dated)),
                None,
            )
            if hit is not None:
                found[role] = hit
    return _decided(found, dated)


def _equals(text: str, mark: str) -> bool:
    return text == mark


def _holds(text: str, mark: str) -> bool:
    """Whether a text begins with the mark, as ``BETRAG (EUR)`` with ``BETRAG``."""
    rest = text.removeprefix(mark)
    return rest != text and not rest[:1].isalnum()


def _fits(role: Role, index: int, rows: Sequence[Row]) -> bool:
    if not rows:
        return False
    if role not in _FITS:
        return True
    test, may_be_empty = _FITS[role]
    cells = [row.cells[index] if index < len(row.cells) else None for row in rows]
    return mostly(cells, test, may_be_empty=may_be_empty)


def _decided(found: dict[Role, int], dated: Sequence[Row]) -> dict[Role, int]:
    """One way of stating amounts: two columns where both are there, else the one, signed."""
    if "debit" in found and "credit" in found:
        return {r: i for r, i in found.items() if r not in ("amount", "direction")}
    if "amount" in found:
        return {r: i for r, i in found.items() if r not in ("debit", "credit")}
    alone: Role | None = next((r for r in ("debit", "credit") if r in found), None)
    if alone and any(_is_negative(row, found[alone]) for row in dated):
        found["amount"] = found.pop(alone)
    return found


def _is_negative(row: Row, index: int) -> bool:
    return index < len(row.cells) and str(row.cells[index] or "").strip().startswith("-")


def _without_header(dated: Sequence[Row], rows: Sequence[Row]) -> Found | None:
    """Columns told by their cells alone; two columns of amounts are left to a person."""
    if not dated:
        return None
    width = Counter(len(row.cells) for row in dated).most_common(1)[0][0]
    even = [row for row in dated if len(row.cells) == width]
    width = min(width, _COLUMNS_LOOKED_AT)
    columns: dict[Role, int] = {}
    roles: tuple[Role, ...] = ("booking_date", "value_date", "currency", "direction")
    for role in roles:
        free = (i for i in range(width) if i not in columns.values())
        if (hit := next((i for i in free if _is_full(role, i, even)), None)) is not None:
            columns[role] = hit
    columns |= _amount_columns(width, set(columns.values()), even)
    lengths = {i: _length(i, even) for i in range(width) if i not in columns.values()}
    longest = max(lengths, key=lambda i: lengths[i], default=None)
    if longest is not None and lengths[longest] >= _LONG_TEXT:
        columns["narrative"] = longest
    held = [row for row in rows if not is_blank(row)]
    return Found(columns, [], "", [], held) if is_table(columns) else None


def _amount_columns(width: int, taken: set[int], rows: Sequence[Row]) -> dict[Role, int]:
    """The one column of amounts, or two of which each row has exactly one; else none."""
    free = [i for i in range(width) if i not in taken]
    for first, second in combinations(free, 2):
        pairs = [(row.cells[first], row.cells[second]) for row in rows]
        if (
            any(is_nothing(a) for a, _ in pairs)
            and any(is_nothing(b) for _, b in pairs)
            and all(
                is_nothing(a) is not is_nothing(b) and is_amount(b if is_nothing(a) else a)
                for a, b in pairs
            )
        ):
            return {"debit": first, "credit": second}
    full = [i for i in free if _is_full("amount", i, rows)]
    return {"amount": full[0]} if len(full) == 1 else {}


def _is_full(role: Role, index: int, rows: Sequence[Row]) -> bool:
    """Whether every row has such a cell here; a bare number is no amount."""
    test, _ = _FITS[role]
    cells = [row.cells[index] for row in rows]
    if role == "amount" and not any(_has_mark(cell) for cell in cells):
        return False
    return all(not is_nothing(cell) and test(cell) for cell in cells)


def _has_mark(cell: Cell) -> bool:
    return isinstance(cell, float) or any(mark in str(cell) for mark in ".,")


def _length(index: int, rows: Sequence[Row]) -> int:
    return sum(len(str(row.cells[index] or "")) for row in rows) // len(rows)
