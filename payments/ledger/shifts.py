"""What undoing an entry shifts between what payers owe and what is owed back to them."""

from sqlmodel import Session

from core.clock import Clock
from core.money import Money
from payments.ledger import chart, posting
from payments.ledger.models import JournalEntry, MoneyEvent


def post_shift(session: Session, undone: JournalEntry, owed_more: Money, *, clock: Clock) -> None:
    """Move between the receivable and what is owed back, so that the receivable is right again.

    ``undone`` is an entry that reverses another, ``owed_more`` what the payer really owes more
    than before it: money may have come in or been taken back since the first was posted.
    """
    posted = Money(0, owed_more.currency)
    for leg in posting.legs_of(session, undone):
        if leg.debit == chart.RECEIVABLE:
            posted += leg.amount
        if leg.credit == chart.RECEIVABLE:
            posted -= leg.amount
    shift = posted - owed_more
    if not shift:
        return
    leg = posting.Leg(chart.REFUNDS_PAYABLE, chart.RECEIVABLE, shift)
    if shift.amount_minor < 0:
        leg = posting.Leg(chart.RECEIVABLE, chart.REFUNDS_PAYABLE, -shift)
    posting.post_entry(
        session,
        posting.Cause(
            event=MoneyEvent.REVERSED,
            key=f"shifted:{undone.id}",
            account_id=undone.account_id,
            office_id=undone.office_id,
            bill_id=undone.bill_id,
            description=undone.description,
        ),
        [leg],
        clock=clock,
    )
