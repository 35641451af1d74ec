"""Writes the exports that auditors asked for, and removes their files after their days."""

import fcntl
import logging
import shutil
import time
from datetime import datetime, timedelta
from typing import Final

from core.db import reading, transaction
from core.errors import DoisoatError
from reconciliation.auditing.archive import archive_folder
from reconciliation.auditing.books import BookRange
from reconciliation.auditing.models import BookExport
from reconciliation.auditing.package import write_package
from reconciliation.auditing.requests import (
    overdue_exports,
    record_failed,
    record_progress,
    record_ready,
    record_removed,
    unfinished_exports,
)
from scheduler.context import JobContext
from scheduler.jobs import each
from scheduler.publishing import append_log, sign_log

_logger = logging.getLogger(__name__)
PROGRESS_SECONDS: Final = 1.0
"""How often progress is written down, so that a page can show it."""


def write_exports(context: JobContext, due_at: datetime) -> int:
    """Write whatever was asked for and remove what was kept long enough.

    Raises:
        StepsFailedError: one failed, which its page says; all others are done.
    """
    del due_at  # takes up whatever waits
    context.exports.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (context.exports / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0  # another run is at it; the lock goes with its process
        _remove_overdue(context)
        with reading(context.engine) as session:
            waiting = unfinished_exports(session)
        return each(waiting, lambda export: _write(context, export))


def _write(context: JobContext, export: BookExport) -> None:
    folder = context.exports / export.id
    _clear(context, export.id)
    try:
        _bring_log_up(context)
        with reading(context.engine) as session:
            about = write_package(
                session,
                BookRange(export.first_date, export.last_date, export.scope),
                export.format,
                folder,
                progress=_Progress(context, export.id),
            )
        archive = archive_folder(folder, context.exports / f"{export.id}.zip")
    except Exception as problem:
        said = problem.code if isinstance(problem, DoisoatError) else type(problem).__name__
        with transaction(context.engine) as session:
            record_failed(session, export.id, said, clock=context.clock)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with transaction(context.engine) as session:
        keep = timedelta(days=context.export_days)
        record_ready(session, export.id, about, archive, keep=keep, clock=context.clock)


def _bring_log_up(context: JobContext) -> None:
    """Have the newest entries in a checkpoint; a log that cannot be signed stops no export."""
    try:
        append_log(context)
        sign_log(context)
    except DoisoatError:
        _logger.exception("an export is written under the checkpoint before")


def _clear(context: JobContext, export_id: str) -> None:
    """Remove what a killed process has left of an export; a draft is never taken for a whole."""
    for leftover in context.exports.glob(f"*{export_id}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _remove_overdue(context: JobContext) -> None:
    with reading(context.engine) as session:
        overdue = [export.id for export in overdue_exports(session, clock=context.clock)]
    for export_id in overdue:
        with transaction(context.engine) as session:
            record_removed(session, export_id)
        _clear(context, export_id)


class _Progress:
    """Writes progress down in transactions of its own, at most once a second."""

    def __init__(self, context: JobContext, export_id: str) -> None:
        self._context = context
        self._export_id = export_id
        self._last = float("-inf")

    def __call__(self, done: int, total: int) -> None:
        """Tell how many transfers are written, of how many."""
        if time.monotonic() - self._last < PROGRESS_SECONDS:
            return
        with transaction(self._context.engine) as session:
            record_progress(session, self._export_id, done, total)
        self._last = time.monotonic()
