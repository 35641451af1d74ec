"""Messages of channels: stored as they came, applied once, and never believed too much."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import Session, select

from core.db import transaction
from core.money import Money
from core.outbox import OutboxMessage
from payments.checkout import QUERY_MINUTES
from payments.collection import reverse_payment
from payments.inbox import apply_notice, process_gateway_event, record_gateway_event, waiting_events
from payments.ledger.balances import balance_of
from payments.ledger.models import JournalEntry
from payments.models import Bill, EventState, GatewayEvent, Payment, Receipt, ReceiptStatus
from payments.ports import NoticeResult, RawEvent
from payments.states import BillStatus, PaymentStatus
from tests.factories import a_bill, a_city, a_payment
from tests.support.books import assert_books_agree, at_once, everything
from tests.support.clock import FrozenClock
from tests.support.gateway import FakeGateway, a_notice, raw_notice, read_notice

FEE = 83_000
MERCHANT = "DEMO0001"


@pytest.fixture
def payment(session: Session, clock: FrozenClock) -> Payment:
    return a_payment(session, a_bill(session, a_city(session), clock=clock), clock=clock)


def _take(session: Session, raw: RawEvent, clock: FrozenClock) -> NoticeResult:
    event = record_gateway_event(session, raw, MERCHANT)
    return process_gateway_event(session, event.id, FakeGateway(), clock=clock)


def _events(session: Session) -> list[GatewayEvent]:
    return list(session.exec(select(GatewayEvent).order_by(GatewayEvent.id)))


def test_a_success_pays_the_bill_books_it_and_issues_a_receipt(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    assert _take(session, a_notice(payment.merchant_reference), clock) is NoticeResult.APPLIED
    bill = session.get_one(Bill, payment.bill_id)
    assert (payment.status, bill.status) == (PaymentStatus.SUCCEEDED, BillStatus.PAID)
    assert balance_of(session, "clearing:vnpay") == FEE
    receipt = session.exec(select(Receipt)).one()
    assert (receipt.number, receipt.amount_minor) == (f"{bill.bill_reference}-1", FEE)
    assert_books_agree(session)


def test_a_message_is_kept_exactly_as_it_came(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    raw = raw_notice(b'{"id": \xff not json', signature="wrong")
    assert _take(session, raw, clock) is NoticeResult.INVALID_SIGNATURE
    [event] = _events(session)
    assert (event.body, event.headers) == (raw.body, raw.headers)
    assert event.state is EventState.REFUSED


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00\xff", b"{}", b'{"id": 1}', b"[]", b'{"id":"a","reference":"b","amount":1.5}'],
)
def test_an_authentic_message_that_lacks_what_it_must_have_is_refused_and_kept(
    session: Session, payment: Payment, clock: FrozenClock, body: bytes
) -> None:
    assert _take(session, raw_notice(body), clock) is NoticeResult.MALFORMED
    assert _events(session)[0].state is EventState.REFUSED
    assert payment.status is PaymentStatus.PENDING


def test_an_unknown_reference_is_kept_for_a_person(session: Session, clock: FrozenClock) -> None:
    assert _take(session, a_notice("MCNOBODY-1"), clock) is NoticeResult.UNKNOWN_REFERENCE
    assert _events(session)[0].state is EventState.UNASSIGNED


def test_the_same_notice_again_changes_nothing(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    raw = a_notice(payment.merchant_reference)
    _take(session, raw, clock)
    money = _money(session)
    for _ in range(3):
        assert _take(session, raw, clock) is NoticeResult.ALREADY_APPLIED
    assert _money(session) == money
    states = sorted(event.state.value for event in _events(session))
    assert states == ["applied", "duplicate", "duplicate", "duplicate"]


def _money(session: Session) -> dict[str, list[object]]:
    session.flush()
    return {name: rows for name, rows in everything(session).items() if name != "gateway_event"}


def test_processing_a_stored_message_again_changes_nothing(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    event = record_gateway_event(session, a_notice(payment.merchant_reference), MERCHANT)
    first = process_gateway_event(session, event.id, FakeGateway(), clock=clock)
    session.flush()
    before = everything(session)
    again = process_gateway_event(session, event.id, FakeGateway(), clock=clock)
    session.flush()
    assert (first, again) == (NoticeResult.APPLIED, NoticeResult.APPLIED)
    assert everything(session) == before


def test_what_a_dead_process_left_behind_is_found(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    event = record_gateway_event(session, a_notice(payment.merchant_reference), MERCHANT)
    assert [waiting.id for waiting in waiting_events(session)] == [event.id]
    process_gateway_event(session, event.id, FakeGateway(), clock=clock)
    session.flush()
    assert waiting_events(session) == []


@pytest.mark.parametrize(
    ("collected", "status", "owed_back"),
    [(80_000, BillStatus.PARTLY_PAID, 0), (90_000, BillStatus.OVERPAID, 7_000)],
)
def test_another_amount_is_money_taken_never_a_failure(
    session: Session, payment: Payment, clock: FrozenClock,
    collected: int, status: BillStatus, owed_back: int,
) -> None:  # fmt: skip
    raw = a_notice(payment.merchant_reference, amount=collected)
    assert _take(session, raw, clock) is NoticeResult.AMOUNT_DIFFERS
    assert payment.status is PaymentStatus.SUCCEEDED
    assert session.get_one(Bill, payment.bill_id).status is status
    assert balance_of(session, "refunds_payable") == -owed_back
    assert_books_agree(session)


@pytest.mark.parametrize("amount", [0, -FEE])
def test_a_success_without_money_is_malformed_and_the_attempt_stays_watched(
    session: Session, payment: Payment, clock: FrozenClock, amount: int
) -> None:
    raw = a_notice(payment.merchant_reference, amount=amount)
    assert _take(session, raw, clock) is NoticeResult.MALFORMED
    assert payment.status is PaymentStatus.PENDING
    said = read_notice(json.loads(raw.body))
    apply_notice(session, payment, said, clock=clock)  # the same as the answer to a query
    assert payment.status is PaymentStatus.PENDING
    assert payment.next_query_at is not None
    assert payment.next_query_at > clock()


def test_a_failure_after_a_success_changes_nothing(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    _take(session, a_notice(payment.merchant_reference), clock)
    for outcome in ("failed", "expired", "cancelled", "pending"):
        raw = a_notice(payment.merchant_reference, id=outcome, outcome=outcome)
        assert _take(session, raw, clock) is NoticeResult.ALREADY_APPLIED
    assert payment.status is PaymentStatus.SUCCEEDED


@pytest.mark.parametrize("outcome", ["failed", "expired", "cancelled"])
def test_proof_of_collection_wins_over_an_earlier_failure(
    session: Session, payment: Payment, clock: FrozenClock, outcome: str
) -> None:
    _take(session, a_notice(payment.merchant_reference, id="1", outcome=outcome), clock)
    assert payment.status.value == outcome
    _take(session, a_notice(payment.merchant_reference, id="2"), clock)
    assert payment.status is PaymentStatus.SUCCEEDED
    assert_books_agree(session)


def test_a_success_told_again_does_not_undo_a_chargeback(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    _take(session, a_notice(payment.merchant_reference, id="1"), clock)
    reverse_payment(session, payment, "chargeback", clock=clock)
    raw = a_notice(payment.merchant_reference, id="2")  # another message of the same collection
    assert _take(session, raw, clock) is NoticeResult.ALREADY_APPLIED
    assert payment.status is PaymentStatus.REVERSED
    new = a_notice(payment.merchant_reference, id="3", txn="another transaction")
    assert _take(session, new, clock) is NoticeResult.APPLIED
    receipts = session.exec(select(Receipt).order_by(Receipt.number)).all()
    assert [r.status for r in receipts] == [ReceiptStatus.VOIDED, ReceiptStatus.ISSUED]
    assert receipts[1].number == f"{receipts[0].number}-2"
    assert_books_agree(session)


def test_a_reversal_voids_the_receipt_and_opens_the_bill(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    _take(session, a_notice(payment.merchant_reference), clock)
    reverse_payment(session, payment, "returned", clock=clock)
    money = _money(session)
    reverse_payment(session, payment, "returned", clock=clock)
    assert _money(session) == money
    bill = session.get_one(Bill, payment.bill_id)
    assert (bill.status, bill.received_minor) == (BillStatus.OPEN, 0)
    assert session.exec(select(Receipt)).one().status is ReceiptStatus.VOIDED
    assert balance_of(session, "clearing:vnpay") == 0
    assert_books_agree(session)


def test_when_one_of_two_payments_is_taken_back_the_other_covers_the_fee(
    session: Session, clock: FrozenClock
) -> None:
    bill = a_bill(session, a_city(session), clock=clock)
    first = a_payment(session, bill, clock=clock)
    clock.advance(hours=1)
    second = a_payment(session, bill, clock=clock)
    for attempt in (first, second):
        _take(session, a_notice(attempt.merchant_reference), clock)
    reverse_payment(session, first, "returned", clock=clock)
    assert bill.status is BillStatus.PAID
    assert_books_agree(session)


def test_a_refund_notice_without_an_id_touches_no_refund(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    raw = a_notice(payment.merchant_reference, kind="refund", txn=None)
    assert _take(session, raw, clock) is NoticeResult.UNKNOWN_REFERENCE


def test_a_chargeback_notice_is_evidence_only(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    _take(session, a_notice(payment.merchant_reference, id="1"), clock)
    _take(session, a_notice(payment.merchant_reference, id="2", kind="chargeback"), clock)
    assert payment.status is PaymentStatus.SUCCEEDED


def test_the_payer_is_told_once_for_each_receipt(
    session: Session, payment: Payment, clock: FrozenClock
) -> None:
    for number in range(3):
        _take(session, a_notice(payment.merchant_reference, id=str(number)), clock)
    message = session.exec(select(OutboxMessage)).one()
    assert (message.topic, message.recipient) == ("receipt", "payer@example.vn")


def test_the_wait_before_asking_again_starts_short() -> None:
    assert list(QUERY_MINUTES) == sorted(QUERY_MINUTES)
    assert QUERY_MINUTES[0] <= 5


@pytest.mark.parametrize("same_message", [True, False])
def test_notices_that_come_at_once_are_applied_once(
    engine: Engine,
    clock: FrozenClock,
    same_message: bool,  # noqa: FBT001
) -> None:
    with transaction(engine) as session:
        bill = a_bill(session, a_city(session), clock=clock)
        payment = a_payment(session, bill, clock=clock)
        events = [
            record_gateway_event(
                session,
                a_notice(payment.merchant_reference, id="1" if same_message else str(number)),
                MERCHANT,
            ).id
            for number in range(4)
        ]

    def process(event_id: str) -> Callable[[], NoticeResult]:
        def work() -> NoticeResult:
            with transaction(engine) as session:
                return process_gateway_event(session, event_id, FakeGateway(), clock=clock)

        return work

    results = at_once(engine, *(process(event_id) for event_id in events))
    assert sorted(results) == ["already_applied"] * 3 + ["applied"], results
    with transaction(engine) as session:
        assert session.get_one(Bill, bill.id).received_minor == FEE
        assert len(session.exec(select(Receipt)).all()) == 1
        assert len(session.exec(select(JournalEntry)).all()) == 2
        assert_books_agree(session)


def test_two_attempts_that_collect_at_once_are_both_counted(
    engine: Engine, clock: FrozenClock
) -> None:
    with transaction(engine) as session:
        bill = a_bill(session, a_city(session), clock=clock)
        first = a_payment(session, bill, clock=clock)
        clock.advance(hours=1)
        second = a_payment(session, bill, clock=clock)

    def collect(payment: Payment) -> Callable[[], NoticeResult]:
        def work() -> NoticeResult:
            with transaction(engine) as session:
                return _take(session, a_notice(payment.merchant_reference), clock)

        return work

    assert at_once(engine, collect(first), collect(second)) == [NoticeResult.APPLIED] * 2
    with transaction(engine) as session:
        after = session.get_one(Bill, bill.id)
        assert (after.status, after.received_minor) == (BillStatus.OVERPAID, 2 * FEE)
        assert balance_of(session, "refunds_payable") == -FEE
        assert_books_agree(session)


def test_money_of_another_bill_is_not_touched(session: Session, clock: FrozenClock) -> None:
    city = a_city(session)
    bills = [a_bill(session, city, clock=clock, number=number) for number in (1, 2)]
    payments = [a_payment(session, bill, clock=clock) for bill in bills]
    _take(session, a_notice(payments[0].merchant_reference), clock)
    assert [bill.outstanding for bill in bills] == [Money(0), Money(FEE)]
