"""Packages of the books that auditors asked for."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

import core.db

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FORMATS = ("datapackage", "parquet", "xlsx", "jsonl", "hledger", "beancount")
STATUSES = ("asked", "writing", "ready", "failed", "removed")


def upgrade() -> None:
    """Apply this step."""
    text = sqlmodel.sql.sqltypes.AutoString
    op.create_table(
        "book_export",
        sa.Column("id", text(), nullable=False),
        sa.Column("first_date", sa.Date(), nullable=False),
        sa.Column("last_date", sa.Date(), nullable=False),
        sa.Column("scope", text(), nullable=False),
        sa.Column("format", _one_of("format", FORMATS), nullable=False),
        sa.Column("asked_by", text(), nullable=False),
        sa.Column("asked_at", core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("status", _one_of("exportstatus", STATUSES), nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("totals", sa.JSON(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("sha256", text(), nullable=False),
        sa.Column("problem", text(), nullable=False),
        sa.Column("finished_at", core.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("kept_until", core.db.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_book_export")),
    )
    for column in ("asked_by", "asked_at", "status"):
        op.create_index(op.f(f"ix_book_export_{column}"), "book_export", [column], unique=False)


def downgrade() -> None:
    """Take it back."""
    op.drop_table("book_export")


def _one_of(name, values):
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)
