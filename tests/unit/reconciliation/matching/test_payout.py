"""Rules of the payout layer, one small scene each."""

import datetime as dt
from typing import Any

import pytest

from benchmarks.matching.world import AS_OF, CONTRACTS, Row, World
from reconciliation.matching import sums
from tests.support.labelled import decide

DAY = AS_OF - dt.timedelta(days=20)
VNPAY = {"counterparty_name": "CTY CP GIAI PHAP THANH TOAN", "counterparty_account": "1120000012"}


def payout(world: World, identifier: str, *amounts: int, day: dt.date = DAY) -> list[Row]:
    """A payout of one line for each net amount."""
    rows = []
    for net in amounts:
        pay = world.pay(channel="vnpay", status="succeeded", provider_txn_id=str(next(world.ids)))
        line = world.settle(pay, identifier, payout_date=day)
        line |= {"gross": net + line["fee"], "net": net}
        rows.append(line)
    return rows


def credit(world: World, amount: int, text: str = "THANH TOAN", **given: Any) -> Row:
    return world.line(amount, text, **(VNPAY | {"day": DAY} | given))


def test_the_payout_id_joins_credit_and_lines() -> None:
    world = World()
    rows = payout(world, "VN20260302", 100_001, 200_002)
    line = credit(world, 300_003, "doi soat vn2026 0302", counterparty_account="")
    assert decide(world).matched("payout", line, *rows) == "payout_id"


def test_an_id_alone_makes_a_credit_a_payout_whoever_sent_it() -> None:
    world = World()
    rows = payout(world, "VN20260302", 100_001)
    line = world.line(100_001, "TT VN20260302", day=DAY)
    assert decide(world).matched("payout", line, *rows) == "payout_id"


@pytest.mark.parametrize(
    "who",
    [
        {"counterparty_name": "?", "counterparty_account": "112-0000 012"},
        {"counterparty_name": "cty cp  Giải pháp thanh toán", "counterparty_account": ""},
        {"counterparty_name": "", "counterparty_account": ""},
    ],
)
def test_a_provider_is_known_by_account_or_name(who: dict[str, str]) -> None:
    world = World()
    rows = payout(world, "VN20260302", 100_001)
    line = credit(world, 100_001, "CTY CP GIAI PHAP THANH TOAN NGAY 02", **who)
    assert decide(world).matched("payout", line, *rows) == "payout_sum"


def test_empty_names_in_the_contract_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONTRACTS["providers"]["vnpay"], "payout_names", [""])
    monkeypatch.setitem(CONTRACTS["providers"]["vnpay"], "payout_accounts", [" "])
    world = World()
    line = world.line(100_001, "CK", counterparty_name="", counterparty_account="")
    assert decide(world).type_of("direct", line) == "unrecorded_receipt"


@pytest.mark.parametrize(
    ("days", "rule"), [(0, "payout_sum"), (7, "payout_sum"), (8, ""), (-1, "")]
)
def test_a_sum_counts_from_the_payout_date_to_seven_days_later(days: int, rule: str) -> None:
    world = World()
    rows = payout(world, "VN20260302", 100_001, 7)
    line = credit(world, 100_008, day=DAY + dt.timedelta(days=days))
    assert decide(world).matched("payout", line, *rows) == rule


def test_an_id_counts_at_any_day() -> None:
    world = World()
    rows = payout(world, "VN20260302", 100_001)
    line = credit(world, 100_001, "VN20260302", day=DAY + dt.timedelta(days=12))
    assert decide(world).matched("payout", line, *rows) == "payout_id"


def test_a_sum_of_the_other_provider_is_no_evidence() -> None:
    world = World()
    payout(world, "VN20260302", 100_001)
    given = {"counterparty_name": "STRIPE PAYMENTS", "counterparty_account": "1120000078"}
    line = credit(world, 100_001, **given)
    assert decide(world).type_of("payout", line) == "unrecorded_receipt"


def test_a_payout_split_over_credits_of_which_one_names_it() -> None:
    world = World()
    rows = payout(world, "VN20260302", 300_003)
    parts = [credit(world, 100_000, "TT VN20260302"), credit(world, 200_003)]
    assert decide(world).matched("payout", *parts, *rows) == "payout_sum"


def test_payouts_combined_in_a_credit_that_names_one() -> None:
    world = World()
    rows = payout(world, "VN20260302", 300_003) + payout(world, "VN20260303", 50_001)
    line = credit(world, 350_004, "TT VN20260302")
    assert decide(world).matched("payout", line, *rows) == "payout_sum"


def test_a_sum_that_two_combinations_reach_is_ambiguous() -> None:
    world = World()
    rows = payout(world, "VN1", 100) + payout(world, "VN2", 200) + payout(world, "VN3", 300)
    line = credit(world, 300)
    outcome = decide(world)
    assert outcome.type_of("payout", line) == "ambiguous"
    assert [outcome.type_of("payout", row) for row in rows] == ["ambiguous"] * 3


def test_a_payout_that_two_credits_may_pay_is_ambiguous() -> None:
    world = World()
    rows = payout(world, "VN1", 500)
    lines = [credit(world, 500), credit(world, 500)]
    outcome = decide(world)
    assert [outcome.type_of("payout", line) for line in lines] == ["ambiguous"] * 2
    assert outcome.type_of("payout", rows[0]) == "ambiguous"


def test_a_search_beyond_its_limit_is_ambiguous_never_a_guess(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sums, "SEARCH_LIMIT", 5)
    world = World()
    for number in range(12):
        payout(world, f"VN{number}", 1_000 + 7 * number)
    line = credit(world, 6_000)
    assert decide(world).type_of("payout", line) == "ambiguous"


def test_a_credit_that_differs_from_its_payout_flags_all_items() -> None:
    world = World()
    rows = payout(world, "VN20260302", 100_001, 200_002)
    line = credit(world, 300_000, "TT VN20260302")
    outcome = decide(world)
    assert [outcome.type_of("payout", row) for row in [line, *rows]] == ["payout_mismatch"] * 3
    found = outcome.mismatch("payout", line)
    assert (found["expected"], found["actual"]) == ("300003", "300000")


def test_an_anonymous_credit_close_to_the_only_payout_is_its_mismatch() -> None:
    world = World()
    rows = payout(world, "VN20260302", 300_000)
    line = credit(world, 299_000)
    outcome = decide(world)
    assert outcome.type_of("payout", line) == "payout_mismatch"
    assert outcome.type_of("payout", rows[0]) == "payout_mismatch"


def test_an_anonymous_credit_far_from_the_only_payout_is_unrecorded() -> None:
    world = World()
    rows = payout(world, "VN20260302", 300_000)
    line = credit(world, 150_000)
    outcome = decide(world)
    assert outcome.type_of("payout", line) == "unrecorded_receipt"
    assert outcome.type_of("payout", rows[0]) == "payout_missing"


def test_a_payout_paid_again_is_a_second_receipt() -> None:
    world = World()
    rows = payout(world, "VN20260302", 300_000)
    first = credit(world, 300_000, "VN20260302")
    again = credit(world, 300_000, "VN20260302", day=DAY + dt.timedelta(days=1))
    outcome = decide(world)
    assert outcome.matched("payout", first, *rows)
    assert outcome.type_of("payout", again) == "duplicate_payment"


def test_a_repeated_credit_is_a_duplicate_line() -> None:
    world = World()
    rows = payout(world, "VN20260302", 300_000)
    first = credit(world, 300_000, "VN20260302")
    copy = first | {"line_id": "B99999999"}
    world.bank.append(copy)
    outcome = decide(world)
    assert outcome.matched("payout", first, *rows)
    assert outcome.type_of("payout", copy) == "duplicate_line"


def test_refunds_and_chargebacks_lower_a_payout() -> None:
    world = World()
    rows = payout(world, "VN20260302", 300_000, -20_000)
    rows[1] |= {"kind": "chargeback"}
    line = credit(world, 280_000, "VN20260302")
    outcome = decide(world)
    assert outcome.matched("payout", line, *rows)
    assert outcome.type_of("provider", rows[1]) == "chargeback"


def test_a_debit_of_a_provider_is_no_payout() -> None:
    world = World()
    line = credit(world, -20_000, "VN20260302")
    assert decide(world).type_of("direct", line) == "unrecorded_debit"


def test_a_credit_in_another_currency_is_an_amount_mismatch() -> None:
    world = World()
    rows = payout(world, "VN20260302", 300_000)
    line = credit(world, 300_000, "VN20260302", currency="USD")
    outcome = decide(world)
    assert outcome.type_of("payout", line) == "amount_mismatch"
    assert outcome.type_of("payout", rows[0]) == "payout_missing"


@pytest.mark.parametrize(
    ("ahead", "type_"),
    [(1, "timing_difference"), (-3, "timing_difference"), (-4, "payout_missing")],
)
def test_a_payout_is_overdue_when_more_than_the_grace_days_have_passed(
    ahead: int, type_: str
) -> None:
    world = World()
    (row,) = payout(world, "VN1", 300_000, day=AS_OF + dt.timedelta(days=ahead))
    assert decide(world).type_of("payout", row) == type_


def test_lines_without_payout_id_are_one_payout_of_their_day() -> None:
    world = World()
    rows = payout(world, "", 100, 200) + payout(world, "", 55, day=DAY - dt.timedelta(days=30))
    line = credit(world, 300)
    outcome = decide(world)
    assert outcome.matched("payout", line, *rows[:2])
    assert outcome.type_of("payout", rows[2]) == "payout_missing"
