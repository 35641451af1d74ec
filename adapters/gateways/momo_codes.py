"""What MoMo's ``resultCode`` says of a payment or a refund; what is not final stays pending."""

from collections.abc import Mapping
from typing import Final

from payments.ports import Outcome

SUCCESS: Final = 0
AUTHORISED: Final = 9000
WAITING: Final = 1000
IN_PROGRESS: Final = 7000
AT_THE_ISSUER: Final = 7002

QR_NOT_MADE: Final = 98
UNKNOWN_ERROR: Final = 99

MAINTENANCE: Final = 10
ACCESS_DENIED: Final = 11
NOT_AUTHENTICATED: Final = 13
BAD_FORMAT: Final = 20
BAD_AMOUNT: Final = 22
DUPLICATE_REQUEST: Final = 40
DUPLICATE_ORDER: Final = 41
ORDER_UNKNOWN: Final = 42
BAD_DATA: Final = 47

INSUFFICIENT: Final = 1001
REJECTED: Final = 1002
HOLD_RELEASED: Final = 1003
OVER_LIMIT: Final = 1004
LINK_EXPIRED: Final = 1005
PAYER_REFUSED: Final = 1006
REFUND_OVER_AMOUNT: Final = 1081
NOT_REFUNDABLE: Final = 1088

STILL_OPEN: Final = frozenset({WAITING, IN_PROGRESS, AT_THE_ISSUER, AUTHORISED})

REQUEST_ERRORS: Final = frozenset(
    {10, 11, 12, 13, 20, 21, 22, 40, 41, 42, 43, 45, 47},
)
"""Codes that speak of the request, never of the money it was about."""

REFUSED_REQUEST: Final = frozenset({11, 12, 13, 20, 21, 22, 42, 47})
"""Codes after which MoMo has certainly done nothing with this request.

Not 10 (maintenance), 43 and 45 (something alike is there), nor 40 and 41 (it was sent before).
"""

KNOWN_BEFORE: Final = frozenset({DUPLICATE_REQUEST, DUPLICATE_ORDER})

REFUND_FAILURES: Final = frozenset({1080, REFUND_OVER_AMOUNT, NOT_REFUNDABLE})

_ENDS: Final[Mapping[int, Outcome]] = {
    INSUFFICIENT: Outcome.FAILED,
    REJECTED: Outcome.FAILED,
    HOLD_RELEASED: Outcome.CANCELLED,
    OVER_LIMIT: Outcome.FAILED,
    LINK_EXPIRED: Outcome.EXPIRED,
    PAYER_REFUSED: Outcome.CANCELLED,
    1007: Outcome.FAILED,
    1017: Outcome.CANCELLED,
    1026: Outcome.FAILED,
    2019: Outcome.FAILED,
    4001: Outcome.FAILED,
    4002: Outcome.FAILED,
    4100: Outcome.FAILED,
    QR_NOT_MADE: Outcome.FAILED,
    UNKNOWN_ERROR: Outcome.FAILED,
}
"""How a payment has ended for good, money not taken."""


def is_final(code: int) -> bool:
    """Whether MoMo says that this code will not change: the same request gets it again."""
    return code == SUCCESS or code in _ENDS or code in REFUND_FAILURES


def opened_nothing(code: int) -> bool:
    """Whether the answer to a create says for certain that nobody can pay this order."""
    return code in REFUSED_REQUEST or (code in _ENDS and code != UNKNOWN_ERROR)


def payment_outcome(code: int, *, auto_capture: bool) -> Outcome:
    """Return what a result says of a payment.

    ``9000`` holds the money. Where it is to be captured by itself MoMo calls that a success but
    not final, so it is PENDING until a notice or a query says ``0``.
    """
    if code == SUCCESS:
        return Outcome.SUCCEEDED
    if code == AUTHORISED and not auto_capture:
        return Outcome.AUTHORISED
    return _ENDS.get(code, Outcome.PENDING)


def queried_outcome(code: int, *, auto_capture: bool) -> Outcome:
    """Return what the answer to a question says: there ``99`` may mean that asking has failed."""
    if code == UNKNOWN_ERROR:
        return Outcome.PENDING
    return payment_outcome(code, auto_capture=auto_capture)


def refund_outcome(code: int) -> Outcome:
    """Return what became of a refund; an unknown error is not the end of one."""
    if code == SUCCESS:
        return Outcome.SUCCEEDED
    failed = code in REFUND_FAILURES or code in _ENDS.keys() - {QR_NOT_MADE, UNKNOWN_ERROR}
    return Outcome.FAILED if failed else Outcome.PENDING
