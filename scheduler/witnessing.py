"""Has other offices sign the head of the log, if it goes on from what they saw."""

from datetime import datetime
from http import HTTPStatus

from core.db import reading, transaction
from payments.errors import GatewayRefusedError, LogForkedError, NoteInvalidError
from payments.ledger.log.checkpoints import read_number
from payments.ledger.log.cosigning import (
    last_seen,
    list_witnesses,
    record_cosignature,
    request_for,
)
from payments.ledger.log.models import LogCheckpoint, LogWitness
from payments.ledger.log.signing import find_checkpoint
from scheduler.context import JobContext
from scheduler.jobs import each


def collect_cosignatures(context: JobContext, due_at: datetime) -> int:
    """Send the newest head to each witness that has not signed it. Returns how many now have.

    Raises:
        StepsFailedError: a witness did not answer or saw another log; all others have signed.
    """
    del due_at
    with reading(context.engine) as session:
        head = find_checkpoint(session)
        seen = {one.verifier: last_seen(session, one.verifier) for one in list_witnesses(session)}
        waiting = [one for one in list_witnesses(session) if seen[one.verifier] != head]
    if head is None:
        return 0

    def ask(witness: LogWitness) -> None:
        before = seen[witness.verifier]
        _ask(context, witness, head, before.size if before else 0)

    return each(waiting, ask)


def _ask(context: JobContext, witness: LogWitness, head: LogCheckpoint, old: int) -> None:
    """Ask once, and once more from the size that the witness says it saw last."""
    status, text = _post(context, witness, head, old)
    if status == HTTPStatus.CONFLICT:
        told = read_number(text.strip())
        if told == old:
            raise LogForkedError(f"{witness.url} saw another log of this name with {old} leaves")
        status, text = _post(context, witness, head, told)
    if status == HTTPStatus.CONFLICT:
        raise LogForkedError(f"{witness.url} saw another log of this name")
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        raise LogForkedError(f"{witness.url} saw a log that this one does not go on from")
    if status != HTTPStatus.OK:
        raise GatewayRefusedError(f"{witness.url} answered {status}")
    with transaction(context.engine) as session:
        for line in text.splitlines():
            record_cosignature(session, head, witness.verifier, line, clock=context.clock)
        if not text.strip():
            raise NoteInvalidError(f"{witness.url} answered nothing")


def _post(
    context: JobContext, witness: LogWitness, head: LogCheckpoint, old: int
) -> tuple[int, str]:
    with reading(context.engine) as session:
        request = request_for(session, head, old)
    return context.post_checkpoint(witness.url, request.body)  # with no transaction open
