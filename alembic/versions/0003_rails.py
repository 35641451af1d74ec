"""Rails beside channels: contracts with limits, sealed secrets, credit notices, kept exchanges.

Until now a channel was also the party that was spoken to. Transfers were made here, by VietQR;
every other channel had one rail, of the same name.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

import core.db

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RAILS = ("vietqr", "payos", "sepay", "casso", "vnpay", "momo", "zalopay", "stripe",
         "national_portal")
CHANNELS = ("bank_transfer", "vnpay", "momo", "zalopay", "stripe")
STATES = ("received", "applied", "duplicate", "refused", "unassigned")
# Columns that never change, and every unique key.
EVIDENCE = {
    "gateway_event": (
        ("id", "rail", "merchant_code", "method", "query_string", "headers", "body",
         "received_at"),
        [("id",), ("applied_key",)],
    ),
    "payment": (
        ("id", "bill_id", "account_id", "attempt", "channel", "rail", "merchant_reference",
         "amount_minor", "surcharge_minor", "currency", "created_at"),
        [("id",), ("bill_id", "attempt"), ("merchant_reference",)],
    ),
    "credit_notice": (
        ("id", "rail", "merchant_code", "credit_key", "event_id", "account_id", "amount_minor",
         "currency", "narrative", "bank_ref", "booked_at", "received_at"),
        [("id",), ("rail", "merchant_code", "credit_key")],
    ),
}


def upgrade() -> None:
    """Apply this step."""
    _rename_offered()
    _remake_merchant()
    _add_rail_to_payment()
    _remake_gateway_event("channel", "rail", RAILS)
    _create_tables()
    for table, (columns, keys) in EVIDENCE.items():
        _freeze(table, columns, keys)


def _is_sqlite() -> bool:
    return bool(op.get_bind().dialect.name == "sqlite")


def _text(length: int | None = None) -> sqlmodel.sql.sqltypes.AutoString:
    return sqlmodel.sql.sqltypes.AutoString(length=length)


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _instant() -> core.db.UtcDateTime:
    return core.db.UtcDateTime(timezone=True)


def _rename_offered() -> None:
    op.execute("ALTER TABLE office RENAME COLUMN channels TO rails")
    if _is_sqlite():
        op.execute("UPDATE office SET rails = replace(rails, '\"bank_transfer\"', '\"vietqr\"')")
    else:
        op.execute(
            "UPDATE office SET rails ="
            " replace(rails::text, '\"bank_transfer\"', '\"vietqr\"')::json"
        )


def _remake_merchant() -> None:
    """Make the table anew, because every constraint of it changes; there are few contracts."""
    kept = _contracts("channel")
    op.drop_table("merchant")
    merchant = op.create_table(
        "merchant",
        sa.Column("id", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("rail", _enum("rail", *RAILS), nullable=False),
        sa.Column("merchant_code", _text(), nullable=False),
        sa.Column("min_minor", sa.BigInteger(), nullable=False),
        sa.Column("max_minor", sa.BigInteger(), nullable=True),
        sa.Column("fee_bearer", _enum("feebearer", "office", "payer"), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.CheckConstraint("min_minor >= 0", name=op.f("ck_merchant_min_not_negative")),
        sa.CheckConstraint(
            "max_minor IS NULL OR max_minor >= min_minor", name=op.f("ck_merchant_limits_in_order")
        ),
        _owner(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchant")),
        sa.UniqueConstraint("account_id", "rail", name="uq_merchant_account_rail"),
        sa.UniqueConstraint("rail", "merchant_code", name="uq_merchant_code"),
    )
    new = {"min_minor": 0, "max_minor": None, "fee_bearer": "office", "settings": {},
           "active": True}
    op.bulk_insert(
        merchant,
        [{"id": row[0], "account_id": row[1], "rail": row[2], "merchant_code": row[3], **new}
         for row in kept],
    )


def _contracts(column: str) -> list[tuple[str, str, str, str]]:
    query = f"SELECT id, account_id, {column}, merchant_code FROM merchant"
    return [tuple(row) for row in op.get_bind().execute(sa.text(query))]


def _owner() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["account_id"], ["collecting_account.id"],
        name=op.f("fk_merchant_account_id_collecting_account"),
    )


def _add_rail_to_payment() -> None:
    values = ", ".join(f"'{rail}'" for rail in RAILS)
    op.execute(
        "ALTER TABLE payment ADD COLUMN rail VARCHAR(40) NOT NULL DEFAULT 'vietqr'"
        f" CONSTRAINT ck_payment_rail CHECK (rail IN ({values}))"
    )
    op.execute("ALTER TABLE payment ADD COLUMN surcharge_minor BIGINT NOT NULL DEFAULT 0")
    op.execute("UPDATE payment SET rail = channel WHERE channel <> 'bank_transfer'")


def _remake_gateway_event(old: str, new: str, values: tuple[str, ...]) -> None:
    """Rename a column and change its check; on SQLite that is a new table with the old rows."""
    if not _is_sqlite():
        listed = ", ".join(f"'{value}'" for value in values)
        op.execute(f"ALTER TABLE gateway_event DROP CONSTRAINT ck_gateway_event_{old}")
        op.execute(f"ALTER TABLE gateway_event RENAME COLUMN {old} TO {new}")
        op.execute(
            f"ALTER TABLE gateway_event ADD CONSTRAINT ck_gateway_event_{new}"
            f" CHECK ({new} IN ({listed}))"
        )
        return
    op.create_table(
        "gateway_event_new",
        sa.Column("id", _text(), nullable=False),
        sa.Column(new, _enum(new, *values), nullable=False),
        sa.Column("merchant_code", _text(), nullable=False),
        sa.Column("method", _text(), nullable=False),
        sa.Column("query_string", _text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", _instant(), nullable=False),
        sa.Column("state", _enum("eventstate", *STATES), nullable=False),
        sa.Column("result", _text(), nullable=False),
        sa.Column("error", _text(), nullable=False),
        sa.Column("applied_key", _text(), nullable=True),
        sa.Column("payment_id", _text(), nullable=True),
        sa.Column("processed_at", _instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_gateway_event_payment_id_payment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_event")),
        sa.UniqueConstraint("applied_key", name=op.f("uq_gateway_event_applied_key")),
    )
    op.execute(
        f"INSERT INTO gateway_event_new SELECT id, {old}, merchant_code, method, query_string,"
        " headers, body, received_at, state, result, error, applied_key, payment_id, processed_at"
        " FROM gateway_event ORDER BY rowid"
    )
    op.drop_table("gateway_event")
    op.rename_table("gateway_event_new", "gateway_event")
    op.create_index("ix_gateway_event_received_at", "gateway_event", ["received_at"])
    op.create_index("ix_gateway_event_payment_id", "gateway_event", ["payment_id"])


def _create_tables() -> None:
    op.create_table(
        "gateway_secret",
        sa.Column("id", _text(), nullable=False),
        sa.Column("rail", _enum("rail", *RAILS), nullable=False),
        sa.Column("merchant_code", _text(), nullable=False),
        sa.Column("name", _text(40), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", _text(), nullable=False),
        sa.Column("created_at", _instant(), nullable=False),
        sa.Column("retired_at", _instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_secret")),
    )
    op.create_index("ix_gateway_secret_merchant_code", "gateway_secret", ["merchant_code"])
    op.create_table(
        "gateway_exchange",
        sa.Column("id", _text(), nullable=False),
        sa.Column("rail", _enum("rail", *RAILS), nullable=False),
        sa.Column("merchant_code", _text(), nullable=False),
        sa.Column("method", _text(), nullable=False),
        sa.Column("url", _text(), nullable=False),
        sa.Column("request", _text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", _text(), nullable=False),
        sa.Column("error", _text(), nullable=False),
        sa.Column("started_at", _instant(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_exchange")),
    )
    op.create_index("ix_gateway_exchange_merchant_code", "gateway_exchange", ["merchant_code"])
    op.create_index("ix_gateway_exchange_started_at", "gateway_exchange", ["started_at"])
    op.create_table(
        "credit_notice",
        sa.Column("id", _text(), nullable=False),
        sa.Column("rail", _enum("rail", *RAILS), nullable=False),
        sa.Column("merchant_code", _text(), nullable=False),
        sa.Column("credit_key", _text(), nullable=False),
        sa.Column("event_id", _text(), nullable=True),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", _enum("currency", "VND", "USD"), nullable=False),
        sa.Column("narrative", _text(), nullable=False),
        sa.Column("bank_ref", _text(), nullable=False),
        sa.Column("virtual_account", _text(), nullable=False),
        sa.Column("counterparty_name", _text(), nullable=False),
        sa.Column("counterparty_account", _text(), nullable=False),
        sa.Column("counterparty_bank_bin", _text(), nullable=False),
        sa.Column("booked_at", _instant(), nullable=False),
        sa.Column("received_at", _instant(), nullable=False),
        sa.Column("state", _enum("creditstate", "collected", "waiting", "known"), nullable=False),
        sa.Column("payment_id", _text(), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_credit_notice_amount_positive")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["collecting_account.id"],
            name=op.f("fk_credit_notice_account_id_collecting_account"),
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["gateway_event.id"],
            name=op.f("fk_credit_notice_event_id_gateway_event"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_credit_notice_payment_id_payment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_notice")),
        sa.UniqueConstraint("rail", "merchant_code", "credit_key", name="uq_credit_notice_key"),
    )
    for column in ("account_id", "bank_ref", "payment_id", "received_at"):
        op.create_index(f"ix_credit_notice_{column}", "credit_notice", [column])


def _freeze(table: str, columns: tuple[str, ...], keys: list[tuple[str, ...]]) -> None:
    """Let no row go, and none of its evidence change; see step 0002 for what is in the way."""
    if _is_sqlite():
        same = [f"({' AND '.join(f'{name} = NEW.{name}' for name in key)})" for key in keys]
        rows = " OR ".join(["(rowid = NEW.rowid)", *same])
        changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in ("rowid", *columns))
        taken = f'EXISTS (SELECT 1 FROM "{table}" WHERE {rows})'
        usurped = f'EXISTS (SELECT 1 FROM "{table}" WHERE rowid <> OLD.rowid AND ({rows}))'
        for name, event, condition in (
            ("no_delete", "DELETE", ""), ("frozen", "UPDATE", changed),
            ("no_replace", "INSERT", taken), ("no_usurping", "UPDATE", usurped),
        ):
            when = f" WHEN {condition}" if condition else ""
            op.execute(f"DROP TRIGGER IF EXISTS {table}_{name}")
            op.execute(
                f'CREATE TRIGGER {table}_{name} BEFORE {event} ON "{table}"{when}'
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    changed = " OR ".join(
        f"NEW.{name}::text IS DISTINCT FROM OLD.{name}::text" for name in columns
    )
    for name, event in (
        ("kept", f'BEFORE DELETE ON "{table}" FOR EACH ROW'),
        ("no_truncate", f'BEFORE TRUNCATE ON "{table}" FOR EACH STATEMENT'),
        ("frozen", f'BEFORE UPDATE ON "{table}" FOR EACH ROW WHEN ({changed})'),
    ):
        op.execute(f'DROP TRIGGER IF EXISTS {table}_{name} ON "{table}"')
        op.execute(f"CREATE TRIGGER {table}_{name} {event} EXECUTE FUNCTION refuse_change()")
        op.execute(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {table}_{name}')


def downgrade() -> None:
    """Go back, if nothing is stored that the earlier release has no words for."""
    _refuse_to_lose()
    for table in ("credit_notice", "gateway_exchange", "gateway_secret"):
        op.drop_table(table)
    for table in ("payment", "gateway_event"):
        for name in ("no_delete", "frozen", "no_replace", "no_usurping", "kept", "no_truncate"):
            place = "" if _is_sqlite() else f" ON {table}"
            op.execute(f"DROP TRIGGER IF EXISTS {table}_{name}{place}")
    _remake_gateway_event("rail", "channel", CHANNELS)
    op.execute("ALTER TABLE payment DROP COLUMN rail")
    op.execute("ALTER TABLE payment DROP COLUMN surcharge_minor")
    _restore_merchant()
    op.execute("ALTER TABLE office RENAME COLUMN rails TO channels")
    if _is_sqlite():
        op.execute(
            "UPDATE office SET channels = replace(channels, '\"vietqr\"', '\"bank_transfer\"')"
        )
    else:
        op.execute(
            "UPDATE office SET channels ="
            " replace(channels::text, '\"vietqr\"', '\"bank_transfer\"')::json"
        )
    for table in ("payment", "gateway_event"):
        columns, keys = EVIDENCE[table]
        names = [name for name in columns if name not in {"rail", "surcharge_minor"}]
        if table == "gateway_event":
            names.insert(1, "channel")
        _freeze(table, tuple(names), keys)


def _refuse_to_lose() -> None:
    for table in ("credit_notice", "gateway_secret"):
        if op.get_bind().execute(sa.text(f"SELECT 1 FROM {table} LIMIT 1")).first():
            raise RuntimeError(f"{table} holds rows that the earlier release cannot keep")
    listed = ", ".join(f"'{channel}'" for channel in (*CHANNELS, "vietqr"))
    for table in ("merchant", "payment", "gateway_event"):
        query = f"SELECT 1 FROM {table} WHERE rail NOT IN ({listed}) LIMIT 1"
        if op.get_bind().execute(sa.text(query)).first():
            raise RuntimeError(f"{table} names a rail that the earlier release does not know")


def _restore_merchant() -> None:
    kept = _contracts("rail")
    op.drop_table("merchant")
    merchant = op.create_table(
        "merchant",
        sa.Column("id", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("channel", _enum("channel", *CHANNELS), nullable=False),
        sa.Column("merchant_code", _text(), nullable=False),
        _owner(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchant")),
        sa.UniqueConstraint("account_id", "channel", name=op.f("uq_merchant_account_id")),
        sa.UniqueConstraint("channel", "merchant_code", name="uq_merchant_code"),
    )
    op.bulk_insert(
        merchant,
        [{"id": row[0], "account_id": row[1], "channel": row[2], "merchant_code": row[3]}
         for row in kept],
    )
