"""Vectors of MoMo and ZaloPay: each kind of message holds, and any change is noticed."""

import json
from typing import Any

import pytest

from adapters.gateways import momo_signing, zalopay_signing
from adapters.gateways.vectors import Finding, verify
from adapters.gateways.vectors_file import read_vectors
from adapters.gateways.vectors_judging import Verdict

MOMO_ORDERS = {
    "result": momo_signing.RESULT,
    "create": momo_signing.CREATE,
    "confirm": momo_signing.CONFIRM,
    "refund": momo_signing.REFUND,
    "query": momo_signing.QUERY,
}
ZALOPAY_ORDERS = {
    "create": zalopay_signing.CREATE,
    "refund": zalopay_signing.REFUND,
    "query_refund": zalopay_signing.QUERY_REFUND,
    "query": zalopay_signing.QUERY,
}


def vector(group: str, inputs: dict[str, Any], text: str, expected: str) -> dict[str, Any]:
    return {
        "name": group,
        "group": group,
        "inputs": inputs,
        "access_key": "access" if group == "momo" else "",
        "string_to_sign": text,
        "secret": "key",
        "expected": expected,
        "verified": True,
    }


def momo(order: tuple[str, ...]) -> dict[str, Any]:
    inputs = {name: f"{name}-1" for name in order}
    text = momo_signing.signed_string(order, inputs, "access")
    return vector("momo", inputs, text, momo_signing.hmac_sha256(text, "key"))


def zalopay(order: tuple[str, ...]) -> dict[str, Any]:
    inputs = {name: number for number, name in enumerate(order)}
    text = zalopay_signing.signed_text(order, inputs, "key")
    return vector("zalopay", inputs, text, zalopay_signing.hmac_sha256(text, "key"))


RAW = "bất kỳ"
DATA = '{"app_id":1,"amount":5}'
MADE = {
    **{f"momo {name}": momo(order) for name, order in MOMO_ORDERS.items()},
    **{f"zalopay {name}": zalopay(order) for name, order in ZALOPAY_ORDERS.items()},
    "momo raw": vector("momo", {"raw": RAW}, RAW, momo_signing.hmac_sha256(RAW, "key")),
    "zalopay callback": vector(
        "zalopay", {"data": DATA, "type": 1}, DATA, zalopay_signing.hmac_sha256(DATA, "key")
    ),
}


def finding(entry: dict[str, Any]) -> Finding:
    return verify(read_vectors(json.dumps({"vectors": [entry]}).encode()))[0]


@pytest.mark.parametrize("entry", MADE.values(), ids=MADE)
def test_each_kind_of_message_holds_and_one_flipped_bit_fails(entry: dict[str, Any]) -> None:
    wrong = f"{int(entry['expected'][0], 16) ^ 1:x}{entry['expected'][1:]}"

    assert finding(entry).verdict is Verdict.HOLDS
    assert finding({**entry, "expected": entry["expected"].upper()}).verdict is Verdict.HOLDS
    assert finding({**entry, "expected": wrong}).fails
    assert finding({**entry, "secret": "other"}).fails
    assert finding({**entry, "string_to_sign": entry["string_to_sign"] + "x"}).fails


@pytest.mark.parametrize("entry", MADE.values(), ids=MADE)
def test_any_other_value_of_a_signed_field_fails(entry: dict[str, Any]) -> None:
    for name in entry["inputs"]:
        if name == "type":  # ZaloPay signs only the data of a callback
            continue
        changed = {**entry["inputs"], name: "other"}
        assert finding({**entry, "inputs": changed}).fails, name
        assert finding({**entry, "inputs": changed, "string_to_sign": None}).fails, name


@pytest.mark.parametrize("group", ["momo", "zalopay"])
def test_a_message_of_no_known_kind_fails(group: str) -> None:
    found = finding(vector(group, {"strange": "1"}, "x", "00"))

    assert found.fails
    assert "no message of this group" in found.note


def test_a_message_that_no_gateway_sends_is_not_checked() -> None:
    entry = zalopay(zalopay_signing.REFUND)
    entry["inputs"] = {**entry["inputs"], "refund_fee_amount": 1000}

    assert finding(entry).verdict is Verdict.NOT_CHECKED
