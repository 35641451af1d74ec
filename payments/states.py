"""The states of bills, payments and refunds: which event leads from where to where.

Each table maps (state, event) to the next state; what it does not name is refused. In-between
states (asked, not yet answered) exist so that a crash stays visible.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from payments.errors import IllegalTransitionError


class BillStatus(StrEnum):
    """What is left to do about a bill."""

    OPEN = "open"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    OVERPAID = "overpaid"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    EXEMPT = "exempt"


class BillEvent(StrEnum):
    """What changes a bill's state. The money events say how much is held afterwards."""

    RECEIVED_NOTHING = "received_nothing"
    RECEIVED_PART = "received_part"
    RECEIVED_ALL = "received_all"
    RECEIVED_MORE = "received_more"
    CANCEL = "cancel"
    EXPIRE = "expire"
    EXEMPT = "exempt"
    DUE_AGAIN = "due_again"


class PaymentStatus(StrEnum):
    """What the channel says of one attempt; settlement and reconciliation are other truths."""

    CREATED = "created"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REVERSED = "reversed"


class PaymentEvent(StrEnum):
    """What changes a payment's state."""

    STARTED = "started"
    COLLECTED = "collected"
    DECLINED = "declined"
    TIMED_OUT = "timed_out"
    ABANDONED = "abandoned"
    TAKEN_BACK = "taken_back"


class RefundStatus(StrEnum):
    """Where a refund is; ``submitted`` is in doubt until the channel gives a final answer."""

    REQUESTED = "requested"
    REJECTED = "rejected"
    APPROVED = "approved"
    SUBMITTED = "submitted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RemittanceStatus(StrEnum):
    """Where fees for the State Treasury are; whether they left the account the bank says."""

    PROPOSED = "proposed"
    REJECTED = "rejected"
    APPROVED = "approved"
    ORDERED = "ordered"
    REFUSED = "refused"


class RemittanceEvent(StrEnum):
    """What people do to a remittance, or the bank says that it did not do."""

    APPROVE = "approve"
    REJECT = "reject"
    ORDER = "order"
    REFUSED = "refused"


class RefundEvent(StrEnum):
    """What changes a refund's state."""

    APPROVE = "approve"
    REJECT = "reject"
    SUBMIT = "submit"
    SENT_BACK = "sent_back"
    REFUSED = "refused"
    UNPROVEN = "unproven"


HOLDS_MONEY: Final = frozenset({BillStatus.PARTLY_PAID, BillStatus.PAID, BillStatus.OVERPAID})
"""Bills on which money is held."""


def _bill_edges() -> dict[tuple[BillStatus, BillEvent], BillStatus]:
    money = {
        BillEvent.RECEIVED_PART: BillStatus.PARTLY_PAID,
        BillEvent.RECEIVED_ALL: BillStatus.PAID,
        BillEvent.RECEIVED_MORE: BillStatus.OVERPAID,
    }
    edges: dict[tuple[BillStatus, BillEvent], BillStatus] = {}
    for status in BillStatus:
        # Money that arrives is a fact in any state: a late receipt revives what had ended.
        edges |= {(status, event): target for event, target in money.items()}
    for status in HOLDS_MONEY:
        edges[status, BillEvent.RECEIVED_NOTHING] = BillStatus.OPEN  # taken back by a bank
    for status in (BillStatus.OPEN, BillStatus.EXPIRED, BillStatus.OVERPAID):
        # Overpaid: money for a bill that is cancelled, exempt or wholly waived has gone back.
        edges[status, BillEvent.CANCEL] = BillStatus.CANCELLED
        edges[status, BillEvent.EXEMPT] = BillStatus.EXEMPT
    edges[BillStatus.OPEN, BillEvent.EXPIRE] = BillStatus.EXPIRED
    # The waiver of all its fees is withdrawn, and nothing is held on it any more.
    edges[BillStatus.CANCELLED, BillEvent.DUE_AGAIN] = BillStatus.OPEN
    return edges


BILL_TRANSITIONS: Final = _bill_edges()

PAYMENT_TRANSITIONS: Final[Mapping[tuple[PaymentStatus, PaymentEvent], PaymentStatus]] = {
    (PaymentStatus.CREATED, PaymentEvent.STARTED): PaymentStatus.PENDING,
    (PaymentStatus.CREATED, PaymentEvent.COLLECTED): PaymentStatus.SUCCEEDED,
    (PaymentStatus.CREATED, PaymentEvent.DECLINED): PaymentStatus.FAILED,
    (PaymentStatus.CREATED, PaymentEvent.TIMED_OUT): PaymentStatus.EXPIRED,
    (PaymentStatus.CREATED, PaymentEvent.ABANDONED): PaymentStatus.CANCELLED,
    (PaymentStatus.PENDING, PaymentEvent.COLLECTED): PaymentStatus.SUCCEEDED,
    (PaymentStatus.PENDING, PaymentEvent.DECLINED): PaymentStatus.FAILED,
    (PaymentStatus.PENDING, PaymentEvent.TIMED_OUT): PaymentStatus.EXPIRED,
    (PaymentStatus.PENDING, PaymentEvent.ABANDONED): PaymentStatus.CANCELLED,
    # Proof of collection wins over whatever was believed before.
    (PaymentStatus.FAILED, PaymentEvent.COLLECTED): PaymentStatus.SUCCEEDED,
    (PaymentStatus.EXPIRED, PaymentEvent.COLLECTED): PaymentStatus.SUCCEEDED,
    (PaymentStatus.CANCELLED, PaymentEvent.COLLECTED): PaymentStatus.SUCCEEDED,
    (PaymentStatus.REVERSED, PaymentEvent.COLLECTED): PaymentStatus.SUCCEEDED,
    (PaymentStatus.SUCCEEDED, PaymentEvent.TAKEN_BACK): PaymentStatus.REVERSED,
}

REFUND_TRANSITIONS: Final[Mapping[tuple[RefundStatus, RefundEvent], RefundStatus]] = {
    (RefundStatus.REQUESTED, RefundEvent.APPROVE): RefundStatus.APPROVED,
    (RefundStatus.REQUESTED, RefundEvent.REJECT): RefundStatus.REJECTED,
    (RefundStatus.APPROVED, RefundEvent.REJECT): RefundStatus.REJECTED,  # withdrawn, not yet sent
    (RefundStatus.APPROVED, RefundEvent.SUBMIT): RefundStatus.SUBMITTED,
    (RefundStatus.SUBMITTED, RefundEvent.SENT_BACK): RefundStatus.SUCCEEDED,
    (RefundStatus.SUBMITTED, RefundEvent.REFUSED): RefundStatus.FAILED,
    # It was said to be refused, and the money left all the same.
    (RefundStatus.FAILED, RefundEvent.SENT_BACK): RefundStatus.SUCCEEDED,
    # The bank line that had proved it turned out to be something else.
    (RefundStatus.SUCCEEDED, RefundEvent.UNPROVEN): RefundStatus.SUBMITTED,
}

REMITTANCE_TRANSITIONS: Final[
    Mapping[tuple[RemittanceStatus, RemittanceEvent], RemittanceStatus]
] = {
    (RemittanceStatus.PROPOSED, RemittanceEvent.APPROVE): RemittanceStatus.APPROVED,
    (RemittanceStatus.PROPOSED, RemittanceEvent.REJECT): RemittanceStatus.REJECTED,
    (RemittanceStatus.APPROVED, RemittanceEvent.REJECT): RemittanceStatus.REJECTED,  # not ordered
    (RemittanceStatus.APPROVED, RemittanceEvent.ORDER): RemittanceStatus.ORDERED,
    (RemittanceStatus.ORDERED, RemittanceEvent.REFUSED): RemittanceStatus.REFUSED,
}

PAYABLE: Final = frozenset({BillStatus.OPEN, BillStatus.PARTLY_PAID})
"""Bills that more money may be asked for."""

MAY_STILL_COLLECT: Final = frozenset({PaymentStatus.CREATED, PaymentStatus.PENDING})
"""Attempts whose outcome is not known yet."""

_State = TypeVar("_State", bound=StrEnum)
_Event = TypeVar("_Event", bound=StrEnum)


def next_state(
    table: Mapping[tuple[_State, _Event], _State], state: _State, event: _Event
) -> _State:
    """Return the state that ``event`` leads to.

    Raises:
        IllegalTransitionError: the table has no such edge.
    """
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransitionError(f"{event} is not possible while {state}") from None


def event_for_received(received_minor: int, due_minor: int) -> BillEvent:
    """Return the money event for a bill of ``due_minor`` that holds ``received_minor``."""
    if received_minor <= 0:
        return BillEvent.RECEIVED_NOTHING
    if received_minor < due_minor:
        return BillEvent.RECEIVED_PART
    if received_minor == due_minor:
        return BillEvent.RECEIVED_ALL
    return BillEvent.RECEIVED_MORE
