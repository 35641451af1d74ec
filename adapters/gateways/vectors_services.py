"""Vectors of payOS, Casso and SePay, verified with the signing code of their gateways."""

from typing import Any, Final

from adapters.gateways import casso_signing, payos_signing, sepay
from adapters.gateways.vectors_file import Vector
from adapters.gateways.vectors_judging import Judgement, compare

_LINK: Final = frozenset(payos_signing.CREATE)


def judge_payos(vector: Vector) -> Judgement:
    """Verify a request for a link, or the data of an answer or a webhook."""
    key, inputs = vector.secret or "", vector.inputs
    data = inputs["data"] if isinstance(inputs.get("data"), dict) else inputs
    if data.keys() >= _LINK:
        text = payos_signing.create_string(data)
    else:
        text = payos_signing.data_string(data)
    return compare(
        vector,
        text,
        lambda text: payos_signing.hmac_sha256(text, key),
        accepted=payos_signing.fits(text, vector.expected, [key]),
    )


def judge_casso(vector: Vector) -> Judgement:
    """Verify a webhook of version 2: its header signs time and body."""
    key = vector.secret or ""
    time, signature = casso_signing.read_header(str(vector.inputs["header"]))
    body: Any = vector.inputs["body"]
    return compare(
        vector,
        casso_signing.signed_text(time, body),
        lambda _: casso_signing.sign(time, body, key),
        accepted=casso_signing.is_signed(signature, time, body, [key]),
    )


def judge_sepay(vector: Vector) -> Judgement:
    """Verify a webhook that is signed over time and body."""
    key = vector.secret or ""
    time, body = str(vector.inputs["X-SePay-Timestamp"]), str(vector.inputs["body"]).encode()
    return compare(
        vector,
        f"{time}.{body.decode()}",
        lambda _: sepay.sign(time, body, key),
        accepted=sepay.is_signed(sepay.sign(time, body, key), time, body, [key]),
    )
