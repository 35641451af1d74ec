"""One contract, every gateway: each against its simulator over HTTP on a settable clock."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.http import create_client
from adapters.simulators.faults import Fault
from core.money import Money
from payments.errors import (
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidSignatureError,
    MalformedNoticeError,
)
from payments.ports import NoticeKind, NoticeResult, Outcome, RawEvent
from tests.contracts.gateway_rigs import (
    ACCOUNT,
    ACCT,
    CLIENT_TIMEOUT,
    MONDAY,
    TMN,
    World,
    gateways,
    open_world,
)

NO_PROVIDER = "a bank transfer has no provider: the statement brings the answer"


GATEWAYS = ["bank_transfer", "vnpay", "stripe"]


@pytest.fixture(params=GATEWAYS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with open_world(request.param, tmp_path) as opened:
        yield opened


@pytest.fixture(params=GATEWAYS)
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world whose gateway has a provider that sends notices."""
    if request.param == "bank_transfer":
        pytest.skip(NO_PROVIDER)
    with open_world(request.param, tmp_path) as opened:
        yield opened


def only(provider: World) -> None:
    assert len(provider.inbox.notices) == 1


# ---------------------------------------------------------------- start and pay


def test_start_gives_a_page_or_a_code_never_both(world: World) -> None:
    started = world.gateway.start(world.request())

    assert (started.redirect_url is None) != (started.qr_payload is None)
    assert (started.redirect_url is not None) == world.gateway.capabilities.redirects


def test_starting_twice_opens_one_attempt(world: World) -> None:
    assert world.gateway.start(world.request()) == world.gateway.start(world.request())


def test_a_transfer_by_code_reaches_the_collecting_account(world: World) -> None:
    if world.gateway.capabilities.redirects:
        pytest.skip("pays on a page of the provider, not by a code")
    started = world.gateway.start(world.request())
    url = f"{world.base}/sim/bank/_control/transfers"
    body = {"payload": started.qr_payload, "transfer_id": "t1"}

    line = world.client.post(url, json=body).json()
    again = world.client.post(url, json=body).json()

    assert line == again
    assert line["amount"] == 150_000
    assert line["account"] == ACCOUNT
    assert line["narrative"].startswith("MC1234567ABC")


def test_a_success_is_noticed_with_amount_and_reference(provider: World) -> None:
    request = provider.request()
    started = provider.gateway.start(request)

    provider.act(started, "pay")
    provider.tick()

    only(provider)
    notice = provider.inbox.notices[0]
    assert notice.kind is NoticeKind.PAYMENT
    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.amount == Money(150_000)
    assert notice.merchant_reference == request.merchant_reference
    assert notice.occurred_at == MONDAY
    assert notice.provider_txn_id


def test_the_query_agrees_with_the_notice(provider: World) -> None:
    request = provider.request()
    started = provider.gateway.start(request)
    provider.act(started, "pay")
    noticed = provider.inbox.notices[0]

    asked = provider.gateway.query(provider.question(request, started))

    assert asked.outcome is Outcome.SUCCEEDED
    assert asked.amount == noticed.amount
    assert asked.provider_txn_id == noticed.provider_txn_id
    assert asked.occurred_at == noticed.occurred_at


def test_the_payers_page_works_as_a_plain_form(provider: World) -> None:
    started = provider.gateway.start(provider.request())
    url = str(started.redirect_url)

    shown = provider.client.get(url)
    if provider.name == "vnpay":
        target = f"{provider.base}/sim/vnpay/paymentv2/pay"
        form = {"order": f"{TMN}:MC1234567ABC-1", "outcome": "pay"}
    else:
        target, form = url, {"card_number": "4242 4242 4242 4242", "outcome": "pay"}
    back = provider.client.post(target, data=form)

    assert shown.status_code == 200
    assert "150000 VND" in shown.text
    assert '<form method="post"' in shown.text
    assert back.status_code == 303
    assert back.headers["location"].startswith(f"{provider.base}/return")
    assert provider.inbox.notices[0].outcome is Outcome.SUCCEEDED


def test_the_notice_comes_before_the_browser_returns(provider: World) -> None:
    started = provider.gateway.start(provider.request())

    returned = provider.act(started, "pay")

    assert returned
    assert provider.inbox.notices[0].outcome is Outcome.SUCCEEDED


# ---------------------------------------------------------------- not paid


def test_a_decline_is_never_a_success(provider: World) -> None:
    request = provider.request()
    started = provider.gateway.start(request)

    provider.act(started, "insufficient")
    provider.tick()
    asked = provider.gateway.query(provider.question(request, started))

    if provider.name == "stripe":
        # The page stays open for another card, so nothing is final yet.
        assert provider.inbox.notices == []
        assert asked.outcome is Outcome.PENDING
        assert asked.reason_code == "insufficient_funds"
    else:
        assert provider.inbox.notices[0].outcome is Outcome.FAILED
        assert provider.inbox.notices[0].reason_code == "51"
        assert asked.outcome is Outcome.FAILED
    assert asked.amount is None


def test_a_payer_may_pay_after_a_declined_card(provider: World) -> None:
    if provider.name != "stripe":
        pytest.skip("VNPay ends the order at the first refusal of the bank")
    request = provider.request()
    started = provider.gateway.start(request)
    assert provider.act(started, "decline") is None

    assert provider.act(started, "pay")

    asked = provider.gateway.query(provider.question(request, started))
    assert asked.outcome is Outcome.SUCCEEDED


def test_turning_back_never_counts_as_paid(provider: World) -> None:
    request = provider.request()
    started = provider.gateway.start(request)

    returned = provider.act(started, "cancel")
    provider.tick()
    asked = provider.gateway.query(provider.question(request, started))

    assert returned
    if provider.name == "stripe":
        assert asked.outcome is Outcome.PENDING
    else:
        assert provider.inbox.notices[0].outcome is Outcome.CANCELLED
        assert asked.outcome.is_final


def test_an_abandoned_page_is_pending_until_it_expires(provider: World) -> None:
    request = provider.request()
    started = provider.gateway.start(request)
    provider.act(started, "abandon")

    before = provider.gateway.query(provider.question(request, started))
    provider.move(timedelta(hours=1))
    provider.tick()
    after = provider.gateway.query(provider.question(request, started))

    assert before.outcome is Outcome.PENDING
    assert provider.inbox.notices[0].outcome is Outcome.EXPIRED
    # querydr has no reason field, so VNPay can only say that it failed.
    assert after.outcome is (Outcome.FAILED if provider.name == "vnpay" else Outcome.EXPIRED)


def test_an_attempt_nobody_opened_is_pending_and_at_last_expired(provider: World) -> None:
    request = provider.request()

    at_once = provider.gateway.query(provider.question(request))
    provider.move(timedelta(days=2))
    later = provider.gateway.query(provider.question(request))

    assert at_once.outcome is Outcome.PENDING
    assert later.outcome is Outcome.EXPIRED
    assert at_once.event_key != later.event_key


# ---------------------------------------------------------------- notices gone wrong


def test_a_double_notice_has_one_key(provider: World) -> None:
    request = provider.request()
    provider.force(request.merchant_reference, Fault.DOUBLE_NOTICE)
    provider.act(provider.gateway.start(request), "pay")
    provider.tick()

    only(provider)
    assert provider.inbox.repeated == [provider.inbox.notices[0].event_key]


def test_a_late_notice_still_comes(provider: World) -> None:
    request = provider.request()
    provider.force(request.merchant_reference, Fault.LATE_NOTICE)
    provider.act(provider.gateway.start(request), "pay")
    assert provider.inbox.raw == []

    provider.move(timedelta(hours=3))
    provider.tick()

    only(provider)
    assert provider.inbox.notices[0].occurred_at == MONDAY


def test_a_lost_notice_is_found_by_asking(provider: World) -> None:
    request = provider.request()
    provider.force(request.merchant_reference, Fault.LOST_NOTICE)
    started = provider.gateway.start(request)
    provider.act(started, "pay")
    provider.move(timedelta(days=1))
    provider.tick()

    assert provider.inbox.raw == []
    asked = provider.gateway.query(provider.question(request, started))
    assert asked.outcome is Outcome.SUCCEEDED
    assert asked.occurred_at == MONDAY


def test_another_amount_is_told_as_collected(provider: World) -> None:
    request = provider.request()
    provider.force(request.merchant_reference, Fault.OTHER_AMOUNT)
    started = provider.gateway.start(request)
    provider.act(started, "pay")

    notice = provider.inbox.notices[0]
    asked = provider.gateway.query(provider.question(request, started))
    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.amount not in (None, request.amount)
    assert asked.amount == notice.amount


def test_a_notice_is_sent_again_until_it_is_taken(provider: World) -> None:
    provider.inbox.broken = True
    provider.act(provider.gateway.start(provider.request()), "pay")
    provider.move(timedelta(minutes=5))
    provider.tick()
    provider.inbox.broken = False
    provider.move(timedelta(minutes=30))
    provider.tick()
    provider.move(timedelta(days=1))
    provider.tick()

    assert len(provider.inbox.raw) == 3
    only(provider)


def test_vnpay_gives_up_after_ten_calls_and_the_query_still_knows(provider: World) -> None:
    if provider.name != "vnpay":
        pytest.skip("Stripe tries for three days")
    provider.inbox.broken = True
    request = provider.request()
    started = provider.gateway.start(request)
    provider.act(started, "pay")
    for _ in range(30):
        provider.move(timedelta(minutes=5))
        provider.tick()

    assert len(provider.inbox.raw) == 10
    asked = provider.gateway.query(provider.question(request, started))
    assert asked.outcome is Outcome.SUCCEEDED


# ---------------------------------------------------------------- signatures


def paid_event(provider: World) -> RawEvent:
    provider.act(provider.gateway.start(provider.request()), "pay")
    return provider.inbox.raw[0]


def test_a_forged_notice_is_refused(provider: World) -> None:
    event = paid_event(provider)
    if provider.name == "vnpay":
        forged = replace(
            event, query_string=event.query_string.replace("=15000000&", "=1500000000&")
        )
        assert forged != event
    else:
        forged = replace(event, body=event.body.replace(b"150000", b"950000"))
    with pytest.raises(InvalidSignatureError):
        provider.gateway.verify_notice(forged)


def test_an_unsigned_notice_is_refused(provider: World) -> None:
    event = replace(paid_event(provider), headers={})
    stripped = event.query_string.partition("&vnp_SecureHash")[0]
    with pytest.raises(InvalidSignatureError):
        provider.gateway.verify_notice(replace(event, query_string=stripped))


def test_header_names_in_any_case_are_read(provider: World) -> None:
    event = paid_event(provider)
    headers = {name.title(): value for name, value in event.headers.items()}

    notice = provider.gateway.verify_notice(replace(event, headers=headers))

    assert notice.outcome is Outcome.SUCCEEDED


def test_a_replayed_notice_changes_nothing(provider: World) -> None:
    event = paid_event(provider)
    replayed = replace(event, received_at=event.received_at + timedelta(hours=1))
    if provider.name == "stripe":
        with pytest.raises(InvalidSignatureError):
            provider.gateway.verify_notice(replayed)
    else:
        # VNPay signs no sending time: the same key makes the replay harmless.
        key = provider.inbox.notices[0].event_key
        assert provider.gateway.verify_notice(replayed).event_key == key


def test_a_signature_from_the_future_is_refused(provider: World) -> None:
    if provider.name == "vnpay":
        pytest.skip("n/a: VNPay signs no sending time")
    event = paid_event(provider)
    early = replace(event, received_at=event.received_at - timedelta(hours=1))
    with pytest.raises(InvalidSignatureError):
        provider.gateway.verify_notice(early)


@pytest.mark.parametrize("minutes", [-4, 4])
def test_clocks_may_differ_by_minutes(provider: World, minutes: int) -> None:
    provider.provider_clock.move(timedelta(minutes=minutes))
    provider.act(provider.gateway.start(provider.request()), "pay")

    assert provider.inbox.notices[0].outcome is Outcome.SUCCEEDED


def test_noise_at_the_notice_address_is_refused(world: World) -> None:
    for body, query in ((b"", ""), (b"\xff\xfe", "vnp_SecureHash=x"), (b"[]", "a=b&a=c")):
        headers = {"stripe-signature": "t=1,v1=00"}
        event = RawEvent(world.gateway.channel, "POST", query, headers, body, MONDAY)
        with pytest.raises((InvalidSignatureError, MalformedNoticeError)):
            world.gateway.verify_notice(event)


def test_every_result_has_an_answer(world: World) -> None:
    for result in NoticeResult:
        answer = world.gateway.answer(result)
        assert 200 <= answer.status < 600
        assert answer.body


# ---------------------------------------------------------------- lost answers


def test_a_lost_answer_to_start_is_unknown_and_can_be_asked_again(provider: World) -> None:
    if provider.name == "vnpay":
        pytest.skip("n/a: VNPay's start is an address, nothing is sent")
    request = provider.request()
    provider.force(request.merchant_reference, Fault.LOST_START)
    with pytest.raises(GatewayUnavailableError):
        provider.gateway.start(request)
    found = provider.gateway.query(provider.question(request))

    started = provider.gateway.start(request)

    assert found.outcome is Outcome.PENDING
    assert found.provider_reference == started.provider_reference
    with provider.parties.stripe.store.transaction() as records:
        assert len(records.every("checkout.session")) == 1


@pytest.mark.parametrize("fault", [Fault.LOST_QUERY, Fault.SLOW_QUERY])
def test_a_lost_or_late_answer_to_a_query_is_unknown(provider: World, fault: Fault) -> None:
    request = provider.request()
    provider.force(request.merchant_reference, fault)
    started = provider.gateway.start(request)
    provider.act(started, "pay")
    try:
        first = provider.gateway.query(provider.question(request, started)).outcome
    except GatewayUnavailableError:
        first = Outcome.PENDING

    second = provider.gateway.query(provider.question(request, started))

    # Reading from Stripe may be repeated at once; VNPay's request ids count once.
    assert first is (Outcome.SUCCEEDED if provider.name == "stripe" else Outcome.PENDING)
    assert second.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("name", ["vnpay", "stripe"])
def test_a_provider_that_is_down_is_unknown(name: str, tmp_path: Path) -> None:
    with open_world(name, tmp_path) as world:
        request = world.request()
        question = world.question(request)
    # Nobody listens at the address any more.
    with create_client(timeout_seconds=CLIENT_TIMEOUT) as client:
        gateway = gateways(world.base, client, world.clock)[name]
        with pytest.raises(GatewayUnavailableError):
            gateway.query(question)


# ---------------------------------------------------------------- refunds


def test_a_whole_refund_ends_well(provider: World) -> None:
    request = provider.request()
    provider.act(provider.gateway.start(request), "pay")
    paid = provider.inbox.notices[0]

    refund = provider.gateway.refund(provider.refund_order(request, paid, 150_000))

    assert refund.kind is NoticeKind.REFUND
    assert refund.amount == Money(150_000)
    assert refund.provider_txn_id not in (None, paid.provider_txn_id)
    assert provider.refunded_at_provider(request.merchant_reference) == 150_000
    if provider.name == "stripe":
        assert refund.outcome is Outcome.SUCCEEDED
        told = [notice for notice in provider.inbox.notices if notice.kind is NoticeKind.REFUND]
        provider.tick()
        told = [notice for notice in provider.inbox.notices if notice.kind is NoticeKind.REFUND]
        assert refund.provider_txn_id in {notice.provider_txn_id for notice in told}
        assert {notice.merchant_reference for notice in told} == {request.merchant_reference}
    else:
        assert refund.outcome is Outcome.PENDING
        provider.move(timedelta(days=1))
        question = provider.question(request, txn=refund.provider_txn_id)
        assert provider.gateway.query(question).outcome is Outcome.PENDING
        provider.move(timedelta(days=1))
        question = provider.question(request, txn=refund.provider_txn_id)
        done = provider.gateway.query(question)
        assert (done.kind, done.outcome) == (NoticeKind.REFUND, Outcome.SUCCEEDED)


def test_refunds_in_parts_add_up_and_no_more(provider: World) -> None:
    request = provider.request()
    provider.act(provider.gateway.start(request), "pay")
    paid = provider.inbox.notices[0]
    for number, amount in enumerate((50_000, 100_000)):
        order = provider.refund_order(request, paid, amount, key=f"part{number}")
        assert provider.gateway.refund(order).amount == Money(amount)
        provider.move(timedelta(days=1))

    with pytest.raises(GatewayRefusedError):
        provider.gateway.refund(provider.refund_order(request, paid, 1_000, key="part9"))

    assert provider.refunded_at_provider(request.merchant_reference) == 150_000


def test_more_than_was_paid_is_not_sent_back(provider: World) -> None:
    request = provider.request()
    provider.act(provider.gateway.start(request), "pay")
    paid = provider.inbox.notices[0]

    with pytest.raises(GatewayRefusedError):
        provider.gateway.refund(provider.refund_order(request, paid, 150_001))

    assert provider.refunded_at_provider(request.merchant_reference) == 0


def test_the_same_refund_twice_is_sent_back_once(provider: World) -> None:
    request = provider.request()
    provider.act(provider.gateway.start(request), "pay")
    paid = provider.inbox.notices[0]
    order = provider.refund_order(request, paid, 60_000)
    first = provider.gateway.refund(order)

    if provider.name == "stripe":
        assert provider.gateway.refund(order) == first
    else:
        with pytest.raises(GatewayUnavailableError):
            provider.gateway.refund(order)

    assert provider.refunded_at_provider(request.merchant_reference) == 60_000


def test_a_refund_sent_again_days_later_is_never_paid_twice(provider: World) -> None:
    request = provider.request()
    provider.act(provider.gateway.start(request), "pay")
    paid = provider.inbox.notices[0]
    order = provider.refund_order(request, paid, 60_000)
    first = provider.gateway.refund(order)
    provider.move(timedelta(days=3))
    again = replace(order, asked_at=provider.clock(), submitted_at=order.asked_at)

    if provider.name == "stripe":
        assert provider.gateway.refund(again).provider_txn_id == first.provider_txn_id
    else:
        with pytest.raises(GatewayUnavailableError):
            provider.gateway.refund(again)
    told = provider.gateway.refund(replace(again, refund_txn_id=first.provider_txn_id))

    assert told.outcome is Outcome.SUCCEEDED
    assert told.amount == Money(60_000)
    assert provider.refunded_at_provider(request.merchant_reference) == 60_000


def test_a_refund_that_never_arrived_is_sent_days_later(provider: World) -> None:
    if provider.name != "stripe":
        pytest.skip("VNPay cannot tell, so a person decides by its report")
    request = provider.request()
    provider.act(provider.gateway.start(request), "pay")
    order = provider.refund_order(request, provider.inbox.notices[0], 60_000)
    provider.move(timedelta(days=3))

    late = replace(order, asked_at=provider.clock(), submitted_at=order.asked_at)
    assert provider.gateway.refund(late).outcome is Outcome.SUCCEEDED

    assert provider.refunded_at_provider(request.merchant_reference) == 60_000


def test_an_unpaid_attempt_is_not_refunded(provider: World) -> None:
    request = provider.request()
    started = provider.gateway.start(request)
    provider.act(started, "abandon")
    unpaid = provider.gateway.query(provider.question(request, started))

    with pytest.raises(GatewayRefusedError):
        provider.gateway.refund(provider.refund_order(request, unpaid, 150_000))


def test_what_a_channel_cannot_do_it_refuses(world: World) -> None:
    if world.gateway.capabilities.refunds:
        pytest.skip("can do all")
    request = world.request()
    with pytest.raises(GatewayUnavailableError):
        world.gateway.query(world.question(request))


# ---------------------------------------------------------------- settlement and restart


def test_the_report_is_net_of_fee_and_the_bank_gets_its_sum(provider: World) -> None:
    merchant = TMN if provider.name == "vnpay" else ACCT
    for number in range(3):
        request = provider.request(f"MC000000{number}ABC-1", 100_000 + number)
        provider.act(provider.gateway.start(request), "pay")
    txns = {notice.provider_txn_id for notice in provider.inbox.notices}
    provider.move(timedelta(days=1))
    provider.tick()
    rows = provider.simulator.settlement(merchant, MONDAY.date())
    for _ in range(2):
        provider.parties.deliver_due()
        provider.move(timedelta(days=1))
    provider.parties.deliver_due()

    assert {row.provider_txn_id for row in rows} == txns
    assert all(row.net == row.gross - row.fee for row in rows)
    assert sum(row.fee for row in rows) == {"vnpay": 3300, "stripe": 31200}[provider.name]
    credited = provider.parties.bank.lines(ACCOUNT, rows[0].payout_date)
    assert [line.amount for line in credited] == [sum(row.net for row in rows)]
    assert rows[0].payout_id in credited[0].narrative
    assert credited[0].value_date == rows[0].payout_date


def test_a_killed_simulator_loses_nothing(provider: World, tmp_path: Path) -> None:
    request = provider.request()
    provider.force(request.merchant_reference, Fault.LATE_NOTICE)
    started = provider.gateway.start(request)
    provider.act(started, "pay")
    provider.parties.close()

    with open_world(provider.name, tmp_path) as reopened:
        reopened.move(timedelta(hours=3))
        reopened.tick()
        question = reopened.question(request, started)
        assert reopened.gateway.query(question).outcome is Outcome.SUCCEEDED
        assert [notice.outcome for notice in reopened.inbox.notices] == [Outcome.SUCCEEDED]
        assert reopened.inbox.notices[0].merchant_reference == request.merchant_reference
