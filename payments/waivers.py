"""Fees that are taken off a bill because their money goes back: waived once, or due again."""

from collections.abc import Iterable

from sqlmodel import Session, col, select

from core.clock import Clock
from core.money import Money
from payments.collection import change_due
from payments.errors import RefundNotAllowedError
from payments.ledger import chart, posting
from payments.ledger.models import JournalEntry, MoneyEvent
from payments.ledger.shifts import post_shift
from payments.models import Bill, BillLine, Payment, Refund
from payments.states import BILL_TRANSITIONS, BillEvent, BillStatus, next_state


def waived_positions(session: Session, bill: Bill) -> frozenset[int]:
    """Return the positions of the bill's lines whose fee a refund has taken off."""
    return frozenset(
        position
        for refund in _refunds_that_waive(session, bill)
        if _standing_entry(session, refund) is not None
        for position in refund.waived_lines
    )


def lines_at(session: Session, bill: Bill, positions: Iterable[int]) -> list[BillLine]:
    """Return these lines of a bill in their order.

    Raises:
        RefundNotAllowedError: one is named twice, is not there, or was taken off before.
    """
    wanted = list(positions)
    lines = session.exec(
        select(BillLine)
        .where(BillLine.bill_id == bill.id, col(BillLine.position).in_(wanted))
        .order_by(col(BillLine.position))
    ).all()
    if len(lines) != len(wanted):
        raise RefundNotAllowedError("a fee is named that is not on the bill, or named twice")
    if wanted and (is_ended(session, bill) or waived_positions(session, bill) & set(wanted)):
        raise RefundNotAllowedError("a fee that is named has been taken off already")
    return list(lines)


def fee_of(session: Session, bill: Bill, positions: Iterable[int]) -> int:
    """Return the fee of these lines in minor units."""
    return sum(line.amount_minor for line in _lines(session, bill, positions))


def waive(session: Session, refund: Refund, bill: Bill, *, clock: Clock) -> None:
    """Take the refund's lines off a bill that is held: what was paid for them is owed back.

    Exactly the legs with which these lines were billed are reversed; a further one moves what
    was paid of them from the receivable to what is owed back.
    """
    lines = lines_at(session, bill, refund.waived_lines)
    if not lines:
        return
    before = bill.outstanding
    waived = Money(sum(line.amount_minor for line in lines), bill.currency)
    change_due(bill, -waived, clock=clock)
    session.add(bill)
    legs = [posting.Leg(leg.credit, leg.debit, leg.amount) for leg in _billed(session, bill, lines)]
    paid = waived - (before - bill.outstanding)
    if paid:
        legs.append(posting.Leg(chart.RECEIVABLE, chart.REFUNDS_PAYABLE, paid))
    posting.post_entry(
        session,
        posting.Cause(
            event=MoneyEvent.REFUND_APPROVED,
            key=_key(refund),
            account_id=refund.account_id,
            office_id=bill.office_id,
            bill_id=bill.id,
            description=refund.refund_reference,
        ),
        legs,
        clock=clock,
    )


def restore(session: Session, refund: Refund, bill: Bill, *, clock: Clock) -> bool:
    """Make the lines that a refund took off due again; returns whether anything was to be done.

    A bill that people have ended since stays so: nothing is due on it any more. One that only its
    waivers had ended, because a bank took its money back, is open again.
    """
    entry = _standing_entry(session, refund)
    if entry is None or is_ended(session, bill):
        return False
    before = bill.outstanding
    if bill.status is BillStatus.CANCELLED:
        bill.status = next_state(BILL_TRANSITIONS, bill.status, BillEvent.DUE_AGAIN)
        bill.status_at = clock()
    fee = Money(fee_of(session, bill, refund.waived_lines), bill.currency)
    change_due(bill, fee, clock=clock)
    session.add(bill)
    undone = posting.reverse_entry(session, entry, MoneyEvent.REVERSED, clock=clock)
    post_shift(session, undone, bill.outstanding - before, clock=clock)
    return True


def is_ended(session: Session, bill: Bill) -> bool:
    """Whether the bill was cancelled or exempted: no fee of it is due, whatever came in since."""
    billed = posting.find_entry(session, f"billed:{bill.id}")
    reversed_whole = billed is not None and posting.find_reversal(session, billed) is not None
    return reversed_whole or posting.find_entry(session, f"ended:{bill.id}") is not None


def post_ended(
    session: Session, bill: Bill, event: MoneyEvent, reason: str, *, clock: Clock
) -> None:
    """Post back what is still billed on a bill that ends: all of it, less what was waived."""
    billed = posting.find_entry(session, f"billed:{bill.id}")
    if billed is None:
        return
    waived = waived_positions(session, bill)
    if not waived:
        posting.reverse_entry(session, billed, event, clock=clock, description=reason)
        return
    lines = session.exec(select(BillLine).where(BillLine.bill_id == bill.id)).all()
    rest = sorted(
        (line for line in lines if line.position not in waived), key=lambda line: line.position
    )
    if not rest:
        return
    posting.post_entry(
        session,
        posting.Cause(
            event=event,
            key=f"ended:{bill.id}",
            account_id=billed.account_id,
            office_id=bill.office_id,
            bill_id=bill.id,
            description=reason,
        ),
        [posting.Leg(leg.credit, leg.debit, leg.amount) for leg in _billed(session, bill, rest)],
        clock=clock,
    )


def _key(refund: Refund) -> str:
    return f"waived:{refund.id}"


def _standing_entry(session: Session, refund: Refund) -> JournalEntry | None:
    """The entry by which a refund took fees off, unless it was undone."""
    entry = posting.find_entry(session, _key(refund))
    if entry is None or posting.find_reversal(session, entry) is not None:
        return None
    return entry


def _refunds_that_waive(session: Session, bill: Bill) -> list[Refund]:
    refunds = session.exec(
        select(Refund)
        .join(Payment, col(Payment.id) == col(Refund.payment_id))
        .where(Payment.bill_id == bill.id)
    )
    return [refund for refund in refunds if refund.waived_lines]


def _lines(session: Session, bill: Bill, positions: Iterable[int]) -> list[BillLine]:
    wanted = set(positions)
    lines = session.exec(select(BillLine).where(BillLine.bill_id == bill.id))
    return [line for line in lines if line.position in wanted]


def _billed(session: Session, bill: Bill, lines: list[BillLine]) -> list[posting.Leg]:
    """The legs with which lines were billed; there is one for each line, in their order."""
    entry = posting.find_entry(session, f"billed:{bill.id}")
    assert entry is not None  # noqa: S101 - issuing a bill posts it
    legs = posting.legs_of(session, entry)
    return [legs[line.position - 1] for line in lines]
