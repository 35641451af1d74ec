"""What people do in the demonstration, each deed by itself; bills go by keys of the plan's own."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from adapters.simulators.faults import Fault
from payments.channels import Rail

DUE_DAYS: Final = 10


class Slot(IntEnum):
    """When on a day people act."""

    MORNING = 0
    AFTERNOON = 1


class Purpose(StrEnum):
    """What a payer writes into a transfer."""

    AS_SHOWN = "as_shown"
    UNTOUCHED = "untouched"
    NOTHING = "nothing"
    TWO_SYMBOLS_WRONG = "two_symbols_wrong"
    DOSSIER_CODE = "dossier_code"
    TWO_REFERENCES = "two_references"


class Sum(StrEnum):
    """How much a payer transfers."""

    AS_SHOWN = "as_shown"
    LESS = "less"
    MORE = "more"
    FIRST_HALF = "first_half"
    SECOND_HALF = "second_half"
    BOTH_BILLS = "both_bills"


@dataclass(frozen=True, slots=True)
class PlannedBill:
    """A bill that the portal issues; ``key`` is its Idempotency-Key and portal reference."""

    key: str
    dossier_code: str
    office_code: str
    procedure_code: str
    payer_name: str
    language: str = "vi"
    due_days: int = DUE_DAYS
    exemption_reason: str = ""


@dataclass(frozen=True, slots=True)
class Issue:
    """The portal issues a bill."""

    bill: PlannedBill


@dataclass(frozen=True, slots=True)
class Cancel:
    """The portal withdraws a bill."""

    bill: PlannedBill


@dataclass(frozen=True, slots=True)
class PayOnline:
    """A payer begins an attempt at a provider and acts on its page."""

    bill: PlannedBill
    rail: Rail
    outcome: str = "pay"
    attempt: int = 1
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class ShowCode:
    """A payer asks for a transfer code and keeps it."""

    bill: PlannedBill
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Transfer:
    """A payer transfers by the code of an attempt; ``number`` tells transfers apart."""

    bill: PlannedBill
    attempt: int = 1
    number: int = 1
    purpose: Purpose = Purpose.AS_SHOWN
    sum: Sum = Sum.AS_SHOWN
    other_bill: PlannedBill | None = None


@dataclass(frozen=True, slots=True)
class TakeBack:
    """The bank takes a transfer back from the office."""

    bill: PlannedBill


@dataclass(frozen=True, slots=True)
class Dispute:
    """The payer's bank takes a card payment back."""

    bill: PlannedBill


@dataclass(frozen=True, slots=True)
class RefundElsewhere:
    """Somebody gives money back at the provider, past this service."""

    bill: PlannedBill


@dataclass(frozen=True, slots=True)
class BookLine:
    """The bank books something that is no fee of a bill."""

    key: str
    office_code: str
    amount: int
    narrative: str
    counterparty: str = ""


Deed = (
    Issue
    | Cancel
    | PayOnline
    | ShowCode
    | Transfer
    | TakeBack
    | Dispute
    | RefundElsewhere
    | BookLine
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A deed with its day and slot."""

    day: int
    slot: Slot
    deed: Deed
