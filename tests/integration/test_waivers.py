"""Fees that are waived with a refund: due falls, exactly that revenue goes, receipts follow."""

from collections.abc import Callable

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import Session, col, select

from core.actors import Actor
from core.db import transaction
from core.money import Money
from core.outbox import OutboxMessage
from payments.billing import cancel_bill, exempt_bill
from payments.collection import confirm_payment, reverse_payment
from payments.errors import (
    IllegalTransitionError,
    RefundChangedError,
    RefundNotAllowedError,
)
from payments.ledger.balances import balance_of
from payments.ledger.posting import find_entry, legs_of
from payments.models import ApiClient, Bill, Payment, Receipt, ReceiptStatus, Refund
from payments.receipts import refund_that_voided
from payments.refunds import (
    approve_refund,
    fingerprint,
    most_refundable,
    record_refund_outcome,
    reject_refund,
    submit_refund,
)
from payments.states import BillStatus, RefundStatus
from payments.waivers import waived_positions
from tests.factories import a_bill, a_city, a_paid_payment, a_payment, ask_refund
from tests.support.books import assert_books_agree, at_once, everything
from tests.support.clock import FrozenClock
from tests.support.gateway import read_notice

STATUS, COPY = 75_000, 8_000  # positions 1 and 2
FEE = STATUS + COPY
STATUS_REVENUE, COPY_REVENUE = "payable:state_treasury:LP-HOTICH", "payable:state_treasury:P-BANSAO"


class Desk:
    """The two people at work on one database, at one clock."""

    def __init__(self, session: Session, clock: FrozenClock, first: Actor, second: Actor) -> None:
        self.session, self.clock, self.first, self.second = session, clock, first, second
        self.city = a_city(session)

    def bill(self, number: int = 1) -> Bill:
        return a_bill(self.session, self.city, clock=self.clock, number=number)

    def paid(self, *, collected: int | None = None) -> tuple[Bill, Payment]:
        bill = self.bill()
        return bill, a_paid_payment(self.session, bill, clock=self.clock, collected_minor=collected)

    def paid_twice(self) -> tuple[Bill, Payment, Payment]:
        bill = self.bill()
        first = a_payment(self.session, bill, clock=self.clock)
        self.clock.advance(hours=1)
        second = a_payment(self.session, bill, clock=self.clock)
        for payment in (first, second):
            confirm_payment(
                self.session, payment, payment.amount, provider_txn_id=f"T-{payment.id}",
                occurred_at=self.clock(), clock=self.clock,
            )  # fmt: skip
        return bill, first, second

    def ask(self, payment: Payment, amount: int, *lines: int) -> Refund:
        self.clock.advance(minutes=1)
        return ask_refund(
            self.session, payment, Money(amount), actor=self.first, clock=self.clock,
            waived_lines=lines,
        )  # fmt: skip

    def approve(self, refund: Refund) -> Refund:
        self.clock.advance(minutes=1)
        return approve_refund(self.session, refund, actor=self.second, clock=self.clock)

    def reject(self, refund: Refund) -> Refund:
        self.clock.advance(minutes=1)
        return reject_refund(
            self.session, refund, note="withdrawn", actor=self.second, clock=self.clock
        )

    def send(self, refund: Refund) -> Refund:
        submit_refund(self.session, refund, clock=self.clock)
        said = {"id": "r", "kind": "refund", "reference": refund.refund_reference,
                "txn": f"T-{refund.refund_reference}"}  # fmt: skip
        return record_refund_outcome(self.session, refund, read_notice(said), clock=self.clock)

    def most(self, payment: Payment, *lines: int) -> int:
        return most_refundable(self.session, payment, waived_lines=lines).amount_minor

    def receipts(self, status: ReceiptStatus) -> list[Receipt]:
        query = select(Receipt).where(Receipt.status == status).order_by(col(Receipt.number))
        return list(self.session.exec(query))


@pytest.fixture
def desk(session: Session, clock: FrozenClock, officer: Actor, approver: Actor) -> Desk:
    return Desk(session, clock, officer, approver)


def test_one_waived_fee_leaves_the_other_due(desk: Desk) -> None:
    bill, payment = desk.paid()
    desk.approve(desk.ask(payment, COPY, 2))
    assert (bill.due_minor, bill.amount_minor, bill.status) == (STATUS, FEE, BillStatus.OVERPAID)
    assert waived_positions(desk.session, bill) == {2}
    assert_books_agree(desk.session)


def test_exactly_the_revenue_of_the_waived_line_is_reversed(desk: Desk) -> None:
    bill, payment = desk.paid()
    refund = desk.approve(desk.ask(payment, COPY, 2))
    entry = find_entry(desk.session, f"waived:{refund.id}")
    assert entry is not None
    assert [(leg.debit, leg.credit, leg.amount) for leg in legs_of(desk.session, entry)] == [
        (COPY_REVENUE, "receivable", Money(COPY)),
        ("receivable", "refunds_payable", Money(COPY)),
    ]
    assert (entry.bill_id, entry.office_id) == (bill.id, bill.office_id)
    assert balance_of(desk.session, COPY_REVENUE) == 0
    assert balance_of(desk.session, STATUS_REVENUE) == -STATUS


def test_the_receipt_stands_until_the_money_is_sent_and_is_then_issued_for_the_rest(
    desk: Desk,
) -> None:
    _, payment = desk.paid()
    (first,) = desk.receipts(ReceiptStatus.ISSUED)
    refund = desk.approve(desk.ask(payment, COPY, 2))
    submit_refund(desk.session, refund, clock=desk.clock)
    assert desk.receipts(ReceiptStatus.ISSUED) == [first]
    said = {"id": "r", "kind": "refund", "reference": refund.refund_reference}
    record_refund_outcome(desk.session, refund, read_notice(said), clock=desk.clock)
    (second,) = desk.receipts(ReceiptStatus.ISSUED)
    assert desk.receipts(ReceiptStatus.VOIDED) == [first]
    assert refund_that_voided(first) == refund.refund_reference
    assert (first.amount_minor, second.amount_minor) == (FEE, STATUS)
    assert (second.number, second.token) != (first.number, first.token)
    assert second.number == f"{first.number}-2"


def test_money_that_went_back_whole_leaves_no_receipt_and_a_cancelled_bill(desk: Desk) -> None:
    bill, payment = desk.paid()
    desk.send(desk.approve(desk.ask(payment, FEE, 1, 2)))
    assert desk.receipts(ReceiptStatus.ISSUED) == []
    assert (bill.status, bill.due_minor, bill.received_minor) == (BillStatus.CANCELLED, 0, 0)
    assert balance_of(desk.session, STATUS_REVENUE) == balance_of(desk.session, COPY_REVENUE) == 0
    assert_books_agree(desk.session)


def test_a_waiver_may_send_less_back_than_it_waives(desk: Desk) -> None:
    bill, payment = desk.paid()
    desk.send(desk.approve(desk.ask(payment, 50_000, 1)))
    assert (bill.due_minor, bill.received_minor) == (COPY, FEE - 50_000)
    assert bill.status is BillStatus.OVERPAID
    assert desk.most(payment) == STATUS - 50_000
    assert_books_agree(desk.session)


@pytest.mark.parametrize(
    ("lines", "most"), [((), 0), ((1,), STATUS), ((2,), COPY), ((1, 2), FEE), ((2, 1), FEE)]
)
def test_what_can_go_back_is_what_is_waived(desk: Desk, lines: tuple[int, ...], most: int) -> None:
    _, payment = desk.paid()
    assert desk.most(payment, *lines) == most
    with pytest.raises(RefundNotAllowedError, match=f"at most {most} VND"):
        desk.ask(payment, most + 1, *lines)
    if most:
        assert desk.ask(payment, most, *lines).status is RefundStatus.REQUESTED


@pytest.mark.parametrize("lines", [(3,), (0,), (-1,), (1, 1), (1, 3)])
def test_a_fee_that_is_not_on_the_bill_or_named_twice_is_refused(
    desk: Desk, lines: tuple[int, ...]
) -> None:
    _, payment = desk.paid()
    before = everything(desk.session)
    with pytest.raises(RefundNotAllowedError, match="not on the bill, or named twice"):
        desk.ask(payment, 1, *lines)
    assert everything(desk.session) == before


def test_a_fee_is_not_waived_twice(desk: Desk) -> None:
    _, payment = desk.paid()
    desk.approve(desk.ask(payment, 1, 2))
    with pytest.raises(RefundNotAllowedError, match="taken off already"):
        desk.ask(payment, 1, 2)
    with pytest.raises(RefundNotAllowedError, match="taken off already"):
        desk.ask(payment, 1, 1, 2)


def test_a_fee_is_not_waived_twice_after_it_was_sent_either(desk: Desk) -> None:
    _, payment = desk.paid()
    desk.send(desk.approve(desk.ask(payment, COPY, 2)))
    with pytest.raises(RefundNotAllowedError, match="taken off already"):
        desk.ask(payment, 1, 2)


def test_two_requests_do_not_name_one_fee(desk: Desk) -> None:
    _, payment = desk.paid()
    first = desk.ask(payment, 1, 2)
    with pytest.raises(RefundNotAllowedError, match="another request"):
        desk.ask(payment, 1, 1, 2)
    assert desk.ask(payment, STATUS, 1).waived_lines == [1]
    desk.reject(first)
    assert desk.ask(payment, COPY, 2).status is RefundStatus.REQUESTED


def test_two_requests_with_a_fee_each_are_both_sent(desk: Desk) -> None:
    bill, payment = desk.paid()
    asked = [desk.ask(payment, STATUS, 1), desk.ask(payment, COPY, 2)]
    for refund in reversed(asked):
        desk.send(desk.approve(refund))
        assert_books_agree(desk.session)
    assert (bill.received_minor, bill.due_minor) == (0, 0)
    assert bill.status is BillStatus.CANCELLED


def test_a_fee_that_is_due_again_was_never_waived(desk: Desk) -> None:
    bill, payment = desk.paid()
    refund = desk.approve(desk.ask(payment, COPY, 2))
    desk.reject(refund)
    assert (bill.due_minor, bill.status) == (FEE, BillStatus.PAID)
    assert waived_positions(desk.session, bill) == frozenset()
    assert balance_of(desk.session, COPY_REVENUE) == -COPY
    assert balance_of(desk.session, "refunds_payable") == 0
    assert_books_agree(desk.session)
    desk.send(desk.approve(desk.ask(payment, COPY, 2)))
    assert bill.due_minor == STATUS
    assert_books_agree(desk.session)


def test_a_request_turned_down_before_its_approval_changes_no_fee(desk: Desk) -> None:
    bill, payment = desk.paid()
    desk.reject(desk.ask(payment, COPY, 2))
    assert (bill.due_minor, bill.status) == (FEE, BillStatus.PAID)
    assert_books_agree(desk.session)


def test_a_waiver_that_another_refund_rests_on_is_not_withdrawn(desk: Desk) -> None:
    bill, payment = desk.paid()
    waiving = desk.approve(desk.ask(payment, 1, 1))
    desk.send(desk.approve(desk.ask(payment, STATUS - 1)))
    with pytest.raises(RefundNotAllowedError, match="rests on"):
        desk.reject(waiving)
    assert (waiving.status, bill.due_minor) == (RefundStatus.APPROVED, COPY)


def test_a_waiver_that_an_earlier_request_came_to_rest_on_is_not_withdrawn(desk: Desk) -> None:
    """Asked for before the waiver on money of its own, approved after that money was gone."""
    bill, payment, second = desk.paid_twice()
    earlier = desk.ask(payment, 35_000)
    waiving = desk.ask(payment, 40_000, 1)
    reverse_payment(desk.session, second, "returned", clock=desk.clock)
    desk.approve(waiving)
    desk.send(desk.approve(earlier))
    with pytest.raises(RefundNotAllowedError, match="rests on"):
        desk.reject(waiving)
    assert (bill.due_minor, bill.outstanding) == (COPY, Money(0))


@pytest.mark.parametrize("end", [cancel_bill, exempt_bill])
def test_a_bill_that_ends_after_a_waiver_posts_back_only_the_rest(
    desk: Desk, end: Callable[..., Bill]
) -> None:
    bill, payment = desk.paid()
    refund = desk.approve(desk.ask(payment, STATUS, 1))
    reverse_payment(desk.session, payment, "returned", clock=desk.clock)
    assert (bill.received_minor, bill.due_minor, bill.status) == (0, COPY, BillStatus.OPEN)
    end(desk.session, bill, actor=desk.first, reason="no need", clock=desk.clock)
    entry = find_entry(desk.session, f"ended:{bill.id}")
    assert entry is not None
    assert [(leg.debit, leg.credit, leg.amount) for leg in legs_of(desk.session, entry)] == [
        (COPY_REVENUE, "receivable", Money(COPY))
    ]
    assert balance_of(desk.session, STATUS_REVENUE) == balance_of(desk.session, COPY_REVENUE) == 0
    assert balance_of(desk.session, "receivable") == 0
    ended = bill.status
    desk.reject(refund)
    assert (bill.due_minor, bill.status) == (0, ended), "what has ended does not come due again"
    assert_books_agree(desk.session)


def test_money_that_comes_for_a_bill_ended_after_a_waiver_is_all_owed_back(desk: Desk) -> None:
    bill, payment, late = desk.paid_twice()
    for one in (payment, late):
        reverse_payment(desk.session, one, "returned", clock=desk.clock)
    confirm_payment(desk.session, payment, Money(FEE), provider_txn_id="again",
                    occurred_at=desk.clock(), clock=desk.clock)  # fmt: skip
    desk.approve(desk.ask(payment, 1, 1))
    reverse_payment(desk.session, payment, "returned", clock=desk.clock)
    cancel_bill(desk.session, bill, actor=desk.first, reason="no need", clock=desk.clock)
    confirm_payment(desk.session, late, Money(FEE), provider_txn_id="late",
                    occurred_at=desk.clock(), clock=desk.clock)  # fmt: skip
    assert (bill.status, bill.due_minor, bill.received_minor) == (BillStatus.OVERPAID, 0, FEE)
    assert balance_of(desk.session, "refunds_payable") == -FEE
    with pytest.raises(RefundNotAllowedError, match="taken off already"):
        desk.ask(late, 1, 2)
    assert_books_agree(desk.session)


def test_a_bill_with_money_on_it_does_not_end_though_a_fee_was_waived(desk: Desk) -> None:
    bill, payment = desk.paid()
    desk.send(desk.approve(desk.ask(payment, STATUS, 1)))
    with pytest.raises(IllegalTransitionError, match="refund it first"):
        cancel_bill(desk.session, bill, actor=desk.first, reason="no need", clock=desk.clock)
    desk.send(desk.approve(desk.ask(payment, COPY, 2)))
    assert bill.status is BillStatus.CANCELLED
    assert_books_agree(desk.session)


@pytest.mark.parametrize(
    ("collected", "line", "due", "most", "status"),
    [
        (40_000, 1, COPY, 32_000, BillStatus.OVERPAID),
        (40_000, 2, STATUS, 0, BillStatus.PARTLY_PAID),
        (STATUS, 2, STATUS, 0, BillStatus.PAID),
        (STATUS + 1, 2, STATUS, 1, BillStatus.OVERPAID),
        (COPY, 1, COPY, 0, BillStatus.PAID),
    ],
)
def test_on_a_partly_paid_bill_only_what_was_paid_beyond_the_rest_goes_back(
    desk: Desk, collected: int, line: int, due: int, most: int, status: BillStatus
) -> None:
    bill, payment = desk.paid(collected=collected)
    assert bill.status is BillStatus.PARTLY_PAID
    assert desk.most(payment, line) == most
    if not most:
        with pytest.raises(RefundNotAllowedError, match="at most 0"):
            desk.ask(payment, 1, line)
        return
    refund = desk.approve(desk.ask(payment, most, line))
    assert (bill.due_minor, bill.status) == (due, status)
    assert balance_of(desk.session, "refunds_payable") == -most
    assert_books_agree(desk.session)
    desk.send(refund)
    assert (bill.received_minor, bill.status) == (due, BillStatus.PAID)
    assert_books_agree(desk.session)


def test_several_refunds_in_parts_until_nothing_is_left(desk: Desk) -> None:
    bill, payment = desk.paid()
    desk.send(desk.approve(desk.ask(payment, 30_000, 1, 2)))
    for part, rest in ((20_000, 33_000), (33_000, 0)):
        desk.send(desk.approve(desk.ask(payment, part)))
        assert desk.most(payment) == rest
        standing = [receipt.amount_minor for receipt in desk.receipts(ReceiptStatus.ISSUED)]
        assert standing == ([rest] if rest else [])
        assert_books_agree(desk.session)
    with pytest.raises(RefundNotAllowedError, match="at most 0"):
        desk.ask(payment, 1)
    numbers = [receipt.number for receipt in desk.receipts(ReceiptStatus.VOIDED)]
    assert len(numbers) == len(set(numbers)) == 3
    assert bill.status is BillStatus.CANCELLED


def test_requests_in_parts_share_the_excess_before_anybody_decides(desk: Desk) -> None:
    _, payment, _ = desk.paid_twice()
    for part in (50_000, 33_000):
        desk.ask(payment, part)
    with pytest.raises(RefundNotAllowedError, match="at most 0"):
        desk.ask(payment, 1)


def test_money_that_a_bank_took_back_after_the_request_is_not_approved(desk: Desk) -> None:
    bill, payment = desk.paid()
    refund = desk.ask(payment, COPY, 2)
    reverse_payment(desk.session, payment, "returned", clock=desk.clock)
    desk.session.flush()
    before = everything(desk.session)
    with pytest.raises(RefundNotAllowedError, match="not there any more"):
        desk.approve(refund)
    assert everything(desk.session) == before
    desk.reject(refund)
    assert (bill.due_minor, bill.outstanding) == (FEE, Money(FEE))
    assert_books_agree(desk.session)


def test_money_that_a_bank_took_back_after_the_approval_is_not_sent(desk: Desk) -> None:
    bill, payment = desk.paid()
    refund = desk.approve(desk.ask(payment, COPY, 2))
    reverse_payment(desk.session, payment, "returned", clock=desk.clock)
    assert (bill.due_minor, bill.outstanding) == (STATUS, Money(STATUS))
    assert_books_agree(desk.session)
    with pytest.raises(RefundNotAllowedError, match="not there any more"):
        submit_refund(desk.session, refund, clock=desk.clock)
    desk.reject(refund)
    assert (bill.due_minor, bill.outstanding) == (FEE, Money(FEE))
    assert_books_agree(desk.session)


def test_money_that_a_bank_took_back_while_in_doubt_is_owed_once_it_was_sent(desk: Desk) -> None:
    bill, payment = desk.paid()
    refund = submit_refund(desk.session, desk.approve(desk.ask(payment, COPY, 2)), clock=desk.clock)
    reverse_payment(desk.session, payment, "returned", clock=desk.clock)
    said = {"id": "r", "kind": "refund", "reference": refund.refund_reference}
    record_refund_outcome(desk.session, refund, read_notice(said), clock=desk.clock)
    assert (bill.due_minor, bill.outstanding) == (STATUS, Money(FEE))
    assert desk.receipts(ReceiptStatus.ISSUED) == []
    assert_books_agree(desk.session)


def test_the_portal_is_told_of_the_waiver_of_the_money_and_of_what_is_due_again(
    desk: Desk,
) -> None:
    client = ApiClient(
        name="Portal", office_id=desk.city.province.id, key_prefix="p", key_sha256="x",
        webhook_url="https://portal.example/told", created_at=desk.clock(),
    )  # fmt: skip
    desk.session.add(client)
    desk.session.flush()
    bill, payment = desk.paid()
    bill.api_client_id = client.id
    desk.session.flush()

    def told() -> list[tuple[str, str, int, int]]:
        messages = desk.session.exec(
            select(OutboxMessage)
            .where(OutboxMessage.recipient == client.id)
            .order_by(col(OutboxMessage.created_at))
        )
        return [
            (m.topic, m.payload["status"], m.payload["due_minor"], m.payload["received_minor"])
            for m in messages
        ]

    withdrawn = desk.approve(desk.ask(payment, COPY, 2))
    assert told() == [("bill.changed", "overpaid", STATUS, FEE)]
    desk.reject(withdrawn)
    assert told()[1:] == [("bill.changed", "paid", FEE, FEE)]
    refund = desk.approve(desk.ask(payment, COPY, 2))
    desk.clock.advance(minutes=1)
    desk.send(refund)
    assert told()[2:] == [
        ("bill.changed", "overpaid", STATUS, FEE), ("bill.changed", "paid", STATUS, STATUS),
    ]  # fmt: skip


def test_a_refund_that_waives_nothing_tells_the_portal_nothing_before_it_is_sent(
    desk: Desk,
) -> None:
    _, payment, _ = desk.paid_twice()
    before = everything(desk.session, tables=["outbox_message"])
    desk.approve(desk.ask(payment, 1))
    assert everything(desk.session, tables=["outbox_message"]) == before


def test_only_what_the_second_person_saw_is_approved(desk: Desk) -> None:
    _, payment = desk.paid()
    one, other = desk.ask(payment, COPY, 2), desk.ask(payment, STATUS, 1)
    with pytest.raises(RefundChangedError):
        approve_refund(
            desk.session, one, seen=fingerprint(other), actor=desk.second, clock=desk.clock
        )
    assert one.status is RefundStatus.REQUESTED
    seen = fingerprint(one)
    approve_refund(desk.session, one, seen=seen, actor=desk.second, clock=desk.clock)
    assert fingerprint(one) == seen, "a decision is not part of what was asked"


def test_a_fee_is_waived_once_though_two_people_ask_at_the_same_moment(
    engine: Engine, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    with transaction(engine) as session:
        bill, first, second = Desk(session, clock, officer, approver).paid_twice()

    def ask(payment: Payment) -> Callable[[], str]:
        def work() -> str:
            with transaction(engine) as session:
                mine = session.get_one(Payment, payment.id)
                return ask_refund(
                    session, mine, Money(1), actor=officer, clock=clock, waived_lines=[2]
                ).id

        return work

    results = at_once(engine, ask(first), ask(second), ask(first))
    assert sum(isinstance(result, str) for result in results) == 1, results
    assert sum(isinstance(result, RefundNotAllowedError) for result in results) == 2, results

    def approve() -> None:
        (asked,) = [result for result in results if isinstance(result, str)]
        with transaction(engine) as session:
            approve_refund(session, session.get_one(Refund, asked), actor=approver, clock=clock)

    outcomes = at_once(engine, approve, approve)
    assert sorted(type(outcome) for outcome in outcomes if outcome is not None) == [
        IllegalTransitionError
    ], outcomes
    with transaction(engine) as session:
        assert session.get_one(Bill, bill.id).due_minor == STATUS
        assert_books_agree(session)
