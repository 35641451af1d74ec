"""Every migration runs up and down on both databases, and the tables are those of the models."""

import pytest
from alembic.util import CommandError
from sqlalchemy import inspect
from sqlalchemy.engine import Engine
from sqlmodel import SQLModel

from alembic import command
from core import migrations
from core.migrations import check_migrated, migrate


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
