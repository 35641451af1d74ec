"""What the credit services are given: webhook subscriptions, their patience, faults."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from adapters.simulators.faults import FaultPlan
from core.errors import InputUnusableError

SEPAY_GAPS: Final = tuple(timedelta(minutes=gap) for gap in (1, 1, 2, 3, 5, 8, 13))
"""Seven repetitions at Fibonacci spacing, 33 minutes in all."""

CASSO_GAPS: Final = (timedelta(minutes=5),) * 5
"""Casso publishes no rule: five repetitions five minutes apart are our choice."""


class Wire(StrEnum):
    """Whose message it is, and how it is proved."""

    SEPAY_HMAC = "sepay_hmac"
    SEPAY_API_KEY = "sepay_api_key"
    CASSO_V1 = "casso_v1"
    CASSO_V2 = "casso_v2"

    @property
    def service(self) -> str:
        """The service; its numbers of transfers are its own."""
        return self.value.partition("_")[0]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One webhook: whoever has ``url`` hears of what happens on ``account``.

    ``key`` is the secret of its wire. ``as_form``: SePay sends form fields instead of JSON.
    """

    name: str
    wire: Wire
    account: str
    url: str
    key: str = field(repr=False)
    as_form: bool = False

    def __post_init__(self) -> None:
        if self.as_form and self.wire.service != "sepay":
            raise InputUnusableError("only SePay sends form fields")


@dataclass(frozen=True, slots=True)
class CreditServicesConfig:
    """Subscriptions and faults; ``deliver_at_once`` calls as soon as a credit is announced.

    Casso's v1 tells of a transfer only after ``v1_delay``, together with all others that are due
    by then. The longest time to answer is published for Casso only; SePay's is our choice.
    """

    subscriptions: tuple[Subscription, ...] = ()
    faults: FaultPlan = field(default_factory=FaultPlan)
    late_by: timedelta = timedelta(hours=2)
    v1_delay: timedelta = timedelta(minutes=5)
    sepay_gaps: tuple[timedelta, ...] = SEPAY_GAPS
    casso_gaps: tuple[timedelta, ...] = CASSO_GAPS
    deliver_at_once: bool = True
    sepay_timeout_seconds: float = 10.0
    casso_timeout_seconds: float = 5.0
    bank_name: str = "Vietcombank"
    bank_abbreviation: str = "VCB"
