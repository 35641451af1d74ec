"""Calls to the outside: polling, refunds and messages, whose lost answers decide nothing."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import col, select

from adapters.notifications.errors import DeliveryError
from core.actors import Actor
from core.db import transaction
from core.money import Money
from core.outbox import (
    RETRY_SECONDS,
    MessageKind,
    MessageStatus,
    OutboxMessage,
    replay,
    tell,
)
from payments.channels import Rail
from payments.errors import GatewayRefusedError, GatewayUnavailableError
from payments.inbox import record_gateway_event
from payments.models import ApiClient, Bill, EventState, GatewayEvent, Payment, Refund
from payments.ports import GatewayNotice, NoticeKind, Outcome
from payments.refunds import approve_refund
from payments.states import PaymentStatus, RefundStatus
from scheduler.jobs import (
    EVENT_PATIENCE,
    poll_payments,
    process_events,
    send_messages,
    send_refunds,
)
from scheduler.schedule import get_job, run_now
from tests.factories import VAULT, a_bill, a_city, a_paid_payment, a_payment, ask_refund
from tests.support.clock import FrozenClock
from tests.support.gateway import a_notice
from tests.support.jobs import (
    AnsweringGateway,
    KeepingSender,
    OneGateway,
    a_context,
    no_answer,
    said,
)


@pytest.fixture
def gateway() -> AnsweringGateway:
    return AnsweringGateway()


def a_pending(engine: Engine, clock: FrozenClock, *, count: int = 1) -> list[Payment]:
    with transaction(engine) as session:
        city = a_city(session)
        bills = [a_bill(session, city, clock=clock, number=n + 1) for n in range(count)]
        return [a_payment(session, bill, clock=clock, rail=Rail.VNPAY) for bill in bills]


def now(engine: Engine, payment: Payment) -> Payment:
    with transaction(engine) as session:
        return session.get_one(Payment, payment.id)


# Polling


@pytest.mark.parametrize(
    "problem",
    [GatewayUnavailableError("timeout"), GatewayRefusedError("busy"), RuntimeError("a mistake")],
)
def test_a_lost_answer_never_fails_a_payment(
    engine: Engine, clock: FrozenClock, tmp_path: Path, gateway: AnsweringGateway,
    problem: Exception,
) -> None:  # fmt: skip
    def lose(query: object) -> GatewayNotice:
        raise problem

    gateway.on_query = lose
    (payment,) = a_pending(engine, clock)
    context = a_context(engine, clock, tmp_path, gateways=OneGateway(gateway))
    for _ in range(40):
        clock.advance(hours=13)
        poll_payments(context, clock())

    current = now(engine, payment)
    assert len(gateway.asked) == current.query_count == 40
    assert current.status is PaymentStatus.PENDING
    assert current.next_query_at is not None


def test_a_payment_is_asked_about_less_and_less_often(
    engine: Engine, clock: FrozenClock, tmp_path: Path, gateway: AnsweringGateway
) -> None:
    (payment,) = a_pending(engine, clock)
    context = a_context(engine, clock, tmp_path, gateways=OneGateway(gateway))
    waits = []
    for _ in range(4):
        due: datetime = now(engine, payment).next_query_at  # type: ignore[assignment]
        waits.append(due - clock())
        clock.move_to(due - timedelta(seconds=1))
        assert poll_payments(context, clock()) == 0
        clock.move_to(due)
        assert poll_payments(context, clock()) == 1
    assert waits == sorted(set(waits))
    assert len({query.request_id for query in gateway.asked}) == 4
    assert {query.expires_at for query in gateway.asked} == {payment.expires_at}


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.SUCCEEDED, PaymentStatus.SUCCEEDED),
        (Outcome.FAILED, PaymentStatus.FAILED),
        (Outcome.EXPIRED, PaymentStatus.EXPIRED),
        (Outcome.PENDING, PaymentStatus.PENDING),
    ],
)
def test_only_a_final_answer_ends_the_asking(
    engine: Engine, clock: FrozenClock, tmp_path: Path, gateway: AnsweringGateway,
    outcome: Outcome, status: PaymentStatus,
) -> None:  # fmt: skip
    gateway.on_query = lambda _: said(outcome)
    (payment,) = a_pending(engine, clock)
    context = a_context(engine, clock, tmp_path, gateways=OneGateway(gateway))
    clock.advance(hours=1)
    poll_payments(context, clock())
    current = now(engine, payment)
    assert current.status is status
    assert (current.next_query_at is None) is outcome.is_final


def test_one_merchant_without_contract_does_not_keep_the_others_waiting(
    engine: Engine, clock: FrozenClock, tmp_path: Path, gateway: AnsweringGateway
) -> None:
    gateway.on_query = lambda _: said(Outcome.SUCCEEDED)
    with transaction(engine) as session:
        city = a_city(session)
        lost, good = [
            a_payment(session, a_bill(session, city, clock=clock, commune=n, number=n + 1),
                      clock=clock)
            for n in (0, 1)
        ]  # fmt: skip
    gateways = OneGateway(gateway, missing=frozenset({lost.merchant_code}))
    context = a_context(engine, clock, tmp_path, gateways=gateways)
    clock.advance(hours=1)
    run_now(context, get_job("poll_payments"), requested_by="test")

    assert now(engine, good).status is PaymentStatus.SUCCEEDED
    assert now(engine, lost).status is PaymentStatus.PENDING
    assert now(engine, lost).query_count == 1, "asked again later, not first again"


def test_a_message_whose_process_died_is_processed_after_a_while(
    engine: Engine, clock: FrozenClock, tmp_path: Path, gateway: AnsweringGateway
) -> None:
    (payment,) = a_pending(engine, clock)
    notice = a_notice(payment.merchant_reference, amount=payment.amount_minor)
    with transaction(engine) as session:
        record_gateway_event(session, notice, payment.merchant_code)
    context = a_context(engine, clock, tmp_path, gateways=OneGateway(gateway))
    clock.advance(seconds=EVENT_PATIENCE.total_seconds())
    assert process_events(context, clock()) == 0
    clock.advance(seconds=1)
    assert process_events(context, clock()) == 1
    assert process_events(context, clock()) == 0
    assert now(engine, payment).status is PaymentStatus.SUCCEEDED
    with transaction(engine) as session:
        assert session.exec(select(GatewayEvent.state)).one() is EventState.APPLIED


# Refunds


@pytest.fixture
def refund(engine: Engine, clock: FrozenClock, officer: Actor, approver: Actor) -> Refund:
    """Return an approved refund of 7,000 that a payer sent too much."""
    with transaction(engine) as session:
        bill = a_bill(session, a_city(session), clock=clock)
        payment = a_paid_payment(session, bill, clock=clock, collected_minor=90_000)
        made = ask_refund(
            session, payment, Money(7_000), "paid too much", actor=officer, clock=clock
        )
        return approve_refund(session, made, actor=approver, clock=clock)


def refund_now(engine: Engine, refund: Refund) -> Refund:
    with transaction(engine) as session:
        return session.get_one(Refund, refund.id)


def test_a_refund_without_an_answer_stays_in_doubt_and_is_asked_again(
    engine: Engine, clock: FrozenClock, tmp_path: Path, gateway: AnsweringGateway, refund: Refund
) -> None:
    context = a_context(engine, clock, tmp_path, gateways=OneGateway(gateway))
    send_refunds(context, clock())
    assert refund_now(engine, refund).status is RefundStatus.SUBMITTED
    clock.advance(days=1)
    gateway.on_refund = lambda _: said(Outcome.PENDING, provider_txn_id="RF9")
    send_refunds(context, clock())
    clock.advance(days=1)
    gateway.on_refund = lambda _: said(Outcome.SUCCEEDED, provider_txn_id="RF9")
    send_refunds(context, clock())
    send_refunds(context, clock())

    done = refund_now(engine, refund)
    assert (done.status, done.provider_txn_id) == (RefundStatus.SUCCEEDED, "RF9")
    first, second, third = gateway.refunded
    assert first.refund_reference == second.refund_reference == third.refund_reference
    assert first.submitted_at == second.submitted_at == third.submitted_at == first.asked_at
    assert [order.refund_txn_id for order in gateway.refunded] == [None, None, "RF9"]
    with transaction(engine) as session:
        assert session.exec(select(Bill.received_minor)).one() == 83_000


def test_a_refund_that_was_refused_at_once_has_failed(
    engine: Engine, clock: FrozenClock, tmp_path: Path, gateway: AnsweringGateway, refund: Refund
) -> None:
    def refuse(order: object) -> GatewayNotice:
        raise GatewayRefusedError("more than was paid")

    gateway.on_refund = refuse
    context = a_context(engine, clock, tmp_path, gateways=OneGateway(gateway))
    send_refunds(context, clock())
    assert refund_now(engine, refund).status is RefundStatus.FAILED


def test_a_refusal_after_a_lost_answer_decides_nothing(
    engine: Engine, clock: FrozenClock, tmp_path: Path, gateway: AnsweringGateway, refund: Refund
) -> None:
    """The first sending may have gone through; that is why the second is refused."""

    def refuse(order: object) -> GatewayNotice:
        raise GatewayRefusedError("refunded already")

    context = a_context(engine, clock, tmp_path, gateways=OneGateway(gateway))
    gateway.on_refund = no_answer
    send_refunds(context, clock())
    gateway.on_refund = refuse
    send_refunds(context, clock())
    assert refund_now(engine, refund).status is RefundStatus.SUBMITTED


def test_a_final_refusal_by_the_channel_ends_a_refund(
    engine: Engine, clock: FrozenClock, tmp_path: Path, gateway: AnsweringGateway, refund: Refund
) -> None:
    gateway.on_refund = lambda _: said(Outcome.FAILED, kind=NoticeKind.REFUND)
    context = a_context(engine, clock, tmp_path, gateways=OneGateway(gateway))
    send_refunds(context, clock())
    assert refund_now(engine, refund).status is RefundStatus.FAILED


# Messages


def a_message(
    engine: Engine, clock: FrozenClock, key: str = "k", kind: MessageKind = MessageKind.EMAIL,
    recipient: str = "a@example.vn",
) -> OutboxMessage:  # fmt: skip
    with transaction(engine) as session:
        return tell(session, kind, "receipt", recipient, {"n": key}, dedupe_key=key, clock=clock)


def message_now(engine: Engine, key: str = "k") -> OutboxMessage:
    with transaction(engine) as session:
        query = select(OutboxMessage).where(OutboxMessage.dedupe_key == key)
        return session.exec(query).one()


def test_a_message_is_sent_once(engine: Engine, clock: FrozenClock, tmp_path: Path) -> None:
    sender = KeepingSender()
    context = a_context(engine, clock, tmp_path, senders={MessageKind.EMAIL: sender})
    a_message(engine, clock)
    a_message(engine, clock)
    assert send_messages(context, clock()) == 1
    assert send_messages(context, clock()) == 0

    sent = message_now(engine)
    assert (sent.status, sent.attempts, sent.last_answer) == (MessageStatus.DELIVERED, 1, "kept")
    assert sent.delivered_at == clock()
    assert len(sender.sent) == 1


def test_a_message_is_retried_given_up_and_replayed(
    engine: Engine, clock: FrozenClock, tmp_path: Path
) -> None:
    sender = KeepingSender(failure=DeliveryError("HTTP 500"))
    context = a_context(engine, clock, tmp_path, senders={MessageKind.EMAIL: sender})
    a_message(engine, clock)
    for seconds in RETRY_SECONDS:
        send_messages(context, clock())
        waiting = message_now(engine)
        assert waiting.status is MessageStatus.WAITING
        assert waiting.next_attempt_at == clock() + timedelta(seconds=seconds)
        assert send_messages(context, clock()) == 0
        clock.advance(seconds=seconds)
    send_messages(context, clock())
    given_up = message_now(engine)
    assert (given_up.status, given_up.last_answer) == (MessageStatus.GIVEN_UP, "HTTP 500")
    clock.advance(days=30)
    assert send_messages(context, clock()) == 0

    sender.failure = None
    with transaction(engine) as session:
        again = session.get_one(OutboxMessage, given_up.id)
        session.add(replay(again, now=clock()))
    assert send_messages(context, clock()) == 1
    assert message_now(engine).status is MessageStatus.DELIVERED


def test_a_message_that_nobody_can_send_waits_and_blocks_no_other(
    engine: Engine, clock: FrozenClock, tmp_path: Path
) -> None:
    """An installation without a mail server must still tell its portals."""
    sender = KeepingSender()
    context = a_context(engine, clock, tmp_path, senders={MessageKind.WEBHOOK: sender})
    for number in range(60):
        a_message(engine, clock, f"mail {number}")
    clock.advance(seconds=1)
    a_message(engine, clock, "hook", MessageKind.WEBHOOK)
    assert send_messages(context, clock()) == 1
    assert message_now(engine, "hook").status is MessageStatus.DELIVERED
    assert message_now(engine, "mail 0").attempts == 0


def test_a_message_that_breaks_its_sender_blocks_no_other(
    engine: Engine, clock: FrozenClock, tmp_path: Path
) -> None:
    mail, hook = KeepingSender(failure=KeyError("amount_minor")), KeepingSender()
    senders = {MessageKind.EMAIL: mail, MessageKind.WEBHOOK: hook}
    context = a_context(engine, clock, tmp_path, senders=senders)  # type: ignore[arg-type]
    a_message(engine, clock, "mail")
    a_message(engine, clock, "hook", MessageKind.WEBHOOK)
    send_messages(context, clock())
    assert message_now(engine, "mail").last_answer == "KeyError"
    assert message_now(engine, "hook").status is MessageStatus.DELIVERED


def test_a_portals_messages_are_sent_with_its_own_secret(
    engine: Engine, clock: FrozenClock, tmp_path: Path
) -> None:
    with transaction(engine) as session:
        office = a_city(session).province
        client = ApiClient(
            id="cli_p", name="P", office_id=office.id, key_prefix="p", key_sha256="",
            webhook_secret_sealed=VAULT.encrypt(
                b"secret", place="api_client.webhook_secret_sealed.cli_p"
            ),
            created_at=clock(),
        )  # fmt: skip
        session.add(client)
    sender = KeepingSender()
    context = a_context(engine, clock, tmp_path, senders={MessageKind.WEBHOOK: sender})
    a_message(engine, clock, "hook", MessageKind.WEBHOOK, "cli_p")
    a_message(engine, clock, "stranger", MessageKind.WEBHOOK, "cli_none")
    send_messages(context, clock())
    assert sorted(sender.secrets, key=repr) == [None, b"secret"]


def test_of_two_processes_the_later_failure_does_not_undo_a_delivery(
    engine: Engine, clock: FrozenClock, tmp_path: Path
) -> None:
    class Overtaken(KeepingSender):
        def send(self, message: OutboxMessage, secret: bytes | None) -> str:
            senders = {MessageKind.EMAIL: KeepingSender()}
            other = a_context(engine, clock, tmp_path, senders=senders)  # type: ignore[arg-type]
            send_messages(other, clock())
            assert (message.dedupe_key, secret) == ("k", None)
            raise DeliveryError("timeout")

    context = a_context(engine, clock, tmp_path, senders={MessageKind.EMAIL: Overtaken()})
    a_message(engine, clock)
    send_messages(context, clock())
    sent = message_now(engine)
    assert (sent.status, sent.attempts, sent.last_answer) == (MessageStatus.DELIVERED, 1, "kept")


def test_messages_are_told_in_the_order_in_which_they_fell_due(
    engine: Engine, clock: FrozenClock, tmp_path: Path
) -> None:
    sender = KeepingSender()
    context = a_context(engine, clock, tmp_path, senders={MessageKind.EMAIL: sender})
    for key in ("first", "second", "third"):
        a_message(engine, clock, key)
        clock.advance(seconds=1)
    send_messages(context, clock())
    assert [message.dedupe_key for message in sender.sent] == ["first", "second", "third"]
    with transaction(engine) as session:
        query = select(OutboxMessage.status).order_by(col(OutboxMessage.id))
        assert set(session.exec(query)) == {MessageStatus.DELIVERED}
