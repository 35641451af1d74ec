"""Exports are what an auditor's tools read: whole, streamed, and equal to the books."""

import csv
import io
from datetime import timedelta
from types import GeneratorType

import pytest
from sqlmodel import Session

from core.money import Currency
from payments.ledger.balances import trial_balance
from reconciliation.exports import (
    LEDGER_COLUMNS,
    Period,
    bank_csv,
    ledger_csv,
    ledger_totals,
    matches_csv,
    mismatches_csv,
    payments_csv,
    settlements_csv,
)
from reconciliation.matching.columns import BANK, MATCH_COLUMNS, PAYMENTS, SETTLEMENTS
from tests.factories import a_bill, a_line, a_paid_payment
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, World, a_world, compare, pays, receive, report_of, settled

ALL = Period(DAY - timedelta(days=9), DAY + timedelta(days=9))
FORMULA = '=HYPERLINK("http://x"),\n"đồng"'


@pytest.fixture
def world(session: Session, clock: FrozenClock) -> World:
    world = a_world(session, clock=clock)
    payment = a_paid_payment(
        session, a_bill(session, world.city, clock=clock, number=2, payer_name="=1+1"), clock=clock
    )
    report_of(session, settled("", payment.provider_txn_id or ""), clock=clock)
    receive(
        session, world.account, pays(world.bill), a_line(DAY, 4_000, FORMULA, bank_ref="F2"),
        clock=clock,
    )  # fmt: skip
    compare(session, world.account, clock=clock)
    return world


def rows(lines: object) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(lines), newline="")))  # type: ignore[call-overload]


def test_the_ledger_adds_up_to_the_trial_balance(session: Session, world: World) -> None:
    exported = rows(ledger_csv(session, ALL))
    debits: dict[str, int] = {}
    credits_: dict[str, int] = {}
    for row in exported:
        debits[row["debit_account"]] = debits.get(row["debit_account"], 0) + int(row["amount"])
        code = row["credit_account"]
        credits_[code] = credits_.get(code, 0) + int(row["amount"])

    assert {b.code: (b.debit_minor, b.credit_minor) for b in trial_balance(session)} == {
        code: (debits.get(code, 0), credits_.get(code, 0)) for code in debits.keys() | credits_
    }
    assert ledger_totals(session, ALL) == {Currency.VND: sum(debits.values())}
    assert tuple(exported[0]) == LEDGER_COLUMNS
    assert len({row["transfer_id"] for row in exported}) == len(exported)
    assert {row["collecting_account"] for row in exported} == {world.account.account_number}


def test_the_ledger_is_cut_by_day_and_by_account(session: Session, world: World) -> None:
    before = Period(ALL.first, DAY - timedelta(days=1))
    assert rows(ledger_csv(session, before)) == []
    assert ledger_totals(session, before) == {}
    assert rows(ledger_csv(session, ALL, account_ids=[])) == []
    assert ledger_totals(session, ALL, account_ids=[world.city.accounts[1].id]) == {}
    mine = rows(ledger_csv(session, ALL, account_ids=[world.account.id]))
    assert mine == rows(ledger_csv(session, Period(DAY, DAY)))


def test_a_text_that_looks_like_a_formula_stays_as_it_was(session: Session, world: World) -> None:
    """These files are for programs; what opens them in a spreadsheet escapes them itself."""
    assert FORMULA in {row["narrative"] for row in rows(bank_csv(session, world.account, ALL))}
    names = {row["payer_name"] for row in rows(payments_csv(session, world.account, ALL))}
    assert "=1+1" in names


def test_the_files_of_a_run_have_the_columns_of_the_matcher(session: Session, world: World) -> None:
    for lines, columns, count in (
        (payments_csv(session, world.account, ALL), PAYMENTS, 2),
        (settlements_csv(session, world.account, ALL), SETTLEMENTS, 1),
        (bank_csv(session, world.account, ALL), BANK, 2),
    ):
        exported = rows(lines)
        assert len(exported) == count
        assert list(exported[0]) == [column.name for column in columns]


def test_matches_and_mismatches_of_a_period_are_those_made_in_it(
    session: Session, world: World
) -> None:
    matched = rows(matches_csv(session, world.account, Period(DAY, DAY)))
    assert matched == rows(matches_csv(session, world.account))
    assert list(matched[0]) == list(MATCH_COLUMNS)
    later = Period(DAY + timedelta(days=1), ALL.last)
    assert rows(matches_csv(session, world.account, later)) == []
    assert rows(mismatches_csv(session, world.account, later)) == []
    assert len(rows(mismatches_csv(session, world.account, Period(DAY, DAY)))) == 2
    assert rows(mismatches_csv(session, world.city.accounts[1])) == []


def test_exports_are_streamed_line_by_line(session: Session, world: World) -> None:
    lines = ledger_csv(session, ALL)
    assert isinstance(lines, GeneratorType)
    header, first = next(lines), next(lines)
    assert header.endswith("\r\n")
    assert header.count("\n") == first.count("\n") == 1
    lines.close()  # a reader that goes away leaves nothing open
