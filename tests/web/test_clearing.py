"""The page of what keeps clearing from zero, and the same by command."""

import pytest

from core.actors import SYSTEM
from core.clock import business_day
from core.db import transaction
from reconciliation.engine import run_reconciliation
from tests.factories import a_bill, a_paid_payment
from tests.web.conftest import Site


def _paid(site: Site, commune: int = 0, number: int = 1) -> str:
    with transaction(site.engine) as session:
        bill = a_bill(session, site.city, clock=site.clock, commune=commune, number=number)
        return a_paid_payment(session, bill, clock=site.clock).merchant_reference


def test_the_page_names_each_item_with_its_mismatch(site_on_each: Site) -> None:
    site = site_on_each
    reference, account = _paid(site), site.city.accounts[0]
    site.clock.advance(days=9)
    with transaction(site.engine) as session:
        day = business_day(site.clock())
        run_reconciliation(session, account, as_of=day, clock=site.clock, actor=SYSTEM)
    client = site.signed_in("officer")
    overview = client.get("/staff/clearing").text
    assert account.account_number in overview
    assert reference not in overview
    address = f"/staff/clearing?account={account.account_number}&name=vnpay"
    assert address.replace("&", "&amp;") in overview
    page = client.get(address).text
    for text in (reference, "VND\xa083,000", "Not on a report of the provider yet",
                 "No evidence of the money", "/staff/mismatches/"):  # fmt: skip
        assert text in page


def test_an_officer_sees_only_the_accounts_of_the_own_office(site: Site) -> None:
    _paid(site)
    _paid(site, commune=1)
    mine, other = (account.account_number for account in site.city.accounts)
    page = site.signed_in("officer1").get("/staff/clearing").text
    assert mine in page
    assert other not in page
    mine_only = site.signed_in("officer1").get(f"/staff/clearing?account={other}&name=vnpay").text
    assert "What keeps it from zero" not in mine_only


def test_a_long_list_says_that_it_is_cut(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.pages.clearing.MAX_SHOWN", 1)
    for number in (1, 2):
        _paid(site, number=number)
    number = site.city.accounts[0].account_number
    page = site.signed_in("officer").get(f"/staff/clearing?account={number}&name=vnpay").text
    assert "Only the oldest 1 of 2 items are shown" in page
    assert "VND\xa0166,000" in page
