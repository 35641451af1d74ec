"""Statements and reports as parsers give them, and a small world in which they mean something."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from sqlmodel import Session

from core.actors import SYSTEM, Actor
from core.clock import Clock, business_day
from core.money import Money
from payments.channels import Channel, Rail
from payments.models import Bill, CollectingAccount, Payment
from reconciliation.engine import run_reconciliation
from reconciliation.intake import Delivery, ImportReport, import_settlement, import_statement
from reconciliation.models import ProviderContract, ReconciliationRun
from reconciliation.ports import (
    BalanceCheck,
    Outcome,
    ParsedFile,
    ParsedLine,
    ParsedSettlement,
    ParsedSettlementLine,
    ParsedStatement,
)
from tests.factories import VAULT, City, a_bill, a_city, a_line, a_payment

DAY = date(2026, 11, 2)


@dataclass(frozen=True, slots=True)
class World:
    """A city with one bill whose transfer is awaited."""

    city: City
    account: CollectingAccount
    bill: Bill
    payment: Payment


def a_world(session: Session, *, clock: Clock) -> World:
    """Make a city, a bill of 83,000 and a QR code shown for it."""
    city = a_city(session)
    bill = a_bill(session, city, clock=clock)
    payment = a_payment(session, bill, clock=clock, rail=Rail.VIETQR)
    session.add(
        ProviderContract(
            account_id=city.accounts[0].id,
            provider=Channel.VNPAY,
            rate_bps=100,
            payout_accounts=["19001"],
            payout_names=["VNPAY"],
        )
    )
    session.flush()
    return World(city, city.accounts[0], bill, payment)


def pays(bill: Bill, amount: int = 83_000, *, bank_ref: str = "FT1", day: date = DAY) -> ParsedLine:
    """Return a credit that names a bill."""
    narrative = f"{bill.bill_reference} nop le phi"
    return a_line(day, amount, narrative, bank_ref=bank_ref, payer="TRAN VAN A")


def a_parsed(
    of: CollectingAccount,
    booked: Sequence[ParsedLine],
    *,
    opening: int = 0,
    day: date = DAY,
    **changes: object,
) -> ParsedFile:
    """Return a file of one statement without a number whose balances add up."""
    statement = ParsedStatement(
        account=of.account_number, currency="VND", from_date=day, to_date=day,
        opening_balance=Decimal(opening),
        closing_balance=opening + sum((line.amount for line in booked), Decimal(0)),
        balance_check=BalanceCheck.OK, lines=list(booked),
    )  # fmt: skip
    return a_file(replace(statement, **changes))  # type: ignore[arg-type]


def a_file(*statements: ParsedStatement, salt: str = "") -> ParsedFile:
    """Return a file of these statements; ``salt`` makes its bytes other ones."""
    sha256 = hashlib.sha256(content_of(statements, salt)).hexdigest()
    return ParsedFile("s.xml", sha256, "camt.053.001.08", Outcome.OK, list(statements))


def content_of(statements: Sequence[ParsedStatement], salt: str = "") -> bytes:
    """Return bytes that stand for a file."""
    return (repr(list(statements)) + salt).encode()


def take(
    session: Session, parsed: ParsedFile, *, clock: Clock, actor: Actor = SYSTEM, salt: str = ""
) -> ImportReport:
    """Import a statement file."""
    delivery = Delivery(content_of(parsed.statements, salt), "test", actor)
    return import_statement(session, parsed, delivery, vault=VAULT, clock=clock)


def receive(
    session: Session,
    account: CollectingAccount,
    *lines: ParsedLine,
    clock: Clock,
    opening: int = 0,
    day: date = DAY,
) -> ImportReport:
    """Import a statement of these lines."""
    return take(session, a_parsed(account, lines, opening=opening, day=day), clock=clock)


def compare(
    session: Session, account: CollectingAccount, *, clock: Clock, as_of: date | None = None
) -> ReconciliationRun | None:
    """Compare an account as of today."""
    return run_reconciliation(
        session, account, as_of=as_of or business_day(clock()), clock=clock, actor=SYSTEM
    )


def settled(
    reference: str, txn_id: str, *, gross: int = 83_000, fee: int = 830, kind: str = "payment",
    payout: str = "PO1", day: date = DAY,
) -> ParsedSettlementLine:  # fmt: skip
    """Return a line of a VNPay report."""
    return ParsedSettlementLine(
        position="row 2", kind=kind, provider_txn_id=txn_id, bill_reference=reference,
        gross=Money(gross), fee=Money(fee), net=Money(gross - fee),
        occurred_at="2026-11-02T09:00:00+07:00", payout_id=payout,
        payout_date=day + timedelta(days=1),
    )  # fmt: skip


def report_of(
    session: Session, *lines: ParsedSettlementLine, clock: Clock, report_id: str = "R1",
    account: CollectingAccount | None = None, outcome: Outcome = Outcome.OK,
) -> ImportReport:  # fmt: skip
    """Import a VNPay report."""
    content = repr((lines, report_id)).encode()
    parsed = ParsedSettlement(
        file="vnpay.csv", sha256=hashlib.sha256(content).hexdigest(), format="vnpay",
        provider="vnpay", report_id=report_id, outcome=outcome, lines=list(lines),
    )  # fmt: skip
    delivery = Delivery(content, "test", SYSTEM)
    return import_settlement(session, parsed, delivery, vault=VAULT, clock=clock, account=account)
