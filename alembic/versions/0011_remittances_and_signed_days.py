"""Remittances go to a named account, by a file for the bank; their state is written down."""

import sqlalchemy as sa
from alembic import op

import core.db

revision = "0011"
down_revision = "0008"
branch_labels = None
depends_on = None

# Whole rows that never change, with every unique key of the table.
APPEND_ONLY = {
    "remittance_order": [("id",), ("remittance_id",)],
}
BEFORE = ("id", "account_id", "reference", "amount_minor", "currency", "parts", "prepared_by",
          "created_at")  # fmt: skip
# Tables of which only some columns may change; these are evidence. Then every unique key.
EVIDENCE = {
    "remittance": (
        ("id", "account_id", "reference", "amount_minor", "currency", "parts", "prepared_by",
         "created_at", "treasury_name", "treasury_account", "treasury_bank_bin"),
        [("id",), ("reference",)],
    ),
}
TREASURY = (("treasury_name", 70), ("treasury_account", 34), ("treasury_bank_bin", 6))
STATUSES = ("proposed", "rejected", "approved", "ordered", "refused")


def upgrade() -> None:
    """Apply this step."""
    for table in ("collecting_account", "remittance"):
        for name, length in TREASURY:
            op.execute(
                f"ALTER TABLE {table} ADD COLUMN {name} VARCHAR({length}) DEFAULT '' NOT NULL"
            )
    allowed = ", ".join(f"'{status}'" for status in STATUSES)
    op.execute(
        "ALTER TABLE remittance ADD COLUMN status VARCHAR(40) DEFAULT 'proposed' NOT NULL"
        f" CONSTRAINT ck_remittance_remittancestatus CHECK (status IN ({allowed}))"
    )
    op.execute("ALTER TABLE remittance ADD COLUMN decision_note VARCHAR DEFAULT '' NOT NULL")
    op.add_column("remittance", sa.Column("decided_at", core.db.UtcDateTime(timezone=True)))
    op.execute("UPDATE remittance SET status = 'ordered' WHERE instructed_at IS NOT NULL")
    op.create_table(
        "remittance_order",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("remittance_id", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sheet", sa.LargeBinary(), nullable=False),
        sa.Column("sheet_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", core.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["remittance_id"], ["remittance.id"],
                                name="fk_remittance_order_remittance_id_remittance"),
        sa.PrimaryKeyConstraint("id", name="pk_remittance_order"),
        sa.UniqueConstraint("remittance_id", name="uq_remittance_order_remittance_id"),
    )  # fmt: skip
    _freeze("remittance", EVIDENCE["remittance"][0])
    for table, keys in APPEND_ONLY.items():
        _protect(table, keys)


def downgrade() -> None:
    """Take it back."""
    _freeze("remittance", BEFORE)
    op.drop_table("remittance_order")
    for name in ("decided_at", "decision_note", "status", *(name for name, _ in TREASURY)):
        op.drop_column("remittance", name)
    for name, _ in TREASURY:
        op.drop_column("collecting_account", name)


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _freeze(table: str, columns: tuple[str, ...]) -> None:
    """Let only the other columns of a table change from now on."""
    if _is_sqlite():
        op.execute(f"DROP TRIGGER {table}_frozen")
        changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in ("rowid", *columns))
        _refuse(table, "frozen", "UPDATE", changed)
        return
    op.execute(f"DROP TRIGGER {table}_frozen ON {table}")
    changed = " OR ".join(f"NEW.{name}::text IS DISTINCT FROM OLD.{name}::text" for name in columns)
    _always(table, "frozen", f'BEFORE UPDATE ON "{table}" FOR EACH ROW WHEN ({changed})')


def _protect(table: str, keys: list[tuple[str, ...]]) -> None:
    """Let rows of a table be added only."""
    if not _is_sqlite():
        _always(table, "kept", f'BEFORE UPDATE OR DELETE ON "{table}" FOR EACH ROW')
        _always(table, "no_truncate", f'BEFORE TRUNCATE ON "{table}" FOR EACH STATEMENT')
        return
    same = ["rowid = NEW.rowid"]
    same += [" AND ".join(f"{name} = NEW.{name}" for name in key) for key in keys]
    taken = " OR ".join(f"({condition})" for condition in same)
    _refuse(table, "no_update", "UPDATE")
    _refuse(table, "no_delete", "DELETE")
    _refuse(table, "no_replace", "INSERT", f'EXISTS (SELECT 1 FROM "{table}" WHERE {taken})')


def _refuse(table: str, name: str, event: str, condition: str = "") -> None:
    when = f" WHEN {condition}" if condition else ""
    op.execute(
        f'CREATE TRIGGER {table}_{name} BEFORE {event} ON "{table}"{when}'
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _always(table: str, name: str, event: str, *, function: str = "refuse_change") -> None:
    """Install a trigger that fires also when a session pretends to be a replica."""
    op.execute(f"CREATE TRIGGER {table}_{name} {event} EXECUTE FUNCTION {function}()")
    op.execute(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {table}_{name}')
