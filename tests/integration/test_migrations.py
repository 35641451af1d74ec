"""Every migration runs up and down on both databases, and the tables are those of the models."""

import re

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util import CommandError
from sqlalchemy import Enum, inspect
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from alembic import command
from core import migrations
from core.db import transaction
from core.migrations import change_checked_values, check_migrated, migrate
from tests.factories import a_city


def _down(engine: Engine, to: str) -> None:
    with engine.begin() as connection:
        command.downgrade(migrations._config(connection=connection), to)


def test_migrated_tables_are_those_of_the_models(engine: Engine) -> None:
    check_migrated(engine)
    assert set(SQLModel.metadata.tables) <= set(inspect(engine).get_table_names())


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    check_migrated(engine)


def test_the_check_finds_a_column_that_no_model_has(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE receipt ADD COLUMN stray TEXT")
    with pytest.raises(CommandError, match="stray"):
        check_migrated(engine)


def test_every_migration_can_be_taken_back_and_made_again(empty_engine: Engine) -> None:
    migrate(empty_engine)
    _down(empty_engine, "base")
    assert set(inspect(empty_engine).get_table_names()) <= {"alembic_version"}
    migrate(empty_engine)
    check_migrated(empty_engine)


def test_a_migration_goes_to_the_revision_it_was_asked_for(empty_engine: Engine) -> None:
    migrate(empty_engine, to="0001")
    migrate(empty_engine)
    _down(empty_engine, "0001")
    with pytest.raises(CommandError, match="not up to date"):
        check_migrated(empty_engine)


def test_every_value_that_a_model_may_hold_passes_the_check_of_its_column(engine: Engine) -> None:
    """Nothing else compares them: a value only the model knows is refused when it is stored."""
    inspector, wanted, found = inspect(engine), set(), set()
    for table in SQLModel.metadata.tables.values():
        enums = [column for column in table.columns if isinstance(column.type, Enum)]
        wanted |= {(table.name, one.name, frozenset(one.type.enums)) for one in enums}  # type: ignore[attr-defined]
        for check in inspector.get_check_constraints(table.name):
            text = check["sqltext"]
            found |= {
                (table.name, one.name, frozenset(re.findall(r"'(\w+)'", text)))
                for one in enums
                if re.match(rf"\W*{one.name}\b", text)
            }
    assert wanted - found == set()
    assert len(wanted) > 20


def _change(engine: Engine, **change: str) -> None:
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        change_checked_values(operations, "rail", **change)


def _call_it_pigeon(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE merchant SET rail = 'pigeon'")


def test_a_check_is_widened_and_narrowed_around_rows_that_stay(engine: Engine) -> None:
    with transaction(engine) as session:
        a_city(session)
    with pytest.raises(DBAPIError):
        _call_it_pigeon(engine)
    _change(engine, add="pigeon")
    _call_it_pigeon(engine)
    with pytest.raises(RuntimeError, match="holds rows"):
        _change(engine, remove="pigeon")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE merchant SET rail = 'vnpay'")
        if engine.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    _change(engine, remove="pigeon")
    with pytest.raises(DBAPIError):
        _call_it_pigeon(engine)
    check_migrated(engine)


def test_a_check_that_is_not_there_is_not_changed(engine: Engine) -> None:
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with pytest.raises(RuntimeError, match="no table checks values of rails"):
            change_checked_values(operations, "rails", add="pigeon")
