"""Reads of mismatches, their history, and what waits for a second person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, true
from sqlmodel import Session, col, select

from payments.models import (
    CollectingAccount,
    Office,
)
from payments.queries import (
    ROOT,
    Page,
    account_in,
    by_id,
    office_ids,
    paginate,
)
from reconciliation.errors import MismatchNotFoundError
from reconciliation.models import (
    Mismatch,
    MismatchEvent,
    Resolution,
)
from reconciliation.queries.evidence import MAX_LINES, Evidence, load_evidence, parse_items
from reconciliation.states import (
    Layer,
    MismatchStatus,
    MismatchType,
    ResolutionStatus,
)

LIVE: Final = (MismatchStatus.OPEN, MismatchStatus.PROPOSED)
"""Mismatches that somebody still has to do something about."""


_NAMES_CANDIDATES: Final = (".candidates", ".damaged", ".other_channel")
"""Reasons whose related items only resemble the item; nothing proves that they belong to it."""


@dataclass(frozen=True, slots=True)
class MismatchFilter:
    """What a reader wants to see; None and empty mean any.

    ``assignee`` is a user id, or ``nobody``; ``older_than_days`` counts from when it was opened.
    """

    status: MismatchStatus | None = None
    live_only: bool = True
    type: MismatchType | None = None
    layer: Layer | None = None
    assignee: str = ""
    older_than_days: int = 0
    office_path: str = ""


@dataclass(frozen=True, slots=True)
class MismatchRow:
    """A mismatch in a list, with the office or account it belongs to."""

    mismatch: Mismatch
    office: Office | None
    account: CollectingAccount


@dataclass(frozen=True, slots=True)
class MismatchView:
    """One mismatch with everything needed to decide on it."""

    mismatch: Mismatch
    office: Office | None
    account: CollectingAccount
    evidence: Evidence
    candidates: Evidence
    history: list[MismatchEvent]
    resolutions: list[Resolution]

    @property
    def proposed(self) -> Resolution | None:
        """The resolution that waits for a second person."""
        waiting = [r for r in self.resolutions if r.status is ResolutionStatus.PROPOSED]
        return waiting[0] if waiting else None


def mismatch_in(scope: str) -> ColumnElement[bool]:
    """Return the condition that a mismatch belongs to the subtree."""
    if scope == ROOT:
        return true()
    return or_(
        col(Mismatch.office_id).in_(office_ids(scope)),
        and_(col(Mismatch.office_id).is_(None), account_in(col(Mismatch.account_id), scope)),
    )


def list_mismatches(
    session: Session, wanted: MismatchFilter, *, scope: str, now: datetime, page: int = 1
) -> Page[MismatchRow]:
    """Return the mismatches of the subtree that fit the filter, the oldest first."""
    query = select(Mismatch).where(mismatch_in(scope), *_conditions(wanted, now))
    found = paginate(session, query.order_by(col(Mismatch.opened_at), col(Mismatch.id)), page)
    return Page(_mismatch_rows(session, found.rows), found.number, found.total)


def _conditions(wanted: MismatchFilter, now: datetime) -> Iterable[ColumnElement[bool]]:
    if wanted.status is not None:
        yield col(Mismatch.status) == wanted.status
    elif wanted.live_only:
        yield col(Mismatch.status).in_(LIVE)
    if wanted.type is not None:
        yield col(Mismatch.type) == wanted.type
    if wanted.layer is not None:
        yield col(Mismatch.layer) == wanted.layer
    if wanted.assignee == "nobody":
        yield col(Mismatch.assigned_to).is_(None)
    elif wanted.assignee:
        yield col(Mismatch.assigned_to) == wanted.assignee
    if wanted.older_than_days:
        yield col(Mismatch.opened_at) <= now - timedelta(days=wanted.older_than_days)
    if wanted.office_path:
        yield mismatch_in(wanted.office_path)


def _mismatch_rows(session: Session, mismatches: Sequence[Mismatch]) -> list[MismatchRow]:
    offices = by_id(session, Office, [m.office_id for m in mismatches])
    accounts = by_id(session, CollectingAccount, [m.account_id for m in mismatches])
    return [
        MismatchRow(m, offices.get(m.office_id or ""), accounts[m.account_id]) for m in mismatches
    ]


def get_mismatch(session: Session, mismatch_id: str, *, scope: str) -> Mismatch:
    """Return a mismatch of the subtree.

    Raises:
        MismatchNotFoundError: there is none here.
    """
    query = select(Mismatch).where(Mismatch.id == mismatch_id, mismatch_in(scope))
    mismatch = session.exec(query).first()
    if mismatch is None:
        raise MismatchNotFoundError
    return mismatch


def get_mismatch_view(session: Session, mismatch_id: str, *, scope: str) -> MismatchView:
    """Return a mismatch of the subtree with evidence, candidates, history and resolutions.

    Raises:
        MismatchNotFoundError: there is none here.
    """
    mismatch = get_mismatch(session, mismatch_id, scope=scope)
    (row,) = _mismatch_rows(session, [mismatch])
    own = [(mismatch.item_kind.value, mismatch.item_id)]
    related = parse_items(mismatch.related_items)
    # What a mismatch names beside itself is its counterpart, unless it names them as candidates.
    undecided = mismatch.type is MismatchType.AMBIGUOUS or mismatch.reason_code.endswith(
        _NAMES_CANDIDATES
    )
    return MismatchView(
        mismatch=mismatch,
        office=row.office,
        account=row.account,
        evidence=load_evidence(session, own if undecided else own + related),
        candidates=load_evidence(session, related if undecided else []),
        history=list_history(session, mismatch.id),
        resolutions=list(
            session.exec(
                select(Resolution)
                .where(Resolution.mismatch_id == mismatch.id)
                .order_by(col(Resolution.proposed_at))
            )
        ),
    )


def list_history(session: Session, mismatch_id: str) -> list[MismatchEvent]:
    """Return what was said and done about a mismatch, in order."""
    query = (
        select(MismatchEvent)
        .where(MismatchEvent.mismatch_id == mismatch_id)
        .order_by(col(MismatchEvent.at), col(MismatchEvent.id))
    )
    return list(session.exec(query))


def list_decisions(session: Session, *, scope: str) -> list[tuple[Resolution, MismatchRow]]:
    """Return the proposals of the subtree that wait for a second person, the oldest first."""
    pairs = session.exec(
        select(Resolution, Mismatch)
        .join(Mismatch, col(Resolution.mismatch_id) == Mismatch.id)
        .where(Resolution.status == ResolutionStatus.PROPOSED, mismatch_in(scope))
        .order_by(col(Resolution.proposed_at))
        .limit(MAX_LINES)
    ).all()
    rows = _mismatch_rows(session, [mismatch for _, mismatch in pairs])
    return [(pair[0], row) for pair, row in zip(pairs, rows, strict=True)]


def get_resolution(session: Session, resolution_id: str, *, scope: str) -> Resolution:
    """Return a resolution of a mismatch of the subtree.

    Raises:
        MismatchNotFoundError: there is none here.
    """
    resolution = session.get(Resolution, resolution_id)
    if resolution is None:
        raise MismatchNotFoundError
    get_mismatch(session, resolution.mismatch_id, scope=scope)
    return resolution
