"""MoMo: signed requests, results signed by MoMo itself, the meaning of codes, answers in doubt."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adapters.gateways import momo_codes as codes
from adapters.gateways import momo_signing as signing
from adapters.gateways.momo import MoMoConfig, MoMoGateway, MoMoRequestType
from adapters.gateways.momo_fields import is_order_id, json_object, order_id, request_id
from adapters.http import Caller, create_client, mask
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

PLACES = [one / "shared" / "rails" / "vectors.json" for one in Path(__file__).parents[4:]]
VECTORS = next((one for one in PLACES if one.exists()), PLACES[0])
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
REFERENCE = "MC1234567ABC-1"
CONFIG = MoMoConfig(
    partner_code="MOMODOISOAT",
    access_key="access-now",
    secret_key="new-secret",
    previous_access_key="access-then",
    previous_secret_key="old-secret",
    api_url="https://momo.example",
)
TWO_STEPS = replace(CONFIG, auto_capture=False)
REQUEST = StartRequest(
    merchant_reference=REFERENCE,
    bill_reference="MC1234567ABC",
    amount=Money(150_000),
    description="Le phi ho tich",
    return_url="https://city.example/return?a=1&lang=vi",
    payer_ip="203.0.113.9",
    locale="vi",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=15),
    notice_url="https://city.example/channels/momo/main/notice",
)
QUERY = PaymentQuery(
    merchant_reference=REFERENCE,
    provider_reference=None,
    provider_txn_id=None,
    created_at=NOW,
    asked_at=NOW + timedelta(minutes=20),
    request_id="q1",
    amount=Money(150_000),
    expires_at=NOW + timedelta(minutes=15),
)
REFUND = RefundOrder(
    refund_reference=f"{REFERENCE}-R1",
    merchant_reference=REFERENCE,
    provider_reference=None,
    provider_txn_id="4100000001",
    amount=Money(40_000),
    paid_amount=Money(150_000),
    paid_created_at=NOW,
    asked_at=NOW + timedelta(days=1),
    operator="officer-7",
    description="Hoan le phi",
)
PAID: dict[str, Any] = {
    "partnerCode": "MOMODOISOAT",
    "orderId": REFERENCE,
    "requestId": f"start-{REFERENCE}",
    "amount": 150_000,
    "orderInfo": "Lệ phí hộ tịch",
    "orderType": "momo_wallet",
    "transId": 4_100_000_001,
    "resultCode": 0,
    "message": "Thành công.",
    "payType": "qr",
    "responseTime": 1_772_416_800_123,
    "extraData": "",
}
Answer = Callable[[httpx2.Request], httpx2.Response]


def gateway(answer: Answer | None = None, config: MoMoConfig = CONFIG) -> MoMoGateway:
    transport = httpx2.MockTransport(answer or (lambda _: httpx2.Response(500)))
    client = create_client(transport=transport)
    return MoMoGateway(config, Caller(client, rail=Rail.MOMO, merchant_code="m", clock=lambda: NOW))


def event(body: bytes) -> RawEvent:
    return RawEvent(Rail.MOMO, "POST", "", {}, body, NOW)


def signed_texts(fields: Mapping[str, Any], access: str, secret: str) -> str:
    texts = {name: str(value) for name, value in fields.items()}
    return signing.sign(signing.RESULT, texts, access_key=access, secret_key=secret)


def ipn(access: str = "access-now", secret: str = "new-secret", **changed: Any) -> RawEvent:
    fields = {**PAID, **changed}
    signature = signed_texts(fields, access, secret)
    return event(json.dumps({**fields, "signature": signature}).encode())


class MoMo:
    """A MoMo of scripted answers, which keeps what it was sent."""

    def __init__(self, *answers: Mapping[str, Any] | httpx2.Response) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        self.sent.append((request.url.path.removeprefix("/v2/gateway/api/"), body))
        answer = self.answers.pop(0)
        if isinstance(answer, httpx2.Response):
            return answer
        ids = {name: body[name] for name in ("partnerCode", "requestId", "orderId")}
        return httpx2.Response(200, json={**ids, **answer})


# ---------------------------------------------------------------- signatures


def vectors() -> list[Any]:
    if not VECTORS.exists():
        reason = pytest.mark.skip(reason="no published vectors beside the checkout")
        return [pytest.param({}, marks=reason, id="absent")]
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    own = [one for one in found if one["group"] == "momo" and one["secret"]]
    return [pytest.param(one, id=one["name"]) for one in own]


ORDERS = {
    "momo_v2_create": signing.CREATE,
    "momo_v2_query": signing.QUERY,
    "momo_v2_refund": signing.REFUND,
    "momo_v2_refund_query": signing.REFUND_QUERY,
    "momo_v2_confirm_capture": signing.CONFIRM,
}


@pytest.mark.parametrize("vector", vectors())
def test_signed_strings_and_signatures_are_the_published_ones(vector: dict[str, Any]) -> None:
    names = ORDERS.get(vector["name"], signing.RESULT)
    text = vector["string_to_sign"]
    if vector["name"] != "momo_raw_hmac_utf8":
        values = {name: str(value) for name, value in vector["inputs"].items()}
        access = vector.get("access_key") or vector["inputs"]["accessKey"]
        assert signing.signed_string(names, values, access) == text
    assert signing.hmac_sha256(text, vector["secret"]) == vector["expected"]
    if order := vector.get("field_order"):
        assert ["accessKey", *names] == order


@pytest.mark.parametrize(
    "vector", [one for one in vectors() if str(one.id).startswith(("momo_v2_result", "absent"))]
)
def test_results_that_momo_itself_signed_are_believed(vector: dict[str, Any]) -> None:
    numbers = {"amount", "transId", "resultCode", "responseTime"}
    fields = {k: int(v) if k in numbers else v for k, v in vector["inputs"].items()}
    keys = {"access_key": vector["access_key"], "secret_key": vector["secret"]}
    own = replace(CONFIG, partner_code=fields["partnerCode"], **keys)

    notice = gateway(config=own).verify_notice(event(json.dumps(fields).encode()))

    paid = fields["resultCode"] == 0
    assert notice.merchant_reference == fields["orderId"]
    assert (notice.outcome is Outcome.SUCCEEDED) == paid
    assert notice.amount == (Money(fields["amount"]) if paid else None)
    assert notice.provider_txn_id == (str(fields["transId"]) if paid else None)


def test_both_pairs_of_keys_hold_while_a_rotation_lasts() -> None:
    now = gateway().verify_notice(ipn())
    assert gateway().verify_notice(ipn("access-then", "old-secret")) == now
    assert gateway().verify_notice(ipn("access-now", "old-secret")) == now
    for access, secret in (
        ("access-then", "new-secret"),
        ("access-now", "stolen"),
        ("access-now", ""),
    ):
        with pytest.raises(InvalidSignatureError):
            gateway().verify_notice(ipn(access, secret))
    without = gateway(config=replace(CONFIG, previous_secret_key=""))
    for secret in ("old-secret", ""):
        with pytest.raises(InvalidSignatureError):
            without.verify_notice(ipn("access-then", secret))


@pytest.mark.parametrize("name", sorted(PAID))
def test_changing_any_field_breaks_the_signature(name: str) -> None:
    signature = signed_texts(PAID, "access-now", "new-secret")
    value = PAID[name]
    changed = {**PAID, name: value + 1 if isinstance(value, int) else f"{value}1"}
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event(json.dumps({**changed, "signature": signature}).encode()))


def test_fields_that_are_not_signed_change_nothing() -> None:
    fields = json.loads(ipn().body)
    more = {**fields, "paymentOption": "momo", "promotionInfo": [{"amount": 1}], "signature2": None}
    upper = {**fields, "signature": fields["signature"].upper()}

    assert gateway().verify_notice(event(json.dumps(more).encode())) == gateway().verify_notice(
        ipn()
    )
    assert gateway().verify_notice(event(json.dumps(upper).encode())).outcome is Outcome.SUCCEEDED


def test_an_empty_value_is_signed_as_empty_whether_null_or_absent() -> None:
    fields = json.loads(ipn(payType="", extraData="", resultCode=1006).body)
    fields["payType"] = None
    del fields["extraData"]

    notice = gateway().verify_notice(event(json.dumps(fields).encode()))

    assert notice.outcome is Outcome.CANCELLED


def test_a_notice_for_another_partner_is_refused() -> None:
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(ipn(partnerCode="OTHER"))


def test_a_value_that_could_be_read_as_two_fields_is_refused() -> None:
    ambiguous = "x&orderInfo=y"
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(ipn(message=ambiguous))
    assert gateway().verify_notice(ipn(message="x & y = z")).outcome is Outcome.SUCCEEDED


def raw(body: str) -> bytes:
    return body.encode()


DOUBLED = ipn().body.replace(b'{"partnerCode"', b'{"amount": 1, "partnerCode"')
UNAUTHENTIC = {
    "empty": b"",
    "text": b"hello",
    "list": b"[]",
    "not unicode": b"\xff\xfe{",
    "too deep": b"[" * 100_000,
    "too long": b" " * (MAX_NOTICE_BYTES + 1),
    "a name twice": DOUBLED,
    "a surrogate": raw(
        '{"partnerCode": "MOMODOISOAT", "message": "\\ud800", "signature": "\\ud800"}'
    ),
    "not a number": ipn().body.replace(b"150000", b"NaN"),
    "an object": ipn().body.replace(b'"extraData": ""', b'"extraData": {}'),
    "a boolean": ipn().body.replace(b'"extraData": ""', b'"extraData": false'),
    "unsigned": json.dumps(PAID).encode(),
}


@pytest.mark.parametrize("body", UNAUTHENTIC.values(), ids=UNAUTHENTIC)
def test_what_momo_cannot_have_signed_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event(body))


def test_numbers_are_verified_digit_for_digit_as_they_were_written() -> None:
    long = 9_007_199_254_740_993  # beyond what a float holds
    assert gateway().verify_notice(ipn(transId=long)).provider_txn_id == str(long)
    assert json_object(b'{"a": 1.10, "b": 1e3, "c": -0}') == {"a": "1.10", "b": "1e3", "c": "-0"}
    with pytest.raises(ValueError, match="NaN"):
        json_object(b'{"a": NaN}')
    as_float = event(ipn().body.replace(b"150000", b"150000.0"))
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(as_float)


@pytest.mark.parametrize(
    "changed",
    [
        {"orderId": ""},
        {"orderId": "-x"},
        {"orderId": "x" * 65},
        {"amount": -1},
        {"amount": 1.5},
        {"amount": "1e6"},
        {"amount": ""},
        {"amount": 10**16},
        {"transId": 0},
        {"transId": ""},
        {"resultCode": ""},
        {"resultCode": "zero"},
        {"responseTime": ""},
        {"responseTime": 10**15},
        {"responseTime": 10**14 * 9},
    ],
)
def test_a_signed_result_without_what_it_must_have_is_malformed(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedNoticeError):
        gateway().verify_notice(ipn(**changed))


# ---------------------------------------------------------------- notices and codes


def test_a_paid_notice_says_what_was_collected_and_when() -> None:
    notice = gateway().verify_notice(ipn())

    assert (notice.kind, notice.outcome) == (NoticeKind.PAYMENT, Outcome.SUCCEEDED)
    assert notice.merchant_reference == REFERENCE
    assert notice.amount == Money(150_000)
    assert notice.provider_txn_id == "4100000001"
    assert notice.occurred_at == datetime(2026, 3, 2, 2, 0, 0, 123_000, tzinfo=UTC)
    assert notice.event_key == f"MOMODOISOAT:{REFERENCE}:4100000001:0"


def test_a_refusal_has_no_money_and_its_number_stands_in_no_report() -> None:
    notice = gateway().verify_notice(ipn(resultCode=1006, payType="", transId=1720448972857))

    assert notice.outcome is Outcome.CANCELLED
    assert (notice.amount, notice.provider_txn_id) == (None, None)


def test_money_held_and_taken_later_are_two_messages() -> None:
    two_steps = gateway(config=TWO_STEPS)
    held, taken = two_steps.verify_notice(ipn(resultCode=9000)), two_steps.verify_notice(ipn())

    assert (held.outcome, taken.outcome) == (Outcome.AUTHORISED, Outcome.SUCCEEDED)
    assert held.amount == taken.amount == Money(150_000)
    assert held.provider_txn_id == taken.provider_txn_id
    assert held.event_key != taken.event_key


def test_money_that_captures_itself_counts_only_when_momo_says_it_is_final() -> None:
    assert gateway().verify_notice(ipn(resultCode=9000)).outcome is Outcome.PENDING
    assert gateway().verify_notice(ipn(resultCode=9000)).amount is None


ENDS = {
    1001: Outcome.FAILED,
    1002: Outcome.FAILED,
    1003: Outcome.CANCELLED,
    1004: Outcome.FAILED,
    1005: Outcome.EXPIRED,
    1006: Outcome.CANCELLED,
    1007: Outcome.FAILED,
    1017: Outcome.CANCELLED,
    1026: Outcome.FAILED,
    2019: Outcome.FAILED,
    4001: Outcome.FAILED,
    4002: Outcome.FAILED,
    4100: Outcome.FAILED,
    98: Outcome.FAILED,
    99: Outcome.FAILED,
}


def test_every_code_says_what_the_table_says_and_no_other_one_is_final() -> None:
    for code in range(10_000):
        final = code == 0 or code in ENDS or code in {1080, 1081, 1088}
        assert codes.is_final(code) == final, code
        for auto_capture in (True, False):
            outcome = codes.payment_outcome(code, auto_capture=auto_capture)
            held = code == 9000 and not auto_capture
            expected = Outcome.SUCCEEDED if code == 0 else ENDS.get(code, Outcome.PENDING)
            assert outcome is (Outcome.AUTHORISED if held else expected), code
            asked = codes.queried_outcome(code, auto_capture=auto_capture)
            assert asked is (Outcome.PENDING if code == 99 else outcome), code
        refund = codes.refund_outcome(code)
        failed = final and code not in {0, 98, 99}
        assert (refund is Outcome.FAILED) == failed, code
        assert (refund is Outcome.SUCCEEDED) == (code == 0), code


def test_codes_about_a_request_never_speak_of_money() -> None:
    for code in codes.REQUEST_ERRORS:
        assert codes.payment_outcome(code, auto_capture=True) is Outcome.PENDING
        assert codes.refund_outcome(code) is Outcome.PENDING
    assert codes.REFUSED_REQUEST < codes.REQUEST_ERRORS
    assert not codes.REFUSED_REQUEST & {10, 40, 41, 43, 45}


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (NoticeResult.APPLIED, 204),
        (NoticeResult.ALREADY_APPLIED, 204),
        (NoticeResult.UNKNOWN_REFERENCE, 204),
        (NoticeResult.AMOUNT_DIFFERS, 204),
        (NoticeResult.INVALID_SIGNATURE, 400),
        (NoticeResult.MALFORMED, 400),
        (NoticeResult.FAILED, 500),
    ],
)
def test_each_result_has_its_exact_answer(result: NoticeResult, status: int) -> None:
    answer = gateway().answer(ipn(), result)

    assert answer.status == status
    assert bool(answer.body) == (status != 204)


# ---------------------------------------------------------------- start

OPENED = {"resultCode": 0, "amount": 150_000, "payUrl": "https://pay.momo.example/p?t=1"}


def test_an_order_is_opened_signed_and_its_page_returned() -> None:
    momo = MoMo(OPENED)

    started = gateway(momo).start(REQUEST)

    assert started.redirect_url == OPENED["payUrl"]
    assert started.qr_payload is None
    [(path, body)] = momo.sent
    assert path == "create"
    text = (
        "accessKey=access-now&amount=150000&extraData="
        "&ipnUrl=https://city.example/channels/momo/main/notice&orderId=MC1234567ABC-1"
        "&orderInfo=Le phi ho tich&partnerCode=MOMODOISOAT"
        "&redirectUrl=https://city.example/return?a=1&lang=vi&requestId=start-MC1234567ABC-1"
        "&requestType=captureWallet"
    )
    assert body == {
        "partnerCode": "MOMODOISOAT",
        "requestId": "start-MC1234567ABC-1",
        "amount": 150_000,
        "orderId": REFERENCE,
        "orderInfo": "Le phi ho tich",
        "redirectUrl": REQUEST.return_url,
        "ipnUrl": REQUEST.notice_url,
        "requestType": "captureWallet",
        "extraData": "",
        "autoCapture": True,
        "lang": "vi",
        "signature": signing.hmac_sha256(text, "new-secret"),
    }


def test_what_the_contract_asks_for_is_sent() -> None:
    momo = MoMo(OPENED)
    config = replace(
        TWO_STEPS, request_type=MoMoRequestType.PAY_WITH_ATM, store_id="S1", store_name="Phường 1"
    )

    gateway(momo, config).start(replace(REQUEST, locale="en"))

    body = momo.sent[0][1]
    assert body["requestType"] == "payWithATM"
    assert body["autoCapture"] is False
    assert (body["storeId"], body["storeName"], body["lang"]) == ("S1", "Phường 1", "en")


def test_the_same_start_is_the_same_request() -> None:
    momo = MoMo(OPENED, OPENED)
    for _ in range(2):
        gateway(momo).start(REQUEST)
    assert momo.sent[0] == momo.sent[1]


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": Money(0)},
        {"amount": Money(-1)},
        {"amount": Money(100, Currency.USD)},
        {"description": ""},
        {"description": "x" * 256},
        {"merchant_reference": "MC~1"},
        {"merchant_reference": "-MC1"},
        {"merchant_reference": ""},
        {"merchant_reference": "M" * 65},
        {"return_url": ""},
        {"notice_url": ""},
    ],
)
def test_what_momo_cannot_carry_is_refused_before_anything_is_sent(
    changed: dict[str, Any],
) -> None:
    momo = MoMo()
    with pytest.raises(GatewayRefusedError):
        gateway(momo).start(replace(REQUEST, **changed))
    assert momo.sent == []


CERTAINLY_NOT_OPEN = [11, 12, 13, 20, 21, 22, 42, 47, 98, 1007, 1026, 2019, 4001, 4002, 4100]
PERHAPS_OPEN = [10, 40, 41, 43, 45, 99, 1000, 7000, 7002, 9000, 12345]


@pytest.mark.parametrize("code", CERTAINLY_NOT_OPEN)
def test_an_order_that_momo_refuses_is_not_open(code: int) -> None:
    with pytest.raises(GatewayRefusedError):
        gateway(MoMo({"resultCode": code})).start(REQUEST)


@pytest.mark.parametrize("code", PERHAPS_OPEN)
def test_an_order_that_may_be_open_is_unknown(code: int) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo({"resultCode": code})).start(REQUEST)


UNUSABLE = {
    "in flight": httpx2.Response(422, json={"resultCode": 7000}),
    "no address": {"resultCode": 0},
    "odd address": {**OPENED, "payUrl": "javascript:alert(1)"},
    "plain address": {**OPENED, "payUrl": "http://pay.momo.example/"},
    "other order": {**OPENED, "orderId": "MC7654321ABC-1"},
    "other partner": {**OPENED, "partnerCode": "OTHER"},
    "other request": {**OPENED, "requestId": "start-other"},
    "other amount": {**OPENED, "amount": 150_001},
    "html": httpx2.Response(200, text="<html>"),
    "list": httpx2.Response(200, text="[]"),
    "no code": {"payUrl": "https://x/"},
    "unavailable": httpx2.Response(503, json=OPENED),
    "success with an error's status": httpx2.Response(400, json=OPENED),
    "elsewhere": httpx2.Response(302, headers={"Location": "https://x/"}),
}


@pytest.mark.parametrize("answer", UNUSABLE.values(), ids=UNUSABLE)
def test_an_answer_to_start_that_is_not_understood_leaves_it_unknown(
    answer: Mapping[str, Any] | httpx2.Response,
) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo(answer)).start(REQUEST)


# ---------------------------------------------------------------- query

FOUND = {"resultCode": 0, "amount": 150_000, "transId": 4_100_000_001, "responseTime": 1}


def test_the_question_is_signed_and_the_answer_says_what_was_collected() -> None:
    momo = MoMo(FOUND)

    notice = gateway(momo).query(QUERY)

    assert notice.outcome is Outcome.SUCCEEDED
    assert (notice.amount, notice.provider_txn_id) == (Money(150_000), "4100000001")
    assert notice.event_key == gateway().verify_notice(ipn()).event_key
    [(path, body)] = momo.sent
    text = "accessKey=access-now&orderId=MC1234567ABC-1&partnerCode=MOMODOISOAT&requestId=query-q1"
    assert path == "query"
    assert body["signature"] == signing.hmac_sha256(text, "new-secret")


def test_another_amount_is_told_as_collected() -> None:
    assert gateway(MoMo({**FOUND, "amount": 149_000})).query(QUERY).amount == Money(149_000)


def test_every_code_of_a_queried_order() -> None:
    for code in (*ENDS, 1000, 7000, 7002, 9000, 1080, 1081, 1088, 12345):
        notice = gateway(MoMo({**FOUND, "resultCode": code})).query(QUERY)
        expected = Outcome.PENDING if code == 99 else ENDS.get(code, Outcome.PENDING)
        assert notice.outcome is expected, code


@pytest.mark.parametrize("code", sorted(codes.REQUEST_ERRORS - {42}))
def test_an_answer_about_the_question_says_nothing_about_the_payment(code: int) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo({"resultCode": code})).query(QUERY)


NOT_UNDERSTOOD = {
    "html": httpx2.Response(200, text="<html>"),
    "unavailable": httpx2.Response(503, json=FOUND),
    "names no order": httpx2.Response(200, json=FOUND),
    "other order": {**FOUND, "orderId": "MC7654321ABC-1"},
    "other partner": {**FOUND, "partnerCode": "OTHER"},
    "odd amount": {**FOUND, "amount": "10.5"},
    "no amount": {"resultCode": 0, "transId": 4_100_000_001},
    "no number": {"resultCode": 0, "amount": 150_000},
    "success with an error's status": httpx2.Response(400, json={**FOUND, "orderId": REFERENCE}),
    "doubled": httpx2.Response(200, text='{"resultCode": 1006, "resultCode": 0}'),
}


@pytest.mark.parametrize("answer", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_an_answer_that_is_not_understood_leaves_the_outcome_unknown(
    answer: Mapping[str, Any] | httpx2.Response,
) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo(answer)).query(QUERY)


def test_an_order_that_momo_does_not_know_expires_only_when_no_start_can_arrive_any_more() -> None:
    def asked(minutes: int, expires_at: datetime | None = QUERY.expires_at) -> Outcome:
        query = replace(QUERY, asked_at=NOW + timedelta(minutes=minutes), expires_at=expires_at)
        return gateway(MoMo(httpx2.Response(400, json={"resultCode": 42}))).query(query).outcome

    assert asked(75) is Outcome.PENDING
    assert asked(76) is Outcome.EXPIRED
    assert asked(25 * 60, None) is Outcome.PENDING
    assert asked(25 * 60 + 1, None) is Outcome.EXPIRED


# ---------------------------------------------------------------- two steps


def test_only_a_contract_of_two_steps_confirms_and_calls_off() -> None:
    assert not gateway().capabilities.confirms
    assert not gateway().capabilities.cancels
    assert gateway(config=TWO_STEPS).capabilities.confirms
    assert gateway(config=TWO_STEPS).capabilities.cancels
    with pytest.raises(GatewayRefusedError):
        gateway().confirm(QUERY, capture=True)
    with pytest.raises(GatewayRefusedError):
        gateway().cancel(QUERY)


@pytest.mark.parametrize(
    ("capture", "word", "code", "outcome"),
    [(True, "capture", 0, Outcome.SUCCEEDED), (False, "cancel", 1003, Outcome.CANCELLED)],
)
def test_what_confirming_did_is_asked_not_assumed(
    *, capture: bool, word: str, code: int, outcome: Outcome
) -> None:
    momo = MoMo({"resultCode": 0}, {**FOUND, "resultCode": code})

    notice = gateway(momo, TWO_STEPS).confirm(QUERY, capture=capture)

    assert notice.outcome is outcome
    assert [path for path, _ in momo.sent] == ["confirm", "query"]
    body = momo.sent[0][1]
    text = (
        "accessKey=access-now&amount=150000&description=&orderId=MC1234567ABC-1"
        f"&partnerCode=MOMODOISOAT&requestId={word}-MC1234567ABC-1&requestType={word}"
    )
    assert body["requestType"] == word
    assert body["signature"] == signing.hmac_sha256(text, "new-secret")


def test_a_capture_that_momo_says_it_took_but_still_holds_is_not_a_success() -> None:
    held = {**FOUND, "resultCode": 9000}
    notice = gateway(MoMo({"resultCode": 0}, held), TWO_STEPS).confirm(QUERY, capture=True)
    assert notice.outcome is Outcome.AUTHORISED


def test_a_refused_confirmation_is_a_refusal_only_while_the_money_is_still_held() -> None:
    refused = httpx2.Response(400, json={"resultCode": 47})
    held, taken = {**FOUND, "resultCode": 9000}, FOUND
    with pytest.raises(GatewayRefusedError):
        gateway(MoMo(refused, held), TWO_STEPS).confirm(QUERY, capture=True)
    done = gateway(MoMo(refused, taken), TWO_STEPS).confirm(QUERY, capture=True)
    assert done.outcome is Outcome.SUCCEEDED


def test_only_money_that_is_held_is_called_off() -> None:
    held, gone = {**FOUND, "resultCode": 9000}, {**FOUND, "resultCode": 1003}
    momo = MoMo(held, {"resultCode": 0}, gone)
    assert gateway(momo, TWO_STEPS).cancel(QUERY).outcome is Outcome.CANCELLED
    assert [path for path, _ in momo.sent] == ["query", "confirm", "query"]
    assert len({body["requestId"] for _, body in momo.sent}) == 3

    waiting = MoMo({**FOUND, "resultCode": 1000})
    assert gateway(waiting, TWO_STEPS).cancel(QUERY).outcome is Outcome.PENDING
    assert len(waiting.sent) == 1


# ---------------------------------------------------------------- refunds

SENT_BACK = {"resultCode": 0, "amount": 40_000, "transId": 4_100_000_009}


def test_a_refund_is_an_order_of_its_own_signed() -> None:
    momo = MoMo(SENT_BACK)

    notice = gateway(momo).refund(REFUND)

    assert (notice.kind, notice.outcome) == (NoticeKind.REFUND, Outcome.SUCCEEDED)
    assert notice.amount == Money(40_000)
    assert notice.provider_txn_id == "4100000009"
    assert (notice.refund_reference, notice.merchant_reference) == (f"{REFERENCE}-R1", REFERENCE)
    [(path, body)] = momo.sent
    text = (
        "accessKey=access-now&amount=40000&description=Hoan le phi&orderId=MC1234567ABC-1-R1"
        "&partnerCode=MOMODOISOAT&requestId=refund-MC1234567ABC-1-R1&transId=4100000001"
    )
    assert path == "refund"
    assert body["transId"] == 4_100_000_001
    assert body["signature"] == signing.hmac_sha256(text, "new-secret")


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": Money(0)},
        {"amount": Money(150_001)},
        {"provider_txn_id": None},
        {"provider_txn_id": "pi_1"},
        {"provider_txn_id": "0"},
        {"amount": Money(1, Currency.USD), "paid_amount": Money(1, Currency.USD)},
    ],
)
def test_a_refund_that_cannot_be_is_refused_before_anything_is_sent(
    changed: dict[str, Any],
) -> None:
    momo = MoMo()
    with pytest.raises(GatewayRefusedError):
        gateway(momo).refund(replace(REFUND, **changed))
    assert momo.sent == []


@pytest.mark.parametrize("code", [11, 12, 13, 20, 21, 22, 42, 47, 1001, 1007, 1080, 1081, 1088])
def test_a_refund_that_momo_refuses_did_not_happen(code: int) -> None:
    with pytest.raises(GatewayRefusedError):
        gateway(MoMo({"resultCode": code})).refund(REFUND)


@pytest.mark.parametrize("code", [10, 43, 45, 98, 99, 12345])
def test_a_refund_in_doubt_stays_in_doubt(code: int) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo({"resultCode": code})).refund(REFUND)


def test_a_refund_that_momo_works_on_is_pending_also_with_status_422() -> None:
    for code in (1000, 7000, 7002, 9000):
        assert gateway(MoMo({"resultCode": code})).refund(REFUND).outcome is Outcome.PENDING
    in_flight = httpx2.Response(422, json={"resultCode": 7000})
    assert gateway(MoMo(in_flight)).refund(REFUND).outcome is Outcome.PENDING


def test_a_success_of_another_amount_is_not_this_refunds() -> None:
    for odd in ({"amount": 39_999}, {"amount": ""}, {"amount": None}, {"amount": "x"}):
        with pytest.raises(GatewayUnavailableError):
            gateway(MoMo({**SENT_BACK, **odd})).refund(REFUND)


def test_the_number_of_the_payment_is_not_taken_for_the_refunds() -> None:
    answer = {**SENT_BACK, "transId": 4_100_000_001}
    assert gateway(MoMo(answer)).refund(REFUND).provider_txn_id is None


@pytest.mark.parametrize("code", [40, 41])
def test_a_refund_that_momo_has_already_is_asked_about(code: int) -> None:
    known = httpx2.Response(400, json={"resultCode": code})
    momo = MoMo(known, {**SENT_BACK, "resultCode": 7002})
    assert gateway(momo).refund(REFUND).outcome is Outcome.PENDING
    assert [path for path, _ in momo.sent] == ["refund", "refund/query"]

    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo(known, httpx2.Response(400, json={"resultCode": 42}))).refund(REFUND)


def test_an_order_sent_again_is_the_same_request_and_after_a_month_only_a_question() -> None:
    first, again = MoMo(SENT_BACK), MoMo(SENT_BACK)
    gateway(first).refund(REFUND)
    later = replace(REFUND, submitted_at=REFUND.asked_at, asked_at=NOW + timedelta(days=31))
    gateway(again).refund(later)
    assert first.sent == again.sent

    too_late = replace(later, asked_at=NOW + timedelta(days=31, seconds=1))
    asked = MoMo(SENT_BACK)
    assert gateway(asked).refund(too_late).outcome is Outcome.SUCCEEDED
    assert [path for path, _ in asked.sent] == ["refund/query"]
    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo({"resultCode": 42})).refund(too_late)


def test_a_refund_whose_number_is_known_is_only_asked_about() -> None:
    momo = MoMo(SENT_BACK)
    gateway(momo).refund(replace(REFUND, refund_txn_id="4100000009"))
    assert [path for path, _ in momo.sent] == ["refund/query"]


def test_the_answer_about_a_refund_is_read_flat_or_from_the_list_of_refunds() -> None:
    other = {"orderId": f"{REFERENCE}-R2", "resultCode": 1081, "amount": 1, "transId": 1}
    own = {"orderId": f"{REFERENCE}-R1", **SENT_BACK}
    flat = gateway(MoMo(SENT_BACK)).query_refund(REFUND)
    listed = gateway(MoMo({"resultCode": 0, "refundTrans": [other, own]})).query_refund(REFUND)

    assert flat == listed
    assert flat.outcome is Outcome.SUCCEEDED


def test_that_the_question_went_well_is_not_that_the_refund_did() -> None:
    working = {"orderId": f"{REFERENCE}-R1", "resultCode": 7002, "amount": 40_000, "transId": 9}
    answer = {"resultCode": 0, "amount": 40_000, "refundTrans": [working]}
    assert gateway(MoMo(answer)).query_refund(REFUND).outcome is Outcome.PENDING

    absent = gateway(MoMo({"resultCode": 0, "refundTrans": []})).query_refund(REFUND)
    assert (absent.outcome, absent.reason_code) == (Outcome.PENDING, "not_found")


def test_a_refund_that_momo_does_not_know_is_pending_and_not_found() -> None:
    notice = gateway(MoMo(httpx2.Response(400, json={"resultCode": 42}))).query_refund(REFUND)
    assert (notice.outcome, notice.reason_code) == (Outcome.PENDING, "not_found")


def test_a_refund_that_ended_badly_has_failed_with_its_reason() -> None:
    notice = gateway(MoMo({"resultCode": 1080})).query_refund(REFUND)
    assert (notice.outcome, notice.reason_code) == (Outcome.FAILED, "1080")


ODD_ABOUT_REFUNDS = {
    "bare success": {"resultCode": 0},
    "names no order": httpx2.Response(200, json=SENT_BACK),
    "other order": {**SENT_BACK, "orderId": REFERENCE},
    "no list": {"resultCode": 0, "refundTrans": "none"},
    "odd list": {"resultCode": 0, "refundTrans": [1]},
    "listed without code": {
        "resultCode": 0,
        "refundTrans": [{"orderId": f"{REFERENCE}-R1", "amount": 40_000}],
    },
    "listed twice": {
        "resultCode": 0,
        "refundTrans": [{"orderId": f"{REFERENCE}-R1", **SENT_BACK}] * 2,
    },
    **{f"error {code}": {"resultCode": code} for code in codes.REQUEST_ERRORS - {42}},
}


@pytest.mark.parametrize("answer", ODD_ABOUT_REFUNDS.values(), ids=ODD_ABOUT_REFUNDS)
def test_an_odd_answer_about_a_refund_leaves_it_unknown(
    answer: Mapping[str, Any] | httpx2.Response,
) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo(answer)).query_refund(REFUND)


def test_every_question_about_a_refund_has_an_id_of_its_own() -> None:
    momo = MoMo(SENT_BACK, SENT_BACK)
    gateway(momo).query_refund(REFUND)
    gateway(momo).query_refund(replace(REFUND, asked_at=NOW + timedelta(days=2)))
    assert len({body["requestId"] for _, body in momo.sent}) == 2


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_refusal_out_of_a_broken_server_is_none(status: int) -> None:
    broken = httpx2.Response(status, json={"resultCode": 13})
    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo(broken)).start(REQUEST)
    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo(broken)).refund(REFUND)
    unknown = httpx2.Response(status, json={"resultCode": 42})
    with pytest.raises(GatewayUnavailableError):
        gateway(MoMo(unknown)).query(QUERY)


# ---------------------------------------------------------------- check and ids


@pytest.mark.parametrize(
    ("answer", "works", "word"),
    [
        ({"resultCode": 42}, True, "signature"),
        ({"resultCode": 13}, False, "secret key"),
        ({"resultCode": 11}, False, "access key"),
        ({"resultCode": 12}, False, "version"),
        ({"resultCode": 10}, False, "maintained"),
        ({"resultCode": 20}, False, "format"),
        ({"resultCode": 0}, False, "not expected"),
        (httpx2.Response(502), False, "no usable answer"),
        (httpx2.Response(403, text="forbidden"), False, "no usable answer"),
    ],
)
def test_the_check_says_in_words_what_is_wrong(
    answer: Mapping[str, Any] | httpx2.Response, *, works: bool, word: str
) -> None:
    momo = MoMo(answer)

    checked = gateway(momo).check(at=NOW)

    assert checked.works is works
    assert word in checked.sentence
    assert [path for path, _ in momo.sent] == ["query"]
    assert is_order_id(momo.sent[0][1]["orderId"])


def test_ids_fit_momos_fields_and_differ_by_purpose() -> None:
    assert request_id("start", "a") != request_id("refund", "a")
    assert len(request_id("capture", "x" * 64)) <= 50
    assert request_id("capture", "x" * 64) != request_id("capture", "x" * 63 + "y")
    assert order_id("MC1-R1") == "MC1-R1"
    assert is_order_id(order_id("rf ü"))
    assert order_id("rf ü") != order_id("rf ä")
    for text, fits in {"a": True, "a-_.b": True, "a-": False, "": False, "_a": False}.items():
        assert is_order_id(text) is fits
    assert not is_order_id("a" * 10_000 + "~")


def test_secrets_are_printed_nowhere() -> None:
    secrets = ("access-now", "new-secret", "access-then", "old-secret")
    assert not any(secret in repr(CONFIG) for secret in secrets)
    momo = MoMo(OPENED)
    gateway(momo).start(REQUEST)
    sent = json.dumps(momo.sent[0][1])
    assert not any(secret in sent for secret in secrets)
    assert momo.sent[0][1]["signature"] not in mask(sent)
