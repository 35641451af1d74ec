"""VNPay payment gateway 2.1.0: pay address, return and IPN, querydr, refund."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from typing_extensions import override

from adapters.gateways import vnpay_codes as codes
from adapters.gateways import vnpay_signing as signing
from adapters.gateways.base import GatewayBase
from adapters.gateways.vnpay_fields import (
    VERSION,
    flat_object,
    format_time,
    hundredfold,
    instant_or,
    limited,
    money,
    reason_of,
    request_id,
    safe,
)
from adapters.http import Caller
from core.clock import business_day
from core.errors import MoneyFormatError
from core.money import Money
from payments.channels import Rail
from payments.errors import (
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
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    StartedPayment,
    StartRequest,
)

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9 .:/_-]")
_MAX_OPERATOR: Final = 245
_NO_TRANSACTION: Final = frozenset({"", "0"})

_ANSWERS: Final[Mapping[NoticeResult, tuple[str, str]]] = {
    NoticeResult.APPLIED: ("00", "Confirm Success"),
    NoticeResult.ALREADY_APPLIED: ("02", "Order already confirmed"),
    NoticeResult.UNKNOWN_REFERENCE: ("01", "Order not found"),
    NoticeResult.AMOUNT_DIFFERS: ("04", "Invalid amount"),
    NoticeResult.INVALID_SIGNATURE: ("97", "Invalid signature"),
    NoticeResult.MALFORMED: ("99", "Unknown error"),
    NoticeResult.FAILED: ("99", "Unknown error"),
}

_CHECK_PASSED: Final = frozenset({codes.SUCCESS, codes.NOT_FOUND})
_CHECKED: Final[Mapping[str, str]] = {
    codes.SUCCESS: "VNPay answered and its signature fits.",
    codes.NOT_FOUND: "VNPay answered and its signature fits.",
    "02": "VNPay does not know this terminal code.",
    "97": "VNPay says that our signature is wrong: the hash secret is not this terminal's.",
}


@dataclass(frozen=True, slots=True)
class VNPayConfig:
    """One terminal at VNPay.

    ``previous_hash_secret`` still verifies while a rotation lasts. ``page_lifetime`` bounds how
    long a payer may pay when a query names no expiry; ``grace`` is added before an attempt
    that VNPay does not know counts as expired: longer than its ten calls in 50 minutes.
    """

    tmn_code: str
    hash_secret: str = field(repr=False)
    pay_url: str
    api_url: str
    previous_hash_secret: str = field(default="", repr=False)
    server_ip: str = "127.0.0.1"
    order_type: str = "other"
    page_lifetime: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(hours=1)

    @property
    def verifying_secrets(self) -> tuple[str, ...]:
        """The keys that VNPay's signatures may be made with just now."""
        return (self.hash_secret, self.previous_hash_secret)


class VNPayGateway(GatewayBase):
    """VNPay for one terminal."""

    def __init__(self, config: VNPayConfig, http: Caller) -> None:
        self._config = config
        self._http = http

    @property
    def rail(self) -> Rail:
        """VNPay."""
        return Rail.VNPAY

    @property
    def capabilities(self) -> Capabilities:
        """Pay page, IPN, querydr and refund; reports come as files, orders cannot be called off."""
        return Capabilities(
            redirects=True, notices=True, queries=True, refunds=True, refund_queries=True
        )

    @override
    def start(self, request: StartRequest) -> StartedPayment:
        """Return the signed pay address; nothing is sent, the payer's browser opens the order.

        Raises:
            GatewayRefusedError: a value does not fit VNPay's fields.
        """
        parameters = {
            "vnp_Version": VERSION,
            "vnp_Command": "pay",
            "vnp_TmnCode": self._config.tmn_code,
            "vnp_Amount": hundredfold(request.amount),
            "vnp_CreateDate": format_time(request.created_at),
            "vnp_ExpireDate": format_time(request.expires_at),
            "vnp_CurrCode": "VND",
            "vnp_IpAddr": limited("payer IP", request.payer_ip, 45),
            "vnp_Locale": "vn" if request.locale.startswith("vi") else "en",
            "vnp_OrderInfo": safe("description", request.description, 255),
            "vnp_OrderType": self._config.order_type,
            "vnp_ReturnUrl": limited("return address", request.return_url, 255),
            "vnp_TxnRef": safe("merchant reference", request.merchant_reference, 100),
        }
        query = signing.signed_query(parameters, self._config.hash_secret)
        return StartedPayment(redirect_url=f"{self._config.pay_url}?{query}")

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        """Authenticate an IPN call.

        VNPay signs no sending time, so age cannot be judged; a repeated call has the same
        ``event_key`` and changes nothing.

        Raises:
            InvalidSignatureError: not signed for this terminal.
            MalformedNoticeError: signed, but without what an IPN must have.
        """
        fields = self._authentic(event.query_string)
        outcome = codes.notice_outcome(
            fields.get("vnp_ResponseCode", ""), fields.get("vnp_TransactionStatus", "")
        )
        try:
            return self._payment_notice(fields, outcome, event.received_at)
        except (ValueError, MoneyFormatError) as error:
            raise MalformedNoticeError(str(error)) from error

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        """Return the ``RspCode`` that stops VNPay (00, 02) or lets it call again."""
        del event
        code, message = _ANSWERS[result]
        return NoticeAnswer(200, json.dumps({"RspCode": code, "Message": message}).encode())

    @override
    def query(self, query: PaymentQuery) -> GatewayNotice:
        """Ask by ``querydr``.

        VNPay learns of an order when the payer opens the pay address; one that it does not know
        is PENDING until nobody can open it any more, then EXPIRED. With the transaction number
        of a refund as ``provider_txn_id`` the notice is about that refund.

        Raises:
            GatewayUnavailableError: no answer, no signature, or a refusal to answer: the
                outcome of the payment is as unknown as before.
        """
        request = {
            "vnp_RequestId": request_id(query.request_id),
            "vnp_Version": VERSION,
            "vnp_Command": "querydr",
            "vnp_TmnCode": self._config.tmn_code,
            "vnp_TxnRef": query.merchant_reference,
            "vnp_TransactionDate": format_time(query.created_at),
            "vnp_CreateDate": format_time(query.asked_at),
            "vnp_IpAddr": self._config.server_ip,
            "vnp_OrderInfo": f"Truy van {query.merchant_reference}",
        }
        if query.provider_txn_id:
            request["vnp_TransactionNo"] = query.provider_txn_id
        fields = self._call(request, signing.QUERY_REQUEST, signing.QUERY_RESPONSE)
        code = fields.get("vnp_ResponseCode", "")
        if code == codes.NOT_FOUND:
            return self._unknown_to_vnpay(query)
        if code != codes.SUCCESS or fields.get("vnp_TxnRef") != query.merchant_reference:
            raise GatewayUnavailableError(f"querydr was answered with code {code!r}")
        return self._understood(fields, query.asked_at)

    @override
    def refund(self, order: RefundOrder) -> GatewayNotice:
        """Ask for a refund; VNPay works on it for days, so the answer is PENDING as a rule.

        The request id is derived from ``refund_reference``, so that VNPay knows a repeated
        request, but only on the same day: an order that was sent on an earlier day is asked
        about by its number, or stays in doubt until the settlement report names it.
        Code ``94`` (one is already being processed) leaves the outcome unknown.

        Raises:
            GatewayRefusedError: more than was paid, or VNPay refused: no money moves.
            GatewayUnavailableError: the outcome is unknown.
        """
        if not Money(0, order.amount.currency) < order.amount <= order.paid_amount:
            raise GatewayRefusedError("a refund is above 0 and at most what was paid")
        if order.refund_txn_id:
            return self.query_refund(order)
        sent_at = order.submitted_at or order.asked_at
        if business_day(sent_at) != business_day(order.asked_at):
            raise GatewayUnavailableError("sent on an earlier day: sending again might pay twice")
        request = self._refund_request(order)
        fields = self._call(request, signing.REFUND_REQUEST, signing.REFUND_RESPONSE)
        code = fields.get("vnp_ResponseCode", "")
        if code in codes.REFUSED_REQUEST:
            raise GatewayRefusedError(f"the refund was refused with code {code}")
        if code != codes.SUCCESS or fields.get("vnp_TxnRef") != order.merchant_reference:
            raise GatewayUnavailableError(f"the refund was answered with code {code!r}")
        return self._understood(fields, order.asked_at)

    @override
    def query_refund(self, order: RefundOrder) -> GatewayNotice:
        """Ask by ``querydr`` with the refund's number; without it VNPay cannot be asked.

        Raises:
            GatewayUnavailableError: the number is not known, or there was no usable answer.
        """
        if not order.refund_txn_id:
            raise GatewayUnavailableError("VNPay is asked by the refund's number, which is unknown")
        asked = f"{order.refund_reference}:{order.asked_at.isoformat()}"
        notice = self.query(
            PaymentQuery(
                merchant_reference=order.merchant_reference,
                provider_reference=None,
                provider_txn_id=order.refund_txn_id,
                created_at=order.paid_created_at,
                asked_at=order.asked_at,
                request_id=request_id(asked),
                amount=order.paid_amount,
            )
        )
        if notice.kind is not NoticeKind.REFUND:
            raise GatewayUnavailableError("VNPay answered about the payment, not the refund")
        return notice

    @override
    def check(self, *, at: datetime) -> CheckResult:
        """Ask about an order that cannot exist: VNPay answers 91 if terminal and key are right."""
        asked_at = format_time(at)
        request = {
            "vnp_RequestId": request_id(f"check{asked_at}{self._config.tmn_code}"),
            "vnp_Version": VERSION,
            "vnp_Command": "querydr",
            "vnp_TmnCode": self._config.tmn_code,
            "vnp_TxnRef": f"check-{asked_at}",
            "vnp_TransactionDate": asked_at,
            "vnp_CreateDate": asked_at,
            "vnp_IpAddr": self._config.server_ip,
            "vnp_OrderInfo": "Kiem tra ket noi",
        }
        try:
            fields = self._call(request, signing.QUERY_REQUEST, signing.QUERY_RESPONSE)
        except GatewayUnavailableError as problem:
            return CheckResult(False, f"VNPay gave no usable answer: {problem.detail}.")
        code = fields.get("vnp_ResponseCode", "")
        return CheckResult(code in _CHECK_PASSED, _CHECKED.get(code, f"VNPay answered {code!r}."))

    def _refund_request(self, order: RefundOrder) -> dict[str, str]:
        whole = order.amount == order.paid_amount
        operator = _UNSAFE.sub("", order.operator)[:_MAX_OPERATOR]
        return {
            "vnp_RequestId": request_id(order.refund_reference),
            "vnp_Version": VERSION,
            "vnp_Command": "refund",
            "vnp_TmnCode": self._config.tmn_code,
            "vnp_TransactionType": codes.FULL_REFUND_TYPE if whole else codes.PARTIAL_REFUND_TYPE,
            "vnp_TxnRef": order.merchant_reference,
            "vnp_Amount": hundredfold(order.amount),
            "vnp_TransactionNo": order.provider_txn_id or "",
            "vnp_TransactionDate": format_time(order.paid_created_at),
            "vnp_CreateBy": operator or "officer",
            "vnp_CreateDate": format_time(order.asked_at),
            "vnp_IpAddr": self._config.server_ip,
            "vnp_OrderInfo": safe("description", order.description, 255),
        }

    def _call(
        self,
        request: dict[str, str],
        signed_fields: Sequence[str],
        answer_fields: Sequence[str],
    ) -> dict[str, str]:
        # Never repeated from here: a request id counts once a day, a question needs a new one.
        text = signing.pipe_string(signed_fields, request)
        request[signing.HASH_FIELD] = signing.hmac_sha512(text, self._config.hash_secret)
        answer = self._http.send(
            "POST",
            self._config.api_url,
            idempotent=False,
            headers={"Content-Type": "application/json"},
            content=json.dumps(request).encode(),
        )
        fields = flat_object(answer.body)
        if not signing.is_signed_object(fields, answer_fields, self._config.verifying_secrets):
            raise GatewayUnavailableError("VNPay's answer does not bear its signature")
        if fields.get("vnp_TmnCode", self._config.tmn_code) != self._config.tmn_code:
            raise GatewayUnavailableError("VNPay's answer is about another terminal")
        return fields

    def _authentic(self, query_string: str) -> dict[str, str]:
        fields = signing.read_signed_query(query_string, self._config.verifying_secrets)
        if fields is None:
            raise InvalidSignatureError("vnp_SecureHash does not fit the parameters")
        if fields.get("vnp_TmnCode") != self._config.tmn_code:
            raise InvalidSignatureError("the notice is for another terminal")
        return fields

    def _understood(self, fields: Mapping[str, str], asked_at: datetime) -> GatewayNotice:
        status = fields.get("vnp_TransactionStatus", "")
        try:
            if fields.get("vnp_TransactionType") in codes.REFUND_TYPES:
                return self._refund_notice(fields, codes.refund_outcome(status), asked_at)
            outcome = codes.queried_payment_outcome(status)
            return self._payment_notice(fields, outcome, asked_at)
        except (ValueError, MoneyFormatError) as error:
            raise GatewayUnavailableError(str(error)) from error

    def _payment_notice(
        self, fields: Mapping[str, str], outcome: Outcome, seen_at: datetime
    ) -> GatewayNotice:
        transaction = fields.get("vnp_TransactionNo", "")
        reference = fields.get("vnp_TxnRef", "")
        response_code = fields.get("vnp_ResponseCode", "")
        status = fields.get("vnp_TransactionStatus", "")
        if not reference:
            raise ValueError("the message names no vnp_TxnRef")
        collected = money(fields.get("vnp_Amount", ""))
        return GatewayNotice(
            # The codes belong to the key: a payment held as suspect (07) and released later
            # (00) has one transaction number, and the second message must not be dropped.
            event_key=f"{self._config.tmn_code}:{reference}:{transaction}:{response_code}:{status}",
            kind=NoticeKind.PAYMENT,
            merchant_reference=reference,
            outcome=outcome,
            amount=collected if outcome is Outcome.SUCCEEDED else None,
            occurred_at=instant_or(fields.get("vnp_PayDate", ""), seen_at),
            provider_txn_id=None if transaction in _NO_TRANSACTION else transaction,
            reason_code=reason_of(response_code, status),
        )

    def _refund_notice(
        self, fields: Mapping[str, str], outcome: Outcome, seen_at: datetime
    ) -> GatewayNotice:
        transaction = fields.get("vnp_TransactionNo", "")
        reference = fields.get("vnp_TxnRef", "")
        status = fields.get("vnp_TransactionStatus", "")
        return GatewayNotice(
            event_key=f"{self._config.tmn_code}:{reference}:{transaction}:refund:{status}",
            kind=NoticeKind.REFUND,
            merchant_reference=reference,
            outcome=outcome,
            amount=money(fields.get("vnp_Amount", "")),
            occurred_at=instant_or(fields.get("vnp_PayDate", ""), seen_at),
            provider_txn_id=None if transaction in _NO_TRANSACTION else transaction,
            reason_code=status,
        )

    def _unknown_to_vnpay(self, query: PaymentQuery) -> GatewayNotice:
        closed_at = query.expires_at or query.created_at + self._config.page_lifetime
        expired = query.asked_at > closed_at + self._config.grace
        return GatewayNotice(
            event_key=f"{self._config.tmn_code}:{query.merchant_reference}:not_found:{expired}",
            kind=NoticeKind.PAYMENT,
            merchant_reference=query.merchant_reference,
            outcome=Outcome.EXPIRED if expired else Outcome.PENDING,
            amount=None,
            occurred_at=query.asked_at,
            reason_code=codes.NOT_FOUND,
        )
