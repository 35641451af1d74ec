"""What every part of the fake Stripe shares: ids, accounts, books, events and their delivery."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import httpx2

from adapters.http import create_client, send
from adapters.simulators.notices import NoticeQueue, Reply
from adapters.simulators.settlement import Payout, SettlementBook
from adapters.simulators.store import Record, Records, Store
from adapters.simulators.stripe_config import (
    EVENT,
    StripeAccount,
    StripeSimulatorConfig,
    signature_header,
    unix,
)
from core.clock import Clock
from payments.errors import GatewayUnavailableError

API_VERSION: Final = "2026-10-29.simulated"
RETRY_GAPS: Final = tuple(
    timedelta(minutes=minutes) for minutes in (5, 30, 120, 300, 600, *([720] * 5))
)
"""Stripe says "up to three days, with exponential pauses"; these pauses are our choice."""


class StripeWorld:
    """The state of every account, kept in one file, and its way out: signed webhooks."""

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
        self.client = client or create_client(timeout_seconds=config.webhook_timeout_seconds)
        self.payout_sink = payout_sink
        self.notices = NoticeQueue(
            self.store, RETRY_GAPS, config.faults, config.late_by, config.scrambled
        )
        self.book = SettlementBook("stripe", config.fees, config.calendar, config.faults, "po_")

    def new_id(self, records: Records, prefix: str) -> str:
        """Return the next id of a kind, decided by seed and number."""
        text = f"{self.config.faults.seed}:{prefix}:{records.next_number(prefix)}"
        return f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def enter(
        self,
        records: Records,
        inside: Record,
        kind: str,
        txn_id: str,
        gross: int,
        now: datetime,
    ) -> None:
        """Book a movement of money for the account that ``inside`` names."""
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

    def owner(self, records: Records, kind: str, record_id: str) -> StripeAccount | None:
        """Return the account that an object belongs to."""
        for account in self.accounts.values():
            if records.get(kind, record_id, label=account.account_id):
                return account
        return None

    def emit(
        self, records: Records, inside: Record, name: str, subject: Record, now: datetime
    ) -> None:
        """Keep an event, and send it where the account's endpoint is registered for it."""
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
        if name in self.accounts[inside["account"]].enabled_events:
            body = {"event": event_id, "account": inside["account"]}
            self.notices.announce(records, event_id, inside["reference"], body, now)

    def call_webhook(self, body: Record, now: datetime) -> Reply:
        """Send one event to the account's endpoint, signed at ``now``."""
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
                self.client,
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

    def close(self) -> None:
        """Close connections and file."""
        self.client.close()
        self.store.close()
