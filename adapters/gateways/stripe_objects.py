"""Stripe's objects translated: what a session, an intent, a refund and a dispute say."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core.money import Currency, Money
from payments.ports import GatewayNotice, NoticeKind, Outcome

StripeObject = Mapping[str, Any]

_INTENT_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "succeeded": Outcome.SUCCEEDED,
    "canceled": Outcome.CANCELLED,
}
_REFUND_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "succeeded": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "canceled": Outcome.CANCELLED,
}
_DISPUTE_UNDONE: Final = frozenset({"won", "warning_closed", "prevented"})


def money(amount: object, currency: object) -> Money:
    """Return an amount of Stripe's, which are minor units (VND has none, so whole VND).

    Raises:
        ValueError: not an integer, or a currency that is not collected here.
    """
    if type(amount) is not int:
        raise ValueError(f"{str(amount)[:20]!r} is not an amount")
    return Money(amount, Currency(str(currency).upper()))


def instant(seconds: object) -> datetime:
    """Return a Unix time of Stripe's.

    Raises:
        ValueError: not an integer, or beyond any calendar.
    """
    if type(seconds) is not int:
        raise ValueError(f"{str(seconds)[:20]!r} is not a Unix time")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{seconds} is beyond any calendar") from error


def identity(reference: object) -> str | None:
    """Return the id of a reference that may be an id, an expanded object, or absent."""
    found = reference.get("id") if isinstance(reference, Mapping) else reference
    return str(found) if found else None


def own_reference(stripe_object: StripeObject) -> str:
    """Return the merchant reference that travels in ``metadata``, or an empty text."""
    metadata = stripe_object.get("metadata") or {}
    return str(metadata.get("merchant_reference") or "")


def session_reference(session: StripeObject) -> str:
    """Return the merchant reference of a Checkout Session, or an empty text."""
    return own_reference(session) or str(session.get("client_reference_id") or "")


def refund_reference(refund: StripeObject) -> str:
    """Return our own reference of a refund; one made by hand has none."""
    metadata = refund.get("metadata") or {}
    return str(metadata.get("refund_reference") or "")


def session_notice(
    session: StripeObject, outcome: Outcome, event_key: str, occurred_at: datetime
) -> GatewayNotice:
    """Return what is known of a Checkout Session.

    Raises:
        ValueError: it has no id, or no amount.
    """
    if not identity(session):
        raise ValueError("the session has no id")
    collected = money(session.get("amount_total"), session.get("currency"))
    return GatewayNotice(
        event_key=event_key,
        kind=NoticeKind.PAYMENT,
        merchant_reference=session_reference(session),
        outcome=outcome,
        amount=collected if outcome is Outcome.SUCCEEDED else None,
        occurred_at=occurred_at,
        provider_txn_id=identity(session.get("payment_intent")),
        provider_reference=identity(session),
        reason_code=_decline_code(session.get("payment_intent")),
    )


def session_outcome(session: StripeObject) -> Outcome:
    """Return what became of a session whose ``payment_intent`` is expanded where there is one.

    Paid wins over all else. A complete, unpaid session waits for a delayed method until its
    intent asks for another method (that payment failed for good) or was cancelled.
    """
    intent = session.get("payment_intent")
    intent_status = intent.get("status") if isinstance(intent, Mapping) else None
    if session.get("payment_status") == "paid" or intent_status == "succeeded":
        return Outcome.SUCCEEDED
    if session.get("status") == "expired":
        return Outcome.EXPIRED
    if session.get("status") != "complete":
        return Outcome.PENDING
    if intent_status == "requires_payment_method":
        return Outcome.FAILED
    return _INTENT_OUTCOMES.get(str(intent_status), Outcome.PENDING)


def intent_notice(
    intent: StripeObject, outcome: Outcome, event_key: str, occurred_at: datetime
) -> GatewayNotice:
    """Return what is known of a PaymentIntent, its own or the one behind a Checkout Session.

    It bears no ``provider_reference``: that of a Checkout payment is its session.

    Raises:
        ValueError: it has no id, or no amount though it collected.
    """
    transaction = identity(intent)
    if not transaction:
        raise ValueError("the intent has no id")
    amount = None
    if outcome is Outcome.SUCCEEDED:
        # Left out by some: then nothing was captured in part, and all that was asked has come.
        received = intent.get("amount_received", intent.get("amount"))
        amount = money(received, intent.get("currency"))
    return GatewayNotice(
        event_key=event_key,
        kind=NoticeKind.PAYMENT,
        merchant_reference=own_reference(intent),
        outcome=outcome,
        amount=amount,
        occurred_at=occurred_at,
        provider_txn_id=transaction,
        reason_code=str(intent.get("cancellation_reason") or "") or _decline_code(intent),
    )


def intent_outcome(intent: StripeObject) -> Outcome:
    """Return what became of an intent; one whose card was declined takes another card."""
    return _INTENT_OUTCOMES.get(str(intent.get("status")), Outcome.PENDING)


def paid_instant(intent: object, otherwise: datetime) -> datetime:
    """Return when the money was taken, from an intent's expanded charge, or ``otherwise``."""
    charge = intent.get("latest_charge") if isinstance(intent, Mapping) else None
    return instant(charge["created"]) if isinstance(charge, Mapping) else otherwise


def refund_notice(refund: StripeObject, reference: str, event_key: str) -> GatewayNotice:
    """Return what is known of one refund; ``reference`` is the merchant reference it is for.

    Raises:
        ValueError: it lacks id, amount or time.
    """
    return GatewayNotice(
        event_key=event_key,
        kind=NoticeKind.REFUND,
        merchant_reference=reference,
        outcome=_REFUND_OUTCOMES.get(str(refund.get("status")), Outcome.PENDING),
        amount=money(refund.get("amount"), refund.get("currency")),
        occurred_at=instant(refund.get("created")),
        provider_txn_id=identity(refund),
        provider_reference=identity(refund.get("payment_intent")),
        reason_code=str(refund.get("failure_reason") or refund.get("status") or ""),
        refund_reference=refund_reference(refund),
    )


def dispute_notice(
    dispute: StripeObject, reference: str, event_key: str, occurred_at: datetime
) -> GatewayNotice:
    """Return a chargeback: SUCCEEDED once the money is gone, CANCELLED when it came back.

    An inquiry (``warning_…``) moves no money and is PENDING.

    Raises:
        ValueError: it lacks id or amount.
    """
    status = str(dispute.get("status") or "")
    outcome = Outcome.SUCCEEDED
    if status in _DISPUTE_UNDONE:
        outcome = Outcome.CANCELLED
    elif status.startswith("warning_"):
        outcome = Outcome.PENDING
    return GatewayNotice(
        event_key=event_key,
        kind=NoticeKind.CHARGEBACK,
        merchant_reference=reference,
        outcome=outcome,
        amount=money(dispute.get("amount"), dispute.get("currency")),
        occurred_at=occurred_at,
        provider_txn_id=identity(dispute),
        provider_reference=identity(dispute.get("payment_intent")),
        reason_code=str(dispute.get("reason") or status),
    )


def _decline_code(intent: object) -> str:
    failure = intent.get("last_payment_error") if isinstance(intent, Mapping) else None
    return str((failure or {}).get("decline_code") or (failure or {}).get("code") or "")
