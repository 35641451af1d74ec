"""ZaloPay v2: create, callback, query, refund, query_refund."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from typing_extensions import override

from adapters.gateways import zalopay_codes as codes
from adapters.gateways import zalopay_fields as fields
from adapters.gateways import zalopay_notices as notices
from adapters.gateways import zalopay_signing as signing
from adapters.gateways.base import NOT_FOUND, GatewayBase
from adapters.http import Caller
from core.clock import business_day
from core.errors import MoneyFormatError, SettingsError
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

API_URL: Final = "https://openapi.zalopay.vn"

_APP_ID: Final = re.compile(r"[1-9][0-9]{0,9}")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9 .,:/_-]")
_MAX_DESCRIPTION: Final = 256
_MAX_USER: Final = 50
_ORDER_CALLBACK: Final = 1
_AGREEMENT_CALLBACK: Final = 2

_ANSWERS: Final[Mapping[NoticeResult, tuple[int, str]]] = {
    NoticeResult.APPLIED: (1, "success"),
    NoticeResult.ALREADY_APPLIED: (1, "already handled"),
    NoticeResult.AMOUNT_DIFFERS: (1, "taken with another amount"),
    NoticeResult.UNKNOWN_REFERENCE: (0, "order not known"),
    NoticeResult.MALFORMED: (0, "data not understood"),
    NoticeResult.FAILED: (0, "not handled yet"),
    NoticeResult.INVALID_SIGNATURE: (-1, "mac not equal"),
}
"""A callback tells of collected money. ``1`` ends it: booked, be it before or with another
amount. ``0`` has ZaloPay call again, where nobody has booked it yet; ``-1`` is the one word for a
wrong signature. ``2`` (handled before) stands only in older texts and is not said."""


@dataclass(frozen=True, slots=True)
class ZaloPayConfig:
    """One application at ZaloPay.

    ``key1`` signs our requests; ``key2`` verifies callbacks, ``previous_key2`` as well while a
    rotation lasts (ZaloPay signs nothing with ``key1``, so it has no predecessor). ``app_user``
    is what ZaloPay is told of the payer: nothing. ``grace`` is added before an order that ZaloPay
    does not know counts as expired.

    Raises:
        SettingsError: ``app_id`` is not a number.
    """

    app_id: str
    key1: str = field(repr=False)
    key2: str = field(repr=False)
    previous_key2: str = field(default="", repr=False)
    api_url: str = API_URL
    app_user: str = "doisoat"
    grace: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if not _APP_ID.fullmatch(self.app_id):
            raise SettingsError(f"a ZaloPay app id is a number, not {self.app_id[:20]!r}")

    @property
    def verifying_keys(self) -> tuple[str, ...]:
        """The keys that ZaloPay's callbacks may be signed with just now."""
        return (self.key2, self.previous_key2)


class ZaloPayGateway(GatewayBase):
    """ZaloPay for one application."""

    def __init__(self, config: ZaloPayConfig, http: Caller) -> None:
        self._config = config
        self._http = http

    @property
    def rail(self) -> Rail:
        """ZaloPay."""
        return Rail.ZALOPAY

    @property
    def capabilities(self) -> Capabilities:
        """Pay page, callbacks, queries and refunds; reports come as files."""
        return Capabilities(
            redirects=True, notices=True, queries=True, refunds=True, refund_queries=True
        )

    @override
    def start(self, request: StartRequest) -> StartedPayment:
        """Create the order and return its page.

        Everything sent depends on the request alone, so that ZaloPay knows a repeated one. It
        then says that it has the order, not where its page is: if the answer to the first call
        was lost, nobody can pay this order and its outcome is asked for until it has expired.
        The call is never repeated by itself: after midnight the repetition would be refused for
        its date although the first call had opened the order.

        Raises:
            GatewayRefusedError: a value does not fit, or ZaloPay refused (also because the
                attempt is of yesterday, or more than 15 minutes old): there is no order.
            AttemptKnownError: the order exists already.
            GatewayUnavailableError: the answer is lost or not understood.
        """
        sent = signing.signed(signing.CREATE, self._order(request), self._config.key1)
        answer = self._call("create", sent, idempotent=False)
        code, detail = notices.read_codes(answer)
        if code == codes.SUCCESS and notices.is_address(answer.get("order_url")):
            return StartedPayment(redirect_url=answer["order_url"])
        if (code == codes.FAILED and detail in codes.START_REFUSED) or code in codes.START_REFUSED:
            told = notices.reason(code, detail)
            raise GatewayRefusedError(f"the order was refused with code {told}")
        if detail == codes.DUPLICATE_ORDER:
            raise AttemptKnownError("ZaloPay has this order already; its page is not known")
        told = notices.reason(code, detail)
        raise GatewayUnavailableError(f"create was answered with code {told}")

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        """Authenticate a callback; it comes only when money was collected.

        ``type`` stands outside what is signed: it may turn an order into news of no consequence,
        which the next callback or query corrects, but makes nothing paid. No sending time is
        signed; a repeated callback has the same ``event_key``.

        Raises:
            InvalidSignatureError: not signed for this application.
            MalformedNoticeError: signed, but without what a callback must have.
        """
        kind, data = self._authentic(event.body)
        try:
            content = fields.json_object(data)
            if str(content.get("app_id")) != self._config.app_id:
                raise InvalidSignatureError("the callback is for another application")
            if kind == _AGREEMENT_CALLBACK:
                return notices.of_agreement(content, event.received_at)
            if type(kind) is not int or kind != _ORDER_CALLBACK:
                raise MalformedNoticeError(f"callbacks of type {kind!r} are not known")
            return notices.of_collection(self._config.app_id, content, event.received_at)
        except (ValueError, MoneyFormatError) as error:
            raise MalformedNoticeError(str(error)) from error

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        """Return the ``return_code`` that ends the calls (1) or lets ZaloPay call again (0)."""
        del event
        code, message = _ANSWERS[result]
        body = fields.json_text({"return_code": code, "return_message": message})
        return NoticeAnswer(HTTPStatus.OK, body.encode())

    @override
    def query(self, query: PaymentQuery) -> GatewayNotice:
        """Ask by ``app_trans_id``, which is made again of the day the attempt was created.

        An order that ZaloPay does not know is PENDING until nobody could pay it any more.

        Raises:
            GatewayUnavailableError: no answer, not understood, or a refusal to answer: the
                outcome of the payment is as unknown as before.
        """
        app_trans_id = fields.order_id(query.merchant_reference, query.created_at)
        answer = self._ask_order(app_trans_id)
        code, detail = notices.read_codes(answer)
        if code == codes.FAILED and detail == codes.UNKNOWN_ORDER:
            return notices.of_unknown(self._config.app_id, query, self._config.grace)
        if code not in {codes.SUCCESS, codes.FAILED, codes.PROCESSING}:
            raise GatewayUnavailableError(f"the query was answered with code {code}")
        if code == codes.FAILED and detail in codes.UNANSWERED:
            raise GatewayUnavailableError(f"the query was answered with code {detail}")
        try:
            return notices.of_query(self._config.app_id, query, app_trans_id, answer)
        except (ValueError, MoneyFormatError) as error:
            raise GatewayUnavailableError(str(error)) from error

    @override
    def refund(self, order: RefundOrder) -> GatewayNotice:
        """Ask for a refund; ZaloPay works on it later, so that the answer is PENDING.

        ``m_refund_id`` is made of ``refund_reference`` and the day of the first sending: sent
        again on that day it is a duplicate, and ZaloPay is asked what became of the first. On a
        later day nothing is sent any more: a new date would make it a second refund.

        Raises:
            GatewayRefusedError: more than was paid, or ZaloPay refused: no money moves.
            GatewayUnavailableError: the outcome is unknown.
        """
        if not Money(0, order.amount.currency) < order.amount <= order.paid_amount:
            raise GatewayRefusedError("a refund is above 0 and at most what was paid")
        if not order.provider_txn_id:
            raise GatewayRefusedError("without its zp_trans_id a payment cannot be refunded")
        first_sent_at = order.submitted_at or order.asked_at
        if order.refund_txn_id or business_day(first_sent_at) != business_day(order.asked_at):
            return self._known_refund(order)
        answer = self._call("refund", self._refund_request(order), idempotent=False)
        code, detail = notices.read_codes(answer)
        if code in {codes.SUCCESS, codes.PROCESSING}:
            told = notices.reason(code, detail)
            return notices.of_refund(order, self._refund_id(order), Outcome.PENDING, told)
        if code == codes.FAILED and detail in codes.REFUND_REFUSED:
            raise GatewayRefusedError(f"the refund was refused with code {detail}")
        if code == codes.FAILED:  # a duplicate, or a word not known here: perhaps it has begun
            return self._known_refund(order)
        raise GatewayUnavailableError(f"the refund was answered with code {code}")

    @override
    def query_refund(self, order: RefundOrder) -> GatewayNotice:
        """Ask by ``m_refund_id``; one that ZaloPay does not know is PENDING, ``not_found``.

        Raises:
            GatewayUnavailableError: there was no usable answer.
        """
        request = {
            "app_id": int(self._config.app_id),
            "m_refund_id": self._refund_id(order),
            "timestamp": fields.milliseconds(order.asked_at),
        }
        sent = signing.signed(signing.QUERY_REFUND, request, self._config.key1)
        code, detail = notices.read_codes(self._call("query_refund", sent, idempotent=True))
        if code not in {codes.SUCCESS, codes.FAILED, codes.PROCESSING}:
            raise GatewayUnavailableError(f"query_refund was answered with code {code}")
        if code == codes.FAILED and detail in codes.UNANSWERED:
            raise GatewayUnavailableError(f"query_refund was answered with code {detail}")
        if code == codes.FAILED and detail == codes.UNKNOWN_REFUND:
            return notices.of_refund(order, self._refund_id(order), Outcome.PENDING, NOT_FOUND)
        outcome, told = codes.refund_outcome(code, detail), notices.reason(code, detail)
        return notices.of_refund(order, self._refund_id(order), outcome, told)

    @override
    def check(self, *, at: datetime) -> CheckResult:
        """Ask about an order that cannot exist: ZaloPay answers so if app id and key 1 are right.

        Key 2 only verifies callbacks; no call can show whether it is right.
        """
        never = fields.order_id(f"check-{fields.milliseconds(at)}", at)
        try:
            code, detail = notices.read_codes(self._ask_order(never))
        except GatewayUnavailableError as problem:
            return CheckResult(False, f"ZaloPay gave no usable answer: {problem.detail}.")
        known = {codes.SUCCESS, codes.PROCESSING}
        found = codes.CHECKED.get(code if code < 0 else detail)
        if found is None and code in known:
            found = codes.CHECKED[codes.UNKNOWN_ORDER]
        works, sentence = found or (False, f"ZaloPay answered {notices.reason(code, detail)}.")
        if works:
            sentence += " Key 2 is only proved by the first callback."
        return CheckResult(works, sentence)

    def _order(self, request: StartRequest) -> dict[str, object]:
        lifetime = fields.page_lifetime(request.created_at, request.expires_at)
        order: dict[str, object] = {
            "app_id": int(self._config.app_id),
            "app_trans_id": fields.order_id(request.merchant_reference, request.created_at),
            "app_user": _UNSAFE.sub("", self._config.app_user)[:_MAX_USER],
            "app_time": fields.milliseconds(request.created_at),
            "amount": fields.asked(request.amount),
            "item": "[]",
            "embed_data": fields.json_text({"redirecturl": request.return_url}),
            "description": request.description[:_MAX_DESCRIPTION],
            "redirect_url": request.return_url,
            "expire_duration_seconds": int(lifetime.total_seconds()),
        }
        return order | ({"callback_url": request.notice_url} if request.notice_url else {})

    def _ask_order(self, app_trans_id: str) -> dict[str, Any]:
        request = {"app_id": int(self._config.app_id), "app_trans_id": app_trans_id}
        sent = signing.signed(signing.QUERY, request, self._config.key1)
        return self._call("query", sent, idempotent=True)

    def _refund_request(self, order: RefundOrder) -> dict[str, object]:
        request = {
            "app_id": int(self._config.app_id),
            "m_refund_id": self._refund_id(order),
            "zp_trans_id": order.provider_txn_id,
            "amount": fields.asked(order.amount),
            "description": _UNSAFE.sub("", order.description)[:_MAX_DESCRIPTION] or "Hoan tien",
            "timestamp": fields.milliseconds(order.asked_at),
        }
        return signing.signed(signing.REFUND, request, self._config.key1)

    def _refund_id(self, order: RefundOrder) -> str:
        sent_at = order.submitted_at or order.asked_at
        return order.refund_txn_id or fields.refund_id(
            order.refund_reference, self._config.app_id, sent_at
        )

    def _known_refund(self, order: RefundOrder) -> GatewayNotice:
        """Tell what became of a refund that was sent before; sending it again might pay twice."""
        notice = self.query_refund(order)
        if notice.reason_code == NOT_FOUND:
            raise GatewayUnavailableError("ZaloPay does not know a refund that was sent before")
        return notice

    def _call(
        self, name: str, request: Mapping[str, object], *, idempotent: bool
    ) -> dict[str, Any]:
        answer = self._http.send(
            "POST",
            f"{self._config.api_url.rstrip('/')}/v2/{name}",
            idempotent=idempotent,
            headers={"Content-Type": "application/json"},
            content=fields.json_text(request).encode(),
        )
        if answer.status != HTTPStatus.OK:
            raise GatewayUnavailableError(f"ZaloPay answered with HTTP {answer.status}")
        try:
            return fields.json_object(answer.body)
        except ValueError as error:
            raise GatewayUnavailableError(f"ZaloPay's answer is not usable: {error}") from error

    def _authentic(self, body: bytes) -> tuple[object, str]:
        try:
            envelope = fields.json_object(body)
        except ValueError as error:
            raise InvalidSignatureError("the callback is no JSON object") from error
        data, claimed = envelope.get("data"), envelope.get(signing.MAC)
        if not isinstance(data, str) or not isinstance(claimed, str):
            raise InvalidSignatureError("the callback bears no data or no mac")
        if not signing.is_signed(data, claimed, self._config.verifying_keys):
            raise InvalidSignatureError("the mac does not fit the data")
        return envelope.get("type"), data
