"""Layouts of tables as data: banks' spreadsheets and providers' settlement reports."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

_DATA: Final = resources.files("adapters.statements")


@dataclass(frozen=True, slots=True)
class TableProfile:
    """How one bank lays out a statement; all marks are compared by :func:`folded`.

    Attributes:
        marks: texts of which all groups must be found above the table, one of each group.
        columns: role to the header texts it goes by. Roles: booking_date, value_date, debit,
            credit, amount, balance, narrative, reference, bank_reference, counterparty_name,
            counterparty_account.
        required: the roles without which a row is no header.
        account_labels, account_pattern, account_ignored: where the account number stands, what
            it looks like, and words that mark an account number to be passed over.
        opening, closing, totals: texts that begin such rows.
        fill_down: a row without a date has that of the row above it.
        sections: the file may hold several accounts, each with its own header.
        debit_is_negative: debits are printed with their minus.
        balances_from_rows: no opening or closing is printed; the running balance states them.
        encoding: of text exports that are neither marked nor UTF-8.
        provenance: where the layout is known from, and how surely.
    """

    name: str
    title: str
    provenance: str
    marks: tuple[tuple[str, ...], ...]
    columns: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    account_labels: tuple[str, ...]
    account_pattern: str
    account_ignored: tuple[str, ...]
    currency_labels: tuple[str, ...]
    currency: str
    opening: tuple[str, ...]
    closing: tuple[str, ...]
    totals: tuple[str, ...]
    fill_down: bool
    sections: bool
    debit_is_negative: bool
    balances_from_rows: bool
    encoding: str


@dataclass(frozen=True, slots=True)
class SettlementMap:
    """How one provider lays out its settlement report.

    Attributes:
        columns: role to header texts. Roles: provider_txn_id, bill_reference, kind, status,
            currency, gross, fee, vat, net, occurred_at, payout_id, payout_date, report_id.
        required: the roles without which a row is no header.
        kinds: the provider's words to payment, refund, chargeback, or ``skip``.
        final_statuses: words of lines whose money is certain; empty if there is no such column.
        signs: ``signed`` as printed, or ``by_kind``: printed positive, negative for money back.
        bill_pattern: a pattern whose group ``bill`` is our bill reference in the provider's
            order id (bill reference, hyphen, attempt).
        currency: of lines that state none.
        offset_minutes: east of UTC, of times without an offset.
        report_labels: texts that stand before the report's id above the table.
        demonstration: the layout is ours, because the real one is contractual.
    """

    name: str
    provider: str
    title: str
    provenance: str
    demonstration: bool
    columns: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    kinds: Mapping[str, str]
    final_statuses: tuple[str, ...]
    signs: str
    bill_pattern: str
    currency: str
    offset_minutes: int
    report_labels: tuple[str, ...]
    totals: tuple[str, ...]
    encoding: str


def folded(text: object) -> str:
    """A text as marks are compared: composed, upper case, single blanks, none around slashes."""
    composed = unicodedata.normalize("NFC", str(text)).upper()
    return re.sub(r"\s*/\s*", "/", " ".join(composed.split())).strip()


@cache
def table_profiles() -> tuple[TableProfile, ...]:
    """The profiles that ship with the product, by name."""
    return tuple(_profile(data) for data in _load(_DATA / "profiles"))


@cache
def settlement_maps() -> tuple[SettlementMap, ...]:
    """The settlement maps that ship with the product, by name."""
    return tuple(_map(data) for data in _load(_DATA / "settlement_maps"))


def _load(folder: Traversable) -> list[dict[str, Any]]:
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _profile(data: dict[str, Any]) -> TableProfile:
    account, currency = data["account"], data["currency"]
    return TableProfile(
        name=data["name"],
        title=data["title"],
        provenance=data["provenance"],
        marks=tuple(_folded(group) for group in data["marks"]),
        columns={role: _folded(texts) for role, texts in data["columns"].items()},
        required=tuple(data["required"]),
        account_labels=_folded(account["labels"]),
        account_pattern=account["pattern"],
        account_ignored=_folded(account.get("ignored", [])),
        currency_labels=_folded(currency.get("labels", [])),
        currency=currency["default"],
        opening=_folded(data.get("opening", [])),
        closing=_folded(data.get("closing", [])),
        totals=_folded(data.get("totals", [])),
        fill_down=data.get("fill_down", False),
        sections=data.get("sections", False),
        debit_is_negative=data.get("debit_is_negative", False),
        balances_from_rows=data.get("balances_from_rows", False),
        encoding=data.get("encoding", "cp1258"),
    )


def _map(data: dict[str, Any]) -> SettlementMap:
    return SettlementMap(
        name=data["name"],
        provider=data["provider"],
        title=data["title"],
        provenance=data["provenance"],
        demonstration=data["demonstration"],
        columns={role: _folded(texts) for role, texts in data["columns"].items()},
        required=tuple(data["required"]),
        kinds={folded(word): kind for word, kind in data["kinds"].items()},
        final_statuses=_folded(data.get("final_statuses", [])),
        signs=data["signs"],
        bill_pattern=data["bill_pattern"],
        currency=data["currency"],
        offset_minutes=data["offset_minutes"],
        report_labels=_folded(data.get("report_labels", [])),
        totals=_folded(data.get("totals", [])),
        encoding=data.get("encoding", "cp1258"),
    )


def _folded(texts: list[str]) -> tuple[str, ...]:
    return tuple(folded(text) for text in texts)
