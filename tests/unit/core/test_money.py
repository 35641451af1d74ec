"""What Money refuses: whatever is not whole minor units of one currency."""

import pytest

from core.errors import MoneyFormatError
from core.money import MAX_MINOR, Currency, Money


@pytest.mark.parametrize("amount", [1.0, "1", None, True])
def test_only_a_true_int_is_an_amount(amount: object) -> None:
    with pytest.raises(TypeError, match="int of minor units"):
        Money(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", [MAX_MINOR + 1, -MAX_MINOR - 1])
def test_an_amount_beyond_any_fee_is_refused(amount: int) -> None:
    with pytest.raises(MoneyFormatError):
        Money(amount)


def test_the_largest_amounts_are_still_money() -> None:
    assert Money(MAX_MINOR).amount_minor == MAX_MINOR
    assert Money(-MAX_MINOR).amount_minor == -MAX_MINOR


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("83000", Currency.VND, 83_000),
        ("83000.00", Currency.VND, 83_000),
        ("-12.5", Currency.USD, -1_250),
        ("+0.05", Currency.USD, 5),
        ("-0", Currency.VND, 0),
    ],
)
def test_plain_decimals_are_read_in_minor_units(text: str, currency: Currency, minor: int) -> None:
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1,000", "1.000.000", "1e3", "NaN", "Infinity", "0x10", "1_000",
             ".5", "5.", "--1", "１２", "12\n", "0.5", "9" * 19],
)  # fmt: skip
def test_a_text_that_is_not_plainly_dong_is_refused(text: str) -> None:
    with pytest.raises(MoneyFormatError):
        Money.parse(text)


def test_money_is_true_when_something_moves() -> None:
    assert Money(1)
    assert Money(-1)
    assert not Money(0)


def test_money_is_shown_in_major_units_with_its_currency() -> None:
    assert str(Money(83_000)) == "83000 VND"
    assert str(Money(-5, Currency.USD)) == "-0.05 USD"
