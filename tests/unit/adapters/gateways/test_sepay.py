"""SePay: proof by signature or shown key, both body forms, what is a credit, what is answered."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from adapters.gateways import sepay
from adapters.gateways.sepay import SePayConfig, SePayGateway
from adapters.http import Caller
from core.crypto import sha256_hex
from core.errors import SettingsError
from core.money import Money
from payments.channels import Channel, Rail
from payments.errors import GatewayRefusedError, InvalidSignatureError, MalformedNoticeError
from payments.ports import (
    MAX_NOTICE_BYTES,
    Capabilities,
    GatewayNotice,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
)

PLACES = [one / "shared" / "rails" / "vectors.json" for one in Path(__file__).parents[4:]]
VECTORS = next((one for one in PLACES if one.exists()), PLACES[0])
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
BOTH = SePayConfig(
    api_key="key-now",
    previous_api_key="key-then",
    hmac_secret="secret-now",
    previous_hmac_secret="secret-then",
)
SIGNED = SePayConfig(hmac_secret="secret-now", previous_hmac_secret="secret-then")
SHOWN = SePayConfig(api_key="key-now", previous_api_key="key-then")
CREDIT: dict[str, Any] = {
    "id": 92704,
    "gateway": "Vietcombank",
    "transactionDate": "2026-03-02 09:00:00",
    "accountNumber": "0071000123456",
    "code": None,
    "content": "MC1234567ABC LE PHI",
    "transferType": "in",
    "transferAmount": 150_000,
    "accumulated": 19_077_000,
    "subAccount": None,
    "referenceCode": "MBVCB.3278907687",
    "description": "BankAPINotify MC1234567ABC LE PHI",
}


def gateway(config: SePayConfig = BOTH) -> SePayGateway:
    http = Caller(
        httpx2.Client(transport=httpx2.MockTransport(_no_call)),
        rail=Rail.SEPAY,
        merchant_code="main",
        clock=lambda: NOW,
    )
    return SePayGateway(config, http)


def _no_call(request: httpx2.Request) -> httpx2.Response:
    raise AssertionError(f"SePay is never called: {request.url}")


def event(body: bytes, headers: Mapping[str, str], *, at: datetime = NOW) -> RawEvent:
    return RawEvent(Rail.SEPAY, "POST", "", headers, body, at)


def signed(
    body: bytes, secret: str = "secret-now", *, at: datetime = NOW, **headers: str
) -> RawEvent:
    timestamp = str(int(at.timestamp()))
    proof = {
        "x-sepay-timestamp": timestamp,
        "x-sepay-signature": sepay.sign(timestamp, body, secret),
    }
    return event(body, {"content-type": "application/json", **proof, **headers})


def shown(body: bytes, key: str = "key-now") -> RawEvent:
    digest = sha256_hex(f"Apikey {key}".encode())  # as the application stores it
    return event(body, {"content-type": "application/json", "authorization": digest})


def body(**changed: Any) -> bytes:
    return json.dumps({**CREDIT, **changed}, ensure_ascii=False).encode()


def read(**changed: Any) -> GatewayNotice:
    return gateway().verify_notice(signed(body(**changed)))


def form(**changed: Any) -> bytes:
    fields = {name: "" if v is None else v for name, v in {**CREDIT, **changed}.items()}
    return urlencode(fields).encode()


# ---------------------------------------------------------------- what it is


def test_it_tells_of_credits_and_does_nothing_else() -> None:
    own = gateway()
    assert own.capabilities == Capabilities(starts=False, notices=True, credits=True)
    assert (own.rail, own.rail.channel) == (Rail.SEPAY, Channel.BANK_TRANSFER)
    assert own.check(at=NOW).works is None
    question = PaymentQuery("MC1-1", None, None, NOW, NOW, "q", Money(1))
    with pytest.raises(GatewayRefusedError):
        own.query(question)


def test_without_any_key_there_is_no_gateway() -> None:
    for keys in ({}, {"previous_api_key": "x"}, {"previous_hmac_secret": "x"}):
        with pytest.raises(SettingsError):
            SePayConfig(**keys)


def test_keys_are_not_shown() -> None:
    for key in ("key-now", "key-then", "secret-now", "secret-then"):
        assert key not in repr(BOTH)


# ---------------------------------------------------------------- signatures


def test_the_signature_is_the_one_of_the_vectors() -> None:
    if not VECTORS.exists():
        pytest.skip("no published vectors beside the checkout")
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    vector = next(one for one in found if one["name"] == "sepay_hmac")
    timestamp = vector["inputs"]["X-SePay-Timestamp"]
    content = vector["inputs"]["body"].encode()
    assert sepay.sign(timestamp, content, vector["secret"]) == vector["expected"]

    headers = {"X-SePay-Timestamp": timestamp, "X-SePay-Signature": vector["expected"]}
    at = datetime.fromtimestamp(int(timestamp), UTC)
    own = gateway(SePayConfig(hmac_secret=vector["secret"]))
    (credit,) = own.verify_notice(event(content, headers, at=at)).credits
    assert (credit.credit_key, credit.amount) == ("92704", Money(2_277_000))
    assert credit.booked_at == datetime(2023, 3, 25, 7, 2, 37, tzinfo=UTC)


@pytest.mark.parametrize("secret", ["secret-now", "secret-then"])
def test_both_secrets_hold_while_a_rotation_lasts(secret: str) -> None:
    assert gateway(SIGNED).verify_notice(signed(body(), secret)).credits


@pytest.mark.parametrize("secret", ["stolen", ""])
def test_another_secret_is_refused(secret: str) -> None:
    with pytest.raises(InvalidSignatureError):
        gateway(SIGNED).verify_notice(signed(body(), secret))


def test_upper_case_hex_is_the_same_signature() -> None:
    one = signed(body())
    headers = {**one.headers, "x-sepay-signature": one.headers["x-sepay-signature"].upper()}
    assert gateway(SIGNED).verify_notice(replace(one, headers=headers)).credits


@pytest.mark.parametrize(
    "changed",
    [
        {"x-sepay-signature": ""},
        {"x-sepay-signature": "sha256="},
        {"x-sepay-signature": "\udc80"},
        {"x-sepay-timestamp": ""},
        {"x-sepay-timestamp": "1772416801"},  # signed for one second earlier
        {"x-sepay-timestamp": "-1"},
        {"x-sepay-timestamp": "1" * 30},
    ],
)
def test_another_signature_or_time_is_refused(changed: dict[str, str]) -> None:
    one = signed(body())
    assert one.headers["x-sepay-timestamp"] == "1772416800"
    with pytest.raises(InvalidSignatureError):
        gateway(SIGNED).verify_notice(replace(one, headers={**one.headers, **changed}))


def test_one_changed_byte_of_the_body_is_refused() -> None:
    one = signed(body())
    with pytest.raises(InvalidSignatureError):
        gateway(SIGNED).verify_notice(replace(one, body=one.body + b" "))


@pytest.mark.parametrize("minutes", [-5, 5])
def test_five_minutes_are_borne_and_no_second_more(minutes: int) -> None:
    step = timedelta(minutes=minutes)
    assert gateway(SIGNED).verify_notice(signed(body(), at=NOW + step)).credits
    further = step + timedelta(seconds=1 if minutes > 0 else -1)
    with pytest.raises(InvalidSignatureError):
        gateway(SIGNED).verify_notice(signed(body(), at=NOW + further))


# ---------------------------------------------------------------- keys that are shown


@pytest.mark.parametrize("key", ["key-now", "key-then"])
def test_both_keys_hold_while_a_rotation_lasts(key: str) -> None:
    assert gateway(SHOWN).verify_notice(shown(body(), key)).credits


@pytest.mark.parametrize("value", ["", "Apikey key-now", sha256_hex(b"key-now"), "\udc80"])
def test_only_the_digest_of_the_whole_header_is_believed(value: str) -> None:
    with pytest.raises(InvalidSignatureError):
        gateway(SHOWN).verify_notice(event(body(), {"authorization": value}))


def test_the_keys_that_are_set_decide_what_is_believed() -> None:
    with pytest.raises(InvalidSignatureError):
        gateway(SHOWN).verify_notice(signed(body()))
    with pytest.raises(InvalidSignatureError):
        gateway(SIGNED).verify_notice(shown(body()))
    assert gateway(BOTH).verify_notice(signed(body())) == gateway(BOTH).verify_notice(shown(body()))
    with pytest.raises(InvalidSignatureError):
        gateway(BOTH).verify_notice(event(body(), {}))


def test_a_wrong_proof_is_not_mended_by_a_right_one() -> None:
    right = shown(body()).headers["authorization"]
    assert gateway(BOTH).verify_notice(signed(body(), authorization=right)).credits
    with pytest.raises(InvalidSignatureError):
        gateway(BOTH).verify_notice(signed(body(), "stolen", authorization=right))
    with pytest.raises(InvalidSignatureError):
        gateway(BOTH).verify_notice(signed(body(), authorization=sha256_hex(b"Apikey stolen")))


# ---------------------------------------------------------------- credits


def test_a_transfer_in_is_a_credit_in_vietnam_time() -> None:
    notice = read(subAccount="VQR0001")

    assert (notice.kind, notice.outcome) == (NoticeKind.CREDIT, Outcome.SUCCEEDED)
    assert (notice.merchant_reference, notice.amount) == ("", None)
    assert notice.event_key == "sepay:92704"
    (credit,) = notice.credits
    assert credit.credit_key == "92704"
    assert credit.account_number == "0071000123456"
    assert credit.virtual_account == "VQR0001"
    assert credit.amount == Money(150_000)
    assert credit.narrative == "MC1234567ABC LE PHI"
    assert credit.bank_ref == "MBVCB.3278907687"
    assert credit.booked_at == NOW == notice.occurred_at


def test_without_content_the_description_is_the_narrative() -> None:
    for empty in ("", None, "  "):
        (credit,) = read(content=empty).credits
        assert credit.narrative == "BankAPINotify MC1234567ABC LE PHI"


def test_what_the_bank_has_not_told_is_empty() -> None:
    (credit,) = read(referenceCode=None, subAccount="", description=None).credits
    assert (credit.bank_ref, credit.virtual_account) == ("", "")


def test_form_fields_are_read_as_json_is() -> None:
    content = form(content="Lệ phí MC1234567ABC & khác", subAccount="VQR1")
    form_type = "application/x-www-form-urlencoded; charset=utf-8"
    headers = {**signed(content).headers, "content-type": form_type}
    notice = gateway(SIGNED).verify_notice(event(content, headers))
    assert notice == read(content="Lệ phí MC1234567ABC & khác", subAccount="VQR1")


@pytest.mark.parametrize("amount", [0, "x", 1_000_000_000_000_000_000])
def test_money_out_is_no_credit_whatever_else_it_says(amount: object) -> None:
    notice = read(transferType="out", transferAmount=amount, transactionDate="?")
    assert (notice.kind, notice.credits) == (NoticeKind.OTHER, ())
    assert (notice.outcome, notice.reason_code) == (Outcome.PENDING, "money_out")


def test_amounts_are_read_from_their_digits() -> None:
    for text, expected in (
        ("50000.0", 50_000),
        ("50000.00", 50_000),
        ("900000000000001", 9 * 10**14 + 1),
    ):
        content = body().replace(b"150000", text.encode())
        (credit,) = gateway().verify_notice(signed(content)).credits
        assert credit.amount == Money(expected)
    (credit,) = read(transferAmount="150000").credits
    assert credit.amount == Money(150_000)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": None},
        {"id": 0},
        {"id": "x"},
        {"id": 1.5},
        {"id": True},
        {"id": {}},
        {"transferType": None},
        {"transferType": "credit"},
        {"transferAmount": 0},
        {"transferAmount": -150_000},
        {"transferAmount": 150_000.5},
        {"transferAmount": "150,000"},
        {"transferAmount": "1.5e5"},
        {"transferAmount": 10**16},
        {"transferAmount": None},
        {"transferAmount": True},
        {"transactionDate": None},
        {"transactionDate": "02/03/2026 09:00"},
        {"transactionDate": "2026-02-30 09:00:00"},
        {"transactionDate": "0001-01-01 00:00:00"},
        {"accountNumber": ""},
        {"accountNumber": []},
        {"content": {"a": 1}},
    ],
)
def test_a_transfer_without_what_it_must_have_is_malformed(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedNoticeError):
        read(**changed)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"[]",
        b"\xff{}",
        b"[" * 100_000,
        body().replace(b"150000", b"NaN"),
        body().replace(b'{"id"', b'{"transferAmount": 1, "id"'),
    ],
)
def test_an_authentic_message_that_is_no_object_is_malformed(content: bytes) -> None:
    for one in (signed(content), shown(content)):
        with pytest.raises(MalformedNoticeError):
            gateway().verify_notice(one)


@pytest.mark.parametrize(
    "content", [form() + b"&transferAmount=1", b"&".join([b"a=1"] * 200), b"content=%ff", b"\xff"]
)
def test_a_form_is_read_strictly(content: bytes) -> None:
    headers = {**signed(content).headers, "content-type": "application/x-www-form-urlencoded"}
    with pytest.raises(MalformedNoticeError):
        gateway(SIGNED).verify_notice(event(content, headers))


def test_a_message_that_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(signed(body() + b" " * MAX_NOTICE_BYTES))


def test_text_that_a_database_does_not_take_is_replaced() -> None:
    content = body(content="MC1234567ABC \x00 LE").replace(b"LE PHI", b"\\ud800")
    (credit,) = gateway().verify_notice(signed(content)).credits
    assert credit.narrative == "MC1234567ABC \ufffd LE"
    (spoiled,) = gateway().verify_notice(signed(body().replace(b"LE PHI", b"\\ud800"))).credits
    assert spoiled.narrative == "MC1234567ABC ?"


def test_a_message_sent_again_is_the_same_message() -> None:
    later = NOW + timedelta(minutes=30)
    again = replace(signed(body(), at=later), received_at=later)
    assert gateway().verify_notice(again) == read()


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("result", list(NoticeResult))
def test_what_is_decided_is_taken_and_the_rest_is_told_again(result: NoticeResult) -> None:
    answer = gateway().answer(signed(body()), result)
    expected = {
        NoticeResult.INVALID_SIGNATURE: 401,
        NoticeResult.MALFORMED: 400,
        NoticeResult.FAILED: 500,
    }.get(result, 200)
    assert answer.status == expected
    assert json.loads(answer.body) == {"success": expected == 200}
    assert answer.media_type == "application/json"
