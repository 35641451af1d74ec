"""Reads of remittances to the State Treasury."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from payments.errors import RemittanceNotFoundError
from payments.models import CollectingAccount, Remittance, RemittanceOrder
from payments.queries.scope import ROOT, Page, account_in, by_id, paginate
from payments.states import RemittanceStatus


@dataclass(frozen=True, slots=True)
class RemittanceView:
    """A remittance with its account, and the order for the bank once there is one."""

    remittance: Remittance
    account: CollectingAccount
    order: RemittanceOrder | None


def list_remittances(
    session: Session, *, scope: str, status: RemittanceStatus | None = None, page: int = 1
) -> Page[RemittanceView]:
    """Return the remittances of the subtree's accounts, the newest first."""
    query = (
        select(Remittance)
        .where(account_in(col(Remittance.account_id), scope))
        .order_by(col(Remittance.created_at).desc(), col(Remittance.id).desc())
    )
    if status is not None:
        query = query.where(col(Remittance.status) == status)
    found = paginate(session, query, page)
    return Page(_views(session, found.rows), found.number, found.total)


def get_remittance_view(
    session: Session, remittance_id: str, *, scope: str = ROOT
) -> RemittanceView:
    """Return a remittance of the subtree.

    Raises:
        RemittanceNotFoundError: there is none here.
    """
    found = session.exec(
        select(Remittance)
        .where(Remittance.id == remittance_id)
        .where(account_in(col(Remittance.account_id), scope))
    ).first()
    if found is None:
        raise RemittanceNotFoundError
    return _views(session, [found])[0]


def _views(session: Session, rows: Sequence[Remittance]) -> list[RemittanceView]:
    accounts = by_id(session, CollectingAccount, [row.account_id for row in rows])
    orders = {
        order.remittance_id: order
        for order in session.exec(
            select(RemittanceOrder).where(
                col(RemittanceOrder.remittance_id).in_([row.id for row in rows])
            )
        )
    }
    return [RemittanceView(row, accounts[row.account_id], orders.get(row.id)) for row in rows]
