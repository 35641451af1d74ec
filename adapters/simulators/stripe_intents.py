"""The fake Stripe's PaymentIntents: those behind sessions, and bare ones driven by the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.simulators.store import Record, Records
from adapters.simulators.stripe_config import (
    CHARGE,
    DECLINES,
    INTENT,
    SESSION,
    StripeAccount,
    StripeRefusalError,
    method_outcome,
    unix,
)
from adapters.simulators.stripe_world import StripeWorld

_OPEN: Final = frozenset({"requires_payment_method", "requires_confirmation"})


@dataclass(frozen=True, slots=True)
class Intents:
    """Every intent of a world."""

    world: StripeWorld

    def behind(self, records: Records, session: Record, inside: Record, now: datetime) -> Record:
        """Return the intent of a session; it comes to be when the payer first tries."""
        if known := records.get(INTENT, session["payment_intent"] or ""):
            return known
        data = inside["intent_data"]
        return self._new(records, session["amount_total"], session["currency"], data, now)

    def create(
        self, records: Records, account: StripeAccount, params: Mapping[str, Any]
    ) -> tuple[int, Record]:
        """Make a bare intent, and confirm it at once if that is asked; return status and body.

        Raises:
            StripeRefusalError: a parameter is missing or out of bounds.
        """
        amount, currency = str(params.get("amount", "")), str(params.get("currency", "")).lower()
        if not amount.isdigit() or not int(amount):
            raise StripeRefusalError(400, "Invalid positive integer", param="amount")
        if not currency:
            raise StripeRefusalError(400, "Missing required param: currency.", param="currency")
        intent = self._new(records, int(amount), currency, params, self.world.clock())
        records.put(INTENT, intent["id"], intent, label=account.account_id)
        if params.get("confirm") == "true":
            return self.confirm(records, account, intent, params)
        return 200, intent

    def confirm(
        self, records: Records, account: StripeAccount, intent: Record, params: Mapping[str, Any]
    ) -> tuple[int, Record]:
        """Let a payment method for tests pay; return status and body, a decline being 402.

        Raises:
            StripeRefusalError: the intent is not open, or there is no such method.
        """
        self._check_open(records, account, intent)
        outcome, now = method_outcome(str(params.get("payment_method", ""))), self.world.clock()
        inside = self._inside(intent, account)
        if outcome == "pay":
            return 200, self.collect(records, intent, inside, now)
        failed = self.decline(records, intent, inside, DECLINES[outcome], now)
        return 402, {"error": {**failed["last_payment_error"], "payment_intent": failed}}

    def cancel(self, records: Records, account: StripeAccount, intent: Record) -> Record:
        """End an open bare intent.

        Raises:
            StripeRefusalError: it is not open, or a session's.
        """
        self._check_open(records, account, intent)
        reason = "requested_by_customer"
        return self.end(records, intent, self._inside(intent, account), reason, self.world.clock())

    def end(
        self, records: Records, intent: Record, inside: Record, reason: str, now: datetime
    ) -> Record:
        """Cancel an intent for good."""
        ended = {
            **intent,
            "canceled_at": unix(now),
            "cancellation_reason": reason,
            "status": "canceled",
        }
        self._put(records, ended, inside, "payment_intent.canceled", now)
        return ended

    def process(self, records: Records, intent: Record, inside: Record, now: datetime) -> Record:
        """Begin a method that takes days."""
        begun = {**intent, "status": "processing"}
        self._put(records, begun, inside, "payment_intent.processing", now)
        return begun

    def decline(
        self, records: Records, intent: Record, inside: Record, code: str, now: datetime
    ) -> Record:
        """Note that a card was declined; the intent takes another one."""
        failure = {"type": "card_error", "code": "card_declined", "decline_code": code}
        failed = {
            **intent,
            "status": "requires_payment_method",
            "last_payment_error": {**failure, "message": "Your card was declined."},
        }
        self._put(records, failed, inside, "payment_intent.payment_failed", now)
        return failed

    def collect(self, records: Records, intent: Record, inside: Record, now: datetime) -> Record:
        """Take the money: a charge, and its line in the books."""
        charge = {
            "id": self.world.new_id(records, "ch"),
            "object": CHARGE,
            "amount": intent["amount"],
            "amount_refunded": 0,
            "created": unix(now),
            "currency": intent["currency"],
            "disputed": False,
            "livemode": False,
            "metadata": intent["metadata"],
            "paid": True,
            "payment_intent": intent["id"],
            "refunded": False,
            "status": "succeeded",
        }
        paid = {
            **intent,
            "amount_received": intent["amount"],
            "last_payment_error": None,
            "latest_charge": charge["id"],
            "status": "succeeded",
        }
        records.put(CHARGE, charge["id"], charge, label=inside["account"])
        self.world.enter(records, inside, "payment", intent["id"], intent["amount"], now)
        self._put(records, paid, inside, "payment_intent.succeeded", now)
        return paid

    def _new(
        self,
        records: Records,
        amount: int,
        currency: str,
        params: Mapping[str, Any],
        now: datetime,
    ) -> Record:
        return {
            "id": self.world.new_id(records, "pi"),
            "object": INTENT,
            "amount": amount,
            "amount_received": 0,
            "canceled_at": None,
            "cancellation_reason": None,
            "created": unix(now),
            "currency": currency,
            "description": params.get("description"),
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": dict(params.get("metadata", {})),
            "status": "requires_payment_method",
        }

    def _put(
        self, records: Records, intent: Record, inside: Record, event: str, now: datetime
    ) -> None:
        records.put(INTENT, intent["id"], intent, label=inside["account"])
        self.world.emit(records, inside, event, intent, now)

    def _check_open(self, records: Records, account: StripeAccount, intent: Record) -> None:
        status = intent["status"]
        if status not in _OPEN:
            message = f"This PaymentIntent has a status of {status}."
            raise StripeRefusalError(400, message, code="payment_intent_unexpected_state")
        sessions = records.labelled(SESSION, account.account_id)
        if any(session["payment_intent"] == intent["id"] for session in sessions):
            raise StripeRefusalError(400, "It belongs to a Checkout Session: expire that.")

    def _inside(self, intent: Record, account: StripeAccount) -> Record:
        reference = intent["metadata"].get("merchant_reference", "")
        return {"account": account.account_id, "reference": reference}
