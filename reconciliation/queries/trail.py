"""Reads for the auditor: one payment's trail, and what an identifier names."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_
from sqlmodel import Session, col, select

from core.audit import AuditEvent
from payments.models import (
    Bill,
    GatewayEvent,
    Payment,
    Receipt,
    Refund,
)
from payments.queries import (
    MAX_HITS,
    EntryView,
    PaymentView,
    account_in,
    get_payment_view,
    list_audit,
    list_entries_about,
    list_entries_of_bill,
    list_gateway_events,
    list_receipts,
)
from reconciliation.models import (
    Match,
    MatchItem,
    Mismatch,
    SettlementLine,
    StatementLine,
)
from reconciliation.queries.evidence import load_evidence
from reconciliation.states import (
    ItemKind,
    Layer,
    MatchStatus,
)


@dataclass(frozen=True, slots=True)
class MatchView:
    """A decision that items are the same money, with the items themselves."""

    match: Match
    items: list[MatchItem]


@dataclass(frozen=True, slots=True)
class Trail:
    """Everything about one payment, from the click to the bank line.

    ``provider`` are the payment's own lines; ``siblings`` counts the other lines of its payout.
    """

    view: PaymentView
    attempts: list[Payment]
    events: list[GatewayEvent]
    refunds: list[Refund]
    receipts: list[Receipt]
    matches: list[MatchView]
    provider: list[SettlementLine]
    siblings: int
    bank: list[StatementLine]
    entries: list[EntryView]
    mismatches: list[Mismatch]
    audit: list[AuditEvent]


def trail_of_payment(session: Session, payment_id: str, *, scope: str) -> Trail:
    """Return everything about one payment, from the click to the bank line.

    Raises:
        PaymentNotFoundError: there is none in the subtree.
    """
    view = get_payment_view(session, payment_id, scope=scope)
    refunds = list(session.exec(select(Refund).where(Refund.payment_id == payment_id)))
    own = [(ItemKind.PAYMENT.value, one) for one in (payment_id, *(r.id for r in refunds))]
    matches = _follow_matches(session, own)
    siblings = _lines_in(matches, Layer.PAYOUT) - _lines_in(matches, Layer.PROVIDER)
    items = {(i.item_kind.value, i.item_id) for m in matches for i in m.items} | set(own)
    items = {item for item in items if item[1] not in siblings}
    evidence = load_evidence(session, sorted(items))
    bill = view.bill
    receipts = list_receipts(session, payment_id)
    mismatches = _mismatches_about(session, items, payment_id)
    subjects = [bill.id, payment_id, *(r.id for r in refunds), *(m.id for m in mismatches)]
    return Trail(
        view=view,
        attempts=list(
            session.exec(
                select(Payment).where(Payment.bill_id == bill.id).order_by(col(Payment.attempt))
            )
        ),
        events=list_gateway_events(session, payment_id),
        refunds=refunds,
        receipts=receipts,
        matches=matches,
        provider=evidence.provider,
        siblings=len(siblings),
        bank=evidence.bank,
        entries=_entries_about(session, bill, matches, evidence.bank),
        mismatches=mismatches,
        audit=list_audit(session, subjects),
    )


def bank_lines_of_payment(session: Session, payment_id: str) -> list[StatementLine]:
    """Return the bank's credits that show a payment's money: its own, or its provider's payout."""
    matches = _follow_matches(session, [(ItemKind.PAYMENT.value, payment_id)])
    lines = {i.item_id for m in matches for i in m.items if i.item_kind is ItemKind.BANK}
    query = select(StatementLine).where(
        col(StatementLine.id).in_(lines), StatementLine.amount_minor > 0
    )
    return list(
        session.exec(query.order_by(col(StatementLine.booking_date), col(StatementLine.id)))
    )


def _follow_matches(session: Session, start: Sequence[tuple[str, str]]) -> list[MatchView]:
    """Follow active matches from items to their counterparts, layer by layer."""
    found: dict[str, MatchView] = {}
    for layers in ((Layer.PROVIDER, Layer.DIRECT), (Layer.PAYOUT,)):
        reached = {i.item_id for m in found.values() for i in m.items} | {i for _, i in start}
        ids = session.exec(
            select(MatchItem.match_id).where(
                col(MatchItem.layer).in_(layers),
                col(MatchItem.active),
                col(MatchItem.item_id).in_(reached),
            )
        ).all()
        items: dict[str, list[MatchItem]] = {}
        for item in session.exec(select(MatchItem).where(col(MatchItem.match_id).in_(set(ids)))):
            items.setdefault(item.match_id, []).append(item)
        for match in session.exec(
            select(Match).where(col(Match.id).in_(set(ids)), Match.status == MatchStatus.ACTIVE)
        ):
            found[match.id] = MatchView(match, items[match.id])
    return list(found.values())


def _lines_in(matches: Sequence[MatchView], layer: Layer) -> set[str]:
    return {
        item.item_id
        for view in matches
        for item in view.items
        if view.match.layer is layer and item.item_kind is ItemKind.SETTLEMENT
    }


def _mismatches_about(
    session: Session, items: set[tuple[str, str]], payment_id: str
) -> list[Mismatch]:
    return list(
        session.exec(
            select(Mismatch)
            .where(
                or_(
                    col(Mismatch.item_id).in_({item_id for _, item_id in items}),
                    col(Mismatch.related_items).contains(payment_id, autoescape=True),
                )
            )
            .order_by(col(Mismatch.opened_at))
        )
    )


def _entries_about(
    session: Session, bill: Bill, matches: Sequence[MatchView], bank: Sequence[StatementLine]
) -> list[EntryView]:
    """The bill's own entries, those of its matches, and those of the bank lines that carried it."""
    of_bill = list_entries_of_bill(session, bill.id)
    seen = {view.entry.id for view in of_bill}
    about = list_entries_about(
        session,
        keys=[f"statement_line:{line.id}" for line in bank],
        prefixes=[f"match:{view.match.id}:" for view in matches],
    )
    others = [view for view in about if view.entry.id not in seen]
    return sorted(of_bill + others, key=lambda view: (view.entry.posted_at, view.entry.id))


def search_lines(
    session: Session, text: str, *, scope: str
) -> tuple[list[SettlementLine], list[StatementLine]]:
    """Return settlement and bank lines that a provider's id, a payout or a bank ref names."""
    text = text.strip()
    if not text:
        return [], []
    provider = session.exec(
        select(SettlementLine)
        .where(
            account_in(col(SettlementLine.account_id), scope),
            or_(
                col(SettlementLine.id) == text,
                col(SettlementLine.provider_txn_id) == text,
                col(SettlementLine.bill_reference) == text.upper(),
                col(SettlementLine.payout_id) == text,
            ),
        )
        .limit(MAX_HITS)
    )
    bank = session.exec(
        select(StatementLine)
        .where(
            account_in(col(StatementLine.account_id), scope),
            or_(
                col(StatementLine.id) == text,
                col(StatementLine.bank_ref) == text,
                col(StatementLine.narrative).contains(text, autoescape=True),
            ),
        )
        .limit(MAX_HITS)
    )
    return list(provider), list(bank)


def payments_of_line(session: Session, item_id: str) -> list[str]:
    """Return the ids of the payments that active matches connect with a line, through any layer."""
    reached, ids = {item_id}, []
    for layer in (Layer.PAYOUT, Layer.PROVIDER, Layer.DIRECT):
        matches = select(MatchItem.match_id).where(
            MatchItem.layer == layer, col(MatchItem.active), col(MatchItem.item_id).in_(reached)
        )
        for item in session.exec(select(MatchItem).where(col(MatchItem.match_id).in_(matches))):
            if item.item_kind is ItemKind.PAYMENT:
                ids.append(item.item_id)
            else:
                reached.add(item.item_id)
    return ids
