"""Fees sent on to the State Treasury: what is due, proposed by one person, approved by another.

Only money that is proved to have arrived is proposed, and nothing twice. The bank is told by a
file; that the money left is said by the bank's own debit, as with any other movement.
"""

from payments.treasury.due import due_to_treasury
from payments.treasury.remittances import (
    approve_remittance,
    name_treasury,
    order_remittance,
    prepare_remittance,
    record_refused_remittance,
    reject_remittance,
)

__all__ = [
    "approve_remittance",
    "due_to_treasury",
    "name_treasury",
    "order_remittance",
    "prepare_remittance",
    "record_refused_remittance",
    "reject_remittance",
]
