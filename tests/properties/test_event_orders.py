"""Whatever order a payment's messages come in, doubled or lost: one final state, the provider's.

Every order of up to eight events is walked: all subsets (what is lost), all orders, with doubled
messages among the events. States that are equal with the same events left are walked once, which
loses no order. Wherever the walk stops, asking the channel must lead to the provider's truth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from sqlmodel import Session, col, select

from payments.inbox import apply_notice, process_gateway_event, record_gateway_event
from payments.ledger.balances import balance_of
from payments.models import Bill, GatewayEvent, Payment, Receipt, ReceiptStatus
from payments.ports import RawEvent
from payments.states import BillStatus, PaymentStatus
from tests.factories import a_bill, a_city, a_payment
from tests.support.books import assert_books_agree
from tests.support.clock import FrozenClock
from tests.support.gateway import FakeGateway, a_notice, raw_notice, read_notice

FEE = 83_000
MERCHANT, OTHER_MERCHANT = "DEMO0001", "DEMO0002"


@dataclass(frozen=True, slots=True)
class Truth:
    """What became of the money at the provider, and everything that it may say on the way."""

    status: PaymentStatus
    collected: int
    says: tuple[tuple[str, dict[str, object]], ...]


def _says(outcome: str, event: str, **more: object) -> tuple[str, dict[str, object]]:
    return event, {"outcome": outcome, **more}


_PENDING = _says("pending", "evt-waiting")
_PAID = {"amount": FEE, "txn": "T1"}
TRUTHS = {
    "paid": Truth(
        PaymentStatus.SUCCEEDED,
        FEE,
        (
            _PENDING,
            _says("failed", "evt-first-card"),
            _says("succeeded", "evt-paid", **_PAID),
            _says("succeeded", "evt-paid", **_PAID),
            _says("succeeded", "evt-paid-told-otherwise", **_PAID),
            _says("pending", "evt-late"),
        ),
    ),
    "paid_another_amount": Truth(
        PaymentStatus.SUCCEEDED,
        FEE - 3_000,
        (
            _PENDING,
            _says("succeeded", "evt-paid", amount=FEE - 3_000, txn="T1"),
            _says("succeeded", "evt-paid", amount=FEE - 3_000, txn="T1"),
            _says("expired", "evt-page-closed"),
        ),
    ),
    "declined": Truth(
        PaymentStatus.FAILED,
        0,
        (
            _PENDING,
            _says("failed", "evt-declined", reason="51"),
            _says("failed", "evt-declined", reason="51"),
            _says("pending", "evt-late"),
        ),
    ),
    "run_out": Truth(
        PaymentStatus.EXPIRED,
        0,
        (_PENDING, _says("expired", "evt-closed"), _says("expired", "evt-closed")),
    ),
    "called_off": Truth(
        PaymentStatus.CANCELLED,
        0,
        (_PENDING, _says("cancelled", "evt-off"), _says("cancelled", "evt-off-again")),
    ),
}
_OUTCOMES = {
    PaymentStatus.SUCCEEDED: "succeeded",
    PaymentStatus.FAILED: "failed",
    PaymentStatus.EXPIRED: "expired",
    PaymentStatus.CANCELLED: "cancelled",
}
Event = Callable[[], object]


class Walk:
    """All orders of the events of one payment, each branch in a savepoint of its own."""

    def __init__(self, session: Session, clock: FrozenClock, truth: Truth) -> None:
        self.session, self.clock, self.truth = session, clock, truth
        self.bill = a_bill(session, a_city(session), clock=clock)
        self.payment = a_payment(session, self.bill, clock=clock)
        self.reference = self.payment.merchant_reference
        self.seen: set[tuple[object, frozenset[int]]] = set()
        self.ends: set[PaymentStatus] = set()
        notices = [a_notice(self.reference, **said, id=event) for event, said in truth.says]
        forged = raw_notice(a_notice(self.reference, **_PAID).body, signature="forged")
        self.events: list[Event] = [partial(self.take, raw) for raw in notices]
        self.events.append(partial(self.take, forged))
        stranger = a_notice(self.reference, id="evt-of-another", **_PAID)
        self.events.append(partial(self.take, stranger, OTHER_MERCHANT))

    def take(self, raw: RawEvent, merchant: str = MERCHANT) -> None:
        event = record_gateway_event(self.session, raw, merchant)
        process_gateway_event(self.session, event.id, FakeGateway(), clock=self.clock)

    def ask(self) -> None:
        """Ask the channel, twice: its answer is the truth."""
        said = {"id": "query", "reference": self.reference, "txn": "T1",
                "outcome": _OUTCOMES[self.truth.status]}  # fmt: skip
        if self.truth.collected:
            said["amount"] = self.truth.collected  # type: ignore[assignment]
        for _ in range(2):
            apply_notice(self.session, self.payment, read_notice(said), clock=self.clock)

    def state(self) -> tuple[object, ...]:
        self.session.flush()
        columns = (Payment.status, Payment.collected_minor, Payment.provider_txn_id,
                   Payment.query_count, Payment.reason_code)  # fmt: skip
        payment = self.session.exec(select(*columns).where(Payment.id == self.payment.id)).one()
        bill = self.session.exec(
            select(Bill.status, Bill.received_minor).where(Bill.id == self.bill.id)
        ).one()
        keys = self.session.exec(
            select(GatewayEvent.applied_key).order_by(col(GatewayEvent.applied_key))
        ).all()
        return (*payment, *bill, tuple(key for key in keys if key))

    def go(self, left: frozenset[int]) -> None:
        here = (self.state(), left)
        if here in self.seen:
            return
        self.seen.add(here)
        self.branch(self.end)
        for number in sorted(left):
            self.branch(lambda number=number: self.step(number, left))  # type: ignore[misc]

    def step(self, number: int, left: frozenset[int]) -> None:
        self.events[number]()
        assert self.session.get_one(Payment, self.payment.id).status in self.possible()
        self.go(left - {number})

    def possible(self) -> set[PaymentStatus]:
        """What may be believed on the way: doubt, or what the provider itself has said."""
        heard = {said["outcome"] for _, said in self.truth.says}
        return {PaymentStatus.PENDING, *(s for s, word in _OUTCOMES.items() if word in heard)}

    def end(self) -> None:
        """Nothing more comes: all that is left is to ask."""
        self.ask()
        payment = self.session.get_one(Payment, self.payment.id)
        bill = self.session.get_one(Bill, self.bill.id)
        assert payment.status is self.truth.status
        assert bill.received_minor == self.truth.collected
        assert balance_of(self.session, "clearing:vnpay") == self.truth.collected
        issued = self.session.exec(
            select(Receipt).where(
                Receipt.payment_id == payment.id, col(Receipt.status) == ReceiptStatus.ISSUED
            )
        ).all()
        assert [r.amount_minor for r in issued] == [self.truth.collected] * bool(issued)
        assert bool(issued) == bool(self.truth.collected)
        assert (bill.status is BillStatus.PAID) == (self.truth.collected == FEE)
        assert_books_agree(self.session)
        self.ends.add(payment.status)

    def branch(self, work: Callable[[], object]) -> None:
        point = self.session.begin_nested()
        try:
            work()
        finally:
            point.rollback()
            self.session.expire_all()


@pytest.mark.parametrize("name", TRUTHS)
def test_every_order_ends_in_the_providers_truth(
    session: Session, clock: FrozenClock, name: str
) -> None:
    walk = Walk(session, clock, TRUTHS[name])
    assert len(walk.events) <= 8

    walk.go(frozenset(range(len(walk.events))))

    assert walk.ends == {TRUTHS[name].status}
    assert len(walk.seen) > 2 ** (len(walk.events) - 3)
