"""Facts and books can only be added to, whoever asks.

``INSERT OR REPLACE`` and ``UPDATE OR REPLACE`` on SQLite delete the row that is in the way, by any
unique key or by its rowid, and run no delete trigger for it; so whatever would take the place of
a protected row is refused as well.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Whole rows that never change, with every unique key of the table.
APPEND_ONLY = {
    "accounting_period": [("account_id", "day")],
    "audit_event": [("id",)],
    "bill_line": [("id",), ("bill_id", "position")],
    "frozen_input": [("sha256",)],
    "journal_entry": [("id",), ("event_key",), ("reverses_id",)],
    "ledger_account": [("code",)],
    "ledger_transfer": [("id",), ("entry_id", "position")],
    "mismatch_event": [("id",)],
    "settlement_line": [("id",)],
    "statement_line": [("id",), ("line_key",)],
}
# Tables of which only some columns may change; these are evidence. Then every unique key.
EVIDENCE = {
    "bill": (
        ("id", "bill_reference", "dossier_code", "office_id", "amount_minor", "currency",
         "created_at"),
        [("id",), ("bill_reference",)],
    ),
    "evidence_file": (
        ("id", "sha256", "kind", "name", "sealed", "size", "source", "received_at"),
        [("id",), ("sha256",)],
    ),
    "fee_schedule": (
        ("id", "procedure_id", "fee_code", "kind", "amount_minor", "currency", "legal_basis",
         "budget", "effective_from"),
        [("id",), ("procedure_id", "fee_code", "effective_from")],
    ),
    "gateway_event": (
        ("id", "channel", "merchant_code", "method", "query_string", "headers", "body",
         "received_at"),
        [("id",), ("applied_key",)],
    ),
    "match": (
        ("id", "match_key", "account_id", "layer", "decided_by", "created_at"),
        [("id",)],
    ),
    "match_item": (
        ("match_id", "layer", "item_kind", "item_id", "amount_minor"),
        [("match_id", "layer", "item_kind", "item_id")],
    ),
    "mismatch": (("id", "mismatch_key", "account_id", "opened_at"), [("id",)]),
    "payment": (
        ("id", "bill_id", "account_id", "attempt", "channel", "merchant_reference",
         "amount_minor", "currency", "created_at"),
        [("id",), ("bill_id", "attempt"), ("merchant_reference",)],
    ),
    "receipt": (
        ("id", "number", "token", "bill_id", "payment_id", "amount_minor", "currency",
         "issued_at"),
        [("id",), ("number",), ("token",)],
    ),
    "reconciliation_run": (("id", "account_id", "as_of", "started_at", "engine"), [("id",)]),
    "refund": (
        ("id", "payment_id", "account_id", "refund_reference", "amount_minor", "currency",
         "reason", "requested_by", "created_at"),
        [("id",), ("refund_reference",)],
    ),
    "remittance": (
        ("id", "account_id", "reference", "amount_minor", "currency", "parts", "prepared_by",
         "created_at"),
        [("id",), ("reference",)],
    ),
    "resolution": (
        ("id", "mismatch_id", "kind", "reason", "amount_minor", "proposed_by", "proposed_at"),
        [("id",)],
    ),
    "settlement": (
        ("id", "file_id", "account_id", "provider", "report_id", "created_at"),
        [("id",), ("account_id", "provider", "report_id")],
    ),
    "statement": (
        ("id", "file_id", "account_id", "statement_key", "digest", "opening_minor",
         "closing_minor", "created_at"),
        [("id",), ("statement_key",)],
    ),
}
# Unique keys that hold only while a row is in some state.
WHILE = {
    "match_item": [(("layer", "item_kind", "item_id"), "{row}active")],
    "mismatch": [(("mismatch_key",), "{row}status IN ('open', 'proposed')")],
    "receipt": [(("payment_id",), "{row}status = 'issued'")],
    "resolution": [(("mismatch_id",), "{row}status IN ('proposed', 'done')")],
}
# An entry is written with the number of its transfers: none can be slipped in later.
SEAL = "NEW.position NOT BETWEEN 1 AND (SELECT transfer_count FROM journal_entry WHERE id = NEW.entry_id)"


def upgrade() -> None:
    """Install the triggers."""
    if op.get_bind().dialect.name == "sqlite":
        _upgrade_sqlite()
    else:
        _upgrade_postgresql()


def _in_the_way(table: str, keys: list[tuple[str, ...]]) -> str:
    """The condition that a row of the table has a unique key of the new row, or its rowid."""
    same = ["rowid = NEW.rowid"]
    same += [" AND ".join(f"{name} = NEW.{name}" for name in key) for key in keys]
    for key, state in WHILE.get(table, ()):
        both = [f"{name} = NEW.{name}" for name in key]
        both += [state.format(row=""), state.format(row="NEW.")]
        same.append(" AND ".join(both))
    return " OR ".join(f"({condition})" for condition in same)


def _refuse(table: str, name: str, event: str, condition: str = "") -> None:
    when = f" WHEN {condition}" if condition else ""
    op.execute(
        f'CREATE TRIGGER {table}_{name} BEFORE {event} ON "{table}"{when}'
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _upgrade_sqlite() -> None:
    for table, keys in APPEND_ONLY.items():
        _refuse(table, "no_update", "UPDATE")
        _refuse(table, "no_delete", "DELETE")
        taken = f'EXISTS (SELECT 1 FROM "{table}" WHERE {_in_the_way(table, keys)})'
        _refuse(table, "no_replace", "INSERT", taken)
    for table, (columns, keys) in EVIDENCE.items():
        rows = _in_the_way(table, keys)
        changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in ("rowid", *columns))
        _refuse(table, "no_delete", "DELETE")
        _refuse(table, "frozen", "UPDATE", changed)
        _refuse(table, "no_replace", "INSERT", f'EXISTS (SELECT 1 FROM "{table}" WHERE {rows})')
        usurped = f'EXISTS (SELECT 1 FROM "{table}" WHERE rowid <> OLD.rowid AND ({rows}))'
        _refuse(table, "no_usurping", "UPDATE", usurped)
    _refuse("ledger_transfer", "sealed", "INSERT", SEAL)


def _upgrade_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME"
        " USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        "CREATE FUNCTION refuse_late_transfer() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF {SEAL} THEN RAISE EXCEPTION 'ledger_transfer is append-only'"
        " USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
    )
    for table in (*APPEND_ONLY, *EVIDENCE):
        what = "UPDATE OR DELETE" if table in APPEND_ONLY else "DELETE"
        _always(table, "kept", f'BEFORE {what} ON "{table}" FOR EACH ROW')
        _always(table, "no_truncate", f'BEFORE TRUNCATE ON "{table}" FOR EACH STATEMENT')
    for table, (columns, _) in EVIDENCE.items():
        changed = " OR ".join(
            f"NEW.{name}::text IS DISTINCT FROM OLD.{name}::text" for name in columns
        )
        _always(table, "frozen", f'BEFORE UPDATE ON "{table}" FOR EACH ROW WHEN ({changed})')
    _always(
        "ledger_transfer", "sealed", "BEFORE INSERT ON ledger_transfer FOR EACH ROW",
        function="refuse_late_transfer",
    )


def _always(table: str, name: str, event: str, *, function: str = "refuse_change") -> None:
    """Install a trigger that fires also when a session pretends to be a replica."""
    op.execute(f"CREATE TRIGGER {table}_{name} {event} EXECUTE FUNCTION {function}()")
    op.execute(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {table}_{name}')


def downgrade() -> None:
    """Remove the triggers."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    kinds = ("no_update", "no_delete", "no_replace", "no_usurping", "kept", "no_truncate",
             "frozen", "sealed")
    for table in (*APPEND_ONLY, *EVIDENCE):
        for kind in kinds:
            place = "" if sqlite else f' ON "{table}"'
            op.execute(f"DROP TRIGGER IF EXISTS {table}_{kind}{place}")
    if not sqlite:
        op.execute("DROP FUNCTION IF EXISTS refuse_change()")
        op.execute("DROP FUNCTION IF EXISTS refuse_late_transfer()")
