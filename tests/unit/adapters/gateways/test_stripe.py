"""Stripe: signatures at the edges of time, what objects mean, and errors of the package."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from adapters.gateways import stripe_objects as objects
from adapters.gateways.stripe import StripeConfig, StripeGateway
from adapters.http import create_client
from adapters.simulators.stripe_config import signature_header
from core.money import Currency, Money
from payments.channels import Channel
from payments.errors import (
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidSignatureError,
    MalformedNoticeError,
)
from payments.ports import (
    MAX_NOTICE_BYTES,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    StartRequest,
)

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
CONFIG = StripeConfig(
    api_key="sk_test_unit",
    webhook_secret="whsec_new",
    previous_webhook_secret="whsec_old",
    api_url="https://stripe.example",
)
SESSION = {
    "id": "cs_1",
    "object": "checkout.session",
    "amount_total": 150_000,
    "currency": "vnd",
    "metadata": {"merchant_reference": "MC1-1"},
    "payment_intent": "pi_1",
    "payment_status": "paid",
    "status": "complete",
}


def gateway(answer: Callable[[httpx2.Request], httpx2.Response] | None = None) -> StripeGateway:
    transport = httpx2.MockTransport(answer or (lambda _: httpx2.Response(500, text="{}")))
    return StripeGateway(CONFIG, lambda: NOW, client=create_client(transport=transport))


def event_of(
    subject: Mapping[str, Any],
    name: str = "checkout.session.completed",
    *,
    secret: str = "whsec_new",
    signed_at: datetime = NOW,
) -> RawEvent:
    payload = json.dumps(
        {"id": "evt_1", "type": name, "created": SECONDS, "data": {"object": subject}}
    )
    headers = {"Stripe-Signature": signature_header(payload, secret, signed_at)}
    return RawEvent(Channel.STRIPE, "POST", "", headers, payload.encode(), NOW)


def test_a_completed_session_is_a_success() -> None:
    notice = gateway().verify_notice(event_of(SESSION))

    assert notice.event_key == "evt_1"
    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.amount == Money(150_000)
    assert notice.provider_txn_id == "pi_1"
    assert notice.provider_reference == "cs_1"
    assert notice.occurred_at == NOW


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_within_five_minutes_either_way_a_signature_holds(seconds: int) -> None:
    signed_at = NOW + timedelta(seconds=seconds)

    assert gateway().verify_notice(event_of(SESSION, signed_at=signed_at)).amount


@pytest.mark.parametrize("seconds", [-86400, -301, 301, 86400])
def test_beyond_five_minutes_either_way_it_does_not(seconds: int) -> None:
    signed_at = NOW + timedelta(seconds=seconds)
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event_of(SESSION, signed_at=signed_at))


def test_both_secrets_hold_while_a_rotation_lasts() -> None:
    old = gateway().verify_notice(event_of(SESSION, secret="whsec_old"))

    assert old == gateway().verify_notice(event_of(SESSION))
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event_of(SESSION, secret="whsec_stolen"))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        "t=,v1=",
        f"t={SECONDS}",
        f"t={SECONDS},v0=00",
        f"v1={'0' * 64}",
        f"t={SECONDS},v1={'0' * 64}",
        "t=99999999999999999999,v1=00",
    ],
)
def test_other_headers_do_not_count(header: str) -> None:
    event = replace(event_of(SESSION), headers={"stripe-signature": header})
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event)


def test_a_time_with_a_tail_is_read_as_the_package_reads_it() -> None:
    event = event_of(SESSION)
    header = event.headers["Stripe-Signature"].replace(",", "=x,", 1)

    tailed = replace(event, headers={"stripe-signature": header})

    assert gateway().verify_notice(tailed).outcome is Outcome.SUCCEEDED


def test_the_body_counts_to_the_last_byte() -> None:
    event = event_of(SESSION)
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(replace(event, body=event.body + b" "))
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(replace(event, body=b"\xff" + event.body))


@pytest.mark.parametrize(
    "changed",
    [
        {"metadata": {}},
        {"amount_total": "150000"},
        {"amount_total": 1.5},
        {"amount_total": True},
        {"currency": "jpy"},
        {"currency": None},
    ],
)
def test_a_session_without_what_it_must_have_is_malformed(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedNoticeError):
        gateway().verify_notice(event_of({**SESSION, **changed}))


def test_signed_things_that_are_no_events_are_malformed() -> None:
    for body in ("[]", "{}", "null", "{", '{"id":1,"type":"x","data":{"object":null}}'):
        header = signature_header(body, "whsec_new", NOW)
        headers = {"stripe-signature": header}
        event = RawEvent(Channel.STRIPE, "POST", "", headers, body.encode(), NOW)
        with pytest.raises(MalformedNoticeError):
            gateway().verify_notice(event)
    too_long = replace(event, body=b"x" * (MAX_NOTICE_BYTES + 1))
    with pytest.raises(MalformedNoticeError):
        gateway().verify_notice(too_long)


def test_another_currency_is_told_as_it_is() -> None:
    notice = gateway().verify_notice(event_of({**SESSION, "currency": "usd"}))

    assert notice.amount == Money(150_000, Currency.USD)


@pytest.mark.parametrize(
    ("name", "changed", "outcome"),
    [
        ("completed", {"payment_status": "unpaid"}, Outcome.PENDING),
        ("async_payment_succeeded", {}, Outcome.SUCCEEDED),
        ("async_payment_failed", {"payment_status": "unpaid"}, Outcome.FAILED),
        ("expired", {"payment_status": "unpaid", "status": "expired"}, Outcome.EXPIRED),
    ],
)
def test_the_four_session_events(name: str, changed: dict[str, Any], outcome: Outcome) -> None:
    notice = gateway().verify_notice(event_of({**SESSION, **changed}, f"checkout.session.{name}"))

    assert notice.outcome is outcome
    assert (notice.amount is not None) == (outcome is Outcome.SUCCEEDED)


def intent(status: str) -> dict[str, Any]:
    return {"id": "pi_1", "status": status, "latest_charge": {"id": "ch_1", "created": SECONDS}}


@pytest.mark.parametrize(
    ("status", "payment_status", "intent_status", "outcome"),
    [
        ("open", "unpaid", None, Outcome.PENDING),
        ("open", "unpaid", "requires_payment_method", Outcome.PENDING),
        ("open", "unpaid", "processing", Outcome.PENDING),
        ("expired", "unpaid", None, Outcome.EXPIRED),
        ("expired", "unpaid", "succeeded", Outcome.SUCCEEDED),
        ("complete", "unpaid", "processing", Outcome.PENDING),
        ("complete", "unpaid", "requires_payment_method", Outcome.FAILED),
        ("complete", "unpaid", "canceled", Outcome.CANCELLED),
        ("complete", "unpaid", "something_new", Outcome.PENDING),
        ("complete", "paid", "succeeded", Outcome.SUCCEEDED),
        ("something_new", "unpaid", None, Outcome.PENDING),
    ],
)
def test_what_a_session_means(
    status: str, payment_status: str, intent_status: str | None, outcome: Outcome
) -> None:
    session = {
        **SESSION,
        "status": status,
        "payment_status": payment_status,
        "payment_intent": intent(intent_status) if intent_status else None,
    }
    assert objects.session_outcome(session) is outcome


REFUND = {
    "id": "re_1",
    "amount": 20_000,
    "currency": "vnd",
    "created": SECONDS,
    "payment_intent": "pi_1",
    "metadata": {"merchant_reference": "MC1-1"},
}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("pending", Outcome.PENDING),
        ("requires_action", Outcome.PENDING),
        ("succeeded", Outcome.SUCCEEDED),
        ("failed", Outcome.FAILED),
        ("canceled", Outcome.CANCELLED),
        ("something_new", Outcome.PENDING),
    ],
)
def test_what_a_refund_means(status: str, outcome: Outcome) -> None:
    notice = gateway().verify_notice(event_of({**REFUND, "status": status}, "refund.updated"))

    assert notice.kind is NoticeKind.REFUND
    assert notice.outcome is outcome
    assert notice.provider_txn_id == "re_1"
    assert notice.merchant_reference == "MC1-1"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("needs_response", Outcome.SUCCEEDED),
        ("under_review", Outcome.SUCCEEDED),
        ("lost", Outcome.SUCCEEDED),
        ("won", Outcome.CANCELLED),
        ("warning_needs_response", Outcome.PENDING),
        ("warning_closed", Outcome.CANCELLED),
    ],
)
def test_what_a_dispute_means(status: str, outcome: Outcome) -> None:
    dispute = {**REFUND, "id": "dp_1", "status": status, "reason": "fraudulent"}
    notice = gateway().verify_notice(event_of(dispute, "charge.dispute.closed"))

    assert notice.kind is NoticeKind.CHARGEBACK
    assert notice.outcome is outcome


def test_a_dispute_names_the_payment_it_takes_back_and_asks_nobody() -> None:
    dispute = {**REFUND, "id": "dp_1", "status": "needs_response", "metadata": {}}
    notice = gateway().verify_notice(event_of(dispute, "charge.dispute.created"))

    assert notice.merchant_reference == ""
    assert notice.provider_reference == "pi_1"


def test_news_of_other_kinds_move_nothing() -> None:
    notice = gateway().verify_notice(event_of({"id": "cus_1"}, "customer.created"))

    assert notice.kind is NoticeKind.OTHER
    assert notice.amount is None
    assert not notice.outcome.is_final


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (NoticeResult.APPLIED, 200),
        (NoticeResult.ALREADY_APPLIED, 200),
        (NoticeResult.UNKNOWN_REFERENCE, 200),
        (NoticeResult.AMOUNT_DIFFERS, 200),
        (NoticeResult.INVALID_SIGNATURE, 400),
        (NoticeResult.MALFORMED, 400),
        (NoticeResult.FAILED, 500),
    ],
)
def test_only_what_is_not_stored_is_sent_again(result: NoticeResult, status: int) -> None:
    assert gateway().answer(result).status == status


REQUEST = StartRequest(
    merchant_reference="MC1-1",
    bill_reference="MC1",
    amount=Money(150_000),
    description="Le phi",
    return_url="https://city.example/return",
    payer_ip="203.0.113.9",
    locale="vi",
    created_at=NOW,
    expires_at=NOW + timedelta(days=9),
)


def refusing(status: int, **error: str) -> Callable[[httpx2.Request], httpx2.Response]:
    return lambda _: httpx2.Response(status, json={"error": {"message": "no", **error}})


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
def test_a_refused_start_did_nothing(status: int) -> None:
    with pytest.raises(GatewayRefusedError):
        gateway(refusing(status, type="invalid_request_error")).start(REQUEST)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "idempotency_error"), (409, "x"), (429, "x"), (500, "api_error"), (503, "x")],
)
def test_all_other_errors_leave_a_start_unknown(status: int, kind: str) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(refusing(status, type=kind)).start(REQUEST)


def test_a_start_is_sent_once_with_its_own_key() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        raise httpx2.ReadTimeout("late", request=request)

    with pytest.raises(GatewayUnavailableError):
        gateway(answer).start(REQUEST)

    assert len(seen) == 1
    assert seen[0].headers["idempotency-key"] == "MC1-1"
    assert seen[0].headers["authorization"] == "Bearer sk_test_unit"
    body = seen[0].content.decode()
    assert "line_items[0][price_data][unit_amount]=150000" in body
    assert f"expires_at={SECONDS + 23 * 3600 + 55 * 60}" in body
    assert "payment_intent_data[metadata][merchant_reference]=MC1-1" in body


def test_a_refused_question_says_nothing_about_the_payment() -> None:
    query = PaymentQuery("MC1-1", "cs_1", None, NOW, NOW, "q1")
    with pytest.raises(GatewayUnavailableError):
        gateway(refusing(404, type="invalid_request_error")).query(query)


def test_secrets_are_not_in_the_printed_form() -> None:
    for secret in ("sk_test_unit", "whsec_new", "whsec_old"):
        assert secret not in repr(CONFIG)
