"""VNPay: the pay address, signatures, the meaning of codes, and answers that are not understood."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from adapters.gateways import vnpay_signing as signing
from adapters.gateways.vnpay import VNPayConfig, VNPayGateway
from adapters.gateways.vnpay_codes import (
    notice_outcome,
    queried_payment_outcome,
    refund_outcome,
)
from adapters.gateways.vnpay_fields import format_time, parse_time
from adapters.http import Caller, create_client
from core.money import Currency, Money
from payments.channels import Rail
from payments.errors import (
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidSignatureError,
    MalformedNoticeError,
)
from payments.ports import NoticeResult, Outcome, PaymentQuery, RawEvent, RefundOrder, StartRequest

SECRET = "new-secret"
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
CONFIG = VNPayConfig(
    tmn_code="DOISOAT1",
    hash_secret=SECRET,
    previous_hash_secret="old-secret",
    pay_url="https://pay.example/vpcpay.html",
    api_url="https://api.example/transaction",
)
REQUEST = StartRequest(
    merchant_reference="MC1234567ABC-1",
    bill_reference="MC1234567ABC",
    amount=Money(10_000),
    description="Le phi ho tich",
    return_url="https://city.example/return?lang=vi",
    payer_ip="203.0.113.9",
    locale="vi",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=15),
)
PAID = {
    "vnp_TmnCode": "DOISOAT1",
    "vnp_Amount": "1000000",
    "vnp_BankCode": "NCB",
    "vnp_OrderInfo": "Le phi ho tich: 5",
    "vnp_PayDate": "20260302090500",
    "vnp_ResponseCode": "00",
    "vnp_TransactionNo": "14422574",
    "vnp_TransactionStatus": "00",
    "vnp_TxnRef": "MC1234567ABC-1",
}


def gateway(answer: Callable[[httpx2.Request], httpx2.Response] | None = None) -> VNPayGateway:
    transport = httpx2.MockTransport(answer or (lambda _: httpx2.Response(500)))
    client = create_client(transport=transport)
    http = Caller(client, rail=Rail.VNPAY, merchant_code=CONFIG.tmn_code, clock=lambda: NOW)
    return VNPayGateway(CONFIG, http)


def event(query: str) -> RawEvent:
    return RawEvent(Rail.VNPAY, "GET", query, {}, b"", NOW)


def ipn(secret: str = SECRET, **changed: str) -> RawEvent:
    return event(signing.signed_query({**PAID, **changed}, secret))


# ---------------------------------------------------------------- pay address


def test_the_pay_address_carries_every_mandatory_field_signed_and_last() -> None:
    url = str(gateway().start(REQUEST).redirect_url)
    query = urlsplit(url).query
    fields = {name: values[0] for name, values in parse_qs(query).items()}

    assert url.startswith(CONFIG.pay_url + "?")
    assert query.rpartition("&")[2].startswith("vnp_SecureHash=")
    assert fields.pop("vnp_SecureHash") == signing.hmac_sha512(
        query.partition("&vnp_SecureHash")[0], SECRET
    )
    assert fields == {
        "vnp_Version": "2.1.0",
        "vnp_Command": "pay",
        "vnp_TmnCode": "DOISOAT1",
        "vnp_Amount": "1000000",
        "vnp_CreateDate": "20260302090000",
        "vnp_ExpireDate": "20260302091500",
        "vnp_CurrCode": "VND",
        "vnp_IpAddr": "203.0.113.9",
        "vnp_Locale": "vn",
        "vnp_OrderInfo": "Le phi ho tich",
        "vnp_OrderType": "other",
        "vnp_ReturnUrl": "https://city.example/return?lang=vi",
        "vnp_TxnRef": "MC1234567ABC-1",
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": Money(0)},
        {"amount": Money(-1)},
        {"amount": Money(10**10)},
        {"amount": Money(100, Currency.USD)},
        {"description": "Lệ phí"},
        {"description": ""},
        {"description": "x" * 256},
        {"merchant_reference": "MC~1"},
        {"return_url": "https://x/" + "y" * 250},
    ],
)
def test_what_vnpay_cannot_take_is_refused_before_the_payer_goes_there(
    changed: dict[str, object],
) -> None:
    with pytest.raises(GatewayRefusedError):
        gateway().start(replace(REQUEST, **changed))  # type: ignore[arg-type]


def test_times_are_vietnams() -> None:
    assert format_time(datetime(2026, 12, 31, 17, 0, 1, tzinfo=UTC)) == "20270101000001"
    assert parse_time("20270101000001") == datetime(2026, 12, 31, 17, 0, 1, tzinfo=UTC)
    for text in ("", "2027010100000", "20271301000000", "2027010100000x"):
        with pytest.raises(ValueError, match=r"."):
            parse_time(text)


# ---------------------------------------------------------------- notices


def test_a_paid_notice_says_what_was_collected_and_when() -> None:
    notice = gateway().verify_notice(ipn())

    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.amount == Money(10_000)
    assert notice.provider_txn_id == "14422574"
    assert notice.occurred_at == datetime(2026, 3, 2, 2, 5, tzinfo=UTC)


def test_both_keys_hold_while_a_rotation_lasts() -> None:
    assert gateway().verify_notice(ipn("old-secret")) == gateway().verify_notice(ipn())
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(ipn("stolen"))
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(ipn(""))


def test_pairs_are_hashed_as_they_came_whatever_the_encoder() -> None:
    for odd in ("a*b~c", "it's(x)!", "50%25"):
        raw = "&".join(
            f"{name}={value}"
            for name, value in sorted({**PAID, "vnp_OrderInfo": odd.replace("'", "%27")}.items())
        )
        signed = f"{raw}&vnp_SecureHash={signing.hmac_sha512(raw, SECRET).upper()}"
        assert gateway().verify_notice(event(signed)).outcome is Outcome.SUCCEEDED


def test_an_encoding_changed_on_the_way_is_still_recognised() -> None:
    query = signing.signed_query(PAID, SECRET)
    reordered = "&".join(reversed(query.replace("+", "%20").replace("%3A", ":").split("&")))

    assert gateway().verify_notice(event(reordered)).outcome is Outcome.SUCCEEDED


def test_empty_and_foreign_parameters_are_not_signed() -> None:
    query = signing.signed_query(PAID, SECRET)
    extra = f"utm_source=mail&{query}&vnp_BankTranNo=&vnp_SecureHashType=SHA512"

    assert gateway().verify_notice(event(extra)).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("name", sorted(PAID))
def test_changing_any_field_breaks_the_signature(name: str) -> None:
    query = signing.signed_query(PAID, SECRET)
    digest = query.rpartition("=")[2]
    changed = signing.encode_query({**PAID, name: PAID[name] + "1"})
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event(f"{changed}&vnp_SecureHash={digest}"))


def test_a_name_standing_twice_is_refused() -> None:
    query = signing.signed_query(PAID, SECRET)
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event(f"vnp_Amount=1&{query}"))


def test_a_notice_for_another_terminal_is_refused() -> None:
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(ipn(vnp_TmnCode="OTHER001"))


@pytest.mark.parametrize(
    "changed",
    [
        {"vnp_TxnRef": ""},
        {"vnp_Amount": ""},
        {"vnp_Amount": "1000050"},
        {"vnp_Amount": "-100"},
        {"vnp_Amount": "1e6"},
        {"vnp_Amount": "9" * 16},
        {"vnp_PayDate": "20261399000000"},
    ],
)
def test_a_signed_notice_without_what_it_must_have_is_malformed(changed: dict[str, str]) -> None:
    with pytest.raises(MalformedNoticeError):
        gateway().verify_notice(ipn(**changed))


def test_a_cancelled_order_has_no_number_and_no_time() -> None:
    notice = gateway().verify_notice(
        ipn(
            vnp_ResponseCode="24",
            vnp_TransactionStatus="02",
            vnp_TransactionNo="0",
            vnp_PayDate="",
        )
    )

    assert notice.outcome is Outcome.CANCELLED
    assert notice.provider_txn_id is None
    assert notice.amount is None
    assert notice.occurred_at == NOW


def test_a_suspect_payment_released_later_is_a_second_message() -> None:
    suspect = gateway().verify_notice(ipn(vnp_ResponseCode="07", vnp_TransactionStatus="07"))
    released = gateway().verify_notice(ipn())

    assert suspect.outcome is Outcome.PENDING
    assert suspect.provider_txn_id == released.provider_txn_id
    assert suspect.event_key != released.event_key


CODES = ["00", "07", "09", "10", "11", "12", "13", "24", "51", "65", "75", "79", "99", "", "42"]
STATUSES = ["00", "01", "02", "04", "05", "06", "07", "09", "", "42"]


def test_only_two_zeros_are_paid_and_only_a_named_error_is_final() -> None:
    for code, status in product(CODES, STATUSES):
        outcome = notice_outcome(code, status)
        assert (outcome is Outcome.SUCCEEDED) == (code == status == "00")
        if outcome.is_final and outcome is not Outcome.SUCCEEDED:
            assert status == "02"
            assert code not in {"00", "07", "", "42"}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("00", Outcome.SUCCEEDED),
        ("01", Outcome.PENDING),
        ("02", Outcome.FAILED),
        ("04", Outcome.PENDING),
        ("05", Outcome.SUCCEEDED),
        ("06", Outcome.SUCCEEDED),
        ("07", Outcome.PENDING),
        ("09", Outcome.SUCCEEDED),
        ("", Outcome.PENDING),
    ],
)
def test_statuses_of_a_queried_payment(status: str, outcome: Outcome) -> None:
    assert queried_payment_outcome(status) is outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("00", Outcome.SUCCEEDED),
        ("02", Outcome.FAILED),
        ("05", Outcome.PENDING),
        ("06", Outcome.PENDING),
        ("09", Outcome.FAILED),
        ("", Outcome.PENDING),
    ],
)
def test_statuses_of_a_refund(status: str, outcome: Outcome) -> None:
    assert refund_outcome(status) is outcome


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (NoticeResult.APPLIED, "00"),
        (NoticeResult.ALREADY_APPLIED, "02"),
        (NoticeResult.UNKNOWN_REFERENCE, "01"),
        (NoticeResult.AMOUNT_DIFFERS, "04"),
        (NoticeResult.INVALID_SIGNATURE, "97"),
        (NoticeResult.MALFORMED, "99"),
        (NoticeResult.FAILED, "99"),
    ],
)
def test_each_result_has_its_exact_answer(result: NoticeResult, code: str) -> None:
    answer = gateway().answer(ipn(), result)

    assert answer.status == 200
    assert answer.media_type == "application/json"
    assert json.loads(answer.body)["RspCode"] == code
    assert set(json.loads(answer.body)) == {"RspCode", "Message"}


# ---------------------------------------------------------------- API


def answering(
    fields: Mapping[str, object], *, secret: str = SECRET, order: tuple[str, ...] | None = None
) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(_: httpx2.Request) -> httpx2.Response:
        text = signing.pipe_string(
            order or signing.QUERY_RESPONSE, {name: str(value) for name, value in fields.items()}
        )
        signed = {**fields, "vnp_SecureHash": signing.hmac_sha512(text, secret)}
        return httpx2.Response(200, json=signed)

    return answer


QUERY = PaymentQuery(
    merchant_reference="MC1234567ABC-1",
    provider_reference=None,
    provider_txn_id=None,
    created_at=NOW,
    asked_at=NOW + timedelta(minutes=20),
    request_id="q1",
    amount=Money(10_000),
    expires_at=NOW + timedelta(minutes=15),
)
FOUND = {
    "vnp_ResponseId": "r1",
    "vnp_Command": "querydr",
    "vnp_ResponseCode": "00",
    "vnp_TmnCode": "DOISOAT1",
    "vnp_TxnRef": "MC1234567ABC-1",
    "vnp_Amount": "1000000",
    "vnp_PayDate": "20260302090500",
    "vnp_TransactionNo": "14422574",
    "vnp_TransactionType": "01",
    "vnp_TransactionStatus": "00",
}


def test_an_answer_with_numbers_for_texts_is_understood() -> None:
    fields = {**FOUND, "vnp_Amount": 1000000, "vnp_TransactionNo": 14422574}

    notice = gateway(answering(fields)).query(QUERY)

    assert notice.amount == Money(10_000)
    assert notice.provider_txn_id == "14422574"


NOT_UNDERSTOOD = {
    "html": lambda _: httpx2.Response(200, text="<html>"),
    "list": lambda _: httpx2.Response(200, text="[]"),
    "unsigned": lambda _: httpx2.Response(200, json=FOUND),
    "unavailable": lambda _: httpx2.Response(503),
    "other key": answering(FOUND, secret="stolen"),
    "other error": answering({**FOUND, "vnp_ResponseCode": "99"}),
    "duplicate": answering({**FOUND, "vnp_ResponseCode": "94"}),
    "bad terminal": answering({**FOUND, "vnp_ResponseCode": "02"}),
    "other order": answering({**FOUND, "vnp_TxnRef": "MC7654321ABC-1"}),
    "other terminal": answering({**FOUND, "vnp_TmnCode": "OTHER001"}),
    "odd amount": answering({**FOUND, "vnp_Amount": "10.5"}),
}


@pytest.mark.parametrize("answer", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_an_answer_that_is_not_understood_leaves_the_outcome_unknown(
    answer: Callable[[httpx2.Request], httpx2.Response],
) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(answer).query(QUERY)


def test_an_unknown_order_expires_only_after_the_last_call_could_have_come() -> None:
    unknown = gateway(answering({"vnp_ResponseCode": "91", "vnp_TmnCode": "DOISOAT1"}))
    early = replace(QUERY, asked_at=NOW + timedelta(minutes=70))
    late = replace(QUERY, asked_at=NOW + timedelta(minutes=76))
    no_expiry = replace(late, expires_at=None)

    assert unknown.query(early).outcome is Outcome.PENDING
    assert unknown.query(late).outcome is Outcome.EXPIRED
    assert unknown.query(no_expiry).outcome is Outcome.PENDING


REFUND = RefundOrder(
    refund_reference="RF-2026-0001",
    merchant_reference="MC1234567ABC-1",
    provider_reference=None,
    provider_txn_id="14422574",
    amount=Money(4_000),
    paid_amount=Money(10_000),
    paid_created_at=NOW,
    asked_at=NOW + timedelta(days=1),
    operator="nguyễn văn a",
    description="Hoan le phi",
)


def test_the_refund_request_is_signed_over_every_slot() -> None:
    seen: list[dict[str, str]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(json.loads(request.content))
        return httpx2.Response(500)

    with pytest.raises(GatewayUnavailableError):
        gateway(answer).refund(replace(REFUND, provider_txn_id=None))

    sent = seen[0]
    assert len(seen) == 1
    assert sent["vnp_TransactionType"] == "03"
    assert sent["vnp_Amount"] == "400000"
    assert sent["vnp_TransactionNo"] == ""
    assert len(sent["vnp_RequestId"]) == 32
    assert sent["vnp_CreateBy"].isascii()
    assert sent["vnp_TransactionDate"] == "20260302090000"
    text = (
        f"{sent['vnp_RequestId']}|2.1.0|refund|DOISOAT1|03|MC1234567ABC-1|400000||20260302090000"
        f"|{sent['vnp_CreateBy']}|20260303090000|127.0.0.1|Hoan le phi"
    )
    assert sent["vnp_SecureHash"] == signing.hmac_sha512(text, SECRET)


@pytest.mark.parametrize("code", ["02", "03", "91", "95", "97"])
def test_a_refund_that_vnpay_refuses_did_not_happen(code: str) -> None:
    fields = {"vnp_ResponseCode": code, "vnp_TmnCode": "DOISOAT1"}
    with pytest.raises(GatewayRefusedError):
        gateway(answering(fields, order=signing.REFUND_RESPONSE)).refund(REFUND)


@pytest.mark.parametrize("code", ["94", "99", ""])
def test_a_refund_in_doubt_stays_in_doubt(code: str) -> None:
    fields = {"vnp_ResponseCode": code, "vnp_TmnCode": "DOISOAT1"}
    with pytest.raises(GatewayUnavailableError):
        gateway(answering(fields, order=signing.REFUND_RESPONSE)).refund(REFUND)


def test_secrets_are_not_in_the_printed_form() -> None:
    assert SECRET not in repr(CONFIG)
    assert "old-secret" not in repr(CONFIG)
