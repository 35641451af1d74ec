"""What an approved decision about a mismatch does to payments, matches and books."""

import hashlib
from typing import Final

from sqlmodel import Session, col, select

from core.actors import SYSTEM
from core.clock import Clock, at_vietnam_time
from core.money import Currency, Money
from payments.billing import account_of_office
from payments.channels import Channel
from payments.collection import confirm_payment, lock_bill, open_transfer, reverse_payment
from payments.ledger import chart, posting
from payments.ledger.models import MoneyEvent
from payments.models import Bill, Office, Payment, Refund, Remittance
from payments.states import PaymentStatus, RefundStatus
from reconciliation.booking import book_match, signed
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

MoneyBack = Refund | Remittance
Target = Payment | MoneyBack | Bill
"""What evidence can be matched with by hand."""

_MAY_HAVE_LEFT: Final = frozenset(
    {RefundStatus.SUBMITTED, RefundStatus.SUCCEEDED, RefundStatus.FAILED}
)


def check(session: Session, mismatch: Mismatch, kind: ResolutionKind, counterpart: str) -> None:
    """Refuse a decision that cannot be carried out, before anybody approves it.

    Raises:
        ResolutionNotAllowedError: with the reason in its detail.
    """
    if kind is ResolutionKind.ACCEPT:
        return
    if kind is ResolutionKind.MATCH:
        _counterpart(session, mismatch, counterpart)
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
    evidence_kind, evidence_id, target = _counterpart(session, mismatch, resolution.related_items)
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


def _counterpart(
    session: Session, mismatch: Mismatch, counterpart: str
) -> tuple[ItemKind, str, Target]:
    """Return the evidence (a bank or settlement line) and what it is to be matched with."""
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
    if _is_matched(session, mismatch.layer, ItemKind(kind), evidence_id):
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
        one for one in refunds if not _is_matched(session, Layer.DIRECT, ItemKind.PAYMENT, one.id)
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
    if _is_matched(session, mismatch.layer, ItemKind.PAYMENT, target.id):
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
    if _is_matched(session, mismatch.layer, ItemKind.PAYMENT, target.id):
        raise ResolutionNotAllowedError("that payment is settled by another line")


def _is_matched(session: Session, layer: Layer, kind: ItemKind, item_id: str) -> bool:
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
        and not _is_matched(session, Layer.DIRECT, ItemKind.PAYMENT, payment.id)
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
