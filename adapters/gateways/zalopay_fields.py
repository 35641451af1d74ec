"""ZaloPay's fields: dated identifiers, milliseconds, whole amounts, JSON without surprises."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

from core.clock import VIETNAM
from core.money import Currency, Money
from payments.errors import GatewayRefusedError

START_WINDOW: Final = timedelta(minutes=15)
"""How far ``app_time`` may be from ZaloPay's own clock."""

MAX_ORDER_ID: Final = 40
_SHORTEST_PAGE: Final = timedelta(seconds=300)
_LONGEST_PAGE: Final = timedelta(seconds=2_592_000)
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ORDER_ID: Final = re.compile(r"[0-9]{6}_(?P<reference>[A-Za-z0-9_-]{1,33})")
_TRANSACTION: Final = re.compile(r"[0-9]{1,20}")
_REFUND_DIGITS: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LAST_MILLISECOND: Final = 10**14


def day_prefix(instant: datetime) -> str:
    """Return ``yymmdd`` of the day in Vietnam, as ZaloPay's identifiers begin."""
    return instant.astimezone(VIETNAM).strftime("%y%m%d")


def order_id(merchant_reference: str, created_at: datetime) -> str:
    """Return ``app_trans_id``: the day of the attempt and our own reference.

    Raises:
        GatewayRefusedError: the reference does not fit.
    """
    text = f"{day_prefix(created_at)}_{merchant_reference}"
    if not _REFERENCE.fullmatch(merchant_reference) or len(text) > MAX_ORDER_ID:
        raise GatewayRefusedError(f"{merchant_reference[:50]!r} does not fit an app_trans_id")
    return text


def reference_of(app_trans_id: object) -> str:
    """Return our own reference out of an ``app_trans_id``.

    Raises:
        ValueError: it is not one of ours.
    """
    found = _ORDER_ID.fullmatch(app_trans_id) if isinstance(app_trans_id, str) else None
    if found is None:
        raise ValueError(f"app_trans_id {str(app_trans_id)[:50]!r} is not one of ours")
    return found["reference"]


def refund_id(refund_reference: str, app_id: str, first_sent_at: datetime) -> str:
    """Return ``m_refund_id``: the same for the same refund of the same first day, for ever.

    Ten digits are printed in ZaloPay's format and eleven in its samples; 16 of a hash keep two
    refunds of one day apart (a thousand of them collide with a chance of one in 20 thousand
    million).
    """
    number = int.from_bytes(hashlib.sha256(refund_reference.encode()).digest())
    digits = f"{number % 10**_REFUND_DIGITS:0{_REFUND_DIGITS}d}"
    return f"{day_prefix(first_sent_at)}_{app_id}_{digits}"


def page_lifetime(created_at: datetime, expires_at: datetime | None) -> timedelta:
    """Return how long the payer may pay: 5 minutes to 30 days; the longest if nothing is known."""
    if expires_at is None:
        return _LONGEST_PAGE
    return min(max(expires_at - created_at, _SHORTEST_PAGE), _LONGEST_PAGE)


def milliseconds(instant: datetime) -> int:
    """Return an instant as ZaloPay writes it, exactly."""
    return (instant - _EPOCH) // _MILLISECOND


def instant(value: object) -> datetime:
    """Read milliseconds since 1970.

    Raises:
        ValueError: they are not.
    """
    if type(value) is not int or not 0 < value < _LAST_MILLISECOND:
        raise ValueError(f"{str(value)[:30]!r} is not a time in milliseconds")
    return _EPOCH + value * _MILLISECOND


def collected(value: object) -> Money:
    """Read an amount in VND, a JSON integer above 0.

    Raises:
        ValueError, MoneyFormatError: it is not.
    """
    if type(value) is not int or value <= 0:
        raise ValueError(f"{str(value)[:30]!r} is not an amount in VND")
    return Money(value)


def asked(amount: Money) -> int:
    """Return an amount as ZaloPay takes it.

    Raises:
        GatewayRefusedError: not whole VND above 0.
    """
    if amount.currency is not Currency.VND or amount.amount_minor <= 0:
        raise GatewayRefusedError("ZaloPay collects whole VND above 0")
    return amount.amount_minor


def transaction(value: object) -> str | None:
    """Read ``zp_trans_id``, a JSON integer or digits; None where there is no transaction.

    Raises:
        ValueError: it is neither.
    """
    text = str(value) if type(value) is int else value
    if text is None or text in {"", "0"}:
        return None
    if not isinstance(text, str) or not _TRANSACTION.fullmatch(text):
        raise ValueError(f"{str(value)[:30]!r} is not a zp_trans_id")
    return text


def json_object(body: bytes | str) -> dict[str, Any]:
    """Read a JSON object in which no name stands twice; numbers with a point stay texts.

    Raises:
        ValueError: it is not such an object.
    """
    text = body.decode() if isinstance(body, bytes) else body
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_float=str, parse_constant=_no_number
        )
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for all that is not read
    return value


def json_text(value: Mapping[str, object]) -> str:
    """Write a JSON object as short as can be; what is signed is sent as this very text."""
    return json.dumps(value, separators=(",", ":"))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice: two readers would see two values")
    return values


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
