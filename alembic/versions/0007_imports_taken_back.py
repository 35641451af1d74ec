"""A statement whose import was taken back: by whom, when and why."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

import core.db

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    text = sqlmodel.sql.sqltypes.AutoString
    op.add_column(
        "statement", sa.Column("undone_at", core.db.UtcDateTime(timezone=True), nullable=True)
    )
    op.add_column("statement", sa.Column("undone_by", text(), nullable=True))
    op.add_column("statement", sa.Column("undone_reason", text(), nullable=True))


def downgrade() -> None:
    """Take it back."""
    for name in ("undone_reason", "undone_by", "undone_at"):
        op.drop_column("statement", name)
