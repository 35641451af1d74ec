"""Receipts of every kind, without a database: one that stands, one made void, one in its place."""

from datetime import UTC, date, datetime, timedelta

from app.i18n import Words
from app.pages.receipt_pdf import ReceiptFacts
from app.pages.receipts import receipt_text
from core.money import Currency
from payments.channels import Rail
from payments.models import (
    Bill,
    BillLine,
    Budget,
    CollectingAccount,
    FeeKind,
    Office,
    OfficeKind,
    Payment,
    Receipt,
    ReceiptStatus,
)
from payments.queries import PaymentView, ReceiptView
from payments.states import BillStatus, PaymentStatus
from reconciliation.models import StatementLine

NOW = datetime(2026, 11, 2, 2, tzinfo=UTC)
PAYER = "Nguyễn Thị Ánh Tuyết"
CASES = ("standing", "voided", "reissued")


def a_view(case: str) -> ReceiptView:
    """Return a receipt of 83,000 VND: standing, voided by a refund, or issued in its place."""
    first = _receipt("MC0000000000-1", 83_000)
    lines = [
        _line(1, FeeKind.LE_PHI, "Lệ phí hộ tịch", "Civil status charge", 75_000),
        _line(2, FeeKind.PHI, "Phí bản sao", "Copy fee", 8_000),
    ]
    if case == "standing":
        return ReceiptView(a_paid_view(), first, lines)
    first.status, first.voided_at = ReceiptStatus.VOIDED, NOW + timedelta(days=1)
    first.void_reason = "refund MC0000000000-1-R1"
    second = _receipt("MC0000000000-1-2", 75_000)
    if case == "voided":
        return ReceiptView(a_paid_view(), first, lines, replaced_by=second)
    return ReceiptView(a_paid_view(), second, lines, frozenset({2}), replaces=first)


def a_paid_view(payer: str = PAYER) -> PaymentView:
    """Return a payment of 83,000 VND that VNPay has collected."""
    account = CollectingAccount(
        account_number="112", bank_bin="970415", bank_name="B", account_name="A",
        reference_prefix="MC",
    )  # fmt: skip
    office = Office(
        code="1", kind=OfficeKind.COMMUNE, name_vi="Phường Móng Cái 1", name_en="Mong Cai 1 Ward",
        path="/1/", demonstration=True,
    )  # fmt: skip
    bill = Bill(
        bill_reference="MC0000000000", dossier_code="H49.22-261106-0123", office_id=office.id,
        title_vi="Cấp bản sao trích lục hộ tịch", title_en="Copy of a civil status extract",
        amount_minor=83_000, due_minor=83_000, received_minor=83_000, status=BillStatus.PAID,
        due_date=date(2026, 11, 9), expires_on=date(2026, 12, 9), payer_name=payer,
        created_at=NOW, status_at=NOW, currency=Currency.VND,
    )  # fmt: skip
    payment = Payment(
        bill_id=bill.id, account_id=account.id, attempt=1, channel=Rail.VNPAY.channel,
        rail=Rail.VNPAY, merchant_reference="MC0000000000-1", amount_minor=83_000,
        status=PaymentStatus.SUCCEEDED, collected_minor=83_000, collected_currency="VND",
        provider_txn_id="14789012", created_at=NOW, status_at=NOW, paid_at=NOW, expires_at=NOW,
        currency=Currency.VND,
    )  # fmt: skip
    return PaymentView(payment, bill, office, account, None, None)


def a_bank_line(bank_ref: str = "FT26307000012") -> StatementLine:
    """Return the bank's credit that shows the money."""
    day = date(2026, 11, 3)
    return StatementLine(
        statement_id="s", account_id="a", line_key="k", position="1", booking_date=day,
        value_date=day, amount_minor=83_000, currency="VND", narrative="", bank_ref=bank_ref,
    )  # fmt: skip


def facts_of(view: ReceiptView, words: Words, *, named: bool = True) -> ReceiptFacts:
    """Return what stands on the paper; the bank shows the money of a receipt that is not void."""
    bank = [] if view.receipt.voided_at else [a_bank_line()]
    return ReceiptFacts(
        text=receipt_text(view, bank, words, named=named),
        demonstration=True,
        address="https://own.example/receipts/t0k3n",
        city=words.pick("Thành phố Móng Cái", "Mong Cai City"),
    )


def _line(position: int, kind: FeeKind, name_vi: str, name_en: str, amount_minor: int) -> BillLine:
    return BillLine(
        bill_id="b", position=position, fee_code=f"F{position}", kind=kind, name_vi=name_vi,
        name_en=name_en, legal_basis="minh họa / demonstration", amount_minor=amount_minor,
        budget=Budget.STATE_TREASURY,
    )  # fmt: skip


def _receipt(number: str, amount_minor: int) -> Receipt:
    return Receipt(
        number=number, token="t", bill_id="b", payment_id="p", amount_minor=amount_minor,
        issued_at=NOW, currency=Currency.VND,
    )  # fmt: skip
