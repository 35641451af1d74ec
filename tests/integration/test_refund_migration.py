"""Migration 0004 runs over databases that hold refunds: no row is lost, and evidence stays so."""

import json
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, select

from alembic import command
from core import migrations
from core.actors import Actor
from core.db import transaction
from core.migrations import check_migrated, migrate
from core.money import Money
from payments.channels import Rail
from payments.models import Bill, Payment, Refund
from payments.refunds import approve_refund, submit_refund
from tests.factories import BENEFICIARY, a_bill, a_city, a_paid_payment, ask_refund
from tests.support.books import assert_books_agree, everything
from tests.support.clock import FrozenClock

FEE = 83_000
NEW = ("channel", "evidence", "waived_lines", "beneficiary_name", "beneficiary_account",
       "beneficiary_bank_bin", "decision_note", "failure", "decided_at",
       "payment_order_id")  # fmt: skip


FROZEN = ("amount_minor = 1", "evidence = 'x'", "channel = 'momo'", "waived_lines = '[1]'",
          "reason = 'x'", "beneficiary_account = '666'")  # fmt: skip


def down(engine: Engine, to: str = "0003") -> None:
    with engine.begin() as connection:
        command.downgrade(migrations._config(connection=connection), to)


@pytest.fixture
def refunds(engine: Engine, clock: FrozenClock, officer: Actor, approver: Actor) -> list[str]:
    """Two refunds of overpaid bills, one by a channel and one by transfer, as of before 0004."""
    ids = []
    with transaction(engine) as session:
        city = a_city(session)
        for number, rail in enumerate((Rail.VNPAY, Rail.VIETQR), start=1):
            bill = a_bill(session, city, clock=clock, number=number)
            payment = a_paid_payment(
                session, bill, clock=clock, rail=rail, collected_minor=FEE + 1_000
            )
            refund = ask_refund(
                session, payment, Money(1_000), actor=officer, clock=clock,
                beneficiary=BENEFICIARY,
            )  # fmt: skip
            approve_refund(session, refund, actor=approver, clock=clock)
            if rail is Rail.VNPAY:
                submit_refund(session, refund, clock=clock)
            ids.append(refund.id)
    return ids


def rows(engine: Engine, table: str, *, but: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        found = connection.execute(text(f'SELECT * FROM "{table}" ORDER BY id')).mappings()  # noqa: S608
        return [{k: v for k, v in row.items() if k not in but} for row in found]


def refuses(engine: Engine, statement: str, **values: str) -> bool:
    try:
        with engine.begin() as connection:
            connection.execute(text(statement), values)
    except DBAPIError:
        return True
    return False


def test_there_and_back_again_no_row_of_any_table_is_lost(
    engine: Engine, refunds: list[str]
) -> None:
    assert len(refunds) == 2
    with Session(engine) as session:
        before = everything(session)
    kept = rows(engine, "refund", but=NEW)
    down(engine)
    assert rows(engine, "refund") == kept
    migrate(engine)
    check_migrated(engine)
    assert rows(engine, "refund", but=NEW) == kept
    with Session(engine) as session:
        after = everything(session)
        assert_books_agree(session)
    assert {t: r for t, r in after.items() if t != "refund"} == {
        t: r for t, r in before.items() if t != "refund"
    }


def test_a_refund_of_before_goes_back_as_it_was_paid_and_waives_nothing(
    engine: Engine, refunds: list[str]
) -> None:
    down(engine)
    migrate(engine)
    found = {row["id"]: row for row in rows(engine, "refund")}
    assert [found[one]["channel"] for one in refunds] == ["vnpay", "bank_transfer"]
    for row in found.values():
        lines = row["waived_lines"]
        assert (json.loads(lines) if isinstance(lines, str) else lines) == []
        assert (row["evidence"], row["beneficiary_account"], row["payment_order_id"]) == (
            "", "", None,
        )  # fmt: skip
    with Session(engine) as session:
        assert session.get_one(Refund, refunds[0]).waived_lines == []


@pytest.mark.parametrize("twice", [False, True])
def test_evidence_is_kept_by_the_database_after_the_migration(
    engine: Engine, refunds: list[str], twice: bool  # noqa: FBT001
) -> None:  # fmt: skip
    if twice:
        down(engine)
        migrate(engine)
    for column in FROZEN:
        statement = f"UPDATE refund SET {column} WHERE id = :id"  # noqa: S608
        assert refuses(engine, statement, id=refunds[1]), column
    assert refuses(engine, "DELETE FROM refund WHERE id = :id", id=refunds[1])
    assert refuses(engine, "UPDATE refund SET approved_by = requested_by WHERE id = :id",
                   id=refunds[1])  # fmt: skip
    assert not refuses(engine, "UPDATE refund SET failure = 'closed' WHERE id = :id",
                       id=refunds[1])  # fmt: skip


def test_evidence_is_kept_also_where_it_was_taken_back(
    engine: Engine, refunds: list[str]
) -> None:  # fmt: skip
    down(engine)
    assert refuses(engine, "UPDATE refund SET amount_minor = 1 WHERE id = :id", id=refunds[0])
    assert refuses(engine, "UPDATE bill SET due_minor = 1")
    assert not any(name in column for column in _columns(engine) for name in NEW)
    assert "payment_order" not in inspect(engine).get_table_names()


def test_a_bill_may_be_due_a_part_but_never_more_than_was_billed(
    engine: Engine, refunds: list[str]
) -> None:
    assert refunds
    assert not refuses(engine, "UPDATE bill SET due_minor = 8000")
    assert refuses(engine, "UPDATE bill SET due_minor = amount_minor + 1")
    assert refuses(engine, "UPDATE bill SET due_minor = -1")
    with Session(engine) as session:
        assert all(bill.due_minor == 8_000 for bill in session.exec(select(Bill)))


def test_it_is_not_taken_back_while_a_bill_is_due_a_part(
    engine: Engine, refunds: list[str], clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    """Nothing is half done then: the database is as it was."""
    with transaction(engine) as session:
        payment_id = session.get_one(Refund, refunds[0]).payment_id
        refund = ask_refund(
            session, session.get_one(Payment, payment_id), Money(8_000), actor=officer,
            clock=clock, waived_lines=[2],
        )  # fmt: skip
        approve_refund(session, refund, actor=approver, clock=clock)
    with Session(engine) as session:
        before = everything(session)
    with pytest.raises(DBAPIError):
        down(engine)
    check_migrated(engine)
    with Session(engine) as session:
        assert everything(session) == before


def _columns(engine: Engine) -> list[str]:
    return [column["name"] for column in inspect(engine).get_columns("refund")]
