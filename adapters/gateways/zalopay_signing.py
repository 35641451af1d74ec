"""ZaloPay v2 signatures: HMAC-SHA256 over joined fields (key1) or over a text as it came (key2)."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

MAC: Final = "mac"

CREATE: Final = (
    "app_id",
    "app_trans_id",
    "app_user",
    "amount",
    "app_time",
    "embed_data",
    "item",
)
QUERY: Final = ("app_id", "app_trans_id")
REFUND: Final = ("app_id", "zp_trans_id", "amount", "description", "timestamp")
QUERY_REFUND: Final = ("app_id", "m_refund_id", "timestamp")
REDIRECT: Final = (
    "appid",
    "apptransid",
    "pmcid",
    "bankcode",
    "amount",
    "discountamount",
    "status",
)
"""What the browser brings back; nothing here believes it, only the simulator writes it."""


def hmac_sha256(text: str, key: str) -> str:
    """Return HMAC-SHA256 of UTF-8 text as lower-case hex."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def pipe_string(fields: Sequence[str], values: Mapping[str, object]) -> str:
    """Return the values in the order of ``fields``, raw, joined by ``|``."""
    return "|".join(str(values.get(name, "")) for name in fields)


def signed_text(fields: Sequence[str], values: Mapping[str, object], key1: str) -> str:
    """Return what is signed of a request; that of an order query ends with the key itself."""
    text = pipe_string(fields, values)
    return f"{text}|{key1}" if fields is QUERY else text


def signed(fields: Sequence[str], values: Mapping[str, object], key1: str) -> dict[str, object]:
    """Return a request with its ``mac``."""
    return {**values, MAC: hmac_sha256(signed_text(fields, values, key1), key1)}


def is_signed(text: str, claimed: str, keys: Iterable[str]) -> bool:
    """Whether one of ``keys`` signed exactly this text; empty keys sign nothing."""
    try:
        wanted = claimed.lower().encode()
        macs = [hmac_sha256(text, key).encode() for key in keys if key]
    except UnicodeEncodeError:  # a lone surrogate: nobody can have signed it
        return False
    # No early exit: the time must not tell which key was nearly right.
    return any([hmac.compare_digest(wanted, mac) for mac in macs])  # noqa: C419
