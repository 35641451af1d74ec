"""The portal simulator's partners, outcomes and rules; all that is invented is said to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from adapters.simulators.faults import FaultPlan

PAID: Final = "1"
UNFINISHED: Final = "3"
FAILED: Final = "4"
OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "pay": ("00", PAID),
    "cancel": ("24", FAILED),
    "insufficient": ("51", FAILED),
    "error": ("99", FAILED),
    "unclear": ("08", UNFINISHED),
    "expire": ("11", FAILED),
}
"""What a payer may bring about: ``MaLoi`` and ``TrangThaiGD``. Of the first only 00 is the
platform's; the list of the others is not public, and these are invented."""

UNKNOWN_REFERENCE: Final = "SIM404"
"""Invented, so that nobody takes it for the platform's."""

WRONG_SIGNATURE: Final = "SIM401"


@dataclass(frozen=True, slots=True)
class NationalPortalPartner:
    """One partner; results go to ``result_url``, browsers back to ``return_url``, as registered.

    ``bearer_token`` is asked for where it is set.
    """

    partner_code: str
    secret: str = field(repr=False)
    result_url: str
    return_url: str
    bearer_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class NationalPortalSimulatorConfig:
    """Partners, faults and times; with ``deliver_at_once`` the result precedes the redirect.

    ``base_url`` is where the simulator is reached. ``page_lifetime``, the number of calls and the
    pauses between them are our choice: the platform's are not public.
    """

    partners: tuple[NationalPortalPartner, ...]
    base_url: str
    faults: FaultPlan = field(default_factory=FaultPlan)
    page_lifetime: timedelta = timedelta(minutes=30)
    calls: int = 5
    call_gap: timedelta = timedelta(minutes=5)
    late_by: timedelta = timedelta(hours=2)
    result_message: str = "CONFIRM"
    deliver_at_once: bool = True
    slow_seconds: float = 3.0
    call_timeout_seconds: float = 10.0
