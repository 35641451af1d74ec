"""The officer's work: a wrong amount seen and resolved by two people, files, scope, escaping."""

from datetime import timedelta
from pathlib import Path

from fastapi.testclient import TestClient
from sqlmodel import select

from core.actors import SYSTEM
from core.clock import business_day
from core.db import reading, transaction
from core.outbox import MessageKind, MessageStatus, OutboxMessage, tell
from payments.channels import Rail
from payments.models import Bill, CollectingAccount
from reconciliation.engine import run_reconciliation
from reconciliation.models import Mismatch, Resolution
from reconciliation.states import ItemKind, MismatchStatus, MismatchType, ResolutionStatus
from tests.factories import a_bill, a_line, a_paid_payment, a_payment, a_statement
from tests.web.conftest import Site

HOSTILE = '<script>alert("x")</script>'
REASON = "Compared with the paper slip of the bank"


def _wrong_amount(site: Site, *, commune: int = 0, payer: str = "Trần Văn A") -> str:
    """A transfer of the wrong amount, imported and compared; returns the bank line's mismatch."""
    with transaction(site.engine) as session:
        account = session.get_one(CollectingAccount, site.city.accounts[commune].id)
        bill = a_bill(session, site.city, clock=site.clock, commune=commune, payer_name=payer)
        a_payment(session, bill, clock=site.clock, rail=Rail.VIETQR)
        day = business_day(site.clock())
        line = a_line(day, 38_000, f"{bill.bill_reference} {HOSTILE}", bank_ref="FT1", payer=payer)
        a_statement(session, account, [line], day=day, clock=site.clock)
        run_reconciliation(
            session, account, as_of=day + timedelta(days=1), clock=site.clock, actor=SYSTEM
        )
        found = session.exec(
            select(Mismatch).where(
                Mismatch.item_kind == ItemKind.BANK, Mismatch.account_id == account.id
            )
        ).one()
        assert found.type is MismatchType.AMOUNT_MISMATCH
        return found.id


def _proposal(site: Site, mismatch_id: str, client: TestClient) -> Resolution:
    page = client.get(f"/staff/mismatches/{mismatch_id}").text
    counterpart = page.split('value="payment:')[1].split('"')[0]
    answer = client.post(
        f"/staff/mismatches/{mismatch_id}/resolutions",
        data={"kind": "match", "counterpart": f"payment:{counterpart}", "reason": REASON},
    )
    assert answer.status_code == 303, answer.text
    with reading(site.engine) as session:
        return session.exec(select(Resolution)).one()


def test_the_mismatch_shows_both_sides_and_why(site: Site) -> None:
    mismatch_id = _wrong_amount(site)
    page = site.signed_in("officer1", "vi").get(f"/staff/mismatches/{mismatch_id}").text
    for text in ("Sai số tiền", "38.000\xa0₫", "83.000\xa0₫", "Dòng của ngân hàng", "FT1"):
        assert text in page
    assert "Mã khoản thu khớp, nhưng nhận được 38.000\xa0₫ trong khi sổ ghi 83.000\xa0₫." in page


def test_a_wrong_amount_is_resolved_by_two_people(site_on_each: Site) -> None:
    site = site_on_each
    mismatch_id = _wrong_amount(site)
    proposal = _proposal(site, mismatch_id, site.signed_in("officer1"))
    assert proposal.status is ResolutionStatus.PROPOSED
    approver = site.signed_in("approver")
    assert REASON in approver.get(f"/staff/decisions/{proposal.id}").text
    answer = approver.post(f"/staff/decisions/{proposal.id}", data={"decision": "approve"})
    assert answer.status_code == 303
    with reading(site.engine) as session:
        mismatch = session.get_one(Mismatch, mismatch_id)
        bill = session.exec(select(Bill)).one()
    assert mismatch.status is MismatchStatus.RESOLVED
    assert bill.received_minor == 38_000
    page = site.signed_in("officer1").get(f"/staff/mismatches/{mismatch_id}").text
    assert "Approved by a second person" in page


def test_the_one_who_proposed_cannot_approve(site: Site) -> None:
    mismatch_id = _wrong_amount(site)
    approver = site.signed_in("approver")
    proposal = _proposal(site, mismatch_id, approver)
    assert "You proposed this yourself" in approver.get(f"/staff/decisions/{proposal.id}").text
    answer = approver.post(f"/staff/decisions/{proposal.id}", data={"decision": "approve"})
    assert answer.status_code == 403
    assert "P051" in answer.text
    with reading(site.engine) as session:
        assert session.get_one(Mismatch, mismatch_id).status is MismatchStatus.PROPOSED


def test_a_refused_proposal_keeps_what_was_typed(site: Site) -> None:
    mismatch_id = _wrong_amount(site)
    officer = site.signed_in("officer1")
    answer = officer.post(
        f"/staff/mismatches/{mismatch_id}/resolutions", data={"kind": "accept", "reason": "short"}
    )
    assert answer.status_code == 422
    assert "R005" in answer.text
    assert ">short</textarea>" in answer.text
    nothing = officer.post(f"/staff/mismatches/{mismatch_id}/resolutions", data={"reason": REASON})
    assert "R008" in nothing.text


def test_a_proposal_names_only_what_the_page_offered_or_a_bill_in_scope(site: Site) -> None:
    mismatch_id = _wrong_amount(site)
    with transaction(site.engine) as session:
        foreign = a_bill(session, site.city, clock=site.clock, commune=1).bill_reference
    for data in (
        {"counterpart": f"bill:{foreign}"},
        {"counterpart": "bill", "bill_code": foreign},
        {"counterpart": "payment:pay_other"},
    ):
        answer = site.signed_in("officer1").post(
            f"/staff/mismatches/{mismatch_id}/resolutions",
            data={"kind": "match", "reason": REASON, **data},
        )
        assert answer.status_code == 403, data
        assert "R004" in answer.text


def test_comments_and_assignment_stand_in_the_history(site: Site) -> None:
    mismatch_id = _wrong_amount(site)
    officer = site.signed_in("officer1")
    path = f"/staff/mismatches/{mismatch_id}"
    officer.post(f"{path}/comments", data={"text": HOSTILE})
    officer.post(f"{path}/assignment", data={"assignee": site.users["officer1"].id})
    page = officer.get(path).text
    assert "&lt;script&gt;" in page
    assert HOSTILE not in page
    assert "Officer1" in page
    assert "1 entry" in officer.get("/staff/mismatches?assignee=me").text
    officer.post(f"{path}/assignment", data={"assignee": site.users["officer2"].id})
    with reading(site.engine) as session:
        assert session.get_one(Mismatch, mismatch_id).assigned_to is None, "does not see it"


def test_hostile_texts_are_shown_as_text_everywhere(site: Site) -> None:
    mismatch_id = _wrong_amount(site, payer=HOSTILE)
    officer, auditor = site.signed_in("officer1"), site.signed_in("auditor")
    with reading(site.engine) as session:
        bill = session.exec(select(Bill)).one()
        payment_id = session.get_one(Mismatch, mismatch_id).related_items.partition(":")[2]
    pages = [
        officer.get(f"/staff/mismatches/{mismatch_id}"),
        officer.get(f"/staff/bills/{bill.bill_reference}"),
        officer.get("/staff/bills", params={"text": HOSTILE}),
        auditor.get("/staff/search", params={"text": HOSTILE}),
        auditor.get(f"/staff/payments/{payment_id}"),
        site.visitor().get("/find", params={"code": HOSTILE}),
    ]
    for page in pages:
        assert page.status_code in {200, 404}
        assert "alert(" in page.text, page.url
        assert HOSTILE not in page.text, page.url


def test_an_officer_sees_nothing_of_another_commune(site_on_each: Site) -> None:
    site = site_on_each
    mismatch_id = _wrong_amount(site, commune=0, payer="Người Phường Một")
    with transaction(site.engine) as session:
        bill = session.exec(select(Bill)).one()
        tell(
            session, MessageKind.EMAIL, "receipt", "one@example.vn",
            {"bill_reference": bill.bill_reference}, dedupe_key="one", clock=site.clock,
        )  # fmt: skip
        message_id = session.exec(select(OutboxMessage.id)).one()
    stranger, own = site.signed_in("officer2"), site.signed_in("officer1")
    file_id = own.get("/staff/statements").text.split("/staff/statements/")[1].split('"')[0]
    for path in (
        f"/staff/mismatches/{mismatch_id}",
        f"/staff/bills/{bill.bill_reference}",
        f"/staff/statements/{file_id}",
    ):
        assert own.get(path).status_code == 200, path
        assert stranger.get(path).status_code == 404, path
    for path in ("/staff/mismatches?status=", "/staff/bills", "/staff/statements"):
        assert "0 entries" in stranger.get(path).text, path
        assert "0 entries" not in own.get(path).text, path
    assert "one@example.vn" in own.get("/staff/messages").text
    assert "one@example.vn" not in stranger.get("/staff/messages").text
    for path in (
        f"/staff/mismatches/{mismatch_id}/comments",
        f"/staff/mismatches/{mismatch_id}/assignment",
        f"/staff/mismatches/{mismatch_id}/resolutions",
        f"/staff/messages/{message_id}/replay",
    ):
        assert stranger.post(path, data={"text": "x", "kind": "accept"}).status_code == 404, path
    today = stranger.get("/staff").text
    assert "Wrong amount" not in today


def test_a_message_is_sent_again_from_the_beginning(site: Site) -> None:
    with transaction(site.engine) as session:
        bill = a_bill(session, site.city, clock=site.clock)
        message = tell(
            session, MessageKind.EMAIL, "receipt", "one@example.vn",
            {"bill_reference": bill.bill_reference}, dedupe_key="one", clock=site.clock,
        )  # fmt: skip
        message.status, message.attempts = MessageStatus.GIVEN_UP, 10
    answer = site.signed_in("officer1").post(f"/staff/messages/{message.id}/replay")
    assert answer.status_code == 303
    with reading(site.engine) as session:
        again = session.get_one(OutboxMessage, message.id)
    assert (again.status, again.attempts) == (MessageStatus.WAITING, 0)


def test_today_says_what_came_in_and_what_did_not_match(site_on_each: Site) -> None:
    site = site_on_each
    _wrong_amount(site)
    with transaction(site.engine) as session:
        bill = a_bill(session, site.city, clock=site.clock, number=2)
        a_paid_payment(session, bill, clock=site.clock)
    page = site.signed_in("officer1").get("/staff").text
    assert "Wrong amount" in page
    assert "VNPay" in page
    assert "VND\xa083,000" in page


def test_an_unreadable_file_is_kept_aside_with_its_reason(site: Site) -> None:
    officer = site.signed_in("officer1")
    answer = officer.post(
        "/staff/statements", files={"file": ("bad.xml", b"<Document>", "text/xml")}
    )
    assert answer.status_code == 303
    page = officer.get(answer.headers["location"]).text
    assert "Refused" in page
    assert "Problems" in page
    again = officer.post(
        "/staff/statements", files={"file": ("bad.xml", b"<Document>", "text/xml")}
    )
    assert again.headers["location"].endswith("?known=yes")
    assert "1 entry" in officer.get("/staff/statements").text
    assert "0 entries" in site.signed_in("officer2").get("/staff/statements").text


def test_a_gap_between_statements_is_shown_until_it_closes(site_on_each: Site) -> None:
    site = site_on_each
    officer, today = site.signed_in("officer1"), business_day(site.clock())
    days = [today - timedelta(days=n) for n in (3, 2, 1)]

    def arrives(n: int) -> None:
        with transaction(site.engine) as session:
            account = session.get_one(CollectingAccount, site.city.accounts[0].id)
            line = a_line(days[n], 5_000, f"line {n}")
            a_statement(session, account, [line], day=days[n], opening=5_000 * n, clock=site.clock)

    arrives(0)
    arrives(2)
    page = officer.get("/staff/statements").text
    assert "VND\xa010,000, the one before it closed with VND\xa05,000" in page
    assert "is missing." in page
    assert "gaps between statements" in officer.get("/staff").text
    assert "1 gap" not in site.signed_in("officer2").get("/staff/statements").text

    arrives(1)
    assert "No gap" in officer.get("/staff/statements").text
    assert "gaps between statements" not in officer.get("/staff").text


def test_an_import_is_taken_back_and_read_once_more(site_on_each: Site) -> None:
    site = site_on_each
    officer, stranger = site.signed_in("officer1"), site.signed_in("officer2")
    golden = Path(__file__).parents[1] / "golden" / "bidv" / "two_days.csv"
    with transaction(site.engine) as session:
        account = session.get_one(CollectingAccount, site.city.accounts[0].id)
        parsed = site.app.state.context.statements.parse(golden)
        account.account_number = parsed.statements[0].account
        session.add(account)
    answer = officer.post(
        "/staff/statements", files={"file": ("a.csv", golden.read_bytes(), "text/csv")}
    )
    place = answer.headers["location"]
    assert "Take this import back" in officer.get(place).text
    assert stranger.post(f"{place}/undo", data={"reason": "of another office"}).status_code == 404

    without = officer.post(f"{place}/undo", data={"reason": ""})
    assert (without.status_code, "R005" in without.text) == (422, True)
    assert officer.post(f"{place}/undo", data={"reason": "the wrong month"}).status_code == 303
    page = officer.get(place).text
    assert "its import was taken back: the wrong month" in page
    assert "Take this import back" not in page
    assert officer.post(f"{place}/undo", data={"reason": "once more"}).status_code == 404

    assert stranger.post(f"{place}/reading").status_code == 404
    assert officer.post(f"{place}/reading").status_code == 303
    assert "Take this import back" in officer.get(place).text


def test_a_form_without_a_file_says_so(site: Site) -> None:
    answer = site.signed_in("officer1").post("/staff/statements", data={"kind": "statement"})
    assert answer.status_code == 422
    assert "S030" in answer.text


def test_a_statement_of_another_offices_account_is_refused(site: Site) -> None:
    golden = Path(__file__).parents[1] / "golden" / "camt053"
    parse = site.app.state.context.statements.parse
    sample = next(path for path in sorted(golden.rglob("*.xml")) if parse(path).statements)
    parsed = parse(sample)
    with transaction(site.engine) as session:
        account = session.get_one(CollectingAccount, site.city.accounts[1].id)
        account.account_number = parsed.statements[0].account
        session.add(account)
    content = sample.read_bytes()
    refused = site.signed_in("officer1").post(
        "/staff/statements", files={"file": ("a.xml", content, "text/xml")}
    )
    assert refused.status_code == 422
    assert "S003" in refused.text
    taken = site.signed_in("officer2").post(
        "/staff/statements", files={"file": ("a.xml", content, "text/xml")}
    )
    assert taken.status_code == 303


def test_a_job_runs_now_and_stands_in_the_history_with_who_asked(site: Site) -> None:
    officer = site.signed_in("officer1")
    assert officer.post("/staff/jobs/expire/runs").status_code == 303
    page = officer.get("/staff/jobs?job=expire").text
    assert "Officer1" in page
    assert officer.post("/staff/jobs/nothing/runs").status_code == 404


def test_an_administrator_makes_and_switches_off_accounts_below_them(site: Site) -> None:
    admin = site.signed_in("admin")
    data = {
        "username": "New.Person", "name": "New Person", "role": "auditor",
        "office": site.city.communes[0].code, "password": "a long enough password",
    }  # fmt: skip
    assert admin.post("/staff/users", data=data).status_code == 303
    assert site.signed_in("new.person").get("/staff/ledger").status_code == 200
    assert "A008" in admin.post("/staff/users", data=data).text
    short = admin.post("/staff/users", data={**data, "username": "other", "password": "short"})
    assert short.status_code == 422
    assert "short" not in short.text.split("<form")[-1].split('type="password"')[1][:200]
    client = site.signed_in("new.person")
    admin.post("/staff/users/new.person/active", data={"active": "no"})
    assert client.get("/staff").status_code == 303
    own = admin.post("/staff/users/admin/active", data={"active": "no"})
    assert own.status_code == 422


def test_a_bill_is_suggested_for_money_that_nothing_explains_and_can_be_proposed(
    site: Site,
) -> None:
    with transaction(site.engine) as session:
        account = session.get_one(CollectingAccount, site.city.accounts[0].id)
        bill = a_bill(session, site.city, clock=site.clock, payer_name="Trần Văn Bình")
        a_bill(session, site.city, clock=site.clock, number=2, payer_name="Lê Thị Hoa")
        day = business_day(site.clock())
        line = a_line(day, 83_000, "chuyen tien", bank_ref="FT1", payer="TRAN VAN BINH")
        a_statement(session, account, [line], day=day, clock=site.clock)
        run_reconciliation(
            session, account, as_of=day + timedelta(days=1), clock=site.clock, actor=SYSTEM
        )
        mismatch_id = session.exec(
            select(Mismatch.id).where(Mismatch.item_kind == ItemKind.BANK)
        ).one()
        reference = bill.bill_reference
    client = site.signed_in("officer1", "en")
    page = client.get(f"/staff/mismatches/{mismatch_id}").text
    assert f"Suggested: bill {reference} of Trần Văn Bình" in page
    assert "It is no proof" in page
    assert "points worse" in page
    assert 'value="bill:' in page
    assert f'value="bill:{reference}" checked' not in page
    answer = client.post(
        f"/staff/mismatches/{mismatch_id}/resolutions",
        data={"kind": "match", "counterpart": f"bill:{reference}", "reason": REASON},
    )
    assert answer.status_code == 303, answer.text
    with reading(site.engine) as session:
        proposed = session.exec(select(Resolution)).one()
    assert proposed.related_items == f"bill:{reference}"
    assert proposed.status is ResolutionStatus.PROPOSED
