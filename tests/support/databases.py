"""Migrated databases for tests: each test gets its own copy of one that was migrated once."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Engine

from core.db import make_engine
from core.migrations import migrate
from tests.support.postgres import PostgresMissingError, PostgresServer

TEMPLATE = "doisoat_template"


class SqliteDatabases:
    """Copies of one migrated SQLite file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = count(1)
        self._template: Path | None = None

    @contextmanager
    def copy(self, *, empty: bool = False) -> Iterator[Engine]:
        """Lend an engine on a database of its own; ``empty`` is one without any table."""
        path = self._folder / f"{next(self._names)}.db"
        if not empty:
            shutil.copyfile(self._migrated(), path)
        engine = make_engine(f"sqlite:///{path}")
        try:
            yield engine
        finally:
            engine.dispose()
            for leftover in self._folder.glob(f"{path.name}*"):
                leftover.unlink()

    def _migrated(self) -> Path:
        if self._template is None:
            self._template = self._folder / "template.db"
            engine = make_engine(f"sqlite:///{self._template}")
            migrate(engine)
            engine.dispose()  # closing the last connection writes the log into the file
        return self._template


class PostgresDatabases:
    """Copies of one migrated database on a server of the tests' own, started when first asked."""

    def __init__(self) -> None:
        self._names = count(1)
        self._server: PostgresServer | None = None
        self._admin: Engine | None = None
        self._missing = ""

    @contextmanager
    def copy(self, *, empty: bool = False) -> Iterator[Engine]:
        """Lend an engine on a database of its own; ``empty`` is one without any table.

        Raises:
            PostgresMissingError: there is no server on this machine.
        """
        name = f"doisoat_{next(self._names)}"
        self._create(name, template="template0" if empty else TEMPLATE)
        engine = make_engine(self._running().url(name))
        try:
            yield engine
        finally:
            engine.dispose()
            self._say(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Stop the server if one was started."""
        if self._admin is not None:
            self._admin.dispose()
        if self._server is not None:
            self._server.stop()

    def _create(self, name: str, *, template: str) -> None:
        self._running()
        self._say(f"CREATE DATABASE {name} TEMPLATE {template}")

    def _say(self, statement: str) -> None:
        assert self._admin is not None
        with self._admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))

    def _running(self) -> PostgresServer:
        if self._missing:
            raise PostgresMissingError(self._missing)
        if self._server is None:
            try:
                server = PostgresServer()
                server.start()
            except PostgresMissingError as problem:
                self._missing = str(problem)
                raise
            self._server = server
            self._admin = make_engine(server.url("postgres"))
            self._say(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
            engine = make_engine(server.url(TEMPLATE))
            migrate(engine)
            engine.dispose()
        return self._server
