"""The parts that pages are made of: labels, reasons, standing, passwords."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from starlette.datastructures import Headers

from app.auth.errors import SignInBusyError, UserInvalidError
from app.auth.passwords import MAX_LENGTH, MIN_LENGTH, Passwords
from app.i18n import Language, Words
from app.middleware import is_cross_site, pay_page_origins
from app.pages import labels
from app.pages.listing import page_items
from app.pages.reasons import reason_of
from app.pages.standing import standing_of
from core.money import Currency
from core.settings import Settings
from payments.channels import Rail
from payments.models import Bill, CollectingAccount, Office, OfficeKind, Payment
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
