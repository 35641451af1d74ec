"""The merchant API of the payOS simulator: links, questions, cancellations, the webhook address."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.gateways import payos_signing as signing
from adapters.gateways.payos_notices import json_object
from adapters.gateways.payos_references import LARGEST_CODE
from adapters.simulators.faults import Fault
from adapters.simulators.payos import WEBHOOK, PayOSSimulator, signed
from adapters.simulators.payos_config import (
    PayOSChannel,
    PayOSRefusalError,
    Refusal,
    refusal_body,
)
from adapters.simulators.store import Record, Records
from core.clock import VIETNAM

_TEXTS: Final = ("description", "cancelUrl", "returnUrl", "signature")
_DESCRIPTION: Final = re.compile(r"[0-9A-Za-z ]+")
_MOST: Final = 10_000_000_000
_DUMMY: Final[Mapping[str, Any]] = {
    "orderCode": 123,
    "amount": 3000,
    "description": "VQRIO123",
    "reference": "TF230204212323",
    "currency": "VND",
    "paymentLinkId": "124c33293c43417ab7879e14c8d9eb18",
    "code": "00",
    "desc": "success",
    "counterAccountBankId": "",
    "counterAccountBankName": "",
    "counterAccountName": "",
    "counterAccountNumber": "",
    "virtualAccountName": "",
    "virtualAccountNumber": "",
}
"""The order of nobody's with which a webhook address is tried."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer; ``lost`` ones break off on the way back."""

    status: int
    body: Record
    lost: bool = False


class PayOSApi:
    """What merchants call, with client id and API key checked first."""

    def __init__(
        self, simulator: PayOSSimulator, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._simulator = simulator
        self._sleep = sleep

    def create(self, headers: Mapping[str, str], body: bytes) -> Exchange:
        """Open a link."""
        return self._answered(headers, lambda channel: self._create(channel, body))

    def get(self, headers: Mapping[str, str], name: str) -> Exchange:
        """Tell the state of a link, named by order code or id."""
        return self._answered(headers, lambda channel: self._get(channel, name))

    def cancel(self, headers: Mapping[str, str], name: str, body: bytes) -> Exchange:
        """Close a link that is not paid."""
        return self._answered(headers, lambda channel: self._cancel(channel, name, body))

    def confirm_webhook(self, headers: Mapping[str, str], body: bytes) -> Exchange:
        """Try a webhook address, and use it if it answers."""
        return self._answered(headers, lambda channel: self._confirm_webhook(channel, body))

    def _answered(
        self, headers: Mapping[str, str], work: Callable[[PayOSChannel], Exchange]
    ) -> Exchange:
        channel = self._simulator.channels.get(headers.get("x-client-id", ""))
        if channel is None or headers.get("x-api-key") != channel.api_key:
            return Exchange(401, refusal_body(Refusal.DENIED))
        try:
            return work(channel)
        except PayOSRefusalError as problem:
            return Exchange(200, refusal_body(problem.refusal))

    def _create(self, channel: PayOSChannel, body: bytes) -> Exchange:
        request = _object(body)
        _check(request, channel)
        text = signing.create_string(request)
        if not signing.fits(text, request["signature"], [channel.checksum_key]):
            raise PayOSRefusalError(Refusal.BAD_SIGNATURE)
        simulator = self._simulator
        with simulator.store.transaction() as records:
            if simulator.find(records, channel, str(request["orderCode"])):
                raise PayOSRefusalError(Refusal.ORDER_EXISTS)
            link = simulator.open_link(records, channel, request)
            faults = simulator.config.faults
            lost = faults.strikes(Fault.LOST_START, link["reference"], records)
        return _success(self._opened(channel, link), channel, lost=lost)

    def _opened(self, channel: PayOSChannel, link: Record) -> Record:
        return {
            "bin": channel.bank_bin,
            "accountNumber": link["virtual_account"] or channel.account,
            "accountName": channel.account_name,
            "amount": link["amount"],
            "description": link["description"],
            "orderCode": link["order_code"],
            "currency": "VND",
            "paymentLinkId": link["id"],
            "status": link["status"],
            "expiredAt": link["expired_at"],
            "checkoutUrl": self._simulator.page_url(link),
            "qrCode": self._simulator.code_of(link),
        }

    def _get(self, channel: PayOSChannel, name: str) -> Exchange:
        simulator = self._simulator
        with simulator.store.transaction() as records:
            link = self._known(records, channel, name)
            faults, reference = simulator.config.faults, link["reference"]
            lost = faults.strikes_once(Fault.LOST_QUERY, reference, records)
            slow = faults.strikes_once(Fault.SLOW_QUERY, reference, records)
        if slow:
            self._sleep(simulator.config.slow_seconds)
        return _success(_state(link), channel, lost=lost)

    def _known(self, records: Records, channel: PayOSChannel, name: str) -> Record:
        self._simulator.advance(records, self._simulator.clock())
        link = self._simulator.find(records, channel, name)
        if link is None:
            raise PayOSRefusalError(Refusal.NOT_FOUND)
        return link

    def _cancel(self, channel: PayOSChannel, name: str, body: bytes) -> Exchange:
        reason = _object(body or b"{}").get("cancellationReason")
        with self._simulator.store.transaction() as records:
            link = self._known(records, channel, name)
            if link["status"] not in {"PENDING", "UNDERPAID"}:
                raise PayOSRefusalError(Refusal.NOT_OPEN)
            link = self._simulator.cancel(records, link, str(reason or ""))
        return _success(_state(link), channel)

    def _confirm_webhook(self, channel: PayOSChannel, body: bytes) -> Exchange:
        url = _object(body).get("webhookUrl")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise PayOSRefusalError(Refusal.BAD_REQUEST)
        moment = self._simulator.clock().astimezone(VIETNAM)
        data = {
            **_DUMMY,
            "accountNumber": channel.account,
            "transactionDateTime": f"{moment:%Y-%m-%d %H:%M:%S}",
        }
        message = {"code": "00", "desc": "success", "success": True, "data": data}
        reply = self._simulator.call_once(url, signed(message, channel.checksum_key))
        if not reply.accepted:
            raise PayOSRefusalError(Refusal.WEBHOOK_UNREACHABLE)
        with self._simulator.store.transaction() as records:
            records.put(WEBHOOK, channel.client_id, {"url": url})
        told = {"webhookUrl": url, "accountNumber": channel.account, "name": channel.account_name}
        return _success(told, channel)


def _object(body: bytes) -> Record:
    try:
        return json_object(body)
    except ValueError:
        raise PayOSRefusalError(Refusal.BAD_REQUEST) from None


def _check(request: Mapping[str, Any], channel: PayOSChannel) -> None:
    """Refuse a request for a link whose fields are not of the right kind and size."""
    expires = request.get("expiredAt")
    code, amount, purpose = (request.get(name) for name in ("orderCode", "amount", "description"))
    usable = (
        all(isinstance(request.get(name), str) and request[name] for name in _TEXTS)
        and _is_whole(code, LARGEST_CODE)
        and _is_whole(amount, _MOST)
        and (expires is None or _is_whole(expires, _MOST))
        and isinstance(purpose, str)
        and len(purpose) <= channel.description_length
        and _DESCRIPTION.fullmatch(purpose) is not None
    )
    if not usable:
        raise PayOSRefusalError(Refusal.BAD_REQUEST)


def _is_whole(value: object, most: int) -> bool:
    return type(value) is int and 0 < value <= most


def _state(link: Record) -> Record:
    return {
        "id": link["id"],
        "orderCode": link["order_code"],
        "amount": link["amount"],
        "amountPaid": link["amount_paid"],
        "amountRemaining": max(link["amount"] - link["amount_paid"], 0),
        "status": link["status"],
        "createdAt": link["created_at"],
        "transactions": link["transactions"],
        "canceledAt": link["canceled_at"],
        "cancellationReason": link["cancellation_reason"],
    }


def _success(data: Record, channel: PayOSChannel, *, lost: bool = False) -> Exchange:
    body = signed({"code": "00", "desc": "success", "data": data}, channel.checksum_key)
    return Exchange(200, body, lost)
