"""VNPay played on loopback: pay page, IPN with its retry rule, querydr, refund, settlement."""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2

from adapters.gateways import vnpay_signing as signing
from adapters.gateways.vnpay_fields import HUNDREDTHS, VERSION, format_time, parse_time
from adapters.http import create_client, send
from adapters.simulators.faults import Fault
from adapters.simulators.notices import NoticeQueue, Reply
from adapters.simulators.settlement import Payout, SettlementBook, SettlementRow
from adapters.simulators.store import Record, Records, Store
from adapters.simulators.vnpay_config import (
    OUTCOMES,
    PAID,
    UNFINISHED,
    VNPaySimulatorConfig,
    VNPayTerminal,
)
from core.clock import Clock, business_day
from core.errors import InputUnusableError, NotFoundError
from payments.errors import GatewayUnavailableError

__all__ = ["VNPaySimulator", "VNPaySimulatorConfig", "VNPayTerminal"]

CALLS: Final = 10
CALL_GAP: Final = timedelta(minutes=5)
REFUND_STEP: Final = timedelta(days=1)
"""A refund is sent to the bank one day after the request and done a day later; our choice."""

_STOPPING_ANSWERS: Final = frozenset({"00", "02"})
_ORDER: Final = "order"
_REFUND: Final = "refund"
_REQUEST: Final = "request"
_FIRST_TRANSACTION: Final = 14_000_000
_DEMO_BANK: Final = "NCB"
_REQUIRED: Final = (
    "vnp_Version",
    "vnp_Command",
    "vnp_TmnCode",
    "vnp_Amount",
    "vnp_CreateDate",
    "vnp_ExpireDate",
    "vnp_CurrCode",
    "vnp_IpAddr",
    "vnp_Locale",
    "vnp_OrderInfo",
    "vnp_OrderType",
    "vnp_ReturnUrl",
    "vnp_TxnRef",
)
PayoutSink = Callable[[Payout], None]


class VNPaySimulator:
    """VNPay's side of every order, kept in one file."""

    def __init__(
        self,
        *,
        clock: Clock,
        state_path: Path,
        config: VNPaySimulatorConfig,
        payout_sink: PayoutSink | None = None,
        client: httpx2.Client | None = None,
    ) -> None:
        self.clock = clock
        self.config = config
        self.store = Store(state_path)
        self._terminals = {terminal.tmn_code: terminal for terminal in config.terminals}
        self._client = client or create_client(timeout_seconds=config.ipn_timeout_seconds)
        self._payout_sink = payout_sink
        gaps = [CALL_GAP] * (CALLS - 1)
        self._notices = NoticeQueue(self.store, gaps, config.faults, config.late_by)
        self.book = SettlementBook("vnpay", config.fees, config.calendar, config.faults, "VNP")

    def open_order(self, query_string: str) -> Record:
        """Read a pay address as the payer's browser brings it; the same one opens one order.

        Raises:
            InputUnusableError: unknown terminal, wrong signature, missing field, or too late.
        """
        named = dict(pair.split("=", 1) for pair in query_string.split("&") if "=" in pair)
        terminal = self._terminals.get(named.get("vnp_TmnCode", ""))
        if terminal is None:
            raise InputUnusableError("02: unknown terminal")
        fields = signing.read_signed_query(query_string, [terminal.hash_secret])
        if fields is None:
            raise InputUnusableError("70: wrong signature")
        missing = [name for name in _REQUIRED if not fields.get(name)]
        if missing or fields["vnp_Version"] != VERSION:
            raise InputUnusableError(f"03: not usable: {', '.join(missing) or 'version'}")
        with self.store.transaction() as records:
            return self._known_or_new(records, fields)

    def _known_or_new(self, records: Records, fields: Mapping[str, str]) -> Record:
        order_id = f"{fields['vnp_TmnCode']}:{fields['vnp_TxnRef']}"
        if known := records.get(_ORDER, order_id):
            return known
        expires_at = parse_time(fields["vnp_ExpireDate"])
        if expires_at <= self.clock():
            raise InputUnusableError("15: the time to pay is over")
        order = {
            "id": order_id,
            "tmn_code": fields["vnp_TmnCode"],
            "txn_ref": fields["vnp_TxnRef"],
            "amount": int(fields["vnp_Amount"]),
            "paid_amount": int(fields["vnp_Amount"]),
            "create_date": fields["vnp_CreateDate"],
            "expire_date": fields["vnp_ExpireDate"],
            "return_url": fields["vnp_ReturnUrl"],
            "order_info": fields["vnp_OrderInfo"],
            "response_code": "",
            "status": UNFINISHED,
            "transaction_no": "0",
            "bank_tran_no": "",
            "pay_date": "",
        }
        records.put(_ORDER, order_id, order, due=expires_at)
        return order

    def decide(self, order_id: str, outcome: str) -> str:
        """Let the payer act; return the signed address to which the browser goes back.

        Deciding a finished order changes nothing. ``outcome`` is a key of ``OUTCOMES``.

        Raises:
            NotFoundError: no such order or outcome.
        """
        now = self.clock()
        with self.store.transaction() as records:
            self._expire_orders(records, now)
            order = records.get(_ORDER, order_id)
            if order is None or outcome not in OUTCOMES:
                raise NotFoundError(f"no order {order_id[:80]!r} or outcome {outcome[:20]!r}")
            if order["status"] == UNFINISHED:
                order = self._finish(records, order, outcome, now)
        if self.config.deliver_at_once:
            self._notices.deliver_due(now, self._call_ipn)
        return self._return_address(order)

    def act(self, pay_url: str, outcome: str) -> str | None:
        """Be the payer: open a pay address and decide; ``abandon`` opens it and walks away."""
        order = self.open_order(urlsplit(pay_url).query)
        return None if outcome == "abandon" else self.decide(order["id"], outcome)

    def _finish(self, records: Records, order: Record, outcome: str, now: datetime) -> Record:
        response_code, status = OUTCOMES[outcome]
        done = {**order, "response_code": response_code, "status": status}
        if outcome not in {"cancel", "expire"}:
            number = str(_FIRST_TRANSACTION + records.next_number("transaction"))
            done |= {"transaction_no": number, "pay_date": format_time(now)}
        reference = order["txn_ref"]
        if outcome == "pay":
            done["bank_tran_no"] = f"VNP{done['transaction_no']}"
            if self.config.faults.strikes(Fault.OTHER_AMOUNT, reference, records):
                asked = order["amount"] // HUNDREDTHS
                name = self.config.faults.drawn_as(reference, records)
                paid = self.config.faults.other_amount(name, asked)
                done["paid_amount"] = paid * HUNDREDTHS
            self._enter(records, done, "payment", done["paid_amount"] // HUNDREDTHS, now)
        records.put(_ORDER, order["id"], done)
        self._notices.announce(
            records, f"ipn:{order['id']}", reference, {"order": order["id"]}, now
        )
        return done

    def _enter(
        self, records: Records, record: Record, kind: str, gross: int, now: datetime
    ) -> None:
        self.book.book(
            records,
            merchant=record["tmn_code"],
            account=self._terminals[record["tmn_code"]].payout_account,
            kind=kind,
            provider_txn_id=record["transaction_no"],
            merchant_reference=record["txn_ref"],
            gross=gross,
            at=now,
        )

    def deliver_due(self, now: datetime) -> int:
        """Do all that time brings until ``now``; return the number of IPN calls made."""
        with self.store.transaction() as records:
            self._expire_orders(records, now)
            self._advance_refunds(records, now)
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

    def _expire_orders(self, records: Records, now: datetime) -> None:
        for order in records.due(_ORDER, now):
            self._finish(records, order, "expire", now)

    def _advance_refunds(self, records: Records, now: datetime) -> None:
        # The clock may have jumped over both steps at once.
        while waiting := records.due(_REFUND, now):
            for refund in waiting:
                self._advance_refund(records, refund)

    def _advance_refund(self, records: Records, refund: Record) -> None:
        asked_at = parse_time(refund["requested_at"])
        if refund["status"] == "05":
            moved, due = {**refund, "status": "06"}, asked_at + 2 * REFUND_STEP
            gross = -refund["amount"] // HUNDREDTHS
            self._enter(records, moved, "refund", gross, asked_at + REFUND_STEP)
        else:
            moved, due = {**refund, "status": "00"}, None
        label = f"{refund['tmn_code']}:{refund['txn_ref']}"
        records.put(_REFUND, refund["id"], moved, label=label, due=due)

    def _call_ipn(self, body: Record, now: datetime) -> Reply:
        del now  # an IPN carries no sending time
        with self.store.transaction() as records:
            order = records.get(_ORDER, body["order"])
        if order is None:
            raise AssertionError(f"a notice without its order: {body}")
        terminal = self._terminals[order["tmn_code"]]
        query = signing.signed_query(self._result_fields(order), terminal.hash_secret)
        try:
            url = f"{terminal.ipn_url}?{query}"
            answer = send(self._client, "GET", url, idempotent=False)
            code = json.loads(answer.body)["RspCode"]
        except (GatewayUnavailableError, ValueError, KeyError, TypeError) as error:
            return Reply(accepted=False, text=type(error).__name__)
        return Reply(accepted=code in _STOPPING_ANSWERS, text=str(code))

    def _result_fields(self, order: Record) -> dict[str, str]:
        return {
            "vnp_TmnCode": order["tmn_code"],
            "vnp_Amount": str(order["paid_amount"]),
            "vnp_BankCode": _DEMO_BANK,
            "vnp_BankTranNo": order["bank_tran_no"],
            "vnp_CardType": "ATM",
            "vnp_OrderInfo": order["order_info"],
            "vnp_PayDate": order["pay_date"],
            "vnp_ResponseCode": order["response_code"],
            "vnp_TransactionNo": order["transaction_no"],
            "vnp_TransactionStatus": order["status"],
            "vnp_TxnRef": order["txn_ref"],
        }

    def _return_address(self, order: Record) -> str:
        secret = self._terminals[order["tmn_code"]].hash_secret
        query = signing.signed_query(self._result_fields(order), secret)
        joint = "&" if urlsplit(order["return_url"]).query else "?"
        return f"{order['return_url']}{joint}{query}"

    def call_api(self, request: Mapping[str, str]) -> tuple[dict[str, str], Fault | None]:
        """Answer querydr or refund; the fault says what is to happen to the answer."""
        terminal = self._terminals.get(request.get("vnp_TmnCode", ""))
        if terminal is None:
            return {"vnp_ResponseCode": "02", "vnp_Message": "Invalid TmnCode"}, None
        command = request.get("vnp_Command", "")
        queried = command == "querydr"
        signed_fields = signing.QUERY_REQUEST if queried else signing.REFUND_REQUEST
        with self.store.transaction() as records:
            if not signing.is_signed_object(request, signed_fields, [terminal.hash_secret]):
                answer = {"vnp_ResponseCode": "97", "vnp_Message": "Invalid signature"}
            elif self._is_repeated(records, request):
                answer = {"vnp_ResponseCode": "94", "vnp_Message": "Duplicate request"}
            elif queried:
                answer = self._query(records, request)
            else:
                answer = self._refund(records, request)
            fault = self._api_fault(records, request.get("vnp_TxnRef", ""))
            number = records.next_number("response")
        answer |= {
            "vnp_ResponseId": f"{number:032d}",
            "vnp_Command": command,
            "vnp_TmnCode": terminal.tmn_code,
        }
        fields = signing.QUERY_RESPONSE if queried else signing.REFUND_RESPONSE
        text = signing.pipe_string(fields, answer)
        return {
            **answer,
            signing.HASH_FIELD: signing.hmac_sha512(text, terminal.hash_secret),
        }, fault

    def _api_fault(self, records: Records, reference: str) -> Fault | None:
        for fault in (Fault.LOST_QUERY, Fault.SLOW_QUERY):
            if self.config.faults.strikes_once(fault, reference, records):
                return fault
        return None

    def _is_repeated(self, records: Records, request: Mapping[str, str]) -> bool:
        day = business_day(self.clock()).isoformat()
        key = f"{request.get('vnp_TmnCode')}:{day}:{request.get('vnp_RequestId')}"
        known = records.get(_REQUEST, key) is not None
        records.put(_REQUEST, key, {"day": day})
        return known

    def _query(self, records: Records, request: Mapping[str, str]) -> dict[str, str]:
        self._expire_orders(records, self.clock())
        self._advance_refunds(records, self.clock())
        order = self._order_of(records, request)
        if order is None:
            return {"vnp_ResponseCode": "91", "vnp_Message": "Transaction not found"}
        refund = records.get(_REFUND, request.get("vnp_TransactionNo", ""))
        if refund is not None and refund["txn_ref"] == order["txn_ref"]:
            return _refund_answer(refund, order)
        return {
            "vnp_ResponseCode": "00",
            "vnp_Message": "QueryDR Success",
            "vnp_TxnRef": order["txn_ref"],
            "vnp_Amount": str(order["paid_amount"]),
            "vnp_BankCode": _DEMO_BANK,
            "vnp_PayDate": order["pay_date"],
            "vnp_TransactionNo": order["transaction_no"],
            "vnp_TransactionType": "01",
            "vnp_TransactionStatus": order["status"],
            "vnp_OrderInfo": order["order_info"],
        }

    def _refund(self, records: Records, request: Mapping[str, str]) -> dict[str, str]:
        order = self._order_of(records, request)
        if order is None:
            return {"vnp_ResponseCode": "91", "vnp_Message": "Transaction not found"}
        if order["status"] != PAID:
            return {"vnp_ResponseCode": "95", "vnp_Message": "Transaction was not successful"}
        self._advance_refunds(records, self.clock())
        earlier = records.labelled(_REFUND, order["id"])
        if any(refund["status"] == "05" for refund in earlier):
            return {"vnp_ResponseCode": "94", "vnp_Message": "A refund is being processed"}
        amount = int(request.get("vnp_Amount", "0"))
        left = order["paid_amount"] - sum(refund["amount"] for refund in earlier)
        whole = request.get("vnp_TransactionType") == "02"
        if not 0 < amount <= left or (whole and amount != order["paid_amount"]):
            return {"vnp_ResponseCode": "03", "vnp_Message": "Invalid amount"}
        return _refund_answer(self._new_refund(records, order, request, amount), order)

    def _new_refund(
        self, records: Records, order: Record, request: Mapping[str, str], amount: int
    ) -> Record:
        number = str(_FIRST_TRANSACTION + records.next_number("transaction"))
        now = self.clock()
        refund = {
            "id": number,
            "transaction_no": number,
            "tmn_code": order["tmn_code"],
            "txn_ref": order["txn_ref"],
            "amount": amount,
            "type": request.get("vnp_TransactionType", ""),
            "status": "05",
            "requested_at": format_time(now),
            "operator": request.get("vnp_CreateBy", ""),
        }
        records.put(_REFUND, number, refund, label=order["id"], due=now + REFUND_STEP)
        return refund

    def _order_of(self, records: Records, request: Mapping[str, str]) -> Record | None:
        order_id = f"{request.get('vnp_TmnCode')}:{request.get('vnp_TxnRef')}"
        order = records.get(_ORDER, order_id)
        known = order is not None and order["create_date"] == request.get("vnp_TransactionDate")
        return order if known else None

    def order(self, tmn_code: str, txn_ref: str) -> Record:
        """Return an order with its refunds and its IPN calls.

        Raises:
            NotFoundError: no browser ever opened it.
        """
        with self.store.transaction() as records:
            order = records.get(_ORDER, f"{tmn_code}:{txn_ref}")
            if order is None:
                raise NotFoundError(f"no order {txn_ref[:80]!r}")
            refunds = records.labelled(_REFUND, order["id"])
            return {**order, "refunds": refunds, "notices": self._notices.sent(records, txn_ref)}

    def refunded(self, tmn_code: str, txn_ref: str) -> int:
        """Return what was sent back of an order, or is on its way, in VND."""
        refunds = self.order(tmn_code, txn_ref)["refunds"]
        return sum(int(refund["amount"]) for refund in refunds) // HUNDREDTHS

    def settlement(self, tmn_code: str, day: date) -> list[SettlementRow]:
        """Return the report of a session day."""
        with self.store.transaction() as records:
            return self.book.rows(records, tmn_code, day)

    def payouts(self) -> list[Payout]:
        """Return every payout announced so far."""
        with self.store.transaction() as records:
            return self.book.payouts(records)

    def close(self) -> None:
        """Close connections and file."""
        self._client.close()
        self.store.close()


def _refund_answer(refund: Record, order: Record) -> dict[str, str]:
    return {
        "vnp_ResponseCode": "00",
        "vnp_Message": "Refund accepted",
        "vnp_TxnRef": order["txn_ref"],
        "vnp_Amount": str(refund["amount"]),
        "vnp_BankCode": _DEMO_BANK,
        "vnp_PayDate": refund["requested_at"],
        "vnp_TransactionNo": refund["transaction_no"],
        "vnp_TransactionType": refund["type"],
        "vnp_TransactionStatus": refund["status"],
        "vnp_OrderInfo": order["order_info"],
    }
