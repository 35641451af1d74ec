"""Bank lines from a CSV file to committed, deduplicated rows, beside the bare bulk insert.

The second part of ``make bench-statements``. The product reads the file and stores it in one
transaction, then takes the same lines in other bytes, of which none may be added. The floor is the
bulk insert of the very rows that the import wrote, into the same tables of another migrated
database, with their indexes, constraints and triggers; and of the lines alone.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Table, insert, select, text
from sqlalchemy.engine import Connection, Engine
from sqlmodel import SQLModel

from adapters.statements.parser import StatementFileParser
from benchmarks.statement_files import csv_for_import
from benchmarks.statement_readers import peak_megabytes
from core.actors import SYSTEM
from core.clock import utc_now
from core.db import make_engine, transaction
from core.migrations import migrate
from reconciliation.intake import Delivery, import_statement
from reconciliation.ports import Outcome
from tests.factories import VAULT, a_city
from tests.support.postgres import PostgresMissingError, PostgresServer

ROOT: Final = Path(__file__).parents[1]
DURABLE: Final = ("listen_addresses=''", "max_connections=60", "shared_buffers=128MB")
BATCH: Final = 5_000
LINES: Final = "statement_line"
TIMEOUT_SECONDS: Final = 4 * 3600


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Import on each database, print what it took, and return the figures."""
    results = {}
    for name in options.database:
        place = folder / name
        place.mkdir()
        try:
            with _databases(name, place) as make:
                rounds = [
                    _round(make, place, options.lines, number)
                    for number in range(options.import_rounds)
                ]
        except PostgresMissingError as problem:
            print(f"\nimport, {name}: not measured: {problem}")
            continue
        results[name] = _report(name, options.lines, rounds)
    return results


def _report(name: str, lines: int, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("read", "store", "again", "floor", "lines_floor", "peak")
    middle = {key: statistics.median(one[key] for one in rounds) for key in names}
    ratio = statistics.median((one["read"] + one["store"]) / one["floor"] for one in rounds)
    whole = middle["read"] + middle["store"]
    print(f"\nimport, {name}: {lines:,} bank lines, medians of {len(rounds)} rounds")
    print(f"  rows written: {rounds[0]['rows']}")
    print(f"  doisoat              {lines / whole:10,.0f} lines/s   reads {middle['read']:.2f} s,"
          f" stores {middle['store']:.2f} s, peak {middle['peak']:.0f} MB")  # fmt: skip
    print(f"  the same lines again {lines / middle['again']:10,.0f} lines/s   none of them added")
    print(f"  bare bulk insert     {lines / middle['floor']:10,.0f} lines/s   of all those rows; "
          f"of the lines alone {lines / middle['lines_floor']:,.0f}")  # fmt: skip
    print(f"  ratio                {ratio:10.1f} x the time of the bare bulk insert")
    return {"lines": lines, "ratio": round(ratio, 2), **{k: round(v, 3) for k, v in middle.items()}}


# Databases


@contextmanager
def _databases(name: str, folder: Path) -> Iterator[Callable[[str], str]]:
    """Lend migrated databases by name; PostgreSQL runs with its own durable settings."""
    if name == "sqlite":
        yield lambda which: _migrated(f"sqlite:///{folder / which}.db")
        return
    for place in (folder, folder.parent):
        place.chmod(0o755)
    server = PostgresServer(DURABLE, folder=folder)
    server.start()
    admin = make_engine(server.url("postgres"))

    def make(which: str) -> str:
        with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE {which}"))
        return _migrated(server.url(which))

    try:
        yield make
    finally:
        admin.dispose()
        server.stop()


def _migrated(url: str) -> str:
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    return url


# A round


def _round(make: Callable[[str], str], folder: Path, lines: int, number: int) -> dict[str, Any]:
    engine = make_engine(url := make(f"real{number}"))
    with transaction(engine) as session:
        account = a_city(session).accounts[0].account_number
    known = {table.name: _keys(engine, table) for table in SQLModel.metadata.sorted_tables}
    path = csv_for_import(folder, lines, account=account)
    figures = _in_a_process(url, path, expected=lines)
    again = csv_for_import(folder, lines, account=account, salt=" ")
    figures["floor"], written = _bulk_insert(engine, make(f"floor{number}"), known)
    figures["lines_floor"], _ = _bulk_insert(engine, make(f"lines{number}"), known, only=LINES)
    figures["again"] = _in_a_process(url, again, expected=0)["whole"]
    figures["rows"] = ", ".join(f"{count:,} into {name}" for name, count in written.items())
    engine.dispose()
    return figures


def _in_a_process(url: str, path: Path, *, expected: int) -> dict[str, Any]:
    """Import a file in a process of its own; refuse figures of lines that were lost or doubled."""
    command = [sys.executable, "-m", "benchmarks.statement_imports", url, str(path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if done.returncode:
        raise SystemExit(f"the import failed: {done.stderr[-1000:]}")
    figures: dict[str, Any] = json.loads(done.stdout)
    if figures["added"] != expected:
        raise SystemExit(f"{figures['added']} lines were added instead of {expected}")
    return figures


def main() -> None:
    """Import one file into one database as the command line does, and print what it took."""
    url, path = sys.argv[1], Path(sys.argv[2])
    engine = make_engine(url)
    started = time.perf_counter()
    parsed = StatementFileParser().parse(path)
    read = time.perf_counter()
    delivery = Delivery(path.read_bytes(), "benchmark", SYSTEM)
    with transaction(engine) as session:
        report = import_statement(session, parsed, delivery, vault=VAULT, clock=utc_now)
    stored = time.perf_counter()
    if report.outcome is not Outcome.OK:
        raise SystemExit(f"{report.outcome}: {report.problems[:3]}")
    figures = {"read": read - started, "store": stored - read, "whole": stored - started}
    print(json.dumps(figures | {"added": report.lines_added, "peak": peak_megabytes()}))


# The floor


def _bulk_insert(
    source: Engine, url: str, known: dict[str, set[Any]], *, only: str = ""
) -> tuple[float, dict[str, int]]:
    """Insert in bulk what the import wrote, in one transaction; what it stood on is not timed.

    Returns:
        Seconds, and how many rows of each table were timed.
    """
    target = make_engine(url)
    seconds, written = 0.0, dict[str, int]()
    with source.connect() as stored, target.connect() as connection:
        for table in SQLModel.metadata.sorted_tables:
            key = next(iter(table.primary_key.columns)).name
            for rows in stored.execute(select(table)).mappings().partitions(BATCH):
                for is_new in (False, True):
                    some = [
                        dict(row) for row in rows if (row[key] not in known[table.name]) is is_new
                    ]
                    if not some:
                        continue
                    took = _insert(connection, table, some)
                    if is_new and only in ("", table.name):
                        seconds += took
                        written[table.name] = written.get(table.name, 0) + len(some)
        started = time.perf_counter()
        connection.commit()
        seconds += time.perf_counter() - started
    target.dispose()
    return seconds, written


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> float:
    started = time.perf_counter()
    connection.execute(insert(table), rows)
    return time.perf_counter() - started


def _keys(engine: Engine, table: Table) -> set[Any]:
    with engine.connect() as connection:
        return set(connection.scalars(select(next(iter(table.primary_key.columns)))))


if __name__ == "__main__":
    main()
