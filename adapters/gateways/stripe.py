"""Stripe Checkout through the official package: hosted page, signed events, queries, refunds.

``provider_txn_id`` is the PaymentIntent (``pi_…``) for payments: the session's own events name
it, which they do not do with the charge, and Stripe's itemised payout report carries it beside
the charge. For refunds it is the refund (``re_…``), for chargebacks the dispute (``dp_…``), the
sources of their balance transactions.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import httpx2
import stripe

from adapters.gateways import stripe_objects as objects
from adapters.gateways.stripe_transport import StripeTransport
from adapters.http import create_client
from core.clock import Clock
from core.errors import MoneyFormatError
from payments.channels import Channel
from payments.errors import (
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidSignatureError,
    MalformedNoticeError,
)
from payments.ports import (
    MAX_NOTICE_BYTES,
    Capabilities,
    GatewayNotice,
    NoticeAnswer,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    StartedPayment,
    StartRequest,
)

API_URL: Final = "https://api.stripe.com"

_SHORTEST_SESSION: Final = timedelta(minutes=35)
"""Stripe takes 30 minutes from when it reads the request; five are left for the way."""

_LONGEST_SESSION: Final = timedelta(hours=23, minutes=55)
_START_WINDOW: Final = timedelta(minutes=15)
_KEY_LIFETIME: Final = timedelta(hours=23)
"""Stripe keeps idempotency keys for 24 hours at least; an hour is left for the way."""

_EXPAND_PAYMENT: Final = ["payment_intent", "payment_intent.latest_charge"]
_SESSION_EVENTS: Final[Mapping[str, Outcome | None]] = {
    "checkout.session.completed": None,
    "checkout.session.async_payment_succeeded": Outcome.SUCCEEDED,
    "checkout.session.async_payment_failed": Outcome.FAILED,
    "checkout.session.expired": Outcome.EXPIRED,
}
_REFUND_EVENTS: Final = frozenset({"refund.created", "refund.updated", "refund.failed"})
_DISPUTE_EVENTS: Final = frozenset(
    {
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    }
)
_REFUSALS: Final = (
    stripe.InvalidRequestError,
    stripe.AuthenticationError,
    stripe.PermissionError,
    stripe.CardError,
)
_ANSWER_STATUS: Final[Mapping[NoticeResult, int]] = {
    NoticeResult.INVALID_SIGNATURE: 400,
    NoticeResult.MALFORMED: 400,
    NoticeResult.FAILED: 500,
}


@dataclass(frozen=True, slots=True)
class StripeConfig:
    """One Stripe account; two webhook secrets may hold at a time while a rotation lasts."""

    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    previous_webhook_secret: str = field(default="", repr=False)
    api_url: str = API_URL
    tolerance: timedelta = timedelta(minutes=5)
    grace: timedelta = timedelta(hours=1)
    timeout_seconds: float = 20.0


class StripeGateway:
    """Stripe Checkout for one account."""

    def __init__(
        self, config: StripeConfig, clock: Clock, *, client: httpx2.Client | None = None
    ) -> None:
        self._config = config
        self._clock = clock
        http = client or create_client(timeout_seconds=config.timeout_seconds)
        self._stripe = stripe.StripeClient(
            config.api_key,
            base_addresses={"api": config.api_url},
            max_network_retries=0,
            http_client=StripeTransport(http),
        )

    @property
    def channel(self) -> Channel:
        """Stripe."""
        return Channel.STRIPE

    @property
    def capabilities(self) -> Capabilities:
        """All that the port knows."""
        return Capabilities(
            redirects=True, notices=True, queries=True, refunds=True, settlement_report=True
        )

    def start(self, request: StartRequest) -> StartedPayment:
        """Create a Checkout Session; the merchant reference is the idempotency key.

        Everything sent depends on the request alone, so that asking again after a lost answer
        gets the same session. A session lives 35 minutes at least and a day at most: it may
        outlive a shorter expiry of ours.
        """
        with _stripe_errors():
            session = self._stripe.v1.checkout.sessions.create(
                _session_parameters(request),
                {"idempotency_key": request.merchant_reference},
            )
        if not session.url:
            raise GatewayUnavailableError("the session has no page")
        return StartedPayment(redirect_url=session.url, provider_reference=session.id)

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        """Authenticate a webhook event against the instant at which it was received.

        Nothing is asked of Stripe here. A dispute, or a refund made by hand, bears no reference
        of ours; it names its PaymentIntent as ``provider_reference``.

        Raises:
            InvalidSignatureError: not signed by Stripe, or signed too long before or after
                its receipt.
            MalformedNoticeError: signed, but not an event, or without what it must have.
        """
        self._authenticate(event)
        try:
            payload = json.loads(event.body)
            return self._event_notice(payload, payload["data"]["object"], event.received_at)
        except (ValueError, KeyError, TypeError, AttributeError, MoneyFormatError) as error:
            raise MalformedNoticeError(f"not a usable event: {error}"[:200]) from error

    def answer(self, result: NoticeResult) -> NoticeAnswer:
        """Return 200 for all that is stored and decided, else a status that has it sent again."""
        body = json.dumps({"received": result not in _ANSWER_STATUS, "result": result.value})
        return NoticeAnswer(_ANSWER_STATUS.get(result, 200), body.encode())

    def query(self, query: PaymentQuery) -> GatewayNotice:
        """Retrieve the session with its intent; without its id, look for it by our reference."""
        with _stripe_errors(refusals_are_unknown=True):
            session = self._find_session(query)
        if session is None:
            return self._unknown_to_stripe(query)
        try:
            outcome = objects.session_outcome(session)
            key = f"query:{session['id']}:{outcome}"
            occurred_at = objects.paid_instant(session, query.asked_at)
            return objects.session_notice(session, outcome, key, occurred_at)
        except (ValueError, KeyError, TypeError, MoneyFormatError) as error:
            raise GatewayUnavailableError(f"not a usable session: {error}"[:200]) from error

    def refund(self, order: RefundOrder) -> GatewayNotice:
        """Refund the PaymentIntent; ``refund_reference`` is the idempotency key.

        Stripe forgets keys after a day: an order first sent longer ago is looked for among the
        refunds of its payment, and sent again only if it is not there.

        Raises:
            GatewayRefusedError: more than is left of the payment, or not a payment of Stripe's.
            GatewayUnavailableError: the outcome is unknown; the same order may be sent again.
        """
        if not order.provider_txn_id:
            raise GatewayRefusedError("without its PaymentIntent a payment cannot be refunded")
        refund = self._sent_before(order, order.provider_txn_id)
        if refund is None:
            with _stripe_errors():
                refund = self._stripe.v1.refunds.create(
                    {
                        "payment_intent": order.provider_txn_id,
                        "amount": order.amount.amount_minor,
                        "metadata": {
                            "merchant_reference": order.merchant_reference,
                            "refund_reference": order.refund_reference,
                        },
                    },
                    {"idempotency_key": order.refund_reference},
                )
        try:
            key = f"refund:{refund.id}:{refund.status}"
            return objects.refund_notice(_plain(refund), order.merchant_reference, key)
        except (ValueError, MoneyFormatError) as error:
            raise GatewayUnavailableError(f"not a usable refund: {error}"[:200]) from error

    def _sent_before(self, order: RefundOrder, intent: str) -> stripe.Refund | None:
        """Return the refund that an earlier sending of this order made, if it must be looked for.

        The key alone protects an order of the last hours; looking first would only race it.
        """
        with _stripe_errors(refusals_are_unknown=True):
            if order.refund_txn_id:
                return self._stripe.v1.refunds.retrieve(order.refund_txn_id)
            if order.asked_at - (order.submitted_at or order.asked_at) < _KEY_LIFETIME:
                return None
            refunds = self._stripe.v1.refunds.list({"payment_intent": intent, "limit": 100})
            for refund in refunds.auto_paging_iter():
                metadata = _plain(refund).get("metadata") or {}
                if metadata.get("refund_reference") == order.refund_reference:
                    return refund
        return None

    def _authenticate(self, event: RawEvent) -> None:
        if len(event.body) > MAX_NOTICE_BYTES:
            raise MalformedNoticeError("the event is too long")
        header = _header(event.headers, "stripe-signature")
        secrets = (self._config.webhook_secret, self._config.previous_webhook_secret)
        if not any([_is_signed(event.body, header, secret) for secret in secrets if secret]):  # noqa: C419
            raise InvalidSignatureError("the Stripe-Signature does not fit the body")
        # The package looks at the system's clock and accepts any date in the future.
        age = event.received_at - objects.instant(_signed_at(header))
        if abs(age) > self._config.tolerance:
            raise InvalidSignatureError("the event was not signed at the time it was received")

    def _event_notice(
        self, event: Mapping[str, Any], subject: Mapping[str, Any], received_at: datetime
    ) -> GatewayNotice:
        name, key = str(event["type"]), str(event["id"])
        occurred_at = objects.instant(event["created"])
        if name in _SESSION_EVENTS:
            outcome = _SESSION_EVENTS[name] or objects.session_outcome(subject)
            return objects.session_notice(subject, outcome, key, occurred_at)
        if name in _REFUND_EVENTS:
            return objects.refund_notice(subject, objects.own_reference(subject), key)
        if name in _DISPUTE_EVENTS:
            reference = objects.own_reference(subject)
            return objects.dispute_notice(subject, reference, key, occurred_at)
        return _other_notice(event, subject, min(occurred_at, received_at))

    def _find_session(self, query: PaymentQuery) -> Mapping[str, Any] | None:
        sessions = self._stripe.v1.checkout.sessions
        if query.provider_reference:
            found = sessions.retrieve(query.provider_reference, {"expand": _EXPAND_PAYMENT})
            return _plain(found)
        opened = int(query.created_at.timestamp())
        margin = int(_START_WINDOW.total_seconds())
        listed = sessions.list(
            {
                "created": {"gte": opened - margin, "lte": opened + margin},
                "expand": [f"data.{name}" for name in _EXPAND_PAYMENT],
                "limit": 100,
            }
        )
        for session in listed.auto_paging_iter():
            if session.client_reference_id == query.merchant_reference:
                return _plain(session)
        return None

    def _unknown_to_stripe(self, query: PaymentQuery) -> GatewayNotice:
        # The last moment at which a session could have been opened, plus its longest life.
        closed_at = query.created_at + _START_WINDOW + timedelta(days=1)
        expired = query.asked_at > closed_at + self._config.grace
        return GatewayNotice(
            event_key=f"query:{query.merchant_reference}:not_found:{expired}",
            kind=NoticeKind.PAYMENT,
            merchant_reference=query.merchant_reference,
            outcome=Outcome.EXPIRED if expired else Outcome.PENDING,
            amount=None,
            occurred_at=query.asked_at,
            reason_code="not_found",
        )


def _session_parameters(request: StartRequest) -> Any:
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
        "locale": request.locale if request.locale in {"vi", "en", "fr", "zh"} else "auto",
    }


@contextmanager
def _stripe_errors(*, refusals_are_unknown: bool = False) -> Iterator[None]:
    """Translate the package's errors; what is not certainly refused is unknown.

    A refused question (``refusals_are_unknown``) says nothing about the payment.
    """
    try:
        yield
    except _REFUSALS as error:
        detail = f"Stripe refused: {error.code or type(error).__name__}"
        if refusals_are_unknown:
            raise GatewayUnavailableError(detail) from error
        raise GatewayRefusedError(detail) from error
    except stripe.StripeError as error:
        raise GatewayUnavailableError(f"Stripe: {type(error).__name__}") from error


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


def _is_signed(body: bytes, header: str, secret: str) -> bool:
    if not header.isascii():
        return False  # the package fails on it in its own way
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _signed_at(header: str) -> int:
    """Return the first ``t`` of a header that the package has found to be well formed."""
    items = [item.split("=", 2) for item in header.split(",")]
    return int(next(item[1] for item in items if item[0] == "t"))


def _header(headers: Mapping[str, str], wanted: str) -> str:
    return next((value for name, value in headers.items() if name.lower() == wanted), "")


def _plain(stripe_object: stripe.StripeObject) -> dict[str, Any]:
    return stripe_object.to_dict()
