"""What can be wrong with a file: stable codes, and what each means for its outcome."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from reconciliation.errors import StatementRefusedError
from reconciliation.ports import Outcome, Problem


class Code(StrEnum):
    """Codes of problems in files; a code never changes its meaning.

    S1… concern the file as a whole, S2… a value in it, S3… a statement, S4… a settlement report.
    """

    EMPTY_FILE = "S100"
    UNKNOWN_FORMAT = "S101"
    FORMAT_NOT_SUPPORTED = "S102"
    DOCTYPE = "S103"
    DAMAGED = "S104"
    NOT_A_STATEMENT = "S105"
    LIMIT_EXCEEDED = "S106"
    NO_STATEMENT = "S107"
    ENCODING = "S108"
    HOSTILE_ARCHIVE = "S109"
    UNREADABLE = "S110"
    NO_PROFILE_FITS = "S120"
    PROFILE_DOES_NOT_FIT = "S121"
    SEVERAL_PROFILES_FIT = "S122"

    AMOUNT = "S200"
    DATE = "S201"
    DIRECTION = "S202"
    CURRENCY = "S203"
    STATUS = "S204"
    REFERENCE_DAMAGED = "S205"
    ROW_UNCLEAR = "S206"

    BALANCE_DIFFERS = "S300"
    PAGE_MISSING = "S301"
    TOTALS_DIFFER = "S302"
    RUNNING_BALANCE_DIFFERS = "S303"
    RESIDUAL = "S304"
    NO_ACCOUNT = "S305"
    BALANCE_UNCLEAR = "S306"

    NET_DIFFERS = "S400"
    KIND_UNKNOWN = "S401"
    SIGN_UNCLEAR = "S402"
    ID_MISSING = "S403"
    LINE_NOT_FINAL = "S404"


NOTICES: Final = frozenset({Code.RESIDUAL})
"""Said, but no reason to hold a file: it concerns one entry, whose amount is proved."""


class ContentRefusedError(StatementRefusedError):
    """The file is refused for the one reason it carries; nothing of it is kept."""

    def __init__(self, code: Code, where: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(code, where, message)


def outcome_of(problems: Iterable[Problem]) -> Outcome:
    """``held`` if any problem but a notice was found in a file that could be read, else ``ok``."""
    held = any(problem.code not in NOTICES for problem in problems)
    return Outcome.HELD if held else Outcome.OK
