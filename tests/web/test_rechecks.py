"""The page of blind re-checks: it hides what was matched from whoever may judge it."""

import re

import pytest
from sqlmodel import Session, select

from core.db import reading, transaction
from payments.channels import Rail
from payments.models import CollectingAccount
from reconciliation.rechecking.drawing import draw_rechecks, matched_choice
from reconciliation.rechecking.models import RecheckAnswer, RecheckDraw, RecheckItem
from scheduler.context import JobContext
from scheduler.rechecking import draw_last_month
from tests.factories import SYSTEM, a_bill, a_payment
from tests.support.evidence import compare, pays, receive
from tests.web.conftest import Site

BLIND = ("This was matched", "narrative_reference", "Rule")


@pytest.fixture
def site(site_on_each: Site) -> Site:
    """Return each database's site with a drawn month of three transfers."""
    site = site_on_each
    with transaction(site.engine) as session:
        bills = [a_bill(session, site.city, clock=site.clock, number=n) for n in (1, 2, 3)]
        for bill in bills:
            a_payment(session, bill, clock=site.clock, rail=Rail.VIETQR)
        account = session.get_one(CollectingAccount, site.city.accounts[0].id)
        lines = [pays(bill, bank_ref=f"FT{n}") for n, bill in enumerate(bills)]
        receive(session, account, *lines, clock=site.clock)
        compare(session, account, clock=site.clock)
    site.clock.advance(days=35)
    with transaction(site.engine) as session:
        draw_rechecks(session, "2026-11", actor=SYSTEM, clock=site.clock, seed="s")
    return site


def first_item(session: Session) -> RecheckItem:
    return session.exec(select(RecheckItem).where(RecheckItem.position == 0)).one()


def address(site: Site) -> str:
    with reading(site.engine) as session:
        return f"/staff/rechecks/{first_item(session).id}"


def test_a_judge_sees_the_choices_and_not_what_was_matched(site: Site) -> None:
    page = site.signed_in("officer").get(address(site))
    assert page.status_code == 200
    assert page.text.count('name="chosen"') == 3 + 2
    assert not any(word in page.text for word in BLIND)
    for username in ("auditor", "admin"):
        seen = site.signed_in(username).get(address(site)).text
        assert "This was matched" in seen
        assert 'name="chosen"' not in seen


def test_an_answer_is_counted_and_unblinds_only_for_who_gave_it(site: Site) -> None:
    officer, approver = site.signed_in("officer"), site.signed_in("approver")
    answer = officer.post(address(site), data={"chosen": "none"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/staff/rechecks?period=2026-11"
    assert "This was matched" in officer.get(address(site)).text
    assert "This was matched" not in approver.get(address(site)).text
    listed = officer.get("/staff/rechecks").text
    assert "They stand as they are" in listed
    assert "They stand as they are" not in approver.get("/staff/rechecks").text
    assert officer.post(address(site), data={"chosen": "0"}).status_code == 409


def test_the_number_of_a_choice_is_taken_for_the_choice(site: Site) -> None:
    with reading(site.engine) as session:
        item = first_item(session)
        number = item.choices.index(matched_choice(session, item.match_id))
    site.signed_in("approver").post(address(site), data={"chosen": f"{number}"})
    with reading(site.engine) as session:
        assert session.exec(select(RecheckAnswer.verdict)).one() == "agreed"


@pytest.mark.parametrize("chosen", ["", "9", "-1", "payment:x"])
def test_what_was_not_offered_is_refused(site: Site, chosen: str) -> None:
    assert site.signed_in("officer").post(address(site), data={"chosen": chosen}).status_code == 422


def test_another_commune_does_not_see_it(site: Site) -> None:
    stranger = site.signed_in("officer2")
    assert stranger.get(address(site)).status_code == 404
    assert stranger.post(address(site), data={"chosen": "none"}).status_code == 404
    assert not re.search(r"/staff/rechecks/rck_", stranger.get("/staff/rechecks").text)


def test_all_agreed_gives_no_false_match_and_the_closed_bound(site: Site) -> None:
    client = site.signed_in("officer")
    with reading(site.engine) as session:
        items = session.exec(select(RecheckItem)).all()
        places = {i.id: i.choices.index(matched_choice(session, i.match_id)) for i in items}
    for item_id, place in places.items():
        client.post(f"/staff/rechecks/{item_id}", data={"chosen": f"{place}"})
    page = client.get("/staff/rechecks").text
    assert "0.0000 %" in page
    assert "63.1597 %" in page  # 1 - 0.05^(1/3)


def test_without_a_drawn_month_the_page_says_so(site_on_each: Site) -> None:
    page = site_on_each.signed_in("officer").get("/staff/rechecks")
    assert "No sample was drawn yet" in page.text


def test_the_job_draws_the_month_before_once(site: Site) -> None:
    site.clock.advance(days=31)
    context: JobContext = site.app.state.context
    assert draw_last_month(context, site.clock()) == 1
    assert draw_last_month(context, site.clock()) == 0
    with reading(site.engine) as session:
        assert sorted(session.exec(select(RecheckDraw.period))) == ["2026-11", "2026-12"]
