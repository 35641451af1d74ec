"""payOS: order codes that give back our reference, two signed forms, credits, answers in doubt."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gateways import payos_signing as signing
from adapters.gateways.payos import PayOSConfig, PayOSGateway
from adapters.gateways.payos_notices import WEBHOOK
from adapters.gateways.payos_references import (
    LARGEST_CODE,
    MOST_ATTEMPTS,
    order_code,
    reference_of,
)
from adapters.http import Caller, create_client
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
    GatewayNotice,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    StartRequest,
)
from payments.references import encode, parse_cut

PLACES = [one / "shared" / "rails" / "vectors.json" for one in Path(__file__).parents[4:]]
VECTORS = next((one for one in PLACES if one.exists()), PLACES[0])
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
BILL = encode("MC", [1, 2, 3, 4, 5, 6, 7])
REFERENCE = f"{BILL}-1"
CODE = order_code(REFERENCE, "MC")
LINK = "124c33293c43417ab7879e14c8d9eb18"
CONFIG = PayOSConfig(
    client_id="client",
    api_key="api-secret",
    checksum_key="new-secret",
    previous_checksum_key="old-secret",
    reference_prefix="MC",
    api_url="https://payos.example/",
)
REQUEST = StartRequest(
    merchant_reference=REFERENCE,
    bill_reference=BILL,
    amount=Money(150_000),
    description="Le phi ho tich",
    return_url="https://city.example/return?a=1&lang=vi",
    payer_ip="203.0.113.9",
    locale="vi",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=15, milliseconds=900),
)
QUERY = PaymentQuery(
    merchant_reference=REFERENCE,
    provider_reference=LINK,
    provider_txn_id=None,
    created_at=NOW,
    asked_at=NOW + timedelta(minutes=20),
    request_id="q1",
    amount=Money(150_000),
    expires_at=NOW + timedelta(minutes=15),
)
TOLD: dict[str, Any] = {
    "orderCode": CODE,
    "amount": 150_000,
    "description": "MC1234567",
    "accountNumber": "0071000123456",
    "reference": "FT26061000001",
    "transactionDateTime": "2026-03-02 09:05:00",
    "currency": "VND",
    "paymentLinkId": LINK,
    "code": "00",
    "desc": "Thành công",
    "counterAccountBankId": "970422",
    "counterAccountBankName": None,
    "counterAccountName": "NGUYEN VAN AN",
    "counterAccountNumber": "9876543210",
    "virtualAccountName": "",
    "virtualAccountNumber": "",
}
TRANSFER: dict[str, Any] = {
    **{
        name: value
        for name, value in TOLD.items()
        if name not in {"orderCode", "currency", "paymentLinkId", "code", "desc"}
    },
    "transactionDateTime": "2026-03-02T09:05:00+07:00",
    "virtualAccountNumber": None,
}
STATE: dict[str, Any] = {
    "id": LINK,
    "orderCode": CODE,
    "amount": 150_000,
    "amountPaid": 0,
    "amountRemaining": 150_000,
    "status": "PENDING",
    "createdAt": "2026-03-02T09:00:00+07:00",
    "transactions": [],
    "canceledAt": None,
    "cancellationReason": None,
}
OPENED: dict[str, Any] = {
    "bin": "970436",
    "accountNumber": "V0071000123456",
    "amount": 150_000,
    "description": "MC1234567",
    "orderCode": CODE,
    "currency": "VND",
    "paymentLinkId": LINK,
    "status": "PENDING",
    "checkoutUrl": f"https://pay.payos.example/web/{LINK}",
    "qrCode": "000201...",
}


def body(data: Mapping[str, Any], key: str = "new-secret") -> dict[str, Any]:
    signature = signing.sign_data(data, key)
    return {"code": "00", "desc": "success", "data": data, "signature": signature}


class PayOS:
    """A payOS of scripted answers, which keeps what it was sent."""

    def __init__(self, *answers: Mapping[str, Any] | httpx2.Response) -> None:
        self.answers = list(answers)
        self.sent: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        answer = self.answers.pop(0)
        return answer if isinstance(answer, httpx2.Response) else httpx2.Response(200, json=answer)

    @property
    def asked(self) -> list[str]:
        return [f"{one.method} {one.url.path}" for one in self.sent]


def refusal(code: str, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json={"code": code, "desc": "no", "data": None})


Answer = Callable[[httpx2.Request], httpx2.Response]


def gateway(answer: Answer | None = None, config: PayOSConfig = CONFIG) -> PayOSGateway:
    transport = httpx2.MockTransport(answer or PayOS())
    client = create_client(transport=transport)
    caller = Caller(client, rail=Rail.PAYOS, merchant_code="m", clock=lambda: NOW)
    return PayOSGateway(config, caller)


def event(raw: bytes) -> RawEvent:
    return RawEvent(Rail.PAYOS, "POST", "", {}, raw, NOW)


def webhook(key: str = "new-secret", **changed: Any) -> RawEvent:
    return event(json.dumps({**body({**TOLD, **changed}, key), "success": True}).encode())


def told(**changed: Any) -> GatewayNotice:
    return gateway().verify_notice(webhook(**changed))


# ---------------------------------------------------------------- references


@given(
    data=st.lists(st.integers(0, 31), min_size=7, max_size=7),
    attempt=st.integers(1, MOST_ATTEMPTS),
    prefix=st.sampled_from(["MC", "HCMC", ""]),
)
def test_every_reference_comes_back_from_its_order_code(
    data: list[int], attempt: int, prefix: str
) -> None:
    reference = f"{encode(prefix, data)}-{attempt}"
    code = order_code(reference, prefix)
    assert 0 < code < 2**52 < LARGEST_CODE
    assert json.loads(json.dumps(code)) == int(float(code)) == code
    assert reference_of(code, prefix) == reference


@given(code=st.integers(-(2**60), 2**60))
def test_a_code_is_ours_or_gives_no_reference(code: int) -> None:
    reference = reference_of(code, "MC")
    assert (reference == "") == (not 0 < code < 2**52 or code % 2**17 == 0)
    if reference:
        assert order_code(reference, "MC") == code


@pytest.mark.parametrize(
    "reference",
    [
        "",
        BILL,
        f"{BILL}-",
        f"{BILL}-0",
        f"{BILL}-01",
        f"{BILL}-{MOST_ATTEMPTS + 1}",
        f"{BILL}-1.5",
        f"{BILL}-١",
        f"XX{BILL[2:]}-1",
        f"{BILL[:-1]}-1",
        f"{BILL[:-1]}0-1",
        f"{BILL.lower()}-1",
        f"{BILL}-1-R1",
    ],
)
def test_what_could_not_be_had_back_is_refused_before_anything_is_sent(reference: str) -> None:
    payos = PayOS()
    with pytest.raises(GatewayRefusedError):
        gateway(payos).start(replace(REQUEST, merchant_reference=reference))
    assert payos.sent == []


# ---------------------------------------------------------------- signatures


def vectors() -> list[Any]:
    if not VECTORS.exists():
        reason = pytest.mark.skip(reason="no published vectors beside the checkout")
        return [pytest.param({}, marks=reason, id="absent")]
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return [pytest.param(one, id=one["name"]) for one in found if one["group"] == "payos"]


@pytest.mark.parametrize("vector", vectors())
def test_signed_texts_and_signatures_are_the_published_ones(vector: dict[str, Any]) -> None:
    fields = vector["inputs"]
    fields = fields.get("data", fields)
    if "create-payment-link" in vector["name"]:
        assert signing.create_string(fields) == vector["string_to_sign"]
        assert signing.sign_create(fields, vector["secret"]) == vector["expected"]
        return
    assert signing.data_string(fields) == vector["string_to_sign"]
    assert signing.sign_data(fields, vector["secret"]) == vector["expected"]
    assert signing.is_signed(fields, vector["expected"].upper(), ["", vector["secret"]])
    assert not signing.is_signed({**fields, "amount": 1}, vector["expected"], [vector["secret"]])


@pytest.mark.parametrize(
    "vector", [one for one in vectors() if str(one.id).startswith(("payos_webhook", "absent"))]
)
def test_a_webhook_that_payos_itself_signed_is_believed(vector: dict[str, Any]) -> None:
    own = replace(CONFIG, checksum_key=vector["secret"])
    raw = json.dumps(vector["inputs"]).encode()

    notice = gateway(config=own).verify_notice(event(raw))

    assert notice.kind is NoticeKind.CREDIT
    assert notice.merchant_reference == f"{encode('MC', [0] * 7)}-123"
    assert notice.credits[0].bank_ref == "TF230204212323"
    assert notice.credits[0].amount == Money(3000)
    assert notice.occurred_at == datetime(2023, 2, 4, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        ("null", ""),
        ("undefined", ""),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (signing.NumberText("1.50"), "1.50"),
        ([], "[]"),
        ([None, True, 2, "đ/\n"], '[null,true,2,"đ/\\n"]'),
        ([{"b": 1, "a": {"d": 1, "c": 2}}], '[{"a":{"d":1,"c":2},"b":1}]'),
        ([signing.NumberText("1.50"), [1]], "[1.50,[1]]"),
    ],
)
def test_every_kind_of_value_has_one_signed_form(value: Any, written: str) -> None:
    assert signing.data_string({"z": "last", "a": value}) == f"a={written}&z=last"


@pytest.mark.parametrize("value", [{}, {"a": 1}, 1.5])
def test_a_value_of_which_no_form_is_published_is_never_signed(value: Any) -> None:
    with pytest.raises(ValueError, match="no form is known"):
        signing.data_string({"a": value})
    assert not signing.is_signed({"a": value}, "0" * 64, ["key"])


def test_both_checksum_keys_hold_while_a_rotation_lasts() -> None:
    now = gateway().verify_notice(webhook())
    assert gateway().verify_notice(webhook("old-secret")) == now
    for stolen in ("stolen", ""):
        with pytest.raises(InvalidSignatureError):
            gateway().verify_notice(webhook(stolen))
    without = gateway(config=replace(CONFIG, previous_checksum_key=""))
    for secret in ("old-secret", ""):
        with pytest.raises(InvalidSignatureError):
            without.verify_notice(webhook(secret))


@pytest.mark.parametrize("name", WEBHOOK)
def test_changing_or_dropping_any_field_breaks_the_signature(name: str) -> None:
    whole = json.loads(webhook().body)
    value = whole["data"][name]
    whole["data"][name] = value + 1 if isinstance(value, int) else f"{value}1"
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event(json.dumps(whole).encode()))
    del whole["data"][name]
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event(json.dumps(whole).encode()))


def test_what_stands_outside_the_data_changes_nothing() -> None:
    whole = json.loads(webhook().body)
    other = {**whole, "code": "99", "desc": "x", "success": False, "amount": 1}
    assert gateway().verify_notice(event(json.dumps(other).encode())) == told()


RAW = webhook().body
UNAUTHENTIC = {
    "empty": b"",
    "text": b"hello",
    "list": b"[]",
    "not unicode": b"\xff\xfe{",
    "too deep": b"[" * 100_000,
    "a deep list": b'{"data":{"a":' + b"[" * 900 + b"]" * 900 + b'},"signature":"00"}',
    "too long": b" " * (MAX_NOTICE_BYTES + 1),
    "a name twice": RAW.replace(b'"amount": 150000', b'"amount": 1, "amount": 150000'),
    "a surrogate": b'{"data": {"a": "\\ud800"}, "signature": "\\ud800"}',
    "not a number": RAW.replace(b"150000", b"NaN"),
    "an object": RAW.replace(b'"MC1234567"', b"{}"),
    "no data": b'{"signature": ""}',
    "data is a list": b'{"data": [], "signature": ""}',
    "unsigned": json.dumps({"data": TOLD}).encode(),
    "signature is a number": json.dumps({"data": TOLD, "signature": 1}).encode(),
}


@pytest.mark.parametrize("raw", UNAUTHENTIC.values(), ids=UNAUTHENTIC)
def test_what_payos_cannot_have_signed_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event(raw))


def test_a_purpose_that_could_be_read_as_another_field_is_refused() -> None:
    for name in ("orderCode", "reference", "currency"):
        with pytest.raises(InvalidSignatureError, match="another message"):
            told(description=f"x&{name}=5")
    assert told(description="x & y = z").credits[0].narrative == "x & y = z"


MALFORMED: list[dict[str, Any]] = [
    {"orderCode": str(CODE)},
    {"orderCode": None},
    {"orderCode": -1},
    {"orderCode": True},
    {"amount": "150000"},
    {"amount": 0},
    {"amount": -1},
    {"amount": 10**16},
    {"amount": None},
    {"reference": ""},
    {"reference": None},
    {"reference": " "},
    {"reference": "x" * 101},
    {"reference": 7},
    {"paymentLinkId": ""},
    {"paymentLinkId": "../x"},
    {"currency": "USD"},
    {"code": ""},
    {"code": None},
    {"transactionDateTime": ""},
    {"transactionDateTime": "02/03/2026 09:05:00"},
    {"transactionDateTime": "2026-02-30 09:05:00"},
    {"transactionDateTime": "0001-01-01 00:00:00"},
    {"description": "a\x00b"},
    {"description": ["a"]},
    {"counterAccountName": "\ud800"},
]


@pytest.mark.parametrize("changed", MALFORMED)
def test_a_signed_webhook_without_what_it_must_have_is_malformed(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedNoticeError):
        told(**changed)


@pytest.mark.parametrize("written", [b"150000.0", b"1.5e5"])
def test_an_amount_that_is_not_written_as_a_whole_number_is_malformed(written: bytes) -> None:
    data = {**TOLD, "amount": signing.NumberText(written.decode())}
    raw = json.dumps(body(data)).encode()
    with pytest.raises(MalformedNoticeError):
        gateway().verify_notice(
            event(raw.replace(b'"amount": "' + written + b'"', b'"amount": ' + written))
        )


# ---------------------------------------------------------------- credits


def test_a_webhook_tells_of_one_transfer_to_the_account_for_our_attempt() -> None:
    notice = told()
    [credit] = notice.credits

    assert (notice.kind, notice.outcome, notice.amount) == (
        NoticeKind.CREDIT,
        Outcome.SUCCEEDED,
        None,
    )
    assert notice.merchant_reference == credit.merchant_reference == REFERENCE
    assert notice.event_key == credit.credit_key == f"{LINK}:FT26061000001"
    assert notice.provider_reference == LINK
    assert (credit.amount, credit.bank_ref) == (Money(150_000), "FT26061000001")
    assert credit.booked_at == datetime(2026, 3, 2, 2, 5, tzinfo=UTC)
    assert credit.account_number == "0071000123456"
    assert (credit.narrative, credit.virtual_account) == ("MC1234567", "")
    assert credit.counterparty_name == "NGUYEN VAN AN"
    assert credit.counterparty_account == "9876543210"
    assert credit.counterparty_bank_bin == "970422"


def test_with_a_virtual_account_the_account_behind_it_is_left_open() -> None:
    [credit] = told(virtualAccountNumber="V007", accountNumber="V007").credits
    assert (credit.account_number, credit.virtual_account) == ("", "V007")


def test_a_bank_that_is_not_named_by_its_bin_is_not_taken_for_one() -> None:
    assert told(counterAccountBankId="01202001").credits[0].counterparty_bank_bin == ""


def test_a_webhook_that_is_not_about_a_success_tells_of_no_money() -> None:
    notice = told(code="01")
    assert (notice.kind, notice.outcome, notice.credits) == (
        NoticeKind.OTHER,
        Outcome.PENDING,
        (),
    )


def test_an_order_that_is_not_ours_leaves_the_bill_to_the_narrative() -> None:
    notice = told(orderCode=LARGEST_CODE)
    assert notice.merchant_reference == notice.credits[0].merchant_reference == ""


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (NoticeResult.APPLIED, 200),
        (NoticeResult.ALREADY_APPLIED, 200),
        (NoticeResult.UNKNOWN_REFERENCE, 200),
        (NoticeResult.AMOUNT_DIFFERS, 200),
        (NoticeResult.MALFORMED, 200),
        (NoticeResult.INVALID_SIGNATURE, 400),
        (NoticeResult.FAILED, 500),
    ],
)
def test_only_what_is_not_authentic_or_not_stored_is_asked_for_again(
    result: NoticeResult, status: int
) -> None:
    answer = gateway().answer(webhook(), result)
    assert answer.status == status
    assert json.loads(answer.body)["success"] == (status == 200)


# ---------------------------------------------------------------- start


def test_a_start_signs_five_fields_and_returns_page_code_and_id() -> None:
    payos = PayOS(body(OPENED))
    started = gateway(payos).start(REQUEST)

    [sent] = payos.sent
    order = json.loads(sent.content)
    assert payos.asked == ["POST /v2/payment-requests"]
    assert (sent.headers["x-client-id"], sent.headers["x-api-key"]) == ("client", "api-secret")
    signature = order.pop("signature")
    assert order == {
        "orderCode": CODE,
        "amount": 150_000,
        "description": "MC1234567",
        "cancelUrl": REQUEST.return_url,
        "returnUrl": REQUEST.return_url,
        "expiredAt": int(NOW.timestamp()) + 900,
    }
    text = (
        f"amount=150000&cancelUrl={REQUEST.return_url}&description=MC1234567"
        f"&orderCode={CODE}&returnUrl={REQUEST.return_url}"
    )
    assert signature == signing.hmac_sha256(text, "new-secret")
    assert started.redirect_url == OPENED["checkoutUrl"]
    assert started.qr_payload == OPENED["qrCode"]
    assert started.provider_reference == LINK


def test_the_purpose_is_as_long_as_the_account_allows_and_still_names_the_bill() -> None:
    purposes = []
    for longest in (9, 25):
        payos = PayOS(body(OPENED))
        gateway(payos, replace(CONFIG, description_length=longest)).start(REQUEST)
        purposes.append(json.loads(payos.sent[0].content)["description"])
    assert purposes == ["MC1234567", f"{BILL} LE PHI HO"]
    assert parse_cut(purposes[0], "MC").reference == BILL


def test_secrets_are_not_shown() -> None:
    shown = repr(CONFIG)
    assert not re.search("api-secret|new-secret|old-secret", shown)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": Money(0)},
        {"amount": Money(-1)},
        {"amount": Money(100, Currency.USD)},
        {"return_url": ""},
    ],
)
def test_what_payos_does_not_take_is_refused_before_anything_is_sent(
    changed: dict[str, Any],
) -> None:
    payos = PayOS()
    with pytest.raises(GatewayRefusedError):
        gateway(payos).start(replace(REQUEST, **changed))
    assert payos.sent == []


@pytest.mark.parametrize(
    "answer", [refusal("401", 401), refusal("x", 403), refusal("401"), refusal("403")]
)
def test_only_refused_keys_prove_that_nothing_was_opened(answer: httpx2.Response) -> None:
    with pytest.raises(GatewayRefusedError):
        gateway(PayOS(answer)).start(REQUEST)


IN_DOUBT: dict[str, Mapping[str, Any] | httpx2.Response] = {
    "a code, as for an order that exists": refusal("231"),
    "a bad request": refusal("20", 400),
    "too many": refusal("429", 429),
    "a broken server": httpx2.Response(500, json=body(OPENED)),
    "no JSON": httpx2.Response(200, content=b"<html>"),
    "no object": httpx2.Response(200, content=b"[]"),
    "no code": httpx2.Response(200, json={}),
    "a code that is a number": httpx2.Response(200, json={**body(OPENED), "code": 0}),
    "a success with the status of a failure": httpx2.Response(400, json=body(OPENED)),
    "no data": {"code": "00", "desc": "", "data": None, "signature": ""},
    "no signature": {**body(OPENED), "signature": None},
    "another's signature": body(OPENED, "stolen"),
    "another order": body({**OPENED, "orderCode": CODE + 1}),
    "another amount": body({**OPENED, "amount": 150_001}),
    "no page": body({**OPENED, "checkoutUrl": ""}),
    "a page that is a script": body({**OPENED, "checkoutUrl": "javascript:alert(1)"}),
    "an unsafe page": body({**OPENED, "checkoutUrl": "http://pay.payos.example"}),
    "no id": body({**OPENED, "paymentLinkId": None}),
}


@pytest.mark.parametrize("answer", IN_DOUBT.values(), ids=IN_DOUBT)
def test_after_any_other_answer_it_is_unknown_whether_the_link_is_open(
    answer: Mapping[str, Any] | httpx2.Response,
) -> None:
    payos = PayOS(answer)
    with pytest.raises(GatewayUnavailableError):
        gateway(payos).start(REQUEST)
    assert len(payos.sent) == 1


# ---------------------------------------------------------------- query and cancel


def asked(**changed: Any) -> GatewayNotice:
    return gateway(PayOS(body({**STATE, **changed}))).query(QUERY)


STATES = {
    "PENDING": Outcome.PENDING,
    "PROCESSING": Outcome.PENDING,
    "UNDERPAID": Outcome.PENDING,
    "PAID": Outcome.PENDING,
    "EXPIRED": Outcome.EXPIRED,
    "CANCELLED": Outcome.CANCELLED,
    "FAILED": Outcome.FAILED,
    "SOMETHING_NEW": Outcome.PENDING,
    "": Outcome.PENDING,
}


@pytest.mark.parametrize("status", STATES)
def test_a_link_has_ended_only_if_nothing_was_paid_on_it(status: str) -> None:
    notice = asked(status=status)
    assert (notice.kind, notice.outcome) == (NoticeKind.PAYMENT, STATES[status])
    assert (notice.amount, notice.credits, notice.reason_code) == (None, (), status)
    assert asked(status=status, amountPaid=1).outcome is Outcome.PENDING
    listed = asked(status=status, transactions=[TRANSFER])
    assert (listed.outcome, len(listed.credits)) == (Outcome.PENDING, 1)


def test_a_question_lists_the_transfers_just_as_their_webhooks_told_them() -> None:
    second = {**TRANSFER, "reference": "FT26061000002", "amount": 1}
    notice = asked(status="PAID", amountPaid=150_001, transactions=[TRANSFER, second, TRANSFER])
    assert notice.credits[:1] == told().credits
    assert [one.credit_key for one in notice.credits] == [
        f"{LINK}:FT26061000001",
        f"{LINK}:FT26061000002",
    ]
    assert notice.provider_reference == LINK


def test_two_transfers_of_one_reference_are_not_guessed_about() -> None:
    other = {**TRANSFER, "amount": 1}
    with pytest.raises(GatewayUnavailableError):
        asked(transactions=[TRANSFER, other])


@pytest.mark.parametrize(
    "changed",
    [
        {"orderCode": CODE + 1},
        {"id": None},
        {"status": 7},
        {"amountPaid": None},
        {"amountPaid": "0"},
        {"amountPaid": -1},
        {"transactions": None},
        {"transactions": ["x"]},
        {"transactions": [{**TRANSFER, "reference": ""}]},
        {"transactions": [{**TRANSFER, "amount": 10**16}]},
        {"transactions": [{**TRANSFER, "transactionDateTime": None}]},
    ],
)
def test_an_answer_that_lacks_something_is_no_answer(changed: dict[str, Any]) -> None:
    with pytest.raises(GatewayUnavailableError):
        asked(**changed)


@pytest.mark.parametrize(
    "answer",
    [refusal("20"), refusal("401", 401), httpx2.Response(404, content=b"<html>"), body(STATE, "x")],
)
def test_a_question_without_a_usable_answer_changes_nothing(
    answer: Mapping[str, Any] | httpx2.Response,
) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(PayOS(answer)).query(QUERY)


@pytest.mark.parametrize("answer", [refusal("101"), refusal("x", 404)])
def test_a_link_that_payos_does_not_know_is_pending_until_it_can_come_no_more(
    answer: httpx2.Response,
) -> None:
    end = NOW + timedelta(minutes=15) + CONFIG.grace
    moments = [end, end + timedelta(seconds=1)]
    outcomes = [
        gateway(PayOS(answer)).query(replace(QUERY, asked_at=moment)).outcome for moment in moments
    ]
    assert outcomes == [Outcome.PENDING, Outcome.EXPIRED]
    for_ever = replace(QUERY, asked_at=end + timedelta(days=99), expires_at=None)
    assert gateway(PayOS(answer)).query(for_ever).outcome is Outcome.PENDING


def test_a_question_is_asked_again_when_its_answer_is_lost() -> None:
    payos = PayOS(httpx2.Response(502), body(STATE))
    assert gateway(payos).query(QUERY).outcome is Outcome.PENDING
    assert payos.asked == [f"GET /v2/payment-requests/{CODE}"] * 2


@pytest.mark.parametrize(
    ("known", "name"), [(LINK, LINK), (None, str(CODE)), ("../../x", str(CODE))]
)
def test_a_cancelled_link_is_told_by_the_answer(known: str | None, name: str) -> None:
    payos = PayOS(body({**STATE, "status": "CANCELLED"}))
    notice = gateway(payos).cancel(replace(QUERY, provider_reference=known))
    assert notice.outcome is Outcome.CANCELLED
    assert payos.asked == [f"POST /v2/payment-requests/{name}/cancel"]


def test_where_payos_does_not_cancel_it_is_asked_what_became_of_the_link() -> None:
    paid = body({**STATE, "status": "PAID", "amountPaid": 150_000, "transactions": [TRANSFER]})
    payos = PayOS(refusal("239"), paid)
    notice = gateway(payos).cancel(QUERY)
    assert (notice.outcome, notice.credits) == (Outcome.PENDING, told().credits)
    assert len(payos.sent) == 2


def test_a_cancellation_with_refused_keys_certainly_did_nothing() -> None:
    with pytest.raises(GatewayRefusedError):
        gateway(PayOS(refusal("401", 401))).cancel(QUERY)


def test_a_cancellation_whose_answer_is_lost_is_not_sent_again() -> None:
    payos = PayOS(httpx2.Response(502))
    with pytest.raises(GatewayUnavailableError):
        gateway(payos).cancel(QUERY)
    assert len(payos.sent) == 1


# ---------------------------------------------------------------- check


@pytest.mark.parametrize(
    ("answer", "works", "words"),
    [
        (refusal("101"), True, "checksum key is proved only by the first link"),
        (refusal("x", 404), True, "client id and API key"),
        (refusal("401", 401), False, "does not accept"),
        (refusal("20"), False, "code 20"),
        (httpx2.Response(200, content=b"<html>"), False, "no usable answer"),
    ],
)
def test_a_check_says_in_plain_words_what_it_showed(
    answer: httpx2.Response, *, works: bool, words: str
) -> None:
    payos = PayOS(answer)
    result = gateway(payos).check(at=NOW)
    assert (result.works, words in result.sentence) == (works, True), result.sentence
    assert payos.asked == [f"GET /v2/payment-requests/{LARGEST_CODE}"]
    assert reference_of(LARGEST_CODE, "MC") == ""


def test_capabilities_name_what_payos_can_do_and_the_rest_is_refused() -> None:
    has = gateway().capabilities
    assert (has.starts, has.redirects, has.notices, has.queries) == (True,) * 4
    assert (has.cancels, has.credits) == (True, True)
    assert {has.refunds, has.refund_queries, has.confirms, has.settlement_report} == {False}
    assert gateway().rail is Rail.PAYOS
    with pytest.raises(GatewayRefusedError):
        gateway().settlement_report(NOW.date())
