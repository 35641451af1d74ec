"""Layouts of tables that an office has looked at and saved, one version after the other."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

import core.db

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


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
        sa.Column("withdrawn_at", core.db.UtcDateTime(timezone=True), nullable=True),
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


def downgrade() -> None:
    """Take it back, and with it the saved layouts."""
    op.drop_table("statement_layout")


def _text(length: int | None = None) -> sqlmodel.sql.sqltypes.AutoString:
    return sqlmodel.sql.sqltypes.AutoString(length=length)
