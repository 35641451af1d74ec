"""What a bank or settlement line can be matched with by people, and what it cannot."""

from typing import Final

from sqlmodel import Session, col, select

from payments.billing import account_of_office
from payments.channels import Channel
from payments.models import Bill, Office, Payment, Refund, Remittance
from payments.states import RefundStatus
from reconciliation.errors import ResolutionNotAllowedError
from reconciliation.models import MatchItem, Mismatch, SettlementLine, StatementLine
from reconciliation.states import ItemKind, Layer

MoneyBack = Refund | Remittance
Target = Payment | MoneyBack | Bill
"""What evidence can be matched with by hand."""

_MAY_HAVE_LEFT: Final = frozenset(
    {RefundStatus.SUBMITTED, RefundStatus.SUCCEEDED, RefundStatus.FAILED}
)


def find_counterpart(
    session: Session, mismatch: Mismatch, counterpart: str
) -> tuple[ItemKind, str, Target]:
    """Return the evidence (a bank or settlement line) and what it is to be matched with.

    Raises:
        ResolutionNotAllowedError: nothing or too much is named, or the two do not belong together.
    """
    if mismatch.layer is Layer.PAYOUT:
        raise ResolutionNotAllowedError("a payout is matched by its report, not by hand")
    target: Target | None
    if mismatch.item_kind is ItemKind.PAYMENT:
        evidence = [i for i in mismatch.related_items.split(";") if i and i[:8] != "payment:"]
        if counterpart and counterpart in evidence:
            evidence = [counterpart]
        if len(evidence) != 1:
            raise ResolutionNotAllowedError("name the one line that is this payment")
        kind, _, evidence_id = evidence[0].partition(":")
        target = _recorded(session, mismatch.item_id)
    else:
        kind, evidence_id = mismatch.item_kind.value, mismatch.item_id
        target = _named(session, counterpart)
    if target is None:
        raise ResolutionNotAllowedError("name a payment, a refund or a bill of this account")
    if _account_of(session, target) != mismatch.account_id:
        raise ResolutionNotAllowedError("that payment or bill is of another account")
    if kind == ItemKind.BANK:
        line = session.get_one(StatementLine, evidence_id)
        if isinstance(target, Bill) and line.amount_minor < 0:
            target = _refund_of(session, target, line)
        _check_moved(session, mismatch, line, target)
    else:
        _check_settled(session, mismatch, session.get_one(SettlementLine, evidence_id), target)
    if is_matched(session, mismatch.layer, ItemKind(kind), evidence_id):
        raise ResolutionNotAllowedError("that line is matched already")
    return ItemKind(kind), evidence_id, target


def _refund_of(session: Session, bill: Bill, line: StatementLine) -> Refund:
    """Return the one refund of a bill that a debit can be."""
    refunds = session.exec(
        select(Refund)
        .join(Payment, col(Payment.id) == col(Refund.payment_id))
        .where(Payment.bill_id == bill.id, Refund.channel == Channel.BANK_TRANSFER)
        .where(Refund.amount_minor == -line.amount_minor, Refund.account_id == line.account_id)
        .where(col(Refund.status).in_(_MAY_HAVE_LEFT))
    ).all()
    able = [
        one for one in refunds if not is_matched(session, Layer.DIRECT, ItemKind.PAYMENT, one.id)
    ]
    if len(able) != 1:
        raise ResolutionNotAllowedError(f"{len(able)} refunds of that bill could be this debit")
    return able[0]


def _check_moved(session: Session, mismatch: Mismatch, line: StatementLine, target: Target) -> None:
    if not isinstance(target, MoneyBack):
        if line.amount_minor <= 0:
            raise ResolutionNotAllowedError("a debit cannot pay a bill")
        return
    _check_sent(target, line.amount_minor, line.currency)
    if isinstance(target, Refund) and target.channel is not Channel.BANK_TRANSFER:
        raise ResolutionNotAllowedError("that refund is on its provider's report, not on a debit")
    if is_matched(session, mismatch.layer, ItemKind.PAYMENT, target.id):
        raise ResolutionNotAllowedError("that is proved by another line")


def _check_sent(target: MoneyBack, amount_minor: int, currency: str) -> None:
    """Only the very amount proves that money was sent back, and only after it was to be sent."""
    if (-amount_minor, currency) != (target.amount_minor, target.currency.value):
        raise ResolutionNotAllowedError("another amount left than was to be sent back")
    if isinstance(target, Refund) and target.status not in _MAY_HAVE_LEFT:
        raise ResolutionNotAllowedError("that refund was never sent")


def _check_settled(
    session: Session, mismatch: Mismatch, entry: SettlementLine, target: Target
) -> None:
    if isinstance(target, Bill | Remittance):
        raise ResolutionNotAllowedError(
            "a settlement line belongs to a payment or refund, not to a bill"
        )
    wanted = "payment" if isinstance(target, Payment) else "refund"
    if (entry.provider, entry.kind) != (target.channel, wanted):
        raise ResolutionNotAllowedError("that line is of another channel, or of another kind")
    if isinstance(target, Refund):
        _check_sent(target, entry.gross_minor, entry.currency)
    elif entry.gross_minor <= 0:
        raise ResolutionNotAllowedError("that line collects nothing")
    if is_matched(session, mismatch.layer, ItemKind.PAYMENT, target.id):
        raise ResolutionNotAllowedError("that payment is settled by another line")


def is_matched(session: Session, layer: Layer, kind: ItemKind, item_id: str) -> bool:
    """Whether an active match of the layer has this item."""
    query = (
        select(MatchItem.match_id)
        .where(MatchItem.layer == layer, MatchItem.item_kind == kind)
        .where(MatchItem.item_id == item_id, col(MatchItem.active))
    )
    return session.exec(query).first() is not None


def _account_of(session: Session, target: Target) -> str | None:
    if not isinstance(target, Bill):
        return target.account_id
    account = account_of_office(session, session.get_one(Office, target.office_id))
    return account.id if account is not None else None


def _recorded(session: Session, item_id: str) -> Payment | MoneyBack | None:
    """Return what an item of kind payment is: money that was paid, or that was sent."""
    found: Payment | MoneyBack | None = session.get(Payment, item_id)
    return found or session.get(Refund, item_id) or session.get(Remittance, item_id)


def _named(session: Session, counterpart: str) -> Target | None:
    kind, _, name = counterpart.partition(":")
    if kind == "payment":
        return _recorded(session, name)
    if kind == "bill":
        return session.exec(select(Bill).where(Bill.bill_reference == name.strip().upper())).first()
    return None
