"""Rules of the direct layer, one small scene each."""

import datetime as dt

import pytest

from benchmarks.matching.noise import DIRECT
from benchmarks.matching.world import AS_OF, Row, World
from tests.support.labelled import Outcome, decide

DAY = AS_OF - dt.timedelta(days=10)


def scene() -> tuple[World, Row]:
    world = World()
    return world, world.pay(amount=50_000, day=DAY)


def test_exact_reference_and_amount_is_a_match_of_full_confidence() -> None:
    world, pay = scene()
    line = world.line(50_000, f"PHI {pay['bill_reference']}")
    outcome = decide(world)
    assert outcome.matched("direct", pay, line) == "narrative_reference"
    assert set(outcome.result.matches["confidence"]) == {"1"}


@pytest.mark.parametrize("kind", sorted(DIRECT))
def test_each_kind_of_noise_comes_out_as_the_contract_says(kind: str) -> None:
    world = World(kind=kind)
    for _ in range(5):
        DIRECT[kind](world)
    outcome = decide(world)
    for key, types in world.flagged.items():
        assert outcome.flags.get(key) in types, key
    for group in world.required:
        assert outcome.groups.get(min(group)) == group, group


def test_truncated_reference_of_another_amount_is_no_evidence() -> None:
    world, pay = scene()
    line = world.line(49_000, f"PHI {pay['bill_reference'][:-2]}")
    outcome = decide(world)
    found = outcome.mismatch("direct", line)
    assert found["type"] == "unrecorded_receipt"
    assert found["related_items"] == f"payment:{pay['payment_id']}"
    assert outcome.type_of("direct", pay) == ""


@pytest.mark.parametrize("other_amount", [50_000, 75_000])
def test_a_symbol_too_many_that_spells_another_bill_is_told_by_the_amount(
    other_amount: int,
) -> None:
    world = World()
    meant = world.pay(reference="MC0ARMHJ4FE0", amount=50_000, day=DAY, status="pending")
    world.pay(reference="MC00ARMHJ4FE", amount=other_amount, day=DAY, status="pending")
    line = world.line(50_000, "NOP PHI MC00ARMHJ4FE0 HO SO")
    outcome = decide(world)
    if other_amount == 50_000:
        assert outcome.type_of("direct", line) == "ambiguous"
    else:
        assert outcome.matched("direct", meant, line) == "narrative_reference_repaired"


def test_random_spaces_in_the_reference_do_not_matter() -> None:
    world, pay = scene()
    code = pay["bill_reference"]
    line = world.line(50_000, f"ck {code[:1]} {code[1:5]}  {code[5:]} nhe")
    assert decide(world).matched("direct", pay, line)


def test_the_earlier_value_date_settles_and_then_the_smaller_line_id() -> None:
    world, pay = scene()
    later = world.line(50_000, f"PHI {pay['bill_reference']}", day=DAY + dt.timedelta(days=1))
    earlier = world.line(50_000, f"CK {pay['bill_reference']}", day=DAY)
    same_day = world.line(50_000, f"TT {pay['bill_reference']}", day=DAY)
    outcome = decide(world)
    assert outcome.matched("direct", pay, earlier)
    assert outcome.type_of("direct", later) == "duplicate_payment"
    assert outcome.type_of("direct", same_day) == "duplicate_payment"


def test_two_payments_and_two_lines_of_one_bill_and_amount_are_one_match() -> None:
    world, pay = scene()
    pay["status"] = "succeeded"
    other = world.pay(reference=pay["bill_reference"], amount=50_000, status="succeeded")
    lines = [world.line(50_000, f"PHI {pay['bill_reference']}") for _ in range(2)]
    assert decide(world).matched("direct", pay, other, *lines)


def test_two_payments_of_one_bill_are_told_apart_by_their_amounts() -> None:
    world, pay = scene()
    other = world.pay(reference=pay["bill_reference"], amount=30_000)
    small = world.line(30_000, f"PHI {pay['bill_reference']}")
    large = world.line(50_000, f"PHI {pay['bill_reference']}")
    outcome = decide(world)
    assert outcome.matched("direct", pay, large)
    assert outcome.matched("direct", other, small)


def test_one_transfer_for_all_payments_of_a_bill() -> None:
    world, pay = scene()
    other = world.pay(reference=pay["bill_reference"], amount=30_000)
    line = world.line(80_000, f"PHI {pay['bill_reference']}")
    assert decide(world).matched("direct", pay, other, line) == "narrative_reference_parts"


def test_parts_that_may_pay_one_payment_or_another_are_ambiguous() -> None:
    world, pay = scene()
    pay["status"] = "succeeded"
    world.pay(reference=pay["bill_reference"], amount=50_000, status="succeeded")
    lines = [world.line(25_000, f"PHI {pay['bill_reference']}") for _ in range(2)]
    outcome = decide(world)
    assert [outcome.type_of("direct", line) for line in lines] == ["ambiguous"] * 2
    assert outcome.type_of("direct", pay) == "ambiguous"


def test_one_credit_for_two_successes_settles_neither() -> None:
    world, pay = scene()
    pay["status"] = "succeeded"
    other = world.pay(reference=pay["bill_reference"], amount=50_000, status="succeeded")
    line = world.line(50_000, f"PHI {pay['bill_reference']}")
    outcome = decide(world)
    for row in (pay, other, line):
        assert outcome.type_of("direct", row) == "ambiguous"


def test_extra_money_for_a_settled_bill_is_a_second_receipt_at_any_amount() -> None:
    world, pay = scene()
    line = world.line(50_000, f"PHI {pay['bill_reference']}")
    extra = world.line(20_000, f"PHI {pay['bill_reference']}")
    outcome = decide(world)
    assert outcome.matched("direct", pay, line)
    assert outcome.type_of("direct", extra) == "duplicate_payment"


def test_a_bill_paid_alone_and_again_with_another_is_not_decided() -> None:
    world, pay = scene()
    other = world.pay(amount=75_000, status="succeeded")
    alone = world.line(50_000, f"PHI {pay['bill_reference']}")
    both = world.line(125_000, f"{pay['bill_reference']} {other['bill_reference']}")
    outcome = decide(world)
    for row in (alone, both, other):
        assert outcome.type_of("direct", row) == "ambiguous"


def test_two_bills_paid_twice_together() -> None:
    world, pay = scene()
    other = world.pay(amount=75_000)
    text = f"{pay['bill_reference']} {other['bill_reference']}"
    first = world.line(125_000, text, day=DAY)
    again = world.line(125_000, text, day=DAY + dt.timedelta(days=2))
    outcome = decide(world)
    assert outcome.matched("direct", pay, other, first) == "narrative_reference_bills"
    assert outcome.type_of("direct", again) == "duplicate_payment"


def test_two_bills_paid_together_in_parts() -> None:
    world, pay = scene()
    other = world.pay(amount=75_000)
    text = f"{pay['bill_reference']} {other['bill_reference']}"
    lines = [world.line(part, text) for part in (100_000, 25_000)]
    assert decide(world).matched("direct", pay, other, *lines) == "narrative_reference_bills"


def test_two_bills_underpaid_together() -> None:
    world, pay = scene()
    other = world.pay(amount=75_000)
    line = world.line(120_000, f"{pay['bill_reference']} {other['bill_reference']}")
    outcome = decide(world)
    for row in (pay, other, line):
        assert outcome.type_of("direct", row) == "amount_mismatch"


def test_a_returned_transfer_of_an_unknown_bill_is_a_reversal_too() -> None:
    world = World()
    unknown = world.reference()
    came = world.line(50_000, f"PHI {unknown}", day=DAY)
    went = world.line(-50_000, f"HOAN {unknown}", day=DAY)
    outcome = decide(world)
    assert outcome.type_of("direct", came) == "reversal"
    assert outcome.mismatch("direct", went)["related_items"] == f"bank:{came['line_id']}"


def test_a_debit_before_the_credit_took_nothing_back() -> None:
    world, pay = scene()
    went = world.line(-50_000, f"HOAN {pay['bill_reference']}", day=DAY)
    came = world.line(50_000, f"PHI {pay['bill_reference']}", day=DAY + dt.timedelta(days=1))
    outcome = decide(world)
    assert outcome.type_of("direct", went) == "unrecorded_debit"
    assert outcome.matched("direct", pay, came)


def test_a_success_that_the_bank_took_back_is_not_settled() -> None:
    world, pay = scene()
    pay["status"] = "succeeded"
    world.line(50_000, f"PHI {pay['bill_reference']}", day=DAY)
    world.line(-50_000, f"TRA LAI {pay['bill_reference']}", day=DAY)
    assert decide(world).type_of("direct", pay) == "not_settled"


def test_a_recorded_refund_explains_the_debit_before_a_reversal_does() -> None:
    world, pay = scene()
    refund = world.pay(
        reference=pay["bill_reference"], amount=50_000, kind="refund", status="succeeded"
    )
    came = world.line(50_000, f"PHI {pay['bill_reference']}", day=DAY)
    went = world.line(-50_000, f"HOAN PHI {pay['bill_reference']}", day=DAY)
    outcome = decide(world)
    assert outcome.matched("direct", pay, came)
    assert outcome.matched("direct", refund, went)


def test_a_refund_sent_twice_is_an_unrecorded_debit() -> None:
    world, pay = scene()
    reference = pay["bill_reference"]
    refund = world.pay(reference=reference, amount=20_000, kind="refund", status="succeeded")
    first = world.line(-20_000, f"HOAN {reference}", day=DAY)
    again = world.line(-20_000, f"HOAN {reference}", day=AS_OF)
    outcome = decide(world)
    assert outcome.matched("direct", refund, first)
    assert outcome.type_of("direct", again) == "unrecorded_debit"


def test_a_debit_proves_no_refund_that_was_ordered_after_it() -> None:
    world, pay = scene()
    reference = pay["bill_reference"]
    first, second = (
        world.pay(reference=reference, amount=20_000, kind="refund", status="succeeded", day=day)
        for day in (DAY, DAY + dt.timedelta(days=4))
    )
    left = world.line(-20_000, f"HOAN {reference}", day=DAY + dt.timedelta(days=1))
    outcome = decide(world)
    assert outcome.matched("direct", first, left), "the later refund makes no doubt of it"
    assert not outcome.type_of("direct", left)
    twice = world.line(-20_000, f"HOAN {reference}", day=DAY + dt.timedelta(days=2))
    again = world.line(-20_000, f"HOAN {reference}", day=DAY + dt.timedelta(days=5))
    outcome = decide(world)
    assert outcome.type_of("direct", twice) == "unrecorded_debit"
    assert outcome.matched("direct", first, left)
    assert outcome.matched("direct", second, again)


def test_two_equal_refunds_ordered_before_one_debit_are_ambiguous() -> None:
    world, pay = scene()
    reference = pay["bill_reference"]
    for _ in range(2):
        world.pay(reference=reference, amount=20_000, kind="refund", status="succeeded", day=DAY)
    left = world.line(-20_000, f"HOAN {reference}", day=DAY + dt.timedelta(days=1))
    assert decide(world).type_of("direct", left) == "ambiguous"


def test_a_refund_held_as_failed_that_left_is_a_status_mismatch() -> None:
    world, pay = scene()
    refund = world.pay(
        reference=pay["bill_reference"], amount=20_000, kind="refund", status="failed"
    )
    line = world.line(-20_000, f"HOAN {pay['bill_reference']}")
    outcome = decide(world)
    assert outcome.type_of("direct", refund) == "status_mismatch"
    assert "left" in outcome.mismatch("direct", line)["reason"]


def test_a_transfer_for_a_bill_that_a_wallet_paid_is_a_second_receipt() -> None:
    world = World()
    paid = world.pay(channel="vnpay", status="succeeded", provider_txn_id="77", amount=50_000)
    world.settle(paid, "VN1")
    line = world.line(50_000, f"PHI {paid['bill_reference']}")
    assert decide(world).type_of("direct", line) == "duplicate_payment"


def test_a_transfer_for_a_bill_tried_only_by_wallet_is_unrecorded() -> None:
    world = World()
    tried = world.pay(channel="vnpay", status="failed", provider_txn_id="77", amount=50_000)
    line = world.line(50_000, f"PHI {tried['bill_reference']}")
    found = decide(world).mismatch("direct", line)
    assert found["type"] == "unrecorded_receipt"
    assert found["related_items"] == f"payment:{tried['payment_id']}"


def test_a_dossier_whose_other_bill_waits_for_a_wallet_is_ambiguous() -> None:
    world, pay = scene()
    world.pay(channel="vnpay", dossier_code=pay["dossier_code"], provider_txn_id="78")
    line = world.line(50_000, f"HS {pay['dossier_code']} cam on")
    assert decide(world).type_of("direct", line) == "ambiguous"


def test_a_dossier_with_another_amount_is_an_amount_mismatch() -> None:
    world, pay = scene()
    line = world.line(40_000, f"HS {pay['dossier_code']} cam on")
    outcome = decide(world)
    assert outcome.type_of("direct", pay) == "amount_mismatch"
    assert outcome.type_of("direct", line) == "amount_mismatch"


def test_a_dossier_paid_in_parts() -> None:
    world, pay = scene()
    lines = [world.line(part, f"HS {pay['dossier_code']} lan") for part in (20_000, 30_000)]
    assert decide(world).matched("direct", pay, *lines)


def test_a_dossier_named_after_its_bill_was_paid_is_a_second_receipt() -> None:
    world, pay = scene()
    first = world.line(50_000, f"PHI {pay['bill_reference']}")
    again = world.line(50_000, f"HS {pay['dossier_code']} cam on")
    other = world.line(7_000, f"HS {pay['dossier_code']} chup anh")
    outcome = decide(world)
    assert outcome.matched("direct", pay, first)
    assert outcome.type_of("direct", again) == "duplicate_payment"
    assert outcome.type_of("direct", other) == "unrecorded_receipt"


def test_the_reference_outweighs_a_dossier_code_of_another_bill() -> None:
    world, pay = scene()
    other = world.pay(amount=50_000)
    line = world.line(50_000, f"{pay['bill_reference']} HS {other['dossier_code']}")
    assert decide(world).matched("direct", pay, line)


def test_an_unknown_reference_is_not_overruled_by_a_dossier_code() -> None:
    world, pay = scene()
    line = world.line(50_000, f"{world.reference()} HS {pay['dossier_code']}")
    assert decide(world).type_of("direct", line) == "unrecorded_receipt"


def test_candidates_by_name_and_amount_are_named_but_not_matched() -> None:
    world, pay = scene()
    pay["payer_name"] = "Nguyễn Thị Đào"
    world.pay(amount=50_000, payer_name="Ai Khác")
    line = world.line(50_000, "chuyen tien", counterparty_name="NGUYEN THI DAO")
    found = decide(world).mismatch("direct", line)
    assert found["type"] == "unrecorded_receipt"
    assert found["related_items"] == f"payment:{pay['payment_id']}"


def test_a_remittance_without_reference_is_only_a_candidate_of_its_debit() -> None:
    world = World()
    sent = world.pay(kind="remittance", amount=9_000_001, status="succeeded", day=DAY)
    line = world.line(-9_000_001, "NOP NSNN KBNN MONG CAI")
    outcome = decide(world)
    assert outcome.type_of("direct", sent) == "not_settled"
    found = outcome.mismatch("direct", line)
    assert found["type"] == "not_a_fee"
    assert found["related_items"] == f"payment:{sent['payment_id']}"


def test_a_rule_does_not_hide_a_remittance_of_another_amount() -> None:
    world = World()
    sent = world.pay(kind="remittance", amount=9_000_001, status="succeeded", day=DAY)
    line = world.line(-9_000_000, f"NOP NSNN {sent['bill_reference']} KBNN")
    outcome = decide(world)
    assert outcome.type_of("direct", sent) == "amount_mismatch"
    assert outcome.type_of("direct", line) == "amount_mismatch"


@pytest.mark.parametrize(
    ("age", "type_"), [(0, "timing_difference"), (3, "timing_difference"), (4, "not_settled")]
)
def test_a_success_is_overdue_when_more_than_the_grace_days_have_passed(
    age: int, type_: str
) -> None:
    world = World()
    pay = world.pay(status="succeeded", day=AS_OF - dt.timedelta(days=age))
    assert decide(world).type_of("direct", pay) == type_


def test_the_day_of_a_payment_is_the_day_at_plus_seven() -> None:
    world = World()
    utc_evening = dt.datetime(2026, 3, 27, 17, 30, tzinfo=dt.UTC)
    pay = world.pay(status="succeeded") | {}
    world.payments[0]["paid_at"] = utc_evening
    assert decide(world).type_of("direct", pay) == "timing_difference"
    world.payments[0]["paid_at"] = utc_evening - dt.timedelta(hours=1)
    assert decide(world).type_of("direct", pay) == "not_settled"


def test_a_pending_payment_without_money_appears_nowhere() -> None:
    world, pay = scene()
    outcome: Outcome = decide(world)
    assert outcome.type_of("direct", pay) == ""
    assert outcome.result.matches.empty
    assert outcome.result.mismatches.empty


def test_lines_that_differ_in_bank_ref_are_two_receipts() -> None:
    world, pay = scene()
    line = world.line(50_000, f"PHI {pay['bill_reference']}", day=DAY)
    other = line | {"line_id": "B99999999", "bank_ref": "FT9"}
    world.bank.append(other)
    outcome = decide(world)
    assert outcome.matched("direct", pay, line)
    assert outcome.type_of("direct", other) == "duplicate_payment"


def test_a_dead_bill_with_several_attempts_flags_the_line_and_names_them() -> None:
    world = World()
    one = world.pay(status="expired", amount=50_000)
    two = world.pay(status="failed", amount=50_000, reference=one["bill_reference"])
    line = world.line(50_000, f"PHI {one['bill_reference']}")
    outcome = decide(world)
    related = outcome.mismatch("direct", line)["related_items"]
    assert outcome.type_of("direct", line) == "status_mismatch"
    assert related == f"payment:{one['payment_id']};payment:{two['payment_id']}"
    assert outcome.type_of("direct", one) == outcome.type_of("direct", two) == ""


def test_the_beginning_of_the_next_word_does_not_prove_a_reference() -> None:
    """``MC8CSMFZE60 HO SO``: a dropped symbol of one bill, or the H belongs to another."""
    world = World()
    meant = world.pay(reference="MC8CSMHFZE60", amount=50_000)
    world.pay(reference="MC8CSMFZE60H", amount=75_000)
    line = world.line(50_000, "NOP PHI MC8CSMFZE60 HO SO")
    assert decide(world).matched("direct", meant, line) == "narrative_reference_repaired"


def test_a_reference_in_pieces_is_whole_if_its_last_piece_is() -> None:
    world = World()
    pay = world.pay(reference="MC8CSMFZE60H", amount=50_000)
    line = world.line(50_000, "NOP PHI MC8C SMFZE 60H HO SO")
    assert decide(world).matched("direct", pay, line) == "narrative_reference"
