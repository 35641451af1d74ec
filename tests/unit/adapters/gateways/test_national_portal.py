"""The national portal: what is signed and sent, what a result says, what is not understood."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gateways import national_portal_signing as signing
from adapters.gateways.national_portal import NationalPortalConfig, NationalPortalGateway
from adapters.gateways.national_portal_codes import OUTCOMES
from adapters.gateways.national_portal_fields import (
    MAX_NAME,
    format_time,
    parse_time,
    reference_for_portal,
    reference_from_portal,
)
from adapters.http import Caller, create_client
from core.errors import SettingsError
from core.money import Currency, Money
from payments.channels import Channel, Rail
from payments.errors import (
    DoisoatError,
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidSignatureError,
    MalformedNoticeError,
)
from payments.ports import (
    Dossier,
    FeeItem,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    StartRequest,
)
from payments.references import ALPHABET, new_reference

VECTORS = next(
    (
        path
        for parent in Path(__file__).parents
        if (path := parent / "shared" / "rails" / "vectors.json").exists()
    ),
    None,
)
Answering = Callable[[httpx2.Request], httpx2.Response]

NOW = datetime(2026, 7, 1, 7, 30, 5, tzinfo=UTC)
"""14:30:05 in Vietnam: an hour on which clocks of 12 and 24 hours disagree."""

CONFIG = NationalPortalConfig(
    partner_code="DEMO",
    secret="new-secret",
    previous_secret="old-secret",
    bearer_token="token-1",
    init_url="https://portal.example/init",
    query_url="https://portal.example/query",
    receipt_url="https://portal.example/receipt",
    receipt_message="BIENLAI",
    not_found_codes=frozenset({"NF"}),
)
DOSSIER = Dossier(
    dossier_code="H49.12.34-260701-0001",
    procedure_code="1.001193",
    procedure_name="Đăng ký khai sinh",
    office_code="H49.12.34",
    office_name="UBND phường Móng Cái 1",
    payer_name="Nguyễn Văn A",
    fees=(
        FeeItem("phi", "P1", "Phí thẩm định", Money(30_000)),
        FeeItem("le_phi", "L1", "Lệ phí hộ tịch", Money(20_000)),
    ),
)
REQUEST = StartRequest(
    merchant_reference="MC1234567ABC-2",
    bill_reference="MC1234567ABC",
    amount=Money(50_000),
    description="Le phi ho tich",
    return_url="https://city.example/return",
    payer_ip="10.0.0.1",
    locale="vi",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=15),
    collecting_bank_bin="970436",
    collecting_account="0071000123456",
    collecting_account_name="UBND PHUONG MONG CAI 1",
    dossier=DOSSIER,
)
QUERY = PaymentQuery(
    merchant_reference="MC1234567ABC-2",
    provider_reference=None,
    provider_txn_id=None,
    created_at=NOW,
    asked_at=NOW + timedelta(hours=1),
    request_id="q1",
    amount=Money(50_000),
    expires_at=NOW + timedelta(minutes=15),
)
RESULT = {
    "LoaiBanTin": "CONFIRM",
    "MaLoi": "00",
    "MaDoiTac": "DEMO",
    "MaThamChieu": "MC1234567ABCU2",
    "SoTien": "50000",
    "MaTienTe": "VND",
    "MaGiaoDich": "TX123",
    "MaNganHang": "VCB",
    "ThoiGianGD": "20260701143105",
    "ThongTinGiaoDich": "MC1234567ABC THANH TOAN HO SO H49.12.34-260701-0001",
}
STATE = {"MaLoi": "00", "TrangThaiGD": "1", "MaGiaoDich": "TX123", "SoTien": "50000"}


def gateway(
    answer: Answering | None = None, config: NationalPortalConfig = CONFIG
) -> NationalPortalGateway:
    transport = httpx2.MockTransport(answer or (lambda _: httpx2.Response(500)))
    http = Caller(
        create_client(transport=transport),
        rail=Rail.NATIONAL_PORTAL,
        merchant_code="DEMO",
        clock=lambda: NOW,
    )
    return NationalPortalGateway(config, http)


def says(value: object, status: int = 200) -> Answering:
    return lambda _: httpx2.Response(status, json=value)


def enveloped(value: object) -> dict[str, str]:
    return {"error_code": "0", "message": json.dumps(value)}


def event(body: bytes) -> RawEvent:
    return RawEvent(Rail.NATIONAL_PORTAL, "POST", "", {}, body, NOW)


def result(secret: str = "new-secret", **changed: Any) -> RawEvent:
    fields = {**RESULT, **changed}
    plain = {name: "" if value is None else str(value) for name, value in fields.items()}
    return event(
        json.dumps({**fields, "MaXacThuc": signing.digest(signing.RESULT, plain, secret)}).encode()
    )


# ---------------------------------------------------------------- signatures


@pytest.mark.parametrize(
    ("order", "name"),
    [
        (signing.INIT, "dvcqg_init"),
        (signing.QUERY, "dvcqg_query"),
        (signing.RESULT, "dvcqg_confirm_callback"),
    ],
)
def test_orders_and_digests_are_those_of_the_vectors(order: tuple[str, ...], name: str) -> None:
    if VECTORS is None:
        pytest.skip("no vectors beside the checkout")
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    vector = next(one for one in found if one["name"] == name)
    secret = vector["secret"]

    assert [*order, "<secret>"] == vector["field_order"]
    assert signing.signed_text(order, vector["inputs"], secret) == vector["string_to_sign"]
    assert signing.digest(order, vector["inputs"], secret) == vector["expected"]
    signed = {**vector["inputs"], "MaXacThuc": vector["expected"].upper()}
    assert signing.is_signed(order, signed, [secret])


def test_the_digest_is_plain_sha256_with_the_secret_last() -> None:
    expected = hashlib.sha256(b"QUERY|1.0.6|DEMO|MCU1|20260701143005|s").hexdigest()
    values = dict(
        zip(signing.QUERY, ["QUERY", "1.0.6", "DEMO", "MCU1", "20260701143005"], strict=True)
    )
    assert signing.digest(signing.QUERY, values, "s") == expected


def test_a_separator_inside_a_value_is_never_signed_and_never_believed() -> None:
    honest = {**RESULT, "MaNganHang": "VCB", "ThoiGianGD": "20260701143105"}
    shifted = {**honest, "MaNganHang": "VCB|20260701143105", "ThoiGianGD": ""}
    with pytest.raises(ValueError, match="a signed value holds"):
        signing.digest(signing.RESULT, shifted, "new-secret")
    text = "|".join([*(shifted[name] for name in signing.RESULT), "new-secret"])
    forged = {**shifted, "MaXacThuc": hashlib.sha256(text.encode()).hexdigest()}
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event(json.dumps(forged).encode()))


def test_a_partner_without_secret_is_no_partner() -> None:
    with pytest.raises(SettingsError):
        replace(CONFIG, secret="")
    with pytest.raises(SettingsError):
        replace(CONFIG, partner_code="DE|MO")


def test_secrets_are_not_printed() -> None:
    for secret in ("new-secret", "old-secret", "token-1"):
        assert secret not in repr(CONFIG)


# ---------------------------------------------------------------- references and times


@given(
    prefix=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=4),
    data=st.lists(st.integers(0, len(ALPHABET) - 1), min_size=7, max_size=7),
    attempt=st.integers(1, 10**6),
)
def test_every_reference_comes_back_whatever_the_prefix(
    prefix: str, data: list[int], attempt: int
) -> None:
    drawn = iter(data)
    ours = f"{new_reference(prefix, lambda _: next(drawn))}-{attempt}"

    theirs = reference_for_portal(ours)

    assert theirs.isalnum()
    assert reference_from_portal(theirs) == ours


@pytest.mark.parametrize("text", ["", "MC1234567ABC", "MC-", "MC-0", "MC-01", "mc-1", "MC-1-2"])
def test_what_is_no_reference_of_ours_is_not_sent(text: str) -> None:
    with pytest.raises(GatewayRefusedError):
        reference_for_portal(text)


@pytest.mark.parametrize("text", ["", "MC1234567ABC", "U1", "MCU0", "MCU01", "MCU", "MC-U1"])
def test_what_is_no_reference_of_ours_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="none of ours"):
        reference_from_portal(text)


def test_times_have_24_hours_and_are_vietnams() -> None:
    assert format_time(NOW) == "20260701143005"
    assert format_time(datetime(2026, 12, 31, 17, 0, 1, tzinfo=UTC)) == "20270101000001"
    assert parse_time("20260701143005") == NOW
    for odd in ("", "2026070114300", "20261301000000", "20260701253005", "2026070114300x"):
        assert parse_time(odd) is None


# ---------------------------------------------------------------- start


def test_init_carries_every_field_signed_and_the_receipt_data_unsigned() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=enveloped({"UrlThanhToan": "https://portal.example/p"}))

    started = gateway(answer).start(REQUEST)

    assert started.redirect_url == "https://portal.example/p"
    assert started.qr_payload is None
    assert str(seen[0].url) == CONFIG.init_url
    assert seen[0].method == "POST"
    assert seen[0].headers["authorization"] == "Bearer token-1"
    message = json.loads(seen[0].content)
    receipt = message.pop("ThongTinBienLai")
    assert message.pop("MaXacThuc") == signing.digest(signing.INIT, message, "new-secret")
    assert message == {
        "LoaiBanTin": "INIT",
        "PhienBan": "1.0.6",
        "MaDoiTac": "DEMO",
        "MaThamChieu": "MC1234567ABCU2",
        "SoTien": "50000",
        "LoaiHinhThanhToan": "PAY",
        "MaKenhThanhToan": "1",
        "MaThietBi": "1",
        "NgonNgu": "vi-VN",
        "MaTienTe": "VND",
        "MaNganHang": "PAYMENT",
        "ThongTinGiaoDich": "MC1234567ABC THANH TOAN HO SO H49.12.34-260701-0001",
        "ThoiGianGD": "20260701143005",
        "Ip": "10.0.0.1",
    }
    assert receipt == {
        "MaDichVu": "2",
        "MaDVC": "1.001193.01",
        "TenDVC": "Đăng ký khai sinh",
        "MaTTHC": "1.001193",
        "TenTTHC": "Đăng ký khai sinh",
        "MaDonVi": "H49.12.34",
        "TenDonVi": "UBND phường Móng Cái 1",
        "MaHoSo": "H49.12.34-260701-0001",
        "HoTenNguoiNop": "Nguyễn Văn A",
        "SoCMNDNguoiNop": "",
        "DiaChiNguoiNop": "",
        "HuyenNguoiNop": "",
        "TinhNguoiNop": "",
        "PhiLePhi": [
            {
                "LoaiPhiLePhi": "phi",
                "MaPhiLePhi": "P1",
                "TenPhiLePhi": "Phí thẩm định",
                "SoTien": "30000",
            },
            {
                "LoaiPhiLePhi": "le_phi",
                "MaPhiLePhi": "L1",
                "TenPhiLePhi": "Lệ phí hộ tịch",
                "SoTien": "20000",
            },
        ],
        "DSKhoanNop": [
            {"NoiDung": "Phí thẩm định", "SoTien": "30000"},
            {"NoiDung": "Lệ phí hộ tịch", "SoTien": "20000"},
        ],
        "TKThuHuong": "0071000123456",
        "MaNHThuHuong": "970436",
        "TenTKThuHuong": "UBND PHUONG MONG CAI 1",
        "NoiDungThanhToan": "MC1234567ABC THANH TOAN HO SO H49.12.34-260701-0001",
    }


def sent_by(request: StartRequest, config: NationalPortalConfig = CONFIG) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []

    def answer(received: httpx2.Request) -> httpx2.Response:
        seen.append({**json.loads(received.content), "headers": received.headers})
        return httpx2.Response(200, json=enveloped({"UrlThanhToan": "https://portal.example/p"}))

    gateway(answer, config).start(request)
    return seen[0]


def test_without_a_dossier_the_account_is_named_all_the_same() -> None:
    message = sent_by(replace(REQUEST, dossier=None))

    assert message["ThongTinGiaoDich"].startswith("MC1234567ABC ")
    assert message["ThongTinBienLai"]["TKThuHuong"] == "0071000123456"
    assert "PhiLePhi" not in message["ThongTinBienLai"]


def test_long_names_are_cut_and_kinds_are_the_configured_ones() -> None:
    long = replace(DOSSIER, procedure_name="Đ" * 300)
    config = replace(CONFIG, phi_kind="1", le_phi_kind="2", bearer_token="")

    message = sent_by(replace(REQUEST, dossier=long), config)

    assert message["ThongTinBienLai"]["TenTTHC"] == "Đ" * MAX_NAME
    assert [one["LoaiPhiLePhi"] for one in message["ThongTinBienLai"]["PhiLePhi"]] == ["1", "2"]
    assert "authorization" not in message["headers"]


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": Money(0)},
        {"amount": Money(-1)},
        {"amount": Money(5000, Currency.USD)},
        {"amount": Money(40_000)},
        {"merchant_reference": "MC1234567ABC"},
        {"payer_ip": "10.0.0.1|x"},
        {"bill_reference": "MC|1"},
    ],
)
def test_what_cannot_be_told_to_the_portal_is_refused_and_nothing_is_sent(
    changed: dict[str, object],
) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise AssertionError("something was sent")

    with pytest.raises(GatewayRefusedError):
        gateway(answer).start(replace(REQUEST, **changed))  # type: ignore[arg-type]


REFUSED = {
    "error code": says({"error_code": "5", "message": "x"}),
    "number": says({"error_code": 5, "message": None}),
    "unauthorised": says({}, 401),
    "forbidden": says({}, 403),
}


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED)
def test_a_refusal_without_a_page_is_certain(answer: Answering) -> None:
    with pytest.raises(GatewayRefusedError):
        gateway(answer).start(REQUEST)


START_NOT_UNDERSTOOD = {
    "html": lambda _: httpx2.Response(200, text="<html>"),
    "list": says([]),
    "no code": says({"message": "x"}),
    "code of another kind": says({"error_code": True, "message": "x"}),
    "no message": says({"error_code": "0"}),
    "message not JSON": says({"error_code": "0", "message": "hello"}),
    "message a list": says({"error_code": "0", "message": "[]"}),
    "message an object": says({"error_code": "0", "message": {"UrlThanhToan": "https://x/"}}),
    "no address": says(enveloped({})),
    "script": says(enveloped({"UrlThanhToan": "javascript:alert(1)"})),
    "no host": says(enveloped({"UrlThanhToan": "https:///p"})),
    "broken host": says(enveloped({"UrlThanhToan": "http://[x"})),
    "look-alike": says(enveloped({"UrlThanhToan": "https://pоrtal.example/p"})),
    "twice": lambda _: httpx2.Response(200, text='{"error_code":"1","error_code":"0"}'),
    "deep": lambda _: httpx2.Response(200, text="[" * 100_000),
    "unavailable": says({}, 503),
    "redirect": says({}, 302),
}


@pytest.mark.parametrize("answer", START_NOT_UNDERSTOOD.values(), ids=START_NOT_UNDERSTOOD)
def test_an_answer_to_init_that_is_not_understood_leaves_the_outcome_unknown(
    answer: Answering,
) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(answer).start(REQUEST)


# ---------------------------------------------------------------- result


def test_a_paid_result_says_what_was_collected_and_when() -> None:
    notice = gateway().verify_notice(result())

    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.amount == Money(50_000)
    assert notice.merchant_reference == "MC1234567ABC-2"
    assert notice.provider_txn_id == "TX123"
    assert notice.occurred_at == NOW + timedelta(minutes=1)


def test_a_cautious_office_lets_every_paid_result_wait_for_the_query() -> None:
    cautious = gateway(config=replace(CONFIG, callback_suffices=False))

    notice = cautious.verify_notice(result())

    assert notice.outcome is Outcome.PENDING
    assert notice.amount is None
    assert notice.reason_code == "to_be_queried"


def test_both_keys_hold_while_a_rotation_lasts_and_no_other() -> None:
    assert gateway().verify_notice(result("old-secret")) == gateway().verify_notice(result())
    for secret in ("stolen", ""):
        with pytest.raises(InvalidSignatureError):
            gateway().verify_notice(result(secret))
    alone = gateway(config=replace(CONFIG, previous_secret=""))
    for secret in ("old-secret", ""):
        with pytest.raises(InvalidSignatureError):
            alone.verify_notice(result(secret))


@pytest.mark.parametrize("name", sorted(RESULT))
def test_changing_any_field_breaks_the_signature(name: str) -> None:
    message = json.loads(result().body)
    message[name] += "1"
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event(json.dumps(message).encode()))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"a": NaN}',
        b"{" * 100_000,
        result().body.replace(b"{", b'{"MaThamChieu": "MC1234567ABCU1", ', 1),
        json.dumps({**json.loads(result().body), "MaXacThuc": ""}).encode(),
        json.dumps({**json.loads(result().body), "MaXacThuc": None}).encode(),
        json.dumps(RESULT).encode(),
        json.dumps({**RESULT, "MaXacThuc": "\ud800"}).encode(),
        json.dumps({**RESULT, "MaNganHang": "\ud800", "MaXacThuc": "0"}).encode(),
    ],
)
def test_what_bears_no_readable_signature_is_not_authentic(body: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(event(body))


def test_a_result_for_another_partner_is_refused() -> None:
    with pytest.raises(InvalidSignatureError):
        gateway().verify_notice(result(MaDoiTac="OTHER"))


def test_numbers_are_signed_by_the_text_they_came_as() -> None:
    notice = gateway().verify_notice(result(SoTien=50000, MaGiaoDich=123))

    assert notice.amount == Money(50_000)
    assert notice.provider_txn_id == "123"


@pytest.mark.parametrize(
    "changed",
    [
        {"MaThamChieu": ""},
        {"MaThamChieu": "dvcH4912342607010001"},
        {"MaThamChieu": "MC1234567ABC-2"},
        {"SoTien": ""},
        {"SoTien": "0"},
        {"SoTien": "-5"},
        {"SoTien": "50.000"},
        {"SoTien": 50000.0},
        {"SoTien": "9" * 16},
        {"MaTienTe": "USD"},
        {"MaTienTe": None},
        {"MaGiaoDich": "TX\x00"},
        {"MaGiaoDich": "9" * 101},
    ],
)
def test_a_signed_result_without_what_it_must_have_is_malformed(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedNoticeError):
        gateway().verify_notice(result(**changed))


def test_an_odd_time_does_not_keep_the_news_of_money_out() -> None:
    for odd in ("", "01/07/2026 14:31", "20261301000000"):
        notice = gateway().verify_notice(result(ThoiGianGD=odd))
        assert notice.outcome is Outcome.SUCCEEDED
        assert notice.occurred_at == NOW


@pytest.mark.parametrize("code", ["01", "08", "24", "51", "99", "0", "", "000"])
def test_an_unlisted_error_code_is_never_the_end(code: str) -> None:
    notice = gateway().verify_notice(result(MaLoi=code))

    assert notice.outcome is Outcome.PENDING
    assert notice.amount is None
    assert notice.reason_code == code


def test_a_failure_and_a_later_success_are_two_messages() -> None:
    keys = {gateway().verify_notice(result(MaLoi=code)).event_key for code in ("08", "00")}
    assert len(keys) == 2


# ---------------------------------------------------------------- answer to a result


@pytest.mark.parametrize("outcome", list(NoticeResult))
def test_each_answer_names_the_message_and_is_signed(outcome: NoticeResult) -> None:
    answer = gateway().answer(result(), outcome)

    fields = json.loads(answer.body)
    assert answer.status == 200
    assert answer.media_type == "application/json"
    assert set(fields) == {
        "MaLoi",
        "MoTaLoi",
        "MaDoiTac",
        "MaThamChieu",
        "ThoiGianGD",
        "MaXacThuc",
    }
    taken = {NoticeResult.APPLIED, NoticeResult.ALREADY_APPLIED, NoticeResult.AMOUNT_DIFFERS}
    assert (fields["MaLoi"] == "00") == (outcome in taken)
    assert fields["MaDoiTac"] == "DEMO"
    assert fields["MaThamChieu"] == "MC1234567ABCU2"
    assert fields["ThoiGianGD"] == "20260701143105"
    believed = outcome is not NoticeResult.INVALID_SIGNATURE
    assert signing.is_signed(signing.RESULT_ANSWER, fields, ["new-secret"]) == believed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\x00",
        b"{" * 100_000,
        b'{"MaThamChieu": ["x"], "ThoiGianGD": {}}',
        b'{"MaThamChieu": "a|b", "ThoiGianGD": "1|2"}',
        '{"MaThamChieu": "lệ", "ThoiGianGD": "２０２６０７０１１４３１０５"}'.encode(),
    ],
)
@pytest.mark.parametrize("outcome", list(NoticeResult))
def test_answering_never_fails_and_repeats_nothing_strange(
    body: bytes, outcome: NoticeResult
) -> None:
    fields = json.loads(gateway().answer(event(body), outcome).body)

    assert fields["MaThamChieu"] == ""
    assert fields["ThoiGianGD"] == format_time(NOW)


# ---------------------------------------------------------------- query


def test_the_query_bears_the_time_of_init_and_its_own_signature() -> None:
    seen: list[dict[str, str]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(json.loads(request.content))
        return httpx2.Response(200, json=STATE)

    gateway(answer).query(QUERY)

    message = seen[0]
    assert message.pop("MaXacThuc") == signing.digest(signing.QUERY, message, "new-secret")
    assert message == {
        "LoaiBanTin": "QUERY",
        "PhienBan": "1.0.6",
        "MaDoiTac": "DEMO",
        "MaThamChieu": "MC1234567ABCU2",
        "ThoiGianGD": sent_by(REQUEST)["ThoiGianGD"],
    }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("1", Outcome.SUCCEEDED),
        ("3", Outcome.PENDING),
        ("4", Outcome.FAILED),
        ("0", Outcome.PENDING),
        ("2", Outcome.PENDING),
        ("5", Outcome.PENDING),
        ("paid", Outcome.PENDING),
    ],
)
def test_only_1_is_paid_and_only_4_has_failed(status: object, outcome: Outcome) -> None:
    notice = gateway(says({**STATE, "TrangThaiGD": status})).query(QUERY)

    assert notice.outcome is outcome
    assert notice.amount == (Money(50_000) if outcome is Outcome.SUCCEEDED else None)
    assert notice.reason_code == str(status)
    assert set(OUTCOMES) == {"1", "3", "4"}


def test_a_state_written_as_a_number_is_understood() -> None:
    answer = says({**STATE, "TrangThaiGD": 1, "SoTien": 50000})
    assert gateway(answer).query(QUERY) == gateway(says(STATE)).query(QUERY)


def test_the_answer_is_read_with_and_without_an_envelope() -> None:
    assert gateway(says(enveloped(STATE))).query(QUERY) == gateway(says(STATE)).query(QUERY)


def test_an_answer_that_names_no_amount_leaves_it_open() -> None:
    notice = gateway(says({"TrangThaiGD": "1"})).query(QUERY)

    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.amount is None
    assert notice.provider_txn_id is None


@pytest.mark.parametrize(
    ("told", "occurred_at"),
    [
        ("20260701143105", NOW + timedelta(minutes=1)),
        ("20260701023105", QUERY.asked_at),
        ("20260702143105", QUERY.asked_at),
        ("", QUERY.asked_at),
    ],
)
def test_a_time_that_cannot_be_is_not_believed(told: str, occurred_at: datetime) -> None:
    notice = gateway(says({**STATE, "ThoiGianGD": told})).query(QUERY)

    assert notice.occurred_at == occurred_at


QUERY_NOT_UNDERSTOOD = {
    "html": lambda _: httpx2.Response(200, text="<html>"),
    "empty": says({}),
    "no state": says({"MaLoi": "00"}),
    "state of another kind": says({**STATE, "TrangThaiGD": True}),
    "unlisted error": says({**STATE, "MaLoi": "12"}),
    "envelope with an error": says({"error_code": "9", "message": json.dumps(STATE)}),
    "other partner": says({**STATE, "MaDoiTac": "OTHER"}),
    "other reference": says({**STATE, "MaThamChieu": "MC1234567ABCU1"}),
    "odd amount": says({**STATE, "SoTien": "10.5"}),
    "odd transaction": says({**STATE, "MaGiaoDich": "TX\x00"}),
    "unavailable": says(STATE, 503),
    "unauthorised": says(STATE, 401),
}


@pytest.mark.parametrize("answer", QUERY_NOT_UNDERSTOOD.values(), ids=QUERY_NOT_UNDERSTOOD)
def test_an_answer_that_is_not_understood_leaves_the_outcome_unknown(answer: Answering) -> None:
    with pytest.raises(GatewayUnavailableError):
        gateway(answer).query(QUERY)


def test_an_unknown_reference_expires_only_days_after_its_page_was_closed() -> None:
    unknown = gateway(says({"MaLoi": "NF"}))
    last = NOW + timedelta(minutes=15, days=3)
    no_expiry = replace(QUERY, expires_at=None, asked_at=last + timedelta(seconds=1))

    assert unknown.query(replace(QUERY, asked_at=last)).outcome is Outcome.PENDING
    late = unknown.query(replace(QUERY, asked_at=last + timedelta(seconds=1)))
    assert late.outcome is Outcome.EXPIRED
    assert late.reason_code == "not_found"
    assert unknown.query(no_expiry).outcome is Outcome.PENDING


# ---------------------------------------------------------------- receipt, check, the rest


def test_a_receipt_is_asked_for_with_the_querys_order_and_is_a_pdf() -> None:
    seen: list[dict[str, str]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(json.loads(request.content))
        return httpx2.Response(200, content=b"%PDF-1.4 ...")

    assert gateway(answer).receipt(QUERY) == b"%PDF-1.4 ..."
    message = seen[0]
    assert message["LoaiBanTin"] == "BIENLAI"
    assert message.pop("MaXacThuc") == signing.digest(signing.QUERY, message, "new-secret")


@pytest.mark.parametrize(
    "answer",
    [says({"MaLoi": "07"}), says([]), lambda _: httpx2.Response(200, text="<html>")],
    ids=["error", "list", "html"],
)
def test_what_is_not_a_pdf_is_not_taken_for_a_receipt(answer: Answering) -> None:
    with pytest.raises(GatewayRefusedError, match="no PDF receipt"):
        gateway(answer).receipt(QUERY)


@pytest.mark.parametrize("missing", ["receipt_url", "receipt_message"])
def test_no_receipt_is_asked_for_before_the_portal_has_told_how(missing: str) -> None:
    config = replace(CONFIG, **{missing: ""})  # type: ignore[arg-type]
    with pytest.raises(GatewayRefusedError, match="receipt_message"):
        gateway(config=config).receipt(QUERY)


@pytest.mark.parametrize(
    ("answer", "works", "word"),
    [
        (says({"MaLoi": "NF"}), True, "knows no such reference"),
        (says({"MaLoi": "12"}), False, "'12'"),
        (says(STATE), False, "TrangThaiGD '1'"),
        (says({}, 401), False, "HTTP 401"),
        (says({}, 503), False, "HTTP 503"),
        (lambda _: httpx2.Response(200, text="<html>"), False, "cannot be read"),
    ],
    ids=["unknown", "unlisted", "found", "unauthorised", "unavailable", "html"],
)
def test_the_check_says_in_words_what_is_wrong(
    answer: Answering, *, works: bool, word: str
) -> None:
    checked = gateway(answer).check(at=NOW)

    assert checked.works is works
    assert word in checked.sentence


def test_its_money_comes_by_transfer_and_it_has_no_refunds() -> None:
    assert gateway().rail is Rail.NATIONAL_PORTAL
    assert gateway().rail.channel is Channel.BANK_TRANSFER
    assert not gateway().capabilities.refunds
    assert gateway().capabilities.queries
    with pytest.raises(DoisoatError):
        gateway().settlement_report(NOW.date())
