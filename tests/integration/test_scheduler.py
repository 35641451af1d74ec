"""Work is done once for each due time: after outages, crashes, failures, and by two processes."""

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import Session, col, select

from core.clock import at_vietnam_time
from core.db import make_engine, transaction
from core.errors import NotFoundError
from payments.channels import Channel, Rail
from payments.ledger.models import AccountingPeriod
from payments.models import Bill, CollectingAccount
from payments.states import BillStatus, PaymentStatus
from reconciliation.closing import check_day
from reconciliation.models import EvidenceFile, ReconciliationRun, StatementLine
from reconciliation.ports import FetchedFile
from scheduler import schedule
from scheduler.context import JobContext
from scheduler.jobs import provider_of
from scheduler.leader import LEASE, hold_lease, release_lease
from scheduler.process import run_scheduler
from scheduler.runs import (
    JobRun,
    RunOutcome,
    claim_step,
)
from scheduler.schedule import JOBS, Job, get_job, is_caught_up, run_due, run_now, run_once
from tests.factories import a_bill, a_city, a_payment
from tests.support.books import at_once
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, World, a_world
from tests.support.jobs import ListSource, a_context
from tests.support.statements import a_statement


@pytest.fixture
def world(engine: Engine, clock: FrozenClock) -> World:
    with transaction(engine) as session:
        return a_world(session, clock=clock)


@pytest.fixture
def context(engine: Engine, clock: FrozenClock, tmp_path: Path) -> JobContext:
    return a_context(engine, clock, tmp_path)


def runs(engine: Engine, job: str = "") -> list[JobRun]:
    with transaction(engine) as session:
        query = select(JobRun).order_by(col(JobRun.due_at), col(JobRun.job))
        return [run for run in session.exec(query) if job in {"", run.job}]


def a_statement_file(world: World, name: str = "a.xml", amount: int = 83_000) -> FetchedFile:
    return FetchedFile(name, a_statement(world, name, amount))


def counting(name: str, work: Callable[[], int] = lambda: 3) -> tuple[Job, list[datetime]]:
    """Return a job every 15 minutes that keeps when it was run for."""
    seen: list[datetime] = []

    def step(context: JobContext, due_at: datetime) -> int:
        seen.append(due_at)
        return work()

    return Job(name, timedelta(minutes=15), step), seen


def test_a_job_runs_once_for_each_due_time(context: JobContext, clock: FrozenClock) -> None:
    job, seen = counting("count")
    for _ in range(3):
        run_once(context, job, job.due_at(clock()))
        clock.advance(minutes=4)

    assert seen == [at_vietnam_time(DAY, 9)]
    (run,) = runs(context.engine, "count")
    assert (run.outcome, run.count, run.requested_by) == (RunOutcome.DONE, 3, "schedule")


def test_after_an_outage_the_missed_times_are_caught_up_by_one_run(
    context: JobContext, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, seen = counting("count")
    monkeypatch.setattr(schedule, "JOBS", (job,))
    run_due(context)
    clock.advance(hours=49, minutes=7)
    assert run_due(context) == 1
    assert run_due(context) == 0
    assert seen == [at_vietnam_time(DAY, 9), at_vietnam_time(DAY + timedelta(days=2), 10)]


def test_a_clock_that_was_moved_back_runs_nothing_again(
    context: JobContext, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, seen = counting("count")
    monkeypatch.setattr(schedule, "JOBS", (job,))
    run_due(context)
    clock.advance(hours=-3)
    assert run_due(context) == 0
    assert len(seen) == 1


def test_a_run_that_was_cut_off_is_taken_up_again(context: JobContext, clock: FrozenClock) -> None:
    def die() -> int:
        raise KeyboardInterrupt  # as kill -9: nothing after it runs

    dying, _ = counting("count", die)
    due_at = dying.due_at(clock())
    with pytest.raises(KeyboardInterrupt):
        run_once(context, dying, due_at)
    (cut_off,) = runs(context.engine)
    assert (cut_off.outcome, cut_off.finished_at) == (RunOutcome.RUNNING, None)

    well, seen = counting("count")
    assert run_once(context, well, due_at)
    assert seen == [due_at]
    assert [run.outcome for run in runs(context.engine)] == [RunOutcome.DONE]
    assert not run_once(context, well, due_at)


@pytest.mark.parametrize(
    ("failure", "detail"),
    [
        (NotFoundError("no such thing"), "C004 no such thing"),
        (RuntimeError("secret"), "RuntimeError"),
    ],
    ids=["expected", "unexpected"],
)
def test_a_failure_is_recorded_and_the_other_jobs_go_on(
    context: JobContext, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch,
    failure: Exception, detail: str,
) -> None:  # fmt: skip
    def fail() -> int:
        raise failure

    failing, tries = counting("failing", fail)
    well, seen = counting("well")
    monkeypatch.setattr(schedule, "JOBS", (failing, well))
    assert run_due(context) == 2
    assert len(seen) == 1
    (failed,) = runs(context.engine, "failing")
    assert (failed.outcome, failed.detail) == (RunOutcome.FAILED, detail)
    assert failed.finished_at == clock()
    clock.advance(minutes=15)
    run_due(context)
    assert len(tries) == 2, "the next due time is tried again"


def test_run_now_runs_beside_the_schedule_also_at_a_clock_that_stands_still(
    context: JobContext, clock: FrozenClock
) -> None:
    job, seen = counting("count")
    assert run_now(context, job, requested_by="usr_o")
    assert run_now(context, job, requested_by="usr_o")
    assert run_once(context, job, job.due_at(clock() - timedelta(minutes=1)))
    assert len(seen) == 3
    assert [r.requested_by for r in runs(context.engine)] == ["schedule", "usr_o", "usr_o"]


def test_it_is_caught_up_when_every_newest_run_has_finished(
    context: JobContext, clock: FrozenClock
) -> None:
    assert not is_caught_up(context)
    assert run_due(context) == len(JOBS)
    assert is_caught_up(context)
    clock.advance(minutes=15)
    assert not is_caught_up(context)


def test_a_step_is_claimed_in_the_transaction_of_its_work(
    engine: Engine, clock: FrozenClock
) -> None:
    def work_and_die() -> None:
        with transaction(engine) as session:
            assert claim_step(session, "step", clock(), now=clock())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work_and_die()
    with transaction(engine) as session:
        assert claim_step(session, "step", clock(), now=clock())
        assert not claim_step(session, "step", clock(), now=clock())
    with transaction(engine) as session:
        assert not claim_step(session, "step", clock(), now=clock())
        assert claim_step(session, "step", clock() + timedelta(seconds=1), now=clock())


# The jobs on a database


def test_a_day_from_the_file_to_the_checklist_that_holds(
    engine: Engine, clock: FrozenClock, tmp_path: Path, world: World
) -> None:
    source = ListSource([a_statement_file(world)])
    context = a_context(engine, clock, tmp_path, sources={"list": source})
    clock.move_to(at_vietnam_time(DAY, 18, 30))
    run_due(context)
    assert source.files == []
    with transaction(engine) as session:
        assert session.get_one(Bill, world.bill.id).status is BillStatus.PAID
        account = session.get_one(CollectingAccount, world.account.id)
        open_ones = [check.name for check in check_day(session, account, DAY) if not check.holds]
        assert open_ones == ["compared"]
    clock.move_to(at_vietnam_time(DAY + timedelta(days=1), 18, 30))
    run_due(context)

    assert {run.outcome for run in runs(engine)} == {RunOutcome.DONE}, runs(engine)
    with transaction(engine) as session:
        assert all(check.holds for check in check_day(session, account, DAY))
        assert session.exec(select(AccountingPeriod)).all() == [], "people sign it, no job does"


def test_two_processes_at_once_do_the_work_once(
    engine: Engine, clock: FrozenClock, tmp_path: Path, world: World
) -> None:
    """Two full rounds of every job, started together, each with a connection pool of its own."""
    source = ListSource([a_statement_file(world)])
    clock.move_to(at_vietnam_time(DAY, 18, 30))
    url = engine.url.render_as_string(hide_password=False)
    engines = [make_engine(url) for _ in range(2)]
    contexts = [
        a_context(one, clock, tmp_path / str(n), sources={"list": source})
        for n, one in enumerate(engines)
    ]
    results = at_once(engine, *[lambda c=c: run_due(c) for c in contexts])  # type: ignore[misc]

    assert all(isinstance(result, int) for result in results), results
    assert {(r.job, r.outcome) for r in runs(engine) if r.outcome is not RunOutcome.DONE} == set()
    with transaction(engine) as session:
        assert len(session.exec(select(EvidenceFile)).all()) == 1
        assert len(session.exec(select(StatementLine)).all()) == 1
        compared = session.exec(select(ReconciliationRun.account_id)).all()
        assert len(compared) == len(set(compared)) == 2
    clock.advance(minutes=15)  # one may have compared while the other still fetched
    run_due(contexts[0])
    with transaction(engine) as session:
        bill = session.get_one(Bill, world.bill.id)
        assert (bill.status, bill.received_minor) == (BillStatus.PAID, 83_000)
    for one in engines:
        one.dispose()


def test_two_processes_claim_one_run(engine: Engine, clock: FrozenClock, tmp_path: Path) -> None:
    """The one that comes second while the first still works waits for nothing and harms nothing."""
    context = a_context(engine, clock, tmp_path)
    done: list[str] = []
    gate = threading.Barrier(2)

    def step(context: JobContext, due_at: datetime) -> int:
        with transaction(context.engine) as session:
            if claim_step(session, "work", due_at, now=clock()):
                done.append("work")
        return len(done)

    job = Job("count", timedelta(minutes=15), step)

    def process() -> bool:
        gate.wait(timeout=20)
        return run_once(context, job, job.due_at(clock()))

    results = at_once(engine, process, process)
    assert all(isinstance(result, bool) for result in results), results
    assert done == ["work"]
    assert [r.outcome for r in runs(engine, "count")] == [RunOutcome.DONE]


def test_one_file_that_fails_leaves_the_others_and_is_tried_again(
    engine: Engine, clock: FrozenClock, tmp_path: Path, world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    bad, good = FetchedFile("bad.xml", b"bad"), a_statement_file(world, "good.xml")
    source = ListSource([bad, good])
    context = a_context(engine, clock, tmp_path, sources={"list": source})
    parse = context.statements.parse

    def parse_or_die(path: Path, **options: Any) -> Any:
        if path.name == "bad.xml":
            raise MemoryError
        return parse(path, **options)

    monkeypatch.setattr(context.statements, "parse", parse_or_die)
    run_once(context, get_job("fetch_statements"), clock())

    assert source.files == [bad]
    (run,) = runs(engine)
    assert (run.outcome, run.detail) == (
        RunOutcome.FAILED,
        "J001 1 of 1: list: J001 1 of 2: bad.xml: MemoryError",
    )
    with transaction(engine) as session:
        assert len(session.exec(select(StatementLine)).all()) == 1


def test_a_file_that_was_stored_before_a_crash_is_only_taken(
    engine: Engine, clock: FrozenClock, tmp_path: Path, world: World
) -> None:
    file = a_statement_file(world)
    source = ListSource([file])
    context = a_context(engine, clock, tmp_path, sources={"list": source})
    run_now(context, get_job("fetch_statements"), requested_by="test")
    source.files.append(file)  # as if we had died before the source was told
    run_now(context, get_job("fetch_statements"), requested_by="test")

    assert source.files == []
    with transaction(engine) as session:
        assert len(session.exec(select(StatementLine)).all()) == 1
        assert len(session.exec(select(EvidenceFile)).all()) == 1


def test_a_hostile_file_is_kept_sealed_and_taken(
    engine: Engine, clock: FrozenClock, tmp_path: Path, world: World
) -> None:
    source = ListSource([FetchedFile("x.xml", b"\x00nonsense"), FetchedFile("vnpay/r.csv", b"?")])
    context = a_context(engine, clock, tmp_path, sources={"list": source})
    run_now(context, get_job("fetch_statements"), requested_by="test")
    assert source.files == []
    with transaction(engine) as session:
        files = session.exec(select(EvidenceFile).order_by(col(EvidenceFile.kind))).all()
    assert [(f.kind.value, f.outcome.value) for f in files] == [
        ("settlement", "refused"), ("statement", "refused"),
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == [], "nothing of a file is left lying about"


@pytest.mark.parametrize(
    ("name", "provider"),
    [("vnpay/r.csv", Channel.VNPAY), ("VNPAY-2026.csv", Channel.VNPAY),
     ("stripe.csv", Channel.STRIPE), ("bank_transfer.csv", None), ("a/vnpay.csv", None)],
)  # fmt: skip
def test_a_reports_provider_is_told_by_where_it_lies(name: str, provider: Channel | None) -> None:
    assert provider_of(name) is provider


def test_overdue_bills_and_transfer_codes_expire_once(
    engine: Engine, clock: FrozenClock, tmp_path: Path, world: World
) -> None:
    context = a_context(engine, clock, tmp_path)
    with transaction(engine) as session:
        bill = a_bill(session, world.city, clock=clock, number=2)
        card = a_payment(session, bill, clock=clock, rail=Rail.VNPAY)
    clock.advance(days=60)
    due_at = get_job("expire").due_at(clock())
    for _ in range(2):
        run_once(context, get_job("expire"), due_at)

    with transaction(engine) as session:
        assert session.get_one(Bill, world.bill.id).status is BillStatus.EXPIRED
        code = session.get_one(type(card), world.payment.id)
        assert code.status is PaymentStatus.EXPIRED
        assert session.get_one(type(card), card.id).status is PaymentStatus.PENDING, "ask first"
    assert [r.count for r in runs(engine, "expire")] == [3]


# The lease


def test_one_process_leads_until_it_stops_or_falls_silent(
    engine: Engine, clock: FrozenClock
) -> None:
    assert hold_lease(engine, "a", clock=clock)
    assert hold_lease(engine, "a", clock=clock)
    assert not hold_lease(engine, "b", clock=clock)
    clock.advance(seconds=LEASE.total_seconds())
    assert hold_lease(engine, "b", clock=clock)
    assert not hold_lease(engine, "a", clock=clock)
    release_lease(engine, "a")
    assert not hold_lease(engine, "a", clock=clock), "only its holder gives a lease up"
    release_lease(engine, "b")
    assert hold_lease(engine, "a", clock=clock)


def test_a_lease_from_the_future_is_not_believed(engine: Engine, clock: FrozenClock) -> None:
    assert hold_lease(engine, "a", clock=clock)
    clock.advance(hours=-1)
    assert hold_lease(engine, "b", clock=clock)


def test_two_processes_that_start_at_once_have_one_leader(
    engine: Engine, clock: FrozenClock
) -> None:
    results = at_once(
        engine,
        lambda: hold_lease(engine, "a", clock=clock),
        lambda: hold_lease(engine, "b", clock=clock),
    )
    assert sorted(results) == [False, True], results


def test_the_process_runs_what_is_due_and_gives_its_lease_up(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    program = (
        "import os, signal, sys, threading\n"
        "from core.settings import Settings\n"
        "from scheduler.process import run_scheduler\n"
        "from scheduler.wiring import make_context\n"
        "threading.Timer(2.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()\n"
        "run_scheduler(make_context(Settings()), beat_seconds=0.2)\n"
    )
    root = str(Path(run_scheduler.__code__.co_filename).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False,
        timeout=60, env={
            "PATH": "/usr/bin:/bin", "DOISOAT_VAR_DIR": str(tmp_path),
            "DOISOAT_DATABASE_URL": str(sqlite_engine.url),
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {run.job for run in runs(sqlite_engine)} >= {job.name for job in JOBS}
    assert hold_lease(sqlite_engine, "next", clock=FrozenClock())


def test_accounts_are_compared_though_one_of_them_fails(
    engine: Engine, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(engine) as session:
        city = a_city(session)
    compare = schedule.jobs.run_reconciliation

    def fail_first(session: Session, account: Any, **options: Any) -> Any:
        if account.id == city.accounts[0].id:
            raise RuntimeError
        return compare(session, account, **options)

    monkeypatch.setattr(schedule.jobs, "run_reconciliation", fail_first)
    context = a_context(engine, clock, tmp_path)
    run_once(context, get_job("reconcile"), clock())
    with transaction(engine) as session:
        accounts = session.exec(select(ReconciliationRun.account_id)).all()
    assert accounts == [city.accounts[1].id]
    assert [r.outcome for r in runs(engine, "reconcile")] == [RunOutcome.FAILED]
    assert runs(engine, f"reconcile/{city.accounts[0].account_number}") == [], "not claimed"
