"""What the payment domain asks of the outside, in its own words: the ``PaymentGateway`` port.

An adapter translates; it decides nothing about money. What it cannot say for certain it reports
as ``Outcome.PENDING`` or as :class:`GatewayUnavailableError`, never as a failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Protocol

from core.money import Money
from payments.channels import Rail

MAX_NOTICE_BYTES: Final = 256 * 1024
"""A larger notice is refused before it is read."""

SECRET_HEADERS: Final = frozenset({"authorization", "secure-token"})
"""Headers in which a service shows us a key itself: a ``RawEvent`` holds their hex SHA-256."""


class Outcome(StrEnum):
    """What a channel says of one attempt. Only the last four are final.

    ``AUTHORISED``: the payer has agreed and the money is held; it is taken only when we confirm.
    """

    PENDING = "pending"
    AUTHORISED = "authorised"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the channel will not change its mind."""
        return self not in {Outcome.PENDING, Outcome.AUTHORISED}


class NoticeKind(StrEnum):
    """What a verified message is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    CREDIT = "credit"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a rail can do; asked before calling, instead of methods that throw.

    ``starts``: opens attempts (a service that only tells of credits does not). ``redirects``: the
    payer goes to a page of the provider; else a code is shown here. ``credits``: its messages
    tell of transfers to the collecting account. ``confirms``: an authorised payment must be
    confirmed. ``settlement_report``: reports can be fetched by a call.
    """

    starts: bool = True
    redirects: bool = False
    notices: bool = False
    queries: bool = False
    refunds: bool = False
    refund_queries: bool = False
    cancels: bool = False
    confirms: bool = False
    credits: bool = False
    settlement_report: bool = False


@dataclass(frozen=True, slots=True)
class FeeItem:
    """One fee of a bill as a channel may want to print it; ``kind`` is ``phi`` or ``le_phi``."""

    kind: str
    code: str
    name: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Dossier:
    """What the money is for, for channels that pass it on to another authority."""

    dossier_code: str
    procedure_code: str
    procedure_name: str
    office_code: str
    office_name: str
    payer_name: str
    fees: tuple[FeeItem, ...]


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One attempt to be opened at the channel.

    ``merchant_reference`` is ours, unique for ever (bill reference, ``-``, attempt number);
    ``description`` is plain ASCII ``[A-Za-z0-9 ]``; instants carry an offset. ``notice_url`` is
    where the channel is to send its messages about this attempt.
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
    notice_url: str = ""
    collecting_bank_bin: str = ""
    collecting_account: str = ""
    collecting_account_name: str = ""
    dossier: Dossier | None = None


@dataclass(frozen=True, slots=True)
class StartedPayment:
    """The channel's answer to a start: where to send the payer, or what to show.

    At least one of ``redirect_url`` and ``qr_payload`` is set. ``provider_reference`` is the
    channel's own id of the attempt where it gives one at once (a Stripe Checkout Session).
    """

    redirect_url: str | None = None
    qr_payload: str | None = None
    provider_reference: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentQuery:
    """What a channel needs to be asked again what became of an attempt, or told to end it.

    ``amount`` is what was asked of the payer; ``created_at`` and ``expires_at`` are those of the
    start request. Without ``expires_at`` an attempt that the channel does not know stays PENDING
    for as long as its page could be open. ``request_id`` is new for every call.
    """

    merchant_reference: str
    provider_reference: str | None
    provider_txn_id: str | None
    created_at: datetime
    asked_at: datetime
    request_id: str
    amount: Money
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

    rail: Rail
    method: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class BankCredit:
    """A transfer that arrived on a collecting account, as a service tells it before the bank does.

    ``credit_key`` is the service's own identity of it, unique within the merchant. ``bank_ref`` is
    the bank's own reference, which will stand on the statement line (empty if not told): by it
    notice and line are one receipt. ``merchant_reference`` is set where the service knows our
    attempt; elsewhere the ``narrative`` names the bill. ``amount`` is above 0.
    """

    credit_key: str
    account_number: str
    amount: Money
    narrative: str
    bank_ref: str
    booked_at: datetime
    merchant_reference: str = ""
    virtual_account: str = ""
    counterparty_name: str = ""
    counterparty_account: str = ""
    counterparty_bank_bin: str = ""


@dataclass(frozen=True, slots=True)
class GatewayNotice:
    """A message of the channel, authenticated and translated.

    ``event_key`` is the channel's own identity of the message: two with the same key are one.
    ``amount`` is what was collected (or sent back), None where the message does not say.
    ``provider_txn_id`` is the id that will stand in the settlement report. A refund or chargeback
    made at the channel by hand may bear no ``merchant_reference``; its ``provider_reference`` is
    then the ``provider_txn_id`` of the payment it takes back. ``refund_reference`` is ours where
    a message about a refund bears it. ``credits`` are the transfers that a message of kind CREDIT
    tells of, or that the answer to a query lists.
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
    refund_reference: str = ""
    credits: tuple[BankCredit, ...] = ()


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


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A settlement report as fetched, in a form that a settlement parser reads."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a signed call that moves no money showed.

    ``works`` is None where the rail has nothing to call (it only calls us). ``sentence`` says in
    plain words what is right or wrong, for the person who set the contract up.
    """

    works: bool | None
    sentence: str


@dataclass(frozen=True, slots=True)
class GatewayCall:
    """One exchange with a provider, kept with secrets masked.

    ``status`` is the HTTP status, None where no complete answer came; ``error`` then says why.
    """

    rail: Rail
    merchant_code: str
    method: str
    url: str
    request: str
    status: int | None
    answer: str
    error: str
    started_at: datetime
    duration_ms: int


@dataclass(frozen=True, slots=True)
class MerchantAccess:
    """What is needed to speak as one merchant of a rail: its own settings, and its secrets.

    ``secrets`` by name sign and verify; those of ``previous`` only verify, while a rotation lasts.
    """

    rail: Rail
    merchant_code: str
    reference_prefix: str
    settings: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    previous: Mapping[str, str] = field(repr=False, default_factory=dict)


class PaymentGateway(Protocol):
    """One payment rail, spoken for one merchant. Calls go out with no transaction open.

    What ``capabilities`` does not name is not called. Every method that talks to the channel
    raises :class:`payments.errors.GatewayUnavailableError` when the answer is lost, late or not
    understood (the outcome is then unknown), and
    :class:`payments.errors.GatewayRefusedError` when the channel certainly did nothing.
    """

    @property
    def rail(self) -> Rail:
        """The rail this gateway speaks."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this rail can do."""
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

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        """Return what the channel wants to hear about a message; never raises."""
        ...

    def query(self, query: PaymentQuery) -> GatewayNotice:
        """Ask what became of an attempt; not found is PENDING until it has expired for good."""
        ...

    def confirm(self, query: PaymentQuery, *, capture: bool) -> GatewayNotice:
        """Take the money that an authorised attempt holds, or let it go."""
        ...

    def cancel(self, query: PaymentQuery) -> GatewayNotice:
        """End an attempt that is not to be paid any more; tells what became of it."""
        ...

    def refund(self, order: RefundOrder) -> GatewayNotice:
        """Send money back; PENDING until the channel says it is final."""
        ...

    def query_refund(self, order: RefundOrder) -> GatewayNotice:
        """Ask what became of a refund; one the channel does not know is PENDING, ``not_found``."""
        ...

    def settlement_report(self, day: date) -> list[ReportFile]:
        """Fetch what the channel settled by payouts of ``day`` (a day in Vietnam)."""
        ...

    def check(self, *, at: datetime) -> CheckResult:
        """Make a signed call that moves no money and say in plain words what is wrong."""
        ...
