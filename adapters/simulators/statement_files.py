"""Files as banks and providers send them: camt.053, BIDV-style tables, settlement reports."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any, Final

import xlsxwriter
from lxml import etree

from adapters.statements.settlement_map import SettlementMap, settlement_maps
from core.money import Currency, Money
from reconciliation.errors import LayoutUnknownError

_CAMT_NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A movement on the account; ``amount`` is signed, money in is positive."""

    booking_date: date
    amount: Money
    narrative: str = ""
    value_date: date | None = None
    reference: str = ""
    bank_reference: str = ""
    counterparty_name: str = ""
    counterparty_account: str = ""
    is_booked: bool = True
    reversal: bool = False


@dataclass(frozen=True, slots=True)
class PrintedStatement:
    """What a bank says of an account for a period.

    ``closing`` is what the lines make of ``opening`` unless it is given, which is how a statement
    that does not add up is made. ``page`` is (number, whether it is the last).
    """

    account: str
    number: str
    from_date: date
    to_date: date
    opening: Money
    lines: Sequence[PrintedLine] = ()
    closing: Money | None = None
    page: tuple[int, bool] | None = None

    @property
    def final_balance(self) -> Money:
        """The balance that is printed at the end."""
        booked = (line.amount for line in self.lines if line.is_booked)
        return reduce(add, booked, self.opening) if self.closing is None else self.closing


@dataclass(frozen=True, slots=True)
class SettlementReportLine:
    """A line of a provider's report: ``gross`` negative for money back, ``fee`` with its VAT.

    ``net`` is gross less fee unless it is given, which is how a report that is wrong is made.
    """

    kind: str
    provider_txn_id: str
    merchant_reference: str
    gross: Money
    fee: Money
    occurred_at: datetime
    payout_id: str
    payout_date: date
    vat: Money | None = None
    net: Money | None = None


def write_camt053(
    statements: Iterable[PrintedStatement], *, message_id: str, created_at: datetime
) -> bytes:
    """One camt.053.001.08 document with these statements, each with its balances and entries."""
    root = etree.Element("Document", nsmap={None: _CAMT_NAMESPACE})  # type: ignore[dict-item]
    message = etree.SubElement(root, "BkToCstmrStmt")
    header = etree.SubElement(message, "GrpHdr")
    _text(header, "MsgId", message_id)
    _text(header, "CreDtTm", created_at.isoformat(timespec="seconds"))
    for statement in statements:
        _add_statement(message, statement)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _add_statement(message: etree._Element, statement: PrintedStatement) -> None:
    element = etree.SubElement(message, "Stmt")
    _text(element, "Id", f"{statement.account}-{statement.number}")
    if statement.page is not None:
        _text(element, "StmtPgntn/PgNb", str(statement.page[0]))
        _text(element.find("StmtPgntn"), "LastPgInd", str(statement.page[1]).lower())
    _text(element, "ElctrncSeqNb", statement.number)
    period = etree.SubElement(element, "FrToDt")
    _text(period, "FrDtTm", f"{statement.from_date}T00:00:00+07:00")
    _text(period, "ToDtTm", f"{statement.to_date}T23:59:59+07:00")
    _text(element, "Acct/Id/Othr/Id", statement.account)
    _text(element.find("Acct"), "Ccy", statement.opening.currency.value)
    page, is_last = statement.page or (1, True)
    if page == 1:
        _add_balance(element, "OPBD", statement.opening, statement.from_date)
    if is_last:
        _add_balance(element, "CLBD", statement.final_balance, statement.to_date)
    for line in statement.lines:
        _add_entry(element, line)


def _add_balance(parent: etree._Element, code: str, balance: Money, day: date) -> None:
    element = etree.SubElement(parent, "Bal")
    _text(element, "Tp/CdOrPrtry/Cd", code)
    _add_amount(element, balance)
    _text(element, "Dt/Dt", day.isoformat())


def _add_amount(parent: etree._Element, amount: Money) -> None:
    unsigned = -amount if amount.amount_minor < 0 else amount
    element = _text(parent, "Amt", unsigned.decimal)
    element.set("Ccy", amount.currency.value)
    _text(parent, "CdtDbtInd", "DBIT" if amount.amount_minor < 0 else "CRDT")


def _add_entry(parent: etree._Element, line: PrintedLine) -> None:
    entry = etree.SubElement(parent, "Ntry")
    _add_amount(entry, line.amount)
    if line.reversal:
        _text(entry, "RvslInd", "true")
    _text(entry, "Sts/Cd", "BOOK" if line.is_booked else "PDNG")
    _text(entry, "BookgDt/Dt", line.booking_date.isoformat())
    _text(entry, "ValDt/Dt", (line.value_date or line.booking_date).isoformat())
    if line.bank_reference:
        _text(entry, "AcctSvcrRef", line.bank_reference)
    _text(entry, "BkTxCd/Prtry/Cd", "TRF")
    details = etree.SubElement(etree.SubElement(entry, "NtryDtls"), "TxDtls")
    if line.reference:
        _text(details, "Refs/EndToEndId", line.reference)
    _add_amount(details, line.amount)
    # A reversal keeps the roles of what it undoes: money coming back comes from the creditor.
    is_debtor = (line.amount.amount_minor >= 0) is not line.reversal
    _add_party(details, "Dbtr" if is_debtor else "Cdtr", line)
    if line.narrative:
        _text(details, "RmtInf/Ustrd", line.narrative)


def _add_party(details: etree._Element, role: str, line: PrintedLine) -> None:
    if not line.counterparty_name and not line.counterparty_account:
        return
    parties = etree.SubElement(details, "RltdPties")
    if line.counterparty_name:
        _text(parties, f"{role}/Pty/Nm", line.counterparty_name)
    if line.counterparty_account:
        _text(parties, f"{role}Acct/Id/Othr/Id", line.counterparty_account)


def _text(parent: Any, path: str, text: str) -> etree._Element:
    """Append nested elements by names joined with ``/`` and set the innermost one's text."""
    element: etree._Element = parent
    for name in path.split("/"):
        element = etree.SubElement(element, name)
    element.text = text
    return element


def write_bank_spreadsheet(statement: PrintedStatement, *, numbers_as_text: bool = False) -> bytes:
    """A workbook in the layout of BIDV's account report: title rows, table, opening and closing.

    ``numbers_as_text`` prints ``1.234.000`` as text, as some exports do; otherwise amounts are
    number cells.
    """
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(buffer, options) as workbook:
        workbook.set_properties({"created": datetime(2026, 1, 1)})  # noqa: DTZ001 - same bytes always
        sheet = workbook.add_worksheet("Bao cao")
        for number, cells in enumerate(_bank_rows(statement)):
            for column, cell in enumerate(cells):
                if isinstance(cell, Money) and numbers_as_text:
                    sheet.write_string(number, column, _dotted(cell))
                elif isinstance(cell, Money):
                    sheet.write_number(number, column, float(Decimal(cell.decimal)))
                elif cell:
                    sheet.write_string(number, column, cell)
    return buffer.getvalue()


def write_bank_csv(statement: PrintedStatement, *, encoding: str = "utf-8-sig") -> bytes:
    """The same layout as delimited text."""
    rows = (
        [_dotted(c) if isinstance(c, Money) else c for c in cells]
        for cells in _bank_rows(statement)
    )
    return _csv(rows, delimiter=";", encoding=encoding)


def _bank_rows(statement: PrintedStatement) -> Iterable[list[str | Money]]:
    yield ["NGÂN HÀNG TMCP ĐẦU TƯ VÀ PHÁT TRIỂN VIỆT NAM"]
    yield ["BÁO CÁO CHI TIẾT SỐ DƯ TÀI KHOẢN"]
    yield [f"Từ ngày {statement.from_date:%d/%m/%Y} đến ngày {statement.to_date:%d/%m/%Y}"]
    yield [f"Số tài khoản: {statement.account}"]
    yield [f"Loại tiền: {statement.opening.currency.value}"]
    yield []
    yield ["Ngày hiệu lực", "Ghi nợ", "Ghi có", "Số dư", "Mô tả"]
    yield ["Dư đầu", "", "", statement.opening]
    balance = statement.opening
    zero = Money(0, balance.currency)
    for line in statement.lines:
        balance += line.amount
        debit, credit = (-line.amount, zero) if line.amount < zero else (zero, line.amount)
        yield [f"{line.booking_date:%d/%m/%Y}", debit, credit, balance, line.narrative]
    yield ["Dư cuối", "", "", statement.final_balance]


def write_settlement_report(
    provider: str, lines: Iterable[SettlementReportLine], *, report_id: str
) -> bytes:
    """A provider's report as CSV, in the layout of the settlement map that ships for it.

    Raises:
        LayoutUnknownError: no map ships for this provider.
    """
    layout = next((m for m in settlement_maps() if m.provider == provider), None)
    if layout is None:
        raise LayoutUnknownError(f"no settlement map is called {provider!r}")
    words = {str(kind): word for word, kind in reversed(list(layout.kinds.items()))}
    roles = list(layout.columns)
    headers = [layout.columns[role][0] for role in roles]
    if provider == "stripe":
        headers, words = [h.lower() for h in headers], {k: w.lower() for k, w in words.items()}
    rows: list[list[str]] = [[layout.report_labels[0], report_id]] if layout.report_labels else []
    rows.append(headers)
    for line in lines:
        cells = _report_cells(line, layout, words[line.kind], report_id)
        rows.append([cells[role] for role in roles])
    return _csv(rows, delimiter=",", encoding="utf-8")


def _report_cells(
    line: SettlementReportLine, layout: SettlementMap, word: str, report_id: str
) -> dict[str, str]:
    gross, net = line.gross, line.net or line.gross - line.fee
    vat = line.vat or Money(0, line.gross.currency)
    if layout.signs == "by_kind" and line.kind != "payment":
        gross, net = -gross, -net
    fee = line.fee - vat if "vat" in layout.columns else line.fee
    moment = line.occurred_at.astimezone(_zone(layout)).strftime("%Y-%m-%d %H:%M:%S")
    order = line.merchant_reference
    if layout.provider == "zalopay":
        order = f"{line.occurred_at.astimezone(_zone(layout)):%y%m%d}_{order}"
    currency = line.gross.currency.value
    return {
        "provider_txn_id": line.provider_txn_id,
        "bill_reference": order,
        "kind": word,
        "status": layout.final_statuses[0] if layout.final_statuses else "",
        "gross": gross.decimal,
        "fee": fee.decimal,
        "vat": vat.decimal,
        "net": net.decimal,
        "currency": currency.lower() if layout.provider == "stripe" else currency,
        "occurred_at": moment,
        "payout_id": line.payout_id,
        "payout_date": line.payout_date.isoformat(),
        "report_id": report_id,
    }


def _zone(layout: SettlementMap) -> timezone:
    return timezone(timedelta(minutes=layout.offset_minutes))


def _dotted(amount: Money) -> str:
    """As Vietnamese banks print it: dots every three digits of dong, commas where cents follow."""
    if amount.currency is Currency.VND:
        return f"{amount.amount_minor:,}".replace(",", ".")
    return f"{Decimal(amount.decimal):,}"


def _csv(rows: Iterable[Sequence[str]], *, delimiter: str, encoding: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)
