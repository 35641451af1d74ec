"""One remittance: prepared, approved by a second person, ordered at the bank, or refused by it."""

from collections.abc import Callable, Collection
from typing import Any

from sqlmodel import Session, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.crypto import sha256_hex
from core.ids import new_id, random_below
from core.money import Money
from payments.errors import RemittanceNotPossibleError, SamePersonError
from payments.ledger import chart, posting
from payments.ledger.models import MoneyEvent
from payments.models import CollectingAccount, Remittance, RemittanceOrder
from payments.references import new_reference
from payments.refunds.beneficiary import Beneficiary
from payments.refunds.order_file import OrderFile, OrderRow, write_pain001, write_sheet
from payments.states import REMITTANCE_TRANSITIONS, RemittanceEvent, next_state
from payments.treasury.due import due_to_treasury


def name_treasury(
    session: Session,
    account: CollectingAccount,
    to: Beneficiary,
    *,
    actor: Actor,
    clock: Clock,
) -> CollectingAccount:
    """Say to which account of the State Treasury an account's fees go from now on.

    Raises:
        RemittanceNotPossibleError: the name, the account or the bank is missing.
    """
    actor.require(Permission.ADMINISTER)
    if not to.is_complete:
        raise RemittanceNotPossibleError("a name, an account and the BIN of its bank are needed")
    before = _beneficiary(account)
    account.treasury_name, account.treasury_account = to.name, to.account
    account.treasury_bank_bin = to.bank_bin
    session.add(account)
    record_audit(
        session, actor, "name_treasury", ("collecting_account", account.id), clock=clock,
        before={"treasury_account": before.account}, after={"treasury_account": to.account},
    )  # fmt: skip
    return account


def prepare_remittance(
    session: Session,
    account: CollectingAccount,
    *,
    disputed: Collection[str],
    actor: Actor,
    clock: Clock,
    random: Callable[[int], int] = random_below,
) -> Remittance:
    """Propose to send everything that is due to the State Treasury; nothing is posted yet.

    ``disputed`` are the ids of payments about which something is open.

    Raises:
        RemittanceNotPossibleError: nothing is due, or nobody has said where it goes.
    """
    actor.require(Permission.RESOLVE)
    account = _hold(session, account.id)
    to = _beneficiary(account)
    if not to.is_complete:
        number = account.account_number
        raise RemittanceNotPossibleError(f"no account of the State Treasury is named for {number}")
    parts = due_to_treasury(session, account, disputed=disputed)
    if not parts:
        raise RemittanceNotPossibleError("nothing is due to the State Treasury")
    remittance = Remittance(
        account_id=account.id,
        reference=new_reference(account.reference_prefix, random),
        amount_minor=sum(parts.values()),
        currency=account.currency,
        parts=parts,
        treasury_name=to.name,
        treasury_account=to.account,
        treasury_bank_bin=to.bank_bin,
        prepared_by=actor.id,
        created_at=clock(),
    )
    session.add(remittance)
    session.flush()
    _audit(session, actor, "prepare_remittance", remittance, clock=clock)
    return remittance


def approve_remittance(
    session: Session,
    remittance: Remittance,
    *,
    disputed: Collection[str],
    note: str = "",
    actor: Actor,
    clock: Clock,
) -> Remittance:
    """Approve exactly this remittance as a second person.

    Raises:
        SamePersonError: the one who prepared it approves it.
        IllegalTransitionError: it was decided on before.
        RemittanceNotPossibleError: less is due by now.
    """
    actor.require(Permission.APPROVE)
    if actor.id == remittance.prepared_by:
        raise SamePersonError
    account = _hold_both(session, remittance)
    status = next_state(REMITTANCE_TRANSITIONS, remittance.status, RemittanceEvent.APPROVE)
    _refuse_too_much(session, account, remittance, disputed)
    remittance.status, remittance.approved_by = status, actor.id
    remittance.decided_at, remittance.decision_note = clock(), note
    session.add(remittance)
    _audit(session, actor, "approve_remittance", remittance, clock=clock)
    return remittance


def reject_remittance(
    session: Session, remittance: Remittance, *, note: str, actor: Actor, clock: Clock
) -> Remittance:
    """Turn a remittance down, or withdraw one that was approved and not ordered yet.

    Raises:
        SamePersonError: the one who prepared it decides.
        RemittanceNotPossibleError: it is not said why.
    """
    actor.require(Permission.APPROVE)
    if actor.id == remittance.prepared_by:
        raise SamePersonError
    if not note.strip():
        raise RemittanceNotPossibleError("say why it is turned down")
    _hold_both(session, remittance)
    remittance.status = next_state(
        REMITTANCE_TRANSITIONS, remittance.status, RemittanceEvent.REJECT
    )
    remittance.approved_by = actor.id
    remittance.decided_at, remittance.decision_note = clock(), note.strip()
    session.add(remittance)
    _audit(session, actor, "reject_remittance", remittance, clock=clock)
    return remittance


def order_remittance(
    session: Session,
    remittance: Remittance,
    *,
    disputed: Collection[str],
    actor: Actor,
    clock: Clock,
) -> RemittanceOrder:
    """Make the file that orders the bank to send it, and post that it is on its way.

    Raises:
        IllegalTransitionError: it is not approved, or was ordered before.
        RemittanceNotPossibleError: less is due by now than was approved.
    """
    actor.require(Permission.RESOLVE)
    account = _hold_both(session, remittance)
    status = next_state(REMITTANCE_TRANSITIONS, remittance.status, RemittanceEvent.ORDER)
    _refuse_too_much(session, account, remittance, disputed)
    remittance.status, remittance.instructed_at = status, clock()
    order = _order(account, remittance, actor=actor, clock=clock)
    session.add_all([remittance, order])
    posting.post_entry(
        session,
        posting.Cause(
            event=MoneyEvent.REMITTANCE,
            key=_key(remittance),
            account_id=account.id,
            description=remittance.reference,
        ),
        [
            posting.Leg(code, chart.CLEARING_REMITTANCE, Money(amount, remittance.currency))
            for code, amount in sorted(remittance.parts.items())
        ],
        clock=clock,
    )
    _audit(session, actor, "order_remittance", remittance, clock=clock, sha256=order.sha256)
    session.flush()
    return order


def record_refused_remittance(
    session: Session, remittance: Remittance, *, note: str, actor: Actor, clock: Clock
) -> Remittance:
    """Record in the bank's words that it did not send a remittance: it is due again.

    Should its debit come nevertheless, the next comparison flags it.

    Raises:
        RemittanceNotPossibleError: the bank's words are missing.
    """
    actor.require(Permission.APPROVE)
    if not note.strip():
        raise RemittanceNotPossibleError("say it in the words of the bank")
    _hold_both(session, remittance)
    remittance.status = next_state(
        REMITTANCE_TRANSITIONS, remittance.status, RemittanceEvent.REFUSED
    )
    remittance.decision_note = note.strip()
    session.add(remittance)
    entry = posting.find_entry(session, _key(remittance))
    assert entry is not None  # noqa: S101 - ordering has posted it
    posting.reverse_entry(session, entry, MoneyEvent.REVERSED, clock=clock, description=note)
    _audit(session, actor, "record_refused_remittance", remittance, clock=clock)
    return remittance


def _hold(session: Session, account_id: str) -> CollectingAccount:
    """Return the account, held: what is due from it is counted by one at a time."""
    return session.exec(
        select(CollectingAccount)
        .where(CollectingAccount.id == account_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def _hold_both(session: Session, remittance: Remittance) -> CollectingAccount:
    account = _hold(session, remittance.account_id)
    session.refresh(remittance)
    return account


def _refuse_too_much(
    session: Session,
    account: CollectingAccount,
    remittance: Remittance,
    disputed: Collection[str],
) -> None:
    due = due_to_treasury(session, account, disputed=disputed, besides=remittance)
    if any(due.get(code, 0) < amount for code, amount in remittance.parts.items()):
        raise RemittanceNotPossibleError("less is due by now: turn it down and propose anew")


def _order(
    account: CollectingAccount, remittance: Remittance, *, actor: Actor, clock: Clock
) -> RemittanceOrder:
    to = Beneficiary(
        remittance.treasury_name, remittance.treasury_account, remittance.treasury_bank_bin
    )
    row = OrderRow(
        end_to_end_id=remittance.reference,
        amount=Money(remittance.amount_minor, remittance.currency),
        beneficiary=to,
        narrative=f"{remittance.reference} nop ngan sach nha nuoc",
    )
    file = OrderFile(
        number=remittance.reference,
        account=account.account_number,
        account_name=account.account_name,
        bank_bin=account.bank_bin,
        created_at=clock(),
        rows=(row,),
    )
    content, sheet = write_pain001(file), write_sheet(file)
    return RemittanceOrder(
        id=new_id("rmo"),
        remittance_id=remittance.id,
        content=content,
        sha256=sha256_hex(content),
        sheet=sheet,
        sheet_sha256=sha256_hex(sheet),
        created_by=actor.id,
        created_at=clock(),
    )


def _beneficiary(account: CollectingAccount) -> Beneficiary:
    return Beneficiary(account.treasury_name, account.treasury_account, account.treasury_bank_bin)


def _key(remittance: Remittance) -> str:
    return f"remittance:{remittance.id}"


def _audit(
    session: Session,
    actor: Actor,
    action: str,
    remittance: Remittance,
    *,
    clock: Clock,
    **more: Any,
) -> None:
    record_audit(
        session,
        actor,
        action,
        ("remittance", remittance.id),
        clock=clock,
        reason=remittance.decision_note,
        after={
            "amount_minor": remittance.amount_minor,
            "reference": remittance.reference,
            "status": remittance.status.value,
            **more,
        },
    )
