"""One attempt at Stripe: how its Checkout Session is opened, found again, and ended."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import stripe

from adapters.gateways import stripe_objects as objects
from adapters.gateways.stripe_transport import plain
from payments.ports import PaymentQuery, StartRequest

START_WINDOW: Final = timedelta(minutes=15)
"""How far from its creation here an attempt is looked for at Stripe."""

_SHORTEST_SESSION: Final = timedelta(minutes=35)
"""Stripe takes 30 minutes from when it reads the request; five are left for the way."""

_LONGEST_SESSION: Final = timedelta(hours=23, minutes=55)
_LANGUAGES: Final = frozenset({"vi", "en", "fr", "zh"})
_INTENT_PREFIX: Final = "pi_"
_EXPAND_PAYMENT: Final = ["payment_intent", "payment_intent.latest_charge"]
_EXPAND_CHARGE: Final = ["latest_charge"]


def session_parameters(request: StartRequest) -> Any:
    """Return what opens a Checkout Session: amounts are minor units, which VND has none of."""
    reference = request.merchant_reference
    shortest, longest = _SHORTEST_SESSION, _LONGEST_SESSION
    lifetime = min(max(request.expires_at - request.created_at, shortest), longest)
    return {
        "mode": "payment",
        "client_reference_id": reference,
        "metadata": {
            "merchant_reference": reference,
            "bill_reference": request.bill_reference,
        },
        "payment_intent_data": {
            "metadata": {
                "merchant_reference": reference,
                "bill_reference": request.bill_reference,
            },
            "description": f"{request.bill_reference} {request.description}"[:1000],
        },
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": request.amount.currency.value.lower(),
                    "unit_amount": request.amount.amount_minor,
                    "product_data": {"name": request.description or request.bill_reference},
                },
            }
        ],
        "success_url": request.return_url,
        "cancel_url": request.return_url,
        "expires_at": int((request.created_at + lifetime).timestamp()),
        "locale": request.locale if request.locale in _LANGUAGES else "auto",
    }


def find_attempt(client: stripe.StripeClient, query: PaymentQuery) -> Mapping[str, Any] | None:
    """Return the session, or the bare intent, of an attempt, with what is behind it.

    Without its id it is looked for by our reference among what was made at that time.

    Raises:
        stripe.StripeError: there was no usable answer, or no such id.
    """
    reference = query.provider_reference
    if not reference:
        return _find_session(client, query) or _find_intent(client, query)
    if reference.startswith(_INTENT_PREFIX):
        return plain(client.v1.payment_intents.retrieve(reference, {"expand": _EXPAND_CHARGE}))
    return plain(client.v1.checkout.sessions.retrieve(reference, {"expand": _EXPAND_PAYMENT}))


def end_attempt(client: stripe.StripeClient, reference: str) -> Mapping[str, Any]:
    """Expire a session, or cancel a bare intent; Stripe ends only what is still open.

    Raises:
        stripe.InvalidRequestError: it is not open, or not there.
        stripe.StripeError: there was no usable answer.
    """
    if reference.startswith(_INTENT_PREFIX):
        return plain(client.v1.payment_intents.cancel(reference, {"expand": _EXPAND_CHARGE}))
    return plain(client.v1.checkout.sessions.expire(reference, {"expand": _EXPAND_PAYMENT}))


def _find_session(client: stripe.StripeClient, query: PaymentQuery) -> Mapping[str, Any] | None:
    listed = client.v1.checkout.sessions.list(
        {
            "created": _made_about(query.created_at),
            "expand": [f"data.{name}" for name in _EXPAND_PAYMENT],
            "limit": 100,
        }
    )
    for session in listed.auto_paging_iter():
        if session.client_reference_id == query.merchant_reference:
            return plain(session)
    return None


def _find_intent(client: stripe.StripeClient, query: PaymentQuery) -> Mapping[str, Any] | None:
    listed = client.v1.payment_intents.list(
        {
            "created": _made_about(query.created_at),
            "expand": [f"data.{name}" for name in _EXPAND_CHARGE],
            "limit": 100,
        }
    )
    for intent in listed.auto_paging_iter():
        found = plain(intent)
        if objects.own_reference(found) == query.merchant_reference:
            return found
    return None


def _made_about(moment: datetime) -> Any:
    opened, margin = int(moment.timestamp()), int(START_WINDOW.total_seconds())
    return {"gte": opened - margin, "lte": opened + margin}
