"""What keeps clearing from zero is named item by item, and the items add up to the balance."""

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from core.actors import Actor
from core.money import Money
from payments.channels import Rail
from payments.collection import reverse_payment
from payments.ledger.balances import balance_of
from payments.models import Payment
from payments.refunds import (
    Beneficiary,
    approve_refund,
    fingerprint,
    prepare_payment_order,
)
from reconciliation import mismatches
from reconciliation.clearing import Clearing, Keeps, list_clearings
from reconciliation.models import Mismatch
from reconciliation.states import MismatchType, ResolutionKind
from tests.factories import a_bill, a_line, a_paid_payment, ask_refund
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, World, a_world, compare, pays, receive, report_of, settled

TUESDAY = DAY + timedelta(days=1)


@pytest.fixture
def world(session: Session, clock: FrozenClock) -> World:
    return a_world(session, clock=clock)


def clearing(session: Session, world: World, name: str = "vnpay") -> Clearing:
    """The clearing account of this name; whatever it shows has to add up to the books."""
    session.flush()
    found = {one.name: one for one in list_clearings(session, world.account)}
    for one in found.values():
        code = f"clearing:{one.name}"
        booked = balance_of(session, code, account_id=world.account.id)
        assert sum(item.amount_minor for item in one.items) == one.balance_minor == booked
    return found[name]


def kept(one: Clearing) -> list[tuple[str, Keeps, int]]:
    return [(item.kind, item.keeps, item.amount_minor) for item in one.items]


def paid_online(session: Session, world: World, clock: FrozenClock, number: int = 2) -> Payment:
    bill = a_bill(session, world.city, clock=clock, number=number)
    return a_paid_payment(session, bill, clock=clock)


def reports(session: Session, world: World, *payments: Payment, clock: FrozenClock) -> None:
    lines = [
        settled(p.merchant_reference.rpartition("-")[0], p.provider_txn_id or "") for p in payments
    ]
    report_of(session, *lines, clock=clock, account=world.account)


def test_a_channel_returns_to_zero_when_its_payouts_are_matched(
    session: Session, world: World, clock: FrozenClock
) -> None:
    payments = [paid_online(session, world, clock, number) for number in (2, 3)]
    assert kept(clearing(session, world)) == [("payment", Keeps.NOT_REPORTED, 83_000)] * 2

    reports(session, world, *payments, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert kept(clearing(session, world)) == [("settlement", Keeps.NOT_PAID_OUT, 82_170)] * 2

    credit = a_line(TUESDAY, 2 * 82_170, "VNPAY PO1", bank_ref="V1", payer="VNPAY")
    receive(session, world.account, credit, day=TUESDAY, clock=clock)
    compare(session, world.account, clock=clock)
    assert clearing(session, world).balance_minor == 0
    assert kept(clearing(session, world)) == []


def test_a_transfer_waits_for_its_statement_only(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_paid_payment(session, world.bill, clock=clock, rail=Rail.VIETQR)
    assert kept(clearing(session, world, "bank_transfer")) == [
        ("payment", Keeps.NOT_ON_STATEMENT, 83_000)
    ]
    receive(session, world.account, pays(world.bill), clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert kept(clearing(session, world, "bank_transfer")) == []


def test_an_item_names_its_mismatch_and_its_own_reference(
    session: Session, world: World, clock: FrozenClock
) -> None:
    payment = paid_online(session, world, clock)
    clock.advance(days=9)
    compare(session, world.account, clock=clock)
    (item,) = clearing(session, world).items
    assert item.mismatch is not None
    assert item.mismatch.type is MismatchType.NOT_SETTLED
    assert (item.reference, item.day) == (payment.merchant_reference, DAY)


def test_what_is_paid_out_without_a_payment_of_ours_is_named_until_it_is_decided(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    report_of(session, settled("", "999"), clock=clock, account=world.account)
    credit = a_line(TUESDAY, 82_170, "VNPAY PO1", bank_ref="V1", payer="VNPAY")
    receive(session, world.account, credit, day=TUESDAY, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    (item,) = clearing(session, world).items
    assert (item.kind, item.keeps, item.amount_minor) == (
        "settlement", Keeps.NOT_RECORDED, -82_170,
    )  # fmt: skip
    assert item.mismatch is not None
    resolution = mismatches.propose_resolution(
        session, item.mismatch, ResolutionKind.RETURN_TO_PAYER, "unknown payer",
        actor=officer, clock=clock,
    )  # fmt: skip
    mismatches.decide_resolution(
        session, resolution, approve=True, note="", actor=approver, clock=clock
    )
    assert kept(clearing(session, world)) == []


def test_a_chargeback_and_the_payment_it_takes_back_are_one_amount(
    session: Session, world: World, clock: FrozenClock
) -> None:
    taken_back, *others = (paid_online(session, world, clock, number) for number in (2, 3, 4))
    reports(session, world, taken_back, clock=clock)
    first = a_line(TUESDAY, 82_170, "VNPAY PO1", bank_ref="V1", payer="VNPAY")
    receive(session, world.account, first, day=TUESDAY, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    reverse_payment(session, taken_back, "charged back", clock=clock)
    assert ("payment", Keeps.DIFFERS, -83_000) in kept(clearing(session, world))

    lines = [settled("", payment.provider_txn_id or "", payout="PO2") for payment in others]
    back = settled("", taken_back.provider_txn_id or "", gross=-83_000, fee=0, kind="chargeback",
                   payout="PO2")  # fmt: skip
    report_of(session, *lines, back, clock=clock, report_id="R2", account=world.account)
    second = a_line(TUESDAY, 81_340, "VNPAY PO2", bank_ref="V2", payer="VNPAY")
    receive(session, world.account, second, day=TUESDAY, opening=82_170, clock=clock)
    compare(session, world.account, clock=clock)
    assert kept(clearing(session, world)) == []


def test_a_refund_by_transfer_waits_for_its_debit(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    payment = a_paid_payment(
        session, world.bill, clock=clock, rail=Rail.VIETQR, collected_minor=90_000
    )
    receive(session, world.account, pays(world.bill, 90_000), clock=clock)
    refund = ask_refund(
        session, payment, Money(7_000), actor=officer, clock=clock, by_transfer=True,
        beneficiary=Beneficiary("TRAN VAN A", "0011", "970436"),
    )  # fmt: skip
    approve_refund(session, refund, seen=fingerprint(refund), note="", actor=approver, clock=clock)
    prepare_payment_order(session, world.account, [refund], actor=officer, clock=clock)
    clock.advance(days=1)
    narrative = f"{world.bill.bill_reference} hoan tien phi le phi {refund.refund_reference}"
    debit = a_line(TUESDAY, -7_000, narrative, bank_ref="B1")
    receive(session, world.account, debit, day=TUESDAY, opening=90_000, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert kept(clearing(session, world, "bank_transfer")) == []


def test_a_line_that_a_person_matched_keeps_nothing(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    payment = paid_online(session, world, clock)
    line = settled("", payment.provider_txn_id or "", gross=80_000, fee=800)
    report_of(session, line, clock=clock, account=world.account)
    credit = a_line(TUESDAY, 79_200, "VNPAY PO1", bank_ref="V1", payer="VNPAY")
    receive(session, world.account, credit, day=TUESDAY, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert {keeps for _, keeps, _ in kept(clearing(session, world))} == {
        Keeps.NOT_REPORTED, Keeps.NOT_RECORDED,
    }  # fmt: skip
    found = session.exec(
        select(Mismatch).where(Mismatch.type == MismatchType.AMOUNT_MISMATCH)
    ).all()
    resolution = mismatches.propose_resolution(
        session, found[0], ResolutionKind.MATCH, "less was charged",
        counterpart=_counterpart(found[0], payment), actor=officer, clock=clock,
    )  # fmt: skip
    mismatches.decide_resolution(
        session, resolution, approve=True, note="", actor=approver, clock=clock
    )
    assert kept(clearing(session, world)) == []


def _counterpart(mismatch: Mismatch, payment: Payment) -> str:
    return "" if mismatch.item_id == payment.id else f"payment:{payment.id}"


def test_nothing_of_another_account_is_among_the_items(
    session: Session, world: World, clock: FrozenClock
) -> None:
    bill = a_bill(session, world.city, clock=clock, commune=1, number=7)
    a_paid_payment(session, bill, clock=clock)
    assert list_clearings(session, world.account) == []
