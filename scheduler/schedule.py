"""The one table of jobs: what runs, how often, and what a missed time means."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlmodel import Session

from core.clock import VIETNAM
from core.db import reading, transaction
from core.errors import DoisoatError
from scheduler import jobs
from scheduler.context import JobContext
from scheduler.exporting import write_exports
from scheduler.fetching import fetch_statements
from scheduler.publishing import publish_log, verify_log
from scheduler.rechecking import draw_last_month
from scheduler.runs import SCHEDULE, JobRun, RunOutcome, insert_once, last_due
from scheduler.witnessing import collect_cosignatures

_logger = logging.getLogger(__name__)
_EPOCH: Final = datetime(2020, 1, 1, tzinfo=VIETNAM).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """A job is due at every whole multiple of ``every`` since midnight in Vietnam.

    Missed times are caught up by one run for the newest of them, because every job takes up
    whatever is waiting and not a window of time. A slow job may take minutes, and so runs beside
    the others, which do not wait for it.
    """

    name: str
    every: timedelta
    work: Callable[[JobContext, datetime], int]
    after: timedelta = timedelta(0)
    slow: bool = False

    def due_at(self, now: datetime) -> datetime:
        """Return the newest due time that is not after ``now``."""
        passed = (now - _EPOCH - self.after) // self.every
        return _EPOCH + self.after + passed * self.every


JOBS: Final = (
    Job("process_events", timedelta(minutes=1), jobs.process_events),
    Job("poll_payments", timedelta(minutes=1), jobs.poll_payments),
    Job("send_refunds", timedelta(minutes=5), jobs.send_refunds),
    Job("expire", timedelta(days=1), jobs.expire, after=timedelta(minutes=5)),
    Job("fetch_reports", timedelta(hours=6), jobs.fetch_reports),
    Job("fetch_statements", timedelta(minutes=5), fetch_statements),
    Job("reconcile", timedelta(minutes=15), jobs.reconcile),
    Job("draw_rechecks", timedelta(days=1), draw_last_month, after=timedelta(hours=2)),
    Job("forget_calls", timedelta(days=1), jobs.forget_calls, after=timedelta(hours=3)),
    Job("publish_log", timedelta(minutes=5), publish_log),
    Job("collect_cosignatures", timedelta(minutes=5), collect_cosignatures, slow=True),
    Job("verify_log", timedelta(days=1), verify_log, after=timedelta(hours=2), slow=True),
    Job("write_exports", timedelta(seconds=30), write_exports, slow=True),
    Job("send_messages", timedelta(seconds=30), jobs.send_messages),
)
"""In the order in which they run when several are due: evidence before its comparison."""


def get_job(name: str) -> Job:
    """Return a job by name; KeyError if there is none."""
    return {job.name: job for job in JOBS}[name]


def run_due(context: JobContext, *, slow: bool | None = None) -> int:
    """Run every job whose due time has come and has not been run. Returns how many ran.

    ``slow`` picks the slow ones or the others; without it all run one after the other.

    One moment counts for all of them: a clock that moves on in between must not let a comparison
    become due before the evidence that comes first.
    """
    now = context.clock()
    due = [job for job in JOBS if slow is None or job.slow is slow]
    return sum(run_once(context, job, job.due_at(now)) for job in due)


def run_now(context: JobContext, job: Job, *, requested_by: str) -> bool:
    """Run a job at once because somebody asked for it, also twice at a clock that stands still."""
    due_at = context.clock()
    with reading(context.engine) as session:
        while session.get(JobRun, (job.name, due_at)) is not None:
            due_at += timedelta(microseconds=1)
    return run_once(context, job, due_at, requested_by=requested_by)


def run_once(
    context: JobContext, job: Job, due_at: datetime, *, requested_by: str = SCHEDULE
) -> bool:
    """Run a job for a due time unless that was done; a failure is recorded, not raised."""
    with transaction(context.engine) as session:
        if not _claim(session, job, due_at, context.clock(), requested_by):
            return False
    outcome, count, detail = RunOutcome.DONE, 0, ""
    try:
        count = job.work(context, due_at)
    except DoisoatError as problem:
        outcome, detail = RunOutcome.FAILED, f"{problem.code} {problem.detail}"
    except Exception as problem:  # a job must not end the others; the trace is in the log
        _logger.exception("job failed", extra={"job": job.name})
        outcome, detail = RunOutcome.FAILED, type(problem).__name__
    with transaction(context.engine) as session:
        run = session.get_one(JobRun, (job.name, due_at), with_for_update=True)
        if run.outcome is not RunOutcome.DONE:  # of two processes the one that did the work
            run.outcome, run.count, run.detail = outcome, count, detail[:500]
            run.finished_at = context.clock()
            session.add(run)
    return True


def is_caught_up(context: JobContext) -> bool:
    """Whether every job has finished for its newest due time."""
    now = context.clock()
    with reading(context.engine) as session:
        for job in JOBS:
            run = session.get(JobRun, (job.name, job.due_at(now)))
            if run is None or run.outcome is RunOutcome.RUNNING:
                return False
    return True


def _claim(session: Session, job: Job, due_at: datetime, now: datetime, requested_by: str) -> bool:
    """Write the run down as going on; a run that was cut off by a crash is taken up again.

    A run that another process is busy with looks the same: that is why steps are claimed again
    in the transactions of their work, and calls to the outside may be repeated.
    """
    run = session.get(JobRun, (job.name, due_at))
    if run is not None:
        return run.outcome is RunOutcome.RUNNING
    newest = last_due(session, job.name)
    if requested_by == SCHEDULE and newest is not None and newest > due_at:
        return False
    return insert_once(
        session,
        JobRun(
            job=job.name,
            due_at=due_at,
            started_at=now,
            outcome=RunOutcome.RUNNING,
            requested_by=requested_by,
        ),
    )
