"""The one family of expected failures, each with a stable code and an HTTP status.

    DoisoatError
    ├── core:           C…  settings, money, identifiers
    ├── payments:       P…  bills, payments, channels, books
    ├── reconciliation: R…  runs, mismatches;  S…  statements and reports
    └── accounts:       A…  who may do what

A code never changes its meaning: programs and people rely on it. Impossible states are not in
this family; they crash.
"""

from http import HTTPStatus
from typing import ClassVar


class DoisoatError(Exception):
    """An expected failure that somebody outside has to be told about.

    Attributes:
        code: stable identifier, letter of the package and number.
        status: the HTTP status that fits it.
        title: a short sentence that is the same for every occurrence.
        detail: what happened this time; free of secrets and personal data.
    """

    code: ClassVar[str] = "C000"
    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title


class SettingsError(DoisoatError):
    """The installation is configured in a way that must not run."""

    code = "C001"
    title = "The settings are not usable"


class MoneyFormatError(DoisoatError):
    """A text is not plainly an amount of its currency."""

    code = "C002"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Not an amount"


class CurrencyMismatchError(DoisoatError):
    """Amounts of two currencies met where only one may be."""

    code = "C003"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Amounts of different currencies"


class NotFoundError(DoisoatError):
    """What was asked for does not exist, or is not this actor's to see."""

    code = "C004"
    status = HTTPStatus.NOT_FOUND
    title = "Not found"


class InputUnusableError(DoisoatError):
    """A file cannot be used; the message names file, line and column. Exit status 3."""

    code = "C005"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The input is unusable"


class ConflictError(DoisoatError):
    """Somebody else changed the same thing in the meantime."""

    code = "C006"
    status = HTTPStatus.CONFLICT
    title = "Changed in the meantime"


class DecryptionError(DoisoatError):
    """A stored secret cannot be opened: wrong key, wrong row, or damaged."""

    code = "C007"
    title = "A stored secret cannot be opened"


class RequestInvalidError(DoisoatError):
    """A request lacks something or says something that cannot be."""

    code = "C008"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The request is not valid"


class TooLargeError(DoisoatError):
    """A request is larger than this address takes."""

    code = "C009"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    title = "The request is too large"
