"""The close of a day on pages: what blocks it, where that is solved, prepared and signed by two."""

import json
from datetime import date, timedelta

import pytest
from sqlmodel import select

from core.actors import SYSTEM
from core.clock import business_day
from core.db import reading, transaction
from payments.channels import Rail
from payments.ledger.models import AccountingPeriod
from reconciliation.closing.checks import MESSAGES
from reconciliation.closing.models import DayClose
from reconciliation.engine import run_reconciliation
from reconciliation.models import Mismatch
from tests.factories import a_bill, a_line, a_paid_payment, a_statement
from tests.web.conftest import Site


def _day(site: Site, *, stray: bool = False) -> date:
    """A day with a transfer that is on its statement; returns it, and it is over."""
    day = business_day(site.clock())
    with transaction(site.engine) as session:
        bill = a_bill(session, site.city, clock=site.clock)
        a_paid_payment(session, bill, clock=site.clock, rail=Rail.VIETQR)
        lines = [a_line(day, 83_000, f"{bill.bill_reference} le phi", bank_ref="FT1")]
        lines += [a_line(day, 7_000, "khong ro", bank_ref="FT2")] if stray else []
        a_statement(session, site.city.accounts[0], lines, day=day, clock=site.clock)
        site.clock.advance(days=1)
        today = business_day(site.clock())
        run_reconciliation(
            session, site.city.accounts[0], as_of=today, clock=site.clock, actor=SYSTEM
        )
    return day


def _address(site: Site, day: date) -> str:
    return f"/staff/close/{site.city.accounts[0].account_number}/{day}"


def test_a_day_is_prepared_by_one_and_signed_by_another(site_on_each: Site) -> None:
    site = site_on_each
    day = _day(site)
    address = _address(site, day)
    officer, approver = site.signed_in("officer1"), site.signed_in("approver")
    assert address in officer.get("/staff/close").text
    page = officer.get(address).text
    for text in ("Bank statement of the day", "closes with VND\xa083,000", "Prepare the close"):
        assert text in page
    assert "govuk-tag--red" not in page
    assert officer.post(address).status_code == 303
    own = officer.get(address).text
    assert "somebody else has to sign it" in own
    assert "Sign and lock the day" not in own
    assert address in approver.get("/staff/decisions").text
    assert "Sign and lock the day" in approver.get(address).text
    with reading(site.engine) as session:
        assert session.exec(select(AccountingPeriod)).all() == []
    answer = approver.post(f"{address}/review", data={"decision": "approve", "note": "đủ"})
    assert answer.status_code == 303
    signed = approver.get(address).text
    for text in ("byte for byte", "Closed", "đủ", "Officer1", "Approver"):
        assert text in signed
    sheet = officer.get(f"{address}/sheet.json")
    with reading(site.engine) as session:
        assert sheet.content == session.exec(select(DayClose)).one().sheet
    assert json.loads(sheet.content)["day"] == day.isoformat()
    assert "Closed up to" in officer.get("/staff/close").text


def test_each_thing_that_blocks_leads_to_where_it_is_solved(site: Site) -> None:
    day = _day(site, stray=True)
    client = site.signed_in("officer1")
    page = client.get(_address(site, day)).text
    with reading(site.engine) as session:
        mismatch = session.exec(select(Mismatch)).one()
    assert f'href="/staff/mismatches/{mismatch.id}"' in page
    assert "VND\xa07,000" in page
    assert "Prepare the close" not in page
    answer = client.post(_address(site, day))
    assert (answer.status_code, "(R006)" in answer.text) == (409, True)
    before = client.get(_address(site, day - timedelta(days=1))).text
    assert 'href="/staff/statements"' in before


def test_the_one_who_prepared_cannot_sign_but_can_take_it_back(site: Site) -> None:
    address = _address(site, _day(site))
    client = site.signed_in("approver")
    assert client.post(address).status_code == 303
    answer = client.post(f"{address}/review", data={"decision": "approve"})
    assert (answer.status_code, "(P051)" in answer.text) == (403, True)
    answer = client.post(f"{address}/withdrawal", data={"note": ""})
    assert (answer.status_code, "(R071)" in answer.text) == (409, True)
    other = site.signed_in("officer1").post(f"{address}/withdrawal", data={"note": "không phải"})
    assert other.status_code == 404
    assert client.post(f"{address}/withdrawal", data={"note": "nhầm"}).status_code == 303
    assert "Prepare the close" in client.get(address).text
    assert client.post(f"{address}/review", data={"decision": "approve"}).status_code == 404


def test_turning_down_needs_a_reason(site: Site) -> None:
    address = _address(site, _day(site))
    assert site.signed_in("officer1").post(address).status_code == 303
    client = site.signed_in("approver")
    assert client.post(f"{address}/review", data={"decision": "?"}).status_code == 422
    assert client.post(f"{address}/review", data={"decision": "reject"}).status_code == 409
    form = {"decision": "reject", "note": "<i>thiếu</i>"}
    assert client.post(f"{address}/review", data=form).status_code == 303
    with reading(site.engine) as session:
        assert session.exec(select(DayClose)).one().note == "<i>thiếu</i>"


@pytest.mark.parametrize("what", ["{account}/soon", "none/2026-11-02", "{other}/2026-11-02"])
def test_what_is_not_here_is_not_found(site: Site, what: str) -> None:
    mine, other = (account.account_number for account in site.city.accounts)
    path = f"/staff/close/{what.format(account=mine, other=other)}"
    client = site.signed_in("officer1")
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404
    assert client.get(f"{path}/sheet.json").status_code == 404


def test_a_day_that_is_chosen_leads_to_its_checklist(site: Site) -> None:
    number = site.city.accounts[0].account_number
    client = site.signed_in("officer")
    answer = client.get(f"/staff/close?account={number}&day=2026-11-02")
    assert answer.headers["location"] == f"/staff/close/{number}/2026-11-02"
    assert client.get(f"/staff/close?account={number}&day=soon").status_code == 200


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_condition_has_words(site: Site, language: str) -> None:
    from app.pages.closing import NAMES, SEEN  # noqa: PLC0415

    assert SEEN.keys() == MESSAGES.keys()
    number = site.city.accounts[0].account_number
    page = site.signed_in("officer", language).get(f"/staff/close/{number}/2026-10-01").text
    assert ("Bank statement of the day" in page) is (language == "en")
    assert len(NAMES) == 9
