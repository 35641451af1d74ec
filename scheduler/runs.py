"""Job history: one row for each job and due time, written with the work it stands for."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from core.db import UtcDateTime, enum_text

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


class Watermark(SQLModel, table=True):
    """How far a job has come, kept across restarts instead of a time window."""

    __tablename__ = "watermark"

    name: str = Field(primary_key=True, max_length=80)
    value: str


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
    return insert_run(session, run)


def insert_run(session: Session, run: JobRun) -> bool:
    """Add a run unless one of its job and due time exists, in this or another transaction."""
    insert = _INSERT[session.get_bind().dialect.name]
    statement = insert(JobRun).values(**run.model_dump()).on_conflict_do_nothing()
    return session.connection().execute(statement).rowcount == 1


def last_due(session: Session, job: str) -> datetime | None:
    """Return the newest due time of the schedule that a job was done or tried for."""
    return session.exec(
        select(col(JobRun.due_at))
        .where(JobRun.job == job, JobRun.requested_by == SCHEDULE)
        .order_by(col(JobRun.due_at).desc())
    ).first()


def unfinished(session: Session) -> list[JobRun]:
    """Return the runs that are going on, or were cut off."""
    return list(session.exec(select(JobRun).where(JobRun.outcome == RunOutcome.RUNNING)))


def read_watermark(session: Session, name: str) -> str | None:
    """Return how far a job has come."""
    row = session.get(Watermark, name)
    return row.value if row is not None else None


def move_watermark(session: Session, name: str, value: str) -> None:
    """Note how far a job has come, in the transaction of its work."""
    row = session.get(Watermark, name) or Watermark(name=name, value=value)
    row.value = value
    session.add(row)
