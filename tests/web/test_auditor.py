"""The auditor: from any number to the trail, balanced books, files that add up to the page."""

import csv
import io
import re
from datetime import timedelta

import pytest

from core.actors import SYSTEM
from core.clock import business_day
from core.db import reading, transaction
from payments.channels import Channel
from payments.models import Bill, CollectingAccount, Payment
from payments.queries import list_balances
from reconciliation.engine import run_reconciliation
from reconciliation.models import ProviderContract
from tests.factories import a_bill, a_line, a_paid_payment, a_settlement, a_statement
from tests.web.conftest import Site


@pytest.fixture
def site(site_on_each: Site) -> Site:
    """Return each database's site: the auditor's reads are the most demanding SQL of the pages."""
    return site_on_each


@pytest.fixture
def paid(site: Site) -> tuple[Bill, Payment]:
    """A VNPay payment that was settled, paid out and matched in both layers."""
    with transaction(site.engine) as session:
        account = session.get_one(CollectingAccount, site.city.accounts[0].id)
        contract = ProviderContract(
            account_id=account.id, provider=Channel.VNPAY, rate_bps=100,
            payout_accounts=["5550001"], payout_names=["VNPAY"],
        )  # fmt: skip
        session.add(contract)
        bill = a_bill(session, site.city, clock=site.clock)
        payment = a_paid_payment(session, bill, clock=site.clock)
        other = a_paid_payment(
            session, a_bill(session, site.city, clock=site.clock, number=2), clock=site.clock
        )
        a_settlement(session, account, [payment, other], clock=site.clock)
        day = business_day(site.clock()) + timedelta(days=1)
        line = a_line(
            day, 2 * 82_170, f"VNPAY PO{business_day(site.clock()):%Y%m%d}", bank_ref="VN1",
            payer="VNPAY",
        )  # fmt: skip
        a_statement(session, account, [line], day=day, clock=site.clock)
        run_reconciliation(session, account, as_of=day, clock=site.clock, actor=SYSTEM)
    return bill, payment


def test_the_trail_leads_from_the_click_to_the_bank_line(
    site: Site, paid: tuple[Bill, Payment]
) -> None:
    bill, payment = paid
    page = site.signed_in("auditor").get(f"/staff/payments/{payment.id}").text
    for text in (
        bill.bill_reference, payment.merchant_reference, payment.provider_txn_id, "VND\xa082,170",
        "VND\xa0164,340", "VN1", "clearing:vnpay", "fee_expense:vnpay", "Issued the bill",
        "and 1 more of the same payout",
    ):  # fmt: skip
        assert text is not None
        assert text in page, text


def test_any_number_finds_the_payment(site: Site, paid: tuple[Bill, Payment]) -> None:
    bill, payment = paid
    client = site.signed_in("auditor")
    for number in (
        bill.bill_reference, bill.dossier_code, payment.id, payment.merchant_reference,
        payment.provider_txn_id, "VN1",
    ):  # fmt: skip
        page = client.get("/staff/search", params={"text": number}).text
        assert f"/staff/payments/{payment.id}" in page, number


def test_the_trial_balance_is_the_same_sum_on_both_sides(
    site: Site, paid: tuple[Bill, Payment]
) -> None:
    assert paid
    with reading(site.engine) as session:
        for scope in ("/", "/22/", "/22/22001/", "/22/22002/"):
            rows = list_balances(session, scope=scope)
            assert sum(row.balance_minor for row in rows) == 0
            assert bool(rows) == (scope != "/22/22002/")
        assert list_balances(session, scope="") == []
    page = site.signed_in("auditor").get("/staff/ledger").text
    assert "clearing:vnpay" in page


def test_the_totals_of_the_page_are_those_of_the_files(
    site: Site, paid: tuple[Bill, Payment]
) -> None:
    assert paid
    client = site.signed_in("auditor")
    page = client.get("/staff/export?account=112000000001&first=2026-11-01&last=2026-11-30").text
    links = re.findall(r'href="(/staff/export/(\w+)\.csv[^"]*)"', page)
    assert [name for _, name in links] == [
        "ledger", "payments", "settlements", "bank", "matches", "mismatches",
    ]  # fmt: skip
    for link, name in links:
        answer = client.get(link.replace("&amp;", "&"))
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        cells = page.split(f">{name}.csv<")[1].split("</tr>")[0]
        assert f">{len(rows)}</td>" in cells, name
        if column := {"ledger": "amount", "payments": "amount", "settlements": "net",
                      "bank": "amount"}.get(name):  # fmt: skip
            total = sum(int(row[column]) for row in rows)
            assert rows, name
            assert f"VND\xa0{total:,}" in cells, name


def test_an_export_of_an_account_out_of_scope_does_not_exist(site: Site) -> None:
    client = site.signed_in("auditor")
    assert client.get(
        "/staff/export/ledger.csv?account=999&first=2026-11-01&last=2026-11-30"
    ).status_code == 404  # fmt: skip
    bad = client.get(
        "/staff/export/ledger.csv?account=112000000001&first=2026-11-30&last=2026-11-01"
    )
    assert bad.status_code == 422
    assert "C008" in bad.text
