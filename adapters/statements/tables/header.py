"""What stands above a table and at its head: marks, account, currency, period, columns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from adapters.statements.dates import table_date
from adapters.statements.rows import Cell, Row
from adapters.statements.tables.profile import TableProfile, folded

Columns = Mapping[str, int]
"""Role of a column to its index."""

_PERIOD: Final = re.compile(
    r"(?:TỪ|FROM)\D{0,40}(\d{1,2}[/.-]\d{1,2}[/.-]\d{4})"
    r".{0,40}?(?:ĐẾN|TO|-)\D{0,40}(\d{1,2}[/.-]\d{1,2}[/.-]\d{4})"
)
_CURRENCY: Final = re.compile(r"\b[A-Z]{3}\b")
_GAPS: Final = re.compile(r"(?<=\d)[ .\-](?=\d)")
EXACT_NUMBER: Final = 10**15
"""Up to here a spreadsheet's binary number holds every digit it shows."""
SCIENTIFIC: Final = re.compile(r"\d(?:[.,]\d+)?E\+\d{2}", re.ASCII)


def texts_of(row: Row) -> list[str]:
    """The folded text of every cell; empty for blanks, plain digits for whole numbers."""
    return [cell_text(cell) for cell in row.cells]


def cell_text(cell: Cell) -> str:
    """A cell as folded text; a whole number without the point a spreadsheet gives it."""
    if cell is None or isinstance(cell, bool):
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < EXACT_NUMBER:
        return str(int(cell))
    return folded(cell)


def is_blank(row: Row) -> bool:
    """Whether nothing is printed in the row."""
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in row.cells)


def find_columns(
    texts: Sequence[str],
    columns: Mapping[Any, tuple[str, ...] | int],
    required: Sequence[str],
) -> Columns | None:
    """Which column has which role, if the row is a header.

    A header text that equals a mark wins over one that contains it as whole words; a column has
    one role. A role given by the number of its column has that one, whatever is printed. None
    unless every required role has a column.
    """
    found: dict[str, int] = {
        role: marks - 1
        for role, marks in columns.items()
        if isinstance(marks, int) and marks <= len(texts)
    }
    for matches in (_equals, _contains):
        for role, marks in columns.items():
            if role in found or isinstance(marks, int):
                continue
            taken = set(found.values())
            free = [i for i, text in enumerate(texts) if text and i not in taken]
            hit = next((i for mark in marks for i in free if matches(texts[i], mark)), None)
            if hit is not None:
                found[role] = hit
    return found if all(role in found for role in required) else None


def _equals(text: str, mark: str) -> bool:
    return text == mark


def _contains(text: str, mark: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(mark)}(?!\w)", text) is not None


def joined_texts(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Two rows of a header that is printed over both, column by column."""
    width = max(len(first), len(second))
    both = zip(*(list(row) + [""] * (width - len(row)) for row in (first, second)), strict=True)
    return [f"{upper} {lower}".strip() for upper, lower in both]


def has_marks(rows: Sequence[Row], groups: Sequence[Sequence[str]]) -> bool:
    """Whether one mark of every group is printed somewhere in these rows."""
    printed = "\n".join(text for row in rows for text in texts_of(row))
    return all(any(mark in printed for mark in group) for group in groups)


@dataclass(slots=True)
class Preamble:
    """What was read above a table."""

    account: str = ""
    currency: str = ""
    currency_unclear: bool = False
    period: tuple[date, date] | None = None

    def take(self, texts: Sequence[str], profile: TableProfile) -> None:
        """Read one row; what was found first stays."""
        self.account = self.account or find_account(texts, profile)
        if not self.currency and (label := labelled(texts, profile.currency.labels)):
            code = _CURRENCY.search(label)
            self.currency = code.group() if code else ""
            self.currency_unclear = code is None
        if self.period is None and (found := _PERIOD.search(" ".join(texts))):
            start, end = (table_date(text) for text in found.groups())
            self.period = (start, end) if start and end and start <= end else None


def find_account(texts: Sequence[str], profile: TableProfile) -> str:
    """The account number in a row that carries its label, or an empty text."""
    for index, text in enumerate(texts):
        marks = profile.account
        label = next((m for m in marks.labels if m in text), None)
        if label is None or any(_contains(text, word) for word in marks.ignored):
            continue
        for place in (text.split(label, 1)[1], next((t for t in texts[index + 1 :] if t), "")):
            number = re.search(rf"(?<![\dA-Z]){marks.pattern}(?!\d)", _GAPS.sub("", place))
            if number:
                return number.group()
    return ""


def labelled(texts: Sequence[str], labels: Sequence[str]) -> str:
    """What stands behind one of these labels: the rest of its cell, else the next cell."""
    for index, text in enumerate(texts):
        for label in labels:
            if label in text:
                rest = text.split(label, 1)[1].strip(" :")
                return rest or next((t for t in texts[index + 1 :] if t), "")
    return ""


def header_columns(texts: Sequence[str], profile: TableProfile) -> Columns | None:
    """Which column has which role, if the row is a header of this profile."""
    return find_columns(texts, profile.columns, profile.required)


def begins_with(texts: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether a cell of the row begins with one of these labels."""
    return any(text.startswith(label) for text in texts for label in labels)
