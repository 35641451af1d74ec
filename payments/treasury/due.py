"""What is due to the State Treasury: confirmed, not disputed, not going back, not sent already."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from sqlmodel import Session, col, select

from payments.ledger import chart
from payments.ledger.balances import trial_balance
from payments.models import (
    Bill,
    BillLine,
    Budget,
    CollectingAccount,
    Payment,
    Refund,
    Remittance,
)
from payments.states import PaymentStatus, RefundStatus, RemittanceStatus
from payments.waivers import waived_positions

_PREFIX: Final = "payable:state_treasury:"
_BATCH: Final = 500
_GOES_BACK: Final = frozenset(
    {
        RefundStatus.REQUESTED,
        RefundStatus.APPROVED,
        RefundStatus.SUBMITTED,
        RefundStatus.SUCCEEDED,
    }
)
_UNPOSTED: Final = frozenset({RemittanceStatus.PROPOSED, RemittanceStatus.APPROVED})
_SENT: Final = _UNPOSTED | {RemittanceStatus.ORDERED}


def due_to_treasury(
    session: Session,
    account: CollectingAccount,
    *,
    disputed: Collection[str],
    besides: Remittance | None = None,
) -> dict[str, int]:
    """Return what an account owes the State Treasury now: minor units by ledger account.

    Of each bill counts what a settlement or statement line has confirmed, never more than is due,
    less what goes back or is asked back; payments in ``disputed`` (ids) count nothing. It pays the
    bill's fees in their order. From that goes off what earlier remittances hold, except
    ``besides``. It is never more than the books owe.
    """
    confirmed = _confirmed_fees(session, account, disputed)
    taken, unposted = Counter[str](), Counter[str]()
    for remittance in session.exec(
        select(Remittance).where(
            Remittance.account_id == account.id, col(Remittance.status).in_(_SENT)
        )
    ):
        if besides is None or remittance.id != besides.id:
            taken.update(remittance.parts)
            if remittance.status in _UNPOSTED:
                unposted.update(remittance.parts)
    booked = {
        row.code: -row.balance_minor
        for row in trial_balance(session, account_id=account.id)
        if row.code.startswith(_PREFIX) and row.currency is account.currency
    }
    due = {
        code: min(minor - taken[code], booked.get(code, 0) - unposted[code])
        for code, minor in sorted(confirmed.items())
    }
    return {code: minor for code, minor in due.items() if minor > 0}


def _confirmed_fees(
    session: Session, account: CollectingAccount, disputed: Collection[str]
) -> Counter[str]:
    """Everything that was ever confirmed for fees of the State Treasury, by ledger account."""
    held = Counter[str]()
    payments = session.exec(
        select(Payment)
        .where(Payment.account_id == account.id, Payment.status == PaymentStatus.SUCCEEDED)
        .where(col(Payment.confirmed_at).is_not(None))
        .execution_options(yield_per=_BATCH)
    )
    for payment in payments:
        same = payment.collected_currency == account.currency.value
        if same and payment.id not in disputed:
            held[payment.bill_id] += (payment.collected_minor or 0) - payment.kept_surcharge_minor
    fees = Counter[str]()
    ids = sorted(held)
    for start in range(0, len(ids), _BATCH):
        part = ids[start : start + _BATCH]
        back = _goes_back(session, part)
        lines = _lines(session, part)
        for bill in session.exec(select(Bill).where(col(Bill.id).in_(part))):
            covered = min(bill.due_minor, held[bill.id] - back[bill.id])
            fees.update(_covered_fees(_due_lines(session, bill, lines[bill.id]), covered))
    return fees


def _covered_fees(lines: Iterable[BillLine], covered: int) -> Counter[str]:
    """What an amount covers of these fees, one after the other, where they are the Treasury's."""
    fees = Counter[str]()
    for line in lines:
        paid = min(line.amount_minor, max(0, covered))
        covered -= paid
        if line.budget is Budget.STATE_TREASURY and paid:
            fees[chart.earned(line.budget, line.fee_code)] += paid
    return fees


def _due_lines(session: Session, bill: Bill, lines: Sequence[BillLine]) -> list[BillLine]:
    if bill.due_minor == bill.amount_minor:
        return list(lines)
    waived = waived_positions(session, bill)
    return [line for line in lines if line.position not in waived]


def _lines(session: Session, bill_ids: Sequence[str]) -> dict[str, list[BillLine]]:
    lines: dict[str, list[BillLine]] = {bill_id: [] for bill_id in bill_ids}
    for line in session.exec(
        select(BillLine)
        .where(col(BillLine.bill_id).in_(bill_ids))
        .order_by(col(BillLine.bill_id), col(BillLine.position))
    ):
        lines[line.bill_id].append(line)
    return lines


def _goes_back(session: Session, bill_ids: Sequence[str]) -> Counter[str]:
    """What was sent back of each bill, is on its way back, or is asked back."""
    back = Counter[str]()
    rows = session.exec(
        select(Payment.bill_id, Refund.amount_minor)
        .join(Payment, col(Payment.id) == col(Refund.payment_id))
        .where(col(Payment.bill_id).in_(bill_ids), col(Refund.status).in_(_GOES_BACK))
    )
    for bill_id, amount in rows:
        back[bill_id] += amount
    return back
