"""VNPay 2.1.0 signatures: sorted form-encoded pairs for the browser, pipe strings for the API."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote_plus, unquote_plus

HASH_FIELD: Final = "vnp_SecureHash"
_UNSIGNED: Final = frozenset({HASH_FIELD, "vnp_SecureHashType"})

QUERY_REQUEST: Final = (
    "vnp_RequestId",
    "vnp_Version",
    "vnp_Command",
    "vnp_TmnCode",
    "vnp_TxnRef",
    "vnp_TransactionDate",
    "vnp_CreateDate",
    "vnp_IpAddr",
    "vnp_OrderInfo",
)
REFUND_REQUEST: Final = (
    "vnp_RequestId",
    "vnp_Version",
    "vnp_Command",
    "vnp_TmnCode",
    "vnp_TransactionType",
    "vnp_TxnRef",
    "vnp_Amount",
    "vnp_TransactionNo",
    "vnp_TransactionDate",
    "vnp_CreateBy",
    "vnp_CreateDate",
    "vnp_IpAddr",
    "vnp_OrderInfo",
)
REFUND_RESPONSE: Final = (
    "vnp_ResponseId",
    "vnp_Command",
    "vnp_ResponseCode",
    "vnp_Message",
    "vnp_TmnCode",
    "vnp_TxnRef",
    "vnp_Amount",
    "vnp_BankCode",
    "vnp_PayDate",
    "vnp_TransactionNo",
    "vnp_TransactionType",
    "vnp_TransactionStatus",
    "vnp_OrderInfo",
)
QUERY_RESPONSE: Final = (*REFUND_RESPONSE, "vnp_PromotionCode", "vnp_PromotionAmount")


def hmac_sha512(text: str, secret: str) -> str:
    """Return HMAC-SHA512 of UTF-8 text as lower-case hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()


def encode_query(parameters: Mapping[str, str]) -> str:
    """Return what is signed and sent: non-empty pairs, sorted by name, form-encoded."""
    pairs = [(name, value) for name, value in sorted(parameters.items()) if value]
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)


def signed_query(parameters: Mapping[str, str], secret: str) -> str:
    """Return the encoded pairs with the signature as the last one."""
    query = encode_query(parameters)
    return f"{query}&{HASH_FIELD}={hmac_sha512(query, secret)}"


def pipe_string(fields: Sequence[str], values: Mapping[str, str]) -> str:
    """Return the values in the order of ``fields``; an absent one keeps its empty slot."""
    return "|".join(values.get(name, "") for name in fields)


def read_signed_query(query_string: str, secrets: Iterable[str]) -> dict[str, str] | None:
    """Return the decoded ``vnp_`` parameters if one of ``secrets`` signed them, else None.

    The pairs are hashed as they came, re-sorted, because encoders differ in ``~ * ! ' ( )``;
    only if that fails are they decoded and encoded again. A name standing twice is refused:
    two readers would see two values.
    """
    pairs = [pair.partition("=") for pair in query_string.split("&") if pair.startswith("vnp_")]
    raw = {name: value for name, _, value in pairs}
    if len(raw) != len(pairs) or HASH_FIELD not in raw:
        return None
    claimed = raw[HASH_FIELD].lower()
    signed = {name: value for name, value in raw.items() if name not in _UNSIGNED and value}
    decoded = {unquote_plus(name): unquote_plus(value) for name, value in signed.items()}
    as_received = "&".join(f"{name}={value}" for name, value in sorted(signed.items()))
    texts = (as_received, encode_query(decoded))
    hashes = [hmac_sha512(text, secret) for secret in secrets if secret for text in texts]
    # No early exit: the time must not tell which form or key was nearly right.
    matches = [hmac.compare_digest(claimed.encode(), digest.encode()) for digest in hashes]
    return decoded if any(matches) else None


def is_signed_object(
    values: Mapping[str, str], fields: Sequence[str], secrets: Iterable[str]
) -> bool:
    """Whether ``vnp_SecureHash`` of a JSON object fits its ``fields`` under one of ``secrets``."""
    claimed = values.get(HASH_FIELD, "").lower().encode()
    text = pipe_string(fields, values)
    hashes = [hmac_sha512(text, secret).encode() for secret in secrets if secret]
    return any([hmac.compare_digest(claimed, digest) for digest in hashes])  # noqa: C419
