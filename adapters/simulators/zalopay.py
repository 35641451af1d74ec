"""ZaloPay played on loopback: orders, the payer's page, callbacks, refunds, settlement."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import httpx2

from adapters.gateways import zalopay_codes as codes
from adapters.gateways import zalopay_signing as signing
from adapters.gateways.zalopay_fields import day_prefix, instant, json_text, milliseconds
from adapters.http import create_client, send
from adapters.simulators.faults import Fault, draw
from adapters.simulators.notices import NoticeQueue, Reply
from adapters.simulators.settlement import Payout, SettlementBook, SettlementRow
from adapters.simulators.store import Record, Records, Store
from adapters.simulators.zalopay_config import (
    CANCELLED,
    EXPIRED,
    OPEN,
    OUTCOMES,
    PAID,
    ZaloPayApplication,
    ZaloPaySimulatorConfig,
)
from core.clock import Clock
from core.errors import NotFoundError
from payments.errors import GatewayUnavailableError

__all__ = ["ZaloPayApplication", "ZaloPaySimulator", "ZaloPaySimulatorConfig"]

REPEATS: Final = 3
REPEAT_GAP: Final = timedelta(minutes=1)
"""ZaloPay calls again at most three times; how long it waits is not public, this is our choice."""

REFUND_PROCESSING: Final = "processing"
REFUND_DONE: Final = "done"
REFUND_FAILED: Final = "failed"

_ENDING_CODES: Final = frozenset({1, 2})
_ORDER: Final = "order"
_PAGE: Final = "page"
_REFUND: Final = "refund"
_TRANSACTION: Final = "transaction"
_WALLET: Final = 38
_TOLD_STATUS: Final = {PAID: codes.SUCCESS, CANCELLED: codes.CANCELLED, EXPIRED: codes.EXPIRED}

PayoutSink = Callable[[Payout], None]


class ZaloPaySimulator:
    """ZaloPay's side of every order, kept in one file."""

    def __init__(
        self,
        *,
        clock: Clock,
        state_path: Path,
        config: ZaloPaySimulatorConfig,
        payout_sink: PayoutSink | None = None,
        client: httpx2.Client | None = None,
    ) -> None:
        self.clock = clock
        self.config = config
        self.store = Store(state_path)
        self.applications = {one.app_id: one for one in config.applications}
        self._client = client or create_client(timeout_seconds=config.callback_timeout_seconds)
        self._payout_sink = payout_sink
        gaps = [REPEAT_GAP] * REPEATS
        self._notices = NoticeQueue(self.store, gaps, config.faults, config.late_by)
        self.book = SettlementBook("zalopay", config.fees, config.calendar, config.faults, "ZLP")

    def add_order(self, records: Records, order: Record, lifetime: timedelta) -> str:
        """Keep a new order, open for ``lifetime``; return the address of its page."""
        token = f"{draw(self.config.faults.seed, 'page', order['id']):016x}"
        due = self.clock() + lifetime
        kept = {
            **order,
            "state": OPEN,
            "paid_amount": 0,
            "zp_trans_id": 0,
            "paid_at": 0,
            "token": token,
            "expires_at": milliseconds(due),
        }
        records.put(_ORDER, order["id"], kept, label=_label(kept), due=due)
        records.put(_PAGE, token, {"order": order["id"]})
        return f"{self.config.public_url}/order/{token}"

    def known_order(self, records: Records, order_id: str) -> Record | None:
        """Return an order as it stands now."""
        self._expire_orders(records, self.clock())
        return records.get(_ORDER, order_id)

    def paid_order(self, records: Records, app_id: str, zp_trans_id: str) -> Record | None:
        """Return the order that a transaction of ZaloPay paid."""
        found = records.get(_TRANSACTION, f"{app_id}:{zp_trans_id}")
        return records.get(_ORDER, found["order"]) if found else None

    def shown(self, token: str) -> Record:
        """Return the order of a page.

        Raises:
            NotFoundError: there is no such page.
        """
        with self.store.transaction() as records:
            return self._order_of_page(records, token)

    def _order_of_page(self, records: Records, token: str) -> Record:
        found = records.get(_PAGE, token)
        order = self.known_order(records, found["order"]) if found else None
        if order is None:
            raise NotFoundError(f"no page {token[:40]!r}")
        return order

    def decide(self, token: str, outcome: str) -> str | None:
        """Let the payer act; return where the browser goes back to, None if the page stays.

        Deciding a finished order changes nothing. ``outcome`` is a key of ``OUTCOMES``.

        Raises:
            NotFoundError: no such page or outcome.
        """
        if outcome not in OUTCOMES:
            raise NotFoundError(f"no outcome {outcome[:20]!r}")
        now = self.clock()
        with self.store.transaction() as records:
            order = self._order_of_page(records, token)
            if order["state"] == OPEN and OUTCOMES[outcome] != OPEN:
                order = self._finish(records, order, OUTCOMES[outcome], now)
        if self.config.deliver_at_once:
            self._notices.deliver_due(now, self._call_back)
        return None if order["state"] == OPEN else self._return_address(order)

    def act(self, url: str, outcome: str) -> str | None:
        """Be the payer: open the page and decide; ``abandon`` opens it and walks away."""
        token = urlsplit(url).path.rpartition("/")[2]
        self.shown(token)
        return None if outcome == "abandon" else self.decide(token, outcome)

    def _finish(self, records: Records, order: Record, state: str, now: datetime) -> Record:
        done = {**order, "state": state}
        if state == PAID:
            done |= self._payment(records, order, now)
            number = str(done["zp_trans_id"])
            records.put(_TRANSACTION, f"{order['app_id']}:{number}", {"order": order["id"]})
            self._enter(records, done, "payment", number, done["paid_amount"], now)
        records.put(_ORDER, order["id"], done, label=_label(order))
        if state == PAID and done["callback_url"]:  # nothing is told of what came to nothing
            reference = order["merchant_reference"]
            body = {"order": order["id"]}
            self._notices.announce(records, f"callback:{order['id']}", reference, body, now)
        return done

    def _payment(self, records: Records, order: Record, now: datetime) -> Record:
        faults, reference, amount = self.config.faults, order["merchant_reference"], order["amount"]
        if faults.strikes(Fault.OTHER_AMOUNT, reference, records):
            amount = faults.other_amount(faults.drawn_as(reference, records), amount)
        number = int(f"{day_prefix(now)}{records.next_number('transaction'):09d}")
        return {"paid_amount": amount, "zp_trans_id": number, "paid_at": milliseconds(now)}

    def _enter(
        self, records: Records, order: Record, kind: str, number: str, gross: int, at: datetime
    ) -> None:
        self.book.book(
            records,
            merchant=order["app_id"],
            account=self.applications[order["app_id"]].payout_account,
            kind=kind,
            provider_txn_id=number,
            merchant_reference=order["merchant_reference"],
            gross=gross,
            at=at,
        )

    def deliver_due(self, now: datetime) -> int:
        """Do all that time brings until ``now``; return the number of callbacks made."""
        with self.store.transaction() as records:
            self._expire_orders(records, now)
            self.end_refunds(records, now)
            self.book.close_sessions(records, now)
            payouts = self.book.due_payouts(records, now)
        calls = self._notices.deliver_due(now, self._call_back)
        for payout in payouts if self._payout_sink else []:
            self._pay(payout)
        return calls

    def _pay(self, payout: Payout) -> None:
        if self._payout_sink:
            self._payout_sink(payout)
        with self.store.transaction() as records:
            self.book.mark_paid(records, payout)

    def _expire_orders(self, records: Records, now: datetime) -> None:
        for order in records.due(_ORDER, now):
            self._finish(records, order, EXPIRED, now)

    def add_refund(self, records: Records, order: Record, m_refund_id: str, amount: int) -> Record:
        """Keep a refund that ZaloPay will work on."""
        now = self.clock()
        refund = {
            "id": f"{order['app_id']}:{m_refund_id}",
            "order": order["id"],
            "m_refund_id": m_refund_id,
            "amount": amount,
            "state": REFUND_PROCESSING,
            "asked_at": milliseconds(now),
        }
        due = now + self.config.refund_delay
        records.put(_REFUND, refund["id"], refund, label=order["id"], due=due)
        return refund

    def known_refund(self, records: Records, app_id: str, m_refund_id: str) -> Record | None:
        """Return a refund as it stands now."""
        self.end_refunds(records, self.clock())
        return records.get(_REFUND, f"{app_id}:{m_refund_id}")

    def sent_back(self, records: Records, order_id: str) -> int:
        """Return what has gone back of an order or will, in VND."""
        refunds = records.labelled(_REFUND, order_id)
        return sum(one["amount"] for one in refunds if one["state"] != REFUND_FAILED)

    def end_refunds(self, records: Records, now: datetime) -> None:
        """End the refunds whose time has come."""
        for refund in records.due(_REFUND, now):
            order = records.get(_ORDER, refund["order"])
            if order is None:
                raise AssertionError(f"a refund without its order: {refund}")
            window = self.config.refund_window // timedelta(milliseconds=1)
            failed = refund["asked_at"] - order["paid_at"] > window
            state = REFUND_FAILED if failed else REFUND_DONE
            records.put(_REFUND, refund["id"], {**refund, "state": state}, label=order["id"])
            if not failed:
                number, gross = refund["m_refund_id"], -refund["amount"]
                ended_at = instant(refund["asked_at"]) + self.config.refund_delay
                self._enter(records, order, "refund", number, gross, ended_at)

    def _call_back(self, body: Record, now: datetime) -> Reply:
        del now  # a callback carries the time of the payment, not its own
        with self.store.transaction() as records:
            order = records.get(_ORDER, body["order"])
        if order is None:
            raise AssertionError(f"a callback without its order: {body}")
        data = json_text(_callback_data(order))
        mac = signing.hmac_sha256(data, self.applications[order["app_id"]].key2)
        content = json_text({"data": data, signing.MAC: mac, "type": 1}).encode()
        headers = {"Content-Type": "application/json"}
        try:
            answer = send(
                self._client,
                "POST",
                order["callback_url"],
                idempotent=False,
                headers=headers,
                content=content,
            )
            code = json.loads(answer.body)["return_code"]
        except (GatewayUnavailableError, ValueError, KeyError, TypeError) as error:
            return Reply(accepted=False, text=type(error).__name__)
        return Reply(accepted=code in _ENDING_CODES, text=str(code))

    def _return_address(self, order: Record) -> str:
        told = {
            "appid": order["app_id"],
            "apptransid": order["app_trans_id"],
            "pmcid": _WALLET,
            "bankcode": "",
            "amount": order["paid_amount"] or order["amount"],
            "discountamount": 0,
            "status": _TOLD_STATUS[order["state"]],
        }
        key2 = self.applications[order["app_id"]].key2
        text = signing.pipe_string(signing.REDIRECT, told)
        query = urlencode({**told, "checksum": signing.hmac_sha256(text, key2)})
        joint = "&" if urlsplit(order["return_url"]).query else "?"
        return f"{order['return_url']}{joint}{query}"

    def order(self, app_id: str, merchant_reference: str) -> Record:
        """Return an order with its refunds and its callbacks.

        Raises:
            NotFoundError: nobody ever created it.
        """
        with self.store.transaction() as records:
            found = records.labelled(_ORDER, f"{app_id}:{merchant_reference}")
            if not found:
                raise NotFoundError(f"no order {merchant_reference[:80]!r}")
            refunds = records.labelled(_REFUND, found[-1]["id"])
            notices = self._notices.sent(records, merchant_reference)
            return {**found[-1], "refunds": refunds, "notices": notices}

    def refunded(self, app_id: str, merchant_reference: str) -> int:
        """Return what has gone back of an order or will, in VND."""
        order = self.order(app_id, merchant_reference)
        with self.store.transaction() as records:
            return self.sent_back(records, order["id"])

    def settlement(self, app_id: str, day: date) -> list[SettlementRow]:
        """Return the report of a session day."""
        with self.store.transaction() as records:
            return self.book.rows(records, app_id, day)

    def payouts(self) -> list[Payout]:
        """Return every payout announced so far."""
        with self.store.transaction() as records:
            return self.book.payouts(records)

    def close(self) -> None:
        """Close connections and file."""
        self._client.close()
        self.store.close()


def _label(order: Record) -> str:
    return f"{order['app_id']}:{order['merchant_reference']}"


def _callback_data(order: Record) -> dict[str, object]:
    return {
        "app_id": int(order["app_id"]),
        "app_trans_id": order["app_trans_id"],
        "app_time": order["app_time"],
        "app_user": order["app_user"],
        "amount": order["paid_amount"],
        "embed_data": order["embed_data"],
        "item": order["item"],
        "zp_trans_id": order["zp_trans_id"],
        "server_time": order["paid_at"],
        "channel": _WALLET,
        "merchant_user_id": f"demo-{order['token']}",
        "user_fee_amount": 0,
        "discount_amount": 0,
    }
