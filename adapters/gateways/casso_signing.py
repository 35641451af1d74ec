"""Casso's v2 signature: HMAC-SHA512 over a time and the whole body in sorted compact JSON."""

import hmac
import json
import re
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

from adapters.gateways.credit_fields import Digits

_HEADER: Final = re.compile(r"t=([0-9]{1,15}),\s*v1=([0-9a-fA-F]{128})")


class Spelling(Enum):
    """How a writer of JSON spells what need not be escaped.

    Casso publishes samples in three languages, which differ only here; which one its server
    agrees with is not published. Each spelling is unambiguous, so that trying all is safe.
    """

    RAW = "raw"
    ESCAPED = "escaped"
    ESCAPED_WITH_SLASHES = "escaped_with_slashes"


def read_header(header: str) -> tuple[str, str]:
    """Return time (milliseconds since 1970, as written) and signature of ``X-Casso-Signature``.

    Raises:
        ValueError: it is not ``t=…,v1=…``.
    """
    found = _HEADER.fullmatch(header.strip())
    if found is None:
        raise ValueError("the signature header is not t=…,v1=…")
    return found[1], found[2]


def signed_text(time: str, body: Any, spelling: Spelling = Spelling.RAW) -> str:
    """Return what is signed: time, a point, and the body with its names sorted at every level.

    Raises:
        TypeError: a float, whose written digits are lost.
    """
    return f"{time}.{_compact(body, spelling)}"


def sign(time: str, body: Any, secret: str, spelling: Spelling = Spelling.RAW) -> str:
    """Return the signature in lower-case hex."""
    text = signed_text(time, body, spelling)
    # A lone surrogate from a JSON escape is no UTF-8; it must not fit, and must not crash.
    return hmac.new(secret.encode(), text.encode("utf-8", "surrogatepass"), "sha512").hexdigest()


def is_signed(signature: str, time: str, body: Any, secrets: Iterable[str]) -> bool:
    """Whether a signature fits time and body under one of ``secrets``, in any spelling."""
    claimed = signature.lower().encode("utf-8", "surrogatepass")
    digests = [
        sign(time, body, secret, spelling).encode()
        for secret in secrets
        if secret
        for spelling in Spelling
    ]
    # No early exit: the time must not tell which key was nearly right.
    return any([hmac.compare_digest(claimed, one) for one in digests])  # noqa: C419


def _compact(value: Any, spelling: Spelling) -> str:
    if isinstance(value, dict):
        pairs = (
            f"{_quoted(name, spelling)}:{_compact(value[name], spelling)}" for name in sorted(value)
        )
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(_compact(one, spelling) for one in value)}]"
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, str):
        return _quoted(value, spelling)
    if value is None or isinstance(value, int):
        return json.dumps(value)
    raise TypeError(f"{type(value).__name__} is not signed: its digits are lost")


def _quoted(text: str, spelling: Spelling) -> str:
    quoted = json.dumps(text, ensure_ascii=spelling is not Spelling.RAW)
    return quoted.replace("/", r"\/") if spelling is Spelling.ESCAPED_WITH_SLASHES else quoted
