"""Money as whole minor units of a currency; nothing here is ever a float."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Self

from typing_extensions import override

from core.errors import CurrencyMismatchError, MoneyFormatError


class Currency(StrEnum):
    """Currencies that may be collected, by their ISO 4217 code."""

    VND = "VND"
    USD = "USD"

    @property
    def exponent(self) -> int:
        """Number of decimal places of the minor unit (ISO 4217): VND 0, USD 2."""
        return _EXPONENT[self]


_EXPONENT: Final = {Currency.VND: 0, Currency.USD: 2}
_PLAIN: Final = re.compile(r"([+-]?)([0-9]{1,18})(?:\.([0-9]{1,60}))?")
MAX_MINOR: Final = 10**15
"""A bound on every amount: larger is a damaged file, not a fee."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (``amount_minor``) of one ``currency``; may be negative.

    Raises:
        TypeError: the amount is not an ``int`` (a bool or float is refused, never converted).
        MoneyFormatError: the amount is beyond ``MAX_MINOR``.
    """

    amount_minor: int
    currency: Currency = Currency.VND

    def __post_init__(self) -> None:
        if type(self.amount_minor) is not int:
            raise TypeError(f"money is an int of minor units, not {self.amount_minor!r}")
        if abs(self.amount_minor) > MAX_MINOR:
            raise MoneyFormatError(f"{self.amount_minor} is beyond any fee")

    @classmethod
    def parse(cls, text: str, currency: Currency = Currency.VND) -> Self:
        """Read a plain decimal (``1234``, ``-12.50``) exactly.

        Raises:
            MoneyFormatError: anything else: grouping, exponents, NaN, or more decimals than the
                currency has (trailing zeros are allowed).
        """
        found = _PLAIN.fullmatch(text)
        if found is None:
            raise MoneyFormatError(f"{text[:40]!r} is not an amount of {currency}")
        sign, whole, fraction = found[1], found[2], found[3] or ""
        if fraction[currency.exponent :].strip("0"):
            raise MoneyFormatError(f"{text[:40]!r} has more decimals than {currency} has")
        minor = fraction[: currency.exponent].ljust(currency.exponent, "0")
        return cls(int(sign + whole + minor), currency)

    @property
    def decimal(self) -> str:
        """The amount as a plain decimal string of major units: ``1234``, ``-12.50``."""
        return str(Decimal(self.amount_minor).scaleb(-self.currency.exponent))

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount_minor + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount_minor - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount_minor < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount_minor <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.amount_minor > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.amount_minor >= self._same(other)

    def __bool__(self) -> bool:
        return self.amount_minor != 0

    @override
    def __str__(self) -> str:
        return f"{self.decimal} {self.currency}"

    def _same(self, other: "Money") -> int:
        if other.currency is not self.currency:
            raise CurrencyMismatchError(f"{self.currency} and {other.currency}")
        return other.amount_minor
