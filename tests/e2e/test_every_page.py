"""Every page, in each of its languages, on a desk and on a phone: accessible, never too wide."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from sqlmodel import select

from app.demo.city import STAFF, WARDS
from app.i18n import offered_languages
from core.actors import SYSTEM, Role
from core.clock import business_day
from core.db import reading, transaction
from payments.channels import Rail
from payments.models import CollectingAccount, Receipt, Refund, Remittance
from payments.states import RefundStatus
from reconciliation.models import EvidenceFile, Mismatch, Resolution
from reconciliation.rechecking.drawing import draw_rechecks
from reconciliation.rechecking.models import RecheckItem
from reconciliation.states import ItemKind, MismatchType
from tests.e2e.conftest import DESKTOP, PHONE
from tests.support.live import Live

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / ".screenshots"
"""Where this folder exists, a picture of every page is put into it."""

GRAVE = {"serious", "critical"}
HOW = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
WINDOWS = {"desk": DESKTOP, "phone": PHONE}
EXCUSE = "Compared with the payer's bank slip: the payer mistyped the amount."

UNKNOWN_TABLE = """Sao kê tài khoản
Ngày giao dịch;Diễn giải;Số tiền;Số dư;Số giao dịch
03/02/2026;NGUYEN THI ANH nop le phi DX4KT7PQ2MNA;150.000;1.150.000;FT26034000001
04/02/2026;Phi chuyen tien thang 1;-11.000;1.139.000;FT26035000007
""".encode()
"""A bank's table that no profile knows, with days that could be read in two ways."""

ANYBODY = ""
PAGES: dict[str, dict[str, str]] = {
    ANYBODY: {
        "home": "/",
        "home-no-code": "/find?code=",
        "home-unknown": "/find?code=MC0000000000",
        "found": "/find?code={dossier}",
        "bill-open": "/bills/{open}",
        "bill-again": "/bills/{doubt}?again=yes",
        "bill-paid": "/bills/{paid}",
        "bill-partly": "/bills/{partly}",
        "payment-transfer": "/payments/{transfer}",
        "payment-doubt": "/payments/{pending}",
        "payment-received": "/payments/{payment}",
        "bill-refunded": "/bills/{refunded}",
        "receipt": "/payments/{payment}/receipt",
        "receipt-named": "/receipts/{token}",
        "transparency": "/transparency",
        "missing": "/nowhere",
        "sign-in": "/staff/sign-in",
    },
    Role.OFFICER: {
        "today": "/staff",
        "mismatches": "/staff/mismatches?status=",
        "mismatch": "/staff/mismatches/{mismatch}",
        "mismatch-suggested": "/staff/mismatches/{suggested}",
        "mismatch-resolved": "/staff/mismatches/{resolved}",
        "statements": "/staff/statements",
        "statement": "/staff/statements/{statement}",
        "settlement": "/staff/statements/{settlement}",
        "statement-refused": "/staff/statements/{refused}",
        "statement-unknown": "/staff/statements/{unknown}",
        "layout-open": "/staff/statements/{unknown}/layout",
        "layout-ready": "/staff/statements/{unknown}/layout?name=new-bank&account={account}"
        "&date_order=dmy&currency=VND",
        "clearing": "/staff/clearing?account={account}&name=vnpay",
        "remittances": "/staff/remittances",
        "closes": "/staff/close",
        "close": "/staff/close/{account}/{day}",
        "reports": "/staff/reports",
        "reports-ageing": "/staff/reports?kind=ageing",
        "bills": "/staff/bills",
        "staff-bill": "/staff/bills/{paid}",
        "messages": "/staff/messages",
        "jobs": "/staff/jobs",
        "refunds": "/staff/refunds",
        "refund-request": "/staff/payments/{twice}/refund",
        "refund": "/staff/refunds/{sent_back}",
        "payment-orders": "/staff/payment-orders",
        "rechecks": "/staff/rechecks",
        "recheck": "/staff/rechecks/{recheck}",
        "forbidden": "/staff/decisions",
    },
    Role.APPROVER: {
        "decisions": "/staff/decisions",
        "decision": "/staff/decisions/{decision}",
        "refund-decision": "/staff/refunds/{asked_back}",
        "recheck-seen": "/staff/rechecks/{recheck}",
        "remittance": "/staff/remittances/{remittance}",
    },
    Role.AUDITOR: {
        "search": "/staff/search?text={paid}",
        "trail": "/staff/payments/{payment}",
        "ledger": "/staff/ledger",
        "export": "/staff/export?account={account}",
        "book-exports": "/staff/export/books",
    },
    Role.ADMIN: {"users": "/staff/users", "sources": "/staff/sources"},
}
EVERY = [
    (role, name, language)
    for role, pages in PAGES.items()
    for name, path in pages.items()
    for language in offered_languages(path)
]
LOCALE = {"vi": "vi-VN", "en": "en-GB", "fr": "fr-FR", "zh": "zh-CN"}


@dataclass
class Scenery:
    """The ids that addresses of pages are filled with, and a visit for each role and language."""

    live: Live
    browser: Browser
    ids: dict[str, str] = field(default_factory=dict)
    visits: dict[tuple[str, str], Page] = field(default_factory=dict)

    def page(self, role: str, language: str) -> Page:
        """Return the page of somebody of the role who is signed in."""
        if (role, language) not in self.visits:
            visit = self.browser.new_context(locale=LOCALE[language])
            if AXE.exists():
                visit.add_init_script(path=AXE)
            if role != ANYBODY:
                self.sign_in(visit.request, role)
            self.visits[role, language] = visit.new_page()
        return self.visits[role, language]

    def sign_in(self, requests: Any, role: str) -> None:
        """Sign in by the form."""
        person = next(one for one in STAFF if one.role == role)
        form = {"username": person.username, "password": person.password}
        requests.post(f"{self.live.places.pages}/staff/sign-in", form=form)

    def post(self, role: str, path: str, **content: Any) -> None:
        """Send a form as somebody of the staff, who has to be let."""
        requests = self.page(role, "en").context.request
        answer = requests.post(f"{self.live.places.pages}{path}", **content)
        assert answer.ok, answer.text()


@pytest.fixture(scope="module")
def scenery(live: Live, browser: Browser) -> Iterator[Scenery]:
    """Return a city in which something of every kind has happened."""
    scenery = Scenery(live, browser)
    _let_people_pay(scenery)
    _let_staff_work(scenery)
    yield scenery
    for page in scenery.visits.values():
        page.context.close()


def _let_people_pay(scenery: Scenery) -> None:
    live, ids = scenery.live, scenery.ids
    ids["paid"] = live.issue()
    _pay_online(live, ids["paid"], Rail.VNPAY)
    _pay_online(live, live.issue(), Rail.STRIPE)
    wrong = [live.issue(ward=WARDS[2]) for _ in range(3)]
    for reference in wrong:
        _transfer(live, reference, less_by=1_000)
    ids["partly"], _, _ = wrong
    _transfer(live, live.issue(ward=WARDS[2]), less_by=0, purpose="chuyen tien ho")
    for _ in range(2):
        live.next_morning()
    ids["open"] = live.issue()
    dossier = {"dossier_code": live.bill(ids["open"]).dossier_code}
    live.post_bill(**dossier)
    ids["dossier"] = dossier["dossier_code"]
    waiting = live.issue(ward=WARDS[1])
    _begin(live, waiting, Rail.VIETQR)
    ids["transfer"] = live.attempts(waiting)[0].id
    ids["doubt"] = live.issue()
    _begin(live, ids["doubt"], Rail.VNPAY)
    ids["pending"] = live.attempts(ids["doubt"])[0].id
    ids["payment"] = live.attempts(ids["paid"])[0].id
    ids["refunded"] = live.issue()
    _pay_online(live, ids["refunded"], Rail.VNPAY)
    ids["twice"] = live.attempts(ids["refunded"])[0].id
    ids["account"] = WARDS[0].account_number
    yesterday = business_day(live.settings.clock()) - timedelta(days=1)
    ids["day"] = yesterday.isoformat()


def _let_staff_work(scenery: Scenery) -> None:
    live, ids = scenery.live, scenery.ids
    with reading(live.context.engine) as session:
        ids["token"] = session.exec(
            select(Receipt.token).where(Receipt.payment_id == ids["payment"])
        ).one()
        found = session.exec(
            select(Mismatch.id)
            .where(Mismatch.item_kind == ItemKind.BANK)
            .where(Mismatch.type == MismatchType.AMOUNT_MISMATCH)
            .order_by(Mismatch.id)  # type: ignore[arg-type]
        ).all()
        ids["suggested"] = session.exec(
            select(Mismatch.id).where(Mismatch.type == MismatchType.UNRECORDED_RECEIPT)
        ).one()
        files = {file.name: file.id for file in session.exec(select(EvidenceFile))}
    ids["resolved"], proposed, ids["mismatch"] = found
    for mismatch in (ids["resolved"], proposed):
        _propose(scenery, mismatch)
    decisions = _decisions(live)
    ids["decision"] = decisions[proposed]
    scenery.post(
        Role.APPROVER,
        f"/staff/decisions/{decisions[ids['resolved']]}",
        form={"decision": "approve", "note": "Đúng với sổ phụ"},
    )
    for name, content in (("sao ke 06-11.xml", b"<html>"), ("ngan hang moi.csv", UNKNOWN_TABLE)):
        scenery.post(Role.OFFICER, "/staff/statements", multipart={
            "kind": "statement",
            "file": {"name": name, "mimeType": "text/plain", "buffer": content},
        })  # fmt: skip
    with reading(live.context.engine) as session:
        refused = session.exec(select(EvidenceFile).where(EvidenceFile.outcome == "refused"))
        by_name = {file.name: file.id for file in refused}
    ids["refused"], ids["unknown"] = by_name["sao ke 06-11.xml"], by_name["ngan hang moi.csv"]
    _ask_for_books(scenery)
    _send_back(scenery)
    _ask_for_books(scenery)
    _draw(scenery)
    _send_on(scenery)
    ids["settlement"] = next(one for name, one in files.items() if name.endswith(".csv"))
    account = WARDS[2].account_number
    ids["statement"] = next(one for name, one in files.items() if name.startswith(account))


def _ask_for_books(scenery: Scenery) -> None:
    """The first time the next jobs write it, the second time it goes on waiting."""
    today = business_day(scenery.live.settings.clock()).isoformat()
    form = {"first": "2026-01-01", "last": today, "format": "datapackage"}
    scenery.post(Role.AUDITOR, "/staff/export/books", form=form)


def _draw(scenery: Scenery) -> None:
    """The sample of this month, as it will be drawn when the month is over."""
    clock = scenery.live.settings.clock
    with transaction(scenery.live.context.engine) as session:
        drawn = draw_rechecks(
            session,
            f"{business_day(clock()):%Y-%m}",
            actor=SYSTEM,
            clock=lambda: clock() + timedelta(days=31),
            seed="every page",
        )
        first = select(RecheckItem.id).where(RecheckItem.period == drawn.period)
        scenery.ids["recheck"] = session.exec(first.order_by(RecheckItem.position)).first() or ""  # type: ignore[arg-type]


def _send_back(scenery: Scenery) -> None:
    """A refund over the channel, one by transfer in a file for the bank, and one undecided."""
    live, ids = scenery.live, scenery.ids
    goes_to = {"name": "NGUYEN THI ANH TUYET", "account": "0011004567890", "bank_bin": "970436"}
    ids["sent_back"] = _ask_back(scenery, waived="1")
    _approve(scenery, ids["sent_back"])
    by_transfer = _ask_back(scenery, way="transfer", **goes_to)
    _approve(scenery, by_transfer)
    with reading(live.context.engine) as session:
        account_id = session.get_one(Refund, by_transfer).account_id
    scenery.post(Role.OFFICER, "/staff/payment-orders", form={"account_id": account_id})
    waiting = _ask_back(scenery, way="transfer", **goes_to)
    _approve(scenery, waiting)
    ids["asked_back"] = _ask_back(scenery)
    live.move_to(live.settings.clock() + timedelta(minutes=5))


def _send_on(scenery: Scenery) -> None:
    """A remittance to the State Treasury that waits for a second person."""
    number = WARDS[0].account_number
    with reading(scenery.live.context.engine) as session:
        account = session.exec(
            select(CollectingAccount).where(CollectingAccount.account_number == number)
        ).one()
    scenery.post(Role.OFFICER, "/staff/remittances", form={"account_id": account.id})
    with reading(scenery.live.context.engine) as session:
        scenery.ids["remittance"] = session.exec(select(Remittance.id)).one()


def _ask_back(scenery: Scenery, **fields: str) -> str:
    form = {"amount": "1000", "reason": "Hồ sơ bị trả lại", "evidence": "QĐ 12/2026"} | fields
    scenery.post(Role.OFFICER, f"/staff/payments/{scenery.ids['twice']}/refund", form=form)
    with reading(scenery.live.context.engine) as session:
        query = select(Refund.id).where(Refund.status == RefundStatus.REQUESTED)
        return session.exec(query).one()


def _approve(scenery: Scenery, refund: str) -> None:
    page = scenery.page(Role.APPROVER, "en")
    page.goto(f"{scenery.live.places.pages}/staff/refunds/{refund}")
    page.get_by_role("button", name="Approve exactly this").click()
    page.get_by_text("Is sent next").wait_for()


def _propose(scenery: Scenery, mismatch: str) -> None:
    page = scenery.page(Role.OFFICER, "en")
    page.goto(f"{scenery.live.places.pages}/staff/mismatches/{mismatch}")
    found = re.search(r'value="(payment:[^"]+)"', page.content())
    assert found is not None
    form = {"kind": "match", "counterpart": found[1], "reason": EXCUSE}
    scenery.post(Role.OFFICER, f"/staff/mismatches/{mismatch}/resolutions", form=form)


def _decisions(live: Live) -> dict[str, str]:
    with reading(live.context.engine) as session:
        return {row.mismatch_id: row.id for row in session.exec(select(Resolution))}


def _begin(live: Live, reference: str, rail: Rail) -> None:
    url = f"{live.places.pages}/bills/{reference}/payments"
    assert live.caller.submit(url, {"rail": rail.value}).is_redirect


def _pay_online(live: Live, reference: str, rail: Rail) -> None:
    _begin(live, reference, rail)
    deed = {"url": live.attempts(reference)[0].redirect_url, "outcome": "pay"}
    live.caller.post(f"{live.places.simulators}/{rail}/_control/act", deed)
    live.settle()


def _transfer(live: Live, reference: str, *, less_by: int, purpose: str = "") -> None:
    _begin(live, reference, Rail.VIETQR)
    [attempt] = live.attempts(reference)
    order = {
        "payload": attempt.qr_payload,
        "transfer_id": reference,
        "payer_name": "NGUYEN THI ANH TUYET",
        "amount": attempt.amount_minor - less_by,
        "purpose": purpose or f"{reference} nop phi",
    }
    live.caller.post(f"{live.places.simulators}/bank/_control/transfers", order)


@pytest.mark.parametrize(
    ("role", "name", "language"), EVERY, ids=[f"{name}-{language}" for _, name, language in EVERY]
)
def test_a_page_is_accessible_and_fits(
    scenery: Scenery, look: Callable[[Page, str], None], role: str, name: str, language: str
) -> None:
    page = scenery.page(role, language)
    page.goto(scenery.live.places.pages + PAGES[role][name].format(**scenery.ids))
    assert page.locator("html").get_attribute("lang") == language
    for window, size in WINDOWS.items():
        page.set_viewport_size(size)  # type: ignore[arg-type]
        look(page, f"{name}-{language}-{window}")


@pytest.fixture
def look() -> Callable[[Page, str], None]:
    """Return what looks at a page: for grave faults of accessibility, and for what sticks out."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make test-tools")

    def looked(page: Page, name: str) -> None:
        if SHOTS.is_dir():
            page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
        wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= window, f"{wide} wide in a window of {window}"
        found = page.evaluate("how => axe.run(how)", HOW)["violations"]
        grave = [
            f"{one['id']}: {one['help']}: {node['html'][:160]} {node['any'][:1]}"
            for one in found
            if one["impact"] in GRAVE
            for node in one["nodes"]
        ]
        assert grave == []

    return looked
