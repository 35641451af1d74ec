"""Remittances on pages: proposed by one, approved by another, ordered, fetched, refused."""

import re

import pytest
from sqlmodel import select

from core.actors import SYSTEM
from core.audit import AuditEvent
from core.clock import business_day
from core.db import reading, transaction
from payments import treasury
from payments.channels import Rail
from payments.models import CollectingAccount, Remittance, RemittanceOrder
from payments.refunds import Beneficiary
from payments.states import RemittanceStatus
from reconciliation.engine import run_reconciliation
from tests.factories import a_bill, a_line, a_paid_payment, a_statement
from tests.web.conftest import Site

TREASURY = Beneficiary("KHO BAC NHA NUOC MONG CAI", "3511009876543", "970415")


@pytest.fixture
def due(site: Site) -> Site:
    """A site on whose first account 83,000 are due to the State Treasury."""
    return _with_due(site)


def _with_due(site: Site) -> Site:
    day = business_day(site.clock())
    with transaction(site.engine) as session:
        account = session.get_one(CollectingAccount, site.city.accounts[0].id)
        treasury.name_treasury(session, account, TREASURY, actor=SYSTEM, clock=site.clock)
        bill = a_bill(session, site.city, clock=site.clock)
        a_paid_payment(session, bill, clock=site.clock, rail=Rail.VIETQR)
        line = a_line(day, 83_000, f"{bill.bill_reference} le phi", bank_ref="FT1")
        a_statement(session, account, [line], day=day, clock=site.clock)
        run_reconciliation(session, account, as_of=day, clock=site.clock, actor=SYSTEM)
    return site


def _propose(site: Site, by: str = "officer1") -> str:
    form = {"account_id": site.city.accounts[0].id}
    answer = site.signed_in(by).post("/staff/remittances", data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def _status(site: Site) -> RemittanceStatus:
    with reading(site.engine) as session:
        return session.exec(select(Remittance)).one().status


def test_from_what_is_due_to_the_file_for_the_bank(site_on_each: Site) -> None:
    site = _with_due(site_on_each)
    page = site.signed_in("officer1").get("/staff/remittances").text
    for text in ("VND\xa083,000", "LP-HOTICH", "VND\xa075,000", "Propose to send it"):
        assert text in page
    address = _propose(site)
    own = site.signed_in("officer1").get(address).text
    for text in (TREASURY.name, TREASURY.account, "P-BANSAO", "VND\xa08,000"):
        assert text in own
    assert "Approve exactly this" not in own
    approver = site.signed_in("approver")
    assert address in approver.get("/staff/decisions").text
    assert approver.get(f"{address}/order.xml").status_code == 404
    answer = approver.post(f"{address}/decision", data={"decision": "approve", "note": "đúng"})
    assert answer.status_code == 303
    assert site.signed_in("officer1").post(f"{address}/order").status_code == 303
    with reading(site.engine) as session:
        order = session.exec(select(RemittanceOrder)).one()
    fetched = site.signed_in("officer1").get(f"{address}/order.xml")
    assert fetched.content == order.content
    assert re.search(r'filename="remittance-112000000001-MC\w+\.xml"',
                     fetched.headers["content-disposition"])  # fmt: skip
    assert site.signed_in("officer1").get(f"{address}/order.csv").content == order.sheet
    assert site.signed_in("officer1").get(f"{address}/order.exe").status_code == 404
    with reading(site.engine) as session:
        fetches = session.exec(
            select(AuditEvent).where(AuditEvent.action == "fetch_remittance_order")
        ).all()
    assert len(fetches) == 2
    assert "Nothing is due." in site.signed_in("officer").get("/staff/remittances").text


def test_the_one_who_proposed_cannot_decide(due: Site) -> None:
    address = _propose(due, by="approver")
    client = due.signed_in("approver")
    assert "somebody else has to decide" in client.get(address).text
    answer = client.post(f"{address}/decision", data={"decision": "approve"})
    assert (answer.status_code, "(P051)" in answer.text) == (403, True)
    assert _status(due) is RemittanceStatus.PROPOSED


def test_turning_down_needs_a_reason_and_what_was_typed_stays(due: Site) -> None:
    address, client = _propose(due), due.signed_in("approver")
    assert client.post(f"{address}/decision", data={"decision": "x"}).status_code == 422
    answer = client.post(f"{address}/decision", data={"decision": "reject", "note": " "})
    assert (answer.status_code, "(P060)" in answer.text) == (409, True)
    assert client.post(
        f"{address}/decision", data={"decision": "reject", "note": "<b>sai</b>"}
    ).status_code == 303  # fmt: skip
    page = client.get(address).text
    assert "&lt;b&gt;sai&lt;/b&gt;" in page
    assert "<b>sai</b>" not in page


def test_what_the_bank_refused_is_due_again(due: Site) -> None:
    address, client = _propose(due), due.signed_in("approver")
    client.post(f"{address}/decision", data={"decision": "approve"})
    assert client.post(f"{address}/order").status_code == 303
    assert client.post(f"{address}/refusal", data={"note": "sai mã"}).status_code == 303
    assert _status(due) is RemittanceStatus.REFUSED
    assert "Propose to send it" in client.get("/staff/remittances").text


def test_another_office_sees_and_moves_nothing(due: Site) -> None:
    address, other = _propose(due), due.signed_in("officer2")
    assert other.get(address).status_code == 404
    assert "83,000" not in other.get("/staff/remittances").text
    assert other.post(f"{address}/order").status_code == 404
    form = {"account_id": due.city.accounts[0].id}
    assert other.post("/staff/remittances", data=form).status_code == 409


def test_an_account_without_a_treasury_says_so(due: Site) -> None:
    with transaction(due.engine) as session:
        account = session.get_one(CollectingAccount, due.city.accounts[0].id)
        account.treasury_account = ""
        session.add(account)
    page = due.signed_in("officer").get("/staff/remittances").text
    assert "Nobody has said yet where it goes" in page
    assert "Propose to send it" not in page
