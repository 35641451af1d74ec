"""The tables of blind re-checks: what was drawn, what was shown, and what people answered."""

from datetime import datetime
from enum import StrEnum
from functools import partial

from sqlalchemy import JSON, CheckConstraint, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from core.db import UtcDateTime, enum_text
from core.ids import new_id
from reconciliation.states import Layer


class RuleClass(StrEnum):
    """How firm the evidence of a rule is; a sample is drawn from each by itself."""

    IDENTIFIER = "identifier"
    REPAIRED = "repaired"
    SUMS = "sums"
    DOSSIER = "dossier"


class Verdict(StrEnum):
    """What an answer says about the match; only who asks for the figures sees it."""

    AGREED = "agreed"
    DISAGREED = "disagreed"
    CANNOT_TELL = "cannot_tell"


class RecheckDraw(SQLModel, table=True):
    """One sample of one month (``2026-11``): drawn once, with what it was drawn from.

    ``population`` counts the matches of each class of rules at the time of drawing.
    """

    __tablename__ = "recheck_draw"

    period: str = Field(primary_key=True, max_length=7)
    seed: str
    population: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    drawn_by: str
    drawn_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class RecheckItem(SQLModel, table=True):
    """A match to be judged: the evidence that is shown, and the choices in their seeded order.

    ``shown`` and each of ``choices`` are ``kind:id`` joined by ``;``. Which choice the match made
    is not written here: it is what the match says.
    """

    __tablename__ = "recheck_item"
    __table_args__ = (UniqueConstraint("period", "match_id"),)

    id: str = Field(default_factory=partial(new_id, "rck"), primary_key=True)
    period: str = Field(foreign_key="recheck_draw.period", index=True)
    position: int
    match_id: str = Field(foreign_key="match.id", index=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    office_id: str | None = Field(default=None, foreign_key="office.id", index=True)
    layer: Layer = Field(sa_column=Column(enum_text(Layer), nullable=False))
    rule_class: RuleClass = Field(sa_column=Column(enum_text(RuleClass), nullable=False))
    shown: str
    choices: list[str] = Field(sa_column=Column(JSON, nullable=False))


class RecheckAnswer(SQLModel, table=True):
    """What one person answered, once and for good; ``round`` 2 judges a disagreement again.

    ``chosen`` is one of the choices, or ``none``, or ``cannot_tell``.
    """

    __tablename__ = "recheck_answer"
    __table_args__ = (
        UniqueConstraint("item_id", "round"),
        UniqueConstraint("item_id", "answered_by", name="uq_recheck_answer_person"),
        CheckConstraint("round IN (1, 2)", name="two_rounds"),
    )

    id: str = Field(default_factory=partial(new_id, "rca"), primary_key=True)
    item_id: str = Field(foreign_key="recheck_item.id", index=True)
    round: int
    chosen: str
    verdict: Verdict = Field(sa_column=Column(enum_text(Verdict), nullable=False))
    answered_by: str
    answered_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
