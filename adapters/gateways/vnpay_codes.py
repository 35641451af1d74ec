"""What VNPay's two code fields say of a payment or a refund; what is not certain stays pending."""

from typing import Final

from payments.ports import Outcome

SUCCESS: Final = "00"
NOT_FOUND: Final = "91"

_EXPIRED: Final = "11"
_CANCELLED: Final = "24"
_CERTAIN_FAILURES: Final = frozenset({"09", "10", "12", "13", "51", "65", "75", "79", "99"})
_ERROR: Final = "02"
_REFUND_UNDER_WAY: Final = frozenset({"05", "06"})
_REFUND_REJECTED: Final = "09"

PAYMENT_TYPE: Final = "01"
FULL_REFUND_TYPE: Final = "02"
PARTIAL_REFUND_TYPE: Final = "03"
REFUND_TYPES: Final = frozenset({FULL_REFUND_TYPE, PARTIAL_REFUND_TYPE})

REFUSED_REQUEST: Final = frozenset({"02", "03", "91", "95", "97"})
"""API answers to a refund after which VNPay has certainly done nothing."""


def notice_outcome(response_code: str, transaction_status: str) -> Outcome:
    """Return what an IPN or return address says of a payment.

    Paid only if both fields say ``00``. Failed only if the transaction's own status is ``02``
    and the response code names why. All else is open: ``07`` (debited, suspected fraud),
    status ``04`` (debited at the bank, not successful at VNPay), fields that contradict each
    other, and codes not known here.
    """
    if response_code == SUCCESS and transaction_status == SUCCESS:
        return Outcome.SUCCEEDED
    if transaction_status != _ERROR:
        return Outcome.PENDING
    if response_code == _CANCELLED:
        return Outcome.CANCELLED
    if response_code == _EXPIRED:
        return Outcome.EXPIRED
    return Outcome.FAILED if response_code in _CERTAIN_FAILURES else Outcome.PENDING


def queried_payment_outcome(transaction_status: str) -> Outcome:
    """Return what querydr says of a payment: it has no reason, only the status.

    ``05``, ``06`` and ``09`` speak of a refund, which presupposes that the money was collected.
    """
    if transaction_status in {SUCCESS, _REFUND_REJECTED} | _REFUND_UNDER_WAY:
        return Outcome.SUCCEEDED
    return Outcome.FAILED if transaction_status == _ERROR else Outcome.PENDING


def refund_outcome(transaction_status: str) -> Outcome:
    """Return what became of a refund; ``05`` and ``06`` (sent to the bank) are not the end."""
    if transaction_status == SUCCESS:
        return Outcome.SUCCEEDED
    return Outcome.FAILED if transaction_status in {_ERROR, _REFUND_REJECTED} else Outcome.PENDING
