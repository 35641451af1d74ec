"""Rules of the provider layer, one small scene each."""

import datetime as dt
from typing import Any

import pytest

from benchmarks.matching.noise import PROVIDER
from benchmarks.matching.world import AS_OF, Row, World
from tests.support.labelled import decide

DAY = AS_OF - dt.timedelta(days=10)


def online(world: World, **given: Any) -> Row:
    plain = {
        "channel": "vnpay",
        "status": "succeeded",
        "amount": 50_000,
        "day": DAY,
        "provider_txn_id": f"00{next(world.ids)}77",
    }
    return world.pay(**(plain | given))


@pytest.mark.parametrize("provider", ["vnpay", "stripe"])
@pytest.mark.parametrize("kind", sorted(PROVIDER))
def test_each_kind_of_noise_comes_out_as_the_contract_says(kind: str, provider: str) -> None:
    world = World(kind=kind)
    for _ in range(3):
        PROVIDER[kind](world, provider)
    outcome = decide(world)
    for key, types in world.flagged.items():
        assert outcome.flags.get(key) in types, key
    for group in world.required:
        assert outcome.groups.get(min(group)) == group, group


def test_the_providers_id_is_evidence_of_full_confidence() -> None:
    world = World()
    pay = online(world)
    line = world.settle(pay, "VN1")
    outcome = decide(world)
    assert outcome.matched("provider", pay, line) == "txn_id"


def test_a_mangled_id_leaves_the_reference_with_an_equal_amount() -> None:
    world = World()
    pay = online(world)
    line = world.settle(pay, "VN1", provider_txn_id="2.60302E+17")
    assert decide(world).matched("provider", pay, line) == "bill_reference"


def test_a_mistyped_reference_in_a_report_is_corrected_if_the_amount_agrees() -> None:
    world = World()
    pay = online(world)
    code = pay["bill_reference"]
    wrong = code[:5] + ("A" if code[5] != "A" else "B") + code[6:]
    line = world.settle(pay, "VN1", provider_txn_id="", bill_reference=wrong)
    assert decide(world).matched("provider", pay, line) == "bill_reference"
    line["gross"] += 1
    assert decide(world).type_of("provider", line) == "unrecorded_receipt"


def test_the_id_is_compared_within_provider_and_kind() -> None:
    world = World()
    pay = online(world, provider_txn_id="42")
    other = online(world, channel="stripe", provider_txn_id="42")
    lines = [world.settle(one, "X") for one in (pay, other)]
    outcome = decide(world)
    assert outcome.matched("provider", pay, lines[0])
    assert outcome.matched("provider", other, lines[1])


def test_half_a_unit_of_fee_rounds_up() -> None:
    world = World()
    pay = online(world, amount=8_250)  # 1.1 % is 90.75
    line = world.settle(pay, "VN1", fee=91)
    half = online(world, amount=50)  # 1.1 % is 0.55
    small = world.settle(half, "VN1", fee=1)
    exact = online(world, amount=500_000 // 110 * 10)  # 45 450: 499.95
    large = world.settle(exact, "VN1", fee=500)
    outcome = decide(world)
    assert outcome.matched("provider", pay, line)
    assert outcome.matched("provider", half, small)
    assert outcome.matched("provider", exact, large)


def test_the_fee_mismatch_says_what_was_contracted() -> None:
    world = World()
    pay = online(world)
    line = world.settle(pay, "VN1", fee=600)
    found = decide(world).mismatch("provider", line)
    assert (found["type"], found["expected"], found["actual"]) == ("fee_mismatch", "550", "600")
    assert found["reason"] == "The provider deducted a fee of 600 VND; the contract says 550 VND."
    assert found["related_items"] == f"payment:{pay['payment_id']}"


def test_a_fee_on_a_refund_is_a_fee_mismatch() -> None:
    world = World()
    pay = online(world, kind="refund")
    line = world.settle(pay, "VN1", fee=100)
    assert decide(world).type_of("provider", line) == "fee_mismatch"


def test_without_terms_no_fee_can_agree() -> None:
    world = World()
    pay = world.pay(channel="viettel", status="succeeded", provider_txn_id="9", day=DAY)
    line = world.settle(online(world), "VN1")
    line |= {"provider": "viettel", "provider_txn_id": "9", "bill_reference": pay["bill_reference"]}
    line |= {"gross": pay["amount"], "net": pay["amount"] - line["fee"]}
    outcome = decide(world)
    assert outcome.type_of("provider", line) == "fee_mismatch"
    assert "viettel" in outcome.mismatch("provider", line)["reason"]


def test_status_outweighs_amount_and_fee() -> None:
    world = World()
    pay = online(world, status="pending")
    line = world.settle(pay, "VN1", gross=49_000, fee=1)
    outcome = decide(world)
    assert outcome.type_of("provider", pay) == "status_mismatch"
    assert outcome.type_of("provider", line) == "status_mismatch"


def test_amount_outweighs_fee() -> None:
    world = World()
    line = world.settle(online(world), "VN1", gross=49_000, fee=1)
    assert decide(world).type_of("provider", line) == "amount_mismatch"


def test_a_payment_settled_in_parts_under_one_id() -> None:
    world = World()
    pay = online(world, amount=100_000)
    parts = [world.settle(pay, "VN1", gross=gross) for gross in (60_000, 40_000)]
    assert decide(world).matched("provider", pay, *parts) == "txn_id_parts"


def test_parts_may_carry_the_fee_of_the_whole() -> None:
    world = World()
    pay = online(world, amount=100_000)
    parts = [
        world.settle(pay, "VN1", gross=gross, fee=fee)
        for gross, fee in ((60_000, 1_100), (40_000, 0))
    ]
    outcome = decide(world)
    assert outcome.matched("provider", pay, *parts) == "txn_id_parts"
    parts[1]["fee"], parts[1]["net"] = 1, 39_999
    assert decide(world).type_of("provider", pay) == "fee_mismatch"


def test_the_same_payment_settled_again_is_a_second_receipt() -> None:
    world = World()
    pay = online(world)
    first = world.settle(pay, "VN1")
    again = world.settle(pay, "VN2", occurred_at=first["occurred_at"] + dt.timedelta(days=1))
    outcome = decide(world)
    assert outcome.matched("provider", pay, first)
    assert outcome.type_of("provider", again) == "duplicate_payment"


def test_a_reported_line_told_again_with_a_mangled_id_settles_no_other_payment() -> None:
    world = World()
    pay = online(world)
    other = online(world, reference=pay["bill_reference"])
    first = world.settle(pay, "VN1")
    told = world.settle(pay, "VN1", provider_txn_id="7.7E+3", report_id="R2")
    outcome = decide(world)
    assert outcome.matched("provider", pay, first)
    assert outcome.type_of("provider", told) == "duplicate_payment"
    assert outcome.type_of("provider", other) == "not_settled"


def test_the_earlier_report_stands() -> None:
    world = World()
    pay = online(world)
    late = world.settle(pay, "VN1", report_id="R-20260302-B")
    early = late | {"line_id": "S99999999", "report_id": "R-20260302-A"}
    world.settlements.append(early)
    outcome = decide(world)
    assert outcome.matched("provider", pay, early)
    assert outcome.type_of("provider", late) == "duplicate_line"
    assert outcome.type_of("payout", late) == "duplicate_line"


def test_two_refunds_under_one_id_are_told_apart_by_amount() -> None:
    world = World()
    same = {"kind": "refund", "provider_txn_id": "R1"}
    one, two = online(world, amount=20_000, **same), online(world, amount=30_000, **same)
    lines = [world.settle(pay, "VN1") for pay in (one, two)]
    outcome = decide(world)
    assert outcome.matched("provider", one, lines[0])
    assert outcome.matched("provider", two, lines[1])


def test_two_refunds_under_one_id_are_told_apart_by_reference() -> None:
    world = World()
    same = {"kind": "refund", "provider_txn_id": "R1", "amount": 20_000}
    one, two = online(world, **same), online(world, **same)
    lines = [world.settle(pay, "VN1") for pay in (one, two)]
    outcome = decide(world)
    assert outcome.matched("provider", one, lines[0])
    assert outcome.matched("provider", two, lines[1])


def test_two_equal_refunds_under_one_id_and_bill_are_ambiguous() -> None:
    world = World()
    one = online(world, kind="refund", provider_txn_id="R1")
    two = online(world, kind="refund", provider_txn_id="R1", reference=one["bill_reference"])
    line = world.settle(one, "VN1")
    outcome = decide(world)
    for row in (one, two, line):
        assert outcome.type_of("provider", row) == "ambiguous"


def test_dead_payments_under_one_id_flag_only_the_line() -> None:
    world = World()
    one = online(world, status="failed", provider_txn_id="D")
    two = online(world, status="expired", provider_txn_id="D")
    line = world.settle(one, "VN1")
    outcome = decide(world)
    assert outcome.type_of("provider", line) == "status_mismatch"
    assert outcome.type_of("provider", one) == outcome.type_of("provider", two) == ""


def test_a_dead_attempt_settled_by_reference_alone_is_a_status_mismatch() -> None:
    world = World()
    pay = online(world, status="expired")
    line = world.settle(pay, "VN1", provider_txn_id="")
    outcome = decide(world)
    assert outcome.type_of("provider", pay) == "status_mismatch"
    assert outcome.type_of("provider", line) == "status_mismatch"
    line["gross"] -= 1
    assert decide(world).type_of("provider", line) == "status_mismatch"


def test_money_given_back_names_the_payment_it_came_by() -> None:
    world = World()
    pay = online(world)
    world.settle(pay, "VN1")
    taken = world.settle(pay, "VN1", kind="chargeback", gross=-50_000, provider_txn_id="")
    found = decide(world).mismatch("provider", taken)
    assert found["type"] == "chargeback"
    assert found["related_items"] == f"payment:{pay['payment_id']}"


def test_a_payment_settled_in_another_currency_is_an_amount_mismatch() -> None:
    world = World()
    pay = online(world)
    line = world.settle(pay, "VN1", currency="USD")
    found = decide(world).mismatch("provider", line)
    assert found["type"] == "amount_mismatch"
    assert found["reason"] == "The money is in USD, not in VND."
