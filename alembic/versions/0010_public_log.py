"""The public log over the journal: queue, leaves, salts, tiles, keys, checkpoints.

Triggers queue every entry in its own transaction, and every erasure of a salt; entries that exist
already are queued here. Leaves are numbered without a gap and never change.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

import core.db

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Whole rows that never change, with every unique key of the table.
APPEND_ONLY = {
    "log_entry": [("seq",), ("entry_id", "kind")],
    "log_tile": [("level", "place")],
    "log_checkpoint": [("id",)],
    "log_cosignature": [("checkpoint_id", "verifier")],
}
# Tables of which only some columns may change; these are evidence. Then every unique key.
EVIDENCE = {
    "log_key": (
        ("id", "origin", "verifier", "endorsement", "created_by", "created_at"),
        [("id",), ("verifier",)],
    ),
}
NEXT = "(SELECT COALESCE(MAX(seq) + 1, 0) FROM log_entry)"


def upgrade() -> None:
    """Apply this step."""
    _tables()
    if op.get_bind().dialect.name == "sqlite":
        _triggers_of_sqlite()
    else:
        _triggers_of_postgresql()
    op.execute("INSERT INTO log_queue (kind, entry_id) SELECT 'entry', id FROM journal_entry")


def downgrade() -> None:
    """Take it back, and with it the log: a new one could not claim to go on with it."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute("DROP TRIGGER journal_entry_queued" + ("" if sqlite else " ON journal_entry"))
    for table in ("log_cosignature", "log_witness", "log_checkpoint", "log_key", "log_tile", "log_salt", "log_entry", "log_queue"):
        op.drop_table(table)
    if not sqlite:
        for function in ("queue_entry", "queue_erasure", "refuse_gap"):
            op.execute(f"DROP FUNCTION {function}()")


def _tables() -> None:
    op.create_table(
        "log_queue",
        sa.Column("kind", _kind(), nullable=False),
        sa.Column("entry_id", _text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "entry_id", name=op.f("pk_log_queue")),
    )
    op.create_table(
        "log_entry",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", _kind(), nullable=False),
        sa.Column("entry_id", _text(), nullable=False),
        sa.Column("leaf", _text(), nullable=False),
        sa.Column("salt", _text(), nullable=False),
        sa.Column("appended_at", core.db.UtcDateTime(timezone=True), nullable=False),
        _of_entry("log_entry"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_log_entry")),
        sa.UniqueConstraint("entry_id", "kind", name=op.f("uq_log_entry_entry_id")),
    )
    op.create_table(
        "log_salt",
        sa.Column("entry_id", _text(), nullable=False),
        sa.Column("salt", _text(), nullable=False),
        _of_entry("log_salt"),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_log_salt")),
    )
    op.create_table(
        "log_tile",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "place", name=op.f("pk_log_tile")),
    )
    op.create_table(
        "log_key",
        sa.Column("id", _text(), nullable=False),
        sa.Column("origin", _text(), nullable=False),
        sa.Column("verifier", _text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("endorsement", _text(), nullable=False),
        sa.Column("created_by", _text(), nullable=False),
        sa.Column("created_at", core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("retired_at", core.db.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_key")),
        sa.UniqueConstraint("verifier", name=op.f("uq_log_key_verifier")),
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("id", _text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", _text(), nullable=False),
        sa.Column("note", _text(), nullable=False),
        sa.Column("signed_at", core.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_checkpoint")),
    )
    op.create_table(
        "log_witness",
        sa.Column("verifier", _text(), nullable=False),
        sa.Column("url", _text(), nullable=False),
        sa.Column("added_at", core.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("verifier", name=op.f("pk_log_witness")),
    )
    op.create_table(
        "log_cosignature",
        sa.Column("checkpoint_id", _text(), nullable=False),
        sa.Column("verifier", _text(), nullable=False),
        sa.Column("line", _text(), nullable=False),
        sa.Column("at", core.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["log_checkpoint.id"],
            name=op.f("fk_log_cosignature_checkpoint_id_log_checkpoint"),
        ),
        sa.PrimaryKeyConstraint("checkpoint_id", "verifier", name=op.f("pk_log_cosignature")),
    )
    op.create_index(op.f("ix_log_checkpoint_size"), "log_checkpoint", ["size"], unique=False)


def _triggers_of_sqlite() -> None:
    for table, keys in APPEND_ONLY.items():
        _refuse(table, "no_update", "UPDATE")
        _refuse(table, "no_delete", "DELETE")
        _refuse(table, "no_replace", "INSERT", f"EXISTS (SELECT 1 FROM {table} WHERE {_taken(keys)})")
    for table, (columns, keys) in EVIDENCE.items():
        changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in ("rowid", *columns))
        usurped = f"EXISTS (SELECT 1 FROM {table} WHERE rowid <> OLD.rowid AND ({_taken(keys)}))"
        _refuse(table, "no_delete", "DELETE")
        _refuse(table, "frozen", "UPDATE", changed)
        _refuse(table, "no_replace", "INSERT", f"EXISTS (SELECT 1 FROM {table} WHERE {_taken(keys)})")
        _refuse(table, "no_usurping", "UPDATE", usurped)
    _refuse("log_entry", "gapless", "INSERT", f"NEW.seq <> {NEXT}")
    _refuse("log_salt", "no_update", "UPDATE")
    _refuse("log_salt", "no_replace", "INSERT",
            "EXISTS (SELECT 1 FROM log_salt WHERE rowid = NEW.rowid OR entry_id = NEW.entry_id)")
    op.execute(
        "CREATE TRIGGER journal_entry_queued AFTER INSERT ON journal_entry"
        " BEGIN INSERT INTO log_queue (kind, entry_id) VALUES ('entry', NEW.id); END"
    )
    op.execute(
        "CREATE TRIGGER log_salt_queued AFTER DELETE ON log_salt"
        " BEGIN INSERT INTO log_queue (kind, entry_id) VALUES ('erasure', OLD.entry_id); END"
    )


def _triggers_of_postgresql() -> None:
    for table in (*APPEND_ONLY, *EVIDENCE):
        what = "UPDATE OR DELETE" if table in APPEND_ONLY else "DELETE"
        _always(table, "kept", f"BEFORE {what} ON {table} FOR EACH ROW")
        _always(table, "no_truncate", f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT")
    for table, (columns, _) in EVIDENCE.items():
        changed = " OR ".join(
            f"NEW.{name}::text IS DISTINCT FROM OLD.{name}::text" for name in columns
        )
        _always(table, "frozen", f"BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({changed})")
    _always("log_salt", "kept", "BEFORE UPDATE ON log_salt FOR EACH ROW")
    _always("log_salt", "no_truncate", "BEFORE TRUNCATE ON log_salt FOR EACH STATEMENT")
    for name, body in (
        ("queue_entry", "INSERT INTO log_queue (kind, entry_id) VALUES ('entry', NEW.id); RETURN NEW;"),
        ("queue_erasure",
         "INSERT INTO log_queue (kind, entry_id) VALUES ('erasure', OLD.entry_id); RETURN OLD;"),
        ("refuse_gap",
         f"IF NEW.seq <> {NEXT} THEN RAISE EXCEPTION 'log_entry is append-only'"
         " USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW;"),
    ):
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
        )
    for table, name, event, function in (
        ("journal_entry", "queued", "AFTER INSERT", "queue_entry"),
        ("log_salt", "queued", "AFTER DELETE", "queue_erasure"),
        ("log_entry", "gapless", "BEFORE INSERT", "refuse_gap"),
    ):
        _always(table, name, f"{event} ON {table} FOR EACH ROW", function=function)


def _taken(keys: list[tuple[str, ...]]) -> str:
    same = ["rowid = NEW.rowid"]
    same += [" AND ".join(f"{name} = NEW.{name}" for name in key) for key in keys]
    return " OR ".join(f"({condition})" for condition in same)


def _refuse(table: str, name: str, event: str, condition: str = "") -> None:
    when = f" WHEN {condition}" if condition else ""
    op.execute(
        f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table}{when}"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _always(table: str, name: str, event: str, *, function: str = "refuse_change") -> None:
    """Install a trigger that fires also when a session pretends to be a replica."""
    op.execute(f"CREATE TRIGGER {table}_{name} {event} EXECUTE FUNCTION {function}()")
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_{name}")


def _of_entry(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["entry_id"], ["journal_entry.id"], name=op.f(f"fk_{table}_entry_id_journal_entry")
    )


def _kind() -> sa.Enum:
    return sa.Enum("entry", "erasure", name="leafkind", native_enum=False, create_constraint=True, length=40)


def _text() -> sqlmodel.sql.sqltypes.AutoString:
    return sqlmodel.sql.sqltypes.AutoString()
