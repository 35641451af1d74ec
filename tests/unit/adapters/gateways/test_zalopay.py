"""ZaloPay: what is sent, what is believed, what each code means, and what is never assumed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adapters.gateways import zalopay_codes as codes
from adapters.gateways import zalopay_signing as signing
from adapters.gateways.zalopay import ZaloPayConfig, ZaloPayGateway
from adapters.gateways.zalopay_fields import (
    day_prefix,
    instant,
    json_object,
    milliseconds,
    order_id,
    reference_of,
    refund_id,
)
from adapters.http import Caller, create_client
from core.errors import SettingsError
from core.money import Currency, Money
from payments.channels import Rail
from payments.errors import (
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidSignatureError,
    MalformedNoticeError,
)
from payments.ports import (
    GatewayCall,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    StartRequest,
)

_PLACES = [one / "shared" / "rails" / "vectors.json" for one in Path(__file__).parents]
VECTORS = next((place for place in _PLACES if place.exists()), _PLACES[-1])
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
KEY1, KEY2 = "key-one", "key-two"
CONFIG = ZaloPayConfig(
    app_id="2553",
    key1=KEY1,
    key2=KEY2,
    previous_key2="old-two",
    api_url="https://zalopay.example/",
)
REQUEST = StartRequest(
    merchant_reference="MC1234567ABC-1",
    bill_reference="MC1234567ABC",
    amount=Money(150_000),
    description="Le phi ho tich",
    return_url="https://city.example/return?lang=vi",
    payer_ip="203.0.113.9",
    locale="vi",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=15),
    notice_url="https://city.example/channels/zalopay/2553/notice",
)
QUERY = PaymentQuery(
    merchant_reference="MC1234567ABC-1",
    provider_reference=None,
    provider_txn_id=None,
    created_at=NOW,
    asked_at=NOW + timedelta(minutes=20),
    request_id="q1",
    amount=Money(150_000),
    expires_at=NOW + timedelta(minutes=15),
)
REFUND = RefundOrder(
    refund_reference="MC1234567ABC-1-R1",
    merchant_reference="MC1234567ABC-1",
    provider_reference=None,
    provider_txn_id="260302000000389",
    amount=Money(40_000),
    paid_amount=Money(150_000),
    paid_created_at=NOW,
    asked_at=NOW + timedelta(days=1),
    operator="doisoat",
    description="Hoàn | tiền MC1234567ABC-1",
    submitted_at=NOW + timedelta(days=1),
)
ORDER_URL = "https://qc.example/openinapp?order=e30"
CREATED = {
    "return_code": 1,
    "return_message": "ok",
    "sub_return_code": 1,
    "order_url": ORDER_URL,
    "zp_trans_token": "t1",
}
PAID = {
    "return_code": 1,
    "sub_return_code": 1,
    "is_processing": False,
    "amount": 150000,
    "zp_trans_id": 260302000000389,
}
DATA: dict[str, Any] = {
    "app_id": 2553,
    "app_trans_id": "260302_MC1234567ABC-1",
    "app_time": milliseconds(NOW),
    "app_user": "doisoat",
    "amount": 150000,
    "embed_data": '{"redirecturl":"https://city.example/return"}',
    "item": "[]",
    "zp_trans_id": 260302000000389,
    "server_time": milliseconds(NOW + timedelta(minutes=5)),
    "channel": 38,
    "merchant_user_id": "7ZMSl3",
    "user_fee_amount": 0,
    "discount_amount": 0,
}
Answer = Callable[[httpx2.Request], httpx2.Response]


def saying(answer: Mapping[str, object] | Answer, calls: list[Any] | None = None) -> ZaloPayGateway:
    """Return a gateway whose provider answers every call the same way; ``calls`` collects them."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        if calls is not None:
            calls.append((request.url.path, json.loads(request.content)))
        return answer(request) if callable(answer) else httpx2.Response(200, json=dict(answer))

    return gateway_over(httpx2.MockTransport(respond))


def gateway_over(transport: httpx2.BaseTransport, record: Any = None) -> ZaloPayGateway:
    extra = {"record": record} if record else {}
    client = create_client(transport=transport)
    http = Caller(client, rail=Rail.ZALOPAY, merchant_code="2553", clock=lambda: NOW, **extra)
    return ZaloPayGateway(CONFIG, http)


def silent() -> ZaloPayGateway:
    return saying(lambda _: pytest.fail("nothing is to be sent"))


def event(body: bytes) -> RawEvent:
    return RawEvent(Rail.ZALOPAY, "POST", "", {}, body, NOW + timedelta(minutes=6))


def callback(data: Mapping[str, Any] | str = DATA, key: str = KEY2, kind: object = 1) -> RawEvent:
    text = data if isinstance(data, str) else json.dumps(data)
    envelope = {"data": text, "mac": signing.hmac_sha256(text, key), "type": kind}
    return event(json.dumps(envelope).encode())


def vectors() -> list[Any]:
    if not VECTORS.exists():
        reason = pytest.mark.skip(reason="no published vectors beside the checkout")
        return [pytest.param({}, marks=reason, id="absent")]
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return [pytest.param(one, id=one["name"]) for one in found if one["group"] == "zalopay"]


# ---------------------------------------------------------------- identifiers and times


def test_days_are_vietnams() -> None:
    assert day_prefix(datetime(2026, 3, 2, 16, 59, 59, tzinfo=UTC)) == "260302"
    assert day_prefix(datetime(2026, 3, 2, 17, 0, 0, tzinfo=UTC)) == "260303"


def test_our_reference_comes_back_out_of_the_order_id() -> None:
    made = order_id("MC1234567ABC-1", NOW)
    assert made == "260302_MC1234567ABC-1"
    assert reference_of(made) == "MC1234567ABC-1"
    assert reference_of("260302_a_b") == "a_b"
    for foreign in ("", "260302", "260302_", "2603022_a", "x60302_a", "260302_a b", 260302, None):
        with pytest.raises(ValueError, match="not one of ours"):
            reference_of(foreign)


def test_an_order_id_has_forty_characters_at_most() -> None:
    assert len(order_id("x" * 33, NOW)) == 40
    for misfit in ("x" * 34, "", "a b", "lệ-1", "a|b"):
        with pytest.raises(GatewayRefusedError):
            order_id(misfit, NOW)


def test_milliseconds_are_exact_and_bounded() -> None:
    for text in ("2026-03-02T02:00:00.123+00:00", "2038-12-31T23:59:59.999+07:00"):
        moment = datetime.fromisoformat(text)
        assert instant(milliseconds(moment)) == moment
    for value in (0, -1, 10**14, True, "1599189413498", 1.5, None):
        with pytest.raises(ValueError, match="time in milliseconds"):
            instant(value)


def test_a_refund_id_is_the_same_for_the_same_refund_and_first_day_only() -> None:
    made = refund_id("MC1234567ABC-1-R1", "2553", NOW)
    assert made == refund_id("MC1234567ABC-1-R1", "2553", NOW + timedelta(hours=14, minutes=59))
    assert made.startswith("260302_2553_")
    assert made.rpartition("_")[2].isdecimal()
    assert len(made.rpartition("_")[2]) == 16
    later, other = NOW + timedelta(hours=15), "MC1234567ABC-1-R2"
    assert len({made, refund_id("MC1234567ABC-1-R1", "2553", later)}) == 2
    assert len({made, refund_id(other, "2553", NOW)}) == 2


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', "[]", "1", "", "{", '{"a":NaN}', "[" * 100_000],
)
def test_json_that_two_readers_would_read_differently_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_object(text)


def test_numbers_never_become_floats() -> None:
    assert json_object('{"a":10.0,"b":1e3,"c":10}') == {"a": "10.0", "b": "1e3", "c": 10}


@pytest.mark.parametrize("app_id", ["", "0", "2553 ", "two", "12345678901", "-1", "²"])
def test_an_app_id_is_a_number(app_id: str) -> None:
    with pytest.raises(SettingsError):
        replace(CONFIG, app_id=app_id)


def test_keys_are_not_shown() -> None:
    for secret in (KEY1, KEY2, "old-two"):
        assert secret not in repr(CONFIG)


def test_it_says_what_it_can_do() -> None:
    can = silent().capabilities
    assert silent().rail is Rail.ZALOPAY
    assert (can.redirects, can.notices, can.queries, can.refunds, can.refund_queries) == (True,) * 5
    assert not any((can.cancels, can.confirms, can.credits, can.settlement_report))


# ---------------------------------------------------------------- signatures


@pytest.mark.parametrize("vector", vectors())
def test_published_signatures(vector: dict[str, Any]) -> None:
    values, key = vector["inputs"], vector["secret"]
    orders = {
        "zalopay_v2_create": signing.CREATE,
        "zalopay_v2_query": signing.QUERY,
        "zalopay_v2_refund": signing.REFUND,
        "zalopay_v2_query_refund": signing.QUERY_REFUND,
    }
    if vector["name"] == "zalopay_v2_callback_official":
        text = values["data"]
    elif vector["name"] in orders:
        text = signing.signed_text(orders[vector["name"]], values, key)
    else:  # a refund that names a fee, which is never sent from here
        text = signing.pipe_string(vector["field_order"], values)
    assert text == vector["string_to_sign"]
    assert signing.hmac_sha256(text, key) == vector["expected"]
    assert signing.is_signed(text, vector["expected"].upper(), ["other", key])
    assert not signing.is_signed(text + " ", vector["expected"], [key])


def test_the_official_callback_is_believed_by_its_own_application() -> None:
    if not VECTORS.exists():
        pytest.skip("no published vectors beside the checkout")
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    vector = next(one for one in found if one["name"] == "zalopay_v2_callback_official")
    http = saying({})._http
    official = ZaloPayGateway(replace(CONFIG, key2=vector["secret"]), http)

    notice = official.verify_notice(event(json.dumps(vector["inputs"]).encode()))

    assert notice.merchant_reference == "2553_1598435687208"
    assert notice.amount == Money(10_000)
    assert notice.provider_txn_id == "200904000000389"
    assert notice.occurred_at == datetime(2020, 9, 4, 3, 16, 53, 498000, tzinfo=UTC)


def test_an_empty_key_signs_nothing() -> None:
    assert not signing.is_signed("text", signing.hmac_sha256("text", ""), ["", ""])
    assert not signing.is_signed("text", "", ["key"])
    assert not signing.is_signed("\ud800", "00", ["key"])


# ---------------------------------------------------------------- create


def test_the_order_carries_every_field_and_is_signed_over_the_very_texts_it_sends() -> None:
    calls: list[Any] = []
    started = saying(CREATED, calls).start(REQUEST)

    [(path, sent)] = calls
    assert path == "/v2/create"
    assert started.redirect_url == ORDER_URL
    mac = sent.pop("mac")
    assert sent == {
        "app_id": 2553,
        "app_trans_id": "260302_MC1234567ABC-1",
        "app_user": "doisoat",
        "app_time": 1772416800000,
        "amount": 150000,
        "item": "[]",
        "embed_data": '{"redirecturl":"https://city.example/return?lang=vi"}',
        "description": "Le phi ho tich",
        "redirect_url": "https://city.example/return?lang=vi",
        "expire_duration_seconds": 900,
        "callback_url": "https://city.example/channels/zalopay/2553/notice",
    }
    text = (
        "2553|260302_MC1234567ABC-1|doisoat|150000|1772416800000"
        '|{"redirecturl":"https://city.example/return?lang=vi"}|[]'
    )
    assert mac == signing.hmac_sha256(text, KEY1)


def test_without_a_notice_address_the_registered_one_is_used() -> None:
    calls: list[Any] = []
    saying(CREATED, calls).start(replace(REQUEST, notice_url=""))
    assert "callback_url" not in calls[0][1]


@pytest.mark.parametrize(
    ("lifetime", "seconds"),
    [
        (timedelta(seconds=-5), 300),
        (timedelta(seconds=299), 300),
        (timedelta(seconds=300), 300),
        (timedelta(hours=3, microseconds=999_999), 10_800),
        (timedelta(days=30), 2_592_000),
        (timedelta(days=31), 2_592_000),
    ],
)
def test_the_page_lives_as_long_as_zalopay_allows(lifetime: timedelta, seconds: int) -> None:
    calls: list[Any] = []
    saying(CREATED, calls).start(replace(REQUEST, expires_at=NOW + lifetime))
    assert calls[0][1]["expire_duration_seconds"] == seconds


def test_a_repeated_start_sends_the_very_same_order() -> None:
    calls: list[Any] = []
    gateway = saying(CREATED, calls)
    gateway.start(REQUEST)
    gateway.start(REQUEST)
    assert calls[0] == calls[1]


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": Money(0)},
        {"amount": Money(-1)},
        {"amount": Money(100, Currency.USD)},
        {"merchant_reference": "MC~1"},
        {"merchant_reference": "x" * 34},
    ],
)
def test_what_zalopay_cannot_take_is_refused_before_it_is_asked(changed: dict[str, Any]) -> None:
    with pytest.raises(GatewayRefusedError):
        silent().start(replace(REQUEST, **changed))


@pytest.mark.parametrize("detail", sorted(codes.START_REFUSED))
def test_a_bad_or_unauthenticated_order_is_certainly_not_opened(detail: int) -> None:
    for answer in ({"return_code": 2, "sub_return_code": detail}, {"return_code": detail}):
        with pytest.raises(GatewayRefusedError):
            saying(answer).start(REQUEST)


NOT_OPENED_FOR_CERTAIN: dict[str, Mapping[str, object] | Answer] = {
    "duplicate": {"return_code": 2, "sub_return_code": -68},
    "maintenance": {"return_code": 2, "sub_return_code": -33},
    "system": {"return_code": 2, "sub_return_code": -500},
    "too often": {"return_code": 2, "sub_return_code": -429},
    "new word": {"return_code": 2, "sub_return_code": -7777},
    "no reason": {"return_code": 2},
    "nothing": {},
    "no address": {**CREATED, "order_url": ""},
    "script": {**CREATED, "order_url": "javascript:alert(1)"},
    "odd address": {**CREATED, "order_url": "https://["},
    "number": {**CREATED, "order_url": 7},
    "text codes": {**CREATED, "return_code": "1"},
    "true": {**CREATED, "return_code": True},
    "success with a refusal": {**CREATED, "order_url": None, "sub_return_code": -402},
    "html": lambda _: httpx2.Response(200, text="<html>"),
    "list": lambda _: httpx2.Response(200, text="[]"),
    "twice": lambda _: httpx2.Response(200, text='{"return_code":2,"return_code":1}'),
    "refused by the way": lambda _: httpx2.Response(403, json={"return_code": -402}),
    "error": lambda _: httpx2.Response(500, json=CREATED),
}


@pytest.mark.parametrize("answer", NOT_OPENED_FOR_CERTAIN.values(), ids=NOT_OPENED_FOR_CERTAIN)
def test_any_other_answer_leaves_open_whether_there_is_an_order(
    answer: Mapping[str, object] | Answer,
) -> None:
    with pytest.raises(GatewayUnavailableError):
        saying(answer).start(REQUEST)


def test_an_order_is_never_sent_twice_by_itself() -> None:
    calls: list[Any] = []
    with pytest.raises(GatewayUnavailableError):
        saying(lambda _: httpx2.Response(503), calls).start(REQUEST)
    assert len(calls) == 1


def test_a_kept_call_shows_no_signature_and_no_token() -> None:
    kept: list[GatewayCall] = []
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=CREATED))
    gateway_over(transport, kept.append).start(REQUEST)
    text = kept[0].request + kept[0].answer
    assert '"mac":"***"' in text
    assert '"t1"' not in text
    assert KEY1 not in text


# ---------------------------------------------------------------- callbacks


def test_a_callback_says_what_was_collected_and_when() -> None:
    notice = silent().verify_notice(callback())

    assert notice.kind is NoticeKind.PAYMENT
    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.merchant_reference == "MC1234567ABC-1"
    assert notice.amount == Money(150_000)
    assert notice.provider_txn_id == "260302000000389"
    assert notice.occurred_at == NOW + timedelta(minutes=5)


def test_the_data_are_verified_as_they_came_whatever_their_spelling() -> None:
    spelled = json.dumps(DATA, indent=3, ensure_ascii=False).replace("/", "\\/")
    accented = json.dumps({**DATA, "app_user": "Hà Nội"}, ensure_ascii=False)
    for text in (spelled, accented, json.dumps(DATA, separators=(",", ":"))):
        assert silent().verify_notice(callback(text)).amount == Money(150_000)


def test_both_keys_hold_while_a_rotation_lasts_and_no_other() -> None:
    assert silent().verify_notice(callback(key="old-two")) == silent().verify_notice(callback())
    for key in (KEY1, "stolen", ""):
        with pytest.raises(InvalidSignatureError):
            silent().verify_notice(callback(key=key))


@pytest.mark.parametrize("name", sorted(DATA))
def test_changing_any_field_breaks_the_signature(name: str) -> None:
    envelope = json.loads(callback().body)
    forged = {**envelope, "data": json.dumps({**DATA, name: f"{DATA[name]}1"})}
    with pytest.raises(InvalidSignatureError):
        silent().verify_notice(event(json.dumps(forged).encode()))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data=1",
        b"[]",
        b"\xff\xfe",
        b'{"data":{},"mac":"00"}',
        b'{"data":"{}","mac":null}',
        b'{"data":"{}"}',
        b'{"data":"\\ud800","mac":"00","type":1}',
        b'{"data":"{}","mac":"\\ud800","type":1}',
    ],
)
def test_what_bears_no_signature_is_not_from_zalopay(body: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        silent().verify_notice(event(body))


def test_data_standing_twice_are_refused() -> None:
    genuine = callback().body.decode()
    for first in ('{"data": "x", ', '{"mac": "x", ', '{"type": 2, '):
        with pytest.raises(InvalidSignatureError):
            silent().verify_notice(event((first + genuine[1:]).encode()))


def test_a_callback_for_another_application_is_refused() -> None:
    for app_id in (2554, None, True, "x"):
        with pytest.raises(InvalidSignatureError):
            silent().verify_notice(callback({**DATA, "app_id": app_id}))


@pytest.mark.parametrize(
    "changed",
    [
        {"app_trans_id": ""},
        {"app_trans_id": 260302},
        {"app_trans_id": "MC1234567ABC-1"},
        {"amount": 0},
        {"amount": -1},
        {"amount": "150000"},
        {"amount": 150000.0},
        {"amount": True},
        {"amount": 10**16},
        {"amount": None},
        {"zp_trans_id": 0},
        {"zp_trans_id": None},
        {"zp_trans_id": "x"},
        {"server_time": "soon"},
    ],
)
def test_a_signed_callback_without_what_it_must_have_is_malformed(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedNoticeError):
        silent().verify_notice(callback({**DATA, **changed}))


@pytest.mark.parametrize("kind", [0, 3, "1", None, True])
def test_a_callback_of_an_unknown_type_is_malformed(kind: object) -> None:
    with pytest.raises(MalformedNoticeError):
        silent().verify_notice(callback(kind=kind))


def test_signed_data_that_are_no_object_are_malformed() -> None:
    for text in ("[]", "", '{"app_id":2553,"app_id":2553}'):
        with pytest.raises(MalformedNoticeError):
            silent().verify_notice(callback(text))


def test_an_order_told_as_an_agreement_neither_pays_nor_blocks_the_real_callback() -> None:
    told, real = silent().verify_notice(callback(kind=2)), silent().verify_notice(callback())
    assert told.kind is NoticeKind.OTHER
    assert told.amount is None
    assert told.event_key != real.event_key


def test_a_transaction_number_may_come_as_text_and_the_time_may_be_missing() -> None:
    data = {name: value for name, value in DATA.items() if name != "server_time"}
    notice = silent().verify_notice(callback({**data, "zp_trans_id": "260302000000389"}))
    assert notice.provider_txn_id == "260302000000389"
    assert notice.occurred_at == NOW + timedelta(minutes=6)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (NoticeResult.APPLIED, 1),
        (NoticeResult.ALREADY_APPLIED, 1),
        (NoticeResult.AMOUNT_DIFFERS, 1),
        (NoticeResult.UNKNOWN_REFERENCE, 0),
        (NoticeResult.MALFORMED, 0),
        (NoticeResult.FAILED, 0),
        (NoticeResult.INVALID_SIGNATURE, -1),
    ],
)
def test_each_result_has_its_exact_answer(result: NoticeResult, code: int) -> None:
    answer = silent().answer(callback(), result)

    assert (answer.status, answer.media_type) == (200, "application/json")
    assert json.loads(answer.body)["return_code"] == code
    assert set(json.loads(answer.body)) == {"return_code", "return_message"}


# ---------------------------------------------------------------- query


def test_the_order_is_asked_about_by_the_day_it_was_created() -> None:
    calls: list[Any] = []
    saying(PAID, calls).query(replace(QUERY, asked_at=NOW + timedelta(days=3)))
    mac = signing.hmac_sha256(f"2553|260302_MC1234567ABC-1|{KEY1}", KEY1)
    sent = {"app_id": 2553, "app_trans_id": "260302_MC1234567ABC-1", "mac": mac}
    assert calls == [("/v2/query", sent)]


def test_a_paid_order_has_the_key_of_its_callback() -> None:
    asked, told = saying(PAID).query(QUERY), silent().verify_notice(callback())
    assert asked.outcome is Outcome.SUCCEEDED
    assert (asked.event_key, asked.amount) == (told.event_key, told.amount)
    assert asked.provider_txn_id == told.provider_txn_id
    assert asked.occurred_at == QUERY.asked_at
    timed = saying({**PAID, "server_time": DATA["server_time"]}).query(QUERY)
    assert timed.occurred_at == told.occurred_at


def test_another_amount_is_told_as_it_was_collected() -> None:
    assert saying({**PAID, "amount": 149_000}).query(QUERY).amount == Money(149_000)
    assert silent().verify_notice(callback({**DATA, "amount": 149_000})).amount == Money(149_000)


MONEY = {"amount": 150000, "zp_trans_id": 260302000000389}
NONE = {"amount": 0, "zp_trans_id": 0}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"return_code": 3, **NONE}, Outcome.PENDING),
        ({"return_code": 3, "sub_return_code": -322, **NONE}, Outcome.PENDING),
        ({"return_code": 3, **MONEY}, Outcome.PENDING),
        ({"return_code": 1, "sub_return_code": 1}, Outcome.PENDING),
        ({**PAID, "is_processing": True}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -322, **NONE}, Outcome.EXPIRED),
        ({"return_code": 2, "sub_return_code": -329, **NONE}, Outcome.CANCELLED),
        ({"return_code": 2, "sub_return_code": -322, **MONEY}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -329, **MONEY}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -322, "is_processing": True}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -101, **MONEY}, Outcome.SUCCEEDED),
        ({"return_code": 1, "sub_return_code": -101, **MONEY}, Outcome.SUCCEEDED),
        ({"return_code": 2, "sub_return_code": -101, **NONE}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -101}, Outcome.PENDING),
        ({"return_code": 2, **NONE}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -7777, **NONE}, Outcome.PENDING),
    ],
)
def test_what_a_query_says_of_an_order(answer: dict[str, Any], outcome: Outcome) -> None:
    notice = saying(answer).query(QUERY)
    assert notice.outcome is outcome
    assert (notice.amount is not None) == (outcome is Outcome.SUCCEEDED)


def test_only_money_makes_it_paid_and_only_two_words_end_it_without() -> None:
    details = [*range(-600, 2), -7777, 406]
    for code, detail, processing, money in product(
        (-500, 0, 1, 2, 3, 4), details, (True, False), (True, False)
    ):
        outcome = codes.order_outcome(code, detail, is_processing=processing, has_money=money)
        if outcome is Outcome.SUCCEEDED:
            assert money
            assert code == 1 or (code, detail) == (2, -101)
        elif outcome.is_final:
            assert not money
            assert (code, detail) in {(2, -322), (2, -329)}
        if processing:
            assert not outcome.is_final


@pytest.mark.parametrize("detail", sorted(codes.UNANSWERED))
def test_trouble_with_the_question_says_nothing_of_the_order(detail: int) -> None:
    for answer in ({"return_code": 2, "sub_return_code": detail}, {"return_code": detail}):
        with pytest.raises(GatewayUnavailableError):
            saying(answer).query(QUERY)
        with pytest.raises(GatewayUnavailableError):
            saying(answer).query_refund(REFUND)


NOT_UNDERSTOOD: dict[str, Mapping[str, object] | Answer] = {
    "html": lambda _: httpx2.Response(200, text="<html>"),
    "list": lambda _: httpx2.Response(200, text="[]"),
    "twice": lambda _: httpx2.Response(200, text='{"return_code":2,"return_code":1}'),
    "unavailable": lambda _: httpx2.Response(503),
    "forbidden": lambda _: httpx2.Response(403, json=PAID),
    "nothing": {},
    "text": {**PAID, "return_code": "1"},
    "fraction": {**PAID, "amount": 10.5},
    "text amount": {**PAID, "amount": "150000"},
    "too much": {**PAID, "amount": 10**16},
    "odd number": {**PAID, "zp_trans_id": "26-03"},
    "odd time": {**PAID, "server_time": "now"},
    "new code": {**PAID, "return_code": 7},
}


@pytest.mark.parametrize("answer", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_an_answer_that_is_not_understood_leaves_the_outcome_unknown(
    answer: Mapping[str, object] | Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.http._BACKOFF_SECONDS", 0.0)
    with pytest.raises(GatewayUnavailableError):
        saying(answer).query(QUERY)


UNKNOWN = {"return_code": 2, "sub_return_code": -49, "amount": 0, "zp_trans_id": 0}


def test_an_unknown_order_expires_only_when_nobody_can_have_opened_it_any_more() -> None:
    # 15 minutes to open it, 15 of its page, 60 of grace.
    last = NOW + timedelta(minutes=90)
    early, late = (
        replace(QUERY, asked_at=last),
        replace(QUERY, asked_at=last + timedelta(seconds=1)),
    )
    assert saying(UNKNOWN).query(early).outcome is Outcome.PENDING
    assert saying(UNKNOWN).query(late).outcome is Outcome.EXPIRED
    assert saying(UNKNOWN).query(late).reason_code == "not_found"


def test_an_unknown_order_without_expiry_may_be_open_for_a_month() -> None:
    endless = replace(QUERY, expires_at=None, asked_at=NOW + timedelta(days=30))
    over = replace(endless, asked_at=NOW + timedelta(days=30, hours=2))
    assert saying(UNKNOWN).query(endless).outcome is Outcome.PENDING
    assert saying(UNKNOWN).query(over).outcome is Outcome.EXPIRED


def test_a_question_may_be_repeated_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.http._BACKOFF_SECONDS", 0.0)
    calls: list[Any] = []
    answers = iter([httpx2.Response(502), httpx2.Response(200, json=PAID)])
    assert saying(lambda _: next(answers), calls).query(QUERY).outcome is Outcome.SUCCEEDED
    assert calls[0] == calls[1]


# ---------------------------------------------------------------- refunds


def test_the_refund_request_is_signed_without_its_number() -> None:
    calls: list[Any] = []
    notice = saying({"return_code": 3}, calls).refund(REFUND)

    [(path, sent)] = calls
    number = refund_id("MC1234567ABC-1-R1", "2553", REFUND.asked_at)
    text = f"2553|260302000000389|40000|Hon  tin MC1234567ABC-1|{milliseconds(REFUND.asked_at)}"
    assert path == "/v2/refund"
    assert sent == {
        "app_id": 2553,
        "m_refund_id": number,
        "zp_trans_id": "260302000000389",
        "amount": 40000,
        "description": "Hon  tin MC1234567ABC-1",
        "timestamp": milliseconds(REFUND.asked_at),
        "mac": signing.hmac_sha256(text, KEY1),
    }
    assert notice.kind is NoticeKind.REFUND
    assert notice.outcome is Outcome.PENDING
    assert (notice.provider_txn_id, notice.refund_reference) == (number, "MC1234567ABC-1-R1")
    assert number.startswith("260303_2553_")


def test_even_a_success_at_once_is_asked_about_before_it_counts() -> None:
    answer = {"return_code": 1, "sub_return_code": 1}
    assert saying(answer).refund(REFUND).outcome is Outcome.PENDING


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": Money(0)},
        {"amount": Money(-1)},
        {"amount": Money(150_001)},
        {"provider_txn_id": None},
        {"provider_txn_id": ""},
        {"amount": Money(1, Currency.USD), "paid_amount": Money(2, Currency.USD)},
    ],
)
def test_a_refund_that_cannot_be_is_refused_before_it_is_sent(changed: dict[str, Any]) -> None:
    with pytest.raises(GatewayRefusedError):
        silent().refund(replace(REFUND, **changed))


@pytest.mark.parametrize("detail", sorted(codes.REFUND_REFUSED))
def test_a_refused_refund_moves_no_money(detail: int) -> None:
    with pytest.raises(GatewayRefusedError):
        saying({"return_code": 2, "sub_return_code": detail}).refund(REFUND)


def by_path(**answers: Mapping[str, object]) -> Answer:
    return lambda request: httpx2.Response(200, json=answers[request.url.path.rpartition("/")[2]])


@pytest.mark.parametrize("detail", [codes.DUPLICATE_REFUND, 0, -1, -16, -500, -7777])
def test_any_other_no_is_looked_into_before_it_counts(detail: int) -> None:
    refused = {"return_code": 2, "sub_return_code": detail}
    calls: list[Any] = []
    done = saying(by_path(refund=refused, query_refund={"return_code": 1}), calls)
    assert done.refund(REFUND).outcome is Outcome.SUCCEEDED
    assert [path for path, _ in calls] == ["/v2/refund", "/v2/query_refund"]
    assert calls[0][1]["m_refund_id"] == calls[1][1]["m_refund_id"]
    unknown = {"return_code": 2, "sub_return_code": codes.UNKNOWN_REFUND}
    with pytest.raises(GatewayUnavailableError):
        saying(by_path(refund=refused, query_refund=unknown)).refund(REFUND)


@pytest.mark.parametrize("answer", [{}, {"return_code": 0}, {"return_code": -500}])
def test_a_refund_answered_beside_the_point_is_in_doubt(answer: dict[str, Any]) -> None:
    with pytest.raises(GatewayUnavailableError):
        saying(answer).refund(REFUND)


def test_an_order_of_an_earlier_day_is_asked_about_and_never_sent_again() -> None:
    later = replace(REFUND, asked_at=REFUND.asked_at + timedelta(days=1))
    calls: list[Any] = []
    assert saying({"return_code": 1}, calls).refund(later).outcome is Outcome.SUCCEEDED
    [(path, sent)] = calls
    assert path == "/v2/query_refund"
    assert sent["m_refund_id"] == refund_id("MC1234567ABC-1-R1", "2553", REFUND.asked_at)
    unknown = {"return_code": 2, "sub_return_code": codes.UNKNOWN_REFUND}
    with pytest.raises(GatewayUnavailableError):
        saying(by_path(query_refund=unknown)).refund(later)


def test_midnight_in_vietnam_parts_the_days_not_midnight_in_greenwich() -> None:
    submitted = datetime(2026, 3, 3, 16, 59, 50, tzinfo=UTC)
    same = replace(REFUND, submitted_at=submitted, asked_at=submitted + timedelta(seconds=9))
    next_day = replace(same, asked_at=submitted + timedelta(seconds=10))
    calls: list[Any] = []
    gateway = saying({"return_code": 3}, calls)
    gateway.refund(same)
    gateway.refund(next_day)
    assert [path for path, _ in calls] == ["/v2/refund", "/v2/query_refund"]
    assert calls[0][1]["m_refund_id"] == calls[1][1]["m_refund_id"]


def test_a_refund_whose_number_is_known_is_only_asked_about() -> None:
    calls: list[Any] = []
    known = replace(REFUND, refund_txn_id="260303_2553_0000000000000001")
    assert saying({"return_code": 3}, calls).refund(known).outcome is Outcome.PENDING
    [(path, sent)] = calls
    stamp = milliseconds(REFUND.asked_at)
    text = f"2553|260303_2553_0000000000000001|{stamp}"
    assert path == "/v2/query_refund"
    assert sent == {
        "app_id": 2553,
        "m_refund_id": "260303_2553_0000000000000001",
        "timestamp": stamp,
        "mac": signing.hmac_sha256(text, KEY1),
    }


def test_a_refund_is_never_sent_twice_by_itself() -> None:
    calls: list[Any] = []
    with pytest.raises(GatewayUnavailableError):
        saying(lambda _: httpx2.Response(503), calls).refund(REFUND)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"return_code": 1}, Outcome.SUCCEEDED),
        ({"return_code": 3}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -13}, Outcome.FAILED),
        ({"return_code": 2, "sub_return_code": -14}, Outcome.FAILED),
        ({"return_code": 2, "sub_return_code": -1}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -8}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": 1}, Outcome.PENDING),
        ({"return_code": 2}, Outcome.PENDING),
        ({"return_code": 2, "sub_return_code": -7777}, Outcome.PENDING),
    ],
)
def test_what_a_query_says_of_a_refund(answer: dict[str, Any], outcome: Outcome) -> None:
    assert saying(answer).query_refund(REFUND).outcome is outcome


def test_only_a_reason_that_nothing_can_change_makes_a_refund_failed() -> None:
    for code, detail in product((0, 1, 2, 3, 4), [*range(-600, 2), -7777]):
        outcome = codes.refund_outcome(code, detail)
        assert (outcome is Outcome.SUCCEEDED) == (code == 1)
        assert (outcome is Outcome.FAILED) == (code == 2 and detail in {-2, -4, -9, -13, -14})


def test_a_refund_zalopay_does_not_know_is_not_found_and_has_no_number() -> None:
    notice = saying({"return_code": 2, "sub_return_code": -21}).query_refund(REFUND)
    assert (notice.outcome, notice.reason_code) == (Outcome.PENDING, "not_found")
    assert notice.provider_txn_id is None


# ---------------------------------------------------------------- check


@pytest.mark.parametrize(
    ("answer", "works", "word"),
    [
        ({"return_code": 2, "sub_return_code": -49}, True, "Key 2"),
        ({"return_code": 2, "sub_return_code": -101}, True, "Key 2"),
        ({"return_code": 3}, True, "Key 2"),
        ({"return_code": 2, "sub_return_code": -402}, False, "app id and key 1"),
        ({"return_code": -402}, False, "app id and key 1"),
        ({"return_code": -403}, False, "app id and key 1"),
        ({"return_code": 2, "sub_return_code": -53}, False, "signature is wrong"),
        ({"return_code": 2, "sub_return_code": -10}, False, "does not know this app id"),
        ({"return_code": 2, "sub_return_code": -401}, False, "did not understand"),
        ({"return_code": 2, "sub_return_code": -500}, False, "try again"),
        ({"return_code": 2, "sub_return_code": -7777}, False, "-7777"),
        ({"return_code": 2}, False, "ZaloPay answered 2"),
        (lambda _: httpx2.Response(200, text="<html>"), False, "no usable answer"),
    ],
)
def test_a_check_says_in_plain_words_what_is_wrong(
    answer: Mapping[str, object] | Answer,
    works: bool,  # noqa: FBT001 - a column of the table
    word: str,
) -> None:
    calls: list[Any] = []
    result = saying(answer, calls).check(at=NOW)
    assert (result.works, word in result.sentence) == (works, True)
    assert [path for path, _ in calls] == ["/v2/query"]
    assert calls[0][1]["app_trans_id"] == "260302_check-1772416800000"
