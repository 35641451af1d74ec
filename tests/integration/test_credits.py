"""A credit notice and its statement line are one receipt; what is weaker waits for the line."""

from dataclasses import replace

import pytest
from sqlmodel import Session, select

from core.money import Money
from payments.channels import Rail
from payments.credits import reference_in, take_credits
from payments.gateway_models import CreditNotice, CreditState
from payments.models import Bill, Merchant, Payment
from payments.ports import BankCredit, NoticeResult
from payments.references import encode
from payments.states import BillStatus, PaymentStatus
from reconciliation.models import Mismatch
from reconciliation.states import MismatchStatus, MismatchType
from tests.factories import a_bill, a_line, a_payment
from tests.support.books import assert_books_agree
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, World, a_world, compare, receive

CODE = "12345"


@pytest.fixture
def told(session: Session, clock: FrozenClock) -> World:
    """A world whose account SePay and Casso watch."""
    world = a_world(session, clock=clock)
    for rail in (Rail.SEPAY, Rail.CASSO):
        session.add(Merchant(account_id=world.account.id, rail=rail, merchant_code=CODE))
    session.flush()
    return world


def a_credit(world: World, clock: FrozenClock, **changed: object) -> BankCredit:
    credit = BankCredit(
        credit_key="92704",
        account_number=world.account.account_number,
        amount=Money(world.bill.due_minor),
        narrative=f"MBVCB.123.{world.bill.bill_reference} le phi.CT tu 99",
        bank_ref="FT26305000001",
        booked_at=clock(),
    )
    return replace(credit, **changed)


def take(
    session: Session, clock: FrozenClock, *told: BankCredit, rail: Rail = Rail.SEPAY
) -> NoticeResult:
    return take_credits(session, rail, CODE, told, clock=clock)


def live(session: Session) -> list[Mismatch]:
    return list(session.exec(select(Mismatch).where(Mismatch.status == MismatchStatus.OPEN)))


def notices(session: Session) -> list[CreditState]:
    return [n.state for n in session.exec(select(CreditNotice).order_by(CreditNotice.id))]


def attempts(session: Session, bill: Bill) -> list[Payment]:
    query = select(Payment).where(Payment.bill_id == bill.id).order_by(Payment.attempt)
    return list(session.exec(query))


def test_a_credit_reaches_its_bill_at_once_and_the_statement_confirms_it(
    session: Session, told: World, clock: FrozenClock
) -> None:
    assert take(session, clock, a_credit(told, clock)) is NoticeResult.APPLIED

    assert told.bill.status is BillStatus.PAID
    assert told.payment.status is PaymentStatus.SUCCEEDED
    assert told.payment.confirmed_at is None
    assert_books_agree(session)

    line = a_line(
        DAY, told.bill.due_minor, f"{told.bill.bill_reference} le phi", bank_ref="FT26305000001"
    )
    receive(session, told.account, line, clock=clock)
    compare(session, told.account, clock=clock)

    assert told.payment.confirmed_at is not None
    assert told.bill.received_minor == told.bill.due_minor
    assert live(session) == []
    assert_books_agree(session)


def test_the_banks_own_reference_joins_a_line_whose_narrative_was_lost(
    session: Session, told: World, clock: FrozenClock
) -> None:
    take(session, clock, a_credit(told, clock))
    line = a_line(DAY, told.bill.due_minor, "chuyen tien", bank_ref="FT26305000001")
    receive(session, told.account, line, clock=clock)
    compare(session, told.account, clock=clock)

    assert told.payment.confirmed_at is not None
    assert live(session) == []


def test_a_credit_told_twice_or_by_two_services_is_one(
    session: Session, told: World, clock: FrozenClock
) -> None:
    credit = a_credit(told, clock)
    take(session, clock, credit)

    assert take(session, clock, credit) is NoticeResult.ALREADY_APPLIED
    other = replace(credit, credit_key="casso-7")
    assert take(session, clock, other, rail=Rail.CASSO) is NoticeResult.ALREADY_APPLIED
    again = replace(credit, credit_key="92705")
    assert take(session, clock, again) is NoticeResult.ALREADY_APPLIED

    assert told.bill.received_minor == told.bill.due_minor
    assert notices(session) == [CreditState.COLLECTED, CreditState.KNOWN, CreditState.KNOWN]


def test_instalments_are_told_one_by_one_and_each_finds_its_line(
    session: Session, told: World, clock: FrozenClock
) -> None:
    first, rest = 30_000, told.bill.due_minor - 30_000
    assert take(session, clock, a_credit(told, clock, amount=Money(first))) is (
        NoticeResult.AMOUNT_DIFFERS
    )
    assert told.bill.status is BillStatus.PARTLY_PAID
    second = a_credit(told, clock, amount=Money(rest), credit_key="2", bank_ref="FT2")
    take(session, clock, second)
    assert told.bill.status is BillStatus.PAID
    assert len(attempts(session, told.bill)) == 2

    name = told.bill.bill_reference
    receive(
        session, told.account, a_line(DAY, first, name, bank_ref="FT26305000001"),
        a_line(DAY, rest, name, bank_ref="FT2"), clock=clock,
    )  # fmt: skip
    compare(session, told.account, clock=clock)
    assert live(session) == []
    assert all(p.confirmed_at for p in attempts(session, told.bill))
    assert_books_agree(session)


def test_more_than_was_due_is_owed_back(session: Session, told: World, clock: FrozenClock) -> None:
    take(session, clock, a_credit(told, clock, amount=Money(told.bill.due_minor + 5_000)))

    assert told.bill.status is BillStatus.OVERPAID
    assert_books_agree(session)


def test_a_credit_for_a_paid_bill_waits_for_the_statement(
    session: Session, told: World, clock: FrozenClock
) -> None:
    take(session, clock, a_credit(told, clock))
    take(session, clock, a_credit(told, clock, credit_key="2", bank_ref="FT2"))

    assert told.bill.received_minor == told.bill.due_minor
    assert notices(session) == [CreditState.COLLECTED, CreditState.WAITING]
    name = told.bill.bill_reference
    receive(
        session, told.account, a_line(DAY, told.bill.due_minor, name, bank_ref="FT26305000001"),
        a_line(DAY, told.bill.due_minor, name, bank_ref="FT2"), clock=clock,
    )  # fmt: skip
    compare(session, told.account, clock=clock)
    assert [m.type for m in live(session)] == [MismatchType.DUPLICATE_PAYMENT]


def test_a_notice_after_the_statement_adds_nothing(
    session: Session, told: World, clock: FrozenClock
) -> None:
    line = a_line(DAY, 30_000, told.bill.bill_reference, bank_ref="FT9")
    whole = a_line(DAY, told.bill.due_minor - 30_000, told.bill.bill_reference, bank_ref="FT8")
    receive(session, told.account, line, whole, clock=clock)
    compare(session, told.account, clock=clock)
    assert told.bill.status is BillStatus.PAID

    take(session, clock, a_credit(told, clock, amount=Money(30_000), bank_ref="FT9"))

    assert told.bill.received_minor == told.bill.due_minor


@pytest.mark.parametrize(
    "narrative",
    ["chuyen tien le phi", "MC1234567 cut", "{ref}X", "{ref} {other}", "{wrong}"],
)
def test_a_narrative_that_does_not_single_out_a_bill_waits(
    session: Session, told: World, clock: FrozenClock, narrative: str
) -> None:
    reference = told.bill.bill_reference
    other = a_bill(session, told.city, clock=clock, number=9).bill_reference
    wrong = reference[:-1] + ("0" if reference[-1] != "0" else "1")
    text = narrative.format(ref=reference, other=other, wrong=wrong)
    result = take(session, clock, a_credit(told, clock, narrative=text))

    if narrative == "{ref}X":  # glued: the whole reference still stands alone in it
        assert result is NoticeResult.APPLIED
        return
    assert result is NoticeResult.UNKNOWN_REFERENCE
    assert told.bill.received_minor == 0
    assert notices(session) == [CreditState.WAITING]


def test_a_credit_to_another_account_is_not_ours(
    session: Session, told: World, clock: FrozenClock
) -> None:
    result = take(session, clock, a_credit(told, clock, account_number="999"))

    assert result is NoticeResult.UNKNOWN_REFERENCE
    assert notices(session) == []


def test_a_credit_for_a_bill_of_another_account_is_not_taken_here(
    session: Session, told: World, clock: FrozenClock
) -> None:
    far = a_bill(session, told.city, clock=clock, commune=1, number=5)
    take(session, clock, a_credit(told, clock, narrative=far.bill_reference))

    assert far.received_minor == 0
    assert notices(session) == [CreditState.WAITING]


def test_a_bill_that_nobody_began_to_pay_here_is_paid_by_its_reference(
    session: Session, told: World, clock: FrozenClock
) -> None:
    bill = a_bill(session, told.city, clock=clock, number=7)
    take(session, clock, a_credit(told, clock, narrative=f"ck {bill.bill_reference.lower()}"))

    assert bill.status is BillStatus.PAID
    assert [p.rail for p in attempts(session, bill)] == [Rail.VIETQR]
    assert_books_agree(session)


def test_the_attempt_that_the_service_knows_is_the_one_that_is_paid(
    session: Session, told: World, clock: FrozenClock
) -> None:
    later = a_payment(session, told.bill, clock=clock, rail=Rail.VNPAY)
    reference = told.payment.merchant_reference
    take(session, clock, a_credit(told, clock, narrative="", merchant_reference=reference))

    assert told.payment.status is PaymentStatus.SUCCEEDED
    assert later.status is PaymentStatus.PENDING


def test_references_are_read_strictly() -> None:
    one, two = encode("MC", [1, 2, 3, 4, 5, 6, 7]), encode("MC", [7, 6, 5, 4, 3, 2, 1])
    assert reference_in(f"x {one.lower()} y", "MC") == one
    assert reference_in(f"{one[:5]} {one[5:]}", "MC") == one
    assert reference_in(f"{one} {one}", "MC") == one
    assert reference_in(f"{one} {two}", "MC") is None
    assert reference_in(one[:-1], "MC") is None
    assert reference_in("", "MC") is None
