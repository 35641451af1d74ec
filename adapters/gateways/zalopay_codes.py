"""What ZaloPay's codes say of an order, a refund or a request; what is not certain stays open.

The general code is 1, 2 or 3; the detailed one says why. Marks are those of the rail's document:
[D] an official page, [T] other people's programs only.
"""

from collections.abc import Mapping
from typing import Final

from payments.ports import Outcome

SUCCESS: Final = 1
FAILED: Final = 2
PROCESSING: Final = 3

DUPLICATE_ORDER: Final = -68
BAD_ARGUMENT: Final = -401
UNAUTHENTICATED: Final = -402
SYSTEM_ERROR: Final = -500

EXPIRED: Final = -322
CANCELLED: Final = -329
REFUNDED: Final = -101
"""[D] of an order; elsewhere the same number says that there is no such order [T]."""

UNKNOWN_ORDER: Final = -49
"""[T]; earlier versions said it of orders that were not paid yet."""

START_REFUSED: Final = frozenset({BAD_ARGUMENT, UNAUTHENTICATED})
"""Answers to a new order after which there is certainly none [D]."""

UNANSWERED: Final = frozenset(
    {-32, -33, -34, -35, -43, -88, -135, -301}  # maintenance, and systems behind ZaloPay [D]
    | {BAD_ARGUMENT, UNAUTHENTICATED, -403, -405, -406, 406, -429, SYSTEM_ERROR}  # [D]
    | {-503, -999}  # maintenance [D]
    | {-3, -10, -12, -53}  # wrong signature, application or format [T]
)
"""Codes about the question itself: they say nothing of the order or refund asked about."""

DUPLICATE_REFUND: Final = -23
WRONG_REFUND_ID: Final = -24
WRONG_REFUND_DATE: Final = -25
WRONG_REFUND_APP: Final = -26
UNKNOWN_REFUND: Final = -21
UNKNOWN_PAYMENT: Final = -8
NOT_PAID: Final = -5
REFUND_TOO_LATE: Final = -13
REFUND_TOO_MUCH: Final = -14

_NOT_REFUNDABLE: Final = frozenset({-2, -4, -9, REFUND_TOO_LATE, REFUND_TOO_MUCH})
"""Kind of refund, way of paying or kind of transaction not refundable, too late, too much [T]."""

REFUND_REFUSED: Final = _NOT_REFUNDABLE | frozenset(
    {-3, NOT_PAID, -6, UNKNOWN_PAYMENT, -10, -12, BAD_ARGUMENT, UNAUTHENTICATED}
    | {WRONG_REFUND_ID, WRONG_REFUND_DATE, WRONG_REFUND_APP, -53}
)
"""Answers to a refund order after which ZaloPay has certainly not begun it [T]."""

CHECKED: Final[Mapping[int, tuple[bool, str]]] = {
    UNKNOWN_ORDER: (True, "ZaloPay answered and accepts key 1."),
    REFUNDED: (True, "ZaloPay answered and accepts key 1."),
    UNAUTHENTICATED: (False, "ZaloPay does not accept app id and key 1 together."),
    -403: (False, "ZaloPay does not accept app id and key 1 together."),
    -53: (False, "ZaloPay says that our signature is wrong: key 1 is not this application's."),
    -3: (False, "ZaloPay says that our signature is wrong: key 1 is not this application's."),
    -10: (False, "ZaloPay does not know this app id."),
    BAD_ARGUMENT: (False, "ZaloPay did not understand the question: is the app id right?"),
    -429: (False, "ZaloPay has been asked too often; try again in a while."),
    SYSTEM_ERROR: (False, "ZaloPay has trouble of its own; try again in a while."),
    -503: (False, "ZaloPay is being maintained; try again in a while."),
    -999: (False, "ZaloPay is being maintained; try again in a while."),
}
"""What answers to a question about an order that cannot exist say of our settings."""


def order_outcome(code: int, detail: int, *, is_processing: bool, has_money: bool) -> Outcome:
    """Return what a queried order has come to.

    ``has_money``: the answer names a transaction and an amount. ``2`` alone is not the end: only
    expired and cancelled are, and only without money; *refunded* presupposes that it was
    collected. Answers that contradict themselves leave it open.
    """
    if is_processing or code not in {SUCCESS, FAILED}:
        return Outcome.PENDING
    if has_money:
        paid = code == SUCCESS or detail == REFUNDED
        return Outcome.SUCCEEDED if paid else Outcome.PENDING
    if code == FAILED and detail == EXPIRED:
        return Outcome.EXPIRED
    return Outcome.CANCELLED if code == FAILED and detail == CANCELLED else Outcome.PENDING


def refund_outcome(code: int, detail: int) -> Outcome:
    """Return what became of a refund that was asked about.

    A refund wrongly called failed is sent again and paid twice; one wrongly left open is looked
    at by a person. So ``2`` is the end only with a reason that nothing can change any more.
    """
    if code == SUCCESS:
        return Outcome.SUCCEEDED
    return Outcome.FAILED if code == FAILED and detail in _NOT_REFUNDABLE else Outcome.PENDING
