"""Money back to a payer: requested with evidence, approved by another person, sent, settled.

What a bill holds beyond its due amount can go back. A request may name fees to be waived: they
are taken off the bill when it is approved, so that what was paid for them becomes such an excess.
"""

from payments.refunds.beneficiary import Beneficiary, beneficiary_of
from payments.refunds.limits import lock_refund, most_refundable
from payments.refunds.orders import MAX_ROWS, prepare_payment_order
from payments.refunds.outcomes import (
    doubt_refund,
    find_refund,
    record_refund_outcome,
    record_refusal,
    refund_order,
    refusal_of,
    submit_refund,
)
from payments.refunds.requests import (
    RefundDraft,
    approve_refund,
    fingerprint,
    name_beneficiary,
    reject_refund,
    request_refund,
)

__all__ = [
    "MAX_ROWS",
    "Beneficiary",
    "RefundDraft",
    "approve_refund",
    "beneficiary_of",
    "doubt_refund",
    "find_refund",
    "fingerprint",
    "lock_refund",
    "most_refundable",
    "name_beneficiary",
    "prepare_payment_order",
    "record_refund_outcome",
    "record_refusal",
    "refund_order",
    "refusal_of",
    "reject_refund",
    "request_refund",
    "submit_refund",
]
