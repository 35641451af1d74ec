"""What the ZaloPay simulator answers to create, query, refund and query_refund."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from adapters.gateways import zalopay_codes as codes
from adapters.gateways import zalopay_signing as signing
from adapters.gateways.zalopay_fields import (
    MAX_ORDER_ID,
    START_WINDOW,
    day_prefix,
    instant,
    json_object,
)
from adapters.simulators.faults import Fault
from adapters.simulators.store import Record, Records
from adapters.simulators.zalopay import REFUND_DONE, REFUND_PROCESSING, ZaloPaySimulator
from adapters.simulators.zalopay_config import CANCELLED, EXPIRED, OPEN, ZaloPayApplication

Answer = dict[str, Any]

_SHORTEST_SECONDS: Final = 300
_LONGEST_SECONDS: Final = 2_592_000
_DEFAULT_SECONDS: Final = 900
"""How long an order is open that does not say; our choice."""

_NO_MONEY: Final = {"amount": 0, "zp_trans_id": 0}


class _RefusalError(Exception):
    """A request that ZaloPay does not take, by its own code and word."""

    def __init__(self, code: int, word: str) -> None:
        super().__init__(word)
        self.code = code
        self.word = word


class ZaloPayApi:
    """The four calls of a merchant's server; each returns the answer and what befalls it."""

    def __init__(self, simulator: ZaloPaySimulator) -> None:
        self._simulator = simulator
        self._calls = {
            "create": (signing.CREATE, self._create),
            "query": (signing.QUERY, self._query),
            "refund": (signing.REFUND, self._refund),
            "query_refund": (signing.QUERY_REFUND, self._query_refund),
        }

    def answer(self, name: str, body: bytes) -> tuple[Answer, Fault | None]:
        """Answer one call; the fault says what is to happen to the answer."""
        fields, call = self._calls[name]
        faults: list[Fault] = []
        try:
            request = json_object(body)
            application = self._application(request, fields)
            with self._simulator.store.transaction() as records:
                answer = call(records, application, request, faults)
        except _RefusalError as refusal:
            answer = _answer(codes.FAILED, refusal.code, refusal.word)
        except (ValueError, KeyError, TypeError) as error:
            answer = _answer(codes.FAILED, codes.BAD_ARGUMENT, f"ILLEGAL_DATA_REQUEST {error}")
        return answer, faults[0] if faults else None

    def _application(
        self, request: Mapping[str, Any], fields: tuple[str, ...]
    ) -> ZaloPayApplication:
        application = self._simulator.applications.get(str(request.get("app_id")))
        if application is None or type(request["app_id"]) is not int:
            raise _RefusalError(codes.UNAUTHENTICATED, "ILLEGAL_APP_REQUEST")
        text = signing.signed_text(fields, request, application.key1)
        if not signing.is_signed(text, str(request.get(signing.MAC)), [application.key1]):
            raise _RefusalError(codes.UNAUTHENTICATED, "ILLEGAL_SIGNATURE_REQUEST")
        return application

    def _create(
        self,
        records: Records,
        application: ZaloPayApplication,
        request: Mapping[str, Any],
        faults: list[Fault],
    ) -> Answer:
        order = self._new_order(application, request)
        if self._simulator.known_order(records, order["id"]) is not None:
            raise _RefusalError(codes.DUPLICATE_ORDER, "DUPLICATE_APPS_TRANS_ID")
        seconds = request.get("expire_duration_seconds", _DEFAULT_SECONDS)
        if type(seconds) is not int or not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS:
            raise ValueError("expire_duration_seconds")
        url = self._simulator.add_order(records, order, timedelta(seconds=seconds))
        self._strike(records, order, faults, Fault.LOST_START)
        return _answer(codes.SUCCESS, codes.SUCCESS, "SUCCESS") | {
            "order_url": url,
            "zp_trans_token": url.rpartition("/")[2],
        }

    def _new_order(self, application: ZaloPayApplication, request: Mapping[str, Any]) -> Record:
        app_trans_id, amount = _text(request, "app_trans_id"), request["amount"]
        day, _, reference = app_trans_id.partition("_")
        now = self._simulator.clock()
        if day != day_prefix(now) or not reference or len(app_trans_id) > MAX_ORDER_ID:
            raise ValueError("app_trans_id")
        if abs(instant(request["app_time"]) - now) > START_WINDOW:
            raise ValueError("app_time")
        if type(amount) is not int or amount <= 0:
            raise ValueError("amount")
        if not isinstance(json.loads(_text(request, "item")), list):
            raise TypeError("item")
        embedded = json_object(_text(request, "embed_data"))
        return {
            "id": f"{application.app_id}:{app_trans_id}",
            "app_id": application.app_id,
            "app_trans_id": app_trans_id,
            "merchant_reference": reference,
            "app_user": _text(request, "app_user"),
            "app_time": request["app_time"],
            "amount": amount,
            "item": request["item"],
            "embed_data": request["embed_data"],
            "description": _text(request, "description"),
            "return_url": str(embedded.get("redirecturl") or request.get("redirect_url") or ""),
            "callback_url": str(request.get("callback_url") or application.callback_url),
        }

    def _query(
        self,
        records: Records,
        application: ZaloPayApplication,
        request: Mapping[str, Any],
        faults: list[Fault],
    ) -> Answer:
        order_id = f"{application.app_id}:{_text(request, 'app_trans_id')}"
        order = self._simulator.known_order(records, order_id)
        if order is None:
            unknown = _answer(codes.FAILED, codes.UNKNOWN_ORDER, "TRANS_INFO_NOT_FOUND")
            return unknown | _NO_MONEY | {"is_processing": False}
        self._strike(records, order, faults, Fault.LOST_QUERY, Fault.SLOW_QUERY)
        self._simulator.end_refunds(records, self._simulator.clock())
        return {"is_processing": False} | self._standing(records, order)

    def _standing(self, records: Records, order: Record) -> Answer:
        if order["state"] == OPEN:
            return _answer(codes.PROCESSING, 0, "not paid yet") | _NO_MONEY
        if order["state"] == CANCELLED:
            return _answer(codes.FAILED, codes.CANCELLED, "cancelled by user") | _NO_MONEY
        if order["state"] == EXPIRED:
            return _answer(codes.FAILED, codes.EXPIRED, "payment code expired") | _NO_MONEY
        money = {"amount": order["paid_amount"], "zp_trans_id": order["zp_trans_id"]}
        if self._simulator.sent_back(records, order["id"]) >= order["paid_amount"]:
            return _answer(codes.FAILED, codes.REFUNDED, "refunded") | money
        return _answer(codes.SUCCESS, codes.SUCCESS, "SUCCESS") | money

    def _refund(
        self,
        records: Records,
        application: ZaloPayApplication,
        request: Mapping[str, Any],
        faults: list[Fault],
    ) -> Answer:
        m_refund_id, amount = _text(request, "m_refund_id"), request["amount"]
        day, app_id, number = (*m_refund_id.split("_", 2), "", "")[:3]
        if not number.isdecimal():
            raise _RefusalError(codes.WRONG_REFUND_ID, "INVALID_MERCHANT_REFUNDID_FORMAT")
        if app_id != application.app_id:
            raise _RefusalError(codes.WRONG_REFUND_APP, "INVALID_MERCHANT_REFUNDID_APPID")
        if self._simulator.known_refund(records, application.app_id, m_refund_id) is not None:
            raise _RefusalError(codes.DUPLICATE_REFUND, "DUPLICATE_REFUND")
        if day != day_prefix(self._simulator.clock()):
            raise _RefusalError(codes.WRONG_REFUND_DATE, "INVALID_MERCHANT_REFUNDID_DATE")
        transaction = str(request["zp_trans_id"])
        order = self._simulator.paid_order(records, application.app_id, transaction)
        if order is None:
            raise _RefusalError(codes.UNKNOWN_PAYMENT, "TRANS_NOT_FOUND")
        left = order["paid_amount"] - self._simulator.sent_back(records, order["id"])
        if type(amount) is not int or not 0 < amount <= left:
            raise _RefusalError(codes.REFUND_TOO_MUCH, "REFUND_AMOUNT_INVALID")
        self._simulator.add_refund(records, order, m_refund_id, amount)
        self._strike(records, order, faults, Fault.LOST_QUERY, Fault.SLOW_QUERY)
        return _answer(codes.PROCESSING, 0, "refund is processing")

    def _query_refund(
        self,
        records: Records,
        application: ZaloPayApplication,
        request: Mapping[str, Any],
        faults: list[Fault],
    ) -> Answer:
        del faults
        m_refund_id = _text(request, "m_refund_id")
        refund = self._simulator.known_refund(records, application.app_id, m_refund_id)
        if refund is None:
            return _answer(codes.FAILED, codes.UNKNOWN_REFUND, "REFUND_NOT_FOUND")
        if refund["state"] == REFUND_PROCESSING:
            return _answer(codes.PROCESSING, 0, "refund is processing")
        if refund["state"] == REFUND_DONE:
            return _answer(codes.SUCCESS, codes.SUCCESS, "refunded")
        return _answer(codes.FAILED, codes.REFUND_TOO_LATE, "REFUND_EXPIRE_TIME")

    def _strike(
        self, records: Records, order: Record, faults: list[Fault], *possible: Fault
    ) -> None:
        plan, reference = self._simulator.config.faults, order["merchant_reference"]
        faults += [one for one in possible if plan.strikes_once(one, reference, records)]


def _answer(code: int, detail: int, word: str) -> Answer:
    return {
        "return_code": code,
        "return_message": "success" if code == codes.SUCCESS else word,
        "sub_return_code": detail,
        "sub_return_message": word,
    }


def _text(request: Mapping[str, Any], name: str) -> str:
    value = request[name]
    if not isinstance(value, str) or not value:
        raise ValueError(name)
    return value
