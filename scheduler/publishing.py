"""Brings the public log up to date and signs its head; at night, verifies all of it."""

import logging
from datetime import datetime
from typing import Final

from core.db import reading, transaction
from payments.errors import EntryIncompleteError, LogForkedError
from payments.ledger.log.kept import keep, read_kept
from payments.ledger.log.models import LogCheckpoint
from payments.ledger.log.sequencer import append_waiting, count_incomplete
from payments.ledger.log.signing import find_checkpoint, sign_checkpoint
from payments.ledger.log.verification import contradictions
from scheduler.context import JobContext

_logger = logging.getLogger(__name__)
_MOST_SAID: Final = 3


def publish_log(context: JobContext, due_at: datetime) -> int:
    """Append what waits and sign the head. Returns how many leaves were appended.

    Raises:
        LogForkedError: the log contradicts a checkpoint that was signed; nothing is signed.
        EntryIncompleteError: entries are not whole; all others are in the log and signed.
    """
    del due_at  # takes up whatever waits
    count = append_log(context)
    sign_log(context)
    with reading(context.engine) as session:
        incomplete = count_incomplete(session)
    if incomplete:
        raise EntryIncompleteError(f"{incomplete} entries")
    return count


def append_log(context: JobContext) -> int:
    """Give everything that waits its place, in transactions of a bounded size."""
    count, more = 0, True
    while more:
        with transaction(context.engine) as session:
            done = append_waiting(session, clock=context.clock)
        count, more = count + done.count, done.more
    return count


def sign_log(context: JobContext) -> LogCheckpoint | None:
    """Sign the head, unless it is signed; the file outside has it before the database does.

    A crash in between leaves a signed head in the file that the log goes on from.

    Raises:
        LogForkedError: the log contradicts what the file or the database has of it.
    """
    with transaction(context.engine) as session:
        kept = read_kept(context.checkpoint_file)
        if not kept and find_checkpoint(session) is not None:
            _logger.warning("no checkpoint is kept outside the database; keeping one now")
        signed = sign_checkpoint(
            session,
            origin=context.log_origin,
            vault=context.vault,
            kept=kept,
            clock=context.clock,
        )
        if signed is not None and signed.note != kept:
            keep(context.checkpoint_file, signed.note)
    return signed


def verify_log(context: JobContext, due_at: datetime) -> int:
    """Hold the whole log against the journal and all checkpoints.

    Raises:
        LogForkedError: they disagree; the message names the first things in which.
    """
    del due_at
    with reading(context.engine) as session:
        found = list(contradictions(session, kept=read_kept(context.checkpoint_file)))
    if found:
        more = f"; {len(found) - _MOST_SAID} more" if len(found) > _MOST_SAID else ""
        raise LogForkedError("; ".join(found[:_MOST_SAID]) + more)
    return 0
