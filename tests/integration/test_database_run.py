"""The database run decides what the file command decides, and its books follow."""

import csv
import io
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from core.actors import SYSTEM
from core.db import transaction
from payments.ledger.balances import broken_rules
from payments.models import CollectingAccount
from reconciliation.engine import run_reconciliation
from reconciliation.exports import matches_csv, mismatches_csv
from tests.support.dataset import load_dataset

SHARED = Path(__file__).resolve().parents[3] / "shared" / "matching"


def now() -> datetime:
    return datetime(2026, 3, 22, 3, tzinfo=UTC)


@pytest.mark.parametrize("name", ["sample-2k", pytest.param("sample-20k", marks=pytest.mark.slow)])
def test_run_over_a_labelled_data_set_passes_the_grader(
    engine: Engine, name: str, tmp_path: Path
) -> None:
    if not SHARED.exists():
        pytest.skip("the shared data sets are not beside this checkout")
    with transaction(engine) as session:
        account, as_of = load_dataset(session, SHARED / name)
        run = run_reconciliation(session, account, as_of=as_of, clock=now, actor=SYSTEM)
        assert run is not None
        (tmp_path / "matches.csv").write_text("".join(matches_csv(session, account)))
        (tmp_path / "mismatches.csv").write_text("".join(mismatches_csv(session, account)))
        assert not list(broken_rules(session))

    grader = [sys.executable, str(SHARED / "grade.py"), str(SHARED / name), str(tmp_path)]
    graded = subprocess.run(grader, capture_output=True, text=True, check=False)
    assert graded.returncode == 0, graded.stdout
    with transaction(engine) as session:
        again = run_reconciliation(
            session, session.get_one(CollectingAccount, account.id), as_of=as_of, clock=now,
            actor=SYSTEM,
        )  # fmt: skip
        rows = list(csv.DictReader(io.StringIO("".join(matches_csv(session, account)))))
    assert rows, "nothing was matched"
    assert again is None, "what a run confirmed itself is no input of the next one"
