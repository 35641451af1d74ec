"""VietQR codes: what is built, what is read, and what is refused."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.gateways.bank_bins import SHIPPED_BINS, load_bank_table
from adapters.gateways.emvco import crc16, encode_fields, seal
from adapters.gateways.vietqr import (
    VietQRGateway,
    build_vietqr,
    parse_vietqr,
    transfer_purpose,
)
from core.money import Currency, Money
from payments.errors import GatewayRefusedError, QRPayloadError
from payments.ports import StartRequest

PURPOSE = "MC1234567ABC LE PHI"


def code_with(template: str, *, amount: str = "1000", currency: str = "704") -> str:
    """Return a code with a right checksum around whatever parts."""
    fields = [("00", "01"), ("01", "12"), ("38", template), ("53", currency), ("54", amount)]
    return seal(encode_fields([*fields, ("58", "VN"), ("62", encode_fields([("08", PURPOSE)]))]))


def template(beneficiary: str, service: str = "QRIBFTTA", guid: str = "A000000727") -> str:
    return encode_fields([("00", guid), ("01", beneficiary), ("02", service)])


GOOD = encode_fields([("00", "970436"), ("01", "0071000123456")])


def test_the_checksum_is_the_catalogued_one() -> None:
    assert crc16("123456789") == "29B1"


def test_the_layout_is_the_published_one_field_by_field() -> None:
    code = build_vietqr("970403", "0011012345678", Money(180_000), "THANH TOAN DON HANG")

    assert code[:-4] == (
        "000201"
        "010212"
        "38570010A00000072701270006970403011300110123456780208QRIBFTTA"
        "5303704"
        "5406180000"
        "5802VN"
        "62230819THANH TOAN DON HANG"
        "6304"
    )


def test_what_is_built_can_be_read() -> None:
    order = parse_vietqr(build_vietqr("970436", "0071000123456", Money(150_000), PURPOSE))

    assert order.bank_bin == "970436"
    assert order.account == "0071000123456"
    assert order.amount == Money(150_000)
    assert order.purpose == PURPOSE
    assert order.dynamic
    assert not order.to_card


def test_an_open_code_is_static_and_names_no_amount() -> None:
    order = parse_vietqr(build_vietqr("970436", "0071000123456", None, PURPOSE))

    assert order.amount is None
    assert not order.dynamic


def test_a_checksum_in_small_letters_is_read() -> None:
    code = build_vietqr("970436", "0071000123456", Money(150_000), PURPOSE)

    assert parse_vietqr(code[:-4] + code[-4:].lower()) == parse_vietqr(code)


def test_a_right_checksum_does_not_excuse_a_wrong_inner_length() -> None:
    inner = "0006970403" + "0112" + "0011012345678"

    with pytest.raises(QRPayloadError):
        parse_vietqr(code_with(template(inner)))


@pytest.mark.parametrize(
    "code",
    [
        "",
        "6304",
        "hello",
        build_vietqr("970436", "1", Money(1), "X")[:-1],
        build_vietqr("970436", "1", Money(1), "X") + "0",
        code_with(template(GOOD, guid="A000000775")),
        code_with(template(GOOD, service="QRPUSH")),
        code_with(template(GOOD + "0208QRIBFTTA")),
        code_with(encode_fields([("00", "A000000727"), ("01", GOOD)])),
        code_with(template(encode_fields([("00", "97043"), ("01", "123")]))),
        code_with(template(encode_fields([("00", "970436"), ("01", "1" * 20)]))),
        code_with(template(encode_fields([("00", "970436"), ("01", "12-34")]))),
        code_with(template(GOOD), amount="0"),
        code_with(template(GOOD), amount="1000.50"),
        code_with(template(GOOD), amount="1,000"),
        code_with(template(GOOD), amount="1" * 14),
        code_with(template(GOOD), currency="840"),
        seal("000202" + "010212"),
        seal("000201" + "000201"),
        seal("0102" + "12"),
        seal("000201" + "63040000"),
        seal("000201" + "99"),
    ],
)
def test_damaged_and_foreign_codes_are_refused(code: str) -> None:
    with pytest.raises(QRPayloadError):
        parse_vietqr(code)


def test_diacritics_are_refused_when_reading_and_building() -> None:
    with pytest.raises(QRPayloadError):
        parse_vietqr("00020101021238570010A000000727" + "lệ phí" + "6304ABCD")
    with pytest.raises(QRPayloadError):
        build_vietqr("970436", "0071000123456", Money(1), "LỆ PHÍ")
    with pytest.raises(QRPayloadError):
        encode_fields([("08", "lệ phí")])


@pytest.mark.parametrize(
    ("bank_bin", "account", "amount", "purpose"),
    [
        ("97043", "1", Money(1), "X"),
        ("970436", "", Money(1), "X"),
        ("970436", "1" * 20, Money(1), "X"),
        ("970436", "1", Money(0), "X"),
        ("970436", "1", Money(-5), "X"),
        ("970436", "1", Money(10**14), "X"),
        ("970436", "1", Money(100, Currency.USD), "X"),
        ("970436", "1", Money(1), ""),
        ("970436", "1", Money(1), "X" * 26),
        ("970436", "1", Money(1), "a-b"),
    ],
)
def test_what_the_format_cannot_carry_is_not_built(
    bank_bin: str, account: str, amount: Money, purpose: str
) -> None:
    with pytest.raises(QRPayloadError):
        build_vietqr(bank_bin, account, amount, purpose)


def test_the_purpose_begins_with_the_reference_and_keeps_whole_words() -> None:
    assert transfer_purpose("MC1234567ABC", "le phi dang ky ho tich") == "MC1234567ABC LE PHI DANG"
    assert transfer_purpose("MC1234567ABC", "") == "MC1234567ABC"
    assert transfer_purpose("MC1234567ABC", "MC1234567ABC ho tich") == "MC1234567ABC HO TICH"
    assert transfer_purpose("MC1234567ABC", "dang-ky.ho") == "MC1234567ABC DANG KY HO"


@pytest.mark.parametrize("reference", ["", "MC 123", "mc123", "MC-1", "M" * 26])
def test_a_reference_that_would_not_survive_is_refused(reference: str) -> None:
    with pytest.raises(QRPayloadError):
        transfer_purpose(reference, "x")


def test_the_table_of_banks_is_dated_and_sourced() -> None:
    table = load_bank_table()

    assert table.banks["970436"].name == "Vietcombank"
    assert table.banks["970403"].name == "Sacombank"
    assert table.banks["970408"].receive_only
    assert table.as_of.year >= 2026
    assert "official" in table.source
    assert all(bin_number == bank.bin for bin_number, bank in table.banks.items())


RECEIVE_ONLY = {
    "CBBank",
    "CIMB",
    "DBS",
    "GPBank",
    "HSBC",
    "Hong Leong",
    "IBK",
    "Indovina",
    "Kookmin",
    "Nonghyup",
    "Public Bank",
    "Standard Chartered",
    "UOB",
    "VRB",
    "Woori",
}
BIG = {
    "970405": "Agribank",
    "970407": "Techcombank",
    "970415": "VietinBank",
    "970418": "BIDV",
    "970422": "MB",
    "970436": "Vietcombank",
}


def test_every_bank_stands_once_by_six_digits_and_those_that_only_receive_are_marked() -> None:
    rows = json.loads(SHIPPED_BINS.read_text(encoding="utf-8"))["banks"]
    banks = load_bank_table().banks

    assert len(banks) == len(rows) == 58
    assert all(re.fullmatch(r"[0-9]{6}", bank_bin) for bank_bin in banks)
    assert {bank.name for bank in banks.values() if bank.receive_only} == RECEIVE_ONLY
    assert {bank_bin: banks[bank_bin].name for bank_bin in BIG} == BIG


@pytest.mark.parametrize("bank_bin", sorted(load_bank_table().banks))
def test_a_code_can_be_made_for_every_bank_of_the_table(bank_bin: str) -> None:
    started = VietQRGateway().start(replace(start_request(), collecting_bank_bin=bank_bin))

    order = parse_vietqr(str(started.qr_payload))
    assert order.bank_bin == bank_bin
    assert order.purpose == "MC1234567ABC LE PHI"
    assert order.amount == Money(150_000)


def test_a_template_with_damage_inside_is_refused_wherever_it_is() -> None:
    for inner in ("0805ABC", "08", "0A03ABC", "0800", "0803ABC0803ABC"):
        fields = [("00", "01"), ("01", "11"), ("38", template(GOOD)), ("53", "704"), ("58", "VN")]
        with pytest.raises(QRPayloadError):
            parse_vietqr(seal(encode_fields([*fields, ("62", inner)])))


def test_the_length_of_a_text_outside_ascii_is_never_guessed() -> None:
    unsigned = build_vietqr("970436", "1", Money(1), "PHI")[:-4].replace("0803PHI", "0803phí")
    for checksum in (crc16(unsigned), crc16(unsigned.encode().decode("latin-1"))):
        with pytest.raises(QRPayloadError, match="ASCII"):
            parse_vietqr(unsigned + checksum)


def test_the_check_tells_of_what_day_the_table_is() -> None:
    checked = VietQRGateway().check(at=datetime(2026, 3, 2, tzinfo=UTC))

    assert checked.works is None
    assert load_bank_table().as_of.isoformat() in checked.sentence


def start_request() -> StartRequest:
    return StartRequest(
        merchant_reference="MC1234567ABC-1",
        bill_reference="MC1234567ABC",
        amount=Money(150_000),
        description="Le phi",
        return_url="http://127.0.0.1/return",
        payer_ip="127.0.0.1",
        locale="vi",
        created_at=datetime(2026, 3, 2, tzinfo=UTC),
        expires_at=datetime(2026, 3, 3, tzinfo=UTC),
        collecting_bank_bin="970436",
        collecting_account="0071000123456",
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"collecting_bank_bin": "999999"},
        {"collecting_bank_bin": ""},
        {"collecting_account": ""},
        {"amount": Money(100, Currency.USD)},
    ],
)
def test_an_office_without_a_usable_account_gets_no_code(changed: dict[str, object]) -> None:
    with pytest.raises(GatewayRefusedError):
        VietQRGateway().start(replace(start_request(), **changed))  # type: ignore[arg-type]
