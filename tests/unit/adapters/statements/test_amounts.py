"""What is an amount, and what is not."""

from decimal import Decimal

import pytest

from adapters.statements.amounts import currency_exponent, plain_amount, table_amount


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("150000", "VND", "150000"),
        (" 50.00 ", "EUR", "50.00"),
        ("8.850", "EUR", "8.850"),
        ("000000000000149.87", "EUR", "149.87"),
        ("5.", "VND", "5"),
        (".5", "USD", "0.5"),
        ("+1", "VND", "1"),
        ("0", "VND", "0"),
        ("1.250", "KWD", "1.250"),
    ],
)
def test_a_plain_decimal_is_read_exactly(text: str, currency: str, amount: str) -> None:
    assert plain_amount(text, currency) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-5",
        "1,5",
        "1E+5",
        "1e5",
        "NaN",
        "Infinity",
        "0x10",
        "1_000",
        "1 000",
        "१२",
        "٣",
        "1234567890123456789",
        "10.5",
        "10.01",
        "--1",
        "+-1",
        "1.2.3",
    ],
)
def test_what_is_not_a_plain_amount_of_dong_is_no_amount(text: str) -> None:
    assert plain_amount(text, "VND") is None


def test_float_noise_is_no_amount() -> None:
    assert plain_amount("100.0000000000005", "EUR") is None


@pytest.mark.parametrize(
    ("code", "exponent"), [("VND", 0), ("JPY", 0), ("USD", 2), ("KWD", 3), ("UYW", 4)]
)
def test_minor_units_follow_iso_4217(code: str, exponent: int) -> None:
    assert currency_exponent(code) == exponent


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("1.234.000", 1234000),
        ("1,234,000", 1234000),
        ("1,234,000.00", 1234000),
        ("1.234.000 VND", 1234000),
        ("1.234.000đ", 1234000),
        ("1 234\u00a0000", 1234000),
        ("1.234.000\u202f₫", 1234000),
        ("-1.234", -1234),
        ("1.234-", -1234),
        ("(1.234)", -1234),
        ("+1.234", 1234),
        ("0", 0),
        (150000.0, 150000),
        (150000, 150000),
        (-0.0, 0),
    ],
    ids=repr,
)
def test_amounts_as_vietnamese_banks_print_them(cell: object, amount: int) -> None:
    assert table_amount(cell, "VND") == Decimal(amount)


@pytest.mark.parametrize(
    "cell",
    [
        "1.23",
        "1,23",
        "1 5",
        "1 234.567",
        "12.34.567",
        "1.234,00",
        "1,234.56",
        "1.234.00",
        "abc",
        "",
        "-",
        "1E5",
        "٣",
        "=1+1",
        "1\x00",
        "((1))",
        "--1",
        0.1,
        1000000000000000.0,
        1e300,
        float("nan"),
        float("inf"),
        True,
        None,
    ],
    ids=repr,
)
def test_what_is_not_plainly_dong_is_no_amount(cell: object) -> None:
    assert table_amount(cell, "VND") is None


@pytest.mark.parametrize(
    ("cell", "amount"),
    [("20.00", "20"), ("1,234.56", "1234.56"), (0.1, "0.1"), (12.5, "12.5"), ("-20.5", "-20.5")],
)
def test_dollars_keep_their_cents(cell: object, amount: str) -> None:
    assert table_amount(cell, "USD") == Decimal(amount)


@pytest.mark.parametrize("cell", [0.1 + 0.2, "1.234", "1.234.567", 0.001])
def test_fractions_of_a_cent_are_no_amount(cell: object) -> None:
    assert table_amount(cell, "USD") is None
