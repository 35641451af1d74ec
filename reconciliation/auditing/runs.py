"""What was compared with what result: the files of each run, so that it can be performed again."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from payments.models import CollectingAccount
from payments.queries.scope import account_in
from reconciliation.auditing.books import BookRange
from reconciliation.auditing.folder import write_json
from reconciliation.errors import BooksUnequalError
from reconciliation.models import FrozenInput, Match, Mismatch, ReconciliationRun
from reconciliation.result_files import match_lines, mismatch_lines

_CHUNK: Final = 1 << 20


def write_runs(session: Session, wanted: BookRange, folder: Path) -> None:
    """Write ``runs/<account>/<day>-<run>/`` for each run as of a day of the range.

    Each holds what ``doisoat reconcile --out`` writes: the frozen inputs, byte for byte,
    ``matches.csv`` and ``mismatches.csv`` as they stood until the next run, and ``summary.json``.

    Raises:
        BooksUnequalError: a frozen input is not what was compared.
    """
    query = (
        select(ReconciliationRun, CollectingAccount)
        .join(CollectingAccount, col(CollectingAccount.id) == col(ReconciliationRun.account_id))
        .where(col(ReconciliationRun.as_of) >= wanted.first)
        .where(col(ReconciliationRun.as_of) <= wanted.last)
        .where(account_in(col(ReconciliationRun.account_id), wanted.scope))
        .order_by(col(ReconciliationRun.started_at), col(ReconciliationRun.id))
    )
    for run, account in session.exec(query).all():
        place = folder / "runs" / account.account_number / f"{run.as_of}-{run.id}"
        place.mkdir(parents=True)
        for name, sha256 in run.inputs.items():
            _write_frozen(session, sha256, place / name)
        _write_lines(place / "matches.csv", match_lines(session, account, *_stood(session, run)))
        open_then = _were_open(session, run)
        _write_lines(place / "mismatches.csv", mismatch_lines(session, account, *open_then))
        write_json(place / "summary.json", dict(sorted(run.summary.items())))


def _write_frozen(session: Session, sha256: str, path: Path) -> None:
    stored = session.scalars(select(FrozenInput.content).where(FrozenInput.sha256 == sha256)).one()
    digest = hashlib.sha256()
    with path.open("wb") as target:
        for piece in _inflated(stored):
            digest.update(piece)
            target.write(piece)
    if digest.hexdigest() != sha256:
        raise BooksUnequalError(f"{path.name} of {path.parent.name} is not what was compared")


def _inflated(content: bytes) -> Iterator[bytes]:
    """Yield what was compressed in pieces, so that a large input is never whole in memory."""
    inflater = zlib.decompressobj()
    while piece := inflater.decompress(content, _CHUNK):
        yield piece
        content = inflater.unconsumed_tail


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as target:
        target.writelines(lines)


def _stood(session: Session, run: ReconciliationRun) -> list[ColumnElement[bool]]:
    """Return the conditions of matches that stood when the next run of the account began."""
    following = _following(session, run)
    made = col(Match.run_id).in_(_runs_until(run))
    if following is None:
        return [or_(made, col(Match.run_id).is_(None)), col(Match.superseded_at).is_(None)]
    moment = following.started_at
    by_people = and_(col(Match.run_id).is_(None), col(Match.created_at) < moment)
    still = or_(col(Match.superseded_at).is_(None), col(Match.superseded_at) >= moment)
    return [or_(made, by_people), still]


def _were_open(session: Session, run: ReconciliationRun) -> list[ColumnElement[bool]]:
    opened, closed = col(Mismatch.run_id).in_(_runs_until(run)), col(Mismatch.closed_at)
    following = _following(session, run)
    if following is None:
        return [opened, closed.is_(None)]
    return [opened, or_(closed.is_(None), closed >= following.started_at)]


def _runs_until(run: ReconciliationRun) -> SelectOfScalar[str]:
    started, same = col(ReconciliationRun.started_at), ReconciliationRun.account_id
    earlier = and_(started == run.started_at, col(ReconciliationRun.id) <= run.id)
    return (
        select(ReconciliationRun.id)
        .where(same == run.account_id)
        .where(or_(started < run.started_at, earlier))
    )


def _following(session: Session, run: ReconciliationRun) -> ReconciliationRun | None:
    started = col(ReconciliationRun.started_at)
    later = and_(started == run.started_at, col(ReconciliationRun.id) > run.id)
    return session.exec(
        select(ReconciliationRun)
        .where(ReconciliationRun.account_id == run.account_id)
        .where(or_(started > run.started_at, later))
        .order_by(started, col(ReconciliationRun.id))
        .limit(1)
    ).first()
