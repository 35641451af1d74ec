"""The fake Stripe as the official package drives it: keys, lists, books, events, disputes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe

from adapters.gateways.stripe_transport import StripeTransport
from adapters.simulators.faults import Fault
from core.money import Money
from payments.ports import NoticeKind, Outcome
from tests.contracts.rigs.inbox import bill_of
from tests.contracts.rigs.rig import MONDAY, REFERENCE
from tests.contracts.rigs.world import World, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world("stripe", tmp_path) as opened:
        yield opened


@pytest.fixture
def sdk(world: World) -> stripe.StripeClient:
    return client_of(world, "sk_test_contract")


def client_of(world: World, key: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": f"{world.base}/sim/stripe"},
        max_network_retries=0,
        http_client=StripeTransport(world.site.http),
    )


def session_parameters(**changed: Any) -> Any:
    price = {"currency": "vnd", "unit_amount": 50_000, "product_data": {"name": "Phi"}}
    return {
        "mode": "payment",
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": "http://127.0.0.1/return",
        **changed,
    }


def test_the_same_key_and_body_give_the_same_session(sdk: stripe.StripeClient) -> None:
    first = sdk.v1.checkout.sessions.create(session_parameters(), {"idempotency_key": "k1"})
    second = sdk.v1.checkout.sessions.create(session_parameters(), {"idempotency_key": "k1"})

    assert first.id == second.id
    assert second.last_response.headers["idempotent-replayed"] == "true"


def test_the_same_key_with_another_body_is_an_error(sdk: stripe.StripeClient) -> None:
    sdk.v1.checkout.sessions.create(session_parameters(), {"idempotency_key": "k1"})
    other = session_parameters(client_reference_id="MC1-2")

    with pytest.raises(stripe.IdempotencyError):
        sdk.v1.checkout.sessions.create(other, {"idempotency_key": "k1"})


def test_a_key_is_forgotten_after_a_day(sdk: stripe.StripeClient, world: World) -> None:
    first = sdk.v1.checkout.sessions.create(session_parameters(), {"idempotency_key": "k1"})
    world.move(timedelta(hours=25))
    later = sdk.v1.checkout.sessions.create(session_parameters(), {"idempotency_key": "k1"})

    assert first.id != later.id


def test_a_wrong_key_is_refused(world: World) -> None:
    with pytest.raises(stripe.AuthenticationError):
        client_of(world, "sk_test_other").v1.checkout.sessions.create(session_parameters())


@pytest.mark.parametrize(
    "changed",
    [
        {"expires_at": int(MONDAY.timestamp()) + 60},
        {"expires_at": int(MONDAY.timestamp()) + 25 * 3600},
        {"success_url": ""},
        {"mode": "setup"},
        {"line_items": []},
    ],
)
def test_unusable_sessions_are_refused(sdk: stripe.StripeClient, changed: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.checkout.sessions.create(session_parameters(**changed))


def test_a_session_can_be_expired_once(sdk: stripe.StripeClient) -> None:
    session = sdk.v1.checkout.sessions.create(session_parameters())

    assert sdk.v1.checkout.sessions.expire(session.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.checkout.sessions.expire(session.id)


def test_lists_page_from_the_newest(sdk: stripe.StripeClient) -> None:
    made = [sdk.v1.checkout.sessions.create(session_parameters()).id for _ in range(7)]

    listed = sdk.v1.checkout.sessions.list({"limit": 3})

    assert [session.id for session in listed.data] == made[::-1][:3]
    assert [session.id for session in listed.auto_paging_iter()] == made[::-1]


def test_what_does_not_exist_is_not_found(sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.payment_intents.retrieve("pi_none")
    assert refused.value.code == "resource_missing"


def test_money_shows_in_balance_transactions_and_payouts(
    sdk: stripe.StripeClient, world: World
) -> None:
    world.act(world.gateway.start(world.request()), "pay")
    paid = world.inbox.notices[0]
    world.gateway.refund(world.refund_order(world.request(), paid, 20_000))
    world.move(timedelta(days=1))
    world.tick()

    payout = sdk.v1.payouts.list().data[0]
    listed = sdk.v1.balance_transactions.list({"payout": payout.id}).auto_paging_iter()
    rows = list(listed)
    charge = sdk.v1.charges.list({"payment_intent": str(paid.provider_txn_id)}).data[0]

    assert {row.type for row in rows} == {"charge", "refund", "payout"}
    assert sum(row.net for row in rows if row.type != "payout") == payout.amount
    assert sum(row.net for row in rows) == 0, "the payout itself leaves the balance"
    assert {row.fee for row in rows} == {150_000 * 290 // 10_000 + 7_500, 0}
    assert charge.id in {row.source for row in rows}
    assert charge.amount_refunded == 20_000
    assert payout.status == "in_transit"


def test_events_are_kept_for_those_who_missed_them(sdk: stripe.StripeClient, world: World) -> None:
    request = world.request()
    world.force(request.merchant_reference, Fault.LOST_NOTICE)
    world.act(world.gateway.start(request), "pay")

    events = sdk.v1.events.list({"type": "checkout.session.completed"}).data

    assert world.inbox.raw == []
    assert len(events) == 1
    assert events[0].data.object["client_reference_id"] == request.merchant_reference


def test_a_delayed_method_is_pending_then_paid(world: World) -> None:
    request = world.request()
    started = world.gateway.start(request)
    world.act(started, "pay_later")
    asked = world.gateway.query(world.question(request, started))
    world.move(timedelta(hours=7))
    world.tick()

    assert [notice.outcome for notice in world.inbox.notices] == [
        Outcome.PENDING,
        Outcome.SUCCEEDED,
    ]
    assert asked.outcome is Outcome.PENDING
    assert world.inbox.notices[1].amount == Money(150_000)


def test_a_delayed_method_may_fail_for_good(world: World) -> None:
    request = world.request()
    started = world.gateway.start(request)
    world.act(started, "fail_later")
    world.move(timedelta(hours=7))
    world.tick()

    asked = world.gateway.query(world.question(request, started))
    assert world.inbox.notices[-1].outcome is Outcome.FAILED
    assert asked.outcome is Outcome.FAILED


def test_a_chargeback_finds_its_payment(world: World) -> None:
    request = world.request()
    world.act(world.gateway.start(request), "pay")
    paid = world.inbox.notices[0]
    order = {"payment_intent": paid.provider_txn_id}
    made = world.client.post(f"{world.base}/sim/stripe/_control/disputes", json=order).json()
    world.tick()

    notice = world.inbox.notices[-1]
    assert notice.kind is NoticeKind.CHARGEBACK
    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.merchant_reference == ""
    assert notice.amount == Money(150_000)
    assert notice.provider_txn_id == made["id"]
    assert notice.provider_reference == paid.provider_txn_id


def test_a_refund_made_by_hand_finds_its_payment(sdk: stripe.StripeClient, world: World) -> None:
    request = world.request()
    world.act(world.gateway.start(request), "pay")
    paid = world.inbox.notices[0]
    sdk.v1.refunds.create({"payment_intent": str(paid.provider_txn_id), "amount": 1_000})
    world.tick()

    told = [notice for notice in world.inbox.notices if notice.kind is NoticeKind.REFUND]
    by_hand = [notice for notice in told if notice.amount]
    assert [notice.merchant_reference for notice in by_hand] == [""]
    assert [notice.provider_reference for notice in by_hand] == [paid.provider_txn_id]
    # The charge's own event tells a sum over all refunds and is never taken for one refund.
    assert sorted((notice.outcome, notice.amount) for notice in told if notice.amount) == [
        (Outcome.SUCCEEDED, Money(1_000))
    ]


def test_a_short_expiry_of_ours_is_stretched_to_what_stripe_takes(
    sdk: stripe.StripeClient, world: World
) -> None:
    short = replace(world.request(), expires_at=MONDAY + timedelta(minutes=15))
    started = world.gateway.start(short)
    session = sdk.v1.checkout.sessions.retrieve(str(started.provider_reference))

    assert session.expires_at == int((MONDAY + timedelta(minutes=35)).timestamp())
    assert session.amount_total == 150_000
    assert session.metadata is not None
    assert session.metadata.to_dict() == {
        "merchant_reference": REFERENCE,
        "bill_reference": bill_of(REFERENCE),
    }


def test_the_card_form_declines_and_lets_try_again(world: World) -> None:
    url = str(world.gateway.start(world.request()).redirect_url)
    form = {"outcome": "pay", "card_number": "4000 0000 0000 9995"}

    declined = world.client.post(url, data=form)
    paid = world.client.post(url, data={**form, "card_number": "4242424242424242"})
    over = world.client.get(url)

    assert declined.status_code == 200
    assert 'role="alert"' in declined.text
    assert paid.status_code == 303
    assert "<form" not in over.text
