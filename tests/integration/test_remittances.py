"""Fees for the State Treasury: only what is proved and free, by two people, once, to its debit."""

import csv
import io
from datetime import timedelta

import pytest
from lxml import etree
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, select

from core.actors import SYSTEM, Actor, PermissionDeniedError
from core.audit import AuditEvent
from core.crypto import sha256_hex
from core.db import transaction
from core.money import Money
from payments import treasury
from payments.collection import reverse_payment
from payments.errors import (
    IllegalTransitionError,
    RemittanceNotPossibleError,
    SamePersonError,
)
from payments.ledger.balances import balance_of
from payments.models import (
    BillLine,
    Budget,
    CollectingAccount,
    FeeKind,
    Payment,
    Remittance,
    RemittanceOrder,
)
from payments.refunds import Beneficiary
from payments.refunds.order_file import NAMESPACE
from payments.states import RemittanceStatus
from reconciliation import remitting
from reconciliation.clearing import list_clearings
from reconciliation.models import Mismatch
from reconciliation.states import MismatchType
from tests.factories import a_bill, a_line, a_paid_payment, ask_refund
from tests.support.books import assert_books_agree, at_once
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, World, a_world, compare, pays, receive, report_of, settled

CIVIL, COPY = "payable:state_treasury:LP-HOTICH", "payable:state_treasury:P-BANSAO"
TREASURY = Beneficiary("KHO BAC NHA NUOC MONG CAI", "3511009876543", "970415")
TUESDAY = DAY + timedelta(days=1)


@pytest.fixture
def world(session: Session, clock: FrozenClock) -> World:
    world = a_world(session, clock=clock)
    treasury.name_treasury(session, world.account, TREASURY, actor=SYSTEM, clock=clock)
    return world


def confirmed(session: Session, world: World, clock: FrozenClock) -> None:
    """The bill's transfer is on the statement and was compared."""
    receive(session, world.account, pays(world.bill), clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)


def approved(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> Remittance:
    remittance = remitting.propose(session, world.account, actor=officer, clock=clock)
    return remitting.approve(session, remittance, actor=approver, clock=clock)


def test_what_the_statement_confirms_is_due_by_fee(
    session: Session, world: World, clock: FrozenClock
) -> None:
    assert remitting.due(session, world.account) == {}
    confirmed(session, world, clock)
    assert remitting.due(session, world.account) == {CIVIL: 75_000, COPY: 8_000}


def test_what_is_only_provisional_is_not_due(
    session: Session, world: World, clock: FrozenClock
) -> None:
    bill = a_bill(session, world.city, clock=clock, number=2)
    payment = a_paid_payment(session, bill, clock=clock)
    assert remitting.due(session, world.account) == {}
    report_of(session, settled("", payment.provider_txn_id or ""), clock=clock,
              account=world.account)  # fmt: skip
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert payment.confirmed_at is not None
    assert remitting.due(session, world.account) == {}, "its payout has not arrived"
    credit = a_line(TUESDAY, 82_170, "VNPAY PO1", bank_ref="V1", payer="VNPAY")
    receive(session, world.account, credit, day=TUESDAY, clock=clock)
    compare(session, world.account, clock=clock)
    assert sum(remitting.due(session, world.account).values()) == 83_000


def test_what_is_disputed_is_not_due(session: Session, world: World, clock: FrozenClock) -> None:
    confirmed(session, world, clock)
    twin = pays(world.bill, bank_ref="FT2", day=TUESDAY)
    receive(session, world.account, twin, day=TUESDAY, opening=83_000, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    found = session.exec(select(Mismatch)).all()
    assert [row.type for row in found] == [MismatchType.DUPLICATE_PAYMENT]
    assert remitting.due(session, world.account) == {}


def test_what_is_asked_back_is_not_due(
    session: Session, world: World, clock: FrozenClock, officer: Actor
) -> None:
    confirmed(session, world, clock)
    ask_refund(
        session, world.payment, Money(8_000), actor=officer, clock=clock, waived_lines=[2],
        beneficiary=TREASURY,
    )  # fmt: skip
    assert remitting.due(session, world.account) == {CIVIL: 75_000}


def test_a_bill_paid_in_part_pays_its_fees_in_their_order(
    session: Session, world: World, clock: FrozenClock
) -> None:
    a_paid_payment(session, world.bill, clock=clock, collected_minor=80_000)
    for payment in session.exec(select(Payment)):
        payment.confirmed_at = clock()
    assert remitting.due(session, world.account) == {CIVIL: 75_000, COPY: 5_000}


def test_fees_that_we_keep_are_not_due(session: Session, world: World, clock: FrozenClock) -> None:
    kept = BillLine(
        bill_id=world.bill.id, position=0, fee_code="KEEP", kind=FeeKind.PHI, name_vi="x",
        name_en="x", legal_basis="x", amount_minor=1, budget=Budget.REVENUE,
    )  # fmt: skip
    session.add(kept)
    confirmed(session, world, clock)
    assert remitting.due(session, world.account) == {CIVIL: 75_000, COPY: 7_999}


def test_it_is_proposed_approved_and_ordered_and_then_not_due_any_more(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    confirmed(session, world, clock)
    remittance = remitting.propose(session, world.account, actor=officer, clock=clock)
    assert remittance.parts == {CIVIL: 75_000, COPY: 8_000}
    assert (remittance.treasury_account, remittance.amount_minor) == ("3511009876543", 83_000)
    assert remitting.due(session, world.account) == {}, "it is spoken for"
    assert balance_of(session, CIVIL) == -75_000, "nothing is posted by a proposal"
    with pytest.raises(RemittanceNotPossibleError, match="nothing is due"):
        remitting.propose(session, world.account, actor=officer, clock=clock)
    remitting.approve(session, remittance, actor=approver, clock=clock)
    remitting.order(session, remittance, actor=officer, clock=clock)
    assert (balance_of(session, CIVIL), balance_of(session, COPY)) == (0, 0)
    assert balance_of(session, "clearing:remittance") == -83_000
    assert remitting.due(session, world.account) == {}
    actions = session.exec(
        select(AuditEvent.action).where(AuditEvent.subject_id == remittance.id)
    ).all()
    assert sorted(actions) == ["approve_remittance", "order_remittance", "prepare_remittance"]
    assert_books_agree(session)


def test_its_debit_is_matched_like_any_other_and_clears_it(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    confirmed(session, world, clock)
    remittance = approved(session, world, clock, officer, approver)
    remitting.order(session, remittance, actor=officer, clock=clock)
    debit = a_line(
        TUESDAY, -83_000, f"CT DEN KBNN {remittance.reference} nop ngan sach nha nuoc",
        bank_ref="T1",
    )  # fmt: skip
    receive(session, world.account, debit, day=TUESDAY, opening=83_000, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert balance_of(session, "clearing:remittance") == 0
    assert balance_of(session, "suspense") == 0
    assert balance_of(session, f"bank:{world.account.account_number}") == 0
    assert [one.items for one in list_clearings(session, world.account)] == [(), ()]
    with pytest.raises(RemittanceNotPossibleError, match="on the statement"):
        remitting.record_refusal(session, remittance, note="x", actor=approver, clock=clock)


def test_a_debit_that_never_comes_is_flagged(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    confirmed(session, world, clock)
    remittance = approved(session, world, clock, officer, approver)
    remitting.order(session, remittance, actor=officer, clock=clock)
    clock.advance(days=9)
    compare(session, world.account, clock=clock)
    [found] = session.exec(select(Mismatch).where(Mismatch.item_id == remittance.id)).all()
    assert found.type in {MismatchType.NOT_SETTLED, MismatchType.REFUND_MISSING}


def test_what_the_bank_refuses_is_due_again(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    confirmed(session, world, clock)
    remittance = approved(session, world, clock, officer, approver)
    remitting.order(session, remittance, actor=officer, clock=clock)
    with pytest.raises(RemittanceNotPossibleError, match="words of the bank"):
        remitting.record_refusal(session, remittance, note=" ", actor=approver, clock=clock)
    remitting.record_refusal(session, remittance, note="sai ma", actor=approver, clock=clock)
    assert remittance.status is RemittanceStatus.REFUSED
    assert balance_of(session, "clearing:remittance") == 0
    assert remitting.due(session, world.account) == {CIVIL: 75_000, COPY: 8_000}
    assert_books_agree(session)


def test_it_takes_two_people_who_may(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor,
    auditor: Actor,
) -> None:  # fmt: skip
    confirmed(session, world, clock)
    with pytest.raises(PermissionDeniedError):
        remitting.propose(session, world.account, actor=auditor, clock=clock)
    remittance = remitting.propose(session, world.account, actor=approver, clock=clock)
    with pytest.raises(SamePersonError):
        remitting.approve(session, remittance, actor=approver, clock=clock)
    with pytest.raises(PermissionDeniedError):
        remitting.approve(session, remittance, actor=officer, clock=clock)
    with pytest.raises(IllegalTransitionError):
        remitting.order(session, remittance, actor=officer, clock=clock)
    with pytest.raises(PermissionDeniedError):
        treasury.name_treasury(session, world.account, TREASURY, actor=officer, clock=clock)


def test_a_rejected_one_frees_what_it_held_and_says_why(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    confirmed(session, world, clock)
    remittance = remitting.propose(session, world.account, actor=officer, clock=clock)
    with pytest.raises(RemittanceNotPossibleError, match="say why"):
        treasury.reject_remittance(session, remittance, note="", actor=approver, clock=clock)
    treasury.reject_remittance(session, remittance, note="thiếu", actor=approver, clock=clock)
    assert remitting.due(session, world.account) == {CIVIL: 75_000, COPY: 8_000}
    with pytest.raises(IllegalTransitionError):
        remitting.approve(session, remittance, actor=approver, clock=clock)


@pytest.mark.parametrize("step", ["approve", "order"])
def test_what_is_taken_back_meanwhile_is_not_sent(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor, step: str
) -> None:
    confirmed(session, world, clock)
    remittance = remitting.propose(session, world.account, actor=officer, clock=clock)
    if step == "order":
        remitting.approve(session, remittance, actor=approver, clock=clock)
    reverse_payment(session, world.payment, "taken back", clock=clock)
    act = {"approve": (remitting.approve, approver), "order": (remitting.order, officer)}
    work, actor = act[step]
    with pytest.raises(RemittanceNotPossibleError, match="less is due"):
        work(session, remittance, actor=actor, clock=clock)


def test_without_an_account_of_the_treasury_nothing_is_proposed(
    session: Session, clock: FrozenClock, officer: Actor
) -> None:
    world = a_world(session, clock=clock)
    confirmed(session, world, clock)
    with pytest.raises(RemittanceNotPossibleError, match="is named"):
        remitting.propose(session, world.account, actor=officer, clock=clock)
    half = Beneficiary("KHO BAC", "", "970415")
    with pytest.raises(RemittanceNotPossibleError, match="are needed"):
        treasury.name_treasury(session, world.account, half, actor=SYSTEM, clock=clock)


def test_the_file_names_the_treasury_the_sum_and_the_reference(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    confirmed(session, world, clock)
    remittance = approved(session, world, clock, officer, approver)
    order = remitting.order(session, remittance, actor=officer, clock=clock)
    root = etree.fromstring(order.content)
    names = {"p": NAMESPACE}

    def text(path: str) -> list[str]:
        return [str(one) for one in root.xpath(f"//p:{path}/text()", namespaces=names)]

    assert text("CtrlSum") == ["83000", "83000"]
    assert text("InstdAmt") == ["83000"]
    assert text("EndToEndId") == [remittance.reference]
    assert text("Cdtr/p:Nm") == [TREASURY.name]
    assert text("CdtrAcct/p:Id/p:Othr/p:Id") == [TREASURY.account]
    assert text("DbtrAcct/p:Id/p:Othr/p:Id") == [world.account.account_number]
    assert text("Ustrd") == [f"{remittance.reference} nop ngan sach nha nuoc"]
    [row] = csv.DictReader(io.StringIO(order.sheet.decode()))
    assert (row["amount"], row["beneficiary_account"]) == ("83000", TREASURY.account)
    assert order.sha256 == sha256_hex(order.content)
    with pytest.raises(IllegalTransitionError):
        remitting.order(session, remittance, actor=officer, clock=clock)
    assert len(session.exec(select(RemittanceOrder)).all()) == 1


def test_two_who_propose_at_once_do_not_propose_the_same_money(
    engine: Engine, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    with transaction(engine) as session:
        world = a_world(session, clock=clock)
        treasury.name_treasury(session, world.account, TREASURY, actor=SYSTEM, clock=clock)
        confirmed(session, world, clock)

    def work(actor: Actor) -> int:
        with transaction(engine) as session:
            account = session.get_one(CollectingAccount, world.account.id)
            return remitting.propose(session, account, actor=actor, clock=clock).amount_minor

    results = at_once(engine, lambda: work(officer), lambda: work(approver))
    assert min(map(str, results)) == "83000"
    assert [type(one).__name__ for one in results if not isinstance(one, int)] == [
        "RemittanceNotPossibleError"
    ]


def test_where_it_goes_cannot_be_changed_afterwards(
    engine: Engine, clock: FrozenClock, officer: Actor
) -> None:
    with transaction(engine) as session:
        world = a_world(session, clock=clock)
        treasury.name_treasury(session, world.account, TREASURY, actor=SYSTEM, clock=clock)
        confirmed(session, world, clock)
        remitting.propose(session, world.account, actor=officer, clock=clock)
    for change in ("treasury_account = '666'", "treasury_name = 'X'", "treasury_bank_bin = '1'"):
        with engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
            connection.exec_driver_sql(f"UPDATE remittance SET {change}")  # noqa: S608
