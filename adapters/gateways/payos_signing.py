"""payOS's signatures: HMAC-SHA256 over ``key=value`` pairs, of five fields or of a whole object."""

import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

CREATE: Final = ("amount", "cancelUrl", "description", "orderCode", "returnUrl")
"""What a request for a link signs, in this order; nothing else of it is signed."""

_NOTHING: Final = frozenset({"null", "undefined"})


class NumberText(str):
    """A JSON number that is no integer, digit for digit as it was written."""

    __slots__ = ()


def create_string(values: Mapping[str, Any]) -> str:
    """Return the text that is signed of a request for a link: raw values, nothing encoded."""
    return "&".join(f"{name}={values[name]}" for name in CREATE)


def data_string(data: Mapping[str, Any]) -> str:
    """Return the text that is signed of the ``data`` of an answer or a webhook.

    Names are sorted, values raw; nothing, ``null`` and ``undefined`` are empty; a list is compact
    JSON in which the names of each object are sorted (of objects within those they are not).

    Raises:
        ValueError: a value is an object or a float: no published form says how it is signed.
    """
    return "&".join(f"{name}={_text(data[name])}" for name in sorted(data))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or (isinstance(value, str) and value in _NOTHING):
        return ""
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, list):
        return _compact([_sorted(item) for item in value])
    raise ValueError(f"no form is known in which a {type(value).__name__} is signed")


def _sorted(item: Any) -> Any:
    return dict(sorted(item.items())) if isinstance(item, dict) else item


def _compact(value: Any) -> str:
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{_compact(name)}:{_compact(part)}" for name, part in value.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_compact, value))}]"
    return json.dumps(value, ensure_ascii=False)


def hmac_sha256(text: str, secret: str) -> str:
    """Return HMAC-SHA256 of UTF-8 text as lower-case hex."""
    # A lone surrogate from a JSON escape is no UTF-8; it must not fit, and must not crash.
    return hmac.new(secret.encode(), text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def sign_create(values: Mapping[str, Any], checksum_key: str) -> str:
    """Return the signature of a request for a link."""
    return hmac_sha256(create_string(values), checksum_key)


def sign_data(data: Mapping[str, Any], checksum_key: str) -> str:
    """Return the signature of the ``data`` of an answer or a webhook."""
    return hmac_sha256(data_string(data), checksum_key)


def is_signed(data: Mapping[str, Any], signature: object, keys: Iterable[str]) -> bool:
    """Whether ``signature`` fits ``data`` under one of the checksum keys."""
    try:
        text = data_string(data)
    except (ValueError, RecursionError):
        return False
    return fits(text, signature, keys)


def fits(text: str, signature: object, keys: Iterable[str]) -> bool:
    """Whether ``signature`` is that of ``text`` under one of the checksum keys."""
    if not isinstance(signature, str):
        return False
    claimed = signature.lower().encode("utf-8", "surrogatepass")
    digests = [hmac_sha256(text, key).encode() for key in keys if key]
    # No early exit: the time must not tell which key was nearly right.
    return any([hmac.compare_digest(claimed, digest) for digest in digests])  # noqa: C419


def is_ambiguous(data: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether a text in ``data`` could be read as one of the fields ``names``.

    Values are joined unencoded: a purpose of transfer that holds ``&orderCode=`` makes the same
    signed text as a message that was never sent.
    """
    marks = [f"&{name}=" for name in {*names, *data}]
    return any(mark in value for value in map(_text, data.values()) for mark in marks)
