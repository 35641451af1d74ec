"""SePay and Casso played on loopback: they hear of a bank's lines and tell their subscribers."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx2

from adapters.http import create_client, send
from adapters.simulators.bank import BankLine
from adapters.simulators.credit_messages import render, request
from adapters.simulators.credit_services_config import CreditServicesConfig, Subscription, Wire
from adapters.simulators.faults import Fault, FaultPlan
from adapters.simulators.notices import NoticeQueue, Reply
from adapters.simulators.store import Record, Records, Store
from core.clock import VIETNAM, Clock
from core.errors import ConflictError, NotFoundError
from payments.errors import GatewayUnavailableError

_SUBSCRIPTION: Final = "subscription"
_TRANSFER: Final = "transfer"
_BALANCE: Final = "balance"
_WAITING: Final = "waiting"
_FIRST_ID: Final = {"sepay": 92_000, "casso": 600_000}
_OK: Final = 200


class CreditServices:
    """Both services' side of every credit, kept in one file."""

    def __init__(
        self,
        *,
        clock: Clock,
        state_path: Path,
        config: CreditServicesConfig,
        client: httpx2.Client | None = None,
    ) -> None:
        self.clock = clock
        self.config = config
        self.store = Store(state_path)
        patience = {"sepay": config.sepay_timeout_seconds, "casso": config.casso_timeout_seconds}
        self._clients = {
            service: client or create_client(timeout_seconds=seconds)
            for service, seconds in patience.items()
        }
        # Faults befall transfers before they become messages: a message may tell of several.
        gaps = {"sepay": config.sepay_gaps, "casso": config.casso_gaps}
        self._queues = {
            service: NoticeQueue(self.store, gaps[service], FaultPlan(), config.late_by, kind=kind)
            for service, kind in (("sepay", "sepay_notice"), ("casso", "casso_notice"))
        }
        for subscription in config.subscriptions:
            self._keep(subscription)

    def subscribe(self, subscription: Subscription) -> None:
        """Add a webhook while running.

        Raises:
            ConflictError: another one has this name.
        """
        if any(known.name == subscription.name for known in self.subscriptions()):
            raise ConflictError(f"there is a subscription {subscription.name[:40]!r}")
        self._keep(subscription)

    def _keep(self, subscription: Subscription) -> None:
        with self.store.transaction() as records:
            body = asdict(subscription)
            records.put(_SUBSCRIPTION, subscription.name, body, label=subscription.account)

    def subscriptions(self, account: str | None = None) -> list[Subscription]:
        """Return every webhook, or those of an account."""
        with self.store.transaction() as records:
            return _subscriptions(records, account)

    def announce(self, line: BankLine) -> None:
        """Take note of a booked line and queue what its subscribers are to be told.

        The same line announced twice is told once. Money out is told too, as both services do.
        """
        now = self.clock()
        with self.store.transaction() as records:
            for subscription in _subscriptions(records, line.account):
                self._prepare(records, subscription, line, now)
        if self.config.deliver_at_once:
            self.deliver_due(now)

    def _prepare(
        self, records: Records, subscription: Subscription, line: BankLine, now: datetime
    ) -> None:
        key = f"{subscription.name}:{line.bank_ref}"
        if records.get(_WAITING, f"{key}/0") is not None:
            return
        transfer = self._transfer(records, subscription, line)
        faults, reference = self.config.faults, line.narrative.partition(" ")[0]
        lost = faults.strikes(Fault.LOST_NOTICE, reference, records)
        late = faults.strikes(Fault.LATE_NOTICE, reference, records)
        double = faults.strikes(Fault.DOUBLE_NOTICE, reference, records)
        due = now + self.config.v1_delay if subscription.wire is Wire.CASSO_V1 else now
        if late:
            due += self.config.late_by
        for copy in range(2 if double and not lost else 1):
            waiting = {
                "key": f"{key}/{copy}",
                "subscription": subscription.name,
                "copy": copy,
                "transfer": transfer,
            }
            self._wait(records, waiting, due=None if lost else due)

    def _wait(self, records: Records, waiting: Record, *, due: datetime | None) -> None:
        records.put(_WAITING, waiting["key"], waiting, label=waiting["subscription"], due=due)

    def _transfer(self, records: Records, subscription: Subscription, line: BankLine) -> Record:
        """Return a line as the service knows it: under one number, whoever is told of it."""
        service = subscription.wire.service
        key = f"{service}:{line.account}:{line.bank_ref}"
        if known := records.get(_TRANSFER, key):
            return known
        # Not the bank's balance: what the service has seen move since it began to look.
        account = f"{service}:{line.account}"
        seen = records.get(_BALANCE, account) or {"amount": 0}
        balance = seen["amount"] + line.amount
        records.put(_BALANCE, account, {"amount": balance})
        transfer = {
            "id": _FIRST_ID[service] + records.next_number(service),
            "account": line.account,
            "amount": line.amount,
            "narrative": line.narrative,
            "bank_ref": line.bank_ref,
            "booked_at": line.booked_at.astimezone(VIETNAM).isoformat(),
            "balance": balance,
            "counterparty_name": line.counterparty_name,
            "counterparty_account": line.counterparty_account,
            "bank_name": self.config.bank_name,
            "bank_abbreviation": self.config.bank_abbreviation,
        }
        records.put(_TRANSFER, key, transfer)
        return transfer

    def deliver_due(self, now: datetime) -> int:
        """Write the messages whose time has come and send all that are due; count the calls."""
        with self.store.transaction() as records:
            due = records.due(_WAITING, now)
            for subscription in _subscriptions(records):
                mine = [one for one in due if one["subscription"] == subscription.name]
                for batch in _batches(subscription, mine):
                    self._write(records, subscription, batch, now)
            for waiting in due:
                self._wait(records, waiting, due=None)
        return sum(queue.deliver_due(now, self._call) for queue in self._queues.values())

    def _write(
        self, records: Records, subscription: Subscription, batch: list[Record], now: datetime
    ) -> None:
        told = render(subscription, [one["transfer"] for one in batch])
        body = {"subscription": subscription.name, "told": told}
        queue = self._queues[subscription.wire.service]
        queue.announce(records, batch[0]["key"], subscription.name, body, now)

    def _call(self, body: Record, now: datetime) -> Reply:
        with self.store.transaction() as records:
            subscription = _subscription(records, body["subscription"])
        content, headers = request(subscription, body["told"], now)
        service = subscription.wire.service
        try:
            answer = send(
                self._clients[service],
                "POST",
                subscription.url,
                idempotent=False,
                headers=headers,
                content=content,
            )
        except GatewayUnavailableError as error:
            return Reply(accepted=False, text=type(error).__name__)
        taken = answer.status == _OK and (service == "casso" or _says_success(answer.body))
        return Reply(accepted=taken, text=str(answer.status))

    def notices(self, name: str) -> list[Record]:
        """Return every message to a subscription with the calls made for it.

        Raises:
            NotFoundError: there is no such subscription.
        """
        with self.store.transaction() as records:
            service = _subscription(records, name).wire.service
            return self._queues[service].sent(records, name)

    def close(self) -> None:
        """Close connections and file."""
        for client in self._clients.values():
            client.close()
        self.store.close()


def _subscriptions(records: Records, account: str | None = None) -> list[Subscription]:
    if account is None:
        found = records.every(_SUBSCRIPTION)
    else:
        found = records.labelled(_SUBSCRIPTION, account)
    return [_read(body) for body in found]


def _subscription(records: Records, name: str) -> Subscription:
    body = records.get(_SUBSCRIPTION, name)
    if body is None:
        raise NotFoundError(f"no subscription {name[:40]!r}")
    return _read(body)


def _read(body: Record) -> Subscription:
    return Subscription(**{**body, "wire": Wire(body["wire"])})


def _batches(subscription: Subscription, waiting: list[Record]) -> list[list[Record]]:
    """Return what goes into one message: in Casso's v1 all that is new, else one transfer.

    A transfer that is told twice is told by two messages.
    """
    if subscription.wire is not Wire.CASSO_V1:
        return [[one] for one in waiting]
    copies = sorted({one["copy"] for one in waiting})
    return [[one for one in waiting if one["copy"] == copy] for copy in copies]


def _says_success(body: bytes) -> bool:
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("success") is True
