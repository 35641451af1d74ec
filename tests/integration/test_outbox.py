"""Messages leave if and only if their fact is true, once for each fact."""

from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import Session, select

from core.db import transaction
from core.money import Money
from core.outbox import (
    MessageKind,
    MessageStatus,
    OutboxMessage,
    due_messages,
    record_attempt,
    tell,
)
from payments.collection import confirm_payment, reverse_payment
from payments.models import ApiClient, Bill
from tests.factories import a_bill, a_city, a_payment
from tests.support.clock import FrozenClock


def _tell(session: Session, clock: FrozenClock, key: str = "k") -> OutboxMessage:
    return tell(session, MessageKind.EMAIL, "receipt", "a@b.vn", {}, dedupe_key=key, clock=clock)


def test_the_same_fact_is_told_once(session: Session, clock: FrozenClock) -> None:
    assert _tell(session, clock).id == _tell(session, clock).id
    assert _tell(session, clock, "other").id != _tell(session, clock).id


def test_a_message_of_a_fact_that_was_not_committed_is_never_sent(
    engine: Engine, clock: FrozenClock
) -> None:
    def fail_after_telling() -> None:
        with transaction(engine) as session:
            _tell(session, clock)
            raise KeyError("the work fails after its message was written")

    with pytest.raises(KeyError):
        fail_after_telling()
    with transaction(engine) as session:
        assert due_messages(session, now=clock()) == []


def test_messages_are_due_in_order_and_retried_later(session: Session, clock: FrozenClock) -> None:
    first = _tell(session, clock, "1")
    clock.advance(seconds=1)
    second = _tell(session, clock, "2")
    assert due_messages(session, now=clock()) == [first, second]
    record_attempt(first, delivered=False, answer="503", now=clock())
    record_attempt(second, delivered=True, answer="204", now=clock())
    session.flush()
    assert due_messages(session, now=clock()) == []
    assert due_messages(session, now=clock() + timedelta(seconds=5)) == [first]
    assert second.status is MessageStatus.DELIVERED


def _portal_bill(session: Session, clock: FrozenClock) -> Bill:
    city = a_city(session)
    client = ApiClient(
        name="Portal", office_id=city.communes[0].id, key_prefix="p", key_sha256="",
        webhook_url="https://portal.example/hook", created_at=clock(),
    )  # fmt: skip
    session.add(client)
    session.flush()
    bill = a_bill(session, city, clock=clock)
    bill.api_client_id = client.id
    bill.payer_email = ""
    session.add(bill)
    session.flush()
    return bill


def _topics(session: Session) -> list[tuple[str, str]]:
    messages = session.exec(select(OutboxMessage).order_by(OutboxMessage.id)).all()
    return [(message.topic, message.payload["status"]) for message in messages]


def test_the_portal_hears_of_every_change_of_what_was_received(
    session: Session, clock: FrozenClock
) -> None:
    bill = _portal_bill(session, clock)
    for collected in (80_000, 3_000):
        payment = a_payment(session, bill, clock=clock)
        confirm_payment(session, payment, Money(collected), provider_txn_id=f"T{collected}",
                        occurred_at=clock(), clock=clock)  # fmt: skip
    reverse_payment(session, payment, "returned", clock=clock)
    assert sorted(_topics(session)) == [
        ("bill.changed", "partly_paid"),
        ("bill.changed", "partly_paid"),
        ("bill.paid", "paid"),
    ]


def test_a_webhook_holds_whole_minor_units_and_no_name(
    session: Session, clock: FrozenClock
) -> None:
    bill = _portal_bill(session, clock)
    payment = a_payment(session, bill, clock=clock)
    confirm_payment(session, payment, payment.amount, provider_txn_id="T", occurred_at=clock(),
                    clock=clock)  # fmt: skip
    message = session.exec(select(OutboxMessage)).one()
    assert message.payload["received_minor"] == message.payload["due_minor"] == 83_000
    assert bill.payer_name not in str(message.payload)
