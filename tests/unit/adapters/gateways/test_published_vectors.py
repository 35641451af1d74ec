"""Signatures and codes that others published, where the vectors lie beside the checkout."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.gateways import vnpay_signing as signing
from adapters.gateways.emvco import crc16, open_sealed
from adapters.gateways.vietqr import parse_vietqr
from payments.errors import QRPayloadError

VECTORS = Path(__file__).parents[5] / "shared" / "rails" / "vectors.json"
NOT_TRANSFERS = {"vnpayqr_merchant_1", "vnpayqr_merchant_2", "evn_bill_qr"}


def vectors(group: str) -> list[Any]:
    if not VECTORS.exists():
        reason = pytest.mark.skip(reason="no published vectors beside the checkout")
        return [pytest.param({}, marks=reason, id="absent")]
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return [pytest.param(one, id=one["name"]) for one in found if one["group"] == group]


@pytest.mark.parametrize("vector", vectors("vnpay"))
def test_vnpay(vector: dict[str, Any]) -> None:
    fields = vector["inputs"]
    if order := vector.get("field_order"):
        text = signing.pipe_string(order, fields)
    else:
        text = signing.encode_query(fields)
    assert text == vector["string_to_sign"]
    if not vector["secret"]:
        return
    assert signing.hmac_sha512(text, vector["secret"]) == vector["expected"].lower()
    signed = f"{text}&vnp_SecureHash={vector['expected'].upper()}"
    if not order:
        assert signing.read_signed_query(signed, [vector["secret"]]) == fields


@pytest.mark.parametrize(
    ("order", "name"),
    [
        (signing.QUERY_REQUEST, "vnpay_querydr_request"),
        (signing.QUERY_RESPONSE, "vnpay_querydr_response"),
        (signing.REFUND_REQUEST, "vnpay_refund_request"),
        (signing.REFUND_RESPONSE, "vnpay_refund_response"),
    ],
)
def test_the_order_of_signed_fields_is_the_published_one(order: tuple[str, ...], name: str) -> None:
    if not VECTORS.exists():
        pytest.skip("no published vectors beside the checkout")
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    assert list(order) == next(one["field_order"] for one in found if one["name"] == name)


@pytest.mark.parametrize("vector", vectors("vietqr"))
def test_vietqr(vector: dict[str, Any]) -> None:
    payload = vector["inputs"].get("payload")
    if payload is None:
        assert crc16(vector["inputs"]["ascii"]) == vector["expected"]
        return
    assert (crc16(payload[:-4]) == vector["expected"].upper()) == vector["crc_valid"]
    usable = vector["crc_valid"] and vector["tlv_wellformed"]
    if not (usable and vector["napas_structure_ok"]) or vector["name"] in NOT_TRANSFERS:
        with pytest.raises(QRPayloadError):
            parse_vietqr(payload)
        if usable:
            assert open_sealed(payload)["00"] == "01"
        return
    order = parse_vietqr(payload)
    parsed = vector["inputs"]["parsed"]
    assert order.bank_bin == parsed["38.01"]["00"]
    assert order.account == parsed["38.01"]["01"]
    assert (str(order.amount.amount_minor) if order.amount else None) == parsed.get("54")
    assert dict(order.additional) == parsed.get("62", {})
    assert order.dynamic == (parsed["01"] == "12")
