"""Values of MT940 and MT942 fields: the statement line ``:61:``, balances, sums and numbers."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final

from adapters.statements.amounts import plain_amount

_LINE: Final = re.compile(
    r"(?P<value>\d{6})(?P<entry>\d{4})?\s{0,4}(?P<mark>RC|RD|EC|ED|C|D)(?P<funds>[A-Z])?\s?"
    r"(?P<minus>[-+])?(?P<amount>\d[\d.,]*)\s*(?P<rest>.*)",
    re.IGNORECASE,
)
_REST: Final = re.compile(r"(?P<type>[NFSI].{3}|[A-Z]\d{3})?(?P<reference>.*)", re.IGNORECASE)
_BALANCE: Final = re.compile(r"([CD])(\d{6})([A-Z]{3})(-?[\d.,]+)", re.IGNORECASE)
_SUM: Final = re.compile(r"(\d{1,9})\s?([A-Z]{3})([\d.,]+)", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(\d{1,9})(?:/(\d{1,5}))?")
_GROUPED: Final = re.compile(r"\d{1,3}(?:\.\d{3})+,\d*")
_SIGNS: Final = {"C": 1, "D": -1, "RC": -1, "RD": 1, "EC": 1, "ED": -1}
"""RC takes a credit back and RD a debit (SWIFT, field 61 subfield 3)."""
_PIVOT: Final = 80
_NOT_GIVEN: Final = frozenset({"NONREF", "NOREF", "NOTPROVIDED", "KREF+"})


@dataclass(frozen=True, slots=True)
class LineValues:
    """What a ``:61:`` says. ``amount`` is signed and None if it is no amount of the currency.

    ``days_unclear`` names a date that is none. ``minus`` is True for an amount with a sign of its
    own, which the standard does not know.
    """

    amount: Decimal | None
    amount_text: str
    value_date: date | None
    entry_date: date | None
    days_unclear: str
    mark: str
    minus: bool
    type_code: str
    reference: str
    bank_reference: str
    supplementary: str


@dataclass(frozen=True, slots=True)
class BalanceValues:
    """A balance: ``amount`` signed; ``day`` is None where the file has a date that is none."""

    amount: Decimal
    currency: str
    day: date | None


def read_line(lines: list[str], currency: str) -> LineValues | None:
    """Read a ``:61:``; None where not even date, mark and amount can be told apart."""
    found = _LINE.match(lines[0].strip())
    if found is None:
        return None
    mark, text = found["mark"].upper(), found["amount"]
    unsigned = swift_amount(text, currency)
    minus = found["minus"] == "-"
    value = swift_date(found["value"])
    entry = None
    unclear = "" if value else found["value"]
    if found["entry"]:
        entry = nearest(found["entry"], value) if value else None
        if value and entry is None:
            unclear = found["entry"]
    rest = _REST.match(found["rest"])
    given, _, bank_reference = (rest["reference"] if rest else "").partition("//")
    more = [line.strip() for line in lines[1:]]
    if bank_reference == "" and more and "//" in more[0] and not given.strip():
        _, _, bank_reference = more.pop(0).partition("//")  # a long reference on its own line
    return LineValues(
        amount=None if unsigned is None else unsigned * _SIGNS[mark],
        amount_text=text,
        value_date=value,
        entry_date=entry,
        days_unclear=unclear,
        mark=mark,
        minus=minus,
        type_code=(rest["type"] or "").upper() if rest else "",
        reference=_given(given),
        bank_reference=_given(bank_reference),
        supplementary=" ".join(line for line in more if line),
    )


def read_balance(*lines: str) -> BalanceValues | None:
    """Read a balance field; None where it states no amount of a currency.

    It may be broken over lines, but not in its amount: there a digit may be lost.
    """
    found = _BALANCE.match("".join(line.strip() for line in lines))
    if found is None or not any(found[4] in line for line in lines):
        return None
    currency = found[3].upper()
    digits = found[4]
    amount = swift_amount(digits.lstrip("-"), currency)
    if amount is None:
        return None
    sign = (-1 if found[1].upper() == "D" else 1) * (-1 if digits.startswith("-") else 1)
    return BalanceValues(amount * sign, currency, swift_date(found[2]))


def read_sum(text: str) -> tuple[int, Decimal] | None:
    """Read ``:90C:`` or ``:90D:``: how many entries, and their sum."""
    found = _SUM.match(text)
    amount = swift_amount(found[3], found[2].upper()) if found else None
    return (int(found[1]), amount) if found and amount is not None else None


def read_number(text: str) -> tuple[str, int | None]:
    """Read ``:28C:``: the statement's number and its page, None where none is given."""
    found = _NUMBER.match(text.replace(" ", ""))
    if found is None:
        return text[:35], None
    return found[1].lstrip("0") or "0", int(found[2]) if found[2] else None


def swift_amount(text: str, currency: str) -> Decimal | None:
    """Read an unsigned SWIFT amount: a comma before the decimals, which may be none.

    A point instead of the comma, and points between thousands before a comma, are understood.
    """
    if text.isdecimal():
        return plain_amount(text, currency)
    whole, comma, fraction = text.partition(",")
    if comma and "." not in text and "," not in fraction:
        return plain_amount(f"{whole}.{fraction}" if fraction else whole, currency)
    if _GROUPED.fullmatch(text):
        return swift_amount(text.replace(".", ""), currency)
    if not comma and text.count(".") == 1 and len(text.partition(".")[2]) <= 2:  # noqa: PLR2004
        return plain_amount(text, currency)
    return None


@lru_cache(maxsize=4_096)
def swift_date(text: str) -> date | None:
    """Read YYMMDD; years 80 to 99 are of the last century."""
    year = int(text[:2])
    return _real(year + (1900 if year >= _PIVOT else 2000), text[2:])


@lru_cache(maxsize=4_096)
def nearest(text: str, to: date) -> date | None:
    """Read MMDD as the day nearest to another one: the year is not written."""
    days = [_real(to.year + step, text) for step in (-1, 0, 1)]
    return min((day for day in days if day), key=lambda day: abs(day - to), default=None)


def _real(year: int, month_day: str) -> date | None:
    try:
        return date(year, int(month_day[:2]), int(month_day[2:4]))
    except ValueError:
        return None


def _given(reference: str) -> str:
    text = reference.strip()
    return "" if text.upper() in _NOT_GIVEN else text
