"""A run decides from scratch: it books what is new, undoes what no longer stands, loses nothing."""

import csv
import io
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import Session, col, select

from core.actors import SYSTEM, Actor
from core.db import transaction
from core.money import Money
from core.outbox import OutboxMessage
from payments.channels import Rail
from payments.collection import confirm_payment
from payments.ledger import chart
from payments.ledger.balances import balance_of, broken_rules
from payments.models import ApiClient, Bill, Payment, Receipt, ReceiptStatus
from payments.states import BillStatus, PaymentStatus
from reconciliation import engine as reconciliation_engine
from reconciliation.engine import BY_ENGINE, frozen_input, last_run
from reconciliation.exports import matches_csv, mismatches_csv
from reconciliation.mismatches import decide_resolution, propose_resolution
from reconciliation.models import (
    Match,
    MatchItem,
    Mismatch,
    MismatchEvent,
    ReconciliationRun,
    Resolution,
    StatementLine,
)
from reconciliation.states import (
    ItemKind,
    MatchStatus,
    MismatchEventKind,
    MismatchStatus,
    MismatchType,
    ResolutionKind,
    ResolutionStatus,
)
from tests.factories import a_bill, a_line, a_paid_payment, a_payment
from tests.support.books import assert_books_agree, at_once
from tests.support.clock import FrozenClock
from tests.support.evidence import (
    DAY,
    World,
    a_world,
    compare,
    pays,
    receive,
    report_of,
    settled,
)

EARLIER = DAY - timedelta(days=1)


@pytest.fixture
def world(session: Session, clock: FrozenClock) -> World:
    return a_world(session, clock=clock)


def live(session: Session) -> list[Mismatch]:
    wanted = [MismatchStatus.OPEN, MismatchStatus.PROPOSED]
    query = select(Mismatch).where(col(Mismatch.status).in_(wanted))
    return list(session.exec(query.order_by(col(Mismatch.type), col(Mismatch.item_kind))))


def active(session: Session) -> list[Match]:
    return list(session.exec(select(Match).where(Match.status == MatchStatus.ACTIVE)))


def receipts(session: Session, status: ReceiptStatus) -> list[Receipt]:
    return list(session.exec(select(Receipt).where(Receipt.status == status)))


def a_portal(session: Session, world: World, clock: FrozenClock) -> ApiClient:
    client = ApiClient(
        name="Portal", office_id=world.city.province.id, key_prefix="p", key_sha256="x",
        webhook_url="https://portal.example/paid", created_at=clock(),
    )  # fmt: skip
    session.add(client)
    session.flush()
    world.bill.api_client_id = client.id
    session.add(world.bill)
    session.flush()
    return client


def test_a_transfer_on_the_statement_confirms_its_payment(
    session: Session, world: World, clock: FrozenClock
) -> None:
    portal = a_portal(session, world, clock)
    receive(session, world.account, pays(world.bill), clock=clock)
    run = compare(session, world.account, clock=clock)

    assert run is not None
    assert (run.new_matches, run.new_mismatches, run.superseded_matches) == (1, 0, 0)
    assert world.payment.status is PaymentStatus.SUCCEEDED
    assert world.payment.confirmed_at == clock()
    assert world.bill.status is BillStatus.PAID
    assert balance_of(session, "suspense") == balance_of(session, "clearing:bank_transfer") == 0
    assert_books_agree(session)
    (receipt,) = receipts(session, ReceiptStatus.ISSUED)
    told = session.exec(select(OutboxMessage).order_by(col(OutboxMessage.kind))).all()
    assert [(m.kind.value, m.topic) for m in told] == [
        ("email", "receipt"),
        ("webhook", "bill.paid"),
    ]
    assert told[0].payload["receipt_number"] == receipt.number
    assert told[1].recipient == portal.id
    assert told[1].payload["status"] == "paid"


def test_a_run_over_the_same_inputs_is_none(
    session: Session, world: World, clock: FrozenClock
) -> None:
    receive(session, world.account, pays(world.bill), clock=clock)
    assert compare(session, world.account, clock=clock) is not None
    assert compare(session, world.account, clock=clock) is None
    clock.advance(days=1)
    tomorrow = compare(session, world.account, clock=clock)
    assert tomorrow is not None
    assert (tomorrow.new_matches, tomorrow.superseded_matches) == (0, 0)
    assert last_run(session, world.account.id) is tomorrow


def test_later_evidence_supersedes_a_match_and_reverses_its_books(
    session: Session, world: World, clock: FrozenClock
) -> None:
    """Two payments of the bill came; only one QR code was shown, and the earlier one paid it."""
    receive(session, world.account, pays(world.bill), clock=clock)
    compare(session, world.account, clock=clock)
    (first,) = active(session)
    clock.advance(hours=1)
    early = pays(world.bill, bank_ref="FT0", day=EARLIER)
    receive(session, world.account, early, day=EARLIER, clock=clock)
    run = compare(session, world.account, clock=clock)

    assert run is not None
    assert (run.superseded_matches, run.new_matches, run.new_mismatches) == (1, 1, 1)
    assert first.status is MatchStatus.SUPERSEDED
    assert first.superseded_at == clock()
    (second,) = active(session)
    held = session.exec(select(MatchItem).where(MatchItem.match_id == second.id)).all()
    lines = [session.get_one(StatementLine, i.item_id) for i in held if i.item_kind == "bank"]
    assert [line.booking_date for line in lines] == [EARLIER]
    assert [m.type for m in live(session)] == [MismatchType.DUPLICATE_PAYMENT]
    assert world.bill.received_minor == 83_000
    assert len(receipts(session, ReceiptStatus.ISSUED)) == 1
    assert len(receipts(session, ReceiptStatus.VOIDED)) == 1
    assert balance_of(session, "suspense") == -83_000
    assert_books_agree(session)


def test_a_match_that_falls_away_reopens_its_bill(
    session: Session, world: World, clock: FrozenClock
) -> None:
    receive(session, world.account, pays(world.bill), clock=clock)
    compare(session, world.account, clock=clock)
    session.add(a_second_attempt := a_copy_of(world.payment, attempt=2))
    session.flush()
    clock.advance(hours=1)
    run = compare(session, world.account, clock=clock)

    assert run is not None
    assert run.superseded_matches == 1
    assert {m.type for m in live(session)} == {MismatchType.AMBIGUOUS}
    assert world.payment.status is PaymentStatus.REVERSED
    assert a_second_attempt.status is PaymentStatus.PENDING
    assert world.payment.confirmed_at is None
    assert world.bill.status is BillStatus.OPEN
    assert receipts(session, ReceiptStatus.ISSUED) == []
    assert_books_agree(session)
    assert compare(session, world.account, clock=clock) is None, "what it undid is no new input"


def a_copy_of(payment: Payment, *, attempt: int) -> Payment:
    facts = payment.model_dump() | {
        "id": f"pay_{attempt}", "attempt": attempt, "status": PaymentStatus.PENDING,
        "merchant_reference": f"{payment.merchant_reference[:-2]}-{attempt}",
        "collected_minor": None, "collected_currency": "", "paid_at": None, "confirmed_at": None,
    }  # fmt: skip
    return Payment(**facts)


def test_a_match_never_undoes_what_a_channel_had_told_us(
    session: Session, world: World, clock: FrozenClock
) -> None:
    """The bank's credit notice came first; the statement only confirmed it."""
    confirm_payment(
        session, world.payment, Money(83_000), provider_txn_id=None, occurred_at=clock(),
        clock=clock,
    )  # fmt: skip
    receive(session, world.account, pays(world.bill), clock=clock)
    compare(session, world.account, clock=clock)
    clock.advance(hours=1)
    early = pays(world.bill, bank_ref="FT0", day=EARLIER)
    receive(session, world.account, early, day=EARLIER, clock=clock)
    run = compare(session, world.account, clock=clock)

    assert run is not None
    assert run.superseded_matches == 1
    assert receipts(session, ReceiptStatus.VOIDED) == []
    assert world.payment.status is PaymentStatus.SUCCEEDED
    assert world.payment.confirmed_at == clock()
    assert_books_agree(session)


def test_what_a_match_confirmed_is_no_input_of_the_next_run(
    session: Session, world: World, clock: FrozenClock
) -> None:
    receive(session, world.account, pays(world.bill), clock=clock)
    first = compare(session, world.account, clock=clock)
    clock.advance(days=1)
    second = compare(session, world.account, clock=clock)
    assert first is not None
    assert second is not None
    assert frozen_input(session, first, "payments.csv") == frozen_input(
        session, second, "payments.csv"
    )


def test_a_mismatch_that_later_evidence_explains_is_healed(
    session: Session, world: World, clock: FrozenClock
) -> None:
    payment = a_paid_payment(
        session, a_bill(session, world.city, clock=clock, number=2), clock=clock
    )
    clock.advance(days=10)
    compare(session, world.account, clock=clock)
    (missing,) = [m for m in live(session) if m.item_id == payment.id]
    assert missing.type is MismatchType.NOT_SETTLED
    report_of(session, settled("", payment.provider_txn_id or ""), clock=clock)
    clock.advance(minutes=15)
    run = compare(session, world.account, clock=clock)

    assert run is not None
    assert run.healed_mismatches >= 1
    assert missing.status is MismatchStatus.HEALED
    assert missing.closed_at == clock()
    kinds = [e.kind for e in session.exec(history_of(missing))]
    assert kinds == [MismatchEventKind.OPENED, MismatchEventKind.HEALED]
    assert payment.confirmed_at == clock()


def history_of(mismatch: Mismatch) -> Any:
    return (
        select(MismatchEvent)
        .where(MismatchEvent.mismatch_id == mismatch.id)
        .order_by(col(MismatchEvent.at), col(MismatchEvent.id))
    )


def test_a_provider_report_and_its_payout_empty_clearing_and_suspense(
    session: Session, world: World, clock: FrozenClock
) -> None:
    payment = a_paid_payment(
        session, a_bill(session, world.city, clock=clock, number=2), clock=clock
    )
    report_of(session, settled("", payment.provider_txn_id or ""), clock=clock)
    compare(session, world.account, clock=clock)
    assert balance_of(session, "clearing:vnpay") == 82_170
    assert balance_of(session, "fee_expense:vnpay") == 830
    tuesday = DAY + timedelta(days=1)
    clock.advance(days=1)
    payout = a_line(tuesday, 82_170, "VNPAY PO1", bank_ref="P1", payer="VNPAY")
    receive(session, world.account, payout, day=tuesday, clock=clock)
    compare(session, world.account, clock=clock)

    assert {m.layer.value for m in active(session)} == {"provider", "payout"}
    assert balance_of(session, "clearing:vnpay") == balance_of(session, "suspense") == 0
    assert balance_of(session, chart.bank(world.account.account_number)) == 82_170
    assert not list(broken_rules(session))


def test_a_live_mismatch_follows_its_evidence(
    session: Session, world: World, clock: FrozenClock, officer: Actor
) -> None:
    """Part of the money came, then more: the officer must not decide on the first part alone."""
    receive(session, world.account, pays(world.bill, 20_000), clock=clock)
    compare(session, world.account, clock=clock)
    mine = next(m for m in live(session) if m.item_kind is ItemKind.PAYMENT)
    proposal = propose_resolution(
        session, mine, ResolutionKind.MATCH, "the payer sent less", actor=officer, clock=clock
    )
    clock.advance(hours=1)
    tuesday = DAY + timedelta(days=1)
    more = pays(world.bill, 30_000, bank_ref="FT2", day=tuesday)
    receive(session, world.account, more, day=tuesday, opening=20_000, clock=clock)
    compare(session, world.account, clock=clock)

    assert mine.actual == "50000"
    assert mine.related_items.count("bank:") == 2
    assert mine.status is MismatchStatus.OPEN
    assert proposal.status is ResolutionStatus.REJECTED
    assert proposal.decided_by is None
    assert "evidence" in proposal.decision_note
    run = last_run(session, world.account.id)
    assert run is not None
    assert run.healed_mismatches == 0


def test_a_persons_decision_is_never_overturned(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    receive(session, world.account, pays(world.bill, 50_000), clock=clock)
    compare(session, world.account, clock=clock)
    mine = next(m for m in live(session) if m.item_kind is ItemKind.PAYMENT)
    proposal = propose_resolution(
        session, mine, ResolutionKind.MATCH, "the payer sent less", actor=officer, clock=clock
    )
    decide_resolution(session, proposal, approve=True, note="", actor=approver, clock=clock)
    (by_people,) = active(session)
    clock.advance(hours=1)
    early = pays(world.bill, bank_ref="FT0", day=EARLIER)
    receive(session, world.account, early, day=EARLIER, clock=clock)
    run = compare(session, world.account, clock=clock)

    assert run is not None
    assert run.superseded_matches == 0
    assert by_people.status is MatchStatus.ACTIVE
    assert by_people.decided_by != BY_ENGINE
    assert world.payment.collected_minor == 50_000
    (late,) = live(session)
    assert late.item_kind is ItemKind.BANK
    assert late.amount_minor == 83_000


def test_an_accepted_mismatch_does_not_come_back(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    stranger = a_line(DAY, 40_000, "khong ro", bank_ref="F9")
    receive(session, world.account, stranger, clock=clock)
    compare(session, world.account, clock=clock)
    (mismatch,) = live(session)
    proposal = propose_resolution(
        session, mismatch, ResolutionKind.ACCEPT, "known to the office", actor=officer, clock=clock
    )
    decide_resolution(session, proposal, approve=True, note="", actor=approver, clock=clock)
    clock.advance(days=1)
    run = compare(session, world.account, clock=clock)
    assert run is not None
    assert run.new_mismatches == 0
    assert live(session) == []


def test_what_fits_a_decided_item_is_flagged_and_not_lost(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    """Two people booked a settlement line as other; then the payment turned up that it settles."""
    bill = a_bill(session, world.city, clock=clock, number=2)
    report_of(session, settled(bill.bill_reference, "14X"), clock=clock, account=world.account)
    compare(session, world.account, clock=clock)
    unknown = next(m for m in live(session) if m.type is MismatchType.UNRECORDED_RECEIPT)
    proposal = propose_resolution(
        session, unknown, ResolutionKind.BOOK_AS_OTHER, "nobody knows this", actor=officer,
        clock=clock,
    )  # fmt: skip
    decide_resolution(session, proposal, approve=True, note="", actor=approver, clock=clock)
    payment = a_paid_payment(session, bill, clock=clock)
    payment.provider_txn_id = "14X"
    session.add(payment)
    clock.advance(minutes=15)
    compare(session, world.account, clock=clock)

    left = [m for m in live(session) if m.item_id == payment.id]
    assert [m.type for m in left] == [MismatchType.AMBIGUOUS]
    assert left[0].related_items == f"settlement:{unknown.item_id}"
    clock.advance(minutes=15)
    assert compare(session, world.account, clock=clock) is None


def rows_of(text: str) -> list[tuple[str, ...]]:
    return sorted(tuple(row.values()) for row in csv.DictReader(io.StringIO(text)))


def test_the_frozen_inputs_give_the_same_result_from_files(
    session: Session, world: World, clock: FrozenClock, tmp_path: Path
) -> None:
    payment = a_paid_payment(
        session, a_bill(session, world.city, clock=clock, number=2), clock=clock
    )
    a_payment(session, a_bill(session, world.city, clock=clock, number=3), clock=clock)
    report_of(session, settled("", payment.provider_txn_id or "", fee=900), clock=clock)
    strange = a_line(DAY, 40_000, 'he said "=1+1", and\nleft', bank_ref="F9")
    receive(session, world.account, pays(world.bill), strange, clock=clock)
    run = compare(session, world.account, clock=clock)
    assert run is not None
    for name in run.inputs:
        (tmp_path / name).write_bytes(frozen_input(session, run, name))
    stored = (
        "".join(matches_csv(session, world.account)),
        "".join(mismatches_csv(session, world.account)),
    )
    command = [sys.executable, "-m", "app.cli.match"]
    for option in ("payments", "settlements", "bank"):
        command += [f"--{option}", str(tmp_path / f"{option}.csv")]
    command += ["--contracts", str(tmp_path / "contracts.json"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    for text, name in zip(stored, ("matches.csv", "mismatches.csv"), strict=True):
        rows = rows_of(text)
        assert rows
        assert rows_of((tmp_path / "out" / name).read_text()) == rows


def test_runs_of_one_account_wait_for_each_other(engine: Engine, clock: FrozenClock) -> None:
    with transaction(engine) as session:
        world = a_world(session, clock=clock)
        receive(session, world.account, pays(world.bill), clock=clock)

    def run() -> ReconciliationRun | None:
        with transaction(engine) as session:
            return compare(session, world.account, clock=clock)

    results = at_once(engine, run, run)
    assert sorted(isinstance(result, ReconciliationRun) for result in results) == [False, True]
    assert None in results
    with transaction(engine) as session:
        assert len(active(session)) == 1
        assert session.get_one(Bill, world.bill.id).received_minor == 83_000


@pytest.mark.postgres
def test_a_notice_that_comes_in_during_a_run_is_counted_once(
    postgres_engine: Engine, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has read the payment as pending; a notice confirms it before the run books it."""
    with transaction(postgres_engine) as session:
        world = a_world(session, clock=clock)
        receive(session, world.account, pays(world.bill), clock=clock)
    decide = reconciliation_engine.matcher.run

    def decide_late(inputs: Any) -> Any:
        with transaction(postgres_engine) as session:
            confirm_payment(
                session, session.get_one(Payment, world.payment.id), Money(83_000),
                provider_txn_id=None, occurred_at=clock(), clock=clock,
            )  # fmt: skip
        return decide(inputs)

    monkeypatch.setattr(reconciliation_engine.matcher, "run", decide_late)
    with transaction(postgres_engine) as session:
        compare(session, world.account, clock=clock)
    with transaction(postgres_engine) as session:
        assert session.get_one(Bill, world.bill.id).received_minor == 83_000
        assert len(receipts(session, ReceiptStatus.ISSUED)) == 1
        assert_books_agree(session)


def test_an_item_has_one_active_match_in_a_layer_whatever_the_code_does(
    session: Session, world: World, clock: FrozenClock
) -> None:
    receive(session, world.account, pays(world.bill), clock=clock)
    compare(session, world.account, clock=clock)
    (match,) = active(session)
    items = session.exec(select(MatchItem).where(MatchItem.match_id == match.id)).all()
    assert len(items) == 2
    twin = Match(**match.model_dump() | {"id": "mat_twin"})
    session.add(twin)
    session.flush()
    session.add(MatchItem(**items[0].model_dump() | {"match_id": twin.id}))
    with pytest.raises(Exception, match=r"(?i)unique|append-only"):
        session.flush()


def test_each_account_is_compared_alone(session: Session, world: World, clock: FrozenClock) -> None:
    other = world.city.accounts[1]
    receive(session, other, pays(world.bill), clock=clock)
    compare(session, other, clock=clock)
    assert active(session) == []
    assert [m.account_id for m in live(session)] == [other.id]
    assert world.payment.status is PaymentStatus.PENDING


def test_a_payment_in_doubt_stays_in_doubt_without_evidence(
    session: Session, world: World, clock: FrozenClock
) -> None:
    attempt = a_payment(
        session, a_bill(session, world.city, clock=clock, number=2), clock=clock,
        rail=Rail.VNPAY,
    )  # fmt: skip
    clock.advance(days=30)
    compare(session, world.account, clock=clock)
    assert attempt.status is PaymentStatus.PENDING
    assert session.exec(select(Resolution)).all() == []


def test_the_runner_is_named_where_a_mismatch_heals(
    session: Session, world: World, clock: FrozenClock
) -> None:
    receive(session, world.account, replace(pays(world.bill), narrative="khong ro"), clock=clock)
    compare(session, world.account, clock=clock)
    (event,) = session.exec(select(MismatchEvent)).all()
    assert (event.kind, event.actor_id) == (MismatchEventKind.OPENED, SYSTEM.id)
