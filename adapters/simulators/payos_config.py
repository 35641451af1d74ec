"""What the payOS simulator is given, and payOS's words: channels, refusals, addresses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from adapters.simulators.bank import Entry
from adapters.simulators.faults import FaultPlan

TransferSink = Callable[[Entry], str]
"""Books a payer's transfer at the collecting bank and returns the bank's reference of it."""


class Deed(StrEnum):
    """What a payer may do.

    ``UNDERPAY`` transfers a part, ``PAY`` all that is left; ``SAVED_CODE`` transfers the whole
    amount by a code kept from the page, whatever has become of the link since.
    """

    PAY = "pay"
    UNDERPAY = "underpay"
    SAVED_CODE = "saved_code"
    CANCEL = "cancel"
    INSUFFICIENT = "insufficient"
    ABANDON = "abandon"


class Refusal(StrEnum):
    """Codes of answers that are no success. payOS publishes no list: these are our choice."""

    BAD_REQUEST = "20"
    NOT_FOUND = "101"
    BAD_SIGNATURE = "201"
    ORDER_EXISTS = "231"
    NOT_OPEN = "239"
    WEBHOOK_UNREACHABLE = "240"
    DENIED = "401"


WORDS: Final = {
    Refusal.BAD_REQUEST: "Invalid request",
    Refusal.NOT_FOUND: "Payment link not found",
    Refusal.BAD_SIGNATURE: "Invalid signature",
    Refusal.ORDER_EXISTS: "orderCode already exists",
    Refusal.NOT_OPEN: "Payment link is paid or closed",
    Refusal.WEBHOOK_UNREACHABLE: "Webhook url did not answer with 2xx",
    Refusal.DENIED: "Invalid client id or api key",
}


@dataclass(frozen=True, slots=True)
class PayOSChannel:
    """One payment channel, linked to the collecting account ``account``.

    With a ``virtual_prefix`` each link has a virtual account of its own. ``webhook_url`` is used
    until another one is confirmed. payOS knows only order codes; tests and the demonstration name
    attempts by our references, which begin with ``reference_prefix``.
    """

    client_id: str
    api_key: str = field(repr=False)
    checksum_key: str = field(repr=False)
    account: str
    bank_bin: str
    account_name: str
    webhook_url: str = ""
    virtual_prefix: str = ""
    reference_prefix: str = "MC"
    description_length: int = 9


@dataclass(frozen=True, slots=True)
class PayOSSimulatorConfig:
    """Channels and faults; ``public_url`` is where browsers reach the page.

    With ``deliver_at_once`` the webhook precedes the redirect. payOS does not publish how often
    it repeats a webhook: ``webhook_gaps`` are our choice.
    """

    channels: tuple[PayOSChannel, ...]
    public_url: str
    faults: FaultPlan = field(default_factory=FaultPlan)
    late_by: timedelta = timedelta(hours=2)
    webhook_gaps: tuple[timedelta, ...] = (timedelta(minutes=5),) * 9
    deliver_at_once: bool = True
    slow_seconds: float = 3.0
    webhook_timeout_seconds: float = 10.0


class PayOSRefusalError(Exception):
    """An answer that is a code and a sentence."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(WORDS[refusal])
        self.refusal = refusal


def refusal_body(refusal: Refusal) -> dict[str, Any]:
    """Return the answer that tells a refusal."""
    return {"code": refusal.value, "desc": WORDS[refusal], "data": None, "signature": ""}
