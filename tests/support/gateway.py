"""A channel of the tests' own that implements the ``PaymentGateway`` port in plain JSON.

A notice is ``{"id", "kind", "reference", "outcome", "amount", "txn"}`` with the header
``x-signature: right``; what ``start``, ``query`` and ``refund`` answer is set by the test.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.money import Money
from payments.channels import Rail
from payments.errors import InvalidSignatureError, MalformedNoticeError
from payments.ports import (
    Capabilities,
    GatewayNotice,
    NoticeAnswer,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    StartedPayment,
    StartRequest,
)
from tests.support.clock import MONDAY_MORNING


def _start_well(request: StartRequest) -> StartedPayment:
    return StartedPayment(redirect_url=f"https://channel.example/{request.merchant_reference}")


@dataclass
class FakeGateway:
    """A channel that keeps what it was asked, and does as ``on_start`` says."""

    rail: Rail = Rail.VNPAY
    on_start: Callable[[StartRequest], StartedPayment] = _start_well
    started: list[StartRequest] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(redirects=True, notices=True, queries=True, refunds=True)

    def start(self, request: StartRequest) -> StartedPayment:
        self.started.append(request)
        return self.on_start(request)

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        if event.headers.get("x-signature") != "right":
            raise InvalidSignatureError
        try:
            said = json.loads(event.body)
            return read_notice(said, event.received_at)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise MalformedNoticeError("not a notice of this channel") from problem

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        del event
        done = result in {NoticeResult.APPLIED, NoticeResult.ALREADY_APPLIED}
        body = json.dumps({"result": result.value}).encode()
        return NoticeAnswer(200 if done else 409, body)

    def query(self, query: PaymentQuery) -> GatewayNotice:
        raise NotImplementedError

    def refund(self, order: RefundOrder) -> GatewayNotice:
        raise NotImplementedError


@dataclass
class FakeGateways:
    """Finds the one channel for every merchant."""

    gateway: FakeGateway = field(default_factory=FakeGateway)

    def get(self, rail: Rail, merchant_code: str) -> FakeGateway:
        del rail, merchant_code
        return self.gateway


def read_notice(said: dict[str, Any], at: datetime = MONDAY_MORNING) -> GatewayNotice:
    """Return a notice from its JSON form."""
    amount = said.get("amount")
    return GatewayNotice(
        event_key=said["id"],
        kind=NoticeKind(said.get("kind", "payment")),
        merchant_reference=said["reference"],
        outcome=Outcome(said.get("outcome", "succeeded")),
        amount=Money(amount) if amount is not None else None,
        occurred_at=at,
        provider_txn_id=said.get("txn"),
        reason_code=said.get("reason", ""),
    )


def a_notice(reference: str, **said: Any) -> RawEvent:
    """Return a signed notice as it comes over the wire."""
    body = {"id": f"evt-{reference}", "reference": reference, "txn": f"T-{reference}"} | said
    return raw_notice(json.dumps(body).encode())


def raw_notice(body: bytes, *, signature: str = "right") -> RawEvent:
    """Return any body as a message of the channel."""
    return RawEvent(
        rail=Rail.VNPAY,
        method="POST",
        query_string="",
        headers={"x-signature": signature},
        body=body,
        received_at=MONDAY_MORNING,
    )
