"""The parts that pages are made of: labels, reasons, standing, passwords, receipt."""

import re
import struct
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from app.auth.errors import SignInBusyError, UserInvalidError
from app.auth.passwords import MAX_LENGTH, MIN_LENGTH, Passwords
from app.i18n import LOCALES, Language, Words
from app.locales.catalogues import read_catalogue
from app.middleware import is_cross_site, pay_page_origins
from app.pages import labels
from app.pages.listing import page_items
from app.pages.reasons import reason_of
from app.pages.receipt_pdf import FONTS, ReceiptFacts, receipt_data, receipt_pdf
from app.pages.standing import standing_of
from core.money import Currency
from core.settings import Settings
from payments.channels import Rail
from payments.models import Bill, CollectingAccount, Office, OfficeKind, Payment, Receipt
from payments.queries import Page, PaymentView
from payments.states import BillStatus, PaymentStatus
from reconciliation.matching.reasons import ENGLISH
from reconciliation.models import Mismatch
from reconciliation.states import ItemKind, Layer, MismatchType
from tests.factories import quick_passwords

NOW = datetime(2026, 11, 2, 2, tzinfo=UTC)
EN, VI = Words(Language.ENGLISH), Words(Language.VIETNAMESE)


def _view(
    status: PaymentStatus,
    rail: Rail = Rail.VNPAY,
    bill_status: BillStatus = BillStatus.OPEN,
) -> PaymentView:
    account = CollectingAccount(
        account_number="112", bank_bin="970415", bank_name="B", account_name="A",
        reference_prefix="MC",
    )  # fmt: skip
    office = Office(
        code="1", kind=OfficeKind.COMMUNE, name_vi="Phường Ỷ La", name_en="Y La", path="/1/"
    )
    bill = Bill(
        bill_reference="MC0000000000", dossier_code="H49.22-261106-0123", office_id=office.id,
        title_vi="Cấp bản sao trích lục hộ tịch", title_en="Extract", amount_minor=1000,
        due_minor=1000, status=bill_status, due_date=date(2026, 11, 9),
        expires_on=date(2026, 12, 9), payer_name="Nguyễn Thị Ánh Tuyết", created_at=NOW,
        status_at=NOW,
    )  # fmt: skip
    payment = Payment(
        bill_id=bill.id, account_id=account.id, attempt=1, channel=rail.channel, rail=rail,
        merchant_reference="MC0000000000-1", amount_minor=1000, status=status,
        redirect_url="https://pay.example", qr_payload="x", created_at=NOW, status_at=NOW,
        expires_at=NOW + timedelta(minutes=15), currency=Currency.VND,
    )  # fmt: skip
    return PaymentView(payment, bill, office, account, None, None)


def test_every_state_and_type_has_a_name_and_a_colour() -> None:
    for kind in labels.named_kinds():
        for member in kind:
            assert VI.say(labels.name(member))
            assert re.fullmatch(r"[a-z]+", labels.colour(member))


@pytest.mark.parametrize("code", sorted(ENGLISH))
def test_every_reason_is_said_in_vietnamese_with_its_values(code: str) -> None:
    names = re.findall(r"\{(\w+)\}", ENGLISH[code])
    params = dict.fromkeys(names, "1234") | {"day": "2026-11-06", "status": "expired"}
    mismatch = Mismatch(
        mismatch_key="x", account_id="a", type=MismatchType.AMBIGUOUS, layer=Layer.DIRECT,
        item_kind=ItemKind.BANK, item_id="b", amount_minor=1, reason="stored", reason_code=code,
        reason_params={name: params[name] for name in names}, run_id="r", opened_at=NOW,
    )  # fmt: skip
    said = reason_of(mismatch, VI)
    assert said != "stored"
    assert said != reason_of(mismatch, EN)
    if "amount" in names:
        assert "1.234\xa0₫" in said
    if "day" in names:
        assert "06/11/2026" in said


def test_a_reason_of_an_unknown_code_is_the_stored_sentence() -> None:
    mismatch = Mismatch(
        mismatch_key="x", account_id="a", type=MismatchType.AMBIGUOUS, layer=Layer.DIRECT,
        item_kind=ItemKind.BANK, item_id="b", amount_minor=1, reason="stored",
        reason_code="of tomorrow", run_id="r", opened_at=NOW,
    )  # fmt: skip
    assert reason_of(mismatch, VI) == "stored"


@pytest.mark.parametrize(
    ("status", "rail", "bill_status"), list(product(PaymentStatus, Rail, BillStatus))
)
def test_only_the_channels_own_word_ends_a_payment(
    status: PaymentStatus, rail: Rail, bill_status: BillStatus
) -> None:
    standing = standing_of(_view(status, rail, bill_status), EN, now=NOW + timedelta(days=1))
    told = " ".join([standing.headline, *standing.sentences])
    ended = {PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.CANCELLED}
    assert ("no money was taken" in told.lower() or "before any money was taken" in told) == (
        status in ended
    )
    assert ("Payment received" in told) == (status is PaymentStatus.SUCCEEDED)
    if standing.show_transfer:
        assert rail is Rail.VIETQR
        assert bill_status in {BillStatus.OPEN, BillStatus.PARTLY_PAID}
    if standing.may_try_again:
        assert bill_status in {BillStatus.OPEN, BillStatus.PARTLY_PAID}


@pytest.mark.parametrize(
    ("method", "path", "headers", "refused"),
    [
        ("GET", "/", {"sec-fetch-site": "cross-site"}, False),
        ("POST", "/x", {"sec-fetch-site": "same-origin"}, False),
        ("POST", "/x", {"sec-fetch-site": "none"}, False),
        ("POST", "/x", {"sec-fetch-site": "cross-site"}, True),
        ("POST", "/x", {"sec-fetch-site": "cross-site", "origin": "https://own.example"}, True),
        ("POST", "/x", {"origin": "https://own.example"}, False),
        ("POST", "/x", {"origin": "https://alias.example", "host": "alias.example"}, False),
        ("POST", "/x", {"origin": "https://evil.example", "host": "own.example"}, True),
        ("POST", "/x", {"origin": "null", "host": "own.example"}, True),
        ("DELETE", "/x", {"origin": "https://evil.example"}, True),
        ("POST", "/x", {}, False),
        ("POST", "/api/bills", {"origin": "https://evil.example"}, False),
        ("POST", "/channels/vnpay", {"sec-fetch-site": "cross-site"}, False),
        ("POST", "/apis", {"sec-fetch-site": "cross-site"}, True),
    ],
)
def test_the_cross_site_rule(
    method: str, path: str, headers: dict[str, str], *, refused: bool
) -> None:
    own = ["https://own.example"]
    assert is_cross_site(method, path, Headers(headers), own_origins=own) is refused


def test_the_pay_form_may_lead_to_the_channels_pages_only() -> None:
    production = Settings(
        environment="production", base_url="https://own.example",
        encryption_keys="k:" + "A" * 43, endpoints={"vnpay.pay": "https://pay.vnpay.vn/vpcpay.html"},
    )  # fmt: skip
    assert pay_page_origins(production) == [
        "https://*.zalopay.vn", "https://checkout.stripe.com", "https://pay.payos.vn",
        "https://pay.vnpay.vn", "https://payment.momo.vn", "https://test-payment.momo.vn",
    ]  # fmt: skip
    assert "http://127.0.0.1:*" in pay_page_origins(Settings())


def test_passwords_are_hashed_checked_and_bounded() -> None:
    passwords = quick_passwords()
    stored = passwords.make_hash("p" * MIN_LENGTH)
    assert stored.startswith("$argon2id$")
    assert passwords.check("p" * MIN_LENGTH, stored)[0]
    assert not passwords.check("q" * MIN_LENGTH, stored)[0]
    assert not passwords.check("p" * MIN_LENGTH, None)[0]
    for length in (MIN_LENGTH - 1, MAX_LENGTH + 1):
        with pytest.raises(UserInvalidError):
            passwords.make_hash("p" * length)


def test_a_weak_hash_is_made_anew_at_the_next_sign_in() -> None:
    stored = quick_passwords().make_hash("p" * MIN_LENGTH)
    right, stronger = Passwords().check("p" * MIN_LENGTH, stored)
    assert right
    assert stronger is not None
    assert "m=65536" in stronger


def test_only_so_many_passwords_are_checked_at_once() -> None:
    passwords = Passwords(at_once=1, patience_seconds=0.01)
    with passwords._turn(), pytest.raises(SignInBusyError):
        passwords.check("p", None)


def test_a_long_list_shows_first_last_and_near_parts() -> None:
    items = page_items(Page([], 10, 500), str)
    shown = [item.get("number", "…") for item in items]
    assert shown == ["1", "…", "9", "10", "11", "…", "20"]


def _facts(*, named: bool) -> ReceiptFacts:
    view = _view(PaymentStatus.SUCCEEDED, bill_status=BillStatus.PAID)
    receipt = Receipt(
        number="MC0000000000-1", token="t", bill_id="b", payment_id="p", amount_minor=1000,
        issued_at=NOW, currency=Currency.VND,
    )  # fmt: skip
    return ReceiptFacts(view, receipt, named, "https://own.example/receipts/t", "Móng Cái")


def test_a_receipt_is_a_tagged_pdf_and_names_the_payer_only_where_told() -> None:
    assert receipt_pdf(_facts(named=True), VI).startswith(b"%PDF-1.")
    assert "Nguyễn Thị Ánh Tuyết" in str(receipt_data(_facts(named=True), VI))
    assert "Nguyễn Thị Ánh Tuyết" not in str(receipt_data(_facts(named=False), VI))


def test_the_fonts_of_the_receipt_hold_every_letter_that_is_used() -> None:
    if not FONTS.exists():
        pytest.skip("the page assets are not built: npm ci && npm run build in app/static")
    catalogue = read_catalogue(LOCALES / "vi/LC_MESSAGES/messages.po", Language.VIETNAMESE)
    used = set("".join(str(message.string) for message in catalogue)) | set(
        "ĂÂĐÊÔƠƯăâđêôơưÁÀẢÃẠẤẦẨẪẬẮẰẲẴẶÉÈẺẼẸẾỀỂỄỆÍÌỈĨỊÓÒỎÕỌỐỒỔỖỘỚỜỞỠỢÚÙỦŨỤỨỪỬỮỰÝỲỶỸỴ₫"
    )
    for font in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"):
        letters = _letters_of(FONTS / font)
        assert {one for one in used if one.isprintable() and ord(one) not in letters} == set()


def _letters_of(path: Path) -> set[int]:
    """The code points of a TrueType font, from its cmap subtable of format 4 (OpenType 1.9)."""
    data = path.read_bytes()
    tables = {
        data[at : at + 4]: struct.unpack_from(">I", data, at + 8)[0]
        for at in range(12, 12 + 16 * struct.unpack_from(">H", data, 4)[0], 16)
    }
    start = tables[b"cmap"]
    letters: set[int] = set()
    for number in range(struct.unpack_from(">H", data, start + 2)[0]):
        table = start + struct.unpack_from(">I", data, start + 4 + 8 * number + 4)[0]
        if struct.unpack_from(">H", data, table)[0] == 4:
            count = struct.unpack_from(">H", data, table + 6)[0] // 2
            ends = struct.unpack_from(f">{count}H", data, table + 14)
            starts = struct.unpack_from(f">{count}H", data, table + 16 + 2 * count)
            for first, last in zip(starts, ends, strict=True):
                letters |= set(range(first, last + 1))
    return letters
