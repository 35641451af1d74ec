"""Every way to change a fact or the books, tried on both databases by whoever is connected."""

import importlib.util
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Integer, UniqueConstraint, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel, select

from core.clock import business_day
from core.crypto import sha256_hex
from core.db import transaction
from core.money import Currency
from payments.channels import Channel, Rail
from payments.gateway_models import CreditNotice, CreditState
from payments.inbox import record_gateway_event
from payments.ledger.balances import broken_rules
from payments.ledger.log.models import LogCheckpoint, LogCosignature, LogKey, LogTile
from payments.ledger.log.sequencer import append_waiting
from payments.ledger.models import AccountingPeriod
from payments.models import PaymentOrder, Refund, Remittance, RemittanceOrder
from reconciliation.closing import DayClose
from reconciliation.engine import run_reconciliation
from reconciliation.models import (
    FrozenInput,
    MismatchEvent,
    MismatchEventKind,
    Resolution,
    SavedLayout,
)
from reconciliation.rechecking.models import (
    RecheckAnswer,
    RecheckDraw,
    RecheckItem,
    RuleClass,
    Verdict,
)
from reconciliation.states import Layer, ResolutionKind, ResolutionStatus
from tests.factories import (
    SYSTEM,
    a_bill,
    a_city,
    a_line,
    a_paid_payment,
    a_settlement,
    a_statement,
)
from tests.support.books import everything
from tests.support.clock import FrozenClock
from tests.support.gateway import a_notice

VERSIONS = Path(__file__).parents[2] / "alembic" / "versions"


def _migration(name: str = "0002_append_only") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, VERSIONS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _protected(kind: str) -> dict[str, Any]:
    """What all migrations together protect; a later one names the whole protection of a table."""
    names = sorted(path.stem for path in VERSIONS.glob("*.py"))
    found: dict[str, Any] = {}
    for name in names:
        found |= getattr(_migration(name), kind, {})
    return found


APPEND_ONLY: dict[str, list[tuple[str, ...]]] = _protected("APPEND_ONLY")
EVIDENCE: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = _protected("EVIDENCE")
PROTECTED = sorted([*APPEND_ONLY, *EVIDENCE])


def _fill(session: Session, clock: FrozenClock) -> None:
    """Put at least one row into every protected table, mostly by living through a day."""
    city = a_city(session)
    account, day = city.accounts[0], business_day(clock())
    bills = [a_bill(session, city, clock=clock, number=number) for number in (1, 2, 3)]
    settled = a_paid_payment(session, bills[0], clock=clock)
    transfer = a_paid_payment(session, bills[1], clock=clock, rail=Rail.VIETQR)
    a_settlement(session, account, [settled], clock=clock)
    lines = [
        a_line(day, transfer.amount_minor, f"{bills[1].bill_reference} le phi", bank_ref="FT1"),
        a_line(day, 12_345, "khong ro noi dung", bank_ref="FT2"),
    ]
    a_statement(session, account, lines, day=day, clock=clock)
    run_reconciliation(session, account, as_of=day, clock=clock, actor=SYSTEM)
    event = record_gateway_event(session, a_notice("X"), "DEMO0001")
    event.applied_key = "vnpay:DEMO0001:1"
    mismatch_id = session.execute(text("SELECT id FROM mismatch")).scalars().first()
    now = clock()
    session.add_all([
        event,
        AccountingPeriod(account_id=account.id, day=day - timedelta(days=1), closed_at=now,
                         closed_by="system", summary_sha256=sha256_hex(b"")),
        DayClose(account_id=account.id, day=day, sheet=b"{}", sheet_sha256=sha256_hex(b"{}"),
                 prepared_by="a", prepared_at=now),
        PaymentOrder(id="ord_1", account_id=account.id, year=2026, number=1, refund_count=1,
                     amount_minor=1, content=b"x", sha256=sha256_hex(b"x"), sheet=b"y",
                     sheet_sha256=sha256_hex(b"y"), created_by="a", created_at=now),
        Refund(payment_id=settled.id, account_id=account.id, refund_reference="R", amount_minor=1,
               channel=Channel.VNPAY, reason="r", evidence="e", requested_by="a", created_at=now),
        CreditNotice(rail=Rail.SEPAY, merchant_code="1", credit_key="1", account_id=account.id,
                     amount_minor=1, currency=Currency.VND, narrative="n", booked_at=now,
                     received_at=now, state=CreditState.WAITING),
        SavedLayout(name="x", version=1, account_id=account.id, profile={}, saved_by="a",
                    saved_at=now),
        Remittance(id="rem_1", account_id=account.id, reference="REM", amount_minor=1,
                   parts={"x": 1}, prepared_by="a", created_at=now),
        MismatchEvent(mismatch_id=mismatch_id, at=now, actor_id="a", actor_name="A",
                      kind=next(iter(MismatchEventKind)), text="t"),
        Resolution(mismatch_id=mismatch_id, kind=ResolutionKind.ACCEPT, reason="r", amount_minor=1,
                   status=ResolutionStatus.PROPOSED, proposed_by="a", proposed_at=now),
    ])  # fmt: skip
    session.add(RecheckDraw(period="2026-10", seed="s", population={}, drawn_by="a", drawn_at=now))
    session.flush()
    match_id = session.execute(text("SELECT id FROM match")).scalars().first()
    session.add(
        RecheckItem(id="rck_1", period="2026-10", position=0, match_id=match_id,
                    account_id=account.id, layer=Layer.DIRECT, rule_class=RuleClass.IDENTIFIER,
                    shown="bank:x", choices=[])
    )  # fmt: skip
    session.flush()
    session.add(RecheckAnswer(item_id="rck_1", round=1, chosen="none", verdict=Verdict.DISAGREED,
                              answered_by="a", answered_at=now))  # fmt: skip
    session.flush()
    session.add(RemittanceOrder(remittance_id="rem_1", content=b"x", sha256=sha256_hex(b"x"),
                                sheet=b"y", sheet_sha256=sha256_hex(b"y"), created_by="a",
                                created_at=now))  # fmt: skip
    if session.exec(select(FrozenInput)).first() is None:
        session.add(FrozenInput(sha256=sha256_hex(b""), content=b""))
    session.flush()
    append_waiting(session, clock=clock)
    session.add_all([
        LogTile(level=7, place=0, hashes=b"x", root=b"y"),
        LogKey(origin="o", verifier="v", sealed=b"s", created_by="a", created_at=now),
        LogCheckpoint(id="lgc_1", size=1, root="r", note="n", signed_at=now),
        LogCosignature(checkpoint_id="lgc_1", verifier="v", line="l", at=now),
    ])  # fmt: skip
    session.flush()


@pytest.fixture
def filled(engine: Engine, clock: FrozenClock) -> Engine:
    with transaction(engine) as session:
        _fill(session, clock)
    return engine


def _refused(engine: Engine, *attacks: str, first: str = "SELECT 1") -> None:
    """Check that no connection of anybody's can do one of these, and that nothing has changed."""
    with transaction(engine) as session:
        before = everything(session)
    for attack in attacks:
        with engine.connect() as connection:
            connection.execute(text(first))
            with pytest.raises(DBAPIError, match="append-only"):
                connection.execute(text(attack))
    with transaction(engine) as session:
        assert everything(session) == before


def _columns(table: str) -> list[str]:
    return [column.name for column in SQLModel.metadata.tables[table].columns]


def _changed(table: str, column: str) -> str:
    numbers = isinstance(SQLModel.metadata.tables[table].columns[column].type, Integer)
    return f"{column} = -7" if numbers else f"{column} = 'forged'"


KEYS_OF = APPEND_ONLY | {table: keys for table, (_, keys) in EVIDENCE.items()}
LATE_TRANSFER = (
    "INSERT INTO ledger_transfer (id, entry_id, position, debit_account, credit_account,"
    " amount_minor, currency) SELECT 'late', entry_id, {position}, credit_account, debit_account,"
    " amount_minor, currency FROM ledger_transfer LIMIT 1"
)


def test_every_protected_table_has_something_to_attack(filled: Engine) -> None:
    with transaction(filled) as session:
        empty = [name for name, rows in everything(session).items() if not rows]
    assert set(empty).isdisjoint(PROTECTED), empty


def test_the_migration_knows_every_unique_key_of_the_tables_it_protects() -> None:
    while_keys = _migration("0002_append_only").WHILE
    for name in PROTECTED:
        table = SQLModel.metadata.tables[name]
        whole = {tuple(column.name for column in table.primary_key)}
        whole |= {
            tuple(column.name for column in constraint.columns)
            for constraint in table.constraints
            if isinstance(constraint, UniqueConstraint)
        }
        indexes = [index for index in table.indexes if index.unique]
        partial = {
            tuple(column.name for column in index.columns)
            for index in indexes
            if index.dialect_options["sqlite"]["where"] is not None
        }
        whole |= {tuple(c.name for c in i.columns) for i in indexes} - partial
        known = APPEND_ONLY[name] if name in APPEND_ONLY else EVIDENCE[name][1]
        assert set(known) == whole, name
        assert {key for key, _ in while_keys.get(name, ())} == partial, name


def test_rows_are_neither_changed_nor_deleted(filled: Engine) -> None:
    firsts = {table: keys[0][0] for table, keys in KEYS_OF.items()}
    updates = [f'UPDATE "{table}" SET {_changed(table, one)}' for table, one in firsts.items()]  # noqa: S608
    _refused(filled, *updates)
    _refused(filled, *(f'DELETE FROM "{table}"' for table in PROTECTED))  # noqa: S608


def test_amounts_are_not_changed(filled: Engine) -> None:
    # What a mismatch amounts to is worked out anew at each run.
    amounts = [t for t in PROTECTED if "amount_minor" in _columns(t) and t != "mismatch"]
    assert {"bill", "bill_line", "payment", "refund", "ledger_transfer"} <= set(amounts)
    _refused(filled, *(f'UPDATE "{t}" SET amount_minor = amount_minor + 1' for t in amounts))  # noqa: S608


def test_an_upsert_does_not_pass_as_an_insert(filled: Engine) -> None:
    attacks = []
    for table, keys in KEYS_OF.items():
        names = ", ".join(_columns(table))
        attacks.append(
            f'INSERT INTO "{table}" ({names}) SELECT {names} FROM "{table}" WHERE true LIMIT 1'  # noqa: S608
            f" ON CONFLICT ({', '.join(keys[0])}) DO UPDATE SET {_changed(table, keys[0][0])}"
        )
    _refused(filled, *attacks)


def test_a_transfer_is_not_slipped_into_an_old_entry(filled: Engine) -> None:
    with transaction(filled) as session:
        assert list(broken_rules(session)) == []
    _refused(filled, *(LATE_TRANSFER.format(position=position) for position in (0, -1, 99)))


@pytest.mark.postgres
def test_postgresql_tables_are_not_emptied(postgres_engine: Engine, clock: FrozenClock) -> None:
    with transaction(postgres_engine) as session:
        _fill(session, clock)
    tables = [*PROTECTED, "office", "collecting_account", "procedure"]
    _refused(postgres_engine, *(f'TRUNCATE "{table}" CASCADE' for table in tables))


@pytest.mark.postgres
def test_a_superuser_that_pretends_to_replicate_is_refused_too(
    postgres_engine: Engine, clock: FrozenClock
) -> None:
    with transaction(postgres_engine) as session:
        _fill(session, clock)
    _refused(
        postgres_engine,
        *(f'DELETE FROM "{table}"' for table in PROTECTED),  # noqa: S608
        *(f'TRUNCATE "{table}" CASCADE' for table in PROTECTED),
        "UPDATE bill SET amount_minor = 1, due_minor = 1",
        "UPDATE journal_entry SET description = 'forged'",
        LATE_TRANSFER.format(position=99),
        first="SET session_replication_role = replica",
    )


@pytest.fixture
def stranger(sqlite_engine: Engine, clock: FrozenClock) -> Iterator[sqlite3.Connection]:
    """A connection to the file that has none of our settings, as any tool would open it."""
    with transaction(sqlite_engine) as session:
        _fill(session, clock)
    assert sqlite_engine.url.database is not None
    connection = sqlite3.connect(sqlite_engine.url.database, isolation_level=None)
    yield connection
    connection.close()


def _count(connection: sqlite3.Connection, table: str) -> list[Any]:
    return sorted(connection.execute(f'SELECT * FROM "{table}"').fetchall(), key=repr)  # noqa: S608


def _replace(stranger: sqlite3.Connection, table: str, changed: dict[str, str]) -> None:
    names = _columns(table)
    values = ", ".join(changed.get(name, name) for name in names)
    before = _count(stranger, table)
    for verb in ("INSERT OR REPLACE", "REPLACE"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            stranger.execute(
                f'{verb} INTO "{table}" ({", ".join(names)})'  # noqa: S608
                f' SELECT {values} FROM "{table}" LIMIT 1'
            )
    assert _count(stranger, table) == before


def test_sqlite_replaces_no_row_by_any_of_its_keys(stranger: sqlite3.Connection) -> None:
    for table, keys in KEYS_OF.items():
        every_key = {name for key in keys for name in key}
        for kept in keys:
            if kept == ("reverses_id",):
                continue  # no entry of this day reverses another; see the next test
            changed = {name: f"{name} || 'x'" for name in every_key - set(kept)}
            _replace(stranger, table, changed)


def test_sqlite_replaces_no_reversal_and_no_row_in_force(stranger: sqlite3.Connection) -> None:
    stranger.execute(
        "INSERT INTO journal_entry SELECT 'undo', entry_date, posted_at, event, 'undo', account_id,"
        " office_id, bill_id, description, id, transfer_count FROM journal_entry LIMIT 1"
    )
    before = _count(stranger, "journal_entry")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        stranger.execute(
            "INSERT OR REPLACE INTO journal_entry SELECT 'two', entry_date, posted_at, event,"
            " 'two', account_id, office_id, bill_id, description, reverses_id, transfer_count"
            " FROM journal_entry WHERE id = 'undo'"
        )
    assert _count(stranger, "journal_entry") == before
    fresh = {"id": "'fresh'", "number": "'N'", "token": "'T'", "match_id": "'fresh'"}
    for table in _migration("0002_append_only").WHILE:
        _replace(stranger, table, {k: v for k, v in fresh.items() if k in _columns(table)})


def test_sqlite_replaces_no_row_by_its_rowid(stranger: sqlite3.Connection) -> None:
    for table in PROTECTED:
        names = _columns(table)
        values = ", ".join(f"{name} || 'x'" if "id" in name or name in {
            "number", "year", "seq", "level", "place", "verifier",
            "version", "token", "code", "sha256", "day", "event_key", "line_key",
            "statement_key",
            "bill_reference", "merchant_reference", "applied_key", "refund_reference", "reference",
            "report_id", "mismatch_key"} else name for name in names)  # fmt: skip
        before = _count(stranger, table)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            stranger.execute(
                f'INSERT OR REPLACE INTO "{table}" (rowid, {", ".join(names)})'  # noqa: S608
                f' SELECT rowid, {values} FROM "{table}" LIMIT 1'
            )
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            stranger.execute(f'UPDATE OR REPLACE "{table}" SET rowid = rowid + 1')  # noqa: S608
        assert _count(stranger, table) == before


def test_sqlite_lets_no_row_take_the_place_of_another(stranger: sqlite3.Connection) -> None:
    stranger.execute(
        "INSERT INTO gateway_event SELECT 'second', rail, merchant_code, method, query_string,"
        " headers, body, received_at, state, result, error, 'other', payment_id, processed_at"
        " FROM gateway_event LIMIT 1"
    )
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        stranger.execute(
            "UPDATE OR REPLACE gateway_event SET applied_key = 'vnpay:DEMO0001:1'"
            " WHERE id = 'second'"
        )
    assert len(_count(stranger, "gateway_event")) == 2


def test_what_may_change_still_changes(filled: Engine) -> None:
    with filled.begin() as connection:
        for statement in (
            "UPDATE bill SET status = 'expired', status_at = created_at",
            "UPDATE payment SET reason_code = 'x', query_count = query_count + 1",
            "UPDATE gateway_event SET state = 'applied', result = 'applied'",
            "UPDATE receipt SET status = 'voided', void_reason = 'x'",
            "UPDATE refund SET status = 'rejected', approved_by = 'b'",
            "UPDATE remittance SET status = 'rejected', approved_by = 'b'",
            "UPDATE day_close SET status = 'withdrawn', note = 'x'",
        ):
            assert connection.execute(text(statement)).rowcount >= 1
