"""Job history: one row for each job and due time, written with the work it stands for."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from core.db import UtcDateTime, enum_text
from payments.queries import Page, paginate

_INSERT: Final[dict[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

SCHEDULE: Final = "schedule"
"""``JobRun.requested_by`` of runs that nobody asked for."""


class RunOutcome(StrEnum):
    """How a job run ended; ``running`` after a restart means that it was cut off."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class JobRun(SQLModel, table=True):
    """A job at one due time. The primary key makes doing the same work twice impossible."""

    __tablename__ = "job_run"

    job: str = Field(primary_key=True, max_length=80)
    due_at: datetime = Field(sa_column=Column(UtcDateTime, primary_key=True, nullable=False))
    started_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    finished_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    outcome: RunOutcome = Field(sa_column=Column(enum_text(RunOutcome), nullable=False))
    count: int = 0
    detail: str = ""
    requested_by: str = SCHEDULE


class SchedulerLease(SQLModel, table=True):
    """Which scheduler process leads; an optimisation only, ``job_run`` is the safety."""

    __tablename__ = "scheduler_lease"

    name: str = Field(primary_key=True)
    holder: str
    beat_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


def claim_step(session: Session, step: str, due_at: datetime, *, now: datetime) -> bool:
    """Write down a step in the transaction of its work; False if it was done for this due time.

    Two processes that both get here are told apart by the primary key: the second waits until
    the first has committed, and then finds the step done.
    """
    run = JobRun(job=step, due_at=due_at, started_at=now, finished_at=now, outcome=RunOutcome.DONE)
    return insert_once(session, run)


def insert_once(session: Session, row: JobRun | SchedulerLease) -> bool:
    """Add a row unless one of its key exists, in this or in another transaction."""
    insert, table = _INSERT[session.get_bind().dialect.name], type(row)
    statement = insert(table).values(**row.model_dump()).on_conflict_do_nothing()
    added = session.connection().execute(statement.returning(*inspect(table).primary_key))
    return added.first() is not None


def last_due(session: Session, job: str) -> datetime | None:
    """Return the newest due time of the schedule that a job was done or tried for."""
    return session.exec(
        select(col(JobRun.due_at))
        .where(JobRun.job == job, JobRun.requested_by == SCHEDULE)
        .order_by(col(JobRun.due_at).desc())
    ).first()


def list_runs(session: Session, *, job: str, page: int) -> Page[JobRun]:
    """Return the runs of all jobs or of one, the newest first."""
    query = select(JobRun)
    if job:
        query = query.where(JobRun.job == job)
    newest = col(JobRun.started_at).desc(), col(JobRun.job)
    return paginate(session, query.order_by(*newest), page)


def latest_runs(session: Session, jobs: Iterable[str]) -> dict[str, JobRun]:
    """Return the newest run of each job that has run."""
    found = {
        job: session.exec(
            select(JobRun).where(JobRun.job == job).order_by(col(JobRun.due_at).desc()).limit(1)
        ).first()
        for job in jobs
    }
    return {job: run for job, run in found.items() if run is not None}
