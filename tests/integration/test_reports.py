"""What came in by procedure, fee kind, office and channel: each adds up to what the books hold."""

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.reporting import Kind, Step, Table, codes_of, table_of, write_csv
from core.actors import Actor
from core.money import Money
from payments.channels import Rail
from payments.collection import reverse_payment
from payments.models import Payment
from payments.queries.reports import OTHER, Range
from payments.refunds import approve_refund, fingerprint
from tests.factories import BENEFICIARY, City, a_bill, a_city, a_line, a_paid_payment, ask_refund
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, World, a_world, compare, receive, report_of, settled

TUESDAY = DAY + timedelta(days=1)
COLLECTIONS = (Kind.BY_PROCEDURE, Kind.BY_FEE_KIND, Kind.BY_OFFICE, Kind.BY_CHANNEL)
ALWAYS = Range(DAY - timedelta(days=300), DAY + timedelta(days=300), "/")


@pytest.fixture
def city(session: Session) -> City:
    return a_city(session)


def table(
    session: Session, kind: Kind, clock: FrozenClock, *, step: Step = Step.DAY,
    within: Range = ALWAYS,
) -> Table:  # fmt: skip
    session.flush()
    return table_of(session, kind, step, within, clock=clock)


def as_dict(one: Table) -> dict[str, dict[str, int]]:
    return {name: dict(zip(one.keys, row, strict=True)) for name, row in one.rows}


def paid(
    session: Session, city: City, clock: FrozenClock, number: int, *, rail: Rail = Rail.VNPAY,
    commune: int = 0, minor: int | None = None,
) -> Payment:  # fmt: skip
    bill = a_bill(session, city, clock=clock, number=number, commune=commune)
    return a_paid_payment(session, bill, clock=clock, rail=rail, collected_minor=minor)


def test_collections_are_told_apart_and_add_up(
    session: Session, city: City, clock: FrozenClock
) -> None:
    paid(session, city, clock, 1)
    paid(session, city, clock, 2, commune=1, rail=Rail.VIETQR)
    clock.advance(days=1)
    paid(session, city, clock, 3, rail=Rail.VIETQR, minor=90_000)
    day, after = DAY.isoformat(), TUESDAY.isoformat()
    offices = [office.id for office in city.communes]
    assert as_dict(table(session, Kind.BY_CHANNEL, clock)) == {
        day: {"bank_transfer": 83_000, "vnpay": 83_000},
        after: {"bank_transfer": 90_000, "vnpay": 0},
    }
    assert as_dict(table(session, Kind.BY_OFFICE, clock)) == {
        day: {offices[0]: 83_000, offices[1]: 83_000},
        after: {offices[0]: 90_000, offices[1]: 0},
    }
    assert as_dict(table(session, Kind.BY_FEE_KIND, clock)) == {
        day: {"le_phi": 150_000, OTHER: 0, "phi": 16_000},
        after: {"le_phi": 75_000, OTHER: 7_000, "phi": 8_000},
    }
    assert as_dict(table(session, Kind.BY_PROCEDURE, clock)) == {
        day: {city.procedure.id: 166_000}, after: {city.procedure.id: 90_000},
    }  # fmt: skip
    for kind in COLLECTIONS:
        assert sum(table(session, kind, clock).totals) == 256_000, kind


def test_what_is_taken_back_comes_off_on_the_day_it_is(
    session: Session, city: City, clock: FrozenClock
) -> None:
    payment = paid(session, city, clock, 1)
    clock.advance(days=1)
    reverse_payment(session, payment, "taken back", clock=clock)
    for kind in COLLECTIONS:
        one = table(session, kind, clock)
        assert [sum(row) for _, row in one.rows] == [83_000, -83_000], kind


def test_a_bill_paid_in_parts_pays_its_fees_in_their_order(
    session: Session, city: City, clock: FrozenClock
) -> None:
    bill = a_bill(session, city, clock=clock)
    a_paid_payment(session, bill, clock=clock, collected_minor=70_000)
    clock.advance(days=1)
    a_paid_payment(session, bill, clock=clock)
    assert as_dict(table(session, Kind.BY_FEE_KIND, clock)) == {
        DAY.isoformat(): {"le_phi": 70_000, "phi": 0},
        TUESDAY.isoformat(): {"le_phi": 5_000, "phi": 8_000},
    }


@pytest.mark.parametrize(("step", "rows"), [
    (Step.DAY, ["2026-11-02", "2026-12-02"]), (Step.MONTH, ["2026-11", "2026-12"]),
    (Step.YEAR, ["2026"]),
])  # fmt: skip
def test_rows_are_days_months_or_years(
    session: Session, city: City, clock: FrozenClock, step: Step, rows: list[str]
) -> None:
    paid(session, city, clock, 1)
    clock.advance(days=30)
    paid(session, city, clock, 2)
    for kind in COLLECTIONS:
        assert [name for name, _ in table(session, kind, clock, step=step).rows] == rows


def test_only_the_days_and_the_offices_that_are_asked_for_count(
    session: Session, city: City, clock: FrozenClock
) -> None:
    paid(session, city, clock, 1)
    paid(session, city, clock, 2, commune=1)
    mine = Range(DAY, DAY, city.communes[0].path)
    none = Range(TUESDAY, TUESDAY, "/")
    for kind in COLLECTIONS:
        assert sum(table(session, kind, clock, within=mine).totals) == 83_000
        assert table(session, kind, clock, within=none).rows == ()


def test_channel_fees_and_what_is_outstanding(session: Session, clock: FrozenClock) -> None:
    world: World = a_world(session, clock=clock)
    payment = paid(session, world.city, clock, 2)
    report_of(session, settled("", payment.provider_txn_id or ""), clock=clock,
              account=world.account)  # fmt: skip
    stray = a_line(DAY, 9_000, "khong ro", bank_ref="F1")
    receive(session, world.account, stray, clock=clock)
    clock.advance(days=1)
    compare(session, world.account, clock=clock)
    assert as_dict(table(session, Kind.FEES, clock)) == {TUESDAY.isoformat(): {"vnpay": 830}}
    within = Range(TUESDAY, TUESDAY, "/")
    assert as_dict(table(session, Kind.OUTSTANDING, clock, within=within)) == {
        TUESDAY.isoformat(): {"refunds_payable": 0, "suspense": 9_000}
    }
    paid(session, world.city, clock, 3, minor=90_000)
    one = table(session, Kind.OUTSTANDING, clock, step=Step.MONTH, within=within)
    assert as_dict(one) == {"2026-11": {"refunds_payable": 7_000, "suspense": 9_000}}
    assert one.totals == (7_000, 9_000), "balances are not added"


def test_ageing_sorts_bills_refunds_and_mismatches_into_bands(
    session: Session, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    world = a_world(session, clock=clock)
    payment = paid(session, world.city, clock, 2, rail=Rail.VIETQR, minor=90_000)
    refund = ask_refund(
        session, payment, Money(7_000), actor=officer, clock=clock, beneficiary=BENEFICIARY
    )
    approve_refund(session, refund, seen=fingerprint(refund), note="", actor=approver, clock=clock)
    empty = {"open_bills": 0, "refunds_on_their_way": 0, "open_mismatches": 0}
    now = as_dict(table(session, Kind.AGEING, clock))
    assert now["not_due"] == empty | {"open_bills": 83_000, "refunds_on_their_way": 7_000}
    clock.advance(days=20)
    compare(session, world.account, clock=clock)
    later = as_dict(table(session, Kind.AGEING, clock))
    assert later["8-30"] == empty | {"open_bills": 83_000, "refunds_on_their_way": 7_000}
    assert later["not_due"] == empty | {"open_mismatches": 83_000}
    assert list(later) == ["not_due", "1-7", "8-30", "31-90", "over_90"]


def test_the_csv_names_codes_and_minor_units(
    session: Session, city: City, clock: FrozenClock
) -> None:
    paid(session, city, clock, 1)
    text = write_csv(table(session, Kind.BY_OFFICE, clock), codes_of(session))
    assert text == f"period,{city.communes[0].code},total\r\n{DAY},83000,83000\r\n"
    text = write_csv(table(session, Kind.BY_PROCEDURE, clock), codes_of(session))
    assert text.splitlines()[0] == f"period,{city.procedure.code},total"
