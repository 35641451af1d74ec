"""Tables of the evidence (statements, settlement reports), of runs, and of what they decided."""

from datetime import date, datetime
from enum import StrEnum
from functools import partial
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel, col, select

from core.db import UtcDateTime, enum_text, unique_where
from core.ids import new_id
from core.money import Currency
from payments.channels import Channel
from reconciliation.ports import BalanceCheck, Outcome
from reconciliation.states import (
    ItemKind,
    Layer,
    MatchStatus,
    MismatchEventKind,
    MismatchStatus,
    MismatchType,
    ResolutionKind,
    ResolutionStatus,
)

_WHOLE = 10_000
"""Basis points of the whole."""


class FileKind(StrEnum):
    """What a file claims to be."""

    STATEMENT = "statement"
    SETTLEMENT = "settlement"


def _minor(*, nullable: bool = False) -> Any:
    return Column(BigInteger, nullable=nullable)


def _instant(*, nullable: bool = False, index: bool = False) -> Any:
    return Column(UtcDateTime, nullable=nullable, index=index)


class ProviderContract(SQLModel, table=True):
    """What a provider may charge an account and how it pays out (matching/contracts)."""

    __tablename__ = "provider_contract"

    account_id: str = Field(foreign_key="collecting_account.id", primary_key=True)
    provider: Channel = Field(
        sa_column=Column(enum_text(Channel), primary_key=True, nullable=False)
    )
    rate_bps: int = Field(ge=0)
    fixed_minor: int = Field(default=0, sa_column=_minor())
    rounding: str = "half_up"
    settlement_days: int = 1
    payout_accounts: list[str] = Field(sa_column=Column(JSON, nullable=False))
    payout_names: list[str] = Field(sa_column=Column(JSON, nullable=False))

    def fee_minor(self, gross_minor: int) -> int:
        """Return the contracted fee on a payment: round half up(gross × rate / 10000) + fixed."""
        share = (gross_minor * self.rate_bps * 2 + _WHOLE) // (2 * _WHOLE)
        return share + self.fixed_minor


class NarrativeRule(SQLModel, table=True):
    """A pattern that names bank lines which are no fees: interest, charges."""

    __tablename__ = "narrative_rule"

    id: str = Field(default_factory=partial(new_id, "nrl"), primary_key=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    position: int
    pattern: str
    side: str
    type: str
    name: str


class EvidenceFile(SQLModel, table=True):
    """A file as it came, kept encrypted: taken once by its SHA-256, also when refused."""

    __tablename__ = "evidence_file"

    id: str = Field(default_factory=partial(new_id, "fil"), primary_key=True)
    sha256: str = Field(unique=True, max_length=64)
    kind: FileKind = Field(sa_column=Column(enum_text(FileKind), nullable=False))
    name: str
    format: str
    outcome: Outcome = Field(sa_column=Column(enum_text(Outcome), nullable=False, index=True))
    report: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    sealed: bytes
    size: int
    source: str
    imported_by: str
    received_at: datetime = Field(sa_column=_instant(index=True))


class SavedLayout(SQLModel, table=True):
    """How the tables of an account are laid out, as a person has looked at and saved it.

    A change is another version, and so is its end: the last one is used unless it is
    ``withdrawn``.
    """

    __tablename__ = "statement_layout"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: str = Field(default_factory=partial(new_id, "lay"), primary_key=True)
    name: str = Field(max_length=60)
    version: int = Field(ge=1)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    profile: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    saved_by: str
    saved_at: datetime = Field(sa_column=_instant())
    withdrawn: bool = False


class Statement(SQLModel, table=True):
    """One statement of one account; one whose import was taken back is ``undone``."""

    __tablename__ = "statement"

    id: str = Field(default_factory=partial(new_id, "stm"), primary_key=True)
    file_id: str = Field(foreign_key="evidence_file.id", index=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    statement_key: str = Field(unique=True)
    digest: str
    number: str
    page: int
    from_date: date | None = None
    to_date: date | None = None
    currency: str
    opening_minor: int | None = Field(default=None, sa_column=_minor(nullable=True))
    closing_minor: int | None = Field(default=None, sa_column=_minor(nullable=True))
    balance_check: BalanceCheck = Field(sa_column=Column(enum_text(BalanceCheck), nullable=False))
    line_count: int
    created_at: datetime = Field(sa_column=_instant())
    undone_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    undone_by: str | None = None
    undone_reason: str | None = None


class StatementLine(SQLModel, table=True):
    """One booked entry of a collecting account: credit positive, debit negative."""

    __tablename__ = "statement_line"
    __table_args__ = (CheckConstraint("amount_minor <> 0", name="amount_not_zero"),)

    id: str = Field(default_factory=partial(new_id, "bnk"), primary_key=True)
    statement_id: str = Field(foreign_key="statement.id", index=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    line_key: str = Field(unique=True)
    position: str
    booking_date: date = Field(index=True)
    value_date: date
    amount_minor: int = Field(sa_column=_minor())
    currency: str
    narrative: str
    counterparty_name: str = ""
    counterparty_account: str = ""
    bank_ref: str = ""
    reversal: bool = False


def is_counted(statement_id: Any) -> ColumnElement[bool]:
    """Return the condition that a line is of a statement whose import was not taken back."""
    undone = select(Statement.id).where(col(Statement.undone_at).is_not(None))
    return cast("ColumnElement[bool]", statement_id.not_in(undone))


class Settlement(SQLModel, table=True):
    """A provider's settlement report as imported."""

    __tablename__ = "settlement"
    __table_args__ = (UniqueConstraint("account_id", "provider", "report_id"),)

    id: str = Field(default_factory=partial(new_id, "set"), primary_key=True)
    file_id: str = Field(foreign_key="evidence_file.id", index=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    provider: Channel = Field(sa_column=Column(enum_text(Channel), nullable=False))
    report_id: str
    line_count: int
    created_at: datetime = Field(sa_column=_instant())


class SettlementLine(SQLModel, table=True):
    """One line of a settlement report; gross and net are negative for money going back."""

    __tablename__ = "settlement_line"

    id: str = Field(default_factory=partial(new_id, "stl"), primary_key=True)
    settlement_id: str = Field(foreign_key="settlement.id", index=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    provider: Channel = Field(sa_column=Column(enum_text(Channel), nullable=False))
    report_id: str
    position: str
    kind: str
    provider_txn_id: str
    bill_reference: str
    gross_minor: int = Field(sa_column=_minor())
    fee_minor: int = Field(sa_column=_minor())
    net_minor: int = Field(sa_column=_minor())
    currency: str
    occurred_at: str
    payout_id: str
    payout_date: date


class FrozenInput(SQLModel, table=True):
    """An input of a run as it was, compressed, named by the SHA-256 of its CSV text."""

    __tablename__ = "frozen_input"

    sha256: str = Field(primary_key=True, max_length=64)
    content: bytes


class ReconciliationRun(SQLModel, table=True):
    """One comparison of one account; ``inputs`` names its frozen files, so it can be repeated."""

    __tablename__ = "reconciliation_run"

    id: str = Field(default_factory=partial(new_id, "run"), primary_key=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    as_of: date
    started_at: datetime = Field(sa_column=_instant(index=True))
    engine: str
    inputs: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    summary: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    new_matches: int = 0
    superseded_matches: int = 0
    new_mismatches: int = 0
    healed_mismatches: int = 0


class Match(SQLModel, table=True):
    """A decision that items of one layer are the same money, with the rule that made it."""

    __tablename__ = "match"

    id: str = Field(default_factory=partial(new_id, "mat"), primary_key=True)
    match_key: str = Field(index=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    layer: Layer = Field(sa_column=Column(enum_text(Layer), nullable=False))
    rule: str
    confidence: str
    status: MatchStatus = Field(
        default=MatchStatus.ACTIVE,
        sa_column=Column(enum_text(MatchStatus), nullable=False, index=True),
    )
    run_id: str | None = Field(default=None, foreign_key="reconciliation_run.id")
    decided_by: str
    created_at: datetime = Field(sa_column=_instant())
    superseded_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))


class MatchItem(SQLModel, table=True):
    """One item of a match, whole. An item has at most one active match in each layer.

    ``collected`` marks a payment that nobody had told us was paid: this match is its only proof.
    """

    __tablename__ = "match_item"
    __table_args__ = (
        unique_where("uq_match_item_active", "layer", "item_kind", "item_id", where=text("active")),
    )

    match_id: str = Field(foreign_key="match.id", primary_key=True)
    layer: Layer = Field(sa_column=Column(enum_text(Layer), primary_key=True, nullable=False))
    item_kind: ItemKind = Field(
        sa_column=Column(enum_text(ItemKind), primary_key=True, nullable=False)
    )
    item_id: str = Field(primary_key=True, index=True)
    amount_minor: int = Field(sa_column=_minor())
    active: bool = True
    collected: bool = False


class Mismatch(SQLModel, table=True):
    """An item that does not agree, with its evidence; open until healed or resolved."""

    __tablename__ = "mismatch"
    __table_args__ = (
        unique_where(
            "uq_mismatch_open", "mismatch_key", where=text("status IN ('open', 'proposed')")
        ),
    )

    id: str = Field(default_factory=partial(new_id, "mis"), primary_key=True)
    mismatch_key: str = Field(index=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    office_id: str | None = Field(default=None, foreign_key="office.id", index=True)
    type: MismatchType = Field(
        sa_column=Column(enum_text(MismatchType), nullable=False, index=True)
    )
    layer: Layer = Field(sa_column=Column(enum_text(Layer), nullable=False))
    item_kind: ItemKind = Field(sa_column=Column(enum_text(ItemKind), nullable=False))
    item_id: str = Field(index=True)
    related_items: str = ""
    expected: str = ""
    actual: str = ""
    amount_minor: int = Field(sa_column=_minor())
    currency: str = Currency.VND.value
    reason: str
    reason_code: str = ""
    reason_params: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON))
    status: MismatchStatus = Field(
        default=MismatchStatus.OPEN,
        sa_column=Column(enum_text(MismatchStatus), nullable=False, index=True),
    )
    assigned_to: str | None = Field(default=None, index=True)
    run_id: str = Field(foreign_key="reconciliation_run.id")
    opened_at: datetime = Field(sa_column=_instant(index=True))
    closed_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    version: int = 1


class MismatchEvent(SQLModel, table=True):
    """What was said and done about a mismatch; append-only."""

    __tablename__ = "mismatch_event"

    id: str = Field(default_factory=partial(new_id, "mev"), primary_key=True)
    mismatch_id: str = Field(foreign_key="mismatch.id", index=True)
    at: datetime = Field(sa_column=_instant())
    actor_id: str
    actor_name: str
    kind: MismatchEventKind = Field(sa_column=Column(enum_text(MismatchEventKind), nullable=False))
    text: str = ""


class Resolution(SQLModel, table=True):
    """How a mismatch is to be closed; some ways need a second person, who sees exactly this."""

    __tablename__ = "resolution"
    __table_args__ = (
        CheckConstraint("decided_by IS NULL OR decided_by <> proposed_by", name="two_people"),
        unique_where(
            "uq_resolution_live",
            "mismatch_id",
            where=text("status IN ('proposed', 'done')"),
        ),
    )

    id: str = Field(default_factory=partial(new_id, "res"), primary_key=True)
    mismatch_id: str = Field(foreign_key="mismatch.id", index=True)
    kind: ResolutionKind = Field(sa_column=Column(enum_text(ResolutionKind), nullable=False))
    reason: str
    related_items: str = ""
    amount_minor: int = Field(sa_column=_minor())
    status: ResolutionStatus = Field(sa_column=Column(enum_text(ResolutionStatus), nullable=False))
    proposed_by: str
    proposed_at: datetime = Field(sa_column=_instant())
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    decision_note: str = ""
