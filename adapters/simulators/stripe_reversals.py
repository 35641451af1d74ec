"""Money that goes back at the fake Stripe: refunds, and disputes of the payer's bank."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.simulators.store import Record, Records
from adapters.simulators.stripe_config import (
    CHARGE,
    DISPUTE,
    INTENT,
    REFUND,
    StripeAccount,
    StripeRefusalError,
    unix,
)
from adapters.simulators.stripe_world import StripeWorld
from core.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Reversals:
    """Every refund and dispute of a world."""

    world: StripeWorld

    def refund(self, records: Records, account: StripeAccount, params: Mapping[str, Any]) -> Record:
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
        now, delay = self.world.clock(), self.world.config.refund_delay
        refund = {
            "id": self.world.new_id(records, "re"),
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
        self.world.enter(records, inside, "refund", refund["id"], -amount, now)
        self.world.emit(records, inside, "refund.created", refund, now)
        self.world.emit(records, inside, "charge.refunded", charge, now)
        return refund

    def end_refund(self, records: Records, refund: Record, now: datetime) -> None:
        """Let a refund that was pending arrive."""
        charge = records.get(CHARGE, refund["charge"]) or {}
        account = self.world.owner(records, REFUND, refund["id"])
        if account is None:
            raise AssertionError(f"refund {refund['id']} belongs to no account")
        done = {**refund, "status": "succeeded"}
        records.put(REFUND, refund["id"], done, label=account.account_id)
        self.world.emit(records, self._inside_of(charge, account), "refund.updated", done, now)

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
        now = self.world.clock()
        with self.world.store.transaction() as records:
            intent = records.get(INTENT, intent_id) or {}
            charge = records.get(CHARGE, intent.get("latest_charge") or "")
            account = self.world.owner(records, INTENT, intent_id)
            if charge is None or account is None:
                raise NotFoundError(f"no collected payment {intent_id[:80]!r}")
            dispute = {
                "id": self.world.new_id(records, "dp"),
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
            self.world.enter(records, inside, "chargeback", dispute["id"], -charge["amount"], now)
            self.world.emit(records, inside, "charge.dispute.created", dispute, now)
        return dispute
