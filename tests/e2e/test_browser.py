"""Whole ways through the service in a real browser, with every other party played on loopback."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from app.demo.city import PROVIDERS, WARDS
from app.pages.auditor import SUMMED
from payments.states import BillStatus, PaymentStatus
from tests.e2e.people import Citizen, Staff
from tests.support.live import Live

pytestmark = pytest.mark.e2e

GOOD_CARD = "4242 4242 4242 4242"
DECLINED_CARD = "4000 0000 0000 0002"
REASON = "Compared with the payer's bank slip: the payer mistyped the amount."


def _pay_at_vnpay(citizen: Citizen, reference: str) -> str:
    """Pay by VNPay from the start page to the paid page; returns the payment's id."""
    citizen.find(reference)
    citizen.sees("To be paid")
    citizen.pay_by("VNPay")
    citizen.pay_at_vnpay()
    citizen.live.settle()
    citizen.page.reload()
    citizen.sees("Payment received")
    return citizen.page.url.rpartition("/")[2]


def _show_code(citizen: Citizen, reference: str) -> str:
    """Ask for the transfer code of a bill, read it off the screen, and return its text."""
    citizen.find(reference)
    citizen.pay_by("Bank transfer (VietQR)")
    return citizen.read_code()


def test_a_citizen_pays_at_vnpay_and_takes_the_receipt(
    live: Live, citizen: Callable[..., Citizen]
) -> None:
    reference = live.issue()
    visitor = citizen()
    _pay_at_vnpay(visitor, reference)
    visitor.follow("Show the receipt")
    visitor.sees("Receipt")
    expect(visitor.page.locator("main")).to_contain_text(reference)
    with visitor.page.expect_download() as started:
        visitor.follow("Receipt as PDF")
    paper = started.value.path().read_bytes()
    assert paper.startswith(b"%PDF-")
    assert paper.rstrip().endswith(b"%%EOF")
    visitor.find(reference)
    visitor.sees("Paid in full")
    assert live.bill(reference).status is BillStatus.PAID


def test_a_payer_who_comes_back_before_the_answer_reads_that_we_are_asking(
    live: Live, citizen: Callable[..., Citizen]
) -> None:
    reference = live.issue()
    visitor = citizen()
    visitor.find(reference)
    visitor.pay_by("VNPay")
    expect(visitor.page.get_by_role("heading", name="Cổng thanh toán VNPAY")).to_be_visible()
    [attempt] = live.attempts(reference)
    visitor.open(f"/payments/{attempt.id}/return?vnp_ResponseCode=24")
    visitor.sees("We are asking %(channel)s", channel="VNPay")
    visitor.sees("If you have paid, you need not pay again.")
    assert live.attempts(reference)[0].status is PaymentStatus.PENDING
    paying = visitor.page.context.new_page()
    paying.goto(attempt.redirect_url or "")
    Citizen(paying, live).pay_at_vnpay()
    live.settle()
    visitor.sees("Payment received")  # the page has looked again by itself


def test_a_transfer_by_the_code_on_the_screen_is_found_on_the_statement(
    live: Live, citizen: Callable[..., Citizen]
) -> None:
    reference = live.issue(ward=WARDS[2])
    visitor = citizen(phone=True)
    payload = _show_code(visitor, reference)
    [attempt] = live.attempts(reference)
    assert payload == attempt.qr_payload
    assert reference in payload
    visitor.fits()
    visitor.transfer(payload)
    live.settle()
    visitor.page.reload()
    assert live.bill(reference).status is BillStatus.OPEN, "no statement has come yet"
    live.next_morning()
    visitor.page.reload()
    visitor.sees("Payment received")
    visitor.sees("The bank statement shows the money.")
    visitor.fits()
    [attempt] = live.attempts(reference)
    assert attempt.confirmed_at is not None
    assert live.bill(reference).status is BillStatus.PAID


@pytest.mark.parametrize(
    ("wallet", "heading"), [("MoMo wallet", "Ví MoMo"), ("ZaloPay wallet", "ZaloPay")]
)
def test_a_citizen_pays_by_a_wallet_on_a_phone(
    live: Live, citizen: Callable[..., Citizen], wallet: str, heading: str
) -> None:
    reference = live.issue(ward=WARDS[3])
    visitor = citizen(phone=True)
    visitor.find(reference)
    visitor.fits()
    visitor.pay_by(wallet)
    visitor.pay_on_page(heading)
    live.settle()
    visitor.page.reload()
    visitor.sees("Payment received")
    visitor.fits()
    assert live.bill(reference).status is BillStatus.PAID


def test_a_transfer_that_sepay_tells_of_is_received_at_once_and_confirmed_by_the_statement(
    live: Live, citizen: Callable[..., Citizen]
) -> None:
    reference = live.issue(ward=WARDS[0])
    visitor = citizen()
    visitor.transfer(_show_code(visitor, reference))
    live.settle()
    visitor.page.reload()
    visitor.sees("Payment received")
    visitor.sees("The money will be compared with the bank statement in the next days.")
    [attempt] = live.attempts(reference)
    assert attempt.status is PaymentStatus.SUCCEEDED
    assert attempt.confirmed_at is None, "only the statement confirms"
    live.next_morning()
    visitor.page.reload()
    visitor.sees("The bank statement shows the money.")
    [attempt] = live.attempts(reference)
    assert attempt.confirmed_at is not None, "the notice and the line are one receipt"
    assert live.bill(reference).status is BillStatus.PAID


def test_a_declined_card_can_be_replaced_by_a_good_one(
    live: Live, citizen: Callable[..., Citizen]
) -> None:
    reference = live.issue()
    visitor = citizen()
    visitor.find(reference)
    visitor.pay_by("International card (Stripe)")
    visitor.pay_at_stripe(DECLINED_CARD)
    expect(visitor.page.get_by_role("alert")).to_contain_text("Card declined")
    visitor.pay_at_stripe(GOOD_CARD)
    visitor.page.wait_for_url(f"{live.places.pages}/payments/*")
    live.settle()
    visitor.page.reload()
    visitor.sees("Payment received")
    assert live.bill(reference).status is BillStatus.PAID


def test_a_wrong_amount_is_resolved_by_two_people_and_the_trail_names_both(
    live: Live, citizen: Callable[..., Citizen], staff: Callable[..., Staff]
) -> None:
    _resolve_a_wrong_amount(live, citizen(), staff("officer"), staff("approver"))


def _resolve_a_wrong_amount(live: Live, payer: Citizen, officer: Staff, approver: Staff) -> None:
    reference = live.issue(ward=WARDS[2])
    asked = live.bill(reference).amount_minor
    payer.transfer(_show_code(payer, reference), amount=asked - 1_000)
    live.next_morning()

    mismatch = _propose(officer, reference, asked=asked, came=asked - 1_000)
    assert live.bill(reference).received_minor == 0, "a proposal moves nothing"
    officer.open("/staff/decisions")
    officer.sees("You may not do this")
    decision = _find_decision(approver, reference)
    refused = officer.page.request.post(decision, form={"decision": "approve"})
    assert (refused.status, live.bill(reference).received_minor) == (403, 0)
    approver.page.goto(decision)
    approver.sees(REASON)
    approver.press("Approve exactly this")
    expect(approver.page.locator("main")).not_to_contain_text(reference)

    bill = live.bill(reference)
    assert (bill.status, bill.received_minor) == (BillStatus.PARTLY_PAID, asked - 1_000)
    payer.open(f"/bills/{reference}")
    payer.sees("Partly paid")
    expect(payer.page.locator(".app-due__amount")).to_have_text("VND\xa01,000")
    officer.page.goto(mismatch)
    history = officer.page.locator(".app-history")
    expect(history).to_contain_text("Phạm Thị Lan")
    expect(history).to_contain_text("Vũ Văn Hải")
    live.move_to(live.settings.clock() + timedelta(minutes=15))
    officer.open("/staff/mismatches")
    expect(officer.page.locator(".app-card", has_text=WARDS[2].name_en)).to_have_count(0)


def _propose(officer: Staff, reference: str, *, asked: int, came: int) -> str:
    """Look at the evidence and propose to take the money as received; returns the address."""
    officer.follow("Mismatches")
    sum_that_came = f"VND\xa0{came:,}"
    card = officer.page.locator(".app-card", has_text=WARDS[2].name_en)
    amount = officer.page.locator(".app-card__money", has_text=sum_that_came)
    card.filter(has=amount).get_by_role("link", name="Wrong amount").click()
    evidence = officer.page.locator(".app-evidence").first
    for shown in (reference, f"VND\xa0{asked:,}", sum_that_came):
        expect(evidence).to_contain_text(shown)
    officer.pick("The money belongs to a bill or payment")
    officer.page.get_by_role("radio", name=f"bill {reference}").check()
    officer.page.get_by_label(officer.say("Reason")).fill(REASON)
    officer.press("Propose")
    officer.sees("A second person has to decide.")
    return officer.page.url


def _find_decision(approver: Staff, reference: str) -> str:
    approver.follow("Decisions")
    link = approver.page.locator(".app-card", has_text=reference).get_by_role("link")
    return f"{approver.live.places.pages}{link.get_attribute('href')}"


def test_an_auditor_follows_a_payment_from_the_click_to_the_bank_line(
    live: Live, citizen: Callable[..., Citizen], staff: Callable[..., Staff]
) -> None:
    ward = WARDS[3]
    reference = live.issue(ward=ward)
    payment_id = _pay_at_vnpay(citizen(), reference)
    day, lines = live.delivered_to, []
    for _ in range(2):  # reported on the next working day, paid out on the one after
        last = live.next_morning()
        while day < last:  # a weekend is delivered at once
            day += timedelta(days=1)
            lines += live.lines_of(ward, day)
    [payout] = [line for line in lines if PROVIDERS[0].payout_name in line["narrative"]]
    auditor = staff("auditor")
    auditor.follow("Search")
    auditor.page.get_by_label(auditor.say("Any identifier")).fill(payout["bank_ref"])
    auditor.page.locator("main").get_by_role("button").click()
    auditor.follow("The trail")
    expect(auditor.page).to_have_url(f"{live.places.pages}/staff/payments/{payment_id}")
    trail = auditor.page.locator(".app-trail")
    [attempt] = live.attempts(reference)
    for known in (reference, attempt.merchant_reference, attempt.provider_txn_id or "none",
                  payout["bank_ref"], payout["narrative"]):  # fmt: skip
        expect(trail).to_contain_text(known)
    auditor.page.get_by_text(auditor.say("The raw message")).first.click()
    expect(trail).to_contain_text("vnp_SecureHash")


def test_the_files_of_an_export_hold_what_the_page_adds_up(
    live: Live, citizen: Callable[..., Citizen], staff: Callable[..., Staff]
) -> None:
    ward = WARDS[4]
    _pay_at_vnpay(citizen(), live.issue(ward=ward))
    payer = citizen()
    payer.transfer(_show_code(payer, live.issue(ward=ward)))
    for _ in range(2):
        live.next_morning()
    auditor = staff("auditor")
    auditor.follow("Export")
    auditor.page.get_by_label(auditor.say("Collecting account")).select_option(ward.account_number)
    auditor.press("Show")
    rows = auditor.page.locator("tbody tr")
    expect(rows).to_have_count(6)
    shown = {}
    for place in range(6):
        link = rows.nth(place).get_by_role("link")
        with auditor.page.expect_download() as started:
            link.click()
        text = started.value.path().read_text(encoding="utf-8")
        cells = rows.nth(place).locator("td").all_inner_texts()
        name = link.inner_text().removesuffix(".csv")
        shown[name] = (text, _digits(cells[0]), _digits(cells[1]))
    for name, (text, count, total) in shown.items():
        lines = list(csv.DictReader(io.StringIO(text)))
        assert len(lines) == count, name
        if name in SUMMED:
            assert sum(int(line[SUMMED[name]]) for line in lines) == total, name
    assert shown["payments"][1] == 2
    assert shown["bank"][1] == 2
    assert shown["settlements"][1] == 1
    assert shown["matches"][1] > 0
    assert shown["ledger"][1] > 0


def _digits(text: str) -> int:
    found = re.search(r"[−-]?[\d,]+", text)
    return int(found.group().replace("−", "-").replace(",", "")) if found else 0


def test_pressing_pay_twice_and_in_two_tabs_begins_one_attempt(
    live: Live, citizen: Callable[..., Citizen]
) -> None:
    reference = live.issue()
    visitor = citizen()
    visitor.find(reference)
    second = visitor.page.context.new_page()
    second.goto(visitor.page.url)
    visitor.pick("VNPay")
    visitor.page.locator("form#pay button").dblclick()
    expect(visitor.page.get_by_role("heading", name="Cổng thanh toán VNPAY")).to_be_visible()
    Citizen(second, live).pay_by("VNPay")
    expect(second.get_by_role("heading", name="Cổng thanh toán VNPAY")).to_be_visible()
    assert len(live.attempts(reference)) == 1
    visitor.page.go_back()
    visitor.pay_by("VNPay")
    expect(visitor.page.get_by_role("heading", name="Cổng thanh toán VNPAY")).to_be_visible()
    assert len(live.attempts(reference)) == 1
    visitor.pay_at_vnpay()
    Citizen(second, live).pay_at_vnpay()
    live.settle()
    assert live.bill(reference).received_minor == live.bill(reference).amount_minor


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_citizen_without_javascript_pays_in_either_language(
    live: Live, citizen: Callable[..., Citizen], language: str
) -> None:
    visitor = citizen(language=language, phone=True, java_script_enabled=False)
    _pay_at_vnpay(visitor, live.issue())
    visitor.follow("Show the receipt")
    visitor.sees("Valid")
    reference = live.issue()
    visitor.find(reference)
    visitor.pay_by("Bank transfer (VietQR)")
    visitor.sees("Scan with any bank app.")
    visitor.follow("Pay another way")
    visitor.sees("Pay another way all the same")
    assert len(live.attempts(reference)) == 1


def test_the_language_can_be_switched_on_any_page_and_stays(
    live: Live, citizen: Callable[..., Citizen]
) -> None:
    visitor = citizen(language="vi")
    reference = live.issue()
    visitor.find(reference)
    expect(visitor.page.locator("html")).to_have_attribute("lang", "vi")
    visitor.page.get_by_role("link", name="English", exact=True).click()
    visitor.language = "en"
    visitor.sees("What the fee is made of")
    visitor.follow("Find another bill")
    visitor.sees("Find my bill")
    visitor.page.get_by_role("link", name="Tiếng Việt", exact=True).click()
    visitor.language = "vi"
    visitor.sees("Find my bill")


@pytest.mark.postgres
def test_the_same_ways_lead_through_an_installation_on_postgresql(
    live_on_postgres: Live, open_page: Callable[..., Page]
) -> None:
    live = live_on_postgres

    def signed_in(role: str) -> Staff:
        person = Staff(open_page(), live)
        person.sign_in(role)
        return person

    _pay_at_vnpay(Citizen(open_page(), live), live.issue())
    _resolve_a_wrong_amount(
        live, Citizen(open_page(), live), signed_in("officer"), signed_in("approver")
    )
    assert live.context.engine.dialect.name == "postgresql"
