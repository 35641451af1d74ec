"""When a job is due, on the business clock of Vietnam."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import at_vietnam_time
from scheduler.schedule import JOBS, Job, get_job
from tests.support.evidence import DAY


def due(job: Job, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return job.due_at(at_vietnam_time(DAY, hour, minute, second))


@pytest.mark.parametrize(
    ("name", "at", "due_at"),
    [
        ("reconcile", (9, 14, 59), (9, 0)),
        ("reconcile", (9, 15, 0), (9, 15)),
        ("reconcile", (0, 0, 0), (0, 0)),
        ("expire", (0, 5, 0), (0, 5)),
        ("expire", (23, 59, 59), (0, 5)),
        ("send_messages", (9, 0, 29), (9, 0)),
    ],
)
def test_a_job_is_due_at_multiples_since_midnight_in_vietnam(
    name: str, at: tuple[int, int, int], due_at: tuple[int, int]
) -> None:
    assert due(get_job(name), *at) == at_vietnam_time(DAY, *due_at)


def test_before_its_time_a_daily_job_is_due_since_yesterday() -> None:
    assert due(get_job("expire"), 0, 4) == at_vietnam_time(DAY - timedelta(days=1), 0, 5)


@given(
    st.sampled_from(JOBS),
    st.datetimes(min_value=datetime(2021, 1, 1), max_value=datetime(2099, 1, 1)),  # noqa: DTZ001
)
def test_the_newest_due_time_is_never_in_the_future_and_never_older_than_one_interval(
    job: Job, moment: datetime
) -> None:
    now = moment.replace(tzinfo=UTC)
    due_at = job.due_at(now)
    assert timedelta(0) <= now - due_at < job.every
    assert job.due_at(due_at) == due_at


def test_evidence_is_fetched_before_it_is_compared_and_messages_go_last() -> None:
    names = [job.name for job in JOBS]
    assert names.index("fetch_statements") < names.index("reconcile")
    assert names[-1] == "send_messages"
    assert len(set(names)) == len(names)


def test_an_unknown_job_is_nobodys() -> None:
    with pytest.raises(KeyError):
        get_job("sweep")
