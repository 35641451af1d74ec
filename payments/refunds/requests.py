"""Refunds asked for on evidence by one person, and approved or turned down by another."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlmodel import Session

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.crypto import sha256_hex
from core.money import Money
from payments import states
from payments.channels import Channel
from payments.collection import lock_bill, lock_payment, tell_changed
from payments.errors import RefundChangedError, RefundNotAllowedError, SamePersonError
from payments.models import Bill, Payment, Refund
from payments.refunds.beneficiary import Beneficiary, beneficiary_of
from payments.refunds.limits import (
    TAKEN,
    bill_id_of,
    lock_refund,
    most_of,
    refunds_of,
    refuse_uncovered,
)
from payments.states import PaymentStatus, RefundEvent, RefundStatus
from payments.waivers import lines_at, restore, waive


@dataclass(frozen=True, slots=True)
class RefundDraft:
    """A refund as it is asked for.

    ``evidence`` names the document it rests on; ``waived_lines`` are the positions of the bill's
    lines whose fee is taken off with it. ``by_transfer`` sends money by the bank that came over a
    channel which cannot send it back any more; a transfer always goes back by the bank.
    """

    amount: Money
    reason: str
    evidence: str
    waived_lines: Sequence[int] = ()
    by_transfer: bool = False
    beneficiary: Beneficiary = field(default_factory=Beneficiary)


def request_refund(
    session: Session, payment: Payment, draft: RefundDraft, *, actor: Actor, clock: Clock
) -> Refund:
    """Ask that some of a payment be sent back; nothing moves before another approves.

    Raises:
        RefundNotAllowedError: no reason or evidence; more than can go back; a fee that was waived
            or is asked to be waived already; money of another currency is in suspense.
    """
    actor.require(Permission.RESOLVE)
    if not draft.reason.strip() or not draft.evidence.strip():
        raise RefundNotAllowedError("money goes back for a reason and on evidence")
    payment = lock_payment(session, payment.id)
    bill = lock_bill(session, payment.bill_id)
    refunds, amount = refunds_of(session, bill), draft.amount
    positions = sorted(draft.waived_lines)
    asked = {p for r in refunds if r.status is RefundStatus.REQUESTED for p in r.waived_lines}
    if asked.intersection(positions):
        raise RefundNotAllowedError("another request asks to waive a fee that is named")
    waived = sum(line.amount_minor for line in lines_at(session, bill, positions))
    most = max(0, most_of(session, payment, bill, refunds, waived))
    if amount.currency is not bill.currency or not 0 < amount.amount_minor <= most:
        raise RefundNotAllowedError(f"at most {most} {bill.currency} can go back")
    number = 1 + sum(refund.payment_id == payment.id for refund in refunds)
    refund = Refund(
        payment_id=payment.id,
        account_id=payment.account_id,
        refund_reference=f"{payment.merchant_reference}-R{number}",
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        channel=Channel.BANK_TRANSFER if draft.by_transfer else payment.channel,
        reason=draft.reason.strip(),
        evidence=draft.evidence.strip(),
        waived_lines=positions,
        requested_by=actor.id,
        created_at=clock(),
    )
    if refund.channel is Channel.BANK_TRANSFER:
        _set_beneficiary(refund, draft.beneficiary)
    session.add(refund)
    session.flush()
    record_audit(
        session,
        actor,
        "request_refund",
        ("refund", refund.id),
        clock=clock,
        reason=refund.reason,
        after={
            "amount_minor": refund.amount_minor,
            "evidence": refund.evidence,
            "waived_lines": positions,
        },
    )
    return refund


def name_beneficiary(
    session: Session, refund: Refund, beneficiary: Beneficiary, *, actor: Actor, clock: Clock
) -> Refund:
    """Say where a transfer goes, as the one who asked for it and before it is decided.

    Raises:
        RefundNotAllowedError: it is no transfer, is decided, or somebody else asked for it.
    """
    actor.require(Permission.RESOLVE)
    refund = lock_refund(session, refund.id)
    asked_for = actor.id == refund.requested_by and refund.status is RefundStatus.REQUESTED
    if not asked_for or refund.channel is not Channel.BANK_TRANSFER:
        raise RefundNotAllowedError("only who asked for a transfer changes it, before the decision")
    _set_beneficiary(refund, beneficiary)
    session.add(refund)
    record_audit(session, actor, "name_beneficiary", ("refund", refund.id), clock=clock)
    return refund


def approve_refund(
    session: Session,
    refund: Refund,
    *,
    seen: str | None = None,
    note: str = "",
    actor: Actor,
    clock: Clock,
) -> Refund:
    """Approve exactly this refund, as a second person; its fees are waived, and it may be sent.

    ``seen`` is the fingerprint of the request that the second person had before them.

    Raises:
        SamePersonError: the one who requested it approves it.
        RefundChangedError: it is not any more what was seen.
        RefundNotAllowedError: the money is not there any more, a fee was waived meanwhile, or it
            is not said to which account a transfer goes.
    """
    refund = begin_decision(session, refund, actor)
    status = states.next_state(states.REFUND_TRANSITIONS, refund.status, RefundEvent.APPROVE)
    if seen is not None and seen != fingerprint(refund):
        raise RefundChangedError
    if refund.channel is Channel.BANK_TRANSFER and not beneficiary_of(refund).is_complete:
        raise RefundNotAllowedError("it is not said whole to which account it goes")
    bill = lock_bill(session, bill_id_of(session, refund))
    waived = sum(line.amount_minor for line in lines_at(session, bill, refund.waived_lines))
    refuse_uncovered(session, refund, bill, waived)
    waive(session, refund, bill, clock=clock)
    _decide(session, refund, status, "approve_refund", note, actor=actor, clock=clock)
    if waived:
        tell_changed(session, bill, f"waived:{refund.id}", clock=clock)
    return refund


def reject_refund(
    session: Session, refund: Refund, *, note: str, actor: Actor, clock: Clock
) -> Refund:
    """Turn a refund down as a second person, or withdraw an approved one that was not sent.

    What its approval had waived is due again.

    Raises:
        RefundNotAllowedError: no reason; or a refund approved since may rest on the fees it waived,
            and the money of this one is still there.
    """
    refund = begin_decision(session, refund, actor)
    status = states.next_state(states.REFUND_TRANSITIONS, refund.status, RefundEvent.REJECT)
    if not note.strip():
        raise RefundNotAllowedError("a refund is turned down for a reason")
    if refund.status is RefundStatus.APPROVED and refund.waived_lines:
        bill = lock_bill(session, bill_id_of(session, refund))
        payment = session.get_one(Payment, refund.payment_id, populate_existing=True)
        if payment.status is PaymentStatus.SUCCEEDED and _is_rested_on(session, refund, bill):
            raise RefundNotAllowedError("a later refund rests on the fees that this one waived")
        if restore(session, refund, bill, clock=clock):
            tell_changed(session, bill, f"due again:{refund.id}", clock=clock)
    return _decide(session, refund, status, "reject_refund", note, actor=actor, clock=clock)


def _is_rested_on(session: Session, refund: Refund, bill: Bill) -> bool:
    since = refund.decided_at or refund.created_at
    return any(
        other.status in TAKEN and (other.decided_at or other.created_at) >= since
        for other in refunds_of(session, bill)
        if other.id != refund.id
    )


def fingerprint(refund: Refund) -> str:
    """Return what identifies exactly this request: the second person approves what they saw."""
    parts = (
        refund.id, refund.amount_minor, refund.currency, refund.channel, refund.reason,
        refund.evidence, refund.waived_lines, beneficiary_of(refund),
    )  # fmt: skip
    return sha256_hex(repr(parts).encode())[:16]


def begin_decision(session: Session, refund: Refund, actor: Actor) -> Refund:
    """Return the refund held for a decision of the second person.

    Raises:
        SamePersonError: the one who requested it decides.
    """
    actor.require(Permission.APPROVE)
    if actor.id == refund.requested_by:
        raise SamePersonError
    return lock_refund(session, refund.id)


def _decide(
    session: Session,
    refund: Refund,
    status: RefundStatus,
    action: str,
    note: str,
    *,
    actor: Actor,
    clock: Clock,
) -> Refund:
    refund.status = status
    refund.approved_by = actor.id
    refund.decided_at = clock()
    refund.decision_note = note.strip()
    session.add(refund)
    record_audit(
        session,
        actor,
        action,
        ("refund", refund.id),
        clock=clock,
        reason=note.strip(),
        after={"amount_minor": refund.amount_minor, "status": refund.status.value},
    )
    return refund


def _set_beneficiary(refund: Refund, beneficiary: Beneficiary) -> None:
    read = Beneficiary.parse(beneficiary.name, beneficiary.account, beneficiary.bank_bin)
    refund.beneficiary_name = read.name
    refund.beneficiary_account = read.account
    refund.beneficiary_bank_bin = read.bank_bin
