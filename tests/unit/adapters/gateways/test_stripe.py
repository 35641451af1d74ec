"""Stripe: signatures at the edges of time, what objects mean, payouts, errors of the package."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from adapters.gateways import stripe_objects as objects
from adapters.gateways.base import NOT_FOUND
from adapters.gateways.stripe import StripeConfig, StripeGateway
from adapters.gateways.stripe_events import DISPUTE_EVENTS, INTENT_EVENTS, REFUND_EVENTS
from adapters.http import Caller, create_client
from adapters.simulators.stripe_config import signature_header
from adapters.statements.parser import SettlementFileParser
from core.money import Currency, Money
from payments.channels import Rail
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
    RefundOrder,
    StartRequest,
)
from reconciliation.ports import Outcome as FileOutcome

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


Answer = Callable[[httpx2.Request], httpx2.Response]


def gateway(answer: Answer | None = None, config: StripeConfig = CONFIG) -> StripeGateway:
    transport = httpx2.MockTransport(answer or (lambda _: httpx2.Response(500, text="{}")))
    client = create_client(transport=transport)
    http = Caller(client, rail=Rail.STRIPE, merchant_code="acct_1", clock=lambda: NOW)
    return StripeGateway(config, http)


def event_of(
    subject: Mapping[str, Any],
    name: str = "checkout.session.completed",
    *,
    secret: str = "whsec_new",
    signed_at: datetime = NOW,
    **fields: Any,
) -> RawEvent:
    event = {"id": "evt_1", "type": name, "created": SECONDS, "data": {"object": subject}}
    payload = json.dumps({**event, **fields})
    headers = {"Stripe-Signature": signature_header(payload, secret, signed_at)}
    return RawEvent(Rail.STRIPE, "POST", "", headers, payload.encode(), NOW)


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
        {"id": None},
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
        event = RawEvent(Rail.STRIPE, "POST", "", headers, body.encode(), NOW)
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
    assert gateway().answer(event_of(SESSION), result).status == status


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


def question(provider_reference: str | None = None, *, asked_at: datetime = NOW) -> PaymentQuery:
    amount = Money(150_000)
    return PaymentQuery("MC1-1", provider_reference, None, NOW, asked_at, "q1", amount)


def test_a_refused_question_says_nothing_about_the_payment() -> None:
    query = question("cs_1")
    with pytest.raises(GatewayUnavailableError):
        gateway(refusing(404, type="invalid_request_error")).query(query)


def test_secrets_are_not_in_the_printed_form() -> None:
    for secret in ("sk_test_unit", "whsec_new", "whsec_old"):
        assert secret not in repr(CONFIG)


# ---------------------------------------------------------------- PaymentIntents


INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 150_000,
    "amount_received": 150_000,
    "currency": "vnd",
    "created": SECONDS,
    "latest_charge": {"id": "ch_1", "created": SECONDS + 60},
    "metadata": {"merchant_reference": "MC1-1"},
    "status": "succeeded",
}
DECLINED = {
    "status": "requires_payment_method",
    "amount_received": 0,
    "last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds"},
}


def test_session_and_intent_of_one_payment_say_the_same_of_its_money() -> None:
    session = gateway().verify_notice(event_of(SESSION))
    intent = gateway().verify_notice(event_of(INTENT, "payment_intent.succeeded", id="evt_2"))

    assert intent.event_key != session.event_key
    for name in ("kind", "merchant_reference", "outcome", "amount", "provider_txn_id"):
        assert getattr(intent, name) == getattr(session, name)
    assert intent.provider_reference is None, "the session stays what is asked about"


@pytest.mark.parametrize(
    ("name", "changed", "outcome", "reason"),
    [
        ("succeeded", {}, Outcome.SUCCEEDED, ""),
        ("payment_failed", DECLINED, Outcome.PENDING, "insufficient_funds"),
        ("processing", {"status": "processing"}, Outcome.PENDING, ""),
        (
            "canceled",
            {"status": "canceled", "cancellation_reason": "automatic"},
            Outcome.CANCELLED,
            "automatic",
        ),
    ],
)
def test_the_four_intent_events(
    name: str, changed: dict[str, Any], outcome: Outcome, reason: str
) -> None:
    notice = gateway().verify_notice(event_of({**INTENT, **changed}, f"payment_intent.{name}"))

    assert notice.kind is NoticeKind.PAYMENT
    assert notice.outcome is outcome
    assert notice.reason_code == reason
    assert notice.merchant_reference == "MC1-1"
    assert (notice.amount == Money(150_000)) == (outcome is Outcome.SUCCEEDED)


def test_every_intent_event_is_walked_above() -> None:
    assert set(INTENT_EVENTS) == {
        f"payment_intent.{name}"
        for name in ("succeeded", "payment_failed", "processing", "canceled")
    }


def test_what_was_received_counts_not_what_was_asked() -> None:
    part = {**INTENT, "amount_received": 100_000}

    assert gateway().verify_notice(event_of(part, "payment_intent.succeeded")).amount == Money(
        100_000
    )


def test_without_what_was_received_a_success_is_of_all_that_was_asked() -> None:
    short = {name: value for name, value in INTENT.items() if name != "amount_received"}

    assert gateway().verify_notice(event_of(short, "payment_intent.succeeded")).amount == Money(
        150_000
    )


@pytest.mark.parametrize(
    "changed", [{"amount_received": None}, {"amount_received": "1"}, {"id": ""}, {"currency": "x"}]
)
def test_an_intent_without_what_it_must_have_is_malformed(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedNoticeError):
        gateway().verify_notice(event_of({**INTENT, **changed}, "payment_intent.succeeded"))


def test_what_was_not_begun_here_is_none_of_our_business() -> None:
    """A 400 would have Stripe repeat it for days, and then close the endpoint."""
    for subject, name in (
        (SESSION, "checkout.session.completed"),
        (INTENT, "payment_intent.succeeded"),
    ):
        notice = gateway().verify_notice(event_of({**subject, "metadata": {}}, name))
        assert notice.kind is NoticeKind.OTHER
        assert notice.amount is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("requires_payment_method", Outcome.PENDING),
        ("requires_confirmation", Outcome.PENDING),
        ("requires_action", Outcome.PENDING),
        ("requires_capture", Outcome.PENDING),
        ("processing", Outcome.PENDING),
        ("canceled", Outcome.CANCELLED),
        ("succeeded", Outcome.SUCCEEDED),
        ("something_new", Outcome.PENDING),
    ],
)
def test_a_bare_intent_can_be_asked_about(status: str, outcome: Outcome) -> None:
    asked = Recorded({"/v1/payment_intents/pi_1": {**INTENT, "status": status}})

    notice = gateway(asked).query(question("pi_1"))

    assert notice.outcome is outcome
    assert notice.provider_txn_id == "pi_1"
    assert notice.occurred_at == NOW + timedelta(minutes=1)
    assert asked.query(0)["expand[0]"] == ["latest_charge"]


# ---------------------------------------------------------------- keys, modes, minor units


class Recorded:
    """A Stripe that answers by method and path, and remembers what it was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.seen: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        path = request.url.path
        found = self.answers.get(f"{request.method} {path}", self.answers.get(path))
        if callable(found):
            found = found(request)
        if found is None:
            error = {"type": "invalid_request_error", "code": "resource_missing", "message": "no"}
            return httpx2.Response(404, json={"error": error})
        if isinstance(found, httpx2.Response):
            return found
        if found["object"] == "list":
            found = {**found, "url": path}  # where the package asks for the next page
        return httpx2.Response(200, json=found)

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.seen]

    def query(self, number: int) -> dict[str, list[str]]:
        return parse_qs(self.seen[number].url.query.decode())

    def form(self, number: int) -> dict[str, list[str]]:
        return parse_qs(self.seen[number].content.decode())


def listed(*items: Mapping[str, Any], more: bool = False) -> dict[str, Any]:
    return {"object": "list", "has_more": more, "data": list(items)}


def no(**error: str) -> httpx2.Response:
    fields = {"type": "invalid_request_error", "message": "no", **error}
    return httpx2.Response(400, json={"error": fields})


def test_one_of_the_signatures_of_a_rotation_at_stripe_is_enough() -> None:
    event = event_of(SESSION)
    time, ours = event.headers["Stripe-Signature"].split(",")
    for header in (f"{time},v1={'0' * 64},{ours}", f"{time},{ours},v1={'0' * 64},v0=1"):
        rotated = replace(event, headers={"Stripe-Signature": header})
        assert gateway().verify_notice(rotated).outcome is Outcome.SUCCEEDED


def test_without_a_previous_secret_an_empty_one_opens_nothing() -> None:
    config = replace(CONFIG, previous_webhook_secret="")
    with pytest.raises(InvalidSignatureError):
        gateway(config=config).verify_notice(event_of(SESSION, secret=""))
    with pytest.raises(InvalidSignatureError):
        gateway(config=config).verify_notice(event_of(SESSION, secret="whsec_old"))


@pytest.mark.parametrize(
    ("key", "live", "event_is_live", "outcome"),
    [
        ("sk_live_1", None, True, Outcome.SUCCEEDED),
        ("sk_live_1", None, False, None),
        ("rk_live_1", None, False, None),
        ("sk_test_1", None, False, Outcome.SUCCEEDED),
        ("sk_test_1", None, True, None),
        ("rk_test_1", None, True, None),
        ("other", None, True, Outcome.SUCCEEDED),
        ("other", None, False, Outcome.SUCCEEDED),
        ("other", True, False, None),
        ("sk_test_1", True, False, None),
    ],
)
def test_test_money_never_pays_a_real_fee(
    key: str, live: Any, event_is_live: Any, outcome: Outcome | None
) -> None:
    config = replace(CONFIG, api_key=key, live=live)
    event = event_of(SESSION, livemode=event_is_live)
    if outcome:
        assert gateway(config=config).verify_notice(event).outcome is outcome
    else:
        with pytest.raises(InvalidSignatureError):
            gateway(config=config).verify_notice(event)


def test_dong_have_no_minor_unit_and_cents_do() -> None:
    asked = Recorded({"POST /v1/checkout/sessions": {**SESSION, "url": "https://pay.example"}})
    for amount in (Money(150_000), Money(150_000, Currency.USD)):
        gateway(asked).start(replace(REQUEST, amount=amount))

    told = [
        (
            form["line_items[0][price_data][unit_amount]"],
            form["line_items[0][price_data][currency]"],
        )
        for form in (asked.form(0), asked.form(1))
    ]
    assert told == [(["150000"], ["vnd"]), (["150000"], ["usd"])]
    read = [
        gateway().verify_notice(event_of({**SESSION, "currency": currency})).amount
        for currency in ("vnd", "usd")
    ]
    assert [amount.decimal for amount in read if amount] == ["150000", "1500.00"]


# ---------------------------------------------------------------- asking and ending


def test_an_answer_about_another_attempt_says_nothing_about_this_one() -> None:
    other = {"merchant_reference": "MC2-1"}
    answers = {
        "/v1/checkout/sessions/cs_1": {**SESSION, "metadata": other},
        "/v1/payment_intents/pi_1": {**INTENT, "metadata": other},
    }
    for reference in ("cs_1", "pi_1"):
        with pytest.raises(GatewayUnavailableError):
            gateway(Recorded(answers)).query(question(reference))


@pytest.mark.parametrize("changed", [{"amount_total": None}, {"id": None}, {"currency": "jpy"}])
def test_an_unusable_session_says_nothing(changed: dict[str, Any]) -> None:
    asked = Recorded({"/v1/checkout/sessions/cs_1": {**SESSION, **changed}})
    with pytest.raises(GatewayUnavailableError):
        gateway(asked).query(question("cs_1"))


def test_without_an_id_sessions_and_then_intents_are_looked_through() -> None:
    answers = {
        "/v1/checkout/sessions": listed({**SESSION, "client_reference_id": "MC9-1"}),
        "/v1/payment_intents": listed({**INTENT, "id": "pi_9", "metadata": {}}, INTENT),
    }
    asked = Recorded(answers)

    assert gateway(asked).query(question()).provider_txn_id == "pi_1"
    assert asked.asked == ["GET /v1/checkout/sessions", "GET /v1/payment_intents"]
    assert asked.query(1)["created[gte]"] == [str(SECONDS - 15 * 60)]
    assert asked.query(1)["created[lte]"] == [str(SECONDS + 15 * 60)]


@pytest.mark.parametrize(("hours", "outcome"), [(25, Outcome.PENDING), (26, Outcome.EXPIRED)])
def test_what_stripe_does_not_know_expires_when_no_page_can_be_open(
    hours: int, outcome: Outcome
) -> None:
    answers = {"/v1/checkout/sessions": listed(), "/v1/payment_intents": listed()}
    asked_at = NOW + timedelta(hours=hours)

    told = gateway(Recorded(answers)).query(question(asked_at=asked_at))

    assert (told.outcome, told.reason_code) == (outcome, NOT_FOUND)


OPEN = {**SESSION, "status": "open", "payment_status": "unpaid", "payment_intent": None}
EXPIRED = {**OPEN, "status": "expired"}


def test_an_open_session_is_called_off() -> None:
    asked = Recorded({"POST /v1/checkout/sessions/cs_1/expire": EXPIRED})

    told = gateway(asked).cancel(question("cs_1"))

    assert told.outcome is Outcome.EXPIRED
    assert asked.asked == ["POST /v1/checkout/sessions/cs_1/expire"]


def test_what_was_paid_meanwhile_is_told_as_paid() -> None:
    paid = {**SESSION, "payment_intent": INTENT}
    asked = Recorded(
        {"POST /v1/checkout/sessions/cs_1/expire": no(), "/v1/checkout/sessions/cs_1": paid}
    )

    told = gateway(asked).cancel(question("cs_1"))

    assert (told.outcome, told.amount) == (Outcome.SUCCEEDED, Money(150_000))


def test_what_is_being_paid_just_now_stays_open() -> None:
    busy = {**OPEN, "payment_intent": {**INTENT, "status": "processing"}}
    asked = Recorded(
        {"POST /v1/checkout/sessions/cs_1/expire": no(), "/v1/checkout/sessions/cs_1": busy}
    )

    assert gateway(asked).cancel(question("cs_1")).outcome is Outcome.PENDING


def test_a_bare_intent_is_called_off() -> None:
    ended = {**INTENT, "status": "canceled", "cancellation_reason": "requested_by_customer"}
    asked = Recorded({"POST /v1/payment_intents/pi_1/cancel": ended})

    told = gateway(asked).cancel(question("pi_1"))

    assert (told.outcome, told.reason_code) == (Outcome.CANCELLED, "requested_by_customer")


def test_a_session_whose_id_was_lost_is_found_and_called_off() -> None:
    asked = Recorded(
        {
            "GET /v1/checkout/sessions": listed({**OPEN, "client_reference_id": "MC1-1"}),
            "POST /v1/checkout/sessions/cs_1/expire": EXPIRED,
        }
    )

    assert gateway(asked).cancel(question()).outcome is Outcome.EXPIRED


def test_what_stripe_does_not_know_cannot_be_called_off() -> None:
    asked = Recorded({"/v1/checkout/sessions": listed(), "/v1/payment_intents": listed()})

    told = gateway(asked).cancel(question())

    assert (told.outcome, told.reason_code) == (Outcome.PENDING, NOT_FOUND)
    assert all(request.method == "GET" for request in asked.seen)


def test_calling_off_with_a_wrong_key_does_nothing_and_a_lost_answer_is_unknown() -> None:
    with pytest.raises(GatewayRefusedError):
        gateway(refusing(401)).cancel(question("cs_1"))
    with pytest.raises(GatewayUnavailableError):
        gateway(refusing(500)).cancel(question("cs_1"))


# ---------------------------------------------------------------- refunds


MADE = {
    **REFUND,
    "object": "refund",
    "status": "succeeded",
    "metadata": {"merchant_reference": "MC1-1", "refund_reference": "R-1"},
}
ORDER = RefundOrder(
    refund_reference="R-1",
    merchant_reference="MC1-1",
    provider_reference="cs_1",
    provider_txn_id="pi_1",
    amount=Money(20_000),
    paid_amount=Money(150_000),
    paid_created_at=NOW,
    asked_at=NOW,
    operator="officer-7",
    description="Hoan le phi",
)
LATER = replace(ORDER, submitted_at=NOW, asked_at=NOW + timedelta(hours=23))


def test_a_refund_bears_its_reference_as_key_and_in_its_metadata() -> None:
    asked = Recorded({"POST /v1/refunds": MADE})

    told = gateway(asked).refund(ORDER)

    assert asked.seen[0].headers["idempotency-key"] == "R-1"
    assert asked.form(0) == {
        "payment_intent": ["pi_1"],
        "amount": ["20000"],
        "metadata[merchant_reference]": ["MC1-1"],
        "metadata[refund_reference]": ["R-1"],
    }
    assert (told.outcome, told.amount, told.refund_reference) == (
        Outcome.SUCCEEDED,
        Money(20_000),
        "R-1",
    )


@pytest.mark.parametrize("hours", [0, 1, 22])
def test_within_the_life_of_the_key_it_is_just_sent_again(hours: int) -> None:
    asked = Recorded({"POST /v1/refunds": MADE})
    gateway(asked).refund(replace(ORDER, submitted_at=NOW, asked_at=NOW + timedelta(hours=hours)))

    assert asked.asked == ["POST /v1/refunds"]


def test_after_the_life_of_the_key_it_is_looked_for_first() -> None:
    pages = [listed({**MADE, "id": "re_9", "metadata": {}}, more=True), listed(MADE)]
    asked = Recorded({"GET /v1/refunds": lambda _: pages.pop(0)})

    told = gateway(asked).refund(LATER)

    assert told.provider_txn_id == "re_1"
    assert asked.asked == ["GET /v1/refunds", "GET /v1/refunds"]
    assert asked.query(1)["starting_after"] == ["re_9"]


def test_only_what_is_not_there_is_sent_again_days_later() -> None:
    by_hand = {**MADE, "id": "re_9", "metadata": {}}
    asked = Recorded({"GET /v1/refunds": listed(by_hand), "POST /v1/refunds": MADE})

    gateway(asked).refund(LATER)

    assert asked.asked == ["GET /v1/refunds", "POST /v1/refunds"]


def test_a_refund_whose_id_is_known_is_never_sent_again() -> None:
    asked = Recorded({"GET /v1/refunds/re_1": {**MADE, "status": "failed"}})

    told = gateway(asked).refund(replace(ORDER, refund_txn_id="re_1"))

    assert told.outcome is Outcome.FAILED
    assert asked.asked == ["GET /v1/refunds/re_1"]


def test_when_looking_fails_nothing_is_sent() -> None:
    asked = Recorded({"GET /v1/refunds": no(), "POST /v1/refunds": MADE})
    with pytest.raises(GatewayUnavailableError):
        gateway(asked).refund(LATER)
    assert asked.asked == ["GET /v1/refunds"]


def test_a_refund_that_stripe_does_not_know_is_pending() -> None:
    told = gateway(Recorded({"GET /v1/refunds": listed()})).query_refund(ORDER)

    assert (told.kind, told.outcome) == (NoticeKind.REFUND, Outcome.PENDING)
    assert (told.reason_code, told.refund_reference) == (NOT_FOUND, "R-1")
    assert told.amount is None


def test_a_question_about_a_refund_that_cannot_be_asked_or_answered_says_nothing() -> None:
    unknown = replace(ORDER, provider_txn_id=None)
    others = Recorded({"GET /v1/refunds/re_1": {**MADE, "payment_intent": "pi_2"}})
    with pytest.raises(GatewayUnavailableError):
        gateway().query_refund(unknown)
    with pytest.raises(GatewayUnavailableError):
        gateway(others).query_refund(replace(ORDER, refund_txn_id="re_1"))
    with pytest.raises(GatewayUnavailableError):
        gateway(Recorded({})).query_refund(replace(ORDER, refund_txn_id="re_1"))
    with pytest.raises(GatewayRefusedError):
        gateway().refund(unknown)


@pytest.mark.parametrize("changed", [{"amount": "20000"}, {"created": None}, {"currency": "jpy"}])
def test_an_unusable_refund_is_unknown(changed: dict[str, Any]) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(Recorded({"POST /v1/refunds": {**MADE, **changed}})).refund(ORDER)


def test_messages_about_our_refund_bear_its_reference_and_those_by_hand_do_not() -> None:
    for name in sorted(REFUND_EVENTS):
        ours = gateway().verify_notice(event_of(MADE, name))
        by_hand = gateway().verify_notice(event_of({**MADE, "metadata": {}}, name))
        assert (ours.refund_reference, ours.merchant_reference) == ("R-1", "MC1-1")
        assert (by_hand.refund_reference, by_hand.merchant_reference) == ("", "")
        assert by_hand.provider_reference == "pi_1"


def test_every_event_of_a_dispute_is_about_its_chargeback() -> None:
    dispute = {**REFUND, "id": "dp_1", "status": "lost", "reason": "fraudulent"}
    for name in sorted(DISPUTE_EVENTS):
        notice = gateway().verify_notice(event_of(dispute, name))
        assert (notice.kind, notice.provider_txn_id) == (NoticeKind.CHARGEBACK, "dp_1")


# ---------------------------------------------------------------- payouts


DAY = date(2026, 3, 4)
PAYOUT = {
    "id": "po_1",
    "object": "payout",
    "amount": 96_500,
    "arrival_date": int(datetime(2026, 3, 4, tzinfo=UTC).timestamp()),
    "automatic": True,
    "currency": "vnd",
    "reconciliation_status": "completed",
    "status": "paid",
}
CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "payment_intent": "pi_1",
    "metadata": {"merchant_reference": "MC1-1"},
}
DISPUTE = {"id": "dp_1", "object": "dispute", "payment_intent": "pi_2", "metadata": {}}


def movement(number: int, category: str, gross: int, fee: int, source: Any) -> dict[str, Any]:
    return {
        "id": f"txn_{number}",
        "object": "balance_transaction",
        "amount": gross,
        "created": SECONDS + number,
        "currency": "vnd",
        "fee": fee,
        "net": gross - fee,
        "reporting_category": category,
        "source": source,
        "type": category,
    }


PAID_LINE = movement(1, "charge", 150_000, 11_850, CHARGE)
SENT_BACK = movement(2, "refund", -20_000, 0, MADE)
TAKEN_BACK = movement(3, "dispute", -20_000, 1_650, DISPUTE)
DEBIT = movement(4, "payout", -96_500, 0, "po_1")
PAGES = [[DEBIT, TAKEN_BACK], [SENT_BACK, PAID_LINE]]


def paying(
    *,
    payout: Mapping[str, Any] = PAYOUT,
    pages: list[list[dict[str, Any]]] | None = None,
) -> Recorded:
    """A Stripe whose lists come in pages, newest first."""
    rest = list(pages or PAGES)

    def page(_: httpx2.Request) -> dict[str, Any]:
        items = rest.pop(0)
        return listed(*items, more=bool(rest))

    return Recorded(
        {
            "/v1/payouts": listed(payout),
            "/v1/balance_transactions": page,
            "/v1/payment_intents/pi_2": {
                **INTENT,
                "id": "pi_2",
                "metadata": {"merchant_reference": "MC2-1"},
            },
        }
    )


def test_a_payout_becomes_a_report_that_the_parser_reads(tmp_path: Path) -> None:
    asked = paying()

    [report] = gateway(asked).settlement_report(DAY)

    path = tmp_path / report.name
    path.write_bytes(report.content)
    parsed = SettlementFileParser().parse(path, provider="stripe")
    assert report.name == "stripe-po_1.csv"
    assert parsed.outcome is FileOutcome.OK
    assert [
        (line.kind, line.provider_txn_id, line.bill_reference, line.gross, line.fee, line.net)
        for line in parsed.lines
    ] == [
        ("payment", "pi_1", "MC1", Money(150_000), Money(11_850), Money(138_150)),
        ("refund", "re_1", "MC1", Money(-20_000), Money(0), Money(-20_000)),
        ("chargeback", "dp_1", "MC2", Money(-20_000), Money(1_650), Money(-21_650)),
    ]
    assert {(line.payout_id, line.payout_date) for line in parsed.lines} == {("po_1", DAY)}
    assert parsed.lines[0].occurred_at == "2026-03-02T02:00:01+00:00"
    assert sum(line.net.amount_minor for line in parsed.lines) == PAYOUT["amount"]
    assert [name for name in asked.asked if "intent" in name] == ["GET /v1/payment_intents/pi_2"]


def test_the_day_is_a_day_in_vietnam_and_all_pages_are_read() -> None:
    asked = paying()
    gateway(asked).settlement_report(DAY)

    start = int(datetime(2026, 3, 3, 17, tzinfo=UTC).timestamp())
    assert asked.query(0)["arrival_date[gte]"] == [str(start)]
    assert asked.query(0)["arrival_date[lt]"] == [str(start + 86_400)]
    assert asked.query(1) == {"payout": ["po_1"], "limit": ["100"], "expand[0]": ["data.source"]}
    assert asked.query(2)["starting_after"] == ["txn_3"]
    assert asked.query(2)["payout"] == ["po_1"]


def test_the_same_payout_gives_the_same_bytes() -> None:
    once = gateway(paying()).settlement_report(DAY)
    again = gateway(paying(pages=[[*PAGES[1], *PAGES[0]]])).settlement_report(DAY)

    assert once == again


@pytest.mark.parametrize(
    ("payout", "pages"),
    [
        ({"amount": 96_501}, PAGES),
        ({"amount": 96_500.0}, PAGES),
        ({"currency": "usd"}, PAGES),
        ({"currency": "jpy"}, PAGES),
        ({"id": "po_1/../../x"}, PAGES),
        ({"reconciliation_status": "in_progress"}, PAGES),
        ({}, [[DEBIT, SENT_BACK, PAID_LINE]]),
        ({}, [[DEBIT]]),
        ({}, [[{**PAID_LINE, "net": 96_500}]]),
        ({}, [[{**PAID_LINE, "amount": 96_500, "fee": 0, "net": 96_500, "id": None}]]),
        ({}, [[{**PAID_LINE, "amount": 96_500, "fee": 0, "net": 96_500, "created": "x"}]]),
        ({}, [[{**PAID_LINE, "currency": "usd"}]]),
    ],
)
def test_no_report_is_better_than_a_wrong_one(
    payout: dict[str, Any], pages: list[list[dict[str, Any]]]
) -> None:
    asked = paying(payout={**PAYOUT, **payout}, pages=pages)
    with pytest.raises(GatewayUnavailableError):
        gateway(asked).settlement_report(DAY)


@pytest.mark.parametrize(
    "changed", [{"status": "failed"}, {"status": "canceled"}, {"automatic": False}]
)
def test_what_never_left_and_what_stripe_cannot_itemise_has_no_report(
    changed: dict[str, Any],
) -> None:
    asked = paying(payout={**PAYOUT, **changed})

    assert gateway(asked).settlement_report(DAY) == []
    assert asked.asked == ["GET /v1/payouts"]


def test_a_day_without_payouts_has_no_reports() -> None:
    assert gateway(Recorded({"/v1/payouts": listed()})).settlement_report(DAY) == []


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_report_that_cannot_be_fetched_is_unknown(status: int) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(refusing(status)).settlement_report(DAY)


def test_a_kind_of_movement_that_the_map_does_not_know_is_held_not_lost(tmp_path: Path) -> None:
    fee = {**movement(5, "fee", -1_000, 0, None), "source": None}
    asked = paying(payout={**PAYOUT, "amount": 95_500}, pages=[[fee, *PAGES[0]], PAGES[1]])

    [report] = gateway(asked).settlement_report(DAY)

    path = tmp_path / report.name
    path.write_bytes(report.content)
    parsed = SettlementFileParser().parse(path, provider="stripe")
    assert parsed.outcome is not FileOutcome.OK
    assert any("'FEE'" in problem.message for problem in parsed.problems)


# ---------------------------------------------------------------- the set-up


def balance(*, live: bool) -> dict[str, Any]:
    return {"object": "balance", "livemode": live, "available": [], "pending": []}


@pytest.mark.parametrize(
    ("key", "live", "answer", "works", "said"),
    [
        ("sk_test_1", None, balance(live=False), True, "no real money"),
        ("sk_live_1", None, balance(live=True), True, "real money moves"),
        ("rk_live_1", True, balance(live=True), True, "real money moves"),
        ("sk_test_1", True, balance(live=False), False, "other kind"),
        ("sk_live_1", False, balance(live=True), False, "other kind"),
        ("sk_live_1", None, balance(live=False), False, "another mode"),
        ("sk_test_1", None, balance(live=True), False, "another mode"),
        ("sk_test_1", None, (401, "x"), False, "does not know"),
        ("sk_test_1", None, (401, "api_key_expired"), False, "expired"),
        ("rk_test_1", None, (403, "x"), False, "too narrow"),
        ("sk_test_1", None, (400, "odd"), False, "odd"),
        ("sk_test_1", None, (500, "x"), False, "no usable answer"),
        ("sk_test_1", None, (429, "x"), False, "no usable answer"),
        ("sk_test_1", None, None, False, "cannot be reached"),
        ("pk_test_1", None, None, False, "publishable"),
    ],
)
def test_the_set_up_is_checked_in_plain_words(
    key: str, live: Any, answer: Any, works: Any, said: str
) -> None:
    def stripe(request: httpx2.Request) -> httpx2.Response:
        assert (request.method, request.url.path) == ("GET", "/v1/balance")
        if answer is None:
            raise httpx2.ConnectError("refused", request=request)
        if isinstance(answer, tuple):
            return refusing(answer[0], type="api_error", code=answer[1])(request)
        return httpx2.Response(200, json=answer)

    result = gateway(stripe, replace(CONFIG, api_key=key, live=live)).check(at=NOW)

    assert result.works is works
    assert said in result.sentence
    assert key not in result.sentence
