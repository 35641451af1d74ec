"""Migrations of every table, on SQLite and on PostgreSQL."""

from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

import app.auth.models  # noqa: F401
import core.audit
import core.outbox  # noqa: F401
import payments.gateway_models
import payments.ledger.log.models
import payments.ledger.models
import payments.models  # noqa: F401
import reconciliation.auditing.models
import reconciliation.closing.models
import reconciliation.models
import reconciliation.rechecking.models
import reconciliation.source_models  # noqa: F401
import scheduler.runs  # noqa: F401
from alembic import context
from core.db import make_engine
from core.settings import get_settings


def run(connection: Connection) -> None:
    """Migrate one database; SQLite alters tables by copying them."""
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with make_engine(get_settings().database).begin() as opened:
        run(opened)
