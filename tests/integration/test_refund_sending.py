"""Refunds over a channel: sent once, asked about while in doubt, and none stops another."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import col, select
from typing_extensions import override

from core.actors import Actor
from core.db import transaction
from core.money import Money
from payments.channels import Rail
from payments.collection import reverse_payment
from payments.errors import GatewayRefusedError, GatewayUnavailableError
from payments.models import Bill, Payment, Refund
from payments.ports import GatewayNotice, NoticeKind, Outcome, PaymentGateway, RefundOrder
from payments.refunds import approve_refund, reject_refund
from payments.states import BillStatus, RefundStatus
from scheduler.context import JobContext
from scheduler.jobs import StepsFailedError, send_refunds
from scheduler.runs import JobRun, RunOutcome
from scheduler.schedule import get_job, run_once
from tests.factories import BENEFICIARY, a_bill, a_city, a_paid_payment, ask_refund
from tests.support.books import assert_books_agree, at_once
from tests.support.clock import FrozenClock
from tests.support.jobs import AnsweringGateway, OneGateway, a_context, no_answer, said

FEE = 83_000


@dataclass
class Channels(OneGateway):
    """A channel for every merchant, and others for those that are named."""

    others: dict[str, AnsweringGateway] = field(default_factory=dict)

    @override
    def get(self, rail: Rail, merchant_code: str) -> PaymentGateway:
        return self.others.get(merchant_code) or super().get(rail, merchant_code)


@dataclass
class Office:
    """Approved refunds of two communes, and the channel that is to send them."""

    context: JobContext
    engine: Engine
    channel: AnsweringGateway
    channels: Channels
    refunds: list[str]

    def send(self) -> None:
        send_refunds(self.context, self.context.clock())

    def refund(self, number: int = 0) -> Refund:
        with transaction(self.engine) as session:
            return session.get_one(Refund, self.refunds[number])

    def statuses(self) -> list[RefundStatus]:
        return [self.refund(number).status for number in range(len(self.refunds))]


@pytest.fixture
def office(
    engine: Engine, clock: FrozenClock, tmp_path: Path, officer: Actor, approver: Actor
) -> Office:
    channel = AnsweringGateway(refund_queries=True, on_refund=_sent)
    channels = Channels(channel)
    refunds = []
    with transaction(engine) as session:
        city = a_city(session)
        for commune in (0, 1):
            bill = a_bill(session, city, clock=clock, commune=commune, number=commune + 1)
            payment = a_paid_payment(session, bill, clock=clock)
            clock.advance(minutes=1)
            refund = ask_refund(
                session, payment, Money(FEE), actor=officer, clock=clock, waived_lines=[1, 2]
            )
            approve_refund(session, refund, actor=approver, clock=clock)
            refunds.append(refund.id)
    context = a_context(engine, clock, tmp_path, gateways=channels)
    return Office(context, engine, channel, channels, refunds)


def _told(outcome: Outcome, reason: str = "", **more: object) -> GatewayNotice:
    return said(outcome, kind=NoticeKind.REFUND, reason_code=reason, **more)


def _sent(order: RefundOrder) -> GatewayNotice:
    return _told(Outcome.SUCCEEDED, provider_txn_id=f"RF-{order.refund_reference}")


def _refuse(order: object) -> GatewayNotice:
    raise GatewayRefusedError(f"too late for {type(order).__name__}")


def _unknown(order: object) -> GatewayNotice:
    del order
    return _told(Outcome.PENDING, "not_found")


def test_approved_refunds_are_sent_once_and_not_asked_about(office: Office) -> None:
    office.send()
    office.send()
    assert office.statuses() == [RefundStatus.SUCCEEDED] * 2
    assert len(office.channel.refunded) == 2
    assert office.channel.refunds_asked == []
    with transaction(office.engine) as session:
        statuses = session.exec(select(Bill.status)).all()
        assert statuses == [BillStatus.CANCELLED] * 2
        assert_books_agree(session)


def test_a_refund_in_doubt_is_asked_about_and_not_sent_twice(
    office: Office, clock: FrozenClock
) -> None:
    office.channel.on_refund = no_answer
    office.send()
    assert office.statuses() == [RefundStatus.SUBMITTED] * 2
    clock.advance(days=1)
    office.channel.on_refund = _refuse  # whatever is sent now would be refused
    office.channel.on_refund_query = _sent
    office.send()
    assert office.statuses() == [RefundStatus.SUCCEEDED] * 2
    assert len(office.channel.refunded) == 2, "each was sent once"
    asked = office.channel.refunds_asked
    assert sorted(order.refund_reference for order in asked) == sorted(
        order.refund_reference for order in office.channel.refunded
    )
    assert all(order.submitted_at is not None for order in asked)
    assert {order.asked_at - order.submitted_at for order in asked if order.submitted_at} == {
        timedelta(days=1)
    }


@pytest.mark.parametrize("reason", ["", "processing", "NOT_FOUND", "not found"])
def test_a_refund_that_the_channel_is_still_at_is_not_sent_again(
    office: Office, reason: str
) -> None:
    office.channel.on_refund = no_answer
    office.send()
    office.channel.on_refund_query = lambda _: _told(Outcome.PENDING, reason)
    for _ in range(3):
        office.send()
    assert len(office.channel.refunded) == 2
    assert office.statuses() == [RefundStatus.SUBMITTED] * 2


def test_a_refund_that_never_arrived_is_sent_again_under_the_same_reference(
    office: Office, clock: FrozenClock
) -> None:
    office.channel.on_refund = no_answer
    office.send()
    clock.advance(hours=1)
    office.channel.on_refund_query = _unknown
    office.channel.on_refund = _sent
    office.send()
    assert office.statuses() == [RefundStatus.SUCCEEDED] * 2
    first, second = office.channel.refunded[:2], office.channel.refunded[2:]
    assert [order.refund_reference for order in first] == [
        order.refund_reference for order in second
    ]
    assert [order.submitted_at for order in first] == [order.submitted_at for order in second]
    assert [order.amount for order in first] == [order.amount for order in second]


def test_a_refusal_of_the_second_sending_leaves_a_refund_in_doubt(office: Office) -> None:
    """It may be refused because the first one was carried out after all."""
    office.channel.on_refund = no_answer
    office.send()
    office.channel.on_refund_query = _unknown
    office.channel.on_refund = _refuse
    office.send()
    assert office.statuses() == [RefundStatus.SUBMITTED] * 2
    assert len(office.channel.refunded) == 4
    office.channel.on_refund_query = _sent
    office.send()
    assert office.statuses() == [RefundStatus.SUCCEEDED] * 2


@pytest.mark.parametrize("answer", [no_answer, _refuse])
def test_a_query_that_is_not_answered_sends_nothing(
    office: Office, answer: Callable[[RefundOrder], GatewayNotice]
) -> None:
    office.channel.on_refund = no_answer
    office.send()
    office.channel.on_refund_query = answer
    office.send()
    assert office.statuses() == [RefundStatus.SUBMITTED] * 2
    assert len(office.channel.refunded) == 2


def test_a_final_refusal_told_to_a_query_ends_a_refund_and_frees_its_money(
    office: Office, clock: FrozenClock, officer: Actor
) -> None:
    office.channel.on_refund = no_answer
    office.send()
    office.channel.on_refund_query = lambda _: _told(Outcome.FAILED, "account closed")
    office.send()
    refund = office.refund()
    assert (refund.status, refund.failure) == (RefundStatus.FAILED, "account closed")
    with transaction(office.engine) as session:
        payment = session.get_one(Payment, refund.payment_id)
        again = ask_refund(session, payment, Money(FEE), actor=officer, clock=clock)
        assert again.refund_reference != refund.refund_reference
        assert_books_agree(session)


def test_a_channel_that_sends_nothing_back_leaves_it_approved_and_stops_no_other(
    office: Office, clock: FrozenClock, approver: Actor
) -> None:
    unable = AnsweringGateway(refunds=False, on_refund=_sent)
    office.channels.others["DEMO0001"] = unable
    with pytest.raises(StepsFailedError, match=r"1 of 2: .*sends nothing back: ask for a transfer"):
        office.send()
    assert office.statuses() == [RefundStatus.APPROVED, RefundStatus.SUCCEEDED]
    assert unable.refunded == []
    assert office.refund().submitted_at is None
    run_once(office.context, get_job("send_refunds"), clock())
    with transaction(office.engine) as session:
        run = session.exec(select(JobRun).where(col(JobRun.job) == "send_refunds")).one()
        assert run.outcome is RunOutcome.FAILED
        assert "ask for a transfer" in run.detail
        refund = session.get_one(Refund, office.refunds[0])
        reject_refund(session, refund, note="by transfer", actor=approver, clock=clock)
    office.send()


def test_a_channel_that_nobody_configured_stops_no_other(office: Office) -> None:
    office.channels.missing = frozenset({"DEMO0001"})
    with pytest.raises(StepsFailedError, match="1 of 2"):
        office.send()
    assert office.statuses() == [RefundStatus.APPROVED, RefundStatus.SUCCEEDED]


def test_a_mistake_of_ours_while_sending_leaves_it_in_doubt_and_stops_no_other(
    office: Office,
) -> None:
    broken = AnsweringGateway(refund_queries=True)
    office.channels.others["DEMO0001"] = broken

    def fail(order: RefundOrder) -> GatewayNotice:
        raise ZeroDivisionError(order.refund_reference)

    broken.on_refund = fail
    with pytest.raises(StepsFailedError, match=r"1 of 2: .*ZeroDivisionError"):
        office.send()
    assert office.statuses() == [RefundStatus.SUBMITTED, RefundStatus.SUCCEEDED]
    broken.on_refund_query = _sent
    office.send()
    assert office.statuses() == [RefundStatus.SUCCEEDED] * 2


def test_money_that_was_taken_back_is_not_sent_and_stops_no_other(
    office: Office, clock: FrozenClock
) -> None:
    with transaction(office.engine) as session:
        payment = session.get_one(Payment, office.refund().payment_id)
        reverse_payment(session, payment, "returned", clock=clock)
    with pytest.raises(StepsFailedError, match=r"1 of 2: .*not there any more"):
        office.send()
    assert office.statuses() == [RefundStatus.APPROVED, RefundStatus.SUCCEEDED]
    assert len(office.channel.refunded) == 1


def test_a_refund_that_is_withdrawn_while_others_are_sent_is_not_sent(
    office: Office, clock: FrozenClock, approver: Actor
) -> None:
    """The job lists first and sends one after the other; a person may act in between."""

    def withdraw_the_next(order: RefundOrder) -> GatewayNotice:
        with transaction(office.engine) as session:
            refund = session.get_one(Refund, office.refunds[1])
            if refund.status is RefundStatus.APPROVED:
                reject_refund(session, refund, note="withdrawn", actor=approver, clock=clock)
        return _sent(order)

    office.channel.on_refund = withdraw_the_next
    office.send()
    assert office.statuses() == [RefundStatus.SUCCEEDED, RefundStatus.REJECTED]
    assert len(office.channel.refunded) == 1


def test_a_transfer_is_not_sent_by_the_job(
    office: Office, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    with transaction(office.engine) as session:
        asked = session.get_one(Refund, office.refunds[0])
        reject_refund(session, asked, note="by transfer", actor=approver, clock=clock)
        payment = session.get_one(Payment, asked.payment_id)
        refund = ask_refund(
            session, payment, Money(FEE), actor=officer, clock=clock, waived_lines=[1, 2],
            by_transfer=True, beneficiary=BENEFICIARY,
        )  # fmt: skip
        approve_refund(session, refund, actor=approver, clock=clock)
    office.refunds.append(refund.id)
    office.send()
    assert office.statuses()[1:] == [RefundStatus.SUCCEEDED, RefundStatus.APPROVED]
    assert len(office.channel.refunded) == 1


def test_two_processes_at_once_send_under_one_reference_and_book_it_once(
    office: Office,
) -> None:
    """The second finds it in doubt and asks; whatever comes first is booked, the other is told."""
    office.channel.on_refund_query = _unknown
    results = at_once(office.engine, office.send, office.send)
    assert results == [None, None]
    assert office.statuses() == [RefundStatus.SUCCEEDED] * 2
    references = {order.refund_reference for order in office.channel.refunded}
    assert len(references) == 2
    with transaction(office.engine) as session:
        assert session.exec(select(Bill.received_minor)).all() == [0, 0]
        assert_books_agree(session)


def test_a_lost_answer_is_no_failure_of_the_job(office: Office, clock: FrozenClock) -> None:
    def lost(order: RefundOrder) -> GatewayNotice:
        raise GatewayUnavailableError(order.refund_reference)

    office.channel.on_refund = lost
    run_once(office.context, get_job("send_refunds"), clock())
    with transaction(office.engine) as session:
        run = session.exec(select(JobRun).where(col(JobRun.job) == "send_refunds")).one()
    assert (run.outcome, run.count) == (RunOutcome.DONE, 2)
    assert office.statuses() == [RefundStatus.SUBMITTED] * 2
