"""What the payment domain asks of the outside, in its own words: the ``PaymentGateway`` port.

An adapter translates; it decides nothing about money. What it cannot say for certain it reports
as ``Outcome.PENDING`` or as :class:`GatewayUnavailableError`, never as a failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from core.money import Money
from payments.channels import Channel

MAX_NOTICE_BYTES: Final = 256 * 1024
"""A larger notice is refused before it is read."""


class Outcome(StrEnum):
    """What a channel says of one attempt. Only the last four are final."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the channel will not change its mind."""
        return self is not Outcome.PENDING


class NoticeKind(StrEnum):
    """What a verified message is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can do; asked before calling, instead of methods that throw."""

    redirects: bool
    notices: bool
    queries: bool
    refunds: bool
    settlement_report: bool


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One attempt to be opened at the channel.

    ``merchant_reference`` is ours, unique for ever (bill reference, ``-``, attempt number);
    ``description`` is plain ASCII ``[A-Za-z0-9 ]``; instants carry an offset.
    """

    merchant_reference: str
    bill_reference: str
    amount: Money
    description: str
    return_url: str
    payer_ip: str
    locale: str
    created_at: datetime
    expires_at: datetime
    collecting_bank_bin: str = ""
    collecting_account: str = ""
    collecting_account_name: str = ""


@dataclass(frozen=True, slots=True)
class StartedPayment:
    """The channel's answer to a start: where to send the payer, or what to show.

    Exactly one of ``redirect_url`` and ``qr_payload`` is set. ``provider_reference`` is the
    channel's own id of the attempt where it gives one at once (a Stripe Checkout Session).
    """

    redirect_url: str | None = None
    qr_payload: str | None = None
    provider_reference: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentQuery:
    """What a channel needs to be asked again what became of an attempt.

    ``created_at`` and ``expires_at`` are those of the start request. Without ``expires_at`` an
    attempt that the channel does not know stays PENDING for as long as its page could be open.
    """

    merchant_reference: str
    provider_reference: str | None
    provider_txn_id: str | None
    created_at: datetime
    asked_at: datetime
    request_id: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """One refund to be sent through the channel; ``refund_reference`` makes it idempotent.

    Channels remember that reference for a day or less. When an order is sent again,
    ``submitted_at`` says when it was sent first and ``refund_txn_id`` is the channel's own id of
    the refund if an earlier answer told it: the gateway then asks instead of paying twice.
    """

    refund_reference: str
    merchant_reference: str
    provider_reference: str | None
    provider_txn_id: str | None
    amount: Money
    paid_amount: Money
    paid_created_at: datetime
    asked_at: datetime
    operator: str
    description: str
    submitted_at: datetime | None = None
    refund_txn_id: str | None = None


@dataclass(frozen=True, slots=True)
class RawEvent:
    """A message exactly as it came, stored before anything else is done with it."""

    channel: Channel
    method: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class GatewayNotice:
    """A message of the channel, authenticated and translated.

    ``event_key`` is the channel's own identity of the message: two with the same key are one.
    ``amount`` is what was collected (or sent back), None where the message does not say.
    ``provider_txn_id`` is the id that will stand in the settlement report. A refund or chargeback
    made at the channel by hand may bear no ``merchant_reference``; its ``provider_reference`` is
    then the ``provider_txn_id`` of the payment it takes back.
    """

    event_key: str
    kind: NoticeKind
    merchant_reference: str
    outcome: Outcome
    amount: Money | None
    occurred_at: datetime
    provider_txn_id: str | None = None
    provider_reference: str | None = None
    reason_code: str = ""


class NoticeResult(StrEnum):
    """What became of a notice here; each channel has its own words to be told so."""

    APPLIED = "applied"
    ALREADY_APPLIED = "already_applied"
    UNKNOWN_REFERENCE = "unknown_reference"
    AMOUNT_DIFFERS = "amount_differs"
    INVALID_SIGNATURE = "invalid_signature"
    MALFORMED = "malformed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NoticeAnswer:
    """The exact HTTP answer that a channel expects to its notice."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class PaymentGateway(Protocol):
    """One payment channel. Calls go out with no transaction open.

    Every method that talks to the channel raises
    :class:`payments.errors.GatewayUnavailableError` when the answer is lost, late or not
    understood (the outcome is then unknown), and
    :class:`payments.errors.GatewayRefusedError` when the channel certainly did nothing.
    """

    @property
    def channel(self) -> Channel:
        """The channel this gateway speaks for."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do."""
        ...

    def start(self, request: StartRequest) -> StartedPayment:
        """Open an attempt at the channel; the same merchant reference opens it once."""
        ...

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        """Authenticate a message and translate it.

        Raises:
            InvalidSignatureError: it is not from the channel, or too old, or from the future.
            MalformedNoticeError: it is authentic but lacks what it must have.
        """
        ...

    def answer(self, result: NoticeResult) -> NoticeAnswer:
        """Return what the channel wants to hear about a notice."""
        ...

    def query(self, query: PaymentQuery) -> GatewayNotice:
        """Ask what became of an attempt; not found is PENDING until it has expired for good."""
        ...

    def refund(self, order: RefundOrder) -> GatewayNotice:
        """Send money back; PENDING until the channel says it is final."""
        ...
