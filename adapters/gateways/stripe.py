"""Stripe through the official package: hosted page, signed events, queries, refunds, payouts.

``provider_txn_id`` is the PaymentIntent (``pi_…``) for payments: the session's own events name
it, which they do not do with the charge, and Stripe's itemised payout report carries it beside
the charge. For refunds it is the refund (``re_…``), for chargebacks the dispute (``dp_…``), the
sources of their balance transactions.

Attempts begin with a Checkout Session only: a bare PaymentIntent is finished by a script of
Stripe's on the page, and our pages run none. One that was made elsewhere with our reference in
its ``metadata`` is understood in messages, queries, refunds and reports all the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import stripe
from typing_extensions import override

from adapters.gateways import stripe_objects as objects
from adapters.gateways.base import NOT_FOUND, GatewayBase
from adapters.gateways.stripe_attempts import (
    START_WINDOW,
    end_attempt,
    find_attempt,
    session_parameters,
)
from adapters.gateways.stripe_events import event_notice
from adapters.gateways.stripe_reports import fetch_reports
from adapters.gateways.stripe_signing import is_signed, signed_within
from adapters.gateways.stripe_transport import StripeTransport, error_code, plain, stripe_errors
from adapters.http import Caller
from core.errors import MoneyFormatError
from payments.channels import Rail
from payments.errors import (
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidSignatureError,
    MalformedNoticeError,
)
from payments.ports import (
    MAX_NOTICE_BYTES,
    Capabilities,
    CheckResult,
    GatewayNotice,
    NoticeAnswer,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    ReportFile,
    StartedPayment,
    StartRequest,
)

API_URL: Final = "https://api.stripe.com"

_KEY_LIFETIME: Final = timedelta(hours=23)
"""Stripe keeps idempotency keys for 24 hours at least; an hour is left for the way."""

_INTENT: Final = "payment_intent"
_UNUSABLE: Final = (ValueError, KeyError, TypeError, AttributeError, MoneyFormatError)
_ANSWER_STATUS: Final[Mapping[NoticeResult, int]] = {
    NoticeResult.INVALID_SIGNATURE: 400,
    NoticeResult.MALFORMED: 400,
    NoticeResult.FAILED: 500,
}


_TEST_KEYS: Final = ("sk_test_", "rk_test_")
_LIVE_KEYS: Final = ("sk_live_", "rk_live_")
_MODES: Final = {True: "live: real money moves", False: "for tests: no real money moves"}


@dataclass(frozen=True, slots=True)
class StripeConfig:
    """One Stripe account; two webhook secrets may hold at a time while a rotation lasts.

    ``live`` says whether real money is to move; without it the key decides.
    """

    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    previous_webhook_secret: str = field(default="", repr=False)
    api_url: str = API_URL
    live: bool | None = None
    tolerance: timedelta = timedelta(minutes=5)
    grace: timedelta = timedelta(hours=1)

    @property
    def verifying_secrets(self) -> tuple[str, ...]:
        """The secrets that events may be signed with just now."""
        return (self.webhook_secret, self.previous_webhook_secret)

    @property
    def key_is_live(self) -> bool | None:
        """Whether the key moves real money; None where it does not say."""
        if self.api_key.startswith(_LIVE_KEYS):
            return True
        return False if self.api_key.startswith(_TEST_KEYS) else None

    @property
    def expects_live(self) -> bool | None:
        """Whether events of real money are to be believed, or those of tests; None is both."""
        return self.key_is_live if self.live is None else self.live


class StripeGateway(GatewayBase):
    """Stripe for one account."""

    def __init__(self, config: StripeConfig, http: Caller) -> None:
        self._config = config
        self._stripe = stripe.StripeClient(
            config.api_key,
            base_addresses={"api": config.api_url},
            max_network_retries=0,
            http_client=StripeTransport(http),
        )

    @property
    def rail(self) -> Rail:
        """Stripe."""
        return Rail.STRIPE

    @property
    def capabilities(self) -> Capabilities:
        """Everything but a second step: the money is taken when the payer agrees."""
        return Capabilities(
            redirects=True,
            notices=True,
            queries=True,
            refunds=True,
            refund_queries=True,
            cancels=True,
            settlement_report=True,
        )

    @override
    def start(self, request: StartRequest) -> StartedPayment:
        """Create a Checkout Session; the merchant reference is the idempotency key.

        Everything sent depends on the request alone, so that asking again after a lost answer
        gets the same session. A session lives 35 minutes at least and a day at most: it may
        outlive a shorter expiry of ours.
        """
        with stripe_errors():
            session = self._stripe.v1.checkout.sessions.create(
                session_parameters(request),
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
                its receipt, or a test event where real money is expected (or the reverse).
            MalformedNoticeError: signed, but not an event, or without what it must have.
        """
        self._authenticate(event)
        try:
            payload = json.loads(event.body)
            self._check_mode(payload)
            return event_notice(payload, event.received_at)
        except _UNUSABLE as error:
            raise MalformedNoticeError(f"not a usable event: {error}"[:200]) from error

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        """Return 200 for all that is stored and decided, else a status that has it sent again."""
        del event
        body = json.dumps({"received": result not in _ANSWER_STATUS, "result": result.value})
        return NoticeAnswer(_ANSWER_STATUS.get(result, 200), body.encode())

    @override
    def query(self, query: PaymentQuery) -> GatewayNotice:
        """Retrieve the session with its intent, or a bare intent (``pi_…``).

        Without its id, it is looked for by our reference among what was made at that time.
        """
        with stripe_errors(refusals_are_unknown=True):
            found = find_attempt(self._stripe, query)
        return self._told(found, query) if found else self._unknown_to_stripe(query)

    @override
    def cancel(self, query: PaymentQuery) -> GatewayNotice:
        """Expire an open session (or cancel a bare intent), and tell what became of it.

        Stripe ends only what is still open: one that was paid meanwhile is told as SUCCEEDED.
        """
        if not query.provider_reference:
            found = self.query(query)
            known = found.provider_reference or found.provider_txn_id
            if found.outcome.is_final or not known:
                return found
            query = replace(query, provider_reference=known)
        with stripe_errors():
            try:
                ended = end_attempt(self._stripe, query.provider_reference or "")
            except stripe.InvalidRequestError:
                ended = None  # not open any more, or being paid just now
        return self._told(ended, query) if ended else self.query(query)

    @override
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
        # The key alone protects an order of the last hours; looking first would only race it.
        age = order.asked_at - (order.submitted_at or order.asked_at)
        if order.refund_txn_id or age >= _KEY_LIFETIME:
            known = self.query_refund(order)
            if known.reason_code != NOT_FOUND:
                return known
        with stripe_errors():
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
        return _refund_told(plain(refund), order)

    @override
    def query_refund(self, order: RefundOrder) -> GatewayNotice:
        """Retrieve the refund, or look for it by our reference among those of its payment.

        Raises:
            GatewayUnavailableError: neither its id nor its payment is known, or there was no
                usable answer.
        """
        with stripe_errors(refusals_are_unknown=True):
            if order.refund_txn_id:
                refund = self._stripe.v1.refunds.retrieve(order.refund_txn_id)
                return _refund_told(plain(refund), order)
            if not order.provider_txn_id:
                raise GatewayUnavailableError("neither the refund nor its PaymentIntent is known")
            listed = self._stripe.v1.refunds.list(
                {"payment_intent": order.provider_txn_id, "limit": 100}
            )
            for refund in listed.auto_paging_iter():
                made = plain(refund)
                if objects.refund_reference(made) == order.refund_reference:
                    return _refund_told(made, order)
        return GatewayNotice(
            event_key=f"refund:{order.refund_reference}:{NOT_FOUND}",
            kind=NoticeKind.REFUND,
            merchant_reference=order.merchant_reference,
            outcome=Outcome.PENDING,
            amount=None,
            occurred_at=order.asked_at,
            reason_code=NOT_FOUND,
            refund_reference=order.refund_reference,
        )

    @override
    def settlement_report(self, day: date) -> list[ReportFile]:
        """Fetch the automatic payouts that arrive on ``day``, one report each.

        Raises:
            GatewayUnavailableError: there was no usable answer, a payout is not itemised yet,
                or its items do not sum to it: no report is better than a wrong one.
        """
        with stripe_errors(refusals_are_unknown=True):
            return fetch_reports(self._stripe, day)

    @override
    def check(self, *, at: datetime) -> CheckResult:
        """Read the balance: moves nothing, and shows whose mode the key is of."""
        del at  # Stripe dates its answers by its own clock
        if self._config.api_key.startswith("pk_"):
            return CheckResult(False, "This is Stripe's publishable key; the secret one is needed.")
        try:
            live = bool(self._stripe.v1.balance.retrieve().livemode)
        except stripe.StripeError as error:
            return CheckResult(False, _what_is_wrong(error))
        if self._config.key_is_live not in {None, live}:
            return CheckResult(False, "Stripe answered in another mode than this key is made for.")
        if self._config.live not in {None, live}:
            return CheckResult(False, f"This key is {_MODES[live]}. The other kind is needed here.")
        return CheckResult(True, f"Stripe answered. The key is {_MODES[live]}.")

    def _authenticate(self, event: RawEvent) -> None:
        if len(event.body) > MAX_NOTICE_BYTES:
            raise MalformedNoticeError("the event is too long")
        header = _header(event.headers, "stripe-signature")
        if not is_signed(event.body, header, self._config.verifying_secrets):
            raise InvalidSignatureError("the Stripe-Signature does not fit the body")
        if not signed_within(header, event.received_at, self._config.tolerance):
            raise InvalidSignatureError("the event was not signed at the time it was received")

    def _check_mode(self, payload: Mapping[str, Any]) -> None:
        """Believe no test event where real money is collected: anybody's card pays in tests."""
        live = payload.get("livemode", False)
        if self._config.expects_live not in {None, live}:
            raise InvalidSignatureError("the event is of another mode (test, live) than the key")

    def _told(self, found: Mapping[str, Any], query: PaymentQuery) -> GatewayNotice:
        try:
            notice = _payment_notice(found, query.asked_at)
        except _UNUSABLE as error:
            raise GatewayUnavailableError(f"not a usable answer: {error}"[:200]) from error
        if notice.merchant_reference != query.merchant_reference:
            raise GatewayUnavailableError("Stripe's answer is about another attempt")
        return notice

    def _unknown_to_stripe(self, query: PaymentQuery) -> GatewayNotice:
        # The last moment at which a session could have been opened, plus its longest life.
        closed_at = query.created_at + START_WINDOW + timedelta(days=1)
        expired = query.asked_at > closed_at + self._config.grace
        return GatewayNotice(
            event_key=f"query:{query.merchant_reference}:{NOT_FOUND}:{expired}",
            kind=NoticeKind.PAYMENT,
            merchant_reference=query.merchant_reference,
            outcome=Outcome.EXPIRED if expired else Outcome.PENDING,
            amount=None,
            occurred_at=query.asked_at,
            reason_code=NOT_FOUND,
        )


def _payment_notice(found: Mapping[str, Any], asked_at: datetime) -> GatewayNotice:
    if found.get("object") == _INTENT:
        outcome = objects.intent_outcome(found)
        key = f"query:{found['id']}:{outcome}"
        return objects.intent_notice(found, outcome, key, objects.paid_instant(found, asked_at))
    outcome = objects.session_outcome(found)
    key = f"query:{found['id']}:{outcome}"
    occurred_at = objects.paid_instant(found.get("payment_intent"), asked_at)
    return objects.session_notice(found, outcome, key, occurred_at)


def _refund_told(refund: Mapping[str, Any], order: RefundOrder) -> GatewayNotice:
    if order.provider_txn_id not in {None, objects.identity(refund.get("payment_intent"))}:
        raise GatewayUnavailableError("Stripe's answer is about the refund of another payment")
    try:
        key = f"refund:{refund['id']}:{refund['status']}"
        return objects.refund_notice(refund, order.merchant_reference, key)
    except _UNUSABLE as error:
        raise GatewayUnavailableError(f"not a usable refund: {error}"[:200]) from error


def _what_is_wrong(error: stripe.StripeError) -> str:
    if isinstance(error, stripe.APIConnectionError):
        return f"Stripe cannot be reached: {error}."
    if error_code(error) == "api_key_expired":
        return "This key has expired: it was replaced in Stripe's Dashboard."
    if isinstance(error, stripe.AuthenticationError):
        return "Stripe does not know this key."
    if isinstance(error, stripe.PermissionError):
        return "Stripe knows this key, but it may not read the balance: its rights are too narrow."
    return f"Stripe gave no usable answer: {error_code(error)}."


def _header(headers: Mapping[str, str], wanted: str) -> str:
    return next((value for name, value in headers.items() if name.lower() == wanted), "")
