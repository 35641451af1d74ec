"""The table of exports that auditors asked for on their page."""

from datetime import date, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import JSON, BigInteger, Column
from sqlmodel import Field, SQLModel

from core.db import UtcDateTime, enum_text
from core.ids import new_id


class ExportStatus(StrEnum):
    """Where an export stands; ``writing`` after a restart is taken up again from the start."""

    ASKED = "asked"
    WRITING = "writing"
    READY = "ready"
    FAILED = "failed"
    REMOVED = "removed"


class Format(StrEnum):
    """In which form the books are written."""

    DATAPACKAGE = "datapackage"
    PARQUET = "parquet"
    XLSX = "xlsx"
    JSONL = "jsonl"
    HLEDGER = "hledger"
    BEANCOUNT = "beancount"


class BookExport(SQLModel, table=True):
    """A package that somebody asked for: of which days and offices, how far, where it ended.

    ``scope`` is the subtree of offices that whoever asked may see.
    """

    __tablename__ = "book_export"

    id: str = Field(default_factory=partial(new_id, "exp"), primary_key=True)
    first_date: date
    last_date: date
    scope: str
    format: Format = Field(sa_column=Column(enum_text(Format), nullable=False))
    asked_by: str = Field(index=True)
    asked_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    status: ExportStatus = Field(
        default=ExportStatus.ASKED,
        sa_column=Column(enum_text(ExportStatus), nullable=False, index=True),
    )
    written: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    expected: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    totals: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False)
    )
    byte_count: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    sha256: str = ""
    problem: str = ""
    finished_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    kept_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))

    @property
    def file_name(self) -> str:
        """What the archive is called where somebody saves it."""
        return f"books-{self.first_date}-{self.last_date}-{self.format.value}-{self.id}.zip"
