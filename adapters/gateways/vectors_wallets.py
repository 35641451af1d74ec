"""Vectors of MoMo and ZaloPay, verified with the signing code of their gateways."""

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.gateways import momo_signing, zalopay_signing
from adapters.gateways.vectors_file import Vector
from adapters.gateways.vectors_judging import Judgement, Verdict, compare, order_of, plain

_MOMO: Final[Mapping[str, Sequence[str]]] = {
    "resultCode": momo_signing.RESULT,
    "redirectUrl": momo_signing.CREATE,
    "requestType": momo_signing.CONFIRM,
    "transId": momo_signing.REFUND,
    "orderId": momo_signing.QUERY,
}
"""The order of the message that holds a field, looked for from the top."""

_ZALOPAY: Final[Mapping[str, Sequence[str]]] = {
    "embed_data": zalopay_signing.CREATE,
    "zp_trans_id": zalopay_signing.REFUND,
    "m_refund_id": zalopay_signing.QUERY_REFUND,
    "app_trans_id": zalopay_signing.QUERY,
}


def judge_momo(vector: Vector) -> Judgement:
    """Verify a message of MoMo, or the bare HMAC of a text."""
    secret = vector.secret or ""
    fields = plain(vector.inputs)
    if "raw" in fields:
        return compare(vector, fields["raw"], lambda text: momo_signing.hmac_sha256(text, secret))
    order = order_of(_MOMO, fields)
    access_key = vector.access_key or fields.get("accessKey", "")
    signed = {**fields, momo_signing.SIGNATURE_FIELD: vector.expected}
    return compare(
        vector,
        momo_signing.signed_string(order, fields, access_key),
        lambda text: momo_signing.hmac_sha256(text, secret),
        accepted=momo_signing.is_signed(signed, order, [(access_key, secret)]),
    )


def judge_zalopay(vector: Vector) -> Judgement:
    """Verify a callback's data as it came, or a request of ours."""
    key = vector.secret or ""
    if "refund_fee_amount" in vector.inputs:
        return Verdict.NOT_CHECKED, "no refund with a fee is made here"
    if "data" in vector.inputs:
        text = plain(vector.inputs)["data"]
    else:
        order = order_of(_ZALOPAY, vector.inputs)
        text = zalopay_signing.signed_text(order, plain(vector.inputs), key)
    return compare(
        vector,
        text,
        lambda text: zalopay_signing.hmac_sha256(text, key),
        accepted=zalopay_signing.is_signed(text, vector.expected, [key]),
    )
