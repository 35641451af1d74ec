"""Any sequence of money events keeps books and bills in agreement; a refusal changes nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.engine import Engine
from sqlmodel import Session, select

from core.actors import Actor, Role
from core.errors import DoisoatError
from core.money import Money
from payments.billing import cancel_bill, exempt_bill, expire_bills
from payments.channels import Channel, Rail
from payments.collection import reverse_payment
from payments.inbox import process_gateway_event, record_gateway_event
from payments.ledger.balances import balance_of, broken_rules, trial_balance
from payments.ledger.models import JournalEntry, LedgerTransfer
from payments.ledger.posting import find_entry, find_reversal
from payments.models import (
    Bill,
    CollectingAccount,
    Payment,
    Receipt,
    ReceiptStatus,
    Refund,
)
from payments.refunds import (
    approve_refund,
    doubt_refund,
    most_refundable,
    prepare_payment_order,
    record_refund_outcome,
    record_refusal,
    reject_refund,
    submit_refund,
)
from payments.states import BillStatus, PaymentStatus, RefundStatus
from payments.waivers import is_ended, waived_positions
from tests.factories import BENEFICIARY, a_bill, a_city, a_payment, ask_refund
from tests.support.books import everything
from tests.support.clock import FrozenClock
from tests.support.databases import SqliteDatabases
from tests.support.gateway import FakeGateway, a_notice, read_notice

OFFICER = Actor("usr_officer", Role.OFFICER, office_path="/")
APPROVER = Actor("usr_approver", Role.APPROVER, office_path="/")
AMOUNTS = st.sampled_from([83_000, 83_000, 83_000, 40_000, 83_001, 166_000])
OUTCOMES = st.sampled_from(["succeeded"] * 8 + ["failed", "expired", "cancelled", "pending"])
PARTS = st.sampled_from([0, 0, 0, 83_000, 40_000, 8_000, 75_000, 1])
WAIVED = st.sampled_from([[], [], [1], [2], [1, 2], [1, 2], [3]])
STEPS = st.sampled_from(["approve", "approve", "reject", "withdraw", *["submit"] * 3])
FEES = {1: 75_000, 2: 8_000}
SETTLED = {RefundStatus.SUCCEEDED}
ENDED = {RefundStatus.REJECTED, RefundStatus.FAILED}
Row = TypeVar("Row", Payment, Refund)
TOUCHED = {"audit_event", "bill", "bill_line", "gateway_event", "journal_entry", "ledger_transfer",
           "outbox_message", "payment", "payment_order", "receipt", "refund"}  # fmt: skip
PICK = st.integers(0, 59)


@dataclass
class World:
    """What all runs share: the database, which no run commits to."""

    engine: Engine | None = None


WORLD = World()


class MoneyMachine(RuleBasedStateMachine):
    """Bills, attempts, notices, reversals and refunds in any order, with a model beside them."""

    def __init__(self) -> None:
        super().__init__()
        assert WORLD.engine is not None
        self.session = Session(WORLD.engine, expire_on_commit=False)
        self.clock = FrozenClock()
        self.city = a_city(self.session)
        self.bills: list[Bill] = []
        self.payments: list[Payment] = []
        self.refunds: list[Refund] = []
        self.told: list[Any] = []

    def teardown(self) -> None:
        """Take the whole run back."""
        self.session.close()

    # What can happen

    @initialize(attempts=st.integers(2, 3))
    def start(self, attempts: int) -> None:
        """Begin where it matters: one bill with several attempts that may all still collect."""
        self.issue()
        for _ in range(attempts):
            self.open(0, Rail.VNPAY)

    @precondition(lambda self: len(self.bills) < 2)
    @rule()
    def issue(self) -> None:
        number = len(self.bills) + 1
        self.bills.append(a_bill(self.session, self.city, clock=self.clock, number=number))

    @precondition(lambda self: len(self.payments) < 4)
    @rule(pick=PICK, rail=st.sampled_from([Rail.VNPAY, Rail.VIETQR]))
    def open(self, pick: int, rail: Rail) -> None:
        self.clock.advance(hours=1)
        bill = self.bills[pick % len(self.bills)]
        with self._refusal_changes_nothing():
            payment = a_payment(self.session, bill, clock=self.clock, rail=rail)
            if payment not in self.payments:
                self.payments.append(payment)

    @precondition(lambda self: self.payments)
    @rule(pick=PICK, outcome=OUTCOMES, amount=AMOUNTS)
    def notice(self, pick: int, outcome: str, amount: int) -> None:
        payment = self._likely(pick, self.payments, PaymentStatus.PENDING)
        raw = a_notice(
            payment.merchant_reference, id=f"n{len(self.told)}", outcome=outcome, amount=amount
        )
        self.told.append(raw)
        self._take(raw)

    @precondition(lambda self: self.told)
    @rule(pick=PICK)
    def replay(self, pick: int) -> None:
        """A channel repeats itself; only that it did is written down."""
        before = self._all(but="gateway_event")
        self._take(self.told[pick % len(self.told)])
        assert self._all(but="gateway_event") == before

    @precondition(lambda self: self._any(self.payments, PaymentStatus.SUCCEEDED))
    @rule(pick=PICK)
    def take_back(self, pick: int) -> None:
        payment = self._likely(pick, self.payments, PaymentStatus.SUCCEEDED)
        with self._refusal_changes_nothing():
            reverse_payment(self.session, payment, "returned", clock=self.clock)

    @precondition(lambda self: self._any(self.payments, PaymentStatus.SUCCEEDED))
    @rule(pick=PICK, amount=PARTS, lines=WAIVED, by_transfer=st.booleans())
    def ask_refund(self, pick: int, amount: int, lines: list[int], by_transfer: bool) -> None:  # noqa: FBT001
        payment = self._likely(pick, self.payments, PaymentStatus.SUCCEEDED)
        with self._refusal_changes_nothing():
            most = most_refundable(self.session, payment, waived_lines=lines).amount_minor
            self.clock.advance(minutes=1)
            self.refunds.append(
                ask_refund(
                    self.session, payment, Money(amount or most), actor=OFFICER, clock=self.clock,
                    waived_lines=lines, by_transfer=by_transfer, beneficiary=BENEFICIARY,
                )
            )  # fmt: skip

    @precondition(lambda self: self.refunds)
    @rule(pick=PICK, step=STEPS)
    def decide_refund(self, pick: int, step: str) -> None:
        undecided = step in {"approve", "reject"}
        wanted = RefundStatus.REQUESTED if undecided else RefundStatus.APPROVED
        refund = self._likely(pick, self.refunds, wanted)
        self.clock.advance(minutes=1)
        with self._refusal_changes_nothing():
            if step == "submit":
                self._send(refund)
                payment = self.session.get_one(Payment, refund.payment_id)
                bill = self.session.get_one(Bill, payment.bill_id)
                assert payment.status is PaymentStatus.SUCCEEDED, "nothing to send back is there"
                assert refund.amount_minor <= bill.received_minor - bill.due_minor
            elif step == "approve":
                approve_refund(self.session, refund, actor=APPROVER, clock=self.clock)
            else:
                reject_refund(self.session, refund, note="no", actor=APPROVER, clock=self.clock)

    @precondition(lambda self: self._any(self.refunds, RefundStatus.APPROVED))
    @rule(pick=PICK)
    def withdraw_what_a_bank_took_back(self, pick: int) -> None:
        """All the money of a bill is taken back before its refund is sent, so that it is not."""
        refund = self._likely(pick, self.refunds, RefundStatus.APPROVED)
        bill_id = self.session.get_one(Payment, refund.payment_id).bill_id
        for payment in self.payments:
            if payment.bill_id == bill_id and payment.status is PaymentStatus.SUCCEEDED:
                reverse_payment(self.session, payment, "returned", clock=self.clock)
        with self._refusal_changes_nothing():
            reject_refund(self.session, refund, note="no", actor=APPROVER, clock=self.clock)

    @precondition(lambda self: self._any(self.refunds, RefundStatus.SUBMITTED))
    @rule(pick=PICK, outcome=st.sampled_from(["succeeded", "succeeded", "failed", "pending"]))
    def answer_refund(self, pick: int, outcome: str) -> None:
        refund = self._likely(pick, self.refunds, RefundStatus.SUBMITTED)
        said = {"id": "r", "kind": "refund", "reference": refund.refund_reference,
                "outcome": outcome, "txn": f"R{refund.id}"}  # fmt: skip
        record_refund_outcome(self.session, refund, read_notice(said), clock=self.clock)

    @precondition(lambda self: self._any(self.refunds, RefundStatus.SUBMITTED))
    @rule(pick=PICK)
    def bank_refuses(self, pick: int) -> None:
        refund = self._likely(pick, self.refunds, RefundStatus.SUBMITTED)
        with self._refusal_changes_nothing():
            record_refusal(self.session, refund, "account closed", actor=APPROVER, clock=self.clock)

    @precondition(lambda self: self._any(self.refunds, RefundStatus.SUCCEEDED))
    @rule(pick=PICK)
    def proof_falls(self, pick: int) -> None:
        """A match that had proved a refund is superseded."""
        refund = self._likely(pick, self.refunds, RefundStatus.SUCCEEDED)
        with self._refusal_changes_nothing():
            doubt_refund(self.session, refund, clock=self.clock)

    @precondition(lambda self: self.bills)
    @rule(pick=PICK, end=st.sampled_from([cancel_bill, exempt_bill]))
    def end(self, pick: int, end: Callable[..., Bill]) -> None:
        with self._refusal_changes_nothing():
            end(self.session, self.bills[pick % len(self.bills)], actor=OFFICER, reason="no need",
                clock=self.clock)  # fmt: skip

    @precondition(lambda self: any(bill.status is BillStatus.OPEN for bill in self.bills))
    @rule()
    def much_later(self) -> None:
        self.clock.advance(days=40)
        expire_bills(self.session, clock=self.clock)

    # What always holds

    @invariant()
    def the_books_hold(self) -> None:
        self.session.flush()
        assert sum(row.balance_minor for row in trial_balance(self.session)) == 0
        assert list(broken_rules(self.session)) == []

    @invariant()
    def receivable_is_what_bills_lack_and_refunds_payable_what_they_hold_too_much(self) -> None:
        """Bill by bill: due less received is owed to us, or by us, and never both."""
        for bill in self.bills:
            sides = self._of_bill(bill)
            lacking = bill.due_minor - bill.received_minor
            assert sides.get("receivable", 0) == max(0, lacking) == bill.outstanding.amount_minor
            assert sides.get("refunds_payable", 0) == -max(0, -lacking)

    @invariant()
    def received_is_what_succeeded_less_what_was_sent_back(self) -> None:
        for bill in self.bills:
            mine = [payment for payment in self.payments if payment.bill_id == bill.id]
            came = sum(p.collected_minor or 0 for p in mine if p.status is PaymentStatus.SUCCEEDED)
            ids = {payment.id for payment in mine}
            sent = sum(
                refund.amount_minor
                for refund in self.refunds
                if refund.payment_id in ids and refund.status is RefundStatus.SUCCEEDED
            )
            assert bill.received_minor == came - sent

    @invariant()
    def clearing_is_what_channels_collected_and_did_not_send_back(self) -> None:
        for rail in (Rail.VNPAY, Rail.VIETQR):
            mine = {payment.id: payment for payment in self.payments if payment.rail is rail}
            held = sum(
                payment.collected_minor or 0
                for payment in mine.values()
                if payment.status is PaymentStatus.SUCCEEDED
            ) - sum(
                refund.amount_minor
                for refund in self.refunds
                if refund.channel is rail.channel and refund.status is RefundStatus.SUCCEEDED
            )
            assert balance_of(self.session, f"clearing:{rail.channel}") == held

    @invariant()
    def a_bill_says_what_it_holds(self) -> None:
        """Paid twice is overpaid, in sight, never merely paid."""
        for bill in self.bills:
            excess = bill.received_minor - bill.due_minor
            assert (bill.status is BillStatus.OVERPAID) is (excess > 0 and bill.received_minor > 0)
            assert (bill.status is BillStatus.PAID) is (excess == 0 and bill.received_minor > 0)

    @invariant()
    def receipts_stand_for_money_that_is_there(self) -> None:
        issued = self.session.exec(
            select(Receipt).where(Receipt.status == ReceiptStatus.ISSUED)
        ).all()
        kept = {
            payment.id: (payment.collected_minor or 0) - self._gone(payment, SETTLED)
            for payment in self.payments
            if payment.status is PaymentStatus.SUCCEEDED
        }
        assert len(issued) == len({receipt.payment_id for receipt in issued})
        assert {receipt.payment_id: receipt.amount_minor for receipt in issued} == {
            one: amount for one, amount in kept.items() if amount
        }

    @invariant()
    def a_fee_is_waived_once_and_due_is_what_was_not(self) -> None:
        for bill in self.bills:
            waived = [
                position
                for refund in self.refunds
                if self.session.get_one(Payment, refund.payment_id).bill_id == bill.id
                and (entry := find_entry(self.session, f"waived:{refund.id}"))
                and find_reversal(self.session, entry) is None
                for position in refund.waived_lines
            ]
            assert len(waived) == len(set(waived))
            assert waived_positions(self.session, bill) == set(waived)
            if not is_ended(self.session, bill):
                assert bill.due_minor == bill.amount_minor - sum(FEES[p] for p in waived)
            billed = [n for code, n in self._of_bill(bill).items() if code.startswith("payable:")]
            assert sum(billed) == -bill.due_minor

    @invariant()
    def what_was_turned_down_waives_nothing(self) -> None:
        """Unless people have ended the bill since: nothing is due on it for another reason."""
        for refund in self.refunds:
            bill_id = self.session.get_one(Payment, refund.payment_id).bill_id
            bill = self.session.get_one(Bill, bill_id)
            entry = find_entry(self.session, f"waived:{refund.id}")
            stands = entry is not None and find_reversal(self.session, entry) is None
            if refund.status is RefundStatus.REJECTED and not is_ended(self.session, bill):
                assert not stands

    @invariant()
    def a_bill_on_which_a_fee_is_due_is_not_ended(self) -> None:
        for bill in self.bills:
            ended = bill.status in {BillStatus.CANCELLED, BillStatus.EXEMPT}
            assert not (ended and bill.due_minor)

    @invariant()
    def never_more_is_sent_than_came(self) -> None:
        """For every payment, whatever was requested, rejected, sent, refused or doubted."""
        for payment in self.payments:
            assert self._gone(payment, SETTLED) <= (payment.collected_minor or 0)

    @invariant()
    def no_more_is_on_its_way_back_than_came(self) -> None:
        for payment in self.payments:
            going = self._gone(payment, set(RefundStatus) - ENDED)
            assert going <= (payment.collected_minor or 0)

    def _send(self, refund: Refund) -> None:
        if refund.channel is Channel.BANK_TRANSFER:
            account = self.session.get_one(CollectingAccount, refund.account_id)
            prepare_payment_order(self.session, account, [refund], actor=OFFICER, clock=self.clock)
        else:
            submit_refund(self.session, refund, clock=self.clock)

    def _gone(self, payment: Payment, states: set[RefundStatus]) -> int:
        return sum(
            refund.amount_minor
            for refund in self.refunds
            if refund.payment_id == payment.id and refund.status in states
        )

    def _any(self, rows: list[Row], status: object) -> bool:
        return any(row.status is status for row in rows)

    def _likely(self, pick: int, rows: list[Row], status: object) -> Row:
        """Choose a row that is in ``status`` four times out of five, so that much happens."""
        likely = [] if pick % 5 == 4 else [row for row in rows if row.status is status]
        return (likely or rows)[pick % len(likely or rows)]

    def _take(self, raw: Any) -> None:
        event = record_gateway_event(self.session, raw, "DEMO0001")
        process_gateway_event(self.session, event.id, FakeGateway(), clock=self.clock)

    def _of_bill(self, bill: Bill) -> dict[str, int]:
        sides: dict[str, int] = {}
        for row in self.session.exec(
            select(LedgerTransfer).join(JournalEntry).where(JournalEntry.bill_id == bill.id)
        ):
            sides[row.debit_account] = sides.get(row.debit_account, 0) + row.amount_minor
            sides[row.credit_account] = sides.get(row.credit_account, 0) - row.amount_minor
        return sides

    def _all(self, *, but: str = "") -> dict[str, Any]:
        self.session.flush()
        return everything(self.session, tables=TOUCHED - {but})

    @contextmanager
    def _refusal_changes_nothing(self) -> Iterator[None]:
        before = self._all()
        try:
            yield
        except DoisoatError:
            assert self._all() == before


def _run(databases: SqliteDatabases, *, runs: int) -> None:
    with databases.copy() as engine:
        WORLD.engine = engine
        run_state_machine_as_test(
            MoneyMachine, settings=settings(max_examples=runs, stateful_step_count=30)
        )


def test_money_is_conserved_whatever_happens(sqlite_databases: SqliteDatabases) -> None:
    _run(sqlite_databases, runs=20)


@pytest.mark.slow
def test_money_is_conserved_whatever_happens_for_long(sqlite_databases: SqliteDatabases) -> None:
    _run(sqlite_databases, runs=500)
