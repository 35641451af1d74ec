"""What credit-notification services share: exact JSON, shown keys, amounts, times, notices."""

import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from core.clock import VIETNAM
from core.crypto import sha256_hex
from core.money import Money
from payments.errors import InvalidSignatureError
from payments.ports import MAX_NOTICE_BYTES, BankCredit, GatewayNotice, NoticeKind, Outcome

TOLERANCE: Final = timedelta(minutes=5)
"""How far the time that is signed may lie from the time of arrival, either way."""

_IDENTITY: Final = re.compile(r"[1-9][0-9]{0,18}")
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_KEY: Final = 200


class Digits(str):
    """A JSON number, digit for digit as it was written; no float ever stands for it."""

    __slots__ = ()


def json_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object whose numbers are :class:`Digits`.

    Raises:
        ValueError: it is not one, or a name stands twice: two readers would see two values.
    """
    try:
        read = json.loads(
            body,
            parse_int=Digits,
            parse_float=Digits,
            parse_constant=_refuse_constant,
            object_pairs_hook=without_doubles,
        )
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    return as_object(read)


def as_object(value: Any) -> dict[str, Any]:
    """Return ``value``, which must be an object.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - callers look for one kind of error
    return value


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs as a dictionary.

    Raises:
        ValueError: a name stands twice.
    """
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name stands twice")
    return names


def _refuse_constant(name: str) -> str:
    raise ValueError(f"{name} is not a number")


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """Return a text or number as text that any database takes; absent and null are empty.

    Raises:
        ValueError: it is an object, a list or a truth value.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")  # noqa: TRY004 - one kind of error
    # Half a surrogate pair is no UTF-8, and PostgreSQL takes no NUL.
    return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd").strip()


def identity_of(fields: Mapping[str, Any]) -> str:
    """Return the service's own number of a transfer.

    Raises:
        ValueError: there is none.
    """
    text = text_of(fields, "id")
    if not _IDENTITY.fullmatch(text):
        raise ValueError(f"id {text[:20]!r} is not a number of a transfer")
    return text


def amount_of(fields: Mapping[str, Any], name: str) -> Money:
    """Return plainly whole VND; negative where the service writes money out so.

    Raises:
        MoneyFormatError: anything else.
    """
    return Money.parse(text_of(fields, name))


def instant_of(fields: Mapping[str, Any], name: str) -> datetime:
    """Return an instant; a wall-clock time without offset is Vietnam's.

    Raises:
        ValueError: it is no such time.
    """
    text = text_of(fields, name)
    if not _INSTANT.fullmatch(text):
        raise ValueError(f"{name} {text[:30]!r} is not a time")
    read = datetime.fromisoformat(text)
    try:
        return (read if read.tzinfo else read.replace(tzinfo=VIETNAM)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{name} is beyond any calendar") from error


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def shows_one_of(digest: str, values: Iterable[str]) -> bool:
    """Whether a header kept as its SHA-256 was one of ``values``."""
    claimed = digest.encode("utf-8", "surrogatepass")
    known = [sha256_hex(value.encode()).encode() for value in values]
    # No early exit: the time must not tell which key was nearly right.
    return any([hmac.compare_digest(claimed, one) for one in known])  # noqa: C419


def check_length(body: bytes) -> None:
    """Look at no message that is too long.

    Raises:
        InvalidSignatureError: it is.
    """
    if len(body) > MAX_NOTICE_BYTES:
        raise InvalidSignatureError("the notice is too long to be looked at")


def check_age(signed: timedelta, received_at: datetime) -> None:
    """Believe only a message that was signed about when it came; ``signed`` is since 1970.

    Raises:
        InvalidSignatureError: it is too old, or from the future.
    """
    if abs((received_at - _EPOCH) - signed) > TOLERANCE:
        raise InvalidSignatureError("the notice is too old, or from the future")


def credit_notice(
    service: str, credits_told: Sequence[BankCredit], *, otherwise: str, at: datetime, body: bytes
) -> GatewayNotice:
    """Return a notice of credits; without any, that the message moves nothing (``otherwise``)."""
    if credits_told:
        return GatewayNotice(
            event_key=_joint_key(service, [one.credit_key for one in credits_told]),
            kind=NoticeKind.CREDIT,
            merchant_reference="",
            outcome=Outcome.SUCCEEDED,
            amount=None,
            occurred_at=max(one.booked_at for one in credits_told),
            credits=tuple(credits_told),
        )
    return GatewayNotice(
        event_key=f"{service}:{otherwise}:{sha256_hex(body)}",
        kind=NoticeKind.OTHER,
        merchant_reference="",
        outcome=Outcome.PENDING,
        amount=None,
        occurred_at=at,
        reason_code=otherwise,
    )


def _joint_key(service: str, keys: Sequence[str]) -> str:
    joint = f"{service}:{'+'.join(keys)}"
    if len(joint) <= _LONGEST_KEY:
        return joint
    return f"{service}:{len(keys)}:{sha256_hex(joint.encode())}"
