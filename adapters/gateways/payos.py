"""payOS: a link whose payer transfers straight to the collecting account, told by webhook."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, Literal

from typing_extensions import override

from adapters.gateways import payos_notices as notices
from adapters.gateways import payos_signing as signing
from adapters.gateways.base import GatewayBase
from adapters.gateways.payos_references import LARGEST_CODE, order_code
from adapters.gateways.vietqr import transfer_purpose
from adapters.http import Answer, Caller
from core.errors import MoneyFormatError
from core.money import Currency, Money
from payments.channels import Rail
from payments.errors import (
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
    PaymentQuery,
    RawEvent,
    StartedPayment,
    StartRequest,
)

_PATH: Final = "/v2/payment-requests"
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_DENIED_CODES: Final = frozenset({"401", "403"})
_NOT_FOUND_CODE: Final = "101"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ANSWER_STATUS: Final[Mapping[NoticeResult, int]] = {
    NoticeResult.INVALID_SIGNATURE: HTTPStatus.BAD_REQUEST,
    NoticeResult.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class PayOSConfig:
    """One payment channel at payOS.

    ``previous_checksum_key`` still verifies while a rotation lasts. ``reference_prefix`` stands
    before our bill references. ``description_length`` is what payOS takes as purpose of transfer:
    25 characters for an account linked through payOS, else 9. A link that payOS does not know
    counts as expired ``grace`` after its expiry.
    """

    client_id: str
    api_key: str = field(repr=False)
    checksum_key: str = field(repr=False)
    reference_prefix: str
    previous_checksum_key: str = field(default="", repr=False)
    api_url: str = "https://api-merchant.payos.vn"
    description_length: Literal[9, 25] = 9
    grace: timedelta = timedelta(hours=1)

    @property
    def verifying_keys(self) -> tuple[str, str]:
        """The checksum keys that payOS may sign with just now."""
        return self.checksum_key, self.previous_checksum_key


@dataclass(frozen=True, slots=True)
class _Reply:
    """A complete answer: its code, and its signed ``data`` if it is a success."""

    status: int
    code: str
    desc: str
    data: Mapping[str, Any]

    @property
    def succeeded(self) -> bool:
        return self.code == notices.SUCCESS

    @property
    def denied(self) -> bool:
        """Whether client id and API key were not accepted: nothing else was looked at."""
        return self.status in _DENIED or self.code in _DENIED_CODES

    @property
    def not_found(self) -> bool:
        return self.status == HTTPStatus.NOT_FOUND or self.code == _NOT_FOUND_CODE

    @property
    def words(self) -> str:
        return f"code {self.code}, {self.desc!r}"


class PayOSGateway(GatewayBase):
    """payOS for one payment channel."""

    def __init__(self, config: PayOSConfig, http: Caller) -> None:
        self._config = config
        self._http = http

    @property
    def rail(self) -> Rail:
        """Links of payOS."""
        return Rail.PAYOS

    @property
    def capabilities(self) -> Capabilities:
        """Links that can be asked about and cancelled, and news of transfers; no refunds."""
        return Capabilities(redirects=True, notices=True, queries=True, cancels=True, credits=True)

    @override
    def start(self, request: StartRequest) -> StartedPayment:
        """Open a link and return its page, its code and its id.

        payOS takes an ``orderCode`` once. Opened again after a lost answer it is refused, and the
        address of the page is told nowhere else: the outcome is unknown and a query decides.

        Raises:
            GatewayRefusedError: a value does not fit payOS's fields, or the keys were refused.
            GatewayUnavailableError: whether the link is open is unknown.
        """
        amount = _whole_vnd(request.amount)
        code = self._order_code(request.merchant_reference)
        if not request.return_url:
            raise GatewayRefusedError("payOS needs an address to go back to")
        order: dict[str, Any] = {
            "orderCode": code,
            "amount": amount,
            "description": self._description(request),
            "cancelUrl": request.return_url,
            "returnUrl": request.return_url,
            "expiredAt": (request.expires_at - _EPOCH) // timedelta(seconds=1),
        }
        order["signature"] = signing.sign_create(order, self._config.checksum_key)
        reply = self._call("POST", "", order, idempotent=False)
        if reply.denied:
            raise GatewayRefusedError(f"payOS refused client id and API key: {reply.words}")
        if not reply.succeeded:
            # The codes of refusals are not published: this one may mean that the link is there.
            raise GatewayUnavailableError(f"the link was answered with {reply.words}")
        with _answers_understood():
            return self._opened(reply.data, code, amount)

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        """Authenticate a webhook; only its ``data`` is signed, so nothing else is believed.

        It bears no time of sending: a repeated one has the same keys and changes nothing.

        Raises:
            InvalidSignatureError: not signed by this channel's checksum key.
            MalformedNoticeError: signed, but without what a webhook must have.
        """
        data = self._authentic(event.body)
        try:
            return notices.webhook_notice(
                data, self._config.reference_prefix, received_at=event.received_at
            )
        except (ValueError, MoneyFormatError) as error:
            raise MalformedNoticeError(f"not a usable webhook: {error}"[:200]) from error

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        """Return 200 for every authentic message that is stored, else a status to send it again.

        payOS tries a new address with a dummy order and registers it only if that is answered
        2xx. What cannot be read now could not be read when repeated either.
        """
        del event
        status = _ANSWER_STATUS.get(result, HTTPStatus.OK)
        body = json.dumps({"success": status == HTTPStatus.OK, "result": result.value}).encode()
        return NoticeAnswer(status, body)

    @override
    def query(self, query: PaymentQuery) -> GatewayNotice:
        """Ask what became of a link; ``credits`` are all transfers to it, keyed as webhooks are.

        Raises:
            GatewayUnavailableError: no usable answer.
        """
        code = self._order_code(query.merchant_reference)
        reply = self._call("GET", f"/{code}", None, idempotent=True)
        return self._state(query, code, reply)

    @override
    def cancel(self, query: PaymentQuery) -> GatewayNotice:
        """Close a link; where payOS does not, because it is paid or closed, tell what became of it.

        Raises:
            GatewayRefusedError: the keys were refused.
            GatewayUnavailableError: no usable answer.
        """
        code = self._order_code(query.merchant_reference)
        known = query.provider_reference
        name = known if notices.is_link_id(known) else str(code)
        wish = {"cancellationReason": "Closed by the office"}
        reply = self._call("POST", f"/{name}/cancel", wish, idempotent=False)
        if reply.denied:
            raise GatewayRefusedError(f"payOS refused client id and API key: {reply.words}")
        return self._state(query, code, reply) if reply.succeeded else self.query(query)

    @override
    def check(self, *, at: datetime) -> CheckResult:
        """Ask about an order that we never make: client id and API key must be right for that.

        The checksum key is not needed for asking; the first link and the first webhook prove it.
        """
        del at
        try:
            reply = self._call("GET", f"/{LARGEST_CODE}", None, idempotent=True)
        except GatewayUnavailableError as problem:
            return CheckResult(False, f"payOS gave no usable answer: {problem.detail}.")
        if reply.denied:
            return CheckResult(False, "payOS does not accept this client id and API key.")
        if reply.succeeded or reply.not_found:
            sentence = (
                "payOS answered and took client id and API key; "
                "the checksum key is proved only by the first link."
            )
            return CheckResult(True, sentence)
        return CheckResult(False, f"payOS answered with {reply.words}, which was not expected.")

    def _order_code(self, merchant_reference: str) -> int:
        try:
            return order_code(merchant_reference, self._config.reference_prefix)
        except ValueError as error:
            raise GatewayRefusedError(f"no orderCode: {error}") from error

    def _description(self, request: StartRequest) -> str:
        """Return the purpose of transfer: the reference, or what nine characters hold of it."""
        bill = request.merchant_reference.rpartition("-")[0]
        longest = self._config.description_length
        return transfer_purpose(bill, request.description)[:longest].rstrip()

    def _opened(self, data: Mapping[str, Any], code: int, amount: int) -> StartedPayment:
        if (data.get("orderCode"), data.get("amount")) != (code, amount):
            raise ValueError("it is about another order")
        scheme = self._config.api_url.partition("://")[0]
        address = notices.text(data, "checkoutUrl")
        if not address.startswith(f"{scheme}://"):
            raise ValueError("it names no page")
        return StartedPayment(
            redirect_url=address,
            qr_payload=notices.text(data, "qrCode") or None,
            provider_reference=notices.link_id(data, "paymentLinkId"),
        )

    def _state(self, query: PaymentQuery, code: int, reply: _Reply) -> GatewayNotice:
        if reply.denied or not (reply.succeeded or reply.not_found):
            raise GatewayUnavailableError(f"the question was answered with {reply.words}")
        if not reply.succeeded:
            return notices.unknown_link(query, grace=self._config.grace)
        with _answers_understood():
            if reply.data.get("orderCode") != code:
                raise ValueError("it is about another order")
            return notices.link_notice(query, reply.data)

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, idempotent: bool
    ) -> _Reply:
        headers = {"x-client-id": self._config.client_id, "x-api-key": self._config.api_key}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False).encode()
        answer = self._http.send(
            method,
            f"{self._config.api_url.rstrip('/')}{_PATH}{path}",
            idempotent=idempotent,
            headers=headers,
            content=content,
        )
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise GatewayUnavailableError(f"payOS answered with status {answer.status}")
        with _answers_understood():
            return self._read(answer)

    def _read(self, answer: Answer) -> _Reply:
        read = notices.json_object(answer.body)
        code, desc = notices.text(read, "code"), notices.text(read, "desc")[:80]
        if not code:
            raise ValueError(f"a status {answer.status} without a code")
        if code != notices.SUCCESS:
            return _Reply(answer.status, code, desc, {})
        data = read.get("data")
        if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED} or not isinstance(data, dict):
            raise ValueError(f"a success with status {answer.status}, or without data")
        if not signing.is_signed(data, read.get("signature"), self._config.verifying_keys):
            raise ValueError("its signature does not fit: is the checksum key right?")
        return _Reply(answer.status, code, desc, data)

    def _authentic(self, body: bytes) -> dict[str, Any]:
        if len(body) > MAX_NOTICE_BYTES:
            raise InvalidSignatureError("the notice is too long to be looked at")
        try:
            read = notices.json_object(body)
        except ValueError as error:
            raise InvalidSignatureError(f"no signed object: {error}"[:200]) from error
        data = read.get("data")
        if not isinstance(data, dict):
            raise InvalidSignatureError("there is no data that could be signed")
        if not signing.is_signed(data, read.get("signature"), self._config.verifying_keys):
            raise InvalidSignatureError("the signature does not fit the data")
        if signing.is_ambiguous(data, notices.WEBHOOK):
            raise InvalidSignatureError("the data could be read as another message")
        return data


def _whole_vnd(amount: Money) -> int:
    if amount.currency is not Currency.VND or amount.amount_minor <= 0:
        raise GatewayRefusedError("payOS collects whole VND above 0")
    return amount.amount_minor


@contextmanager
def _answers_understood() -> Iterator[None]:
    """Say of an answer that lacks something that the outcome is unknown."""
    try:
        yield
    except (ValueError, MoneyFormatError) as error:
        raise GatewayUnavailableError(f"payOS's answer is not usable: {error}"[:200]) from error
