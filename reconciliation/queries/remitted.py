"""Reads of the debits with which banks have shown that remittances left."""

from collections.abc import Sequence

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from reconciliation.models import MatchItem, StatementLine
from reconciliation.states import ItemKind, Layer


def debits_of(session: Session, remittance_ids: Sequence[str]) -> dict[str, StatementLine]:
    """Return the bank line that each remittance is matched with, where there is one."""
    ours = aliased(MatchItem)
    rows = session.exec(
        select(ours.item_id, StatementLine)
        .join(MatchItem, col(MatchItem.match_id) == col(ours.match_id))
        .join(StatementLine, col(StatementLine.id) == col(MatchItem.item_id))
        .where(col(ours.item_id).in_(remittance_ids), col(ours.active), col(MatchItem.active))
        .where(col(ours.layer) == Layer.DIRECT, col(MatchItem.item_kind) == ItemKind.BANK)
    )
    return dict(rows.all())
