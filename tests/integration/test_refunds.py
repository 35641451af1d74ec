"""Refunds: two people, never more than is there, sent once, on both databases."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from core.actors import Actor, PermissionDeniedError
from core.db import transaction
from core.money import Currency, Money
from payments.collection import confirm_payment, reverse_payment
from payments.errors import IllegalTransitionError, RefundNotAllowedError, SamePersonError
from payments.ledger.balances import balance_of
from payments.models import Bill, Payment, Refund
from payments.refunds import (
    approve_refund,
    record_refund_outcome,
    reject_refund,
    submit_refund,
)
from payments.states import BillStatus, RefundStatus
from tests.factories import a_bill, a_city, a_paid_payment, a_payment, ask_refund
from tests.support.books import assert_books_agree, at_once, everything
from tests.support.clock import FrozenClock
from tests.support.gateway import read_notice

FEE = 83_000
Paid = tuple[Bill, Payment, Payment]


@pytest.fixture
def paid_twice(session: Session, clock: FrozenClock) -> Paid:
    return _paid_twice(session, clock)


def _paid_twice(session: Session, clock: FrozenClock) -> Paid:
    """A bill that two watched attempts have both collected."""
    bill = a_bill(session, a_city(session), clock=clock)
    attempts = [a_payment(session, bill, clock=clock)]
    clock.advance(hours=1)
    attempts.append(a_payment(session, bill, clock=clock))
    for number, payment in enumerate(attempts):
        confirm_payment(session, payment, payment.amount, provider_txn_id=f"T{number}",
                        occurred_at=clock(), clock=clock)  # fmt: skip
    session.flush()
    return bill, attempts[0], attempts[1]


def _answer(refund: Refund, outcome: str, txn: str = "R1"):  # noqa: ANN202
    said = {"id": "r", "kind": "refund", "reference": refund.refund_reference, "outcome": outcome}
    return replace(read_notice(said), provider_txn_id=txn)


def test_paid_twice_is_overpaid_and_owed_back(session: Session, paid_twice: Paid) -> None:
    bill, _, _ = paid_twice
    assert bill.status is BillStatus.OVERPAID
    assert balance_of(session, "refunds_payable") == -FEE
    assert_books_agree(session)


def test_a_refund_goes_from_request_to_sent(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    bill, _, second = paid_twice
    refund = ask_refund(session, second, Money(FEE), "paid twice", actor=officer, clock=clock)
    approve_refund(session, refund, actor=approver, clock=clock)
    submit_refund(session, refund, clock=clock)
    assert balance_of(session, "refunds_payable") == -FEE
    record_refund_outcome(session, refund, _answer(refund, "succeeded"), clock=clock)
    assert refund.status is RefundStatus.SUCCEEDED
    assert (bill.status, bill.received_minor) == (BillStatus.PAID, FEE)
    assert balance_of(session, "refunds_payable") == 0
    assert balance_of(session, "clearing:vnpay") == FEE
    assert_books_agree(session)


def test_a_final_word_told_twice_is_booked_once(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    refund = _submitted(session, paid_twice[1], clock, officer, approver)
    record_refund_outcome(session, refund, _answer(refund, "succeeded"), clock=clock)
    session.flush()
    before = everything(session)
    for outcome in ("succeeded", "failed", "pending"):
        record_refund_outcome(session, refund, _answer(refund, outcome), clock=clock)
    session.flush()
    assert everything(session) == before


def test_an_unclear_answer_leaves_a_refund_in_doubt(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    refund = _submitted(session, paid_twice[1], clock, officer, approver)
    record_refund_outcome(session, refund, _answer(refund, "pending"), clock=clock)
    assert refund.status is RefundStatus.SUBMITTED


def test_a_refused_refund_leaves_the_money_owed_and_can_be_asked_anew(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    refund = _submitted(session, paid_twice[1], clock, officer, approver)
    record_refund_outcome(session, refund, _answer(refund, "failed"), clock=clock)
    assert refund.status is RefundStatus.FAILED
    assert_books_agree(session)
    again = ask_refund(session, paid_twice[1], Money(FEE), "again", actor=officer, clock=clock)
    assert again.refund_reference != refund.refund_reference


def test_a_rejected_refund_can_be_asked_anew(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    for _ in range(2):
        refund = ask_refund(
            session, paid_twice[1], Money(FEE), "paid twice", actor=officer, clock=clock
        )
        reject_refund(session, refund, note="no", actor=approver, clock=clock)
        assert refund.status is RefundStatus.REJECTED


def test_one_excess_is_not_refunded_through_both_payments(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor
) -> None:
    _, first, second = paid_twice
    ask_refund(session, first, Money(FEE), "paid twice", actor=officer, clock=clock)
    with pytest.raises(RefundNotAllowedError, match="at most 0"):
        ask_refund(session, second, Money(FEE), "paid twice", actor=officer, clock=clock)


@pytest.mark.parametrize("amount", [Money(0), Money(-1), Money(FEE + 1), Money(1, Currency.USD)])
def test_no_other_amount_than_the_excess_goes_back(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor, amount: Money
) -> None:
    before = everything(session)
    with pytest.raises(RefundNotAllowedError):
        ask_refund(session, paid_twice[1], amount, "wish", actor=officer, clock=clock)
    assert everything(session) == before


def test_a_fee_that_is_due_is_not_refunded(
    session: Session, clock: FrozenClock, officer: Actor
) -> None:
    bill = a_bill(session, a_city(session), clock=clock)
    payment = a_paid_payment(session, bill, clock=clock)
    with pytest.raises(RefundNotAllowedError, match="at most 0"):
        ask_refund(session, payment, Money(1), "a wish", actor=officer, clock=clock)


def test_money_of_another_currency_is_in_suspense_and_not_refunded_as_ours(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor
) -> None:
    foreign = a_payment(session, a_bill_beside(session, paid_twice[0], clock), clock=clock)
    confirm_payment(session, foreign, Money(500, Currency.USD), provider_txn_id="U",
                    occurred_at=clock(), clock=clock)  # fmt: skip
    with pytest.raises(RefundNotAllowedError):
        ask_refund(session, foreign, Money(100), "wrong currency", actor=officer, clock=clock)
    assert balance_of(session, "suspense") == 0  # none in dong
    assert_books_agree(session)


def a_bill_beside(session: Session, bill: Bill, clock: FrozenClock) -> Bill:
    """Issue another bill of the same procedure."""
    other = Bill(**{**bill.model_dump(exclude={"id", "bill_reference"}), "bill_reference": "MCX",
                    "status": BillStatus.OPEN, "received_minor": 0})  # fmt: skip
    session.add(other)
    session.flush()
    # Its fee is in the books as that of every bill is.
    from payments.ledger import posting  # noqa: PLC0415
    from payments.ledger.models import MoneyEvent  # noqa: PLC0415

    cause = posting.Cause(event=MoneyEvent.BILLED, key=f"billed:{other.id}", bill_id=other.id)
    posting.post_entry(session, cause, [posting.Leg("receivable", "revenue:x", Money(FEE))],
                       clock=clock)  # fmt: skip
    return other


def test_who_requested_a_refund_does_not_approve_it(
    session: Session, paid_twice: Paid, clock: FrozenClock, approver: Actor
) -> None:
    refund = ask_refund(session, paid_twice[1], Money(1), "r", actor=approver, clock=clock)
    with pytest.raises(SamePersonError):
        approve_refund(session, refund, actor=approver, clock=clock)
    with pytest.raises(SamePersonError):
        reject_refund(session, refund, note="no", actor=approver, clock=clock)
    assert refund.status is RefundStatus.REQUESTED


def test_the_database_itself_refuses_the_same_person_twice(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor
) -> None:
    refund = ask_refund(session, paid_twice[1], Money(1), "r", actor=officer, clock=clock)
    with pytest.raises(IntegrityError, match="two_people"):
        session.execute(text("UPDATE refund SET approved_by = requested_by WHERE id = :id"),
                        {"id": refund.id})  # fmt: skip


def test_only_approvers_approve_and_only_with_a_reason_is_it_requested(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor, auditor: Actor
) -> None:
    with pytest.raises(RefundNotAllowedError, match="reason"):
        ask_refund(session, paid_twice[1], Money(1), " ", actor=officer, clock=clock)
    with pytest.raises(PermissionDeniedError):
        ask_refund(session, paid_twice[1], Money(1), "r", actor=auditor, clock=clock)
    refund = ask_refund(session, paid_twice[1], Money(1), "r", actor=officer, clock=clock)
    with pytest.raises(PermissionDeniedError):
        approve_refund(session, refund, actor=officer, clock=clock)


def test_nothing_is_sent_before_it_is_approved(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor
) -> None:
    refund = ask_refund(session, paid_twice[1], Money(1), "r", actor=officer, clock=clock)
    with pytest.raises(IllegalTransitionError):
        submit_refund(session, refund, clock=clock)


@pytest.mark.parametrize("which", [1, 2])
def test_money_that_a_bank_took_back_is_not_sent_back_again(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor, approver: Actor,
    which: int,
) -> None:  # fmt: skip
    _, first, second = paid_twice
    refund = ask_refund(session, second, Money(FEE), "twice", actor=officer, clock=clock)
    approve_refund(session, refund, actor=approver, clock=clock)
    reverse_payment(session, (first, second)[which - 1], "returned", clock=clock)
    with pytest.raises(RefundNotAllowedError, match="not there any more"):
        submit_refund(session, refund, clock=clock)
    reject_refund(session, refund, note="no", actor=approver, clock=clock)
    assert refund.status is RefundStatus.REJECTED
    assert_books_agree(session)


@pytest.mark.parametrize("which", [1, 2])
def test_a_bank_return_after_a_refund_leaves_the_payer_owing_all_of_it(
    session: Session, paid_twice: Paid, clock: FrozenClock, officer: Actor, approver: Actor,
    which: int,
) -> None:  # fmt: skip
    bill = paid_twice[0]
    refund = _submitted(session, paid_twice[2], clock, officer, approver)
    record_refund_outcome(session, refund, _answer(refund, "succeeded"), clock=clock)
    reverse_payment(session, paid_twice[which], "returned", clock=clock)
    assert (bill.status, bill.outstanding) == (BillStatus.OPEN, Money(FEE))
    assert_books_agree(session)
    reverse_payment(session, paid_twice[3 - which], "returned", clock=clock)
    assert bill.outstanding == Money(2 * FEE)
    assert_books_agree(session)


def test_two_requests_at_once_do_not_share_one_excess(
    engine: Engine, clock: FrozenClock, officer: Actor
) -> None:
    with transaction(engine) as session:
        _, first, second = _paid_twice(session, clock)

    def ask(payment: Payment) -> Callable[[], str]:
        def work() -> str:
            with transaction(engine) as session:
                mine = session.get_one(Payment, payment.id)
                return ask_refund(
                    session, mine, Money(FEE), "paid twice", actor=officer, clock=clock
                ).id

        return work

    results = at_once(engine, ask(first), ask(second), ask(first))
    assert sum(isinstance(result, str) for result in results) == 1, results
    assert sum(isinstance(result, RefundNotAllowedError) for result in results) == 2, results


def test_an_answer_that_comes_twice_at_once_is_booked_once(
    engine: Engine, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    with transaction(engine) as session:
        bill, _, second = _paid_twice(session, clock)
        refund = _submitted(session, second, clock, officer, approver)

    def tell() -> None:
        with transaction(engine) as session:
            mine = session.get_one(Refund, refund.id)
            record_refund_outcome(session, mine, _answer(mine, "succeeded"), clock=clock)

    assert at_once(engine, tell, tell, tell) == [None, None, None]
    with transaction(engine) as session:
        assert session.get_one(Bill, bill.id).received_minor == FEE
        assert_books_agree(session)


def _submitted(
    session: Session, payment: Payment, clock: FrozenClock, officer: Actor, approver: Actor
) -> Refund:
    refund = ask_refund(session, payment, Money(FEE), "twice", actor=officer, clock=clock)
    approve_refund(session, refund, actor=approver, clock=clock)
    return submit_refund(session, refund, clock=clock)
