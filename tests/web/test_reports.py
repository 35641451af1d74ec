"""A treasurer's statements on a page: a chart that says what it shows, its table, and its file."""

import pytest
from lxml import etree

from app.cli.report import KINDS
from app.reporting import Kind
from core.db import transaction
from tests.factories import a_bill, a_paid_payment
from tests.web.conftest import Site

SVG = "{http://www.w3.org/2000/svg}"


def _paid(site: Site, commune: int = 0) -> None:
    with transaction(site.engine) as session:
        bill = a_bill(session, site.city, clock=site.clock, commune=commune, number=commune + 1)
        a_paid_payment(session, bill, clock=site.clock)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_statement_has_a_page_and_a_file(site_on_each: Site, kind: Kind) -> None:
    site = site_on_each
    _paid(site)
    client = site.signed_in("officer1")
    page = client.get(f"/staff/reports?kind={kind}&step=month")
    assert page.status_code == 200
    days = "first=2026-11-01&last=2026-11-30"
    file = client.get(f"/staff/reports/{kind}.csv?{days}&step=month")
    assert file.headers["content-type"].startswith("text/csv")
    assert file.text.startswith("period,")
    assert f"{kind}.csv?" in page.text or "Nothing moved" in page.text


def test_the_chart_has_title_description_and_a_text_for_each_bar(site: Site) -> None:
    _paid(site)
    page = site.signed_in("officer1").get("/staff/reports?kind=collections-by-channel").text
    start, end = page.index("<svg class"), page.index("</svg>") + 6
    chart = etree.fromstring(page[start:end])
    assert chart.get("role") == "img"
    ids = (chart.get("aria-labelledby") or "").split()
    named = {one.get("id"): one.text for one in chart if one.tag in {f"{SVG}title", f"{SVG}desc"}}
    assert [bool(named[one]) for one in ids] == [True, True]
    bars = chart.findall(f"{SVG}rect")
    assert [bar.findtext(f"{SVG}title") for bar in bars] == ["2 November 2026: VND\xa083,000"]
    assert "VND\xa083,000" in page[end:], "the table is behind it"


def test_an_officer_sees_the_own_offices_only(site: Site) -> None:
    _paid(site)
    _paid(site, commune=1)
    days = "first=2026-11-01&last=2026-11-30"
    mine = site.signed_in("officer1").get(f"/staff/reports/collections-by-office.csv?{days}").text
    assert mine.splitlines()[1].endswith(",83000")
    every = site.signed_in("officer").get(f"/staff/reports/collections-by-office.csv?{days}").text
    assert every.splitlines()[1].endswith(",166000")


def test_what_cannot_be_asked_is_refused(site: Site) -> None:
    client = site.signed_in("officer")
    assert client.get("/staff/reports?first=2026-11-02&last=2026-11-01").status_code == 422
    days = "first=2026-11-01&last=2026-11-30"
    assert client.get(f"/staff/reports/none.csv?{days}").status_code == 404
    assert client.get("/staff/reports?kind=none&step=none&first=soon").status_code == 200


def test_the_command_knows_every_kind() -> None:
    assert tuple(Kind) == KINDS
