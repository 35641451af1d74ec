"""MoMo's signatures: HMAC-SHA256 over ``key=value`` pairs in a fixed order, access key first."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

SIGNATURE_FIELD: Final = "signature"

CREATE: Final = (
    "amount",
    "extraData",
    "ipnUrl",
    "orderId",
    "orderInfo",
    "partnerCode",
    "redirectUrl",
    "requestId",
    "requestType",
)
RESULT: Final = (
    "amount",
    "extraData",
    "message",
    "orderId",
    "orderInfo",
    "orderType",
    "partnerCode",
    "payType",
    "requestId",
    "responseTime",
    "resultCode",
    "transId",
)
"""Of an IPN's body and of the address to which the payer's browser goes back."""

QUERY: Final = ("orderId", "partnerCode", "requestId")
REFUND: Final = ("amount", "description", "orderId", "partnerCode", "requestId", "transId")
REFUND_QUERY: Final = ("orderId", "partnerCode", "requestId")
CONFIRM: Final = ("amount", "description", "orderId", "partnerCode", "requestId", "requestType")


def signed_string(names: Sequence[str], values: Mapping[str, str], access_key: str) -> str:
    """Return the text that is signed: raw values, nothing encoded, empty ones kept as ``key=``."""
    pairs = [("accessKey", access_key), *((name, values.get(name, "")) for name in names)]
    return "&".join(f"{name}={value}" for name, value in pairs)


def hmac_sha256(text: str, secret: str) -> str:
    """Return HMAC-SHA256 of UTF-8 text as lower-case hex."""
    # A lone surrogate from a JSON escape is no UTF-8; it must not fit, and must not crash.
    return hmac.new(secret.encode(), text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def sign(
    names: Sequence[str], values: Mapping[str, str], *, access_key: str, secret_key: str
) -> str:
    """Return the signature of ``values`` in the order of ``names``."""
    return hmac_sha256(signed_string(names, values, access_key), secret_key)


def is_signed(
    values: Mapping[str, str], names: Sequence[str], keys: Iterable[tuple[str, str]]
) -> bool:
    """Whether ``signature`` fits ``values`` under one of ``keys`` (access key, secret key).

    Values are joined unencoded, so one that holds ``&orderId=`` could be read as two fields of a
    message that was never sent: such a message is nobody's.
    """
    if any(f"&{name}=" in values.get(other, "") for name in names for other in names):
        return False
    claimed = values.get(SIGNATURE_FIELD, "").lower().encode("utf-8", "surrogatepass")
    digests = [
        sign(names, values, access_key=access, secret_key=secret).encode()
        for access, secret in keys
        if secret
    ]
    # No early exit: the time must not tell which key was nearly right.
    return any([hmac.compare_digest(claimed, digest) for digest in digests])  # noqa: C419


def derived_id(text: str, length: int) -> str:
    """Return a fixed id of ``length`` hex digits for a text that does not fit a field."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]
