"""Table of closes: the sheet as it was prepared, and who signed it."""

from datetime import date, datetime
from enum import StrEnum
from functools import partial

from sqlalchemy import CheckConstraint, Column, String
from sqlmodel import Field, SQLModel

from core.db import UtcDateTime, enum_text
from core.ids import new_id


class CloseStatus(StrEnum):
    """Where the close of a day is. A withdrawn one stays as a record; the day is open."""

    PREPARED = "prepared"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class DayClose(SQLModel, table=True):
    """The close of one day of an account: what one person prepared and another signed.

    It covers the days from ``first_day``, the one after the last that was closed; None if none was.
    ``sheet`` is canonical JSON, kept byte for byte; once closed the whole row is frozen.
    """

    __tablename__ = "day_close"
    __table_args__ = (
        CheckConstraint("reviewed_by IS NULL OR reviewed_by <> prepared_by", name="two_people"),
        CheckConstraint("first_day IS NULL OR first_day <= day", name="days_in_order"),
    )

    id: str = Field(default_factory=partial(new_id, "dcl"), primary_key=True)
    account_id: str = Field(foreign_key="collecting_account.id", index=True)
    first_day: date | None = None
    day: date = Field(index=True)
    sheet: bytes
    sheet_sha256: str = Field(max_length=64)
    prepared_by: str
    prepared_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    status: CloseStatus = Field(
        default=CloseStatus.PREPARED,
        sa_column=Column(enum_text(CloseStatus), nullable=False, index=True),
    )
    reviewed_by: str | None = None
    reviewed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    note: str = Field(default="", sa_column=Column(String, nullable=False))
