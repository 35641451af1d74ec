"""The public page: whole months, no small groups, nobody's data; heads and tiles to download."""

from collections.abc import Sequence

import pytest

from core.clock import business_day
from core.db import reading, transaction
from payments.channels import Rail
from payments.ledger.log.checkpoints import Checkpoint
from payments.ledger.log.merkle import leaf_hash
from payments.ledger.log.notes import SignedNote, VerifierKey
from payments.ledger.log.stored import fold
from payments.models import Bill
from payments.queries.transparency import SMALLEST, PublicGroup, month_of, without_small
from scheduler.publishing import publish_log
from tests.factories import a_bill, a_paid_payment
from tests.support.log import leaves, post_many
from tests.web.conftest import Site


def pay(site: Site, count: int, *, commune: int = 0, rail: Rail = Rail.VNPAY) -> list[Bill]:
    """Have so many bills paid today."""
    bills = []
    with transaction(site.engine) as session:
        for number in range(count):
            bill = a_bill(
                session, site.city, clock=site.clock, commune=commune,
                number=number + 1 + 1000 * commune + 100 * (rail is Rail.VIETQR),
            )  # fmt: skip
            a_paid_payment(session, bill, clock=site.clock, rail=rail)
            bills.append(bill)
    return bills


def next_month(site: Site) -> None:
    first = business_day(site.clock()).replace(day=1)
    while business_day(site.clock()).replace(day=1) == first:
        site.clock.advance(hours=24)


def test_a_month_that_is_over_is_told_and_names_nobody(site_on_each: Site) -> None:
    site = site_on_each
    month = business_day(site.clock()).strftime("%Y-%m")
    bills = pay(site, 12) + pay(site, 11, commune=1) + pay(site, 2, commune=1, rail=Rail.VIETQR)
    page = site.visitor().get("/transparency")
    assert "Fewer than 10 payments" in page.text
    assert site.visitor().get(f"/transparency?month={month}").status_code == 404
    next_month(site)
    page = site.visitor().get("/transparency")
    assert page.status_code == 200
    assert "25 payments" in page.text
    for shown in (site.city.communes[0].name_en, site.city.communes[1].name_en,
                  site.city.procedure.name_en, "VND\xa02,075,000"):  # fmt: skip
        assert shown in page.text, shown
    for bill in bills:
        for private in (bill.bill_reference, bill.dossier_code, bill.payer_name, bill.id):
            assert private not in page.text


def test_small_groups_are_added_to_others_and_each_table_has_the_same_sum(
    site_on_each: Site,
) -> None:
    site = site_on_each
    pay(site, 15)
    pay(site, 3, commune=1)
    pay(site, 4, rail=Rail.VIETQR)
    day = business_day(site.clock())
    first = day.replace(day=1)
    with reading(site.engine) as session:
        month = month_of(session, first, day)
    tables = (month.by_day, month.by_procedure, month.by_office, month.by_channel)
    assert {sum(group.count for group in table) for table in tables} == {22}
    assert {sum(g.amount_minor for g in table) for table in tables} == {22 * 83_000}
    assert all(group.count >= SMALLEST for table in tables for group in table)
    assert [group.key for group in month.by_office] == [None]  # 3 alone would be too few
    assert [group.key for group in month.by_channel] == [None]
    assert [group.key for group in month.by_day] == [str(day)]


def test_too_few_payments_are_not_told_at_all(site: Site) -> None:
    pay(site, SMALLEST - 1)
    next_month(site)
    page = site.visitor().get("/transparency").text
    assert "nothing is told" in page
    assert "747" not in page


@pytest.mark.parametrize(
    ("counts", "kept", "together"),
    [
        ([20, 30], [20, 30], None),
        ([20, 30, 4], [30], 24),
        ([20, 30, 4, 6], [20, 30], 10),
        ([4], [], None),
        ([4, 5], [], None),
        ([4, 20], [], 24),
        ([], [], None),
        ([9, 9, 9, 50, 10], [50, 10], 27),
    ],
)
def test_few_payments_never_stand_alone(
    counts: Sequence[int], kept: list[int], together: int | None
) -> None:
    groups = [PublicGroup(str(n), "", "", count, count) for n, count in enumerate(counts)]
    told = without_small(groups)
    assert [group.count for group in told if group.key is not None] == kept
    assert [group.count for group in told if group.key is None] == [together] * bool(together)


@pytest.mark.parametrize("month", ["2999-01", "x", "2026-13", "2026-1"])
def test_other_months_are_not_there(site: Site, month: str) -> None:
    assert site.visitor().get(f"/transparency?month={month}").status_code == 404


def test_the_head_its_keys_and_tiles_are_there_to_fetch(site: Site) -> None:
    visitor, day = site.visitor(), business_day(site.clock())
    assert "Nothing has been signed" in visitor.get("/transparency").text
    assert visitor.get("/transparency/checkpoint").status_code == 404
    assert visitor.get("/transparency/tile/0/000").status_code == 404
    post_many(site.engine, 600, clock=site.clock, day=day)
    publish_log(site.app.state.context, site.clock())
    post_many(site.engine, 200, clock=site.clock, day=day, start=600)  # not signed yet
    note = SignedNote.parse(visitor.get("/transparency/checkpoint").text)
    head = Checkpoint.parse(note.text)
    keys = [VerifierKey.parse(line) for line in visitor.get("/transparency/keys").text.split()]
    assert note.signed_by(keys) == keys
    assert str(keys[0]) in visitor.get("/transparency").text.replace("&#43;", "+")
    with reading(site.engine) as session:
        hashes = [leaf_hash(row.leaf.encode()) for row in leaves(session)][: head.size]
    full = visitor.get("/transparency/tile/0/001")
    assert full.content == b"".join(hashes[256:512])
    assert visitor.get("/transparency/tile/0/002.p/88").content == b"".join(hashes[512:])
    assert visitor.get("/transparency/tile/0/002.p/5").content == b"".join(hashes[512:517])
    above = visitor.get("/transparency/tile/1/000.p/2").content
    assert above == fold(hashes[:256]) + fold(hashes[256:512])
    for missing in ("0/002", "0/002.p/89", "0/003", "0/003.p/1", "1/000", "1/000.p/3", "8/000",
                    "0/1", "0/000.p/0", "0/000.p/256", "0/x001/000", "-1/000", "0/x"):  # fmt: skip
        assert visitor.get(f"/transparency/tile/{missing}").status_code in {404, 422}, missing
    assert "def check_folder" in visitor.get("/transparency/verify.py").text


def test_the_page_speaks_vietnamese_and_is_linked_from_everywhere(site: Site) -> None:
    assert "Số liệu công khai" in site.visitor("vi").get("/transparency").text
    assert 'href="/transparency"' in site.visitor().get("/").text
