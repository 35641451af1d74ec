"""The merchant interface of the MoMo simulator, with MoMo's rules for repeated requests."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.gateways import momo_codes as codes
from adapters.gateways import momo_signing as signing
from adapters.gateways.momo_fields import MAX_REQUEST_ID, is_order_id, milliseconds
from adapters.simulators.faults import Fault
from adapters.simulators.momo import ORDER, REFUND, MoMoSimulator
from adapters.simulators.momo_config import (
    LEAST,
    MOST,
    PAY_TYPES,
    REMEMBERED,
    MoMoPartner,
    MoMoRefusalError,
    answer_of,
)
from adapters.simulators.store import Record, Records

_REQUEST: Final = "request"
_DENIED: Final = frozenset({codes.ACCESS_DENIED, codes.NOT_AUTHENTICATED})
_IN_FLIGHT_STATUS: Final = 422
_SIGNED: Final[Mapping[str, Sequence[str]]] = {
    "create": signing.CREATE,
    "query": signing.QUERY,
    "confirm": signing.CONFIRM,
    "refund": signing.REFUND,
    "refund/query": signing.REFUND_QUERY,
}
_MAY_BE_EMPTY: Final = frozenset({"description", "extraData"})
_WHOLE: Final = frozenset({"amount", "transId"})
_Operation = Callable[[Records, MoMoPartner, Mapping[str, Any]], Record]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is answered; a ``lost`` answer never arrives."""

    status: int
    body: Record
    lost: bool = False


class MoMoApi:
    """The five calls of a merchant."""

    def __init__(self, simulator: MoMoSimulator) -> None:
        self._simulator = simulator
        self._operations: Mapping[str, _Operation] = {
            "create": self._create,
            "query": self._query,
            "confirm": self._confirm,
            "refund": self._refund,
            "refund/query": self._query_refund,
        }
        self._in_flight: set[str] = set()
        self._lock = threading.Lock()

    def call(self, path: str, request: Mapping[str, Any]) -> Exchange:
        """Answer one call.

        A ``requestId`` is remembered for 31 days: sent again while the first is worked on it gets
        422 and 7000, after a final code the same answer, after any other code 40.
        """
        partner = self._simulator.partners.get(str(request.get("partnerCode", "")))
        if partner is None:
            return _exchange(answer_of(codes.ACCESS_DENIED, **_repeated(request)))
        if not _is_authentic(request, _SIGNED[path], partner):
            return _exchange(answer_of(codes.NOT_AUTHENTICATED, **_repeated(request)))
        key = f"{partner.partner_code}:{request.get('requestId')}"
        with self._lock:
            if key in self._in_flight:
                answer = answer_of(codes.IN_PROGRESS, **_repeated(request))
                return Exchange(_IN_FLIGHT_STATUS, answer)
            self._in_flight.add(key)
        try:
            return self._answer(path, key, partner, request)
        finally:
            with self._lock:
                self._in_flight.discard(key)

    def _answer(
        self, path: str, key: str, partner: MoMoPartner, request: Mapping[str, Any]
    ) -> Exchange:
        now = self._simulator.clock()
        with self._simulator.store.transaction() as records:
            known = records.get(_REQUEST, key)
            fault = self._fault(records, path, partner, request)
        if fault is Fault.SLOW_QUERY:
            time.sleep(self._simulator.config.slow_seconds)
        if known is None or datetime.fromisoformat(known["at"]) + REMEMBERED < now:
            answer = self._carry_out(path, key, partner, request)
        elif codes.is_final(known["answer"]["resultCode"]):
            answer = known["answer"]
        else:
            answer = answer_of(codes.DUPLICATE_REQUEST, **_repeated(request))
        return _exchange(answer, lost=fault in {Fault.LOST_START, Fault.LOST_QUERY})

    def _carry_out(
        self, path: str, key: str, partner: MoMoPartner, request: Mapping[str, Any]
    ) -> Record:
        now = self._simulator.clock()
        with self._simulator.store.transaction() as records:
            self._simulator.advance(records, now)
            try:
                _check_fields(request, _SIGNED[path])
                answer = self._operations[path](records, partner, request)
            except MoMoRefusalError as refusal:
                answer = answer_of(refusal.code)
            answer = {**_repeated(request), **answer, "responseTime": milliseconds(now)}
            records.put(_REQUEST, key, {"answer": answer, "at": now.isoformat()})
        return answer

    def _fault(
        self, records: Records, path: str, partner: MoMoPartner, request: Mapping[str, Any]
    ) -> Fault | None:
        """Return what befalls a call; one about a refund shares the fate of its payment."""
        reference = str(request.get("orderId"))
        if path == "refund":
            order = self._simulator.by_transaction(records, partner, request.get("transId"))
            reference = order["order_id"] if order else reference
        elif path == "refund/query":
            refund = records.get(REFUND, f"{partner.partner_code}:{reference}")
            reference = refund["merchant_reference"] if refund else reference
        possible = (Fault.LOST_QUERY, Fault.SLOW_QUERY)
        for fault in (Fault.LOST_START,) if path == "create" else possible:
            if self._simulator.config.faults.strikes_once(fault, reference, records):
                return fault
        return None

    def _create(self, records: Records, partner: MoMoPartner, request: Mapping[str, Any]) -> Record:
        if request["requestType"] not in PAY_TYPES:
            raise MoMoRefusalError(codes.BAD_FORMAT)
        _check_amount(request)
        self._refuse_known_order(records, partner, request)
        address = self._simulator.open_order(records, partner, request)
        return answer_of(codes.SUCCESS, amount=request["amount"], payUrl=address)

    def _refuse_known_order(
        self, records: Records, partner: MoMoPartner, request: Mapping[str, Any]
    ) -> None:
        key = f"{partner.partner_code}:{request['orderId']}"
        if records.get(ORDER, key) or records.get(REFUND, key):
            raise MoMoRefusalError(codes.DUPLICATE_ORDER)

    def _query(self, records: Records, partner: MoMoPartner, request: Mapping[str, Any]) -> Record:
        order = self._known_order(records, partner, request)
        return answer_of(
            order["code"],
            amount=order["paid_amount"],
            transId=order["trans_id"],
            payType=order["pay_type"],
            extraData=order["extra_data"],
        )

    def _known_order(
        self, records: Records, partner: MoMoPartner, request: Mapping[str, Any]
    ) -> Record:
        order = records.get(ORDER, f"{partner.partner_code}:{request['orderId']}")
        if order is None:
            raise MoMoRefusalError(codes.ORDER_UNKNOWN)
        return order

    def _confirm(
        self, records: Records, partner: MoMoPartner, request: Mapping[str, Any]
    ) -> Record:
        order = self._known_order(records, partner, request)
        if request["requestType"] not in {"capture", "cancel"}:
            raise MoMoRefusalError(codes.BAD_FORMAT)
        if order["code"] != codes.AUTHORISED:
            raise MoMoRefusalError(codes.BAD_DATA)
        if request["amount"] != order["paid_amount"]:
            raise MoMoRefusalError(codes.BAD_AMOUNT)
        now = self._simulator.clock()
        captured = request["requestType"] == "capture"
        code = codes.SUCCESS if captured else codes.HOLD_RELEASED
        done = {**order, "code": code, "response_time": milliseconds(now)}
        records.put(ORDER, order["id"], done, label=order["token"])
        if captured:
            self._simulator.collect(records, done, now)
        return answer_of(codes.SUCCESS, amount=order["paid_amount"], transId=order["trans_id"])

    def _refund(self, records: Records, partner: MoMoPartner, request: Mapping[str, Any]) -> Record:
        order = self._simulator.by_transaction(records, partner, request.get("transId"))
        if order is None:
            raise MoMoRefusalError(codes.ORDER_UNKNOWN)
        self._refuse_known_order(records, partner, request)
        if order["code"] != codes.SUCCESS:
            raise MoMoRefusalError(codes.NOT_REFUNDABLE)
        _check_amount(request)
        earlier = sum(refund["amount"] for refund in records.labelled(REFUND, order["id"]))
        if request["amount"] > order["paid_amount"] - earlier:
            raise MoMoRefusalError(codes.REFUND_OVER_AMOUNT)
        return _refund_answer(self._new_refund(records, order, request))

    def _new_refund(self, records: Records, order: Record, request: Mapping[str, Any]) -> Record:
        now = self._simulator.clock()
        refund = {
            "id": f"{order['partner_code']}:{request['orderId']}",
            "order": order["id"],
            "merchant_reference": order["order_id"],
            "refund_order_id": request["orderId"],
            "amount": request["amount"],
            "trans_id": self._simulator.next_transaction(records),
            "code": codes.AT_THE_ISSUER,
            "description": request.get("description", ""),
            "response_time": milliseconds(now),
        }
        if not self._simulator.config.refund_delay:
            return self._simulator.finish_refund(records, refund, now)
        due = now + self._simulator.config.refund_delay
        records.put(REFUND, refund["id"], refund, label=order["id"], due=due)
        return refund

    def _query_refund(
        self, records: Records, partner: MoMoPartner, request: Mapping[str, Any]
    ) -> Record:
        refund = records.get(REFUND, f"{partner.partner_code}:{request['orderId']}")
        if refund is None:
            raise MoMoRefusalError(codes.ORDER_UNKNOWN)
        return _refund_answer(refund)


def _refund_answer(refund: Record) -> Record:
    return answer_of(refund["code"], amount=refund["amount"], transId=refund["trans_id"])


def _repeated(request: Mapping[str, Any]) -> Record:
    return {name: request.get(name, "") for name in ("partnerCode", "requestId", "orderId")}


def _is_authentic(request: Mapping[str, Any], names: Sequence[str], partner: MoMoPartner) -> bool:
    # What a boolean or an object would be as text is nobody's business: it was not signed as one.
    values = {
        name: str(value)
        for name, value in request.items()
        if isinstance(value, str) or type(value) is int
    }
    return signing.is_signed(values, names, [(partner.access_key, partner.secret_key)])


def _check_fields(request: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        value = request.get(name, "" if name in _MAY_BE_EMPTY else None)
        if type(value) is not (int if name in _WHOLE else str):
            raise MoMoRefusalError(codes.BAD_FORMAT)
        if value == "" and name not in _MAY_BE_EMPTY:
            raise MoMoRefusalError(codes.BAD_FORMAT)
    if len(request["requestId"]) > MAX_REQUEST_ID or not is_order_id(request["orderId"]):
        raise MoMoRefusalError(codes.BAD_FORMAT)


def _check_amount(request: Mapping[str, Any]) -> None:
    if not LEAST <= request["amount"] <= MOST:
        raise MoMoRefusalError(codes.BAD_AMOUNT)


def _exchange(answer: Record, *, lost: bool = False) -> Exchange:
    code = answer["resultCode"]
    status = 200
    if code in codes.REQUEST_ERRORS:
        status = 401 if code in _DENIED else 400
    return Exchange(status, answer, lost)
