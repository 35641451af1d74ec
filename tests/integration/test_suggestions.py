"""Suggestions from the database: what is open, in the reader's offices, and only that."""

import pytest
from sqlmodel import Session, col, select

from payments.models import Bill, CollectingAccount, Office
from payments.queries import ROOT
from payments.states import BillStatus
from reconciliation.models import Match, Mismatch
from reconciliation.states import ItemKind, MismatchStatus, MismatchType
from reconciliation.suggesting.open_money import (
    SuggestedBill,
    find_suggestion,
    is_suggestible,
    list_suggestions,
)
from tests.factories import City, a_bill, a_city, a_line
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, compare, receive


@pytest.fixture
def city(session: Session) -> City:
    return a_city(session)


def money(session: Session, city: City, clock: FrozenClock, *senders: str) -> list[Mismatch]:
    """Credits of 83,000 without a usable reference, imported and compared, in the given order."""
    account = session.get_one(CollectingAccount, city.accounts[0].id)
    lines = [
        a_line(DAY, 83_000, "chuyen tien", bank_ref=f"FT{number}", payer=sender)
        for number, sender in enumerate(senders)
    ]
    receive(session, account, *lines, clock=clock)
    compare(session, account, clock=clock)
    query = select(Mismatch).where(Mismatch.item_kind == ItemKind.BANK)
    found = {one.item_id: one for one in session.exec(query)}
    assert {one.type for one in found.values()} == {MismatchType.UNRECORDED_RECEIPT}
    assert len(found) == len(senders)
    return list(found.values())


def pairs(found: list[SuggestedBill]) -> dict[str, str]:
    return {one.line.counterparty_name: one.bill.payer_name for one in found}


def test_each_credit_gets_the_bill_of_the_payer_it_names(
    session: Session, city: City, clock: FrozenClock
) -> None:
    for number, payer in enumerate(("Trần Văn Bình", "Lê Thị Hoa", "Phạm Hồng Hà"), 1):
        a_bill(session, city, clock=clock, number=number, payer_name=payer)
    money(session, city, clock, "PHAM HONG HA", "TRAN VAN BINH")
    found = list_suggestions(session, city.accounts[0].id, scope=ROOT)
    assert pairs(found) == {"PHAM HONG HA": "Phạm Hồng Hà", "TRAN VAN BINH": "Trần Văn Bình"}
    assert all(one.suggestion.gap > 0 for one in found)


def test_a_suggestion_changes_nothing(session: Session, city: City, clock: FrozenClock) -> None:
    a_bill(session, city, clock=clock)
    [mismatch] = money(session, city, clock, "NGUYEN THI ANH TUYET")
    found = find_suggestion(session, mismatch, scope=ROOT)
    assert found is not None
    assert found.suggestion.points.name == 0
    assert not session.dirty
    assert not session.new
    assert session.exec(select(Match)).all() == []
    assert mismatch.status is MismatchStatus.OPEN


def test_only_what_is_owed_is_suggested(session: Session, city: City, clock: FrozenClock) -> None:
    bill = a_bill(session, city, clock=clock)
    [mismatch] = money(session, city, clock, "NGUYEN THI ANH TUYET")
    for status, expected in (
        (BillStatus.CANCELLED, False), (BillStatus.PAID, False), (BillStatus.EXPIRED, True),
    ):  # fmt: skip
        bill.status = status
        session.flush()
        assert (find_suggestion(session, mismatch, scope=ROOT) is not None) is expected, status


def test_bills_of_another_account_or_outside_the_scope_are_not_suggested(
    session: Session, city: City, clock: FrozenClock
) -> None:
    other = a_bill(session, city, clock=clock, commune=1, number=1)
    [mismatch] = money(session, city, clock, "NGUYEN THI ANH TUYET")
    assert find_suggestion(session, mismatch, scope=ROOT) is None
    own = a_bill(session, city, clock=clock, commune=0, number=2)
    found = find_suggestion(session, mismatch, scope=ROOT)
    assert found is not None
    assert found.bill.id == own.id
    elsewhere = session.get_one(Office, other.office_id).path
    assert find_suggestion(session, mismatch, scope=elsewhere) is None
    assert list_suggestions(session, city.accounts[0].id, scope=elsewhere) == []


def test_credits_that_are_explained_get_no_suggestion(
    session: Session, city: City, clock: FrozenClock
) -> None:
    a_bill(session, city, clock=clock)
    [mismatch] = money(session, city, clock, "NGUYEN THI ANH TUYET")
    assert is_suggestible(mismatch)
    mismatch.type = MismatchType.REVERSAL
    assert not is_suggestible(mismatch)
    assert find_suggestion(session, mismatch, scope=ROOT) is None


def test_the_bill_is_the_one_that_all_together_leave(
    session: Session, city: City, clock: FrozenClock
) -> None:
    """Two credits of one name and two bills: none is suggested twice."""
    for number in (1, 2):
        a_bill(session, city, clock=clock, number=number)
    money(session, city, clock, "NGUYEN THI ANH TUYET", "NGUYEN THI ANH TUYET")
    found = list_suggestions(session, city.accounts[0].id, scope=ROOT)
    bills = session.exec(select(Bill.bill_reference).order_by(col(Bill.bill_reference))).all()
    assert sorted(one.bill.bill_reference for one in found) == list(bills)
    assert [one.suggestion.gap for one in found] == [0, 0]
