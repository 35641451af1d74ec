"""Payments about which something is open: no money of theirs is sent on until it is cleared."""

from sqlmodel import Session, col, select

from payments.models import CollectingAccount
from reconciliation.models import MatchItem, Mismatch
from reconciliation.queries.evidence import parse_items
from reconciliation.queries.mismatches import LIVE
from reconciliation.states import ItemKind

_BATCH = 500


def disputed_payments(session: Session, account: CollectingAccount) -> frozenset[str]:
    """Return the ids of payments that an open mismatch is about, or names, or whose line it is.

    That includes money on its way: a reported payment whose payout has not arrived is not there
    to be sent on.
    """
    open_ones = session.exec(
        select(Mismatch).where(Mismatch.account_id == account.id, col(Mismatch.status).in_(LIVE))
    ).all()
    named = {(row.item_kind.value, row.item_id) for row in open_ones}
    named |= {pair for row in open_ones for pair in parse_items(row.related_items)}
    payments = {item_id for kind, item_id in named if kind == ItemKind.PAYMENT}
    lines = sorted(item_id for kind, item_id in named if kind != ItemKind.PAYMENT)
    for start in range(0, len(lines), _BATCH):
        matches = select(MatchItem.match_id).where(
            col(MatchItem.active), col(MatchItem.item_id).in_(lines[start : start + _BATCH])
        )
        payments.update(
            session.exec(
                select(MatchItem.item_id)
                .where(col(MatchItem.active), MatchItem.item_kind == ItemKind.PAYMENT)
                .where(col(MatchItem.match_id).in_(matches))
            )
        )
    return frozenset(payments)
