"""Casso: proofs of both versions, the published signature, several credits at once, answers."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adapters.gateways import casso_signing as signing
from adapters.gateways.casso import CassoConfig, CassoGateway
from adapters.gateways.casso_signing import Spelling
from adapters.gateways.credit_fields import json_object
from adapters.http import Caller
from core.crypto import sha256_hex
from core.errors import SettingsError
from core.money import Money
from payments.channels import Channel, Rail
from payments.errors import InvalidSignatureError, MalformedNoticeError
from payments.ports import (
    MAX_NOTICE_BYTES,
    Capabilities,
    GatewayNotice,
    NoticeKind,
    NoticeResult,
    Outcome,
    RawEvent,
)

PLACES = [one / "shared" / "rails" / "vectors.json" for one in Path(__file__).parents[4:]]
VECTORS = next((one for one in PLACES if one.exists()), PLACES[0])
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
V1 = CassoConfig(secure_token="token-now", previous_secure_token="token-then")
V2 = CassoConfig(security_key="key-now", previous_security_key="key-then")
BOTH = CassoConfig(secure_token="token-now", security_key="key-now")
TRANSFER: dict[str, Any] = {
    "id": 218897,
    "reference": "FT26061000123456",
    "description": "MC1234567ABC LE PHI",
    "amount": 150_000,
    "runningBalance": 16_775_000,
    "transactionDateTime": "2026-03-02 09:00:00",
    "accountNumber": "0071000123456",
    "bankName": "Vietcombank",
    "bankAbbreviation": "VCB",
    "virtualAccountNumber": "CAS0001",
    "virtualAccountName": "",
    "counterAccountName": "NGUYEN VAN A",
    "counterAccountNumber": "8888888888",
    "counterAccountBankId": "970415",
    "counterAccountBankName": "VietinBank",
}
LISTED: dict[str, Any] = {
    "id": 6789,
    "tid": "FT26061000123456",
    "description": "MC1234567ABC LE PHI",
    "amount": 150_000,
    "cusum_balance": 20_000_000,
    "when": "2026-03-02 09:00:00",
    "bank_sub_acc_id": "0071000123456",
}


def gateway(config: CassoConfig = BOTH) -> CassoGateway:
    http = Caller(
        httpx2.Client(transport=httpx2.MockTransport(_no_call)),
        rail=Rail.CASSO,
        merchant_code="main",
        clock=lambda: NOW,
    )
    return CassoGateway(config, http)


def _no_call(request: httpx2.Request) -> httpx2.Response:
    raise AssertionError(f"Casso is never called: {request.url}")


def event(body: bytes, headers: Mapping[str, str], *, at: datetime = NOW) -> RawEvent:
    return RawEvent(Rail.CASSO, "POST", "", headers, body, at)


def v2(
    body: Any, key: str = "key-now", *, at: datetime = NOW, spelling: Spelling = Spelling.RAW
) -> RawEvent:
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    time = str(int(at.timestamp() * 1000))
    signature = signing.sign(time, json_object(content), key, spelling)
    return event(content, {"x-casso-signature": f"t={time},v1={signature}"})


def v1(body: Any, token: str = "token-now") -> RawEvent:
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return event(content, {"secure-token": sha256_hex(token.encode())})  # as it is stored


def one(**changed: Any) -> dict[str, Any]:
    return {"error": 0, "data": {**TRANSFER, **changed}}


def some(*transfers: dict[str, Any]) -> dict[str, Any]:
    return {"error": 0, "data": [{**LISTED, **changed} for changed in transfers]}


def read(**changed: Any) -> GatewayNotice:
    return gateway().verify_notice(v2(one(**changed)))


def read_list(*transfers: dict[str, Any]) -> GatewayNotice:
    return gateway().verify_notice(v1(some(*transfers)))


def vector(name: str) -> dict[str, Any]:
    if not VECTORS.exists():
        pytest.skip("no published vectors beside the checkout")
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return next(dict(known) for known in found if known["name"] == name)


# ---------------------------------------------------------------- what it is


def test_it_tells_of_credits_and_does_nothing_else() -> None:
    own = gateway()
    assert own.capabilities == Capabilities(starts=False, notices=True, credits=True)
    assert (own.rail, own.rail.channel) == (Rail.CASSO, Channel.BANK_TRANSFER)
    assert own.check(at=NOW).works is None


def test_without_any_key_there_is_no_gateway() -> None:
    for keys in ({}, {"previous_secure_token": "x"}, {"previous_security_key": "x"}):
        with pytest.raises(SettingsError):
            CassoConfig(**keys)


def test_keys_are_not_shown() -> None:
    shown = repr(V1) + repr(V2)
    for key in ("token-now", "token-then", "key-now", "key-then"):
        assert key not in shown


# ---------------------------------------------------------------- v2: signatures


def test_the_signature_that_casso_published_fits() -> None:
    known = vector("casso_v2_python_sample")
    time, signature = signing.read_header(known["inputs"]["header"])
    body = known["inputs"]["body"]
    assert signing.signed_text(time, body) == known["string_to_sign"]
    assert signing.sign(time, body, known["secret"]) == known["expected"] == signature
    assert signing.is_signed(signature, time, body, [known["secret"]])
    assert not signing.is_signed(signature, time, body, [known["secret"] + "x"])
    assert not signing.is_signed(signature, time + "0", body, [known["secret"]])


def test_the_published_message_passes_whole_and_is_a_trial() -> None:
    known = vector("casso_v2_python_sample")
    time, _ = signing.read_header(known["inputs"]["header"])
    at = datetime.fromtimestamp(int(time) // 1000, UTC)
    content = json.dumps(known["inputs"]["body"], indent=2).encode()  # not as it was signed
    headers = {"X-Casso-Signature": known["inputs"]["header"]}
    own = gateway(CassoConfig(security_key=known["secret"]))

    notice = own.verify_notice(event(content, headers, at=at))
    assert (notice.kind, notice.credits) == (NoticeKind.OTHER, ())


def test_the_sample_that_was_changed_after_signing_does_not_fit() -> None:
    known = vector("casso_v2_javascript_sample")
    time, signature = signing.read_header(known["inputs"]["header"])
    body = known["inputs"]["body"]
    assert signing.signed_text(time, body) == known["string_to_sign"]
    assert not signing.is_signed(signature, time, body, [known["secret"]])


def test_names_are_sorted_at_every_level_and_nothing_is_spaced() -> None:
    body = {"b": [{"z": 1, "a": None}, True, "x y"], "a": {"d": 'é/"', "c": -5}}
    assert signing.signed_text("7", body) == (
        '7.{"a":{"c":-5,"d":"é/\\""},"b":[{"a":null,"z":1},true,"x y"]}'
    )
    assert signing.signed_text("7", {"a": "é/"}, Spelling.ESCAPED) == '7.{"a":"\\u00e9/"}'
    slashes = signing.signed_text("7", {"a": "é/"}, Spelling.ESCAPED_WITH_SLASHES)
    assert slashes == '7.{"a":"\\u00e9\\/"}'
    with pytest.raises(TypeError):
        signing.signed_text("7", {"a": 1.5})


def test_numbers_are_signed_digit_for_digit_as_they_were_written() -> None:
    body = json_object(b'{"a": 50000.0, "b": 1e3, "c": 9007199254740993, "d": -0}')
    assert signing.signed_text("7", body) == '7.{"a":50000.0,"b":1e3,"c":9007199254740993,"d":-0}'


@pytest.mark.parametrize("spelling", list(Spelling))
def test_vietnamese_text_is_believed_however_it_was_escaped(spelling: Spelling) -> None:
    text = 'MC1234567ABC Lệ phí / "hộ tịch" \U0001f600'
    (credit,) = gateway(V2).verify_notice(v2(one(description=text), spelling=spelling)).credits
    assert credit.narrative == text


@pytest.mark.parametrize("key", ["key-now", "key-then"])
def test_both_keys_hold_while_a_rotation_lasts(key: str) -> None:
    assert gateway(V2).verify_notice(v2(one(), key)).credits


@pytest.mark.parametrize("key", ["stolen", ""])
def test_another_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidSignatureError):
        gateway(V2).verify_notice(v2(one(), key))


@pytest.mark.parametrize("name", sorted(TRANSFER))
def test_changing_any_field_breaks_the_signature(name: str) -> None:
    value = TRANSFER[name]
    changed = one(**{name: value + 1 if isinstance(value, int) else f"{value}1"})
    with pytest.raises(InvalidSignatureError):
        gateway(V2).verify_notice(replace(v2(one()), body=json.dumps(changed).encode()))


def test_order_and_spaces_of_the_body_do_not_matter() -> None:
    other = {"data": dict(sorted(TRANSFER.items())), "error": 0}
    moved = replace(v2(one()), body=json.dumps(other, indent=3).encode())
    assert gateway(V2).verify_notice(moved) == gateway(V2).verify_notice(v2(one()))


@pytest.mark.parametrize(
    "header", ["", "v1=00", "t=1,v1=zz", "t=x,v1=" + "0" * 128, "t=1772416800000,v1=" + "0" * 128]
)
def test_another_signature_header_is_refused(header: str) -> None:
    with pytest.raises(InvalidSignatureError):
        gateway(V2).verify_notice(event(v2(one()).body, {"x-casso-signature": header}))


def test_upper_case_hex_is_the_same_signature() -> None:
    message = v2(one())
    time, signature = signing.read_header(message.headers["x-casso-signature"])
    headers = {"X-Casso-Signature": f"t={time}, v1={signature.upper()}"}
    assert gateway(V2).verify_notice(replace(message, headers=headers)).credits


@pytest.mark.parametrize("minutes", [-5, 5])
def test_five_minutes_are_borne_and_no_millisecond_more(minutes: int) -> None:
    step = timedelta(minutes=minutes)
    assert gateway(V2).verify_notice(v2(one(), at=NOW + step)).credits
    further = step + timedelta(milliseconds=1 if minutes > 0 else -1)
    with pytest.raises(InvalidSignatureError):
        gateway(V2).verify_notice(v2(one(), at=NOW + further))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"error": NaN}',
        b'{"error": 0, "error": 0}',
        b" " * (MAX_NOTICE_BYTES + 1),
        b'{"data": "\\ud800"}',
    ],
)
def test_what_casso_cannot_have_signed_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        gateway(V2).verify_notice(replace(v2(one()), body=content))


# ---------------------------------------------------------------- v1: the key that is shown


@pytest.mark.parametrize("token", ["token-now", "token-then"])
def test_both_tokens_hold_while_a_rotation_lasts(token: str) -> None:
    assert gateway(V1).verify_notice(v1(some({}), token)).credits


@pytest.mark.parametrize("value", ["", "token-now", sha256_hex(b"stolen"), sha256_hex(b"")])
def test_only_the_digest_of_the_token_is_believed(value: str) -> None:
    with pytest.raises(InvalidSignatureError):
        gateway(V1).verify_notice(event(v1(some({})).body, {"secure-token": value}))


def test_the_keys_that_are_set_decide_which_version_is_believed() -> None:
    with pytest.raises(InvalidSignatureError):
        gateway(V1).verify_notice(v2(one()))
    with pytest.raises(InvalidSignatureError):
        gateway(V2).verify_notice(v1(some({})))
    assert gateway(BOTH).verify_notice(v1(some({}))).credits
    assert gateway(BOTH).verify_notice(v2(one())).credits


def test_a_wrong_signature_is_not_mended_by_a_token() -> None:
    message = v2(one(), "stolen")
    headers = {**message.headers, "secure-token": sha256_hex(b"token-now")}
    with pytest.raises(InvalidSignatureError):
        gateway(BOTH).verify_notice(replace(message, headers=headers))


@pytest.mark.parametrize(
    "message",
    [v1(one()), v2(some({})), v1({"error": 0}), v2({"error": 0}), v1({"error": 0, "data": [1]})],
)
def test_a_body_of_the_other_version_is_malformed(message: RawEvent) -> None:
    with pytest.raises(MalformedNoticeError):
        gateway(BOTH).verify_notice(message)


@pytest.mark.parametrize("content", [b"", b"hello", b"[]", b"[" * 100_000, b'{"error": NaN}'])
def test_a_shown_token_with_no_object_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedNoticeError):
        gateway(V1).verify_notice(v1(content))


# ---------------------------------------------------------------- credits


def test_a_signed_transfer_is_a_credit_with_its_payer() -> None:
    notice = read()

    assert (notice.kind, notice.outcome) == (NoticeKind.CREDIT, Outcome.SUCCEEDED)
    assert (notice.merchant_reference, notice.amount) == ("", None)
    assert notice.event_key == "casso:218897"
    (credit,) = notice.credits
    assert credit.credit_key == "218897"
    assert credit.account_number == "0071000123456"
    assert credit.virtual_account == "CAS0001"
    assert credit.amount == Money(150_000)
    assert credit.narrative == "MC1234567ABC LE PHI"
    assert credit.bank_ref == "FT26061000123456"
    assert credit.booked_at == NOW == notice.occurred_at
    assert credit.counterparty_name == "NGUYEN VAN A"
    assert credit.counterparty_account == "8888888888"
    assert credit.counterparty_bank_bin == "970415"


def test_a_list_is_as_many_credits_as_came_in() -> None:
    notice = read_list(
        {},
        {"id": 6790, "amount": -11_000, "when": "?"},
        {"id": 6791, "amount": 20_000, "tid": "FT2", "when": "2026-03-02T09:10:00+07:00"},
        {"id": 6792, "amount": 0},
    )

    assert notice.event_key == "casso:6789+6791"
    assert notice.occurred_at == NOW + timedelta(minutes=10)
    first, second = notice.credits
    assert (first.credit_key, first.amount, first.bank_ref) == (
        "6789",
        Money(150_000),
        "FT26061000123456",
    )
    assert (first.account_number, first.narrative) == ("0071000123456", "MC1234567ABC LE PHI")
    assert first.booked_at == NOW
    assert (second.credit_key, second.amount) == ("6791", Money(20_000))


def test_the_key_of_a_long_list_is_short_and_its_own() -> None:
    keys = {read_list(*({"id": 10**9 + n} for n in range(size))).event_key for size in (60, 61)}
    assert len(keys) == 2
    assert all(len(key) < 100 for key in keys)


@pytest.mark.parametrize(
    "moment", ["2026-03-02T02:00:00Z", "2026-03-02T02:00:00.000Z", "2026-03-02 03:00:00+0100"]
)
def test_a_time_with_an_offset_is_that_instant(moment: str) -> None:
    assert read(transactionDateTime=moment).occurred_at == NOW


def test_money_out_and_an_error_and_nothing_are_no_credits() -> None:
    for notice, reason in (
        (read(amount=-150_000, transactionDateTime="?"), "money_out"),
        (read_list({"amount": -1}), "money_out"),
        (read_list(), "money_out"),
        (gateway().verify_notice(v1({"error": 401, "data": None})), "error:401"),
        (gateway().verify_notice(v2({"error": 1})), "error:1"),
        (gateway().verify_notice(v2({"data": TRANSFER})), "error:"),
    ):
        assert (notice.kind, notice.outcome) == (NoticeKind.OTHER, Outcome.PENDING)
        assert (notice.credits, notice.reason_code) == ((), reason)


def test_a_trial_is_no_credit() -> None:
    assert read(id=0).kind is NoticeKind.OTHER
    assert read_list({"id": 0}, {}).credits == read_list({}).credits


@pytest.mark.parametrize(("text", "expected"), [(b"50000.0", 50_000), (b'"50000"', 50_000)])
def test_a_plainly_whole_amount_is_read_from_its_digits(text: bytes, expected: int) -> None:
    content = json.dumps(one()).encode().replace(b"150000", text)
    (credit,) = gateway().verify_notice(v2(content)).credits
    assert credit.amount == Money(expected)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": None},
        {"id": "x"},
        {"id": -1},
        {"id": True},
        {"amount": None},
        {"amount": 150_000.5},
        {"amount": "150,000"},
        {"amount": 10**16},
        {"amount": True},
        {"amount": {}},
        {"transactionDateTime": "", "when": ""},
        {"transactionDateTime": "02/03/2026", "when": "2026-13-01 00:00:00"},
        {"accountNumber": "", "bank_sub_acc_id": None},
        {"description": []},
    ],
)
def test_a_transfer_without_what_it_must_have_spoils_the_whole_message(
    changed: dict[str, Any],
) -> None:
    with pytest.raises(MalformedNoticeError):
        read(**changed)
    with pytest.raises(MalformedNoticeError):
        read_list({"id": 1}, changed)


def test_a_number_with_an_exponent_is_not_plainly_whole() -> None:
    content = json.dumps(one()).encode().replace(b"150000", b"1.5e5")
    with pytest.raises(MalformedNoticeError):
        gateway().verify_notice(v2(content))


def test_a_message_sent_again_is_the_same_message() -> None:
    later = NOW + timedelta(hours=1)
    assert gateway().verify_notice(replace(v2(one(), at=later), received_at=later)) == read()


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("result", list(NoticeResult))
def test_what_is_decided_is_taken_and_the_rest_is_told_again(result: NoticeResult) -> None:
    answer = gateway().answer(v2(one()), result)
    expected = {
        NoticeResult.INVALID_SIGNATURE: 401,
        NoticeResult.MALFORMED: 400,
        NoticeResult.FAILED: 500,
    }.get(result, 200)
    assert answer.status == expected
    assert json.loads(answer.body) == {"success": expected == 200}
