"""VNPay's fields: times, amounts times 100, safe texts, request ids, flat JSON objects."""

import hashlib
import json
import re
from datetime import datetime
from typing import Final

from adapters.gateways.vnpay_codes import SUCCESS
from core.clock import VIETNAM
from core.money import Currency, Money
from payments.errors import GatewayRefusedError, GatewayUnavailableError

VERSION: Final = "2.1.0"
HUNDREDTHS: Final = 100
"""VNPay writes every amount times 100, although VND has no decimals."""

_DATE: Final = "%Y%m%d%H%M%S"
_DIGITS_14: Final = re.compile(r"[0-9]{14}")
_AMOUNT: Final = re.compile(r"[0-9]{1,15}")
_MAX_AMOUNT_DIGITS: Final = 12
_SAFE: Final = re.compile(r"[A-Za-z0-9 .:/_-]+")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_REQUEST_ID_CHARACTERS: Final = 32


def format_time(instant: datetime) -> str:
    """Return ``yyyyMMddHHmmss`` in Vietnam time, as all of VNPay's times are."""
    return instant.astimezone(VIETNAM).strftime(_DATE)


def parse_time(text: str) -> datetime:
    """Read ``yyyyMMddHHmmss`` of Vietnam time.

    Raises:
        ValueError: it is not such a time.
    """
    if not _DIGITS_14.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is not a time of 14 digits")
    return datetime.strptime(text, _DATE).replace(tzinfo=VIETNAM)


def instant_or(text: str, otherwise: datetime) -> datetime:
    """Read vnp_PayDate; cancelled and failed payments have none, or zeros."""
    return parse_time(text) if text.strip("0") else otherwise


def reason_of(response_code: str, status: str) -> str:
    """Return the more telling of the two codes."""
    return status if response_code in {"", SUCCESS} else response_code


def money(text: str) -> Money:
    """Read an amount times 100.

    Raises:
        ValueError: not digits, or not whole VND.
    """
    if not _AMOUNT.fullmatch(text) or int(text) % HUNDREDTHS:
        raise ValueError(f"vnp_Amount {text[:20]!r} is not whole VND times 100")
    return Money(int(text) // HUNDREDTHS)


def hundredfold(amount: Money) -> str:
    """Return an amount times 100 as digits.

    Raises:
        GatewayRefusedError: not whole VND above 0, or too large.
    """
    text = str(amount.amount_minor * HUNDREDTHS)
    if amount.currency is not Currency.VND or amount.amount_minor <= 0:
        raise GatewayRefusedError("VNPay collects whole VND above 0")
    if len(text) > _MAX_AMOUNT_DIGITS:
        raise GatewayRefusedError("the amount is beyond VNPay's twelve digits")
    return text


def safe(what: str, text: str, longest: int) -> str:
    """Return a text of only those characters on which every URL encoder agrees.

    Raises:
        GatewayRefusedError: it holds others, is empty or too long.
    """
    if not _SAFE.fullmatch(text):
        raise GatewayRefusedError(f"the {what} holds characters VNPay does not take")
    return limited(what, text, longest)


def limited(what: str, text: str, longest: int) -> str:
    """Return a text that is not empty and at most ``longest``.

    Raises:
        GatewayRefusedError: it is not.
    """
    if not 0 < len(text) <= longest:
        raise GatewayRefusedError(f"the {what} is empty or longer than {longest}")
    return text


def request_id(reference: str) -> str:
    """Return the reference itself where it fits 32 letters and digits, else its hash."""
    if _REQUEST_ID.fullmatch(reference):
        return reference
    return hashlib.sha256(reference.encode()).hexdigest()[:_REQUEST_ID_CHARACTERS]


def flat_object(body: bytes) -> dict[str, str]:
    """Return a JSON object's values as texts.

    Raises:
        GatewayUnavailableError: it is not a JSON object.
    """
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise GatewayUnavailableError("VNPay's answer is not JSON") from error
    if not isinstance(values, dict):
        raise GatewayUnavailableError("VNPay's answer is not a JSON object")
    # Numbers come unquoted from some versions; the signature is over their plain text.
    return {name: "" if value is None else str(value) for name, value in values.items()}
