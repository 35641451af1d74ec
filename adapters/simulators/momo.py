"""MoMo played on loopback: orders and their payers, IPN, redirect, settlement."""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from adapters.gateways import momo_codes as codes
from adapters.gateways import momo_signing as signing
from adapters.gateways.momo_fields import milliseconds
from adapters.http import create_client, send
from adapters.simulators.faults import Fault
from adapters.simulators.momo_config import (
    MESSAGES,
    OUTCOMES,
    PAY_TYPES,
    MoMoPartner,
    MoMoSimulatorConfig,
)
from adapters.simulators.notices import NoticeQueue, Reply
from adapters.simulators.settlement import Payout, SettlementBook, SettlementRow
from adapters.simulators.store import Record, Records, Store
from core.clock import Clock
from core.errors import InputUnusableError, NotFoundError
from payments.errors import GatewayUnavailableError

ORDER: Final = "order"
REFUND: Final = "refund"
_TRANSACTION: Final = "transaction"
_NO_CONTENT: Final = 204
_FIRST_TRANSACTION: Final = 4_100_000_000
_TOKEN_CHARACTERS: Final = 40
_PROVIDER: Final = "momo"
PayoutSink = Callable[[Payout], None]


class MoMoSimulator:
    """MoMo's side of every order, kept in one file."""

    def __init__(
        self,
        *,
        clock: Clock,
        state_path: Path,
        config: MoMoSimulatorConfig,
        payout_sink: PayoutSink | None = None,
        client: httpx2.Client | None = None,
    ) -> None:
        self.clock = clock
        self.config = config
        self.store = Store(state_path)
        self.partners = {partner.partner_code: partner for partner in config.partners}
        self._client = client or create_client(timeout_seconds=config.ipn_timeout_seconds)
        self._payout_sink = payout_sink
        self._notices = NoticeQueue(self.store, config.ipn_gaps, config.faults, config.late_by)
        self.book = SettlementBook(_PROVIDER, config.fees, config.calendar, config.faults, "MOMO")

    def open_order(self, records: Records, partner: MoMoPartner, request: Mapping[str, Any]) -> str:
        """Keep a new order and return the address of its page."""
        key = f"{partner.partner_code}:{request['orderId']}"
        token = signing.hmac_sha256(key, partner.secret_key)[:_TOKEN_CHARACTERS]
        order = {
            "id": key,
            "token": token,
            "partner_code": partner.partner_code,
            "order_id": request["orderId"],
            "request_id": request["requestId"],
            "amount": request["amount"],
            "paid_amount": request["amount"],
            "order_info": request["orderInfo"],
            "redirect_url": request["redirectUrl"],
            "ipn_url": request["ipnUrl"],
            "extra_data": request.get("extraData", ""),
            "request_type": request["requestType"],
            "auto_capture": request.get("autoCapture", True),
            "code": codes.WAITING,
            "trans_id": 0,
            "pay_type": "",
            "response_time": milliseconds(self.clock()),
        }
        due = self.clock() + self.config.page_lifetime
        records.put(ORDER, key, order, label=token, due=due)
        return f"{self.config.public_url}/v2/gateway/pay?t={token}"

    def shown_order(self, token: str) -> Record:
        """Return the order whose page is opened.

        Raises:
            NotFoundError: no order has this address.
            InputUnusableError: nobody can pay it any more.
        """
        with self.store.transaction() as records:
            self.advance(records, self.clock())
            order = self._by_token(records, token)
        if order["code"] == codes.LINK_EXPIRED:
            raise InputUnusableError(MESSAGES[codes.LINK_EXPIRED])
        return order

    def _by_token(self, records: Records, token: str) -> Record:
        found = records.labelled(ORDER, token) if token else []
        if not found:
            raise NotFoundError("no order has this address")
        return found[0]

    def decide(self, token: str, outcome: str) -> str:
        """Let the payer act; return the signed address to which the browser goes back.

        Deciding a finished order changes nothing. ``outcome`` is a key of ``OUTCOMES``.

        Raises:
            NotFoundError: no such order or outcome.
        """
        now = self.clock()
        if outcome not in OUTCOMES:
            raise NotFoundError(f"no outcome {outcome[:20]!r}")
        with self.store.transaction() as records:
            self.advance(records, now)
            order = self._by_token(records, token)
            if order["code"] == codes.WAITING:
                order = self._finish(records, order, OUTCOMES[outcome], now)
        if self.config.deliver_at_once:
            self._notices.deliver_due(now, self._call_ipn)
        return self._return_address(order)

    def act(self, pay_url: str, outcome: str) -> str | None:
        """Be the payer: open the page and decide; ``abandon`` opens it and walks away."""
        token = parse_qs(urlsplit(pay_url).query).get("t", [""])[0]
        self.shown_order(token)
        return None if outcome == "abandon" else self.decide(token, outcome)

    def _finish(self, records: Records, order: Record, code: int, now: datetime) -> Record:
        done = {**order, "code": code, "response_time": milliseconds(now)}
        if code == codes.PAYER_REFUSED:
            done["trans_id"] = milliseconds(now)  # no transaction: MoMo writes a time, no payType
        elif not order["trans_id"]:
            done["trans_id"] = self.next_transaction(records)
            done["pay_type"] = PAY_TYPES[order["request_type"]]
            key = f"{order['partner_code']}:{done['trans_id']}"
            records.put(_TRANSACTION, key, {"order": order["id"]})
        if code == codes.AT_THE_ISSUER:
            due = now + self.config.processing_delay
            records.put(ORDER, order["id"], done, label=order["token"], due=due)
            return done
        if code == codes.SUCCESS:
            done["paid_amount"] = self._paid_amount(records, order)
            if order["auto_capture"]:
                self.collect(records, done, now)
            else:
                done["code"] = codes.AUTHORISED
        records.put(ORDER, order["id"], done, label=order["token"])
        self._announce(records, done, now)
        return done

    def _paid_amount(self, records: Records, order: Record) -> int:
        faults, reference = self.config.faults, order["order_id"]
        if not faults.strikes(Fault.OTHER_AMOUNT, reference, records):
            return int(order["amount"])
        return faults.other_amount(faults.drawn_as(reference, records), order["amount"])

    def collect(self, records: Records, order: Record, now: datetime) -> None:
        """Enter what a payer has paid."""
        self.enter(records, order, "payment", str(order["trans_id"]), order["paid_amount"], now)

    def enter(
        self, records: Records, order: Record, kind: str, number: str, gross: int, at: datetime
    ) -> None:
        """Enter a movement of money into the settlement book."""
        self.book.book(
            records,
            merchant=order["partner_code"],
            account=self.partners[order["partner_code"]].payout_account,
            kind=kind,
            provider_txn_id=number,
            merchant_reference=order["order_id"],
            gross=gross,
            at=at,
        )

    def _announce(self, records: Records, order: Record, now: datetime) -> None:
        body = {"url": order["ipn_url"], "fields": self.result(order)}
        notice_id = f"ipn:{order['id']}:{order['code']}"
        self._notices.announce(records, notice_id, order["order_id"], body, now)

    def result(self, order: Record) -> Record:
        """Return the signed result of an order, as its IPN and its redirect carry it."""
        fields = {
            "partnerCode": order["partner_code"],
            "orderId": order["order_id"],
            "requestId": order["request_id"],
            "amount": order["paid_amount"],
            "orderInfo": order["order_info"],
            "orderType": "momo_wallet",
            "transId": order["trans_id"],
            "resultCode": order["code"],
            "message": MESSAGES[order["code"]],
            "payType": order["pay_type"],
            "responseTime": order["response_time"],
            "extraData": order["extra_data"],
        }
        partner = self.partners[order["partner_code"]]
        signature = signing.sign(
            signing.RESULT,
            {name: str(value) for name, value in fields.items()},
            access_key=partner.access_key,
            secret_key=partner.secret_key,
        )
        return {**fields, signing.SIGNATURE_FIELD: signature}

    def _call_ipn(self, body: Record, now: datetime) -> Reply:
        del now  # a repeated IPN is the same message
        try:
            answer = send(
                self._client,
                "POST",
                body["url"],
                idempotent=False,
                headers={"Content-Type": "application/json; charset=UTF-8"},
                content=json.dumps(body["fields"], ensure_ascii=False).encode(),
            )
        except GatewayUnavailableError as error:
            return Reply(accepted=False, text=type(error).__name__)
        return Reply(accepted=answer.status == _NO_CONTENT, text=str(answer.status))

    def _return_address(self, order: Record) -> str:
        # The last parameter is not signed, and really comes.
        query = urlencode({**self.result(order), "paymentOption": "momo"})
        joint = "&" if urlsplit(order["redirect_url"]).query else "?"
        return f"{order['redirect_url']}{joint}{query}"

    def deliver_due(self, now: datetime) -> int:
        """Do all that time brings until ``now``; return the number of IPN calls made."""
        with self.store.transaction() as records:
            self.advance(records, now)
            self.book.close_sessions(records, now)
            payouts = self.book.due_payouts(records, now)
        calls = self._notices.deliver_due(now, self._call_ipn)
        for payout in payouts if self._payout_sink else []:
            self._pay(payout)
        return calls

    def _pay(self, payout: Payout) -> None:
        if self._payout_sink:
            self._payout_sink(payout)
        with self.store.transaction() as records:
            self.book.mark_paid(records, payout)

    def advance(self, records: Records, now: datetime) -> None:
        """Close the links whose time is over, and finish what was in progress."""
        for order in records.due(ORDER, now):
            if order["code"] == codes.WAITING:
                expired = {**order, "code": codes.LINK_EXPIRED, "response_time": milliseconds(now)}
                # No IPN tells of it: that MoMo sends one is not published.
                records.put(ORDER, order["id"], expired, label=order["token"])
            else:
                self._finish(records, order, codes.SUCCESS, now)
        for refund in records.due(REFUND, now):
            self.finish_refund(records, refund, now)

    def finish_refund(self, records: Records, refund: Record, now: datetime) -> Record:
        """Let the money of a refund leave."""
        order = records.get(ORDER, refund["order"])
        if order is None:
            raise AssertionError(f"a refund without its order: {refund}")
        done = {**refund, "code": codes.SUCCESS, "response_time": milliseconds(now)}
        records.put(REFUND, refund["id"], done, label=order["id"])
        self.enter(records, order, "refund", str(refund["trans_id"]), -refund["amount"], now)
        return done

    def next_transaction(self, records: Records) -> int:
        """Return the number of a new transaction."""
        return _FIRST_TRANSACTION + records.next_number("transaction")

    def by_transaction(
        self, records: Records, partner: MoMoPartner, number: object
    ) -> Record | None:
        """Return the order that was paid by a transaction of this partner."""
        known = records.get(_TRANSACTION, f"{partner.partner_code}:{number}")
        return records.get(ORDER, known["order"]) if known else None

    def order(self, partner_code: str, order_id: str) -> Record:
        """Return an order with its refunds and its IPN calls.

        Raises:
            NotFoundError: nobody ever opened it.
        """
        with self.store.transaction() as records:
            order = records.get(ORDER, f"{partner_code}:{order_id}")
            if order is None:
                raise NotFoundError(f"no order {order_id[:80]!r}")
            refunds = records.labelled(REFUND, order["id"])
            notices = self._notices.sent(records, order_id)
            return {**order, "refunds": refunds, "notices": notices}

    def refunded(self, partner_code: str, order_id: str) -> int:
        """Return what has been taken back of an order, on its way or there, in VND."""
        return sum(refund["amount"] for refund in self.order(partner_code, order_id)["refunds"])

    def settlement(self, partner_code: str, day: date) -> list[SettlementRow]:
        """Return the report of a session day."""
        with self.store.transaction() as records:
            return self.book.rows(records, partner_code, day)

    def payouts(self) -> list[Payout]:
        """Return every payout announced so far."""
        with self.store.transaction() as records:
            return self.book.payouts(records)

    def close(self) -> None:
        """Close connections and file."""
        self._client.close()
        self.store.close()
