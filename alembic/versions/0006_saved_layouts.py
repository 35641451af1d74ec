"""Layouts of tables that an office has looked at and saved, one version after the other."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

import core.db

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Whole rows that never change, with every unique key of the table.
APPEND_ONLY = {"statement_layout": [("id",), ("name", "version")]}


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "statement_layout",
        sa.Column("id", _text(), nullable=False),
        sa.Column("name", _text(60), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.Column("saved_by", _text(), nullable=False),
        sa.Column("saved_at", core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["collecting_account.id"],
            name=op.f("fk_statement_layout_account_id_collecting_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_layout")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_statement_layout_name")),
    )
    op.create_index(
        op.f("ix_statement_layout_account_id"), "statement_layout", ["account_id"], unique=False
    )
    if op.get_bind().dialect.name == "sqlite":
        same = "rowid = NEW.rowid OR id = NEW.id OR (name = NEW.name AND version = NEW.version)"
        _refuse("no_update", "UPDATE")
        _refuse("no_delete", "DELETE")
        _refuse("no_replace", "INSERT", f"EXISTS (SELECT 1 FROM statement_layout WHERE {same})")
    else:
        for name, event in (
            ("kept", "BEFORE UPDATE OR DELETE ON statement_layout FOR EACH ROW"),
            ("no_truncate", "BEFORE TRUNCATE ON statement_layout FOR EACH STATEMENT"),
        ):
            op.execute(f"CREATE TRIGGER statement_layout_{name} {event} EXECUTE FUNCTION refuse_change()")
            op.execute(f"ALTER TABLE statement_layout ENABLE ALWAYS TRIGGER statement_layout_{name}")


def downgrade() -> None:
    """Take it back, and with it the saved layouts."""
    op.drop_table("statement_layout")


def _refuse(name: str, event: str, condition: str = "") -> None:
    when = f" WHEN {condition}" if condition else ""
    op.execute(
        f"CREATE TRIGGER statement_layout_{name} BEFORE {event} ON statement_layout{when}"
        " BEGIN SELECT RAISE(ABORT, 'statement_layout is append-only'); END"
    )


def _text(length: int | None = None) -> sqlmodel.sql.sqltypes.AutoString:
    return sqlmodel.sql.sqltypes.AutoString(length=length)
