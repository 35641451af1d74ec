"""Money obeys the laws of whole numbers, and texts become money exactly or not at all."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import CurrencyMismatchError, MoneyFormatError
from core.money import MAX_MINOR, Currency, Money

small = st.integers(-(10**14), 10**14)
currencies = st.sampled_from(Currency)


@given(small, small, small, currencies)
def test_addition_is_commutative_and_associative(a: int, b: int, c: int, unit: Currency) -> None:
    x, y, z = Money(a, unit), Money(b, unit), Money(c, unit)
    assert x + y == y + x
    assert (x + y) + z == x + (y + z)


@given(small, small, currencies)
def test_subtraction_undoes_addition(a: int, b: int, unit: Currency) -> None:
    assert Money(a, unit) + Money(b, unit) - Money(b, unit) == Money(a, unit)
    assert Money(a, unit) - Money(b, unit) == -(Money(b, unit) - Money(a, unit))


@given(small, small, currencies)
def test_order_is_that_of_the_amounts(a: int, b: int, unit: Currency) -> None:
    x, y = Money(a, unit), Money(b, unit)
    assert (x < y, x <= y, x > y, x >= y) == (a < b, a <= b, a > b, a >= b)


@given(st.integers(-MAX_MINOR, MAX_MINOR), currencies)
def test_a_printed_amount_reads_back_as_itself(amount: int, unit: Currency) -> None:
    assert Money.parse(Money(amount, unit).decimal, unit) == Money(amount, unit)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, max_value=10**12,
                   min_value=-(10**12)), currencies)  # fmt: skip
@example(Decimal("1.0000000000000000000000000000000001"), Currency.VND)
@example(Decimal("100000000000.0000000000000000000000001"), Currency.USD)
def test_a_decimal_is_read_exactly_or_refused(value: Decimal, unit: Currency) -> None:
    text = format(value, "f")
    _, _, fraction = text.partition(".")
    if fraction[unit.exponent :].strip("0"):
        with pytest.raises(MoneyFormatError):
            Money.parse(text, unit)
    else:
        assert Decimal(Money.parse(text, unit).decimal) == value


@given(st.text(max_size=12))
@example("١٢٣")  # digits of another script: whoever wrote them meant no amount of ours
@example("12\n")
@example("1e3")
@example("NaN")
def test_only_plain_ascii_numbers_are_amounts(text: str) -> None:
    try:
        money = Money.parse(text)
    except MoneyFormatError:
        return
    assert text.isascii()
    assert Decimal(text) == money.amount_minor


@given(small, small)
def test_currencies_never_mix(a: int, b: int) -> None:
    vnd, usd = Money(a, Currency.VND), Money(b, Currency.USD)
    assert vnd != usd
    for mix in (
        lambda: vnd + usd, lambda: vnd - usd, lambda: vnd < usd,
        lambda: vnd <= usd, lambda: vnd > usd, lambda: vnd >= usd,
    ):  # fmt: skip
        with pytest.raises(CurrencyMismatchError):
            mix()
