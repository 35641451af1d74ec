"""The books: whole entries, once for each event, dated to open days, undone only by reversal."""

from datetime import date, timedelta

import pytest
from sqlmodel import Session, select

from core.clock import business_day
from core.money import Currency, Money
from payments.channels import Channel
from payments.errors import UnbalancedEntryError
from payments.ledger import chart
from payments.ledger.balances import balance_of, broken_rules, trial_balance
from payments.ledger.models import AccountingPeriod, JournalEntry, LedgerTransfer, MoneyEvent
from payments.ledger.posting import Cause, Leg, find_reversal, post_entry, reverse_entry
from payments.models import Budget, CollectingAccount
from tests.factories import a_city
from tests.support.books import everything
from tests.support.clock import FrozenClock

BILLED = Cause(event=MoneyEvent.BILLED, key="billed:1")
LEG = Leg("receivable", "revenue:x", Money(100))


def test_an_entry_is_its_transfers(session: Session, clock: FrozenClock) -> None:
    entry = post_entry(
        session, BILLED, [LEG, Leg("receivable", "revenue:y", Money(5))], clock=clock
    )
    rows = session.exec(select(LedgerTransfer).where(LedgerTransfer.entry_id == entry.id)).all()
    assert sorted((row.position, row.amount_minor) for row in rows) == [(1, 100), (2, 5)]
    assert balance_of(session, "receivable") == 105
    assert entry.entry_date == business_day(clock())


def test_the_same_event_is_posted_once(session: Session, clock: FrozenClock) -> None:
    first = post_entry(session, BILLED, [LEG], clock=clock)
    before = everything(session)
    assert post_entry(session, BILLED, [LEG], clock=clock).id == first.id
    assert everything(session) == before


@pytest.mark.parametrize(
    "legs",
    [[], [Leg("receivable", "revenue:x", Money(0))], [Leg("receivable", "revenue:x", Money(-1))]],
)
def test_an_entry_that_moves_nothing_is_refused(
    session: Session, clock: FrozenClock, legs: list[Leg]
) -> None:
    with pytest.raises(UnbalancedEntryError):
        post_entry(session, BILLED, legs, clock=clock)
    assert session.exec(select(JournalEntry)).all() == []


def test_a_reversal_moves_every_amount_back_and_is_found(
    session: Session, clock: FrozenClock
) -> None:
    entry = post_entry(session, BILLED, [LEG], clock=clock)
    undone = reverse_entry(session, entry, MoneyEvent.CANCELLED, clock=clock)
    assert reverse_entry(session, entry, MoneyEvent.CANCELLED, clock=clock).id == undone.id
    assert find_reversal(session, entry) == undone
    assert balance_of(session, "receivable") == 0
    assert [row.debit_minor for row in trial_balance(session)] == [100, 100]


def test_nothing_is_posted_into_a_closed_day(session: Session, clock: FrozenClock) -> None:
    account, today = a_city(session).accounts[0], business_day(clock())
    for day in (today, today + timedelta(days=1)):
        session.add(AccountingPeriod(account_id=account.id, day=day, closed_at=clock(),
                                     closed_by="system", summary_sha256=""))  # fmt: skip
    session.flush()
    cause = Cause(event=MoneyEvent.COLLECTED, key="c", account_id=account.id)
    assert post_entry(session, cause, [LEG], clock=clock).entry_date == today + timedelta(days=2)
    elsewhere = Cause(event=MoneyEvent.COLLECTED, key="d")
    assert post_entry(session, elsewhere, [LEG], clock=clock).entry_date == today


def test_an_event_of_an_earlier_open_day_is_dated_to_it(
    session: Session, clock: FrozenClock
) -> None:
    entry = post_entry(session, BILLED, [LEG], clock=clock, on=date(2026, 10, 1))
    assert entry.entry_date == date(2026, 10, 1)


def test_currencies_are_balanced_apart(session: Session, clock: FrozenClock) -> None:
    usd = Leg("receivable", "revenue:x", Money(7, Currency.USD))
    post_entry(session, BILLED, [LEG, usd], clock=clock)
    rows = {(row.code, row.currency): row.balance_minor for row in trial_balance(session)}
    assert rows["receivable", Currency.VND] == 100
    assert rows["receivable", Currency.USD] == 7
    assert list(broken_rules(session)) == []


def test_a_trial_balance_of_one_account_leaves_out_the_others(
    session: Session, clock: FrozenClock
) -> None:
    accounts: list[CollectingAccount] = a_city(session).accounts
    for number, account in enumerate(accounts):
        cause = Cause(event=MoneyEvent.BILLED, key=f"k{number}", account_id=account.id)
        post_entry(session, cause, [LEG], clock=clock)
    assert balance_of(session, "receivable", account_id=accounts[0].id) == 100
    assert balance_of(session, "receivable") == 200


def test_an_entry_without_its_transfers_is_found(session: Session, clock: FrozenClock) -> None:
    session.add(
        JournalEntry(entry_date=business_day(clock()), posted_at=clock(), event=MoneyEvent.BILLED,
                     event_key="hollow", transfer_count=2)
    )  # fmt: skip
    session.flush()
    [sentence] = broken_rules(session)
    assert "has not the transfers it was made with" in sentence


@pytest.mark.parametrize(
    "code",
    [chart.bank("1120001"), chart.clearing(Channel.STRIPE), chart.fee_expense(Channel.MOMO),
     chart.earned(Budget.REVENUE, "P-1"), chart.earned(Budget.STATE_TREASURY, "P-1"),
     chart.CLEARING_REMITTANCE, chart.WRITE_OFF, chart.SUSPENSE],
)  # fmt: skip
def test_every_account_has_a_type_and_names_in_both_languages(code: str) -> None:
    entry = chart.describe(code)
    assert entry.name_vi
    assert entry.name_en


def test_an_account_of_no_family_is_a_mistake_in_the_program() -> None:
    with pytest.raises(KeyError):
        chart.describe("petty_cash")
