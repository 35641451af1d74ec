"""The scheduler process: one beat a second, on which each due job runs, slow ones apart."""

import logging
import os
import signal
import socket
import threading
from types import FrameType

from apscheduler.schedulers.blocking import BlockingScheduler

from core.clock import utc_now
from core.ids import new_token
from scheduler.context import JobContext
from scheduler.leader import hold_lease, release_lease
from scheduler.schedule import run_due

_logger = logging.getLogger(__name__)


def run_scheduler(context: JobContext, *, beat_seconds: float = 1.0) -> None:
    """Run until interrupted. The lease follows real time, the jobs follow the business clock."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{new_token(4)}"
    scheduler = BlockingScheduler(timezone="UTC")

    leads = threading.Event()

    def beat() -> None:
        if hold_lease(context.engine, holder, clock=utc_now):
            leads.set()
            run_due(context, slow=False)
        else:
            leads.clear()

    def slow_beat() -> None:  # in a thread of its own: nothing waits for it
        if leads.is_set():
            run_due(context, slow=True)

    for work in (beat, slow_beat):
        scheduler.add_job(
            work,
            "interval",
            seconds=beat_seconds,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)  # a long beat is no error

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        scheduler.shutdown(wait=False)

    signal.signal(signal.SIGTERM, stop)
    try:
        scheduler.start()
    except KeyboardInterrupt:
        scheduler.shutdown(wait=True)
    release_lease(context.engine, holder)
