"""Fees sent on to the State Treasury: prepared by one person, approved by another, then matched."""

from collections.abc import Callable

from sqlmodel import Session

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.ids import random_below
from core.money import Money
from payments.errors import RemittanceNotPossibleError, SamePersonError
from payments.ledger import chart, posting
from payments.ledger.balances import trial_balance
from payments.ledger.models import MoneyEvent
from payments.models import CollectingAccount, Remittance
from payments.references import new_reference


def payable_to_treasury(session: Session, account: CollectingAccount) -> dict[str, int]:
    """Return what an account owes the State Treasury, by ledger account, in minor units.

    Bills that are not paid yet are owed by their payers and so are not due here: what is still
    receivable is taken off in the order of the account codes.
    """
    rows = trial_balance(session, account_id=account.id)
    balances = {row.code: row.balance_minor for row in rows if row.currency is account.currency}
    receivable = max(0, balances.get(chart.RECEIVABLE, 0))
    owed: dict[str, int] = {}
    for code in sorted(balances):
        if code.startswith("payable:state_treasury:") and balances[code] < 0:
            due = -balances[code]
            unpaid = min(receivable, due)
            receivable -= unpaid
            if due > unpaid:
                owed[code] = due - unpaid
    return owed


def prepare_remittance(
    session: Session,
    account: CollectingAccount,
    *,
    actor: Actor,
    clock: Clock,
    random: Callable[[int], int] = random_below,
) -> Remittance:
    """Propose to send everything that is due to the State Treasury; nothing is posted yet.

    Raises:
        RemittanceNotPossibleError: nothing is due.
    """
    actor.require(Permission.RESOLVE)
    parts = payable_to_treasury(session, account)
    if not parts:
        raise RemittanceNotPossibleError("nothing is due to the State Treasury")
    remittance = Remittance(
        account_id=account.id,
        reference=new_reference(account.reference_prefix, random),
        amount_minor=sum(parts.values()),
        currency=account.currency,
        parts=parts,
        prepared_by=actor.id,
        created_at=clock(),
    )
    session.add(remittance)
    session.flush()
    _audit(session, actor, "prepare_remittance", remittance, clock)
    return remittance


def approve_remittance(
    session: Session, remittance: Remittance, *, actor: Actor, clock: Clock
) -> Remittance:
    """Approve exactly this remittance as a second person, and post that it was instructed.

    Raises:
        SamePersonError: the one who prepared it approves it.
        RemittanceNotPossibleError: it was approved before, or less is due by now.
    """
    actor.require(Permission.APPROVE)
    if actor.id == remittance.prepared_by:
        raise SamePersonError
    account = session.get_one(
        CollectingAccount, remittance.account_id, with_for_update={"key_share": True}
    )
    session.refresh(remittance)
    owed = payable_to_treasury(session, account)
    too_much = any(owed.get(code, 0) < amount for code, amount in remittance.parts.items())
    if remittance.instructed_at is not None or too_much:
        raise RemittanceNotPossibleError("it is instructed already, or less is due by now")
    remittance.approved_by = actor.id
    remittance.instructed_at = clock()
    session.add(remittance)
    posting.post_entry(
        session,
        posting.Cause(
            event=MoneyEvent.REMITTANCE,
            key=f"remittance:{remittance.id}",
            account_id=account.id,
            description=remittance.reference,
        ),
        [
            posting.Leg(code, chart.CLEARING_REMITTANCE, Money(amount, remittance.currency))
            for code, amount in sorted(remittance.parts.items())
        ],
        clock=clock,
    )
    _audit(session, actor, "approve_remittance", remittance, clock)
    return remittance


def _audit(
    session: Session, actor: Actor, action: str, remittance: Remittance, clock: Clock
) -> None:
    record_audit(
        session,
        actor,
        action,
        ("remittance", remittance.id),
        clock=clock,
        after={"amount_minor": remittance.amount_minor, "reference": remittance.reference},
    )
