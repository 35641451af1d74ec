"""The layout of one bank's tables as data: what ships, and what an office has saved."""

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from reconciliation.errors import LayoutInvalidError
from reconciliation.ports import LineStatus

Role = Literal[
    "booking_date",
    "value_date",
    "amount",
    "direction",
    "debit",
    "credit",
    "fee",
    "tax",
    "balance",
    "currency",
    "account",
    "status",
    "row_type",
    "narrative",
    "reference",
    "bank_reference",
    "counterparty_name",
    "counterparty_account",
]
"""What a column can hold. ``amount`` is signed or has a ``direction``; ``debit`` and ``credit``
are two columns; ``fee`` and ``tax`` are taken off beside them; ``row_type`` tells lines from
balances among the dated rows."""

Direction = Literal["credit", "debit", "neutral"]
RowType = Literal["line", "opening", "closing", "skip"]
DateOrder = Literal["dmy", "mdy", "ymd"]


def folded(text: object) -> str:
    """A text as marks are compared: composed, upper case, single blanks, none around slashes."""
    composed = unicodedata.normalize("NFC", str(text)).upper()
    return re.sub(r"\s*/\s*", "/", " ".join(composed.split())).strip()


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no pattern: {error}") from error
    return text


Mark = Annotated[str, AfterValidator(folded), Field(min_length=1, max_length=200)]
Pattern = Annotated[str, AfterValidator(_pattern), Field(max_length=200)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AccountMarks(_Data):
    """Where the account number stands, or which it is where none is printed.

    Attributes:
        labels, pattern, ignored: texts before it, what it looks like, and words that mark an
            account number to be passed over.
        number: the account of every file of this layout; a file that names another is held.
    """

    labels: tuple[Mark, ...] = ()
    pattern: Pattern = r"[A-Z]{0,2}\d[\dA-Z*]{4,33}"
    ignored: tuple[Mark, ...] = ()
    number: str = Field(default="", max_length=34)


class CurrencyMarks(_Data):
    """Where the currency stands, or which it is where none is printed.

    ``labels`` stand before it above the table; ``words`` a bank uses instead of the code.
    """

    labels: tuple[Mark, ...] = ()
    default: CurrencyCode
    words: dict[Mark, CurrencyCode] = {}


class TableProfile(_Data):
    """How one bank lays out a statement; all marks are compared by :func:`folded`.

    Attributes:
        version: of a saved profile, from 1; one that ships has none.
        provenance: where the layout is known from, and how surely.
        marks: texts of which all groups must be found, one of each group, above the table or at
            its head.
        columns: role to the header texts it goes by, or to the number of the column from 1.
        required: the roles without which a row is no header.
        has_header: a table without one begins with its first line; its columns are numbers.
        opening, closing, totals: texts that begin such rows.
        row_types: words of the ``row_type`` column.
        directions, statuses: words of these columns, besides the usual ones.
        date_order: of dates that could be read in two ways; ``short_years`` have two digits.
        decimal_mark: ``.`` or ``,``; empty where the layout shows it beyond doubt (no decimals,
            or groups of three).
        inverse_sign: the one amount column counts money out as positive (cards, wallets).
        debit_is_negative: debits, fees and taxes are printed with their minus.
        fill_down: a row without a date has that of the row above it.
        continued: a row of nothing but narrative goes on with the line above it.
        sections: the file may hold several accounts, each with its own header.
        balances_from_rows: no opening or closing is printed; the running balance states them.
        delimiter, encoding: of text exports; an empty delimiter is found out, and the encoding
            is of texts that are neither marked nor UTF-8.
    """

    name: Name
    version: NonNegativeInt = 0
    title: str = Field(max_length=200)
    provenance: str = Field(default="", max_length=500)
    marks: tuple[tuple[Mark, ...], ...] = ()
    columns: dict[Role, tuple[Mark, ...] | PositiveInt]
    required: tuple[Role, ...] = ("booking_date",)
    has_header: bool = True
    account: AccountMarks = AccountMarks()
    currency: CurrencyMarks
    opening: tuple[Mark, ...] = ()
    closing: tuple[Mark, ...] = ()
    totals: tuple[Mark, ...] = ()
    row_types: dict[Mark, RowType] = {}
    directions: dict[Mark, Direction] = {}
    statuses: dict[Mark, LineStatus] = {}
    date_order: DateOrder = "dmy"
    short_years: bool = False
    decimal_mark: Literal["", ".", ","] = ""
    inverse_sign: bool = False
    debit_is_negative: bool = False
    fill_down: bool = False
    continued: bool = False
    sections: bool = False
    balances_from_rows: bool = False
    delimiter: Literal["", ",", ";", "\t", "|"] = ""
    encoding: str = Field(default="cp1258", max_length=20)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """A date and an amount are what makes a line."""
        if "booking_date" not in self.columns:
            raise ValueError("no column is the booking date")
        if not {"amount", "debit", "credit"} & set(self.columns):
            raise ValueError("no column is an amount")
        if "amount" in self.columns and {"debit", "credit"} & set(self.columns):
            raise ValueError("amounts are in one column or in two, not in both")
        if missing := [role for role in self.required if role not in self.columns]:
            raise ValueError(f"required but without a column: {', '.join(missing)}")
        if not self.has_header and any(not isinstance(c, int) for c in self.columns.values()):
            raise ValueError("a table without a header needs its columns by number")
        try:
            "".encode(self.encoding)
        except LookupError as error:
            raise ValueError(f"{self.encoding!r} is no encoding") from error
        return self

    @property
    def label(self) -> str:
        """The name, and of a saved profile its version, as a file's format says it."""
        return f"{self.name}@{self.version}" if self.version else self.name

    def as_data(self) -> dict[str, Any]:
        """The profile as it is saved: JSON values, without what is the usual case."""
        return self.model_dump(mode="json", exclude_defaults=True)


def profile_from(data: Mapping[str, Any], *, where: str) -> TableProfile:
    """Read a profile that a person has written or saved.

    Raises:
        LayoutInvalidError: it is none; the message names the field.
    """
    try:
        return TableProfile.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "profile"
        message = str(first["msg"]).removeprefix("Value error, ")
        raise LayoutInvalidError(f"{where}: {field}: {message}") from error


@cache
def table_profiles() -> tuple[TableProfile, ...]:
    """The profiles that ship with the product, by name."""
    return tuple(
        TableProfile.model_validate(data) for data in load_layouts("statements.tables", "profiles")
    )


def load_layouts(package: str, folder: str) -> list[dict[str, Any]]:
    """The JSON files of a folder of layouts that ships in a package of adapters, by name."""
    place = resources.files(f"adapters.{package}") / folder
    files = sorted((f for f in place.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]
