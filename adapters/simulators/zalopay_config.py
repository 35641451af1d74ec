"""What the ZaloPay simulator is given: applications, faults, fees; and what payers may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from adapters.simulators.faults import FaultPlan
from adapters.simulators.settlement import FeeContract
from core.calendar import WorkingCalendar

OPEN: Final = "open"
PAID: Final = "paid"
CANCELLED: Final = "cancelled"
EXPIRED: Final = "expired"
OUTCOMES: Final[Mapping[str, str]] = {
    "pay": PAID,
    "cancel": CANCELLED,
    "expire": EXPIRED,
    "insufficient": OPEN,
    "decline": OPEN,
}
"""What a payer may bring about. After a refusal the page stays open: another way to pay may do."""

DEMONSTRATION_FEES: Final = FeeContract(rate_bps=120, fixed_minor=0, settlement_days=1)


@dataclass(frozen=True, slots=True)
class ZaloPayApplication:
    """One application of a merchant; ``payout_account`` is where its net sums go.

    ``callback_url`` is the registered one, for orders that name none.
    """

    app_id: str
    key1: str = field(repr=False)
    key2: str = field(repr=False)
    payout_account: str
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class ZaloPaySimulatorConfig:
    """Applications, faults and fees; ``public_url`` is where the pages are.

    With ``deliver_at_once`` the callback precedes the redirect. A refund ends ``refund_delay``
    after it was asked for, and fails if the payment is older than ``refund_window`` by then. How
    long ZaloPay really takes, and where it ends, is in no public document.
    """

    applications: tuple[ZaloPayApplication, ...]
    public_url: str
    faults: FaultPlan = field(default_factory=FaultPlan)
    fees: FeeContract = DEMONSTRATION_FEES
    calendar: WorkingCalendar = field(default_factory=WorkingCalendar.from_csv)
    late_by: timedelta = timedelta(hours=2)
    refund_delay: timedelta = timedelta(minutes=10)
    refund_window: timedelta = timedelta(days=365)
    deliver_at_once: bool = True
    slow_seconds: float = 3.0
    callback_timeout_seconds: float = 10.0
