"""Bad input at a running installation: a clear answer with a code, nothing lost, nothing half."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import openpyxl
import pytest
from sqlalchemy import text
from sqlmodel import select

from adapters.http import create_client
from adapters.simulators.statement_files import (
    PrintedLine,
    PrintedStatement,
    write_bank_csv,
    write_bank_spreadsheet,
    write_camt053,
)
from app.demo.city import STAFF, WARDS, Ward
from app.errors import PROBLEM
from core.actors import Role
from core.clock import at_vietnam_time
from core.db import reading
from core.money import Money
from payments.channels import Rail
from payments.models import EventState, GatewayEvent
from payments.states import BillStatus, PaymentStatus
from reconciliation.intake import raw_file
from reconciliation.models import EvidenceFile
from tests.support.live import FIRST_DAY, Live

pytestmark = pytest.mark.e2e

COUNTED = (
    "bill", "bill_line", "payment", "receipt", "refund", "gateway_event", "journal_entry",
    "ledger_transfer", "evidence_file", "statement", "statement_line", "settlement",
    "settlement_line", "match", "mismatch", "idempotency_record",
)  # fmt: skip
UNKNOWN = "MC0000000000"
DOISOAT = Path(sys.executable).parent / "doisoat"
BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE Document [<!ENTITY a "0000000000">
""" + b"".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">\n'.encode()
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
) + b"""]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&i;</Document>"""  # fmt: skip


def _rows(live: Live) -> dict[str, int]:
    """Count the rows of everything that business is made of."""
    with live.context.engine.connect() as connection:
        return {
            table: connection.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one()  # noqa: S608
            for table in COUNTED
        }


@contextmanager
def adding(live: Live, **expected: int) -> Iterator[None]:
    """Hold that exactly these rows come to be, and no other."""
    before = _rows(live)
    yield
    after = _rows(live)
    assert {t: n - before[t] for t, n in after.items() if n != before[t]} == expected


@pytest.fixture
def visitor() -> Iterator[httpx2.Client]:
    """Return a client that asks for pages and follows nothing."""
    with create_client(timeout_seconds=30) as client:
        client.headers["accept-language"] = "en"
        yield client


@pytest.fixture
def officer(live: Live, visitor: httpx2.Client) -> httpx2.Client:
    """Return a client with which the demonstration's officer is signed in."""
    person = next(one for one in STAFF if one.role is Role.OFFICER)
    form = {"username": person.username, "password": person.password}
    answer = visitor.post(f"{live.places.pages}/staff/sign-in", data=form)
    assert answer.status_code == 303, answer.text
    return visitor


def _is_problem(answer: httpx2.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code), body
    assert body["title"]
    assert body["detail"]


# What the portal sends


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"dossier_code": None}, "C008"),
        ({"dossier_code": "H49"}, "P002"),
        ({"office_code": "99999"}, "P002"),
        ({"procedure_code": "0.000000"}, "P002"),
        ({"due_date": "tomorrow"}, "C008"),
        ({"due_date": "2020-01-01"}, "P002"),
        ({"payer_name": "two\nlines"}, "C008"),
        ({"amount": 1}, "C008"),
        ({"lines": [{"fee_code": "NO-SUCH-FEE"}]}, "P002"),
        ({"lines": [{"fee_code": "LP-HT", "quantity": 1.5}]}, "C008"),
    ],
    ids=str,
)
def test_a_malformed_bill_is_refused_and_leaves_nothing(
    live: Live, changed: dict[str, object], code: str
) -> None:
    with adding(live):
        _is_problem(live.post_bill(**changed), 422, code)


def test_a_body_that_is_no_json_is_refused(live: Live, visitor: httpx2.Client) -> None:
    with adding(live):
        answer = visitor.post(
            f"{live.places.pages}/api/v1/bills",
            content=b'{"dossier_code": ',
            headers={**live.portal_headers("half"), "content-type": "application/json"},
        )
        _is_problem(answer, 422, "C008")


def test_a_key_that_is_used_again_for_another_bill_is_refused(live: Live) -> None:
    assert live.post_bill(key="one-key").status_code == 201
    with adding(live):
        _is_problem(live.post_bill(key="one-key"), 422, "P007")


def test_an_unknown_reference_is_said_so_to_people_and_programs(
    live: Live, visitor: httpx2.Client
) -> None:
    base = live.places.pages
    with adding(live):
        page = visitor.get(f"{base}/bills/{UNKNOWN}")
        assert page.status_code == 404
        assert "P001" in page.text
        form = visitor.post(f"{base}/bills/{UNKNOWN}/payments", data={"rail": "vnpay"})
        assert form.status_code == 404
        answer = visitor.get(f"{base}/api/v1/bills/{UNKNOWN}", headers=live.portal_headers("x"))
        _is_problem(answer, 404, "P001")


# What channels send


def _pending(live: Live, rail: Rail) -> str:
    reference = live.issue()
    url = f"{live.places.pages}/bills/{reference}/payments"
    assert live.caller.submit(url, {"rail": rail.value}).is_redirect
    return reference


def _newest_event(live: Live) -> GatewayEvent:
    with reading(live.context.engine) as session:
        query = select(GatewayEvent).order_by(GatewayEvent.id.desc())  # type: ignore[attr-defined]
        event = session.exec(query).first()
    assert event is not None
    return event


def test_a_wrong_signature_of_vnpay_is_kept_and_believed_nothing(
    live: Live, visitor: httpx2.Client
) -> None:
    reference = _pending(live, Rail.VNPAY)
    [attempt] = live.attempts(reference)
    asked = parse_qs(urlsplit(attempt.redirect_url or "").query)
    notice = {name: values[0] for name, values in asked.items()} | {
        "vnp_ResponseCode": "00",
        "vnp_TransactionStatus": "00",
        "vnp_TransactionNo": "14999999",
        "vnp_SecureHash": "0" * 128,
    }
    url = (
        f"{live.places.pages}/channels/vnpay/{WARDS[0].contracts[Rail.VNPAY].merchant_code}/notice"
    )
    with adding(live, gateway_event=1):
        answer = visitor.get(url, params=notice)
    assert (answer.status_code, answer.json()["RspCode"]) == (200, "97")
    event = _newest_event(live)
    assert event.state is EventState.REFUSED
    assert "vnp_SecureHash=000" in event.query_string
    assert live.attempts(reference)[0].status is PaymentStatus.PENDING
    assert live.bill(reference).status is BillStatus.OPEN


def test_a_wrong_signature_of_stripe_is_kept_and_believed_nothing(
    live: Live, visitor: httpx2.Client
) -> None:
    reference = _pending(live, Rail.STRIPE)
    body = b'{"id": "evt_1", "object": "event", "type": "checkout.session.completed"}'
    seconds = int(live.settings.clock().timestamp())
    merchant = WARDS[0].contracts[Rail.STRIPE].merchant_code
    url = f"{live.places.pages}/channels/stripe/{merchant}/notice"
    with adding(live, gateway_event=1):
        answer = visitor.post(
            url, content=body, headers={"stripe-signature": f"t={seconds},v1={'0' * 64}"}
        )
    assert answer.status_code == 400
    event = _newest_event(live)
    assert (event.state, event.body) == (EventState.REFUSED, body)
    assert live.attempts(reference)[0].status is PaymentStatus.PENDING


# What banks send


def _statement(ward: Ward) -> PrintedStatement:
    line = PrintedLine(
        booking_date=FIRST_DAY, amount=Money(120_000), narrative="MC0000000000 nop phi",
        bank_reference="FT1", counterparty_name="NGUYEN VAN AN",
    )  # fmt: skip
    return PrintedStatement(
        account=ward.account_number, number="7", from_date=FIRST_DAY, to_date=FIRST_DAY,
        opening=Money(ward.opening_balance), lines=[line],
    )  # fmt: skip


def _unbalanced() -> bytes:
    statement = _statement(WARDS[0])
    closing = Money(statement.final_balance.amount_minor + 1)
    made = replace(statement, closing=closing)
    made_at = at_vietnam_time(FIRST_DAY + timedelta(days=1), 7)
    return write_camt053([made], message_id="M1", created_at=made_at)


def _unreadable_csv() -> bytes:
    good = write_bank_csv(_statement(WARDS[1]))
    bad = good.replace(b"120.000", b"12O.OOO", 1)
    assert bad != good
    return bad


def _unreadable_workbook() -> bytes:
    book = openpyxl.load_workbook(BytesIO(write_bank_spreadsheet(_statement(WARDS[1]))))
    sheet = book.active
    assert sheet is not None
    [cell] = [c for row in sheet.iter_rows() for c in row if c.value == 120_000]
    cell.value = "một trăm hai mươi nghìn"
    changed = BytesIO()
    book.save(changed)
    return changed.getvalue()


BAD_FILES: dict[str, tuple[Callable[[], bytes], str, str, int]] = {
    "bomb.xml": (lambda: BOMB, "refused", "S103", 3),
    "unreadable.csv": (_unreadable_csv, "held", "S200", 1),
    "unreadable.xlsx": (_unreadable_workbook, "held", "S200", 1),
    "unbalanced.xml": (_unbalanced, "held", "S300", 1),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_statement_is_kept_aside_with_its_reason(
    live: Live, officer: httpx2.Client, name: str
) -> None:
    make, outcome, code, _ = BAD_FILES[name]
    content = make()
    with adding(live, evidence_file=1):
        answer = officer.post(
            f"{live.places.pages}/staff/statements",
            data={"kind": "statement"},
            files={"file": (name, content)},
        )
    assert answer.status_code == 303, answer.text
    page = officer.get(f"{live.places.pages}{answer.headers['location']}").text
    assert code in page
    assert "kept as it came" in page
    with reading(live.context.engine) as session:
        file = session.exec(select(EvidenceFile).where(EvidenceFile.name == name)).one()
        assert file.outcome == outcome
        assert raw_file(file, vault=live.context.vault) == content


@pytest.mark.parametrize("name", BAD_FILES)
def test_the_command_line_says_the_same_and_ends_with_a_status(
    live: Live, tmp_path: Path, name: str
) -> None:
    make, outcome, code, status = BAD_FILES[name]
    path = tmp_path / f"cli-{name}"
    path.write_bytes(make() + (b"\n" if name.endswith(".xml") else b""))
    before = _rows(live)
    done = _doisoat(live, "statement", "import", str(path))
    assert done.returncode == status, done.stderr
    assert outcome in done.stdout
    assert code in done.stdout
    assert not done.stderr
    after = _rows(live)
    assert after["statement_line"] == before["statement_line"]
    assert after["ledger_transfer"] == before["ledger_transfer"]


def _doisoat(live: Live, *arguments: str) -> subprocess.CompletedProcess[str]:
    places = live.places.overrides() | {"var_dir": str(live.settings.var_dir)}
    variables = {f"DOISOAT_{name.upper()}": value for name, value in places.items()}
    return subprocess.run(
        [str(DOISOAT), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **variables},  # noqa: TID251 - a child of the test's own environment
    )


# What citizens send


def test_a_pay_form_that_is_sent_many_times_at_once_begins_one_attempt(live: Live) -> None:
    reference = live.issue()
    url = f"{live.places.pages}/bills/{reference}/payments"
    with adding(live, payment=1), ThreadPoolExecutor(4) as people:
        answers = list(people.map(lambda _: live.caller.submit(url, {"rail": "vnpay"}), range(4)))
    assert {answer.status_code for answer in answers} == {303}
    [attempt] = live.attempts(reference)
    addresses = {answer.headers["location"] for answer in answers}
    # Who asks while the channel is being called is led to the attempt's own page.
    assert addresses <= {attempt.redirect_url, f"/payments/{attempt.id}"}


def test_an_expired_bill_takes_no_money(live: Live, visitor: httpx2.Client) -> None:
    reference = live.issue()
    live.move_to(live.settings.clock() + timedelta(days=60))
    assert live.bill(reference).status is BillStatus.EXPIRED
    url = f"{live.places.pages}/bills/{reference}"
    with adding(live):
        answer = visitor.post(f"{url}/payments", data={"rail": "vnpay"})
    assert answer.status_code == 409
    assert "P003" in answer.text
    assert "The last day to pay has passed" in visitor.get(url).text
