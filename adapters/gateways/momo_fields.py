"""MoMo's fields: JSON with the exact text of its numbers, ids, whole VND, instants."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from adapters.gateways.momo_signing import derived_id
from core.money import Currency, Money
from payments.errors import GatewayRefusedError, GatewayUnavailableError

MAX_REQUEST_ID: Final = 50
MAX_ORDER_ID: Final = 64
"""MoMo's field is longer, but recommends to stay below."""

_ORDER_ID: Final = re.compile(r"[0-9A-Za-z]+(?:[-_.]+[0-9A-Za-z]+)*")
_WHOLE: Final = re.compile(r"[0-9]{1,15}")
_CODE: Final = re.compile(r"[0-9]{1,6}")
_TRANSACTION: Final = re.compile(r"[1-9][0-9]{0,18}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def json_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object whose numbers are texts, digit for digit as they were written.

    Raises:
        ValueError: it is not one, or a name stands twice: two readers would see two values.
    """
    try:
        read = json.loads(
            body,
            parse_int=str,
            parse_float=str,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_doubles,
        )
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    if not isinstance(read, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - callers look for one kind of error
    return read


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name stands twice")
    return names


def _refuse_constant(name: str) -> str:
    raise ValueError(f"{name} is not a number")


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the values that are texts or numbers; a null is an empty text."""
    return {
        name: value or ""
        for name, value in values.items()
        if value is None or isinstance(value, str)
    }


def code_of(fields: Mapping[str, str]) -> int:
    """Return the ``resultCode``.

    Raises:
        ValueError: there is none.
    """
    text = fields.get("resultCode", "")
    if not _CODE.fullmatch(text):
        raise ValueError(f"resultCode {text[:20]!r} is not a code")
    return int(text)


def money(text: str) -> Money:
    """Read whole VND.

    Raises:
        ValueError: it is not plain digits.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"amount {text[:20]!r} is not whole VND")
    return Money(int(text))


def instant(text: str) -> datetime:
    """Read milliseconds since 1970.

    Raises:
        ValueError: they are not.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"responseTime {text[:20]!r} is not in milliseconds")
    try:
        return _EPOCH + timedelta(milliseconds=int(text))
    except OverflowError as error:
        raise ValueError("responseTime is beyond any calendar") from error


def milliseconds(moment: datetime) -> int:
    """Return an instant as MoMo writes it."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def is_order_id(text: str) -> bool:
    """Whether MoMo takes it for an ``orderId``."""
    return len(text) <= MAX_ORDER_ID and _ORDER_ID.fullmatch(text) is not None


def transaction_or_none(text: str) -> str | None:
    """Return a ``transId``; MoMo writes 0 or nothing where there is none."""
    return text if _TRANSACTION.fullmatch(text) else None


def request_id(purpose: str, reference: str) -> str:
    """Return an id that is the same for the same purpose and reference: MoMo's idempotency key."""
    plain = f"{purpose}-{reference}"
    return plain if len(plain) <= MAX_REQUEST_ID else f"{purpose}-{derived_id(plain, 32)}"


def order_id(reference: str) -> str:
    """Return the reference itself where MoMo takes it, else an id derived from it."""
    return reference if is_order_id(reference) else derived_id(reference, 32)


def whole_vnd(amount: Money) -> int:
    """Return an amount as MoMo takes it.

    Raises:
        GatewayRefusedError: not whole VND above 0.
    """
    if amount.currency is not Currency.VND or amount.amount_minor <= 0:
        raise GatewayRefusedError("MoMo collects whole VND above 0")
    return amount.amount_minor


def limited(what: str, text: str, longest: int) -> str:
    """Return a text that is not empty and at most ``longest``.

    Raises:
        GatewayRefusedError: it is not.
    """
    if not 0 < len(text) <= longest:
        raise GatewayRefusedError(f"the {what} is empty or longer than {longest}")
    return text


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer of MoMo's: its code, its plain fields, and all of it."""

    code: int
    fields: Mapping[str, str]
    whole: Mapping[str, Any]


def read_reply(status: int, body: bytes, sent: Mapping[str, str]) -> Reply:
    """Read the answer to a request, which repeats the ids of what it answers.

    Raises:
        GatewayUnavailableError: it is not understood, or is about something else.
    """
    try:
        whole = json_object(body)
        fields = texts(whole)
        code = code_of(fields)
    except ValueError as error:
        raise GatewayUnavailableError(f"MoMo's answer ({status}) is not usable: {error}") from error
    for name, value in sent.items():
        if fields.get(name, value) != value:
            raise GatewayUnavailableError(f"MoMo's answer is about another {name}")
    return Reply(code, fields, whole)
