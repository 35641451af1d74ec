"""What the matcher takes and gives: contracts, the three frames, rules, and the result."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from reconciliation.errors import MatchInputError
from reconciliation.matching.columns import BANK, PAYMENTS, SETTLEMENTS, frame_of
from reconciliation.states import MismatchType

CURRENCY: Final = "VND"
"""The currency of every contract; any other on a line is an amount mismatch."""

PAYOUT_WINDOW_DAYS: Final = 7
"""How many days after its payout date a credit without payout id may still pay a payout."""

VERSION: Final = "3"
"""Version of the rules. It changes whenever the same inputs may give another result."""


class Rule(StrEnum):
    """Why a match was made. Each rule has one fixed confidence, see ``confidence``."""

    TXN_ID = "txn_id"
    TXN_ID_PARTS = "txn_id_parts"
    BILL_REFERENCE = "bill_reference"
    PAYOUT_ID = "payout_id"
    PAYOUT_SUM = "payout_sum"
    BANK_REFERENCE = "bank_reference"
    NARRATIVE_REFERENCE = "narrative_reference"
    NARRATIVE_REFERENCE_PARTS = "narrative_reference_parts"
    NARRATIVE_REFERENCE_BILLS = "narrative_reference_bills"
    NARRATIVE_REFERENCE_REPAIRED = "narrative_reference_repaired"
    DOSSIER_CODE = "dossier_code"

    @property
    def confidence(self) -> str:
        """A decimal from 0 to 1, fixed for the rule; 1 = identifier and amount."""
        return _CONFIDENCE[self]


_CONFIDENCE: Final[Mapping[Rule, str]] = {
    Rule.TXN_ID: "1",
    Rule.TXN_ID_PARTS: "1",
    Rule.BILL_REFERENCE: "0.99",
    Rule.PAYOUT_ID: "1",
    Rule.PAYOUT_SUM: "0.95",
    Rule.BANK_REFERENCE: "1",
    Rule.NARRATIVE_REFERENCE: "1",
    Rule.NARRATIVE_REFERENCE_PARTS: "1",
    Rule.NARRATIVE_REFERENCE_BILLS: "1",
    Rule.NARRATIVE_REFERENCE_REPAIRED: "0.99",
    Rule.DOSSIER_CODE: "0.98",
}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ProviderTerms(_Strict):
    """What a provider may charge and from where it pays out.

    The contracted fee is round(gross × rate_bps / 10000) + fixed on payments, 0 otherwise.
    """

    rate_bps: int = Field(ge=0, le=10_000)
    fixed: int = Field(ge=0)
    rounding: str = "half_up"
    settlement_days: int = Field(ge=0, default=1)
    payout_accounts: tuple[str, ...] = Field(default=(), strict=False)
    payout_names: tuple[str, ...] = Field(default=(), strict=False)

    @field_validator("rounding")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != "half_up":
            raise ValueError("rounding is half_up")
        return value


_UNEXPLAINED: Final = frozenset(
    {
        MismatchType.NOT_A_FEE,
        MismatchType.UNRECORDED_RECEIPT,
        MismatchType.UNRECORDED_DEBIT,
    }
)


class NarrativeTerms(_Strict):
    """A pattern that names bank lines nothing recorded explains: interest, charges."""

    pattern: str
    side: str = Field(pattern="^(credit|debit)$")
    type: MismatchType = Field(strict=False, default=MismatchType.NOT_A_FEE)
    name: str

    @field_validator("type")
    @classmethod
    def _of_nothing_recorded(cls, value: MismatchType) -> MismatchType:
        if value not in _UNEXPLAINED:
            raise ValueError(f"a narrative rule cannot find {value}")
        return value

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value


class Contracts(_Strict):
    """The terms of one run: the account, its day, its prefix, its providers.

    ``reference_prefix`` stands before every bill reference of this installation.
    """

    as_of: date = Field(strict=False)
    account: str
    reference_prefix: str = Field(pattern="^[A-Z0-9]{0,6}$")
    grace_days: int = Field(ge=0, le=366)
    narrative_rules: tuple[NarrativeTerms, ...] = Field(default=(), strict=False)
    providers: Mapping[str, ProviderTerms]

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """Read the object of a ``contracts.json``.

        Raises:
            MatchInputError: something is missing, unknown or of another type; it names where.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "document"
            raise MatchInputError(f"contracts: {where}: {first['msg']}") from error

    def on(self, as_of: date) -> Self:
        """The same terms as of another day."""
        return self.model_copy(update={"as_of": as_of})

    def to_json(self) -> dict[str, Any]:
        """The object of a ``contracts.json``; ``from_json`` reads it back."""
        return self.model_dump(mode="json")


@dataclass(frozen=True, slots=True)
class MatchInputs:
    """The whole world of one run: three typed frames (see ``columns``) and the contracts.

    Item ids are unique within their frame. The row order means nothing.
    """

    payments: pd.DataFrame
    settlements: pd.DataFrame
    bank: pd.DataFrame
    contracts: Contracts

    @classmethod
    def from_rows(
        cls,
        *,
        payments: Iterable[Mapping[str, Any]],
        settlements: Iterable[Mapping[str, Any]],
        bank: Iterable[Mapping[str, Any]],
        contracts: Contracts,
    ) -> Self:
        """Build from rows of Python values; see ``columns.frame_of`` for their types."""
        return cls(
            payments=frame_of(payments, PAYMENTS),
            settlements=frame_of(settlements, SETTLEMENTS),
            bank=frame_of(bank, BANK),
            contracts=contracts,
        )

    def on(self, as_of: date) -> Self:
        """The same inputs as of another day."""
        return replace(self, contracts=self.contracts.on(as_of))


@dataclass(frozen=True)
class MatchResult:
    """What one run decided.

    Attributes:
        match_parts: gives the matches one frame after another, as many rows as are written at a
            time: together they are ``matches``, which need not be in memory.
        mismatches: columns MISMATCH_COLUMNS, sorted; all text.
        summary: as_of, layers, matches, mismatches of summary.json; the caller adds engine and
            inputs, which only it knows.
        reasons: mismatch_id → the reason as (code, parameters), so that it can be said in
            another language.
    """

    match_parts: Callable[[], Iterator[pd.DataFrame]]
    mismatches: pd.DataFrame
    summary: dict[str, Any]
    reasons: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)

    @cached_property
    def matches(self) -> pd.DataFrame:
        """Columns MATCH_COLUMNS, sorted; text, but ``amount`` int64 of minor units."""
        return pd.concat(self.match_parts(), ignore_index=True)
