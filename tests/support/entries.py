"""Books with the texts and amounts that break careless exports."""

from datetime import date, datetime, timedelta

from sqlalchemy.engine import Engine

from core.clock import at_vietnam_time
from core.db import transaction
from core.money import Currency, Money
from payments.ledger.models import MoneyEvent
from payments.ledger.posting import Cause, Leg, post_entry, reverse_entry
from tests.factories import City, a_city

FIRST = date(2026, 11, 1)
LAST = date(2026, 11, 10)
NASTY = (
    '=HYPERLINK("http://x","y")', "+1", "-1", "@SUM(A1)", "\tx", "  =1+1", '"quoted", with commas',
    "line one\r\nline two", "a ; comment | payee", "(code) text", "back\\slash", "=1\u202e", "",
    "Nguyễn Thị Ánh Tuyết nộp lệ phí", "{cost} @ 12", "* ! flag", "a  b", "\x07bell", "2026-01-01",
)  # fmt: skip


def some_books(engine: Engine, *, days: int = 10) -> City:
    """Post entries on each of these days for two offices, some of two currencies or reversed."""
    number = 0
    with transaction(engine) as session:
        city = a_city(session)
        for day in (FIRST + timedelta(days=n) for n in range(days)):
            for commune, account in zip(city.communes, city.accounts, strict=True):
                number += 1
                cause = Cause(
                    MoneyEvent.BILLED, f"test:{number}", account.id, commune.id,
                    description=NASTY[number % len(NASTY)],
                )  # fmt: skip
                fee = "payable:state_treasury:LP-HOTICH"
                legs = [
                    Leg("receivable", fee, Money(75_000 + number)),
                    Leg(f"bank:{account.account_number}", "receivable", Money(10**12 + number)),
                    Leg("clearing:stripe", "suspense", Money(1_205, Currency.USD)),
                ]
                entry = post_entry(session, cause, legs, clock=_at(day, number), on=day)
                if not number % 5:
                    reverse_entry(session, entry, MoneyEvent.REVERSED, clock=_at(day, number + 1))
    return city


class _at:  # noqa: N801 - reads like a word
    """A clock that stands at a second of a day."""

    def __init__(self, day: date, second: int) -> None:
        self._instant = at_vietnam_time(day, 23, second=second % 60)

    def __call__(self) -> datetime:
        return self._instant
