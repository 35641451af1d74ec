"""Tables of the sources that statement files are fetched from, beside the watched folder."""

from datetime import datetime
from functools import partial

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from core.db import UtcDateTime, enum_text
from core.ids import new_id
from reconciliation.ports import SourceKind


class ConfiguredSource(SQLModel, table=True):
    """A source as it was written down, its secrets sealed, and how the last fetch went.

    ``files_count`` counts the files that were new here. An empty ``last_error_code`` says that
    the last fetch did not fail.
    """

    __tablename__ = "statement_source"

    id: str = Field(default_factory=partial(new_id, "src"), primary_key=True)
    name: str = Field(unique=True, max_length=40)
    kind: SourceKind = Field(sa_column=Column(enum_text(SourceKind), nullable=False))
    config: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    sealed: bytes
    active: bool = True
    files_count: int = 0
    last_fetch_at: datetime | None = Field(
        default=None, sa_column=Column(UtcDateTime, nullable=True)
    )
    last_error_code: str = ""
    last_error: str = ""


class SourceMark(SQLModel, table=True):
    """A file that was taken from a source at which nothing may be moved; a digest names it."""

    __tablename__ = "source_mark"

    source_id: str = Field(foreign_key="statement_source.id", primary_key=True)
    mark: str = Field(primary_key=True, max_length=64)
