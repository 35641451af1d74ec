"""The receipt on paper: a PDF that reads the same everywhere, with a code that leads back to it."""

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import segno
import typst

from app.i18n import Words
from app.pages import labels
from app.pages.rendering import ASSETS, TEMPLATES
from payments.models import Receipt, ReceiptStatus
from payments.queries import PaymentView

FONTS: Final = ASSETS / "fonts"
_SOURCE: Final = TEMPLATES / "receipt.typ"


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What stands on a receipt; ``address`` is where it can be checked."""

    view: PaymentView
    receipt: Receipt
    named: bool
    address: str
    city: str


def receipt_pdf(facts: ReceiptFacts, words: Words) -> bytes:
    """Return the receipt as PDF, tagged for screen readers, in the reader's language."""
    return render_typst(_SOURCE, receipt_data(facts, words))


def receipt_data(facts: ReceiptFacts, words: Words) -> dict[str, Any]:
    """Return the texts of a receipt; the template only places them."""
    say, pick = words.say, words.pick
    bill, payment, receipt = facts.view.bill, facts.view.payment, facts.receipt
    rows = [
        (say("Payer"), bill.payer_name if facts.named else ""),
        (say("For"), pick(bill.title_vi, bill.title_en)),
        (say("Office"), pick(facts.view.office.name_vi, facts.view.office.name_en)),
        (say("Dossier"), bill.dossier_code),
        (say("Bill"), bill.bill_reference),
        (say("Channel"), say(labels.name(payment.rail))),
        (say("Number at the channel"), payment.provider_txn_id or ""),
        (say("Paid"), words.instant(payment.paid_at)),
        (say("Issued"), words.instant(receipt.issued_at)),
    ]
    voided = receipt.status is ReceiptStatus.VOIDED
    return {
        "language": words.language.value,
        "city": facts.city,
        "title": say("Receipt"),
        "number": receipt.number,
        "amount": words.minor(receipt.amount_minor, receipt.currency.value),
        "rows": [row for row in rows if row[1]],
        "demonstration": say("Demonstration: no legal document")
        if facts.view.demonstration
        else "",
        "voided": say("VOID since %(time)s", time=words.instant(receipt.voided_at))
        if voided
        else "",
        "check": say("Check this receipt: scan the code or open its address."),
        "address": facts.address,
        "qr": _svg(facts.address),
    }


def render_typst(source: Path, data: dict[str, Any]) -> bytes:
    """Return a template filled with data; data never becomes part of its source."""
    pdf = typst.compile(
        source,
        font_paths=[FONTS] if FONTS.exists() else [],
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        format="pdf",
    )
    assert isinstance(pdf, bytes)  # noqa: S101 - one document, not a list of pages
    return pdf


def _svg(text: str) -> str:
    image = BytesIO()
    segno.make(text, error="m", micro=False).save(image, kind="svg", border=0)
    return image.getvalue().decode()
