"""What an approved decision about a mismatch does to payments, matches and books."""

import hashlib
from typing import Final

from sqlmodel import Session, select

from core.actors import SYSTEM
from core.clock import Clock, at_vietnam_time
from core.money import Currency, Money
from payments.channels import Channel
from payments.collection import confirm_payment, lock_bill, open_transfer, reverse_payment
from payments.ledger import chart, posting
from payments.ledger.models import MoneyEvent
from payments.models import Bill, Payment, Refund, Remittance
from payments.states import PaymentStatus
from reconciliation.booking import book_match, signed
from reconciliation.counterparts import MoneyBack, find_counterpart, is_matched
from reconciliation.errors import ResolutionNotAllowedError
from reconciliation.models import (
    Match,
    MatchItem,
    Mismatch,
    Resolution,
    SettlementLine,
    StatementLine,
)
from reconciliation.states import ItemKind, Layer, MismatchType, ResolutionKind

ENGINE: Final = SYSTEM
BY_PERSON: Final = "by_person"
"""``Match.rule`` of a match that two people decided."""


def check(session: Session, mismatch: Mismatch, kind: ResolutionKind, counterpart: str) -> None:
    """Refuse a decision that cannot be carried out, before anybody approves it.

    Raises:
        ResolutionNotAllowedError: with the reason in its detail.
    """
    if kind is ResolutionKind.ACCEPT:
        return
    if kind is ResolutionKind.MATCH:
        find_counterpart(session, mismatch, counterpart)
        return
    if kind is ResolutionKind.WRITE_OFF:
        written_off(session, mismatch)
        return
    if mismatch.item_kind is ItemKind.PAYMENT:
        raise ResolutionNotAllowedError("no money arrived here that could be booked")
    if not can_be_booked(mismatch):
        raise ResolutionNotAllowedError("this money is recorded already: booking it counts twice")
    if kind is ResolutionKind.RETURN_TO_PAYER and mismatch.amount_minor <= 0:
        raise ResolutionNotAllowedError("only money that came in can be returned")


def can_be_booked(mismatch: Mismatch) -> bool:
    """Whether an item moved money that waits in the books to be explained.

    A bank line waits in suspense. A settlement line moves money only if nothing recorded it.
    """
    if mismatch.item_kind is ItemKind.SETTLEMENT:
        return mismatch.layer is Layer.PROVIDER and mismatch.type in _UNRECORDED
    return mismatch.item_kind is ItemKind.BANK


def carry_out(
    session: Session, mismatch: Mismatch, resolution: Resolution, *, decided_by: str, clock: Clock
) -> None:
    """Do what was decided; the caller closes the mismatch in the same transaction."""
    if resolution.kind is ResolutionKind.MATCH:
        _match(session, mismatch, resolution, decided_by=decided_by, clock=clock)
    elif resolution.kind is ResolutionKind.RETURN_TO_PAYER:
        _book(session, mismatch, resolution, chart.REFUNDS_PAYABLE, clock=clock)
    elif resolution.kind is ResolutionKind.BOOK_AS_OTHER:
        _book_as_other(session, mismatch, resolution, clock=clock)
    elif resolution.kind is ResolutionKind.WRITE_OFF:
        _write_off(session, mismatch, resolution, clock=clock)


def payment_amount(session: Session, item_id: str) -> tuple[int, str]:
    """Return the signed amount of an item of kind payment: a payment, refund or remittance."""
    payment = session.get(Payment, item_id)
    if payment is not None:
        return payment.amount_minor, payment.currency.value
    refund = session.get(Refund, item_id)
    if refund is not None:
        return -refund.amount_minor, refund.currency.value
    remittance = session.get_one(Remittance, item_id)
    return -remittance.amount_minor, remittance.currency.value


def _match(
    session: Session, mismatch: Mismatch, resolution: Resolution, *, decided_by: str, clock: Clock
) -> None:
    evidence_kind, evidence_id, target = find_counterpart(
        session, mismatch, resolution.related_items
    )
    matched: Payment | MoneyBack
    if evidence_kind is ItemKind.BANK:
        line = session.get_one(StatementLine, evidence_id)
        money = Money(line.amount_minor, Currency(line.currency))
        if isinstance(target, MoneyBack):
            matched = target
        else:
            matched = _collect_transfer(session, target, line, money, clock=clock)
    else:
        entry = session.get_one(SettlementLine, evidence_id)
        money = Money(entry.gross_minor, Currency(entry.currency))
        assert not isinstance(target, Bill)  # noqa: S101 - _counterpart allows bills only for bank lines
        matched = target
        if isinstance(matched, Payment):
            _collect_settled(session, matched, entry, resolution, clock=clock)
    spots = sorted(
        f"{mismatch.layer}|{kind}|{item}"
        for kind, item in ((ItemKind.PAYMENT, matched.id), (evidence_kind, evidence_id))
    )
    key = f"m{hashlib.sha256(chr(10).join(spots).encode()).hexdigest()[:16]}"
    match = Match(
        match_key=key,
        account_id=mismatch.account_id,
        layer=mismatch.layer,
        rule=BY_PERSON,
        confidence="1",
        decided_by=decided_by,
        created_at=clock(),
    )
    session.add(match)
    session.flush()
    items = [
        MatchItem(
            match_id=match.id,
            layer=mismatch.layer,
            item_kind=kind,
            item_id=item,
            amount_minor=money.amount_minor,
        )
        for kind, item in ((ItemKind.PAYMENT, matched.id), (evidence_kind, evidence_id))
    ]
    session.add_all(items)
    session.flush()
    book_match(session, match, items, clock=clock)


def _collect_transfer(
    session: Session,
    target: Payment | Bill,
    line: StatementLine,
    money: Money,
    *,
    clock: Clock,
) -> Payment:
    """Take a credit onto a transfer as received; anything else gets a further transfer for it.

    A transfer that a credit notice told of waits for its line: the same money is one receipt.
    """
    payment = target if isinstance(target, Payment) else None
    if payment is not None and _is_told_of(session, payment, money):
        return payment
    waits = payment is not None and payment.channel is Channel.BANK_TRANSFER
    if payment is None or not waits or payment.status is PaymentStatus.SUCCEEDED:
        bill = lock_bill(session, target.bill_id if isinstance(target, Payment) else target.id)
        payment = open_transfer(session, bill, line.account_id, money, clock=clock)
    confirm_payment(
        session,
        payment,
        money,
        provider_txn_id=None,
        occurred_at=at_vietnam_time(line.value_date),
        clock=clock,
    )
    return payment


def _is_told_of(session: Session, payment: Payment, money: Money) -> bool:
    """Whether a notice told of just this money, and no line has been matched with it yet."""
    return (
        payment.channel is Channel.BANK_TRANSFER
        and payment.status is PaymentStatus.SUCCEEDED
        and payment.collected_minor == money.amount_minor
        and payment.collected_currency == money.currency.value
        and not is_matched(session, Layer.DIRECT, ItemKind.PAYMENT, payment.id)
    )


def _collect_settled(
    session: Session,
    payment: Payment,
    entry: SettlementLine,
    resolution: Resolution,
    *,
    clock: Clock,
) -> None:
    """Take a settlement line as received; what it differs by from the notice is corrected."""
    money = Money(entry.gross_minor, Currency(entry.currency))
    if payment.status is not PaymentStatus.SUCCEEDED:
        confirm_payment(
            session,
            payment,
            money,
            provider_txn_id=entry.provider_txn_id,
            occurred_at=payment.created_at,
            clock=clock,
        )
        return
    difference = money.amount_minor - (payment.collected_minor or payment.amount_minor)
    if difference:
        clearing = chart.clearing(payment.channel)
        sides = (clearing, chart.SUSPENSE) if difference > 0 else (chart.SUSPENSE, clearing)
        posting.post_entry(
            session,
            posting.Cause(
                event=MoneyEvent.CORRECTION,
                key=f"resolution:{resolution.id}",
                account_id=payment.account_id,
                bill_id=payment.bill_id,
                description="settled amount differs from the collected one",
            ),
            [posting.Leg(*sides, Money(abs(difference), money.currency))],
            clock=clock,
        )


def _book_as_other(
    session: Session, mismatch: Mismatch, resolution: Resolution, *, clock: Clock
) -> None:
    payment = _charged_back(session, mismatch)
    if payment is not None:
        reverse_payment(session, payment, resolution.reason, clock=clock)
        entry = session.get_one(SettlementLine, mismatch.item_id)
        if legs := _fee_legs(mismatch, entry):
            cause = _cause(mismatch, resolution, MoneyEvent.CHARGEBACK)
            posting.post_entry(session, cause, legs, clock=clock)
        return
    credit = mismatch.amount_minor > 0
    other = chart.OTHER_INCOME if credit else chart.OTHER_EXPENSE
    _book(session, mismatch, resolution, other, clock=clock)


def _charged_back(session: Session, mismatch: Mismatch) -> Payment | None:
    """Return the collected payment that a chargeback line takes back, if it names one."""
    if mismatch.type is not MismatchType.CHARGEBACK:
        return None
    entry = session.get_one(SettlementLine, mismatch.item_id)
    payment = session.exec(
        select(Payment)
        .where(Payment.channel == entry.provider, Payment.account_id == entry.account_id)
        .where(Payment.provider_txn_id == entry.provider_txn_id)
        .where(Payment.status == PaymentStatus.SUCCEEDED)
    ).first()
    whole = payment is not None and payment.collected_minor == -entry.gross_minor
    return payment if whole else None


def _book(
    session: Session, mismatch: Mismatch, resolution: Resolution, account: str, *, clock: Clock
) -> None:
    """Move the item's money from where it waits to the account that was decided."""
    amount = Money(mismatch.amount_minor, Currency(mismatch.currency))
    if mismatch.item_kind is ItemKind.BANK:
        legs = [signed(chart.SUSPENSE, account, amount)]
    else:
        entry = session.get_one(SettlementLine, mismatch.item_id)
        legs = [signed(chart.clearing(entry.provider), account, amount)]
        legs += _fee_legs(mismatch, entry)
    cause = _cause(mismatch, resolution, MoneyEvent.RESOLVED)
    posting.post_entry(session, cause, legs, clock=clock)


def _fee_legs(mismatch: Mismatch, entry: SettlementLine) -> list[posting.Leg]:
    """What the provider keeps of a line that no match books: its payout brings only the net."""
    charged = Money(entry.gross_minor - entry.net_minor, Currency(entry.currency))
    if mismatch.layer is not Layer.PROVIDER or not charged:
        return []
    return [signed(chart.fee_expense(entry.provider), chart.clearing(entry.provider), charged)]


_UNRECORDED: Final = frozenset(
    {
        MismatchType.UNRECORDED_RECEIPT,
        MismatchType.UNRECORDED_REFUND,
        MismatchType.CHARGEBACK,
        MismatchType.DUPLICATE_PAYMENT,
    }
)


def _write_off(
    session: Session, mismatch: Mismatch, resolution: Resolution, *, clock: Clock
) -> None:
    payment = session.get_one(Payment, mismatch.item_id)
    amount = written_off(session, mismatch)
    leg = posting.Leg(chart.WRITE_OFF, chart.clearing(payment.channel), amount)
    cause = _cause(mismatch, resolution, MoneyEvent.WRITE_OFF)
    posting.post_entry(session, cause, [leg], clock=clock)


def written_off(session: Session, mismatch: Mismatch) -> Money:
    """Return what a write-off gives up: what we recorded as collected.

    Raises:
        ResolutionNotAllowedError: nothing was recorded as collected.
    """
    payment = session.get(Payment, mismatch.item_id)
    if payment is None or payment.status is not PaymentStatus.SUCCEEDED:
        raise ResolutionNotAllowedError("only what we recorded as collected can be written off")
    collected = payment.collected_minor or payment.amount_minor
    return Money(collected, Currency(payment.collected_currency or payment.currency))


def _cause(mismatch: Mismatch, resolution: Resolution, event: MoneyEvent) -> posting.Cause:
    return posting.Cause(
        event=event,
        key=f"resolution:{resolution.id}",
        account_id=mismatch.account_id,
        office_id=mismatch.office_id,
        description=f"{resolution.kind}: {mismatch.type}",
    )
