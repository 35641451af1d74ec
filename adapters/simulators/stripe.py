"""Stripe played on loopback: sessions, intents, charges, refunds, disputes, events, payouts."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2

from adapters.simulators.faults import Fault
from adapters.simulators.settlement import Payout, SettlementRow
from adapters.simulators.store import Record, Records
from adapters.simulators.stripe_config import (
    DECLINES,
    INTENT,
    OUTCOMES,
    REFUND,
    SESSION,
    StripeAccount,
    StripeRefusalError,
    StripeSimulatorConfig,
    session_total,
    unix,
)
from adapters.simulators.stripe_intents import Intents
from adapters.simulators.stripe_reversals import Reversals
from adapters.simulators.stripe_world import StripeWorld
from core.clock import Clock
from core.errors import NotFoundError

__all__ = ["StripeAccount", "StripeSimulator", "StripeSimulatorConfig"]

_DELAYED: Final = "delayed"
_INSIDE: Final = "session_inside"
_SHORTEST: Final = timedelta(minutes=30)
_LONGEST: Final = timedelta(hours=24)


class StripeSimulator(StripeWorld):
    """Stripe's side of every payment: Checkout Sessions, and what time brings."""

    def __init__(
        self,
        *,
        clock: Clock,
        state_path: Path,
        config: StripeSimulatorConfig,
        payout_sink: Callable[[Payout], None] | None = None,
        client: httpx2.Client | None = None,
    ) -> None:
        super().__init__(
            clock=clock,
            state_path=state_path,
            config=config,
            payout_sink=payout_sink,
            client=client,
        )
        self.intents = Intents(self)
        self.reversals = Reversals(self)

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
            self.notices.deliver_due(now, self.call_webhook)
        return None if session["status"] == "open" else str(session["success_url"])

    def cancel_address(self, session_id: str) -> str:
        """Return where a payer goes who turns back; the session stays open."""
        with self.store.transaction() as records:
            return str(self._session(records, session_id)[0]["cancel_url"])

    def act(self, url: str, outcome: str) -> str | None:
        """Be the payer on a session's page: pay or be declined, turn back, or just walk away."""
        session_id = url.rstrip("/").rpartition("/")[2]
        if outcome == "cancel":
            return self.cancel_address(session_id)
        return None if outcome == "abandon" else self.pay(session_id, outcome)

    def order(self, account_id: str, reference: str) -> Record:
        """Return the session (or bare intent) of a reference with its refunds and messages.

        Raises:
            NotFoundError: there is none.
        """
        with self.store.transaction() as records:
            sessions = records.labelled(SESSION, account_id)
            found = [item for item in sessions if item["client_reference_id"] == reference]
            found = found or _of_reference(records.labelled(INTENT, account_id), reference)
            if not found:
                raise NotFoundError(f"nothing of {reference[:80]!r}")
            intents = _of_reference(records.labelled(INTENT, account_id), reference)
            made = {intent["id"] for intent in intents} | {found[-1].get("payment_intent")}
            refunds = [
                refund
                for refund in records.labelled(REFUND, account_id)
                if refund["payment_intent"] in made
            ]
            notices = self.notices.sent(records, reference)
            return {**found[-1], "refunds": refunds, "notices": notices}

    def refunded(self, account_id: str, reference: str) -> int:
        """Return what was sent back of a payment, or is on its way."""
        refunds = self.order(account_id, reference)["refunds"]
        return sum(int(refund["amount"]) for refund in refunds)

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
        intent = self.intents.behind(records, session, inside, now)
        session = {**session, "payment_intent": intent["id"]}
        if outcome in DECLINES:
            self.intents.decline(records, intent, inside, DECLINES[outcome], now)
        elif outcome == "pay":
            self.intents.collect(records, intent, inside, now)
            session |= {"status": "complete", "payment_status": "paid"}
        else:
            self.intents.process(records, intent, inside, now)
            session |= {"status": "complete"}
            waiting = {"session": session["id"], "succeeds": outcome == "pay_later"}
            due = now + self.config.delayed_method
            records.put(_DELAYED, session["id"], waiting, due=due)
        self._put_session(records, session, inside["account"])
        if session["status"] == "complete":
            self.emit(records, inside, "checkout.session.completed", session, now)
        return session

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
        if intent := records.get(INTENT, session["payment_intent"] or ""):
            self.intents.end(records, intent, inside, "automatic", now)
        self.emit(records, inside, "checkout.session.expired", expired, now)
        return expired

    def advance(self, records: Records, now: datetime) -> None:
        """Do what time alone brings: expiry, delayed payments, refunds, closed sessions."""
        for session in records.due(SESSION, now):
            self._expire(records, session, self._session(records, session["id"])[1], now)
        for waiting in records.due(_DELAYED, now):
            self._end_delayed(records, waiting, now)
        for refund in records.due(REFUND, now):
            self.reversals.end_refund(records, refund, now)
        self.book.close_sessions(records, now)

    def _end_delayed(self, records: Records, waiting: Record, now: datetime) -> None:
        records.put(_DELAYED, waiting["session"], {**waiting, "done": True})
        session, inside = self._session(records, waiting["session"])
        intent = self.intents.behind(records, session, inside, now)
        ended = "async_payment_failed"
        if waiting["succeeds"]:
            self.intents.collect(records, intent, inside, now)
            session = {**session, "payment_status": "paid"}
            self._put_session(records, session, inside["account"])
            ended = "async_payment_succeeded"
        else:
            self.intents.decline(records, intent, inside, "generic_decline", now)
        self.emit(records, inside, f"checkout.session.{ended}", session, now)

    def deliver_due(self, now: datetime) -> int:
        """Do all that time brings until ``now``; return the number of webhook calls made."""
        with self.store.transaction() as records:
            self.advance(records, now)
            payouts = self.book.due_payouts(records, now)
        calls = self.notices.deliver_due(now, self.call_webhook)
        if self.payout_sink:
            for payout in payouts:
                self.payout_sink(payout)
                with self.store.transaction() as records:
                    self.book.mark_paid(records, payout)
        return calls

    def calls(self, reference: str) -> list[Record]:
        """Return the webhook messages about a merchant reference with every call made."""
        with self.store.transaction() as records:
            return self.notices.sent(records, reference)

    def settlement(self, account_id: str, day: date) -> list[SettlementRow]:
        """Return the report of a session day."""
        with self.store.transaction() as records:
            return self.book.rows(records, account_id, day)

    def payouts(self) -> list[Payout]:
        """Return every payout announced so far."""
        with self.store.transaction() as records:
            return self.book.payouts(records)


def _of_reference(intents: list[Record], reference: str) -> list[Record]:
    return [item for item in intents if item["metadata"].get("merchant_reference") == reference]
