"""Bringing a database to the present tables."""

import re
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic.config import Config
from alembic.operations import Operations
from sqlalchemy.engine import Connection, Engine

from alembic import command

ROOT: Final = Path(__file__).resolve().parent.parent


def migrate(engine: Engine, *, to: str = "head") -> None:
    """Migrate a database up to a revision, in one transaction."""
    with engine.begin() as connection:
        command.upgrade(_config(connection=connection), to)


def check_migrated(engine: Engine) -> None:
    """Raise ``alembic.util.CommandError`` if tables and models differ."""
    with engine.begin() as connection:
        command.check(_config(connection=connection))


def change_checked_values(
    operations: Operations, column: str, *, add: str = "", remove: str = ""
) -> None:
    """Let the columns of a name take one more value than their checks allowed, or one less.

    For a migration. Only the checks change: rows, keys and what protects them stay.

    Raises:
        RuntimeError: there is no such check, or a row has the value to be removed.
    """
    connection = operations.get_bind()
    checks = _checks_of_values(connection, column)
    if not checks:
        raise RuntimeError(f"no table checks values of {column}")
    for table, name, known in checks:
        if remove:
            _refuse_to_lose(connection, table, column, remove)
        values = [*(value for value in known if value not in {add, remove}), *filter(None, [add])]
        listed = ", ".join(f"'{value}'" for value in values)
        condition = f"{column} IN ({listed})"
        if connection.dialect.name == "sqlite":
            _rewrite_check(connection, table, name, condition)
        else:
            operations.drop_constraint(operations.f(name), table)
            operations.create_check_constraint(operations.f(name), table, sa.text(condition))


def _checks_of_values(connection: Connection, column: str) -> list[tuple[str, str, list[str]]]:
    """Return table, name and values of each check of a column of this name.

    Found by what they check: on SQLite a table that was once made anew bears its old names.
    """
    inspector = sa.inspect(connection)
    return [
        (table, str(check["name"]), values)
        for table in inspector.get_table_names()
        for check in inspector.get_check_constraints(table)
        if re.match(rf"\W*{column}\b", check["sqltext"])
        if (values := re.findall(r"'(\w+)'", check["sqltext"]))
    ]


def _refuse_to_lose(connection: Connection, table: str, column: str, value: str) -> None:
    held = sa.select(sa.literal(1)).select_from(sa.table(table)).where(sa.column(column) == value)
    if connection.execute(held.limit(1)).first():
        raise RuntimeError(f"{table} holds rows whose {column} is {value}")


def _rewrite_check(connection: Connection, table: str, name: str, condition: str) -> None:
    """Change the text of a table; SQLite describes this way for checks, which store nothing."""
    schema = sa.table("sqlite_master", sa.column("name"), sa.column("type"), sa.column("sql"))
    here = (schema.c.type == "table", schema.c.name == table)
    before = connection.execute(sa.select(schema.c.sql).where(*here)).scalar_one()
    pattern = rf"(CONSTRAINT {name} CHECK )\([^()]* IN \([^()]*\)\)"
    after, count = re.subn(pattern, lambda found: f"{found[1]}({condition})", before)
    if count != 1:
        raise RuntimeError(f"{table} does not have the check {name} once")
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.execute(sa.update(schema).where(*here).values(sql=after))
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")


def _config(**attributes: object) -> Config:
    config = Config(toml_file=ROOT / "pyproject.toml", attributes=dict(attributes))
    config.set_main_option("script_location", str(ROOT / "alembic"))
    config.print_stdout = lambda *_, **__: None  # type: ignore[method-assign]
    return config
