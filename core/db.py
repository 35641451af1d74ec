"""The database: SQLite for one machine, PostgreSQL for many; one unit of work is one transaction.

Only ``scheduler`` and ``app`` open transactions, with :func:`transaction` or
:func:`reading`. Nobody else commits.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import DateTime, Enum, Index, TypeDecorator, create_engine, event
from sqlalchemy.engine import Connection, Dialect, Engine, make_url
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session, SQLModel
from typing_extensions import override

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

BUSY_TIMEOUT_MS: Final = 20_000
"""How long a writer on SQLite waits for another before it gives up."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: refused without offset, stored in UTC, returned in UTC on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware instant into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs an offset")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored instant with offset UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def enum_text(kind: type[StrEnum]) -> Enum:
    """Return a column type that stores the values of ``kind`` as checked text."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        name=kind.__name__.lower(),
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )


def unique_where(name: str, *columns: str, where: Any) -> Index:
    """Return a unique index over the rows that satisfy ``where``, on both databases."""
    return Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where)


def make_engine(url: str) -> Engine:
    """Return an engine with the safety settings of its database.

    SQLite: WAL, full synchronisation, foreign keys, and transactions that start as readers or
    writers as told (its driver would otherwise start them late and fail on upgrade).
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        driver = parsed.set(drivername="postgresql+psycopg")
        return create_engine(
            driver, pool_pre_ping=True, pool_size=10, max_overflow=20, hide_parameters=True
        )
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"check_same_thread": False}, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    del record
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "recursive_triggers = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Open one unit of work: all of it is committed at the end, or nothing is."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Open a session that only reads, all from one snapshot; writers are not blocked."""
    postgres: dict[str, Any] = {
        "isolation_level": "REPEATABLE READ",
        "postgresql_readonly": True,
    }
    options = {"reads_only": True} if engine.dialect.name == "sqlite" else postgres
    with Session(engine.execution_options(**options), expire_on_commit=False) as session:
        yield session
