"""Closing a day as two people do."""

from datetime import date

from sqlmodel import Session, col, select

from core.actors import Actor, Role
from core.clock import Clock
from payments.ledger.models import AccountingPeriod
from payments.models import CollectingAccount
from reconciliation.closing import prepare_day, sign_day
from reconciliation.mismatches import decide_resolution, propose_resolution
from reconciliation.models import Mismatch
from reconciliation.queries import LIVE
from reconciliation.states import MismatchType, ResolutionKind, ResolutionStatus

PREPARES = Actor("usr_prepares", Role.OFFICER, "Prepares", "/")
REVIEWS = Actor("usr_reviews", Role.APPROVER, "Reviews", "/")


def close_by_two(
    session: Session, account: CollectingAccount, day: date, *, clock: Clock
) -> AccountingPeriod:
    """Prepare the close of a day, and sign it."""
    close = prepare_day(session, account, day, actor=PREPARES, clock=clock)
    return sign_day(session, close, actor=REVIEWS, clock=clock)


def explain_all(session: Session, account: CollectingAccount, *, clock: Clock) -> int:
    """Accept by two people what is open and not on its way; returns how many there were."""
    found = session.exec(
        select(Mismatch).where(
            Mismatch.account_id == account.id,
            col(Mismatch.status).in_(LIVE),
            col(Mismatch.type) != MismatchType.TIMING_DIFFERENCE,
        )
    ).all()
    for mismatch in found:
        resolution = propose_resolution(
            session,
            mismatch,
            ResolutionKind.ACCEPT,
            "looked at and explained",
            actor=PREPARES,
            clock=clock,
        )  # fmt: skip
        if resolution.status is ResolutionStatus.PROPOSED:
            decide_resolution(
                session, resolution, approve=True, note="", actor=REVIEWS, clock=clock
            )
    return len(found)
