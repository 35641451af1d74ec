"""The citizen's way: find, pay once, always learn the truth, and never see anybody's name."""

from datetime import timedelta

import pytest
from sqlmodel import select

from core.db import reading, transaction
from payments.channels import Rail
from payments.collection import end_attempt, reverse_payment
from payments.models import Bill, Payment, Receipt
from payments.states import PaymentEvent, PaymentStatus
from tests.factories import a_bill, a_paid_payment, a_payment
from tests.web.conftest import Site

NAME = "Nguyễn Thị Ánh Tuyết"


def _bill(site: Site, number: int = 1) -> Bill:
    with transaction(site.engine) as session:
        return a_bill(session, site.city, clock=site.clock, number=number, payer_name=NAME)


def _paid(site: Site, rail: Rail = Rail.VNPAY) -> tuple[Bill, Payment]:
    with transaction(site.engine) as session:
        bill = a_bill(session, site.city, clock=site.clock, payer_name=NAME)
        return bill, a_paid_payment(session, bill, clock=site.clock, rail=rail)


def _payments(site: Site) -> list[Payment]:
    with reading(site.engine) as session:
        return list(session.exec(select(Payment).order_by(Payment.attempt)))


def test_a_reference_leads_to_its_bill_however_it_is_typed(site: Site) -> None:
    bill = _bill(site)
    spaced = f" {bill.bill_reference[:5].lower()}-{bill.bill_reference[5:]} "
    answer = site.visitor().get("/find", params={"code": spaced})
    assert answer.headers["location"] == f"/bills/{bill.bill_reference}"


def test_one_wrong_character_is_corrected(site_on_each: Site) -> None:
    site = site_on_each
    bill = _bill(site)
    last = "2" if bill.bill_reference[6] != "2" else "3"
    wrong = bill.bill_reference[:6] + last + bill.bill_reference[7:]
    answer = site.visitor().get("/find", params={"code": wrong})
    assert answer.headers["location"] == f"/bills/{bill.bill_reference}"


def test_a_code_of_nothing_is_said_so_with_the_input_kept(site: Site) -> None:
    answer = site.visitor().get("/find", params={"code": "MC-WRONG"})
    assert answer.status_code == 404
    assert "No bill has this code" in answer.text
    assert 'value="MC-WRONG"' in answer.text


def test_a_dossier_with_two_bills_lists_both(site: Site) -> None:
    first = _bill(site)
    second = _bill(site)
    page = site.visitor().get("/find", params={"code": first.dossier_code}).text
    assert first.bill_reference in page
    assert second.bill_reference in page


def test_no_public_page_shows_a_name(site: Site) -> None:
    bill, payment = _paid(site)
    client = site.visitor()
    for path in (
        f"/find?code={bill.dossier_code}",
        f"/bills/{bill.bill_reference}",
        f"/payments/{payment.id}",
        f"/payments/{payment.id}/receipt",
    ):
        answer = client.get(path, follow_redirects=True)
        assert answer.status_code == 200, path
        assert NAME not in answer.text, path
        assert "payer@example.vn" not in answer.text, path


def test_only_the_secret_address_of_a_receipt_shows_the_name(site: Site) -> None:
    _, payment = _paid(site)
    with reading(site.engine) as session:
        receipt = session.exec(select(Receipt).where(Receipt.payment_id == payment.id)).one()
    client = site.visitor()
    assert NAME in client.get(f"/receipts/{receipt.token}").text
    assert client.get(f"/receipts/{receipt.token}.pdf").content.startswith(b"%PDF-")
    assert client.get("/receipts/guess").status_code == 404


def test_the_bill_says_fees_kinds_legal_basis_and_that_it_is_a_demonstration(site: Site) -> None:
    page = site.visitor("vi").get(f"/bills/{_bill(site).bill_reference}").text
    for text in (
        "75.000\xa0₫",
        "8.000\xa0₫",
        "83.000\xa0₫",
        "Lệ phí",
        "Căn cứ pháp lý",
        "Minh họa",
    ):
        assert text in page


def test_sending_the_pay_form_twice_begins_one_payment(site_on_each: Site) -> None:
    site = site_on_each
    bill = _bill(site)
    client = site.visitor()
    answers = [
        client.post(f"/bills/{bill.bill_reference}/payments", data={"rail": "vnpay"})
        for _ in range(2)
    ]
    assert {answer.headers["location"] for answer in answers} == {"http://127.0.0.1:9999/pay"}
    assert len(_payments(site)) == 1
    assert len(site.gateways.redirect.started) == 1
    assert site.gateways.redirect.started[0].return_url.endswith(f"{_payments(site)[0].id}/return")


def test_a_channel_has_to_be_chosen(site: Site) -> None:
    bill = _bill(site)
    for data in ({}, {"rail": "stripe"}, {"rail": "cash"}):
        answer = site.visitor().post(f"/bills/{bill.bill_reference}/payments", data=data)
        assert answer.status_code == 422
        assert "Choose how you want to pay" in answer.text
    assert not _payments(site)


def test_a_lost_answer_leads_to_a_page_that_says_we_are_asking(site: Site) -> None:
    site.gateways.redirect.unavailable = True
    bill = _bill(site)
    client = site.visitor()
    answer = client.post(f"/bills/{bill.bill_reference}/payments", data={"rail": "vnpay"})
    page = client.get(answer.headers["location"]).text
    assert "We are asking VNPay" in page
    assert "That is not a failure" in page
    assert 'http-equiv="refresh"' in page


def test_another_way_needs_a_word_that_the_risk_is_known(site: Site) -> None:
    bill = _bill(site)
    client = site.visitor()
    client.post(f"/bills/{bill.bill_reference}/payments", data={"rail": "vnpay"})
    path = f"/bills/{bill.bill_reference}/payments"
    refused = client.post(path, data={"rail": "vietqr"})
    assert refused.status_code == 409
    assert "you will have paid twice" in refused.text
    assert len(_payments(site)) == 1
    again = client.post(path, data={"rail": "vietqr", "try_again": "yes"})
    assert again.status_code == 303
    assert len(_payments(site)) == 2


def test_the_transfer_page_gives_the_code_and_every_field(site: Site) -> None:
    bill = _bill(site)
    client = site.visitor()
    path = f"/bills/{bill.bill_reference}/payments"
    onward = client.post(path, data={"rail": "vietqr"}).headers["location"]
    page = client.get(onward).text
    for text in ("VietinBank", "112000000001", "VND\xa083,000", bill.bill_reference):
        assert text in page
    assert 'data-copy="83000"' in page
    picture = client.get(f"{onward}/qr.png")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


def test_a_payer_comes_back_from_a_channel_to_our_own_truth(site: Site) -> None:
    with transaction(site.engine) as session:
        payment = a_payment(session, a_bill(session, site.city, clock=site.clock), clock=site.clock)
    client = site.visitor()
    back = client.get(f"/payments/{payment.id}/return?vnp_ResponseCode=00&vnp_Amount=8300000")
    assert back.headers["location"] == f"/payments/{payment.id}"
    assert "Payment received" not in client.get(back.headers["location"]).text


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (PaymentEvent.DECLINED, "The payment was not collected"),
        (PaymentEvent.TIMED_OUT, "The time to pay ran out"),
        (PaymentEvent.ABANDONED, "The payment was called off"),
    ],
)
def test_an_ended_payment_says_how_it_ended_and_that_money_is_not_lost(
    site: Site, event: PaymentEvent, said: str
) -> None:
    with transaction(site.engine) as session:
        payment = a_payment(session, a_bill(session, site.city, clock=site.clock), clock=site.clock)
        end_attempt(session, payment, event, "x", clock=site.clock)
    page = site.visitor().get(f"/payments/{payment.id}").text
    assert said in page
    assert "you lose nothing" in page
    assert 'http-equiv="refresh"' not in page


def test_money_of_another_amount_is_received_and_never_failed(site: Site) -> None:
    with transaction(site.engine) as session:
        bill = a_bill(session, site.city, clock=site.clock)
        payment = a_paid_payment(session, bill, clock=site.clock, collected_minor=50_000)
    page = site.visitor().get(f"/payments/{payment.id}").text
    assert "Payment received" in page
    assert "VND\xa050,000" in page
    assert "Another amount" in page


def test_a_payment_taken_back_voids_the_receipt_on_its_page(site: Site) -> None:
    _, payment = _paid(site)
    with transaction(site.engine) as session:
        current = session.get_one(Payment, payment.id)
        reverse_payment(session, current, "returned by the bank", clock=site.clock)
        receipt = session.exec(select(Receipt).where(Receipt.payment_id == payment.id)).one()
    client = site.visitor()
    assert "The payment was taken back" in client.get(f"/payments/{payment.id}").text
    assert "This receipt is void" in client.get(f"/receipts/{receipt.token}").text
    assert client.get(f"/payments/{payment.id}/receipt").status_code == 404
    assert client.get(f"/payments/{payment.id}/receipt.pdf").status_code == 404


def test_a_pending_payment_past_its_time_is_in_doubt_and_not_failed(site: Site) -> None:
    with transaction(site.engine) as session:
        payment = a_payment(session, a_bill(session, site.city, clock=site.clock), clock=site.clock)
    site.clock.move_to(site.clock() + timedelta(days=2))
    page = site.visitor().get(f"/payments/{payment.id}").text
    assert payment.status is PaymentStatus.PENDING
    assert "We are asking VNPay" in page
    assert "Continue to" not in page


def test_a_bill_past_its_last_day_offers_no_payment(site: Site) -> None:
    bill = _bill(site)
    site.clock.move_to(site.clock() + timedelta(days=60))
    page = site.visitor().get(f"/bills/{bill.bill_reference}").text
    assert "The last day to pay has passed" in page
    assert 'name="rail"' not in page
    path = f"/bills/{bill.bill_reference}/payments"
    refused = site.visitor().post(path, data={"rail": "vnpay"})
    assert refused.status_code == 409
    assert "P003" in refused.text
