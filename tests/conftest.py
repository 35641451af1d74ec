"""What every test may ask for: a migrated database of its own, a clock, people, and no network.

``engine`` runs a test twice, on SQLite and on a real PostgreSQL, each time with a database of
its own; ``sqlite_engine`` once. ``session`` is quicker: one transaction that is never committed,
on a database that all such tests share. A test that commits (concurrency, whole requests) takes
``engine``; no test needs both.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import Engine
from sqlmodel import Session

from core.actors import Actor, Role
from tests.support.clock import FrozenClock
from tests.support.databases import PostgresDatabases, SqliteDatabases
from tests.support.postgres import PostgresMissingError, quick_folder
from tests.support.servers import (
    MailServer,
    ServerMissingError,
    SshServer,
    bucket_server,
    mail_server,
    ssh_server,
)

# Data bases are made in fixtures and copied by tests: the first example may well be slow.
settings.register_profile(
    "dev", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.load_profile("dev")

_Lent = TypeVar("_Lent")
DatabaseMaker = Callable[..., AbstractContextManager[Engine]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--statement-corpus",
        help="the folder of statements that others wrote, with its MANIFEST.json",
    )

    parser.addoption(
        "--close-payments", type=int, default=60,
        help="how many payments the day has that is closed in test_close_of_a_day.py",
    )  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let no test reach further than this machine (pytest-socket reads these options)."""
    if not config.option.allow_hosts:
        config.option.allow_hosts = "127.0.0.1,::1"
        config.option.allow_unix_socket = True


@pytest.fixture(scope="session")
def sqlite_databases() -> Iterator[SqliteDatabases]:
    with TemporaryDirectory(prefix="doisoat-sqlite-", dir=quick_folder()) as folder:
        yield SqliteDatabases(Path(folder))


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[PostgresDatabases]:
    databases = PostgresDatabases()
    yield databases
    databases.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def make_database(
    request: pytest.FixtureRequest,
    sqlite_databases: SqliteDatabases,
    postgres_databases: PostgresDatabases,
) -> DatabaseMaker:
    """Return what lends databases of one kind, for tests that need several or an empty one."""
    return sqlite_databases.copy if request.param == "sqlite" else postgres_databases.copy


@pytest.fixture
def engine(make_database: DatabaseMaker) -> Iterator[Engine]:
    """Return an engine on a migrated, empty database: once SQLite, once PostgreSQL."""
    with _or_skip(make_database()) as engine:
        yield engine


@pytest.fixture
def empty_engine(make_database: DatabaseMaker) -> Iterator[Engine]:
    """Return an engine on a database without any table, once of each kind."""
    with _or_skip(make_database(empty=True)) as engine:
        yield engine


@pytest.fixture
def sqlite_engine(sqlite_databases: SqliteDatabases) -> Iterator[Engine]:
    """Return an engine on a migrated, empty SQLite database."""
    with sqlite_databases.copy() as engine:
        yield engine


@pytest.fixture
def postgres_engine(postgres_databases: PostgresDatabases) -> Iterator[Engine]:
    """Return an engine on a migrated, empty PostgreSQL database."""
    with _or_skip(postgres_databases.copy()) as engine:
        yield engine


@pytest.fixture(scope="session")
def shared_engines(
    sqlite_databases: SqliteDatabases, postgres_databases: PostgresDatabases
) -> Iterator[Callable[[DatabaseMaker], Engine]]:
    """Return what finds the one database of a kind that uncommitted transactions share.

    It asks for the databases only to be ended before they are.
    """
    del sqlite_databases, postgres_databases
    with ExitStack() as lent:
        engines: dict[object, Engine] = {}

        def find(make: DatabaseMaker) -> Engine:
            if make not in engines:
                engines[make] = lent.enter_context(_or_skip(make()))
            return engines[make]

        yield find


@pytest.fixture
def session(
    make_database: DatabaseMaker, shared_engines: Callable[[DatabaseMaker], Engine]
) -> Iterator[Session]:
    """Return one open transaction that is rolled back after the test, on each kind of database."""
    with Session(shared_engines(make_database), expire_on_commit=False) as session:
        yield session


@pytest.fixture(scope="session")
def ssh() -> Iterator[SshServer]:
    """Return a running OpenSSH server."""
    with _or_skip(ssh_server()) as server:
        yield server


@pytest.fixture(scope="session")
def mailboxes() -> Iterator[MailServer]:
    """Return a running Dovecot server."""
    with _or_skip(mail_server()) as server:
        yield server


@pytest.fixture(scope="session")
def buckets() -> Iterator[str]:
    """Return the address of a server that speaks like S3."""
    with _or_skip(bucket_server()) as address:
        yield address


@pytest.fixture
def clock() -> FrozenClock:
    """Return a clock that stands at 09:00 on a Monday in Vietnam until it is moved."""
    return FrozenClock()


@pytest.fixture
def officer() -> Actor:
    return Actor("usr_officer", Role.OFFICER, "Officer", "/")


@pytest.fixture
def approver() -> Actor:
    return Actor("usr_approver", Role.APPROVER, "Approver", "/")


@pytest.fixture
def auditor() -> Actor:
    return Actor("usr_auditor", Role.AUDITOR, "Auditor", "/")


@pytest.fixture
def portal() -> Actor:
    return Actor("cli_portal", Role.PORTAL, "One-stop portal", "/")


def _or_skip(lent: AbstractContextManager[_Lent]) -> AbstractContextManager[_Lent]:
    return _Skipping(lent)


class _Skipping(AbstractContextManager[_Lent]):
    """Turns a missing server into a skipped test, and nothing else."""

    def __init__(self, lent: AbstractContextManager[_Lent]) -> None:
        self._lent = lent

    def __enter__(self) -> _Lent:
        try:
            return self._lent.__enter__()
        except (PostgresMissingError, ServerMissingError) as missing:
            pytest.skip(str(missing))

    def __exit__(self, *failure: object) -> bool | None:
        return self._lent.__exit__(*failure)  # type: ignore[arg-type]
