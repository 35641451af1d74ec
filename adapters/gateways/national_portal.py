"""EXPERIMENTAL. National Public Service Portal, Payment Platform 1.0.6: start, result, query.

No official text was found: everything here was read in the public program of one provincial
one-stop system. What is not certain is listed in ``docs/rails/national-portal.md`` and has to be
confirmed with the portal's operator before real money is asked for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from typing_extensions import override

from adapters.gateways import national_portal_signing as signing
from adapters.gateways.base import NOT_FOUND, GatewayBase
from adapters.gateways.national_portal_codes import ANSWERS, DONE, OUTCOMES
from adapters.gateways.national_portal_fields import (
    CURRENCY,
    VERSION,
    amount_text,
    format_time,
    parse_amount,
    parse_time,
    payment_text,
    read_object,
    receipt_data,
    reference_for_portal,
    reference_from_portal,
    texts,
    transaction_id,
)
from adapters.http import Caller
from core.errors import SettingsError
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
    StartedPayment,
    StartRequest,
)

_ENVELOPE_DONE: Final = "0"
_REFUSING_STATUSES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_PDF: Final = b"%PDF-"


@dataclass(frozen=True, slots=True)
class NationalPortalConfig:
    """One partner at the platform; every address and secret comes from the portal's operator.

    ``previous_secret`` still verifies while a rotation lasts. ``receipt_message`` is the
    ``LoaiBanTin`` of a receipt request, which no source shows. ``not_found_codes`` are the
    ``MaLoi`` by which the platform says that it knows no such reference: without them an attempt
    it never saw stays pending. With ``callback_suffices`` a signed result that says paid is
    believed; without, it waits for the answer to a query. ``phi_kind`` and ``le_phi_kind`` are
    the values of ``LoaiPhiLePhi``. ``page_lifetime`` bounds how long one may pay where a query
    names no expiry, ``grace`` is added before an unknown attempt counts as expired.
    """

    partner_code: str
    secret: str = field(repr=False)
    init_url: str
    query_url: str
    receipt_url: str = ""
    receipt_message: str = ""
    previous_secret: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    not_found_codes: frozenset[str] = frozenset()
    callback_suffices: bool = True
    phi_kind: str = "phi"
    le_phi_kind: str = "le_phi"
    page_lifetime: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(days=3)

    def __post_init__(self) -> None:
        if not self.secret or signing.SEPARATOR in self.partner_code:
            raise SettingsError("the national portal needs a partner code without | and a secret")

    @property
    def verifying_secrets(self) -> tuple[str, ...]:
        """The keys that the platform's messages may be signed with just now."""
        return (self.secret, self.previous_secret)


class NationalPortalGateway(GatewayBase):
    """The portal's payment platform for one partner. EXPERIMENTAL."""

    def __init__(self, config: NationalPortalConfig, http: Caller) -> None:
        self._config = config
        self._http = http

    @property
    def rail(self) -> Rail:
        """The National Public Service Portal."""
        return Rail.NATIONAL_PORTAL

    @property
    def capabilities(self) -> Capabilities:
        """A page of the portal, its results, and questions; no refund is known in 1.0.6."""
        return Capabilities(redirects=True, notices=True, queries=True)

    @override
    def start(self, request: StartRequest) -> StartedPayment:
        """Open the payment by ``INIT`` and return the portal's page.

        Raises:
            GatewayRefusedError: a value does not fit, or the platform refused and gave no page.
            GatewayUnavailableError: no answer, or one that is not understood.
        """
        kinds = {"phi": self._config.phi_kind, "le_phi": self._config.le_phi_kind}
        message = {
            "LoaiBanTin": "INIT",
            "PhienBan": VERSION,
            "MaDoiTac": self._config.partner_code,
            "MaThamChieu": reference_for_portal(request.merchant_reference),
            "SoTien": amount_text(request.amount),
            "LoaiHinhThanhToan": "PAY",
            "MaKenhThanhToan": "1",
            "MaThietBi": "1",
            "NgonNgu": "vi-VN",  # the only value that is known
            "MaTienTe": CURRENCY,
            "MaNganHang": "PAYMENT",
            "ThongTinGiaoDich": payment_text(request),
            "ThoiGianGD": format_time(request.created_at),
            "Ip": request.payer_ip,
        }
        extra = {"ThongTinBienLai": receipt_data(request, kinds)}
        body = self._call(self._config.init_url, signing.INIT, message, extra)
        envelope = _understood(body)
        code = texts(envelope).get("error_code")
        if code is None:
            raise GatewayUnavailableError("the answer to INIT has no error_code")
        if code != _ENVELOPE_DONE:
            raise GatewayRefusedError(f"INIT was refused with error_code {code[:20]!r}")
        return StartedPayment(redirect_url=_page_address(_inner(envelope)))

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        """Authenticate the result that the platform sends us.

        It bears no sending time that could be judged; a repeated one has the same
        ``event_key`` and changes nothing. Its ``LoaiBanTin`` is signed but not compared: no
        source shows the word. A ``MaLoi`` other than ``00`` is not taken for the end, because
        the list of codes is not public: the query decides.

        Raises:
            InvalidSignatureError: not signed for this partner.
            MalformedNoticeError: signed, but without what a result must have.
        """
        try:
            fields = texts(read_object(event.body))
        except ValueError as error:
            raise InvalidSignatureError(f"the result cannot be read: {error}") from error
        if not signing.is_signed(signing.RESULT, fields, self._config.verifying_secrets):
            raise InvalidSignatureError("MaXacThuc does not fit the result")
        if fields.get("MaDoiTac") != self._config.partner_code:
            raise InvalidSignatureError("the result is for another partner")
        try:
            return self._result(fields, event.received_at)
        except ValueError as error:
            raise MalformedNoticeError(str(error)) from error

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        """Return ``MaLoi`` and what the result was about; never raises.

        Only a reference and a time in their own form are repeated, and nothing is signed for a
        sender who did not sign: we must not make digests of what a stranger chose.
        """
        try:
            fields = texts(read_object(event.body))
        except ValueError:
            fields = {}
        code, words = ANSWERS[result]
        reference, time = fields.get("MaThamChieu", ""), fields.get("ThoiGianGD", "")
        answer = {
            "MaLoi": code,
            "MoTaLoi": words,
            "MaDoiTac": self._config.partner_code,
            "MaThamChieu": reference if reference.isalnum() and reference.isascii() else "",
            "ThoiGianGD": time if parse_time(time) else format_time(event.received_at),
            signing.SIGNATURE_FIELD: "",
        }
        if result is not NoticeResult.INVALID_SIGNATURE:
            answer[signing.SIGNATURE_FIELD] = signing.digest(
                signing.RESULT_ANSWER, answer, self._config.secret
            )
        return NoticeAnswer(200, json.dumps(answer).encode())

    @override
    def query(self, query: PaymentQuery) -> GatewayNotice:
        """Ask by ``QUERY``, with exactly the ``ThoiGianGD`` that ``INIT`` bore.

        Raises:
            GatewayUnavailableError: no answer, or one that does not say how it stands.
        """
        fields = self._ask(reference_for_portal(query.merchant_reference), query.created_at)
        code = fields.get("MaLoi", DONE)
        if code in self._config.not_found_codes:
            return self._unknown_to_portal(query)
        status = fields.get("TrangThaiGD", "")
        if code != DONE or not status:
            raise GatewayUnavailableError(f"QUERY was answered with MaLoi {code[:20]!r}")
        if fields.get("MaDoiTac", self._config.partner_code) != self._config.partner_code:
            raise GatewayUnavailableError("the answer is about another partner")
        try:
            return self._state(query, fields, OUTCOMES.get(status, Outcome.PENDING))
        except ValueError as error:
            raise GatewayUnavailableError(str(error)) from error

    def receipt(self, query: PaymentQuery) -> bytes:
        """Fetch the portal's e-receipt of a paid attempt, a PDF file. Beyond the port.

        Raises:
            GatewayRefusedError: it cannot be asked for, or what came is not a PDF.
            GatewayUnavailableError: no answer.
        """
        if not (self._config.receipt_url and self._config.receipt_message):
            raise GatewayRefusedError("receipts need receipt_url and receipt_message of the portal")
        message = self._question(
            self._config.receipt_message,
            reference_for_portal(query.merchant_reference),
            query.created_at,
        )
        body = self._call(self._config.receipt_url, signing.QUERY, message)
        if not body.startswith(_PDF):
            raise GatewayRefusedError(f"the portal sent no PDF receipt{_named_error(body)}")
        return body

    @override
    def check(self, *, at: datetime) -> CheckResult:
        """Ask about a reference that cannot exist."""
        try:
            fields = self._ask(f"KIEMTRA{format_time(at)}", at)
        except GatewayUnavailableError as problem:
            return CheckResult(False, f"The portal gave no usable answer: {problem.detail}.")
        code = fields.get("MaLoi", "")
        if code in self._config.not_found_codes:
            return CheckResult(True, "The portal answered that it knows no such reference.")
        return CheckResult(
            False,
            f"The portal answered MaLoi {code[:20]!r}, TrangThaiGD"
            f" {fields.get('TrangThaiGD', '')[:20]!r} about a reference that does not exist. Its"
            " codes are not public: ask the operator whether this means an unknown reference or"
            " a wrong secret, and enter the code of an unknown reference in not_found_codes.",
        )

    def _ask(self, reference: str, opened_at: datetime) -> dict[str, str]:
        message = self._question("QUERY", reference, opened_at)
        try:
            body = self._call(self._config.query_url, signing.QUERY, message)
        except GatewayRefusedError as refusal:  # a question that is not answered decides nothing
            raise GatewayUnavailableError(refusal.detail) from refusal
        answer = _understood(body)
        code = texts(answer).get("error_code")
        # Whether this answer comes in the envelope of INIT is not known: both are read.
        if code not in {None, _ENVELOPE_DONE}:
            raise GatewayUnavailableError(f"QUERY was answered with error_code {str(code)[:20]!r}")
        fields = texts(answer if code is None else _inner(answer))
        if fields.get("MaThamChieu", reference) != reference:
            raise GatewayUnavailableError("the answer is about another reference")
        return fields

    def _question(self, kind: str, reference: str, opened_at: datetime) -> dict[str, str]:
        return {
            "LoaiBanTin": kind,
            "PhienBan": VERSION,
            "MaDoiTac": self._config.partner_code,
            "MaThamChieu": reference,
            "ThoiGianGD": format_time(opened_at),
        }

    def _call(
        self,
        url: str,
        order: tuple[str, ...],
        message: Mapping[str, str],
        extra: Mapping[str, Any] | None = None,
    ) -> bytes:
        # Never repeated from here: what the platform does with a second message is not known.
        try:
            signature = signing.digest(order, message, self._config.secret)
        except ValueError as error:
            raise GatewayRefusedError(str(error)) from error
        headers = {"Content-Type": "application/json"}
        if self._config.bearer_token:
            headers["Authorization"] = f"Bearer {self._config.bearer_token}"
        whole = {**message, **(extra or {}), signing.SIGNATURE_FIELD: signature}
        content = json.dumps(whole, ensure_ascii=False).encode()
        answer = self._http.send("POST", url, idempotent=False, headers=headers, content=content)
        if answer.status in _REFUSING_STATUSES:
            raise GatewayRefusedError(f"the portal does not let us in: HTTP {answer.status}")
        if answer.status != HTTPStatus.OK:
            raise GatewayUnavailableError(f"the portal answered HTTP {answer.status}")
        return answer.body

    def _result(self, fields: Mapping[str, str], received_at: datetime) -> GatewayNotice:
        reference = fields.get("MaThamChieu", "")
        code, transaction = fields.get("MaLoi", ""), transaction_id(fields)
        if fields.get("MaTienTe") != CURRENCY:
            raise ValueError("the result is not in VND")
        paid = code == DONE
        believed = paid and self._config.callback_suffices
        collected = parse_amount(fields.get("SoTien", ""))
        return GatewayNotice(
            event_key=f"{self._config.partner_code}:{reference}:{transaction}:{code}",
            kind=NoticeKind.PAYMENT,
            merchant_reference=reference_from_portal(reference),
            outcome=Outcome.SUCCEEDED if believed else Outcome.PENDING,
            amount=collected if believed else None,
            occurred_at=parse_time(fields.get("ThoiGianGD", "")) or received_at,
            provider_txn_id=transaction or None,
            reason_code="to_be_queried" if paid and not believed else code,
        )

    def _state(
        self, query: PaymentQuery, fields: Mapping[str, str], outcome: Outcome
    ) -> GatewayNotice:
        status, transaction = fields["TrangThaiGD"], transaction_id(fields)
        told = fields.get("SoTien", "")
        paid = outcome is Outcome.SUCCEEDED
        return GatewayNotice(
            event_key=f"{self._config.partner_code}:{query.merchant_reference}:status:{status}",
            kind=NoticeKind.PAYMENT,
            merchant_reference=query.merchant_reference,
            outcome=outcome,
            amount=parse_amount(told) if paid and told else None,
            occurred_at=_time_within(fields.get("ThoiGianGD", ""), query),
            provider_txn_id=transaction or None,
            reason_code=status,
        )

    def _unknown_to_portal(self, query: PaymentQuery) -> GatewayNotice:
        closed_at = query.expires_at or query.created_at + self._config.page_lifetime
        expired = query.asked_at > closed_at + self._config.grace
        return GatewayNotice(
            event_key=f"{self._config.partner_code}:{query.merchant_reference}:none:{expired}",
            kind=NoticeKind.PAYMENT,
            merchant_reference=query.merchant_reference,
            outcome=Outcome.EXPIRED if expired else Outcome.PENDING,
            amount=None,
            occurred_at=query.asked_at,
            reason_code=NOT_FOUND,
        )


def _understood(body: bytes) -> dict[str, Any]:
    try:
        return read_object(body)
    except ValueError as error:
        raise GatewayUnavailableError(f"the portal's answer cannot be read: {error}") from error


def _inner(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object that ``message`` holds as JSON text."""
    message = envelope.get("message")
    return _understood(message.encode() if isinstance(message, str) else b"")


def _page_address(content: Mapping[str, Any]) -> str:
    address = texts(content).get("UrlThanhToan", "")
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and parts.hostname and address.isascii()
    except ValueError:
        usable = False
    if not usable:
        raise GatewayUnavailableError("the answer to INIT has no usable UrlThanhToan")
    return address


def _time_within(text: str, query: PaymentQuery) -> datetime:
    """Return the time an answer tells if it can be true, else when it was asked."""
    told = parse_time(text)
    earliest, latest = query.created_at - _CLOCKS_DIFFER, query.asked_at + _CLOCKS_DIFFER
    return told if told and earliest <= told <= latest else query.asked_at


def _named_error(body: bytes) -> str:
    try:
        code = texts(read_object(body)).get("MaLoi", "")
    except ValueError:
        code = ""
    return f": MaLoi {code[:20]!r}" if code else ""
