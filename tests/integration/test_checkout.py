"""Starting payments: one attempt for a double submit, and unknown is never failed."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import Session, select

from app.checkout import begin_payment, plain_text
from core.actors import Actor
from core.clock import end_of_day
from core.db import reading, transaction
from core.money import Money
from core.settings import Settings
from payments.billing import cancel_bill
from payments.channels import Rail
from payments.checkout import due_queries, open_attempt, record_start_unknown
from payments.collection import confirm_payment
from payments.errors import (
    AttemptKnownError,
    BillNotFoundError,
    BillNotPayableError,
    ChannelNotOfferedError,
    GatewayRefusedError,
    GatewayUnavailableError,
    PaymentInProgressError,
)
from payments.inbox import apply_notice
from payments.models import Bill, Payment
from payments.ports import StartedPayment, StartRequest
from payments.states import PaymentStatus
from tests.factories import City, a_bill, a_city, a_paid_payment, a_payment
from tests.support.books import assert_books_agree, at_once, everything
from tests.support.clock import FrozenClock
from tests.support.gateway import FakeGateway, FakeGateways, read_notice


@pytest.fixture
def gateways() -> FakeGateways:
    return FakeGateways()


@pytest.fixture
def city(engine: Engine) -> City:
    with transaction(engine) as session:
        return a_city(session)


@pytest.fixture
def bill(engine: Engine, city: City, clock: FrozenClock) -> Bill:
    with transaction(engine) as session:
        return a_bill(session, city, clock=clock)


def _begin(
    engine: Engine, gateways: FakeGateways, reference: str, clock: FrozenClock,
    *, rail: Rail = Rail.VNPAY, try_again: bool = False,
) -> Payment:  # fmt: skip
    return begin_payment(
        engine, gateways, reference, rail, payer_ip="127.0.0.1", locale="vi",
        try_again=try_again, clock=clock, settings=Settings(),
    )  # fmt: skip


def _payments(engine: Engine) -> list[Payment]:
    with reading(engine) as session:
        return list(session.exec(select(Payment).order_by(Payment.merchant_reference)))


def test_a_payment_is_pending_where_the_channel_sends_the_payer(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    payment = _begin(engine, gateways, bill.bill_reference, clock)
    assert payment.status is PaymentStatus.PENDING
    assert payment.redirect_url == f"https://channel.example/{bill.bill_reference}-1"
    [request] = gateways.gateway.started
    assert request.amount == Money(83_000)
    assert request.return_url.endswith(f"/payments/{payment.id}/return")
    assert request.description.isascii()
    assert payment.expires_at == clock() + timedelta(minutes=Settings().payment_minutes)


def test_submitting_twice_is_one_attempt(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    first = _begin(engine, gateways, bill.bill_reference, clock)
    second = _begin(engine, gateways, bill.bill_reference, clock)
    assert first.id == second.id
    assert len(gateways.gateway.started) == 1


def test_submitting_twice_at_the_same_moment_is_one_attempt(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    both_called = threading.Barrier(2)

    def meet(request: StartRequest) -> StartedPayment:
        both_called.wait(timeout=10)
        return StartedPayment(redirect_url=f"https://channel.example/{request.merchant_reference}")

    gateways.gateway.on_start = meet
    results = at_once(engine, *[lambda: _begin(engine, gateways, bill.bill_reference, clock)] * 2)
    assert [result.status for result in results] == [PaymentStatus.PENDING] * 2, results
    assert len({result.redirect_url for result in results}) == 1
    # Each call bore the same order id, so that the channel opened one order too.
    assert len({request.merchant_reference for request in gateways.gateway.started}) == 1
    assert len(_payments(engine)) == 1


def test_no_transaction_is_open_while_the_channel_is_called(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    seen: list[PaymentStatus] = []

    def look(request: StartRequest) -> StartedPayment:
        with transaction(engine) as session:  # on SQLite this would wait for an open writer
            payment = session.exec(select(Payment)).one()
            seen.append(payment.status)
        return StartedPayment(redirect_url="https://channel.example/")

    gateways.gateway.on_start = look
    _begin(engine, gateways, bill.bill_reference, clock)
    assert seen == [PaymentStatus.CREATED]


def test_a_lost_answer_leaves_the_attempt_in_doubt_and_watched(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    def lose(request: StartRequest) -> StartedPayment:
        raise GatewayUnavailableError

    gateways.gateway.on_start = lose
    with pytest.raises(GatewayUnavailableError):
        _begin(engine, gateways, bill.bill_reference, clock)
    [payment] = _payments(engine)
    assert payment.status is PaymentStatus.CREATED
    clock.advance(minutes=3)
    with reading(engine) as session:
        assert [due.id for due in due_queries(session, now=clock())] == [payment.id]


def test_an_attempt_whose_page_is_told_once_is_followed_by_another_when_the_payer_asks(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    def die(request: StartRequest) -> StartedPayment:
        raise KeyboardInterrupt

    def tell_once(request: StartRequest) -> StartedPayment:
        if request.merchant_reference.endswith("-1"):
            raise AttemptKnownError
        return StartedPayment(redirect_url="https://channel.example/second")

    gateways.gateway.on_start = die
    with pytest.raises(KeyboardInterrupt):
        _begin(engine, gateways, bill.bill_reference, clock)
    gateways.gateway.on_start = tell_once
    with pytest.raises(AttemptKnownError):
        _begin(engine, gateways, bill.bill_reference, clock)
    assert len(_payments(engine)) == 1
    again = [_begin(engine, gateways, bill.bill_reference, clock, try_again=True) for _ in range(2)]
    assert {payment.redirect_url for payment in again} == {"https://channel.example/second"}
    assert [p.status for p in _payments(engine)] == [PaymentStatus.CREATED, PaymentStatus.PENDING]
    assert all(p.next_query_at is not None for p in _payments(engine))


def test_a_channel_that_claims_to_know_what_is_new_opens_no_row_of_attempts(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    def claim(request: StartRequest) -> StartedPayment:
        raise AttemptKnownError

    gateways.gateway.on_start = claim
    for attempts in (1, 2):
        with pytest.raises(AttemptKnownError):
            _begin(engine, gateways, bill.bill_reference, clock, try_again=True)
        assert len(_payments(engine)) == attempts


def test_a_process_that_dies_before_the_answer_leaves_the_attempt_watched(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    def die(request: StartRequest) -> StartedPayment:
        raise KeyboardInterrupt

    gateways.gateway.on_start = die
    with pytest.raises(KeyboardInterrupt):
        _begin(engine, gateways, bill.bill_reference, clock)
    clock.advance(minutes=3)
    with reading(engine) as session:
        assert [due.status for due in due_queries(session, now=clock())] == [PaymentStatus.CREATED]


def test_a_refusal_of_what_may_be_open_since_a_lost_answer_leaves_it_in_doubt(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    def lose(request: StartRequest) -> StartedPayment:
        raise GatewayUnavailableError(request.merchant_reference)

    def refuse(request: StartRequest) -> StartedPayment:
        raise GatewayRefusedError(f"{request.merchant_reference} is known already")

    gateways.gateway.on_start = lose
    with pytest.raises(GatewayUnavailableError):
        _begin(engine, gateways, bill.bill_reference, clock)
    gateways.gateway.on_start = refuse
    with pytest.raises(GatewayRefusedError):
        _begin(engine, gateways, bill.bill_reference, clock)
    [payment] = _payments(engine)
    assert payment.status is PaymentStatus.CREATED
    assert payment.next_query_at is not None


def test_a_refusal_is_final_and_another_attempt_needs_no_second_thought(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    def refuse(request: StartRequest) -> StartedPayment:
        raise GatewayRefusedError

    gateways.gateway.on_start = refuse
    with pytest.raises(GatewayRefusedError):
        _begin(engine, gateways, bill.bill_reference, clock)
    assert _payments(engine)[0].status is PaymentStatus.FAILED
    gateways.gateway.on_start = FakeGateway().on_start
    assert _begin(engine, gateways, bill.bill_reference, clock).attempt == 2


def test_a_notice_that_is_faster_than_the_answer_is_not_overwritten(
    engine: Engine, gateways: FakeGateways, city: City, clock: FrozenClock
) -> None:
    for attempt, failure in enumerate((None, GatewayUnavailableError, GatewayRefusedError), 1):
        with transaction(engine) as session:
            mine = a_bill(session, city, clock=clock, number=attempt)

        def pay_first(
            request: StartRequest, failure: type[Exception] | None = failure
        ) -> StartedPayment:
            with transaction(engine) as session:
                payment = session.exec(
                    select(Payment).where(Payment.merchant_reference == request.merchant_reference)
                ).one()
                confirm_payment(session, payment, payment.amount, provider_txn_id="T",
                                occurred_at=clock(), clock=clock)  # fmt: skip
            if failure is not None:
                raise failure
            return StartedPayment(redirect_url="https://channel.example/late")

        gateways.gateway.on_start = pay_first
        if failure is None:
            assert _begin(engine, gateways, mine.bill_reference, clock).paid_at is not None
        else:
            with pytest.raises(failure):
                _begin(engine, gateways, mine.bill_reference, clock)
    assert {p.status for p in _payments(engine)} == {PaymentStatus.SUCCEEDED}
    assert {p.next_query_at for p in _payments(engine)} == {None}


def test_a_second_attempt_needs_the_payers_word_while_the_first_may_collect(
    session: Session, clock: FrozenClock
) -> None:
    bill = a_bill(session, a_city(session), clock=clock)
    first = open_attempt(session, bill.id, Rail.VNPAY, minutes=15, clock=clock)
    with pytest.raises(PaymentInProgressError):
        open_attempt(session, bill.id, Rail.VIETQR, minutes=15, clock=clock)
    clock.advance(minutes=16)  # its page has closed; what became of it is not known yet
    with pytest.raises(PaymentInProgressError):
        open_attempt(session, bill.id, Rail.VNPAY, minutes=15, clock=clock)
    second = open_attempt(session, bill.id, Rail.VNPAY, minutes=15, try_again=True, clock=clock)
    assert (second.attempt, second.merchant_reference) == (2, f"{bill.bill_reference}-2")
    clock.advance(minutes=3)
    assert {p.id for p in due_queries(session, now=clock())} == {first.id, second.id}


def test_a_shown_transfer_code_can_be_paid_as_long_as_the_bill(
    session: Session, clock: FrozenClock
) -> None:
    bill = a_bill(session, a_city(session), clock=clock)
    payment = a_payment(session, bill, clock=clock, rail=Rail.VIETQR)
    assert payment.expires_at == end_of_day(bill.expires_on)
    assert payment.next_query_at is None


def test_what_was_paid_in_part_is_asked_for_in_part(session: Session, clock: FrozenClock) -> None:
    bill = a_bill(session, a_city(session), clock=clock)
    a_paid_payment(session, bill, clock=clock, collected_minor=80_000)
    assert a_payment(session, bill, clock=clock).amount == Money(3_000)


@pytest.mark.parametrize("state", ["paid", "cancelled", "too late"])
def test_nothing_is_asked_for_a_bill_that_is_not_payable(
    session: Session,
    clock: FrozenClock,
    officer: Actor,
    state: str,
) -> None:
    bill = a_bill(session, a_city(session), clock=clock)
    if state == "paid":
        a_paid_payment(session, bill, clock=clock)
    elif state == "cancelled":
        cancel_bill(session, bill, actor=officer, reason="issued twice", clock=clock)
    else:
        clock.advance(days=60)
    session.flush()
    before = everything(session)
    with pytest.raises(BillNotPayableError):
        open_attempt(session, bill.id, Rail.VNPAY, minutes=15, clock=clock)
    assert everything(session) == before


def test_a_channel_that_the_office_does_not_offer_is_refused(
    session: Session, clock: FrozenClock
) -> None:
    bill = a_bill(session, a_city(session), clock=clock)
    with pytest.raises(ChannelNotOfferedError):
        open_attempt(session, bill.id, Rail.STRIPE, minutes=15, clock=clock)


def test_an_unknown_bill_opens_nothing(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    with pytest.raises(BillNotFoundError):
        _begin(engine, gateways, "MC0000000000", clock)
    assert gateways.gateway.started == []


@pytest.mark.parametrize("outcome", ["pending", "failed", "expired", "cancelled"])
def test_only_a_final_answer_ends_an_attempt(
    session: Session, clock: FrozenClock, outcome: str
) -> None:
    bill = a_bill(session, a_city(session), clock=clock)
    payment = a_payment(session, bill, clock=clock)
    said = {"id": "q", "reference": payment.merchant_reference, "outcome": outcome}
    apply_notice(session, payment, read_notice(said), clock=clock)
    assert payment.status.value == outcome
    assert (payment.next_query_at is None) is (outcome != "pending")


def test_a_channel_that_never_answers_is_asked_for_ever_and_ever_more_rarely(
    session: Session, clock: FrozenClock
) -> None:
    payment = a_payment(session, a_bill(session, a_city(session), clock=clock), clock=clock)
    said = read_notice({"id": "q", "reference": payment.merchant_reference, "outcome": "pending"})
    waits = []
    for _ in range(15):
        apply_notice(session, payment, said, clock=clock)
        assert payment.next_query_at is not None
        waits.append(payment.next_query_at - clock())
        clock.move_to(payment.next_query_at)
    assert waits == sorted(waits)
    assert payment.status is PaymentStatus.PENDING


def test_doubt_about_a_start_does_not_reopen_what_has_ended(
    session: Session, clock: FrozenClock
) -> None:
    bill = a_bill(session, a_city(session), clock=clock)
    payment = a_paid_payment(session, bill, clock=clock)
    record_start_unknown(session, payment, clock=clock)
    assert payment.next_query_at is None


def test_paying_while_another_opens_an_attempt_never_asks_twice(
    engine: Engine, gateways: FakeGateways, bill: Bill, clock: FrozenClock
) -> None:
    first = _begin(engine, gateways, bill.bill_reference, clock)

    def pay() -> None:
        with transaction(engine) as session:
            confirm_payment(session, session.get_one(Payment, first.id), first.amount,
                            provider_txn_id="T", occurred_at=clock(), clock=clock)  # fmt: skip

    def open_another() -> Payment:
        return _begin(engine, gateways, bill.bill_reference, clock, try_again=True)

    paid, opened = at_once(engine, pay, open_another)
    assert paid is None
    assert isinstance(opened, BillNotPayableError) or opened.id == first.id, opened
    with transaction(engine) as session:
        assert_books_agree(session)


@pytest.mark.parametrize(
    ("text", "plain"),
    [("MC123 Đăng ký khai sinh", "MC123 Dang ky khai sinh"), ("a  <b>&\n'c", "a b c"),
     ("x" * 100, "x" * 60)],
)  # fmt: skip
def test_descriptions_are_plain_enough_for_every_channel(text: str, plain: str) -> None:
    assert plain_text(text) == plain
