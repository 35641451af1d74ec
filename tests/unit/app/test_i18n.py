"""How money, days and durations are written."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.i18n import Language, Words
from core.money import Currency, Money

VI, EN = Words(Language.VIETNAMESE), Words(Language.ENGLISH)


@pytest.mark.parametrize(
    ("money", "vietnamese", "english"),
    [
        (Money(1_234_000), "1.234.000\xa0₫", "VND\xa01,234,000"),
        (Money(0), "0\xa0₫", "VND\xa00"),
        (Money(-11_000), "\N{MINUS SIGN}11.000\xa0₫", "\N{MINUS SIGN}VND\xa011,000"),
        (Money(123_456, Currency.USD), "USD\xa01.234,56", "USD\xa01,234.56"),
        (Money(-5, Currency.USD), "\N{MINUS SIGN}USD\xa00,05", "\N{MINUS SIGN}USD\xa00.05"),
    ],
)
def test_money_is_written_as_each_language_writes_it(
    money: Money, vietnamese: str, english: str
) -> None:
    assert VI.money(money) == vietnamese
    assert EN.money(money) == english


def test_a_foreign_currency_is_written_as_it_came() -> None:
    assert VI.minor(1_250, "JPY") == "JPY 1250"


def test_instants_are_told_in_vietnams_time() -> None:
    moment = datetime(2026, 11, 5, 17, 30, tzinfo=UTC)
    assert VI.instant(moment) == "00:30 06/11/2026"
    assert EN.instant(moment) == "6 November 2026, 00:30"
    assert VI.day(date(2026, 1, 2)) == "02/01/2026"
    assert VI.day(None) == VI.instant(None) == "–"


@pytest.mark.parametrize(
    ("duration", "english"),
    [
        (timedelta(days=3, hours=5), "3 days"),
        (timedelta(hours=1, minutes=59), "1 hour"),
        (timedelta(seconds=59), "0 minutes"),
        (timedelta(seconds=-5), "0 minutes"),
    ],
)
def test_durations_are_told_in_their_largest_unit(duration: timedelta, english: str) -> None:
    assert EN.duration(duration) == english
