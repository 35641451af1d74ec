"""Samples of automatic matches that people judge blindly; nothing of them changes afterwards."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

import core.db

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Whole rows that never change, with every unique key of the table.
APPEND_ONLY = {
    "recheck_draw": [("period",)],
    "recheck_item": [("id",), ("period", "match_id")],
    "recheck_answer": [("id",), ("item_id", "round"), ("item_id", "answered_by")],
}
LAYERS = ("provider", "payout", "direct")
CLASSES = ("identifier", "repaired", "sums", "dossier")
VERDICTS = ("agreed", "disagreed", "cannot_tell")


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "recheck_draw",
        sa.Column("period", _text(7), nullable=False),
        sa.Column("seed", _text(), nullable=False),
        sa.Column("population", sa.JSON(), nullable=False),
        sa.Column("drawn_by", _text(), nullable=False),
        sa.Column("drawn_at", core.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_recheck_draw")),
    )
    op.create_table(
        "recheck_item",
        sa.Column("id", _text(), nullable=False),
        sa.Column("period", _text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("match_id", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("office_id", _text(), nullable=True),
        sa.Column("layer", _one_of("layer", LAYERS), nullable=False),
        sa.Column("rule_class", _one_of("ruleclass", CLASSES), nullable=False),
        sa.Column("shown", _text(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        _key("recheck_item", "period", "recheck_draw", "period"),
        _key("recheck_item", "match_id", "match"),
        _key("recheck_item", "account_id", "collecting_account"),
        _key("recheck_item", "office_id", "office"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recheck_item")),
        sa.UniqueConstraint("period", "match_id", name=op.f("uq_recheck_item_period")),
    )
    op.create_table(
        "recheck_answer",
        sa.Column("id", _text(), nullable=False),
        sa.Column("item_id", _text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("chosen", _text(), nullable=False),
        sa.Column("verdict", _one_of("verdict", VERDICTS), nullable=False),
        sa.Column("answered_by", _text(), nullable=False),
        sa.Column("answered_at", core.db.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("round IN (1, 2)", name=op.f("ck_recheck_answer_two_rounds")),
        _key("recheck_answer", "item_id", "recheck_item"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recheck_answer")),
        sa.UniqueConstraint("item_id", "round", name=op.f("uq_recheck_answer_item_id")),
        sa.UniqueConstraint(
            "item_id", "answered_by", name="uq_recheck_answer_person"
        ),
    )
    for column in ("period", "match_id", "account_id", "office_id"):
        op.create_index(op.f(f"ix_recheck_item_{column}"), "recheck_item", [column], unique=False)
    op.create_index(op.f("ix_recheck_answer_item_id"), "recheck_answer", ["item_id"], unique=False)
    protect = _protect_sqlite if op.get_bind().dialect.name == "sqlite" else _protect_postgresql
    for table, keys in APPEND_ONLY.items():
        protect(table, keys)


def downgrade() -> None:
    """Take it back, and with it what was judged."""
    for table in reversed(APPEND_ONLY):
        op.drop_table(table)


def _protect_sqlite(table, keys):
    same = ["rowid = NEW.rowid"]
    same += [" AND ".join(f"{name} = NEW.{name}" for name in key) for key in keys]
    taken = f"EXISTS (SELECT 1 FROM {table} WHERE {' OR '.join(f'({one})' for one in same)})"
    for name, event, when in (
        ("no_update", "UPDATE", ""),
        ("no_delete", "DELETE", ""),
        ("no_replace", "INSERT", f" WHEN {taken}"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table}{when}"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def _protect_postgresql(table, keys):
    del keys  # its own constraints refuse a second row
    for name, event in (
        ("kept", f"BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW"),
        ("no_truncate", f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT"),
    ):
        op.execute(f"CREATE TRIGGER {table}_{name} {event} EXECUTE FUNCTION refuse_change()")
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_{name}")


def _key(table, column, target, target_column="id"):
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.{target_column}"], name=name)


def _one_of(name, values):
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _text(length=None):
    return sqlmodel.sql.sqltypes.AutoString(length=length)
