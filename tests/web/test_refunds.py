"""Refunds on pages: asked for, approved exactly as seen, ordered at the bank, told the payer."""

import csv
import io
import re

import pytest
from fastapi.testclient import TestClient
from lxml import etree
from sqlmodel import col, select

from core.audit import AuditEvent
from core.db import reading, transaction
from payments.channels import Rail
from payments.models import Bill, Payment, PaymentOrder, Receipt, Refund
from payments.refunds import record_refund_outcome, submit_refund
from payments.states import RefundStatus
from tests.factories import BENEFICIARY, a_bill, a_paid_payment
from tests.support.gateway import read_notice
from tests.web.conftest import Site

HOSTILE = '<script>alert("x")</script>'
WHERE = {"name": "Nguyễn Thị Ánh Tuyết", "account": "0011 0045 67890", "bank_bin": "970436"}
ASKED = {"amount": "", "reason": "Hồ sơ bị trả lại", "evidence": "QĐ 12/2026", "way": "channel"}
FEES = {"waived": ["1", "2"]}


def _paid(site: Site, rail: Rail = Rail.VNPAY, payer: str = "Trần Văn A") -> tuple[str, str]:
    """A bill of 75,000 + 8,000 that was paid; returns its payment's id and its reference."""
    with transaction(site.engine) as session:
        bill = a_bill(session, site.city, clock=site.clock, payer_name=payer)
        payment = a_paid_payment(session, bill, clock=site.clock, rail=rail)
        return payment.id, bill.bill_reference


def _ask(site: Site, payment_id: str, by: str = "officer1", **fields: object) -> str:
    """Ask for a refund; returns its address."""
    form = ASKED | FEES | fields
    answer = site.signed_in(by).post(f"/staff/payments/{payment_id}/refund", data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def _seen(client: TestClient, address: str) -> str:
    found = re.search(r'name="seen" value="([0-9a-f]+)"', client.get(address).text)
    assert found is not None
    return found[1]


def _decide(site: Site, address: str, decision: str, **fields: str) -> int:
    client = site.signed_in("approver")
    form = {"decision": decision, "seen": _seen(client, address), "note": "đúng"} | fields
    return client.post(f"{address}/decision", data=form).status_code


def _refund(site: Site) -> Refund:
    with reading(site.engine) as session:
        return session.exec(select(Refund)).one()


def test_a_refund_is_asked_for_by_one_and_approved_by_another(site_on_each: Site) -> None:
    site = site_on_each
    payment_id, reference = _paid(site)
    address = _ask(site, payment_id)
    page = site.signed_in("officer1").get(address).text
    for text in ("VND\xa083,000", "QĐ 12/2026", "Hồ sơ bị trả lại", "Trần Văn A"):
        assert text in page
    assert "Approve exactly this" not in page
    decisions = site.signed_in("approver").get("/staff/decisions").text
    assert address in decisions
    assert _decide(site, address, "approve") == 303
    refund = _refund(site)
    assert (refund.status, refund.amount_minor) == (RefundStatus.APPROVED, 83_000)
    with reading(site.engine) as session:
        bill = session.exec(select(Bill).where(Bill.bill_reference == reference)).one()
        assert bill.due_minor == 0


@pytest.mark.parametrize(("typed", "minor"), [
    ("8000", 8_000), ("8.000", 8_000), ("8,000", 8_000), (" 8 000 đ", 8_000), ("", 83_000),
])  # fmt: skip
def test_an_amount_is_read_as_people_write_it(site: Site, typed: str, minor: int) -> None:
    payment_id, _ = _paid(site)
    _ask(site, payment_id, amount=typed)
    assert _refund(site).amount_minor == minor


@pytest.mark.parametrize(("field", "value", "code"), [
    ("amount", "a lot", "C002"),
    ("amount", "8.00", "C002"),
    ("amount", "83001", "P050"),
    ("amount", "-1", "C002"),
    ("reason", " ", "P050"),
    ("evidence", "", "P050"),
    ("waived", ["1", "1"], "P050"),
    ("waived", ["9"], "P050"),
])  # fmt: skip
def test_what_cannot_be_is_said_with_its_code_and_what_was_typed_stays(
    site: Site, field: str, value: object, code: str
) -> None:
    payment_id, _ = _paid(site)
    client = site.signed_in("officer1")
    form = ASKED | FEES | {field: value}
    answer = client.post(f"/staff/payments/{payment_id}/refund", data=form)
    assert answer.status_code in {409, 422}, answer.status_code
    assert f"({code})" in answer.text
    if field != "reason":
        assert ASKED["reason"] in answer.text
    with reading(site.engine) as session:
        assert session.exec(select(Refund)).all() == []


def test_a_refund_that_changed_since_it_was_seen_is_not_approved(site: Site) -> None:
    payment_id, _ = _paid(site, Rail.VIETQR)
    address = _ask(site, payment_id, **WHERE)
    approver = site.signed_in("approver")
    seen = _seen(approver, address)
    other = WHERE | {"account": "666"}
    assert site.signed_in("officer1").post(f"{address}/beneficiary", data=other).status_code == 303
    answer = approver.post(f"{address}/decision", data={"decision": "approve", "seen": seen})
    assert answer.status_code == 409
    assert "(P052)" in answer.text
    assert _refund(site).status is RefundStatus.REQUESTED


def test_who_asked_is_shown_no_decision_and_refused_one(site: Site) -> None:
    payment_id, _ = _paid(site)
    address = _ask(site, payment_id, by="approver")
    client = site.signed_in("approver")
    page = client.get(address).text
    assert "somebody else has to decide" in page
    assert "Approve exactly this" not in page
    answer = client.post(f"{address}/decision", data={"decision": "approve"})
    assert "(P051)" in answer.text
    assert _refund(site).status is RefundStatus.REQUESTED


def test_it_is_turned_down_for_a_reason_only(site: Site) -> None:
    payment_id, _ = _paid(site)
    address = _ask(site, payment_id)
    assert _decide(site, address, "reject", note=" ") == 409
    assert _decide(site, address, "") == 422
    assert _decide(site, address, "reject", note="Chưa đủ căn cứ") == 303
    assert _refund(site).status is RefundStatus.REJECTED


def test_transfers_go_to_the_bank_in_one_file(site_on_each: Site) -> None:
    site = site_on_each
    payment_id, reference = _paid(site, Rail.VIETQR)
    address = _ask(site, payment_id, **WHERE)
    assert _decide(site, address, "approve") == 303
    officer = site.signed_in("officer1")
    waiting = officer.get("/staff/payment-orders").text
    assert BENEFICIARY.name in waiting
    assert "1</span> refunds for the bank to be ordered" in officer.get("/staff").text
    form = {"account_id": _refund(site).account_id}
    assert officer.post("/staff/payment-orders", data=form).status_code == 303
    assert _refund(site).status is RefundStatus.SUBMITTED
    again = officer.post("/staff/payment-orders", data=form)
    assert again.status_code == 409
    with reading(site.engine) as session:
        order = session.exec(select(PaymentOrder)).one()
    xml = officer.get(f"/staff/payment-orders/{order.id}.xml")
    root = etree.fromstring(xml.content)
    space = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
    named = root.findtext(".//p:CdtTrfTxInf/p:PmtId/p:EndToEndId", namespaces=space)
    assert named.startswith(reference)
    assert root.findtext(".//p:GrpHdr/p:CtrlSum", namespaces=space) == "83000"
    table = officer.get(f"/staff/payment-orders/{order.id}.csv").content.decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(table))
    assert (row["beneficiary_name"], row["amount"]) == (BENEFICIARY.name, "83000")
    assert officer.get(f"/staff/payment-orders/{order.id}.exe").status_code == 404
    with reading(site.engine) as session:
        events = session.exec(select(AuditEvent).where(AuditEvent.action == "fetch_payment_order"))
        assert [event.after for event in events] == [{"form": "xml"}, {"form": "csv"}]


def test_what_one_payment_order_does_not_hold_waits_for_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.pages.payment_orders.MAX_ROWS", 1)
    officer = site.signed_in("officer1")
    for _ in range(2):
        payment_id, _ = _paid(site, Rail.VIETQR)
        _decide(site, _ask(site, payment_id, **WHERE), "approve")
    with reading(site.engine) as session:
        form = {"account_id": session.exec(select(Refund.account_id)).first()}
    for _ in range(2):
        assert officer.post("/staff/payment-orders", data=form).status_code == 303
    with reading(site.engine) as session:
        assert list(session.exec(select(PaymentOrder.refund_count))) == [1, 1]


def test_a_bank_that_refuses_frees_the_money_to_be_asked_anew(site: Site) -> None:
    payment_id, _ = _paid(site, Rail.VIETQR)
    address = _ask(site, payment_id, **WHERE)
    _decide(site, address, "approve")
    site.signed_in("officer1").post(
        "/staff/payment-orders", data={"account_id": _refund(site).account_id}
    )
    assert "It was not carried out" not in site.signed_in("officer1").get(address).text
    approver = site.signed_in("approver")
    assert "It was not carried out" in approver.get(address).text
    assert approver.post(f"{address}/refusal", data={"note": " "}).status_code == 409
    answer = approver.post(f"{address}/refusal", data={"note": "account closed"})
    assert answer.status_code == 303
    assert _refund(site).status is RefundStatus.FAILED
    assert "account closed" in approver.get(address).text


def test_the_payer_sees_each_step_and_no_name(site: Site) -> None:
    payment_id, reference = _paid(site, payer="NGUYEN THI ANH TUYET")
    address = _ask(site, payment_id)
    visitor = site.visitor()
    pages = (f"/bills/{reference}", f"/payments/{payment_id}")

    def shown() -> list[str]:
        texts = [visitor.get(page).text for page in pages]
        assert all("NGUYEN THI ANH TUYET" not in text for text in texts)
        return texts

    assert all("A second person decides" in text for text in shown())
    _decide(site, address, "approve")
    assert all("Is sent next, back over VNPay" in text for text in shown())
    assert "Waived" in shown()[0]
    with transaction(site.engine) as session:
        submit_refund(session, session.exec(select(Refund)).one(), clock=site.clock)
    assert all("we ask VNPay until it is certain" in text for text in shown())
    with transaction(site.engine) as session:
        refund = session.exec(select(Refund)).one()
        said = {"id": "e1", "kind": "refund", "reference": refund.refund_reference, "txn": "R1"}
        record_refund_outcome(session, refund, read_notice(said), clock=site.clock)
    assert all("VNPay has sent it back" in text for text in shown())


def test_a_receipt_says_that_a_refund_made_it_void(site: Site) -> None:
    payment_id, _ = _paid(site)
    with reading(site.engine) as session:
        payment = session.get_one(Payment, payment_id)
        token = session.exec(select(Receipt.token).where(Receipt.payment_id == payment.id)).one()
    address = _ask(site, payment_id, waived=["2"])
    _decide(site, address, "approve")
    with transaction(site.engine) as session:
        refund = submit_refund(session, session.exec(select(Refund)).one(), clock=site.clock)
        said = {"id": "e1", "kind": "refund", "reference": refund.refund_reference, "txn": "R1"}
        record_refund_outcome(session, refund, read_notice(said), clock=site.clock)
    page = site.visitor().get(f"/receipts/{token}").text
    assert f"money went back by refund {_refund(site).refund_reference}" in page
    with reading(site.engine) as session:
        old, new = session.exec(
            select(Receipt.number)
            .where(Receipt.payment_id == payment_id)
            .order_by(col(Receipt.number))
        ).all()
    assert f"It is replaced by receipt {new}." in page
    assert "VND\xa083,000" in page
    assert "VND\xa075,000" not in page.partition("Total")[2]
    standing = site.visitor().get(f"/payments/{payment_id}/receipt").text
    assert f"This receipt replaces receipt {old}, which is void." in standing
    assert "Seventy-five thousand Vietnamese dong" in standing
    assert "VND\xa075,000" in standing.partition("Total")[2]
    assert "Waived" in standing


def test_the_form_starts_from_what_the_bank_told_of_the_payer(site: Site) -> None:
    payment_id, _ = _paid(site, Rail.VIETQR)
    page = site.signed_in("officer1").get(f"/staff/payments/{payment_id}/refund").text
    assert "Which way does it go?" not in page
    assert 'id="account" name="account" value=""' in page


def test_officers_of_another_office_neither_see_nor_ask(site: Site) -> None:
    payment_id, _ = _paid(site)
    address = _ask(site, payment_id)
    stranger = site.signed_in("officer2")
    assert stranger.get(address).status_code == 404
    assert stranger.get(f"/staff/payments/{payment_id}/refund").status_code == 404
    form = ASKED | FEES
    assert stranger.post(f"/staff/payments/{payment_id}/refund", data=form).status_code == 404
    assert _refund(site).refund_reference not in stranger.get("/staff/refunds").text


def test_what_was_typed_is_shown_as_text(site: Site) -> None:
    payment_id, reference = _paid(site)
    address = _ask(site, payment_id, reason=HOSTILE, evidence=HOSTILE)
    client = site.signed_in("approver")
    for page in (address, "/staff/refunds", "/staff/decisions", f"/staff/bills/{reference}"):
        text = client.get(page).text
        assert HOSTILE not in text
    assert "&lt;script&gt;" in client.get(address).text
