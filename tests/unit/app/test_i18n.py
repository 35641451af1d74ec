"""How money, days and durations are written."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.i18n import Language, Words
from core.money import Currency, Money

VI, EN = Words(Language.VIETNAMESE), Words(Language.ENGLISH)
FR, ZH = Words(Language.FRENCH), Words(Language.CHINESE)


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


@pytest.mark.parametrize(
    ("money", "french", "chinese"),
    [
        (Money(1_234_000), "1\u202f234\u202f000\xa0VND", "1,234,000越南盾"),
        (Money(-11_000), "\N{MINUS SIGN}11\u202f000\xa0VND", "\N{MINUS SIGN}11,000越南盾"),
        (Money(123_456, Currency.USD), "1\u202f234,56\xa0USD", "USD\xa01,234.56"),
    ],
)
def test_money_in_french_and_chinese(money: Money, french: str, chinese: str) -> None:
    assert FR.money(money) == french
    assert ZH.money(money) == chinese


def test_days_and_instants_in_french_and_chinese() -> None:
    moment = datetime(2026, 11, 5, 17, 5, tzinfo=UTC)
    assert FR.instant(moment) == "6 novembre 2026 à 0\xa0h\xa005"
    assert ZH.instant(moment) == "2026年11月6日 00:05"
    assert FR.day(date(2026, 8, 1)) == "1er août 2026"
    assert FR.day(date(2026, 8, 21)) == "21 août 2026"
    assert ZH.day(date(2026, 12, 31)) == "2026年12月31日"
    assert FR.day(None) == ZH.instant(None) == "–"


def test_durations_and_counts_in_french_and_chinese() -> None:
    assert FR.duration(timedelta(days=1)) == "1 jour"
    assert FR.duration(timedelta(days=3)) == "3 jours"
    assert ZH.duration(timedelta(hours=2)) == "2小时"


def test_the_legal_name_stands_beside_the_english_one_where_neither_is_the_readers() -> None:
    names = "Lệ phí hộ tịch", "Civil status charge"
    assert VI.legal_name(*names) == "Lệ phí hộ tịch"
    assert EN.legal_name(*names) == "Civil status charge"
    assert FR.legal_name(*names) == ZH.legal_name(*names) == "Civil status charge (Lệ phí hộ tịch)"
    assert FR.legal_name("Lệ phí hộ tịch", "") == "Lệ phí hộ tịch"
    assert FR.pick(*names) == ZH.pick(*names) == "Civil status charge"
