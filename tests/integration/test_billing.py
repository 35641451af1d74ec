"""Issuing bills and ending them, on both databases."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import Session, select

from core.actors import SYSTEM, Actor, PermissionDeniedError, Role
from core.audit import AuditEvent
from core.clock import business_day
from core.db import transaction
from core.money import Currency, Money
from payments.billing import (
    PAYABLE_AFTER_DUE_DAYS,
    BillDraft,
    DraftLine,
    cancel_bill,
    exempt_bill,
    expire_bills,
    issue_bill,
)
from payments.collection import confirm_payment
from payments.errors import IllegalTransitionError, MalformedBillError
from payments.ledger.balances import balance_of
from payments.models import Bill, BillLine, FeeKind, FeeSchedule, Payment
from payments.references import new_reference
from payments.states import BillStatus
from tests.factories import City, a_bill, a_city, a_paid_payment, a_payment
from tests.support.books import assert_books_agree, at_once, by_code, everything
from tests.support.clock import FrozenClock

TREASURY = "payable:state_treasury:"


@pytest.fixture
def city(session: Session) -> City:
    return a_city(session)


def a_draft(city: City, clock: FrozenClock, **changes: Any) -> BillDraft:
    fields: dict[str, Any] = {
        "dossier_code": "H49.22-261102-0001",
        "office_code": city.communes[0].code,
        "procedure_code": city.procedure.code,
        "due_date": business_day(clock()) + timedelta(days=5),
    }
    return BillDraft(**fields | changes)


def test_a_bill_without_lines_charges_every_fee_in_force(
    session: Session, city: City, clock: FrozenClock, officer: Actor
) -> None:
    bill = issue_bill(session, a_draft(city, clock), actor=officer, clock=clock)
    lines = session.exec(select(BillLine).where(BillLine.bill_id == bill.id)).all()
    assert {(line.fee_code, line.amount_minor) for line in lines} == {
        ("LP-HOTICH", 75_000),
        ("P-BANSAO", 8_000),
    }
    assert (bill.amount_minor, bill.due_minor, bill.received_minor) == (83_000, 83_000, 0)
    assert (bill.status, bill.outstanding) == (BillStatus.OPEN, Money(83_000))
    assert bill.expires_on == bill.due_date + timedelta(days=PAYABLE_AFTER_DUE_DAYS)


def test_what_is_billed_is_receivable_against_the_budget_of_each_fee(
    session: Session, city: City, clock: FrozenClock
) -> None:
    a_bill(session, city, clock=clock)
    balances = {code: row.balance_minor for code, row in by_code(session).items()}
    assert balances == {
        "receivable": 83_000,
        f"{TREASURY}LP-HOTICH": -75_000,
        f"{TREASURY}P-BANSAO": -8_000,
    }


def test_lines_are_charged_as_often_as_asked(
    session: Session, city: City, clock: FrozenClock, officer: Actor
) -> None:
    draft = a_draft(city, clock, lines=[DraftLine("P-BANSAO", 3)])
    assert issue_bill(session, draft, actor=officer, clock=clock).amount_minor == 24_000


def test_a_bill_keeps_its_price_when_the_schedule_changes(
    session: Session, city: City, clock: FrozenClock
) -> None:
    bill = a_bill(session, city, clock=clock)
    fee = session.exec(select(FeeSchedule).where(FeeSchedule.fee_code == "P-BANSAO")).one()
    fee.effective_until = business_day(clock())
    session.add(fee)
    session.flush()
    clock.advance(days=1)
    assert a_bill(session, city, clock=clock, number=2).amount_minor == 75_000
    assert bill.amount_minor == 83_000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"office_code": "99999"}, "office_code"),
        ({"office_code": "22"}, "no collecting account"),
        ({"procedure_code": "9.9"}, "procedure_code"),
        ({"dossier_code": "H49.22-261302-0001"}, "date does not exist"),
        ({"dossier_code": "12345"}, "dossier_code"),
        ({"due_date": date(2026, 11, 1)}, "in the past"),
        ({"due_date": date.max}, "due_date"),
        ({"lines": [DraftLine("NO-SUCH-FEE")]}, "not in force"),
        ({"lines": [DraftLine("P-BANSAO", 0)]}, "quantity"),
        ({"lines": [DraftLine("P-BANSAO", 1001)]}, "quantity"),
    ],
)
def test_a_malformed_bill_is_refused_and_leaves_nothing(
    session: Session, city: City, clock: FrozenClock, officer: Actor,
    changes: dict[str, Any], said: str,
) -> None:  # fmt: skip
    before = everything(session)
    with pytest.raises(MalformedBillError, match=said):
        issue_bill(session, a_draft(city, clock, **changes), actor=officer, clock=clock)
    assert everything(session) == before


def test_a_fee_in_another_currency_is_not_added_to_a_bill(
    session: Session, city: City, clock: FrozenClock, officer: Actor
) -> None:
    session.add(
        FeeSchedule(
            procedure_id=city.procedure.id, fee_code="P-USD", kind=FeeKind.PHI, name_vi="Phí",
            name_en="Fee", amount_minor=500, currency=Currency.USD, legal_basis="demonstration",
            budget="revenue", effective_from=date(2026, 1, 1),
        )
    )  # fmt: skip
    session.flush()
    with pytest.raises(MalformedBillError, match="USD"):
        issue_bill(session, a_draft(city, clock), actor=officer, clock=clock)


def test_an_amount_beyond_any_fee_is_refused(
    session: Session, city: City, clock: FrozenClock, officer: Actor
) -> None:
    session.add(
        FeeSchedule(
            procedure_id=city.procedure.id, fee_code="P-HUGE", kind=FeeKind.PHI, name_vi="Phí",
            name_en="Fee", amount_minor=10**15, legal_basis="demonstration", budget="revenue",
            effective_from=date(2026, 1, 1),
        )
    )  # fmt: skip
    session.flush()
    draft = a_draft(city, clock, lines=[DraftLine("P-HUGE", 1000)] * 20)
    with pytest.raises(MalformedBillError, match="beyond"):
        issue_bill(session, draft, actor=officer, clock=clock)


def test_nobody_bills_for_an_office_outside_their_subtree(
    session: Session, city: City, clock: FrozenClock
) -> None:
    stranger = Actor("cli_2", Role.PORTAL, office_path=city.communes[1].path)
    with pytest.raises(MalformedBillError, match="not known here"):
        issue_bill(session, a_draft(city, clock), actor=stranger, clock=clock)


def test_an_auditor_issues_no_bills(
    session: Session, city: City, clock: FrozenClock, auditor: Actor
) -> None:
    with pytest.raises(PermissionDeniedError):
        issue_bill(session, a_draft(city, clock), actor=auditor, clock=clock)


def _same_reference_twice() -> Callable[[int], int]:
    """Draw all noughts for two references, then something else."""
    drawn = 0
    in_one = 0

    def count(limit: int) -> int:
        nonlocal in_one
        in_one += 1
        return 0

    new_reference("MC", count)

    def draw(limit: int) -> int:
        nonlocal drawn
        drawn += 1
        return 0 if drawn <= 2 * in_one else 1 % limit

    return draw


def test_a_reference_that_is_taken_is_drawn_again(
    session: Session, city: City, clock: FrozenClock, officer: Actor
) -> None:
    draw = _same_reference_twice()
    bills = [
        issue_bill(session, a_draft(city, clock), actor=officer, clock=clock, random=draw)
        for _ in range(2)
    ]
    assert bills[0].bill_reference != bills[1].bill_reference
    assert_books_agree(session)


def test_an_exempt_bill_is_issued_and_freed_so_that_both_stay_visible(
    session: Session, city: City, clock: FrozenClock, officer: Actor
) -> None:
    draft = a_draft(city, clock, exemption_reason="hộ nghèo")
    bill = issue_bill(session, draft, actor=officer, clock=clock)
    assert (bill.status, bill.due_minor) == (BillStatus.EXEMPT, 0)
    receivable = by_code(session)["receivable"]
    assert (receivable.debit_minor, receivable.credit_minor) == (83_000, 83_000)


def test_cancelling_posts_back_what_was_billed_and_twice_is_once(
    session: Session, city: City, clock: FrozenClock, officer: Actor
) -> None:
    bill = a_bill(session, city, clock=clock)
    cancel_bill(session, bill, actor=officer, reason="issued twice", clock=clock)
    before = everything(session)
    cancel_bill(session, bill, actor=officer, reason="again", clock=clock)
    assert everything(session) == before
    assert bill.status is BillStatus.CANCELLED
    assert bill.outstanding == Money(0)
    assert_books_agree(session)


def test_the_audit_trail_says_who_cancelled_and_why(
    session: Session, city: City, clock: FrozenClock, officer: Actor
) -> None:
    bill = a_bill(session, city, clock=clock)
    cancel_bill(session, bill, actor=officer, reason="issued twice", clock=clock)
    event = session.exec(select(AuditEvent).where(AuditEvent.action == "cancel_bill")).one()
    assert (event.actor_id, event.reason, event.subject_id) == (officer.id, "issued twice", bill.id)
    assert (event.before, event.after) == ({"status": "open"}, {"status": "cancelled"})


@pytest.mark.parametrize("end", [cancel_bill, exempt_bill])
def test_a_bill_with_money_on_it_is_not_ended_and_nothing_changes(
    session: Session, city: City, clock: FrozenClock, officer: Actor, end: Callable[..., Bill]
) -> None:
    bill = a_bill(session, city, clock=clock)
    a_paid_payment(session, bill, clock=clock)
    session.flush()
    before = everything(session)
    with pytest.raises(IllegalTransitionError, match="refund it first"):
        end(session, bill, actor=officer, reason="no longer needed", clock=clock)
    assert everything(session) == before


@pytest.mark.parametrize("end", [cancel_bill, exempt_bill])
def test_a_bill_is_ended_only_for_a_reason_and_by_who_may(
    session: Session, city: City, clock: FrozenClock, officer: Actor, auditor: Actor,
    end: Callable[..., Bill],
) -> None:  # fmt: skip
    bill = a_bill(session, city, clock=clock)
    session.flush()
    before = everything(session)
    with pytest.raises(MalformedBillError, match="reason"):
        end(session, bill, actor=officer, reason="  ", clock=clock)
    with pytest.raises(PermissionDeniedError):
        end(session, bill, actor=auditor, reason="because", clock=clock)
    assert everything(session) == before


def test_bills_expire_after_their_last_day_and_the_fee_stays_receivable(
    session: Session, city: City, clock: FrozenClock
) -> None:
    bill = a_bill(session, city, clock=clock)
    clock.move_to(clock() + timedelta(days=5 + PAYABLE_AFTER_DUE_DAYS))
    assert expire_bills(session, clock=clock) == 0
    clock.advance(days=1)
    assert expire_bills(session, clock=clock) == 1
    assert expire_bills(session, clock=clock) == 0
    assert bill.status is BillStatus.EXPIRED
    assert_books_agree(session)


def test_late_money_revives_an_expired_bill(
    session: Session, city: City, clock: FrozenClock
) -> None:
    bill = a_bill(session, city, clock=clock)
    payment = a_payment(session, bill, clock=clock)
    clock.advance(days=60)
    expire_bills(session, clock=clock)
    confirm_payment(session, payment, payment.amount, provider_txn_id="T", occurred_at=clock(),
                    clock=clock)  # fmt: skip
    assert bill.status is BillStatus.PAID


def test_money_for_a_cancelled_bill_is_owed_back_whole(
    session: Session, city: City, clock: FrozenClock, officer: Actor
) -> None:
    bill = a_bill(session, city, clock=clock)
    payment = a_payment(session, bill, clock=clock)
    cancel_bill(session, bill, actor=officer, reason="issued twice", clock=clock)
    confirm_payment(session, payment, payment.amount, provider_txn_id="T", occurred_at=clock(),
                    clock=clock)  # fmt: skip
    assert bill.status is BillStatus.OVERPAID
    assert balance_of(session, "refunds_payable") == -83_000
    assert_books_agree(session)


@pytest.mark.parametrize("ending", ["cancel", "expire"])
def test_a_bill_that_is_paid_and_ended_at_once_keeps_its_money(
    engine: Engine, clock: FrozenClock, officer: Actor, ending: str
) -> None:
    with transaction(engine) as session:
        bill = a_bill(session, a_city(session), clock=clock)
        payment = a_payment(session, bill, clock=clock)
    if ending == "expire":
        clock.advance(days=60)

    def pay() -> None:
        with transaction(engine) as session:
            confirm_payment(session, session.get_one(Payment, payment.id), payment.amount,
                            provider_txn_id="T", occurred_at=clock(), clock=clock)  # fmt: skip

    def end() -> None:
        with transaction(engine) as session:
            if ending == "expire":
                expire_bills(session, clock=clock)
            else:
                mine = session.get_one(Bill, bill.id)
                cancel_bill(session, mine, actor=officer, reason="issued twice", clock=clock)

    paid, ended = at_once(engine, pay, end)
    assert paid is None
    assert ended is None or isinstance(ended, IllegalTransitionError)
    with transaction(engine) as session:
        after = session.get_one(Bill, bill.id)
        assert after.received_minor == 83_000
        assert after.status in {BillStatus.PAID, BillStatus.OVERPAID}
        assert_books_agree(session)


def test_two_first_bills_at_once_make_each_account_of_the_books_once(
    engine: Engine, clock: FrozenClock
) -> None:
    with transaction(engine) as session:
        city = a_city(session)

    def issue(number: int) -> Callable[[], str]:
        def work() -> str:
            with transaction(engine) as session:
                return a_bill(session, city, clock=clock, number=number).bill_reference

        return work

    results = at_once(engine, *(issue(number) for number in range(1, 6)))
    assert all(isinstance(result, str) for result in results), results
    with transaction(engine) as session:
        assert balance_of(session, "receivable") == 5 * 83_000


def test_the_system_may_issue_bills_anywhere(
    session: Session, city: City, clock: FrozenClock
) -> None:
    for commune in city.communes:
        draft = a_draft(city, clock, office_code=commune.code)
        assert issue_bill(session, draft, actor=SYSTEM, clock=clock).office_id == commune.id
