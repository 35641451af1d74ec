"""One export, or what it is measured beside, in a process of its own that prints what it took."""

import json
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy.engine import make_url

from benchmarks.statement_readers import peak_megabytes
from core.db import make_engine, reading

DAYS: Final = 100
FIRST: Final = date(2026, 1, 1)
XLSX_SHARE: Final = 30

COPY: Final = """
COPY (SELECT t.id, t.entry_id, t.position, e.entry_date, e.posted_at, e.posted_at, e.event,
             e.event_key, t.debit_account, t.credit_account, t.amount_minor, t.currency,
             a.account_number, o.code, e.bill_id, e.reverses_id, e.description
      FROM ledger_transfer t JOIN journal_entry e ON e.id = t.entry_id
      LEFT JOIN collecting_account a ON a.id = e.account_id
      LEFT JOIN office o ON o.id = e.office_id
      WHERE e.entry_date BETWEEN '{first}' AND '{last}'
      ORDER BY e.entry_date, e.posted_at, e.id, t.position) TO STDOUT WITH (FORMAT csv, HEADER)
"""


def one(name: str, url: str, target: str) -> dict[str, Any]:
    """Do one work and return its seconds, its peak in megabytes, and what it wrote."""
    started = time.perf_counter()
    rows = WORKS[name](url, Path(target))
    seconds = time.perf_counter() - started
    path = Path(target)
    files = [path, *path.rglob("*")] if path.exists() else []
    size = sum(file.stat().st_size for file in files if file.is_file())
    return {"seconds": seconds, "peak": peak_megabytes(), "rows": rows, "bytes": size}


def _package(kind: str, days: int) -> Callable[[str, Path], int]:
    def work(url: str, target: Path) -> int:
        from reconciliation.auditing.books import BookRange  # noqa: PLC0415 - only where it counts
        from reconciliation.auditing.models import Format  # noqa: PLC0415
        from reconciliation.auditing.package import write_package  # noqa: PLC0415

        engine = make_engine(url)
        last = date.fromordinal(FIRST.toordinal() + days - 1)
        with reading(engine) as session:
            about = write_package(session, BookRange(FIRST, last, "/"), Format(kind), target)
        engine.dispose()
        return int(about["transfers"])

    return work


def _copy(url: str, target: Path) -> int:
    parsed = make_url(url)
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    last = date.fromordinal(FIRST.toordinal() + DAYS - 1)
    target.mkdir(exist_ok=True)
    with (
        psycopg.connect(plain) as connection,
        connection.cursor() as cursor,
        (target / "copy.csv").open("wb") as out,
        cursor.copy(COPY.format(first=FIRST, last=last).encode()) as copy,
    ):
        for piece in copy:
            out.write(piece)
    return 0


def _pyarrow_alone(url: str, target: Path) -> int:
    import pyarrow.csv as pc  # noqa: PLC0415 - the others must not pay for it
    import pyarrow.parquet as pq  # noqa: PLC0415

    del url
    rows = 0
    reader = pc.open_csv(target / "copy.csv")
    with pq.ParquetWriter(target / "a.parquet", reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    (target / "copy.csv").unlink()
    return rows


WORKS: Final[dict[str, Callable[[str, Path], int]]] = {
    "COPY": _copy,
    "pyarrow alone": _pyarrow_alone,
    "datapackage": _package("datapackage", DAYS),
    "jsonl": _package("jsonl", DAYS),
    "parquet": _package("parquet", DAYS),
    "hledger": _package("hledger", DAYS),
    "xlsx": _package("xlsx", XLSX_SHARE),
}


if __name__ == "__main__":
    print(json.dumps(one(*sys.argv[1:])))
