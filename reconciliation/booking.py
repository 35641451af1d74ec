"""What matches and decisions do to payments and books: money leaves suspense and clearing."""

from datetime import datetime

from sqlmodel import Session, select

from core.clock import Clock, at_vietnam_time
from core.money import Currency, Money
from payments.channels import Channel
from payments.collection import confirm_payment, lock_payment, reverse_payment
from payments.ledger import chart, posting
from payments.ledger.models import JournalEntry, MoneyEvent
from payments.models import Payment, Refund, Remittance
from payments.ports import GatewayNotice, NoticeKind, Outcome
from payments.refunds import doubt_refund, lock_refund, record_refund_outcome
from payments.states import PaymentStatus, RefundStatus
from reconciliation.models import Match, MatchItem, SettlementLine, StatementLine
from reconciliation.states import ItemKind, Layer


def book_match(session: Session, match: Match, items: list[MatchItem], *, clock: Clock) -> None:
    """Let a new match take effect: evidence confirms payments, and its money is posted."""
    if match.layer is Layer.PROVIDER:
        _book_provider(session, match, items, clock=clock)
    elif match.layer is Layer.PAYOUT:
        _book_payout(session, match, items, clock=clock)
    else:
        _book_direct(session, match, items, clock=clock)


def unbook_match(
    session: Session, match: Match, items: list[MatchItem], reason: str, *, clock: Clock
) -> None:
    """Undo what a superseded match did: reversing entries, and payments no longer confirmed.

    A transfer or a refund that only this match had proved is open again; what a channel told us
    stands.
    """
    entries = session.exec(
        select(JournalEntry)
        .where(JournalEntry.event_key.startswith(f"match:{match.id}"))
        .order_by(JournalEntry.event_key)
    ).all()
    for entry in entries:
        posting.reverse_entry(session, entry, MoneyEvent.CORRECTION, clock=clock)
    proved = {item.item_id for item in items if item.collected}
    for payment in _payments(session, items):
        payment.confirmed_at = None
        session.add(payment)
        if payment.id in proved and payment.status is PaymentStatus.SUCCEEDED:
            reverse_payment(session, payment, reason, clock=clock)
    for refund in _refunds(session, items):
        if refund.id in proved and refund.status is RefundStatus.SUCCEEDED:
            doubt_refund(session, refund, clock=clock)


def _book_provider(session: Session, match: Match, items: list[MatchItem], *, clock: Clock) -> None:
    lines = _settlement_lines(session, items)
    for payment in _payments(session, items):
        payment.confirmed_at = clock()
        session.add(payment)
    _prove_refunds(session, items, clock=clock)
    for line in lines:
        charged = Money(line.gross_minor - line.net_minor, Currency(line.currency))
        if charged:
            _post(
                session,
                match,
                f"fee:{line.id}",
                MoneyEvent.SETTLED,
                signed(chart.fee_expense(line.provider), chart.clearing(line.provider), charged),
                clock=clock,
            )


def _book_payout(session: Session, match: Match, items: list[MatchItem], *, clock: Clock) -> None:
    lines = _settlement_lines(session, items)
    clearing = chart.clearing(lines[0].provider)
    for credit in _bank_lines(session, items):
        amount = Money(credit.amount_minor, Currency(credit.currency))
        leg = signed(chart.SUSPENSE, clearing, amount)
        _post(session, match, credit.id, MoneyEvent.PAYOUT, leg, clock=clock)


def _book_direct(session: Session, match: Match, items: list[MatchItem], *, clock: Clock) -> None:
    bank_lines = _bank_lines(session, items)
    arrived = at_vietnam_time(max(line.value_date for line in bank_lines))
    by_id = {item.item_id: item for item in items}
    bank_ref = bank_lines[0].bank_ref if len(bank_lines) == 1 else ""
    for known in _payments(session, items):
        item, payment = by_id[known.id], _as_of_now(session, known)
        if payment.status is not PaymentStatus.SUCCEEDED:
            confirm_payment(
                session,
                payment,
                Money(item.amount_minor, payment.currency),
                provider_txn_id=bank_ref or None,
                occurred_at=arrived,
                clock=clock,
            )
            item.collected = True
            session.add(item)
        payment.confirmed_at = clock()
        session.add(payment)
    _prove_refunds(session, items, clock=clock)
    remitted = any(session.get(Remittance, item.item_id) for item in items)
    clearing = chart.CLEARING_REMITTANCE if remitted else chart.clearing(Channel.BANK_TRANSFER)
    for line in bank_lines:
        amount = Money(line.amount_minor, Currency(line.currency))
        leg = signed(chart.SUSPENSE, clearing, amount)
        _post(session, match, line.id, MoneyEvent.CONFIRMED, leg, clock=clock)


def _prove_refunds(session: Session, items: list[MatchItem], *, clock: Clock) -> None:
    """Let a bank's debit or a provider's line end the doubt about the refunds that it shows."""
    by_id = {item.item_id: item for item in items}
    for refund in _refunds(session, items):
        unproved = lock_refund(session, refund.id).status is not RefundStatus.SUCCEEDED
        record_refund_outcome(session, refund, _proof_of(refund, clock()), clock=clock)
        by_id[refund.id].collected = unproved
        session.add(by_id[refund.id])


def _post(
    session: Session,
    match: Match,
    key: str,
    event: MoneyEvent,
    leg: posting.Leg,
    *,
    clock: Clock,
) -> None:
    cause = posting.Cause(
        event=event,
        key=f"match:{match.id}:{key}",
        account_id=match.account_id,
        description=f"{match.layer} {match.rule}",
    )
    posting.post_entry(session, cause, [leg], clock=clock)


def signed(debit: str, credit: str, amount: Money) -> posting.Leg:
    """A transfer of a signed amount: a negative one goes the other way."""
    if amount.amount_minor < 0:
        return posting.Leg(credit, debit, -amount)
    return posting.Leg(debit, credit, amount)


def _ids(items: list[MatchItem], kind: ItemKind) -> list[str]:
    return sorted(item.item_id for item in items if item.item_kind is kind)


def _payments(session: Session, items: list[MatchItem]) -> list[Payment]:
    found = (session.get(Payment, item_id) for item_id in _ids(items, ItemKind.PAYMENT))
    return [payment for payment in found if payment is not None]


def _as_of_now(session: Session, payment: Payment) -> Payment:
    """The payment, held and read again unless it is known to be collected.

    A run reads all payments first; a channel's notice may have come in since.
    """
    if payment.status is PaymentStatus.SUCCEEDED:
        return payment
    return lock_payment(session, payment.id)


def _refunds(session: Session, items: list[MatchItem]) -> list[Refund]:
    found = (session.get(Refund, item_id) for item_id in _ids(items, ItemKind.PAYMENT))
    return [refund for refund in found if refund is not None]


def _proof_of(refund: Refund, at: datetime) -> GatewayNotice:
    """What a bank's debit or a provider's line says of a refund, in the words of a channel."""
    return GatewayNotice(
        event_key="",
        kind=NoticeKind.REFUND,
        merchant_reference=refund.refund_reference,
        outcome=Outcome.SUCCEEDED,
        amount=Money(refund.amount_minor, refund.currency),
        occurred_at=at,
    )


def _settlement_lines(session: Session, items: list[MatchItem]) -> list[SettlementLine]:
    return [
        session.get_one(SettlementLine, item_id) for item_id in _ids(items, ItemKind.SETTLEMENT)
    ]


def _bank_lines(session: Session, items: list[MatchItem]) -> list[StatementLine]:
    return [session.get_one(StatementLine, item_id) for item_id in _ids(items, ItemKind.BANK)]
