"""A table of unknown layout, from its refusal to the books, in an officer's browser."""

import pytest
from sqlmodel import select

from core.db import reading, transaction
from payments.models import CollectingAccount
from reconciliation.models import EvidenceFile, SavedLayout, StatementLine
from tests.web.conftest import Site

ACCOUNT = "19036655443322"
TABLE = """Ngày giao dịch;Diễn giải;Số tiền;Số dư
03/02/2026;DX4KT7PQ2MNA nop le phi;150.000;1.150.000
04/02/2026;Phi chuyen tien;-11.000;1.139.000
"""
NEXT = """Ngày giao dịch;Diễn giải;Số tiền;Số dư
05/02/2026;DX8QMW0R5TNB nop phi;80.000;1.219.000
"""
SAID = {"name": "acb-fees", "account": ACCOUNT, "currency": "VND", "date_order": "dmy"}


@pytest.fixture
def account(site_on_each: Site) -> Site:
    with transaction(site_on_each.engine) as session:
        own = session.get_one(CollectingAccount, site_on_each.city.accounts[0].id)
        own.account_number = ACCOUNT
        session.add(own)
    return site_on_each


def brought(site: Site, content: str, name: str = "a.csv") -> str:
    answer = site.signed_in("officer1").post(
        "/staff/statements", files={"file": (name, content.encode(), "text/csv")}
    )
    assert answer.status_code == 303
    return str(answer.headers["location"]).partition("?")[0]


def test_what_the_table_does_not_tell_is_asked(account: Site) -> None:
    officer = account.signed_in("officer1")
    place = brought(account, TABLE)

    assert f'href="{place}/layout"' in officer.get(place).text
    page = officer.get(f"{place}/layout").text
    assert "How are days written?" in page
    assert "Three letters, for example VND." in page
    assert "The balance behind every line follows" in page
    assert "Save and read the file" not in page


def test_a_saved_layout_reads_the_file_and_those_that_follow(account: Site) -> None:
    officer = account.signed_in("officer1")
    place = brought(account, TABLE)

    assert "Save and read the file" in officer.get(f"{place}/layout", params=SAID).text
    answer = officer.post(f"{place}/layout", data=SAID)
    following = brought(account, NEXT, "b.csv")

    assert (answer.status_code, answer.headers["location"]) == (303, place)
    assert "Taken in" in officer.get(place).text or "table:acb-fees@1" in officer.get(place).text
    assert "table:acb-fees@1" in officer.get(following).text
    with reading(account.engine) as session:
        amounts = sorted(line.amount_minor for line in session.exec(select(StatementLine)))
        layout = session.exec(select(SavedLayout)).one()
    assert amounts == [-11_000, 80_000, 150_000]
    assert (layout.version, layout.account_id) == (1, account.city.accounts[0].id)


def test_nothing_is_saved_while_something_is_open(account: Site) -> None:
    officer = account.signed_in("officer1")
    place = brought(account, TABLE)

    answer = officer.post(f"{place}/layout", data=SAID | {"date_order": ""})

    assert answer.status_code == 409
    assert "S007" in answer.text
    with reading(account.engine) as session:
        assert session.exec(select(SavedLayout)).all() == []
        assert session.exec(select(EvidenceFile)).one().outcome == "refused"


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [({"name": "A B"}, 422, "S006"), ({"account": "999999999"}, 422, "S003")],
)
def test_an_answer_that_cannot_be_used_says_so(
    account: Site, said: dict[str, str], status: int, code: str
) -> None:
    place = brought(account, TABLE)

    answer = account.signed_in("officer1").post(f"{place}/layout", data=SAID | said)

    assert (answer.status_code, code in answer.text) == (status, True)


def test_a_file_of_another_office_is_not_found(account: Site) -> None:
    place = brought(account, TABLE)

    assert account.signed_in("officer2").get(f"{place}/layout").status_code == 404
    assert account.signed_in("officer2").post(f"{place}/layout", data=SAID).status_code == 404


def test_an_account_of_another_office_gets_no_layout(account: Site) -> None:
    place = brought(account, TABLE)
    other = account.city.accounts[1].account_number

    answer = account.signed_in("officer1").post(f"{place}/layout", data=SAID | {"account": other})

    assert answer.status_code == 403
