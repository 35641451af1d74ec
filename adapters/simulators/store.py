"""The memory of a simulator: JSON records in one SQLite file that survives a kill."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

Record = dict[str, Any]

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS records (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, label TEXT NOT NULL,
        due TEXT, body TEXT NOT NULL, UNIQUE (kind, id)) STRICT""",
    "CREATE INDEX IF NOT EXISTS records_label ON records (kind, label)",
    "CREATE INDEX IF NOT EXISTS records_due ON records (kind, due)",
    "CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT",
)


def due_text(instant: datetime) -> str:
    """Return an instant as text that sorts by time."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


class Records:
    """The records within one transaction; ``label`` groups them, ``due`` makes them wake up."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, kind: str, record_id: str, *, label: str | None = None) -> Record | None:
        """Return one record, or None where there is none (or none that carries ``label``)."""
        rows = self._select("kind = ? AND id = ?", (kind, record_id))
        if rows and label is not None:
            rows = self._select("kind = ? AND id = ? AND label = ?", (kind, record_id, label))
        return rows[0] if rows else None

    def put(
        self,
        kind: str,
        record_id: str,
        body: Record,
        *,
        label: str = "",
        due: datetime | None = None,
    ) -> None:
        """Write a record whole; one that exists keeps its place in the order."""
        self._connection.execute(
            "INSERT INTO records (kind, id, label, due, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE"
            " SET label = excluded.label, due = excluded.due, body = excluded.body",
            (kind, record_id, label, due_text(due) if due else None, json.dumps(body)),
        )

    def every(self, kind: str) -> list[Record]:
        """Return all records of a kind in the order of their first writing."""
        return self._select("kind = ?", (kind,))

    def labelled(self, kind: str, label: str) -> list[Record]:
        """Return the records of a kind that carry a label, in order."""
        return self._select("kind = ? AND label = ?", (kind, label))

    def due(self, kind: str, now: datetime) -> list[Record]:
        """Return the records whose time has come, in order of that time."""
        condition = "kind = ? AND due <= ?"
        return self._select(condition, (kind, due_text(now)), order="due, seq")

    def next_number(self, name: str) -> int:
        """Return 1, 2, 3 … for each name, without gaps."""
        row = self._connection.execute(
            "INSERT INTO numbers (name, last) VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last",
            (name,),
        ).fetchone()
        return int(row[0])

    def _select(
        self, condition: str, values: tuple[str, ...], *, order: str = "seq"
    ) -> list[Record]:
        # Condition and order are texts of this module, values are bound.
        statement = f"SELECT body FROM records WHERE {condition} ORDER BY {order}"  # noqa: S608
        rows = self._connection.execute(statement, values).fetchall()
        return [json.loads(body) for (body,) in rows]


class Store:
    """One SQLite file, one writer at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        for statement in _SCHEMA:
            self._connection.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[Records]:
        """Give the records; all that is written holds together or not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Records(self._connection)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
