"""What the VNPay simulator is given: terminals, faults, fees; and what payers may bring about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from adapters.simulators.faults import FaultPlan
from adapters.simulators.settlement import FeeContract
from core.calendar import WorkingCalendar

UNFINISHED: Final = "01"
PAID: Final = "00"
FAILED: Final = "02"
OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "pay": ("00", PAID),
    "cancel": ("24", FAILED),
    "insufficient": ("51", FAILED),
    "suspect": ("07", "07"),
    "error": ("99", FAILED),
    "expire": ("11", FAILED),
}
"""What a payer may bring about: response code and transaction status."""

DEMONSTRATION_FEES: Final = FeeContract(rate_bps=110, fixed_minor=0, settlement_days=1)


@dataclass(frozen=True, slots=True)
class VNPayTerminal:
    """One merchant terminal; ``payout_account`` is where its net sums go."""

    tmn_code: str
    hash_secret: str = field(repr=False)
    ipn_url: str
    payout_account: str


@dataclass(frozen=True, slots=True)
class VNPaySimulatorConfig:
    """Terminals, faults and fees; with ``deliver_at_once`` the IPN precedes the redirect."""

    terminals: tuple[VNPayTerminal, ...]
    faults: FaultPlan = field(default_factory=FaultPlan)
    fees: FeeContract = DEMONSTRATION_FEES
    calendar: WorkingCalendar = field(default_factory=WorkingCalendar.from_csv)
    late_by: timedelta = timedelta(hours=2)
    deliver_at_once: bool = True
    slow_seconds: float = 3.0
    ipn_timeout_seconds: float = 10.0
