"""Notices per second through the whole inbox, beside the floor of the same server and database.

Run by ``make bench-notices``. Both sides are served by uvicorn in a process of their own, on the
same kind of database with the same settings, and answer the same signed IPN calls of VNPay from the
same number of clients over kept connections. The floor reads the request, and in two transactions
writes the same number of rows of the same size as the real inbox does, with no logic: no signature,
no lookup, no state, no books. The two take turns; what is printed is the median of the rounds.
"""

import argparse
import http.client
import json
import multiprocessing
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from sqlalchemy import event, text
from sqlalchemy.engine import Engine
from sqlmodel import Session
from typing_extensions import override

from adapters.gateways import vnpay_signing as signing
from adapters.gateways.vnpay_fields import format_time
from app.api.channels import notice_body
from app.main import create_app
from core.actors import SYSTEM
from core.clock import utc_now
from core.db import make_engine, transaction
from core.ids import new_id
from core.migrations import migrate
from core.settings import Settings
from payments.channels import Rail
from payments.secrets import store_secret
from scheduler.context import JobContext
from scheduler.wiring import make_context
from tests.factories import a_bill, a_city, a_payment
from tests.support.postgres import PostgresMissingError, PostgresServer

MERCHANT = "DEMO0001"
SECRET = "benchmark-secret"  # noqa: S105 - it opens nothing
AMOUNT = 83_000
DURABLE = ("listen_addresses=''", "max_connections=60", "shared_buffers=128MB")
PATH = f"/channels/vnpay/{MERCHANT}/notice"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of calls took."""

    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Rows:
    """What the real inbox writes for one notice: inserts and updates by table."""

    inserts: dict[str, int]
    updates: dict[str, int]

    @override
    def __str__(self) -> str:
        """Say it in a line."""
        said = [f"{n} into {t}" for t, n in sorted(self.inserts.items())]
        said += [f"{n} changed in {t}" for t, n in sorted(self.updates.items())]
        return ", ".join(said)


def main() -> int:
    """Measure, print a table, and write it as JSON if asked."""
    options = _options()
    results = {}
    for name in options.database:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            try:
                results[name] = _measure(name, Path(folder), options)
            except PostgresMissingError as problem:
                print(f"{name}: not measured: {problem}")
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0 if results else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--notices", type=int, default=1000, help="calls in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--folder", default=None, help="where the databases are made")
    parser.add_argument("--json", default="", help="write the figures here as well")
    return parser.parse_args()


def _measure(name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    with _database(name, folder) as urls:
        settings = _settings(folder, urls("real"))
        engine = make_engine(settings.database)
        migrate(engine)
        calls = _prepare(engine, settings, options.notices * options.rounds + 2)
        rows = _rows_of(settings, calls.pop(), calls.pop())
        floor = make_engine(urls("floor"))
        _make_floor(floor, rows)
        floor.dispose()
        engine.dispose()
        rounds: dict[str, list[Round]] = {"floor": [], "doisoat": []}
        with (
            _serving(_serve_floor, urls("floor"), rows) as floor_port,
            _serving(_serve_real, str(folder), urls("real")) as real_port,
        ):
            for number in range(options.rounds):
                some = calls[number * options.notices : (number + 1) * options.notices]
                rounds["floor"].append(_play(floor_port, some, options.clients))
                rounds["doisoat"].append(_play(real_port, some, options.clients))
        _check(urls("real"), len(calls) + 2)
    return _report(name, rounds, rows, options)


def _report(
    name: str, rounds: dict[str, list[Round]], rows: Rows, options: argparse.Namespace
) -> dict[str, Any]:
    print(f"\n{name}: {options.rounds} rounds of {options.notices} notices, "
          f"{options.clients} clients, medians")  # fmt: skip
    print(f"  rows written for one notice, in 2 commits: {rows}")
    figures: dict[str, Any] = {}
    for side, done in rounds.items():
        middle = {
            "per_second": statistics.median(one.per_second for one in done),
            "p50_ms": statistics.median(one.p50_ms for one in done),
            "p99_ms": statistics.median(one.p99_ms for one in done),
        }
        figures[side] = {key: round(value, 1) for key, value in middle.items()}
        print(f"  {side:<8} {middle['per_second']:8.1f} notices/s   p50 {middle['p50_ms']:7.1f} ms"
              f"   p99 {middle['p99_ms']:7.1f} ms")  # fmt: skip
    pairs = zip(rounds["doisoat"], rounds["floor"], strict=True)
    ratio = statistics.median(ours.per_second / floor.per_second for ours, floor in pairs)
    figures["ratio"] = round(ratio, 3)
    print(f"  ratio    {ratio:8.2f} of the floor")
    return figures


# The database and the calls


@contextmanager
def _database(name: str, folder: Path) -> Iterator[Callable[[str], str]]:
    """Lend database addresses by name; PostgreSQL runs with its own durable settings."""
    if name == "sqlite":
        yield lambda which: f"sqlite:///{folder / which}.db"
        return
    folder.chmod(0o755)
    server = PostgresServer(DURABLE, folder=folder)
    server.start()
    try:
        admin = make_engine(server.url("postgres"))
        with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for which in ("real", "floor"):
                connection.execute(text(f"CREATE DATABASE {which}"))
        admin.dispose()
        yield server.url
    finally:
        server.stop()


def _settings(folder: Path, url: str) -> Settings:
    endpoints = {"vnpay.pay": "http://127.0.0.1:9/pay", "vnpay.api": "http://127.0.0.1:9/api"}
    return Settings(var_dir=folder / "var", database_url=url, endpoints=endpoints)


def _prepare(engine: Engine, settings: Settings, count: int) -> list[str]:
    """Make so many pending payments, and return the signed query that tells each one's success."""
    context = make_context(settings)
    calls = []
    with transaction(engine) as session:
        city = a_city(session)
        store_secret(session, Rail.VNPAY, MERCHANT, "hash_secret", SECRET, vault=context.vault,
                     actor=SYSTEM, clock=utc_now)  # fmt: skip
        for number in range(count):
            bill = a_bill(session, city, clock=utc_now, number=number + 1)
            payment = a_payment(session, bill, clock=utc_now)
            calls.append(_signed(payment.merchant_reference, number))
            if number % 200 == 0:
                session.flush()
                session.expunge_all()
                city = _city_again(session, city)
    context.engine.dispose()
    return calls


def _city_again(session: Session, city: Any) -> Any:
    return type(city)(
        session.merge(city.province), [session.merge(one) for one in city.communes],
        [session.merge(one) for one in city.accounts], session.merge(city.procedure),
    )  # fmt: skip


def _signed(reference: str, number: int) -> str:
    parameters = {
        "vnp_TmnCode": MERCHANT,
        "vnp_Amount": str(AMOUNT * 100),
        "vnp_BankCode": "NCB",
        "vnp_BankTranNo": f"VNP{14_000_000 + number}",
        "vnp_CardType": "ATM",
        "vnp_OrderInfo": f"{reference} Dang ky khai sinh",
        "vnp_PayDate": format_time(datetime.now(UTC)),  # noqa: TID251 - a benchmark's own clock
        "vnp_ResponseCode": "00",
        "vnp_TransactionNo": str(14_000_000 + number),
        "vnp_TransactionStatus": "00",
        "vnp_TxnRef": reference,
    }
    return signing.signed_query(parameters, SECRET)


def _rows_of(settings: Settings, first: str, second: str) -> Rows:
    """Send two notices through the application and count what the second one writes.

    The first one also opens the accounts of the books, which happens once.
    """
    from fastapi.testclient import TestClient  # noqa: PLC0415 - only here

    inserts: dict[str, int] = {}
    updates: dict[str, int] = {}

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        del conn, cursor, more
        words = statement.replace('"', "").split()
        many = len(parameters) if isinstance(parameters, list) else statement.count("__1") + 1
        if words[:2] == ["INSERT", "INTO"]:
            inserts[words[2]] = inserts.get(words[2], 0) + many
        elif words[0] == "UPDATE":
            updates[words[1]] = updates.get(words[1], 0) + many

    context = make_context(settings)
    with TestClient(create_app(settings, context)) as client:
        answers = [client.get(f"{PATH}?{first}")]
        event.listen(context.engine, "before_cursor_execute", note)
        answers.append(client.get(f"{PATH}?{second}"))
        event.remove(context.engine, "before_cursor_execute", note)
    for answer in answers:
        if answer.json()["RspCode"] != "00":
            raise SystemExit(f"the application answered {answer.text}")
    context.engine.dispose()
    return Rows(inserts, updates)


def _check(url: str, expected: int) -> None:
    """Refuse to print figures of an inbox that lost or doubled something."""
    engine = make_engine(url)
    with engine.connect() as connection:
        paid = connection.execute(
            text("SELECT count(*) FROM bill WHERE status = 'paid'")
        ).scalar_one()
    engine.dispose()
    if paid != expected:
        raise SystemExit(f"{paid} bills are paid instead of {expected}")


# The floor

_LOAD = "x" * 120
"""About as much as a row of the books holds besides its keys."""


def _make_floor(engine: Engine, rows: Rows) -> None:
    with engine.begin() as connection:
        for table in {*rows.inserts, *rows.updates}:
            connection.execute(
                text(f'CREATE TABLE "{table}" (id TEXT PRIMARY KEY, load TEXT NOT NULL)')
            )
            connection.execute(
                text(f'INSERT INTO "{table}" VALUES (:id, :load)'),  # noqa: S608
                [{"id": str(number), "load": _LOAD} for number in range(10_000)],
            )


def floor_app(engine: Engine, rows: Rows) -> FastAPI:
    """Return the application that only reads the request and writes rows."""
    app = FastAPI()
    first = [table for table in rows.inserts if table == "gateway_event"]
    rest = {table: n for table, n in rows.inserts.items() if table not in first}

    @app.get(PATH)
    def take(request: Request, body: Annotated[bytes, Depends(notice_body)]) -> Response:
        load = request.url.query[:1000] + body.decode()
        with engine.begin() as connection:
            for table in first:
                _insert(connection, table, load)
        with engine.begin() as connection:
            for table, number in rest.items():
                for _ in range(number):
                    _insert(connection, table, _LOAD)
            for table, number in rows.updates.items():
                for _ in range(number):
                    _update(connection, table)
        return Response(b'{"RspCode":"00","Message":"Confirm Success"}',
                        media_type="application/json")  # fmt: skip

    return app


def _insert(connection: Any, table: str, load: str) -> None:
    statement = text(f'INSERT INTO "{table}" VALUES (:id, :load)')  # noqa: S608 - names of ours
    connection.execute(statement, {"id": new_id("row"), "load": load})


def _update(connection: Any, table: str) -> None:
    statement = text(f'UPDATE "{table}" SET load = :load WHERE id = :id')  # noqa: S608
    picked = str(int.from_bytes(new_id("row").encode()[-2:]) % 10_000)
    connection.execute(statement, {"id": picked, "load": _LOAD})


# Serving and calling


def _serve_real(port: int, folder: str, url: str) -> None:
    settings = _settings(Path(folder), url)
    context: JobContext = make_context(settings)
    uvicorn.run(create_app(settings, context), port=port, log_config=None, access_log=False)


def _serve_floor(port: int, url: str, rows: Rows) -> None:
    app = floor_app(make_engine(url), rows)
    uvicorn.run(app, port=port, log_config=None, access_log=False)


@contextmanager
def _serving(target: Callable[..., None], *arguments: Any) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=target, args=(port, *arguments))
    process.start()
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.join()


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("a server did not start")


def _play(port: int, calls: list[str], clients: int) -> Round:
    """Send the calls from several clients and return what it took."""
    shares = [calls[number::clients] for number in range(clients)]
    times: list[float] = []
    failures: list[str] = []

    def client(share: list[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for query in share:
            started = time.perf_counter()
            connection.request("GET", f"{PATH}?{query}")
            body = connection.getresponse().read()
            times.append(time.perf_counter() - started)
            if b'"00"' not in body:
                failures.append(body.decode())
        connection.close()

    threads = [threading.Thread(target=client, args=(share,)) for share in shares]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    if failures:
        raise SystemExit(f"{len(failures)} calls failed, the first with {failures[0]}")
    cuts = statistics.quantiles(times, n=100)
    return Round(len(calls) / took, cuts[49] * 1000, cuts[98] * 1000)


if __name__ == "__main__":
    sys.exit(main())
