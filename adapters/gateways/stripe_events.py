"""Stripe's webhook events translated: which object each is about, and what it says of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from adapters.gateways import stripe_objects as objects
from payments.ports import GatewayNotice, NoticeKind, Outcome

SESSION_EVENTS: Final[Mapping[str, Outcome | None]] = {
    "checkout.session.completed": None,
    "checkout.session.async_payment_succeeded": Outcome.SUCCEEDED,
    "checkout.session.async_payment_failed": Outcome.FAILED,
    "checkout.session.expired": Outcome.EXPIRED,
}
INTENT_EVENTS: Final[Mapping[str, Outcome]] = {
    "payment_intent.succeeded": Outcome.SUCCEEDED,
    "payment_intent.canceled": Outcome.CANCELLED,
    "payment_intent.payment_failed": Outcome.PENDING,
    "payment_intent.processing": Outcome.PENDING,
}
"""A failed intent waits for another card, and the page of a Checkout Session is still open."""

REFUND_EVENTS: Final = frozenset({"refund.created", "refund.updated", "refund.failed"})
DISPUTE_EVENTS: Final = frozenset(
    {
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    }
)


def event_notice(event: Mapping[str, Any], received_at: datetime) -> GatewayNotice:
    """Return what an authentic event says.

    Sessions and intents that bear no reference of ours were not begun here and are OTHER.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, MoneyFormatError: it lacks what it must
            have.
    """
    subject: Mapping[str, Any] = event["data"]["object"]
    name, key = str(event["type"]), str(event["id"])
    occurred_at = objects.instant(event["created"])
    if name in SESSION_EVENTS and objects.session_reference(subject):
        outcome = SESSION_EVENTS[name] or objects.session_outcome(subject)
        return objects.session_notice(subject, outcome, key, occurred_at)
    if name in INTENT_EVENTS and objects.own_reference(subject):
        return objects.intent_notice(subject, INTENT_EVENTS[name], key, occurred_at)
    if name in REFUND_EVENTS:
        return objects.refund_notice(subject, objects.own_reference(subject), key)
    if name in DISPUTE_EVENTS:
        return objects.dispute_notice(subject, objects.own_reference(subject), key, occurred_at)
    return _other_notice(event, subject, min(occurred_at, received_at))


def _other_notice(
    event: Mapping[str, Any], subject: Mapping[str, Any], occurred_at: datetime
) -> GatewayNotice:
    """Return news that moves no money by itself.

    ``charge.refunded`` tells the sum of all refunds so far; each refund has its own event.
    """
    refunded = event["type"] == "charge.refunded"
    return GatewayNotice(
        event_key=str(event["id"]),
        kind=NoticeKind.REFUND if refunded else NoticeKind.OTHER,
        merchant_reference=objects.own_reference(subject),
        outcome=Outcome.PENDING,
        amount=None,
        occurred_at=occurred_at,
        provider_reference=objects.identity(subject),
        reason_code=str(event["type"]),
    )
