"""Refunds by transfer: whose account, in which file, proved by which debit, and if none comes."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session, col, select

from core.actors import Actor, PermissionDeniedError
from core.audit import AuditEvent
from core.clock import business_day
from core.crypto import sha256_hex
from core.db import transaction
from core.money import Money
from payments.channels import Channel, Rail
from payments.collection import reverse_payment
from payments.errors import (
    IllegalTransitionError,
    PaymentOrderNotPossibleError,
    RefundChangedError,
    RefundNotAllowedError,
    SamePersonError,
)
from payments.ledger.balances import balance_of
from payments.models import (
    Bill,
    CollectingAccount,
    Payment,
    PaymentOrder,
    Receipt,
    ReceiptStatus,
    Refund,
)
from payments.refunds import (
    Beneficiary,
    approve_refund,
    fingerprint,
    most_refundable,
    name_beneficiary,
    prepare_payment_order,
    record_refusal,
    submit_refund,
)
from payments.refunds.order_file import (
    NAMESPACE,
    SHEET_COLUMNS,
    OrderFile,
    OrderRow,
    write_pain001,
    write_sheet,
)
from payments.states import BillStatus, RefundStatus
from reconciliation.engine import supersede
from reconciliation.errors import ResolutionNotAllowedError
from reconciliation.mismatches import decide_resolution, propose_resolution
from reconciliation.models import Match, Mismatch
from reconciliation.ports import ParsedLine
from reconciliation.states import (
    ItemKind,
    MatchStatus,
    MismatchStatus,
    MismatchType,
    ResolutionKind,
)
from tests.factories import BENEFICIARY, City, a_bill, a_city, a_line, a_paid_payment, ask_refund
from tests.support.books import assert_books_agree, at_once, everything
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, compare, pays, receive

GOLDEN = Path(__file__).parents[1] / "golden" / "payment_orders"
STATUS, COPY = 75_000, 8_000
FEE = STATUS + COPY
SPACE = {"p": NAMESPACE}
PLAIN = re.compile(r"[A-Za-z0-9 .,'&()/:+?-]*")
"""What every bank takes in a text; the ampersand is written as XML wants it."""


class Desk:
    """The two people at work on refunds by transfer, and the bank they work with."""

    def __init__(self, session: Session, clock: FrozenClock, first: Actor, second: Actor) -> None:
        self.session, self.clock, self.first, self.second = session, clock, first, second
        self.city: City = a_city(session)
        self.account = self.city.accounts[0]
        self.bills = 0

    def paid(self, commune: int = 0) -> tuple[Bill, Payment]:
        self.bills += 1
        bill = a_bill(self.session, self.city, clock=self.clock, number=self.bills, commune=commune)
        return bill, a_paid_payment(self.session, bill, clock=self.clock, rail=Rail.VIETQR)

    def ask(
        self, payment: Payment, amount: int = COPY, *lines: int, to: Beneficiary = BENEFICIARY
    ) -> Refund:
        return ask_refund(
            self.session, payment, Money(amount), actor=self.first, clock=self.clock,
            waived_lines=lines, beneficiary=to,
        )  # fmt: skip

    def approve(self, refund: Refund) -> Refund:
        return approve_refund(self.session, refund, actor=self.second, clock=self.clock)

    def approved(self, commune: int = 0) -> Refund:
        _, payment = self.paid(commune)
        return self.approve(self.ask(payment, COPY, 2))

    def order(self, *refunds: Refund, account: CollectingAccount | None = None) -> PaymentOrder:
        return prepare_payment_order(
            self.session, account or self.account, refunds, actor=self.first, clock=self.clock
        )

    def ordered(self) -> tuple[Bill, Payment, Refund]:
        """A transfer that is proved to have come in, and a refund of it that the bank is told."""
        bill, payment = self.paid()
        receive(self.session, self.account, pays(bill, FEE), clock=self.clock)
        refund = self.approve(self.ask(payment, COPY, 2))
        self.order(refund)
        compare(self.session, self.account, clock=self.clock)
        return bill, payment, refund

    def debit(self, bill: Bill, amount: int = COPY, *, ref: str = "FT9", days: int = 1) -> None:
        """Import the next statement, on which the bank has carried out the order."""
        self.clock.advance(days=days)
        day = business_day(self.clock())
        line: ParsedLine = a_line(day, -amount, f"{bill.bill_reference} hoan tien phi le phi",
                                  bank_ref=ref, payer=BENEFICIARY.name)  # fmt: skip
        receive(self.session, self.account, line, clock=self.clock, opening=FEE, day=day)

    def compare(self) -> None:
        compare(self.session, self.account, clock=self.clock)

    def live(self) -> list[Mismatch]:
        wanted = [MismatchStatus.OPEN, MismatchStatus.PROPOSED]
        query = select(Mismatch).where(col(Mismatch.status).in_(wanted))
        return list(self.session.exec(query.order_by(col(Mismatch.type))))

    def issued(self) -> list[int]:
        query = select(Receipt.amount_minor).where(Receipt.status == ReceiptStatus.ISSUED)
        return list(self.session.exec(query))


@pytest.fixture
def desk(session: Session, clock: FrozenClock, officer: Actor, approver: Actor) -> Desk:
    return Desk(session, clock, officer, approver)


# Whose account


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (("Nguyễn Thị Ánh Tuyết", "0011004567890", "970436"), BENEFICIARY),
        (("  nguyễn  thị ánh\ttuyết ", "0011 0045 67890", " 970436 "), BENEFICIARY),
        (("Nguyễn Thị Ánh Tuyết", "0011.0045-67890", "970436"), BENEFICIARY),
        (
            ("ĐẶNG VĂN ĐÔNG", "19mc0042", "970422"),
            Beneficiary("DANG VAN DONG", "19MC0042", "970422"),
        ),
        (
            ("Công ty TNHH A & B (VN)", "113366", "970415"),
            Beneficiary("CONG TY TNHH A & B (VN)", "113366", "970415"),
        ),
        (("H'Hen Niê", "123", "970405"), Beneficiary("H'HEN NIE", "123", "970405")),
        (("N\u200bguyễn\u00a0Văn", "123", "970405"), Beneficiary("NGUYEN VAN", "123", "970405")),
        (("", "", ""), Beneficiary()),
        (("  ", " - ", "  "), Beneficiary()),
    ],
)
def test_a_beneficiary_is_read_as_people_type_it(
    typed: tuple[str, str, str], read: Beneficiary
) -> None:
    assert Beneficiary.parse(*typed) == read


@pytest.mark.parametrize(
    ("name", "account", "bank_bin"),
    [
        ("=HYPERLINK(1)", "123", "970436"),
        ("+84 NGUYEN", "123", "970436"),
        ("-NGUYEN", "123", "970436"),
        ("@NGUYEN", "123", "970436"),
        ("NGUYEN; DROP", "123", "970436"),
        ('NGUYEN "ANH"', "123", "970436"),
        ("NGUYEN <ANH>", "123", "970436"),
        ("NGUYEN\x00ANH", "123", "970436"),
        ("阮氏", "123", "970436"),
        ("N", "123", "970436"),
        ("N" * 71, "123", "970436"),
        ("NGUYEN", "12", "970436"),
        ("NGUYEN", "1" * 35, "970436"),
        ("NGUYEN", "=1+2", "970436"),
        ("NGUYEN", "12_34", "970436"),
        ("NGUYEN", "١٢٣٤", "970436"),
        ("NGUYEN", "straße", "970436"),
        ("NGUYEN", "123", "97043"),
        ("NGUYEN", "123", "9704366"),
        ("NGUYEN", "123", "VCB"),
        ("NGUYEN", "123", "97 436"),
        ("NGUYEN", "123", "９７０４３６"),
    ],
)
def test_what_no_bank_would_take_is_refused(name: str, account: str, bank_bin: str) -> None:
    with pytest.raises(RefundNotAllowedError, match="no bank would take"):
        Beneficiary.parse(name, account, bank_bin)


@pytest.mark.parametrize("missing", ["name", "account", "bank_bin"])
def test_a_transfer_to_an_incomplete_account_is_asked_for_but_not_approved(
    desk: Desk, missing: str
) -> None:
    known = {"name": "NGUYEN", "account": "123", "bank_bin": "970436"} | {missing: ""}
    _, payment = desk.paid()
    refund = desk.ask(payment, COPY, 2, to=Beneficiary(**known))
    with pytest.raises(RefundNotAllowedError, match="to which account"):
        desk.approve(refund)
    assert refund.status is RefundStatus.REQUESTED
    name_beneficiary(desk.session, refund, BENEFICIARY, actor=desk.first, clock=desk.clock)
    assert desk.approve(refund).beneficiary_account == BENEFICIARY.account


def test_another_account_than_was_seen_is_not_approved(desk: Desk) -> None:
    _, payment = desk.paid()
    refund = desk.ask(payment, COPY, 2)
    seen = fingerprint(refund)
    other = Beneficiary(BENEFICIARY.name, "666", BENEFICIARY.bank_bin)
    name_beneficiary(desk.session, refund, other, actor=desk.first, clock=desk.clock)
    with pytest.raises(RefundChangedError):
        approve_refund(desk.session, refund, seen=seen, actor=desk.second, clock=desk.clock)
    assert refund.status is RefundStatus.REQUESTED


def test_only_who_asked_says_where_it_goes_and_only_before_the_decision(
    desk: Desk, approver: Actor
) -> None:
    _, payment = desk.paid()
    refund = desk.ask(payment, COPY, 2)
    with pytest.raises(RefundNotAllowedError, match="only who asked"):
        name_beneficiary(desk.session, refund, BENEFICIARY, actor=approver, clock=desk.clock)
    desk.approve(refund)
    with pytest.raises(RefundNotAllowedError, match="before the decision"):
        name_beneficiary(desk.session, refund, BENEFICIARY, actor=desk.first, clock=desk.clock)


def test_the_database_itself_keeps_the_account_of_an_approved_transfer(desk: Desk) -> None:
    refund = desk.approved()
    desk.session.flush()
    with pytest.raises(DatabaseError, match="append-only"):
        desk.session.execute(
            text("UPDATE refund SET beneficiary_account = '666' WHERE id = :id"), {"id": refund.id}
        )


# Which refunds may be in a file


def test_a_transfer_is_sent_by_a_file_only(desk: Desk) -> None:
    refund = desk.approved()
    with pytest.raises(RefundNotAllowedError, match="by a payment order"):
        submit_refund(desk.session, refund, clock=desk.clock)
    order = desk.order(refund)
    assert (refund.status, refund.payment_order_id) == (RefundStatus.SUBMITTED, order.id)
    assert refund.submitted_at == desk.clock()
    assert (order.refund_count, order.amount_minor) == (1, COPY)


def test_what_is_not_an_approved_transfer_of_the_account_is_in_no_file(desk: Desk) -> None:
    good = desk.approved()
    _, payment = desk.paid()
    card = a_paid_payment(desk.session, _another_bill(desk), clock=desk.clock)
    by_channel = desk.approve(desk.ask(card, COPY, 2))
    for bad in (desk.ask(payment, COPY, 2), by_channel, desk.approved(commune=1)):
        desk.session.flush()
        before = everything(desk.session)
        with pytest.raises(PaymentOrderNotPossibleError, match=bad.refund_reference):
            desk.order(good, bad)
        assert everything(desk.session) == before, "all or none"


def _another_bill(desk: Desk) -> Bill:
    desk.bills += 1
    return a_bill(desk.session, desk.city, clock=desk.clock, number=desk.bills)


def test_money_of_a_channel_goes_by_transfer_if_it_was_asked_so(desk: Desk) -> None:
    card = a_paid_payment(desk.session, _another_bill(desk), clock=desk.clock)
    refund = ask_refund(
        desk.session, card, Money(COPY), actor=desk.first, clock=desk.clock, waived_lines=[2],
        by_transfer=True, beneficiary=BENEFICIARY,
    )  # fmt: skip
    desk.order(desk.approve(refund))
    assert (refund.channel, refund.status) == (Channel.BANK_TRANSFER, RefundStatus.SUBMITTED)


def test_no_refund_is_in_two_files(desk: Desk) -> None:
    first, second = desk.approved(), desk.approved()
    desk.order(first)
    with pytest.raises(PaymentOrderNotPossibleError, match=first.refund_reference):
        desk.order(first, second)
    assert second.status is RefundStatus.APPROVED
    assert desk.order(second, second).refund_count == 1, "named twice is there once"


def test_a_file_has_rows(desk: Desk) -> None:
    with pytest.raises(PaymentOrderNotPossibleError, match="1 to 500"):
        desk.order()


def test_no_file_is_made_while_the_money_of_one_is_gone(desk: Desk) -> None:
    good, gone = desk.approved(), desk.approved()
    payment = desk.session.get_one(Payment, gone.payment_id)
    reverse_payment(desk.session, payment, "returned", clock=desk.clock)
    desk.session.flush()
    before = everything(desk.session)
    with pytest.raises(RefundNotAllowedError, match="not there any more"):
        desk.order(good, gone)
    assert everything(desk.session) == before
    assert desk.order(good).refund_count == 1


def test_an_auditor_orders_nothing(desk: Desk, auditor: Actor) -> None:
    refund = desk.approved()
    with pytest.raises(PermissionDeniedError):
        prepare_payment_order(desk.session, desk.account, [refund], actor=auditor, clock=desk.clock)


def test_files_are_numbered_by_account_and_by_the_year_in_vietnam(desk: Desk) -> None:
    other = desk.city.accounts[1]
    names = [desk.order(desk.approved()).name for _ in range(2)]
    names.append(desk.order(desk.approved(commune=1), account=other).name)
    assert names == ["2026-0001", "2026-0002", "2026-0001"]
    desk.clock.move_to(datetime(2026, 12, 31, 16, 59, tzinfo=UTC))
    assert desk.order(desk.approved()).name == "2026-0003"
    desk.clock.move_to(datetime(2026, 12, 31, 17, 0, tzinfo=UTC))
    assert desk.order(desk.approved()).name == "2027-0001"
    ids = {_read(order.content).findtext(".//p:MsgId", namespaces=SPACE)
           for order in desk.session.exec(select(PaymentOrder))}  # fmt: skip
    assert len(ids) == 5, "a bank never sees one message id twice"


def test_two_people_order_at_once_and_each_refund_is_in_one_file(
    engine: Engine, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    with transaction(engine) as session:
        desk = Desk(session, clock, officer, approver)
        refunds = [desk.approved() for _ in range(3)]

    def order(*mine: Refund) -> str:
        with transaction(engine) as session:
            account = session.get_one(CollectingAccount, desk.account.id)
            named = [session.get_one(Refund, refund.id) for refund in mine]
            return prepare_payment_order(session, account, named, actor=officer, clock=clock).name

    results = at_once(
        engine, lambda: order(*refunds[:2]), lambda: order(refunds[1], refunds[0]),
        lambda: order(refunds[2]),
    )  # fmt: skip
    made = sorted(result for result in results if isinstance(result, str))
    assert made == ["2026-0001", "2026-0002"], results
    (refused,) = [result for result in results if not isinstance(result, str)]
    assert isinstance(refused, PaymentOrderNotPossibleError), results


# What stands in a file


def _read(content: bytes) -> etree._Element:
    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))


def _texts(root: etree._Element, path: str) -> list[str]:
    return [found.text or "" for found in root.iterfind(f".//{path}", namespaces=SPACE)]


def test_the_message_names_every_transfer_and_their_sum(desk: Desk) -> None:
    _, payment = desk.paid()
    refunds = [desk.approved(), desk.approve(desk.ask(payment, STATUS, 1)), desk.approved()]
    root = _read(desk.order(*refunds).content)
    assert root.tag == f"{{{NAMESPACE}}}Document"
    rows = root.findall(".//p:CdtTrfTxInf", namespaces=SPACE)
    assert _texts(root, "p:NbOfTxs") == ["3", "3"]
    amounts = [int(one) for one in _texts(root, "p:InstdAmt")]
    assert sorted(amounts) == [COPY, COPY, STATUS]
    assert _texts(root, "p:CtrlSum") == [str(sum(amounts))] * 2
    assert _texts(root, "p:BtchBookg") == ["false"]
    assert _texts(root, "p:PmtMtd") == ["TRF"]
    assert _texts(root, "p:DbtrAcct/p:Id/p:Othr/p:Id") == [desk.account.account_number]
    assert _texts(root, "p:DbtrAgt/p:FinInstnId/p:ClrSysMmbId/p:MmbId") == [desk.account.bank_bin]
    assert sorted(_texts(root, "p:EndToEndId")) == sorted(r.refund_reference for r in refunds)
    for row in rows:
        name = row.findtext("p:PmtId/p:EndToEndId", namespaces=SPACE)
        (refund,) = [one for one in refunds if one.refund_reference == name]
        assert row.findtext("p:Amt/p:InstdAmt", namespaces=SPACE) == str(refund.amount_minor)
        assert row.find("p:Amt/p:InstdAmt", namespaces=SPACE).get("Ccy") == "VND"
        member = "p:CdtrAgt/p:FinInstnId/p:ClrSysMmbId/p:MmbId"
        assert row.findtext(member, namespaces=SPACE) == BENEFICIARY.bank_bin
        assert row.findtext("p:Cdtr/p:Nm", namespaces=SPACE) == BENEFICIARY.name
        to = row.findtext("p:CdtrAcct/p:Id/p:Othr/p:Id", namespaces=SPACE)
        assert to == BENEFICIARY.account
        told = row.findtext("p:RmtInf/p:Ustrd", namespaces=SPACE)
        bill = desk.session.get_one(Bill, desk.session.get_one(Payment, refund.payment_id).bill_id)
        assert told == f"{bill.bill_reference} hoan tien phi le phi"


def test_only_characters_that_every_bank_takes_and_no_longer_than_it_takes(desk: Desk) -> None:
    to = Beneficiary.parse("Công ty A & B (VN), H'Hen - Niê/Đ.", "19mc0042", "970422")
    _, payment = desk.paid()
    root = _read(desk.order(desk.approve(desk.ask(payment, COPY, 2, to=to))).content)
    for element in root.iter():
        assert PLAIN.fullmatch((element.text or "").strip()), element.text
    for path, longest in (
        ("p:MsgId", 35), ("p:PmtInfId", 35), ("p:InstrId", 35), ("p:EndToEndId", 35),
        ("p:Ustrd", 140), ("p:Nm", 140), ("p:Id/p:Othr/p:Id", 34),
    ):  # fmt: skip
        found = _texts(root, path)
        assert found
        assert all(0 < len(one) <= longest for one in found), (path, found)


def test_the_table_says_the_same_as_the_message_row_for_row(desk: Desk) -> None:
    order = desk.order(*(desk.approved() for _ in range(4)))
    rows = list(csv.DictReader(io.StringIO(order.sheet.decode())))
    root = _read(order.content)
    said = [
        {
            "order": order.name,
            "from_account": desk.account.account_number,
            "end_to_end_id": row.findtext("p:PmtId/p:EndToEndId", namespaces=SPACE),
            "beneficiary_name": row.findtext("p:Cdtr/p:Nm", namespaces=SPACE),
            "beneficiary_account": row.findtext("p:CdtrAcct/p:Id/p:Othr/p:Id", namespaces=SPACE),
            "beneficiary_bank_bin": row.findtext(
                "p:CdtrAgt/p:FinInstnId/p:ClrSysMmbId/p:MmbId", namespaces=SPACE
            ),
            "amount": row.findtext("p:Amt/p:InstdAmt", namespaces=SPACE),
            "currency": row.find("p:Amt/p:InstdAmt", namespaces=SPACE).get("Ccy"),
            "narrative": row.findtext("p:RmtInf/p:Ustrd", namespaces=SPACE),
        }
        for row in root.iterfind(".//p:CdtTrfTxInf", namespaces=SPACE)
    ]
    assert len(rows) == 4
    assert rows == said
    assert tuple(rows[0]) == SHEET_COLUMNS


def test_no_cell_of_the_table_can_be_a_formula(desk: Desk) -> None:
    """Whatever a person typed was refused or folded; a cell begins with a letter or a digit."""
    _, payment = desk.paid()
    hostile = ["=1+2", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "  =1", "'=1", "%0A=1", "＝1"]
    for typed in hostile:
        with pytest.raises(RefundNotAllowedError):
            Beneficiary.parse(typed, "123", "970436")
    to = Beneficiary.parse("A, -1 & (-2)", "-1-2-3", "970436")
    order = desk.order(desk.approve(desk.ask(payment, COPY, 2, to=to)))
    for row in csv.reader(io.StringIO(order.sheet.decode())):
        assert all(re.match(r"[A-Za-z0-9]", cell) for cell in row), row


def test_a_file_is_kept_byte_for_byte_with_its_digest(desk: Desk) -> None:
    order = desk.order(desk.approved(), desk.approved())
    desk.session.flush()
    desk.session.expire(order)
    assert sha256_hex(order.content) == order.sha256
    assert sha256_hex(order.sheet) == order.sheet_sha256
    events = desk.session.exec(
        select(AuditEvent).where(AuditEvent.action == "prepare_payment_order")
    ).all()
    assert [event.after["sha256"] for event in events if event.after] == [order.sha256]


def test_the_database_itself_keeps_files_as_they_were_handed_out(desk: Desk) -> None:
    order = desk.order(desk.approved())
    desk.session.flush()
    with pytest.raises(DatabaseError, match="append-only"):
        desk.session.execute(
            text("UPDATE payment_order SET sha256 = 'x' WHERE id = :id"), {"id": order.id}
        )


def golden_file() -> OrderFile:
    """What the golden files were written from once; their text was then read line by line."""
    rows = [
        ("MC00000000AA-1-R1", 83_000, ("Nguyễn Thị Ánh Tuyết", "0011004567890", "970436")),
        ("MC00000000BB-2-R3", 8_000, ("Công ty A & B (VN), H'Hen", "19mc0042", "970422")),
    ]
    return OrderFile(
        number="2026-0001",
        account="112000000001",
        account_name="UBND Phường Móng Cái 1",
        bank_bin="970415",
        created_at=datetime(2026, 11, 2, 17, 30, tzinfo=UTC),  # 00:30 of the next day there
        rows=tuple(
            OrderRow(
                name, Money(amount), Beneficiary.parse(*to),
                f"{name.partition('-')[0]} hoan tien phi le phi",
            )
            for name, amount, to in rows
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("write", "name"), [(write_pain001, "order.xml"), (write_sheet, "order.csv")]
)
def test_the_same_facts_always_give_the_bytes_of_the_golden_file(
    write: Callable[[OrderFile], bytes], name: str
) -> None:
    assert write(golden_file()) == (GOLDEN / name).read_bytes()
    assert write(golden_file()) == write(golden_file())


# The debit


def test_the_debit_on_the_statement_proves_that_it_was_sent(desk: Desk) -> None:
    bill, _, refund = desk.ordered()
    assert refund.status is RefundStatus.SUBMITTED
    assert desk.issued() == [FEE]
    desk.debit(bill)
    desk.compare()
    assert refund.status is RefundStatus.SUCCEEDED
    assert refund.settled_at == desk.clock()
    assert (bill.received_minor, bill.status) == (STATUS, BillStatus.PAID)
    assert desk.issued() == [STATUS]
    assert desk.live() == []
    for code in ("suspense", "clearing:bank_transfer", "refunds_payable", "receivable"):
        assert balance_of(desk.session, code) == 0, code
    assert balance_of(desk.session, f"bank:{desk.account.account_number}") == STATUS
    assert_books_agree(desk.session)


def test_a_run_over_a_proved_refund_changes_nothing(desk: Desk) -> None:
    bill, _, _ = desk.ordered()
    desk.debit(bill)
    desk.compare()
    before = everything(desk.session)
    assert compare(desk.session, desk.account, clock=desk.clock) is None
    assert everything(desk.session) == before
    desk.clock.advance(days=30)
    desk.compare()
    assert desk.live() == []
    assert_books_agree(desk.session)


def test_a_debit_of_another_amount_proves_nothing(desk: Desk) -> None:
    bill, _, refund = desk.ordered()
    desk.debit(bill, COPY - 1)
    desk.compare()
    assert refund.status is RefundStatus.SUBMITTED
    assert {m.type for m in desk.live()} == {MismatchType.AMOUNT_MISMATCH}
    assert_books_agree(desk.session)


def test_a_debit_that_is_on_its_way_is_a_timing_difference_and_missing_after_the_grace(
    desk: Desk,
) -> None:
    bill, _, refund = desk.ordered()
    assert [(m.type, m.item_id) for m in desk.live()] == [
        (MismatchType.TIMING_DIFFERENCE, refund.id)
    ]
    desk.clock.advance(days=desk.account.grace_days)
    desk.compare()
    assert [m.type for m in desk.live()] == [MismatchType.TIMING_DIFFERENCE]
    desk.clock.advance(days=1)
    desk.compare()
    (missing,) = desk.live()
    assert (missing.type, missing.item_id) == (MismatchType.REFUND_MISSING, refund.id)
    assert (missing.amount_minor, missing.office_id) == (-COPY, bill.office_id)
    assert refund.status is RefundStatus.SUBMITTED, "unknown is never failed"
    desk.debit(bill)
    desk.compare()
    assert desk.live() == []
    assert missing.status is MismatchStatus.HEALED
    assert refund.status is RefundStatus.SUCCEEDED


def test_a_missing_debit_is_settled_by_the_banks_refusal(desk: Desk) -> None:
    _, _, refund = desk.ordered()
    desk.clock.advance(days=10)
    desk.compare()
    assert [m.type for m in desk.live()] == [MismatchType.REFUND_MISSING]
    _refused(desk, refund)
    desk.compare()
    assert desk.live() == []
    assert_books_agree(desk.session)


def test_a_match_that_falls_leaves_the_refund_in_doubt_again(desk: Desk) -> None:
    bill, _, refund = desk.ordered()
    desk.debit(bill, days=2)
    desk.compare()
    assert refund.status is RefundStatus.SUCCEEDED
    (match,) = desk.session.exec(
        select(Match).where(Match.status == MatchStatus.ACTIVE, Match.created_at == desk.clock())
    ).all()
    desk.clock.advance(hours=1)
    supersede(desk.session, match, "a correction reads differently", clock=desk.clock)
    assert (refund.status, refund.settled_at) == (RefundStatus.SUBMITTED, None)
    assert (bill.received_minor, bill.status) == (FEE, BillStatus.OVERPAID)
    assert desk.issued() == [FEE]
    assert balance_of(desk.session, "refunds_payable") == -COPY
    assert balance_of(desk.session, "suspense") == COPY
    assert_books_agree(desk.session)
    desk.clock.advance(days=1)
    desk.compare()
    assert refund.status is RefundStatus.SUCCEEDED
    assert desk.issued() == [STATUS]
    assert balance_of(desk.session, "suspense") == 0
    assert_books_agree(desk.session)


def test_an_earlier_debit_that_comes_to_light_proves_it_instead(desk: Desk) -> None:
    bill, _, refund = desk.ordered()
    desk.debit(bill, days=2)
    desk.compare()
    settled = refund.settled_at
    desk.clock.advance(hours=1)
    desk.debit(bill, ref="FT8", days=-1)
    desk.clock.advance(days=1)
    desk.compare()
    assert refund.status is RefundStatus.SUCCEEDED
    assert refund.settled_at != settled
    assert (bill.received_minor, desk.issued()) == (STATUS, [STATUS])
    assert balance_of(desk.session, "suspense") == COPY, "the other debit waits to be explained"
    assert [m.item_kind for m in desk.live()] == [ItemKind.BANK]
    assert_books_agree(desk.session)


def test_two_refunds_of_one_bill_are_each_proved_by_their_own_debit(desk: Desk) -> None:
    bill, payment = desk.paid()
    receive(desk.session, desk.account, pays(bill, FEE), clock=desk.clock)
    first = desk.approve(desk.ask(payment, COPY, 2))
    second = desk.approve(desk.ask(payment, STATUS, 1))
    desk.order(first, second)
    desk.debit(bill, STATUS)
    desk.compare()
    assert (first.status, second.status) == (RefundStatus.SUBMITTED, RefundStatus.SUCCEEDED)
    assert_books_agree(desk.session)
    day = DAY + timedelta(days=2)
    desk.clock.advance(days=1)
    line = a_line(day, -COPY, f"{bill.bill_reference} hoan tien phi le phi", bank_ref="FT10")
    receive(desk.session, desk.account, line, clock=desk.clock, opening=COPY, day=day)
    desk.compare()
    assert first.status is RefundStatus.SUCCEEDED
    assert (bill.status, bill.received_minor, desk.issued()) == (BillStatus.CANCELLED, 0, [])
    assert desk.live() == []
    assert balance_of(desk.session, f"bank:{desk.account.account_number}") == 0
    assert_books_agree(desk.session)


# The bank's refusal


def _refused(desk: Desk, refund: Refund, note: str = "account closed") -> Refund:
    return record_refusal(desk.session, refund, note, actor=desk.second, clock=desk.clock)


def test_a_bank_that_refused_frees_the_money_to_be_asked_anew(desk: Desk) -> None:
    bill, payment, refund = desk.ordered()
    assert most_refundable(desk.session, payment).amount_minor == 0
    _refused(desk, refund)
    assert (refund.status, refund.failure) == (RefundStatus.FAILED, "account closed")
    assert (bill.due_minor, bill.received_minor) == (STATUS, FEE), "waived all the same"
    assert most_refundable(desk.session, payment).amount_minor == COPY
    again = desk.approve(desk.ask(payment, COPY))
    order = desk.order(again)
    assert order.name == "2026-0002"
    assert again.refund_reference != refund.refund_reference
    desk.debit(bill)
    desk.compare()
    assert (again.status, refund.status) == (RefundStatus.SUCCEEDED, RefundStatus.FAILED)
    assert desk.live() == []
    assert_books_agree(desk.session)


def test_a_bank_that_refused_and_sent_it_all_the_same_is_a_mismatch(desk: Desk) -> None:
    bill, _, refund = desk.ordered()
    _refused(desk, refund)
    desk.debit(bill)
    desk.compare()
    assert refund.status is RefundStatus.FAILED
    assert {m.type for m in desk.live()} == {MismatchType.STATUS_MISMATCH}
    assert balance_of(desk.session, "suspense") == COPY
    assert_books_agree(desk.session)


@pytest.mark.parametrize("names", ["the refund", "its bill"])
def test_two_people_match_a_debit_with_the_refund_that_it_is(desk: Desk, names: str) -> None:
    bill, _, refund = desk.ordered()
    _refused(desk, refund)
    desk.debit(bill)
    desk.compare()
    (mine,) = [m for m in desk.live() if m.item_kind is ItemKind.BANK]
    named = f"payment:{refund.id}" if names == "the refund" else f"bill:{bill.bill_reference}"
    _decide(desk, mine, named)
    assert refund.status is RefundStatus.SUCCEEDED
    assert bill.received_minor == FEE - COPY
    assert (balance_of(desk.session, "suspense"), desk.live()) == (0, [])
    assert_books_agree(desk.session)
    desk.clock.advance(days=1)
    desk.compare()
    assert (refund.status, desk.live()) == (RefundStatus.SUCCEEDED, []), "what people decided stays"


def test_a_debit_is_no_refund_of_another_amount_nor_one_that_was_never_sent(desk: Desk) -> None:
    bill, _, refund = desk.ordered()
    desk.debit(bill, COPY - 1)
    desk.compare()
    (mine,) = [m for m in desk.live() if m.item_kind is ItemKind.BANK]
    with pytest.raises(ResolutionNotAllowedError, match="another amount left"):
        _decide(desk, mine, f"payment:{refund.id}")
    with pytest.raises(ResolutionNotAllowedError, match="0 refunds of that bill"):
        _decide(desk, mine, f"bill:{bill.bill_reference}")
    _, other = desk.paid()
    approved = desk.approve(desk.ask(other, COPY - 1, 2))
    with pytest.raises(ResolutionNotAllowedError, match="never sent"):
        _decide(desk, mine, f"payment:{approved.id}")
    assert refund.status is RefundStatus.SUBMITTED


def _decide(desk: Desk, mismatch: Mismatch, counterpart: str) -> None:
    proposal = propose_resolution(
        desk.session, mismatch, ResolutionKind.MATCH, "seen at the bank",
        counterpart=counterpart, actor=desk.first, clock=desk.clock,
    )  # fmt: skip
    decide_resolution(
        desk.session, proposal, approve=True, note="", actor=desk.second, clock=desk.clock
    )


def test_only_a_second_person_says_in_the_banks_words_that_a_transfer_was_refused(
    desk: Desk,
) -> None:
    _, _, refund = desk.ordered()
    with pytest.raises(PermissionDeniedError):
        record_refusal(desk.session, refund, "no", actor=desk.first, clock=desk.clock)
    with pytest.raises(RefundNotAllowedError, match="only in the words of"):
        _refused(desk, refund, "  ")
    assert refund.status is RefundStatus.SUBMITTED
    by_approver = ask_refund(
        desk.session, desk.paid()[1], Money(COPY), actor=desk.second, clock=desk.clock,
        waived_lines=[2], beneficiary=BENEFICIARY,
    )  # fmt: skip
    with pytest.raises(SamePersonError):
        _refused(desk, by_approver)


def test_only_an_order_in_doubt_can_be_refused(desk: Desk) -> None:
    bill, _, refund = desk.ordered()
    approved = desk.approved()
    with pytest.raises(IllegalTransitionError):
        _refused(desk, approved)
    desk.debit(bill)
    desk.compare()
    with pytest.raises(IllegalTransitionError):
        _refused(desk, refund)
    assert refund.status is RefundStatus.SUCCEEDED
