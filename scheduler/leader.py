"""One scheduler leads at a time, by a lease in the database.

The lease only saves double work; what makes a job run once is its row in ``job_run`` and that
every use case may be repeated.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Engine

from core.clock import Clock
from core.db import transaction
from scheduler.runs import SchedulerLease, insert_once

LEASE: Final = timedelta(seconds=15)
_NAME: Final = "scheduler"


def hold_lease(engine: Engine, holder: str, *, clock: Clock) -> bool:
    """Take or renew the lease; False while another process holds a fresh one."""
    now = clock()
    with transaction(engine) as session:
        lease = session.get(SchedulerLease, _NAME, with_for_update=True)
        if lease is None:
            return insert_once(session, SchedulerLease(name=_NAME, holder=holder, beat_at=now))
        if lease.holder != holder and _is_fresh(lease.beat_at, now):
            return False
        lease.holder, lease.beat_at = holder, now
        session.add(lease)
        return True


def release_lease(engine: Engine, holder: str) -> None:
    """Give the lease up at a clean stop, so that another may lead at once."""
    with transaction(engine) as session:
        lease = session.get(SchedulerLease, _NAME, with_for_update=True)
        if lease is not None and lease.holder == holder:
            session.delete(lease)


def _is_fresh(beat_at: datetime, now: datetime) -> bool:
    return timedelta(0) <= now - beat_at < LEASE
