"""The words of reconciliation: layers, kinds of items, and every type of mismatch.

The values are those of the interchange files and of the tables; they never change meaning.
"""

from enum import StrEnum


class Layer(StrEnum):
    """Where two sides are compared.

    ``provider``: payments and refunds with the lines of settlement reports. ``payout``:
    settlement lines with the bank credits that pay them. ``direct``: transfers with bank lines.
    """

    PROVIDER = "provider"
    PAYOUT = "payout"
    DIRECT = "direct"


class ItemKind(StrEnum):
    """What is compared."""

    PAYMENT = "payment"
    SETTLEMENT = "settlement"
    BANK = "bank"


class MismatchType(StrEnum):
    """Why an item is not matched; the meaning stands in the interchange contract."""

    NOT_SETTLED = "not_settled"
    REFUND_MISSING = "refund_missing"
    TIMING_DIFFERENCE = "timing_difference"
    STATUS_MISMATCH = "status_mismatch"
    AMOUNT_MISMATCH = "amount_mismatch"
    FEE_MISMATCH = "fee_mismatch"
    UNRECORDED_RECEIPT = "unrecorded_receipt"
    UNRECORDED_REFUND = "unrecorded_refund"
    CHARGEBACK = "chargeback"
    DUPLICATE_PAYMENT = "duplicate_payment"
    DUPLICATE_LINE = "duplicate_line"
    PAYOUT_MISMATCH = "payout_mismatch"
    PAYOUT_MISSING = "payout_missing"
    REVERSAL = "reversal"
    AMBIGUOUS = "ambiguous"
    NOT_A_FEE = "not_a_fee"
    UNRECORDED_DEBIT = "unrecorded_debit"


class MatchStatus(StrEnum):
    """Whether a match still stands; a superseded one was undone by later or better evidence."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"


class MismatchStatus(StrEnum):
    """Where a mismatch is. ``healed``: later evidence explained it without anybody's decision."""

    OPEN = "open"
    PROPOSED = "proposed"
    RESOLVED = "resolved"
    HEALED = "healed"


class MismatchEventKind(StrEnum):
    """What happened to a mismatch."""

    OPENED = "opened"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    RESOLVED = "resolved"
    HEALED = "healed"


class ResolutionKind(StrEnum):
    """How a person closes a mismatch.

    ``match``: the money belongs to a named counterpart and is taken onto it as received.
    ``return_to_payer``: it is owed back. ``book_as_other``: it is no fee, or a cost.
    ``write_off``: it is given up, within the limit. ``accept``: explained, no money moves.
    """

    MATCH = "match"
    RETURN_TO_PAYER = "return_to_payer"
    BOOK_AS_OTHER = "book_as_other"
    WRITE_OFF = "write_off"
    ACCEPT = "accept"


def needs_second_person(kind: ResolutionKind, about: MismatchType) -> bool:
    """Whether somebody else has to approve exactly this.

    Only money that is merely on its way may be called explained by one person alone: everything
    else that is accepted stops being looked at.
    """
    return kind is not ResolutionKind.ACCEPT or about is not MismatchType.TIMING_DIFFERENCE


class ResolutionStatus(StrEnum):
    """Where a resolution is."""

    PROPOSED = "proposed"
    DONE = "done"
    REJECTED = "rejected"
