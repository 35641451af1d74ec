"""What the MoMo simulator is given, and MoMo's words: partners, fees, codes, messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from adapters.gateways import momo_codes as codes
from adapters.simulators.faults import FaultPlan
from adapters.simulators.settlement import FeeContract
from core.calendar import WorkingCalendar

OUTCOMES: Final[Mapping[str, int]] = {
    "pay": codes.SUCCESS,
    "cancel": codes.PAYER_REFUSED,
    "insufficient": codes.INSUFFICIENT,
    "decline": codes.REJECTED,
    "limit": codes.OVER_LIMIT,
    "processing": codes.AT_THE_ISSUER,
}
"""What a payer may bring about; ``processing`` is paid only some time later."""

MESSAGES: Final[Mapping[int, str]] = {
    codes.SUCCESS: "Successful.",
    codes.AUTHORISED: "Transaction is authorized successfully.",
    codes.WAITING: "Transaction is initiated, waiting for user confirmation.",
    codes.IN_PROGRESS: "Transaction is being processed.",
    codes.AT_THE_ISSUER: "Transaction is being processed by the provider of the instrument.",
    codes.INSUFFICIENT: "Transaction failed due to insufficient funds.",
    codes.REJECTED: "Transaction rejected by the issuers of the payment accounts.",
    codes.HOLD_RELEASED: "Transaction cancelled after it was authorized.",
    codes.OVER_LIMIT: "Transaction failed because the amount is over the limit.",
    codes.LINK_EXPIRED: "Transaction failed because the url or QR code expired.",
    codes.PAYER_REFUSED: "Transaction denied by user.",
    codes.ACCESS_DENIED: "Access denied.",
    codes.NOT_AUTHENTICATED: "Merchant authentication failed.",
    codes.BAD_FORMAT: "Bad format request.",
    codes.BAD_AMOUNT: "The transaction amount is out of range.",
    codes.DUPLICATE_REQUEST: "Duplicated requestId.",
    codes.DUPLICATE_ORDER: "Duplicated orderId.",
    codes.ORDER_UNKNOWN: "OrderId is invalid or is not found.",
    codes.BAD_DATA: "Not possible in the present state of the order.",
    codes.REFUND_OVER_AMOUNT: "The refund is more than what is left of the payment.",
    codes.NOT_REFUNDABLE: "This payment cannot be refunded.",
}
PAY_TYPES: Final[Mapping[str, str]] = {
    "captureWallet": "qr",
    "payWithATM": "napas",
    "payWithCC": "credit",
    "payWithMethod": "webApp",
}
DEMONSTRATION_FEES: Final = FeeContract(rate_bps=150, fixed_minor=0, settlement_days=1)
LEAST: Final = 1_000
MOST: Final = 50_000_000
REMEMBERED: Final = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class MoMoPartner:
    """One merchant; ``payout_account`` is where its net sums go."""

    partner_code: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    payout_account: str


@dataclass(frozen=True, slots=True)
class MoMoSimulatorConfig:
    """Partners, faults and fees; ``public_url`` is where browsers reach the pay page.

    With ``deliver_at_once`` the IPN precedes the redirect. MoMo publishes neither how often it
    repeats an IPN nor how long a link lives: ``ipn_gaps`` and ``page_lifetime`` are our choice.
    During ``refund_delay`` a refund is in progress.
    """

    partners: tuple[MoMoPartner, ...]
    public_url: str
    faults: FaultPlan = field(default_factory=FaultPlan)
    fees: FeeContract = DEMONSTRATION_FEES
    calendar: WorkingCalendar = field(default_factory=WorkingCalendar.from_csv)
    late_by: timedelta = timedelta(hours=2)
    page_lifetime: timedelta = timedelta(minutes=100)
    processing_delay: timedelta = timedelta(minutes=30)
    refund_delay: timedelta = timedelta(0)
    ipn_gaps: tuple[timedelta, ...] = (timedelta(minutes=5),) * 9
    deliver_at_once: bool = True
    slow_seconds: float = 3.0
    ipn_timeout_seconds: float = 15.0


class MoMoRefusalError(Exception):
    """An answer that is a code and nothing more."""

    def __init__(self, code: int) -> None:
        super().__init__(MESSAGES[code])
        self.code = code


def answer_of(code: int, **fields: Any) -> dict[str, Any]:
    """Return the fields of an answer with a code and its message."""
    return {**fields, "resultCode": code, "message": MESSAGES[code]}
