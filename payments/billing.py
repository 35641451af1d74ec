"""Issuing bills and ending them: cancelled, exempt or expired. Money is received elsewhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock, business_day
from core.errors import MoneyFormatError
from core.ids import random_below
from core.money import Currency, Money
from payments import states
from payments.collection import lock_bill
from payments.dossier import parse_dossier_code
from payments.errors import IllegalTransitionError, MalformedBillError
from payments.fees import fees_in_force
from payments.ledger import chart, posting
from payments.ledger.models import MoneyEvent
from payments.models import Bill, BillLine, CollectingAccount, FeeSchedule, Office, Procedure
from payments.references import new_reference
from payments.states import BillEvent, BillStatus
from payments.waivers import post_ended

PAYABLE_AFTER_DUE_DAYS: Final = 30
"""How long after its due date a bill can still be paid before it expires."""

MAX_DUE_DAYS: Final = 3660
"""How far ahead a bill may fall due."""

_REFERENCE_TRIES: Final = 5
_MAX_QUANTITY: Final = 1000


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A fee that is charged, so many times."""

    fee_code: str
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class BillDraft:
    """A bill as it was asked for. No ``lines`` means every fee in force, once.

    A draft with an ``exemption_reason`` is issued and exempted at once, so that what was not
    collected stays visible.
    """

    dossier_code: str
    office_code: str
    procedure_code: str
    due_date: date
    lines: Sequence[DraftLine] = ()
    payer_name: str = ""
    payer_email: str = ""
    language: str = "vi"
    portal_reference: str = ""
    exemption_reason: str = ""
    api_client_id: str | None = field(default=None)


def issue_bill(
    session: Session,
    draft: BillDraft,
    *,
    actor: Actor,
    clock: Clock,
    random: Callable[[int], int] = random_below,
) -> Bill:
    """Issue a bill, post what is owed, and give it a reference that no other bill has.

    Raises:
        MalformedBillError: unknown office, procedure or fee, no collecting account, a bad
            dossier code, a due date in the past or years ahead, or an amount beyond any fee.
        PermissionDeniedError: the actor may not issue bills for this office.
    """
    actor.require(Permission.ISSUE_BILLS)
    today = business_day(clock())
    office, account = _place(session, draft.office_code, actor)
    procedure = session.exec(
        select(Procedure).where(Procedure.code == draft.procedure_code)
    ).first()
    if procedure is None:
        raise MalformedBillError(f"procedure_code: {draft.procedure_code!r} is not known")
    if draft.due_date < today:
        raise MalformedBillError(f"due_date: {draft.due_date} is in the past")
    if draft.due_date > today + timedelta(days=MAX_DUE_DAYS):
        raise MalformedBillError(f"due_date: {draft.due_date} is too far ahead")
    dossier_code = parse_dossier_code(draft.dossier_code)
    lines = _bill_lines(draft, fees_in_force(session, procedure, today), account.currency)
    amount = sum(line.amount_minor for line in lines)
    now = clock()
    bill = Bill(
        bill_reference="",
        dossier_code=dossier_code,
        office_id=office.id,
        procedure_id=procedure.id,
        title_vi=procedure.name_vi,
        title_en=procedure.name_en,
        amount_minor=amount,
        due_minor=amount,
        currency=account.currency,
        due_date=draft.due_date,
        expires_on=draft.due_date + timedelta(days=PAYABLE_AFTER_DUE_DAYS),
        payer_name=draft.payer_name.strip(),
        payer_email=draft.payer_email.strip(),
        language=draft.language,
        portal_reference=draft.portal_reference,
        api_client_id=draft.api_client_id,
        created_at=now,
        status_at=now,
    )
    _insert_with_reference(session, bill, account.reference_prefix, random)
    for line in lines:
        line.bill_id = bill.id
    session.add_all(lines)
    session.flush()
    _post_billed(session, bill, lines, account, clock=clock)
    if draft.exemption_reason.strip():
        exempt_bill(session, bill, actor=actor, reason=draft.exemption_reason, clock=clock)
    record_audit(
        session,
        actor,
        "issue_bill",
        ("bill", bill.id),
        clock=clock,
        after={"bill_reference": bill.bill_reference, "amount_minor": amount},
    )
    return bill


def cancel_bill(session: Session, bill: Bill, *, actor: Actor, reason: str, clock: Clock) -> Bill:
    """Withdraw a bill that nothing was paid on; cancelling twice is a no-op.

    Raises:
        IllegalTransitionError: money was received for it.
        MalformedBillError: no reason given.
    """
    if bill.status is BillStatus.CANCELLED:
        return bill
    return _end_bill(session, bill, BillEvent.CANCEL, actor=actor, reason=reason, clock=clock)


def exempt_bill(session: Session, bill: Bill, *, actor: Actor, reason: str, clock: Clock) -> Bill:
    """Free a bill from payment for a reason in law; what was billed is posted back.

    Raises:
        IllegalTransitionError: money was received for it, or it is cancelled.
        MalformedBillError: no reason given.
    """
    return _end_bill(session, bill, BillEvent.EXEMPT, actor=actor, reason=reason, clock=clock)


def expire_bills(session: Session, *, clock: Clock, limit: int = 1000) -> int:
    """Expire open bills past their last day; the fee stays receivable. Returns how many.

    Each is held first: one that is being paid at this moment stays paid.
    """
    today = business_day(clock())
    overdue = session.exec(
        select(Bill)
        .where(Bill.status == BillStatus.OPEN, col(Bill.expires_on) < today)
        .order_by(col(Bill.expires_on), col(Bill.id))
        .limit(limit)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    for bill in overdue:
        bill.status = states.next_state(states.BILL_TRANSITIONS, bill.status, BillEvent.EXPIRE)
        bill.status_at = clock()
        session.add(bill)
    return len(overdue)


def account_of_office(session: Session, office: Office) -> CollectingAccount | None:
    """Return the collecting account of an office or of the nearest office above it."""
    node: Office | None = office
    while node is not None:
        if node.account_id is not None:
            return session.get(CollectingAccount, node.account_id)
        node = session.get(Office, node.parent_id) if node.parent_id else None
    return None


def _place(session: Session, office_code: str, actor: Actor) -> tuple[Office, CollectingAccount]:
    office = session.exec(select(Office).where(Office.code == office_code)).first()
    if office is None or not actor.sees(office.path):
        raise MalformedBillError(f"office_code: {office_code!r} is not known here")
    account = account_of_office(session, office)
    if account is None:
        raise MalformedBillError(f"office_code: {office_code!r} has no collecting account")
    return office, account


def _bill_lines(
    draft: BillDraft, fees: Sequence[FeeSchedule], currency: Currency
) -> list[BillLine]:
    by_code = {fee.fee_code: fee for fee in fees}
    wanted = draft.lines or [DraftLine(fee.fee_code) for fee in fees]
    if not wanted:
        raise MalformedBillError("lines: the procedure has no fee in force")
    lines = []
    for position, line in enumerate(wanted, start=1):
        fee = by_code.get(line.fee_code)
        if fee is None:
            raise MalformedBillError(f"lines[{position}]: {line.fee_code!r} is not in force")
        if not 1 <= line.quantity <= _MAX_QUANTITY:
            raise MalformedBillError(f"lines[{position}]: quantity must be 1 to {_MAX_QUANTITY}")
        if fee.currency is not currency:
            raise MalformedBillError(f"lines[{position}]: {fee.fee_code} is in {fee.currency}")
        lines.append(
            BillLine(
                bill_id="",
                position=position,
                fee_code=fee.fee_code,
                kind=fee.kind,
                name_vi=fee.name_vi,
                name_en=fee.name_en,
                legal_basis=fee.legal_basis,
                amount_minor=fee.amount_minor * line.quantity,
                budget=fee.budget,
            )
        )
    _refuse_beyond_any_fee(lines, currency)
    return lines


def _refuse_beyond_any_fee(lines: Sequence[BillLine], currency: Currency) -> None:
    try:
        Money(sum(line.amount_minor for line in lines), currency)
    except MoneyFormatError as problem:
        raise MalformedBillError(f"lines: {problem.detail}") from None


def _insert_with_reference(
    session: Session, bill: Bill, prefix: str, random: Callable[[int], int]
) -> None:
    for _ in range(_REFERENCE_TRIES):
        bill.bill_reference = new_reference(prefix, random)
        try:
            with session.begin_nested():
                session.add(bill)
        except IntegrityError:
            continue
        return
    raise MalformedBillError("no free reference was found; try again")


def _post_billed(
    session: Session,
    bill: Bill,
    lines: Sequence[BillLine],
    account: CollectingAccount,
    *,
    clock: Clock,
) -> None:
    posting.post_entry(
        session,
        posting.Cause(
            event=MoneyEvent.BILLED,
            key=f"billed:{bill.id}",
            account_id=account.id,
            office_id=bill.office_id,
            bill_id=bill.id,
            description=bill.bill_reference,
        ),
        [
            posting.Leg(
                chart.RECEIVABLE,
                chart.earned(line.budget, line.fee_code),
                Money(line.amount_minor, bill.currency),
            )
            for line in lines
        ],
        clock=clock,
    )


def _end_bill(
    session: Session, bill: Bill, event: BillEvent, *, actor: Actor, reason: str, clock: Clock
) -> Bill:
    actor.require(Permission.ISSUE_BILLS)
    if not reason.strip():
        raise MalformedBillError("reason: a bill is ended for a reason")
    bill = lock_bill(session, bill.id)
    if bill.received_minor:
        raise IllegalTransitionError("money was received on this bill: refund it first")
    before = bill.status
    bill.status = states.next_state(states.BILL_TRANSITIONS, bill.status, event)
    bill.status_at = clock()
    bill.due_minor = 0
    if event is BillEvent.EXEMPT:
        bill.exemption_reason = reason.strip()
    cause = MoneyEvent.CANCELLED if event is BillEvent.CANCEL else MoneyEvent.EXEMPTED
    post_ended(session, bill, cause, reason, clock=clock)
    session.add(bill)
    record_audit(
        session,
        actor,
        f"{event}_bill",
        ("bill", bill.id),
        clock=clock,
        reason=reason,
        before={"status": before.value},
        after={"status": bill.status.value},
    )
    return bill
