"""The files of a run in a package repeat the run, and show what stood after it and not today."""

import csv
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from reconciliation.auditing.books import BookRange
from reconciliation.auditing.runs import write_runs
from reconciliation.errors import BooksUnequalError
from reconciliation.exports import matches_csv, mismatches_csv
from reconciliation.interchange import InputFiles, read_inputs
from reconciliation.matching import engine as matching
from reconciliation.models import FrozenInput, ReconciliationRun
from tests.factories import a_bill, a_line, a_paid_payment
from tests.support.clock import FrozenClock
from tests.support.evidence import (
    DAY,
    World,
    a_world,
    compare,
    pays,
    receive,
    report_of,
    settled,
)

FILES = {
    "payments.csv", "settlements.csv", "bank.csv", "contracts.json",
    "matches.csv", "mismatches.csv", "summary.json",
}  # fmt: skip


@pytest.fixture
def runs(session: Session, clock: FrozenClock) -> tuple[World, list[ReconciliationRun]]:
    """Two runs: in the first an unknown credit is flagged, in the second a bill is paid as well."""
    world = a_world(session, clock=clock)
    receive(session, world.account, a_line(DAY, 4_000, "=1+1", bank_ref="F2"), clock=clock)
    found = [compare(session, world.account, clock=clock)]
    clock.advance(hours=24)
    later = DAY + timedelta(days=1)
    receive(
        session, world.account, pays(world.bill, day=later), opening=4_000, day=later, clock=clock
    )
    found.append(compare(session, world.account, clock=clock))
    return world, [run for run in found if run is not None]


def place(folder: Path, world: World, run: ReconciliationRun) -> Path:
    return folder / "runs" / world.account.account_number / f"{run.as_of}-{run.id}"


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_each_run_has_the_files_that_reconcile_writes(
    session: Session, runs: tuple[World, list[ReconciliationRun]], tmp_path: Path
) -> None:
    world, (first, second) = runs
    write_runs(session, BookRange(DAY, DAY + timedelta(days=1), "/"), tmp_path)
    for run in (first, second):
        assert {p.name for p in place(tmp_path, world, run).iterdir()} == FILES
    newest = place(tmp_path, world, second)
    for name, lines in (
        ("matches.csv", matches_csv(session, world.account)),
        ("mismatches.csv", mismatches_csv(session, world.account)),
    ):
        assert (newest / name).read_bytes().decode() == "".join(lines)
    assert json.loads((newest / "summary.json").read_text()) == second.summary
    before = place(tmp_path, world, first)
    assert rows(before / "matches.csv") == []
    assert {row["actual"] for row in rows(before / "mismatches.csv")} >= {"4000"}
    assert len(rows(newest / "matches.csv")) == 2
    assert len(rows(before / "bank.csv")) == 1


def test_a_mismatch_that_healed_is_in_the_run_that_saw_it(
    session: Session, clock: FrozenClock, tmp_path: Path
) -> None:
    world = a_world(session, clock=clock)
    bill = a_bill(session, world.city, clock=clock, number=2)
    payment = a_paid_payment(session, bill, clock=clock)
    clock.advance(hours=24 * 9)
    late = compare(session, world.account, clock=clock)  # its settlement is missing by now
    report_of(session, settled("", payment.provider_txn_id or ""), clock=clock)
    clock.advance(hours=24)
    healed = compare(session, world.account, clock=clock)
    assert late is not None
    assert healed is not None
    assert healed.healed_mismatches
    write_runs(session, BookRange(DAY, DAY + timedelta(days=30), "/"), tmp_path)
    seen, gone = (
        {row["mismatch_id"] for row in rows(place(tmp_path, world, run) / "mismatches.csv")}
        for run in (late, healed)
    )
    assert seen - gone


def test_only_runs_of_the_days_and_of_the_subtree_are_written(
    session: Session, runs: tuple[World, list[ReconciliationRun]], tmp_path: Path
) -> None:
    world, (first, second) = runs
    write_runs(session, BookRange(DAY, DAY, "/22/22001/"), tmp_path / "a")
    assert place(tmp_path / "a", world, first).exists()
    assert not place(tmp_path / "a", world, second).exists()
    for wanted in (BookRange(DAY, DAY, "/22/22002/"), BookRange(DAY, DAY, "")):
        write_runs(session, wanted, tmp_path / "b")
        assert not (tmp_path / "b").exists()


def test_the_files_perform_the_run_again(
    session: Session, runs: tuple[World, list[ReconciliationRun]], tmp_path: Path
) -> None:
    world, (_, second) = runs
    write_runs(session, BookRange(second.as_of, second.as_of, "/"), tmp_path)
    files = place(tmp_path, world, second)
    names = ("payments.csv", "settlements.csv", "bank.csv", "contracts.json")
    inputs, _ = read_inputs(InputFiles(*(files / name for name in names)))
    again = matching.run(inputs)
    matched = {row["match_id"] for row in rows(files / "matches.csv")}
    flagged = {row["mismatch_id"] for row in rows(files / "mismatches.csv")}
    assert set(again.matches["match_id"]) == matched
    assert set(again.mismatches["mismatch_id"]) == flagged
    assert matched
    assert flagged


def test_an_input_that_is_not_what_was_compared_stops_the_export(
    session: Session, runs: tuple[World, list[ReconciliationRun]], tmp_path: Path
) -> None:
    """Somebody with rights on the database could replace a frozen file with another."""
    _, (_, second) = runs
    other = session.get_one(FrozenInput, second.inputs["payments.csv"]).content
    session.expunge_all()
    forged = second.model_copy(update={"inputs": second.inputs | {"bank.csv": "0" * 64}})
    session.add(FrozenInput(sha256="0" * 64, content=other))
    session.add(ReconciliationRun(**forged.model_dump() | {"id": "run_forged"}))
    session.flush()
    with pytest.raises(BooksUnequalError):
        write_runs(session, BookRange(DAY, DAY + timedelta(days=1), "/"), tmp_path)
