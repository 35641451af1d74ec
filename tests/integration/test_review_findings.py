"""Sequences that once went wrong with money: each stays here so that it cannot again."""

import json
from datetime import date
from decimal import Decimal

import pytest
from sqlmodel import Session, select

from core.actors import Actor, PermissionDeniedError, Role
from core.crypto import sha256_hex
from payments.channels import Rail
from payments.inbox import process_gateway_event, record_gateway_event
from payments.models import EventState, GatewayEvent, Payment
from payments.ports import NoticeResult, RawEvent
from payments.states import PaymentStatus
from reconciliation import resolutions
from reconciliation.errors import ResolutionNotAllowedError
from reconciliation.intake import Delivery, ImportReport, import_statement
from reconciliation.models import EvidenceFile, Match, Mismatch, StatementLine
from reconciliation.ports import (
    BalanceCheck,
    Outcome,
    ParsedFile,
    ParsedLine,
    ParsedStatement,
    Problem,
)
from reconciliation.states import ItemKind, Layer, MismatchType, ResolutionKind
from tests.factories import VAULT, a_bill, a_city, a_line, a_payment
from tests.support.clock import FrozenClock
from tests.support.evidence import a_world, compare, receive
from tests.support.gateway import FakeGateway

DAY = date(2026, 11, 2)


def _statement(account: str, opening: int, lines: list[ParsedLine]) -> ParsedStatement:
    closing = opening + sum(int(line.amount) for line in lines)
    return ParsedStatement(
        account=account,
        currency="VND",
        number=f"{opening}",
        from_date=DAY,
        to_date=DAY,
        opening_balance=Decimal(opening),
        closing_balance=Decimal(closing),
        balance_check=BalanceCheck.OK,
        lines=lines,
    )


def _take(
    session: Session,
    statement: ParsedStatement,
    actor: Actor,
    clock: FrozenClock,
    *,
    outcome: Outcome = Outcome.OK,
    content: bytes = b"",
) -> ImportReport:
    content = content or repr(statement).encode()
    parsed = ParsedFile("day.xml", sha256_hex(content), "camt.053.001.08", outcome, [statement])
    if outcome is not Outcome.OK:
        parsed.problems = [Problem("S001", "file", "unreadable")]
    delivery = Delivery(content, "test", actor)
    return import_statement(session, parsed, delivery, vault=VAULT, clock=clock)


OPERATOR = Actor(id="op", role=Role.SYSTEM, name="op", office_path="/")


def test_a_signed_notice_of_one_merchant_does_not_pay_for_another(
    session: Session, clock: FrozenClock
) -> None:
    bill = a_bill(session, a_city(session), clock=clock)
    payment = a_payment(session, bill, clock=clock)
    body = {
        "id": "n1", "kind": "payment", "reference": payment.merchant_reference,
        "outcome": "succeeded", "amount": payment.amount_minor, "txn": "T1",
    }  # fmt: skip
    raw = RawEvent(
        Rail.VNPAY, "POST", "", {"x-signature": "right"}, json.dumps(body).encode(), clock()
    )
    event = record_gateway_event(session, raw, "ANOTHER1")

    result = process_gateway_event(session, event.id, FakeGateway(), clock=clock)

    assert result is NoticeResult.UNKNOWN_REFERENCE
    assert session.get_one(GatewayEvent, event.id).state is EventState.UNASSIGNED
    assert session.get_one(Payment, payment.id).status is PaymentStatus.PENDING


def test_a_twin_in_a_statement_that_continues_the_first_is_another_receipt(
    session: Session, clock: FrozenClock
) -> None:
    account = a_city(session).accounts[0]
    first = _statement(account.account_number, 0, [a_line(DAY, 50_000, "NOP PHI")])
    second = _statement(account.account_number, 50_000, [a_line(DAY, 50_000, "NOP PHI")])

    assert _take(session, first, OPERATOR, clock).lines_added == 1
    assert _take(session, second, OPERATOR, clock).lines_added == 1
    amounts = session.exec(select(StatementLine.amount_minor)).all()
    assert amounts == [50_000, 50_000]


def test_an_export_that_repeats_a_line_adds_nothing_for_it(
    session: Session, clock: FrozenClock
) -> None:
    account = a_city(session).accounts[0]
    morning = _statement(account.account_number, 0, [a_line(DAY, 50_000, "NOP PHI")])
    whole = _statement(
        account.account_number, 0, [a_line(DAY, 50_000, "NOP PHI"), a_line(DAY, 20_000, "KHAC")]
    )
    whole.number = "whole day"

    assert _take(session, morning, OPERATOR, clock).lines_added == 1
    assert _take(session, whole, OPERATOR, clock).lines_added == 1
    assert sorted(session.exec(select(StatementLine.amount_minor)).all()) == [20_000, 50_000]


def test_a_refused_file_is_looked_at_anew_when_it_comes_again(
    session: Session, clock: FrozenClock
) -> None:
    account = a_city(session).accounts[0]
    statement = _statement(account.account_number, 0, [a_line(DAY, 50_000, "NOP PHI")])
    strange = _statement("999", 0, [a_line(DAY, 50_000, "NOP PHI")])
    content = b"the same bytes"

    refused = _take(session, strange, OPERATOR, clock, content=content)
    assert (refused.outcome, refused.lines_added) == (Outcome.REFUSED, 0)
    taken = _take(session, statement, OPERATOR, clock, content=content)
    assert (taken.outcome, taken.lines_added, taken.file_id) == (Outcome.OK, 1, refused.file_id)
    assert session.exec(select(EvidenceFile.outcome)).all() == [Outcome.OK]


def test_nobody_brings_evidence_of_another_communes_account(
    session: Session, clock: FrozenClock
) -> None:
    city = a_city(session)
    mine, other = city.accounts[0], city.accounts[1]
    officer = Actor(id="o", role=Role.OFFICER, office_path=city.communes[0].path)
    assert city.communes[0].account_id == mine.id
    statement = _statement(other.account_number, 0, [a_line(DAY, 50_000, "NOP PHI")])

    with pytest.raises(PermissionDeniedError):
        _take(session, statement, officer, clock)


@pytest.mark.parametrize("kind", [ResolutionKind.BOOK_AS_OTHER, ResolutionKind.RETURN_TO_PAYER])
@pytest.mark.parametrize(
    ("type_", "layer"),
    [
        (MismatchType.PAYOUT_MISSING, Layer.PAYOUT),
        (MismatchType.FEE_MISMATCH, Layer.PROVIDER),
        (MismatchType.AMOUNT_MISMATCH, Layer.PROVIDER),
        (MismatchType.DUPLICATE_LINE, Layer.PAYOUT),
    ],
)
def test_a_settlement_line_of_recorded_money_is_not_booked_twice(
    session: Session, kind: ResolutionKind, type_: MismatchType, layer: Layer
) -> None:
    mismatch = Mismatch(
        type=type_, layer=layer, item_kind=ItemKind.SETTLEMENT, item_id="s", amount_minor=83_000
    )
    with pytest.raises(ResolutionNotAllowedError, match="counts twice"):
        resolutions.check(session, mismatch, kind, "")


def test_a_stronger_rule_for_the_same_match_does_not_stop_the_account(
    session: Session, clock: FrozenClock
) -> None:
    world = a_world(session, clock=clock)
    credit = a_line(DAY, 83_000, f"NOP PHI {world.bill.bill_reference}", bank_ref="F1")
    receive(session, world.account, credit, clock=clock)
    compare(session, world.account, clock=clock)
    match = session.exec(select(Match)).one()
    match.rule = "an older name of the rule"
    session.add(match)
    session.flush()
    clock.advance(days=1)

    assert compare(session, world.account, clock=clock) is not None
    session.refresh(match)
    assert match.rule == "narrative_reference"
    assert session.exec(select(Mismatch)).all() == []
