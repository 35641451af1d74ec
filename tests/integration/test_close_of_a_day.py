"""A day with many payments, three planted breaks and a late file: refused, named, then closed.

``--close-payments`` says how many payments; ``make close-test`` takes 20,000.
"""

import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.engine import Engine
from sqlmodel import Session, select

from core.clock import at_vietnam_time
from core.db import transaction
from core.ids import new_id, random_below
from core.money import Currency, Money
from payments.channels import Channel, Rail
from payments.ledger.models import JournalEntry
from payments.ledger.posting import Cause, Leg, post_new
from payments.models import Bill, BillLine, CollectingAccount, Payment
from payments.references import new_reference
from payments.states import BillStatus, PaymentStatus
from reconciliation.closing import (
    check_day,
    close_of,
    is_untouched,
    prepare_day,
    sign_day,
)
from reconciliation.exports import Period, ledger_csv
from reconciliation.models import Mismatch
from reconciliation.ports import ParsedLine, ParsedSettlementLine
from reconciliation.queries import LIVE
from reconciliation.states import MismatchType
from tests.factories import a_line
from tests.support.clock import FrozenClock
from tests.support.closing import PREPARES, REVIEWS, explain_all
from tests.support.evidence import DAY, World, a_world, compare, receive, report_of, settled

GROSS, FEE = 83_000, 830
TUESDAY, WEDNESDAY = DAY + timedelta(days=1), DAY + timedelta(days=2)
NOON = at_vietnam_time(DAY, 12)


@dataclass(frozen=True)
class Many:
    """The payments of a day: what was collected online, and what was transferred."""

    online: list[dict[str, object]]
    transfers: list[dict[str, object]]
    references: dict[str, str]

    def reports(self) -> list[ParsedSettlementLine]:
        """The provider's lines: the first with another amount than was collected, and one more."""
        lines = [
            settled(self.references[str(p["bill_id"])], str(p["provider_txn_id"]))
            for p in self.online
        ]
        first = str(self.online[0]["provider_txn_id"])
        lines[0] = settled("", first, gross=GROSS - 1_000, fee=820)
        return [*lines, settled("", "nobody-knows-it")]

    def credits(self) -> list[ParsedLine]:
        """The bank's credits of the day; the last names no bill."""
        lines = [
            a_line(DAY, GROSS, f"{self.references[str(p['bill_id'])]} le phi", bank_ref=f"F{n}")
            for n, p in enumerate(self.transfers)
        ]
        return [*lines, a_line(DAY, 7_777, "khong ro noi dung", bank_ref="STRAY")]


def many(session: Session, world: World, count: int, *, clock: FrozenClock) -> Many:
    """Put so many paid bills into the database at once, as their use cases would leave them."""
    bills, lines, payments, billed, collected = [], [], [], [], []
    references: dict[str, str] = {}
    for number in range(count):
        bill_id, online = new_id("bil"), number % 2 == 0
        reference = new_reference(world.account.reference_prefix, random_below)
        references[bill_id] = reference
        bills.append(_bill(world, bill_id, reference, number, at=clock()))
        lines.append(_line(bill_id))
        channel = Channel.VNPAY if online else Channel.BANK_TRANSFER
        payments.append(_payment(world, bill_id, reference, channel, number))
        places = {"account_id": world.account.id, "office_id": world.bill.office_id}
        about = places | {"bill_id": bill_id, "description": reference}
        payable = "payable:state_treasury:LP-HOTICH"
        billed.append(
            (Cause("billed", f"billed:{bill_id}", **about),  # type: ignore[arg-type]
             Leg("receivable", payable, Money(GROSS)), DAY)
        )  # fmt: skip
        collected.append(
            (Cause("collected", f"collected:{payments[-1]['id']}:1", **about),  # type: ignore[arg-type]
             Leg(f"clearing:{channel}", "receivable", Money(GROSS)), DAY)
        )  # fmt: skip
    for table, rows in ((Bill, bills), (BillLine, lines), (Payment, payments)):
        session.execute(insert(table), rows)
    post_new(session, [*billed, *collected], clock=clock)
    by_channel = [[p for p in payments if p["channel"] is one] for one in
                  (Channel.VNPAY, Channel.BANK_TRANSFER)]  # fmt: skip
    return Many(*by_channel, references)


def _bill(
    world: World, bill_id: str, reference: str, number: int, *, at: datetime
) -> dict[str, object]:
    return {
        "id": bill_id, "bill_reference": reference, "dossier_code": f"H49.22-261102-{number:06d}",
        "office_id": world.bill.office_id, "title_vi": "x", "title_en": "x",
        "amount_minor": GROSS, "due_minor": GROSS, "received_minor": GROSS,
        "currency": Currency.VND, "status": BillStatus.PAID, "due_date": WEDNESDAY,
        "expires_on": WEDNESDAY, "payer_name": "", "payer_email": "", "language": "vi",
        "exemption_reason": "", "portal_reference": "", "created_at": at, "status_at": at,
    }  # fmt: skip


def _line(bill_id: str) -> dict[str, object]:
    return {
        "id": new_id("bln"), "bill_id": bill_id, "position": 1, "fee_code": "LP-HOTICH",
        "kind": "le_phi", "name_vi": "x", "name_en": "x", "legal_basis": "demonstration",
        "amount_minor": GROSS, "budget": "state_treasury",
    }  # fmt: skip


def _payment(
    world: World, bill_id: str, reference: str, channel: Channel, number: int
) -> dict[str, object]:
    online = channel is Channel.VNPAY
    return {
        "id": new_id("pay"), "bill_id": bill_id, "account_id": world.account.id, "attempt": 1,
        "channel": channel, "rail": Rail.VNPAY if online else Rail.VIETQR,
        "merchant_reference": f"{reference}-1", "merchant_code": "DEMO0001",
        "amount_minor": GROSS, "surcharge_minor": 0, "currency": Currency.VND,
        "status": PaymentStatus.SUCCEEDED, "collected_minor": GROSS, "collected_currency": "VND",
        "provider_txn_id": f"9{number:09d}" if online else None, "reason_code": "",
        "created_at": NOON, "expires_at": NOON, "paid_at": NOON, "status_at": NOON,
        "query_count": 0,
    }  # fmt: skip


def failing(session: Session, account: CollectingAccount) -> dict[str, list[str]]:
    """The conditions that do not hold, with what blocks each."""
    return {
        check.name: [one.text for one in check.blocks]
        for check in check_day(session, account, DAY)
        if not check.holds
    }


def test_a_day_of_many_payments_three_breaks_and_a_late_file(
    engine: Engine, clock: FrozenClock, pytestconfig: pytest.Config
) -> None:
    count: int = pytestconfig.getoption("close_payments")
    began = time.monotonic()

    def said(step: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:7.1f} s  {step}\n")

    with transaction(engine) as session:
        world = a_world(session, clock=clock)
        account = world.account
        day = many(session, world, count, clock=clock)
        report_of(session, *day.reports(), clock=clock, account=account)
    said(f"{count:,} payments are paid, the provider's report is in")
    clock.advance(days=1, hours=1)
    with transaction(engine) as session:
        compare(session, account, clock=clock)
        blocked = failing(session, account)
    assert blocked["statement"] == ["statement"], "the bank's file is late"
    assert sorted(blocked["provider"]) == ["amount_mismatch", "amount_mismatch",
                                           "unrecorded_receipt"]  # fmt: skip
    said("refused: the statement is late, two breaks in the provider's layer are named")

    clock.advance(hours=1)
    with transaction(engine) as session:
        receive(session, account, *day.credits(), clock=clock)
        assert "compared" in failing(session, account)
        compare(session, account, clock=clock)
        blocked = failing(session, account)
    assert set(blocked) == {"provider", "direct"}
    assert blocked["direct"] == [MismatchType.UNRECORDED_RECEIPT.value]
    said("the late file is in: refused for three breaks, each named")

    clock.advance(hours=1)
    with transaction(engine) as session:
        live = session.exec(select(Mismatch).where(Mismatch.status.in_(LIVE))).all()  # type: ignore[attr-defined]
        assert {m.id for m in live if m.type is not MismatchType.TIMING_DIFFERENCE} >= {
            one.id for check in check_day(session, account, DAY) for one in check.blocks
        }
        explain_all(session, account, clock=clock)
        assert failing(session, account) == {}
        close_id = prepare_day(session, account, DAY, actor=PREPARES, clock=clock).id
    said("resolved by two people and prepared by one")
    with transaction(engine) as session:
        close = close_of(session, account.id, DAY)
        assert close is not None
        assert close.id == close_id
        sign_day(session, close, actor=REVIEWS, clock=clock)
        signed = (close.sheet, close.sheet_sha256)
        books = list(ledger_csv(session, Period(DAY, DAY), account_ids=[account.id]))
    said("signed by another: the day is locked")
    # Every entry that is dated to the day: two for each payment, the bill of the world, bank lines.
    assert len(books) - 1 >= 2 * count + count // 2

    clock.advance(days=1)
    with transaction(engine) as session:
        late = a_line(DAY, 4_321, "den muon", bank_ref="LATE")
        moved = sum(int(line.amount) for line in day.credits())
        receive(session, account, late, day=TUESDAY, opening=moved, clock=clock)
        compare(session, account, clock=clock)
        entry = session.exec(select(JournalEntry).where(JournalEntry.description == "LATE")).one()
        assert entry.entry_date == TUESDAY
        kept = close_of(session, account.id, DAY)
        assert kept is not None
        assert (kept.sheet, kept.sheet_sha256) == signed
        assert list(ledger_csv(session, Period(DAY, DAY), account_ids=[account.id])) == books
        assert is_untouched(session, kept)
    said("a correction is dated to the next day; the signed one is, byte for byte, what it was")
