"""Bringing a database to the present tables."""

from pathlib import Path
from typing import Final

from alembic.config import Config
from sqlalchemy.engine import Engine

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


def _config(**attributes: object) -> Config:
    config = Config(toml_file=ROOT / "pyproject.toml", attributes=dict(attributes))
    config.set_main_option("script_location", str(ROOT / "alembic"))
    config.print_stdout = lambda *_, **__: None  # type: ignore[method-assign]
    return config
