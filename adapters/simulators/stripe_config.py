"""What the fake Stripe is given, and Stripe's conventions: cards, times, signatures, refusals."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.simulators.faults import FaultPlan
from adapters.simulators.settlement import FeeContract
from core.calendar import WorkingCalendar

SESSION: Final = "checkout.session"
INTENT: Final = "payment_intent"
CHARGE: Final = "charge"
REFUND: Final = "refund"
DISPUTE: Final = "dispute"
EVENT: Final = "event"

CHECKOUT_EVENTS: Final = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
        "charge.refunded",
        "refund.created",
        "refund.updated",
        "charge.dispute.created",
    }
)
INTENT_EVENTS: Final = frozenset(
    {
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.processing",
    }
)

DEMONSTRATION_FEES: Final = FeeContract(rate_bps=290, fixed_minor=7500, settlement_days=2)
DECLINES: Final[Mapping[str, str]] = {
    "decline": "generic_decline",
    "insufficient": "insufficient_funds",
    "wrong_number": "incorrect_number",
}
_CARDS: Final[Mapping[str, str]] = {
    "4242424242424242": "pay",
    "4000000000000002": "decline",
    "4000000000009995": "insufficient",
}
_METHODS: Final[Mapping[str, str]] = {
    "pm_card_visa": "pay",
    "pm_card_chargeDeclined": "decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient",
}
OUTCOMES: Final = frozenset({"pay", "pay_later", "fail_later", *DECLINES})


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """One account; ``payout_account`` is where its net sums go.

    ``enabled_events`` are what its webhook endpoint is registered for.
    """

    account_id: str
    api_key: str = field(repr=False)
    webhook_url: str
    webhook_secret: str = field(repr=False)
    payout_account: str
    enabled_events: frozenset[str] = CHECKOUT_EVENTS


@dataclass(frozen=True, slots=True)
class StripeSimulatorConfig:
    """Accounts, faults and fees; ``public_url`` is where browsers and the SDK reach it."""

    accounts: tuple[StripeAccount, ...]
    public_url: str
    faults: FaultPlan = field(default_factory=FaultPlan)
    fees: FeeContract = DEMONSTRATION_FEES
    calendar: WorkingCalendar = field(default_factory=WorkingCalendar.from_csv)
    late_by: timedelta = timedelta(hours=2)
    delayed_method: timedelta = timedelta(hours=6)
    refund_delay: timedelta = timedelta(0)
    deliver_at_once: bool = True
    scrambled: bool = False
    slow_seconds: float = 3.0
    webhook_timeout_seconds: float = 10.0


class StripeRefusalError(Exception):
    """An error as Stripe's API tells it: HTTP status and the fields of ``error``."""

    def __init__(self, status: int, message: str, **fields: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": "invalid_request_error", "message": message, **fields}


def unix(instant: datetime) -> int:
    """Return whole seconds since 1970, as all of Stripe's times are."""
    return int(instant.timestamp())


def card_outcome(number: str) -> str:
    """Return what a test card number brings about; an unknown one is refused as mistyped."""
    digits = "".join(filter(str.isdigit, number))
    return _CARDS.get(digits, "wrong_number")


def method_outcome(method: str) -> str:
    """Return what a payment method for tests brings about.

    Raises:
        StripeRefusalError: there is no such method.
    """
    if method not in _METHODS:
        raise StripeRefusalError(
            400, f"No such PaymentMethod: {method[:40]}", param="payment_method"
        )
    return _METHODS[method]


def signature_header(payload: str, secret: str, signed_at: datetime) -> str:
    """Return a ``Stripe-Signature`` header (scheme v1: HMAC-SHA256 over time and payload)."""
    signed = f"{unix(signed_at)}.{payload}"
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return f"t={unix(signed_at)},v1={digest}"


def session_total(params: Mapping[str, Any]) -> tuple[int, str]:
    """Return amount and currency of the line items.

    Raises:
        StripeRefusalError: something needed is missing.
    """
    if params.get("mode") != "payment":
        raise StripeRefusalError(400, "Only mode payment is simulated.", param="mode")
    if not params.get("success_url"):
        raise StripeRefusalError(400, "Missing required param: success_url.", param="success_url")
    try:
        prices = [
            (int(item["price_data"]["unit_amount"]) * int(item.get("quantity", 1)), item)
            for item in params["line_items"]
        ]
        currencies = {str(item["price_data"]["currency"]).lower() for _, item in prices}
        names = [item["price_data"]["product_data"]["name"] for _, item in prices]
    except (KeyError, ValueError, TypeError) as error:
        raise StripeRefusalError(400, "Invalid line_items.", param="line_items") from error
    total = sum(amount for amount, _ in prices)
    if len(currencies) != 1 or total <= 0 or not all(names):
        raise StripeRefusalError(400, "Invalid line_items.", param="line_items")
    return total, currencies.pop()
