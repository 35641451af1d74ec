"""Fetches statement files from the watched folder and from every source that is written down.

A file is stored before its source is told. A crash in between shows the same file again: it is
known by its bytes, adds nothing, and only then leaves the source's list.
"""

import logging
from contextlib import closing, suppress
from datetime import datetime
from functools import cached_property

from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from core.db import reading, transaction
from reconciliation.ports import FetchedFile, StatementSource
from reconciliation.sources import (
    digest_of,
    get_source,
    is_left_alone,
    keep_mark,
    list_marks,
    list_sources,
    open_access,
    record_fetch,
)
from scheduler.context import JobContext
from scheduler.jobs import each, take_file

_logger = logging.getLogger(__name__)


def fetch_statements(context: JobContext, due_at: datetime) -> int:
    """Take in every file that has arrived anywhere; a source that fails leaves the others.

    One that turned us away less than an hour ago is not asked.

    Raises:
        StepsFailedError: a source or a file failed; all others are done.
    """
    del due_at  # takes up whatever waits
    with reading(context.engine) as session:
        asked = [source for source in list_sources(session) if source.active]
        known = {one.name: one.id for one in asked if not is_left_alone(one, context.clock())}
    count = 0

    def step(name: str) -> None:
        nonlocal count
        if name in context.sources:
            count += _Fetch(context, name).take_all(context.sources[name])
        else:
            count += _fetch_known(context, name, known[name])

    each([*context.sources, *known], step)
    return count


def open_known(context: JobContext, name: str) -> StatementSource:
    """Return a source that is written down, ready to be asked.

    Raises:
        SourceNotFoundError: there is none of this name.
        SourceInvalidError: what is written down is unusable.
        DecryptionError: its secrets cannot be opened.
    """
    with reading(context.engine) as session:
        source = get_source(session, name)
        access = open_access(source, vault=context.vault)
    return context.open_source(access, DatabaseMemory(context.engine, source.id))


class DatabaseMemory:
    """A source's marks in the database: read once, each new one in a transaction of its own."""

    def __init__(self, engine: Engine, source_id: str) -> None:
        self._engine = engine
        self._source_id = source_id

    def __contains__(self, mark: object) -> bool:
        return digest_of(str(mark)) in self._known

    def add(self, mark: str) -> None:
        """Remember a file; another process may have done so, or the source is removed by now."""
        with suppress(IntegrityError), transaction(self._engine) as session:
            keep_mark(session, self._source_id, digest_of(mark))

    @cached_property
    def _known(self) -> set[str]:
        with reading(self._engine) as session:
            return list_marks(session, self._source_id)


def _fetch_known(context: JobContext, name: str, source_id: str) -> int:
    fetch, problem = _Fetch(context, name), None
    try:
        return fetch.take_all(open_known(context, name))
    except Exception as failure:
        problem = failure
        raise
    finally:
        with transaction(context.engine) as session:
            record_fetch(session, source_id, files=fetch.new, problem=problem, clock=context.clock)


class _Fetch:
    """One visit to one source; ``new`` counts the files that were not known here."""

    def __init__(self, context: JobContext, name: str) -> None:
        self._context = context
        self._name = name
        self.new = 0

    def take_all(self, source: StatementSource) -> int:
        """Store each file and then tell the source; returns how many there were."""

        def step(fetched: FetchedFile) -> None:
            report = take_file(self._context, fetched, source=self._name)
            self.new += not report.known_file
            extra = {"file": report.name, "outcome": report.outcome.value}
            _logger.info("file taken", extra=extra)
            source.taken([fetched.key])

        with closing(source.fetch()) as files:
            return each(files, step)
