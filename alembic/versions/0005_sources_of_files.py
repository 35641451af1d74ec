"""Sources of statement files beside the watched folder: how to reach them, and what was taken."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

import core.db

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KINDS = ("sftp", "imap", "s3")


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "statement_source",
        sa.Column("id", _text(), nullable=False),
        sa.Column("name", _text(40), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*KINDS, name="sourcekind", native_enum=False, create_constraint=True,
                    length=40),
            nullable=False,
        ),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("files_count", sa.Integer(), nullable=False),
        sa.Column("last_fetch_at", core.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("last_error_code", _text(), nullable=False),
        sa.Column("last_error", _text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_source")),
        sa.UniqueConstraint("name", name=op.f("uq_statement_source_name")),
    )
    op.create_table(
        "source_mark",
        sa.Column("source_id", _text(), nullable=False),
        sa.Column("mark", _text(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["statement_source.id"],
            name=op.f("fk_source_mark_source_id_statement_source"),
        ),
        sa.PrimaryKeyConstraint("source_id", "mark", name=op.f("pk_source_mark")),
    )


def downgrade() -> None:
    """Take it back, and with it what was written down about sources."""
    op.drop_table("source_mark")
    op.drop_table("statement_source")


def _text(length: int | None = None) -> sqlmodel.sql.sqltypes.AutoString:
    return sqlmodel.sql.sqltypes.AutoString(length=length)
