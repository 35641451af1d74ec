"""Settlement reports of payment providers, read by a map: gross, fee, net and the payout."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from adapters.statements.amounts import currency_exponent, table_amount
from adapters.statements.dates import table_date, table_moment
from adapters.statements.limits import Limits
from adapters.statements.problems import Code, ContentRefusedError
from adapters.statements.rows import Cell, Row
from adapters.statements.settlement_map import SettlementMap
from adapters.statements.tables.header import (
    Columns,
    begins_with,
    cell_text,
    find_columns,
    is_blank,
    labelled,
    texts_of,
)
from adapters.statements.tables.profile import folded
from core.money import Currency, Money
from reconciliation.ports import ParsedSettlementLine, Problem

SettlementEvent = ParsedSettlementLine | Problem | str
"""A line, a problem, or (a text) the report's id. Nothing counts before the end of the file."""

_SKIP: Final = "skip"
_PAYMENT: Final = "payment"
_EXACT_NUMBER: Final = 10**15


class _LineProblemError(Exception):
    """One line cannot be read; it is named and the report is held."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def walk_settlement(
    rows: Iterator[Row], layout: SettlementMap, limits: Limits
) -> Iterator[SettlementEvent]:
    """Read a report to its end.

    Raises:
        ContentRefusedError: there is no header of this map, or no line below it.
    """
    walk = _Walk(layout, limits)
    for row in rows:
        if not is_blank(row):
            yield from walk.take(row)
    yield from walk.end()


@dataclass(slots=True)
class _Sums:
    gross: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    net: Decimal = Decimal(0)


class _Walk:
    """One pass over one report."""

    def __init__(self, layout: SettlementMap, limits: Limits) -> None:
        self._layout = layout
        self._limits = limits
        self._columns: Columns | None = None
        self._bill = re.compile(layout.bill_pattern)
        self._sums = _Sums()
        self._report_id = ""
        self._above = 0
        self._lines = 0

    def take(self, row: Row) -> Iterator[SettlementEvent]:
        """Read one row that is not blank."""
        texts = texts_of(row)
        if self._columns is None:
            yield from self._take_above(row, texts)
        elif begins_with(texts, self._layout.totals):
            yield from self._check_totals(row)
        elif not self._is_decoration(row, texts):
            yield from self._take_line(row)

    def _is_decoration(self, row: Row, texts: list[str]) -> bool:
        """A repeated header, or a row that names neither money nor a transaction."""
        if find_columns(texts, self._layout.columns, self._layout.required) is not None:
            return True
        roles = ("gross", "fee", "net", "provider_txn_id", "bill_reference")
        return not any(cell_text(self._cell(row, role)).strip() for role in roles)

    def end(self) -> Iterator[SettlementEvent]:
        """The file is over.

        Raises:
            ContentRefusedError: no header was found.
        """
        if self._columns is None:
            raise self._no_header("file")
        yield self._report_id

    def _take_above(self, row: Row, texts: list[str]) -> Iterator[SettlementEvent]:
        self._columns = find_columns(texts, self._layout.columns, self._layout.required)
        if self._columns is None:
            self._report_id = self._report_id or labelled(texts, self._layout.report_labels)
            self._above += 1
            if self._above > self._limits.header_within_rows:
                raise self._no_header(row.position)
        yield from ()

    def _no_header(self, where: str) -> ContentRefusedError:
        message = f"no header row of the settlement map {self._layout.name} was found"
        return ContentRefusedError(Code.PROFILE_DOES_NOT_FIT, where, message)

    def _take_line(self, row: Row) -> Iterator[SettlementEvent]:
        try:
            line = self._line(row)
        except _LineProblemError as problem:
            yield Problem(problem.code, row.position, problem.message)
            return
        if line is None:
            return
        self._lines += 1
        yield line
        if line.gross - line.fee != line.net:
            message = f"gross {line.gross} less fee {line.fee} is not the net {line.net}"
            yield Problem(Code.NET_DIFFERS, row.position, message)

    def _line(self, row: Row) -> ParsedSettlementLine | None:
        kind = self._kind(row)
        if kind == _SKIP:
            return None
        self._check_final(row)
        currency = self._currency(row)
        gross, fee, net = self._amounts(row, kind, currency)
        provider_txn_id = self._identifier(row, "provider_txn_id")
        order = self._identifier(row, "bill_reference")
        if not provider_txn_id and not order:
            raise _LineProblemError(Code.ID_MISSING, "neither a transaction nor an order id")
        found = self._bill.fullmatch(order)
        occurred = self._cell(row, "occurred_at")
        moment = table_moment(occurred, offset_minutes=self._layout.offset_minutes)
        if moment is None:
            raise _LineProblemError(Code.DATE, f"{cell_text(occurred)[:40]!r} is no time")
        payout = self._cell(row, "payout_date")
        payout_date = table_date(payout)
        if payout_date is None:
            raise _LineProblemError(Code.DATE, f"{cell_text(payout)[:40]!r} is no payout day")
        self._report_id = self._report_id or self._identifier(row, "report_id")
        return ParsedSettlementLine(
            position=row.position,
            kind=kind,
            provider_txn_id=provider_txn_id,
            bill_reference=found.group("bill") if found else order,
            gross=gross,
            fee=fee,
            net=net,
            occurred_at=moment,
            payout_id=self._identifier(row, "payout_id"),
            payout_date=payout_date,
        )

    def _kind(self, row: Row) -> str:
        word = folded(self._cell(row, "kind") or "")
        if word not in self._layout.kinds:
            message = f"{word[:40]!r} is no kind of line this map knows"
            raise _LineProblemError(Code.KIND_UNKNOWN, message)
        return self._layout.kinds[word]

    def _check_final(self, row: Row) -> None:
        """A line whose status is not final is no money yet, and no reason to look away."""
        if not self._layout.final_statuses:
            return
        status = cell_text(self._cell(row, "status"))
        if status not in self._layout.final_statuses:
            message = f"the status {status[:40]!r} is not final"
            raise _LineProblemError(Code.LINE_NOT_FINAL, message)

    def _currency(self, row: Row) -> Currency:
        code = cell_text(self._cell(row, "currency")) or self._layout.currency
        try:
            return Currency(code)
        except ValueError as error:
            message = f"{code[:10]!r} is not collected here"
            raise _LineProblemError(Code.CURRENCY, message) from error

    def _amounts(self, row: Row, kind: str, currency: Currency) -> tuple[Money, Money, Money]:
        """Gross, fee with VAT, and net; negative gross and net for money going back."""
        gross, net = self._amount(row, "gross", currency), self._amount(row, "net", currency)
        fee = self._amount(row, "fee", currency)
        if "vat" in (self._columns or {}):
            fee += self._amount(row, "vat", currency)
        if self._layout.signs == "by_kind" and kind != _PAYMENT:
            if gross < 0 or net < 0:
                message = "a minus where this map expects none"
                raise _LineProblemError(Code.SIGN_UNCLEAR, message)
            gross, net = -gross, -net
        if (gross < 0) is (kind == _PAYMENT) and gross:
            message = f"the sign of {gross} does not fit a {kind}"
            raise _LineProblemError(Code.SIGN_UNCLEAR, message)
        self._sums.gross += gross
        self._sums.fee += fee
        self._sums.net += net
        return _money(gross, currency), _money(fee, currency), _money(net, currency)

    def _amount(self, row: Row, role: str, currency: str) -> Decimal:
        cell = self._cell(row, role)
        amount = table_amount(cell, currency)
        if amount is None:
            message = f"{role} {str(cell or '')[:40]!r} is not an amount of {currency}"
            raise _LineProblemError(Code.AMOUNT, message)
        return amount

    def _identifier(self, row: Row, role: str) -> str:
        cell = self._cell(row, role)
        if isinstance(cell, int | float) and abs(cell) >= _EXACT_NUMBER:
            message = f"{role}: a number of more than 15 digits is damaged already"
            raise _LineProblemError(Code.REFERENCE_DAMAGED, message)
        return cell.strip() if isinstance(cell, str) else cell_text(cell)

    def _check_totals(self, row: Row) -> Iterator[SettlementEvent]:
        for role in ("gross", "net"):
            declared = table_amount(self._cell(row, role), self._layout.currency)
            read = getattr(self._sums, role)
            if declared is not None and declared != read:
                message = f"the {role} total is printed as {declared}, the lines give {read}"
                yield Problem(Code.TOTALS_DIFFER, row.position, message)

    def _cell(self, row: Row, role: str) -> Cell:
        index = (self._columns or {}).get(role)
        return row.cells[index] if index is not None and index < len(row.cells) else None


def _money(amount: Decimal, currency: Currency) -> Money:
    """Exact: what was read has no more decimals than the currency."""
    return Money(int(amount.scaleb(currency_exponent(currency))), currency)
