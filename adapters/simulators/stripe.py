"""Stripe played on loopback: sessions, intents, charges, refunds, disputes, events, payouts."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2

from adapters.http import create_client, send
from adapters.simulators.faults import Fault
from adapters.simulators.notices import NoticeQueue, Reply
from adapters.simulators.settlement import Payout, SettlementBook, SettlementRow
from adapters.simulators.store import Record, Records, Store
from adapters.simulators.stripe_config import (
    DECLINES,
    OUTCOMES,
    StripeAccount,
    StripeRefusalError,
    StripeSimulatorConfig,
    session_total,
    signature_header,
    unix,
)
from core.clock import Clock
from core.errors import NotFoundError
from payments.errors import GatewayUnavailableError

__all__ = ["StripeAccount", "StripeSimulator", "StripeSimulatorConfig"]

API_VERSION: Final = "2026-10-29.simulated"
RETRY_GAPS: Final = tuple(
    timedelta(minutes=minutes) for minutes in (5, 30, 120, 300, 600, *([720] * 5))
)
"""Stripe says "up to three days, with exponential pauses"; these pauses are our choice."""

SESSION: Final = "checkout.session"
INTENT: Final = "payment_intent"
CHARGE: Final = "charge"
REFUND: Final = "refund"
DISPUTE: Final = "dispute"
EVENT: Final = "event"

_DELAYED: Final = "delayed"
_INSIDE: Final = "session_inside"
_SHORTEST: Final = timedelta(minutes=30)
_LONGEST: Final = timedelta(hours=24)
SENT_EVENTS: Final = frozenset(
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


class StripeSimulator:
    """Stripe's side of every payment, kept in one file."""

    def __init__(
        self,
        *,
        clock: Clock,
        state_path: Path,
        config: StripeSimulatorConfig,
        payout_sink: Callable[[Payout], None] | None = None,
        client: httpx2.Client | None = None,
    ) -> None:
        self.clock = clock
        self.config = config
        self.store = Store(state_path)
        self.accounts = {account.account_id: account for account in config.accounts}
        self._client = client or create_client(timeout_seconds=config.webhook_timeout_seconds)
        self._payout_sink = payout_sink
        self._notices = NoticeQueue(
            self.store, RETRY_GAPS, config.faults, config.late_by, config.scrambled
        )
        self.book = SettlementBook("stripe", config.fees, config.calendar, config.faults, "po_")

    def new_id(self, records: Records, prefix: str) -> str:
        """Return the next id of a kind, decided by seed and number."""
        text = f"{self.config.faults.seed}:{prefix}:{records.next_number(prefix)}"
        return f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def create_session(
        self, records: Records, account: StripeAccount, params: Mapping[str, Any]
    ) -> Record:
        """Open a Checkout Session.

        Raises:
            StripeRefusalError: a parameter is missing or out of bounds.
        """
        amount, currency = session_total(params)
        now = self.clock()
        expires_at = int(params.get("expires_at", unix(now + _LONGEST)))
        if not unix(now + _SHORTEST) <= expires_at <= unix(now + _LONGEST):
            raise StripeRefusalError(400, "30 minutes to 24 hours from now", param="expires_at")
        reference = str(params.get("client_reference_id", ""))
        if self.config.faults.strikes(Fault.OTHER_AMOUNT, reference, records):
            name = self.config.faults.drawn_as(reference, records)
            amount = self.config.faults.other_amount(name, amount)
        session_id = self.new_id(records, "cs_test")
        session = {
            "id": session_id,
            "object": SESSION,
            "amount_subtotal": amount,
            "amount_total": amount,
            "cancel_url": params.get("cancel_url"),
            "client_reference_id": reference or None,
            "created": unix(now),
            "currency": currency,
            "expires_at": expires_at,
            "livemode": False,
            "locale": params.get("locale"),
            "metadata": dict(params.get("metadata", {})),
            "mode": "payment",
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
            "success_url": params["success_url"],
            "url": f"{self.config.public_url}/c/pay/{session_id}",
        }
        inside = {
            "account": account.account_id,
            "reference": reference,
            "intent_data": dict(params.get("payment_intent_data", {})),
            "shown": params["line_items"][0]["price_data"]["product_data"]["name"],
        }
        records.put(_INSIDE, session_id, inside)
        self._put_session(records, session, account.account_id)
        return session

    def _put_session(self, records: Records, session: Record, account_id: str) -> None:
        open_until = datetime.fromtimestamp(session["expires_at"], UTC)
        due = open_until if session["status"] == "open" else None
        records.put(SESSION, session["id"], session, label=account_id, due=due)

    def pay(self, session_id: str, outcome: str) -> str | None:
        """Let the payer try; return where the browser goes, or None if the card was declined.

        Raises:
            NotFoundError: no such session or outcome.
        """
        now = self.clock()
        with self.store.transaction() as records:
            self.advance(records, now)
            session, inside = self._session(records, session_id)
            if outcome not in OUTCOMES:
                raise NotFoundError(f"no outcome {outcome[:20]!r}")
            if session["status"] == "open":
                session = self._try_payment(records, session, inside, outcome, now)
        if self.config.deliver_at_once:
            self._notices.deliver_due(now, self._call_webhook)
        return None if session["status"] == "open" else str(session["success_url"])

    def cancel_address(self, session_id: str) -> str:
        """Return where a payer goes who turns back; the session stays open."""
        with self.store.transaction() as records:
            return str(self._session(records, session_id)[0]["cancel_url"])

    def shown(self, session_id: str) -> tuple[Record, str]:
        """Return a session and the text its page shows."""
        with self.store.transaction() as records:
            self.advance(records, self.clock())
            session, inside = self._session(records, session_id)
            return session, str(inside["shown"])

    def _session(self, records: Records, session_id: str) -> tuple[Record, Record]:
        session, inside = records.get(SESSION, session_id), records.get(_INSIDE, session_id)
        if session is None or inside is None:
            raise NotFoundError(f"no session {session_id[:80]!r}")
        return session, inside

    def _try_payment(
        self, records: Records, session: Record, inside: Record, outcome: str, now: datetime
    ) -> Record:
        account_id = inside["account"]
        intent = self._intent_of(records, session, inside, now)
        session = {**session, "payment_intent": intent["id"]}
        if outcome in DECLINES:
            self._decline(records, account_id, intent, DECLINES[outcome])
        elif outcome == "pay":
            self._collect(records, intent, inside, now)
            session |= {"status": "complete", "payment_status": "paid"}
        else:
            records.put(INTENT, intent["id"], {**intent, "status": "processing"}, label=account_id)
            session |= {"status": "complete"}
            waiting = {"session": session["id"], "succeeds": outcome == "pay_later"}
            due = now + self.config.delayed_method
            records.put(_DELAYED, session["id"], waiting, due=due)
        self._put_session(records, session, account_id)
        if session["status"] == "complete":
            self._emit(records, inside, "checkout.session.completed", session, now)
        return session

    def _intent_of(
        self, records: Records, session: Record, inside: Record, now: datetime
    ) -> Record:
        if known := records.get(INTENT, session["payment_intent"] or ""):
            return known
        return {
            "id": self.new_id(records, "pi"),
            "object": INTENT,
            "amount": session["amount_total"],
            "amount_received": 0,
            "created": unix(now),
            "currency": session["currency"],
            "description": inside["intent_data"].get("description"),
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": dict(inside["intent_data"].get("metadata", {})),
            "status": "requires_payment_method",
        }

    def _decline(self, records: Records, account_id: str, intent: Record, code: str) -> None:
        failure = {"type": "card_error", "code": "card_declined", "decline_code": code}
        failed = {
            **intent,
            "status": "requires_payment_method",
            "last_payment_error": {**failure, "message": "Your card was declined."},
        }
        records.put(INTENT, intent["id"], failed, label=account_id)

    def _collect(self, records: Records, intent: Record, inside: Record, now: datetime) -> None:
        account_id = inside["account"]
        charge = {
            "id": self.new_id(records, "ch"),
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
        records.put(CHARGE, charge["id"], charge, label=account_id)
        records.put(INTENT, intent["id"], paid, label=account_id)
        self._enter(records, inside, "payment", intent["id"], intent["amount"], now)

    def _enter(
        self,
        records: Records,
        inside: Record,
        kind: str,
        txn_id: str,
        gross: int,
        now: datetime,
    ) -> None:
        self.book.book(
            records,
            merchant=inside["account"],
            account=self.accounts[inside["account"]].payout_account,
            kind=kind,
            provider_txn_id=txn_id,
            merchant_reference=inside["reference"],
            gross=gross,
            at=now,
        )

    def expire_session(self, records: Records, session_id: str) -> Record:
        """Close an open session by hand.

        Raises:
            StripeRefusalError: it is not open.
        """
        session, inside = self._session(records, session_id)
        if session["status"] != "open":
            raise StripeRefusalError(400, "Only open sessions can be expired.")
        return self._expire(records, session, inside, self.clock())

    def _expire(self, records: Records, session: Record, inside: Record, now: datetime) -> Record:
        expired = {**session, "status": "expired", "url": None}
        self._put_session(records, expired, inside["account"])
        self._emit(records, inside, "checkout.session.expired", expired, now)
        return expired

    def advance(self, records: Records, now: datetime) -> None:
        """Do what time alone brings: expiry, delayed payments, refunds, closed sessions."""
        for session in records.due(SESSION, now):
            self._expire(records, session, self._session(records, session["id"])[1], now)
        for waiting in records.due(_DELAYED, now):
            self._end_delayed(records, waiting, now)
        for refund in records.due(REFUND, now):
            self._end_refund(records, refund, now)
        self.book.close_sessions(records, now)

    def _end_delayed(self, records: Records, waiting: Record, now: datetime) -> None:
        records.put(_DELAYED, waiting["session"], {**waiting, "done": True})
        session, inside = self._session(records, waiting["session"])
        intent = self._intent_of(records, session, inside, now)
        ended = "async_payment_failed"
        if waiting["succeeds"]:
            self._collect(records, intent, inside, now)
            session = {**session, "payment_status": "paid"}
            self._put_session(records, session, inside["account"])
            ended = "async_payment_succeeded"
        else:
            self._decline(records, inside["account"], intent, "generic_decline")
        self._emit(records, inside, f"checkout.session.{ended}", session, now)

    def create_refund(
        self, records: Records, account: StripeAccount, params: Mapping[str, Any]
    ) -> Record:
        """Send money back from a charge.

        Raises:
            StripeRefusalError: nothing was collected, or more is asked than is left.
        """
        charge = self._charge_of(records, account, params)
        left = charge["amount"] - charge["amount_refunded"]
        amount = int(params.get("amount", left))
        if left == 0:
            raise StripeRefusalError(400, "Already refunded.", code="charge_already_refunded")
        if not 0 < amount <= left:
            raise StripeRefusalError(400, "Amount is more than is left.", param="amount")
        now, delay = self.clock(), self.config.refund_delay
        refund = {
            "id": self.new_id(records, "re"),
            "object": REFUND,
            "amount": amount,
            "charge": charge["id"],
            "created": unix(now),
            "currency": charge["currency"],
            "failure_reason": None,
            "metadata": dict(params.get("metadata", {})),
            "payment_intent": charge["payment_intent"],
            "status": "pending" if delay else "succeeded",
        }
        refunded = charge["amount_refunded"] + amount
        charge |= {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
        records.put(CHARGE, charge["id"], charge, label=account.account_id)
        due = now + delay if delay else None
        records.put(REFUND, refund["id"], refund, label=account.account_id, due=due)
        inside = self._inside_of(charge, account)
        self._enter(records, inside, "refund", refund["id"], -amount, now)
        self._emit(records, inside, "refund.created", refund, now)
        self._emit(records, inside, "charge.refunded", charge, now)
        return refund

    def _end_refund(self, records: Records, refund: Record, now: datetime) -> None:
        charge = records.get(CHARGE, refund["charge"]) or {}
        account = self._owner(records, REFUND, refund["id"])
        if account is None:
            raise AssertionError(f"refund {refund['id']} belongs to no account")
        done = {**refund, "status": "succeeded"}
        records.put(REFUND, refund["id"], done, label=account.account_id)
        self._emit(records, self._inside_of(charge, account), "refund.updated", done, now)

    def _charge_of(
        self, records: Records, account: StripeAccount, params: Mapping[str, Any]
    ) -> Record:
        intent = records.get(INTENT, str(params.get("payment_intent", "")))
        charge_id = (intent or {}).get("latest_charge") or params.get("charge", "")
        charge = records.get(CHARGE, str(charge_id), label=account.account_id)
        if charge is None:
            raise StripeRefusalError(404, "No such charge", code="resource_missing")
        return charge

    def _inside_of(self, charge: Record, account: StripeAccount) -> Record:
        reference = charge.get("metadata", {}).get("merchant_reference", "")
        return {"account": account.account_id, "reference": reference}

    def dispute(self, intent_id: str, reason: str) -> Record:
        """Let the payer's bank take a payment back.

        Raises:
            NotFoundError: no such collected payment.
        """
        now = self.clock()
        with self.store.transaction() as records:
            intent = records.get(INTENT, intent_id) or {}
            charge = records.get(CHARGE, intent.get("latest_charge") or "")
            account = self._owner(records, INTENT, intent_id)
            if charge is None or account is None:
                raise NotFoundError(f"no collected payment {intent_id[:80]!r}")
            dispute = {
                "id": self.new_id(records, "dp"),
                "object": DISPUTE,
                "amount": charge["amount"],
                "charge": charge["id"],
                "created": unix(now),
                "currency": charge["currency"],
                "metadata": {},
                "payment_intent": intent_id,
                "reason": reason,
                "status": "needs_response",
            }
            label = account.account_id
            records.put(DISPUTE, dispute["id"], dispute, label=label)
            records.put(CHARGE, charge["id"], {**charge, "disputed": True}, label=label)
            inside = self._inside_of(charge, account)
            self._enter(records, inside, "chargeback", dispute["id"], -charge["amount"], now)
            self._emit(records, inside, "charge.dispute.created", dispute, now)
        return dispute

    def _owner(self, records: Records, kind: str, record_id: str) -> StripeAccount | None:
        for account in self.accounts.values():
            if records.get(kind, record_id, label=account.account_id):
                return account
        return None

    def _emit(
        self, records: Records, inside: Record, name: str, subject: Record, now: datetime
    ) -> None:
        event_id = self.new_id(records, "evt")
        event = {
            "id": event_id,
            "object": EVENT,
            "api_version": API_VERSION,
            "created": unix(now),
            "data": {"object": subject},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": name,
        }
        records.put(EVENT, event_id, event, label=inside["account"])
        if name in SENT_EVENTS:
            body = {"event": event_id, "account": inside["account"]}
            self._notices.announce(records, event_id, inside["reference"], body, now)

    def _call_webhook(self, body: Record, now: datetime) -> Reply:
        with self.store.transaction() as records:
            event = records.get(EVENT, body["event"])
        account = self.accounts[body["account"]]
        payload = json.dumps(event, sort_keys=True)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature_header(payload, account.webhook_secret, now),
        }
        try:
            answer = send(
                self._client,
                "POST",
                account.webhook_url,
                idempotent=False,
                headers=headers,
                content=payload.encode(),
            )
        except GatewayUnavailableError as error:
            return Reply(accepted=False, text=error.detail)
        accepted = answer.status // 100 == 2  # noqa: PLR2004 - any success
        return Reply(accepted=accepted, text=str(answer.status))

    def deliver_due(self, now: datetime) -> int:
        """Do all that time brings until ``now``; return the number of webhook calls made."""
        with self.store.transaction() as records:
            self.advance(records, now)
            payouts = self.book.due_payouts(records, now)
        calls = self._notices.deliver_due(now, self._call_webhook)
        if self._payout_sink:
            for payout in payouts:
                self._payout_sink(payout)
                with self.store.transaction() as records:
                    self.book.mark_paid(records, payout)
        return calls

    def calls(self, reference: str) -> list[Record]:
        """Return the webhook messages about a merchant reference with every call made."""
        with self.store.transaction() as records:
            return self._notices.sent(records, reference)

    def settlement(self, account_id: str, day: date) -> list[SettlementRow]:
        """Return the report of a session day."""
        with self.store.transaction() as records:
            return self.book.rows(records, account_id, day)

    def payouts(self) -> list[Payout]:
        """Return every payout announced so far."""
        with self.store.transaction() as records:
            return self.book.payouts(records)

    def close(self) -> None:
        """Close connections and file."""
        self._client.close()
        self.store.close()
