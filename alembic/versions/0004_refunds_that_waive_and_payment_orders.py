"""Refunds carry their evidence, the fees they waive and a beneficiary; banks get payment orders.

A bill may be due any part of what was billed. On SQLite a changed check needs the table anew: its
statement is changed in place, so that all else of it (columns, indexes, triggers) stays as it is.
"""

from collections.abc import Callable

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Whole rows that never change, with every unique key of the table.
APPEND_ONLY = {
    "payment_order": [("id",), ("account_id", "year", "number")],
}
# Tables of which only some columns may change; these are evidence. Then every unique key.
EVIDENCE = {
    "refund": (
        ("id", "payment_id", "account_id", "refund_reference", "amount_minor", "currency",
         "reason", "requested_by", "created_at", "channel", "evidence", "waived_lines"),
        [("id",), ("refund_reference",)],
    ),
}
BENEFICIARY = ("beneficiary_name", "beneficiary_account", "beneficiary_bank_bin")
BEFORE = EVIDENCE["refund"][0][:-3]

CHANNELS = "'bank_transfer', 'vnpay', 'momo', 'zalopay', 'stripe'"
# Column, type, and what rows of before hold.
ADDED = (
    ("channel", "VARCHAR(40)", "(SELECT channel FROM payment WHERE payment.id = refund.payment_id)"),
    ("evidence", "VARCHAR", "''"),
    ("waived_lines", "JSON", "'[]'"),
    ("beneficiary_name", "VARCHAR(70)", "''"),
    ("beneficiary_account", "VARCHAR(34)", "''"),
    ("beneficiary_bank_bin", "VARCHAR(6)", "''"),
    ("decision_note", "VARCHAR", "''"),
    ("failure", "VARCHAR", "''"),
)
NULLABLE = (("decided_at", "TIMESTAMP WITH TIME ZONE"), ("payment_order_id", "VARCHAR"))
CHECK = f"CONSTRAINT ck_refund_channel CHECK (channel IN ({CHANNELS}))"
ORDER = (
    "CONSTRAINT fk_refund_payment_order_id_payment_order"
    " FOREIGN KEY (payment_order_id) REFERENCES payment_order (id)"
)
ALL_OR_NOTHING = "CONSTRAINT ck_bill_due_all_or_nothing CHECK (due_minor IN (0, amount_minor))"
WITHIN = "CONSTRAINT ck_bill_due_within_amount CHECK (due_minor BETWEEN 0 AND amount_minor)"


def upgrade() -> None:
    """Add orders and columns, free the due amount, and protect what is evidence."""
    op.create_table(
        "payment_order",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("refund_count", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "currency",
            sa.Enum("VND", "USD", name="currency", native_enum=False, create_constraint=True,
                    length=40),
            nullable=False,
        ),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sheet", sa.LargeBinary(), nullable=False),
        sa.Column("sheet_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name="ck_payment_order_amount_positive"),
        sa.CheckConstraint("refund_count > 0", name="ck_payment_order_not_empty"),
        sa.ForeignKeyConstraint(["account_id"], ["collecting_account.id"],
                                name="fk_payment_order_account_id_collecting_account"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_order"),
        sa.UniqueConstraint("account_id", "year", "number", name="uq_payment_order_account_id"),
    )  # fmt: skip
    op.create_index("ix_payment_order_account_id", "payment_order", ["account_id"])
    if op.get_bind().dialect.name == "sqlite":
        _upgrade_sqlite()
    else:
        _upgrade_postgresql()


def downgrade() -> None:
    """Take it back; impossible while a bill is due a part only."""
    if op.get_bind().dialect.name == "sqlite":
        _drop_triggers(("payment_order", "refund"))
        op.drop_index("ix_refund_payment_order_id", "refund")
        _rebuild("bill", lambda sql: _replaced(sql, WITHIN, ALL_OR_NOTHING))
        _rebuild("refund", _without_columns)
        op.drop_table("payment_order")
        _protect("refund", BEFORE, EVIDENCE["refund"][1])
    else:
        for name in ("frozen", "beneficiary_frozen", "ordered_once"):
            op.execute(f"DROP TRIGGER refund_{name} ON refund")
        op.execute("ALTER TABLE bill DROP CONSTRAINT ck_bill_due_within_amount")
        op.execute(f"ALTER TABLE bill ADD {ALL_OR_NOTHING}")
        op.execute(f"ALTER TABLE refund DROP {ORDER.split(' FOREIGN')[0]}")
        for name, *_ in (*ADDED, *NULLABLE):
            op.execute(f"ALTER TABLE refund DROP COLUMN {name}")
        op.drop_table("payment_order")
        _frozen("frozen", _changed(BEFORE))


# SQLite


def _upgrade_sqlite() -> None:
    _rebuild("bill", lambda sql: _replaced(sql, ALL_OR_NOTHING, WITHIN))
    _drop_triggers(("refund",))
    _rebuild("refund", _with_columns, {name: value for name, _, value in ADDED})
    op.create_index("ix_refund_payment_order_id", "refund", ["payment_order_id"])
    for table, keys in APPEND_ONLY.items():
        taken = f'EXISTS (SELECT 1 FROM "{table}" WHERE {_in_the_way(keys)})'
        _refuse(table, "no_update", "UPDATE")
        _refuse(table, "no_delete", "DELETE")
        _refuse(table, "no_replace", "INSERT", taken)
    _protect("refund", *EVIDENCE["refund"])
    _refuse("refund", "beneficiary_frozen", "UPDATE",
            f"OLD.status <> 'requested' AND ({_differ(BENEFICIARY)})")  # fmt: skip
    _refuse("refund", "ordered_once", "UPDATE",
            f"OLD.payment_order_id IS NOT NULL AND {_differ(('payment_order_id',))}")  # fmt: skip


def _rebuild(
    table: str, change: Callable[[str], str], filled: dict[str, str] | None = None
) -> None:
    """Make a table anew from its changed statement, with its rows, indexes and triggers.

    Foreign keys are checked at the end of the transaction, when the rows are back in their place.
    """
    bind = op.get_bind()
    (statement,) = bind.execute(
        sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :t"), {"t": table}
    ).one()
    beside = bind.execute(
        sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :t AND sql IS NOT NULL"
                " AND type IN ('index', 'trigger') ORDER BY type, name"), {"t": table},
    ).scalars().all()  # fmt: skip
    values = {name: f'"{name}"' for name in _columns(table)} | (filled or {})
    given = ", ".join(f'{value} AS "{name}"' for name, value in values.items())
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute(
        f'CREATE TEMPORARY TABLE kept AS SELECT rowid AS kept_rowid, {given} FROM "{table}"'
    )
    op.execute(f'DROP TABLE "{table}"')
    bind.exec_driver_sql(change(statement))
    names = ", ".join(f'"{name}"' for name in _columns(table) if name in values)
    op.execute(f'INSERT INTO "{table}" (rowid, {names}) SELECT kept_rowid, {names} FROM kept')
    op.execute("DROP TABLE kept")
    for statement in beside:
        bind.exec_driver_sql(statement)


def _columns(table: str) -> list[str]:
    rows = op.get_bind().execute(sa.text(f'PRAGMA table_info("{table}")'))
    return [row.name for row in rows]


def _replaced(sql: str, before: str, after: str) -> str:
    if before not in sql:
        raise RuntimeError(f"the table is not as it was made: {before!r} is not in it")
    return sql.replace(before, after)


_FIRST = "CONSTRAINT pk_refund"


def _with_columns(sql: str) -> str:
    columns = "".join(f"{name} {kind} NOT NULL, \n\t" for name, kind, _ in ADDED)
    columns += "".join(
        f"{name} {kind.replace('TIMESTAMP WITH TIME ZONE', 'DATETIME')}, \n\t"
        for name, kind in NULLABLE
    )
    return _replaced(sql, _FIRST, f"{columns}{CHECK}, \n\t{ORDER}, \n\t{_FIRST}")


def _without_columns(sql: str) -> str:
    kept = sql
    for name, *_ in (*ADDED, *NULLABLE):
        start = kept.index(f"{name} ")
        end = kept.index(", \n\t", start) + len(", \n\t")
        kept = kept[:start] + kept[end:]
    return _replaced(kept, f"{CHECK}, \n\t{ORDER}, \n\t", "")


def _in_the_way(keys: list[tuple[str, ...]]) -> str:
    same = ["rowid = NEW.rowid"]
    same += [" AND ".join(f"{name} = NEW.{name}" for name in key) for key in keys]
    return " OR ".join(f"({condition})" for condition in same)


def _differ(columns: tuple[str, ...]) -> str:
    return " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in columns)


def _refuse(table: str, name: str, event: str, condition: str = "") -> None:
    when = f" WHEN {condition}" if condition else ""
    op.execute(
        f'CREATE TRIGGER {table}_{name} BEFORE {event} ON "{table}"{when}'
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _protect(table: str, columns: tuple[str, ...], keys: list[tuple[str, ...]]) -> None:
    rows = _in_the_way(keys)
    _refuse(table, "no_delete", "DELETE")
    _refuse(table, "frozen", "UPDATE", _differ(("rowid", *columns)))
    _refuse(table, "no_replace", "INSERT", f'EXISTS (SELECT 1 FROM "{table}" WHERE {rows})')
    usurped = f'EXISTS (SELECT 1 FROM "{table}" WHERE rowid <> OLD.rowid AND ({rows}))'
    _refuse(table, "no_usurping", "UPDATE", usurped)


def _drop_triggers(tables: tuple[str, ...]) -> None:
    bind = op.get_bind()
    for table in tables:
        names = bind.execute(
            sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :t"),
            {"t": table},
        ).scalars().all()  # fmt: skip
        for name in names:
            op.execute(f"DROP TRIGGER {name}")


# PostgreSQL


def _upgrade_postgresql() -> None:
    op.execute("ALTER TABLE bill DROP CONSTRAINT ck_bill_due_all_or_nothing")
    op.execute(f"ALTER TABLE bill ADD {WITHIN}")
    op.execute("DROP TRIGGER refund_frozen ON refund")
    for name, kind, value in ADDED:
        op.execute(f"ALTER TABLE refund ADD COLUMN {name} {kind}")
        op.execute(f"UPDATE refund SET {name} = {value}")
        op.execute(f"ALTER TABLE refund ALTER COLUMN {name} SET NOT NULL")
    for name, kind in NULLABLE:
        op.execute(f"ALTER TABLE refund ADD COLUMN {name} {kind}")
    op.execute(f"ALTER TABLE refund ADD {CHECK}")
    op.execute(f"ALTER TABLE refund ADD {ORDER}")
    op.create_index("ix_refund_payment_order_id", "refund", ["payment_order_id"])
    _always("payment_order", "kept", "BEFORE UPDATE OR DELETE ON payment_order FOR EACH ROW")
    _always("payment_order", "no_truncate", "BEFORE TRUNCATE ON payment_order FOR EACH STATEMENT")
    _frozen("frozen", _changed(EVIDENCE["refund"][0]))
    _frozen("beneficiary_frozen", f"OLD.status <> 'requested' AND ({_changed(BENEFICIARY)})")
    _frozen("ordered_once",
            f"OLD.payment_order_id IS NOT NULL AND ({_changed(('payment_order_id',))})")  # fmt: skip


def _changed(columns: tuple[str, ...]) -> str:
    return " OR ".join(f"NEW.{name}::text IS DISTINCT FROM OLD.{name}::text" for name in columns)


def _frozen(name: str, condition: str) -> None:
    _always("refund", name, f"BEFORE UPDATE ON refund FOR EACH ROW WHEN ({condition})")


def _always(table: str, name: str, event: str) -> None:
    """Install a trigger that fires also when a session pretends to be a replica."""
    op.execute(f"CREATE TRIGGER {table}_{name} {event} EXECUTE FUNCTION refuse_change()")
    op.execute(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {table}_{name}')
