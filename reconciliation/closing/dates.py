"""On which day an item happened that a mismatch is about."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlmodel import Session, col, select

from core.clock import business_day
from payments.models import CollectingAccount, Payment, Refund, Remittance
from payments.queries import by_id
from reconciliation.models import Mismatch, SettlementLine, StatementLine
from reconciliation.queries.mismatches import LIVE
from reconciliation.states import Layer

_BATCH: Final = 500


def mismatches_up_to(
    session: Session, account: CollectingAccount, day: date
) -> Iterator[tuple[Mismatch, date]]:
    """Yield the live mismatches about items that happened on a day or before, with their days."""
    live = session.exec(
        select(Mismatch)
        .where(Mismatch.account_id == account.id, col(Mismatch.status).in_(LIVE))
        .order_by(col(Mismatch.opened_at), col(Mismatch.id))
    ).all()
    rows = _rows(session, sorted({mismatch.item_id for mismatch in live}))
    for mismatch in live:
        row = rows.get(mismatch.item_id)
        when = business_day(mismatch.opened_at)
        if row is not None:
            when = _day_of(row, paid_out=mismatch.layer is Layer.PAYOUT)
        if when <= day:
            yield mismatch, when


def _rows(session: Session, ids: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for start in range(0, len(ids), _BATCH):
        part = ids[start : start + _BATCH]
        for table in (Payment, Refund, Remittance, SettlementLine, StatementLine):
            found |= by_id(session, table, part)
    return found


def _day_of(row: Any, *, paid_out: bool) -> date:
    if isinstance(row, SettlementLine):
        return row.payout_date if paid_out else _happened(row)
    if isinstance(row, StatementLine):
        return row.booking_date
    if isinstance(row, Payment):
        return business_day(row.paid_at or row.created_at)
    sent_at = row.submitted_at if isinstance(row, Refund) else row.instructed_at
    return business_day(sent_at or row.created_at)


def _happened(line: SettlementLine) -> date:
    """The day a report says; where it says none that can be read, that of its payout."""
    try:
        happened = datetime.fromisoformat(line.occurred_at)
    except ValueError:
        return line.payout_date
    return business_day(happened) if happened.tzinfo else line.payout_date
