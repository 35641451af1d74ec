"""Receipts over HTTP: four languages, the bank's reference once it is known, and what is mailed."""

from datetime import date, timedelta
from io import BytesIO

import pytest
from pydantic import ValidationError
from pypdf import PdfReader
from sqlmodel import select

from app.api.bills import BillIn
from app.i18n import Language
from core.actors import SYSTEM
from core.clock import business_day
from core.db import reading, transaction
from core.outbox import OutboxMessage
from payments.channels import Channel, Rail
from payments.models import Bill, CollectingAccount, Payment
from reconciliation.engine import run_reconciliation
from reconciliation.models import ProviderContract
from tests.factories import a_bill, a_line, a_paid_payment, a_settlement, a_statement
from tests.web.conftest import Site

SAID = {
    "vi": ("Biên lai", "Tám mươi ba nghìn đồng", "Căn cứ pháp lý: demonstration"),
    "en": ("Receipt", "Eighty-three thousand Vietnamese dong", "Legal basis: demonstration"),
    "fr": (
        "Reçu", "Quatre-vingt-trois mille dongs vietnamiens",
        "Fondement juridique\N{NO-BREAK SPACE}: demonstration",
    ),
    "zh": ("收据", "捌万叁仟越南盾整", "收费依据：demonstration"),
}  # fmt: skip


def _paid(site: Site, rail: Rail = Rail.VNPAY, language: str = "vi") -> tuple[Bill, Payment]:
    with transaction(site.engine) as session:
        bill = a_bill(session, site.city, clock=site.clock)
        bill.language = language
        return bill, a_paid_payment(session, bill, clock=site.clock, rail=rail)


@pytest.mark.parametrize("language", SAID)
def test_page_and_paper_say_the_same_in_the_readers_language(site: Site, language: str) -> None:
    bill, payment = _paid(site)
    client = site.visitor(language)
    page = client.get(f"/payments/{payment.id}/receipt").text
    pdf = PdfReader(BytesIO(client.get(f"/payments/{payment.id}/receipt.pdf").content))
    paper = pdf.pages[0].extract_text().replace("\n", " ")
    for text in (*SAID[language], bill.dossier_code, bill.bill_reference, payment.provider_txn_id):
        assert text is not None
        assert text in page
        assert text.replace("\xa0", " ") in paper.replace("\xa0", " ")
    assert f'receipt.pdf?lang={language}"' in page


def test_the_language_of_a_paper_can_be_asked_for(site: Site) -> None:
    _, payment = _paid(site)
    answer = site.visitor("vi").get(f"/payments/{payment.id}/receipt.pdf?lang=zh")
    assert answer.headers["content-language"] == "zh"
    assert "收据" in PdfReader(BytesIO(answer.content)).pages[0].extract_text()


def test_the_bank_reference_of_a_transfer_stands_there_once_it_is_matched(
    site_on_each: Site,
) -> None:
    site = site_on_each
    bill, payment = _paid(site, Rail.VIETQR)
    receipt = f"/payments/{payment.id}/receipt"
    assert "Not yet on a bank statement" in site.visitor().get(receipt).text
    with transaction(site.engine) as session:
        account = session.get_one(CollectingAccount, site.city.accounts[0].id)
        day = business_day(site.clock())
        line = a_line(day, 83_000, f"{bill.bill_reference} nop le phi", bank_ref="FT2630700001")
        a_statement(session, account, [line], day=day, clock=site.clock)
        run_reconciliation(session, account, as_of=day, clock=site.clock, actor=SYSTEM)
    page = site.visitor().get(receipt).text
    assert "FT2630700001, booked on" in page
    assert "Not yet on a bank statement" not in page


def test_the_bank_reference_of_a_wallet_is_that_of_its_payout(site_on_each: Site) -> None:
    site = site_on_each
    _, payment = _paid(site)
    with transaction(site.engine) as session:
        account = session.get_one(CollectingAccount, site.city.accounts[0].id)
        contract = ProviderContract(
            account_id=account.id, provider=Channel.VNPAY, rate_bps=100,
            payout_accounts=["5550001"], payout_names=["VNPAY"],
        )  # fmt: skip
        session.add(contract)
        second = a_bill(session, site.city, clock=site.clock, number=2)
        other = a_paid_payment(session, second, clock=site.clock)
        a_settlement(session, account, [payment, other], clock=site.clock)
        today = business_day(site.clock())
        day = today + timedelta(days=1)
        told = f"VNPAY PO{today:%Y%m%d}"
        line = a_line(day, 2 * 82_170, told, bank_ref="VN1", payer="VNPAY")
        a_statement(session, account, [line], day=day, clock=site.clock)
        run_reconciliation(session, account, as_of=day, clock=site.clock, actor=SYSTEM)
    assert "VN1, booked on" in site.visitor().get(f"/payments/{payment.id}/receipt").text


@pytest.mark.parametrize("language", [language.value for language in Language])
def test_the_mail_is_in_the_bills_language_with_the_name_of_the_procedure(
    site: Site, language: str
) -> None:
    bill, _ = _paid(site, language=language)
    with reading(site.engine) as session:
        (mail,) = session.exec(select(OutboxMessage)).all()
    expected = {
        "vi": bill.title_vi, "en": bill.title_en, "fr": f"{bill.title_en} ({bill.title_vi})",
        "zh": f"{bill.title_en} ({bill.title_vi})",
    }  # fmt: skip
    assert (mail.payload["language"], mail.payload["title"]) == (language, expected[language])


@pytest.mark.parametrize("language", [language.value for language in Language])
def test_a_portal_may_name_each_language(language: str) -> None:
    assert BillIn(**_BILL, language=language).language == language


def test_a_portal_may_name_no_other_language() -> None:
    with pytest.raises(ValidationError, match="language"):
        BillIn(**_BILL, language="de")


_BILL = {
    "dossier_code": "H49.22-261106-0001", "office_code": "22001", "procedure_code": "1.001193",
    "due_date": date(2026, 11, 9),
}  # fmt: skip
