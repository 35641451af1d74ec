"""What the states and types of the domain are called on pages, as messages to be translated."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from app.i18n import marked as m
from core.actors import Role
from core.outbox import MessageKind, MessageStatus
from payments.channels import Channel, Rail
from payments.gateway_models import CreditState
from payments.ledger.models import AccountType, MoneyEvent
from payments.models import EventState, FeeBearer, FeeKind, ReceiptStatus
from payments.states import BillStatus, PaymentStatus, RefundStatus, RemittanceStatus
from reconciliation.auditing.models import ExportStatus, Format
from reconciliation.clearing import Keeps
from reconciliation.closing import CloseStatus
from reconciliation.models import FileKind
from reconciliation.ports import BalanceCheck
from reconciliation.ports import Outcome as FileOutcome
from reconciliation.rechecking.models import RuleClass
from reconciliation.states import (
    ItemKind,
    Layer,
    MatchStatus,
    MismatchEventKind,
    MismatchStatus,
    MismatchType,
    ResolutionKind,
    ResolutionStatus,
)

_NAMES: Final[Mapping[type[StrEnum], Mapping[str, str]]] = {
    Role: {
        Role.CITIZEN: m("Citizen"),
        Role.PORTAL: m("One-stop portal"),
        Role.OFFICER: m("Finance officer"),
        Role.APPROVER: m("Approver"),
        Role.AUDITOR: m("Auditor"),
        Role.ADMIN: m("Administrator"),
        Role.SYSTEM: m("The system itself"),
    },
    Format: {
        Format.DATAPACKAGE: m("CSV tables (Frictionless Data Package)"),
        Format.PARQUET: m("Parquet tables"),
        Format.XLSX: m("Excel workbooks"),
        Format.JSONL: m("Objects line by line (JSON Lines)"),
        Format.HLEDGER: m("Journal for hledger"),
        Format.BEANCOUNT: m("Journal for beancount"),
    },
    RuleClass: {
        RuleClass.IDENTIFIER: m("Identifier and amount"),
        RuleClass.REPAIRED: m("Repaired reference"),
        RuleClass.SUMS: m("Sums of several"),
        RuleClass.DOSSIER: m("Dossier code"),
    },
    ExportStatus: {
        ExportStatus.ASKED: m("Waiting to be written"),
        ExportStatus.WRITING: m("Being written"),
        ExportStatus.READY: m("Ready"),
        ExportStatus.FAILED: m("Failed"),
        ExportStatus.REMOVED: m("Files removed"),
    },
    Channel: {
        Channel.BANK_TRANSFER: m("Bank transfer (VietQR)"),
        Channel.VNPAY: m("VNPay"),
        Channel.MOMO: m("MoMo wallet"),
        Channel.ZALOPAY: m("ZaloPay wallet"),
        Channel.STRIPE: m("International card (Stripe)"),
    },
    Rail: {
        Rail.VIETQR: m("Bank transfer (VietQR)"),
        Rail.PAYOS: m("Bank transfer (payOS)"),
        Rail.SEPAY: m("Credit notices of SePay"),
        Rail.CASSO: m("Credit notices of Casso"),
        Rail.VNPAY: m("VNPay"),
        Rail.MOMO: m("MoMo wallet"),
        Rail.ZALOPAY: m("ZaloPay wallet"),
        Rail.STRIPE: m("International card (Stripe)"),
        Rail.NATIONAL_PORTAL: m("National Public Service Portal"),
    },
    FeeBearer: {FeeBearer.OFFICE: m("The office"), FeeBearer.PAYER: m("The payer")},
    CreditState: {
        CreditState.COLLECTED: m("Counted as received"),
        CreditState.WAITING: m("Waits for the statement"),
        CreditState.KNOWN: m("Told before"),
    },
    FeeKind: {FeeKind.PHI: m("Service fee (phí)"), FeeKind.LE_PHI: m("State charge (lệ phí)")},
    BillStatus: {
        BillStatus.OPEN: m("To be paid"),
        BillStatus.PARTLY_PAID: m("Partly paid"),
        BillStatus.PAID: m("Paid"),
        BillStatus.OVERPAID: m("Paid, with excess"),
        BillStatus.CANCELLED: m("Cancelled"),
        BillStatus.EXPIRED: m("Expired"),
        BillStatus.EXEMPT: m("Exempt"),
    },
    PaymentStatus: {
        PaymentStatus.CREATED: m("Being opened"),
        PaymentStatus.PENDING: m("Not known yet"),
        PaymentStatus.SUCCEEDED: m("Received"),
        PaymentStatus.FAILED: m("Not collected"),
        PaymentStatus.EXPIRED: m("Time ran out"),
        PaymentStatus.CANCELLED: m("Called off"),
        PaymentStatus.REVERSED: m("Taken back by the bank"),
    },
    RefundStatus: {
        RefundStatus.REQUESTED: m("Waiting for approval"),
        RefundStatus.REJECTED: m("Rejected"),
        RefundStatus.APPROVED: m("Approved"),
        RefundStatus.SUBMITTED: m("Sent, answer awaited"),
        RefundStatus.SUCCEEDED: m("Sent back"),
        RefundStatus.FAILED: m("Not sent back"),
    },
    RemittanceStatus: {
        RemittanceStatus.PROPOSED: m("Waiting for approval"),
        RemittanceStatus.REJECTED: m("Rejected"),
        RemittanceStatus.APPROVED: m("Approved"),
        RemittanceStatus.ORDERED: m("Ordered at the bank"),
        RemittanceStatus.REFUSED: m("Refused by the bank"),
    },
    CloseStatus: {
        CloseStatus.PREPARED: m("Waiting for a second person"),
        CloseStatus.CLOSED: m("Closed"),
        CloseStatus.WITHDRAWN: m("Withdrawn"),
    },
    EventState: {
        EventState.RECEIVED: m("Stored, not read yet"),
        EventState.APPLIED: m("Took effect"),
        EventState.DUPLICATE: m("Repeated"),
        EventState.REFUSED: m("Refused"),
        EventState.UNASSIGNED: m("Belongs to nothing here"),
    },
    ReceiptStatus: {ReceiptStatus.ISSUED: m("Valid"), ReceiptStatus.VOIDED: m("Voided")},
    FileKind: {
        FileKind.STATEMENT: m("Bank statement"),
        FileKind.SETTLEMENT: m("Settlement report"),
    },
    FileOutcome: {
        FileOutcome.OK: m("Read and proven"),
        FileOutcome.HELD: m("Held for a person"),
        FileOutcome.REFUSED: m("Refused"),
    },
    BalanceCheck: {
        BalanceCheck.OK: m("Balances add up"),
        BalanceCheck.FAILED: m("Balances do not add up"),
        BalanceCheck.NOT_STATED: m("No balances stated"),
    },
    Layer: {
        Layer.PROVIDER: m("Our record and the provider's report"),
        Layer.PAYOUT: m("The provider's report and the bank"),
        Layer.DIRECT: m("Our record and the bank"),
    },
    ItemKind: {
        ItemKind.PAYMENT: m("Our record"),
        ItemKind.SETTLEMENT: m("Provider's line"),
        ItemKind.BANK: m("Bank line"),
    },
    MatchStatus: {MatchStatus.ACTIVE: m("Stands"), MatchStatus.SUPERSEDED: m("Undone")},
    MismatchStatus: {
        MismatchStatus.OPEN: m("Open"),
        MismatchStatus.PROPOSED: m("Waiting for a second person"),
        MismatchStatus.RESOLVED: m("Resolved"),
        MismatchStatus.HEALED: m("Explained by later evidence"),
    },
    MismatchType: {
        MismatchType.NOT_SETTLED: m("No evidence of the money"),
        MismatchType.REFUND_MISSING: m("No evidence of the refund"),
        MismatchType.TIMING_DIFFERENCE: m("On its way"),
        MismatchType.STATUS_MISMATCH: m("Money for a payment not held as received"),
        MismatchType.AMOUNT_MISMATCH: m("Wrong amount"),
        MismatchType.FEE_MISMATCH: m("Wrong channel fee"),
        MismatchType.UNRECORDED_RECEIPT: m("Money without a payment"),
        MismatchType.UNRECORDED_REFUND: m("Refund not recorded"),
        MismatchType.CHARGEBACK: m("Chargeback"),
        MismatchType.DUPLICATE_PAYMENT: m("Paid twice"),
        MismatchType.DUPLICATE_LINE: m("Line reported twice"),
        MismatchType.PAYOUT_MISMATCH: m("Payout differs"),
        MismatchType.PAYOUT_MISSING: m("Payout missing"),
        MismatchType.REVERSAL: m("Taken back by the bank"),
        MismatchType.AMBIGUOUS: m("More than one reading"),
        MismatchType.NOT_A_FEE: m("Not a fee"),
        MismatchType.UNRECORDED_DEBIT: m("Money left unexplained"),
    },
    MismatchEventKind: {
        MismatchEventKind.OPENED: m("Found"),
        MismatchEventKind.ASSIGNED: m("Assigned"),
        MismatchEventKind.COMMENTED: m("Comment"),
        MismatchEventKind.PROPOSED: m("Resolution proposed"),
        MismatchEventKind.APPROVED: m("Approved by a second person"),
        MismatchEventKind.REJECTED: m("Rejected by a second person"),
        MismatchEventKind.RESOLVED: m("Resolved"),
        MismatchEventKind.HEALED: m("Explained by later evidence"),
    },
    ResolutionKind: {
        ResolutionKind.MATCH: m("The money belongs to a bill or payment"),
        ResolutionKind.RETURN_TO_PAYER: m("Give the money back to the payer"),
        ResolutionKind.BOOK_AS_OTHER: m("Book it as other income or cost"),
        ResolutionKind.WRITE_OFF: m("Write it off"),
        ResolutionKind.ACCEPT: m("Explained, no money moves"),
    },
    ResolutionStatus: {
        ResolutionStatus.PROPOSED: m("Waiting for a second person"),
        ResolutionStatus.DONE: m("Done"),
        ResolutionStatus.REJECTED: m("Rejected"),
    },
    Keeps: {
        Keeps.NOT_REPORTED: m("Not on a report of the provider yet"),
        Keeps.NOT_ON_STATEMENT: m("Not on a bank statement yet"),
        Keeps.NOT_PAID_OUT: m("Reported, payout not matched yet"),
        Keeps.NOT_RECORDED: m("Paid out, but no payment here"),
        Keeps.DIFFERS: m("The amounts differ"),
    },
    MessageKind: {MessageKind.EMAIL: m("E-mail"), MessageKind.WEBHOOK: m("Message to a portal")},
    MessageStatus: {
        MessageStatus.WAITING: m("Waiting"),
        MessageStatus.DELIVERED: m("Delivered"),
        MessageStatus.GIVEN_UP: m("Given up"),
    },
    AccountType: {
        AccountType.ASSET: m("Asset"),
        AccountType.LIABILITY: m("Liability"),
        AccountType.REVENUE: m("Revenue"),
        AccountType.EXPENSE: m("Expense"),
    },
    MoneyEvent: {
        MoneyEvent.BILLED: m("Billed"),
        MoneyEvent.EXEMPTED: m("Exempted"),
        MoneyEvent.CANCELLED: m("Cancelled"),
        MoneyEvent.COLLECTED: m("Collected"),
        MoneyEvent.STATEMENT_LINE: m("Bank line"),
        MoneyEvent.SETTLED: m("Settled by the provider"),
        MoneyEvent.PAYOUT: m("Paid out"),
        MoneyEvent.CONFIRMED: m("Confirmed by the bank"),
        MoneyEvent.REVERSED: m("Reversed"),
        MoneyEvent.CHARGEBACK: m("Chargeback"),
        MoneyEvent.REFUND_APPROVED: m("Refund approved"),
        MoneyEvent.REFUND_SENT: m("Refund sent"),
        MoneyEvent.REMITTANCE: m("Sent to the State Treasury"),
        MoneyEvent.RESOLVED: m("Mismatch resolved"),
        MoneyEvent.WRITE_OFF: m("Written off"),
        MoneyEvent.CORRECTION: m("Correction"),
    },
}

_GREEN: Final = "green"
_COLOURS_OF: Final[Mapping[type[StrEnum], Mapping[str, str]]] = {
    BillStatus: {
        BillStatus.OPEN: "blue",
        BillStatus.PARTLY_PAID: "yellow",
        BillStatus.PAID: _GREEN,
        BillStatus.OVERPAID: _GREEN,
        BillStatus.EXPIRED: "grey",
        BillStatus.CANCELLED: "grey",
        BillStatus.EXEMPT: "purple",
    },
    PaymentStatus: {
        PaymentStatus.CREATED: "yellow",
        PaymentStatus.PENDING: "yellow",
        PaymentStatus.SUCCEEDED: _GREEN,
        PaymentStatus.FAILED: "grey",
        PaymentStatus.EXPIRED: "grey",
        PaymentStatus.CANCELLED: "grey",
        PaymentStatus.REVERSED: "red",
    },
    MismatchStatus: {
        MismatchStatus.OPEN: "red",
        MismatchStatus.PROPOSED: "yellow",
        MismatchStatus.RESOLVED: _GREEN,
        MismatchStatus.HEALED: _GREEN,
    },
    FileOutcome: {FileOutcome.OK: _GREEN, FileOutcome.HELD: "yellow", FileOutcome.REFUSED: "red"},
    MessageStatus: {
        MessageStatus.WAITING: "yellow",
        MessageStatus.DELIVERED: _GREEN,
        MessageStatus.GIVEN_UP: "red",
    },
    RefundStatus: {
        RefundStatus.REQUESTED: "yellow",
        RefundStatus.SUBMITTED: "yellow",
        RefundStatus.SUCCEEDED: _GREEN,
        RefundStatus.FAILED: "red",
    },
    CloseStatus: {CloseStatus.PREPARED: "yellow", CloseStatus.CLOSED: _GREEN},
    RemittanceStatus: {
        RemittanceStatus.PROPOSED: "yellow",
        RemittanceStatus.APPROVED: "yellow",
        RemittanceStatus.ORDERED: "blue",
        RemittanceStatus.REFUSED: "red",
    },
    ResolutionStatus: {
        ResolutionStatus.PROPOSED: "yellow",
        ResolutionStatus.DONE: _GREEN,
        ResolutionStatus.REJECTED: "red",
    },
    ExportStatus: {
        ExportStatus.ASKED: "yellow",
        ExportStatus.WRITING: "yellow",
        ExportStatus.READY: _GREEN,
        ExportStatus.FAILED: "red",
    },
    ReceiptStatus: {ReceiptStatus.ISSUED: _GREEN, ReceiptStatus.VOIDED: "red"},
    EventState: {
        EventState.APPLIED: _GREEN,
        EventState.REFUSED: "red",
        EventState.RECEIVED: "yellow",
    },
}


def name(value: StrEnum) -> str:
    """Return what a state or type is called, as a message to be translated.

    Raises:
        KeyError: it has no name here; a programming error, held by a test over all members.
    """
    return _NAMES[type(value)][value]


def colour(value: StrEnum) -> str:
    """Return the colour of the tag of a state; grey where none is set. Text carries the meaning."""
    return _COLOURS_OF.get(type(value), {}).get(value, "grey")


def named_kinds() -> tuple[type[StrEnum], ...]:
    """Return the kinds of states and types that have names here."""
    return tuple(_NAMES)


RAIL_HINTS: Final[Mapping[Rail, str]] = {
    Rail.VIETQR: m("Scan a code with your bank's app. No charge."),
    Rail.PAYOS: m("Scan a code with your bank's app; we hear of it at once. No charge."),
    Rail.VNPAY: m("Domestic card or bank app on VNPay's page."),
    Rail.MOMO: m("Pay with your MoMo wallet."),
    Rail.ZALOPAY: m("Pay with your ZaloPay wallet."),
    Rail.STRIPE: m("Visa, Mastercard and other cards on Stripe's page."),
    Rail.NATIONAL_PORTAL: m("On the payment page of the National Public Service Portal."),
}
"""One line that helps to choose a way to pay."""

CITIZEN_KINDS: Final[tuple[type[StrEnum], ...]] = (
    Channel, Rail, FeeKind, BillStatus, PaymentStatus, RefundStatus, ReceiptStatus,
)  # fmt: skip
"""The kinds of states and types whose names a citizen's page can show."""


def citizen_messages() -> Iterator[str]:
    """Yield the messages of this module that a citizen's page can show."""
    for kind in CITIZEN_KINDS:
        yield from _NAMES[kind].values()
    yield from RAIL_HINTS.values()
