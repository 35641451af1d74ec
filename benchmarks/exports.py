"""Exports for auditors from PostgreSQL: time and peak memory, beside COPY and pyarrow alone.

Run by ``make bench-exports``. The books are made in the database, one transfer an entry. Every
export is a process of its own that writes the whole package as the command line does: opening and
closing balances, hashes, manifest, everything on the disk. The floor for CSV is
``COPY (the same rows in the same order) TO STDOUT`` into a file, for Parquet it is pyarrow alone,
reading that file and writing Parquet of the same compression. All take turns, round by round; what
is printed is the median.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from benchmarks.export_works import DAYS, WORKS
from core.db import make_engine, transaction
from core.migrations import migrate
from tests.factories import a_city
from tests.support.postgres import PostgresServer

ROOT: Final = Path(__file__).parents[1]
DURABLE: Final = ("listen_addresses=''", "max_connections=20", "shared_buffers=128MB")
MEGABYTE: Final = 1_000_000

ACCOUNTS: Final = """
INSERT INTO ledger_account (code, type, name_vi, name_en) VALUES
('receivable', 'asset', 'Phải thu', 'Fees receivable'),
('payable:state_treasury:LP', 'liability', 'Phải nộp', 'Payable'),
('clearing:vnpay', 'asset', 'Đang chuyển', 'Clearing')
"""
ENTRIES: Final = """
INSERT INTO journal_entry (id, entry_date, posted_at, event, event_key, account_id, office_id,
                           description, transfer_count)
SELECT 'jrn_' || lpad(to_hex(n), 26, '0'), DATE '2026-01-01' + (n % :days)::int,
       TIMESTAMPTZ '2026-01-01 01:00:00+00' + n * INTERVAL '1.037 second',
       CASE n % 2 WHEN 0 THEN 'billed' ELSE 'collected' END, 'bench:' || n, a.id, o.id,
       CASE n % 3 WHEN 0 THEN 'nộp lệ phí hộ tịch MC' || n ELSE '' END, 1
FROM generate_series(CAST(:first AS bigint), :last) n,
     (SELECT id FROM collecting_account LIMIT 1) a,
     (SELECT id FROM office WHERE account_id IS NOT NULL LIMIT 1) o
"""
TRANSFERS: Final = """
INSERT INTO ledger_transfer (id, entry_id, position, debit_account, credit_account, amount_minor,
                             currency)
SELECT 'trf_' || lpad(to_hex(n), 26, '0'), 'jrn_' || lpad(to_hex(n), 26, '0'), 1,
       CASE n % 2 WHEN 0 THEN 'receivable' ELSE 'clearing:vnpay' END,
       CASE n % 2 WHEN 0 THEN 'payable:state_treasury:LP' ELSE 'receivable' END,
       10000 + n % 90000, 'VND'
FROM generate_series(CAST(:first AS bigint), :last) n
"""


def main() -> int:
    """Make the books, let everybody take turns, print a table, write it as JSON if asked."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        folder.chmod(0o755)
        server = PostgresServer(DURABLE, folder=folder)
        server.start()
        try:
            url = server.url("postgres")
            _fill(url, options.entries)
            results = _measure(url, folder, options)
        finally:
            server.stop()
    _report(results, options.entries)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--works", nargs="*", default=list(WORKS), help="COPY has to be among them")
    parser.add_argument("--folder", default=None, help="where database and files are made")
    parser.add_argument("--json", default="", help="write the figures here as well")
    return parser.parse_args()


def _fill(url: str, entries: int) -> None:
    engine = make_engine(url)
    migrate(engine)
    with transaction(engine) as session:
        a_city(session)
        session.execute(text(ACCOUNTS))
    step = 100_000
    for first in range(1, entries + 1, step):
        span = {"first": first, "last": min(first + step - 1, entries)}
        with transaction(engine) as session:
            session.execute(text(ENTRIES), span | {"days": DAYS})
            session.execute(text(TRANSFERS), span)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _measure(url: str, folder: Path, options: argparse.Namespace) -> dict[str, list[Any]]:
    results: dict[str, list[Any]] = {}
    for _ in range(options.rounds):
        for name in options.works:
            target = folder / "out"
            command = [sys.executable, "-m", "benchmarks.export_works", name, url, str(target)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
            results.setdefault(name, []).append(json.loads(done.stdout))
            if name != "COPY":  # pyarrow alone reads what COPY wrote
                shutil.rmtree(target, ignore_errors=True)
    return results


def _report(results: dict[str, list[Any]], entries: int) -> None:
    middle = {
        name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        for name, rounds in results.items()
    }
    print(f"\nexport of {entries:,} entries from PostgreSQL, medians of {len(results['COPY'])}")
    for name, one in middle.items():
        ratio = one["seconds"] / middle["COPY"]["seconds"]
        beside = f"{ratio:5.1f} x COPY" if name not in {"COPY", "xlsx"} else ""
        print(
            f"  {name:<14} {one['rows']:>10,.0f} rows {one['seconds']:>7.1f} s"
            f"  peak {one['peak']:>5.0f} MB  {one['bytes'] / MEGABYTE:>7.1f} MB written  {beside}"
        )


if __name__ == "__main__":
    sys.exit(main())
