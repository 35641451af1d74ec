"""Drafts a layout from what a table shows; what it does not show is asked, never guessed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from adapters.statements.amounts import currency_exponent, is_currency
from adapters.statements.rows import Cell, Row
from adapters.statements.tables.content import (
    DATE_ORDERS,
    NO_CURRENCY,
    TWO_CURRENCIES,
    as_amount,
    as_date,
    currency_in,
    has_shared_symbol,
    has_short_year,
    is_date,
    needs_order,
)
from adapters.statements.tables.finding import Found
from adapters.statements.tables.header import Preamble, begins_with, texts_of
from adapters.statements.tables.line import is_nothing
from adapters.statements.tables.profile import (
    AccountMarks,
    CurrencyMarks,
    Role,
    TableProfile,
    folded,
    profile_from,
)
from adapters.statements.tables.words import standard_words
from reconciliation.ports import (
    LayoutAnswers,
    LayoutQuestion,
)

_MONEY: Final[tuple[Role, ...]] = ("amount", "debit", "credit", "balance")
_MARKS: Final = 8
_LONGEST_MARK: Final = 200


@dataclass(slots=True)
class Draft:
    """A profile in the making."""

    data: dict[str, Any]
    questions: list[LayoutQuestion] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)

    def ask(self, about: str, message: str, *choices: str) -> None:
        """Leave something to a person."""
        self.questions.append(LayoutQuestion(about, message, choices))


def names_and_marks(found: Found, encoding: str, answers: LayoutAnswers) -> dict[str, Any]:
    """The profile as far as the header tells it."""
    columns: dict[Role, Any] = {
        role: [found.texts[index]] if found.texts and _is_mark(found.texts[index]) else index + 1
        for role, index in found.columns.items()
    }
    needed = [r for r in ("booking_date", "amount", "debit", "credit") if r in columns]
    return {
        "name": answers.name or "new-table",
        "title": answers.title,
        "marks": [[text] for text in found.texts if _is_mark(text)][:_MARKS],
        "columns": columns,
        "required": needed,
        "has_header": bool(found.texts),
        "encoding": encoding,
    }


def _is_mark(text: str) -> bool:
    """Whether a header text is one that a table can be known again by."""
    return 0 < len(text) <= _LONGEST_MARK


def find_holder(found: Found, answers: LayoutAnswers, draft: Draft) -> None:
    """Whose table it is: as said, else as printed above it or in a column, else asked."""
    marks = AccountMarks(labels=standard_words().labels["account"])
    probe = _probe(draft, account=marks)
    preamble = Preamble()
    for row in found.above:
        preamble.take(texts_of(row), probe)
    if answers.account:
        draft.data["account"] = {"number": answers.account}
    elif preamble.account:
        labels = [
            label
            for label in marks.labels
            if any(label in text for row in found.above for text in texts_of(row))
        ]
        draft.data["account"] = {"labels": labels}
    elif "account" not in found.columns:
        draft.ask("account", "no account number is printed: whose table is it?")


def find_currency(found: Found, answers: LayoutAnswers, draft: Draft) -> str:
    """The currency, the first of: said, in a column, printed above, in the header, at amounts."""
    labels = standard_words().labels["currency"]
    preamble = Preamble()
    probe = _probe(draft, currency=CurrencyMarks(labels=labels, default=NO_CURRENCY))
    for row in found.above:
        preamble.take(texts_of(row), probe)
    code = answers.currency or _currency_column(found) or preamble.currency
    code = code or _currency_in_header(found) or _currency_at_amounts(found)
    if not code:
        draft.ask("currency", "no currency is printed: which is it?")
    elif code == _currency_at_amounts(found) and _shares_symbol(found) and not answers.currency:
        draft.ask("currency", "the amounts have a symbol of two currencies", *TWO_CURRENCIES)
    draft.data["currency"] = {"default": code or NO_CURRENCY}
    if preamble.currency and not answers.currency:
        draft.data["currency"]["labels"] = list(labels)
    return code or NO_CURRENCY


def _currency_column(found: Found) -> str:
    if "currency" not in found.columns:
        return ""
    words = [folded(cell) for cell in found.cells("currency") if not is_nothing(cell)]
    known = standard_words().currencies
    codes = [word if is_currency(word) else known.get(word, "") for word in words]
    return next((code for code in codes if code), "")


def _currency_in_header(found: Found) -> str:
    texts = [found.texts[i] for r, i in found.columns.items() if r in _MONEY and found.texts]
    words = (word.strip("()") for text in texts for word in text.split()[1:])
    known = standard_words().currencies
    return next((known.get(word, word) for word in words if is_currency(word) or word in known), "")


def _currency_at_amounts(found: Found) -> str:
    roles = [role for role in _MONEY if role in found.columns]
    codes = {currency_in(cell) for role in roles for cell in found.cells(role)} - {""}
    return codes.pop() if len(codes) == 1 else ""


def _shares_symbol(found: Found) -> bool:
    roles = [role for role in _MONEY if role in found.columns]
    return any(has_shared_symbol(cell) for role in roles for cell in found.cells(role))


def find_dates(found: Found, dated: Sequence[Row], answers: LayoutAnswers, draft: Draft) -> None:
    """The order of day, month and year: as said, else the only one all cells allow."""
    places = [found.columns[r] for r in ("booking_date", "value_date") if r in found.columns]
    cells = [row.cells[i] for row in dated for i in places if i < len(row.cells)]
    cells = [cell for cell in cells if is_date(cell)]
    draft.data["short_years"] = any(map(has_short_year, cells))
    open_to = [cell for cell in cells if needs_order(cell)]
    if not open_to:
        draft.data["date_order"] = "ymd" if any(as_date(c, "dmy") is None for c in cells) else "dmy"
        return
    orders = DATE_ORDERS if all(map(has_short_year, open_to)) else DATE_ORDERS[:2]
    possible = [order for order in orders if all(as_date(cell, order) for cell in open_to)]
    draft.data["date_order"] = answers.date_order or (possible or ["dmy"])[0]
    if len(possible) != 1 and not answers.date_order:
        choices = possible or list(orders)
        days = " or ".join(str(as_date(open_to[0], order)) for order in choices)
        draft.ask("date_order", f"{open_to[0]!r} could be {days}", *choices)


def decimal_marks(
    found: Found, dated: Sequence[Row], currency: str, answers: LayoutAnswers
) -> list[str]:
    """The marks by which every amount can be read; those that read all alike count once."""
    if answers.decimal_mark:
        return [answers.decimal_mark]
    places = [found.columns[role] for role in _MONEY if role in found.columns]
    cells = [row.cells[i] for row in dated for i in places if i < len(row.cells)]
    held = [cell for cell in cells if not is_nothing(cell)]
    marks = (["", ".", ","]) if currency_exponent(currency) == 0 else [".", ","]
    read = {mark: _amounts(held, mark, currency) for mark in marks}
    most = max(len(amounts) for amounts in read.values())
    different: dict[tuple[tuple[int, Decimal], ...], str] = {}
    for mark, amounts in read.items():
        if len(amounts) == most:
            different.setdefault(amounts, mark)
    if "" in different.values():
        return [""]
    return list(different.values())


def _amounts(cells: Sequence[Cell], mark: str, currency: str) -> tuple[tuple[int, Decimal], ...]:
    read = ((n, as_amount(cell, mark, currency)) for n, cell in enumerate(cells))
    return tuple((n, amount) for n, amount in read if amount is not None)


def find_rows_that_are_no_lines(found: Found, dated: Sequence[Row], draft: Draft) -> None:
    """Dated rows that state balances: told by a column of their own, or asked about."""
    labels = standard_words().labels
    kinds = {"opening": "opening", "closing": "closing", "totals": "skip"}
    stated: dict[int, str] = {}
    for number, row in enumerate(dated):
        texts = texts_of(row)
        for label, kind in kinds.items():
            if any(text in labels[label] for text in texts):
                stated[number] = kind
    if not stated:
        return
    width = max(len(row.cells) for row in dated)
    for index in set(range(width)) - set(found.columns.values()):
        words = [folded(row.cells[index] or "") if index < len(row.cells) else "" for row in dated]
        types = {words[number]: kind for number, kind in stated.items()}
        lines = {word for number, word in enumerate(words) if number not in stated}
        if "" not in types and not lines & set(types):
            draft.data["columns"]["row_type"] = index + 1
            draft.data["row_types"] = types | dict.fromkeys(sorted(lines - {""}), "line")
            return
    draft.ask("row_type", "dated rows state balances, and no column tells them from lines")


def find_rows_without_date(found: Found, draft: Draft) -> None:
    """Labels of balances and totals around the table, and texts that go on below their line."""
    labels = standard_words().labels
    place = found.columns["booking_date"]
    undated = [
        row for row in found.below if place >= len(row.cells) or not is_date(row.cells[place])
    ]
    around = [*found.above, *undated]
    for name in ("opening", "closing", "totals"):
        printed = [
            label
            for label in labels[name]
            if any(begins_with(texts_of(row), [label]) for row in around)
        ]
        if printed:
            draft.data[name] = printed
    narrative = found.columns.get("narrative")
    texts = [
        row
        for row in undated
        if narrative is not None
        and len(row.cells) > narrative
        and all(is_nothing(cell) is (i != narrative) for i, cell in enumerate(row.cells))
    ]
    if texts:
        draft.data["continued"] = True
        draft.assumptions.append("rows of nothing but narrative go on with the line above")


def negative_debits(found: Found) -> bool:
    """Whether every debit is printed with its minus."""
    if "debit" not in found.columns:
        return False
    debits = [str(cell).strip() for cell in found.cells("debit") if not is_nothing(cell)]
    return bool(debits) and all(debit.startswith("-") for debit in debits)


def _probe(
    draft: Draft,
    *,
    account: AccountMarks | None = None,
    currency: CurrencyMarks | None = None,
) -> TableProfile:
    """The profile as far as it is known, to look above the table with."""
    data = draft.data | {
        "account": account or AccountMarks(),
        "currency": currency or CurrencyMarks(default=NO_CURRENCY),
    }
    return profile_from(data, where="proposal")
