"""A short demonstration played whole by the real command: web app, scheduler and simulators."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import func, select

from app.demo.city import STAFF, WARDS
from app.demo.fingerprint import differences
from app.demo.plan import make_plan
from core.clock import BusinessClock
from core.db import make_engine, reading
from core.settings import Settings
from payments.ledger.balances import broken_rules
from payments.ledger.models import AccountingPeriod
from payments.models import Bill, Payment
from payments.states import PaymentStatus
from reconciliation.models import EvidenceFile, Mismatch
from reconciliation.ports import Outcome
from reconciliation.queries import latest_runs
from reconciliation.states import ItemKind, MismatchType
from scheduler.runs import JobRun, RunOutcome
from tests.support.demo import ROOT, demo_command, demo_environment, demo_fingerprint, play_demo

pytestmark = pytest.mark.e2e

DAYS = 3
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of three played days and what the command printed."""
    var = tmp_path_factory.mktemp("played")
    done = play_demo(var, DAYS)
    assert done.returncode == 0, done.stdout + done.stderr
    return var, done.stdout


@pytest.fixture
def session(played: tuple[Path, str]) -> Iterator[Any]:
    engine = make_engine(Settings(var_dir=played[0]).database)
    with reading(engine) as session:
        yield session
    engine.dispose()


def test_the_summary_and_every_way_in_are_printed(played: tuple[Path, str]) -> None:
    _, printed = played

    assert "Money in = money out in every layer" in printed
    assert "(an unpaid bill)" in printed
    for person in STAFF:
        assert person.username in printed
        assert person.password in printed


def test_every_planned_bill_was_issued_once(session: Any) -> None:
    planned = [step.deed.bill.key for step in make_plan(DAYS) if hasattr(step.deed, "bill")]
    issued = session.exec(select(Bill.portal_reference)).all()

    assert sorted(issued) == sorted(set(planned) & set(issued))
    assert set(issued) >= {key for key in planned if not key.endswith("-b")}
    assert len(issued) == len(set(issued))


def test_money_is_conserved_and_the_books_hold(session: Any) -> None:
    runs = latest_runs(session, scope="/")

    assert len(runs) == len(WARDS)
    for run, _ in runs:
        for kinds in run.summary["layers"].values():
            for proof in kinds.values():
                assert proof["difference"] == {"count": 0, "sum": 0}
    assert list(broken_rules(session)) == []


def test_most_is_matched_and_each_fault_is_flagged_as_what_it_is(session: Any) -> None:
    flagged = {
        kind.value: count
        for kind, count in session.exec(select(Mismatch.type, func.count()).group_by(Mismatch.type))
    }

    assert set(flagged) >= {
        "amount_mismatch",
        "fee_mismatch",
        "duplicate_payment",
        "unrecorded_receipt",
        "status_mismatch",
        "ambiguous",
        "reversal",
        "not_a_fee",
        "timing_difference",
    }
    confirmed = session.exec(
        select(func.count()).select_from(Payment).where(Payment.confirmed_at.is_not(None))
    ).one()
    assert confirmed > 60


def test_no_settlement_came_by_two_ways(session: Any) -> None:
    repeated = select(Mismatch.item_kind).where(Mismatch.type == MismatchType.DUPLICATE_LINE)

    assert set(session.exec(repeated)) <= {ItemKind.BANK}


def test_a_lost_notice_leaves_no_payment_in_doubt(session: Any) -> None:
    created = session.exec(select(Payment).where(Payment.status == PaymentStatus.CREATED)).all()

    assert created == []


def test_every_file_was_taken_and_every_job_ended_well(session: Any) -> None:
    outcomes = set(session.exec(select(EvidenceFile.outcome)))
    failed = session.exec(select(JobRun).where(JobRun.outcome != RunOutcome.DONE)).all()

    assert outcomes == {Outcome.OK}
    assert [f"{run.job}: {run.detail}" for run in failed] == []


def test_no_day_is_closed_without_two_people(session: Any) -> None:
    assert session.exec(select(AccountingPeriod)).all() == []


def test_a_second_run_doubles_nothing(played: tuple[Path, str]) -> None:
    var, _ = played
    before = demo_fingerprint(var)
    again = play_demo(var, DAYS)

    assert again.returncode == 0, again.stdout + again.stderr
    assert "Day" not in again.stdout
    assert differences(before, demo_fingerprint(var)) == []


def test_ctrl_c_stops_everything_and_the_clock_and_a_killed_play_goes_on(tmp_path: Path) -> None:
    options = demo_command("--days", "1")
    first = _start(options, tmp_path)
    assert _printed(first, tmp_path, "Day  1")
    children = _children(first)
    first.kill()
    first.wait()
    assert _all_end(children)

    second = _start(options, tmp_path)
    assert _printed(second, tmp_path, "Ctrl-C")
    children = _children(second)
    second.send_signal(signal.SIGINT)

    assert second.wait(30) == 0
    assert len(children) == 3
    assert _all_end(children)
    clock = BusinessClock(tmp_path / "var" / "clock.json")
    assert clock() == clock()
    assert json.loads((tmp_path / "var" / "clock.json").read_text())["rate"] == 0


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "printed").open("wb") as printed:
        return subprocess.Popen(
            command, env=demo_environment(folder / "var"), cwd=ROOT, stdout=printed, stderr=printed
        )


def _printed(process: subprocess.Popen[bytes], folder: Path, text: str) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if text in (folder / "printed").read_text():
            return True
        time.sleep(0.1)
    raise AssertionError((folder / "printed").read_text())


def _children(process: subprocess.Popen[bytes]) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in listed]


def _all_end(pids: list[int]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}/cmdline").exists() and _runs(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def _runs(pid: int) -> bool:
    try:
        return b"app.demo.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
