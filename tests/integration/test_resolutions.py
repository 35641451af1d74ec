"""What a decision of two people does to payments, bills and books."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from core.actors import Actor
from payments.channels import Rail
from payments.ledger.balances import balance_of, broken_rules
from payments.models import Bill, Payment, Receipt, ReceiptStatus
from payments.states import BillStatus, PaymentStatus
from reconciliation.errors import ResolutionNotAllowedError
from reconciliation.mismatches import decide_resolution, propose_resolution
from reconciliation.models import Match, Mismatch, Resolution
from reconciliation.states import ItemKind, MismatchStatus, MismatchType, ResolutionKind
from tests.factories import a_bill, a_line, a_paid_payment, a_payment
from tests.support.books import assert_books_agree
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, World, a_world, compare, pays, receive, report_of, settled

Decide = Callable[..., Resolution]
STRANGE = a_line(DAY, 83_000, "nop tien", bank_ref="F9", payer="AI DO")


@pytest.fixture
def world(session: Session, clock: FrozenClock) -> World:
    return a_world(session, clock=clock)


@pytest.fixture
def decide(session: Session, clock: FrozenClock, officer: Actor, approver: Actor) -> Decide:
    """Return how two people decide: the officer proposes, the approver approves."""

    def two_people(mismatch: Mismatch, kind: ResolutionKind, counterpart: str = "") -> Resolution:
        proposal = propose_resolution(
            session, mismatch, kind, "looked at with the bank", counterpart=counterpart,
            actor=officer, clock=clock,
        )  # fmt: skip
        return decide_resolution(
            session, proposal, approve=True, note="", actor=approver, clock=clock
        )

    return two_people


def the_mismatch(session: Session, type_: MismatchType, kind: ItemKind) -> Mismatch:
    query = select(Mismatch).where(Mismatch.type == type_, Mismatch.item_kind == kind)
    return session.exec(query).one()


def a_strange_line(session: Session, world: World, clock: FrozenClock) -> Mismatch:
    """Money came that names nothing; our own QR code is still awaited."""
    receive(session, world.account, STRANGE, clock=clock)
    compare(session, world.account, clock=clock)
    return session.exec(select(Mismatch).where(Mismatch.item_kind == ItemKind.BANK)).one()


def refused(session: Session, officer: Actor, clock: FrozenClock, mismatch: Mismatch,
            kind: ResolutionKind, counterpart: str = "", limit: int = 0) -> str:  # fmt: skip
    with pytest.raises(ResolutionNotAllowedError) as refusal:
        propose_resolution(
            session, mismatch, kind, "looked at with the bank", counterpart=counterpart,
            actor=officer, clock=clock, write_off_limit_minor=limit,
        )  # fmt: skip
    assert mismatch.status is MismatchStatus.OPEN
    return refusal.value.detail


@pytest.mark.parametrize(
    ("came", "status", "owed_back"),
    [(50_000, BillStatus.PARTLY_PAID, 0), (90_000, BillStatus.OVERPAID, 7_000)],
)
def test_a_transfer_of_another_amount_is_taken_as_received(
    session: Session, world: World, clock: FrozenClock, decide: Decide, came: int,
    status: BillStatus, owed_back: int,
) -> None:  # fmt: skip
    receive(session, world.account, pays(world.bill, came), clock=clock)
    compare(session, world.account, clock=clock)
    mine = the_mismatch(session, MismatchType.AMOUNT_MISMATCH, ItemKind.PAYMENT)
    decide(mine, ResolutionKind.MATCH)

    payment = session.get_one(Payment, world.payment.id)
    assert (payment.amount_minor, payment.collected_minor) == (83_000, came)
    assert payment.status is PaymentStatus.SUCCEEDED
    assert payment.confirmed_at == clock()
    assert session.get_one(Bill, world.bill.id).status is status
    assert balance_of(session, "suspense") == balance_of(session, "clearing:bank_transfer") == 0
    assert balance_of(session, "refunds_payable") == -owed_back
    assert_books_agree(session)
    assert [m.status for m in session.exec(select(Mismatch))] == [MismatchStatus.RESOLVED] * 2


def test_a_receipt_nobody_knew_is_taken_onto_a_bill(
    session: Session, world: World, clock: FrozenClock, decide: Decide
) -> None:
    line = a_strange_line(session, world, clock)
    decide(line, ResolutionKind.MATCH, f"bill:{world.bill.bill_reference.lower()}")

    bill = session.get_one(Bill, world.bill.id)
    query = select(Payment).where(Payment.bill_id == bill.id).order_by(col(Payment.attempt))
    first, second = session.exec(query).all()
    assert bill.status is BillStatus.PAID
    assert (first.status, second.status) == (PaymentStatus.PENDING, PaymentStatus.SUCCEEDED)
    assert (second.attempt, second.collected_minor) == (2, 83_000)
    receipt = session.exec(select(Receipt)).one()
    assert (receipt.payment_id, receipt.number) == (second.id, f"{bill.bill_reference}-2")
    (match,) = session.exec(select(Match)).all()
    assert (match.rule, match.decided_by) == ("by_person", "usr_approver")
    assert_books_agree(session)
    clock.advance(minutes=15)
    run = compare(session, world.account, clock=clock)
    assert run is None or run.superseded_matches == run.new_mismatches == 0


def test_a_receipt_nobody_knew_is_taken_onto_a_named_payment(
    session: Session, world: World, clock: FrozenClock, decide: Decide
) -> None:
    line = a_strange_line(session, world, clock)
    decide(line, ResolutionKind.MATCH, f"payment:{world.payment.id}")
    assert session.get_one(Payment, world.payment.id).status is PaymentStatus.SUCCEEDED
    assert_books_agree(session)


def test_a_bank_line_for_a_card_payment_becomes_a_transfer_of_its_bill(
    session: Session, world: World, clock: FrozenClock, decide: Decide
) -> None:
    """Its clearing account must not wait for a payout that never comes."""
    other = a_bill(session, world.city, clock=clock, number=2)
    card = a_payment(session, other, clock=clock, rail=Rail.VNPAY)
    line = a_strange_line(session, world, clock)
    decide(line, ResolutionKind.MATCH, f"payment:{card.id}")

    assert session.get_one(Payment, card.id).status is PaymentStatus.PENDING
    assert session.get_one(Bill, other.id).status is BillStatus.PAID
    assert balance_of(session, "clearing:vnpay") == 0
    assert balance_of(session, "clearing:bank_transfer") == 0


def test_money_is_owed_back_to_its_payer(
    session: Session, world: World, clock: FrozenClock, decide: Decide
) -> None:
    decide(a_strange_line(session, world, clock), ResolutionKind.RETURN_TO_PAYER)
    assert balance_of(session, "suspense") == 0
    assert balance_of(session, "refunds_payable") == -83_000
    assert not list(broken_rules(session))


@pytest.mark.parametrize(
    ("amount", "account"), [(1_234, "other_income"), (-11_000, "other_expense")]
)
def test_interest_and_charges_are_booked_as_other(
    session: Session, world: World, clock: FrozenClock, decide: Decide, amount: int, account: str
) -> None:
    receive(session, world.account, a_line(DAY, amount, "lai / phi"), clock=clock)
    compare(session, world.account, clock=clock)
    line = session.exec(select(Mismatch).where(Mismatch.item_kind == ItemKind.BANK)).one()
    decide(line, ResolutionKind.BOOK_AS_OTHER)
    assert balance_of(session, "suspense") == 0
    assert balance_of(session, account) == -amount


def test_a_settlement_line_booked_as_other_leaves_nothing_in_clearing(
    session: Session, world: World, clock: FrozenClock, decide: Decide
) -> None:
    report_of(session, settled("", "14UNKNOWN"), clock=clock, account=world.account)
    tuesday = DAY + timedelta(days=1)
    payout = a_line(tuesday, 82_170, "VNPAY PO1", bank_ref="P1", payer="VNPAY")
    receive(session, world.account, payout, day=tuesday, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    line = the_mismatch(session, MismatchType.UNRECORDED_RECEIPT, ItemKind.SETTLEMENT)
    decide(line, ResolutionKind.BOOK_AS_OTHER)

    assert balance_of(session, "clearing:vnpay") == balance_of(session, "suspense") == 0
    assert balance_of(session, "fee_expense:vnpay") == 830
    assert balance_of(session, "other_income") == -83_000


def test_a_chargeback_reverses_its_payment(
    session: Session, world: World, clock: FrozenClock, decide: Decide
) -> None:
    bill = a_bill(session, world.city, clock=clock, number=2)
    payment = a_paid_payment(session, bill, clock=clock)
    third = a_bill(session, world.city, clock=clock, number=3)
    other = a_paid_payment(session, third, clock=clock)
    txns = [one.provider_txn_id or "" for one in (payment, other)]
    back = settled("", txns[0], gross=-83_000, fee=20_000, kind="chargeback")
    report_of(session, *(settled("", txn) for txn in txns), back, clock=clock)
    tuesday = DAY + timedelta(days=1)
    paid_out = a_line(tuesday, 61_340, "VNPAY PO1", bank_ref="P1", payer="VNPAY")
    receive(session, world.account, paid_out, day=tuesday, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    decide(
        the_mismatch(session, MismatchType.CHARGEBACK, ItemKind.SETTLEMENT),
        ResolutionKind.BOOK_AS_OTHER,
    )

    assert session.get_one(Payment, payment.id).status is PaymentStatus.REVERSED
    assert session.get_one(Bill, bill.id).status is BillStatus.OPEN
    receipt = session.exec(select(Receipt).where(Receipt.payment_id == payment.id)).one()
    assert receipt.status is ReceiptStatus.VOIDED
    assert balance_of(session, "clearing:vnpay") == 0
    assert balance_of(session, "fee_expense:vnpay") == 21_660
    assert_books_agree(session)


def a_payment_not_settled(session: Session, world: World, clock: FrozenClock) -> Mismatch:
    a_paid_payment(session, a_bill(session, world.city, clock=clock, number=2), clock=clock)
    clock.advance(days=10)
    compare(session, world.account, clock=clock)
    return the_mismatch(session, MismatchType.NOT_SETTLED, ItemKind.PAYMENT)


def test_nothing_may_be_written_off_unless_a_limit_is_set(
    session: Session, world: World, clock: FrozenClock, officer: Actor
) -> None:
    missing = a_payment_not_settled(session, world, clock)
    assert "0 may be" in refused(session, officer, clock, missing, ResolutionKind.WRITE_OFF)
    below = 82_999
    refused(session, officer, clock, missing, ResolutionKind.WRITE_OFF, limit=below)


def test_within_its_limit_a_loss_is_written_off_by_two(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    missing = a_payment_not_settled(session, world, clock)
    proposal = propose_resolution(
        session, missing, ResolutionKind.WRITE_OFF, "the provider is bankrupt", actor=officer,
        clock=clock, write_off_limit_minor=83_000,
    )  # fmt: skip
    assert balance_of(session, "write_off") == 0
    decide_resolution(session, proposal, approve=True, note="", actor=approver, clock=clock)
    assert balance_of(session, "write_off") == 83_000
    assert balance_of(session, "clearing:vnpay") == 0


def test_only_what_was_collected_can_be_written_off(
    session: Session, world: World, clock: FrozenClock, officer: Actor
) -> None:
    receive(session, world.account, pays(world.bill, 50_000), clock=clock)
    compare(session, world.account, clock=clock)
    for kind in (ItemKind.PAYMENT, ItemKind.BANK):
        mismatch = the_mismatch(session, MismatchType.AMOUNT_MISMATCH, kind)
        refused(session, officer, clock, mismatch, ResolutionKind.WRITE_OFF, limit=10**9)


def test_what_cannot_be_carried_out_is_refused_before_anybody_approves(
    session: Session, world: World, clock: FrozenClock, officer: Actor
) -> None:
    city = world.city
    other = a_bill(session, city, clock=clock, commune=1, number=7)
    far = a_payment(session, other, clock=clock, rail=Rail.VIETQR)
    debit = a_line(DAY, -9_000, "rut tien", bank_ref="D1")
    receive(session, world.account, STRANGE, debit, clock=clock)
    compare(session, world.account, clock=clock)
    lines = session.exec(select(Mismatch).where(Mismatch.item_kind == ItemKind.BANK)).all()
    credit = next(m for m in lines if m.amount_minor > 0)
    taken = next(m for m in lines if m.amount_minor < 0)
    match = ResolutionKind.MATCH

    for counterpart in ("", "bill:NOSUCH", "payment:pay_none", "settlement:x", "bill"):
        refused(session, officer, clock, credit, match, counterpart)
    assert "account" in refused(
        session, officer, clock, credit, match, f"bill:{other.bill_reference}"
    )
    assert "account" in refused(session, officer, clock, credit, match, f"payment:{far.id}")
    bill = f"bill:{world.bill.bill_reference}"
    assert "debit" in refused(session, officer, clock, taken, match, bill)
    refused(session, officer, clock, taken, ResolutionKind.RETURN_TO_PAYER)


def test_a_settlement_line_belongs_to_an_unsettled_payment_of_its_channel(
    session: Session, world: World, clock: FrozenClock, officer: Actor
) -> None:
    payment = a_paid_payment(
        session, a_bill(session, world.city, clock=clock, number=2), clock=clock
    )
    lines = settled("", payment.provider_txn_id or ""), settled("", "14UNKNOWN")
    report_of(session, *lines, clock=clock)
    compare(session, world.account, clock=clock)
    line = the_mismatch(session, MismatchType.UNRECORDED_RECEIPT, ItemKind.SETTLEMENT)
    kind = ResolutionKind.MATCH

    assert "bill" in refused(
        session, officer, clock, line, kind, f"bill:{world.bill.bill_reference}"
    )
    assert "channel" in refused(session, officer, clock, line, kind, f"payment:{world.payment.id}")
    assert "another line" in refused(session, officer, clock, line, kind, f"payment:{payment.id}")


def test_a_settled_amount_that_differs_leaves_the_difference_in_suspense(
    session: Session, world: World, clock: FrozenClock, decide: Decide
) -> None:
    payment = a_paid_payment(
        session, a_bill(session, world.city, clock=clock, number=2), clock=clock
    )
    line = settled("", payment.provider_txn_id or "", gross=80_000, fee=800)
    report_of(session, line, clock=clock)
    compare(session, world.account, clock=clock)
    mine = the_mismatch(session, MismatchType.AMOUNT_MISMATCH, ItemKind.PAYMENT)
    decide(mine, ResolutionKind.MATCH)

    assert balance_of(session, "clearing:vnpay") == 79_200
    assert balance_of(session, "suspense") == 3_000
    assert balance_of(session, "fee_expense:vnpay") == 800
    assert not list(broken_rules(session))


def test_a_payment_in_doubt_is_taken_as_settled(
    session: Session, world: World, clock: FrozenClock, decide: Decide
) -> None:
    payment = a_payment(session, a_bill(session, world.city, clock=clock, number=2), clock=clock)
    reference = payment.merchant_reference.rpartition("-")[0]
    report_of(session, settled(reference, "14X"), clock=clock)
    compare(session, world.account, clock=clock)
    mine = the_mismatch(session, MismatchType.STATUS_MISMATCH, ItemKind.PAYMENT)
    decide(mine, ResolutionKind.MATCH)

    current = session.get_one(Payment, payment.id)
    assert (current.status, current.provider_txn_id) == (PaymentStatus.SUCCEEDED, "14X")
    assert_books_agree(session)
