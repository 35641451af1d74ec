"""One small scene for each rule and each type of mismatch: what its certificate states."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.matching.world import AS_OF, CONTRACTS, Row, World
from reconciliation.matching.certificates.certify import certify
from reconciliation.matching.certificates.matched import rounded
from reconciliation.matching.certificates.model import Certificate
from reconciliation.matching.certificates.payouts import combinations
from reconciliation.matching.engine import run
from reconciliation.matching.model import VERSION, Rule
from reconciliation.states import MismatchType
from tests.support.certificate_checks import Checker
from tests.support.labelled import inputs_of

DAY = AS_OF - dt.timedelta(days=12)
VNPAY = CONTRACTS["providers"]["vnpay"]
FROM_VNPAY = {"counterparty_account": VNPAY["payout_accounts"][0], "day": DAY}


def online(world: World, **given: Any) -> Row:
    said = {"channel": "vnpay", "status": "succeeded", "provider_txn_id": str(next(world.ids))}
    return world.pay(**(said | {"amount": 100_000, "day": DAY} | given))


def transfer(world: World, **given: Any) -> Row:
    return world.pay(**({"amount": 50_000, "day": DAY} | given))


def named(world: World, pay: Row, amount: int = 50_000, **given: Any) -> Row:
    return world.line(amount, f"PHI {pay['bill_reference']}", **({"day": DAY} | given))


def txn_id(w: World) -> Row:
    return w.settle(online(w), "V1")


def txn_id_parts(w: World) -> Row:
    pay = online(w)
    w.settle(pay, "V1", gross=70_000)
    return w.settle(pay, "V1", gross=30_000)


def bill_reference(w: World) -> Row:
    return w.settle(online(w), "V1", provider_txn_id="1.23E+10")


def payout_id(w: World) -> Row:
    line = w.settle(online(w), "VN20260302", payout_date=DAY)
    return w.line(line["net"], "tra VN 2026-0302", day=DAY)


def payout_sum(w: World) -> Row:
    line = w.settle(online(w), "VN20260302", payout_date=DAY)
    return w.line(line["net"], "THANH TOAN", **FROM_VNPAY)


def bank_reference(w: World) -> Row:
    transfer(w, status="succeeded", provider_txn_id="FT1")
    return w.line(50_000, "CHUYEN TIEN", bank_ref="FT1")


def narrative_reference(w: World) -> Row:
    return named(w, transfer(w))


def narrative_reference_parts(w: World) -> Row:
    pay = transfer(w)
    named(w, pay, 20_000)
    return named(w, pay, 30_000)


def narrative_reference_bills(w: World) -> Row:
    one, two = transfer(w), transfer(w)
    return w.line(100_000, f"{one['bill_reference']} {two['bill_reference']}", day=DAY)


def narrative_reference_repaired(w: World) -> Row:
    return w.line(50_000, f"PHI {transfer(w)['bill_reference'][:-2]}", day=DAY)


def dossier_code(w: World) -> Row:
    return w.line(50_000, f"HO SO {transfer(w)['dossier_code']}", day=DAY)


def not_settled(w: World) -> Row:
    return transfer(w, status="succeeded")


def refund_missing(w: World) -> Row:
    return transfer(w, kind="refund", status="succeeded")


def timing_difference(w: World) -> Row:
    return transfer(w, status="succeeded", day=AS_OF)


def status_mismatch(w: World) -> Row:
    return named(w, transfer(w, status="expired"))


def amount_mismatch(w: World) -> Row:
    return named(w, transfer(w), 49_000)


def fee_mismatch(w: World) -> Row:
    return w.settle(online(w), "V1", fee=1)


def unrecorded_receipt(w: World) -> Row:
    transfer(w, payer_name="TRAN AN")
    return w.line(50_000, "CHUYEN TIEN", day=DAY, counterparty_name="Trần An")


def unrecorded_refund(w: World) -> Row:
    return w.settle(online(w) | {"kind": "refund"}, "V1")


def chargeback(w: World) -> Row:
    return w.settle(online(w) | {"kind": "chargeback"}, "V1", gross=-100_000, fee=0, net=-100_000)


def duplicate_payment(w: World) -> Row:
    pay = transfer(w)
    named(w, pay)
    return named(w, pay, day=DAY + dt.timedelta(days=1))


def duplicate_line(w: World) -> Row:
    line = named(w, transfer(w))
    copy = line | {"line_id": line["line_id"] + "2"}
    w.bank.append(copy)
    return copy


def payout_mismatch(w: World) -> Row:
    line = w.settle(online(w), "VN20260302", payout_date=DAY)
    return w.line(line["net"] - 1, "TRA VN20260302", day=DAY)


def payout_missing(w: World) -> Row:
    return w.settle(online(w), "VN20260302", payout_date=DAY)


def reversal(w: World) -> Row:
    pay = transfer(w)
    named(w, pay)
    return named(w, pay, -50_000, day=DAY + dt.timedelta(days=1))


def ambiguous(w: World) -> Row:
    pay = transfer(w)
    transfer(w, reference=pay["bill_reference"])
    return named(w, pay)


def not_a_fee(w: World) -> Row:
    return w.line(-11_000, "THU PHI DICH VU SMS", day=DAY)


def unrecorded_debit(w: World) -> Row:
    return w.line(-11_000, "RUT TIEN", day=DAY)


Scene = Callable[[World], Row]
RULES: dict[Rule, tuple[Scene, set[str]]] = {
    Rule.TXN_ID: (txn_id, {"txn_id.equal", "sum.provider", "fee.contract"}),
    Rule.TXN_ID_PARTS: (txn_id_parts, {"txn_id.equal", "sum.provider", "fee.contract"}),
    Rule.BILL_REFERENCE: (bill_reference, {"txn_id.unknown", "reference.field", "sum.provider"}),
    Rule.PAYOUT_ID: (payout_id, {"payout.net", "payout.id", "sum.payout"}),
    Rule.PAYOUT_SUM: (
        payout_sum,
        {"payout.sender", "payout.window", "payout.combination.payouts", "sum.payout"},
    ),
    Rule.BANK_REFERENCE: (bank_reference, {"bank_ref.equal", "sum.direct"}),
    Rule.NARRATIVE_REFERENCE: (narrative_reference, {"reference.whole", "sum.direct"}),
    Rule.NARRATIVE_REFERENCE_PARTS: (narrative_reference_parts, {"reference.whole", "sum.direct"}),
    Rule.NARRATIVE_REFERENCE_BILLS: (narrative_reference_bills, {"reference.whole", "sum.direct"}),
    Rule.NARRATIVE_REFERENCE_REPAIRED: (
        narrative_reference_repaired,
        {"reference.narrative", "repair.cut_end", "sum.direct"},
    ),
    Rule.DOSSIER_CODE: (dossier_code, {"dossier.read", "sum.direct"}),
}
TYPES: dict[MismatchType, tuple[Scene, set[str]]] = {
    MismatchType.NOT_SETTLED: (not_settled, {"days.late", "searched.reference"}),
    MismatchType.REFUND_MISSING: (refund_missing, {"days.late", "searched.reference"}),
    MismatchType.TIMING_DIFFERENCE: (timing_difference, {"days.grace", "searched.reference"}),
    MismatchType.STATUS_MISMATCH: (status_mismatch, {"status.held", "reference.whole"}),
    MismatchType.AMOUNT_MISMATCH: (amount_mismatch, {"reference.whole", "sum.differs"}),
    MismatchType.FEE_MISMATCH: (fee_mismatch, {"txn_id.equal", "fee.contract"}),
    MismatchType.UNRECORDED_RECEIPT: (
        unrecorded_receipt,
        {"narrative.says", "narrative.names_none", "resembles.name"},
    ),
    MismatchType.UNRECORDED_REFUND: (unrecorded_refund, {"line.says", "line.searched"}),
    MismatchType.CHARGEBACK: (chargeback, {"line.says", "rival.payment.opposite"}),
    MismatchType.DUPLICATE_PAYMENT: (duplicate_payment, {"again.settled", "again.days"}),
    MismatchType.DUPLICATE_LINE: (duplicate_line, {"repeated.equal", "repeated.differs"}),
    MismatchType.PAYOUT_MISMATCH: (payout_mismatch, {"payout.id", "payout.net", "sum.differs"}),
    MismatchType.PAYOUT_MISSING: (payout_missing, {"days.late", "searched.payout"}),
    MismatchType.REVERSAL: (reversal, {"reversal.pair", "reference.whole"}),
    MismatchType.AMBIGUOUS: (ambiguous, {"ambiguous.count", "reference.whole"}),
    MismatchType.NOT_A_FEE: (not_a_fee, {"narrative.rule", "narrative.names_none"}),
    MismatchType.UNRECORDED_DEBIT: (unrecorded_debit, {"narrative.says", "narrative.names_none"}),
}


def certified(scene: Scene, because: str) -> Certificate:
    """The certificate of the scene's last line by this rule or type, its statements checked."""
    world = World()
    row = scene(world)
    inputs = inputs_of(world)
    result = run(inputs)
    item = row.get("payment_id") or row["line_id"]
    found = certify(inputs, result, item)
    for one in found:
        Checker(inputs, result).check(one)
    (certificate,) = [one for one in found if one.because == because][:1]
    assert item in {one.id for one in certificate.items}
    return certificate


@pytest.mark.parametrize("rule", list(Rule))
def test_each_rule_states_its_evidence(rule: Rule) -> None:
    scene, codes = RULES[rule]
    certificate = certified(scene, rule)
    assert certificate.is_match
    assert (certificate.confidence, certificate.version) == (rule.confidence, VERSION)
    assert codes <= {finding.code for finding in certificate.evidence}


@pytest.mark.parametrize("type_", list(MismatchType))
def test_each_type_states_what_was_found_and_missed(type_: MismatchType) -> None:
    scene, codes = TYPES[type_]
    certificate = certified(scene, type_)
    assert certificate.reason is not None
    assert certificate.reason.code.partition(".")[0] == type_
    assert codes <= {f.code for f in (*certificate.evidence, *certificate.rivals)}


def test_an_item_is_explained_in_every_layer_it_passes_through() -> None:
    world = World()
    line = payout_id(world)
    inputs = inputs_of(world)
    result = run(inputs)
    settled = certify(inputs, result, world.settlements[0]["line_id"])
    assert [(one.layer, one.because) for one in settled] == [
        ("provider", "txn_id"),
        ("payout", "payout_id"),
    ]
    assert certify(inputs, result, line["line_id"]) == settled[1:]
    assert certify(inputs, result, settled[0].id) == settled[:1]
    assert certify(inputs, result, "nobody") == ()


def test_what_is_not_due_has_no_certificate() -> None:
    world = World()
    pay = transfer(world)
    inputs = inputs_of(world)
    assert certify(inputs, run(inputs), pay["payment_id"]) == ()


def test_rivals_say_why_they_were_not_taken() -> None:
    world = World()
    pay = transfer(world)
    other = transfer(world, reference=pay["bill_reference"], amount=70_000, status="failed")
    line = named(world, pay)
    again = named(world, pay, day=DAY + dt.timedelta(days=1))
    inputs = inputs_of(world)
    (certificate,) = certify(inputs, run(inputs), line["line_id"])
    assert [(f.code, f.parameters["item"], f.parameters["fate"]) for f in certificate.rivals] == [
        ("rival.payment.amount", other["payment_id"], "open"),
        ("rival.line", again["line_id"], "duplicate_payment"),
    ]


def test_the_parts_of_one_disagreement_are_shown_together() -> None:
    world = World()
    pay = transfer(world)
    named(world, pay, 20_000)
    line = named(world, pay, 25_000)
    inputs = inputs_of(world)
    (certificate,) = certify(inputs, run(inputs), line["line_id"])
    (differs,) = [f for f in certificate.evidence if f.code == "sum.differs"]
    assert differs.parameters == {"left": "50000", "right": "45000", "difference": "-5000"}


@pytest.mark.parametrize(
    ("amounts", "target", "count"),
    [
        ([1, 2, 4], 6, 1),
        ([1, 2, 3], 3, 2),
        ([3, 3, 3], 6, 2),
        ([5, -2], 3, 0),
        ([], 3, 0),
        ([1, 2], 0, 0),
    ],
)
def test_combinations_are_counted_and_two_stand_for_any_more(
    amounts: list[int], target: int, count: int
) -> None:
    assert combinations(amounts, target) == count


@pytest.mark.parametrize(("gross", "fee"), [(873_500, 9_609), (873_454, 9_608), (50, 1), (45, 0)])
def test_a_contracted_fee_is_rounded_half_up(gross: int, fee: int) -> None:
    assert rounded(gross, 110) == fee
