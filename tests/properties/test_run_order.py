"""The same files give the same state, in whatever order and pieces they arrive."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine
from sqlmodel import Session, col, select

from core.db import transaction
from payments.channels import Rail
from payments.ledger.balances import broken_rules, trial_balance
from payments.models import Bill, Payment, Receipt, ReceiptStatus
from payments.states import PaymentStatus
from reconciliation.models import Match, MatchItem, Mismatch, SettlementLine, StatementLine
from reconciliation.ports import ParsedLine, ParsedSettlementLine
from reconciliation.states import ItemKind, MatchStatus, MismatchStatus
from tests.factories import a_bill, a_line, a_paid_payment, a_payment
from tests.support.clock import FrozenClock
from tests.support.databases import SqliteDatabases
from tests.support.evidence import DAY, a_world, compare, pays, receive, report_of, settled

NEXT = DAY + timedelta(days=1)


@dataclass(frozen=True)
class Arrival:
    """A file that arrives: bank lines of one day, or a report."""

    lines: tuple[ParsedLine, ...] = ()
    report: tuple[ParsedSettlementLine, ...] = ()
    name: str = ""


class City:
    """Bills of every kind on one account, and the files that tell what became of them."""

    def __init__(self, session: Session, clock: FrozenClock) -> None:
        self.clock = clock
        world = a_world(session, clock=clock)
        self.account = world.account
        bills = [a_bill(session, world.city, clock=clock, number=n) for n in range(2, 8)]
        self.bills = [world.bill, *bills]
        for bill in bills[:3]:
            a_payment(session, bill, clock=clock, rail=Rail.VIETQR)
        session.add(_a_second_attempt(world.payment))
        session.flush()
        self.cards = [a_paid_payment(session, bill, clock=clock) for bill in bills[3:]]

    def arrivals(self) -> list[Arrival]:
        """One bill is paid twice, one short, one in two parts, one together with another."""
        exact, twice, short, parts = self.bills[:4]
        both = f"{exact.bill_reference} {twice.bill_reference} nop"
        txns = [card.provider_txn_id or "" for card in self.cards]
        return [
            Arrival((pays(exact, bank_ref="F1"),)),
            Arrival((pays(twice, bank_ref="F2"), pays(parts, 33_000, bank_ref="F3"))),
            Arrival((pays(twice, bank_ref="F4", day=NEXT),)),
            Arrival((pays(short, 40_000, bank_ref="F5"), a_line(DAY, 9_000, "la", bank_ref="F6"))),
            Arrival((pays(parts, 50_000, bank_ref="F7", day=NEXT),)),
            Arrival((a_line(NEXT, 166_000, both, bank_ref="F8"),)),
            Arrival((pays(short, 20_000, bank_ref="F9", day=NEXT),)),
            Arrival((a_line(NEXT, 82_170, "VNPAY PO1", bank_ref="P1", payer="VNPAY"),)),
            Arrival(report=(settled("", txns[0]),), name="R1"),
            Arrival(report=(settled("", txns[1], gross=80_000, payout="PO2"),), name="R2"),
        ]

    def take(self, session: Session, arrival: Arrival) -> None:
        if arrival.report:
            report_of(session, *arrival.report, clock=self.clock, report_id=arrival.name)
            return
        day = arrival.lines[0].booking_date
        assert day is not None
        opening = sum(ord(c) for c in arrival.lines[0].bank_reference)
        receive(session, self.account, *arrival.lines, clock=self.clock, day=day, opening=opening)


def _a_second_attempt(first: Payment) -> Payment:
    """A smaller attempt at the same bill: which of the two a joint transfer means is not clear."""
    facts = {
        "id": "pay_second", "attempt": 2, "amount_minor": 60_000, "merchant_reference": "second-2",
    }  # fmt: skip
    return Payment(**first.model_dump() | facts)


def state(session: Session) -> dict[str, Any]:
    """Return what was decided, in words that do not depend on ids."""
    name = _names(session)
    items = session.exec(select(MatchItem).where(col(MatchItem.active)))
    matches: dict[str, set[str]] = {}
    for item in items:
        matches.setdefault(item.match_id, set()).add(name(item.item_kind.value, item.item_id))
    rules = {
        match.id: (match.layer.value, match.rule)
        for match in session.exec(select(Match).where(Match.status == MatchStatus.ACTIVE))
    }
    live = session.exec(select(Mismatch).where(Mismatch.status == MismatchStatus.OPEN))
    return {
        "matches": {(*rules[key], tuple(sorted(of))) for key, of in matches.items()},
        "mismatches": {
            (
                row.type.value, row.layer.value, name(row.item_kind.value, row.item_id),
                tuple(sorted(name(*i.split(":")) for i in row.related_items.split(";") if i)),
                row.expected, row.actual, row.amount_minor,
            )
            for row in live
        },
        "payments": {
            (p.attempt, name("payment", p.id), _settles(p), p.confirmed_at is not None)
            for p in session.exec(select(Payment))
        },
        "bills": {(b.dossier_code, b.status.value, b.received_minor) for b in _all(session, Bill)},
        "books": {b.code: b.balance_minor for b in trial_balance(session) if b.balance_minor},
        "receipts": sorted(
            name("payment", r.payment_id)
            for r in _all(session, Receipt)
            if r.status is ReceiptStatus.ISSUED
        ),
        "broken": list(broken_rules(session)),
    }  # fmt: skip


def _all(session: Session, table: type[Any]) -> list[Any]:
    return list(session.exec(select(table)))


def _settles(payment: Payment) -> tuple[bool, int | None]:
    """A transfer that was confirmed and reversed again is as one that never was."""
    paid = payment.status is PaymentStatus.SUCCEEDED
    return (paid, payment.collected_minor if paid else None)


def _names(session: Session) -> Any:
    lines = {line.id: line.bank_ref for line in _all(session, StatementLine)}
    entries = {
        line.id: f"{line.report_id} {line.payout_id} {line.gross_minor}"
        for line in _all(session, SettlementLine)
    }
    dossiers = {bill.id: bill.dossier_code for bill in _all(session, Bill)}
    payments = {p.id: f"{dossiers[p.bill_id]}/{p.attempt}" for p in _all(session, Payment)}
    known = {ItemKind.BANK.value: lines, ItemKind.SETTLEMENT.value: entries, "payment": payments}
    return lambda kind, item_id: f"{kind} {known[kind][item_id]}"


def settle(session: Session, city: City) -> None:
    """Compare until nothing follows any more; it must not take more than two runs."""
    for _ in range(3):
        if compare(session, city.account, clock=city.clock) is None:
            return
    raise AssertionError("runs over the same evidence never come to rest")


def joined(arrivals: list[Arrival], glued: set[int]) -> Iterator[Arrival]:
    """Put files of one day that arrive one after the other into one, where ``glued`` says so."""
    held: Arrival | None = None
    for place, arrival in enumerate(arrivals):
        fits = held and held.lines and arrival.lines and _day(held) == _day(arrival)
        if held is not None and fits and place in glued:
            held = Arrival(held.lines + arrival.lines)
            continue
        if held is not None:
            yield held
        held = arrival
    if held is not None:
        yield held


def _day(arrival: Arrival) -> object:
    return arrival.lines[0].booking_date


def play(
    engine: Engine, order: list[int], stops: set[int], glued: set[int] = frozenset()  # type: ignore[assignment]
) -> dict[str, Any]:  # fmt: skip
    """Take the files in this order, and compare after those whose place is in ``stops``."""
    clock = FrozenClock()
    with transaction(engine) as session:
        city = City(session, clock)
        arrivals = city.arrivals()
    for place, arrival in enumerate(joined([arrivals[number] for number in order], glued)):
        clock.advance(seconds=1)
        with transaction(engine) as session:
            city.take(session, arrival)
            if place in stops:
                compare(session, city.account, clock=clock)
    clock.advance(days=2)
    with transaction(engine) as session:
        settle(session, city)
        return state(session)


FILES = 10


@pytest.fixture(scope="module")
def at_once(sqlite_databases: SqliteDatabases) -> dict[str, Any]:
    with sqlite_databases.copy() as engine:
        return play(engine, list(range(FILES)), set())


def test_the_world_of_this_test_is_not_trivial(at_once: dict[str, Any]) -> None:
    assert at_once["broken"] == []
    assert {layer for layer, *_ in at_once["matches"]} == {"provider", "payout", "direct"}
    assert len({type_ for type_, *_ in at_once["mismatches"]}) >= 4


@settings(max_examples=9, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.permutations(range(FILES)),
    st.sets(st.integers(0, FILES - 1)),
    st.sets(st.integers(0, FILES - 1)),
)
def test_any_order_and_any_split_of_the_files_gives_the_same_state(
    sqlite_databases: SqliteDatabases, at_once: dict[str, Any], order: list[int], stops: set[int],
    glued: set[int],
) -> None:  # fmt: skip
    with sqlite_databases.copy() as engine:
        assert play(engine, list(order), stops, glued) == at_once


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, FILES - 1), max_size=6), st.permutations(range(FILES)))
def test_files_that_come_again_change_nothing(
    sqlite_databases: SqliteDatabases, at_once: dict[str, Any], again: list[int], order: list[int]
) -> None:
    with sqlite_databases.copy() as engine:
        assert play(engine, [*order, *again], {FILES - 1}) == at_once


def test_comparing_after_every_file_gives_the_same_state(
    sqlite_databases: SqliteDatabases, at_once: dict[str, Any]
) -> None:
    for order in (list(range(FILES)), list(reversed(range(FILES)))):
        with sqlite_databases.copy() as engine:
            assert play(engine, order, set(range(FILES))) == at_once
