"""Remittances as staff make them: what is disputed, and what the bank has shown, counts in."""

from sqlmodel import Session

from core.actors import Actor
from core.clock import Clock
from payments import treasury
from payments.errors import RemittanceNotPossibleError
from payments.models import CollectingAccount, Remittance, RemittanceOrder
from reconciliation.counterparts import is_matched
from reconciliation.disputes import disputed_payments
from reconciliation.states import ItemKind, Layer


def due(session: Session, account: CollectingAccount) -> dict[str, int]:
    """Return what would be proposed for an account now: minor units by ledger account."""
    disputed = disputed_payments(session, account)
    return treasury.due_to_treasury(session, account, disputed=disputed)


def propose(
    session: Session, account: CollectingAccount, *, actor: Actor, clock: Clock
) -> Remittance:
    """Propose to send everything that is due; see :func:`payments.treasury.prepare_remittance`."""
    disputed = disputed_payments(session, account)
    return treasury.prepare_remittance(
        session, account, disputed=disputed, actor=actor, clock=clock
    )


def approve(
    session: Session, remittance: Remittance, *, note: str = "", actor: Actor, clock: Clock
) -> Remittance:
    """Approve it as a second person, if all of it is still due."""
    return treasury.approve_remittance(
        session,
        remittance,
        disputed=_disputed(session, remittance),
        note=note,
        actor=actor,
        clock=clock,
    )


def order(
    session: Session, remittance: Remittance, *, actor: Actor, clock: Clock
) -> RemittanceOrder:
    """Make the file for the bank, if all of it is still due."""
    return treasury.order_remittance(
        session, remittance, disputed=_disputed(session, remittance), actor=actor, clock=clock
    )


def record_refusal(
    session: Session, remittance: Remittance, *, note: str, actor: Actor, clock: Clock
) -> Remittance:
    """Record that the bank did not send it.

    Raises:
        RemittanceNotPossibleError: its debit is on the statement.
    """
    if is_matched(session, Layer.DIRECT, ItemKind.PAYMENT, remittance.id):
        raise RemittanceNotPossibleError("its debit is on the statement: the money has left")
    return treasury.record_refused_remittance(
        session, remittance, note=note, actor=actor, clock=clock
    )


def _disputed(session: Session, remittance: Remittance) -> frozenset[str]:
    account = session.get_one(CollectingAccount, remittance.account_id)
    return disputed_payments(session, account)
