"""MoMo payment gateway v2: create, IPN, query, confirm, refund."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from typing_extensions import override

from adapters.gateways import momo_codes as codes
from adapters.gateways import momo_notices as notices
from adapters.gateways import momo_signing as signing
from adapters.gateways.base import NOT_FOUND, GatewayBase
from adapters.gateways.momo_config import MoMoConfig, MoMoRequestType
from adapters.gateways.momo_fields import (
    MAX_ORDER_ID,
    Reply,
    code_of,
    instant,
    is_order_id,
    json_object,
    limited,
    order_id,
    read_reply,
    request_id,
    texts,
    transaction_or_none,
    whole_vnd,
)
from adapters.http import Caller
from core.clock import VIETNAM
from core.errors import MoneyFormatError
from core.money import Money
from payments.channels import Rail
from payments.errors import (
    AttemptKnownError,
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidSignatureError,
    MalformedNoticeError,
)
from payments.ports import (
    MAX_NOTICE_BYTES,
    Capabilities,
    CheckResult,
    GatewayNotice,
    NoticeAnswer,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    StartedPayment,
    StartRequest,
)

__all__ = ["MoMoConfig", "MoMoGateway", "MoMoRequestType"]

_PATH: Final = "/v2/gateway/api"
_REMEMBERED: Final = timedelta(days=30)
"""How long a refund may be sent again; MoMo remembers request ids for at least 31 days."""

_REPEATED: Final[Mapping[str, Sequence[str]]] = {
    "create": ("partnerCode", "requestId", "orderId", "amount"),
    "query": ("partnerCode", "requestId", "orderId"),
    "confirm": ("partnerCode", "requestId", "orderId"),
    "refund": ("partnerCode", "requestId", "orderId"),
    "refund/query": ("partnerCode", "requestId"),  # may name the payment's order instead
}
"""What an answer repeats of its request, if it names it at all."""

_ANSWER_STATUS: Final[Mapping[NoticeResult, int]] = {
    NoticeResult.INVALID_SIGNATURE: HTTPStatus.BAD_REQUEST,
    NoticeResult.MALFORMED: HTTPStatus.BAD_REQUEST,
    NoticeResult.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_CHECKED: Final[Mapping[int, str]] = {
    codes.ORDER_UNKNOWN: "MoMo answered and took our signature.",
    codes.MAINTENANCE: "MoMo is being maintained; the keys could not be tried.",
    codes.ACCESS_DENIED: "MoMo denies access: partner code or access key are not right here.",
    12: "MoMo does not offer this version of its interface at this address.",
    codes.NOT_AUTHENTICATED: "MoMo says that partner code, access key and secret key do not fit.",
    codes.BAD_FORMAT: "MoMo does not take the format of the question: is the partner code right?",
}


class MoMoGateway(GatewayBase):
    """MoMo for one partner code."""

    def __init__(self, config: MoMoConfig, http: Caller) -> None:
        self._config = config
        self._http = http

    @property
    def rail(self) -> Rail:
        """MoMo."""
        return Rail.MOMO

    @property
    def capabilities(self) -> Capabilities:
        """All but reports by call; only a payment that is held can be called off."""
        two_steps = not self._config.auto_capture
        return Capabilities(
            redirects=True,
            notices=True,
            queries=True,
            refunds=True,
            refund_queries=True,
            confirms=two_steps,
            cancels=two_steps,
        )

    @override
    def start(self, request: StartRequest) -> StartedPayment:
        """Open an order and return the address of its page.

        ``requestId`` is derived from the reference: the same start is the same request, and MoMo
        answers it as the first time. Where it says ``40`` or ``41`` instead, the order is there
        but its address is not told again: the outcome is unknown and a query decides.

        Raises:
            GatewayRefusedError: a value does not fit MoMo's fields, or MoMo opened nothing.
            AttemptKnownError: it is open, and its address is not told again.
            GatewayUnavailableError: whether the order is open is unknown.
        """
        reference = limited("merchant reference", request.merchant_reference, MAX_ORDER_ID)
        if not is_order_id(reference):
            raise GatewayRefusedError("the merchant reference holds characters MoMo does not take")
        order: dict[str, Any] = {
            "requestId": request_id("start", reference),
            "amount": whole_vnd(request.amount),
            "orderId": reference,
            "orderInfo": limited("description", request.description, 255),
            "redirectUrl": limited("return address", request.return_url, 2000),
            "ipnUrl": limited("notice address", request.notice_url, 2000),
            "requestType": self._config.request_type.value,
            "extraData": "",
            "autoCapture": self._config.auto_capture,
            "lang": "vi" if request.locale.startswith("vi") else "en",
            **self._store(),
        }
        reply = self._call("create", order, signing.CREATE)
        if codes.opened_nothing(reply.code):
            raise GatewayRefusedError(f"MoMo refused the order with code {reply.code}")
        if reply.code in codes.KNOWN_BEFORE:
            raise AttemptKnownError(f"MoMo has this order already: code {reply.code}")
        address = reply.fields.get("payUrl", "")
        scheme = self._config.api_url.partition("://")[0]
        if reply.code != codes.SUCCESS or not address.startswith(f"{scheme}://"):
            raise GatewayUnavailableError(f"the order was answered with code {reply.code}")
        return StartedPayment(redirect_url=address)

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        """Authenticate an IPN.

        Its time is that of the result, also when it is sent again: age cannot be judged, and a
        repeated one has the same ``event_key`` and changes nothing.

        Raises:
            InvalidSignatureError: not signed for this partner.
            MalformedNoticeError: signed, but without what an IPN must have.
        """
        fields = self._authentic(event.body)
        try:
            code = code_of(fields)
            outcome = codes.payment_outcome(code, auto_capture=self._config.auto_capture)
            occurred_at = instant(fields.get("responseTime", ""))
            return notices.payment_notice(fields, outcome, code=code, occurred_at=occurred_at)
        except (ValueError, MoneyFormatError) as error:
            raise MalformedNoticeError(f"not a usable result: {error}"[:200]) from error

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        """Return 204 for all that is stored and decided, else a status that has it sent again.

        An unknown reference is decided: orders are opened here only after the attempt is stored,
        so that a repetition would find nothing either. Another amount is booked as collected.
        """
        del event
        if result not in _ANSWER_STATUS:
            return NoticeAnswer(HTTPStatus.NO_CONTENT)
        body = json.dumps({"message": result.value}).encode()
        return NoticeAnswer(_ANSWER_STATUS[result], body)

    @override
    def query(self, query: PaymentQuery) -> GatewayNotice:
        """Ask what became of an order.

        MoMo learns of an order by our call alone; one that it does not know is PENDING until
        that call cannot arrive any more, then EXPIRED. An answer about the question itself (a
        repeated id, maintenance, wrong keys) leaves the outcome as unknown as before.

        Raises:
            GatewayUnavailableError: no usable answer.
        """
        question = {
            "requestId": request_id("query", query.request_id),
            "orderId": query.merchant_reference,
            "lang": "vi",
        }
        reply = self._call("query", question, signing.QUERY)
        partner = self._config.partner_code
        if reply.code == codes.ORDER_UNKNOWN:
            return notices.unknown_order(query, partner, lifetime=self._closing_time(query))
        if reply.code in codes.REQUEST_ERRORS:
            raise GatewayUnavailableError(f"the query was answered with code {reply.code}")
        outcome = codes.queried_outcome(reply.code, auto_capture=self._config.auto_capture)
        fields = {**reply.fields, "partnerCode": partner}
        with _answers_understood():
            return notices.payment_notice(
                fields, outcome, code=reply.code, occurred_at=query.asked_at
            )

    @override
    def confirm(self, query: PaymentQuery, *, capture: bool) -> GatewayNotice:
        """Take the money that is held, or let it go; what became of it is then asked by query.

        Confirming twice is one request to MoMo. The answer to the confirmation alone proves
        nothing: its fields are not published.

        Raises:
            GatewayRefusedError: MoMo refused and the money is held as before.
            GatewayUnavailableError: the outcome is unknown.
        """
        if self._config.auto_capture:
            return super().confirm(query, capture=capture)
        word = "capture" if capture else "cancel"
        wish = {
            "requestId": request_id(word, query.merchant_reference),
            "orderId": query.merchant_reference,
            "requestType": word,
            "amount": whole_vnd(query.amount),
            "lang": "vi",
            "description": "",
        }
        reply = self._call("confirm", wish, signing.CONFIRM)
        notice = self.query(query)
        if notice.outcome is Outcome.AUTHORISED and reply.code in codes.REFUSED_REQUEST:
            raise GatewayRefusedError(f"MoMo refused to {word} with code {reply.code}")
        return notice

    @override
    def cancel(self, query: PaymentQuery) -> GatewayNotice:
        """Let the money go if it is held; an order that waits for its payer stays open."""
        if self._config.auto_capture:
            return super().cancel(query)
        notice = self.query(query)
        if notice.outcome is not Outcome.AUTHORISED:
            return notice
        asked_again = replace(query, request_id=f"{query.request_id}-again")
        return self.confirm(asked_again, capture=False)

    @override
    def refund(self, order: RefundOrder) -> GatewayNotice:
        """Send money back by an order of its own, derived from ``refund_reference``.

        Sent again it is the same request and the same order to MoMo, which pays once; when its
        ids may be forgotten it is only asked about.

        Raises:
            GatewayRefusedError: more than was paid, no MoMo payment, or MoMo refused.
            GatewayUnavailableError: the outcome is unknown; the same order may be sent again.
        """
        if not Money(0, order.amount.currency) < order.amount <= order.paid_amount:
            raise GatewayRefusedError("a refund is above 0 and at most what was paid")
        transaction = transaction_or_none(order.provider_txn_id or "")
        if transaction is None:
            raise GatewayRefusedError("without its transId a payment cannot be refunded")
        if order.refund_txn_id:
            return self.query_refund(order)
        if order.asked_at - (order.submitted_at or order.asked_at) > _REMEMBERED:
            return self._found_refund(order)
        wish = {
            "requestId": request_id("refund", order.refund_reference),
            "orderId": order_id(order.refund_reference),
            "amount": whole_vnd(order.amount),
            "transId": int(transaction),
            "lang": "vi",
            "description": order.description[:255],
        }
        reply = self._call("refund", wish, signing.REFUND)
        if reply.code in codes.KNOWN_BEFORE:
            return self._found_refund(order)
        outcome = codes.refund_outcome(reply.code)
        if outcome is Outcome.FAILED or reply.code in codes.REFUSED_REQUEST:
            raise GatewayRefusedError(f"the refund was refused with code {reply.code}")
        if outcome is Outcome.PENDING and reply.code not in codes.STILL_OPEN:
            raise GatewayUnavailableError(f"the refund was answered with code {reply.code}")
        with _answers_understood():
            return notices.refund_notice(order, reply.fields, code=reply.code)

    @override
    def query_refund(self, order: RefundOrder) -> GatewayNotice:
        """Ask what became of a refund by its own order.

        Raises:
            GatewayUnavailableError: no usable answer.
        """
        reference = order_id(order.refund_reference)
        asked = f"{order.refund_reference}:{order.asked_at.isoformat()}"
        question = {
            "requestId": request_id("ask", signing.derived_id(asked, 32)),
            "orderId": reference,
            "lang": "vi",
        }
        reply = self._call("refund/query", question, signing.REFUND_QUERY)
        if reply.code == codes.ORDER_UNKNOWN:
            return notices.unknown_refund(order)
        if reply.code in codes.REQUEST_ERRORS:
            raise GatewayUnavailableError(f"refund/query was answered with code {reply.code}")
        with _answers_understood():
            if "refundTrans" in reply.whole:
                return notices.listed_refund(order, reply.whole["refundTrans"], reference)
            if reply.fields.get("orderId") != reference:
                raise ValueError("refund/query was answered about another order")
            return notices.refund_notice(order, reply.fields, code=reply.code)

    @override
    def check(self, *, at: datetime) -> CheckResult:
        """Ask about an order that cannot exist: MoMo answers 42 if partner and keys are right."""
        moment = f"{at.astimezone(VIETNAM):%Y%m%d%H%M%S%f}"
        question = {
            "requestId": request_id("check", moment),
            "orderId": f"check-{moment}",
            "lang": "vi",
        }
        try:
            code = self._call("query", question, signing.QUERY).code
        except GatewayUnavailableError as problem:
            return CheckResult(False, f"MoMo gave no usable answer: {problem.detail}.")
        sentence = _CHECKED.get(code, f"MoMo answered with code {code}, which was not expected.")
        return CheckResult(code == codes.ORDER_UNKNOWN, sentence)

    def _found_refund(self, order: RefundOrder) -> GatewayNotice:
        """Return what MoMo knows of a refund that must not be sent again."""
        notice = self.query_refund(order)
        if notice.reason_code == NOT_FOUND:
            raise GatewayUnavailableError("sent before, but MoMo does not find the refund")
        return notice

    def _closing_time(self, query: PaymentQuery) -> timedelta:
        open_for = timedelta(0) if query.expires_at else self._config.page_lifetime
        return open_for + self._config.grace

    def _store(self) -> dict[str, str]:
        named = {"storeId": self._config.store_id, "storeName": self._config.store_name}
        return {name: value for name, value in named.items() if value}

    def _call(self, path: str, request: Mapping[str, Any], names: Sequence[str]) -> Reply:
        # Never repeated from here: a call may take half a minute, and the caller comes back.
        body = {"partnerCode": self._config.partner_code, **request}
        values = {name: str(body[name]) for name in names}
        body[signing.SIGNATURE_FIELD] = signing.sign(
            names, values, access_key=self._config.access_key, secret_key=self._config.secret_key
        )
        answer = self._http.send(
            "POST",
            f"{self._config.api_url.rstrip('/')}{_PATH}/{path}",
            idempotent=False,
            headers={"Content-Type": "application/json; charset=UTF-8"},
            content=json.dumps(body, ensure_ascii=False).encode(),
        )
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise GatewayUnavailableError(f"MoMo answered with status {answer.status}")
        sent = {name: values[name] for name in _REPEATED[path]}
        reply = read_reply(answer.status, answer.body, sent)
        if reply.code in {codes.SUCCESS, codes.AUTHORISED} and answer.status != HTTPStatus.OK:
            raise GatewayUnavailableError(f"a success with status {answer.status}")
        return reply

    def _authentic(self, body: bytes) -> dict[str, str]:
        if len(body) > MAX_NOTICE_BYTES:
            raise InvalidSignatureError("the notice is too long to be looked at")
        try:
            whole = json_object(body)
        except ValueError as error:
            raise InvalidSignatureError(f"no signed object: {error}"[:200]) from error
        fields = texts(whole)
        if any(name in whole and name not in fields for name in signing.RESULT):
            raise InvalidSignatureError("a signed field is neither text nor number")
        if not signing.is_signed(fields, signing.RESULT, self._config.verifying_keys):
            raise InvalidSignatureError("the signature does not fit the fields")
        if fields.get("partnerCode") != self._config.partner_code:
            raise InvalidSignatureError("the notice is for another partner")
        return fields


@contextmanager
def _answers_understood() -> Iterator[None]:
    """Say of an answer that lacks something, or has too much, that the outcome is unknown."""
    try:
        yield
    except (ValueError, MoneyFormatError) as error:
        raise GatewayUnavailableError(f"MoMo's answer is not usable: {error}"[:200]) from error
