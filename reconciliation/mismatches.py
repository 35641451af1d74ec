"""What does not agree, and what people do about it: assign, comment, propose, decide.

Whatever moves money needs two people, the second of whom sees and approves exactly what the
first proposed. Every step is written to the history of the mismatch and to the audit trail.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from payments.errors import SamePersonError
from payments.models import Bill, CollectingAccount, Office, Payment, Refund
from reconciliation import resolutions
from reconciliation.errors import (
    MismatchClosedError,
    MismatchNotFoundError,
    ReasonMissingError,
    ResolutionNotAllowedError,
)
from reconciliation.models import (
    Mismatch,
    MismatchEvent,
    ReconciliationRun,
    Resolution,
    SettlementLine,
    StatementLine,
)
from reconciliation.states import (
    ItemKind,
    Layer,
    MismatchEventKind,
    MismatchStatus,
    MismatchType,
    ResolutionKind,
    ResolutionStatus,
    needs_second_person,
)

MIN_REASON_CHARACTERS: Final = 10
_LIVE: Final = (MismatchStatus.OPEN, MismatchStatus.PROPOSED)


def open_mismatch(
    session: Session,
    run: ReconciliationRun,
    row: Mapping[str, Any],
    reason: tuple[str, Mapping[str, str]],
    *,
    clock: Clock,
) -> Mismatch:
    """Store a row of ``mismatches.csv`` as an open mismatch of the office it concerns."""
    kind, item_id = ItemKind(row["item_kind"]), str(row["item_id"])
    amount, currency = item_amount(session, Layer(row["layer"]), kind, item_id)
    mismatch = Mismatch(
        mismatch_key=row["mismatch_id"],
        account_id=run.account_id,
        office_id=_office_of(session, kind, item_id, str(row["related_items"])),
        type=MismatchType(row["type"]),
        layer=Layer(row["layer"]),
        item_kind=kind,
        item_id=item_id,
        related_items=row["related_items"],
        expected=row["expected"],
        actual=row["actual"],
        amount_minor=amount,
        currency=currency,
        reason=row["reason"],
        reason_code=reason[0],
        reason_params=dict(reason[1]),
        run_id=run.id,
        opened_at=clock(),
    )
    session.add(mismatch)
    session.flush()
    _note(session, mismatch, resolutions.ENGINE, MismatchEventKind.OPENED, clock=clock)
    return mismatch


def update_mismatch(
    session: Session,
    mismatch: Mismatch,
    row: Mapping[str, Any],
    reason: tuple[str, Mapping[str, str]],
    *,
    clock: Clock,
) -> Mismatch:
    """Keep a live mismatch at what the newest run says; a proposal on older evidence falls away."""
    seen = {name: str(row[name]) for name in ("related_items", "expected", "actual", "reason")}
    if all(getattr(mismatch, name) == text for name, text in seen.items()):
        return mismatch
    moved = any(getattr(mismatch, name) != seen[name] for name in ("related_items", "actual"))
    for name, text in seen.items():
        setattr(mismatch, name, text)
    mismatch.reason_code, mismatch.reason_params = reason[0], dict(reason[1])
    mismatch.version += 1
    if moved and mismatch.status is MismatchStatus.PROPOSED:
        _drop_proposals(session, mismatch, "the evidence has changed", clock=clock)
        mismatch.status = MismatchStatus.OPEN
        text = "the evidence has changed"
        _note(session, mismatch, resolutions.ENGINE, MismatchEventKind.REJECTED, text, clock=clock)
    session.add(mismatch)
    return mismatch


def heal_mismatch(session: Session, mismatch: Mismatch, *, actor: Actor, clock: Clock) -> Mismatch:
    """Close a mismatch that later evidence has explained; a waiting proposal falls away."""
    _drop_proposals(session, mismatch, "explained by later evidence", clock=clock)
    mismatch.status = MismatchStatus.HEALED
    mismatch.closed_at = clock()
    mismatch.version += 1
    session.add(mismatch)
    _note(session, mismatch, actor, MismatchEventKind.HEALED, clock=clock)
    return mismatch


def hold_account(session: Session, account_id: str) -> None:
    """Make runs and decisions of one account wait for each other until this transaction ends.

    A run that had read the decisions before this one was made would undo it, and post twice.
    """
    session.get_one(CollectingAccount, account_id, with_for_update={"key_share": True})


def get_mismatch(session: Session, mismatch_id: str, *, actor: Actor) -> Mismatch:
    """Return a mismatch that lies in the actor's scope, held against other transactions.

    Raises:
        MismatchNotFoundError: there is none, or it is not this actor's to see.
    """
    actor.require(Permission.REVIEW)
    mismatch = session.exec(
        select(Mismatch)
        .where(Mismatch.id == mismatch_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).first()
    if mismatch is None or not _in_scope(session, mismatch, actor):
        raise MismatchNotFoundError
    return mismatch


def assign_mismatch(
    session: Session, mismatch: Mismatch, assignee_id: str | None, *, actor: Actor, clock: Clock
) -> Mismatch:
    """Give a mismatch to a person to look after, or to nobody.

    Raises:
        MismatchClosedError: it is closed.
    """
    actor.require(Permission.RESOLVE)
    mismatch = get_mismatch(session, mismatch.id, actor=actor)
    _require_live(mismatch)
    before = mismatch.assigned_to
    mismatch.assigned_to = assignee_id
    mismatch.version += 1
    session.add(mismatch)
    _note(session, mismatch, actor, MismatchEventKind.ASSIGNED, assignee_id or "", clock=clock)
    record_audit(
        session,
        actor,
        "assign_mismatch",
        ("mismatch", mismatch.id),
        clock=clock,
        before={"assigned_to": before},
        after={"assigned_to": assignee_id},
    )
    return mismatch


def comment_mismatch(
    session: Session, mismatch: Mismatch, text: str, *, actor: Actor, clock: Clock
) -> MismatchEvent:
    """Add a remark to the history of a mismatch, also when it is closed.

    Raises:
        ReasonMissingError: the remark is empty.
    """
    actor.require(Permission.RESOLVE)
    mismatch = get_mismatch(session, mismatch.id, actor=actor)
    if not text.strip():
        raise ReasonMissingError("the comment is empty")
    record_audit(
        session, actor, "comment_mismatch", ("mismatch", mismatch.id), clock=clock,
        reason=text.strip(),
    )  # fmt: skip
    return _note(session, mismatch, actor, MismatchEventKind.COMMENTED, text.strip(), clock=clock)


def propose_resolution(
    session: Session,
    mismatch: Mismatch,
    kind: ResolutionKind,
    reason: str,
    *,
    counterpart: str = "",
    actor: Actor,
    clock: Clock,
    write_off_limit_minor: int = 0,
) -> Resolution:
    """Propose how to close a mismatch; what moves no money is done at once.

    ``counterpart`` (for ``match``) is ``payment:<id>`` or ``bill:<reference>``.

    Raises:
        ReasonMissingError: the reason is shorter than a few words.
        MismatchClosedError: it is closed, or a proposal is waiting.
        ResolutionNotAllowedError: this kind does not fit this mismatch, or is over the limit.
    """
    actor.require(Permission.RESOLVE)
    hold_account(session, mismatch.account_id)
    mismatch = get_mismatch(session, mismatch.id, actor=actor)
    _require_reason(reason)
    if mismatch.status is not MismatchStatus.OPEN:
        raise MismatchClosedError(f"it is {mismatch.status}")
    resolutions.check(session, mismatch, kind, counterpart)
    if kind is ResolutionKind.WRITE_OFF:
        given_up = resolutions.written_off(session, mismatch).amount_minor
        if given_up > write_off_limit_minor:
            raise ResolutionNotAllowedError(f"at most {write_off_limit_minor} may be written off")
    resolution = Resolution(
        mismatch_id=mismatch.id,
        kind=kind,
        reason=reason.strip(),
        related_items=counterpart,
        amount_minor=mismatch.amount_minor,
        status=ResolutionStatus.PROPOSED,
        proposed_by=actor.id,
        proposed_at=clock(),
    )
    session.add(resolution)
    mismatch.status = MismatchStatus.PROPOSED
    mismatch.version += 1
    session.add(mismatch)
    session.flush()
    _note(session, mismatch, actor, MismatchEventKind.PROPOSED, f"{kind}: {reason}", clock=clock)
    if not needs_second_person(kind, mismatch.type):
        _carry_out(session, mismatch, resolution, actor=actor, clock=clock)
    _audit(
        session, actor, "propose_resolution", resolution, (MismatchStatus.OPEN, mismatch.status),
        clock=clock,
    )  # fmt: skip
    return resolution


def decide_resolution(
    session: Session,
    resolution: Resolution,
    *,
    approve: bool,
    note: str,
    actor: Actor,
    clock: Clock,
) -> Resolution:
    """Approve exactly what was proposed, or turn it down, as a second person.

    Raises:
        SamePersonError: the one who proposed it decides.
        MismatchClosedError: it was decided already, or fell away.
        ReasonMissingError: it is turned down without a reason.
    """
    actor.require(Permission.APPROVE)
    hold_account(session, session.get_one(Mismatch, resolution.mismatch_id).account_id)
    mismatch = get_mismatch(session, resolution.mismatch_id, actor=actor)
    session.refresh(resolution)  # the mismatch is held now: nobody else decides any more
    live = mismatch.status is MismatchStatus.PROPOSED
    if resolution.status is not ResolutionStatus.PROPOSED or not live:
        raise MismatchClosedError(f"the proposal is {resolution.status}")
    if actor.id == resolution.proposed_by:
        raise SamePersonError
    if not approve:
        _require_reason(note)
    resolution.decided_by = actor.id
    resolution.decided_at = clock()
    resolution.decision_note = note.strip()
    if approve:
        _note(session, mismatch, actor, MismatchEventKind.APPROVED, note, clock=clock)
        _carry_out(session, mismatch, resolution, actor=actor, clock=clock)
    else:
        resolution.status = ResolutionStatus.REJECTED
        mismatch.status = MismatchStatus.OPEN
        mismatch.version += 1
        session.add(mismatch)
        _note(session, mismatch, actor, MismatchEventKind.REJECTED, note, clock=clock)
    session.add(resolution)
    action = "approve_resolution" if approve else "reject_resolution"
    change = (MismatchStatus.PROPOSED, mismatch.status)
    _audit(session, actor, action, resolution, change, clock=clock)
    session.flush()
    return resolution


def item_amount(session: Session, layer: Layer, kind: ItemKind, item_id: str) -> tuple[int, str]:
    """Return an item's own signed amount in its layer, in minor units, and its currency."""
    if kind is ItemKind.BANK:
        line = session.get_one(StatementLine, item_id)
        return line.amount_minor, line.currency
    if kind is ItemKind.SETTLEMENT:
        entry = session.get_one(SettlementLine, item_id)
        return (entry.net_minor if layer is Layer.PAYOUT else entry.gross_minor), entry.currency
    return resolutions.payment_amount(session, item_id)


def _carry_out(
    session: Session, mismatch: Mismatch, resolution: Resolution, *, actor: Actor, clock: Clock
) -> None:
    resolution.status = ResolutionStatus.DONE
    session.add(resolution)
    session.flush()
    resolutions.carry_out(session, mismatch, resolution, decided_by=actor.id, clock=clock)
    for closed in _closed_together(session, mismatch, resolution):
        _drop_proposals(session, closed, f"decided with {mismatch.id}", clock=clock)
        closed.status = MismatchStatus.RESOLVED
        closed.closed_at = clock()
        closed.version += 1
        session.add(closed)
        _note(
            session, closed, actor, MismatchEventKind.RESOLVED, resolution.kind.value, clock=clock
        )
    session.flush()


def _closed_together(
    session: Session, mismatch: Mismatch, resolution: Resolution
) -> list[Mismatch]:
    """Return the mismatch and those of its counterparts that the same decision explains."""
    named = set(mismatch.related_items.split(";")) | {resolution.related_items}
    others = session.exec(
        select(Mismatch)
        .where(Mismatch.account_id == mismatch.account_id, Mismatch.layer == mismatch.layer)
        .where(Mismatch.type == mismatch.type, Mismatch.id != mismatch.id)
        .where(col(Mismatch.status).in_(_LIVE))
    )
    if resolution.kind is not ResolutionKind.MATCH:
        named = set()
    return [mismatch] + [row for row in others if f"{row.item_kind}:{row.item_id}" in named]


def _drop_proposals(session: Session, mismatch: Mismatch, note: str, *, clock: Clock) -> None:
    """Let proposals that wait for a second person fall away, decided by nobody."""
    waiting = session.exec(
        select(Resolution)
        .where(Resolution.mismatch_id == mismatch.id)
        .where(Resolution.status == ResolutionStatus.PROPOSED)
    )
    for proposal in waiting:
        proposal.status = ResolutionStatus.REJECTED
        proposal.decision_note = note
        proposal.decided_at = clock()
        session.add(proposal)


def _require_reason(text: str) -> None:
    if len(text.strip()) < MIN_REASON_CHARACTERS:
        raise ReasonMissingError(f"at least {MIN_REASON_CHARACTERS} characters")


def _require_live(mismatch: Mismatch) -> None:
    if mismatch.status not in _LIVE:
        raise MismatchClosedError(f"it is {mismatch.status}")


def _in_scope(session: Session, mismatch: Mismatch, actor: Actor) -> bool:
    """Whether the office of a mismatch, or one that collects on its account, is in scope."""
    if mismatch.office_id is not None:
        return actor.sees(session.get_one(Office, mismatch.office_id).path)
    owners = session.exec(select(Office.path).where(Office.account_id == mismatch.account_id))
    return any(actor.sees(path) for path in owners)


def _office_of(session: Session, kind: ItemKind, item_id: str, related: str) -> str | None:
    named = [item_id] if kind is ItemKind.PAYMENT else []
    named += [item[8:] for item in related.split(";") if item.startswith("payment:")]
    for name in named:
        refund = session.get(Refund, name)
        payment = session.get(Payment, name if refund is None else refund.payment_id)
        if payment is not None:
            return session.get_one(Bill, payment.bill_id).office_id
    return None


def _note(
    session: Session,
    mismatch: Mismatch,
    actor: Actor,
    kind: MismatchEventKind,
    text: str = "",
    *,
    clock: Clock,
) -> MismatchEvent:
    event = MismatchEvent(
        mismatch_id=mismatch.id,
        at=clock(),
        actor_id=actor.id,
        actor_name=actor.name,
        kind=kind,
        text=text[:2000],
    )
    session.add(event)
    return event


def _audit(
    session: Session,
    actor: Actor,
    action: str,
    resolution: Resolution,
    change: tuple[MismatchStatus, MismatchStatus],
    *,
    clock: Clock,
) -> None:
    record_audit(
        session,
        actor,
        action,
        ("mismatch", resolution.mismatch_id),
        clock=clock,
        reason=resolution.decision_note or resolution.reason,
        before={"mismatch": change[0].value},
        after={
            "mismatch": change[1].value,
            "resolution": resolution.id,
            "kind": resolution.kind.value,
            "counterpart": resolution.related_items,
            "amount_minor": resolution.amount_minor,
            "status": resolution.status.value,
        },
    )
