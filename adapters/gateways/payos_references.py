"""Our references as payOS's ``orderCode``, an integer, and back, without any stored table.

The seven data symbols of the bill reference are 35 bits, the attempt number takes 17 more: 52 bits
in all, within what a JSON number holds exactly everywhere. The check symbols are computed again.
"""

import re
from typing import Final

from payments.references import ALPHABET, CODE_LENGTH, DATA_SYMBOLS, VALUES, encode, is_codeword

MOST_ATTEMPTS: Final = 2**17 - 1
LARGEST_CODE: Final = 2**53 - 1
"""The largest ``orderCode`` that payOS takes; ours stay below half of it."""

_ATTEMPT: Final = re.compile(r"[1-9][0-9]{0,5}")
_BASE: Final = len(ALPHABET)
_BILLS: Final = _BASE**DATA_SYMBOLS


def order_code(merchant_reference: str, prefix: str) -> int:
    """Return the ``orderCode`` of an attempt.

    Raises:
        ValueError: not a bill reference of this prefix with right check symbols and an attempt
            number; another one could not be had back from the code.
    """
    bill, _, attempt = merchant_reference.rpartition("-")
    code = bill[len(prefix) :]
    if not bill.startswith(prefix) or len(code) != CODE_LENGTH or not is_codeword(code):
        raise ValueError(f"{merchant_reference[:40]!r} has no bill reference of {prefix}")
    if not _ATTEMPT.fullmatch(attempt) or int(attempt) > MOST_ATTEMPTS:
        raise ValueError(f"{merchant_reference[:40]!r} has no attempt number")
    number = 0
    for symbol in code[:DATA_SYMBOLS]:
        number = number * _BASE + VALUES[symbol]
    return number * (MOST_ATTEMPTS + 1) + int(attempt)


def reference_of(code: int, prefix: str) -> str:
    """Return the merchant reference that a code was made of; empty where it cannot be ours."""
    number, attempt = divmod(code, MOST_ATTEMPTS + 1)
    if not 0 <= number < _BILLS or attempt == 0:
        return ""
    data = [number // _BASE**place % _BASE for place in reversed(range(DATA_SYMBOLS))]
    return f"{encode(prefix, data)}-{attempt}"
