"""Texts and cells read as exact amounts, or not at all."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

_EXPONENTS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENT_OF: Final = {code: n for n, codes in _EXPONENTS.items() for code in codes.split()}
_USUAL_EXPONENT: Final = 2

_MAX_DIGITS: Final = 18
"""ISO 20022 amounts have at most 18 digits; more is damage, not money."""
_PLAIN: Final = re.compile(r"\+?(?=\.?\d)(\d*)(?:\.(\d*))?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_DOTS: Final = re.compile(r"\d{1,3}(?:\.\d{3})+")
_COMMAS: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d{2})?")
_BARE: Final = re.compile(r"\d{1,18}(?:\.\d{1,2})?")
_BLANKS: Final = re.compile(r"\d{1,3}(?: \d{3})+")
_MARKED: Final = {
    ",": re.compile(r"(?:\d{1,3}(?:([. '’])\d{3})(?:\1\d{3})*|\d+)(?:,(\d*))?"),
    ".": re.compile(r"(?:\d{1,3}(?:([, '’])\d{3})(?:\1\d{3})*|\d+|(?=\.\d))(?:\.(\d*))?"),
}
_SYMBOLS: Final = {
    "VND": "VNĐ|[đĐ₫]",
    "EUR": "€",
    "GBP": "£",
    "USD": r"US\$|\$",
    "JPY": "[¥￥円]",
    "CNY": "RMB|[¥￥元]",
}
_DEBIT_CREDIT: Final = re.compile(r"(.*\d)\s*(DR|CR)", re.IGNORECASE)
_EXACT_FLOAT: Final = 10**15
"""Up to here a spreadsheet's binary number holds every digit it shows."""


@lru_cache(maxsize=512)
def is_currency(code: str) -> bool:
    """Whether a text has the form of an ISO 4217 code."""
    return _CURRENCY.fullmatch(code) is not None


def currency_exponent(code: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217)."""
    return _EXPONENT_OF.get(code, _USUAL_EXPONENT)


def plain_amount(text: str, currency: str) -> Decimal | None:
    """Read an unsigned plain decimal (``1234.50``), as ISO 20022 writes it.

    Returns:
        The amount as written, or None for anything else: signs, groups, exponents, NaN, more
        than 18 digits, or decimals that the currency does not have (zeros are allowed).
    """
    if text.isdecimal() and text.isascii() and len(text) <= _MAX_DIGITS:
        return Decimal(text)  # most are
    found = _PLAIN.fullmatch(text.strip())
    if found is None or not text.isascii():
        return None
    whole, fraction = found.group(1), found.group(2) or ""
    if len(whole.lstrip("0")) + len(fraction) > _MAX_DIGITS:
        return None
    if fraction[currency_exponent(currency) :].strip("0"):
        return None
    return Decimal(f"{whole or '0'}.{fraction}" if fraction else whole or "0")


def table_amount(cell: object, currency: str, decimal_mark: str = "") -> Decimal | None:
    """Read a cell of a bank's table: a number, or a text such as ``1.234.000 VND``.

    Without a ``decimal_mark``, dots, commas or blanks are thousands marks where they stand every
    three digits, ``.00`` after commas is dropped, and a currency with decimals takes them after
    a point, with or without commas before it: what every Vietnamese bank writes. With one, all
    other marks separate thousands. A sign, a trailing ``-`` or ``DR`` or parentheses make it
    negative. The currency's own code or symbol may stand beside it; another one may not.

    Returns:
        The signed amount, or None where the cell is not plainly one.
    """
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        return _from_number(cell, currency)
    if not isinstance(cell, str):
        return None
    bare = cell if cell.isascii() and cell.isdecimal() else _decoration(currency).sub(" ", cell)
    text, negative = _split_sign(" ".join(bare.split()))
    digits = _marked(text, decimal_mark) if decimal_mark else _without_groups(text, currency)
    if digits is None:
        return None
    amount = _tidy(plain_amount(digits, currency))
    return -amount if amount and negative else amount


def _from_number(number: float, currency: str) -> Decimal | None:
    """A number cell, by the shortest text that names it: what the sheet shows, not its bits."""
    if not abs(number) < _EXACT_FLOAT:
        return None
    shown = repr(number)
    if "e" in shown:
        return None
    amount = _tidy(plain_amount(shown.lstrip("-"), currency))
    return -amount if amount and number < 0 else amount


def _tidy(amount: Decimal | None) -> Decimal | None:
    """Without decimals that are only zeros: a table shows ``1,234.00`` for 1234 dong."""
    whole = amount is not None and amount == amount.to_integral_value()
    return Decimal(int(amount)) if amount is not None and whole else amount


@lru_cache(maxsize=64)
def _decoration(currency: str) -> re.Pattern[str]:
    """What may stand beside an amount of this currency: its code and its symbols."""
    symbols = _SYMBOLS.get(currency)
    return re.compile(f"{currency}|{symbols}" if symbols else currency, re.IGNORECASE)


def _split_sign(text: str) -> tuple[str, bool]:
    if found := _DEBIT_CREDIT.fullmatch(text):
        return found.group(1), found.group(2).upper() == "DR"
    if text.startswith("(") and text.endswith(")"):
        return text[1:-1].strip(), True
    if text.endswith("-"):
        return text[:-1].strip(), True
    if text.startswith(("-", "+")):
        return text[1:].strip(), text[0] == "-"
    return text, False


def _without_groups(text: str, currency: str) -> str | None:
    if _DOTS.fullmatch(text) and currency_exponent(currency) == 0:
        return text.replace(".", "")
    if _COMMAS.fullmatch(text):
        return text.replace(",", "")
    if _BLANKS.fullmatch(text):
        return text.replace(" ", "")
    return text if _BARE.fullmatch(text) else None


def _marked(text: str, decimal_mark: str) -> str | None:
    """Digits with a point, of a text whose decimal mark is known."""
    found = _MARKED[decimal_mark].fullmatch(text)
    if found is None:
        return None
    whole, _, fraction = text.partition(decimal_mark)
    digits = "".join(c for c in whole if c.isdecimal())
    return f"{digits}.{fraction}" if fraction else digits or None
