"""Verifying published vectors: what holds, what fails, and what is only said not to be checked."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.gateways import national_portal_signing, vnpay_signing
from adapters.gateways.emvco import crc16, encode_fields, seal
from adapters.gateways.vectors import GROUPS, Finding, verify
from adapters.gateways.vectors_file import Standing, read_vectors
from adapters.gateways.vectors_judging import Verdict
from adapters.gateways.vietqr import build_vietqr
from core.errors import InputUnusableError
from core.money import Money

SHARED = next(
    (
        path
        for parent in Path(__file__).parents
        if (path := parent / "shared" / "rails" / "vectors.json").exists()
    ),
    None,
)

RESULT = {
    "vnp_Amount": "1000000",
    "vnp_OrderInfo": "Thanh toan: 5",
    "vnp_ResponseCode": "00",
    "vnp_TxnRef": "MC1234567ABC-1",
}
QUERY = {
    "LoaiBanTin": "QUERY",
    "PhienBan": "1.0.6",
    "MaDoiTac": "DEMO",
    "MaThamChieu": "MC1234567ABCU1",
    "ThoiGianGD": "20260701143005",
}
CODE = build_vietqr("970436", "0071000123456", Money(150_000), "MC1234567ABC LE PHI")


NOT_SPOKEN = {"zalopay_v2_refund_with_fee"}
"""A message that no gateway here sends."""


def vnpay(**changed: Any) -> dict[str, Any]:
    text = vnpay_signing.encode_query(RESULT)
    return {
        "name": "vnpay_result",
        "group": "vnpay",
        "inputs": RESULT,
        "string_to_sign": text,
        "secret": "key",
        "expected": vnpay_signing.hmac_sha512(text, "key"),
        "verified": True,
        "computed_only": False,
        **changed,
    }


def portal(**changed: Any) -> dict[str, Any]:
    order = national_portal_signing.QUERY
    return {
        "name": "portal_query",
        "group": "dvcqg",
        "inputs": QUERY,
        "string_to_sign": national_portal_signing.signed_text(order, QUERY, "key"),
        "secret": "key",
        "expected": national_portal_signing.digest(order, QUERY, "key"),
        "verified": False,
        "computed_only": True,
        **changed,
    }


def code(payload: str = CODE, **changed: Any) -> dict[str, Any]:
    return {
        "name": "code",
        "group": "vietqr",
        "inputs": {"payload": payload},
        "string_to_sign": payload[:-4],
        "secret": None,
        "expected": payload[-4:],
        "crc_valid": True,
        "tlv_wellformed": True,
        "napas_structure_ok": True,
        "verified": True,
        **changed,
    }


def findings(*vectors: dict[str, Any]) -> list[Finding]:
    return verify(read_vectors(json.dumps({"vectors": vectors}).encode()))


def finding(vector: dict[str, Any]) -> Finding:
    return findings(vector)[0]


def flipped(text: str) -> str:
    """Return a hex text with one bit of its first digit changed."""
    return f"{int(text[0], 16) ^ 1:x}{text[1:]}"


MADE = {"vnpay": vnpay(), "dvcqg": portal(), "vietqr": code()}


@pytest.mark.parametrize("vector", MADE.values(), ids=MADE)
def test_what_is_right_holds_in_either_case_of_letters(vector: dict[str, Any]) -> None:
    for expected in (vector["expected"].lower(), vector["expected"].upper()):
        found = finding({**vector, "expected": expected})
        assert found.verdict is Verdict.HOLDS
        assert not found.fails


@pytest.mark.parametrize("vector", MADE.values(), ids=MADE)
def test_one_flipped_bit_of_a_verified_value_fails(vector: dict[str, Any]) -> None:
    wrong = {**vector, "expected": flipped(vector["expected"])}

    assert finding({**wrong, "verified": True}).fails
    for claim in ({"computed_only": True}, {"computed_only": False}):
        found = finding({**wrong, "verified": False, **claim})
        assert found.verdict is Verdict.DIFFERS
        assert not found.fails


@pytest.mark.parametrize("name", ["vnpay", "dvcqg"])
@pytest.mark.parametrize("part", ["inputs", "string_to_sign", "secret"])
def test_what_was_signed_counts_as_well_as_the_value(name: str, part: str) -> None:
    vector = MADE[name]
    if part == "inputs":
        some = next(iter(vector["inputs"]))
        changed: Any = {**vector["inputs"], some: "other"}
    else:
        changed = vector[part] + "x"

    found = finding({**vector, "verified": True, part: changed})

    assert found.fails
    assert found.note


def test_a_vector_that_cannot_be_computed_fails_and_does_not_stop_the_others() -> None:
    broken = portal(inputs={}, verified=True)
    no_payload = code(inputs={})
    surrogate = vnpay(inputs={**RESULT, "vnp_OrderInfo": "\ud800"}, string_to_sign=None)

    found = findings(broken, no_payload, surrogate, vnpay())

    assert [one.fails for one in found] == [True, True, True, False]
    assert "cannot be computed" in found[0].note


def test_without_a_key_only_the_text_is_compared() -> None:
    found = finding(vnpay(secret=None, verified=False))
    other = finding(vnpay(secret=None, verified=False, string_to_sign="x"))

    assert found.vector.standing is Standing.NOT_REPRODUCIBLE
    assert found.verdict is Verdict.NOT_CHECKED
    assert "text to sign agrees" in found.note
    assert other.verdict is Verdict.DIFFERS


def test_a_group_nobody_speaks_is_not_checked_and_no_pass() -> None:
    found = finding(vnpay(group="carrier_pigeon"))

    assert found.verdict is Verdict.NOT_CHECKED
    assert found.verdict is not Verdict.HOLDS
    assert "carrier_pigeon" not in GROUPS


def test_api_messages_are_signed_in_the_adapters_own_order() -> None:
    orders = {
        "querydr": (vnpay_signing.QUERY_REQUEST, vnpay_signing.QUERY_RESPONSE),
        "refund": (vnpay_signing.REFUND_REQUEST, vnpay_signing.REFUND_RESPONSE),
    }
    for command, pair in orders.items():
        for order in pair:
            inputs = {name: name.lower() for name in order} | {"vnp_Command": command}
            text = vnpay_signing.pipe_string(order, inputs)
            right = vnpay(
                inputs=inputs,
                string_to_sign=text,
                expected=vnpay_signing.hmac_sha512(text, "key"),
            )
            assert finding(right).verdict is Verdict.HOLDS
            # the order a file names is not what our gateway would sign
            turned = "|".join(reversed(text.split("|")))
            wrong = {**right, "string_to_sign": turned}
            wrong["expected"] = vnpay_signing.hmac_sha512(turned, "key")
            assert finding(wrong).fails


# ---------------------------------------------------------------- QR codes

BENEFICIARY = encode_fields([("00", "970403"), ("01", "0011012345678")])


def sealed(beneficiary: str, *, guid: str = "A000000727", service: str = "QRIBFTTA") -> str:
    template = encode_fields([("00", guid), ("01", beneficiary), ("02", service)])
    return seal(
        encode_fields([("00", "01"), ("01", "11"), ("38", template), ("53", "704"), ("58", "VN")])
    )


WRONG_CHECKSUM = CODE[:-4] + flipped(CODE[-4:]).upper()
WRONG_LENGTH = sealed("0006970403" + "0112" + "0011012345678")
NESTED_SERVICE = sealed(BENEFICIARY + "0208QRIBFTTA")
OTHER_FAMILY = seal("000201" + "010211" + "26280010A00000077501100108799042" + "5303704" + "5802VN")
NOT_ASCII = "00020101021138lệ phí6304"
NOT_ASCII += crc16(NOT_ASCII)

WRONG = {
    "checksum": (WRONG_CHECKSUM, {"crc_valid": False}),
    "length": (WRONG_LENGTH, {"tlv_wellformed": False, "napas_structure_ok": False}),
    "nesting": (NESTED_SERVICE, {"napas_structure_ok": False}),
    "not ascii": (NOT_ASCII, {"tlv_wellformed": False}),
    "not ascii, structure": (NOT_ASCII, {"napas_structure_ok": False}),
}


@pytest.mark.parametrize(("payload", "marks"), WRONG.values(), ids=WRONG)
def test_a_code_marked_as_wrong_has_to_be_refused_for_that(
    payload: str, marks: dict[str, bool]
) -> None:
    found = finding(code(payload, **marks))

    assert found.vector.is_wrong_on_purpose
    assert found.verdict is Verdict.HOLDS
    assert found.note.startswith("refused: ")


@pytest.mark.parametrize("name", ["crc_valid", "tlv_wellformed", "napas_structure_ok"])
@pytest.mark.parametrize("verified", [True, False], ids=["verified", "unverified"])
def test_a_sound_code_marked_as_wrong_fails_whoever_vouches_for_it(
    name: str, *, verified: bool
) -> None:
    found = finding(code(verified=verified, **{name: False}))

    assert found.fails


@pytest.mark.parametrize(
    "payload", [WRONG_CHECKSUM, WRONG_LENGTH, NESTED_SERVICE], ids=["checksum", "length", "nesting"]
)
def test_a_wrong_code_marked_as_sound_fails(payload: str) -> None:
    assert finding(code(payload)).fails


def test_a_code_of_another_family_is_sound_and_refused_as_a_transfer() -> None:
    found = finding(code(OTHER_FAMILY))

    assert found.verdict is Verdict.HOLDS
    assert "not a VietQR transfer code" in found.note


def test_letters_outside_ascii_are_refused_although_the_checksum_fits() -> None:
    found = finding(code(NOT_ASCII))

    assert found.verdict is Verdict.HOLDS
    assert "ASCII" in found.note


def test_the_fields_that_are_read_have_to_be_the_published_ones() -> None:
    parsed = {
        "00": "01",
        "01": "11",
        "38": {"00": "A000000727", "01": BENEFICIARY, "02": "QRIBFTTA"},
        "38.01": {"00": "970403", "01": "0011012345678"},
        "53": "704",
        "58": "VN",
    }
    payload = sealed(BENEFICIARY)
    parsed["63"] = payload[-4:]

    assert finding(code(payload, inputs={"payload": payload, "parsed": parsed})).verdict is (
        Verdict.HOLDS
    )
    parsed["38.01"] = {"00": "970403", "01": "001101234567"}
    assert finding(code(payload, inputs={"payload": payload, "parsed": parsed})).fails


def test_the_catalogue_value_of_the_checksum_is_compared() -> None:
    right = {"inputs": {"ascii": "123456789"}, "expected": "29b1", "string_to_sign": None}
    assert finding(code(**right)).verdict is Verdict.HOLDS
    assert finding(code(**{**right, "expected": "29B0"})).fails


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"vectors": {}}',
        b'{"vectors": []}',
        b'{"vectors": [1]}',
        b'{"vectors": ["name"]}',
        b'{"vectors": null}',
        b"[" * 100_000,
        *(
            json.dumps({"vectors": [vnpay(**changed)]}).encode()
            for changed in (
                {"name": 5},
                {"group": None},
                {"expected": 7},
                {"inputs": []},
                {"secret": 1},
                {"string_to_sign": 1},
                {"verified": "yes"},
                {"verified": 1},
                {"computed_only": 0},
                {"crc_valid": "false"},
                {"access_key": None},
            )
        ),
        *(
            json.dumps({"vectors": [{k: v for k, v in vnpay().items() if k != name}]}).encode()
            for name in ("name", "group", "expected", "verified")
        ),
    ],
    ids=range(25),
)
def test_a_file_that_is_none_is_unusable_in_one_line(content: bytes) -> None:
    with pytest.raises(InputUnusableError) as problem:
        read_vectors(content)
    assert "\n" not in problem.value.detail
    assert len(problem.value.detail) < 300


def test_the_published_vectors_hold() -> None:
    if SHARED is None:
        pytest.skip("no published vectors beside the checkout")
    found = verify(read_vectors(SHARED.read_bytes()))

    assert [one for one in found if one.fails] == []
    assert {one.vector.group for one in found if one.verdict is Verdict.HOLDS} >= {
        "vnpay",
        "vietqr",
        "dvcqg",
    }
    spoken = [one for one in found if one.vector.group in GROUPS]
    assert all(
        one.verdict is Verdict.HOLDS
        for one in spoken
        if one.vector.standing is not Standing.NOT_REPRODUCIBLE
        and one.vector.name not in NOT_SPOKEN
    )


def test_every_published_value_matters() -> None:
    if SHARED is None:
        pytest.skip("no published vectors beside the checkout")
    document = json.loads(SHARED.read_bytes())
    for entry in document["vectors"]:
        entry["expected"] = entry["expected"][:-1] + flipped(entry["expected"][-1])
    found = verify(read_vectors(json.dumps(document).encode()))

    for one in found:
        if one.vector.group in GROUPS and one.vector.standing is Standing.VERIFIED:
            assert one.fails, one.vector.name
