"""What a review of refunds found: each claim failed once, and is here so that it does not again."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlmodel import Session, select

from core.actors import Actor
from core.db import transaction
from core.money import Money
from payments.billing import cancel_bill, exempt_bill, expire_bills
from payments.channels import Channel, Rail
from payments.collection import reverse_payment
from payments.errors import RefundNotAllowedError
from payments.ledger.balances import balance_of
from payments.models import Bill, CollectingAccount, Refund
from payments.refunds import (
    Beneficiary,
    approve_refund,
    most_refundable,
    name_beneficiary,
    prepare_payment_order,
    record_refund_outcome,
    record_refusal,
    reject_refund,
    submit_refund,
)
from payments.states import BillStatus, RefundStatus
from reconciliation.engine import supersede
from reconciliation.mismatches import decide_resolution, propose_resolution
from reconciliation.models import Match, Mismatch, ProviderContract
from reconciliation.states import MismatchType, ResolutionKind
from tests.factories import BENEFICIARY, a_bill, a_city, a_paid_payment, a_payment, ask_refund
from tests.support.books import assert_books_agree, everything
from tests.support.clock import FrozenClock
from tests.support.evidence import compare, report_of, settled
from tests.support.gateway import read_notice

FEE, CHARGE, COPY_FEE = 83_000, 75_000, 8_000
ENDS = {"cancelled": cancel_bill, "exempt": exempt_bill}


class Desk:
    """A paid bill, and the two people of its refunds."""

    def __init__(
        self, session: Session, clock: FrozenClock, officer: Actor, approver: Actor,
        rail: Rail = Rail.VNPAY,
    ) -> None:  # fmt: skip
        self.session, self.clock = session, clock
        self.officer, self.approver = officer, approver
        self.city = a_city(session)
        self.bill = a_bill(session, self.city, clock=clock)
        self.payment = a_paid_payment(session, self.bill, clock=clock, rail=rail)

    def asked(self, *lines: int, amount: int, to: Beneficiary = BENEFICIARY) -> Refund:
        self.clock.advance(minutes=1)
        return ask_refund(
            self.session, self.payment, Money(amount), "no service", actor=self.officer,
            clock=self.clock, waived_lines=lines, beneficiary=to,
        )  # fmt: skip

    def approved(self, *lines: int, amount: int) -> Refund:
        refund = self.asked(*lines, amount=amount)
        return approve_refund(self.session, refund, actor=self.approver, clock=self.clock)

    def sent(self, *lines: int, amount: int) -> Refund:
        refund = submit_refund(self.session, self.approved(*lines, amount=amount), clock=self.clock)
        said = {"id": "r", "kind": "refund", "reference": refund.refund_reference}
        told = replace(read_notice(said), provider_txn_id=f"R{refund.id}")
        return record_refund_outcome(self.session, refund, told, clock=self.clock)

    def charged_back(self) -> None:
        reverse_payment(self.session, self.payment, "chargeback", clock=self.clock)

    def withdrawn(self, refund: Refund) -> None:
        reject_refund(
            self.session, refund, note="charged back", actor=self.approver, clock=self.clock
        )


@pytest.fixture
def desk(session: Session, clock: FrozenClock, officer: Actor, approver: Actor) -> Desk:
    return Desk(session, clock, officer, approver)


# Fees whose refund was approved, and whose money a bank then took back


def test_a_bill_that_only_a_waiver_had_ended_is_due_again_when_that_is_withdrawn(
    desk: Desk,
) -> None:
    """Else a payer who has the money back from the bank would owe nothing for a fee not waived."""
    refund = desk.approved(1, 2, amount=FEE)
    assert (desk.bill.due_minor, desk.bill.status) == (0, BillStatus.OVERPAID)
    desk.charged_back()
    assert (desk.bill.received_minor, desk.bill.status) == (0, BillStatus.CANCELLED)
    desk.withdrawn(refund)
    assert refund.status is RefundStatus.REJECTED
    assert (desk.bill.due_minor, desk.bill.status) == (FEE, BillStatus.OPEN)
    assert balance_of(desk.session, "receivable") == FEE
    assert_books_agree(desk.session)


def test_what_had_been_sent_before_is_owed_beside_the_fee_that_is_due_again(desk: Desk) -> None:
    desk.sent(2, amount=COPY_FEE)
    refund = desk.approved(1, amount=CHARGE)
    desk.charged_back()
    assert desk.bill.received_minor == -COPY_FEE
    desk.withdrawn(refund)
    assert (desk.bill.due_minor, desk.bill.status) == (CHARGE, BillStatus.OPEN)
    assert desk.bill.outstanding == Money(CHARGE + COPY_FEE)
    assert_books_agree(desk.session)


def test_a_bill_due_again_is_paid_and_ended_as_any_other(desk: Desk) -> None:
    refund = desk.approved(1, 2, amount=FEE)
    desk.charged_back()
    desk.withdrawn(refund)
    a_paid_payment(desk.session, desk.bill, clock=desk.clock)
    assert desk.bill.status is BillStatus.PAID
    assert_books_agree(desk.session)


def test_a_bill_due_again_after_its_last_day_expires(desk: Desk) -> None:
    refund = desk.approved(1, 2, amount=FEE)
    desk.charged_back()
    desk.clock.advance(days=400)
    desk.withdrawn(refund)
    assert expire_bills(desk.session, clock=desk.clock) == 1
    assert (desk.bill.status, desk.bill.outstanding) == (BillStatus.EXPIRED, Money(FEE))


@pytest.mark.parametrize("end", ENDS)
def test_a_bill_that_people_ended_stays_ended_when_a_waiver_is_withdrawn(
    desk: Desk, end: str
) -> None:
    refund = desk.approved(1, amount=CHARGE)
    desk.charged_back()
    ENDS[end](desk.session, desk.bill, actor=desk.officer, reason="not owed", clock=desk.clock)
    desk.withdrawn(refund)
    assert (desk.bill.due_minor, desk.bill.status) == (0, BillStatus(end))
    assert_books_agree(desk.session)


def test_a_refund_whose_money_the_bank_took_back_can_be_withdrawn_though_another_rests_on_it(
    desk: Desk,
) -> None:
    """Else it could neither be sent nor withdrawn, for ever."""
    first = desk.approved(1, 2, amount=CHARGE)
    desk.sent(amount=COPY_FEE)
    with pytest.raises(RefundNotAllowedError, match="a later refund rests on"):
        desk.withdrawn(first)
    desk.charged_back()
    desk.withdrawn(first)
    assert first.status is RefundStatus.REJECTED
    assert (desk.bill.due_minor, desk.bill.received_minor) == (FEE, -COPY_FEE)
    assert desk.bill.outstanding == Money(FEE + COPY_FEE)
    assert_books_agree(desk.session)


# What a channel leaves in doubt


def in_doubt(desk: Desk) -> Refund:
    return submit_refund(desk.session, desk.approved(2, amount=COPY_FEE), clock=desk.clock)


def test_two_people_end_the_doubt_about_a_refund_by_the_providers_report(desk: Desk) -> None:
    refund, account = in_doubt(desk), desk.city.accounts[0]
    terms = ProviderContract(
        account_id=account.id,
        provider=Channel.VNPAY,
        rate_bps=0,
        payout_accounts=["19001"],
        payout_names=["VNPAY"],
    )
    desk.session.add(terms)
    txn_id = desk.payment.provider_txn_id or ""
    line = settled(
        desk.bill.bill_reference, txn_id, gross=-COPY_FEE, fee=0, kind="refund"
    )  # fmt: skip
    report_of(desk.session, line, clock=desk.clock)
    compare(desk.session, account, clock=desk.clock)
    assert refund.status is RefundStatus.SUBMITTED, "a report alone is no answer of the channel"
    query = select(Mismatch).where(Mismatch.item_id == refund.id)
    mismatch = desk.session.exec(query).one()
    assert mismatch.type is MismatchType.STATUS_MISMATCH
    proposal = propose_resolution(
        desk.session, mismatch, ResolutionKind.MATCH, "the report shows it", counterpart="",
        actor=desk.officer, clock=desk.clock,
    )  # fmt: skip
    decide_resolution(
        desk.session, proposal, approve=True, note="", actor=desk.approver, clock=desk.clock
    )
    assert refund.status is RefundStatus.SUCCEEDED
    assert (desk.bill.due_minor, desk.bill.received_minor) == (CHARGE, CHARGE)
    assert_books_agree(desk.session)
    (match,) = desk.session.exec(select(Match)).all()
    supersede(desk.session, match, "the line is of another refund", clock=desk.clock)
    assert refund.status is RefundStatus.SUBMITTED, "only this line had proved it"
    assert_books_agree(desk.session)


def test_a_refund_that_a_channel_never_answers_ends_by_its_written_word(desk: Desk) -> None:
    refund = in_doubt(desk)
    record_refusal(
        desk.session, refund, "VNPay, letter 12: not sent", actor=desk.approver, clock=desk.clock
    )
    assert refund.status is RefundStatus.FAILED
    assert most_refundable(desk.session, desk.payment) == Money(COPY_FEE)
    assert_books_agree(desk.session)


def test_money_that_left_after_a_refusal_is_a_refund_that_was_sent(desk: Desk) -> None:
    refund = in_doubt(desk)
    record_refusal(desk.session, refund, "not sent", actor=desk.approver, clock=desk.clock)
    said = {"id": "late", "kind": "refund", "reference": refund.refund_reference}
    for _ in range(2):
        record_refund_outcome(desk.session, refund, read_notice(said), clock=desk.clock)
        assert refund.status is RefundStatus.SUCCEEDED
        assert desk.bill.received_minor == CHARGE, "counted once"
        assert most_refundable(desk.session, desk.payment) == Money(0)
        assert_books_agree(desk.session)


def test_money_that_left_twice_is_owed_by_its_payer(desk: Desk) -> None:
    refund = in_doubt(desk)
    record_refusal(desk.session, refund, "not sent", actor=desk.approver, clock=desk.clock)
    desk.sent(amount=COPY_FEE)
    said = {"id": "late", "kind": "refund", "reference": refund.refund_reference}
    record_refund_outcome(desk.session, refund, read_notice(said), clock=desk.clock)
    assert desk.bill.received_minor == CHARGE - COPY_FEE
    assert desk.bill.outstanding == Money(COPY_FEE)
    assert_books_agree(desk.session)


# What is written down for the bank


FORMULA = Beneficiary('=cmd|"/c calc"!A1', "1", "x")


def test_a_beneficiary_that_no_bank_would_take_is_not_written_down(
    session: Session, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    """Also where a caller has not read it as it was typed."""
    desk = Desk(session, clock, officer, approver, Rail.VIETQR)
    refund = desk.asked(2, amount=COPY_FEE)
    session.flush()
    before = everything(session)
    with pytest.raises(RefundNotAllowedError, match="no bank"):
        desk.asked(1, amount=CHARGE, to=FORMULA)
    with pytest.raises(RefundNotAllowedError, match="no bank"):
        name_beneficiary(session, refund, FORMULA, actor=officer, clock=clock)
    session.flush()
    assert everything(session) == before


# Who waits for whom


def test_people_go_on_paying_while_an_order_is_made(
    postgres_engine: Engine, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    """Making the file holds its account, and every new payment names that account."""
    with transaction(postgres_engine) as session:
        desk = Desk(session, clock, officer, approver, Rail.VIETQR)
        refund = desk.approved(2, amount=COPY_FEE)
        other = a_bill(session, desk.city, clock=clock, number=2)
    with transaction(postgres_engine) as session:
        mine = session.get_one(Refund, refund.id)
        account = session.get_one(CollectingAccount, mine.account_id)
        prepare_payment_order(session, account, [mine], actor=officer, clock=clock)
        session.flush()
        with transaction(postgres_engine) as beside:
            beside.execute(text("SET LOCAL lock_timeout = '2s'"))
            a_payment(beside, beside.get_one(Bill, other.id), clock=clock)
