"""Remittances go to a named account, by a file for the bank; days are signed by two and locked.

The close of a day locks it and every day before it: a trigger refuses entries of these days,
whoever writes them. On PostgreSQL it holds the account first, shared with others who post, so that
no entry slips in while the day is being closed.
"""

import sqlalchemy as sa
from alembic import op

import core.db

revision = "0011"
down_revision = "0010"
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
    "day_close": (
        ("id", "account_id", "first_day", "day", "sheet", "sheet_sha256", "prepared_by",
         "prepared_at"),
        [("id",)],
    ),
}
CLOSE_STATUSES = ("prepared", "closed", "withdrawn")
CLOSED = (
    "EXISTS (SELECT 1 FROM accounting_period"
    " WHERE account_id = NEW.account_id AND day >= NEW.entry_date)"
)
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
    _create_closes()
    _lock_days()


def _create_closes() -> None:
    allowed = sa.Enum(*CLOSE_STATUSES, name="closestatus", native_enum=False,
                      create_constraint=True, length=40)  # fmt: skip
    op.create_table(
        "day_close",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sheet", sa.LargeBinary(), nullable=False),
        sa.Column("sheet_sha256", sa.String(length=64), nullable=False),
        sa.Column("prepared_by", sa.String(), nullable=False),
        sa.Column("prepared_at", core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("status", allowed, nullable=False),
        sa.Column("reviewed_by", sa.String(), nullable=True),
        sa.Column("reviewed_at", core.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.CheckConstraint("reviewed_by IS NULL OR reviewed_by <> prepared_by",
                           name="ck_day_close_two_people"),
        sa.CheckConstraint("first_day IS NULL OR first_day <= day",
                           name="ck_day_close_days_in_order"),
        sa.ForeignKeyConstraint(["account_id"], ["collecting_account.id"],
                                name="fk_day_close_account_id_collecting_account"),
        sa.PrimaryKeyConstraint("id", name="pk_day_close"),
    )  # fmt: skip
    for column in ("account_id", "day", "status"):
        op.create_index(f"ix_day_close_{column}", "day_close", [column])
    columns, keys = EVIDENCE["day_close"]
    signed = "OLD.status <> 'prepared'"
    if not _is_sqlite():
        _always("day_close", "kept", "BEFORE DELETE ON day_close FOR EACH ROW")
        _always("day_close", "no_truncate", "BEFORE TRUNCATE ON day_close FOR EACH STATEMENT")
        changed = " OR ".join(f"NEW.{n}::text IS DISTINCT FROM OLD.{n}::text" for n in columns)
        _always("day_close", "frozen", f"BEFORE UPDATE ON day_close FOR EACH ROW WHEN ({changed})")
        _always("day_close", "signed", f"BEFORE UPDATE ON day_close FOR EACH ROW WHEN ({signed})")
        return
    rows = _in_the_way(keys)
    changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in ("rowid", *columns))
    _refuse("day_close", "no_delete", "DELETE")
    _refuse("day_close", "frozen", "UPDATE", changed)
    _refuse("day_close", "signed", "UPDATE", signed)
    _refuse("day_close", "no_replace", "INSERT", f"EXISTS (SELECT 1 FROM day_close WHERE {rows})")
    usurped = f"EXISTS (SELECT 1 FROM day_close WHERE rowid <> OLD.rowid AND ({rows}))"
    _refuse("day_close", "no_usurping", "UPDATE", usurped)


def _lock_days() -> None:
    """Refuse entries of closed days; no entry changes its day, because none changes at all."""
    if _is_sqlite():
        op.execute(
            f"CREATE TRIGGER journal_entry_day_open BEFORE INSERT ON journal_entry WHEN {CLOSED}"
            " BEGIN SELECT RAISE(ABORT, 'journal_entry is append-only: the day is closed'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION refuse_closed_day() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM 1 FROM collecting_account WHERE id = NEW.account_id FOR KEY SHARE;"
        f" IF {CLOSED} THEN"
        " RAISE EXCEPTION 'journal_entry is append-only: the day is closed'"
        " USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
    )
    _always("journal_entry", "day_open", "BEFORE INSERT ON journal_entry FOR EACH ROW",
            function="refuse_closed_day")  # fmt: skip


def downgrade() -> None:
    """Take it back."""
    if _is_sqlite():
        op.execute("DROP TRIGGER journal_entry_day_open")
    else:
        op.execute("DROP TRIGGER journal_entry_day_open ON journal_entry")
        op.execute("DROP FUNCTION refuse_closed_day()")
    op.drop_table("day_close")
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
    taken = f'EXISTS (SELECT 1 FROM "{table}" WHERE {_in_the_way(keys)})'
    _refuse(table, "no_update", "UPDATE")
    _refuse(table, "no_delete", "DELETE")
    _refuse(table, "no_replace", "INSERT", taken)


def _in_the_way(keys: list[tuple[str, ...]]) -> str:
    """The condition that a row has a unique key of the new row, or its rowid."""
    same = ["rowid = NEW.rowid"]
    same += [" AND ".join(f"{name} = NEW.{name}" for name in key) for key in keys]
    return " OR ".join(f"({condition})" for condition in same)


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
